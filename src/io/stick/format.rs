//! The boot sector: which file system this is and where its parts are.
//!
//! FAT12, FAT16 and FAT32 after Microsoft's "FAT32 File System Specification" 1.03, with the kernel's reading of it
//! where the two differ (a FAT whose 16-bit size is 0 is FAT32 however few clusters it has); exFAT after the "exFAT file system
//! specification", sections 3 and 4. What does not fit inside the partition is no file system.

use super::StickError;
use super::sectors::Sectors;

/// Which table and which directory entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 12 bits an entry.
    Fat12,
    /// 16 bits an entry.
    Fat16,
    /// 28 bits an entry.
    Fat32,
    /// 32 bits an entry, and a bitmap.
    ExFat,
}

/// Where the root directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// A place of its own: byte, length.
    Fixed(u64, u64),
    /// Clusters from this one on.
    Chain(u32),
}

/// Where everything is, in bytes from the partition's start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Of the file system.
    pub kind: Kind,
    /// Bytes of a sector, 512 to 4096.
    pub sector: u64,
    /// Bytes of a cluster.
    pub cluster: u64,
    /// Clusters; they are numbered from 2 on.
    pub clusters: u32,
    /// Where cluster 2 is.
    pub heap: u64,
    /// Where the first allocation table is.
    pub table: u64,
    /// From one table to the next.
    pub table_size: u64,
    /// Tables to keep alike.
    pub tables: u64,
    /// The root directory.
    pub root: Root,
    /// FAT32's count of free clusters.
    pub info: Option<u64>,
}

impl Geometry {
    /// Reads the boot sector.
    ///
    /// # Errors
    /// [`StickError::Foreign`] when it is of another file system, [`StickError::Unknown`] when of none.
    pub fn read(sectors: &mut Sectors<'_>) -> Result<Self, StickError> {
        if sectors.size() < 512 {
            return Err(StickError::Unknown);
        }
        let boot: [u8; 512] = sectors.array(0)?;
        let found = match &boot[3..11] {
            b"EXFAT   " => exfat(&boot, sectors.size()),
            _ => fat(&boot, sectors.size()),
        };
        match found {
            Some(geometry) => Ok(geometry),
            None => Err(foreign(&boot, sectors).map_or(StickError::Unknown, StickError::Foreign)),
        }
    }

    /// Where a cluster's bytes are, if there is such a cluster.
    pub fn place(&self, cluster: u32) -> Result<u64, StickError> {
        match self.has(cluster) {
            true => Ok(self.heap + u64::from(cluster - 2) * self.cluster),
            false => Err(StickError::Damaged),
        }
    }

    /// Whether there is such a cluster.
    pub fn has(&self, cluster: u32) -> bool {
        cluster >= 2 && cluster - 2 < self.clusters
    }
}

fn fat(boot: &[u8; 512], size: u64) -> Option<Geometry> {
    let sector = u64::from(le16(boot, 11));
    let in_cluster = u64::from(boot[13]);
    let reserved = u64::from(le16(boot, 14));
    let copies = u64::from(boot[16]);
    let root_entries = u64::from(le16(boot, 17));
    let sectors = match le16(boot, 19) {
        0 => u64::from(le32(boot, 32)),
        n => u64::from(n),
    };
    let is_32 = le16(boot, 22) == 0;
    let table_sectors = match is_32 {
        true => u64::from(le32(boot, 36)),
        false => u64::from(le16(boot, 22)),
    };
    let plausible = is_sector(sector)
        && in_cluster.is_power_of_two()
        && reserved > 0
        && (1..=4).contains(&copies)
        && table_sectors > 0
        && (0xF8..=0xFF).contains(&boot[21]) | (boot[21] == 0xF0)
        && sectors * sector <= size
        && (root_entries > 0) != is_32;
    if !plausible {
        return None;
    }
    let root_at = reserved + copies * table_sectors;
    let heap = root_at + (root_entries * 32).div_ceil(sector);
    let clusters = sectors.checked_sub(heap)? / in_cluster;
    let kind = match (is_32, clusters) {
        (true, _) => Kind::Fat32,
        (false, ..4085) => Kind::Fat12,
        (false, _) => Kind::Fat16,
    };
    let bits = match kind {
        Kind::Fat12 => 12,
        Kind::Fat16 => 16,
        _ => 32,
    };
    let entries = (table_sectors * sector * 8 / bits).checked_sub(2)?;
    // The numbers above the last are marks: bad cluster, end of the chain.
    let clusters = clusters.min(entries).min((1 << bits.min(28)) - 18);
    let root = match is_32 {
        true => Root::Chain(le32(boot, 44)),
        false => Root::Fixed(root_at * sector, root_entries * 32),
    };
    // Bit 7: one table only is in use, by its number.
    let flags = le16(boot, 40);
    let (first, tables) = match is_32 && flags & 0x80 != 0 {
        true => (u64::from(flags & 0xF), 1),
        false => (0, copies),
    };
    let info = u64::from(le16(boot, 48));
    let table_size = table_sectors * sector;
    (clusters > 0 && first < copies).then_some(Geometry {
        kind,
        sector,
        cluster: in_cluster * sector,
        clusters: clusters as u32,
        heap: heap * sector,
        table: reserved * sector + first * table_size,
        table_size,
        tables,
        root,
        info: (is_32 && info > 0 && info < reserved).then_some(info * sector),
    })
}

fn exfat(boot: &[u8; 512], size: u64) -> Option<Geometry> {
    let (sector_shift, cluster_shift) = (u32::from(boot[108]), u32::from(boot[109]));
    if !(9..=12).contains(&sector_shift) || cluster_shift > 25 - sector_shift {
        return None;
    }
    let sector = 1 << sector_shift;
    let cluster = sector << cluster_shift;
    let bytes = |sectors: u32| u64::from(sectors) << sector_shift;
    let length = le64(boot, 72).checked_mul(sector)?;
    let (table, table_size) = (bytes(le32(boot, 80)), bytes(le32(boot, 84)));
    let (heap, clusters) = (bytes(le32(boot, 88)), le32(boot, 92));
    let plausible = length <= size
        && (1..=2).contains(&boot[110])
        && clusters > 0
        && clusters < 0xFFFF_FFF0
        && table >= 24 * sector
        && table_size >= (u64::from(clusters) + 2) * 4
        && heap >= table + table_size * u64::from(boot[110])
        && heap + u64::from(clusters) * cluster <= length;
    plausible.then_some(Geometry {
        kind: Kind::ExFat,
        sector,
        cluster,
        clusters,
        heap,
        table,
        table_size,
        tables: u64::from(boot[110]),
        root: Root::Chain(le32(boot, 96)),
        info: None,
    })
}

fn is_sector(bytes: u64) -> bool {
    bytes.is_power_of_two() && (512..=4096).contains(&bytes)
}

/// The name of a file system that is not read here, for the owner.
fn foreign(boot: &[u8; 512], sectors: &mut Sectors<'_>) -> Option<&'static str> {
    const SIGNS: [(u64, &[u8], &str); 8] = [
        (1_080, &[0x53, 0xEF], "Linux (ext)"),
        (1_024, b"H+", "macOS (HFS+)"),
        (1_024, b"HX", "macOS (HFS+)"),
        (32, b"NXSB", "macOS (APFS)"),
        (0, b"LUKS", "encrypted (LUKS)"),
        (32_769, b"CD001", "a disc image (ISO 9660)"),
        (0x1_0040, b"_BHRfS_M", "Linux (Btrfs)"),
        (0, b"XFSB", "Linux (XFS)"),
    ];
    match &boot[3..11] {
        b"NTFS    " => return Some("NTFS"),
        b"-FVE-FS-" => return Some("encrypted (BitLocker)"),
        b"EXFAT   " => return Some("exFAT, damaged"),
        _ => {}
    }
    let found = SIGNS.into_iter().find(|(at, sign, _)| {
        let mut bytes = [0; 8];
        let bytes = &mut bytes[..sign.len()];
        sectors.read(*at, bytes).is_ok() && bytes == *sign
    });
    found.map(|(_, _, name)| name)
}

/// Little-endian numbers; the places are constants within the array.
pub fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// See [`le16`].
pub fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from(le16(bytes, at)) | u32::from(le16(bytes, at + 2)) << 16
}

/// See [`le16`].
pub fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le32(bytes, at)) | u64::from(le32(bytes, at + 4)) << 32
}
