//! How loud the noise under the voice is, by frequency.
//!
//! Minimum statistics (Martin, "Noise power spectral density estimation based on optimal smoothing and minimum statistics",
//! 2001), with a fixed smoothing: whoever speaks leaves gaps, at every frequency and within a second or two, and noise does not.

use super::spectrum::{BINS, Bins};

/// Share of the newest frame in the power whose minimum is sought.
const NEWEST: f32 = 0.2;
/// The minimum is that of so many parts …
const PARTS: usize = 8;
/// … of so many frames each: 1.6 s in all.
const PART: u32 = 20;
/// How far a minimum over that time lies below the mean, as a factor of power.
const BIAS: f32 = 2.2;

/// The noise floor.
pub struct Noise {
    smoothed: Bins,
    minimum: Bins,
    parts: Box<[Bins]>,
    part: usize,
    frames: u32,
    power: Bins,
}

impl Noise {
    /// No noise, until the first 200 ms tell.
    pub fn new() -> Self {
        Self {
            smoothed: [0.0; BINS],
            minimum: [f32::MAX; BINS],
            parts: vec![[f32::MAX; BINS]; PARTS].into(),
            part: 0,
            frames: 0,
            power: [0.0; BINS],
        }
    }

    /// Takes the next frame's powers.
    pub fn update(&mut self, power: &Bins) {
        if self.frames == 0 {
            self.smoothed = *power;
        }
        for ((smoothed, minimum), &power) in
            self.smoothed.iter_mut().zip(&mut self.minimum).zip(power)
        {
            *smoothed += NEWEST * (power - *smoothed);
            *minimum = minimum.min(*smoothed);
        }
        self.frames += 1;
        if !self.frames.is_multiple_of(PART) {
            return;
        }
        if let Some(part) = self.parts.get_mut(self.part) {
            *part = self.minimum;
        }
        self.part = (self.part + 1) % PARTS;
        self.minimum = self.smoothed;
        self.power = [f32::MAX; BINS];
        for part in &self.parts {
            for (power, &minimum) in self.power.iter_mut().zip(part) {
                *power = power.min(BIAS * minimum);
            }
        }
        // Wraps after a year and a half, to a multiple again.
        self.frames %= PART;
        self.frames += PART;
    }

    /// Mean power of the noise.
    pub fn power(&self) -> &Bins {
        &self.power
    }
}
