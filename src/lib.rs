//! sotto: a push-button voice intercom that needs no server.
//!
//! ```text
//!  sound card, sockets, buttons, stick, serial line, clock
//!         |  Input                                   ^  Output
//!         v                                          |
//!    io        the shell: one mio loop, all side effects; decides nothing
//!         |                                          ^
//!         v                                          |
//!    intercom  the device as one state machine: pure      voice  sound as arithmetic on frames: pure
//! ```
//!
//! `intercom` and `voice` name no clock, socket, file, thread or device; a test reads their sources and
//! fails when one does. Time, bytes and randomness come in as arguments, effects go out as values.

pub mod config;
pub mod intercom;
pub mod io;
pub mod voice;
