//! The sound check, from asking for it to what is said of it: idle only, and given up as soon as a call begins.

use std::time::{Duration, Instant};

use super::Intercom;
use super::call::Phase;
use crate::voice::frame::Frame;
use crate::voice::soundcheck::{Report, SoundCheck};

/// The test itself takes less than three seconds; the rest is for a device that opens slowly.
const LONGEST: Duration = Duration::from_secs(10);

/// A check under way.
pub(super) struct Check {
    sound: SoundCheck,
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
        self.sound.play(frame);
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
            until: self.now + LONGEST,
        });
    }

    /// Ends it with nothing said.
    pub(super) fn stop_check(&mut self) {
        if self.check.take().is_some() {
            self.stop_sound();
        }
    }

    /// 10 ms from the microphone.
    pub(super) fn check_capture(&mut self, frame: &Frame) {
        let Some(check) = &mut self.check else { return };
        check.sound.capture(frame);
        if let Some(report) = check.sound.report() {
            self.stop_check();
            self.tell(&report);
        }
    }

    /// Gives up a check whose sound card does not move.
    pub(super) fn handle_check_timeout(&mut self, now: Instant) {
        if self.check.as_ref().is_some_and(|c| c.until <= now) {
            self.stop_check();
            self.conclude(
                false,
                "the sound card does not move; see that it is plugged in, and what sound.capture and sound.playback are set to",
            );
        }
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
