//! exFAT's directory entries ("exFAT file system specification", sections 6 and 7): a set of slots for each name.

use super::clusters::Extent;
use super::folder::{Item, SLOT, Slot};
use super::format::{le16, le32, le64};

/// First byte of a slot that is not in use.
pub const UNUSED: u8 = 0x05;
const BITMAP: u8 = 0x81;
const FILE: u8 = 0x85;
const STREAM: u8 = 0xC0;
const NAME: u8 = 0xC1;
const FOLDER: u16 = 0x10;
const ARCHIVE: u16 = 0x20;
/// Flags of a stream: it may have clusters; they follow each other.
const ALLOCATED: u8 = 0x01;
const CONTIGUOUS: u8 = 0x02;
/// Characters of a name in one slot.
const IN_SLOT: usize = 15;
/// 1980-01-01 00:00, as in [`super::fat`].
const DATE: [u8; 4] = [0x00, 0x00, 0x21, 0x00];

/// The first cluster of the bitmap of what is taken, and its bytes.
pub fn bitmap(slots: &[Slot]) -> Option<(u32, u64)> {
    let slot = slots.iter().find(|s| s[0] == BITMAP && s[1] & 1 == 0)?;
    Some((le32(slot, 20), le64(slot, 24)))
}

/// Every name in these slots whose set is whole.
pub fn items(slots: &[Slot]) -> Vec<Item> {
    let mut items = Vec::new();
    for (slot, i) in slots.iter().zip(0u64..) {
        let end = i as usize + 1 + usize::from(slot[1]);
        let Some(set) = slots.get(i as usize..end).filter(|_| slot[0] == FILE) else {
            continue;
        };
        let [_, stream, names @ ..] = set else {
            continue;
        };
        if stream[0] != STREAM || checksum(set) != le16(slot, 2) {
            continue;
        }
        let units: Vec<u16> = names
            .iter()
            .filter(|s| s[0] == NAME)
            .flat_map(|s| (0..IN_SLOT).map(|n| le16(s, 2 + 2 * n)))
            .take(usize::from(stream[3]))
            .collect();
        items.push(Item {
            name: String::from_utf16_lossy(&units),
            alias: None,
            is_folder: le16(slot, 4) & FOLDER != 0,
            extent: Extent {
                first: le32(stream, 20),
                contiguous: stream[1] & CONTIGUOUS != 0,
            },
            size: le64(stream, 24),
            valid: le64(stream, 8),
            slots: i..end as u64,
        });
    }
    items
}

/// The slots of a new name of at most 15 characters of ASCII.
pub fn entry(name: &str, is_folder: bool, first: u32, size: u64) -> Vec<Slot> {
    let mut set = vec![[0; SLOT as usize]; 3];
    set[0][0] = FILE;
    set[0][1] = 2;
    let attributes = if is_folder { FOLDER } else { ARCHIVE };
    set[0][4..6].copy_from_slice(&attributes.to_le_bytes());
    for date in [8, 12, 16] {
        set[0][date..date + 4].copy_from_slice(&DATE);
    }
    set[1][0] = STREAM;
    set[1][3] = name.len() as u8;
    set[1][4..6].copy_from_slice(&hash(name).to_le_bytes());
    set[2][0] = NAME;
    for (unit, at) in name.encode_utf16().take(IN_SLOT).zip((2..).step_by(2)) {
        set[2][at..at + 2].copy_from_slice(&unit.to_le_bytes());
    }
    point(&mut set, first, size);
    set
}

/// Points a name at other bytes, which the table chains.
pub fn point(set: &mut [Slot], first: u32, size: u64) {
    if let [_, stream, ..] = set {
        stream[1] = ALLOCATED;
        stream[8..16].copy_from_slice(&size.to_le_bytes());
        stream[20..24].copy_from_slice(&first.to_le_bytes());
        stream[24..32].copy_from_slice(&size.to_le_bytes());
    }
    let sum = checksum(set).to_le_bytes();
    if let [file, ..] = set {
        file[2..4].copy_from_slice(&sum);
    }
}

/// Over the whole set but the checksum itself.
fn checksum(set: &[Slot]) -> u16 {
    let bytes = set.as_flattened().iter().enumerate();
    bytes
        .filter(|(i, _)| !(2..4).contains(i))
        .fold(0, |sum: u16, (_, b)| {
            sum.rotate_right(1).wrapping_add(u16::from(*b))
        })
}

/// Of the name in capital letters.
fn hash(name: &str) -> u16 {
    let units = name.bytes().map(|b| u16::from(b.to_ascii_uppercase()));
    units.flat_map(u16::to_le_bytes).fold(0, |sum: u16, b| {
        sum.rotate_right(1).wrapping_add(u16::from(b))
    })
}
