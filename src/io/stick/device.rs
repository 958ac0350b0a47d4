//! The medium that a stick is: bytes by their place, read and written by system calls and nothing in between.
//!
//! Reads and writes go through the kernel's page cache, which takes any place and length; [`Medium::sync`] empties it, so
//! that what is read back comes from the stick. It is not the kernel that understands the stick's file system.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Advice, fadvise};

/// What a file system is read from and written to. Tests have their own, which fail.
pub trait Medium {
    /// Bytes in all.
    fn size(&self) -> u64;

    /// Fills `out` from byte `at` on.
    ///
    /// # Errors
    /// The medium's, also when it is too short.
    fn read(&mut self, at: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes `data` from byte `at` on, not necessarily to the medium yet.
    ///
    /// # Errors
    /// The medium's.
    fn write(&mut self, at: u64, data: &[u8]) -> io::Result<()>;

    /// Brings all that was written to the medium; what is read afterwards comes from there.
    ///
    /// # Errors
    /// The medium's.
    fn sync(&mut self) -> io::Result<()>;
}

/// A block device, or a regular file that stands for one.
pub struct Disk {
    file: File,
    size: u64,
    /// Set when the stick is gone, so that a job for it stops.
    gone: Arc<AtomicBool>,
}

impl Disk {
    /// Opens it; to write, nobody else may have it mounted.
    ///
    /// # Errors
    /// The kernel's: `EBUSY` when it is mounted, `ENOMEDIUM` for a reader without a card.
    pub fn open(path: &Path, write: bool, gone: Arc<AtomicBool>) -> io::Result<Self> {
        let is_device = std::fs::metadata(path)?.file_type().is_block_device();
        let exclusive = if write && is_device { libc::O_EXCL } else { 0 };
        let mut file = OpenOptions::new()
            .read(true)
            .write(write)
            .custom_flags(exclusive | libc::O_CLOEXEC)
            .open(path)?;
        let size = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, size, gone })
    }

    fn check(&self) -> io::Result<()> {
        match self.gone.load(Ordering::Relaxed) {
            true => Err(io::Error::from_raw_os_error(libc::ENODEV)),
            false => Ok(()),
        }
    }
}

impl Medium for Disk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.check()?;
        self.file.read_exact_at(out, at)
    }

    fn write(&mut self, at: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        self.file.write_all_at(data, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.check()?;
        self.file.sync_all()?;
        // Clean pages are dropped; a file system in memory (tmpfs) has no other place and keeps them.
        Ok(fadvise(&self.file, 0, None, Advice::DontNeed)?)
    }
}
