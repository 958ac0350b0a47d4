//! Bytes typed at a terminal: the three function keys picked out, everything else passed on.
//!
//! F1 to F3 come in several spellings: `ESC O P` (VT100 and most since), `ESC [ 11 ~` (VT220, rxvt), `ESC [ [ A`
//! (Linux console), `ESC [ P` and `ESC [ 1 P` (kitty). Any other control sequence is passed on whole, by the grammar of
//! ECMA-48 5.4. A sequence may be split over two reads, and a person may mean the ESC key alone: what is unfinished is
//! held until more comes or [`PATIENCE`] is over. Pasted text is never a key.
//!
//! A passphrase may be typed, so each buffer that held text is wiped.

use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::intercom::panel::Button;

/// How long the rest of a control sequence may take.
pub const PATIENCE: Duration = Duration::from_millis(50);
/// Control sequences that matter are far shorter.
const LONGEST: usize = 32;
const ESC: u8 = 0x1b;
const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// What was typed, in its order.
#[derive(Clone, PartialEq, Eq)]
pub enum Typed {
    /// F1, F2 or F3.
    Key(Button),
    /// Bytes for the console.
    Text(Zeroizing<Vec<u8>>),
}

impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(button) => f.debug_tuple("Key").field(button).finish(),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
        }
    }
}

/// What has been read and is not yet understood.
#[derive(Default)]
pub struct Keys {
    held: Zeroizing<Vec<u8>>,
    held_since: Option<Instant>,
    pasting: bool,
}

impl Keys {
    /// Bytes that were read.
    pub fn feed(&mut self, now: Instant, bytes: &[u8]) -> Vec<Typed> {
        append(&mut self.held, bytes);
        let read = std::mem::take(&mut self.held);
        let mut rest = &read[..];
        let mut typed = Vec::new();
        while !rest.is_empty() {
            match self.next(rest) {
                Next::Key(button, length) => {
                    typed.push(Typed::Key(button));
                    rest = &rest[length..];
                }
                Next::Text(length) => {
                    push_text(&mut typed, &rest[..length]);
                    rest = &rest[length..];
                }
                Next::More => break,
            }
        }
        self.held_since = (!rest.is_empty()).then_some(now);
        self.held = Zeroizing::new(rest.to_vec());
        typed
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        Some(self.held_since? + PATIENCE)
    }

    /// Time passed: what was held too long is text after all.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Typed> {
        let mut typed = Vec::new();
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.held_since = None;
            push_text(&mut typed, &std::mem::take(&mut self.held));
        }
        typed
    }

    fn next(&mut self, bytes: &[u8]) -> Next {
        if bytes[0] != ESC {
            let end = bytes.iter().position(|&b| b == ESC);
            return Next::Text(end.unwrap_or(bytes.len()));
        }
        let Some(length) = sequence(bytes) else {
            return match bytes.len() < LONGEST {
                true => Next::More,
                false => Next::Text(bytes.len()),
            };
        };
        let sequence = &bytes[..length];
        match self.pasting {
            true => self.pasting = sequence != PASTE_ENDS,
            false => {
                self.pasting = sequence == PASTE_BEGINS;
                if let Some(button) = button(sequence) {
                    return Next::Key(button, length);
                }
            }
        }
        Next::Text(length)
    }
}

enum Next {
    Key(Button, usize),
    Text(usize),
    More,
}

fn push_text(typed: &mut Vec<Typed>, bytes: &[u8]) {
    match typed.last_mut() {
        Some(Typed::Text(text)) => append(text, bytes),
        _ if bytes.is_empty() => {}
        _ => typed.push(Typed::Text(Zeroizing::new(bytes.to_vec()))),
    }
}

/// `Vec` would leave the old copy behind in freed memory when it grows.
fn append(text: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    let needed = text.len() + bytes.len();
    if needed > text.capacity() {
        let mut grown = Zeroizing::new(Vec::with_capacity(2 * needed));
        grown.extend_from_slice(text);
        *text = grown;
    }
    text.extend_from_slice(bytes);
}

/// The button that a control sequence stands for.
fn button(sequence: &[u8]) -> Option<Button> {
    Some(match sequence {
        b"\x1bOP" | b"\x1b[11~" | b"\x1b[[A" | b"\x1b[P" | b"\x1b[1P" | b"\x1b[1;1P" => {
            Button::Talk
        }
        b"\x1bOQ" | b"\x1b[12~" | b"\x1b[[B" | b"\x1b[Q" | b"\x1b[1Q" | b"\x1b[1;1Q" => {
            Button::Next
        }
        // `ESC [ 1 ; 1 R` would be a cursor position.
        b"\x1bOR" | b"\x1b[13~" | b"\x1b[[C" | b"\x1b[R" | b"\x1b[1R" | b"\x1b[13;1~" => {
            Button::Back
        }
        _ => return None,
    })
}

/// The length of the control sequence that begins here, once all of it is there.
fn sequence(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        // The Linux console's function keys, outside the grammar.
        b'[' if bytes.get(2)? == &b'[' => bytes.get(3).map(|_| 4),
        b'[' => {
            let inner = bytes[2..].iter().take_while(|b| matches!(b, 0x20..=0x3f));
            let end = 2 + inner.count();
            // A byte that cannot end it is left for what comes next.
            bytes
                .get(end)
                .map(|b| end + usize::from(matches!(b, 0x40..=0x7e)))
        }
        b'O' => bytes
            .get(2)
            .map(|b| 2 + usize::from(matches!(b, 0x40..=0x7e))),
        _ => Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Button::{Back, Next as NextButton, Talk};

    fn text(s: &str) -> Typed {
        Typed::Text(Zeroizing::new(s.as_bytes().to_vec()))
    }

    #[test]
    fn function_keys_in_every_spelling_are_buttons_and_the_rest_is_text() {
        let table: [(&str, Vec<Typed>); 24] = [
            ("\x1bOP", vec![Typed::Key(Talk)]),
            ("\x1bOQ", vec![Typed::Key(NextButton)]),
            ("\x1bOR", vec![Typed::Key(Back)]),
            ("\x1b[11~", vec![Typed::Key(Talk)]),
            ("\x1b[12~", vec![Typed::Key(NextButton)]),
            ("\x1b[13~", vec![Typed::Key(Back)]),
            ("\x1b[[A", vec![Typed::Key(Talk)]),
            ("\x1b[[B", vec![Typed::Key(NextButton)]),
            ("\x1b[[C", vec![Typed::Key(Back)]),
            ("\x1b[P", vec![Typed::Key(Talk)]),
            ("\x1b[Q", vec![Typed::Key(NextButton)]),
            ("\x1b[R", vec![Typed::Key(Back)]),
            ("\x1b[1P", vec![Typed::Key(Talk)]),
            ("\x1b[1Q", vec![Typed::Key(NextButton)]),
            ("\x1b[1R", vec![Typed::Key(Back)]),
            ("call\r", vec![text("call\r")]),
            ("a\x1bOPb", vec![text("a"), Typed::Key(Talk), text("b")]),
            ("\x1bOP\x1bOR", vec![Typed::Key(Talk), Typed::Key(Back)]),
            // Not ours: F4, F5, Shift-F1, arrows, Home, a cursor position, Alt-x, an umlaut.
            ("\x1bOS\x1b[15~", vec![text("\x1bOS\x1b[15~")]),
            ("\x1b[1;2P", vec![text("\x1b[1;2P")]),
            ("\x1b[A\x1b[H", vec![text("\x1b[A\x1b[H")]),
            ("\x1b[1;1R", vec![text("\x1b[1;1R")]),
            ("\x1bxü", vec![text("\x1bxü")]),
            ("\x1b\x1bOP", vec![text("\x1b"), Typed::Key(Talk)]),
        ];
        for (bytes, expected) in table {
            let mut keys = Keys::default();
            assert_eq!(
                keys.feed(Instant::now(), bytes.as_bytes()),
                expected,
                "{bytes:?}"
            );
            assert_eq!(keys.poll_timeout(), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_sequence_split_over_reads_is_the_same_key() {
        for spelling in ["\x1bOP", "\x1b[11~", "\x1b[[A", "\x1b[1;1P"] {
            let mut keys = Keys::default();
            let (last, first) = spelling.as_bytes().split_last().unwrap();
            for byte in first {
                assert_eq!(keys.feed(Instant::now(), &[*byte]), []);
            }
            assert_eq!(keys.feed(Instant::now(), &[*last]), [Typed::Key(Talk)]);
        }
    }

    #[test]
    fn a_lone_esc_is_passed_on_after_50_ms() {
        let start = Instant::now();
        let mut keys = Keys::default();
        assert_eq!(keys.feed(start, b"x\x1b"), [text("x")]);
        assert_eq!(keys.poll_timeout(), Some(start + PATIENCE));
        assert_eq!(keys.handle_timeout(start + PATIENCE / 2), []);
        assert_eq!(keys.handle_timeout(start + PATIENCE), [text("\x1b")]);
        assert_eq!(keys.poll_timeout(), None);
        assert_eq!(keys.handle_timeout(start + 2 * PATIENCE), []);
    }

    #[test]
    fn what_is_pasted_is_never_a_key() {
        let mut keys = Keys::default();
        let paste = "\x1b[200~one\x1bOPtwo\x1b[201~";
        let mut typed = keys.feed(Instant::now(), paste.as_bytes());
        assert_eq!(typed, [text(paste)]);
        typed = keys.feed(Instant::now(), b"\x1bOP");
        assert_eq!(typed, [Typed::Key(Talk)]);
    }

    #[test]
    fn what_was_typed_is_not_in_debug_output() {
        assert_eq!(format!("{:?}", text("secret")), "Text(6 bytes)");
    }

    #[test]
    fn an_endless_control_sequence_is_not_held_for_ever() {
        let mut keys = Keys::default();
        let junk = format!("\x1b[{}", "1;".repeat(100));
        assert_eq!(keys.feed(Instant::now(), junk.as_bytes()), [text(&junk)]);
        assert_eq!(keys.poll_timeout(), None);
    }
}
