//! Capture and playback through ALSA itself, against the PCMs that it has without a sound card.

#[path = "support/allocations.rs"]
mod allocations;
#[path = "support/folder.rs"]
mod folder;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alsa::Direction;
use folder::Folder;
use sotto::config::{Board, Settings};
use sotto::intercom::End;
use sotto::io::pcm::Stream;
use sotto::io::sound::Sound;
use sotto::io::worker::{Done, Worker};
use sotto::voice::frame::{FRAME, Frame, silence};

/// ALSA's `null` never starts and always has room.
#[test]
fn a_speaker_begins_with_two_periods_and_is_not_called_dry_before_it_runs() {
    let mut speaker = Stream::open("null", Direction::Playback).unwrap();
    for _ in 0..3 {
        let mut frames = 0;
        speaker.playback(Instant::now(), |_| frames += 1).unwrap();
        assert_eq!(frames, 2);
    }
    assert_eq!(speaker.take_xruns(), 0);
}

#[test]
fn the_speaker_gets_what_was_pulled_sample_by_sample() {
    let folder = std::env::temp_dir().join(format!("sotto-pcm-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("played.raw");
    let name = format!("tee:null,'{}',raw", file.display());
    let mut speaker = Stream::open(&name, Direction::Playback).unwrap();
    let mut pulled = Vec::new();
    for _ in 0..20 {
        speaker
            .playback(Instant::now(), |frame| {
                let next = pulled.len() as i16;
                *frame = (0..FRAME as i16).map(|i| next.wrapping_add(i)).collect();
                pulled.extend_from_slice(frame);
            })
            .unwrap();
    }
    drop(speaker);
    let played = std::fs::read(&file).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let played: Vec<i16> = played
        .chunks_exact(2)
        .map(|s| i16::from_le_bytes([s[0], s[1]]))
        .collect();
    assert!(pulled.len() > 20 * FRAME);
    assert!(played == pulled);
}

#[test]
fn a_microphone_gives_whole_packets_and_no_more_than_its_ring_holds() {
    let mut microphone = Stream::open("null", Direction::Capture).unwrap();
    let mut frames = 0;
    microphone
        .capture(|frame| {
            assert_eq!(frame.len(), FRAME);
            frames += 1;
        })
        .unwrap();
    assert_eq!(frames, 16);
}

// ---- memory ----

#[test]
fn frames_pass_in_and_out_without_an_allocation() {
    let mut microphone = Stream::open("null", Direction::Capture).unwrap();
    let mut speaker = Stream::open("null", Direction::Playback).unwrap();
    let (mut heard, mut passed): (Frame, u64) = (silence(), 0);
    let before = allocations::count();
    for _ in 0..200 {
        microphone.acknowledge().unwrap();
        microphone
            .capture(|frame| {
                heard.clone_from(frame);
                passed += 1;
            })
            .unwrap();
        speaker
            .playback(Instant::now(), |frame| frame.clone_from(&heard))
            .unwrap();
        speaker.take_xruns();
    }
    assert_eq!(allocations::count(), before);
    assert_eq!(passed, 200 * 16);
}

// ---- a card that goes and comes back ----

/// A PulseAudio server of its own, whose speaker is its microphone.
struct Server(Child);

impl Server {
    /// None if there is no such program.
    fn start(folder: &Path) -> Option<Self> {
        let socket = folder.join("socket");
        let child = Command::new("pulseaudio")
            .args([
                "-n",
                "--daemonize=no",
                "--exit-idle-time=-1",
                "--use-pid-file=no",
            ])
            .args(["--realtime=no", "--high-priority=no", "-L"])
            .arg(format!(
                "module-native-protocol-unix socket={} auth-anonymous=1",
                socket.display()
            ))
            .args([
                "-L",
                "module-null-sink sink_name=speaker rate=48000 channels=1 format=s16le",
            ])
            .env("HOME", folder)
            .env("XDG_RUNTIME_DIR", folder)
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        Some(Self(child))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sound as the shell runs it.
struct Shell {
    poll: mio::Poll,
    worker: Worker,
    sound: Sound,
    captured: u64,
    played: u64,
    changes: Vec<(End, bool)>,
    notes: Vec<String>,
}

impl Shell {
    fn start(capture: &str, playback: &str) -> Self {
        let poll = mio::Poll::new().unwrap();
        let worker = Worker::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let settings = ["capture", "playback"]
            .into_iter()
            .zip([capture, playback])
            .map(|(end, device)| format!("sound.{end}={device}"))
            .fold(Settings::default(), |all, one| {
                all.or(Settings::from_argument(&one).unwrap())
            });
        let config = settings.on(Board::named_or_file("host").unwrap(), &[]);
        let now = Instant::now();
        let tokens = [mio::Token(1), mio::Token(2)];
        let mut sound = Sound::new(now, &config, tokens).unwrap();
        sound.run(now, true, &worker, poll.registry());
        Self {
            poll,
            worker,
            sound,
            captured: 0,
            played: 0,
            changes: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Turns until that is so, which is soon, however busy the machine is.
    fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !done(self) {
            assert!(
                Instant::now() < until,
                "{what}: {:?} {:?}",
                self.changes,
                self.notes
            );
            let mut events = mio::Events::with_capacity(16);
            self.poll
                .poll(&mut events, Some(Duration::from_millis(5)))
                .unwrap();
            let (now, registry) = (Instant::now(), self.poll.registry());
            for event in &events {
                self.sound.ready(now, event.token(), &self.worker, registry);
            }
            let (captured, played) = (&mut self.captured, &mut self.played);
            self.sound
                .capture(now, &self.worker, registry, |_| *captured += 1);
            self.sound.playback(now, &self.worker, registry, |frame| {
                *frame = silence();
                *played += 1;
            });
            while let Some(result) = self.worker.poll() {
                if let Done::Sound(opened) = result {
                    self.sound.opened(now, opened, &self.worker, registry);
                }
            }
            while let Some((end, state)) = self.sound.poll_change() {
                self.changes.push((end, state.is_ok()));
            }
            self.notes
                .extend(std::iter::from_fn(|| self.sound.poll_note()));
        }
    }

    /// The last that was said of each.
    fn flows(&self) -> [bool; 2] {
        [End::Capture, End::Playback].map(|end| {
            let mut said = self.changes.iter().rev();
            said.find(|(e, _)| *e == end)
                .is_some_and(|(_, flows)| *flows)
        })
    }

    /// Both directions go on, by whatever means.
    fn goes_on(&mut self, what: &str) {
        let (captured, played) = (self.captured + 50, self.played + 50);
        self.run_until(what, |s| s.captured >= captured && s.played >= played);
    }
}

/// The folder of the server, for a test that runs once more by itself: libasound takes the server's name from the environment.
const FOLDER: &str = "SOTTO_TEST_FOLDER";

#[test]
fn a_card_that_goes_and_comes_back_takes_neither_the_other_direction_nor_the_call_with_it() {
    const NAME: &str =
        "a_card_that_goes_and_comes_back_takes_neither_the_other_direction_nor_the_call_with_it";
    if let Some(folder) = std::env::var_os(FOLDER) {
        return goes_and_comes_back(Path::new(&folder));
    }
    let kept = Folder::new("card");
    let folder = kept.path("");
    if Server::start(&folder).is_none() {
        eprintln!("SKIPPED: there is no pulseaudio");
        return;
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(FOLDER, &folder)
        .env("HOME", &folder)
        .env("PULSE_SERVER", format!("unix:{}/socket", folder.display()))
        .status();
    assert!(status.unwrap().success());
}

fn goes_and_comes_back(folder: &Path) {
    for (capture, playback, index) in [("pulse", "null", 0), ("null", "pulse", 1)] {
        let server = Server::start(folder).unwrap();
        let mut shell = Shell::start(capture, playback);
        shell.run_until("it opens", |s| s.flows() == [true; 2]);
        shell.goes_on("with the card");
        drop(server);
        shell.run_until("it is gone", |s| !s.flows()[index]);
        assert!(shell.flows()[1 - index]);
        shell.goes_on("without the card");
        let server = Server::start(folder).unwrap();
        shell.sound.plugged(Instant::now());
        shell.run_until("it is back", |s| s.flows() == [true; 2]);
        shell.goes_on("with the card again");
        let is_told = |note: &String| note.contains("does not work");
        assert!(shell.notes.iter().any(is_told), "{:?}", shell.notes);
        drop(server);
    }
}
