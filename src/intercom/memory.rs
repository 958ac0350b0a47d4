//! What outlives power off: the volume and the mode, as their owner last chose them.
//!
//! They are kept in a place of [`LENGTH`] bytes, a file or a partition, that begins with [`LABEL`] and has two slots. A write goes
//! into the slot that is not the newest, in place; one that is cut off leaves a bad checksum there, and the other slot
//! stands. Each slot lies in a page of its own (4 KiB), as that is the least that a kernel writes to a disk.
//!
//! | bytes of a slot | |
//! |---|---|
//! | 0 | version, 1 |
//! | 1–8 | counter, big-endian; the greater is the newer |
//! | 9, 10 | volume, 0–100; mode, 0 open, 1 push to talk: as chosen |
//! | 11, 12 | the same, as the settings said then |
//! | 13–479 | 0 |
//! | 480–511 | SHA-256 of bytes 0–479 |
//!
//! What was chosen on the box counts until the settings say something else than they did when it was chosen: then
//! their owner has changed his mind in the file.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::console::Mode;

/// How such a place begins; nothing is written to any other.
pub const LABEL: &[u8] = b"sotto memory 1\n";
/// Bytes in it.
pub const LENGTH: usize = 3 * PAGE;
/// Bytes in a slot.
pub const SLOT: usize = 512;

const PAGE: usize = 4_096;
const VERSION: u8 = 1;
const SUM: usize = SLOT - 32;

/// After the last change, so that ten steps of the volume are one write.
const SETTLE: Duration = Duration::from_secs(3);
/// Between two writes: a script that plays with the volume must not wear the card out.
const PAUSE: Duration = Duration::from_secs(60);
/// A write that failed is tried again so often, each time after twice the pause before it: for a good hour.
const TRIES: u32 = 6;

/// What can be chosen on the box and is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Of the speaker, 0 to 100.
    pub volume: u8,
    /// Whether the talk button is needed.
    pub mode: Mode,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// By the owner, on the box.
    pub chosen: Choice,
    /// What the settings said then.
    pub configured: Choice,
}

impl Remembered {
    /// What holds when the settings say this.
    pub fn applied_to(&self, configured: Choice) -> Choice {
        Choice {
            volume: if self.configured.volume == configured.volume {
                self.chosen.volume
            } else {
                configured.volume
            },
            mode: if self.configured.mode == configured.mode {
                self.chosen.mode
            } else {
                configured.mode
            },
        }
    }
}

// ---- the place ----

/// Which slot is the newest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// Its number and counter; `None` if neither can be read.
    newest: Option<(usize, u64)>,
}

/// A slot to be written, at [`Self::offset`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    slot: usize,
    counter: u64,
    /// Its contents.
    pub bytes: [u8; SLOT],
}

impl Write {
    /// Where, in bytes from the start of the place.
    pub fn offset(&self) -> usize {
        offset(self.slot)
    }
}

impl Slots {
    /// Reads a place, and what it remembers, if anything. Damaged slots and those of an unknown version count as empty.
    pub fn read(place: &[u8; LENGTH]) -> (Self, Option<Remembered>) {
        let slots = (0..2).filter_map(|slot| {
            let bytes = place.get(offset(slot)..)?.first_chunk()?;
            let (counter, remembered) = decode(bytes)?;
            Some((slot, counter, remembered))
        });
        match slots.max_by_key(|(_, counter, _)| *counter) {
            Some((slot, counter, remembered)) => {
                let newest = Some((slot, counter));
                (Self { newest }, Some(remembered))
            }
            None => (Self::default(), None),
        }
    }

    /// How to remember this: in the older slot.
    pub fn write(&self, remembered: &Remembered) -> Write {
        let (slot, counter) = match self.newest {
            Some((slot, counter)) => (1 - slot, counter.saturating_add(1)),
            None => (0, 1),
        };
        let bytes = encode(counter, remembered);
        Write {
            slot,
            counter,
            bytes,
        }
    }

    /// It was written. Until then the other slot stays the one that is trusted, also after a write that failed.
    pub fn written(&mut self, write: &Write) {
        self.newest = Some((write.slot, write.counter));
    }
}

fn offset(slot: usize) -> usize {
    (1 + slot) * PAGE
}

fn encode(counter: u64, remembered: &Remembered) -> [u8; SLOT] {
    let mode = |choice: Choice| match choice.mode {
        Mode::Open => 0,
        Mode::Ptt => 1,
    };
    let (chosen, configured) = (remembered.chosen, remembered.configured);
    let mut bytes = [0; SLOT];
    bytes[0] = VERSION;
    bytes[1..9].copy_from_slice(&counter.to_be_bytes());
    bytes[9..13].copy_from_slice(&[
        chosen.volume,
        mode(chosen),
        configured.volume,
        mode(configured),
    ]);
    let sum = Sha256::digest(&bytes[..SUM]);
    bytes[SUM..].copy_from_slice(&sum);
    bytes
}

fn decode(bytes: &[u8; SLOT]) -> Option<(u64, Remembered)> {
    let (contents, sum) = bytes.split_at(SUM);
    if Sha256::digest(contents)[..] != *sum || contents[0] != VERSION {
        return None;
    }
    let choice = |at: usize| {
        let volume = Some(contents[at]).filter(|v| *v <= 100)?;
        let mode = match contents[at + 1] {
            0 => Mode::Open,
            1 => Mode::Ptt,
            _ => return None,
        };
        Some(Choice { volume, mode })
    };
    // The last one is never written, as nothing could be newer.
    let counter =
        Some(u64::from_be_bytes(*contents[1..].first_chunk()?)).filter(|c| *c < u64::MAX)?;
    let remembered = Remembered {
        chosen: choice(9)?,
        configured: choice(11)?,
    };
    Some((counter, remembered))
}

// ---- when ----

/// When to remember what.
pub(super) struct Memory {
    configured: Choice,
    /// What will hold after power off; `None` after a write that failed.
    kept: Option<Choice>,
    /// Writes that failed since one did not.
    failures: u32,
    /// As last looked at.
    now: Choice,
    /// When what changed is due to be written.
    due: Option<Instant>,
    not_before: Option<Instant>,
}

impl Memory {
    /// What holds at the start, and that.
    pub fn new(configured: Choice, remembered: Option<Remembered>) -> (Self, Choice) {
        let kept = remembered.map_or(configured, |r| r.applied_to(configured));
        let memory = Self {
            configured,
            kept: Some(kept),
            failures: 0,
            now: kept,
            due: None,
            not_before: None,
        };
        (memory, kept)
    }

    /// What holds now, and whether there is a call, which nothing may disturb. Gives what is to be written now.
    pub fn update(&mut self, now: Instant, choice: Choice, in_call: bool) -> Option<Remembered> {
        if choice != self.now {
            self.now = choice;
            let settled = now + SETTLE;
            let due = self.not_before.map_or(settled, |at| at.max(settled));
            self.due = (Some(choice) != self.kept).then_some(due);
        }
        self.due.filter(|at| *at <= now && !in_call)?;
        self.not_before = Some(now + PAUSE);
        self.flush()
    }

    /// What is still to be written, at once.
    pub fn flush(&mut self) -> Option<Remembered> {
        self.due.take()?;
        self.kept = Some(self.now);
        Some(Remembered {
            chosen: self.now,
            configured: self.configured,
        })
    }

    /// What was to be written is on the disk, or not. True for the first failure, which the owner is to know of.
    pub fn finished(&mut self, now: Instant, is_written: bool) -> bool {
        if is_written {
            self.failures = 0;
            return false;
        }
        self.kept = None;
        if self.failures < TRIES {
            self.due = Some(now + PAUSE * 2u32.pow(self.failures));
        }
        self.failures = self.failures.saturating_add(1);
        self.failures == 1
    }

    /// When [`Self::update`] is due.
    pub fn poll_timeout(&self, in_call: bool) -> Option<Instant> {
        self.due.filter(|_| !in_call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOUD: Choice = Choice {
        volume: 100,
        mode: Mode::Ptt,
    };
    const SOFT: Choice = Choice {
        volume: 40,
        mode: Mode::Open,
    };

    fn chosen(volume: u8) -> Remembered {
        Remembered {
            chosen: Choice { volume, ..SOFT },
            configured: LOUD,
        }
    }

    fn empty() -> [u8; LENGTH] {
        let mut place = [0; LENGTH];
        place[..LABEL.len()].copy_from_slice(LABEL);
        place
    }

    fn put(place: &mut [u8; LENGTH], write: &Write, bytes: usize) {
        place[write.offset()..][..bytes].copy_from_slice(&write.bytes[..bytes]);
    }

    #[test]
    fn the_newest_of_many_writes_is_remembered_and_slots_take_turns() {
        let mut place = empty();
        assert_eq!(Slots::read(&place), (Slots::default(), None));
        for n in 0..=100_u8 {
            let (mut slots, before) = Slots::read(&place);
            assert_eq!(before, n.checked_sub(1).map(chosen));
            let write = slots.write(&chosen(n));
            assert_eq!(write.offset(), 4_096 * (1 + usize::from(n % 2)));
            put(&mut place, &write, SLOT);
            slots.written(&write);
            assert_eq!(Slots::read(&place), (slots, Some(chosen(n))));
        }
        assert!(place.starts_with(LABEL));
    }

    #[test]
    fn a_write_torn_at_any_byte_leaves_what_was_remembered_before() {
        let mut place = empty();
        for n in 1..=3 {
            let write = Slots::read(&place).0.write(&chosen(n));
            put(&mut place, &write, SLOT);
        }
        for garbage in [0, 0xff, 0x5a] {
            let write = Slots::read(&place).0.write(&chosen(4));
            for torn in 0..SLOT {
                let mut cut = place;
                put(&mut cut, &write, torn);
                // What is behind the cut is as it was, or anything.
                let old = Slots::read(&cut).1;
                assert_eq!(old, Some(chosen(3)), "at {torn}");
                cut[write.offset() + torn..][..SLOT - torn].fill(garbage);
                let (slots, old) = Slots::read(&cut);
                assert_eq!(old, Some(chosen(3)), "at {torn}");
                // The next one goes to the torn slot again.
                assert_eq!(slots.write(&chosen(4)), write);
            }
        }
    }

    #[test]
    fn with_both_slots_bad_or_of_an_unknown_version_nothing_is_remembered_and_a_write_mends_it() {
        let mut place = empty();
        for n in 1..=2 {
            let write = Slots::read(&place).0.write(&chosen(n));
            put(&mut place, &write, SLOT);
        }
        let mut bad = place;
        for slot in 0..2 {
            bad[offset(slot) + 9] ^= 1;
        }
        let mut newer = place;
        for slot in 0..2 {
            let bytes = &mut newer[offset(slot)..][..SLOT];
            bytes[0] = 2;
            let sum = Sha256::digest(&bytes[..SUM]);
            bytes[SUM..].copy_from_slice(&sum);
        }
        for mut place in [bad, newer] {
            let (slots, none) = Slots::read(&place);
            assert_eq!(none, None);
            put(&mut place, &slots.write(&chosen(7)), SLOT);
            assert_eq!(Slots::read(&place).1, Some(chosen(7)));
        }
    }

    #[test]
    fn values_out_of_range_are_no_choice() {
        for (at, value) in [(9, 101), (10, 2), (11, 255), (12, 9)] {
            let mut bytes = encode(1, &chosen(5));
            bytes[at] = value;
            let sum = Sha256::digest(&bytes[..SUM]);
            bytes[SUM..].copy_from_slice(&sum);
            assert_eq!(decode(&bytes), None, "{at}");
        }
    }

    #[test]
    fn what_was_chosen_counts_until_the_settings_change() {
        let remembered = Remembered {
            chosen: SOFT,
            configured: LOUD,
        };
        assert_eq!(remembered.applied_to(LOUD), SOFT);
        let edited = Choice { volume: 70, ..LOUD };
        let expected = Choice { volume: 70, ..SOFT };
        assert_eq!(remembered.applied_to(edited), expected);
        let edited = Choice { volume: 70, ..SOFT };
        assert_eq!(remembered.applied_to(edited), edited);
    }
}
