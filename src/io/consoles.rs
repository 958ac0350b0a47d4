//! Everything that people type on and read: plain consoles by number, and the terminal with its screen and keys.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use zeroize::Zeroize;

use super::serial::SerialLines;
use super::terminal::{Terminal, Typed};
use super::tty::{Read, Tty};
use crate::config::{Screen, Serial};
use crate::intercom::Input;
use crate::intercom::screen::Framebuffer;

/// The console in the terminal under the screen; the others follow.
const FRONT: usize = 0;
/// Between two tries to open a console again that went away.
const REOPEN: Duration = Duration::from_secs(1);
/// Reads of one console in one turn, so that a flood on it does not delay voice.
const READS: usize = 8;
/// Ctrl-C in raw mode.
const INTERRUPT: u8 = 0x03;

/// Where a console is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsolePath {
    /// Standard input and output.
    Stdio,
    /// A tty or a pseudo-terminal.
    Path(PathBuf),
}

impl std::str::FromStr for ConsolePath {
    type Err = Infallible;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Ok(match s {
            "stdio" => Self::Stdio,
            path => Self::Path(path.into()),
        })
    }
}

/// All of them.
pub struct Consoles {
    first: usize,
    lines: Vec<Line>,
    serial: SerialLines,
    front: Option<Front>,
    /// The front's terminal was lost, and the core does not know yet.
    lost: bool,
    picture: Option<File>,
    notes: Vec<String>,
    opened: bool,
}

struct Line {
    path: ConsolePath,
    state: State,
    /// Readiness comes once, so what was left unread is remembered.
    readable: bool,
}

enum State {
    Open(Tty),
    /// Gone; tried again then, if it can come back.
    Gone(Option<Instant>),
}

struct Front {
    terminal: Terminal,
    screen: bool,
    keys: bool,
    readable: bool,
}

impl Consoles {
    /// Opens those that were asked for, and the terminal if the board has its screen or its buttons there. Serial lines are
    /// opened when they are there, now or later.
    ///
    /// # Errors
    /// A console that was asked for does not open, or the board wants a terminal and there is neither one nor a console.
    pub fn open(
        now: Instant,
        registry: &Registry,
        first: Token,
        paths: &[ConsolePath],
        serial: Serial,
        screen: &Screen,
        keys: bool,
    ) -> io::Result<Self> {
        let mut consoles = Self {
            first: first.0,
            lines: Vec::new(),
            serial: SerialLines::new(
                now,
                serial,
                first.0 + FRONT + 1 + paths.len(),
                FRONT + 1 + paths.len(),
            ),
            front: None,
            lost: false,
            picture: None,
            notes: Vec::new(),
            opened: false,
        };
        if let Screen::File(path) = screen {
            let picture = File::create(path).map_err(|e| named(path.display(), e))?;
            consoles.picture = Some(picture);
        }
        for (path, token) in paths.iter().zip(first.0 + 1..) {
            let tty = Tty::open(registry, Token(token), path).map_err(|e| named(path, e))?;
            consoles.lines.push(Line {
                path: path.clone(),
                state: State::Open(tty),
                readable: true,
            });
        }
        // One terminal cannot be both a plain console and a screen.
        let plain = paths.contains(&ConsolePath::Stdio);
        let screen = *screen == Screen::Terminal;
        if !plain && (screen || keys) {
            match Terminal::open() {
                Ok(terminal) => {
                    let fd = terminal.as_raw_fd();
                    registry.register(
                        &mut SourceFd(&fd),
                        first,
                        Interest::READABLE | Interest::WRITABLE,
                    )?;
                    consoles.front = Some(Front {
                        terminal,
                        screen,
                        keys,
                        readable: true,
                    });
                }
                Err(e) if paths.is_empty() => return Err(e),
                Err(e) => consoles
                    .notes
                    .push(format!("there is no screen and there are no keys: {e}")),
            }
        }
        Ok(consoles)
    }

    /// Whether anything here shows the panel.
    pub fn has_screen(&self) -> bool {
        self.picture.is_some() || self.front.as_ref().is_some_and(|f| f.screen)
    }

    /// Notes a readiness event.
    pub fn ready(&mut self, token: Token) {
        match token.0.checked_sub(self.first) {
            Some(FRONT) => {
                if let Some(front) = &mut self.front {
                    front.readable = true;
                }
            }
            Some(n) => {
                if let Some(line) = self.lines.get_mut(n - 1) {
                    line.readable = true;
                } else {
                    self.serial.ready(token);
                }
            }
            None => {}
        }
    }

    /// Whether a console may hold more than the last [`Self::work`] took, or there is news of one.
    pub fn has_more(&self) -> bool {
        self.lost
            || self
                .lines
                .iter()
                .any(|l| l.readable && matches!(l.state, State::Open(_)))
            || self.front.as_ref().is_some_and(|f| f.readable)
            || self.serial.has_more()
    }

    /// Looks for serial lines in the next [`Self::work`]: a device came or went.
    pub fn look_for_serial_lines(&mut self, now: Instant) {
        self.serial.look(now);
    }

    /// When to come back at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let reopen = self.lines.iter().filter_map(|l| match l.state {
            State::Gone(at) => at,
            State::Open(_) => None,
        });
        let keys = self.front.as_ref().and_then(|f| f.terminal.poll_timeout());
        reopen.chain(keys).chain(self.serial.poll_timeout()).min()
    }

    /// Hands over what was typed, and consoles that came and went.
    pub fn work(&mut self, now: Instant, registry: &Registry, mut tell: impl FnMut(Input<'_>)) {
        if !self.opened {
            self.opened = true;
            if self.front.is_some() {
                tell(Input::ConsoleOpened {
                    console: FRONT,
                    interactive: true,
                });
            }
            for (line, console) in self.lines.iter().zip(FRONT + 1..) {
                if let State::Open(tty) = &line.state {
                    tell(Input::ConsoleOpened {
                        console,
                        interactive: tty.is_terminal(),
                    });
                }
            }
        }
        for note in self.notes.drain(..) {
            tell(Input::Note(&note));
        }
        self.work_front(now, &mut tell);
        for (line, console) in self.lines.iter_mut().zip(FRONT + 1..) {
            let token = Token(self.first + console);
            line.work(now, registry, token, console, &mut tell);
        }
        self.serial.work(now, registry, &mut tell);
    }

    fn work_front(&mut self, now: Instant, tell: &mut impl FnMut(Input<'_>)) {
        // The window was closed: there is nobody left to be an intercom for.
        if std::mem::take(&mut self.lost) {
            tell(Input::Leave);
        }
        let Some(front) = &mut self.front else { return };
        let mut typed = front.terminal.handle_timeout(now);
        for _ in 0..READS {
            if !front.readable {
                break;
            }
            match front.terminal.read(now) {
                Ok(Some(more)) => typed.extend(more),
                Ok(None) => front.readable = false,
                Err(_) => {
                    tell(Input::Leave);
                    self.front = None;
                    return;
                }
            }
        }
        for typed in typed {
            match typed {
                Typed::Key(button) if front.keys => tell(Input::Tap(button)),
                Typed::Key(_) => {}
                Typed::Text(data) if data[..] == [INTERRUPT] => tell(Input::Leave),
                Typed::Text(data) => tell(Input::ConsoleBytes {
                    console: FRONT,
                    data: &data,
                }),
            }
        }
    }

    /// Text for one console; it leaves with the next [`Self::flush`].
    pub fn write(&mut self, console: usize, bytes: &[u8]) {
        if console == FRONT {
            if let Some(front) = &mut self.front {
                front.terminal.write_console(bytes);
            }
        } else if !self.serial.write(console, bytes)
            && let Some(Line {
                state: State::Open(tty),
                ..
            }) = self.lines.get_mut(console - 1)
        {
            tty.write(bytes);
        }
    }

    /// The terminal's size changed.
    pub fn resized(&mut self) {
        if let Some(front) = &mut self.front {
            front.terminal.resized();
        }
    }

    /// Shows the panel.
    pub fn draw(&mut self, picture: &Framebuffer) {
        if let Some(front) = self.front.as_mut().filter(|f| f.screen) {
            front.terminal.draw(picture);
        }
        if let Some(file) = &self.picture
            && let Err(e) = file.write_all_at(picture.pages().as_flattened(), 0)
        {
            log::warn!("the picture cannot be written: {e}");
        }
    }

    /// Sends as much as the far ends take.
    pub fn flush(&mut self) {
        if let Some(front) = &mut self.front
            && front.terminal.flush().is_err()
        {
            self.front = None;
            self.lost = true;
        }
        for line in &mut self.lines {
            if let State::Open(tty) = &mut line.state {
                tty.flush();
            }
        }
        self.serial.flush();
    }
}

impl Line {
    fn work(
        &mut self,
        now: Instant,
        registry: &Registry,
        token: Token,
        console: usize,
        tell: &mut impl FnMut(Input<'_>),
    ) {
        if let State::Gone(Some(at)) = self.state
            && at <= now
        {
            self.state = match Tty::open(registry, token, &self.path) {
                Ok(tty) => {
                    tell(Input::ConsoleOpened {
                        console,
                        interactive: tty.is_terminal(),
                    });
                    self.readable = true;
                    State::Open(tty)
                }
                Err(_) => State::Gone(Some(now + REOPEN)),
            };
        }
        if let State::Open(tty) = &mut self.state
            && !hand_over(tty, &mut self.readable, console, tell)
        {
            let comes_back = matches!(self.path, ConsolePath::Path(_));
            self.state = State::Gone(comes_back.then(|| now + REOPEN));
            tell(Input::ConsoleClosed { console });
        }
    }
}

/// Hands over what a console has, up to a bound; `readable`: whether there may be more. False: the far end is gone.
pub(super) fn hand_over(
    tty: &mut Tty,
    readable: &mut bool,
    console: usize,
    tell: &mut impl FnMut(Input<'_>),
) -> bool {
    let mut buffer = [0; 16_384];
    for _ in 0..READS {
        if !*readable {
            break;
        }
        match tty.read(&mut buffer) {
            Read::Bytes(n) => {
                let data = &mut buffer[..n];
                tell(Input::ConsoleBytes { console, data });
                // It may have been a passphrase.
                data.zeroize();
            }
            Read::Nothing => *readable = false,
            Read::Closed => return false,
        }
    }
    true
}

impl std::fmt::Display for ConsolePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdio => f.write_str("stdio"),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

fn named(what: impl std::fmt::Display, e: io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("{what}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_lost_while_it_was_written_to_is_told_once_and_at_once() {
        let poll = mio::Poll::new().unwrap();
        let mut consoles = Consoles {
            first: 0,
            lines: Vec::new(),
            serial: SerialLines::new(Instant::now(), Serial::default(), 1, 1),
            front: None,
            lost: true,
            picture: None,
            notes: Vec::new(),
            opened: true,
        };
        assert!(consoles.has_more());
        let mut leaves = 0;
        for _ in 0..2 {
            consoles.work(Instant::now(), poll.registry(), |input| {
                assert!(matches!(input, Input::Leave));
                leaves += 1;
            });
            assert!(!consoles.has_more());
        }
        assert_eq!(leaves, 1);
    }
}
