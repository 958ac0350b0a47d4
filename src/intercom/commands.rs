//! Commands of consoles: each to what it does, and what is answered.

use zeroize::Zeroizing;

use super::console::{self, Command, Console};
use super::link::Dialect;
use super::owner::TalkButton;
use super::passphrase::Passphrase;
use super::{ConsoleId, Intercom, Output, Sound, status};

/// Of a passphrase under 12 characters.
const WEAK: &str =
    "this passphrase is weak: under 12 characters can be guessed; one that is made here is strong";

impl Intercom {
    pub(super) fn open_console(&mut self, id: ConsoleId, console: Console) {
        self.consoles.insert(id, console);
        self.reply(id, "* ready");
        for problem in self.setup.problems.clone() {
            self.reply(id, &format!("* note {problem}"));
        }
    }

    pub(super) fn run_lines(&mut self, console: ConsoleId) {
        while let Some(line) = self.consoles.get_mut(&console).and_then(Console::poll_line) {
            match console::parse(&line) {
                Ok(Some(command)) => {
                    self.asking = Some(console);
                    self.run(console, command);
                }
                Ok(None) => {}
                Err(problem) => self.reply(console, &format!("! {problem}")),
            }
            self.collect();
            self.asking = None;
        }
        while let Some(echo) = self.consoles.get_mut(&console).and_then(Console::poll_echo) {
            self.out.push_back(Output::Console(console, echo.into()));
        }
    }

    pub(super) fn run(&mut self, console: ConsoleId, command: Command) {
        let now = self.now;
        match command {
            Command::Help => self.reply(console, &console::help()),
            Command::SetPassphrase(text) => {
                if let Some(note) = self.use_typed(&text) {
                    self.reply(console, &format!("* note {note}"));
                }
            }
            Command::MakePassphrase => {
                let words = self.make_passphrase();
                self.reply(console, &Zeroizing::new(format!("* passphrase {}", *words)));
            }
            Command::Call { v1 } => self.make_offer(if v1 { Dialect::V1 } else { Dialect::V2 }),
            Command::Talk(true) => self.owner.talk = TalkButton::Down,
            Command::Talk(false) => self.release_talk(),
            Command::Mode(mode) => self.setup.mode = mode,
            Command::Volume(volume) => self.setup.volume = volume,
            Command::Mute(muted) => self.owner.muted = muted,
            Command::Check => self.start_check(),
            Command::Same => self.call.words_are(now, true),
            Command::Differ => self.call.words_are(now, false),
            Command::Hang => self.call.hang_up(now),
            Command::Status => {
                let line = status::status(self);
                self.reply(console, &line);
            }
            Command::Stats => {
                let line = status::stats(self);
                self.reply(console, &line);
            }
            Command::Quit if self.setup.can_quit => self.leave(),
            Command::Quit => self.reply(
                console,
                "! This intercom is always on; pull its plug to stop it.",
            ),
            Command::Text(text) => {
                if !self.call.is_reading() {
                    self.reader = Some(console);
                }
                self.call.read(now, &text);
            }
        }
    }

    pub(super) fn leave(&mut self) {
        self.call.leave(self.now);
        self.collect();
        // Nobody waits for the last tone.
        if self.sound != Sound::Off {
            self.stop_sound();
        }
        self.out.extend(self.memory.flush().map(Output::Remember));
        for (&console, c) in &mut self.consoles {
            self.out
                .push_back(Output::Console(console, c.farewell().into()));
        }
        self.out.push_back(Output::Quit);
    }

    /// Makes one, uses it, and shows it.
    pub(super) fn make_passphrase(&mut self) -> Zeroizing<String> {
        let passphrase = Passphrase::make(self.call.random());
        let words = Zeroizing::new(passphrase.exact().to_owned());
        self.use_passphrase(passphrase);
        self.owner.show_passphrase(self.now, &words);
        words
    }

    /// Uses what the owner typed; gives what there is to say about it.
    pub(super) fn use_typed(&mut self, text: &str) -> Option<&'static str> {
        let Some(passphrase) = Passphrase::new(text) else {
            self.problem("A passphrase cannot be blank.");
            return None;
        };
        let weak = passphrase.is_weak();
        self.use_passphrase(passphrase);
        weak.then_some(WEAK)
    }

    pub(super) fn use_passphrase(&mut self, passphrase: Passphrase) {
        self.owner.go_on();
        self.call.set_passphrase(passphrase);
        self.stick.look_again();
    }

    pub(super) fn make_offer(&mut self, dialect: Dialect) {
        self.owner.go_on();
        self.call.make_offer(self.now, dialect);
    }

    pub(super) fn reply(&mut self, console: ConsoleId, text: &str) {
        if let Some(c) = self.consoles.get_mut(&console) {
            for line in text.lines() {
                let bytes = c.say(line);
                self.out.push_back(Output::Console(console, bytes.into()));
            }
        }
    }

    /// One line on every console, and on the screen.
    pub(super) fn note(&mut self, text: &str) {
        self.rest.wake(self.now);
        self.say(&format!("* note {text}"));
        self.owner.show_note(self.now, text);
    }

    /// What was asked for failed: told to the console that asked, or to all, and on the screen.
    pub(super) fn problem(&mut self, text: &str) {
        self.rest.wake(self.now);
        let said = format!("! {text}");
        match self
            .asking
            .or(self.reader)
            .filter(|c| self.consoles.contains_key(c))
        {
            Some(console) => self.reply(console, &said),
            None => self.say(&said),
        }
        self.owner.show_problem(self.now, text);
    }

    /// One line on every console.
    pub(super) fn say(&mut self, line: &str) {
        if let Some(outcome) = &mut self.outcome {
            outcome.said.push(line.to_owned());
        }
        let consoles: Vec<ConsoleId> = self.consoles.keys().copied().collect();
        for console in consoles {
            self.reply(console, line);
        }
    }
}
