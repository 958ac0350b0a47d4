//! Settings: what the owner wants.

use std::path::Path;

use serde::Deserialize;

use super::panel::DisplaySettings;
use super::serial::SerialSettings;
use super::{
    Board, BoardName, Config, ConfigError, Device, MemoryPlace, Percent, Processing, Serial,
    SoundKeys, Wifi, lenient, parse, read,
};
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
    board: Option<BoardName>,
    passphrase: Option<PassphraseKey>,
    volume: Option<Percent>,
    mode: Option<ModeKey>,
    tones: Option<bool>,
    pub(super) stun: Option<Vec<StunServer>>,
    pub(super) wifi: Option<Wifi>,
    #[serde(default)]
    serial: SerialSettings,
    #[serde(default)]
    sound: SoundKeys,
    #[serde(default)]
    display: DisplaySettings,
}

impl Settings {
    /// Reads a settings file.
    ///
    /// # Errors
    /// The file is missing, or a key or value in it is not allowed.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        parse(&read(path)?, &path.display().to_string())
    }

    /// Reads a settings file on a box that must go on whatever its owner wrote: each mistake is told with its line, and
    /// everything else applies. A missing file is one problem, and everything is at its default.
    pub fn read_lenient(path: &Path) -> (Self, Vec<ConfigError>) {
        lenient::read(path)
    }

    /// The board that its owner says it is.
    pub fn board(&self) -> Option<BoardName> {
        self.board
    }

    /// The Wi-Fi to join.
    pub fn wifi(&self) -> Option<&Wifi> {
        self.wifi.as_ref()
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
        let is_passphrase = key.trim() == "passphrase";
        let is_secret = is_passphrase || key.trim().starts_with("wifi");
        let bare = format!("{key} = {value}");
        // A passphrase may look like a number or a date.
        let is_toml = if is_passphrase || key.trim() == "wifi.password" {
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
            format!("--set {}", key.trim())
        } else {
            place
        };
        parse(&text, &place)
    }

    /// `later` wins where both say something.
    pub fn or(self, later: Self) -> Self {
        Self {
            board: later.board.or(self.board),
            passphrase: later.passphrase.or(self.passphrase),
            volume: later.volume.or(self.volume),
            mode: later.mode.or(self.mode),
            tones: later.tones.or(self.tones),
            stun: later.stun.or(self.stun),
            wifi: later.wifi.or(self.wifi),
            serial: SerialSettings {
                baud: later.serial.baud.or(self.serial.baud),
            },
            sound: self.sound.or(later.sound),
            display: self.display.or(later.display),
        }
    }

    /// Completes the settings with the board and the defaults. `problems`: what was wrong with them, for the owner to see.
    pub fn on(self, board: Board, problems: &[ConfigError]) -> Config {
        let default = || Device::Alsa("default".into());
        let sound = board.sound.or(self.sound);
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
                tones: self.tones.unwrap_or(true),
                processing: sound.processing.unwrap_or_default() == Processing::All,
                stun,
                remembered: None,
                can_quit: board.quit,
                check_only: false,
                problems: problems.iter().map(ToString::to_string).collect(),
            },
            buttons: board.buttons,
            led: board.led,
            screen: self.display.on(board.screen),
            capture: sound.capture.unwrap_or_else(default),
            playback: sound.playback.unwrap_or_else(default),
            microphone_level: sound.microphone_level.map(|p| p.0),
            speaker_level: sound.speaker_level.map(|p| p.0),
            serial: Serial {
                consoles: board.serial.consoles,
                baud: self.serial.baud.or(board.serial.baud).unwrap_or_default(),
            },
            watchdog: board.watchdog,
            stick: board.stick,
            memory: board.memory.map(|path| MemoryPlace {
                path,
                create: false,
            }),
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
pub(super) struct StunServer(String);

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
            .ok_or("expected text that is not blank")
    }
}

impl std::fmt::Debug for PassphraseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PassphraseKey(..)")
    }
}
