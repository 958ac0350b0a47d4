//! Opens and closes the microphone without a click, and without losing the sound of the moment before.
//!
//! Between a finger and an open microphone lie the button's debouncing, a sampling period and a frame; and people speak
//! with the press, not after it. So in push to talk the last [`PRE_ROLL`] is kept, and a talk spurt begins with it. The
//! spurt then runs late by as much, and catches up by leaving out periods of the voice ([`stretch`]), a few a second. Done
//! here, every receiver sees packets in steady time; sent in a burst with their true timestamps they would look
//! like jitter to its jitter buffer, which would then wait longer for seconds.
//!
//! Nothing is kept of a muted microphone: who unmutes does not expect what was said before to be heard.
//! A change is a fade of one frame, so that a talk spurt begins and ends in silence.

use super::frame::{FRAME, Frame, ramp, silence};
use super::stretch::{self, Care};

/// What a spurt of push to talk begins with, samples: 60 ms. Up to 35 ms pass from a button's contact to the start of
/// the first open frame (20 debouncing, 5 sampling, 10 framing); the fade takes 10; the rest is for who speaks before pressing.
pub const PRE_ROLL: usize = 6 * FRAME;
/// Frames between two splices: at most a fourth faster than spoken, which is not heard as haste.
const REST: u8 = 3;

/// What the owner wants of the microphone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Muted: nothing is sent, and nothing kept.
    Off,
    /// Open all the time.
    On,
    /// Push to talk, the button up: nothing is sent, but the last [`PRE_ROLL`] kept.
    TalkUp,
    /// Push to talk, the button down.
    TalkDown,
}

impl Switch {
    /// Whether what is heard now is sent.
    pub fn is_open(self) -> bool {
        match self {
            Self::On | Self::TalkDown => true,
            Self::Off | Self::TalkUp => false,
        }
    }
}

impl From<bool> for Switch {
    fn from(open: bool) -> Self {
        if open { Self::On } else { Self::Off }
    }
}

/// Whether the microphone is heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heard {
    /// This frame belongs to a talk spurt, faded if it is the first or the last.
    Voice,
    /// It does not, and was made silent.
    Nothing,
}

/// The gate after the microphone, closed at first.
#[derive(Debug)]
pub struct Gate {
    spurt: Spurt,
    /// What was heard and is not sent yet, or may be: at most [`PRE_ROLL`] between frames.
    kept: heapless::Vec<i16, { PRE_ROLL + FRAME }>,
    rest: u8,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Spurt {
    Over,
    On,
    /// Closed, with so many samples of what was heard before still to go.
    Ending(usize),
}

impl Gate {
    /// Takes the next 10 ms and gives what is to be sent in their place.
    pub fn pass(&mut self, frame: &mut Frame, switch: Switch) -> Heard {
        if (self.spurt, switch) == (Spurt::Over, Switch::On) {
            // Without a button there is no moment before it.
            self.kept.clear();
        }
        if self.kept.len() > PRE_ROLL {
            self.drop_front(self.kept.len() - PRE_ROLL);
        }
        // Fits: both together are no more than the room.
        let _ = self.kept.extend_from_slice(frame);

        let (next, from, to) = match (self.spurt, switch) {
            (Spurt::Over, Switch::On | Switch::TalkDown) => (Spurt::On, 0.0, 1.0),
            (Spurt::Over, Switch::Off | Switch::TalkUp) => {
                *frame = silence();
                self.forget_if(switch == Switch::Off);
                return Heard::Nothing;
            }
            (_, Switch::On | Switch::TalkDown) => {
                self.catch_up();
                (Spurt::On, 1.0, 1.0)
            }
            (_, Switch::Off) => (Spurt::Over, 1.0, 0.0),
            (spurt, Switch::TalkUp) => {
                let left = match spurt {
                    Spurt::Ending(left) => left,
                    _ => self.kept.len(),
                };
                match left.checked_sub(2 * FRAME) {
                    Some(_) => (Spurt::Ending(left - FRAME), 1.0, 1.0),
                    // Nothing of what was heard after the closing frame.
                    None => (Spurt::Over, 1.0, 0.0),
                }
            }
        };
        self.spurt = next;
        self.take(frame);
        if (from, to) != (1.0, 1.0) {
            ramp(frame, from, to);
        }
        self.forget_if(switch == Switch::Off);
        Heard::Voice
    }

    fn forget_if(&mut self, muted: bool) {
        if muted {
            self.kept.clear();
        }
    }

    /// Makes what is still to be sent a little shorter, where that is not heard.
    fn catch_up(&mut self) {
        self.rest = self.rest.saturating_sub(1);
        let late = self.kept.len().saturating_sub(FRAME);
        if self.rest == 0 && stretch::shorten(&mut self.kept, late, Care::Wait) > 0 {
            self.rest = REST;
        }
    }

    /// The oldest frame of what is kept, which is at least one.
    fn take(&mut self, frame: &mut Frame) {
        for (to, from) in frame.iter_mut().zip(&self.kept) {
            *to = *from;
        }
        self.drop_front(FRAME);
    }

    fn drop_front(&mut self, samples: usize) {
        let dropped = samples.min(self.kept.len());
        self.kept.copy_within(dropped.., 0);
        self.kept.truncate(self.kept.len() - dropped);
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            spurt: Spurt::Over,
            kept: heapless::Vec::new(),
            rest: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Switch::{Off, On, TalkDown, TalkUp};
    use super::*;

    /// Passes a frame of one value; gives the first and the last sample of what is sent.
    fn pass(gate: &mut Gate, value: i16, switch: Switch) -> (Heard, i16, i16) {
        let mut frame = Frame::from_array([value; FRAME]);
        let heard = gate.pass(&mut frame, switch);
        (heard, frame[0], frame[FRAME - 1])
    }

    /// A gate that waits for the button, having heard frames of 1, 2, … up to `frames` times 100.
    fn waiting(frames: i16) -> Gate {
        let mut gate = Gate::default();
        for n in 1..=frames {
            assert_eq!(pass(&mut gate, n * 100, TalkUp), (Heard::Nothing, 0, 0));
        }
        gate
    }

    #[test]
    fn a_spurt_fades_in_and_out_within_a_frame_each() {
        let mut gate = Gate::default();
        assert_eq!(pass(&mut gate, 9600, Off), (Heard::Nothing, 0, 0));
        assert_eq!(pass(&mut gate, 9600, On), (Heard::Voice, 20, 9600));
        assert_eq!(pass(&mut gate, 9600, On), (Heard::Voice, 9600, 9600));
        assert_eq!(pass(&mut gate, 9600, Off), (Heard::Voice, 9580, 0));
        assert_eq!(pass(&mut gate, 9600, Off), (Heard::Nothing, 0, 0));
    }

    #[test]
    fn push_to_talk_begins_with_the_60_ms_before_and_ends_with_the_closing_frame() {
        let mut gate = waiting(8);
        // The first of the six frames before, faded in.
        assert_eq!(pass(&mut gate, 900, TalkDown), (Heard::Voice, 1, 300));
        // Steady values are as alike as silence: the gate has caught up soon, and not lost a step on the way.
        let mut sent = vec![300];
        for n in 10..60 {
            let (heard, first, last) = pass(&mut gate, n * 100, TalkDown);
            assert_eq!(heard, Heard::Voice);
            sent.extend([first, last]);
        }
        assert!(
            sent.windows(2).all(|w| (0..=200).contains(&(w[1] - w[0]))),
            "{sent:?}"
        );
        let late = gate.kept.len();
        assert!(late < stretch::SHORTEST, "{late}");
        let mut ending = 0;
        while pass(&mut gate, 0, TalkUp).0 == Heard::Voice {
            ending += 1;
        }
        assert_eq!(ending, 1);
    }

    #[test]
    fn what_was_said_before_release_is_sent_before_the_spurt_ends() {
        let mut gate = waiting(6);
        assert_eq!(pass(&mut gate, 700, TalkDown).0, Heard::Voice);
        // Six frames late: 2 to 7 are to come, the frame of the release in the fade.
        let sent: Vec<_> = (0..8).map(|_| pass(&mut gate, 800, TalkUp)).collect();
        let voice = |n: i16| (Heard::Voice, n * 100, n * 100);
        assert_eq!(
            sent[..6],
            [voice(2), voice(3), voice(4), voice(5), voice(6), voice(7)]
        );
        assert_eq!((sent[6].0, sent[6].2), (Heard::Voice, 0));
        assert_eq!(sent[7], (Heard::Nothing, 0, 0));
    }

    #[test]
    fn pressed_again_while_it_ends_nothing_is_missing_in_between() {
        let mut gate = waiting(6);
        pass(&mut gate, 700, TalkDown);
        pass(&mut gate, 800, TalkUp);
        assert_eq!(pass(&mut gate, 900, TalkUp).1, 300);
        gate.rest = u8::MAX;
        for n in 4..=9 {
            assert_eq!(
                pass(&mut gate, 1_000, TalkDown),
                (Heard::Voice, n * 100, n * 100)
            );
        }
    }

    #[test]
    fn nothing_from_before_unmuting_or_opening_is_ever_sent() {
        for before in [Off, TalkUp] {
            let mut gate = waiting(6);
            pass(&mut gate, 5_000, before);
            let mut frame = Frame::from_array([0; FRAME]);
            gate.pass(&mut frame, On);
            assert_eq!(frame, silence(), "{before:?}");
        }
        // Muted between two presses.
        let mut gate = waiting(6);
        pass(&mut gate, 5_000, Off);
        pass(&mut gate, 0, TalkUp);
        for _ in 0..8 {
            assert_eq!(pass(&mut gate, 0, TalkDown), (Heard::Voice, 0, 0));
        }
    }

    #[test]
    fn muting_is_at_once_whatever_is_still_to_be_sent() {
        let mut gate = waiting(6);
        pass(&mut gate, 700, TalkDown);
        assert_eq!(pass(&mut gate, 800, Off), (Heard::Voice, 200, 0));
        assert_eq!(pass(&mut gate, 900, Off), (Heard::Nothing, 0, 0));
        assert_eq!(pass(&mut gate, 0, TalkUp), (Heard::Nothing, 0, 0));
        assert_eq!(pass(&mut gate, 0, TalkDown), (Heard::Voice, 0, 0));
    }
}
