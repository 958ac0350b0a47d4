//! From a finger on TALK to the other end's ear, over virtual time.

#![allow(missing_docs)]

mod support;

use std::time::{Duration, Instant};

use sotto::intercom::Input;
use sotto::intercom::panel::Button::Talk;
use support::{A, B, World, levels};

const SAMPLE: Duration = Duration::from_millis(5);

/// Holds TALK down from `down` to `up`, as the shell samples it in a call; runs until 400 ms after that.
fn talk(w: &mut World, down: Instant, up: Instant) {
    let mut sample = w.now + SAMPLE;
    while w.now < up + Duration::from_millis(400) {
        w.run(sample - w.now);
        let pressed = (down..up).contains(&sample).then_some(Talk);
        w.input(A, Input::Buttons(levels(pressed)));
        sample += SAMPLE;
    }
}

/// How many clicks came out of B's speaker.
fn clicks_heard(w: &World) -> usize {
    let loud = |s: &i16| s.unsigned_abs() > 4_000;
    let samples: Vec<i16> = w.ends[B].heard.iter().flatten().copied().collect();
    let mut count = 0;
    let mut quiet = usize::MAX / 2;
    for s in &samples {
        if loud(s) {
            // Apart by more than the codec smears them.
            count += usize::from(quiet > 480);
            quiet = 0;
        } else {
            quiet += 1;
        }
    }
    count
}

#[test]
fn the_first_and_the_last_syllable_are_whole_whenever_the_button_meets_clock_and_frame() {
    let mut w = World::new();
    w.connect("call");
    // The timestamp of the sound at a moment, from the open microphone: a packet goes when its 20 ms are full.
    let &(at, timestamp) = w.ends[A].packets.last().unwrap();
    let (zero, zero_at) = (timestamp, at - Duration::from_millis(20));
    w.say(A, "mode ptt");
    let ms = Duration::from_millis;
    for phase in 0..20 {
        w.run_ms(501);
        w.ends[B].heard.clear();
        w.ends[A].packets.clear();
        let down = w.now + ms(100) + Duration::from_micros(phase * 750);
        let up = down + ms(300);
        // While the finger goes down, before the contact counts, in between, and in the tail.
        w.ends[A].clicks = vec![down - ms(22), down + ms(25), down + ms(150), up + ms(140)];
        talk(&mut w, down, up);
        assert_eq!(clicks_heard(&w), 4, "phase {phase}");
        let &(sent, timestamp) = w.ends[A].packets.first().unwrap();
        // The packet's place in time; its sound is older by the pre-roll.
        let place = f64::from(timestamp.wrapping_sub(zero)) / 48.0
            - (down - zero_at).as_secs_f64() * 1000.0;
        assert!((8.0..=26.0).contains(&place), "phase {phase}: {place}");
        assert!(sent - down <= ms(46), "phase {phase}: {:?}", sent - down);
        // And it ends: debouncing, the tail, what the gate still holds, the end's own packets.
        let &(last, _) = w.ends[A].packets.last().unwrap();
        assert!(last - up <= ms(300), "phase {phase}: {:?}", last - up);
    }
}

#[test]
fn what_is_said_muted_or_long_before_the_press_stays_here() {
    let mut w = World::new();
    w.connect("call");
    w.say(A, "mode ptt");
    w.run_ms(500);
    w.ends[B].heard.clear();
    let ms = Duration::from_millis;
    let down = w.now + ms(200);
    // 100 ms before the press, and long after release.
    w.ends[A].clicks = vec![down - ms(100), down + ms(500)];
    talk(&mut w, down, down + ms(200));
    assert_eq!(clicks_heard(&w), 0);
    // Unmuting an open microphone sends nothing from before it.
    w.say(A, "mute on");
    w.say(A, "mode open");
    w.run_ms(500);
    w.ends[B].heard.clear();
    w.ends[A].clicks = vec![w.now + ms(85)];
    w.run_ms(100);
    w.say(A, "mute off");
    w.run_ms(500);
    assert_eq!(clicks_heard(&w), 0);
}
