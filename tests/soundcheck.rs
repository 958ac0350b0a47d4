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
use sotto::intercom::{Input, Intercom, Output, Setup};
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
    quits: bool,
    /// Sound devices open as soon as they are asked for.
    plugged_in: bool,
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
            quits: false,
            plugged_in: true,
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
                    if on && self.plugged_in {
                        self.intercom
                            .handle_input(self.now, Input::Devices([true; 2]));
                    }
                }
                Output::Quit => self.quits = true,
                _ => {}
            }
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
    assert!(room.said[0].starts_with(heard), "{}", room.said[0]);
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
    assert!(
        room.said[0].starts_with("* check bad: the microphone hears the room but not the speaker;"),
        "{:?}",
        room.said
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
    assert!(
        room.said[0].starts_with("! The sound check is for between calls."),
        "{:?}",
        room.said
    );
}

#[test]
fn a_sound_card_that_does_not_move_is_given_up_after_ten_seconds() {
    let mut room = Room::new(0.25, false);
    room.console();
    room.say("check");
    room.run(9.9, false);
    assert!(room.said.is_empty());
    room.run(0.2, false);
    assert!(
        room.said[0].starts_with("* check bad: the sound card does not move;"),
        "{:?}",
        room.said
    );
    assert_eq!(room.sound, [true, false]);
}

#[test]
fn it_waits_for_devices_that_open_late() {
    let mut room = Room::new(0.25, false);
    room.console();
    room.plugged_in = false;
    room.say("check");
    room.run(5.9, true);
    assert_eq!(
        room.intercom.view(room.now),
        View::SoundCheck { percent: 0 }
    );
    room.input(Input::Devices([true, true]));
    room.run(3.3, true);
    assert!(
        room.said[0].starts_with("* check good: "),
        "{:?}",
        room.said
    );
}

#[test]
fn a_device_that_does_not_open_or_goes_is_named() {
    for (open, named) in [
        (
            [false, false],
            "neither microphone nor speaker can be used;",
        ),
        ([true, false], "the speaker cannot be used;"),
        ([false, true], "the microphone cannot be used;"),
    ] {
        let expected = format!("* check bad: {named}");
        let mut room = Room::new(0.25, false);
        room.console();
        room.plugged_in = false;
        room.say("check");
        room.input(Input::Devices(open));
        room.run(5.9, true);
        assert!(room.said.is_empty(), "{:?}", room.said);
        room.run(0.2, true);
        assert!(room.said[0].starts_with(&expected), "{:?}", room.said);

        let mut room = Room::new(0.25, false);
        room.console();
        room.say("check");
        room.run(1.5, true);
        room.input(Input::Devices(open));
        assert!(room.said[0].starts_with(&expected), "{:?}", room.said);
        assert_eq!(room.sound, [true, false]);
    }
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

#[test]
fn the_program_names_a_dead_microphone_and_fails() {
    let done = Command::new(env!("CARGO_BIN_EXE_sotto"))
        .args([
            "selftest",
            "--set",
            "sound.capture=null",
            "--set",
            "sound.playback=null",
        ])
        .output()
        .expect("the program starts");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        said.starts_with("* check bad: the microphone is dead:"),
        "{said}"
    );
    assert_eq!((done.status.code(), said.lines().count()), (Some(1), 1));
}
