//! Settings: what the owner wants.

use std::path::Path;

use serde::Deserialize;

use super::{Board, Config, ConfigError, Device, SoundKeys, parse, read};
use crate::intercom::Setup;
use crate::intercom::console::Mode;
use crate::intercom::passphrase::Passphrase;

/// What the original page asks, and so does sotto unless told otherwise.
const DEFAULT_STUN: &str = "stun.l.google.com:19302";
/// Speaker volume unless told otherwise.
const DEFAULT_VOLUME: u8 = 100;
/// What the owner wants; what is `None` was not said.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    passphrase: Option<PassphraseKey>,
    volume: Option<Volume>,
    mode: Option<ModeKey>,
    stun: Option<Vec<StunServer>>,
    #[serde(default)]
    sound: SoundKeys,
}
impl Settings {
    /// Reads a settings file.
    ///
    /// # Errors
    /// The file is missing, or a key or value in it is not allowed.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        parse(&read(path)?, &path.display().to_string())
    }

    /// Reads one `--set KEY=VALUE`; a value that is not TOML is taken as a string.
    ///
    /// # Errors
    /// There is no `=`, or the key or value is not allowed.
    pub fn from_argument(argument: &str) -> Result<Self, ConfigError> {
        let place = format!("--set {argument}");
        let Some((key, value)) = argument.split_once('=') else {
            return Err(ConfigError(format!(
                "{place}: expected KEY=VALUE, for example volume=50"
            )));
        };
        let is_key = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        if !key.trim().split('.').all(is_key) {
            return Err(ConfigError(format!(
                "{place}: `{key}` is not a key; expected one like `volume` or `sound.capture`"
            )));
        }
        let is_secret = key.trim() == "passphrase";
        let bare = format!("{key} = {value}");
        // A passphrase may look like a number or a date.
        let is_toml = if is_secret {
            value.trim_start().starts_with(['"', '\''])
        } else {
            toml::from_str::<toml::Table>(&bare).is_ok()
        };
        let text = if is_toml {
            bare
        } else {
            format!("{key} = {}", toml::Value::from(value))
        };
        let place = if is_secret {
            "--set passphrase".into()
        } else {
            place
        };
        parse(&text, &place)
    }

    /// `later` wins where both say something.
    pub fn or(self, later: Self) -> Self {
        Self {
            passphrase: later.passphrase.or(self.passphrase),
            volume: later.volume.or(self.volume),
            mode: later.mode.or(self.mode),
            stun: later.stun.or(self.stun),
            sound: SoundKeys {
                capture: later.sound.capture.or(self.sound.capture),
                playback: later.sound.playback.or(self.sound.playback),
            },
        }
    }

    /// Completes the settings with the board and the defaults.
    pub fn on(self, board: Board) -> Config {
        let default = || Device::Alsa("default".into());
        let stun = match self.stun {
            Some(servers) => servers.into_iter().map(|s| s.0).collect(),
            None => vec![DEFAULT_STUN.into()],
        };
        Config {
            setup: Setup {
                passphrase: self.passphrase.map(|p| p.0),
                volume: self.volume.map_or(DEFAULT_VOLUME, |v| v.0),
                mode: match self.mode {
                    Some(ModeKey::Open) => Mode::Open,
                    Some(ModeKey::Ptt) | None => Mode::Ptt,
                },
                stun,
                can_quit: board.quit,
            },
            buttons: board.buttons,
            screen: board.screen,
            stick: board.stick,
            capture: self
                .sound
                .capture
                .or(board.sound.capture)
                .unwrap_or_else(default),
            playback: self
                .sound
                .playback
                .or(board.sound.playback)
                .unwrap_or_else(default),
        }
    }
}

/// 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
struct Volume(u8);

impl TryFrom<i64> for Volume {
    type Error = &'static str;

    fn try_from(value: i64) -> Result<Self, Self::Error> {
        match u8::try_from(value) {
            Ok(v @ 0..=100) => Ok(Self(v)),
            _ => Err("expected a number from 0 to 100"),
        }
    }
}

/// `open` or `ptt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ModeKey {
    Open,
    Ptt,
}

/// `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct StunServer(String);

impl TryFrom<String> for StunServer {
    type Error = &'static str;

    fn try_from(server: String) -> Result<Self, Self::Error> {
        let server = server.strip_prefix("stun:").unwrap_or(&server);
        let legal = server.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0)
        });
        if legal {
            Ok(Self(server.into()))
        } else {
            Err(
                "expected servers as \"host:port\", for example [\"stun.example.org:3478\"]; [] turns STUN off",
            )
        }
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct PassphraseKey(Passphrase);

impl TryFrom<String> for PassphraseKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = zeroize::Zeroizing::new(text);
        Passphrase::new(&text)
            .map(Self)
            .ok_or("expected at least one letter or digit")
    }
}

impl std::fmt::Debug for PassphraseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PassphraseKey(..)")
    }
}
