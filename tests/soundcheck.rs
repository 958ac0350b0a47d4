//! The sound check of one intercom in a simulated room: asked for, watched, stopped, and what it says.

#![allow(missing_docs)]

#[path = "support/setup.rs"]
mod setup;

use std::collections::VecDeque;
use std::process::Command;
use std::time::{Duration, Instant};

use sotto::intercom::console::Mode;
use sotto::intercom::panel::Button;
use sotto::intercom::passphrase::Passphrase;
use sotto::intercom::screen::View;
use sotto::intercom::{End, Input, Intercom, Output, Setup};
use sotto::voice::frame::{FRAME, Frame, silence};

use setup::setup;

/// An intercom whose speaker is heard by its microphone five frames later, so much softer.
struct Room {
    now: Instant,
    intercom: Intercom,
    air: VecDeque<i16>,
    gain: f64,
    said: Vec<String>,
    sound: Vec<bool>,
    /// Its devices run as soon as they are asked for.
    is_quick: bool,
    quits: bool,
}

impl Room {
    fn new(gain: f64, check_only: bool) -> Self {
        let now = Instant::now();
        let setup = Setup {
            passphrase: Passphrase::new("correct horse battery staple"),
            mode: Mode::Ptt,
            check_only,
            ..setup()
        };
        let mut room = Self {
            now,
            intercom: Intercom::new(now, setup, Box::new(|bytes| bytes.fill(7))),
            air: std::iter::repeat_n(0, 2880).collect(),
            gain,
            said: Vec::new(),
            sound: Vec::new(),
            is_quick: true,
            quits: false,
        };
        room.drain();
        room
    }

    fn input(&mut self, input: Input<'_>) {
        self.intercom.handle_input(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.intercom.poll_output() {
            match output {
                Output::Console(_, bytes) => {
                    let text = String::from_utf8(bytes.to_vec()).unwrap();
                    self.said.extend(text.lines().map(str::to_owned));
                }
                Output::Sound(on) => {
                    self.sound.push(on);
                    if on && self.is_quick {
                        self.device(End::Capture, Ok(()));
                        self.device(End::Playback, Ok(()));
                    }
                }
                Output::Quit => self.quits = true,
                _ => {}
            }
        }
    }

    fn device(&mut self, end: End, state: Result<(), &str>) {
        self.input(Input::Device(end, state));
    }

    /// A console, a check asked for, and devices that take their time.
    fn slow(gain: f64) -> Self {
        let mut room = Self::new(gain, false);
        room.is_quick = false;
        room.console();
        room.say("check");
        room
    }

    /// As long as devices do not run, the shell moves in their place, and there is silence.
    fn wait(&mut self, seconds: f64) {
        for _ in 0..(seconds * 100.0) as u32 {
            self.now += Duration::from_millis(10);
            if self.sound.last() == Some(&true) {
                self.input(Input::Capture(&silence()));
                let mut frame = silence();
                self.intercom.playout(&mut frame);
                assert!(frame == silence());
            }
            self.input(Input::Timeout);
        }
    }

    fn console(&mut self) {
        self.input(Input::ConsoleOpened {
            console: 0,
            interactive: false,
        });
        self.said.clear();
    }

    fn say(&mut self, text: &str) {
        let text = format!("{text}\n");
        self.input(Input::ConsoleBytes {
            console: 0,
            data: text.as_bytes(),
        });
    }

    /// Time, and the sound card if it is on and `moves`.
    fn run(&mut self, seconds: f64, moves: bool) {
        for i in 0..(seconds * 100.0) as i16 {
            self.now += Duration::from_millis(10);
            if moves && self.sound.last() == Some(&true) {
                let hiss = |k: i16| (k.wrapping_mul(31).wrapping_add(i.wrapping_mul(17))) % 23 - 11;
                let heard: Frame = (0..FRAME as i16)
                    .map(|k| {
                        (f64::from(self.air.pop_front().unwrap()) * self.gain) as i16 + hiss(k)
                    })
                    .collect();
                self.input(Input::Capture(&heard));
                let mut frame = silence();
                self.intercom.playout(&mut frame);
                self.air.extend(&frame);
            }
            self.input(Input::Timeout);
        }
    }

    fn screen(&self) -> &'static str {
        self.intercom.view(self.now).name()
    }
}

#[test]
fn asked_for_on_a_console_it_plays_listens_and_says_what_it_heard() {
    let mut room = Room::new(0.25, false);
    room.console();
    room.say("check");
    room.run(1.3, true);
    assert_eq!(
        room.intercom.view(room.now),
        View::SoundCheck { percent: 50 }
    );
    room.run(2.0, true);
    assert_eq!(room.said.len(), 1, "{:?}", room.said);
    let heard = "* check good: What the speaker plays is heard after 50 ms, 12 dB softer, 0 % distorted; the room is at -7";
    begins(&room.said[0], heard);
    assert_eq!(
        (room.sound.as_slice(), room.screen()),
        ([true, false].as_slice(), "Checked")
    );
}

#[test]
fn what_is_wrong_comes_first() {
    let mut room = Room::new(0.0, false);
    room.console();
    room.say("check");
    room.run(4.0, true);
    begins(
        &room.said[0],
        "* check bad: the microphone hears the room but not the speaker;",
    );
}

#[test]
fn back_stops_it_and_the_other_buttons_do_nothing() {
    let mut room = Room::new(0.25, false);
    room.console();
    room.say("check");
    room.run(1.0, true);
    room.input(Input::Tap(Button::Next));
    room.input(Input::Tap(Button::Talk));
    assert_eq!(room.screen(), "SoundCheck");
    room.input(Input::Tap(Button::Back));
    room.run(3.0, true);
    assert_eq!(
        (room.screen(), room.sound.as_slice(), room.said.len()),
        ("Ready", [true, false].as_slice(), 0)
    );
}

#[test]
fn while_a_code_waits_there_is_none_and_a_call_ends_one() {
    let mut room = Room::new(0.25, false);
    room.console();
    room.say("check");
    room.run(1.0, true);
    room.say("call");
    room.run(4.0, true);
    assert_eq!(
        (room.screen(), room.sound.as_slice()),
        ("Preparing", [true, false].as_slice())
    );
    assert!(room.said.is_empty(), "{:?}", room.said);
    room.say("check");
    begins(&room.said[0], "! The sound check is for between calls.");
}

#[test]
fn a_sound_card_that_does_not_move_is_given_up_after_ten_seconds() {
    let mut room = Room::new(0.25, false);
    room.console();
    room.say("check");
    room.run(9.9, false);
    assert!(room.said.is_empty());
    room.run(0.2, false);
    begins(&room.said[0], "* check bad: the sound card does not move;");
    assert_eq!(room.sound, [true, false]);
}

#[test]
fn it_begins_when_both_devices_run_however_late() {
    let mut room = Room::slow(0.25);
    room.wait(4.0);
    room.device(End::Capture, Err("busy"));
    room.device(End::Playback, Ok(()));
    room.wait(3.9);
    assert_eq!(
        room.intercom.view(room.now),
        View::SoundCheck { percent: 0 }
    );
    room.device(End::Capture, Ok(()));
    room.run(3.0, true);
    assert_eq!(room.said.len(), 1);
    begins(
        &room.said[0],
        "* check good: What the speaker plays is heard after 50 ms,",
    );
}

#[test]
fn a_device_that_does_not_open_is_named_after_eight_seconds_with_its_reason() {
    const HINT: &str = "see that it is plugged in, that no other program has it, and what sound.capture and sound.playback are set to";
    for (capture, playback, problem) in [
        (
            Some(Err("busy")),
            Some(Ok(())),
            "the microphone does not work: busy",
        ),
        (
            Some(Ok(())),
            Some(Err("gone")),
            "the speaker does not work: gone",
        ),
        (Some(Ok(())), None, "the speaker takes too long to open"),
        (
            None,
            Some(Err("gone")),
            "the microphone takes too long to open; the speaker does not work: gone",
        ),
    ] {
        let mut room = Room::slow(0.25);
        for (end, state) in [(End::Capture, capture), (End::Playback, playback)] {
            if let Some(state) = state {
                room.device(end, state);
            }
        }
        room.wait(7.9);
        assert_eq!(room.said, [""; 0]);
        room.wait(0.2);
        assert_eq!(room.said, [format!("* check bad: {problem}; {HINT}")]);
        assert_eq!(room.sound, [true, false]);
    }
}

#[test]
fn a_device_that_fails_while_it_is_listened_to_ends_it_at_once() {
    let mut room = Room::slow(0.25);
    room.device(End::Capture, Ok(()));
    room.device(End::Playback, Ok(()));
    room.run(1.0, true);
    room.device(End::Playback, Err("No such device"));
    assert_eq!(room.said.len(), 1);
    begins(
        &room.said[0],
        "* check bad: the speaker does not work: No such device; see",
    );
    assert_eq!(room.sound, [true, false]);
}

#[test]
fn what_was_said_of_a_device_holds_until_it_is_started_again() {
    let mut room = Room::new(0.25, false);
    room.console();
    room.say("check");
    room.run(1.0, true);
    // From the start, with devices that run already.
    room.say("check");
    room.run(3.0, true);
    assert_eq!((room.said.len(), room.sound.len()), (1, 2));
    room.is_quick = false;
    room.say("check");
    room.wait(8.1);
    begins(
        &room.said[1],
        "* check bad: the microphone takes too long to open; the speaker takes too long",
    );
}

#[test]
fn by_itself_it_begins_at_once_and_leaves_with_what_came_of_it() {
    let mut room = Room::new(0.25, true);
    assert_eq!(room.sound, [true]);
    room.run(4.0, true);
    assert!(room.quits);
    let outcome = room.intercom.into_outcome().unwrap();
    assert!(
        outcome.good && outcome.said.len() == 1 && outcome.said[0].starts_with("* check good: "),
        "{outcome:?}"
    );
}

#[track_caller]
fn begins(line: &str, start: &str) {
    assert!(line.starts_with(start), "{line}");
}

/// Status and lines of the program's own check with these devices.
fn selftest(capture: &str, playback: &str) -> (Option<i32>, Vec<String>) {
    let done = Command::new(env!("CARGO_BIN_EXE_sotto"))
        .arg("selftest")
        .args(["--set", &format!("sound.capture={capture}")])
        .args(["--set", &format!("sound.playback={playback}")])
        .output()
        .expect("the program starts");
    let said = String::from_utf8_lossy(&done.stdout);
    (
        done.status.code(),
        said.lines().map(str::to_owned).collect(),
    )
}

#[test]
fn the_program_names_a_dead_microphone_and_fails() {
    let (status, said) = selftest("null", "null");
    begins(&said[0], "* check bad: the microphone is dead:");
    assert_eq!((status, said.len()), (Some(1), 1));
}

#[test]
fn the_program_names_devices_that_do_not_work_and_each_once_however_often_it_tries() {
    // Opens, takes a little, and fails, each time.
    let (status, mut said) = selftest("card:none such", "tee:null,'/dev/full',raw");
    assert_eq!((status, said.len()), (Some(1), 3), "{said:?}");
    let result = said.pop().expect("there are three");
    begins(
        &result,
        "* check bad: the microphone does not work: no sound card ",
    );
    said.sort();
    begins(
        &said[0],
        "* note the microphone `none such` does not work (no sound card ",
    );
    begins(
        &said[1],
        "* note the speaker `tee:null,'/dev/full',raw` does not work (",
    );
}
