//! Comfort noise: what is played while the sender pauses, in place of its background.
//!
//! White noise through an all-pole filter that has the background's spectrum, found by linear prediction (autocorrelation
//! method, Levinson and Durbin; as RFC 3389 describes it for the sender's side). libopus makes comfort noise of its own where
//! its SILK half ran: it is steady for minutes, 1.3 dB under the background, 30 µs a frame. Where the encoder's CELT half ran,
//! which it chooses by itself after minutes of pause, there is none: 4 dB over the background first, then 12 dB under it. So it
//! is made here, at 13 µs a frame, and 100 µs where a pause begins.

use super::frame::{FRAME, RATE};

/// Background remembered, samples: 200 ms.
const HEARD: usize = RATE as usize / 5;
/// Poles: enough for the slope and the few bumps of a room's noise.
const ORDER: usize = 16;
/// So much of the background's amplitude: 2 dB less, for it must never be louder.
const SHARE: f64 = 0.8;
/// White noise added before prediction, so that the filter keeps away from ringing: 40 dB below.
const FLOOR: f64 = 1e-4;

/// A background, and noise like it.
pub struct Comfort {
    heard: [i16; HEARD],
    /// Where in `heard` the next sample goes; how many are there.
    at: usize,
    length: usize,
    /// Some was heard since the last look at it.
    fresh: bool,
    coefficients: [f32; ORDER],
    gain: f32,
    /// What came out last, the latest first.
    memory: [f32; ORDER],
    /// Xorshift's state.
    random: u32,
}

impl Comfort {
    /// No background known.
    pub fn new() -> Self {
        Self {
            heard: [0; HEARD],
            at: 0,
            length: 0,
            fresh: false,
            coefficients: [0.0; ORDER],
            gain: 0.0,
            memory: [0.0; ORDER],
            random: 0x9E37_79B9,
        }
    }

    /// Takes background that was heard.
    pub fn hear(&mut self, sound: &[i16]) {
        for &sample in sound {
            self.heard[self.at] = sample;
            self.at = (self.at + 1) % HEARD;
        }
        self.length = (self.length + sound.len()).min(HEARD);
        self.fresh = true;
    }

    /// From now on noise is like what was heard in the last 200 ms; silence, if that was too short to know.
    pub fn learn(&mut self) {
        if std::mem::take(&mut self.fresh) && self.length >= HEARD / 2 {
            (self.coefficients, self.gain) = predict(&self.heard[..self.length]);
        }
    }

    /// Fills `sound` with noise.
    pub fn make(&mut self, sound: &mut [i16]) {
        for sample in sound {
            *sample = self.next().round() as i16;
        }
    }

    /// Turns `sound` into noise within 10 ms.
    pub fn fade_in(&mut self, sound: &mut [i16]) {
        for (i, sample) in sound.iter_mut().enumerate() {
            let share = (i as f32 / FRAME as f32).min(1.0);
            let mixed = f32::from(*sample) * (1.0 - share) + self.next() * share;
            *sample = mixed.round() as i16;
        }
    }

    fn next(&mut self) -> f32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        let white = self.random as i32 as f32 / i32::MAX as f32;
        let past = self.coefficients.iter().zip(&self.memory);
        let next = white * self.gain - past.map(|(a, y)| a * y).sum::<f32>();
        self.memory.copy_within(..ORDER - 1, 1);
        self.memory[0] = next;
        next
    }
}

impl Default for Comfort {
    fn default() -> Self {
        Self::new()
    }
}

/// The prediction filter of a sound, and the amplitude of uniform noise that brings it to [`SHARE`].
fn predict(sound: &[i16]) -> ([f32; ORDER], f32) {
    let mut correlation = [0.0_f64; ORDER + 1];
    for (lag, c) in correlation.iter_mut().enumerate() {
        let products = sound.iter().zip(&sound[lag..]);
        *c = products
            .map(|(a, b)| i64::from(*a) * i64::from(*b))
            .sum::<i64>() as f64;
    }
    let mut error = correlation[0] * (1.0 + FLOOR);
    let mut a = [0.0_f64; ORDER];
    for i in 0..ORDER {
        if error <= 0.0 {
            return ([0.0; ORDER], 0.0);
        }
        let known: f64 = (0..i).map(|j| a[j] * correlation[i - j]).sum();
        let reflection = -(correlation[i + 1] + known) / error;
        let before = a;
        for j in 0..i {
            a[j] += reflection * before[i - 1 - j];
        }
        a[i] = reflection;
        error *= 1.0 - reflection * reflection;
    }
    // Uniform noise of -1 to 1 has a power of a third.
    let gain = (error.max(0.0) * 3.0 / sound.len() as f64).sqrt() * SHARE;
    (a.map(|a| a as f32), gain as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::frame::{SILENCE_DBFS, level_dbfs};

    /// Noise of two poles, around 1 kHz and low, at about this many samples' amplitude.
    fn background(amplitude: f32, frames: usize) -> Vec<i16> {
        let mut source = Comfort::new();
        source.coefficients[..2].copy_from_slice(&[-1.7, 0.75]);
        source.gain = amplitude;
        let mut sound = vec![0; frames * FRAME];
        source.make(&mut sound);
        sound
    }

    fn like(sound: &[i16], frames: usize) -> Vec<i16> {
        let mut comfort = Comfort::new();
        comfort.random = 77;
        for frame in sound.chunks_exact(FRAME) {
            comfort.hear(frame);
        }
        comfort.learn();
        let mut made = vec![0; frames * FRAME];
        comfort.make(&mut made);
        made
    }

    /// Correlation with itself one sample later: how dark it sounds.
    fn darkness(sound: &[i16]) -> f64 {
        let of = |lag: usize| -> f64 {
            let products = sound.iter().zip(&sound[lag..]);
            products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        of(1) / of(0)
    }

    #[test]
    fn noise_has_the_backgrounds_level_less_two_decibels_and_its_colour() {
        for amplitude in [3.0, 20.0, 200.0] {
            let sound = background(amplitude, 100);
            let made = like(&sound, 1000);
            let (was, is) = (level_dbfs(&sound), level_dbfs(&made));
            assert!((was - 3..=was - 1).contains(&is), "{was} became {is}");
            let (was, is) = (darkness(&sound), darkness(&made));
            assert!((was - is).abs() < 0.02, "{was} became {is}");
        }
    }

    #[test]
    fn noise_stays_as_it_is_for_minutes() {
        let made = like(&background(30.0, 100), 12_000);
        let levels: Vec<i8> = made.chunks_exact(48_000).map(level_dbfs).collect();
        let (least, most) = (levels.iter().min().unwrap(), levels.iter().max().unwrap());
        assert!(most - least <= 1, "{least} to {most}");
    }

    #[test]
    fn of_silence_or_of_too_little_comes_silence() {
        assert_eq!(level_dbfs(&like(&[0; 20 * FRAME], 10)), SILENCE_DBFS);
        assert_eq!(level_dbfs(&like(&background(30.0, 9), 10)), SILENCE_DBFS);
        assert_ne!(level_dbfs(&like(&background(30.0, 10), 10)), SILENCE_DBFS);
    }

    #[test]
    fn a_pure_tone_or_full_scale_makes_no_filter_that_runs_away() {
        let tone: Vec<i16> = (0..20 * FRAME)
            .map(|i| ((i as f32 * 0.05).sin() * 30_000.0) as i16)
            .collect();
        let square: Vec<i16> = (0..20 * FRAME)
            .map(|i| if i % 96 < 48 { i16::MAX } else { i16::MIN })
            .collect();
        for sound in [tone, square] {
            let made = like(&sound, 1000);
            assert!(
                level_dbfs(&made) <= level_dbfs(&sound),
                "{}",
                level_dbfs(&made)
            );
        }
    }
}
