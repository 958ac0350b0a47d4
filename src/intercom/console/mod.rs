//! The serial language: bytes in, lines and commands out.
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
//!
//! A passphrase is kept as it stands behind the one space after `passphrase`, spaces included: v1 uses its exact bytes.
//! There is no history, which would keep it.

mod gather;
mod keys;
mod line;

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use gather::{Probe, Progress};
use keys::{Key, Keys};
use line::{Line, Row, Secret};

pub use line::MAX_TEXT;

/// Without input for so long, what came is all of it.
pub const LULL: Duration = Duration::from_millis(300);
/// The same while a code, or a bracketed paste, is not whole.
pub const OPEN_LULL: Duration = Duration::from_secs(1);

/// Asks the terminal for bracketed paste, and takes that back.
const PASTE_ON: &[u8] = b"\x1b[?2004h";
const PASTE_OFF: &[u8] = b"\x1b[?2004l";
const TOO_LONG: &str =
    "! That was over 1 MiB in one piece, and the rest of it was not read. Paste only the code.";

/// What a line asks for.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// `help`
    Help,
    /// `passphrase WORDS`, the words as they stand.
    SetPassphrase(Zeroizing<String>),
    /// `passphrase`
    MakePassphrase,
    /// `call`, `call --v1`
    Call {
        /// For the original browser app.
        v1: bool,
    },
    /// `talk on`, `talk off`
    Talk(bool),
    /// `mode open`, `mode ptt`
    Mode(Mode),
    /// `volume 0` to `volume 100`
    Volume(u8),
    /// `mute on`, `mute off`
    Mute(bool),
    /// `same`
    Same,
    /// `differ`
    Differ,
    /// `hang`
    Hang,
    /// `status`
    Status,
    /// `stats`
    Stats,
    /// `quit`
    Quit,
    /// Something that may hold codes.
    Text(String),
}

/// Whether the microphone needs the talk button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is open all the time.
    Open,
    /// Push to talk.
    Ptt,
}

/// Why a line does nothing, in words for the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotUnderstood {
    /// A command with the wrong words behind it.
    Arguments {
        /// The command.
        command: &'static str,
        /// What may follow it.
        takes: &'static str,
    },
    /// Neither a command nor anything that looks like a code.
    Nothing,
}

impl fmt::Display for NotUnderstood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arguments { command, takes } => write!(f, "{command} takes {takes}."),
            Self::Nothing => f.write_str("Not a command and no code in it. Type help."),
        }
    }
}

impl std::error::Error for NotUnderstood {}

/// Without the passphrase and the text.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetPassphrase(_) => f.write_str("SetPassphrase(..)"),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Call { v1 } => write!(f, "Call {{ v1: {v1} }}"),
            Self::Talk(on) => write!(f, "Talk({on})"),
            Self::Mode(mode) => write!(f, "Mode({mode:?})"),
            Self::Volume(volume) => write!(f, "Volume({volume})"),
            Self::Mute(on) => write!(f, "Mute({on})"),
            Self::Help => f.write_str("Help"),
            Self::MakePassphrase => f.write_str("MakePassphrase"),
            Self::Same => f.write_str("Same"),
            Self::Differ => f.write_str("Differ"),
            Self::Hang => f.write_str("Hang"),
            Self::Status => f.write_str("Status"),
            Self::Stats => f.write_str("Stats"),
            Self::Quit => f.write_str("Quit"),
        }
    }
}

/// What [`Console::poll_line`] gave, understood. `None`: an empty line.
pub fn parse(text: &str) -> Result<Option<Command>, NotUnderstood> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let not_understood = match command(text) {
        _ if text.contains('\n') => return Ok(Some(Command::Text(text.to_owned()))),
        Some(Ok(command)) => return Ok(Some(command)),
        Some(Err(problem)) => problem,
        None => NotUnderstood::Nothing,
    };
    if may_hold_code(text) {
        Ok(Some(Command::Text(text.to_owned())))
    } else {
        Err(not_understood)
    }
}

/// What `help` answers, in lines.
pub fn help() -> String {
    "\
passphrase WORDS    use these words, agreed with the other end; capitals and spaces matter only for v1
passphrase          make a strong passphrase and show it
call                make an offer code for the other end
call --v1           make one for the original browser app (weak against guessing)
a code              paste it: an offer is answered, an answer connects
talk on, talk off   press and release the talk button
mode open, mode ptt talk without the button, or only while it is pressed
volume 0-100        loudness of the speaker
mute on, mute off   the microphone
same, differ        the words are the same at the other end, or are not
hang                end the call, or forget the code that waits
status, stats       where things stand, and counters, as a line of JSON
quit                leave (on a computer)"
        .to_owned()
}

/// One console: a terminal with a person, or a script.
pub struct Console {
    /// A person's.
    row: Option<Row>,
    /// Echo that is to go out before anything else.
    due: Vec<u8>,
    keys: Keys,
    pasting: bool,
    line: Line,
    gathering: Gathering,
    last_input: Option<Instant>,
    items: VecDeque<Item>,
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
        Self {
            row: interactive.then(Row::new),
            due: if interactive {
                PASTE_ON.to_vec()
            } else {
                Vec::new()
            },
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
                    if let Some(r) = &mut self.row {
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
        if let Some(row) = &mut self.row {
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
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        match &mut self.row {
            Some(row) => row.say(&text, &mut self.due),
            None => {
                self.due.extend(text.as_bytes());
                self.due.push(b'\n');
            }
        }
    }

    /// Shows what is being typed, unless ended lines, which stand above it, are still to come.
    fn show(&mut self) {
        if let (Some(row), true) = (&mut self.row, self.items.is_empty()) {
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
        if self.row.is_some() {
            self.items.push_back(Item::Row(self.line.done(note)));
        }
    }

    fn end_line(&mut self) {
        self.end_row("");
        let overflowed = self.line.overflowed();
        let text = self.line.take();
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
        if text.trim().is_empty() {
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

/// The command that a line is, or what is wrong with it; `None` when its first word is none.
fn command(line: &str) -> Option<Result<Command, NotUnderstood>> {
    let line = line.trim_start();
    let (word, rest) = line.split_at(line.find(char::is_whitespace).unwrap_or(line.len()));
    let argument = rest.trim();
    let on = |takes: &'static str, command: &'static str, yes: fn(bool) -> Command| {
        switch(argument, "on", "off")
            .map(yes)
            .ok_or(NotUnderstood::Arguments { command, takes })
    };
    let none = |name: &'static str, command: Command| match argument {
        "" => Ok(command),
        _ => Err(NotUnderstood::Arguments {
            command: name,
            takes: "nothing behind it",
        }),
    };
    // No command is longer, and a line may be very long.
    if word.len() > 10 {
        return None;
    }
    Some(match word.to_ascii_lowercase().as_str() {
        "help" => none("help", Command::Help),
        "passphrase" if argument.is_empty() => Ok(Command::MakePassphrase),
        "passphrase" => {
            let mut characters = rest.chars();
            characters.next();
            Ok(Command::SetPassphrase(Zeroizing::new(
                characters.as_str().to_owned(),
            )))
        }
        "call" => match argument {
            "" => Ok(Command::Call { v1: false }),
            a if a.eq_ignore_ascii_case("--v1") => Ok(Command::Call { v1: true }),
            _ => Err(NotUnderstood::Arguments {
                command: "call",
                takes: "nothing or --v1",
            }),
        },
        "talk" => on("on or off", "talk", Command::Talk),
        "mute" => on("on or off", "mute", Command::Mute),
        "mode" => match switch(argument, "open", "ptt") {
            Some(true) => Ok(Command::Mode(Mode::Open)),
            Some(false) => Ok(Command::Mode(Mode::Ptt)),
            None => Err(NotUnderstood::Arguments {
                command: "mode",
                takes: "open or ptt",
            }),
        },
        "volume" => match argument.parse() {
            Ok(volume @ 0..=100) => Ok(Command::Volume(volume)),
            _ => Err(NotUnderstood::Arguments {
                command: "volume",
                takes: "0 to 100",
            }),
        },
        "same" => none("same", Command::Same),
        "differ" => none("differ", Command::Differ),
        "hang" => none("hang", Command::Hang),
        "status" => none("status", Command::Status),
        "stats" => none("stats", Command::Stats),
        "quit" => none("quit", Command::Quit),
        _ => return None,
    })
}

fn switch(argument: &str, yes: &str, no: &str) -> Option<bool> {
    if argument.eq_ignore_ascii_case(yes) {
        Some(true)
    } else {
        argument.eq_ignore_ascii_case(no).then_some(false)
    }
}

/// Whether the code reader should look at it; more than what [`Probe`] waits for, for the reader says more exactly
/// what is wrong with a code.
fn may_hold_code(text: &str) -> bool {
    /// A word of prose is shorter.
    const RUN: usize = 32;
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
    text.split(|c| !base64(c)).any(|run| {
        run.len() >= RUN || run.contains("eyJ") || run.to_ascii_lowercase().contains("sotto2")
    })
}
