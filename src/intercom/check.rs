//! The sound check, from asking for it to what is said of it: idle only, and given up as soon as a call begins.

use std::time::{Duration, Instant};

use super::Intercom;
use super::call::Phase;
use crate::voice::frame::{Frame, silence};
use crate::voice::soundcheck::{Report, SoundCheck};

/// A device may take so long to open.
const OPENING: Duration = Duration::from_secs(6);
/// The test itself takes less than three seconds; the rest is for a device that stalls.
const LONGEST: Duration = Duration::from_secs(10);

/// A check under way.
pub(super) struct Check {
    sound: SoundCheck,
    /// Both devices were open: until then nothing is played, and what comes is no microphone's.
    began: bool,
    until: Instant,
}

/// What came of a sound check by itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// People will hear each other.
    pub good: bool,
    /// The lines that consoles would have got.
    pub said: Vec<String>,
}

impl Check {
    /// 0 to 100.
    pub fn percent(&self) -> u8 {
        self.sound.percent()
    }

    /// The next 10 ms for the speaker.
    pub fn play(&mut self, frame: &mut Frame) {
        match self.began {
            true => self.sound.play(frame),
            false => *frame = silence(),
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
        self.check = Some(Check {
            sound: SoundCheck::new(),
            began: false,
            until: self.now + OPENING,
        });
        self.follow_devices();
    }

    /// A device was opened or lost, or a check began: both have to run, from its beginning to its end.
    pub(super) fn follow_devices(&mut self) {
        let Some(check) = &mut self.check else { return };
        let all_run = self.devices == [true; 2];
        if all_run && !check.began {
            check.began = true;
            check.until = self.now + LONGEST;
        } else if !all_run && check.began {
            self.give_check_up();
        }
    }

    /// Ends it with nothing said.
    pub(super) fn stop_check(&mut self) {
        if self.check.take().is_some() {
            self.stop_sound();
        }
    }

    /// 10 ms from the microphone.
    pub(super) fn check_capture(&mut self, frame: &Frame) {
        let Some(check) = self.check.as_mut().filter(|c| c.began) else {
            return;
        };
        check.sound.capture(frame);
        if let Some(report) = check.sound.report() {
            self.stop_check();
            self.tell(&report);
        }
    }

    /// Gives up a check whose sound card does not move.
    pub(super) fn handle_check_timeout(&mut self, now: Instant) {
        if self.check.as_ref().is_some_and(|c| c.until <= now) {
            self.give_check_up();
        }
    }

    fn give_check_up(&mut self) {
        let wrong = match self.devices {
            [true, true] => {
                "the sound card does not move; see that it is plugged in, and what sound.capture and sound.playback are set to"
            }
            [false, true] => {
                "the microphone cannot be used; see that it is plugged in, and what sound.capture is set to"
            }
            [true, false] => {
                "the speaker cannot be used; see that it is plugged in, and what sound.playback is set to"
            }
            [false, false] => {
                "neither microphone nor speaker can be used; see that they are plugged in, and what sound.capture and sound.playback are set to"
            }
        };
        self.stop_check();
        self.conclude(false, wrong);
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
