//! Push to talk from one mouth to one ear.

use sotto::voice::frame::{FRAME, level_dbfs, silence};
use sotto::voice::gate::PRE_ROLL;
use sotto::voice::playout::PlayoutStats;

use super::line::{Line, always, hertz, quietest, tone};

/// Half a second each, after pauses.
fn spurts(count: usize) -> Line {
    let mut line = Line {
        ptt: true,
        ..Line::new()
    };
    for _ in 0..count {
        line.talking = false;
        line.run(0.5, always(40));
        line.talking = true;
        line.run(0.5, always(40));
    }
    line
}

#[test]
fn the_receiver_sees_packets_in_steady_time_and_waits_no_longer_for_what_was_said_before() {
    let line = spurts(20);
    assert_eq!(
        line.stats(),
        &PlayoutStats {
            received: line.sent - 2,
            restarts: 1,
            delay_ms: 10,
            target_ms: 10,
            ..PlayoutStats::default()
        }
    );
    assert!(line.delays[60..].iter().all(|&d| d == 10));
}

#[test]
fn a_spurt_begins_with_the_60_ms_before_it_and_catches_up_within_half_a_second() {
    // The mouth speaks from 0.2 s on, first higher, and the button goes down 50 ms later.
    let mut line = Line {
        ptt: true,
        talking: false,
        mouth: |_| silence(),
        ..Line::new()
    };
    line.run(0.2, always(40));
    line.mouth = |phase| {
        (0..FRAME)
            .map(|_| {
                *phase += 1_200.0 * std::f64::consts::TAU / 48_000.0;
                (phase.sin() * 11_640.0) as i16
            })
            .collect()
    };
    line.run(0.05, always(40));
    line.mouth = tone;
    line.talking = true;
    line.run(1.0, always(40));
    let begins = line.out.iter().position(|s| s.abs() > 3000).unwrap();
    // Mouth to ear on this line is 75 ms at most; the 60 of the pre-roll come on top for a moment.
    let ms = begins as f64 / 48.0 + 5.0 - 200.0;
    assert!((125.0..138.0).contains(&ms), "{ms}");
    // All of the first syllable, at its own pitch, but for a splice at most.
    let high = &line.out[begins..begins + 35 * 48];
    assert!((hertz(high) - 1_200.0).abs() < 40.0, "{}", hertz(high));
    // No hole anywhere, and the end no later than without pre-roll.
    line.mouth = |_| silence();
    let stops = line.ms;
    let heard = &line.out[begins + FRAME..];
    assert!(quietest(heard) >= -14, "{}", quietest(heard));
    line.run(0.5, always(40));
    let end = line.out.len() - line.out.iter().rev().position(|s| s.abs() > 3000).unwrap();
    let ms = end as f64 / 48.0 + 5.0 - stops as f64;
    assert!(ms < 78.0, "{ms}");
    assert_eq!(level_dbfs(line.last(0.2)), -96);
    assert_eq!(PRE_ROLL, 60 * 48);
}
