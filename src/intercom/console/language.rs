//! The serial language: a line to a command.
//!
//! Command words and switches are read in any case. A passphrase is kept as it stands behind the one space after
//! `passphrase`, spaces included: v1 uses its exact bytes.

use std::fmt;

use zeroize::Zeroizing;

use super::line::PROMPT;

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
    /// `check`
    Check,
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
            Self::Check => f.write_str("Check"),
            Self::Same => f.write_str("Same"),
            Self::Differ => f.write_str("Differ"),
            Self::Hang => f.write_str("Hang"),
            Self::Status => f.write_str("Status"),
            Self::Stats => f.write_str("Stats"),
            Self::Quit => f.write_str("Quit"),
        }
    }
}

/// What [`poll_line`](super::Console::poll_line) gave, understood. `None`: an empty line.
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
check               try the microphone and the speaker by themselves
same, differ        the words are the same at the other end, or are not
hang                end the call, or forget the code that waits
status, stats       where things stand, and counters, as a line of JSON
quit                leave (on a computer)
help                this list"
        .to_owned()
}

/// The command that a line is, or what is wrong with it; `None` when its first word is none.
pub(super) fn command(line: &str) -> Option<Result<Command, NotUnderstood>> {
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
        "check" => none("check", Command::Check),
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

/// Whether it is another intercom's line, perhaps behind its prompt, and no code is in it.
pub(super) fn is_said_by_another(line: &str) -> bool {
    let mut said = line.trim_start();
    while let Some(rest) = said.strip_prefix(PROMPT.trim_end()) {
        said = rest.trim_start();
    }
    (said.starts_with("* ") || said.starts_with("! ")) && !may_hold_code(said)
}

/// Whether the code reader should look at it; more than what is waited for, as the reader says more exactly what is
/// wrong with a code.
pub(super) fn may_hold_code(text: &str) -> bool {
    /// A word of prose is shorter.
    const RUN: usize = 32;
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
    text.split(|c| !base64(c)).any(|run| {
        run.len() >= RUN || run.contains("eyJ") || run.to_ascii_lowercase().contains("sotto2")
    })
}
