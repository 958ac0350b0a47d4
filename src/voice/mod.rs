//! Sound as arithmetic on frames: no device, no clock, no allocation per frame.

pub mod capture;
pub mod frame;
pub mod playout;
