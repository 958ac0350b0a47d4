//! x
mod clusters;
pub mod device;
mod error;
mod exfat;
mod fat;
mod folder;
mod format;
pub mod partition;
pub mod sectors;
pub mod volume;
pub use error::StickError;
