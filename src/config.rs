//! Settings and board files, parsed into checked types; an unknown key is an error that names it.
//!
//! A **board** file says what the box is made of, a **settings** file what its owner wants; both are TOML, and
//! `--set KEY=VALUE` is one more line of settings. Past this module every value is legal.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::intercom::Setup;
use crate::intercom::console::Mode;
use crate::intercom::passphrase::Passphrase;

/// What the original page asks, and so does sotto unless told otherwise.
const DEFAULT_STUN: &str = "stun.l.google.com:19302";
/// Speaker volume unless told otherwise.
const DEFAULT_VOLUME: u8 = 100;

/// A file or a `--set` that cannot be used: one line that says where, what, and what is allowed.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

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

/// The two ends of the sound card, as far as a file names them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoundKeys {
    /// The microphone.
    pub capture: Option<Device>,
    /// The speaker.
    pub playback: Option<Device>,
}

/// One sound device.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Device {
    /// An ALSA PCM by its name.
    Alsa(String),
    /// A WAV file at the pace of a sound card; a capture file may start over at its end.
    Wav {
        /// The file.
        path: PathBuf,
        /// `?loop`.
        repeat: bool,
    },
    /// Silence in, nothing out.
    Null,
}

impl TryFrom<String> for Device {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        const ALLOWED: &str = "expected an ALSA PCM name, `wav:FILE`, `wav:FILE?loop` or `null`";
        if name == "null" {
            Ok(Self::Null)
        } else if let Some(file) = name.strip_prefix("wav:") {
            let (file, repeat) = match file.strip_suffix("?loop") {
                Some(file) => (file, true),
                None => (file, false),
            };
            let path = PathBuf::from(file);
            if file.is_empty() {
                Err(ALLOWED)
            } else {
                Ok(Self::Wav { path, repeat })
            }
        } else if name.is_empty() || name.contains(['\0', '\n']) {
            Err(ALLOWED)
        } else {
            Ok(Self::Alsa(name))
        }
    }
}

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

/// Everything the program runs by.
pub struct Config {
    /// For the pure half.
    pub setup: Setup,
    /// Where presses come from.
    pub buttons: Buttons,
    /// Where the panel is.
    pub screen: Screen,
    /// The microphone.
    pub capture: Device,
    /// The speaker.
    pub playback: Device,
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
            include_str!("../board/host/board.toml"),
            "board/host/board.toml",
        )
    }
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

fn read(path: &Path) -> Result<zeroize::Zeroizing<String>, ConfigError> {
    std::fs::read_to_string(path)
        .map(zeroize::Zeroizing::new)
        .map_err(|e| ConfigError(format!("{}: cannot be read: {e}", path.display())))
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, place: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|mut error| {
        let line = match error.span() {
            Some(span) if !place.starts_with("--set") => {
                let before = text.get(..span.start).unwrap_or_default();
                format!(":{}", before.matches('\n').count() + 1)
            }
            _ => String::new(),
        };
        // Without its input the error does not quote the line, which may hold a passphrase.
        error.set_input(None);
        let key = key_at(text, error.span());
        if key == "passphrase" {
            return ConfigError(format!(
                "{place}{line}: `passphrase`: expected text in quotes, with at least one letter or digit"
            ));
        }
        let said = error
            .message()
            .replace('\n', " ")
            .replace("field", "key")
            .replace("expected i64", "expected a whole number");
        let key = if said.contains(&format!("`{key}`")) || key.is_empty() {
            String::new()
        } else {
            format!(" `{key}`:")
        };
        ConfigError(format!("{place}{line}:{key} {said}"))
    })
}

/// The key of the line that a span begins in.
fn key_at(text: &str, span: Option<std::ops::Range<usize>>) -> &str {
    let start = span.map_or(text.len(), |s| s.start);
    let from = text
        .get(..start)
        .and_then(|t| t.rfind('\n'))
        .map_or(0, |n| n + 1);
    let line = text[from..].lines().next().unwrap_or_default();
    line.split_once('=').map_or("", |(key, _)| key.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse::<Settings>(text, "sotto.toml")
            .expect_err("it is wrong")
            .to_string()
    }

    fn set(argument: &str) -> Result<Settings, String> {
        Settings::from_argument(argument).map_err(|e| e.to_string())
    }

    #[test]
    fn the_boards_of_this_repository_are_legal() {
        let board = Board::read(Path::new("board/host/board.toml")).expect("it is committed");
        assert_eq!(
            (board.buttons, board.screen, board.quit),
            (Buttons::Terminal, Screen::Terminal, true)
        );
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_what_is_allowed() {
        assert_eq!(
            error("volume = 3\nvolum = 4"),
            "sotto.toml:2: unknown key `volum`, expected one of `passphrase`, `volume`, `mode`, `stun`, `sound`"
        );
        assert_eq!(
            error("[sound]\nmic = \"x\""),
            "sotto.toml:2: unknown key `mic`, expected `capture` or `playback`"
        );
    }

    #[test]
    fn a_bad_value_is_named_with_its_key_and_what_is_allowed() {
        assert_eq!(
            error("\nvolume = 300"),
            "sotto.toml:2: `volume`: expected a number from 0 to 100"
        );
        assert_eq!(
            error("mode = \"loud\""),
            "sotto.toml:1: `mode`: unknown variant `loud`, expected `open` or `ptt`"
        );
        assert_eq!(
            set("volume=x").unwrap_err(),
            "--set volume=x: `volume`: invalid type: string \"x\", expected a whole number"
        );
        assert_eq!(
            set("volume").unwrap_err(),
            "--set volume: expected KEY=VALUE, for example volume=50"
        );
        assert!(set("stun=[\"nowhere\"]").unwrap_err().contains("host:port"));
        assert!(set("sound.capture=wav:").unwrap_err().contains("wav:FILE"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Board::read(Path::new("no/such.toml"))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("no/such.toml: cannot be read: "),
            "{error}"
        );
    }

    #[test]
    fn arguments_are_toml_or_plain_text_and_the_later_one_wins() {
        let s = set("sound.capture=wav:a b.wav?loop").unwrap();
        let s = s
            .or(set("stun=[]").unwrap())
            .or(set("volume=5").unwrap())
            .or(set("volume=6").unwrap());
        let s = s
            .or(set("mode=open").unwrap())
            .or(set("passphrase=12345").unwrap());
        let board = Board {
            name: "b".into(),
            buttons: Buttons::None,
            screen: Screen::None,
            quit: true,
            sound: SoundKeys {
                capture: Some(Device::Null),
                playback: Some(Device::Null),
            },
        };
        let config = s.on(board);
        assert_eq!(
            config.capture,
            Device::Wav {
                path: "a b.wav".into(),
                repeat: true
            }
        );
        assert_eq!(config.playback, Device::Null);
        assert_eq!(
            (
                config.setup.volume,
                config.setup.mode,
                config.setup.stun.len()
            ),
            (6, Mode::Open, 0)
        );
        assert!(config.setup.passphrase.is_some());
    }

    #[test]
    fn no_error_repeats_a_passphrase() {
        for text in [
            "passphrase = \"hunter2",
            "passphrase = [\"hunter2\"]",
            "passphrase = hunter2",
            "passphrase = 0x41",
        ] {
            let error = error(text);
            assert!(
                !error.contains("hunter2") && !error.contains("65"),
                "{error}"
            );
        }
    }
}
