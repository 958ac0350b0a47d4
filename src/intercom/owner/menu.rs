//! What the menu offers.

use crate::intercom::console::Mode;

/// One of its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// Enter a passphrase that was agreed on.
    Enter,
    /// Make another passphrase.
    Make,
    /// Push to talk, or the open microphone.
    Mode,
    /// Of the speaker.
    Volume,
    /// Try microphone and speaker.
    Check,
    /// Name, version, servers.
    About,
}

impl Item {
    /// From top to bottom.
    pub const ALL: [Self; 6] = [
        Self::Volume,
        Self::Mode,
        Self::Enter,
        Self::Make,
        Self::Check,
        Self::About,
    ];

    /// The one below; the first after the last.
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|i| *i == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    /// What the menu calls it, with its value.
    pub fn title(self, mode: Mode, volume: u8) -> String {
        match (self, mode) {
            (Self::Enter, _) => "Enter passphrase".into(),
            (Self::Make, _) => "New passphrase".into(),
            (Self::Mode, Mode::Ptt) => "Mode: push to talk".into(),
            (Self::Mode, Mode::Open) => "Mode: open mic".into(),
            (Self::Volume, _) => format!("Volume: {volume}"),
            (Self::Check, _) => "Sound check".into(),
            (Self::About, _) => "About".into(),
        }
    }

    /// What TALK does to it.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Mode => "CHANGE",
            Self::Check => "START",
            _ => "OPEN",
        }
    }
}
