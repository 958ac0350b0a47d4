//! A directory as a row of 32-byte slots: what stands in them, and how a name gets into them in one write of one sector.
//!
//! The slots of one name are put into one sector, so that the name is there or not. Behind the last slot in use stands an end mark;
//! a name that moves it into a further sector is written behind the mark first, where nobody looks, and then the mark is turned over.

use std::ops::Range;

use super::StickError;
use super::clusters::{Clusters, Extent};
use super::format::{Geometry, Kind, Root};
use super::sectors::Sectors;
use super::{exfat, fat};

/// Bytes of a slot.
pub const SLOT: u64 = 32;
/// The most of a directory that is looked at: 65 536 slots, which is also FAT's limit.
const MAX_BYTES: u64 = 2 << 20;
/// Zeros written at once.
const CHUNK: u64 = 1 << 20;

/// One slot.
pub type Slot = [u8; SLOT as usize];

/// A directory.
pub struct Folder {
    kind: Kind,
    sector: u64,
    /// Where its bytes are, piece by piece.
    pieces: Vec<Range<u64>>,
    /// Its last cluster, if it can grow behind it.
    last: Option<u32>,
}

/// What a directory says of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// As people see it.
    pub name: String,
    /// FAT's short form of it.
    pub alias: Option<[u8; 11]>,
    /// A directory.
    pub is_folder: bool,
    /// Where its bytes are.
    pub extent: Extent,
    /// How many bytes it has.
    pub size: u64,
    /// How many of them were written; the rest is zeros.
    pub valid: u64,
    /// Its slots.
    pub slots: Range<u64>,
}

impl Folder {
    /// The root directory.
    ///
    /// # Errors
    /// [`StickError::Damaged`], and the medium's.
    pub fn root(
        geometry: &Geometry,
        clusters: &Clusters,
        sectors: &mut Sectors<'_>,
    ) -> Result<Self, StickError> {
        match geometry.root {
            Root::Fixed(at, bytes) => Ok(Self {
                kind: geometry.kind,
                sector: geometry.sector,
                pieces: std::iter::once(at..at + bytes.min(MAX_BYTES)).collect(),
                last: None,
            }),
            Root::Chain(first) => {
                let extent = Extent {
                    first,
                    contiguous: false,
                };
                let mut root = Self::at(geometry, clusters, sectors, extent, MAX_BYTES)?;
                root.last = root.last_of(geometry);
                Ok(root)
            }
        }
    }

    /// A directory in another.
    ///
    /// # Errors
    /// [`StickError::Damaged`], and the medium's.
    pub fn of(
        geometry: &Geometry,
        clusters: &Clusters,
        sectors: &mut Sectors<'_>,
        item: &Item,
    ) -> Result<Self, StickError> {
        let bytes = match geometry.kind {
            Kind::ExFat => item.size.min(MAX_BYTES),
            _ => MAX_BYTES,
        };
        let mut folder = Self::at(geometry, clusters, sectors, item.extent, bytes)?;
        // exFAT's would need its size changed where it is named, too.
        if geometry.kind != Kind::ExFat {
            folder.last = folder.last_of(geometry);
        }
        Ok(folder)
    }

    fn at(
        geometry: &Geometry,
        clusters: &Clusters,
        sectors: &mut Sectors<'_>,
        extent: Extent,
        bytes: u64,
    ) -> Result<Self, StickError> {
        let limit = bytes.div_ceil(geometry.cluster);
        let mut pieces = Vec::new();
        for cluster in clusters.chain(sectors, extent, limit)? {
            let at = geometry.place(cluster)?;
            pieces.push(at..at + geometry.cluster.min(MAX_BYTES));
        }
        Ok(Self {
            kind: geometry.kind,
            sector: geometry.sector,
            pieces,
            last: None,
        })
    }

    fn last_of(&self, geometry: &Geometry) -> Option<u32> {
        let at = self.pieces.last()?.start;
        Some(((at - geometry.heap) / geometry.cluster) as u32 + 2)
    }

    /// Every name in it, in their order. What makes no sense is passed over.
    ///
    /// # Errors
    /// The medium's.
    pub fn items(&self, sectors: &mut Sectors<'_>) -> Result<Vec<Item>, StickError> {
        let slots = self.slots(sectors)?;
        Ok(match self.kind {
            Kind::ExFat => exfat::items(&slots),
            _ => fat::items(&slots),
        })
    }

    /// The slots before the end mark.
    ///
    /// # Errors
    /// The medium's.
    pub fn slots(&self, sectors: &mut Sectors<'_>) -> Result<Vec<Slot>, StickError> {
        let mut slots = Vec::new();
        for at in self.places() {
            let slot: Slot = sectors.array(at)?;
            if slot[0] == 0 {
                break;
            }
            slots.push(slot);
        }
        Ok(slots)
    }

    /// Where its slots are.
    fn places(&self) -> impl Iterator<Item = u64> {
        let pieces = self.pieces.iter();
        pieces
            .flat_map(|piece| piece.clone().step_by(SLOT as usize))
            .take((MAX_BYTES / SLOT) as usize)
    }

    /// Points a name at other bytes.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn replace(
        &self,
        sectors: &mut Sectors<'_>,
        item: &Item,
        extent: Extent,
        size: u64,
    ) -> Result<(), StickError> {
        let range = item.slots.start as usize..item.slots.end as usize;
        let places: Vec<u64> = self.places().skip(range.start).take(range.len()).collect();
        let mut set = Vec::new();
        for at in &places {
            set.push(sectors.array(*at)?);
        }
        // Of FAT's slots only the last one says where the bytes are.
        let changed = match self.kind {
            Kind::ExFat => {
                exfat::point(&mut set, extent.first, size);
                0
            }
            _ => {
                fat::point(&mut set, extent.first, size);
                set.len().saturating_sub(1)
            }
        };
        let is_in_one_sector = places[changed..]
            .iter()
            .all(|at| at / self.sector == places[changed] / self.sector);
        if is_in_one_sector {
            for (at, slot) in places.iter().zip(&set).skip(changed) {
                sectors.write(*at, slot)?;
            }
            return Ok(());
        }
        // The name is gone for a moment rather than half changed.
        for at in places {
            let [kind] = sectors.array(at)?;
            sectors.write(at, &[kind & 0x7F])?;
        }
        sectors.flush()?;
        self.insert(sectors, &set)
    }

    /// Puts the slots of one name in, at most a sector of them.
    ///
    /// # Errors
    /// [`StickError::FolderFull`], and the medium's.
    pub fn insert(&self, sectors: &mut Sectors<'_>, set: &[Slot]) -> Result<(), StickError> {
        let places: Vec<u64> = self.places().collect();
        let end = self.slots(sectors)?.len();
        let mut run = 0;
        let mut start = None;
        for (i, at) in places.iter().enumerate() {
            let follows = run > 0 && places[i - 1] / self.sector == at / self.sector;
            run = match i >= end || self.is_unused(sectors, *at)? {
                true if follows => run + 1,
                true => 1,
                false => 0,
            };
            if run == set.len() {
                start = Some(i + 1 - run);
                break;
            }
        }
        let start = start.ok_or(StickError::FolderFull)?;
        let after = start + set.len();
        let mut writes: Vec<(u64, Slot)> = Vec::new();
        for at in places.iter().take(start).skip(end) {
            writes.push((*at, self.unused()));
        }
        writes.extend(
            places[start..after]
                .iter()
                .copied()
                .zip(set.iter().copied()),
        );
        if after > end
            && let Some(at) = places.get(after)
        {
            writes.push((*at, [0; SLOT as usize]));
        }
        // What shows itself is the sector with the end mark; or the only one, before it.
        let shown = places[start.min(end)] / self.sector;
        let (last, first): (Vec<_>, Vec<_>) = writes
            .into_iter()
            .partition(|(at, _)| at / self.sector == shown);
        if !first.is_empty() {
            for (at, slot) in first {
                sectors.write(at, &slot)?;
            }
            sectors.flush()?;
        }
        for (at, slot) in last {
            sectors.write(at, &slot)?;
        }
        Ok(())
    }

    /// Makes room for more names.
    ///
    /// # Errors
    /// [`StickError::FolderFull`] where it cannot grow, [`StickError::Full`], and the medium's.
    pub fn grow(
        &mut self,
        geometry: &Geometry,
        clusters: &mut Clusters,
        sectors: &mut Sectors<'_>,
    ) -> Result<(), StickError> {
        let last = self.last.ok_or(StickError::FolderFull)?;
        if (self.pieces.len() as u64 + 1) * geometry.cluster > MAX_BYTES {
            return Err(StickError::FolderFull);
        }
        let taken = clusters.take(sectors, 1)?;
        let next = *taken.first().ok_or(StickError::Full)?;
        wipe(geometry, sectors, next)?;
        clusters.count(sectors, 1, 0)?;
        sectors.flush()?;
        clusters.link(sectors, last, next)?;
        sectors.flush()?;
        let at = geometry.place(next)?;
        self.pieces.push(at..at + geometry.cluster);
        self.last = Some(next);
        Ok(())
    }

    fn is_unused(&self, sectors: &mut Sectors<'_>, at: u64) -> Result<bool, StickError> {
        let [kind] = sectors.array(at)?;
        Ok(match self.kind {
            Kind::ExFat => kind & 0x80 == 0,
            _ => kind == fat::DELETED,
        })
    }

    fn unused(&self) -> Slot {
        let mut slot = [0; SLOT as usize];
        slot[0] = match self.kind {
            Kind::ExFat => exfat::UNUSED,
            _ => fat::DELETED,
        };
        slot
    }
}

/// Fills a new directory's cluster with end marks.
///
/// # Errors
/// The medium's.
pub fn wipe(
    geometry: &Geometry,
    sectors: &mut Sectors<'_>,
    cluster: u32,
) -> Result<(), StickError> {
    let at = geometry.place(cluster)?;
    let zeros = vec![0; geometry.cluster.min(CHUNK) as usize];
    for chunk in (0..geometry.cluster).step_by(CHUNK as usize) {
        sectors.write(at + chunk, &zeros)?;
        // A cluster may have 32 MiB, which need not all be in memory.
        if geometry.cluster > CHUNK {
            sectors.flush()?;
        }
    }
    Ok(())
}
