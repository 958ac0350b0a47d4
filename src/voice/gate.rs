//! Opens and closes the microphone without a click.
//!
//! A change is a fade of one frame, so that a talk spurt begins and ends in silence.

use super::frame::{Frame, ramp, silence};

/// Whether the microphone is heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heard {
    /// This frame belongs to a talk spurt, faded if it is the first or the last.
    Voice,
    /// It does not, and was made silent.
    Nothing,
}

/// The gate after the microphone, closed at first.
#[derive(Debug, Default)]
pub struct Gate {
    open: bool,
}

impl Gate {
    /// Takes the next 10 ms, heard if `open`.
    pub fn pass(&mut self, frame: &mut Frame, open: bool) -> Heard {
        let was_open = std::mem::replace(&mut self.open, open);
        match (was_open, open) {
            (false, false) => {
                *frame = silence();
                return Heard::Nothing;
            }
            (false, true) => ramp(frame, 0.0, 1.0),
            (true, false) => ramp(frame, 1.0, 0.0),
            (true, true) => {}
        }
        Heard::Voice
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::frame::FRAME;

    fn pass(gate: &mut Gate, open: bool) -> (Heard, i16, i16) {
        let mut frame = Frame::from_array([9600; FRAME]);
        let heard = gate.pass(&mut frame, open);
        (heard, frame[0], frame[FRAME - 1])
    }

    #[test]
    fn a_spurt_fades_in_and_out_within_a_frame_each() {
        let mut gate = Gate::default();
        assert_eq!(pass(&mut gate, false), (Heard::Nothing, 0, 0));
        assert_eq!(pass(&mut gate, true), (Heard::Voice, 20, 9600));
        assert_eq!(pass(&mut gate, true), (Heard::Voice, 9600, 9600));
        assert_eq!(pass(&mut gate, false), (Heard::Voice, 9580, 0));
        assert_eq!(pass(&mut gate, false), (Heard::Nothing, 0, 0));
    }
}
