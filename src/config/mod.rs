//! Settings and board files, parsed into checked types; an unknown key is an error that names it.
//!
//! A **board** file says what the box is made of, a **settings** file what its owner wants; both are TOML, and
//! `--set KEY=VALUE` is one more line of settings. Past this module every value is legal.

mod board;
mod settings;
mod sound;
mod stick;

use std::path::Path;

use crate::intercom::Setup;

pub use board::{Board, Buttons, Screen};
pub use settings::Settings;
pub use sound::{Device, SoundKeys};
pub use stick::Stick;

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
    /// Where the panel is.
    pub screen: Screen,
    /// The microphone.
    pub capture: Device,
    /// The speaker.
    pub playback: Device,
    /// Where the stick is.
    pub stick: Stick,
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
            stick: Stick::None,
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
