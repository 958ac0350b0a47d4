//! What the owner hears of a call without looking, over virtual time.

#![allow(missing_docs)]

mod support;

use std::time::Duration;

use support::{A, B, World};

const C5: f64 = 523.25;
const E5: f64 = 659.26;
const G5: f64 = 783.99;
const G4: f64 = 392.0;
const A4: f64 = 440.0;
const B5: f64 = 987.77;

/// The pitches that an end's speaker played since last asked, in order, by 20 ms, each once in a row.
fn pitches(w: &mut World, end: usize) -> Vec<f64> {
    let samples: Vec<f64> = std::mem::take(&mut w.ends[end].heard)
        .iter()
        .flatten()
        .map(|s| f64::from(*s))
        .collect();
    let power = |part: &[f64], hertz: f64| {
        let step = std::f64::consts::TAU * hertz / 48_000.0;
        let sums = part.iter().zip(0u32..).map(|(s, n)| {
            let (sin, cos) = (step * f64::from(n)).sin_cos();
            (s * cos, s * sin)
        });
        let (re, im) = sums.fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
        re * re + im * im
    };
    let mut heard = Vec::new();
    for part in samples.chunks_exact(960) {
        let loud = part.iter().map(|s| s * s).sum::<f64>() / 960.0 > 1_500.0 * 1_500.0;
        let all = [G4, A4, C5, E5, G5, B5].into_iter();
        let strongest = all.max_by(|a, b| power(part, *a).total_cmp(&power(part, *b)));
        heard.push(strongest.filter(|_| loud));
    }
    heard.dedup();
    heard.into_iter().flatten().collect()
}

fn run_until(w: &mut World, end: usize, line: &str) {
    for _ in 0..30_000 {
        if w.heard_line(end, line).is_some() {
            return;
        }
        w.run_ms(1);
    }
    panic!("{line} was never said: {:?}", w.ends[end].lines);
}

#[test]
fn both_ends_hear_that_they_are_connected_and_that_the_call_ended_and_then_the_card_is_closed() {
    let mut w = World::new();
    w.connect("call");
    for end in [A, B] {
        assert_eq!(pitches(&mut w, end), [C5, G5], "end {end}");
    }
    w.say(A, "hang");
    assert!(w.ends[A].sound);
    // 460 ms of tone, and 200 for what the card holds.
    w.run_ms(650);
    assert!(w.ends[A].sound);
    w.run_ms(10);
    assert!(!w.ends[A].sound);
    w.run_ms(100);
    assert!(!w.ends[B].sound);
    for end in [A, B] {
        assert_eq!(pitches(&mut w, end), [G5, C5], "end {end}");
    }
    w.run(Duration::from_secs(10));
    assert!(!w.ends[A].sound && w.ends[A].heard.is_empty());
}

#[test]
fn a_call_that_begins_while_the_last_one_still_sounds_keeps_the_card() {
    let mut w = World::new();
    w.connect("call");
    w.say(A, "hang");
    w.run_ms(20);
    let (_, answer) = w.offer_and_answer("call");
    w.say(A, &answer);
    w.run_ms(3_000);
    assert!(w.ends[A].sound && w.ends[B].sound);
    for line in ["* connected", "* hears you"] {
        assert!(w.heard_line(A, line).is_some(), "{line}");
    }
    assert!(pitches(&mut w, A).ends_with(&[C5, G5]));
}

#[test]
fn losing_the_other_end_and_finding_it_again_is_heard() {
    let mut w = World::new();
    w.connect("call");
    w.run_ms(500);
    pitches(&mut w, A);
    w.wire.cut = true;
    w.run(Duration::from_secs(18));
    assert_eq!(pitches(&mut w, A), [G4, G4, G4]);
    w.wire.cut = false;
    w.run(Duration::from_secs(4));
    assert_eq!(pitches(&mut w, A), [C5, E5, G5]);
}

#[test]
fn while_a_way_is_looked_for_one_end_hears_that_it_calls_and_the_other_that_it_is_called() {
    let mut w = World::new();
    let (_, answer) = w.offer_and_answer("call");
    w.say(A, &answer);
    w.run_ms(2);
    w.wire.cut = true;
    // B's first check is on its way; A gets nothing back.
    w.run_ms(4_000);
    assert_eq!(pitches(&mut w, A), [A4, A4]);
    w.wire.cut = false;
    run_until(&mut w, A, "* connected");
    pitches(&mut w, A);
    w.run_ms(4_000);
    assert_eq!(pitches(&mut w, A), [C5, G5]);
}

#[test]
fn the_doorbell_rings_until_they_are_connected() {
    let mut w = World::new();
    let (_, answer) = w.offer_and_answer("call");
    w.say(A, &answer);
    // A's checks reach B, and then nothing more.
    run_until(&mut w, B, "* connecting");
    w.wire.cut = true;
    w.run_ms(4_500);
    assert_eq!(pitches(&mut w, B), [B5, G5, B5, G5]);
}

#[test]
fn tones_follow_the_volume_and_can_be_turned_off() {
    let mut w = World::new();
    w.say(A, "volume 0");
    w.without_tones(B);
    w.connect("call");
    w.say(B, "hang");
    assert!(!w.ends[B].sound);
    w.run_ms(1_000);
    for end in [A, B] {
        let heard = w.ends[end].heard.iter().flatten();
        assert!(heard.into_iter().all(|s| s.abs() < 10), "end {end}");
    }
}
