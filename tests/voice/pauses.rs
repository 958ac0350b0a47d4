//! Words after pauses of an open microphone, which are not sent: how they begin.

use std::f64::consts::TAU;

use sotto::voice::frame::{FRAME, Frame};

use crate::line::{HERTZ, Line, Random, always};

/// A word begins every 3.1 s …
const EVERY: usize = 310;
/// … with 10 ms of 1 kHz only 4 dB over the background, too soft to be told from it …
const SOFT: f64 = 1000.0;
/// … and then 600 ms of the tone.
const LOUD: usize = 60;

/// A room at -49 dBFS in which words are said. The phase counts frames.
fn words(phase: &mut f64) -> Frame {
    let frame = *phase as usize;
    *phase += 1.0;
    let (amplitude, hertz) = match frame % EVERY {
        0 => (200.0, SOFT),
        1..=LOUD => (2000.0, HERTZ),
        _ => (0.0, HERTZ),
    };
    let mut random = Random((frame as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    (0..FRAME)
        .map(|i| {
            let tone = (i as f64 * hertz * TAU / 48_000.0).sin();
            (amplitude * tone + 400.0 * (random.uniform() - 0.5)) as i16
        })
        .collect()
}

/// Of each word after the third: how long after it was said its tone is heard, samples, and the amplitude of the 10 ms before.
fn beginnings(line: &Line) -> Vec<(usize, f64)> {
    let words = line.out.chunks_exact(EVERY * FRAME).skip(3);
    words
        .map(|word| {
            let tone = word.iter().position(|s| s.abs() > 900).unwrap();
            let soft = &word[tone - FRAME - 48..tone - 48];
            let (mut re, mut im) = (0.0, 0.0);
            for (i, &sample) in soft.iter().enumerate() {
                let (sin, cos) = (i as f64 * SOFT * TAU / 48_000.0).sin_cos();
                re += f64::from(sample) * cos;
                im += f64::from(sample) * sin;
            }
            (tone - FRAME, re.hypot(im) * 2.0 / FRAME as f64)
        })
        .collect()
}

#[test]
fn a_word_after_a_pause_begins_with_its_soft_onset_and_no_later_than_if_the_pause_were_sent() {
    // With losses reported pauses are sent.
    for (percent, packets) in [(0, 747), (2, 1500)] {
        let mut line = Line {
            mouth: words,
            ..Line::with_red(percent)
        };
        line.run(30.0, always(40));
        assert_eq!(line.sent, packets);
        let beginnings = beginnings(&line);
        assert_eq!(beginnings.len(), 6);
        for (late, soft) in beginnings {
            assert!((3196..=3204).contains(&late), "{late} at {percent} %");
            // Without the frame before, 4 to 11.
            assert!((120.0..190.0).contains(&soft), "{soft} at {percent} %");
        }
        assert!(line.delays[10..].iter().all(|&d| d == 10));
        assert_eq!(line.stats().concealed_ms, 0);
    }
}
