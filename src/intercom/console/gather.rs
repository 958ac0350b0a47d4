//! How far a code in a text has got, found while the text goes by: one pass, a few bytes of state.
//!
//! It only says when to stop waiting for more lines; reading the code is [`crate::intercom::code`]'s business.
//! A v2 code says its length in its first byte. A v1 code is base64 of JSON whose only `}` is its last character.

use crate::intercom::code::is_filler;

/// A v2 code's beginning, up to its kind.
const V2: &[u8] = b"sotto2";
/// Base64 of `{"iv":[`, as far as what follows does not change it: how every v1 code begins.
const V1: &[u8] = b"eyJpdiI6W";
/// What precedes and follows the ciphertext of a v2 code, so the least length.
const V2_LEAST: u8 = 1 + 16 + 4 + 16 + 2;

/// Where a text stands after what was fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// No code began.
    None,
    /// The last code that began is not all here.
    Open,
    /// A code is all here, and none waits for more.
    Whole,
    /// Something began like a code and cannot be one.
    Broken,
}

/// Looks for codes in a text that comes in pieces.
#[derive(Default)]
pub struct Probe {
    state: State,
    best: Option<Progress>,
}

enum State {
    /// How many characters of [`V2`] and of [`V1`] were seen.
    Search(usize, usize),
    /// Characters seen, and of how many once the first two are here.
    V2 {
        seen: u16,
        first: u8,
        needed: Option<u16>,
    },
    /// A base64 group: its bits, and how many characters it has.
    V1 { bits: u32, in_group: u8 },
}

impl Default for State {
    fn default() -> Self {
        Self::Search(0, 0)
    }
}

impl Probe {
    /// Feeds more of the text.
    pub fn feed(&mut self, text: &str) {
        for c in text.chars() {
            self.state = self.step(c);
        }
    }

    /// Where it stands.
    pub fn progress(&self) -> Progress {
        match self.state {
            State::Search(..) => self.best.unwrap_or(Progress::None),
            _ => Progress::Open,
        }
    }

    fn step(&mut self, c: char) -> State {
        match self.state {
            State::Search(v2, v1) => self.search(v2, v1, c),
            _ if is_filler(c) => std::mem::take(&mut self.state),
            State::V2 {
                seen,
                first,
                needed,
            } => {
                let Some(value) = value(c) else {
                    return State::default();
                };
                let needed = match seen {
                    0 => None,
                    1 => {
                        let length = first << 2 | value >> 4;
                        if length < V2_LEAST {
                            return State::default();
                        }
                        Some((u16::from(length) * 8).div_ceil(6))
                    }
                    _ => needed,
                };
                let first = if seen == 0 { value } else { first };
                if needed == Some(seen + 1) {
                    return self.whole();
                }
                State::V2 {
                    seen: seen + 1,
                    first,
                    needed,
                }
            }
            State::V1 { bits, in_group } => {
                let Some(value) = value(c) else {
                    // Padding: the last group, filled up with zeros.
                    let last = bits << (6 * (4 - u32::from(in_group)));
                    return match c {
                        '=' if last.to_be_bytes().contains(&b'}') => self.whole(),
                        _ => State::default(),
                    };
                };
                let bits = bits << 6 | u32::from(value);
                match in_group {
                    3 if bits.to_be_bytes().contains(&b'}') => self.whole(),
                    3 => State::V1 {
                        bits: 0,
                        in_group: 0,
                    },
                    _ => State::V1 {
                        bits,
                        in_group: in_group + 1,
                    },
                }
            }
        }
    }

    fn began(&mut self) {
        self.best.get_or_insert(Progress::Broken);
    }

    fn whole(&mut self) -> State {
        self.best = Some(Progress::Whole);
        State::default()
    }

    /// Both beginnings have their first character nowhere else, so a mismatch starts over with one look at it.
    fn search(&mut self, v2: usize, v1: usize, c: char) -> State {
        let small = c.to_ascii_lowercase();
        if v2 == V2.len() && matches!(small, 'o' | 'a') {
            self.began();
            return State::V2 {
                seen: 0,
                first: 0,
                needed: None,
            };
        }
        let next = |pattern: &[u8], seen: usize, c: char| match pattern.get(seen) {
            Some(p) if char::from(*p) == c => seen + 1,
            _ => usize::from(char::from(pattern[0]) == c),
        };
        let (v2, v1) = (next(V2, v2, small), next(V1, v1, c));
        if v1 == V1.len() {
            self.began();
            // Two groups are whole, and one character of the third is here: W, 22.
            return State::V1 {
                bits: 22,
                in_group: 1,
            };
        }
        State::Search(v2, v1)
    }
}

/// Of a base64 or base64url character.
fn value(c: char) -> Option<u8> {
    Some(match c {
        'A'..='Z' => c as u8 - b'A',
        'a'..='z' => c as u8 - b'a' + 26,
        '0'..='9' => c as u8 - b'0' + 52,
        '+' | '-' => 62,
        '/' | '_' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    fn v2(kind: char, length: u8) -> String {
        let bytes: Vec<u8> = (0..length)
            .map(|i| if i == 0 { length } else { i.wrapping_mul(31) })
            .collect();
        format!("sotto2{kind}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    fn v1(numbers: usize) -> String {
        let iv: Vec<String> = (0..12).map(|n| (n * 20).to_string()).collect();
        let data: Vec<String> = (0..numbers).map(|n| (n * 7 % 256).to_string()).collect();
        let (iv, data) = (iv.join(","), data.join(","));
        STANDARD.encode(format!(r#"{{"iv":[{iv}],"data":[{data}]}}"#))
    }

    fn progress(text: &str) -> Progress {
        let mut probe = Probe::default();
        probe.feed(text);
        probe.progress()
    }

    #[test]
    fn a_v2_code_is_done_with_its_last_character_and_not_before() {
        for length in [39, 40, 77, 114, 255] {
            for kind in ['o', 'a'] {
                let code = v2(kind, length);
                for n in 7..code.len() {
                    assert_eq!(progress(&code[..n]), Progress::Open, "{n} of {length}");
                }
                assert_eq!(progress(&code), Progress::Whole, "{length}");
            }
        }
    }

    #[test]
    fn a_v1_code_is_done_with_its_last_group_and_not_before() {
        // Three lengths: the last group with two, one and no characters of padding.
        for numbers in [300, 301, 302, 303, 304] {
            let code = v1(numbers);
            let whole = code.len();
            for n in 9..whole - 4 {
                assert_eq!(progress(&code[..n]), Progress::Open, "{n} of {whole}");
            }
            assert_eq!(progress(&code), Progress::Whole, "{whole}");
        }
    }

    #[test]
    fn what_the_reader_passes_over_in_a_code_is_passed_over_here() {
        let code = v2('o', 100);
        let (a, b) = code.split_at(60);
        for quote in ["> > ", "| | ", "\u{200B}", "\u{FEFF}"] {
            let quoted = format!("{quote}{a}\r\n{quote}{b}");
            assert_eq!(progress(&quoted), Progress::Whole, "{quote:?}");
            assert_eq!(progress(&quoted[..quoted.len() - 1]), Progress::Open);
        }
    }

    #[test]
    fn what_cannot_become_a_code_is_not_waited_for() {
        for broken in ["sotto2oAAAA", "sotto2a!!!!", "eyJpdiI6WzEsMl0="] {
            assert_eq!(progress(broken), Progress::Broken, "{broken}");
        }
        for none in ["", "hello there", "sotto", "sotto2", "sotto2x", "eyJpdiI6"] {
            assert_eq!(progress(none), Progress::None, "{none}");
        }
    }

    #[test]
    fn a_second_code_is_waited_for_too() {
        let code = v2('a', 90);
        assert_eq!(progress(&format!("{code} {code}")), Progress::Whole);
        assert_eq!(progress(&format!("{code} {}", &code[..30])), Progress::Open);
        assert_eq!(progress(&format!("ssotto2sotto{code}")), Progress::Whole);
    }
}
