//! Sound as arithmetic on frames: no device, no clock, no allocation per frame.
//!
//! Microphone frames go through [`clean`], [`gate`] and [`capture`] to packets; packets go through [`playout`] to speaker frames. Inside
//! [`playout`], [`store`] puts packets in order, [`arrivals`] says how long a packet should wait, and [`stretch`]
//! moves the wait there without a gap; [`payload`] reads what an Opus packet says of itself.

pub mod arrivals;
pub mod capture;
pub mod clean;
pub mod frame;
pub mod gate;
pub mod payload;
pub mod playout;
pub mod stats;
pub mod store;
pub mod stretch;
