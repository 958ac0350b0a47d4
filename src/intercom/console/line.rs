//! The line being typed, and how it is shown on one terminal row.
//!
//! Text before the cursor and text after it are kept apart, so every key costs the same however long the line is.
//! A line may be a passphrase: each buffer that held it is wiped, also the old one when a buffer grows.
//!
//! Shown is a window of [`WIDTH`] columns that moves by half its width, so typing on costs under three bytes a
//! character, and nothing depends on the terminal's width as long as it has 80 columns. Of a line past [`LONG`]
//! bytes, a pasted code, only the beginning is shown, and cursor keys rest: its echo does not grow with it.

use zeroize::{Zeroize, Zeroizing};

use super::keys::Key;

/// Bytes of one text at most.
pub const MAX_TEXT: usize = 1 << 20;
/// Lines with more bytes are not shown whole nor edited but at the end.
const LONG: usize = 512;
/// Columns for the line beside the prompt, on a row of 80.
const WIDTH: usize = 72;
/// What is asked at.
pub(super) const PROMPT: &str = "sotto> ";

/// Text whose every copy is wiped.
#[derive(Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Appends a character.
    pub fn push(&mut self, c: char) {
        self.push_str(c.encode_utf8(&mut [0; 4]));
    }

    /// Appends text.
    pub fn push_str(&mut self, text: &str) {
        let needed = self.0.len() + text.len();
        if needed > self.0.capacity() {
            // `String` would leave the old copy behind in freed memory.
            let mut grown = Zeroizing::new(String::with_capacity((2 * needed).max(64)));
            grown.push_str(&self.0);
            self.0 = grown;
        }
        self.0.push_str(text);
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, given away.
    pub fn into_text(self) -> Zeroizing<String> {
        self.0
    }
}

/// The line being typed.
#[derive(Default)]
pub struct Line {
    before: Secret,
    /// Behind the cursor, last character first. Never longer than [`LONG`] bytes, as the cursor leaves the end
    /// only of a line that is not.
    after: Zeroizing<Vec<char>>,
    after_bytes: usize,
    characters: usize,
    overflowed: bool,
}

impl Line {
    /// Whether a pasted line end stands before the cursor.
    pub fn ends_with_line_end(&self) -> bool {
        self.before.0.ends_with('\n')
    }

    /// Whether text was dropped because it is over [`MAX_TEXT`].
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Edits. Keys that are not about the text of a line do nothing.
    pub fn key(&mut self, key: Key) {
        match key {
            Key::Char(c) => self.insert(c),
            Key::Erase => self.erase(),
            Key::EraseWord => {
                while self.before.0.ends_with(char::is_whitespace) {
                    self.erase();
                }
                while self.before.0.ends_with(|c: char| !c.is_whitespace()) {
                    self.erase();
                }
            }
            Key::EraseLine => *self = Self::default(),
            Key::EraseRest => self.erase_rest(),
            Key::Delete => {
                if let Some(c) = self.after.pop() {
                    self.after_bytes -= c.len_utf8();
                    self.characters -= 1;
                }
            }
            Key::Left if self.len() <= LONG => self.left(),
            Key::Home if self.len() <= LONG => (0..LONG).for_each(|_| self.left()),
            Key::Right if self.len() <= LONG => self.right(),
            Key::End => (0..LONG).for_each(|_| self.right()),
            _ => {}
        }
    }

    /// Adds a character at the cursor; a line end too, when it is pasted.
    pub fn insert(&mut self, c: char) {
        if self.overflowed || self.len() + c.len_utf8() > MAX_TEXT {
            self.overflowed = true;
            return;
        }
        self.before.push(c);
        self.characters += 1;
    }

    /// The whole line; an empty one is left.
    pub fn take(&mut self) -> Zeroizing<String> {
        let line = std::mem::take(self);
        let mut text = line.before;
        for c in line.after.iter().rev() {
            text.push(*c);
        }
        text.into_text()
    }

    /// How it looks when it is done: whole, or its beginning and its length; then `note`.
    pub fn done(&self, note: &str) -> Zeroizing<String> {
        let mut row = Secret::default();
        if self.len() <= LONG {
            for c in self
                .before
                .0
                .chars()
                .chain(self.after.iter().rev().copied())
            {
                row.push(visible(c));
            }
        } else {
            let (beginning, _) = self.window();
            row.push_str(&beginning);
            row.push_str(&format!(" ({} characters)", self.characters));
        }
        row.push_str(note);
        row.into_text()
    }

    /// How it looks while it is typed, and the cursor's place in that, in bytes.
    fn window(&self) -> (Zeroizing<String>, usize) {
        let mut row = Secret::default();
        if self.len() > LONG {
            for c in self.before.0.chars().take(WIDTH / 2) {
                row.push(visible(c));
            }
            row.push('\u{2026}');
            let cursor = row.0.len();
            return (row.into_text(), cursor);
        }
        let before = || self.before.0.chars().map(visible);
        let cursor_column: usize = before().map(columns).sum();
        let start = match cursor_column.checked_sub(WIDTH) {
            None => 0,
            Some(over) => (over / (WIDTH / 2) + 1) * (WIDTH / 2),
        };
        if start > 0 {
            row.push('\u{2026}');
        }
        let mut column = 0;
        for c in before() {
            column += columns(c);
            if column > start {
                row.push(c);
            }
        }
        let cursor = row.0.len();
        for c in self.after.iter().rev().copied().map(visible) {
            column += columns(c);
            if column < start + WIDTH {
                row.push(c);
            }
        }
        (row.into_text(), cursor)
    }

    /// In bytes.
    fn len(&self) -> usize {
        self.before.0.len() + self.after_bytes
    }

    fn left(&mut self) {
        if let Some(c) = self.before.0.pop() {
            if self.after.capacity() == 0 {
                // Once and for all, so that it never grows and leaves a copy behind.
                self.after.reserve_exact(LONG);
            }
            self.after.push(c);
            self.after_bytes += c.len_utf8();
        }
    }

    fn right(&mut self) {
        if let Some(c) = self.after.pop() {
            self.after_bytes -= c.len_utf8();
            self.before.push(c);
        }
    }

    fn erase(&mut self) {
        if self.before.0.pop().is_some() {
            self.characters -= 1;
        }
    }

    fn erase_rest(&mut self) {
        self.characters -= self.after.len();
        self.after.zeroize();
        self.after_bytes = 0;
    }
}

/// A character as it may be sent to a terminal: nothing that it would obey, nothing that reorders the row.
fn visible(c: char) -> char {
    match c {
        '\n' => '\u{23ce}',
        '\t' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Columns that terminals give a character (Unicode TR 11, by blocks).
fn columns(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// The terminal's bottom row: what stands on it, and what to send to change that.
pub struct Row {
    shown: Shown,
}

enum Shown {
    /// The cursor stands on an empty row.
    Nothing,
    /// Behind the prompt stands this text, with the cursor at this byte of it.
    Text(Zeroizing<String>, usize),
}

impl Row {
    /// An empty row.
    pub fn new() -> Self {
        Self {
            shown: Shown::Nothing,
        }
    }

    /// Shows the line as it is typed now.
    pub fn show(&mut self, line: &Line, out: &mut Vec<u8>) {
        let (text, cursor) = line.window();
        self.change(text, cursor, out);
    }

    /// Shows a line that is done, and goes to the next row.
    pub fn finish(&mut self, done: Zeroizing<String>, out: &mut Vec<u8>) {
        let cursor = done.len();
        self.change(done, cursor, out);
        out.extend(b"\r\n");
        self.shown = Shown::Nothing;
    }

    /// Puts a line of ours in the row's place.
    pub fn say(&mut self, text: &str, out: &mut Vec<u8>) {
        self.clear(out);
        out.extend(text.as_bytes());
        out.extend(b"\r\n");
    }

    /// Takes away what stands there.
    pub fn clear(&mut self, out: &mut Vec<u8>) {
        if let Shown::Text(..) = self.shown {
            out.extend(b"\r\x1b[K");
        }
        self.shown = Shown::Nothing;
    }

    fn change(&mut self, text: Zeroizing<String>, cursor: usize, out: &mut Vec<u8>) {
        match &self.shown {
            Shown::Text(old, at) if *at == cursor && **old == *text => return,
            Shown::Text(old, at)
                if *at == old.len() && cursor == text.len() && text.starts_with(old.as_str()) =>
            {
                out.extend(&text.as_bytes()[old.len()..]);
            }
            shown => {
                if let Shown::Text(..) = shown {
                    out.push(b'\r');
                }
                out.extend(PROMPT.as_bytes());
                let (before, after) = text.split_at(cursor);
                out.extend(before.as_bytes());
                if !after.is_empty() {
                    out.extend(b"\x1b7");
                    out.extend(after.as_bytes());
                }
                out.extend(b"\x1b[K");
                if !after.is_empty() {
                    out.extend(b"\x1b8");
                }
            }
        }
        self.shown = Shown::Text(text, cursor);
    }
}
