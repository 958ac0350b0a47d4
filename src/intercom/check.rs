//! The sound check, from asking for it to what is said of it: idle only, and given up as soon as a call begins.
//!
//! It waits for both devices to run: what a card that still opens is replaced by is silence, and would pass for a dead microphone.

use std::time::{Duration, Instant};

use super::Intercom;
use super::call::Phase;
use crate::voice::frame::{self, Frame};
use crate::voice::soundcheck::{Report, SoundCheck};

/// A device has so long to open, if need be after another program left it.
const OPENING: Duration = Duration::from_secs(8);
/// The test itself takes less than three seconds; one that is not over by then stands still.
const LONGEST: Duration = Duration::from_secs(10);

/// Which of the two sound devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The microphone.
    Capture,
    /// The speaker.
    Playback,
}

/// What is known of the two, each since it was last started.
#[derive(Debug, Default)]
pub(super) struct Devices {
    capture: Device,
    playback: Device,
}

#[derive(Debug, Default)]
enum Device {
    #[default]
    Opening,
    Runs,
    /// Why.
    Failed(String),
}

/// A check under way.
pub(super) struct Check {
    state: State,
    until: Instant,
}

enum State {
    Opening,
    Listening(SoundCheck),
}

/// What came of a sound check by itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// People will hear each other.
    pub good: bool,
    /// The lines that consoles would have got.
    pub said: Vec<String>,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Capture => "microphone",
            Self::Playback => "speaker",
        })
    }
}

impl Devices {
    fn run(&self) -> bool {
        matches!(
            (&self.capture, &self.playback),
            (Device::Runs, Device::Runs)
        )
    }

    /// What is wrong with each, after it had its time.
    fn problem(&self) -> String {
        let ends = [
            (End::Capture, &self.capture),
            (End::Playback, &self.playback),
        ];
        let problems = ends.map(|(end, device)| match device {
            Device::Opening => format!("the {end} takes too long to open; "),
            Device::Failed(why) => format!("the {end} does not work: {why}; "),
            Device::Runs => String::new(),
        });
        problems.concat()
    }
}

impl Check {
    fn new(now: Instant) -> Self {
        Self {
            state: State::Opening,
            until: now + OPENING,
        }
    }

    /// 0 to 100.
    pub fn percent(&self) -> u8 {
        match &self.state {
            State::Opening => 0,
            State::Listening(sound) => sound.percent(),
        }
    }

    /// The next 10 ms for the speaker.
    pub fn play(&mut self, frame: &mut Frame) {
        match &mut self.state {
            State::Opening => *frame = frame::silence(),
            State::Listening(sound) => sound.play(frame),
        }
    }

    /// When it is given up.
    pub fn poll_timeout(&self) -> Instant {
        self.until
    }
}

impl Intercom {
    /// Begins one, or says why not.
    pub(super) fn start_check(&mut self) {
        if self.call.phase() != Phase::Idle {
            self.problem("The sound check is for between calls. Hang up or forget the code that waits; then check.");
            return;
        }
        if self.check.is_none() {
            self.owner.go_on();
            self.start_sound();
        }
        self.check = Some(Check::new(self.now));
        self.advance_check();
    }

    /// Ends it with nothing said.
    pub(super) fn stop_check(&mut self) {
        if self.check.take().is_some() {
            self.stop_sound();
        }
    }

    /// A device runs, or fails.
    pub(super) fn handle_device(&mut self, end: End, state: Result<(), &str>) {
        let device = match end {
            End::Capture => &mut self.devices.capture,
            End::Playback => &mut self.devices.playback,
        };
        *device = match state {
            Ok(()) => Device::Runs,
            Err(why) => Device::Failed(why.to_owned()),
        };
        self.advance_check();
    }

    /// Plays once both devices run; without one of them there is nothing to play.
    fn advance_check(&mut self) {
        let Some(check) = &mut self.check else { return };
        match (&check.state, self.devices.run()) {
            (State::Opening, true) => {
                check.state = State::Listening(SoundCheck::new());
                check.until = self.now + LONGEST;
            }
            (State::Listening(_), false) => self.give_check_up(),
            (State::Opening, false) | (State::Listening(_), true) => {}
        }
    }

    /// 10 ms from the microphone.
    pub(super) fn check_capture(&mut self, frame: &Frame) {
        let Some(check) = &mut self.check else { return };
        let State::Listening(sound) = &mut check.state else {
            return;
        };
        sound.capture(frame);
        if let Some(report) = sound.report() {
            self.stop_check();
            self.tell(&report);
        }
    }

    /// Gives up a check whose sound card does not open or does not move.
    pub(super) fn handle_check_timeout(&mut self, now: Instant) {
        if self.check.as_ref().is_some_and(|c| c.until <= now) {
            self.give_check_up();
        }
    }

    fn give_check_up(&mut self) {
        let problem = if self.devices.run() {
            "the sound card does not move; ".to_owned()
        } else {
            self.devices.problem()
        };
        self.stop_check();
        self.conclude(
            false,
            &format!(
                "{problem}see that it is plugged in, that no other program has it, and what sound.capture and sound.playback are set to"
            ),
        );
    }

    fn tell(&mut self, report: &Report) {
        let measured = match report.echo {
            Some(echo) => format!(
                "What the speaker plays is heard after {:.0} ms, {:.0} dB {}, {:.0} % distorted; the room is at {} dBFS.",
                echo.delay_ms,
                echo.level_db.abs(),
                if echo.level_db > 0.0 {
                    "louder"
                } else {
                    "softer"
                },
                echo.distortion * 100.0,
                report.room_dbfs,
            ),
            None => format!("The room is at {} dBFS.", report.room_dbfs),
        };
        let said = match report.advice().join("; ") {
            none if none.is_empty() => measured,
            advice => format!("{advice}. {measured}"),
        };
        self.conclude(report.is_good(), &said);
    }

    fn conclude(&mut self, good: bool, said: &str) {
        self.rest.wake(self.now);
        let (verdict, shown) = match good {
            true => ("good", format!("All is well. {said}")),
            false => ("bad", said.to_owned()),
        };
        self.say(&format!("* check {verdict}: {said}"));
        self.owner.show_check(self.now, &shown);
        if let Some(outcome) = &mut self.outcome {
            outcome.good = good;
            self.leave();
        }
    }
}
