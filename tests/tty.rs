//! Consoles over real pseudo-terminals, pipes, sockets and files.

#![allow(missing_docs)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{ControlModes, InputModes, LocalModes, OutputModes, tcgetattr};
use sotto::io::ConsolePath;
use sotto::io::tty::{QUEUE, Read, Tty};

const TOKEN: Token = Token(5);
const PATIENCE: Duration = Duration::from_secs(20);
/// Set in a process that is the console's side of a test.
const CHILD: &str = "SOTTO_TEST_TTY_CHILD";

/// A pseudo-terminal: the far end's side, and the path of ours.
fn pty() -> (File, PathBuf) {
    let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&far).expect("granted");
    unlockpt(&far).expect("unlocked");
    let path = ptsname(&far, Vec::new()).expect("a name");
    (far.into(), path.into_string().expect("ASCII").into())
}

/// A loop with one console.
struct Near {
    poll: Poll,
    tty: Tty,
}

impl Near {
    fn open(path: PathBuf) -> Self {
        let poll = Poll::new().expect("epoll");
        let tty = Tty::open(poll.registry(), TOKEN, &ConsolePath::Path(path)).expect("it opens");
        Self { poll, tty }
    }

    /// Sleeps until something is ready.
    fn wait(&mut self) {
        let mut events = Events::with_capacity(8);
        self.poll.poll(&mut events, Some(PATIENCE)).expect("epoll");
        assert!(events.iter().next().is_some(), "nothing became ready");
    }

    /// Reads until `len` bytes are here.
    fn read(&mut self, len: usize) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buffer = [0; 4_096];
        while all.len() < len {
            match self.tty.read(&mut buffer) {
                Read::Bytes(n) => all.extend(&buffer[..n]),
                Read::Nothing => self.wait(),
                Read::Closed => panic!("closed after {} bytes", all.len()),
            }
        }
        all
    }
}

#[test]
fn a_line_of_17_000_characters_arrives_whole_and_is_not_echoed() {
    let (mut far, path) = pty();
    let mut near = Near::open(path);
    assert!(near.tty.is_terminal());
    let line: String = (0..17_000u32)
        .map(|i| char::from(b'!' + (i % 90) as u8))
        .chain(['\n'])
        .collect();
    let sent = line.clone();
    let mut writer = far.try_clone().expect("a clone");
    let thread = std::thread::spawn(move || writer.write_all(sent.as_bytes()));
    assert_eq!(near.read(line.len()), line.as_bytes());
    thread.join().expect("no panic").expect("written");
    // What comes back first is our own line: the kernel echoed nothing, and left CR LF alone.
    near.tty.write(b"* ready\r\n");
    near.tty.flush();
    let mut back = [0; 64];
    let n = far.read(&mut back).expect("read");
    assert_eq!(&back[..n], b"* ready\r\n");
}

#[test]
fn control_characters_arrive_as_bytes() {
    let (mut far, path) = pty();
    let mut near = Near::open(path);
    let keys = b"a\x03\x04\x11\x13\x15\x16\x1a\x1c\x7f\r\n\0\xff";
    far.write_all(keys).expect("written");
    assert_eq!(near.read(keys.len()), keys);
}

#[test]
fn a_hang_up_closes_it_and_wakes_the_loop() {
    let (far, path) = pty();
    let mut near = Near::open(path.clone());
    let mut buffer = [0; 64];
    assert_eq!(near.tty.read(&mut buffer), Read::Nothing);
    near.wait(); // It can be written to.
    drop(far);
    near.wait();
    assert_eq!(near.tty.read(&mut buffer), Read::Closed);
    near.tty.write(b"* nobody hears\r\n");
    near.tty.flush();
    assert_eq!(near.tty.read(&mut buffer), Read::Closed);
    drop(near.tty);
    let again = Tty::open(near.poll.registry(), TOKEN, &ConsolePath::Path(path));
    assert!(again.is_err(), "the far end is not back yet");
}

#[test]
fn what_is_written_while_the_far_end_sleeps_is_bounded_and_dropped_by_whole_lines() {
    let (mut far, path) = pty();
    let mut near = Near::open(path);
    let line = |i: u32| format!("* line {i} {}\n", "x".repeat(1_000));
    for i in 0..5_000 {
        near.tty.write(line(i).as_bytes());
        near.tty.flush();
    }
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        let mut buffer = [0; 4_096];
        while !all.ends_with(b"* end\n") {
            let n = far.read(&mut buffer).expect("read");
            all.extend(&buffer[..n]);
        }
        String::from_utf8(all).expect("UTF-8")
    });
    near.tty.write(b"* end\n");
    let started = Instant::now();
    while !reader.is_finished() {
        assert!(started.elapsed() < PATIENCE);
        near.tty.flush();
        let mut events = Events::with_capacity(8);
        let brief = Some(Duration::from_millis(100));
        near.poll.poll(&mut events, brief).expect("epoll");
    }
    let all = reader.join().expect("no panic");
    assert!(all.len() < QUEUE + 200_000, "{}", all.len());
    let mut numbers = Vec::new();
    for said in all.lines() {
        let number = said
            .strip_prefix("* line ")
            .and_then(|s| s.split(' ').next());
        if let Some(i) = number.and_then(|n| n.parse().ok()) {
            assert_eq!(said, line(i).trim_end(), "a line is cut");
            numbers.push(i);
        } else {
            assert_eq!(said, "* end");
        }
    }
    assert!(numbers.is_sorted());
    assert_eq!((numbers[0], numbers.last()), (0, Some(&4_999)));
}

#[test]
fn the_terminal_is_as_it_was_afterwards() {
    let (far, path) = pty();
    let before = tcgetattr(&far).expect("settings");
    let near = Near::open(path);
    let during = tcgetattr(&far).expect("settings");
    assert!(
        !during
            .local_modes
            .intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    );
    assert!(!during.output_modes.contains(OutputModes::OPOST));
    assert_eq!(
        (during.input_speed(), during.output_speed()),
        (115_200, 115_200)
    );
    drop(near);
    let after = tcgetattr(&far).expect("settings");
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
}

#[test]
fn what_is_no_terminal_is_refused_by_name_of_what_it_should_be() {
    let poll = Poll::new().expect("epoll");
    for path in ["/dev/null", "/proc/self/maps"] {
        let opened = Tty::open(poll.registry(), TOKEN, &ConsolePath::Path(path.into()));
        let told = opened.err().map(|e| e.to_string());
        if path == "/dev/null" {
            assert_eq!(
                told.as_deref(),
                Some("not a terminal; a console is a serial line or a pseudo-terminal, or stdio")
            );
        }
        assert!(told.is_some(), "{path}");
    }
}

// ---- standard input and output, of a process of their own ----

/// Not a test: the console's side. Says how long each line is; leaves with 0 at `bye`, with 7 when closed.
#[test]
fn the_child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let mut poll = Poll::new().expect("epoll");
    let mut tty = Tty::open(poll.registry(), TOKEN, &ConsolePath::Stdio).expect("it opens");
    tty.write(format!("* terminal {}\n", tty.is_terminal()).as_bytes());
    let mut events = Events::with_capacity(8);
    let mut line = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        tty.flush();
        match tty.read(&mut buffer) {
            Read::Bytes(n) => {
                for byte in &buffer[..n] {
                    if *byte == b'\n' {
                        tty.write(format!("* line {}\n", line.len()).as_bytes());
                        if line == b"bye" {
                            drop(tty);
                            std::process::exit(0);
                        }
                        line.clear();
                    } else {
                        line.push(*byte);
                    }
                }
            }
            Read::Nothing => {
                // Also what is said later is heard.
                poll.poll(&mut events, Some(Duration::from_millis(300)))
                    .expect("epoll");
                if events.is_empty() {
                    tty.write(b"* later\n");
                }
            }
            Read::Closed => std::process::exit(7),
        }
    }
}

fn child(input: impl Into<Stdio>, output: impl Into<Stdio>) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "the_child", "--nocapture"])
        .env(CHILD, "1")
        .stdin(input)
        .stdout(output)
        .spawn()
        .expect("it starts")
}

/// The lines out up to `last`, but for the test framework's own and the dots of time.
fn lines(output: &mut impl std::io::Read, last: &str) -> Vec<String> {
    let mut all = String::new();
    let mut buffer = [0; 4_096];
    loop {
        let n = output.read(&mut buffer).expect("read");
        assert!(n > 0, "ended after {all:?}");
        all.push_str(&String::from_utf8_lossy(&buffer[..n]));
        if all.lines().any(|l| l == last) {
            let ours = all.lines().filter(|l| l.starts_with("* "));
            return ours.map(str::to_owned).collect();
        }
    }
}

fn non_blocking(fd: impl AsFd) -> bool {
    fcntl_getfl(fd).expect("flags").contains(OFlags::NONBLOCK)
}

#[test]
fn pipes_carry_commands_and_events_past_the_end_of_input_until_nobody_reads() {
    let (input, mut commands) = std::io::pipe().expect("a pipe");
    let (mut events, output) = std::io::pipe().expect("a pipe");
    let (input2, output2) = (
        input.try_clone().expect("a clone"),
        output.try_clone().expect("a clone"),
    );
    let mut child = child(input, output);
    commands.write_all(&[b'x'; 17_000]).expect("written");
    commands.write_all(b"\nshort").expect("written");
    lines(&mut events, "* line 17000");
    assert!(
        !non_blocking(&input2) && !non_blocking(&output2),
        "the other users of the pipe would see that"
    );
    drop((commands, input2, output2));
    let rest = lines(&mut events, "* later");
    assert_eq!(
        rest.iter().find(|l| **l != "* later"),
        Some(&"* line 5".to_owned())
    );
    drop(events);
    assert_eq!(child.wait().expect("it ends").code(), Some(7));
}

#[test]
fn a_file_and_nothing_at_all_are_read_to_their_end() {
    let path = std::env::temp_dir().join(format!("sotto-tty-{}", std::process::id()));
    std::fs::write(&path, format!("{}\nab\nbye\n", "y".repeat(100_000))).expect("written");
    let (mut events, output) = std::io::pipe().expect("a pipe");
    let mut with_file = child(File::open(&path).expect("it opens"), output);
    assert_eq!(
        lines(&mut events, "* line 3"),
        ["* terminal false", "* line 100000", "* line 2", "* line 3"]
    );
    assert_eq!(with_file.wait().expect("it ends").code(), Some(0));
    // A file out is appended to, as the shell opened it.
    std::fs::write(&path, "before\n").expect("written");
    let log = File::options().append(true).open(&path).expect("it opens");
    let (input, mut commands) = std::io::pipe().expect("a pipe");
    let mut to_file = child(input, log);
    commands.write_all(b"bye\n").expect("written");
    assert_eq!(to_file.wait().expect("it ends").code(), Some(0));
    let log = std::fs::read_to_string(&path).expect("read");
    assert!(
        log.starts_with("before\n") && log.ends_with("* terminal false\n* line 3\n"),
        "{log}"
    );
    std::fs::remove_file(&path).expect("removed");
    let (mut events, output) = std::io::pipe().expect("a pipe");
    let mut silent = child(Stdio::null(), output);
    assert_eq!(
        lines(&mut events, "* later"),
        ["* terminal false", "* later"]
    );
    drop(events);
    assert_eq!(silent.wait().expect("it ends").code(), Some(7));
}

#[test]
fn sockets_work_and_stay_blocking_for_the_other_users() {
    let (mut far, near) = UnixStream::pair().expect("a pair");
    let near = OwnedFd::from(near);
    let (kept, out) = (
        near.try_clone().expect("a clone"),
        near.try_clone().expect("a clone"),
    );
    let mut child = child(near, out);
    far.write_all(b"abc\n").expect("written");
    lines(&mut far, "* line 3");
    assert!(!non_blocking(&kept));
    far.write_all(b"bye\n").expect("written");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_terminal_as_both_is_raw_for_the_while() {
    let (mut far, path) = pty();
    let near: OwnedFd = File::options()
        .read(true)
        .write(true)
        .open(path)
        .expect("it opens")
        .into();
    let before = tcgetattr(&near).expect("settings");
    let kept = near.try_clone().expect("a clone");
    let mut child = child(near.try_clone().expect("a clone"), near);
    lines(&mut far, "* terminal true");
    assert!(
        !tcgetattr(&kept)
            .expect("settings")
            .local_modes
            .contains(LocalModes::ECHO)
    );
    assert!(!non_blocking(&kept));
    let mut writer = far.try_clone().expect("a clone");
    writer.write_all(&[b'z'; 17_000]).expect("written");
    writer.write_all(b"\nbye\n").expect("written");
    let said = lines(&mut far, "* line 3");
    assert!(said.contains(&"* line 17000".to_owned()), "{said:?}");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let after = tcgetattr(&kept).expect("settings");
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
}

#[test]
fn a_terminal_in_and_a_pipe_out_have_no_line_limit_but_the_kernels_echo() {
    let (mut far, path) = pty();
    let near = File::options()
        .read(true)
        .write(true)
        .open(path)
        .expect("it opens");
    let kept = near.try_clone().expect("a clone");
    let (mut events, output) = std::io::pipe().expect("a pipe");
    let mut child = child(near, output);
    lines(&mut events, "* terminal false");
    let modes = tcgetattr(&kept).expect("settings").local_modes;
    assert!(
        modes.contains(LocalModes::ECHO | LocalModes::ISIG) && !modes.contains(LocalModes::ICANON)
    );
    let mut reader = far.try_clone().expect("a clone");
    std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    far.write_all(&[b'z'; 17_000]).expect("written");
    far.write_all(b"\rbye\r").expect("written");
    assert!(lines(&mut events, "* line 3").contains(&"* line 17000".to_owned()));
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_serial_line_is_8n1_at_its_speed_without_flow_control() {
    let (_far, path) = pty();
    let kept = File::options().read(true).open(&path).expect("it opens");
    let poll = Poll::new().expect("epoll");
    let baud = sotto::config::Baud(9_600);
    let tty = Tty::open_serial(poll.registry(), TOKEN, &path, baud).expect("it opens");
    let now = tcgetattr(&kept).expect("settings");
    assert_eq!((now.input_speed(), now.output_speed()), (9_600, 9_600));
    let control = now.control_modes;
    assert!(control.contains(ControlModes::CS8 | ControlModes::CLOCAL | ControlModes::CREAD));
    let unwanted =
        ControlModes::CSTOPB | ControlModes::PARENB | ControlModes::CRTSCTS | ControlModes::HUPCL;
    assert!(!control.intersects(unwanted));
    let input = now.input_modes;
    assert!(!input.intersects(InputModes::IXON | InputModes::IXOFF | InputModes::ICRNL));
    assert!(input.contains(InputModes::IGNBRK | InputModes::IGNPAR));
    drop(tty);
    let control = tcgetattr(&kept).expect("settings").control_modes;
    assert!(!control.contains(ControlModes::HUPCL), "a reset on closing");
}
