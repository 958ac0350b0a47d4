//! The program's life on a box, with the real program: no terminal, serial lines that come and go, settings with mistakes.

#![allow(missing_docs)]

#[path = "support/folder.rs"]
mod folder;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use folder::Folder;

const PATIENCE: Duration = Duration::from_secs(20);

/// A box with serial lines `ttyUSB*` in a folder, and no terminal.
struct Appliance(Child);

impl Appliance {
    fn start(folder: &Folder, board: &str, arguments: &[&str]) -> Self {
        let consoles = folder.path("ttyUSB*");
        let board = folder.write(
            "board.toml",
            &format!(
                "name = \"box\"\nbuttons = \"none\"\nscreen = \"none\"\nquit = false\n{board}\n\
                 [sound]\ncapture = \"null\"\nplayback = \"null\"\n[serial]\nconsoles = [{:?}]\n",
                consoles.display().to_string()
            ),
        );
        let child = Command::new(env!("CARGO_BIN_EXE_sotto"))
            .args(["run", "--set", "stun=[]", "--board"])
            .arg(board)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        Self(child)
    }

    fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("asked").is_none()
    }

    fn terminate(mut self) -> ExitStatus {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, Signal::TERM).expect("it runs");
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.0.try_wait().expect("asked") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end");
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is behind a serial line, and the device in the box.
struct Cable {
    far: File,
    device: PathBuf,
    heard: String,
}

impl Cable {
    fn new() -> Self {
        let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a pseudo-terminal");
        grantpt(&far).expect("granted");
        unlockpt(&far).expect("unlocked");
        let device = ptsname(&far, Vec::new()).expect("a name");
        Self {
            far: far.into(),
            device: device.into_string().expect("ASCII").into(),
            heard: String::new(),
        }
    }

    fn plug(&self, path: &Path) {
        symlink(&self.device, path).expect("a link");
    }

    fn say(&mut self, text: &str) {
        self.far.write_all(text.as_bytes()).expect("written");
    }

    /// What comes for so long.
    fn listen(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).expect("it is short");
            let mut fds = [PollFd::new(&self.far, PollFlags::IN)];
            if !matches!(poll(&mut fds, Some(&left)), Ok(1..)) {
                return;
            }
            let mut buffer = [0; 4_096];
            match self.far.read(&mut buffer) {
                Ok(n) => self.heard += &String::from_utf8_lossy(&buffer[..n]),
                // Nobody has opened the device yet.
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Waits for all of these texts.
    fn hear_in_any_order(&mut self, texts: &[&str]) {
        let until = Instant::now() + PATIENCE;
        while !texts.iter().all(|text| self.heard.contains(text)) {
            assert!(Instant::now() < until, "not all in {:?}", self.heard);
            self.listen(Duration::from_millis(50));
        }
    }

    /// Waits for a text, and forgets everything up to its end.
    fn hear(&mut self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.heard.contains(text) {
            assert!(Instant::now() < until, "no {text:?} in {:?}", self.heard);
            self.listen(Duration::from_millis(50));
        }
        let end = self.heard.find(text).expect("it is there") + text.len();
        self.heard.drain(..end);
    }
}

#[test]
fn a_box_waits_for_a_cable_and_survives_its_going() {
    let folder = Folder::new("cables");
    let mut appliance = Appliance::start(&folder, "", &[]);
    std::thread::sleep(Duration::from_millis(500));
    assert!(appliance.is_running(), "without terminal and serial line");

    let mut first = Cable::new();
    first.plug(&folder.path("ttyUSB0"));
    first.hear("* ready\r\n");
    // A script's line: no echo, no prompt.
    first.say("volume 200\r\n");
    first.hear("! volume takes 0 to 100.\r\n");
    assert_eq!(first.heard, "");

    let mut second = Cable::new();
    second.plug(&folder.path("ttyUSB1"));
    second.hear("* ready\r\n");
    first.hear("ttyUSB1 is a console now\r\n");

    // The name goes while the line is open, then the line while its name is there.
    std::fs::remove_file(folder.path("ttyUSB0")).expect("removed");
    second.hear("ttyUSB0 is gone\r\n");
    first.plug(&folder.path("ttyUSB7"));
    first.hear("* ready\r\n");
    second.hear("ttyUSB7 is a console now\r\n");
    drop(second);
    first.listen(Duration::from_millis(2_500));
    std::fs::remove_file(folder.path("ttyUSB1")).expect("removed");
    first.hear("ttyUSB1 is gone\r\n");
    assert_eq!(appliance.terminate().code(), Some(0));
}

#[test]
fn a_serial_line_prompts_when_a_person_presses_enter() {
    let folder = Folder::new("enter");
    let mut cable = Cable::new();
    cable.plug(&folder.path("ttyUSB0"));
    let appliance = Appliance::start(&folder, "", &[]);
    cable.hear("* ready\r\n");
    cable.listen(Duration::from_millis(300));
    assert_eq!(cable.heard, "");
    cable.say("\r");
    cable.hear("* note type help for what this console understands\r\n");
    cable.hear("sotto> ");
    cable.say("hel");
    cable.hear("hel");
    cable.say("p\r");
    cable.hear("talk on, talk off");
    cable.hear("sotto> ");
    drop(appliance);
}

#[test]
fn noise_and_another_intercom_on_the_line_do_nothing() {
    let folder = Folder::new("noise");
    let mut cable = Cable::new();
    cable.plug(&folder.path("ttyUSB0"));
    let appliance = Appliance::start(&folder, "", &[]);
    cable.hear("* ready\r\n");
    for line in [
        "* ready",
        "! Not a command.",
        "sotto> * note help",
        "sotto> sotto> ! x",
    ] {
        cable.say(&format!("{line}\r\n"));
    }
    cable.say("\0\0\x7f\x1b[\0\x05\x13");
    cable.listen(Duration::from_millis(800));
    assert_eq!(cable.heard, "");
    // After it the line works; what noise left in it is not run.
    cable.say("\rstatus\r\n");
    cable.hear("\"state\":");
    cable.say("status\x03hang around\r\n");
    cable.hear("! hang takes nothing behind it.");
    drop(appliance);
}

#[test]
fn a_far_end_that_does_not_listen_stops_nothing() {
    let folder = Folder::new("deaf");
    let (mut deaf, mut other) = (Cable::new(), Cable::new());
    deaf.plug(&folder.path("ttyUSB0"));
    other.plug(&folder.path("ttyUSB1"));
    let appliance = Appliance::start(&folder, "", &[]);
    deaf.hear("* ready\r\n");
    other.hear("* ready\r\n");
    for _ in 0..500 {
        deaf.say("help\r\n");
    }
    let asked = Instant::now();
    other.say("status\r\n");
    other.hear("\"state\":");
    assert!(asked.elapsed() < Duration::from_secs(2));
    // It takes what is left once it listens: the kernel's few KiB and ours.
    deaf.listen(Duration::from_secs(1));
    assert!(deaf.heard.contains("talk on") && deaf.heard.len() < 200_000);
    assert_eq!(appliance.terminate().code(), Some(0));
}

#[test]
fn no_more_lines_than_there_is_room_for_are_opened() {
    let folder = Folder::new("many");
    let mut cables: Vec<Cable> = (0..10).map(|_| Cable::new()).collect();
    for (n, cable) in cables.iter().enumerate() {
        cable.plug(&folder.path(&format!("ttyUSB{n}")));
    }
    let appliance = Appliance::start(&folder, "", &[]);
    for cable in &mut cables[..8] {
        cable.hear("* ready\r\n");
    }
    cables[9].listen(Duration::from_secs(1));
    assert_eq!(cables[9].heard, "");
    // One goes, another is let in.
    std::fs::remove_file(folder.path("ttyUSB3")).expect("removed");
    cables[8].hear("* ready\r\n");
    drop(appliance);
}

#[test]
fn mistakes_in_the_settings_are_told_on_every_console_and_the_rest_applies() {
    let folder = Folder::new("mistakes");
    let mut cable = Cable::new();
    cable.plug(&folder.path("ttyUSB0"));
    let settings = folder.write(
        "sotto.toml",
        "volum = 3\r\nmode = “ptt”\r\npassphrase = \"correct horse battery staple\"\r\n[wifi]\r\nssid = 5\r\n",
    );
    let settings = settings.display().to_string();
    let appliance = Appliance::start(&folder, "", &["--settings", &settings]);
    cable.hear("* ready\r\n* note sotto.toml:1: unknown key `volum`");
    cable.hear("* note sotto.toml:2: `mode`: the quote mark “ is not understood");
    cable.hear("* note sotto.toml:5: `ssid`: ");
    cable.say("call\r\n");
    cable.hear("* offer ");
    drop(appliance);
    // A computer's intercom is not begun with a mistake.
    let output = Command::new(env!("CARGO_BIN_EXE_sotto"))
        .args(["run", "--console", "stdio", "--settings", &settings])
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("sotto.toml:2"), "{said}");
}

#[test]
fn the_wifi_and_the_board_are_printed_for_the_system() {
    let folder = Folder::new("printed");
    let printed = |command: &str, text: &str| {
        let settings = folder.write("sotto.toml", text);
        let output = Command::new(env!("CARGO_BIN_EXE_sotto"))
            .args([command, "--settings"])
            .arg(settings)
            .output()
            .expect("it starts");
        assert!(output.status.success() && output.stderr.is_empty());
        String::from_utf8(output.stdout).expect("ASCII")
    };
    assert_eq!(printed("wifi", "volume = 5"), "");
    assert_eq!(
        printed("wifi", "[wifi]\nssid = \"a\"\npassword = \"short\""),
        ""
    );
    let open = "network={\n\tssid=61\n\tscan_ssid=1\n\tkey_mgmt=NONE\n}\n";
    assert_eq!(printed("wifi", "nonsense\n[wifi]\nssid = \"a\""), open);
    assert_eq!(printed("board", "board = \"virt\"\nvolume = 500"), "virt\n");
    assert_eq!(printed("board", "board = \"toaster\"").lines().count(), 1);
}

#[test]
fn as_another_user_it_has_no_privileges_and_still_makes_offers() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("=== NOT TESTED: giving up root takes root ===");
        return;
    }
    let folder = Folder::new("user");
    let (mut cable, mut hidden) = (Cable::new(), Cable::new());
    let console = cable.device.display().to_string();
    let arguments = ["--user", "nobody", "--console", &console, "--set"];
    let stun = "stun=[\"localhost:9\"]";
    let appliance = Appliance::start(&folder, "", &[&arguments[..], &[stun]].concat());
    cable.hear("* ready");
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", appliance.0.id())).expect("it runs");
    let line = |key: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(key));
        line.unwrap_or_else(|| panic!("{key} in {status}")).trim()
    };
    let nobody = line("Uid:").split_whitespace().collect::<Vec<_>>();
    assert!(
        nobody.iter().all(|id| *id == nobody[0] && *id != "0"),
        "{status}"
    );
    assert!(line("Gid:").split_whitespace().all(|id| id != "0"));
    assert!(!line("Groups:").split_whitespace().any(|id| id == "0"));
    for capabilities in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(line(capabilities), "0000000000000000");
    }
    assert_eq!(line("NoNewPrivs:"), "1");
    // A name is looked up, a key derived, sockets opened.
    cable.say("passphrase correct horse battery staple\r");
    cable.say("call\r");
    cable.hear("* offer ");
    // The folder is outside of /dev, so what appears there is not seen.
    hidden.plug(&folder.path("ttyUSB0"));
    hidden.listen(Duration::from_millis(2_500));
    assert_eq!(hidden.heard, "");
    assert_eq!(appliance.terminate().code(), Some(0));
}

#[test]
fn the_watchdog_is_fed_by_the_loop_and_stopped_when_the_end_is_wanted() {
    let folder = Folder::new("watchdog");
    let fifo = folder.path("watchdog");
    let made = Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .expect("it starts");
    assert!(made.success());
    let mut device = File::options()
        .read(true)
        .write(true)
        .open(&fifo)
        .expect("it opens");
    let board = format!("watchdog = {:?}", fifo.display().to_string());
    let mut byte = || {
        let mut one = [0];
        device.read_exact(&mut one).expect("read");
        one[0]
    };
    let appliance = Appliance::start(&folder, &board, &[]);
    assert_eq!(byte(), 0);
    let fed = Instant::now();
    assert_eq!(byte(), 0);
    let pause = fed.elapsed().as_secs_f64();
    assert!((4.0..7.0).contains(&pause), "{pause} s");
    assert_eq!(appliance.terminate().code(), Some(0));
    assert_eq!(byte(), b'V');
    // Killed, it says nothing, and the box is restarted.
    let killed = Appliance::start(&folder, &board, &[]);
    assert_eq!(byte(), 0);
    drop(killed);
    device.write_all(b"x").expect("written");
    let mut one = [0];
    device.read_exact(&mut one).expect("read");
    assert_eq!(one, *b"x");
}

#[test]
fn without_a_sound_card_the_call_goes_on_and_says_so() {
    let mut boxes = Vec::new();
    for name in ["caller", "callee"] {
        let folder = Folder::new(name);
        let mut cable = Cable::new();
        let console = cable.device.display().to_string();
        let mut arguments = vec![
            "--console",
            &console,
            "--set",
            "sound.capture=card:none such",
        ];
        if rustix::process::geteuid().is_root() {
            arguments.extend(["--user", "nobody"]);
        }
        let appliance = Appliance::start(&folder, "", &arguments);
        cable.hear("* ready");
        cable.say("passphrase correct horse battery staple\r");
        boxes.push((appliance, cable, folder));
    }
    let [(_caller, a, _), (_callee, b, _)] = &mut boxes[..] else {
        unreachable!("there are two");
    };
    a.say("call\r");
    a.hear("* offer ");
    let offer = rest_of_line(a);
    b.say(&format!("{offer}\r"));
    b.hear("* answer ");
    let answer = rest_of_line(b);
    a.say(&format!("{answer}\r"));
    for cable in [a, b] {
        // Sound is opened while the path is being checked, so either may come first.
        cable.hear_in_any_order(&[
            "* connected",
            "* note the microphone `none such` does not work (no sound card ",
        ]);
    }
}

fn rest_of_line(cable: &mut Cable) -> String {
    while !cable.heard.contains('\n') {
        cable.listen(Duration::from_millis(50));
    }
    let line = cable.heard.lines().next().unwrap_or_default();
    line.trim().to_owned()
}
