//! The cleaner against two synthetic voices, an echo and noise.

use proptest::prelude::*;
use sotto::voice::clean::Cleaner;
use sotto::voice::clean::DELAY;
use sotto::voice::frame::{FRAME, Frame, RATE};

use crate::line::Random;

const SECOND: usize = RATE as usize;

/// Something like speech at about -21 dB below full scale: syllables of harmonics under two formants, or of hiss, with pauses.
fn voice(seconds: usize, pitch: f64, seed: u64) -> Vec<f64> {
    let mut random = Random(seed);
    let mut out = Vec::with_capacity(seconds * SECOND);
    let mut phase = 0.0_f64;
    while out.len() < seconds * SECOND {
        let length = (0.12 + 0.2 * random.uniform()) * SECOND as f64;
        let formants = [
            300.0 + 500.0 * random.uniform(),
            1000.0 + 1500.0 * random.uniform(),
        ];
        let (from, to) = (0.85 + 0.3 * random.uniform(), 0.85 + 0.3 * random.uniform());
        let is_hiss = random.uniform() < 0.25;
        let mut last = 0.0;
        for i in 0..length as usize {
            let at = i as f64 / length;
            let envelope = (std::f64::consts::PI * at).sin().sqrt();
            let hertz = pitch * (from + (to - from) * at);
            phase = (phase + hertz / f64::from(RATE)).fract();
            let noise = random.uniform() - 0.5;
            let voiced: f64 = (1..30)
                .map(|n| {
                    let f = hertz * f64::from(n);
                    let near = |formant: f64| 1.0 / (1.0 + ((f - formant) / 150.0).powi(2));
                    let size = near(formants[0]) + 0.5 * near(formants[1]) + 0.02;
                    size * (std::f64::consts::TAU * phase * f64::from(n)).sin()
                })
                .sum();
            let sample = if is_hiss {
                0.6 * (noise - last)
            } else {
                voiced + 0.02 * noise
            };
            last = noise;
            out.push(3500.0 * envelope * sample);
        }
        let pause = if random.uniform() < 0.2 { 0.4 } else { 0.06 };
        out.resize(out.len() + (pause * SECOND as f64) as usize, 0.0);
    }
    out.truncate(seconds * SECOND);
    out
}

/// `far` half as loud, so many ms later, by a clock that is `ppm` faster.
fn echo(far: &[f64], ms: usize, ppm: f64) -> Vec<f64> {
    (0..far.len())
        .map(|i| {
            let at = i as f64 / (1.0 + ppm / 1e6) - (ms * 48) as f64;
            let sample = |i: f64| {
                if i < 0.0 {
                    0.0
                } else {
                    far.get(i as usize).copied().unwrap_or_default()
                }
            };
            let [a, b, c, d] = [-1.0, 0.0, 1.0, 2.0].map(|i| sample(at.floor() + i));
            let share = at - at.floor();
            // Catmull and Rom's cubic: a straight line would muffle it, now more and now less.
            let (cubic, square) = (3.0 * (b - c) + d - a, 2.0 * a - 5.0 * b + 4.0 * c - d);
            0.5 * (b + 0.5 * share * (c - a + share * (square + share * cubic)))
        })
        .collect()
}

fn frame(samples: &[f64]) -> Frame {
    samples.iter().map(|s| s.round() as i16).collect()
}

fn clean(cleaner: &mut Cleaner, far: &[f64], microphone: &[f64]) -> Vec<f64> {
    let mut out = Vec::new();
    for (far, near) in far.chunks_exact(FRAME).zip(microphone.chunks_exact(FRAME)) {
        cleaner.played(&frame(far));
        let mut near = frame(near);
        cleaner.clean(&mut near);
        out.extend(near.iter().map(|&s| f64::from(s)));
    }
    out
}

fn sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// Decibels from `after` to `before`, over whole seconds.
fn down(before: &[f64], after: &[f64], seconds: std::ops::Range<usize>) -> f64 {
    let range = seconds.start * SECOND..seconds.end * SECOND;
    let power = |x: &[f64]| x[range.clone()].iter().map(|s| s * s).sum::<f64>() + 1.0;
    10.0 * (power(before) / power(after)).log10()
}

/// Decibels by which what is left of `near` in `out` is softer.
fn lost(near: &[f64], out: &[f64], seconds: std::ops::Range<usize>) -> f64 {
    let range = seconds.start * SECOND..seconds.end * SECOND - FRAME;
    let later = &out[range.start + DELAY..range.end + DELAY];
    let common: f64 = near[range.clone()]
        .iter()
        .zip(later)
        .map(|(n, o)| n * o)
        .sum();
    let power: f64 = near[range].iter().map(|n| n * n).sum();
    -20.0 * (common / power).log10()
}

/// The far voice alone, both, and the far voice alone by another way.
fn hands_free(ms: usize) {
    let far = voice(12, 110.0, 1);
    let mut near = voice(12, 190.0, 2);
    near[..4 * SECOND].fill(0.0);
    near[8 * SECOND..].fill(0.0);
    let mut back = echo(&far, ms, 0.0);
    let other = echo(&far, ms + 37, 0.0);
    back[8 * SECOND..].copy_from_slice(&other[8 * SECOND..]);
    let out = clean(&mut Cleaner::new(), &far, &sum(&near, &back));
    let alone = down(&back, &out, 3..4);
    assert!(alone >= 40.0, "{ms} ms: {alone:.1} dB after 3 s");
    let lost = lost(&near, &out, 4..8);
    assert!(
        (-1.0..=3.0).contains(&lost),
        "{ms} ms: near voice {lost:.1} dB down"
    );
    let changed = down(&back, &out, 11..12);
    assert!(
        changed >= 40.0,
        "{ms} ms: {changed:.1} dB 3 s after a change"
    );
}

#[test]
fn an_echo_of_30_ms_is_forty_decibels_down_within_three_seconds_and_the_near_voice_stays() {
    hands_free(30);
}

#[test]
fn an_echo_of_120_ms_is_forty_decibels_down_within_three_seconds_and_the_near_voice_stays() {
    hands_free(120);
}

#[test]
fn an_echo_of_300_ms_is_forty_decibels_down_within_three_seconds_and_the_near_voice_stays() {
    hands_free(300);
}

#[test]
fn an_echo_between_clocks_200_ppm_apart_is_followed_once_the_drift_is_known() {
    let far = voice(8, 110.0, 1);
    let back = echo(&far, 120, 200.0);
    let out = clean(&mut Cleaner::new(), &far, &back);
    let alone = down(&back, &out, 6..8);
    assert!(alone >= 40.0, "{alone:.1} dB");
}

#[test]
fn a_speaker_that_starts_sooner_does_no_harm() {
    let far = voice(8, 110.0, 1);
    let back = echo(&far, 120, 0.0);
    let mut cleaner = Cleaner::new();
    let ahead = 9 * FRAME;
    for far in far[..ahead].chunks_exact(FRAME) {
        cleaner.played(&frame(far));
    }
    // The microphone's frame k is heard with the speaker's frame k + 9, as after a prefill.
    let mut out = clean(&mut cleaner, &far[ahead..], &back);
    out.resize(back.len(), 0.0);
    assert!(down(&back, &out, 3..4) >= 40.0);
}

#[test]
fn a_near_voice_alone_is_left_as_it_is() {
    let near = voice(8, 190.0, 2);
    let silent = vec![0.0; near.len()];
    let out = clean(&mut Cleaner::new(), &silent, &near);
    let lost = lost(&near, &out, 1..8);
    assert!(lost.abs() < 0.5, "{lost:.2} dB");
    // So it is with a far voice that does not come back, as with a headset.
    let out = clean(&mut Cleaner::new(), &voice(8, 110.0, 1), &near);
    let lost = self::lost(&near, &out, 1..8);
    assert!(lost.abs() < 0.5, "{lost:.2} dB");
}

#[test]
fn noise_is_turned_down_but_not_off() {
    let mut random = Random(4);
    let noise: Vec<f64> = (0..4 * SECOND)
        .map(|_| 200.0 * (random.uniform() - 0.5))
        .collect();
    let out = clean(&mut Cleaner::new(), &vec![0.0; noise.len()], &noise);
    let down = down(&noise, &out, 2..4);
    assert!((8.0..13.0).contains(&down), "{down:.1} dB");
}

#[test]
fn a_soft_voice_is_lifted_and_the_noise_in_its_pauses_is_not() {
    let mut random = Random(4);
    let soft: Vec<f64> = voice(30, 190.0, 2).iter().map(|s| s * 0.15).collect();
    let noise: Vec<f64> = soft
        .iter()
        .map(|_| 20.0 * (random.uniform() - 0.5))
        .collect();
    let mut heard = sum(&soft, &noise);
    heard.extend_from_slice(&noise[..3 * SECOND]);
    let out = clean(&mut Cleaner::new(), &vec![0.0; heard.len()], &heard);
    let lifted = -lost(&soft, &out, 25..30);
    assert!((9.0..18.0).contains(&lifted), "{lifted:.1} dB");
    let before = down(&heard, &out, 30..31);
    let after = down(&heard, &out, 32..33);
    assert!(
        before < after + 2.0 && after > -10.0,
        "{before:.1} {after:.1} dB"
    );
}

#[test]
fn a_voice_that_becomes_loud_does_not_clip() {
    let mut near: Vec<f64> = voice(25, 190.0, 2).iter().map(|s| s * 0.15).collect();
    near.extend(voice(5, 190.0, 3).iter().map(|s| s * 1.5));
    let out = clean(&mut Cleaner::new(), &vec![0.0; near.len()], &near);
    let peak = out.iter().fold(0.0_f64, |p, s| p.max(s.abs()));
    assert!((10_000.0..=30_001.0).contains(&peak), "{peak}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn no_sound_does_harm(
        frames in proptest::collection::vec((0_u8..4, any::<i16>(), 0_usize..=FRAME, 0_usize..4), 1..60),
    ) {
        let mut cleaner = Cleaner::new();
        let mut random = Random(9);
        for (kind, value, length, plays) in frames {
            let mut sound: Frame = (0..length)
                .map(|i| match kind {
                    0 => 0,
                    1 => value,
                    2 if i % 50 < 25 => i16::MAX,
                    2 => i16::MIN,
                    _ => (random.uniform() * 65_535.0 - 32_768.0) as i16,
                })
                .collect();
            for _ in 0..plays {
                cleaner.played(&sound);
            }
            cleaner.clean(&mut sound);
            prop_assert_eq!(sound.len(), length);
        }
        // Whatever it was, a voice comes through again.
        let near: Vec<f64> = voice(10, 190.0, 2);
        let out = clean(&mut cleaner, &vec![0.0; near.len()], &near);
        let level = |sound: &[f64]| sound[sound.len() / 2..].iter().map(|s| s * s).sum::<f64>();
        let lost = 10.0 * (level(&near) / level(&out)).log10();
        prop_assert!(lost.abs() < 6.0, "{} dB", lost);
    }
}
