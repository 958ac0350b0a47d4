//! Sound as arithmetic on frames: no device, no clock, no allocation per frame.
//!
//! Microphone frames go through [`clean`], [`gate`] and [`capture`] to packets, but for those of [`pauses`]; packets go through
//! [`playout`] to speaker frames. Inside [`playout`], [`store`] puts packets in order, [`arrivals`] says how long a packet should
//! wait, and [`stretch`] moves the wait there without a gap; [`payload`] reads what an Opus packet says of itself; [`comfort`]
//! fills the sender's pauses, and [`stats`] counts. [`quality`] says how well it is heard, [`tones`] come on top, [`soundcheck`]
//! tries the box by itself.
//!
//! Against losses packets carry [`copies`] of earlier ones, as [`red`] writes them; [`redundancy`] says how many, and
//! [`recovery`] how long the other end waits for them.

pub mod arrivals;
pub mod capture;
pub mod clean;
pub mod comfort;
pub mod copies;
pub mod frame;
pub mod gate;
pub mod pauses;
pub mod payload;
pub mod playout;
pub mod quality;
pub mod recovery;
pub mod red;
pub mod redundancy;
pub mod soundcheck;
pub mod stats;
pub mod store;
pub mod stretch;
pub mod tones;
