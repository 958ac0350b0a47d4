//! A stick's file system: the texts on it, and files put into its folder `SOTTO` so that it may be pulled out at any moment.
//!
//! Writing goes in this order, each step on the medium before the next begins:
//!
//! 1. The new contents, in clusters that were free, and the chains of these clusters. No name leads there yet.
//! 2. They are read back from the medium and compared.
//! 3. The names: one write of one sector turns a name from its old contents to the new ones.
//! 4. The clusters of the old contents are given back.
//!
//! Cut anywhere, each name has its old contents or its new ones; at worst clusters stay taken that no name leads to. So there is no
//! temporary name that could be left behind. A rename over the old name would need two names for one chain for a
//! moment, or none: FAT has no other.
//!
//! This is why the file system is our own. Of the crates, `fatfs` 0.3.6 reads well, but its rename goes through a moment with two names on one
//! chain, and its remove frees the clusters before the name goes, so that pulled in between the name leads to what
//! the next file is written to; `hadris-fat` calls its exFAT unstable and not for data that matters; `exfat` and `exfat-fs` only read.
//! Every loop here is bounded by [`Sectors`]' budget and the numbers beside it, whatever a stranger's stick says.

use std::ops::Range;

use super::StickError;
use super::clusters::{Clusters, Extent};
use super::device::Medium;
use super::exfat;
use super::fat;
use super::folder::{self, Folder, Item};
use super::format::{Geometry, Kind};
use super::partition;
use super::sectors::{SECTOR, Sectors};
use crate::intercom::stick::{File, Text};

/// The folder that is ours.
pub const FOLDER: &str = "SOTTO";
/// What only the card that an intercom starts from has.
const SYSTEM: &str = "sotto.toml";
/// What is taken from a stick at most: texts, bytes of one, bytes of all.
const MAX_TEXTS: usize = 64;
const MAX_TEXT: u64 = 64 << 10;
const MAX_ALL: u64 = 1 << 20;
/// Bytes read at most: directories and texts; the allocation table of a full stick, too.
const READ_BUDGET: u64 = 32 << 20;
const WRITE_BUDGET: u64 = 192 << 20;

/// Reads every `*.txt` in `SOTTO` and in the root, newest numbers first (a browser saves `answer (1).txt`).
///
/// # Errors
/// There is no file system that can be read.
pub fn read(medium: &mut dyn Medium) -> Result<Vec<Text>, StickError> {
    with_volume(medium, READ_BUDGET, |volume| volume.texts())
}

/// Puts files into `SOTTO`. False when they were there already.
///
/// # Errors
/// What is wrong with the stick; its other files are as they were.
pub fn write(medium: &mut dyn Medium, files: &[File]) -> Result<bool, StickError> {
    with_volume(medium, WRITE_BUDGET, |volume| {
        let written = volume.write(files);
        volume.sectors.forget();
        written
    })
}

/// The first readable file system.
fn with_volume<T>(
    medium: &mut dyn Medium,
    mut budget: u64,
    work: impl FnOnce(&mut Volume<'_>) -> Result<T, StickError>,
) -> Result<T, StickError> {
    let mut problem = StickError::Unknown;
    for window in partition::candidates(medium) {
        match Volume::open(medium, window, &mut budget) {
            Ok(mut volume) => return work(&mut volume),
            Err(e) => {
                if !matches!(e, StickError::Unknown) {
                    problem = e;
                }
            }
        }
    }
    Err(problem)
}

struct Volume<'a> {
    geometry: Geometry,
    sectors: Sectors<'a>,
    clusters: Clusters,
    root: Folder,
}

impl<'a> Volume<'a> {
    fn open(
        medium: &'a mut dyn Medium,
        window: Range<u64>,
        budget: &'a mut u64,
    ) -> Result<Self, StickError> {
        let mut sectors = Sectors::new(medium, window, budget);
        let geometry = Geometry::read(&mut sectors)?;
        let mut clusters = Clusters::new(geometry.clone(), &mut sectors, None)?;
        let root = Folder::root(&geometry, &clusters, &mut sectors)?;
        if geometry.kind == Kind::ExFat {
            let bitmap = exfat::bitmap(&root.slots(&mut sectors)?).ok_or(StickError::Damaged)?;
            clusters = Clusters::new(geometry.clone(), &mut sectors, Some(bitmap))?;
        }
        Ok(Self {
            geometry,
            sectors,
            clusters,
            root,
        })
    }

    // ---- reading ----

    fn texts(&mut self) -> Result<Vec<Text>, StickError> {
        let root = self.root_items()?;
        let own = root.iter().find(|i| is(i, FOLDER) && i.is_folder);
        let mut found = Vec::new();
        // A damaged folder of ours hides nothing that stands beside it.
        if let Some(own) = own
            && let Ok(folder) = self.folder(own)
        {
            found.extend(wanted(folder.items(&mut self.sectors)?, "SOTTO/"));
        }
        found.extend(wanted(root, ""));
        let mut texts = Vec::new();
        let mut all = 0;
        for (name, item) in found.into_iter().take(MAX_TEXTS) {
            if item.size > MAX_TEXT || all + item.size > MAX_ALL {
                continue;
            }
            match self.contents(&item) {
                Ok(contents) => {
                    all += item.size;
                    texts.push(Text {
                        name,
                        text: text(&contents),
                    });
                }
                Err(StickError::Damaged) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(texts)
    }

    fn root_items(&mut self) -> Result<Vec<Item>, StickError> {
        let items = self.root.items(&mut self.sectors)?;
        match items.iter().any(|i| is(i, SYSTEM)) {
            true => Err(StickError::System),
            false => Ok(items),
        }
    }

    fn folder(&mut self, item: &Item) -> Result<Folder, StickError> {
        Folder::of(&self.geometry, &self.clusters, &mut self.sectors, item)
    }

    /// A file's bytes; its size is checked by who asks.
    fn contents(&mut self, item: &Item) -> Result<Vec<u8>, StickError> {
        let mut contents = vec![0; item.size as usize];
        let valid = item.valid.min(item.size) as usize;
        self.fill(item.extent, &mut contents[..valid])?;
        Ok(contents)
    }

    fn fill(&mut self, extent: Extent, out: &mut [u8]) -> Result<(), StickError> {
        if out.is_empty() {
            return Ok(());
        }
        let count = (out.len() as u64).div_ceil(self.geometry.cluster);
        let chain = self.clusters.chain(&mut self.sectors, extent, count)?;
        if (chain.len() as u64) < count {
            return Err(StickError::Damaged);
        }
        for (cluster, out) in chain
            .iter()
            .zip(out.chunks_mut(self.geometry.cluster as usize))
        {
            let at = self.geometry.place(*cluster)?;
            self.sectors.read(at, out)?;
        }
        Ok(())
    }

    /// Whether a file has exactly these bytes.
    fn holds(&mut self, item: &Item, contents: &[u8]) -> Result<bool, StickError> {
        if item.is_folder || item.size != contents.len() as u64 {
            return Ok(false);
        }
        match self.contents(item) {
            Ok(there) => Ok(there == contents),
            Err(StickError::Damaged) => Ok(false),
            Err(e) => Err(e),
        }
    }

    // ---- writing ----

    fn write(&mut self, files: &[File]) -> Result<bool, StickError> {
        let root = self.root_items()?;
        let own = root.iter().find(|i| is(i, FOLDER));
        let items = match own {
            Some(own) if !own.is_folder => return Err(StickError::InTheWay(FOLDER)),
            Some(own) => self.folder(own)?.items(&mut self.sectors)?,
            None => Vec::new(),
        };
        let mut missing = Vec::new();
        for file in files {
            let old = items.iter().find(|i| is(i, file.name));
            if old.is_some_and(|old| old.is_folder) {
                return Err(StickError::InTheWay(file.name));
            }
            if !matches!(old, Some(old) if self.holds(old, &file.contents)?) {
                missing.push(file);
            }
        }
        if missing.is_empty() {
            return Ok(false);
        }
        if self.geometry.kind == Kind::ExFat && self.geometry.tables > 1 {
            return Err(StickError::TwoTables);
        }
        let own = match own {
            Some(own) => own.clone(),
            None => self.make_folder(&root)?,
        };
        let mut places = Vec::new();
        for file in &missing {
            places.push(self.place(&file.contents)?);
        }
        self.sectors.flush()?;
        for (file, place) in missing.iter().zip(&places) {
            let mut there = vec![0; file.contents.len()];
            let read = self.fill(*place, &mut there);
            if read.is_err() || there != *file.contents {
                return Err(StickError::NotVerified);
            }
        }
        let mut folder = self.folder(&own)?;
        let mut given_back = Vec::new();
        for (file, place) in missing.iter().zip(&places) {
            given_back.extend(self.name(&mut folder, file, *place)?);
        }
        self.sectors.flush()?;
        self.settle(&missing, given_back)?;
        let items = folder.items(&mut self.sectors)?;
        for file in &missing {
            let item = items.iter().find(|i| is(i, file.name));
            if !matches!(item, Some(item) if self.holds(item, &file.contents)?) {
                return Err(StickError::NotVerified);
            }
        }
        Ok(true)
    }

    /// Makes `SOTTO`, empty.
    fn make_folder(&mut self, root: &[Item]) -> Result<Item, StickError> {
        let taken = self.clusters.take(&mut self.sectors, 1)?;
        let first = *taken.first().ok_or(StickError::Full)?;
        folder::wipe(&self.geometry, &mut self.sectors, first)?;
        let set = match self.geometry.kind {
            Kind::ExFat => exfat::entry(FOLDER, true, first, self.geometry.cluster),
            _ => {
                let at = self.geometry.place(first)?;
                self.sectors.write(at, fat::dots(first).as_flattened())?;
                let aliases: Vec<_> = root.iter().filter_map(|i| i.alias).collect();
                fat::entry(FOLDER, true, first, 0, &aliases)
            }
        };
        self.clusters.count(&mut self.sectors, 1, 0)?;
        self.sectors.flush()?;
        let mut root = Folder::root(&self.geometry, &self.clusters, &mut self.sectors)?;
        self.insert(&mut root, &set)?;
        self.sectors.flush()?;
        self.root = root;
        let items = self.root.items(&mut self.sectors)?;
        let own = items.into_iter().find(|i| is(i, FOLDER));
        own.ok_or(StickError::NotVerified)
    }

    fn insert(&mut self, folder: &mut Folder, set: &[folder::Slot]) -> Result<(), StickError> {
        match folder.insert(&mut self.sectors, set) {
            Err(StickError::FolderFull) => {
                folder.grow(&self.geometry, &mut self.clusters, &mut self.sectors)?;
                folder.insert(&mut self.sectors, set)
            }
            done => done,
        }
    }

    /// Contents into free clusters.
    fn place(&mut self, contents: &[u8]) -> Result<Extent, StickError> {
        let count = (contents.len() as u64).div_ceil(self.geometry.cluster);
        let chain = self.clusters.take(&mut self.sectors, count.max(1))?;
        for (cluster, part) in chain
            .iter()
            .zip(contents.chunks(self.geometry.cluster as usize))
        {
            // Whole sectors, so that nothing of what was there is read or kept.
            let mut part = part.to_vec();
            part.resize(part.len().next_multiple_of(SECTOR), 0);
            let at = self.geometry.place(*cluster)?;
            self.sectors.write(at, &part)?;
        }
        Ok(Extent {
            first: chain.first().copied().unwrap_or(0),
            contiguous: false,
        })
    }

    /// Gives a name its new contents; says where the old ones are.
    fn name(
        &mut self,
        folder: &mut Folder,
        file: &File,
        place: Extent,
    ) -> Result<Option<(Extent, u64)>, StickError> {
        let size = file.contents.len() as u64;
        let items = folder.items(&mut self.sectors)?;
        if let Some(old) = items.iter().find(|i| is(i, file.name)) {
            folder.replace(&mut self.sectors, old, place, size)?;
            return Ok(Some((old.extent, old.size)));
        }
        let aliases: Vec<_> = items.iter().filter_map(|i| i.alias).collect();
        let set = match self.geometry.kind {
            Kind::ExFat => exfat::entry(file.name, false, place.first, size),
            _ => fat::entry(file.name, false, place.first, size, &aliases),
        };
        self.insert(folder, &set)?;
        Ok(None)
    }

    /// Gives old clusters back and corrects the count of free ones.
    fn settle(
        &mut self,
        files: &[&File],
        given_back: Vec<(Extent, u64)>,
    ) -> Result<(), StickError> {
        let clusters = |f: &&File| {
            (f.contents.len() as u64)
                .div_ceil(self.geometry.cluster)
                .max(1)
        };
        let taken = files.iter().map(clusters).sum();
        let mut free = 0;
        for (extent, size) in given_back {
            free += self.clusters.give_back(&mut self.sectors, extent, size)?;
        }
        self.clusters.count(&mut self.sectors, taken, free)?;
        self.sectors.flush()
    }
}

fn is(item: &Item, name: &str) -> bool {
    let short = item.alias.and_then(|alias| {
        let (stem, ending) = alias.split_at_checked(8)?;
        let (stem, ending) = (stem.trim_ascii_end(), ending.trim_ascii_end());
        Some([stem, &b"."[..usize::from(!ending.is_empty())], ending].concat())
    });
    item.name.eq_ignore_ascii_case(name)
        || short.is_some_and(|s| s.eq_ignore_ascii_case(name.as_bytes()))
}

/// The texts among these, the highest number first: it is the newest.
fn wanted(items: Vec<Item>, before: &str) -> Vec<(String, Item)> {
    let mut found: Vec<(String, Item)> = items
        .into_iter()
        .filter(|i| !i.is_folder && i.name.to_ascii_lowercase().ends_with(".txt"))
        .map(|item| (format!("{before}{}", item.name), item))
        .collect();
    found.sort_by_cached_key(|(name, _)| std::cmp::Reverse(number(name)));
    found
}

/// The number in `answer (1).txt`.
fn number(name: &str) -> u32 {
    let stem = name.get(..name.len() - 4).unwrap_or_default();
    let inner = stem.strip_suffix(')').and_then(|s| s.rsplit_once('('));
    inner.and_then(|(_, n)| n.parse().ok()).unwrap_or(0)
}

/// UTF-8, or UTF-16 with its mark, as an old editor saves it.
fn text(bytes: &[u8]) -> String {
    let units = |read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..].as_chunks().0.iter().map(|u| read(*u)).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xFF, 0xFE, ..] => units(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => units(u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}
