//! The terminal's output as bytes: the panel at the top, the console scrolling below it.
//!
//! The cursor lives in the console, which is a scroll region (DECSTBM); the panel is drawn around it between DECSC and
//! DECRC, only where it changed. A terminal may be slower than the screen moves: a panel is put into the queue only when
//! all before it is sent, so frames in between are skipped; console text always queues, up to [`QUEUE`].

use std::fmt::Write;

use zeroize::Zeroizing;

use super::cells::{braille, changed, half_blocks};
use crate::intercom::screen::Framebuffer;
use crate::intercom::screen::framebuffer::WIDTH;

/// What takes a terminal back to how it was: no scroll region, paste marks off, cursor on, the first screen.
pub const LEAVE: &str = "\x1b[?2026l\x1b[0m\x1b[r\x1b[?2004l\x1b[?25h\x1b[?1049l";

/// The second screen, which has no scrollback to spoil, empty; pastes marked as such; any unfinished panel closed.
const ENTER: &str = "\x1b[?1049h\x1b[?2004h\x1b[?2026l\x1b[?25h\x1b[r\x1b[0m\x1b[2J";
/// A panel's beginning, as one update: cursor kept and hidden, bluish white on near black.
const PANEL: &str = "\x1b[?2026h\x1b7\x1b[?25l\x1b[38;5;195;48;5;233m";
const PANEL_ENDS: &str = "\x1b8\x1b[?25h\x1b[?2026l";
/// Unsent bytes at most: several of the longest codes.
const QUEUE: usize = 256 * 1024;
const LOST: &[u8] = b"\r\n[some output is lost: this terminal is too slow]\r\n";
/// What the console said last, to say it again when the terminal's size changes.
const HISTORY: usize = 8 * 1024;
/// Under each of the panel's three keys. A terminal knows no key-up, so TALK toggles and BACK need not be held.
const LEGEND: [&str; 3] = ["F1 TALK (on/off)", "F2 NEXT", "F3 BACK (no hold)"];

/// The terminal's size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Across.
    pub columns: u16,
    /// Down.
    pub rows: u16,
}

/// How the panel is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// 128x32 characters, a legend, and 6 rows of console.
    HalfBlocks,
    /// 64x16, a legend, and 4 rows.
    Braille,
    /// A line that says why there is none.
    TooSmall,
}

impl Style {
    fn of(size: Size) -> Self {
        match size {
            Size { columns, rows } if columns >= 128 && rows >= 39 => Self::HalfBlocks,
            Size { columns, rows } if columns >= 64 && rows >= 21 => Self::Braille,
            _ => Self::TooSmall,
        }
    }

    /// Columns and rows of the panel.
    fn panel(self) -> (u16, u16) {
        match self {
            Self::HalfBlocks => (128, 32),
            Self::Braille => (64, 16),
            Self::TooSmall => (0, 0),
        }
    }
}

/// What the terminal shows, and what is still to be sent for it.
pub struct Display {
    size: Size,
    picture: Framebuffer,
    /// The panel's rows as they stand on the terminal.
    shown: Vec<String>,
    changed: bool,
    history: Zeroizing<Vec<u8>>,
    queue: Zeroizing<Vec<u8>>,
    lost: bool,
}

impl Display {
    /// Takes over a terminal of that size.
    pub fn new(size: Size) -> Self {
        let mut display = Self {
            size,
            picture: Framebuffer::new(),
            shown: Vec::new(),
            changed: false,
            history: Zeroizing::new(Vec::with_capacity(HISTORY)),
            queue: Zeroizing::new(Vec::with_capacity(QUEUE)),
            lost: false,
        };
        display.lay_out();
        display
    }

    /// The terminal has another size: everything is drawn anew.
    pub fn resize(&mut self, size: Size) {
        self.size = size;
        self.lay_out();
    }

    /// The panel shows this from now on.
    pub fn draw(&mut self, picture: &Framebuffer) {
        if self.picture != *picture {
            self.picture = picture.clone();
            self.changed = true;
        }
    }

    /// The console goes on with these bytes; lines end in CR LF.
    pub fn console(&mut self, bytes: &[u8]) {
        remember(&mut self.history, bytes);
        match self.queue.len() + bytes.len() <= QUEUE {
            true => self.queue.extend_from_slice(bytes),
            false => self.lost = true,
        }
    }

    /// What to send next, if anything.
    pub fn poll_output(&mut self) -> &[u8] {
        if self.queue.is_empty() && self.lost {
            self.lost = false;
            self.queue.extend_from_slice(LOST);
        }
        if self.queue.is_empty() && self.changed {
            self.changed = false;
            self.push_panel();
        }
        &self.queue
    }

    /// So many bytes of it were sent.
    pub fn sent(&mut self, bytes: usize) {
        let bytes = bytes.min(self.queue.len());
        self.queue.drain(..bytes);
    }

    /// Whatever is unsent was for the old layout; what matters of it is in the history.
    fn lay_out(&mut self) {
        self.queue.clear();
        let style = Style::of(self.size);
        let (columns, rows) = style.panel();
        let mut page = String::from(ENTER);
        let top = match style {
            Style::TooSmall => {
                let Size { columns, rows } = self.size;
                let why = format!("Too small for the screen: needs 64x21, has {columns}x{rows}.");
                let why: String = why.chars().take(columns.into()).collect();
                let _ = write!(page, "\x1b[1;1H\x1b[2m{why}\x1b[0m");
                2
            }
            _ => {
                let _ = write!(page, "\x1b[{};1H\x1b[2m", rows + 1);
                for (text, i) in LEGEND.into_iter().zip(0..) {
                    // The middle of key i is at pixel 43 i + 21.
                    let middle = (43 * i + 21) * columns / WIDTH as u16;
                    let column = 1 + self.left() + middle - text.len() as u16 / 2;
                    let _ = write!(page, "\x1b[{column}G{text}");
                }
                page.push_str("\x1b[0m");
                rows + 2
            }
        };
        // A region is at least two rows.
        if top < self.size.rows {
            let _ = write!(page, "\x1b[{top};{}r\x1b[{top};1H", self.size.rows);
        } else {
            page.push_str("\x1b[2J\x1b[1;1H");
        }
        self.push(&page);
        // Nothing of the panel is there yet, not even its background.
        self.shown = vec!["\0".repeat(columns.into()); rows.into()];
        self.changed = style != Style::TooSmall;
        let history = self.history.clone();
        self.queue.extend_from_slice(&history);
    }

    /// Columns left of the panel, which stands in the middle.
    fn left(&self) -> u16 {
        (self.size.columns - Style::of(self.size).panel().0) / 2
    }

    fn push_panel(&mut self) {
        let rows = match Style::of(self.size) {
            Style::HalfBlocks => half_blocks(&self.picture),
            Style::Braille => braille(&self.picture),
            Style::TooSmall => return,
        };
        let mut spans = String::new();
        for ((before, after), row) in self.shown.iter().zip(&rows).zip(1..) {
            if let Some(columns) = changed(before, after) {
                let column = usize::from(self.left()) + 1 + columns.start();
                let _ = write!(spans, "\x1b[{row};{column}H");
                spans.extend(after.chars().skip(*columns.start()).take(columns.count()));
            }
        }
        self.shown = rows;
        if !spans.is_empty() {
            self.push(PANEL);
            self.push(&spans);
            self.push(PANEL_ENDS);
        }
    }

    fn push(&mut self, text: &str) {
        self.queue.extend_from_slice(text.as_bytes());
    }
}

/// Keeps the last bytes, from the beginning of a line.
fn remember(history: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = &bytes[bytes.len().saturating_sub(HISTORY)..];
    let excess = (history.len() + bytes.len()).saturating_sub(HISTORY);
    if excess > 0 {
        let line_end = history[excess..].iter().position(|&b| b == b'\n');
        history.drain(..line_end.map_or(history.len(), |i| excess + i + 1));
    }
    history.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Size = Size {
        columns: 200,
        rows: 50,
    };
    const USUAL: Size = Size {
        columns: 80,
        rows: 24,
    };

    fn take(display: &mut Display) -> String {
        let bytes = display.poll_output().to_vec();
        display.sent(bytes.len());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_largest_style_that_fits_is_used() {
        let style = |columns, rows| Style::of(Size { columns, rows });
        assert_eq!(style(128, 39), Style::HalfBlocks);
        assert_eq!(style(127, 39), Style::Braille);
        assert_eq!(style(200, 38), Style::Braille);
        assert_eq!(style(64, 21), Style::Braille);
        assert_eq!(style(63, 21), Style::TooSmall);
        assert_eq!(style(64, 20), Style::TooSmall);
    }

    #[test]
    fn a_usual_terminal_has_the_console_below_the_panel_and_its_legend() {
        let mut display = Display::new(USUAL);
        assert_eq!(
            take(&mut display),
            format!(
                "{ENTER}\x1b[17;1H\x1b[2m\x1b[11GF1 TALK (on/off)\x1b[38GF2 NEXT\x1b[54GF3 BACK (no hold)\x1b[0m\x1b[18;24r\x1b[18;1H"
            )
        );
        let first = take(&mut display);
        assert!(first.starts_with(&format!(
            "{PANEL}\x1b[1;9H{}\x1b[2;9H",
            "\u{2800}".repeat(64)
        )));
        assert_eq!(take(&mut display), "");
    }

    #[test]
    fn only_what_changed_is_sent() {
        let mut display = Display::new(WIDE);
        take(&mut display);
        take(&mut display);
        let mut picture = Framebuffer::new();
        display.draw(&picture);
        assert_eq!(take(&mut display), "");
        picture.set(4, 63, true);
        picture.set(6, 62, true);
        display.draw(&picture);
        assert_eq!(
            take(&mut display),
            format!("{PANEL}\x1b[32;41H▄ ▀{PANEL_ENDS}")
        );
        assert_eq!(take(&mut display), "");
    }

    #[test]
    fn frames_are_skipped_while_the_terminal_is_behind_and_console_text_is_not() {
        let mut display = Display::new(WIDE);
        take(&mut display);
        take(&mut display);
        display.console(b"one\r\n");
        let mut picture = Framebuffer::new();
        for x in 0..100 {
            picture.set(x, 0, true);
            display.draw(&picture);
            display.console(b".");
            assert!(!display.poll_output().contains(&0x1b));
        }
        assert_eq!(take(&mut display), format!("one\r\n{}", ".".repeat(100)));
        assert_eq!(
            take(&mut display),
            format!("{PANEL}\x1b[1;37H{}{PANEL_ENDS}", "▀".repeat(100))
        );
        assert_eq!(take(&mut display), "");
    }

    #[test]
    fn a_terminal_that_takes_nothing_costs_bounded_memory_and_is_told() {
        let mut display = Display::new(USUAL);
        take(&mut display);
        take(&mut display);
        for _ in 0..1000 {
            display.console(&[b'x'; 1000]);
        }
        assert_eq!(take(&mut display).len(), 262_000);
        assert_eq!(take(&mut display).as_bytes(), LOST);
        assert_eq!(take(&mut display), "");
        for _ in 0..1000 {
            display.resize(WIDE);
        }
        assert!(display.poll_output().len() < HISTORY + 1000);
    }

    #[test]
    fn after_a_change_of_size_panel_and_last_lines_are_drawn_anew() {
        let mut display = Display::new(USUAL);
        display.console(b"* ready\r\nsotto> ");
        take(&mut display);
        take(&mut display);
        display.resize(Size {
            columns: 40,
            rows: 10,
        });
        assert_eq!(
            take(&mut display),
            format!(
                "{ENTER}\x1b[1;1H\x1b[2mToo small for the screen: needs 64x21, h\x1b[0m\x1b[2;10r\x1b[2;1H* ready\r\nsotto> "
            )
        );
        assert_eq!(take(&mut display), "");
        display.resize(WIDE);
        assert!(take(&mut display).ends_with("\x1b[34;50r\x1b[34;1H* ready\r\nsotto> "));
        assert!(take(&mut display).starts_with(PANEL));
    }

    #[test]
    fn the_smallest_terminal_does_not_panic() {
        for (columns, rows) in [
            (0, 0),
            (1, 1),
            (2, 2),
            (64, 21),
            (128, 39),
            (u16::MAX, u16::MAX),
        ] {
            let mut display = Display::new(Size { columns, rows });
            display.console(b"x");
            take(&mut display);
            take(&mut display);
        }
    }

    #[test]
    fn history_is_bounded_and_begins_with_a_line() {
        let mut history = Vec::new();
        for i in 0..5000 {
            remember(&mut history, format!("line {i}\r\n").as_bytes());
            assert!(history.len() <= HISTORY);
        }
        assert!(history.starts_with(b"line "));
        assert!(history.ends_with(b"line 4999\r\n"));
        remember(&mut history, &[b'x'; 3 * HISTORY]);
        assert_eq!(history.len(), HISTORY);
    }
}
