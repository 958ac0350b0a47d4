//! Follows an echo that comes ever later, or sooner, because the microphone's clock is not the speaker's.
//!
//! At 200 parts per million it moves by a tenth of a sample a frame, which at the upper frequencies of a voice is more than a filter
//! that also has to stand still in double talk can learn. So the error's phase against the prediction is turned into a
//! time, and a loop of second order moves the filter by it, ahead of time once the speed is known. It does so only while
//! the time goes one way: a loop that always runs costs an echo between equal clocks up to 60 dB now and then.

use super::spectrum::{BINS, Spectrum, WINDOW};

/// The frequencies that are looked at: 300 Hz to 5 kHz.
const BAND: std::ops::Range<usize> = 6..100;
/// How many times the error weighs against the prediction: a near voice says nothing of the clocks.
const ERROR: f32 = 4.0;
/// What a prediction has to weigh to say anything: rounding does not.
const LEAST: f32 = 1e9;
/// The loop's two gains, a frame: of the time, and of the speed.
const TIME: f32 = 0.1;
const SPEED: f32 = 0.003;
/// Fastest drift, samples a frame: 1000 parts per million.
const FASTEST: f32 = 0.48;
/// Share of the newest frame in the trend, frames before there is one, and how much of the mean square it has to be.
const RECENT: f32 = 0.05;
const ENOUGH: u32 = 50;
const STEADY: f32 = 0.4;
/// A slower drift, 40 parts per million, is left to the filter; it is found out after so many frames.
const SLOW: f32 = 0.02;
const PATIENCE: u32 = 100;
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
    /// Mean square of the time that the filter is off by, samples.
    off: f32,
    trend: Trend,
    /// The clocks do not go alike.
    drifts: bool,
    /// Frames since the speed was worth while.
    slow: u32,
}

/// Which way the filter was off lately.
#[derive(Default)]
struct Trend {
    frames: u32,
    mean: f32,
    square: f32,
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
            trend: Trend::default(),
            drifts: false,
            slow: 0,
        }
    }

    /// Takes the next frame's prediction (over two frames) and its error (over the second).
    pub fn follow(&mut self, error: &Spectrum, predicted: &Spectrum) -> Doubt {
        let (mut slope, mut weight) = (0.0, LEAST);
        let mut powers = [0.0; 2];
        for k in BAND {
            let frequency = k as f32;
            let (e, y) = (
                (error.re[k], error.im[k]),
                (predicted.re[k], predicted.im[k]),
            );
            slope += frequency * (e.0 * y.1 - e.1 * y.0);
            let power = [y.0 * y.0 + y.1 * y.1, e.0 * e.0 + e.1 * e.1];
            weight += frequency * frequency * (power[0] + ERROR * power[1]);
            powers[0] += power[0];
            powers[1] += power[1];
        }
        // A near voice, or another way: that is not a matter of time.
        if powers[1] > powers[0] {
            slope = 0.0;
        }
        // Twice: the error has one frame of the two.
        let late = 2.0 * slope / weight / RADIANS;
        self.off += NEWEST * (late * late - self.off);
        if !self.is_drifting(late) {
            return Doubt(self.trend.mean * self.trend.mean);
        }
        self.speed = (self.speed + SPEED * late).clamp(-FASTEST, FASTEST);
        self.moved += self.speed + TIME * late;
        Doubt(self.off)
    }

    /// Whether the clocks go apart: the filter is off in the same direction for a while, and keeps being moved. What a filter
    /// that still learns leaves goes this way and that, and to follow it would undo what was learnt.
    fn is_drifting(&mut self, late: f32) -> bool {
        let trend = &mut self.trend;
        if late != 0.0 {
            trend.frames += 1;
            trend.mean += RECENT * (late - trend.mean);
            trend.square += RECENT * (late * late - trend.square);
        }
        self.drifts |= trend.frames >= ENOUGH && trend.mean * trend.mean > STEADY * trend.square;
        if !self.drifts {
            return false;
        }
        self.slow = if self.speed.abs() < SLOW {
            self.slow + 1
        } else {
            0
        };
        if self.slow > PATIENCE {
            *self = Self::new();
        }
        self.drifts
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
