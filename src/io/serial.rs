//! Serial lines that come and go: opened as consoles when their devices appear, closed when they vanish.

use std::fs::read_dir;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use super::consoles::hand_over;
use super::tty::Tty;
use crate::config::{Pattern, Serial};
use crate::intercom::Input;

/// Lines that are open at once at most.
pub const MAX_LINES: usize = 8;
/// Between two looks at the devices.
const LOOK: Duration = Duration::from_secs(1);
/// A device that does not open is told after this: a new one has its owner and group a moment after its name.
const PATIENCE: Duration = Duration::from_secs(5);

/// All of them.
pub struct SerialLines {
    wanted: Serial,
    /// Token and console of the first.
    token: usize,
    console: usize,
    lines: [Option<Line>; MAX_LINES],
    look: Option<Instant>,
    looked: bool,
    /// There were more than there is room for, and that was told.
    crowded: bool,
}

/// A device that is there.
struct Line {
    /// As it was found, and what that stands for.
    path: PathBuf,
    device: PathBuf,
    state: State,
}

enum State {
    Open {
        tty: Tty,
        /// Readiness comes once, so what was left unread is remembered.
        readable: bool,
    },
    Failing {
        since: Instant,
        told: bool,
    },
}

impl SerialLines {
    /// Serial lines whose tokens and console numbers begin with these. They are opened by [`Self::work`].
    pub fn new(now: Instant, wanted: Serial, token: usize, console: usize) -> Self {
        Self {
            look: (!wanted.consoles.is_empty()).then_some(now),
            wanted,
            token,
            console,
            lines: Default::default(),
            looked: false,
            crowded: false,
        }
    }

    /// Looks at the devices in the next [`Self::work`]: one came or went.
    pub fn look(&mut self, now: Instant) {
        if self.look.is_some() {
            self.look = Some(now);
        }
    }

    /// Notes a readiness event, if the token is of a line here.
    pub fn ready(&mut self, token: Token) {
        let number = token.0.checked_sub(self.token);
        if let Some(Some(line)) = number.and_then(|n| self.lines.get_mut(n))
            && let State::Open { readable, .. } = &mut line.state
        {
            *readable = true;
        }
    }

    /// Whether a line may hold more than the last [`Self::work`] took.
    pub fn has_more(&self) -> bool {
        let open = |line: &Line| matches!(line.state, State::Open { readable: true, .. });
        self.lines.iter().flatten().any(open)
    }

    /// When to come back at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.look
    }

    /// Hands over what came, and lines that came and went.
    pub fn work(&mut self, now: Instant, registry: &Registry, tell: &mut impl FnMut(Input<'_>)) {
        if self.look.is_some_and(|at| at <= now) {
            self.look = Some(now + LOOK);
            self.find(now, registry, tell);
            self.looked = true;
        }
        for (slot, console) in self.lines.iter_mut().zip(self.console..) {
            if let Some(line) = slot
                && let State::Open { tty, readable } = &mut line.state
                && !hand_over(tty, readable, console, tell)
            {
                line.state = State::Failing {
                    since: now,
                    told: false,
                };
                tell(Input::ConsoleClosed { console });
            }
        }
    }

    /// Text for one console; false if it is none of these.
    pub fn write(&mut self, console: usize, bytes: &[u8]) -> bool {
        let number = console.checked_sub(self.console);
        let Some(slot) = number.and_then(|n| self.lines.get_mut(n)) else {
            return false;
        };
        if let Some(Line {
            state: State::Open { tty, .. },
            ..
        }) = slot
        {
            tty.write(bytes);
        }
        true
    }

    /// Sends as much as the far ends take.
    pub fn flush(&mut self) {
        for line in self.lines.iter_mut().flatten() {
            if let State::Open { tty, .. } = &mut line.state {
                tty.flush();
            }
        }
    }

    /// Compares the devices that are there with the lines.
    fn find(&mut self, now: Instant, registry: &Registry, tell: &mut impl FnMut(Input<'_>)) {
        let found = devices(&self.wanted.consoles);
        for (slot, console) in self.lines.iter_mut().zip(self.console..) {
            let is_here = |line: &mut Line| found.iter().any(|(_, d)| *d == line.device);
            if let Some(line) = slot.take_if(|line| !is_here(line)) {
                if let State::Open { .. } = line.state {
                    tell(Input::ConsoleClosed { console });
                }
                tell(Input::Note(&format!(
                    "the console {} is gone",
                    line.path.display()
                )));
            }
        }
        let mut crowded = false;
        for (path, device) in found {
            if self.lines.iter().flatten().any(|l| l.device == device) {
                continue;
            }
            let Some(slot) = self.lines.iter_mut().find(|slot| slot.is_none()) else {
                crowded = true;
                if !std::mem::replace(&mut self.crowded, true) {
                    tell(Input::Note(&format!(
                        "there are more than {MAX_LINES} serial lines, and {} is not used",
                        path.display()
                    )));
                }
                break;
            };
            if self.looked {
                tell(Input::Note(&format!("{} is a console now", path.display())));
            }
            let state = State::Failing {
                since: now,
                told: false,
            };
            *slot = Some(Line {
                path,
                device,
                state,
            });
        }
        self.crowded &= crowded;
        let numbered = self.lines.iter_mut().zip(self.token..).zip(self.console..);
        for ((slot, token), console) in numbered {
            if let Some(line) = slot {
                line.open(now, registry, Token(token), console, &self.wanted, tell);
            }
        }
    }
}

impl Line {
    fn open(
        &mut self,
        now: Instant,
        registry: &Registry,
        token: Token,
        console: usize,
        wanted: &Serial,
        tell: &mut impl FnMut(Input<'_>),
    ) {
        let State::Failing { since, told } = &mut self.state else {
            return;
        };
        match Tty::open_serial(registry, token, &self.device, wanted.baud) {
            Ok(tty) => {
                self.state = State::Open {
                    tty,
                    readable: true,
                };
                tell(Input::SerialOpened(console));
            }
            Err(e) if !*told && now.saturating_duration_since(*since) >= PATIENCE => {
                *told = true;
                tell(Input::Note(&format!(
                    "the console {} does not open ({e}); it is tried again",
                    self.path.display()
                )));
            }
            Err(e) => log::debug!("{}: {e}", self.path.display()),
        }
    }
}

/// What is there now and wanted: as it was found, and the device itself, each of those once.
fn devices(wanted: &[Pattern]) -> Vec<(PathBuf, PathBuf)> {
    let mut all: Vec<(PathBuf, PathBuf)> = Vec::new();
    for pattern in wanted {
        let mut names: Vec<String> = match pattern.end {
            None => vec![pattern.start.clone()],
            Some(_) => read_dir(&pattern.folder)
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|entry| entry.file_name().into_string().ok())
                .filter(|name| pattern.fits(name))
                .collect(),
        };
        names.sort();
        for name in names {
            let path = Path::new(&pattern.folder).join(name);
            if let Ok(device) = path.canonicalize()
                && all.iter().all(|(_, known)| *known != device)
            {
                all.push((path, device));
            }
        }
    }
    all
}
