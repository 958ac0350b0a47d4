//! Where volume and mode are remembered over power off.

use std::path::PathBuf;

/// A file or a partition; see [`crate::intercom::memory`] for what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlace {
    /// Which.
    pub path: PathBuf,
    /// A file that may be made: it was asked for. A board's place is there, or there is none.
    pub create: bool,
}
