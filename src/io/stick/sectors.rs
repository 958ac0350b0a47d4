//! One partition's bytes: read with a bound on the work, written in whole sectors and in the order that was asked for.
//!
//! Changes are kept in memory until [`Sectors::flush`], which writes them and waits until the medium has them. What must
//! not be overtaken stands in a later flush, and a sector (512 bytes) is old or new, never half: on these two
//! facts rests everything that [`super::volume`] promises about sticks that are pulled out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::StickError;
use super::device::Medium;

/// Bytes that a medium writes whole or not at all.
pub const SECTOR: usize = 512;
/// Sectors read at once.
const READ_AHEAD: u64 = 8;
/// Unchanged sectors kept in memory.
const KEPT: usize = 8_192;
/// Sectors written at once.
const WRITE_AT_ONCE: usize = 128;

/// A window on a medium.
pub struct Sectors<'a> {
    medium: &'a mut dyn Medium,
    /// The partition, bytes.
    window: Range<u64>,
    cache: BTreeMap<u64, [u8; SECTOR]>,
    changed: BTreeSet<u64>,
    /// Bytes that may still be read.
    budget: &'a mut u64,
}

impl<'a> Sectors<'a> {
    /// The bytes `window` of the medium, of which `budget` may be read in all, repeats included; what is left of it stays there.
    pub fn new(medium: &'a mut dyn Medium, window: Range<u64>, budget: &'a mut u64) -> Self {
        let end = window.end.min(medium.size());
        Self {
            window: window.start.min(end)..end,
            medium,
            cache: BTreeMap::new(),
            changed: BTreeSet::new(),
            budget,
        }
    }

    /// Bytes of the window.
    pub fn size(&self) -> u64 {
        self.window.end - self.window.start
    }

    /// Fills `out` from byte `at` of the window on, changes included.
    ///
    /// # Errors
    /// The medium's; [`StickError::Damaged`] outside of the window or past the budget.
    pub fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), StickError> {
        let mut done = 0;
        for (sector, part) in parts(self.check(at, out.len())?) {
            let bytes = self.sector(sector)?;
            out[done..done + part.len()].copy_from_slice(&bytes[part.clone()]);
            done += part.len();
        }
        Ok(())
    }

    /// The same as an array.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn array<const N: usize>(&mut self, at: u64) -> Result<[u8; N], StickError> {
        let mut bytes = [0; N];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }

    /// Changes bytes from `at` on, in memory.
    ///
    /// # Errors
    /// As [`Self::read`]: the rest of the first and last sector must be known.
    pub fn write(&mut self, at: u64, data: &[u8]) -> Result<(), StickError> {
        let mut done = 0;
        for (sector, part) in parts(self.check(at, data.len())?) {
            let mut bytes = match part.len() {
                SECTOR => [0; SECTOR],
                _ => *self.sector(sector)?,
            };
            let next = done + part.len();
            bytes[part].copy_from_slice(&data[done..next]);
            done = next;
            self.cache.insert(sector, bytes);
            self.changed.insert(sector);
        }
        Ok(())
    }

    /// Writes every change and waits until the medium has it; then forgets all that was read.
    ///
    /// # Errors
    /// The medium's. Then any of the changes may have been made, each sector whole or not at all.
    pub fn flush(&mut self) -> Result<(), StickError> {
        let mut changed = std::mem::take(&mut self.changed).into_iter().peekable();
        while let Some(first) = changed.next() {
            let mut run = self.cache[&first].to_vec();
            let mut last = first;
            while run.len() < WRITE_AT_ONCE * SECTOR && changed.next_if_eq(&(last + 1)).is_some() {
                last += 1;
                run.extend_from_slice(&self.cache[&last]);
            }
            let at = self.window.start + first * SECTOR as u64;
            self.medium.write(at, &run).map_err(StickError::Io)?;
        }
        self.cache.clear();
        self.medium.sync().map_err(StickError::Io)
    }

    /// Forgets changes that were not flushed.
    pub fn forget(&mut self) {
        self.changed.clear();
        self.cache.clear();
    }

    fn check(&self, at: u64, length: usize) -> Result<Range<u64>, StickError> {
        match at.checked_add(length as u64) {
            Some(end) if end <= self.size() => Ok(at..end),
            _ => Err(StickError::Damaged),
        }
    }

    fn sector(&mut self, sector: u64) -> Result<&[u8; SECTOR], StickError> {
        if !self.cache.contains_key(&sector) {
            self.fetch(sector)?;
        }
        self.cache.get(&sector).ok_or(StickError::Damaged)
    }

    fn fetch(&mut self, sector: u64) -> Result<(), StickError> {
        if self.cache.len() > KEPT + self.changed.len() {
            let changed = &self.changed;
            self.cache.retain(|n, _| changed.contains(n));
        }
        let first = sector / READ_AHEAD * READ_AHEAD;
        let at = first * SECTOR as u64;
        let length = (READ_AHEAD * SECTOR as u64).min(self.size() - at);
        *self.budget = self
            .budget
            .checked_sub(length)
            .ok_or(StickError::TooMuchWork)?;
        let mut bytes = [0; READ_AHEAD as usize * SECTOR];
        let bytes = &mut bytes[..length as usize];
        self.medium
            .read(self.window.start + at, bytes)
            .map_err(StickError::Io)?;
        for (bytes, n) in bytes.as_chunks().0.iter().zip(first..) {
            self.cache.entry(n).or_insert(*bytes);
        }
        Ok(())
    }
}

/// The sectors that hold these bytes, and which bytes of each.
fn parts(bytes: Range<u64>) -> impl Iterator<Item = (u64, Range<usize>)> {
    let size = SECTOR as u64;
    (bytes.start / size..bytes.end.div_ceil(size)).map(move |sector| {
        let start = bytes.start.max(sector * size) - sector * size;
        let end = bytes.end.min((sector + 1) * size) - sector * size;
        (sector, start as usize..end as usize)
    })
}
