//! The computer's terminal as the intercom's front: the screen at the top, function keys, and a console below.
//!
//! It is opened anew rather than used through stdin and stdout: non-blocking is a property of the opening, and the shell
//! that started us shares theirs.

mod cells;
mod display;
mod keys;

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

pub use cells::{braille, half_blocks};
use display::{Display, LEAVE, Size};
use keys::Keys;
pub use keys::Typed;

use crate::intercom::screen::Framebuffer;

/// Bytes taken a read.
const READ: usize = 4096;
/// A slow terminal is given so many times a pause to take its old state back: half a second.
const FAREWELL_TRIES: u32 = 50;
const FAREWELL_PAUSE: Duration = Duration::from_millis(10);

/// The terminal of stdin and stdout, in raw mode on its second screen until this is dropped or the program panics.
///
/// [`Self::draw`] and [`Self::write_console`] only note what is to be shown; [`Self::flush`] sends it.
pub struct Terminal {
    tty: File,
    display: Display,
    keys: Keys,
}

impl Terminal {
    /// Takes the terminal over. Fails when stdin or stdout is not one, or one that cannot move its cursor.
    pub fn open() -> io::Result<Self> {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
        if dumb || !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(io::Error::new(
                ErrorKind::Unsupported,
                "The screen needs a terminal; without one, use --console stdio.",
            ));
        }
        let (tty, flags) = nonblocking_tty()?;
        let saved = Saved {
            tty: tty.try_clone()?,
            flags,
        };
        *SAVED.lock().unwrap_or_else(PoisonError::into_inner) = Some(saved);
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            // The message is to be read on the first screen, in lines.
            let print = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                print(panic);
            }));
        });
        if let Err(e) = crossterm::terminal::enable_raw_mode() {
            restore();
            return Err(e);
        }
        let display = Display::new(size(&tty));
        Ok(Self {
            tty,
            display,
            keys: Keys::default(),
        })
    }

    /// One read of at most 4 KiB, taken apart; `None` when there is nothing more for now.
    /// An error means that the terminal is gone.
    pub fn read(&mut self, now: Instant) -> io::Result<Option<Vec<Typed>>> {
        let mut buffer = zeroize::Zeroizing::new([0; READ]);
        loop {
            match self.tty.read(&mut buffer[..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => return Ok(Some(self.feed(now, &buffer[..n]))),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Bytes that were typed, as keys and text for the console. Ctrl-C is text (`0x03`) in raw mode.
    pub fn feed(&mut self, now: Instant, bytes: &[u8]) -> Vec<Typed> {
        self.keys.feed(now, bytes)
    }

    /// When to call [`Self::handle_timeout`]: the ESC key alone looks like the beginning of others.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.keys.poll_timeout()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Typed> {
        self.keys.handle_timeout(now)
    }

    /// Shows a screen. One that is overtaken by the next before it could be sent is skipped.
    pub fn draw(&mut self, screen: &Framebuffer) {
        self.display.draw(screen);
    }

    /// Goes on with the console's text; lines end in CR LF. A terminal that takes none of it for long loses some.
    pub fn write_console(&mut self, bytes: &[u8]) {
        self.display.console(bytes);
    }

    /// The terminal's size changed (SIGWINCH).
    pub fn resized(&mut self) {
        self.display.resize(size(&self.tty));
    }

    /// Sends as much as the terminal takes now; call it at a turn's end and when the terminal is writable.
    /// An error means that the terminal is gone.
    pub fn flush(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.display.poll_output();
            if bytes.is_empty() {
                return Ok(());
            }
            match self.tty.write(bytes) {
                Ok(n) => self.display.sent(n),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl AsRawFd for Terminal {
    /// To be registered as readable and writable.
    fn as_raw_fd(&self) -> RawFd {
        self.tty.as_raw_fd()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// What it takes to give the terminal back, kept where the panic hook finds it.
struct Saved {
    tty: File,
    /// Of stdin, if they had to be changed.
    flags: Option<libc::c_int>,
}

static SAVED: Mutex<Option<Saved>> = Mutex::new(None);

/// Gives the terminal back, once.
fn restore() {
    // A panic while the lock is held must not wait for itself.
    let saved = match SAVED.try_lock() {
        Ok(mut saved) => saved.take(),
        Err(_) => None,
    };
    let Some(Saved { mut tty, flags }) = saved else {
        return;
    };
    let mut farewell = LEAVE.as_bytes();
    for _ in 0..FAREWELL_TRIES {
        match tty.write(farewell) {
            Ok(_) if farewell.is_empty() => break,
            Ok(n) => farewell = &farewell[n..],
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(FAREWELL_PAUSE);
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    if let Some(flags) = flags {
        // SAFETY: F_SETFL takes an int and touches no memory; the descriptor is open.
        unsafe { libc::fcntl(tty.as_raw_fd(), libc::F_SETFL, flags) };
    }
    // Nothing is left to try when this fails.
    let _ = crossterm::terminal::disable_raw_mode();
}

/// The terminal of stdin, non-blocking, and stdin's flags if it had to be stdin itself: after `su`, for one,
/// the terminal belongs to somebody else and cannot be opened.
fn nonblocking_tty() -> io::Result<(File, Option<libc::c_int>)> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open("/proc/self/fd/0");
    if let Ok(tty) = opened {
        return Ok((tty, None));
    }
    let tty = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    // SAFETY: F_GETFL and F_SETFL take and return ints and touch no memory; the descriptor is open.
    let (flags, set) = unsafe {
        let flags = libc::fcntl(tty.as_raw_fd(), libc::F_GETFL);
        let set = libc::fcntl(tty.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK);
        (flags, set)
    };
    match flags == -1 || set == -1 {
        true => Err(io::Error::last_os_error()),
        false => Ok((tty, Some(flags))),
    }
}

/// 80x24 when the terminal does not say, as over a serial line.
fn size(tty: &File) -> Size {
    // SAFETY: all-zero bytes are a valid winsize, which is four integers.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: TIOCGWINSZ writes one winsize to the pointer, which is valid for that; the descriptor is open.
    let result = unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    match (result, size.ws_col, size.ws_row) {
        (0, columns @ 1.., rows @ 1..) => Size { columns, rows },
        _ => Size {
            columns: 80,
            rows: 24,
        },
    }
}
