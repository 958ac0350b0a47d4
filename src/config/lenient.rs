//! Settings out of a file with mistakes: each is told by its line, and everything else still applies.
//!
//! The file is divided into statements: a line that begins with `key =` or `[table]`, with the lines after it that
//! do neither. A statement that is no TOML, or whose key or value is not allowed, is blanked, and the rest is read again. A table
//! whose name is wrong goes with all its keys, so that they do not fall to the table before it.
//!
//! Half of a setting must not do harm: a Wi-Fi with a mistake in it is not joined, as without its password it would be an open
//! one, and with a mistake in `stun` no server is asked.

use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::{ConfigError, Mistake, Settings, explain};

/// Longest settings file, bytes.
const MOST_BYTES: u64 = 64 * 1024;
/// After so many mistakes it is no settings file.
const MOST_MISTAKES: usize = 50;

/// As [`Settings::read_lenient`].
pub(super) fn read(path: &Path) -> (Settings, Vec<ConfigError>) {
    // Its owner knows the file by its name, not by where the box keeps it.
    let place = path
        .file_name()
        .map_or_else(|| path.display().to_string(), |n| n.display().to_string());
    let failed = |why: String| {
        let said = ConfigError(format!("{place}: {why}; every setting is at its default"));
        (Settings::default(), vec![said])
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES as usize + 1));
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Err(e) => failed(format!("cannot be read: {e}")),
        Ok(n) if n as u64 > MOST_BYTES => failed("is larger than 64 KiB".into()),
        Ok(_) => parse(&bytes, &place),
    }
}

fn parse(bytes: &[u8], place: &str) -> (Settings, Vec<ConfigError>) {
    let mut text = Text::decode(bytes, place);
    let mut settings = Settings::default();
    loop {
        let all = text.joined(0..text.lines.len());
        match toml::from_str(&all) {
            Ok(read) => {
                settings = read;
                break;
            }
            Err(_) if text.mistakes.len() >= MOST_MISTAKES => {
                let said = format!("{place}: too many mistakes; every setting is at its default");
                text.mistakes.push(Mistake {
                    line: usize::MAX,
                    said: ConfigError(said),
                });
                break;
            }
            Err(error) => {
                if is_toml(&all) {
                    text.blame(explain(error, &all, place, 0));
                } else {
                    text.blank_what_is_no_toml(place);
                }
            }
        }
    }
    if text.harmed("wifi") {
        settings.wifi = None;
    }
    if text.harmed("stun") {
        settings.stun = Some(Vec::new());
    }
    text.mistakes.sort_by_key(|m| m.line);
    (
        settings,
        text.mistakes.into_iter().map(|m| m.said).collect(),
    )
}

fn is_toml(text: &str) -> bool {
    toml::from_str::<IgnoredAny>(text).is_ok()
}

/// A file's lines, without their ends.
struct Text {
    lines: Vec<Zeroizing<String>>,
    mistakes: Vec<Mistake>,
    /// Keys of what was blanked, tables before them.
    harmed: Vec<String>,
}

/// Lines that belong together.
struct Statement {
    lines: Range<usize>,
    /// `wifi.ssid`, `wifi` for its header, empty for what precedes the first.
    key: String,
    is_header: bool,
}

impl Text {
    /// UTF-8 or, with its byte order mark, UTF-16, with any line ends; a line that is neither is a mistake unless it is a comment.
    fn decode(bytes: &[u8], place: &str) -> Self {
        let mut text = Self {
            lines: Vec::new(),
            mistakes: Vec::new(),
            harmed: Vec::new(),
        };
        let utf16 = match bytes {
            [0xFF, 0xFE, rest @ ..] => Some((rest, u16::from_le_bytes as fn([u8; 2]) -> u16)),
            [0xFE, 0xFF, rest @ ..] => Some((rest, u16::from_be_bytes as _)),
            _ => None,
        };
        let decoded = utf16.map(|(rest, unit)| {
            let units = rest.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
            let characters = char::decode_utf16(units).map(|c| c.unwrap_or('\u{FFFD}'));
            // Three bytes a unit at most, so that it does not grow and leave a copy.
            let mut text = Zeroizing::new(String::with_capacity(rest.len() / 2 * 3));
            text.extend(characters);
            text
        });
        let bytes = decoded.as_ref().map_or(bytes, |text| text.as_bytes());
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut strange = Vec::new();
        let mut after_cr = false;
        for line in bytes.split_inclusive(|b| matches!(b, b'\n' | b'\r')) {
            let half = std::mem::replace(&mut after_cr, line.ends_with(b"\r"));
            if half && line == b"\n" {
                continue;
            }
            let line = line.trim_ascii_end();
            let comment = line.trim_ascii_start().starts_with(b"#");
            text.lines.push(Zeroizing::new(match str::from_utf8(line) {
                Ok(line) => line.to_owned(),
                Err(_) if comment => String::new(),
                Err(_) => {
                    strange.push(text.lines.len() + 1);
                    let mut latin1 = String::with_capacity(2 * line.len());
                    latin1.extend(line.iter().map(|b| char::from(*b)));
                    latin1
                }
            }));
        }
        for line in strange.into_iter().take(MOST_MISTAKES) {
            let said = ConfigError(format!(
                "{place}:{line}: a character is not UTF-8; save the file as UTF-8"
            ));
            text.blame(Mistake { line, said });
        }
        text
    }

    fn joined(&self, lines: Range<usize>) -> Zeroizing<String> {
        let lines = &self.lines[lines];
        let length = lines.iter().map(|l| l.len() + 1).sum();
        let mut all = Zeroizing::new(String::with_capacity(length));
        for line in lines {
            all.push_str(line);
            all.push('\n');
        }
        all
    }

    fn statements(&self) -> Vec<Statement> {
        let mut all: Vec<Statement> = Vec::new();
        let mut table = String::new();
        for (n, line) in self.lines.iter().enumerate() {
            let (key, is_header) = match (header_of(line), key_of(line)) {
                (Some(name), _) => {
                    table = name.to_owned();
                    (table.clone(), true)
                }
                (None, Some(key)) if table.is_empty() => (key.to_owned(), false),
                (None, Some(key)) => (format!("{table}.{key}"), false),
                (None, None) => match all.last_mut() {
                    Some(last) => {
                        last.lines.end = n + 1;
                        continue;
                    }
                    None => (String::new(), false),
                },
            };
            all.push(Statement {
                lines: n..n + 1,
                key,
                is_header,
            });
        }
        all
    }

    /// Every statement that is no TOML by itself.
    fn blank_what_is_no_toml(&mut self, place: &str) {
        let before = self.mistakes.len();
        for statement in self.statements() {
            let Range { start, end } = statement.lines;
            while self.mistakes.len() < MOST_MISTAKES {
                let text = self.joined(start..end);
                let Err(error) = toml::from_str::<IgnoredAny>(&text) else {
                    break;
                };
                let mut mistake = explain(error, &text, place, start);
                mistake.line = mistake.line.min(end);
                let line = mistake.line - 1;
                // A stray line after a good statement is not that one's fault.
                if line > start && is_toml(&self.joined(start..line)) {
                    self.mistakes.push(mistake);
                    self.blank(line..line + 1);
                } else {
                    mistake.line = mistake.line.max(start + 1);
                    self.blame(mistake);
                    break;
                }
            }
        }
        // Every statement is TOML and the whole is not: one key stands twice.
        if self.mistakes.len() == before {
            let all = self.joined(0..self.lines.len());
            if let Err(error) = toml::from_str::<IgnoredAny>(&all) {
                self.blame(explain(error, &all, place, 0));
            }
        }
    }

    /// Notes a mistake and blanks its statement; with a header its table.
    fn blame(&mut self, mistake: Mistake) {
        let line = mistake.line.clamp(1, self.lines.len().max(1)) - 1;
        self.mistakes.push(mistake);
        let statements = self.statements();
        let Some(at) = statements.iter().position(|s| s.lines.contains(&line)) else {
            return;
        };
        let next = match statements[at].is_header {
            true => statements[at + 1..]
                .iter()
                .find(|s| s.is_header)
                .map(|s| s.lines.start),
            false => Some(statements[at].lines.end),
        };
        self.harmed.push(statements[at].key.clone());
        self.blank(statements[at].lines.start..next.unwrap_or(self.lines.len()));
    }

    fn blank(&mut self, lines: Range<usize>) {
        for line in &mut self.lines[lines] {
            *line = Zeroizing::default();
        }
    }

    fn harmed(&self, key: &str) -> bool {
        let first = |path: &String| path.split('.').next().is_some_and(|k| k.trim() == key);
        self.harmed.iter().any(first)
    }
}

/// `[name]`, closed or not.
fn header_of(line: &str) -> Option<&str> {
    let name = line.trim_start().strip_prefix('[')?.trim_start_matches('[');
    let name = name.split([']', '#']).next().unwrap_or_default().trim();
    is_key(name).then_some(name)
}

/// The key in `key = …`.
fn key_of(line: &str) -> Option<&str> {
    let key = line.split_once('=')?.0.trim();
    is_key(key).then_some(key)
}

fn is_key(name: &str) -> bool {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_-. ".contains(c);
    !name.is_empty() && name.chars().all(bare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Board;

    /// The volume, STUN servers, the Wi-Fi and the mistakes that come of a text.
    fn read(text: impl AsRef<[u8]>) -> (u8, usize, bool, Vec<String>) {
        let (settings, problems) = parse(text.as_ref(), "sotto.toml");
        let wifi = settings.wifi().is_some();
        let setup = settings
            .on(Board::named("host").expect("it is built in"), &[])
            .setup;
        let problems = problems.iter().map(ToString::to_string).collect();
        (setup.volume, setup.stun.len(), wifi, problems)
    }

    fn one(text: &str, said: &str) {
        assert_eq!(read(text), (5, 1, false, vec![said.to_owned()]), "{text}");
    }

    #[test]
    fn one_mistake_is_told_by_its_line_and_the_rest_applies() {
        one(
            "# mine\nvolum = 3\nvolume = 5",
            "sotto.toml:2: unknown key `volum`, expected one of `board`, `passphrase`, `volume`, `mode`, `tones`, `stun`, `wifi`, `serial`, `sound`, `display`",
        );
        one(
            "mode = \"loud\"\nvolume = 5",
            "sotto.toml:1: `mode`: unknown variant `loud`, expected `open` or `ptt`",
        );
        one(
            "volume = 5\nmode = open",
            "sotto.toml:2: `mode`: string values must be quoted, expected literal string",
        );
        one(
            "volume = 5\nhello there\nmode = \"ptt\"",
            "sotto.toml:2: key with no value, expected `=`",
        );
        one(
            "volume = 5\nvolume = 6",
            "sotto.toml:2: `volume`: duplicate key",
        );
        one(
            "passphrase = \"abc\nvolume = 5",
            "sotto.toml:1: `passphrase`: expected text in quotes that is not blank",
        );
        one(
            "volume = 5\n[wlan]\nssid = \"x\"\npassword = \"hush hush\"\n",
            "sotto.toml:2: unknown key `wlan`, expected one of `board`, `passphrase`, `volume`, `mode`, `tones`, `stun`, `wifi`, `serial`, `sound`, `display`",
        );
        one(
            "volume = 5\n[sound\ncapture = \"null\"",
            "sotto.toml:2: unclosed table, expected `]`",
        );
    }

    #[test]
    fn every_mistake_is_told_in_the_order_of_lines() {
        let (volume, _, _, problems) =
            read("volume = 500\nmode = nothing\n\n[sound]\nmic = \"x\"\ncapture = \"null\"\nx");
        assert_eq!(volume, 100);
        let lines: Vec<&str> = problems
            .iter()
            .filter_map(|p| p.split(' ').next())
            .collect();
        assert_eq!(
            lines,
            [
                "sotto.toml:1:",
                "sotto.toml:2:",
                "sotto.toml:5:",
                "sotto.toml:7:"
            ]
        );
    }

    #[test]
    fn what_editors_do_to_a_file_does_no_harm() {
        for text in [
            "\u{FEFF}volume = 5\n".as_bytes().to_vec(),
            b"mode = \"ptt\"\r\nvolume = 5\r\n".to_vec(),
            b"mode = \"ptt\"\rvolume = 5".to_vec(),
            b"# gr\xFC\xDFe\nvolume = 5".to_vec(),
            "\u{FEFF}volume = 5 # ü"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
            "\u{FEFF}volume = 5"
                .encode_utf16()
                .flat_map(u16::to_be_bytes)
                .collect(),
        ] {
            assert_eq!(read(&text), (5, 1, false, vec![]), "{text:?}");
        }
        let (volume, _, _, problems) = read(b"volume = 5\r\npassphrase = \"gr\xFC\xDFe\"\r\n");
        assert_eq!(
            (volume, problems),
            (
                5,
                vec!["sotto.toml:2: a character is not UTF-8; save the file as UTF-8".into()]
            )
        );
    }

    #[test]
    fn typographic_quotes_are_named() {
        for quotes in ["“hush”", "„hush“", "‘hush’", "«hush»", "\"hush”"] {
            let (volume, _, _, problems) = read(format!("passphrase = {quotes}\nvolume = 5"));
            assert_eq!(volume, 5);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(
                problems[0].starts_with("sotto.toml:1: `passphrase`: the quote mark ")
                    && problems[0].ends_with("is not understood; use the straight one, \"")
                    && !problems[0].contains("hush"),
                "{problems:?}"
            );
        }
        // Where they are text they stay.
        assert_eq!(
            read("volume = 5 # “five”\npassphrase = \"it’s\"").3,
            [""; 0]
        );
    }

    #[test]
    fn half_a_wifi_is_none_and_half_a_list_of_servers_asks_nobody() {
        let good = "[wifi]\nssid = \"home\"\npassword = \"12345678\"\n";
        assert!(read(good).2);
        for bad in [
            "[wifi]\nssid = \"home\"\npassword = \"1234567\"\n",
            "[wifi]\nssid = \"home\"\npasword = \"12345678\"\n",
            "[wifi]\nssid = \"home\"\npassword = “12345678”\n",
            "wifi = { ssid = \"home\", password = 12345678 }",
            "wifi.ssid = \"home\"\nwifi.password = \"short\"",
        ] {
            let (_, stun, wifi, problems) = read(bad);
            assert_eq!((stun, wifi, problems.len()), (1, false, 1), "{problems:?}");
            assert!(!problems[0].contains("1234567"), "{problems:?}");
        }
        assert!(!read(b"[wifi]\nssid = \"home\"\npassword = \"\xFCber alles\"").2);
        assert_eq!(read("stun = [\"here:3478\", 5]").1, 0);
        assert_eq!(read("stun = [").1, 0);
    }

    #[test]
    fn no_file_and_no_settings_file_are_one_problem() {
        let (_, problems) = super::read(Path::new("no/such.toml"));
        assert_eq!(
            problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "such.toml: cannot be read: No such file or directory (os error 2); every setting is at its default"
            ]
        );
        assert_eq!(read("Dear Sir,\n".repeat(5_000)).3.len(), 1);
        let (volume, _, _, problems) = read("colour = blue\n".repeat(4_000));
        assert_eq!(volume, 100);
        assert_eq!(problems.len(), MOST_MISTAKES + 1);
        assert!(problems[MOST_MISTAKES].starts_with("sotto.toml: too many mistakes"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes: Vec<u8>, lines in "([a-z]{0,3}[=\\[\\]\"'{}# ,.5\n]{0,4}){0,40}") {
            parse(&bytes, "sotto.toml");
            let (_, problems) = parse(lines.as_bytes(), "sotto.toml");
            proptest::prop_assert!(problems.len() <= MOST_MISTAKES + 1);
        }
    }
}
