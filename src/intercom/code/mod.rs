//! Codes: find them in any text, open, seal.

pub mod seal;
pub mod v1;
pub mod v2;
