//! Where file systems may be on a medium: all of it, or the partitions of an MBR or a GPT.
//!
//! Both tables are a few fixed places. The crates that read them (`gpt`, `mbrman`) let a stranger's header say how much they read and
//! allocate, and refuse a table whose checksum is wrong while the partitions it names are well; what is found
//! here is only where to look, and the file system there has to be whole in any case.

use std::ops::Range;

use super::device::Medium;
use super::format::{le16, le32, le64};

/// The most partitions that are looked at.
const MAX: usize = 32;
/// The most logical partitions: each is named in a sector of its own, which names the next.
const MAX_LOGICAL: usize = 12;
/// Sector sizes in which tables count.
const SIZES: [u64; 2] = [512, 4096];
const PROTECTIVE: u8 = 0xEE;
/// A small FAT for firmware, which some computers put first and none shows (UEFI specification, sections 5.2.2 and 5.3.3).
const FIRMWARE: u8 = 0xEF;
const FIRMWARE_GUID: [u8; 16] = [
    0x28, 0x73, 0x2A, 0xC1, 0x1F, 0xF8, 0xD2, 0x11, 0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B,
];

/// Byte ranges that may hold a file system, in their order; always within the medium.
pub fn candidates(medium: &mut dyn Medium) -> Vec<Range<u64>> {
    let size = medium.size();
    let whole = 0..size;
    let mut found = vec![whole];
    let Some(mbr) = sector(medium, 0).filter(|s| le16(s, 510) == 0xAA55) else {
        return found;
    };
    let table = entries(&mbr);
    for unit in SIZES {
        let before = found.len();
        if table.iter().any(|e| e.kind == PROTECTIVE) {
            guids(medium, unit, 1, &mut found);
            if found.len() == before && size >= unit {
                guids(medium, unit, size / unit - 1, &mut found);
            }
        } else {
            masters(medium, unit, &table, &mut found);
        }
        // 512 is nearly always right; the other is for what it gave no partition.
        if found.len() > before {
            break;
        }
    }
    found
}

/// One line of an MBR, in sectors.
struct Entry {
    kind: u8,
    start: u64,
    length: u64,
}

impl Entry {
    fn is_extended(&self) -> bool {
        matches!(self.kind, 0x05 | 0x0F | 0x85)
    }
}

fn entries(sector: &[u8; 512]) -> [Entry; 4] {
    [446, 462, 478, 494].map(|at| Entry {
        kind: sector[at + 4],
        start: le32(sector, at + 8).into(),
        length: le32(sector, at + 12).into(),
    })
}

fn masters(medium: &mut dyn Medium, unit: u64, table: &[Entry; 4], found: &mut Vec<Range<u64>>) {
    for entry in table {
        if entry.kind == FIRMWARE {
            continue;
        }
        if !entry.is_extended() {
            add(medium, unit, entry.start, entry.length, found);
            continue;
        }
        let mut at = entry.start;
        for _ in 0..MAX_LOGICAL {
            let place = at.checked_mul(unit);
            let Some(sector) = place.and_then(|at| sector(medium, at)) else {
                break;
            };
            if le16(&sector, 510) != 0xAA55 {
                break;
            }
            let [logical, next, ..] = entries(&sector);
            add(medium, unit, at + logical.start, logical.length, found);
            if !next.is_extended() || next.start == 0 {
                break;
            }
            at = entry.start + next.start;
        }
    }
}

/// The entries of the GPT whose header is there (UEFI specification, section 5.3).
fn guids(medium: &mut dyn Medium, unit: u64, header: u64, found: &mut Vec<Range<u64>>) {
    let Some(header) = header.checked_mul(unit).and_then(|at| sector(medium, at)) else {
        return;
    };
    let length = u64::from(le32(&header, 84));
    if &header[..8] != b"EFI PART" || !(128..=4096).contains(&length) {
        return;
    }
    let count = u64::from(le32(&header, 80)).min(128);
    for n in 0..count {
        let at = le64(&header, 72).checked_mul(unit);
        let Some(at) = at.and_then(|at| at.checked_add(n * length)) else {
            return;
        };
        let mut entry = [0; 128];
        if at >= medium.size() || medium.read(at, &mut entry).is_err() {
            return;
        }
        let (first, last) = (le64(&entry, 32), le64(&entry, 40));
        let shown = entry[..16] != [0; 16] && entry[..16] != FIRMWARE_GUID;
        if shown && last >= first {
            add(medium, unit, first, (last - first).saturating_add(1), found);
        }
    }
}

/// A partition that reaches past the end is cut there: its file system says itself how much it needs.
fn add(medium: &dyn Medium, unit: u64, start: u64, length: u64, found: &mut Vec<Range<u64>>) {
    let (Some(start), Some(length)) = (start.checked_mul(unit), length.checked_mul(unit)) else {
        return;
    };
    let end = start.saturating_add(length).min(medium.size());
    if start > 0 && start < end && found.len() < MAX && !found.contains(&(start..end)) {
        found.push(start..end);
    }
}

fn sector(medium: &mut dyn Medium, at: u64) -> Option<[u8; 512]> {
    let mut bytes = [0; 512];
    let end = at.checked_add(512)?;
    (end <= medium.size() && medium.read(at, &mut bytes).is_ok()).then_some(bytes)
}
