//! A console's bytes: a serial line, a pseudo-terminal, or standard input and output, never waited for.
//!
//! The parent shell shares the open file behind our descriptors 0 and 1, and `O_NONBLOCK` belongs to the open file: set
//! there, it would outlive us and break the shell. So terminals and pipes are opened once more through
//! `/proc/self/fd`; sockets, which cannot be, are asked not to wait call by call; anything else (files, `/dev/null`,
//! another user's terminal) is asked whether it is ready before each call.
//!
//! A terminal is put in raw mode: no echo by the kernel, no limit of 4 096 bytes a line. Dropped, it is as it was. If
//! only the input is a terminal (`| tee`), lines come without the limit but with the kernel's echo and ctrl-C.
//!
//! What the far end does not take is kept up to [`QUEUE`] bytes, for a serial line up to [`SERIAL_QUEUE`]; beyond, the oldest
//! writes go first, whole.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios,
    ioctl_tiocexcl, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use super::ConsolePath;
use crate::config::Baud;

/// Bytes that wait for the far end at most.
pub const QUEUE: usize = 1 << 20;
/// The same of a serial line: a gadget port whose host does not listen takes nothing, and who listens later wants no old news. A v1 code
/// fits.
pub const SERIAL_QUEUE: usize = 1 << 16;
/// What a queued write costs beside its bytes, so that many tiny ones are bounded too.
const OVERHEAD: usize = 64;
/// Written at once where a bigger write might wait: a pipe or tty that polls ready has room for so much.
const ROOM: usize = 256;

/// What a read came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing now; a readiness event will say when.
    Nothing,
    /// The far end is gone.
    Closed,
}

/// An open console.
pub struct Tty {
    /// Put back before the descriptors go, as fields are dropped in order.
    settings: Option<Settings>,
    /// None when a script's input is over: it may still listen.
    input: Option<End>,
    /// Whether the last byte did not end a line.
    in_line: bool,
    output: Output,
    queue: VecDeque<Zeroizing<Vec<u8>>>,
    /// Bytes in the queue, with the overhead.
    queued: usize,
    /// Bytes of the first write that are out.
    sent: usize,
    /// What [`Self::queued`] may be.
    room: usize,
}

enum Output {
    /// The input's, of one terminal.
    Same,
    Other(End),
    Gone,
}

impl Tty {
    /// Opens a console and registers it under `token` for reading and writing, edge-triggered.
    ///
    /// # Errors
    /// The path does not open, or is no terminal.
    pub fn open(registry: &Registry, token: Token, path: &ConsolePath) -> io::Result<Self> {
        match path {
            ConsolePath::Path(path) => {
                let line = Some(Baud::default());
                Self::set_up(registry, token, End::terminal(path)?, Output::Same, line)
            }
            ConsolePath::Stdio => {
                let input = End::inherited(io::stdin().as_fd(), true)?;
                let output = End::inherited(io::stdout().as_fd(), false)?;
                Self::set_up(registry, token, input, Output::Other(output), None)
            }
        }
    }

    /// Opens a serial line for itself alone, as [`Self::open`].
    ///
    /// # Errors
    /// It does not open, is in use, or is no terminal.
    pub fn open_serial(
        registry: &Registry,
        token: Token,
        path: &Path,
        baud: Baud,
    ) -> io::Result<Self> {
        let input = End::terminal(path)?;
        ioctl_tiocexcl(&input.file)?;
        let mut tty = Self::set_up(registry, token, input, Output::Same, Some(baud))?;
        tty.room = SERIAL_QUEUE;
        Ok(tty)
    }

    /// `line`: the speed of a device that is ours, not the terminal of a shell.
    fn set_up(
        registry: &Registry,
        token: Token,
        mut input: End,
        mut output: Output,
        line: Option<Baud>,
    ) -> io::Result<Self> {
        let directions = match output {
            Output::Same => Interest::READABLE | Interest::WRITABLE,
            _ => Interest::READABLE,
        };
        let person =
            input.is_terminal() && !matches!(&output, Output::Other(o) if !o.is_terminal());
        let settings = match input.is_terminal() {
            true => Some(Settings::change(&input.file, person, line)?),
            false => None,
        };
        input.register(registry, token, directions)?;
        if let Output::Other(output) = &mut output {
            output.register(registry, token, Interest::WRITABLE)?;
        }
        Ok(Self {
            settings,
            input: Some(input),
            in_line: false,
            output,
            queue: VecDeque::new(),
            queued: 0,
            sent: 0,
            room: QUEUE,
        })
    }

    /// Whether both directions are a terminal, so that a person wants echo and a prompt.
    pub fn is_terminal(&self) -> bool {
        self.settings.as_ref().is_some_and(|s| s.person)
    }

    /// Takes what came, up to the buffer. To be repeated until [`Read::Nothing`], as readiness is told once.
    ///
    /// When a script's input is over, its last line is ended if it was not, and the console stays open as long as
    /// somebody reads it: `echo call | sotto run --console stdio` wants to see the offer.
    pub fn read(&mut self, buffer: &mut [u8]) -> Read {
        let Some(input) = &mut self.input else {
            return match self.output.is_gone() {
                true => Read::Closed,
                false => Read::Nothing,
            };
        };
        match input.read(buffer) {
            Ok(n) if n > 0 => {
                self.in_line = !matches!(buffer[n - 1], b'\n' | b'\r');
                return Read::Bytes(n);
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Read::Nothing,
            _ => {}
        }
        // A terminal does not end; it hangs up.
        if input.is_terminal() || self.settings.is_some() {
            return Read::Closed;
        }
        self.input = None;
        match buffer.first_mut() {
            Some(first) if std::mem::take(&mut self.in_line) => {
                *first = b'\n';
                Read::Bytes(1)
            }
            _ if self.output.is_gone() => Read::Closed,
            _ => Read::Nothing,
        }
    }

    /// Takes bytes to send with [`Self::flush`]. Best one or more whole lines: what is dropped when the far end
    /// stalls is whole writes, oldest first.
    pub fn write(&mut self, bytes: &[u8]) {
        let cost = bytes.len() + OVERHEAD;
        if bytes.is_empty() || cost > self.room || matches!(self.output, Output::Gone) {
            return;
        }
        // The first may be half out.
        let keep = usize::from(self.sent > 0);
        while self.queued + cost > self.room {
            let Some(dropped) = self.queue.remove(keep) else {
                return;
            };
            self.queued -= dropped.len() + OVERHEAD;
        }
        self.queue.push_back(Zeroizing::new(bytes.to_vec()));
        self.queued += cost;
    }

    /// Sends as much as the far end takes now. To be called when something was written and at each readiness event.
    pub fn flush(&mut self) {
        while let Some(first) = self.queue.front() {
            let output = match (&mut self.output, &mut self.input) {
                (Output::Other(output), _) => output,
                (Output::Same, Some(input)) => input,
                _ => break,
            };
            match output.write(&first[self.sent..]) {
                Ok(n @ 1..) => self.sent += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                failed => {
                    log::debug!("a console takes no more: {failed:?}");
                    self.output = Output::Gone;
                    break;
                }
            }
            if self.sent == first.len() {
                self.queued -= first.len() + OVERHEAD;
                self.sent = 0;
                self.queue.pop_front();
            }
        }
        if let Output::Gone = self.output {
            (self.queued, self.sent) = (0, 0);
            self.queue.clear();
        }
    }
}

impl Drop for Tty {
    /// The last words, as far as they fit.
    fn drop(&mut self) {
        self.flush();
    }
}

impl Output {
    fn is_gone(&self) -> bool {
        match self {
            Self::Same => false,
            Self::Other(end) => end.poll(PollFlags::empty()),
            Self::Gone => true,
        }
    }
}

/// One descriptor of ours, and how not to wait on it.
struct End {
    file: File,
    manner: Manner,
    registry: Option<Registry>,
}

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    NonBlocking,
    Socket,
    AskFirst,
}

impl End {
    fn terminal(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)?;
        match file.is_terminal() {
            true => Ok(Self::new(file, Manner::NonBlocking)),
            false => Err(io::Error::new(
                ErrorKind::InvalidInput,
                "not a terminal; a console is a serial line or a pseudo-terminal, or stdio",
            )),
        }
    }

    fn inherited(fd: BorrowedFd<'_>, input: bool) -> io::Result<Self> {
        let shared = File::from(fd.try_clone_to_owned()?);
        let kind = shared.metadata()?.file_type();
        if kind.is_socket() {
            return Ok(Self::new(shared, Manner::Socket));
        }
        if shared.is_terminal() || kind.is_fifo() {
            let own = OpenOptions::new()
                .read(input)
                .write(!input)
                .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
                .open(format!("/proc/self/fd/{}", fd.as_raw_fd()));
            if let Ok(own) = own {
                return Ok(Self::new(own, Manner::NonBlocking));
            }
        }
        Ok(Self::new(shared, Manner::AskFirst))
    }

    fn new(file: File, manner: Manner) -> Self {
        Self {
            file,
            manner,
            registry: None,
        }
    }

    fn is_terminal(&self) -> bool {
        self.file.is_terminal()
    }

    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let own = registry.try_clone()?;
        match registry.register(&mut SourceFd(&self.file.as_raw_fd()), token, interest) {
            Ok(()) => self.registry = Some(own),
            // A file is always ready, so epoll does not take it.
            Err(e) if e.raw_os_error() == Some(libc::EPERM) => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        retried(|| match self.manner {
            Manner::NonBlocking => self.file.read(buffer),
            Manner::Socket => Ok(recv(&self.file, &mut *buffer, RecvFlags::DONTWAIT)?.1),
            Manner::AskFirst if self.poll(PollFlags::IN) => self.file.read(buffer),
            Manner::AskFirst => Err(ErrorKind::WouldBlock.into()),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let little = &bytes[..bytes.len().min(ROOM)];
        retried(|| match self.manner {
            Manner::NonBlocking => self.file.write(bytes),
            Manner::Socket => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                Ok(send(&self.file, bytes, flags)?)
            }
            Manner::AskFirst if self.poll(PollFlags::OUT) => self.file.write(little),
            Manner::AskFirst => Err(ErrorKind::WouldBlock.into()),
        })
    }

    /// Whether it is ready for that, or broken.
    fn poll(&self, flags: PollFlags) -> bool {
        let mut fds = [PollFd::new(&self.file, flags)];
        matches!(poll(&mut fds, Some(&Timespec::default())), Ok(1..))
    }
}

impl Drop for End {
    /// The open file may outlive our descriptor, and its registration with it.
    fn drop(&mut self) {
        if let Some(registry) = &self.registry {
            let _ = registry.deregister(&mut SourceFd(&self.file.as_raw_fd()));
        }
    }
}

fn retried(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A terminal's settings before us, put back when dropped.
struct Settings {
    terminal: File,
    before: Termios,
    person: bool,
}

impl Settings {
    fn change(terminal: &File, person: bool, line: Option<Baud>) -> io::Result<Self> {
        let mut before = tcgetattr(terminal)?;
        if line.is_some() {
            // Closed, it keeps its modem lines: some adapters restart what is behind them.
            before.control_modes -= ControlModes::HUPCL;
        }
        let mut ours = before.clone();
        match person {
            true => ours.make_raw(),
            false => ours.local_modes.remove(LocalModes::ICANON),
        }
        // Zero bytes then mean a hang-up, never "nothing yet".
        ours.special_codes[SpecialCodeIndex::VMIN] = 1;
        ours.special_codes[SpecialCodeIndex::VTIME] = 0;
        if let Some(Baud(speed)) = line {
            ours.control_modes -= ControlModes::CSIZE
                | ControlModes::CSTOPB
                | ControlModes::PARENB
                | ControlModes::CRTSCTS;
            ours.control_modes |= ControlModes::CS8 | ControlModes::CLOCAL | ControlModes::CREAD;
            // No flow control; a BREAK and what comes at another speed are no bytes.
            ours.input_modes -= InputModes::IXOFF | InputModes::IXANY;
            ours.input_modes |= InputModes::IGNBRK | InputModes::IGNPAR | InputModes::INPCK;
            ours.set_speed(speed)?;
        }
        // Not `Flush`: what was typed before is read too.
        tcsetattr(terminal, OptionalActions::Now, &ours)?;
        Ok(Self {
            terminal: terminal.try_clone()?,
            before,
            person,
        })
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
