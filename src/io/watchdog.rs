//! The hardware watchdog: a box whose loop hangs is restarted by it.
//!
//! After the kernel's `watchdog-api`: opened, it counts down; any byte starts it anew; closed after a `V` it stops, closed
//! without it goes on, so a program that dies has to be started again in time.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

/// Seconds without a byte until it strikes: the BCM2835's counts to 15.
const TIMEOUT: libc::c_int = 15;
/// Between two bytes.
const FEED: Duration = Duration::from_secs(5);
/// `WDIOC_SETTIMEOUT`.
const SET_TIMEOUT: Opcode = opcode::read_write::<libc::c_int>(b'W', 6);
/// What it takes for "stop".
const MAGIC_CLOSE: &[u8] = b"V";

/// An open watchdog.
pub struct Watchdog {
    device: File,
    next: Instant,
}

impl Watchdog {
    /// Opens and starts it. `None` if there is none, or it is another's.
    pub fn open(now: Instant, path: &Path) -> Option<Self> {
        let device = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(|e| log::debug!("no watchdog: {}: {e}", path.display()))
            .ok()?;
        let mut seconds = TIMEOUT;
        // SAFETY: WDIOC_SETTIMEOUT reads and writes one int, which outlives the call.
        let set = unsafe { ioctl(&device, Updater::<SET_TIMEOUT, _>::new(&mut seconds)) };
        match set {
            Ok(()) => log::debug!("the watchdog strikes after {seconds} s"),
            Err(e) => log::debug!("the watchdog keeps its own time: {e}"),
        }
        Some(Self { device, next: now })
    }

    /// Feeds it when that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next <= now {
            self.next = now + FEED;
            self.write(b"\0");
        }
    }

    /// When to come back at the latest.
    pub fn poll_timeout(&self) -> Instant {
        self.next
    }

    /// Stops it: the program is meant to end.
    pub fn stop(mut self) {
        self.write(MAGIC_CLOSE);
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Err(e) = self.device.write_all(bytes) {
            log::warn!("the watchdog takes nothing: {e}");
        }
    }
}
