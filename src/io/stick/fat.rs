//! FAT's directory entries: short names, and long ones in the slots before them.

use super::clusters::Extent;
use super::folder::{Item, SLOT, Slot};
use super::format::{le16, le32};

/// First byte of a slot that is not in use any more.
pub const DELETED: u8 = 0xE5;
/// Attributes.
const LABEL: u8 = 0x08;
const FOLDER: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
/// Of a slot with a part of a long name.
const LONG: u8 = 0x0F;
/// Characters of a long name in one slot, at these bytes.
const LONG_AT: [usize; 13] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
/// Slots of the longest long name.
const MAX_LONG: u8 = 20;
/// The short name is shown in small letters: stem, ending.
const SMALL: [u8; 2] = [0x08, 0x10];
/// 1980-01-01, the first date there is: an intercom has no clock to go by, and files need not tell when a call was.
const DATE: [u8; 2] = [0x21, 0x00];

/// Every name in these slots.
pub fn items(slots: &[Slot]) -> Vec<Item> {
    let mut items = Vec::new();
    let mut long = Long::default();
    for (slot, i) in slots.iter().zip(0..) {
        match slot[11] & 0x3F {
            _ if slot[0] == DELETED => long = Long::default(),
            LONG => long.add(slot),
            attributes if attributes & LABEL != 0 => long = Long::default(),
            attributes => {
                let alias = slot.first_chunk().copied().unwrap_or_default();
                let given = std::mem::take(&mut long);
                let count = u64::from(given.parts);
                let (name, first) = match given.name(&alias) {
                    Some(name) => (name, i - count),
                    None => (short_name(&alias, slot[12]), i),
                };
                items.push(Item {
                    name,
                    alias: Some(alias),
                    is_folder: attributes & FOLDER != 0,
                    extent: Extent {
                        first: u32::from(le16(slot, 20)) << 16 | u32::from(le16(slot, 26)),
                        contiguous: false,
                    },
                    size: u64::from(le32(slot, 28)),
                    valid: u64::from(le32(slot, 28)),
                    slots: first..i + 1,
                });
            }
        }
    }
    items
}

/// The slots of a new name: one when its form allows it, two with a long name.
///
/// `name` has at most 13 characters of ASCII that are legal in names; `taken`: the short names in its directory.
pub fn entry(name: &str, is_folder: bool, first: u32, size: u64, taken: &[[u8; 11]]) -> Vec<Slot> {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let is_short = stem.len() <= 8 && ending.len() <= 3;
    let mut slots = Vec::new();
    let mut last = [0; SLOT as usize];
    let alias = match is_short {
        true => padded(stem, ending),
        false => {
            let tilde = |n| padded(&format!("{:.6}~{n}", stem), ending);
            let alias = (1..=9).map(tilde).find(|alias| !taken.contains(alias));
            alias.unwrap_or_else(|| tilde(9))
        }
    };
    if !is_short {
        slots.push(long_slot(name, &alias));
    }
    last[..11].copy_from_slice(&alias);
    let is_small = |part: &str| part.bytes().any(|b| b.is_ascii_lowercase());
    if is_short {
        last[12] = [stem, ending]
            .into_iter()
            .zip(SMALL)
            .filter(|(part, _)| is_small(part))
            .fold(0, |all, (_, bit)| all | bit);
    }
    last[11] = if is_folder { FOLDER } else { ARCHIVE };
    for date in [16, 18, 24] {
        last[date..date + 2].copy_from_slice(&DATE);
    }
    slots.push(last);
    point(&mut slots, first, size);
    slots
}

/// `.` and `..` of a new directory in the root.
pub fn dots(own: u32) -> [Slot; 2] {
    [(own, &b".          "), (0, &b"..         ")].map(|(cluster, name)| {
        let mut slots = entry("", true, cluster, 0, &[]);
        let mut slot = slots.pop().unwrap_or([0; SLOT as usize]);
        slot[..11].copy_from_slice(*name);
        slot
    })
}

/// Points a name at other bytes.
pub fn point(set: &mut [Slot], first: u32, size: u64) {
    if let Some(slot) = set.last_mut() {
        let first = first.to_le_bytes();
        slot[26..28].copy_from_slice(&first[..2]);
        slot[20..22].copy_from_slice(&first[2..]);
        slot[28..32].copy_from_slice(&(size as u32).to_le_bytes());
    }
}

fn padded(stem: &str, ending: &str) -> [u8; 11] {
    let mut alias = [b' '; 11];
    for (to, from) in alias[..8].iter_mut().zip(stem.bytes()) {
        *to = from.to_ascii_uppercase();
    }
    for (to, from) in alias[8..].iter_mut().zip(ending.bytes()) {
        *to = from.to_ascii_uppercase();
    }
    alias
}

fn long_slot(name: &str, alias: &[u8; 11]) -> Slot {
    let mut slot = [0; SLOT as usize];
    slot[0] = 0x41;
    slot[11] = LONG;
    slot[13] = checksum(alias);
    let mut units = name.encode_utf16().chain([0]);
    for at in LONG_AT {
        let unit = units.next().unwrap_or(0xFFFF);
        slot[at..at + 2].copy_from_slice(&unit.to_le_bytes());
    }
    slot
}

fn short_name(alias: &[u8; 11], flags: u8) -> String {
    let part = |bytes: &[u8], small: u8| -> String {
        let text = bytes.trim_ascii_end().iter().map(|b| match b {
            b if flags & small != 0 => char::from(b.to_ascii_lowercase()),
            b => char::from(*b),
        });
        text.collect()
    };
    let (stem, ending) = (part(&alias[..8], SMALL[0]), part(&alias[8..], SMALL[1]));
    match ending.is_empty() {
        true => stem,
        false => format!("{stem}.{ending}"),
    }
}

fn checksum(alias: &[u8; 11]) -> u8 {
    alias
        .iter()
        .fold(0, |sum: u8, b| sum.rotate_right(1).wrapping_add(*b))
}

/// A long name as it is put together: its last part comes first.
#[derive(Default)]
struct Long {
    units: Vec<u16>,
    parts: u8,
    /// The number of the part that comes next; 0: the short name does.
    next: u8,
    checksum: u8,
}

impl Long {
    fn add(&mut self, slot: &Slot) {
        let (number, is_last) = (slot[0] & 0x3F, slot[0] & 0x40 != 0);
        let fits = match is_last {
            true => (1..=MAX_LONG).contains(&number),
            false => self.parts > 0 && number == self.next && slot[13] == self.checksum,
        };
        if !fits || number == 0 {
            *self = Self::default();
            return;
        }
        if is_last {
            *self = Self {
                checksum: slot[13],
                ..Self::default()
            };
        }
        let mut units: Vec<u16> = LONG_AT.iter().map(|at| le16(slot, *at)).collect();
        units.append(&mut self.units);
        self.units = units;
        self.parts += 1;
        self.next = number - 1;
    }

    fn name(self, alias: &[u8; 11]) -> Option<String> {
        if self.parts == 0 || self.next != 0 || self.checksum != checksum(alias) {
            return None;
        }
        let end = self.units.iter().position(|u| *u == 0);
        Some(String::from_utf16_lossy(
            &self.units[..end.unwrap_or(self.units.len())],
        ))
    }
}
