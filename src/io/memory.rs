//! The place on the card, or the file, where volume and mode outlive power off: read at the start, written on a thread.
//!
//! It is opened before root is given up, and is a partition of its own on the box: whoever took this program over could
//! write nothing else of the card. Every write is of one slot, in place, on the disk before it counts as done; no file system's
//! own blocks change.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::sync::Arc;
use std::time::Duration;

use super::worker::{Done, Worker};
use crate::config::MemoryPlace;
use crate::intercom::memory::{LABEL, LENGTH, Remembered, Slots, Write};

/// How long a program that ends waits for its last write.
const PATIENCE: Duration = Duration::from_secs(2);

/// An open place.
pub struct Memory {
    file: Arc<File>,
    slots: Slots,
    state: State,
}

enum State {
    Resting,
    /// A slot is being written, and this is to be next.
    Writing(Option<Remembered>),
}

/// A write that was done, or not.
pub struct Finished {
    write: Box<Write>,
    result: io::Result<()>,
}

/// A write to be done.
pub struct Job {
    file: Arc<File>,
    write: Box<Write>,
}

impl Job {
    /// Does it. Blocks until it is on the disk.
    pub fn run(self) -> Finished {
        let at = self.write.offset() as u64;
        let result = self.file.write_all_at(&self.write.bytes, at);
        Finished {
            write: self.write,
            result,
        }
    }

    /// It cannot be done.
    pub fn fail(write: Box<Write>, error: io::Error) -> Finished {
        Finished {
            write,
            result: Err(error),
        }
    }

    /// What it writes.
    pub fn write(&self) -> Box<Write> {
        self.write.clone()
    }
}

impl Memory {
    /// Opens a place and reads what it remembers.
    ///
    /// # Errors
    /// It is not there (or cannot be made, if it may be), or is something else.
    pub fn open(place: &MemoryPlace) -> io::Result<(Self, Option<Remembered>)> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(place.create)
            .truncate(false)
            .custom_flags(libc::O_DSYNC | libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(&place.path)?;
        let kind = file.metadata()?;
        if place.create && kind.is_file() && kind.len() == 0 {
            file.set_len(LENGTH as u64)?;
        }
        let mut bytes = [0; LENGTH];
        let is_whole = file.read_exact(&mut bytes).is_ok();
        if is_whole && place.create && kind.is_file() && bytes == [0; LENGTH] {
            // Just made, or power went while it was.
            file.write_all_at(LABEL, 0)?;
            file.sync_all()?;
        } else if !is_whole || !bytes.starts_with(LABEL) {
            return Err(io::Error::other(
                "this is something else, and is left alone",
            ));
        }
        let (slots, remembered) = Slots::read(&bytes);
        let memory = Self {
            file: Arc::new(file),
            slots,
            state: State::Resting,
        };
        Ok((memory, remembered))
    }

    /// Writes this, or this next.
    pub fn remember(&mut self, remembered: Remembered, worker: &Worker) {
        match &mut self.state {
            State::Writing(next) => *next = Some(remembered),
            State::Resting => {
                self.state = State::Writing(None);
                worker.write_memory(Job {
                    file: self.file.clone(),
                    write: Box::new(self.slots.write(&remembered)),
                });
            }
        }
    }

    /// A write is over. Gives what came of it, unless the next one has begun.
    pub fn finished(&mut self, finished: Finished, worker: &Worker) -> Option<io::Result<()>> {
        if finished.result.is_ok() {
            self.slots.written(&finished.write);
        }
        match std::mem::replace(&mut self.state, State::Resting) {
            State::Writing(Some(next)) => {
                self.remember(next, worker);
                None
            }
            State::Writing(None) | State::Resting => Some(finished.result),
        }
    }

    /// Waits for writes that are under way, but not for ever.
    pub fn finish(&mut self, worker: &mut Worker) {
        while let State::Writing(_) = self.state {
            match worker.wait(PATIENCE) {
                Some(Done::Memory(finished)) => drop(self.finished(finished, worker)),
                Some(_) => {}
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intercom::console::Mode;
    use crate::intercom::memory::Choice;

    fn remembered(volume: u8) -> Remembered {
        let mode = Mode::Open;
        Remembered {
            chosen: Choice { volume, mode },
            configured: Choice { volume: 100, mode },
        }
    }

    fn place(name: &str, create: bool) -> MemoryPlace {
        let name = format!("sotto-memory-{}-{name}", std::process::id());
        MemoryPlace {
            path: std::env::temp_dir().join(name),
            create,
        }
    }

    #[test]
    fn a_file_is_made_once_written_in_place_and_read_again() {
        let place = place("file", true);
        let _ = std::fs::remove_file(&place.path);
        let poll = mio::Poll::new().unwrap();
        let mut worker = Worker::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let mut before = None;
        for volume in [10, 20, 30] {
            let (mut memory, read) = Memory::open(&place).unwrap();
            assert_eq!(read, before);
            // The second waits for the first, and is the one that counts.
            memory.remember(remembered(1), &worker);
            memory.remember(remembered(2), &worker);
            memory.remember(remembered(volume), &worker);
            memory.finish(&mut worker);
            before = Some(remembered(volume));
            assert_eq!(std::fs::metadata(&place.path).unwrap().len(), 12_288);
        }
        std::fs::remove_file(&place.path).unwrap();
    }

    #[test]
    fn what_is_something_else_is_left_alone_and_what_is_not_there_is_not_made_unasked() {
        let foreign = place("foreign", true);
        let text = vec![b'x'; 20_000];
        std::fs::write(&foreign.path, &text).unwrap();
        assert!(Memory::open(&foreign).is_err());
        assert!(std::fs::read(&foreign.path).unwrap() == text);
        std::fs::remove_file(&foreign.path).unwrap();
        let absent = place("absent", false);
        assert!(Memory::open(&absent).is_err());
        assert!(!absent.path.exists());
    }
}
