//! The allocation table: which cluster follows which, which are free, which are taken now.
//!
//! FAT says both in its table. exFAT has a bitmap of what is taken, and a table that only counts for files that are not in one piece;
//! chains made here always fill in the table.

use super::StickError;
use super::format::{Geometry, Kind, le16, le32};
use super::sectors::Sectors;

/// The longest file that is given back: 4096 of the smallest clusters are 2 MiB, and what we write is 120 KiB.
const MOST_GIVEN_BACK: u64 = 4096;

/// Where the bytes of a file or directory are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its first cluster; 0 of an empty file.
    pub first: u32,
    /// exFAT: the clusters follow each other, and the table says nothing of them.
    pub contiguous: bool,
}

/// The table, and exFAT's bitmap.
pub struct Clusters {
    geometry: Geometry,
    /// The clusters of the bitmap.
    bitmap: Vec<u32>,
    /// Where the search for a free one begins.
    next: u32,
}

/// The next cluster after one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Free,
    Next(u32),
    End,
    Bad,
}

impl Clusters {
    /// `bitmap`: where exFAT's is, and its bytes.
    ///
    /// # Errors
    /// [`StickError::Damaged`] when the bitmap is shorter than the clusters are many.
    pub fn new(
        geometry: Geometry,
        sectors: &mut Sectors<'_>,
        bitmap: Option<(u32, u64)>,
    ) -> Result<Self, StickError> {
        let mut clusters = Self {
            next: 2,
            bitmap: Vec::new(),
            geometry,
        };
        if let Some((first, bytes)) = bitmap {
            let needed = u64::from(clusters.geometry.clusters).div_ceil(8);
            let count = needed.div_ceil(clusters.geometry.cluster);
            let extent = Extent {
                first,
                contiguous: false,
            };
            clusters.bitmap = clusters.chain(sectors, extent, count)?;
            if bytes < needed || (clusters.bitmap.len() as u64) < count {
                return Err(StickError::Damaged);
            }
        }
        if let Some(info) = clusters.geometry.info {
            let info: [u8; 512] = sectors.array(info)?;
            if is_info(&info) && clusters.geometry.has(le32(&info, 492)) {
                clusters.next = le32(&info, 492);
            }
        }
        Ok(clusters)
    }

    /// The clusters of a file, at most `limit`, which also ends a chain that goes in circles.
    ///
    /// # Errors
    /// [`StickError::Damaged`] when it leads to a cluster that is free or that does not exist.
    pub fn chain(
        &self,
        sectors: &mut Sectors<'_>,
        extent: Extent,
        limit: u64,
    ) -> Result<Vec<u32>, StickError> {
        let mut chain = Vec::new();
        let mut cluster = extent.first;
        while (chain.len() as u64) < limit {
            if !self.geometry.has(cluster) {
                return Err(StickError::Damaged);
            }
            chain.push(cluster);
            if extent.contiguous {
                cluster += 1;
                continue;
            }
            match self.entry(sectors, cluster)? {
                Entry::Next(next) => cluster = next,
                Entry::End => break,
                Entry::Free | Entry::Bad => return Err(StickError::Damaged),
            }
        }
        Ok(chain)
    }

    /// Takes so many free clusters and chains them.
    ///
    /// # Errors
    /// [`StickError::Full`].
    pub fn take(&mut self, sectors: &mut Sectors<'_>, count: u64) -> Result<Vec<u32>, StickError> {
        let mut taken = Vec::new();
        for _ in 0..self.geometry.clusters {
            if taken.len() as u64 == count {
                break;
            }
            let cluster = self.next;
            self.next = match self.geometry.has(cluster + 1) {
                true => cluster + 1,
                false => 2,
            };
            if self.is_free(sectors, cluster)? {
                taken.push(cluster);
            }
        }
        if (taken.len() as u64) < count {
            return Err(StickError::Full);
        }
        for (i, cluster) in taken.iter().enumerate() {
            let next = taken
                .get(i + 1)
                .map_or(Entry::End, |next| Entry::Next(*next));
            self.set_entry(sectors, *cluster, next)?;
            self.mark(sectors, *cluster, true)?;
        }
        Ok(taken)
    }

    /// Appends one cluster to a chain.
    ///
    /// # Errors
    /// The medium's.
    pub fn link(&self, sectors: &mut Sectors<'_>, last: u32, next: u32) -> Result<(), StickError> {
        self.set_entry(sectors, last, Entry::Next(next))
    }

    /// Gives a file's clusters back, if its chain is as long as its size says; a chain of another length may be another file's, too,
    /// and one that is longer than any of ours is a stranger's: it stays.
    ///
    /// # Errors
    /// The medium's.
    pub fn give_back(
        &self,
        sectors: &mut Sectors<'_>,
        extent: Extent,
        bytes: u64,
    ) -> Result<u64, StickError> {
        let count = bytes.div_ceil(self.geometry.cluster);
        if extent.first == 0 || count > MOST_GIVEN_BACK {
            return Ok(0);
        }
        let limit = count + u64::from(!extent.contiguous);
        let chain = match self.chain(sectors, extent, limit) {
            Ok(chain) if chain.len() as u64 == count => chain,
            Ok(_) | Err(StickError::Damaged) => return Ok(0),
            Err(e) => return Err(e),
        };
        for cluster in chain {
            // exFAT's table says nothing of a cluster that is free.
            if self.geometry.kind != Kind::ExFat {
                self.set_entry(sectors, cluster, Entry::Free)?;
            }
            self.mark(sectors, cluster, false)?;
        }
        Ok(count)
    }

    /// Corrects FAT32's count of free clusters.
    ///
    /// # Errors
    /// The medium's.
    pub fn count(
        &self,
        sectors: &mut Sectors<'_>,
        taken: u64,
        given_back: u64,
    ) -> Result<(), StickError> {
        let Some(at) = self.geometry.info else {
            return Ok(());
        };
        let info: [u8; 512] = sectors.array(at)?;
        let free = u64::from(le32(&info, 488)) + given_back;
        if is_info(&info) && free <= u64::from(self.geometry.clusters) + given_back {
            let free = free.saturating_sub(taken) as u32;
            sectors.write(at + 488, &free.to_le_bytes())?;
            sectors.write(at + 492, &self.next.to_le_bytes())?;
        }
        Ok(())
    }

    fn is_free(&self, sectors: &mut Sectors<'_>, cluster: u32) -> Result<bool, StickError> {
        match self.geometry.kind {
            Kind::ExFat => {
                let (at, bit) = self.bit(cluster)?;
                let [byte] = sectors.array(at)?;
                Ok(byte & bit == 0)
            }
            _ => Ok(self.entry(sectors, cluster)? == Entry::Free),
        }
    }

    fn mark(&self, sectors: &mut Sectors<'_>, cluster: u32, taken: bool) -> Result<(), StickError> {
        if self.geometry.kind == Kind::ExFat {
            let (at, bit) = self.bit(cluster)?;
            let [byte] = sectors.array(at)?;
            let byte = if taken { byte | bit } else { byte & !bit };
            sectors.write(at, &[byte])?;
        }
        Ok(())
    }

    /// Where a cluster's bit is in the bitmap, and which.
    fn bit(&self, cluster: u32) -> Result<(u64, u8), StickError> {
        let n = u64::from(cluster.checked_sub(2).ok_or(StickError::Damaged)?);
        let of = self.bitmap.get((n / 8 / self.geometry.cluster) as usize);
        let at = self.geometry.place(*of.ok_or(StickError::Damaged)?)?;
        Ok((at + n / 8 % self.geometry.cluster, 1 << (n % 8)))
    }

    fn entry(&self, sectors: &mut Sectors<'_>, cluster: u32) -> Result<Entry, StickError> {
        let at = self.entry_at(cluster);
        let (value, end) = match self.geometry.kind {
            Kind::Fat12 => {
                let pair = u32::from(u16::from_le_bytes(sectors.array(at)?));
                (pair >> (4 * (cluster & 1)) & 0xFFF, 0xFF8)
            }
            Kind::Fat16 => (u32::from(le16(&sectors.array::<2>(at)?, 0)), 0xFFF8),
            Kind::Fat32 => (le32(&sectors.array::<4>(at)?, 0) & 0x0FFF_FFFF, 0x0FFF_FFF8),
            Kind::ExFat => (le32(&sectors.array::<4>(at)?, 0), 0xFFFF_FFFF),
        };
        Ok(match value {
            0 => Entry::Free,
            value if value >= end => Entry::End,
            value if self.geometry.has(value) => Entry::Next(value),
            _ => Entry::Bad,
        })
    }

    fn set_entry(
        &self,
        sectors: &mut Sectors<'_>,
        cluster: u32,
        entry: Entry,
    ) -> Result<(), StickError> {
        let value = match entry {
            Entry::Next(next) => next,
            Entry::End | Entry::Bad => u32::MAX,
            Entry::Free => 0,
        };
        for table in 0..self.geometry.tables {
            let at = self.entry_at(cluster) + table * self.geometry.table_size;
            match self.geometry.kind {
                Kind::Fat12 => {
                    let shift = 4 * (cluster & 1);
                    let pair = u32::from(u16::from_le_bytes(sectors.array(at)?));
                    let pair = pair & !(0xFFF << shift) | (value & 0xFFF) << shift;
                    sectors.write(at, &(pair as u16).to_le_bytes())?;
                }
                Kind::Fat16 => sectors.write(at, &(value as u16).to_le_bytes())?,
                // The top four bits are not part of the entry.
                Kind::Fat32 => {
                    let top = le32(&sectors.array::<4>(at)?, 0) & 0xF000_0000;
                    sectors.write(at, &(top | value & 0x0FFF_FFFF).to_le_bytes())?;
                }
                Kind::ExFat => sectors.write(at, &value.to_le_bytes())?,
            }
        }
        Ok(())
    }

    fn entry_at(&self, cluster: u32) -> u64 {
        let n = u64::from(cluster);
        self.geometry.table
            + match self.geometry.kind {
                Kind::Fat12 => n + n / 2,
                Kind::Fat16 => n * 2,
                Kind::Fat32 | Kind::ExFat => n * 4,
            }
    }
}

/// The marks of FAT32's information sector.
fn is_info(info: &[u8; 512]) -> bool {
    le32(info, 0) == 0x4161_5252 && le32(info, 484) == 0x6141_7272
}
