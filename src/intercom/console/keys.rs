//! Bytes of a terminal to keys: UTF-8 put together again, escape sequences understood or swallowed whole.
//!
//! Sequences after ECMA-48 §5.4 as far as terminals send them: `ESC [` parameters final, `ESC O` final, strings
//! (`ESC ]`, `ESC P`, …) up to BEL or `ESC \`. Bracketed paste is xterm's: `ESC [200~` text `ESC [201~`.
//! Invalid UTF-8 becomes U+FFFD as in [`String::from_utf8_lossy`].

/// What was pressed, or pasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character of the text, never a control character but for the tab.
    Char(char),
    /// CR, LF or CRLF.
    Enter,
    /// Backspace or DEL: the character before the cursor.
    Erase,
    /// The Delete key: the character under the cursor.
    Delete,
    /// Ctrl-W.
    EraseWord,
    /// Ctrl-U.
    EraseLine,
    /// Ctrl-K.
    EraseRest,
    /// Ctrl-C.
    Abandon,
    /// Cursor left.
    Left,
    /// Cursor right.
    Right,
    /// To the start of the line.
    Home,
    /// To the end of the line.
    End,
    /// A paste begins; until its end an [`Key::Enter`] is part of the text.
    PasteStart,
    /// The paste is over.
    PasteEnd,
}

/// Longest parameter text of a sequence that is understood (`200`, `1;5`).
const PARAMETERS: usize = 8;

/// The decoder, fed byte by byte.
#[derive(Default)]
pub struct Keys {
    carry: [u8; 4],
    carried: usize,
    after_cr: bool,
    sequence: Sequence,
}

/// Where in an escape sequence we are.
#[derive(Default, Clone, Copy)]
enum Sequence {
    #[default]
    None,
    Escape,
    /// `ESC O`, or the Linux console's `ESC [ [`: one more character.
    OneMore,
    Csi([u8; PARAMETERS], usize),
    /// `ESC (` and the like: intermediates, then one final.
    Intermediate,
    /// Up to BEL or `ESC \`.
    Text,
    TextEscape,
}

impl Keys {
    /// Feeds one byte; calls `key` for each key that it completes.
    pub fn feed(&mut self, byte: u8, key: &mut impl FnMut(Key)) {
        if self.carried == 0 && byte.is_ascii() {
            self.char(char::from(byte), key);
            return;
        }
        self.carry[self.carried] = byte;
        self.carried += 1;
        while self.carried > 0 {
            let (c, used) = match std::str::from_utf8(&self.carry[..self.carried]) {
                Ok(text) => (text.chars().next().unwrap_or('\u{fffd}'), self.carried),
                Err(e) if e.valid_up_to() > 0 => (char::from(self.carry[0]), 1),
                Err(e) => match e.error_len() {
                    Some(n) => ('\u{fffd}', n),
                    None => return,
                },
            };
            self.carry.copy_within(used.., 0);
            self.carried -= used;
            self.char(c, key);
        }
    }

    /// Whether a sequence or a character is unfinished.
    pub fn is_unfinished(&self) -> bool {
        self.carried > 0 || !matches!(self.sequence, Sequence::None)
    }

    /// Gives up on what is unfinished: the Escape key alone, a sequence that was cut off.
    pub fn abandon(&mut self, key: &mut impl FnMut(Key)) {
        self.sequence = Sequence::None;
        if std::mem::take(&mut self.carried) > 0 {
            key(Key::Char('\u{fffd}'));
        }
    }

    fn char(&mut self, c: char, key: &mut impl FnMut(Key)) {
        let after_cr = std::mem::replace(&mut self.after_cr, false);
        // A line end or ctrl-C inside a sequence means that the rest of it was lost.
        if matches!(c, '\r' | '\n' | '\x03') {
            self.sequence = Sequence::None;
        }
        self.sequence = match (self.sequence, c) {
            (Sequence::None, '\x1b') | (Sequence::Escape | Sequence::OneMore, '\x1b') => {
                Sequence::Escape
            }
            (Sequence::Csi(..) | Sequence::Intermediate, '\x1b') => Sequence::Escape,
            (Sequence::None, c) => {
                match c {
                    '\n' if after_cr => {}
                    '\r' => {
                        self.after_cr = true;
                        key(Key::Enter);
                    }
                    c => plain(c, key),
                }
                Sequence::None
            }
            (Sequence::Escape, '[') => Sequence::Csi([0; PARAMETERS], 0),
            (Sequence::Escape, ']' | 'P' | '^' | '_' | 'X') => Sequence::Text,
            (Sequence::Escape, 'O') => Sequence::OneMore,
            (Sequence::Escape | Sequence::Intermediate, ' '..='/') => Sequence::Intermediate,
            (Sequence::Csi(_, 0), '[') => Sequence::OneMore,
            (Sequence::Csi(mut parameters, n), ' '..='?') => {
                if let Some(p) = parameters.get_mut(n) {
                    *p = c as u8;
                }
                Sequence::Csi(parameters, n.saturating_add(1))
            }
            (Sequence::Csi(parameters, n), c) => {
                if let Some(k) = parameters.get(..n).and_then(|p| csi(p, c)) {
                    key(k);
                }
                Sequence::None
            }
            (Sequence::OneMore, c) => {
                if let Some(k) = csi(b"", c) {
                    key(k);
                }
                Sequence::None
            }
            (Sequence::Escape | Sequence::Intermediate, _) => Sequence::None,
            (Sequence::Text, '\x07' | '\x18' | '\x1a') => Sequence::None,
            (Sequence::Text | Sequence::TextEscape, '\x1b') => Sequence::TextEscape,
            (Sequence::TextEscape, '\\') => Sequence::None,
            (Sequence::Text | Sequence::TextEscape, _) => Sequence::Text,
        };
    }
}

/// A character outside of any sequence.
fn plain(c: char, key: &mut impl FnMut(Key)) {
    key(match c {
        '\n' => Key::Enter,
        '\x7f' | '\x08' => Key::Erase,
        '\x15' => Key::EraseLine,
        '\x17' => Key::EraseWord,
        '\x0b' => Key::EraseRest,
        '\x03' => Key::Abandon,
        '\x01' => Key::Home,
        '\x05' => Key::End,
        '\x02' => Key::Left,
        '\x06' => Key::Right,
        c if c.is_control() && c != '\t' => return,
        c => Key::Char(c),
    });
}

/// The key of `ESC [ parameters final`, if it is one of ours.
fn csi(parameters: &[u8], last: char) -> Option<Key> {
    Some(match (parameters, last) {
        (b"200", '~') => Key::PasteStart,
        (b"201", '~') => Key::PasteEnd,
        (b"1" | b"7", '~') | (b"", 'H') => Key::Home,
        (b"4" | b"8", '~') | (b"", 'F') => Key::End,
        (b"3", '~') => Key::Delete,
        (b"", 'D') => Key::Left,
        (b"", 'C') => Key::Right,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(data: &[u8]) -> Vec<Key> {
        let mut keys = Keys::default();
        let mut out = Vec::new();
        for b in data {
            keys.feed(*b, &mut |k| out.push(k));
        }
        out
    }

    fn text(data: &[u8]) -> String {
        keys(data)
            .into_iter()
            .map(|k| match k {
                Key::Char(c) => c,
                Key::Enter => '\n',
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn every_kind_of_line_end_ends_a_line_once() {
        assert_eq!(
            text(b"a\rb\nc\r\nd\r\re\n\nf\n\rg"),
            "a\nb\nc\nd\n\ne\n\nf\n\ng"
        );
    }

    #[test]
    fn split_and_broken_characters_decode_as_the_standard_library_does() {
        for data in [
            &"gr\u{fc}\u{df} \u{4f60}\u{1f600}".as_bytes().to_vec(),
            &b"\xff\xfe\xe4\xbd\xa0\xe4\xbd a\xf0\x9f\x98 \xc0\xaf\xed\xa0\x80z".to_vec(),
        ] {
            assert_eq!(text(data), String::from_utf8_lossy(data));
        }
    }

    #[test]
    fn a_character_that_stays_half_is_replaced_when_given_up() {
        let mut keys = Keys::default();
        let mut out = Vec::new();
        keys.feed(0xe4, &mut |k| out.push(k));
        assert!(keys.is_unfinished() && out.is_empty());
        keys.abandon(&mut |k| out.push(k));
        assert_eq!(out, [Key::Char('\u{fffd}')]);
        assert!(!keys.is_unfinished());
    }

    #[test]
    fn known_sequences_are_keys() {
        assert_eq!(
            keys(b"\x1b[D\x1b[C\x1bOH\x1bOF\x1b[1~\x1b[4~\x1b[3~\x1b[200~\x1b[201~"),
            [
                Key::Left,
                Key::Right,
                Key::Home,
                Key::End,
                Key::Home,
                Key::End,
                Key::Delete,
                Key::PasteStart,
                Key::PasteEnd
            ]
        );
    }

    #[test]
    fn unknown_sequences_are_swallowed_whole() {
        let unknown: [&[u8]; 10] = [
            b"\x1b[A",
            b"\x1b[1;5D",
            b"\x1b[38;2;100;100;100;1;2;3m",
            b"\x1bOP",
            b"\x1b[[A",
            b"\x1b]0;title sotto2o\x07",
            b"\x1bPdevice\x1b\\",
            b"\x1b(B",
            b"\x1bx",
            b"\x1b[?1;2c",
        ];
        for sequence in unknown {
            let data = [b"a", sequence, b"b"].concat();
            assert_eq!(text(&data), "ab", "{sequence:?}");
        }
    }

    #[test]
    fn a_line_end_ends_a_sequence_that_was_cut_off() {
        assert_eq!(text(b"\x1b]0;title\nb\x1b[12\nc"), "\nb\nc");
    }

    #[test]
    fn control_characters_are_no_text() {
        assert_eq!(text(b"a\0\x04\x0c\tb\xc2\x9bc"), "a\tbc");
    }
}
