//! A board file: what the box is made of.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{ConfigError, SoundKeys, Stick, parse, read};

/// What the box is made of.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// What it is called.
    pub name: String,
    /// Where presses come from.
    pub buttons: Buttons,
    /// Where the 128x64 panel is.
    pub screen: Screen,
    /// Whether the console command `quit` ends the program.
    #[serde(default)]
    pub quit: bool,
    /// Where the stick is that carries codes.
    #[serde(default)]
    pub stick: Stick,
    /// The sound card, unless the settings name another.
    #[serde(default)]
    pub sound: SoundKeys,
}

/// Where presses come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Buttons {
    /// F1, F2, F3 of the terminal.
    Terminal,
    /// There are none.
    None,
}

/// Where the panel is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Screen {
    /// The terminal, in block characters.
    Terminal,
    /// A file that holds the 1024 bytes of the newest picture, laid out as an SSD1306 takes them.
    File(PathBuf),
    /// There is none.
    None,
}

impl TryFrom<String> for Screen {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match (name.as_str(), name.strip_prefix("file:")) {
            ("terminal", _) => Ok(Self::Terminal),
            ("none", _) => Ok(Self::None),
            (_, Some(path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err("expected `terminal`, `none` or `file:PATH`"),
        }
    }
}
impl Board {
    /// Reads a board file.
    ///
    /// # Errors
    /// The file is missing, or a key or value in it is not allowed.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        parse(&read(path)?, &path.display().to_string())
    }

    /// The board that every program knows: the computer that it runs on.
    ///
    /// # Errors
    /// None while the tests pass: they read the same file.
    pub fn host() -> Result<Self, ConfigError> {
        parse(
            include_str!("../../board/host/board.toml"),
            "board/host/board.toml",
        )
    }
}
