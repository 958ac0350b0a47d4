//! Settings and board files, parsed into checked types; an unknown key is an error that names it.
//!
//! A **board** file says what the box is made of, a **settings** file what its owner wants; both are TOML, and
//! `--set KEY=VALUE` is one more line of settings. Past this module every value is legal.

mod board;
mod detect;
mod lenient;
mod memory;
mod panel;
mod serial;
mod settings;
mod sound;
mod stick;
mod wifi;

use std::path::{Path, PathBuf};

use crate::intercom::Setup;

pub use board::Board;
pub use detect::BoardName;
pub use memory::MemoryPlace;
pub use panel::{Buttons, Controller, Driver, GpioButtons, Keys, Led, Oled, OledSize, Screen};
pub use serial::{Baud, Pattern, Serial, SerialKeys};
pub use settings::Settings;
pub use sound::{Device, Echo, Percent, Processing, SoundKeys, WavOptions};
pub use stick::Stick;
pub use wifi::Wifi;

/// A file or a `--set` that cannot be used: one line that says where, what, and what is allowed.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}
/// Everything the program runs by.
pub struct Config {
    /// For the pure half.
    pub setup: Setup,
    /// Where presses come from.
    pub buttons: Buttons,
    /// The light beside the buttons.
    pub led: Option<Led>,
    /// Where the panel is.
    pub screen: Screen,
    /// The microphone.
    pub capture: Device,
    /// The speaker.
    pub playback: Device,
    /// The card's own level of the microphone, percent.
    pub microphone_level: Option<u8>,
    /// The card's own level of the speaker, percent.
    pub speaker_level: Option<u8>,
    /// Serial lines that are consoles.
    pub serial: Serial,
    /// The hardware watchdog.
    pub watchdog: Option<PathBuf>,
    /// Where the stick is.
    pub stick: Stick,
    /// Where volume and mode are remembered.
    pub memory: Option<MemoryPlace>,
}

impl Config {
    /// The sound card, checked, and nothing else.
    pub fn for_sound_check(mut self) -> Self {
        self.setup.check_only = true;
        self.setup.stun.clear();
        self.buttons = Buttons::default();
        self.led = None;
        self.screen = Screen::None;
        self.serial.consoles.clear();
        self.watchdog = None;
        self.stick = Stick::None;
        self.memory = None;
        self
    }
}

fn read(path: &Path) -> Result<zeroize::Zeroizing<String>, ConfigError> {
    std::fs::read_to_string(path)
        .map(zeroize::Zeroizing::new)
        .map_err(|e| ConfigError(format!("{}: cannot be read: {e}", path.display())))
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, place: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| explain(error, text, place, 0).said)
}

/// What is wrong in a text, and in which line, from 1.
struct Mistake {
    line: usize,
    said: ConfigError,
}

/// An error in people's words. `text` begins after `before` lines of the file.
fn explain(mut error: toml::de::Error, text: &str, place: &str, before: usize) -> Mistake {
    // Without its input the error does not quote the line, which may hold a passphrase.
    error.set_input(None);
    let span = error.span();
    let until = span.as_ref().and_then(|span| text.get(..span.start));
    let line = before + until.unwrap_or_default().matches('\n').count() + 1;
    let place = match span {
        Some(_) if !place.starts_with("--set") => format!("{place}:{line}"),
        _ => place.to_owned(),
    };
    let whole = line_at(text, span.clone());
    let (key, inner) = keys_at(text, span);
    let said = said(error.message(), whole, key, text);
    let key = if said.contains(&format!("`{inner}`")) || inner.is_empty() {
        String::new()
    } else {
        format!(" `{inner}`:")
    };
    Mistake {
        line,
        said: ConfigError(format!("{place}:{key} {said}")),
    }
}

fn said(message: &str, line: &str, key: &str, text: &str) -> String {
    let code = line.split('#').next().unwrap_or_default();
    if let Some(quote) = code.chars().find(|c| TYPOGRAPHIC.contains(c))
        && toml::from_str::<serde::de::IgnoredAny>(text).is_err()
    {
        return format!("the quote mark {quote} is not understood; use the straight one, \"");
    }
    if key == "passphrase" {
        return "expected text in quotes that is not blank".into();
    }
    let said = message
        .replace('\n', " ")
        .replace("field", "key")
        .replace("expected i64", "expected a whole number");
    // What is not of the right type is quoted.
    match said.split_once(", expected ") {
        Some((_, expected)) if line.contains("password") && said.starts_with("invalid type") => {
            format!("expected {expected}")
        }
        _ => said,
    }
}

/// Quote marks that editors and phones put in the straight ones' place.
const TYPOGRAPHIC: &[char] = &[
    '“', '”', '„', '‟', '‘', '’', '‚', '‛', '«', '»', '‹', '›', '″',
];

/// The line that a span begins in.
fn line_at(text: &str, span: Option<std::ops::Range<usize>>) -> &str {
    let start = span.map_or(text.len(), |s| s.start);
    let from = text
        .get(..start)
        .and_then(|t| t.rfind('\n'))
        .map_or(0, |n| n + 1);
    text[from..].lines().next().unwrap_or_default()
}

/// The key of the line that a span begins in, and the key in a table on that line that it belongs to, if any.
fn keys_at(text: &str, span: Option<std::ops::Range<usize>>) -> (&str, &str) {
    let line = line_at(text, span.clone());
    let table = line.trim().strip_prefix('[');
    let table = table.and_then(|t| t.strip_suffix(']')).unwrap_or_default();
    let key = line.split_once('=').map_or(table, |(key, _)| key.trim());
    let bare = |key: &&str| {
        !key.is_empty()
            && key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    let until = span.map_or(text.len(), |s| s.start);
    let inner = text
        .get(..until)
        .and_then(|before| before.rsplit('\n').next())
        .and_then(|before| before.rsplit_once('='))
        .map(|(before, _)| before.rsplit(['{', ',']).next().unwrap_or_default().trim())
        .filter(bare);
    (key, inner.unwrap_or(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intercom::console::Mode;

    fn error(text: &str) -> String {
        parse::<Settings>(text, "sotto.toml")
            .expect_err("it is wrong")
            .to_string()
    }

    fn set(argument: &str) -> Result<Settings, String> {
        Settings::from_argument(argument).map_err(|e| e.to_string())
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_what_is_allowed() {
        assert_eq!(
            error("volume = 3\nvolum = 4"),
            "sotto.toml:2: unknown key `volum`, expected one of `board`, `passphrase`, `volume`, `mode`, `tones`, `stun`, `wifi`, `serial`, `sound`, `display`"
        );
        assert_eq!(
            error("[sound]\nmic = \"x\""),
            "sotto.toml:2: unknown key `mic`, expected one of `capture`, `playback`, `microphone_level`, `speaker_level`, `processing`"
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
            buttons: Buttons::default(),
            led: None,
            screen: Screen::None,
            quit: true,
            stick: Stick::None,
            sound: SoundKeys {
                capture: Some(Device::Null),
                playback: Some(Device::Null),
                ..SoundKeys::default()
            },
            serial: SerialKeys::default(),
            watchdog: None,
            memory: None,
        };
        let config = s.on(board, &[]);
        assert_eq!(
            config.capture,
            Device::Wav {
                path: "a b.wav".into(),
                options: WavOptions {
                    repeat: true,
                    ..WavOptions::default()
                }
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
    fn sound_devices_are_known_by_how_they_are_named() {
        let device = |name: &str| Device::try_from(name.to_owned());
        assert_eq!(device("auto"), Ok(Device::Auto));
        assert_eq!(device("card:USB PnP"), Ok(Device::Card("USB PnP".into())));
        assert_eq!(
            device("plughw:CARD=x"),
            Ok(Device::Alsa("plughw:CARD=x".into()))
        );
        for bad in ["", "card:", "wav:", "wav:?loop", "a\nb"] {
            assert!(device(bad).is_err(), "{bad:?}");
        }
        assert!(set("sound.speaker_level=101").is_err() && set("sound.microphone_level=0").is_ok());
    }

    #[test]
    fn a_wav_files_options_come_in_any_order_and_a_wrong_one_is_named() {
        let options = |name: &str| match Device::try_from(format!("wav:a.wav{name}")) {
            Ok(Device::Wav { path, options }) if path == Path::new("a.wav") => Ok(options),
            Ok(other) => panic!("{other:?}"),
            Err(e) => Err(e),
        };
        let all = WavOptions {
            repeat: true,
            ppm: -200,
            echo: Some(Echo {
                gain_db: -6,
                delay_ms: 120,
            }),
        };
        assert_eq!(options("?loop&ppm=-200&echo=-6dB,120ms"), Ok(all));
        assert_eq!(options("?echo=-6dB,120ms?ppm=-200&loop"), Ok(all));
        assert_eq!(options(""), Ok(WavOptions::default()));
        for bad in [
            "",
            "Loop",
            "ppm",
            "ppm=",
            "ppm=10001",
            "ppm=2.5",
            "echo=-6,120",
            "echo=-6dB,120",
            "echo=6dB,120ms",
            "echo=-61dB,120ms",
            "echo=-6dB,19ms",
            "echo=-6dB,1001ms",
            "speed=2",
        ] {
            let error = options(&format!("?loop&{bad}")).unwrap_err();
            assert!(
                error.starts_with(&format!("`{bad}` is no option of a WAV file, ")),
                "{error}"
            );
        }
        let error = set("sound.capture=wav:a.wav?ppm=x").unwrap_err();
        assert!(error.contains("`ppm=x`"), "{error}");
        assert!(set("sound.playback=wav:a.wav").is_ok());
        let error = set("sound.playback=wav:a.wav?ppm=200").unwrap_err();
        assert!(error.contains("options of a microphone"), "{error}");
    }

    #[test]
    fn the_microphone_is_processed_unless_the_owner_says_otherwise() {
        let processing = |text| {
            set(text)
                .unwrap()
                .on(Board::named("host").unwrap(), &[])
                .setup
                .processing
        };
        assert!(processing("volume=5") && processing("sound.processing=all"));
        assert!(!processing("sound.processing=none"));
        assert!(set("sound.processing=some").is_err());
    }

    #[test]
    fn no_error_repeats_a_passphrase() {
        for text in [
            "passphrase = \"hunter2",
            "passphrase = [\"hunter2\"]",
            "passphrase = hunter2",
            "passphrase = 0x41",
            "[wifi]\nssid = \"a\"\npassword = \"hunter2\"",
            "wifi = { ssid = \"a\", password = 65 }",
            "[wifi]\npassword = hunter2",
        ] {
            let error = error(text);
            assert!(
                !error.contains("hunter2") && !error.contains("65"),
                "{error}"
            );
        }
        let error = set("wifi={ ssid = 5, password = \"hunter2\" }").unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
