//! The intercom as one state machine: inputs with their time in, outputs as plain values out.

pub mod call;
pub mod code;
pub mod console;
pub mod panel;
pub mod passphrase;
pub mod paths;
pub mod screen;
pub mod session;
pub mod verify;
