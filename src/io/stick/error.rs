//! What can be wrong with a stick, in its owner's words: what happened, what to do.

use std::fmt;
use std::io;

/// Why a stick could not be read or written.
#[derive(Debug)]
pub enum StickError {
    /// The device said so.
    Io(io::Error),
    /// There is no file system that anybody knows.
    Unknown,
    /// There is one that is not read here: its name.
    Foreign(&'static str),
    /// What stands on it makes no sense.
    Damaged,
    /// It makes more work than an honest one can.
    TooMuchWork,
    /// Not enough room.
    Full,
    /// No room for a further name in the directory.
    FolderFull,
    /// exFAT with two tables.
    TwoTables,
    /// A name that is needed is of something else.
    InTheWay(&'static str),
    /// What was written reads differently.
    NotVerified,
    /// An intercom's own card.
    System,
}

impl fmt::Display for StickError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Io(e) => return io_line(e, f),
            Self::Unknown => {
                "There is nothing on this stick that can be read. Format it as FAT32 or exFAT on a computer, or take another."
            }
            Self::Foreign(name) => {
                return write!(
                    f,
                    "This stick is formatted as {name}, which is not read here. Take another, or format it as FAT32 or exFAT on a computer."
                );
            }
            Self::Damaged => {
                "This stick's file system is damaged. Have a computer repair it, or take another stick."
            }
            Self::TooMuchWork => {
                "This stick's file system is too large or damaged: reading it was given up. Take another stick."
            }
            Self::Full => {
                "This stick is full: about 120 KB are needed. Delete something on it with a computer, or take another."
            }
            Self::FolderFull => {
                "This stick's folder has no room for further names. Delete some files in it with a computer, or take another stick."
            }
            Self::TwoTables => {
                "This stick's kind of exFAT can be read but not written here. Take another, or format it as FAT32 on a computer."
            }
            Self::InTheWay(name) => {
                return write!(
                    f,
                    "Something else on this stick is called {name}. Rename it with a computer, then plug the stick in again."
                );
            }
            Self::System => {
                "An intercom starts from this card, so it is left alone. Take a stick for the codes."
            }
            Self::NotVerified => {
                "This stick does not keep what is written to it. It is worn out or a fake: take another."
            }
        })
    }
}

fn io_line(error: &io::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let code = error.raw_os_error();
    f.write_str(match code {
        Some(libc::EROFS | libc::EPERM) => {
            "This stick is write-protected. Slide its switch, or take another."
        }
        Some(libc::EBUSY) => {
            "This stick is in use by this computer. Unmount it, then plug it in again."
        }
        Some(libc::EACCES) => {
            "This program may not use this stick. On a computer, give your user the right to its device."
        }
        Some(libc::ENODEV | libc::ENXIO | libc::ENOENT | libc::ESHUTDOWN) => {
            "The stick was pulled out too early. Plug it in again."
        }
        Some(libc::ENOMEDIUM) => "There is no card in this reader. Put one in.",
        Some(libc::ENOSPC) => {
            "This stick is smaller than it says: it is a fake or damaged. Take another."
        }
        Some(code) => {
            return write!(
                f,
                "This stick does not work (error {code}). Plug it in again; if that does not help, take another."
            );
        }
        None => {
            "This stick does not work. Plug it in again; if that does not help, take another."
        }
    })
}

impl std::error::Error for StickError {}
