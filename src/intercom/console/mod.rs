//! A console: bytes in, lines and echo out; what the lines mean is in [`language`].
//!
//! People and scripts write commands, paste codes, and paste whole mails with a code wrapped over many quoted lines
//! between other text. What belongs together is decided so:
//!
//! 1. A line that is a valid command is one, at any time, but not inside a bracketed paste of several lines.
//! 2. Every other line is gathered with the lines that follow. The text is handed out as one at the end of a line with
//!    which a code in it is whole, so a code on one line is never delayed; else before the next command, or after
//!    300 ms without input (1 s when a code has begun and is not whole).
//! 3. Right after a code, lines that are neither commands nor begin a code are the rest of that mail: dropped, until
//!    300 ms pass without input. So "call me when you have it" beside a code does nothing.
//! 4. A command with one wrong argument (`volume 200`) is told at once if it does not stand in a gathered text. With
//!    more words it is taken for prose by rule 2, and told when nothing follows.
//! 5. A bracketed paste goes into the line; if it ends with a line end, that ends the line. Several lines with a code
//!    are one text. Without, they are run if each of them is a command, and else refused as one text, so that a
//!    slip of the mouse does not run half a page.
//! 6. A line that another intercom said (`* ready`, `! …`) is dropped unless a code is in it: two of them on one cable
//!    would else complain of each other's complaints for ever.
//!
//! On a serial line nobody knows who is there, so it starts without prompt and echo; Enter on an empty line shows that it
//! is a person.
//!
//! There is no history: it would keep the passphrase.

mod gather;
mod keys;
pub mod language;
mod line;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use gather::{Probe, Progress};
use keys::{Key, Keys};
use language::{command, is_said_by_another, may_hold_code};
use line::{Line, Row, Secret};

pub use language::{Command, Mode, NotUnderstood, help, parse};
pub use line::MAX_TEXT;

/// Without input for so long, what came is all of it.
pub const LULL: Duration = Duration::from_millis(300);
/// The same while a code, or a bracketed paste, is not whole.
pub const OPEN_LULL: Duration = Duration::from_secs(1);

/// Asks the terminal for bracketed paste, and takes that back.
const PASTE_ON: &[u8] = b"\x1b[?2004h";
const PASTE_OFF: &[u8] = b"\x1b[?2004l";
const WELCOME: &str = "* note type help for what this console understands";
const TOO_LONG: &str =
    "! That was over 1 MiB in one piece, and the rest of it was not read. Paste only the code.";

/// One console: a terminal with a person, or a script.
pub struct Console {
    far_end: FarEnd,
    /// Echo that is to go out before anything else.
    due: Vec<u8>,
    keys: Keys,
    pasting: bool,
    line: Line,
    gathering: Gathering,
    last_input: Option<Instant>,
    items: VecDeque<Item>,
}

/// Who is there.
enum FarEnd {
    Script,
    Person(Row),
    /// Nobody knows yet.
    Serial,
}

/// In the order in which it happened.
enum Item {
    /// The typed line was ended, and looks like this.
    Row(Zeroizing<String>),
    /// For [`Console::poll_line`].
    Line(Zeroizing<String>),
    /// A line out.
    Notice(&'static str),
}

enum Gathering {
    Nothing,
    /// Lines that are no commands, and how far a code in them is.
    Text(Secret, Probe),
    /// A code just went out: what follows at once belongs to it.
    After,
}

impl Console {
    /// A console that just opened. `interactive`: a person's terminal, which wants echo, a prompt and bracketed
    /// paste; the request for that comes with the first output.
    pub fn new(interactive: bool) -> Self {
        match interactive {
            true => Self::with(FarEnd::Person(Row::new()), PASTE_ON.to_vec()),
            false => Self::with(FarEnd::Script, Vec::new()),
        }
    }

    /// A console on a serial line that just opened.
    pub fn serial() -> Self {
        Self::with(FarEnd::Serial, Vec::new())
    }

    fn with(far_end: FarEnd, due: Vec<u8>) -> Self {
        Self {
            far_end,
            due,
            keys: Keys::default(),
            pasting: false,
            line: Line::default(),
            gathering: Gathering::Nothing,
            last_input: None,
            items: VecDeque::new(),
        }
    }

    /// Bytes as they came. Then drain [`Self::poll_line`], then [`Self::poll_echo`].
    pub fn feed(&mut self, now: Instant, data: &[u8]) {
        self.handle_timeout(now);
        if data.is_empty() {
            return;
        }
        self.last_input = Some(now);
        let mut keys = std::mem::take(&mut self.keys);
        for byte in data {
            keys.feed(*byte, &mut |k| self.key(k));
        }
        self.keys = keys;
    }

    /// The next line or text of several lines, for [`parse`]; none is empty.
    pub fn poll_line(&mut self) -> Option<Zeroizing<String>> {
        loop {
            match self.items.pop_front()? {
                Item::Line(line) => return Some(line),
                Item::Row(row) => {
                    if let FarEnd::Person(r) = &mut self.far_end {
                        r.finish(row, &mut self.due);
                    }
                }
                Item::Notice(text) => self.put(text),
            }
        }
    }

    /// Bytes to send back, when [`Self::poll_line`] has nothing more.
    pub fn poll_echo(&mut self) -> Option<Vec<u8>> {
        self.show();
        (!self.due.is_empty()).then(|| std::mem::take(&mut self.due))
    }

    /// The bytes that put `text`, one line, on the console, above what is being typed. Control characters in it
    /// are left out.
    pub fn say(&mut self, text: &str) -> Vec<u8> {
        self.put(text);
        self.show();
        std::mem::take(&mut self.due)
    }

    /// The bytes that leave a person's terminal as it was. To be written last.
    pub fn farewell(&mut self) -> Vec<u8> {
        let mut out = std::mem::take(&mut self.due);
        if let FarEnd::Person(row) = &mut self.far_end {
            row.clear(&mut out);
            out.extend(PASTE_OFF);
        }
        out
    }

    /// When to call [`Self::handle_timeout`] if no input comes.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let lull = [self.keys_lull(), self.paste_lull(), self.gathering_lull()];
        Some(self.last_input? + lull.into_iter().flatten().min()?)
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(last) = self.last_input else { return };
        let over = |lull: Option<Duration>| lull.is_some_and(|l| last + l <= now);
        if over(self.keys_lull()) {
            let mut keys = std::mem::take(&mut self.keys);
            keys.abandon(&mut |k| self.key(k));
            self.keys = keys;
        }
        if over(self.paste_lull()) {
            self.key(Key::PasteEnd);
        }
        if over(self.gathering_lull()) {
            self.flush();
            self.gathering = Gathering::Nothing;
        }
    }

    fn keys_lull(&self) -> Option<Duration> {
        self.keys.is_unfinished().then_some(LULL)
    }

    fn paste_lull(&self) -> Option<Duration> {
        self.pasting.then_some(OPEN_LULL)
    }

    fn gathering_lull(&self) -> Option<Duration> {
        match &self.gathering {
            Gathering::Nothing => None,
            Gathering::Text(_, probe) if probe.progress() == Progress::Open => Some(OPEN_LULL),
            Gathering::Text(..) | Gathering::After => Some(LULL),
        }
    }

    // ---- out ----

    fn put(&mut self, text: &str) {
        // A generated passphrase is said too. Filtered it is no longer, so this does not grow and leave a copy.
        let mut kept = Zeroizing::new(String::with_capacity(text.len()));
        kept.extend(text.chars().filter(|c| !c.is_control()));
        let text = kept;
        let end: &[u8] = match &mut self.far_end {
            FarEnd::Person(row) => return row.say(&text, &mut self.due),
            FarEnd::Script => b"\n",
            FarEnd::Serial => b"\r\n",
        };
        self.due.extend(text.as_bytes());
        self.due.extend(end);
    }

    /// Shows what is being typed, unless ended lines, which stand above it, are still to come.
    fn show(&mut self) {
        if let (FarEnd::Person(row), true) = (&mut self.far_end, self.items.is_empty()) {
            row.show(&self.line, &mut self.due);
        }
    }

    // ---- in ----

    fn key(&mut self, key: Key) {
        match key {
            Key::PasteStart => self.pasting = true,
            Key::PasteEnd => {
                let was = std::mem::replace(&mut self.pasting, false);
                if was && (self.line.ends_with_line_end() || self.line.overflowed()) {
                    self.end_line();
                }
            }
            Key::Abandon => {
                self.pasting = false;
                self.gathering = Gathering::Nothing;
                self.end_row("^C");
                self.line = Line::default();
            }
            Key::Enter if self.pasting => self.line.insert('\n'),
            Key::Enter => self.end_line(),
            Key::Char(c) => self.line.insert(c),
            _ if self.pasting => {}
            key => self.line.key(key),
        }
    }

    fn end_row(&mut self, note: &str) {
        if let FarEnd::Person(_) = self.far_end {
            self.items.push_back(Item::Row(self.line.done(note)));
        }
    }

    fn end_line(&mut self) {
        self.end_row("");
        let overflowed = self.line.overflowed();
        let text = self.line.take();
        if let (FarEnd::Serial, true) = (&self.far_end, text.is_empty()) {
            self.far_end = FarEnd::Person(Row::new());
            self.due.extend(PASTE_ON);
            self.items.push_back(Item::Notice(WELCOME));
        }
        if overflowed {
            self.flush();
            self.hand_out_if_code(text);
            self.items.push_back(Item::Notice(TOO_LONG));
        } else if text.contains('\n') {
            self.take_lines(text);
        } else {
            self.take_line(text);
        }
    }

    fn take_line(&mut self, text: Zeroizing<String>) {
        if text.trim().is_empty() || is_said_by_another(&text) {
            return;
        }
        let gathers = !matches!(self.gathering, Gathering::Nothing);
        let alone = match command(&text) {
            Some(Ok(_)) => true,
            Some(Err(_)) => {
                !gathers && text.split_whitespace().count() <= 2 && !may_hold_code(&text)
            }
            None => false,
        };
        if alone {
            self.flush();
            self.gathering = Gathering::Nothing;
            self.items.push_back(Item::Line(text));
        } else {
            self.gather(&text);
        }
    }

    /// Several lines in one bracketed paste.
    fn take_lines(&mut self, text: Zeroizing<String>) {
        self.flush();
        let Some(text) = self.hand_out_if_code(text) else {
            return;
        };
        let lines = || text.lines().filter(|l| !l.trim().is_empty());
        if lines().count() < 2 || lines().all(|l| matches!(command(l), Some(Ok(_)))) {
            for line in lines() {
                self.take_line(Zeroizing::new(line.to_owned()));
            }
        } else {
            self.items.push_back(Item::Line(text));
        }
    }

    fn hand_out_if_code(&mut self, text: Zeroizing<String>) -> Option<Zeroizing<String>> {
        let mut probe = Probe::default();
        probe.feed(&text);
        if probe.progress() == Progress::None {
            return Some(text);
        }
        self.items.push_back(Item::Line(text));
        self.gathering = Gathering::After;
        None
    }

    fn gather(&mut self, line: &str) {
        if matches!(&self.gathering, Gathering::Text(text, _) if text.as_str().len() + 1 + line.len() > MAX_TEXT)
        {
            self.flush();
            self.items.push_back(Item::Notice(TOO_LONG));
            self.gathering = Gathering::After;
        }
        let after = matches!(self.gathering, Gathering::After);
        let (mut text, mut probe) = match std::mem::replace(&mut self.gathering, Gathering::Nothing)
        {
            Gathering::Text(text, probe) => (text, probe),
            Gathering::Nothing | Gathering::After => Default::default(),
        };
        probe.feed(line);
        probe.feed("\n");
        let progress = probe.progress();
        if after && progress == Progress::None {
            self.gathering = Gathering::After;
            return;
        }
        if !text.as_str().is_empty() {
            text.push('\n');
        }
        text.push_str(line);
        self.gathering = Gathering::Text(text, probe);
        if progress == Progress::Whole {
            self.flush();
        }
    }

    /// Hands out what was gathered.
    fn flush(&mut self) {
        if let Gathering::Text(text, probe) =
            std::mem::replace(&mut self.gathering, Gathering::Nothing)
        {
            if probe.progress() != Progress::None {
                self.gathering = Gathering::After;
            }
            self.items.push_back(Item::Line(text.into_text()));
        }
    }
}
