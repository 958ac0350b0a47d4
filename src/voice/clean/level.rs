//! Brings the voice to one level, whoever speaks from wherever, and keeps it from clipping.
//!
//! The gain follows the mean power of frames that are voice (ITU-T P.56's active speech level, roughly), slowly, and stands still
//! in pauses: noise is not pumped up between words. A voice that is near the level already is left as it is.

use super::suppress::Found;
use crate::voice::frame::FRAME;

/// Power of a full-scale square wave's sample.
const FULL: f32 = 32_768.0 * 32_768.0;
/// Where the voice should be: its active level in dB below full scale.
const TARGET_DB: f32 = -21.0;
/// It is left alone so near to that.
const TOLERANCE_DB: f32 = 4.0;
/// The gain's bounds …
const LEAST_DB: f32 = -12.0;
const MOST_DB: f32 = 18.0;
/// … and the noise's level that it may not lift it beyond.
const NOISE_DB: f32 = -50.0;
/// How fast the gain moves, dB a frame of voice: 3 dB a second up, 10 down.
const UP_DB: f32 = 0.03;
const DOWN_DB: f32 = 0.1;
/// Times the noise and echo that a frame of voice has.
const ABOVE: f32 = 10.0;
/// A frame softer than this is no voice, dB.
const SOFTEST_DB: f32 = -55.0;
/// Share of the newest frame of voice in its level: a second and a half.
const NEWEST: f32 = 1.0 / 150.0;
/// Frames of voice before the level is believed.
const ENOUGH: u32 = 50;
/// No sample is made larger.
const PEAK: f32 = 30_000.0;
/// How fast the limiter lets go, a frame.
const RELEASE: f32 = 0.02;

/// The gain control.
pub struct Level {
    /// Mean power of the voice.
    power: f32,
    heard: u32,
    gain_db: f32,
    /// The gain at the end of the last frame.
    gain: f32,
    limit: f32,
}

impl Level {
    /// Leaves the voice as it is at first.
    pub fn new() -> Self {
        Self {
            power: 0.0,
            heard: 0,
            gain_db: 0.0,
            gain: 1.0,
            limit: 1.0,
        }
    }

    /// Scales the next frame. `found`: what it had, if that can be judged.
    pub fn process(&mut self, frame: &mut [f32; FRAME], found: Option<Found>) {
        if let Some(found) = found {
            self.follow(frame, found);
        }
        let wanted = decibels_to_gain(self.gain_db);
        let peak = frame.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        let allowed = PEAK / peak.max(1.0);
        self.limit = (self.limit + RELEASE).min(1.0);
        let mut reached = FRAME;
        if peak * self.gain.max(wanted * self.limit) > PEAK {
            self.limit = (allowed / wanted).min(self.limit);
            // Down in time for the first sample that would be too large, and at once if that is the first.
            let loud = PEAK / self.gain.max(wanted);
            reached = frame.iter().position(|s| s.abs() > loud).unwrap_or(FRAME);
        }
        let to = wanted * self.limit;
        let step = (to - self.gain) / reached.max(1) as f32;
        for (i, sample) in frame.iter_mut().enumerate() {
            self.gain = if i < reached { self.gain + step } else { to };
            *sample *= self.gain;
        }
        self.gain = to;
    }

    fn follow(&mut self, frame: &[f32; FRAME], found: Found) {
        let power = frame.iter().map(|s| s * s).sum::<f32>() / FRAME as f32;
        let is_voice = !found.is_echo
            && found.all > ABOVE * found.rest
            && power > FULL * decibels_to_gain(SOFTEST_DB).powi(2);
        if !is_voice {
            return;
        }
        self.heard = self.heard.saturating_add(1);
        // The mean of all at first, then of the last ones.
        let share = NEWEST.max(1.0 / self.heard as f32);
        self.power += share * (power - self.power);
        if self.heard < ENOUGH {
            return;
        }
        let missing = TARGET_DB - power_to_decibels(self.power / FULL);
        let off = missing - self.gain_db;
        if off.abs() <= TOLERANCE_DB {
            return;
        }
        // The spectrum's window has two thirds of its 960 samples' power, and a transform sums up 960 of them.
        let noise = found.noise / (960.0 * 660.0 / 2.0);
        let most = (NOISE_DB - power_to_decibels(noise / FULL)).clamp(0.0, MOST_DB);
        let wanted = missing.clamp(LEAST_DB, most);
        self.gain_db += (wanted - self.gain_db).clamp(-DOWN_DB, UP_DB);
    }
}

fn decibels_to_gain(db: f32) -> f32 {
    10.0_f32.powf(db / 20.0)
}

fn power_to_decibels(power: f32) -> f32 {
    10.0 * power.max(1e-12).log10()
}
