//! The real program, end to end: two processes, their consoles on pseudo-terminals, tones for voices.

#![allow(missing_docs)]

#[path = "support/folder.rs"]
mod folder;

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use folder::Folder;

const RATE: u32 = 48_000;
const PATIENCE: Duration = Duration::from_secs(30);

struct Device {
    child: Child,
    pty: File,
    lines: Receiver<String>,
    ear: PathBuf,
}

impl Device {
    fn start(folder: &Folder, name: &str, tone: f64) -> Self {
        Self::start_with(folder, name, tone, &[])
    }

    fn start_with(folder: &Folder, name: &str, tone: f64, arguments: &[&str]) -> Self {
        let (mouth, ear, board) = (
            folder.path(&format!("{name}-mouth.wav")),
            folder.path(&format!("{name}-ear.wav")),
            folder.path(&format!("{name}.toml")),
        );
        write_tone(&mouth, tone);
        std::fs::write(
            &board,
            "name = \"test\"\nbuttons = \"none\"\nscreen = \"none\"\nquit = true\n",
        )
        .unwrap();
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)
            .expect("the kernel has pseudo-terminals");
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_sotto"))
            .args([
                "run",
                "--console",
                &path,
                "--set",
                "stun=[]",
                "--set",
                "mode=open",
                "--set",
                "volume=100",
            ])
            .arg("--board")
            .arg(&board)
            .arg("--set")
            .arg(format!("sound.capture=wav:{}?loop", mouth.display()))
            .arg("--set")
            .arg(format!("sound.playback=wav:{}", ear.display()))
            // What is said is a steady tone, which would be taken for noise.
            .args(["--set", "sound.processing=none"])
            .args(arguments)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let pty = File::from(master);
        let mut reader = pty.try_clone().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut partial = Vec::new();
            let mut buffer = [0; 65_536];
            // The slave is closed before the device opens it and after it ends: EIO, not an end.
            loop {
                match reader.read(&mut buffer) {
                    Ok(n) if n > 0 => partial.extend_from_slice(&buffer[..n]),
                    _ => std::thread::sleep(Duration::from_millis(5)),
                }
                while let Some(end) = partial.iter().position(|b| *b == b'\n') {
                    let line: Vec<u8> = partial.drain(..=end).collect();
                    if sender.send(plain(&String::from_utf8_lossy(&line))).is_err() {
                        return;
                    }
                }
            }
        });
        Self {
            child,
            pty,
            lines,
            ear,
        }
    }

    fn say(&mut self, line: &str) {
        // A terminal program sends CR for Enter.
        self.pty.write_all(format!("{line}\r").as_bytes()).unwrap();
    }

    fn hear(&mut self, start: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no line began with {start:?} among {seen:#?}");
            };
            if let Some(rest) = line.strip_prefix(start) {
                return rest.trim().to_owned();
            }
            seen.push(line);
        }
    }

    fn quit(mut self) {
        self.say("quit");
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("quit does not end the program");
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a person sees of a line: without escape sequences, and without a prompt that was drawn over.
fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                while chars
                    .next()
                    .is_some_and(|c| !c.is_ascii_alphabetic() && c != '~')
                {}
            }
            '\r' if chars.peek().is_some_and(|c| *c != '\n') => out.clear(),
            c if !c.is_control() => out.push(c),
            _ => {}
        }
    }
    out
}

fn write_tone(path: &Path, frequency: f64) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for i in 0..RATE {
        let x = (f64::from(i) * frequency * std::f64::consts::TAU / f64::from(RATE)).sin();
        writer.write_sample((x * 8_000.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
}

/// dBFS and Hz of the last second that a speaker played.
fn listen(path: &Path) -> (f64, f64) {
    let samples: Vec<f64> = hound::WavReader::open(path)
        .unwrap()
        .into_samples::<i16>()
        .map_while(Result::ok)
        .map(f64::from)
        .collect();
    let last = &samples[samples.len().saturating_sub(RATE as usize)..];
    let energy = last.iter().map(|s| s * s).sum::<f64>() / last.len().max(1) as f64;
    let crossings = last
        .windows(2)
        .filter(|w| w[0] < 0.0 && w[1] >= 0.0)
        .count();
    (
        10.0 * (energy / 32_768f64.powi(2)).max(1e-12).log10(),
        crossings as f64,
    )
}

fn call(offer_command: &str) {
    let folder = Folder::new(&offer_command.replace([' ', '-'], "_"));
    let mut a = Device::start(&folder, "a", 440.0);
    let mut b = Device::start(&folder, "b", 1_000.0);
    for device in [&mut a, &mut b] {
        device.hear("* ready");
        device.say("passphrase correct horse battery staple");
    }
    a.say(offer_command);
    let offer = a.hear("* offer ");
    b.say(&offer);
    let answer = b.hear("* answer ");
    a.say(&answer);
    a.hear("* connected ");
    b.hear("* connected ");
    if offer_command == "call" {
        assert!(offer.len() <= 160 && answer.len() <= 160);
        assert_eq!(a.hear("* words "), b.hear("* words "));
    }
    a.hear("* hears you");
    b.hear("* hears you");
    std::thread::sleep(Duration::from_millis(1_500));
    for (device, tone) in [(&a, 1_000.0), (&b, 440.0)] {
        let (level, frequency) = listen(&device.ear);
        assert!(level > -20.0, "{tone} Hz is heard at {level} dBFS");
        assert!(
            (frequency - tone).abs() < 10.0,
            "{tone} Hz is heard as {frequency} Hz"
        );
    }
    b.say("hang");
    assert_eq!(b.hear("* ended "), "you hung up");
    assert_eq!(a.hear("* ended "), "they hung up");
    a.quit();
    b.quit();
}

#[test]
fn two_devices_talk_over_pseudo_terminals() {
    call("call");
}

#[test]
fn two_devices_talk_with_v1_codes() {
    call("call --v1");
}

/// A file is a stick, and to plug it in is to move it to where an intercom looks for one.
fn call_by_stick(mkfs: &str) {
    let folder = Folder::new(mkfs);
    let path = |name: &str| folder.path(name).to_str().expect("a plain path").to_owned();
    let (stick, at_a, at_b) = (path("stick.img"), path("a.img"), path("b.img"));
    let tool = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .output();
        let output =
            output.unwrap_or_else(|e| panic!("{program} (see tests/run for the packages): {e}"));
        assert!(output.status.success(), "{program}: {output:?}");
    };
    File::create(&stick)
        .and_then(|f| f.set_len(16 << 20))
        .unwrap();
    tool(mkfs, &[&stick]);
    let mut a = Device::start_with(&folder, "a", 440.0, &["--stick", &at_a]);
    let mut b = Device::start_with(&folder, "b", 1_000.0, &["--stick", &at_b]);
    for device in [&mut a, &mut b] {
        device.hear("* ready");
        device.say("passphrase correct horse battery staple");
    }
    a.say("call");
    let offer = a.hear("* offer ");
    std::fs::rename(&stick, &at_a).unwrap();
    a.hear("* note the offer is on the stick");
    std::fs::rename(&at_a, &at_b).unwrap();
    a.hear("* note the stick is out");
    b.hear("* answer ");
    b.hear("* note the answer is on the stick");
    let image = std::fs::read(&at_b).unwrap();
    assert!(
        image.windows(offer.len()).any(|w| w == offer.as_bytes()),
        "the offer is on the stick"
    );
    std::fs::rename(&at_b, &at_a).unwrap();
    a.hear("* connected ");
    b.hear("* connected ");
    assert_eq!(a.hear("* words "), b.hear("* words "));
    tool(&mkfs.replace("mkfs", "fsck"), &["-n", &at_a]);
    a.quit();
    b.quit();
}

#[test]
fn two_devices_find_each_other_by_a_fat_stick() {
    call_by_stick("mkfs.vfat");
}

#[test]
fn two_devices_find_each_other_by_an_exfat_stick() {
    call_by_stick("mkfs.exfat");
}

#[test]
fn a_box_that_misses_every_part_says_so_once_each_and_takes_commands() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sotto"))
        .args(["run", "--board", "generic", "--console", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Longer than the first tries take.
    std::thread::sleep(Duration::from_millis(3_500));
    let mut console = child.stdin.take().unwrap();
    console.write_all(b"status\n").unwrap();
    drop(console);
    std::thread::sleep(Duration::from_millis(500));
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = |what: &str| text.matches(what).count();
    assert_eq!(count("the buttons' GPIO does not work"), 1, "{text}");
    assert_eq!(count("the LED does not work"), 1, "{text}");
    assert_eq!(
        count("the display at 0x3c on /dev/i2c-1 does not work"),
        1,
        "{text}"
    );
    assert_eq!(count("\"state\":"), 1, "{text}");
}

#[test]
fn a_setting_that_is_not_allowed_ends_the_program_with_one_line() {
    for (arguments, said) in [
        (&["run", "--set", "volum=3"][..], "unknown key `volum`"),
        (
            &["run", "--board", "no-such.toml"],
            "no-such.toml: cannot be read",
        ),
        (&["run", "--board", "rpj"], "there is no board `rpj`"),
        (&["check-board", "Cargo.toml"], "unknown key `bench`"),
        (&["run", "--console", "/no/such/tty"], "/no/such/tty"),
        (
            &[
                "run",
                "--console",
                "stdio",
                "--set",
                "sound.capture=wav:no-such.wav",
            ],
            "no-such.wav",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_sotto"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(
            text.contains(said) && text.lines().count() == 1,
            "{arguments:?}: {text:?}"
        );
    }
}
