//! Makes sound a little shorter or longer without changing its pitch, by leaving out or repeating whole periods.
//!
//! WSOLA (Verhelst and Roelands, ICASSP 1993) for one splice: find the lag at which the sound is most like itself,
//! by normalised cross-correlation, and cross-fade between the two places. In a pause any lag will do.

use super::frame::{RATE, level_dbfs};

/// Least that is left out or repeated, samples: 2.5 ms, the period of a high voice.
pub const SHORTEST: usize = RATE as usize / 400;
/// Most: 15 ms, the period of a low voice.
pub const LONGEST: usize = RATE as usize * 15 / 1000;
/// The cross-fade: 5 ms.
pub const FADE: usize = RATE as usize / 200;
/// What both functions need at their best, samples.
pub const ROOM: usize = LONGEST + FADE;

/// Below it nobody hears a splice.
const QUIET_DBFS: i8 = -50;
/// Normalised correlation from which a splice is not heard.
const ALIKE: f32 = 0.6;
/// First search at every fourth lag over every fourth sample: voice has little above 6 kHz.
const COARSE: usize = 4;

/// How much a splice may be heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Care {
    /// Not at all: wait for a better place.
    Wait,
    /// It is better than the delay.
    Force,
    /// In a pause it is not heard wherever it is.
    Anywhere,
}

/// Leaves out up to `most` samples near the start; says how many. Not under [`SHORTEST`], not over [`LONGEST`].
pub fn shorten<const N: usize>(
    sound: &mut heapless::Vec<i16, N>,
    most: usize,
    care: Care,
) -> usize {
    let Some(lag) = best_lag(sound, most, care) else {
        return 0;
    };
    for i in 0..FADE {
        sound[i] = mix(sound[i], sound[lag + i], i);
    }
    sound.copy_within(lag + FADE.., FADE);
    sound.truncate(sound.len() - lag);
    lag
}

/// Repeats up to `most` samples of the start; says how many. Not under [`SHORTEST`], not over [`LONGEST`].
pub fn lengthen<const N: usize>(
    sound: &mut heapless::Vec<i16, N>,
    most: usize,
    care: Care,
) -> usize {
    let Some(lag) = best_lag(sound, most.min(N - sound.len()), care) else {
        return 0;
    };
    let mut before = [0; FADE];
    before.copy_from_slice(&sound[lag..lag + FADE]);
    let length = sound.len();
    // Fits: `best_lag` was told the room that is left.
    let _ = sound.resize(length + lag, 0);
    sound.copy_within(..length, lag);
    for (i, &b) in before.iter().enumerate() {
        sound[lag + i] = mix(b, sound[lag + i], i);
    }
    lag
}

/// From `a` to `b`, `i` of [`FADE`] samples on.
fn mix(a: i16, b: i16, i: usize) -> i16 {
    let (a, b, i, n) = (i32::from(a), i32::from(b), i as i32 + 1, FADE as i32 + 1);
    ((a * (n - i) + b * i) / n) as i16
}

fn best_lag(sound: &[i16], most: usize, care: Care) -> Option<usize> {
    let longest = most.min(LONGEST).min(sound.len().saturating_sub(FADE));
    if longest < SHORTEST {
        return None;
    }
    if care == Care::Anywhere || level_dbfs(&sound[..longest + FADE]) < QUIET_DBFS {
        return Some(longest);
    }
    let best = |lags: &mut dyn Iterator<Item = usize>, step| {
        lags.map(|lag| (likeness(sound, lag, step), lag))
            .max_by(|a, b| a.0.total_cmp(&b.0))
    };
    let (_, coarse) = best(&mut (SHORTEST..=longest).step_by(COARSE), COARSE)?;
    let near = coarse.saturating_sub(COARSE - 1).max(SHORTEST)..=(coarse + COARSE - 1).min(longest);
    let (alike, lag) = best(&mut near.into_iter(), 1)?;
    (alike >= ALIKE || care == Care::Force).then_some(lag)
}

/// Normalised correlation of the start with what comes `lag` later, -1 to 1, over every `step`th sample.
fn likeness(sound: &[i16], lag: usize, step: usize) -> f32 {
    let (mut product, mut a2, mut b2) = (0.0_f32, 1.0_f32, 1.0_f32);
    for i in (0..FADE).step_by(step) {
        let (a, b) = (f32::from(sound[i]), f32::from(sound[lag + i]));
        product += a * b;
        a2 += a * a;
        b2 += b * b;
    }
    product / (a2 * b2).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 200 Hz, so a period of 240 samples.
    fn tone(length: usize) -> heapless::Vec<i16, 4096> {
        (0..length)
            .map(|i| (f64::sin(i as f64 * std::f64::consts::TAU / 240.0) * 10_000.0).round() as i16)
            .collect()
    }

    #[test]
    fn a_tone_is_shortened_by_whole_periods_and_stays_a_tone() {
        let mut sound = tone(1440);
        assert_eq!(shorten(&mut sound, 500, Care::Wait) % 240, 0);
        let whole = tone(sound.len());
        assert!(sound.iter().zip(&whole).all(|(a, b)| a.abs_diff(*b) <= 2));
    }

    #[test]
    fn a_tone_is_lengthened_by_whole_periods_and_stays_a_tone() {
        let mut sound = tone(960);
        assert_eq!(lengthen(&mut sound, 300, Care::Wait), 240);
        assert_eq!(sound.len(), 1200);
        let whole = tone(1200);
        assert!(sound.iter().zip(&whole).all(|(a, b)| a.abs_diff(*b) <= 2));
    }

    #[test]
    fn silence_is_cut_at_any_length() {
        let mut sound = heapless::Vec::<i16, 4096>::from_array([0; 1440]);
        assert_eq!(shorten(&mut sound, 333, Care::Wait), 333);
        assert_eq!(lengthen(&mut sound, 5000, Care::Wait), LONGEST);
        assert_eq!(sound.len(), 1440 - 333 + LONGEST);
    }

    #[test]
    fn noise_waits_unless_forced() {
        let mut state = 1_u32;
        let mut sound: heapless::Vec<i16, 4096> = (0..1440)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 18) as i16 - 8192
            })
            .collect();
        assert_eq!(shorten(&mut sound, 480, Care::Wait), 0);
        assert_eq!(lengthen(&mut sound, 480, Care::Wait), 0);
        assert_eq!(sound.len(), 1440);
        assert_ne!(shorten(&mut sound, 480, Care::Force), 0);
    }

    #[test]
    fn too_little_sound_or_a_full_buffer_is_left_alone() {
        let mut sound = tone(SHORTEST + FADE - 1);
        assert_eq!(shorten(&mut sound, 480, Care::Force), 0);
        let mut full = tone(4096);
        assert_eq!(lengthen(&mut full, 480, Care::Force), 0);
        assert_eq!(shorten(&mut full, SHORTEST - 1, Care::Force), 0);
    }
}
