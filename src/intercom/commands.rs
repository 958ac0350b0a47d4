//! Commands of consoles: each to what it does, and what is answered.

use zeroize::Zeroizing;

use super::console::{self, Command, Console};
use super::link::Dialect;
use super::owner::{Notice, TalkButton};
use super::passphrase::Passphrase;
use super::{ConsoleId, Intercom, Output, status};

impl Intercom {
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
            Command::SetPassphrase(text) => match Passphrase::new(&text) {
                Some(passphrase) => {
                    if passphrase.is_weak() {
                        self.reply(console, "* note this passphrase is weak: under 12 characters can be guessed; passphrase alone makes a strong one");
                    }
                    self.use_passphrase(passphrase);
                }
                None => self.reply(console, "! A passphrase has at least one letter or digit."),
            },
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
        self.owner.notice = Notice::NewPassphrase(words.clone());
        words
    }

    pub(super) fn use_passphrase(&mut self, passphrase: Passphrase) {
        self.owner.notice = Notice::None;
        self.call.set_passphrase(passphrase);
    }

    pub(super) fn make_offer(&mut self, dialect: Dialect) {
        self.owner.notice = Notice::None;
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

    /// One line on every console.
    pub(super) fn say(&mut self, line: &str) {
        let consoles: Vec<ConsoleId> = self.consoles.keys().copied().collect();
        for console in consoles {
            self.reply(console, line);
        }
    }
}
