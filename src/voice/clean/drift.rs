//! Follows an echo that comes ever later, or sooner, because the microphone's clock is not the speaker's.
//!
//! At 200 parts per million it moves by a tenth of a sample a frame, which at the upper frequencies of a voice is more than a filter
//! that also has to stand still in double talk can learn. So the error's phase against the prediction is turned into a
//! time, and a loop of second order moves the filter by it, ahead of time once the speed is known.

use super::spectrum::{BINS, Spectrum, WINDOW};
use crate::voice::frame::FRAME;

/// How many times the error weighs against the prediction: a near voice says nothing of the clocks.
const ERROR: f32 = 4.0;
/// What a prediction has to weigh to say anything: rounding does not.
const LEAST: f32 = 2e3;
/// How many times what predictions usually weigh, and how fast that goes up and down, a frame.
const USUAL: f32 = 0.2;
const UP: f32 = 0.1;
const DOWN: f32 = 0.003;
/// The loop's two gains, a frame: of the time, and of the speed.
const TIME: f32 = 0.1;
const SPEED: f32 = 0.003;
/// Fastest drift, samples a frame: 1000 parts per million.
const FASTEST: f32 = 0.48;
/// The filter is moved once it is so many samples off.
const STEP: f32 = 0.05;
/// Share of the newest frame in the mean square of the time.
const NEWEST: f32 = 0.1;
/// Radians that a sample is at the lowest frequency.
const RADIANS: f32 = std::f32::consts::TAU / WINDOW as f32;

/// The loop.
pub struct Drift {
    /// Samples that the echo comes later with each frame.
    speed: f32,
    /// Samples that it came later since the filter was moved.
    moved: f32,
    /// Mean time that the filter is off by, samples, and the mean of its square: what is only noise has none.
    late: f32,
    off: f32,
    /// Squared slopes of the predictions lately, of which soft ones are no judges: what is left there is of louder ones before.
    usual: f32,
}

/// What a filter that is early or late leaves of the echo.
#[derive(Clone, Copy)]
pub struct Doubt(f32);

impl Doubt {
    /// Share of its power at frequency `k`.
    pub fn at(self, k: usize) -> f32 {
        let radians = RADIANS * k as f32;
        (radians * radians * self.0).min(1.0)
    }
}

impl Drift {
    /// Clocks that go alike.
    pub fn new() -> Self {
        Self {
            speed: 0.0,
            moved: 0.0,
            off: 0.0,
            usual: 0.0,
            late: 0.0,
        }
    }

    /// Takes the next frame's prediction and what is left of the frame without it.
    pub fn follow(&mut self, left: &[f32; FRAME], predicted: &[f32]) -> Doubt {
        let (mut common, mut powers) = (0.0, [0.0; 2]);
        let slopes = left.windows(3).zip(predicted.windows(3));
        for (e, y) in slopes {
            let (error, slope) = (e[2] - e[0], y[2] - y[0]);
            common += e[1] * slope;
            powers[0] += slope * slope;
            powers[1] += error * error;
        }
        // A near voice, or another way: that is not a matter of time.
        if powers[1] > powers[0] {
            common = 0.0;
        }
        let rate = if powers[0] > self.usual { UP } else { DOWN };
        self.usual += rate * (powers[0] - self.usual);
        // Twice: a slope is of two samples.
        let late = -2.0 * common / (powers[0] + ERROR * powers[1] + USUAL * self.usual + LEAST);
        self.late += NEWEST * (late - self.late);
        self.off += NEWEST * (self.late * self.late - self.off);
        self.speed = (self.speed + SPEED * late).clamp(-FASTEST, FASTEST);
        self.moved += self.speed + TIME * late;
        Doubt(self.off)
    }

    /// By what the filter has to be multiplied to be in time, if it is worth while.
    pub fn take(&mut self) -> Option<Spectrum> {
        if self.moved.abs() < STEP {
            return None;
        }
        let (sin, cos) = (-RADIANS * std::mem::take(&mut self.moved)).sin_cos();
        let mut turn = Spectrum::ZERO;
        let (mut re, mut im) = (1.0, 0.0);
        for k in 0..BINS {
            (turn.re[k], turn.im[k]) = (re, im);
            (re, im) = (re * cos - im * sin, re * sin + im * cos);
        }
        Some(turn)
    }
}
