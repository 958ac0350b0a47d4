//! What is learnt from how late packets come.

use std::time::{Duration, Instant};

use sotto::voice::arrivals::{Arrivals, Estimate};

const PACKET: i64 = 960;

/// Packets of 20 ms, the `i`th as many ms late as `late` says.
fn arrivals(packets: i64, late: impl Fn(i64) -> i64) -> Arrivals {
    let start = Instant::now();
    let mut arrivals = Arrivals::new();
    for i in 0..packets {
        let ms = 20 * i + late(i);
        let now = start + Duration::from_millis(ms as u64);
        arrivals.add(now, i * PACKET, PACKET, ms * 48);
    }
    arrivals
}

#[test]
fn a_steady_line_has_no_late_packets_and_no_jitter() {
    let arrivals = arrivals(500, |_| 30);
    let head = -30 * 48;
    assert_eq!(
        arrivals.estimate(),
        Some(Estimate {
            typical: head,
            late: head
        })
    );
    assert_eq!(arrivals.jitter_ms(), 0);
}

#[test]
fn one_late_packet_in_a_hundred_is_let_be_and_two_are_not() {
    let late = |i| if i % 100 == 7 { 100 } else { 0 };
    assert_eq!(arrivals(500, late).estimate().unwrap().late, 0);
    let twice = |i| if i % 50 == 7 { 100 } else { 0 };
    assert_eq!(
        arrivals(500, twice).estimate(),
        Some(Estimate {
            typical: 0,
            late: -4800
        })
    );
}

#[test]
fn while_little_is_known_every_late_packet_counts() {
    let late = |i| if i == 7 { 100 } else { 0 };
    assert_eq!(arrivals(99, late).estimate().unwrap().late, -4800);
    assert_eq!(arrivals(101, late).estimate().unwrap().late, 0);
}

#[test]
fn a_line_that_became_slower_is_believed_at_the_sixth_packet_of_ten_seconds() {
    let slower = |from: i64| move |i: i64| if i >= from { 60 } else { 0 };
    assert_eq!(arrivals(500, slower(495)).estimate().unwrap().late, 0);
    assert_eq!(
        arrivals(500, slower(494)).estimate().unwrap().late,
        -60 * 48
    );
}

#[test]
fn a_line_that_became_quicker_is_believed_after_three_seconds() {
    let quicker = |packets| {
        let e = arrivals(packets, |i| if i < 500 { 60 } else { 0 }).estimate();
        e.map(|e| (e.typical / 48, e.late / 48))
    };
    assert_eq!(quicker(649), Some((-60, -60)));
    assert_eq!(quicker(650), Some((0, 0)));
}

#[test]
fn what_was_three_seconds_ago_is_forgotten() {
    let arrivals = arrivals(400, |i| if i < 250 { i % 7 * 20 } else { 0 });
    assert_eq!(
        arrivals.estimate(),
        Some(Estimate {
            typical: 0,
            late: 0
        })
    );
}

#[test]
fn another_timeline_keeps_what_was_learnt_of_lateness() {
    let mut arrivals = arrivals(200, |i| i % 2 * 40);
    let before = arrivals.estimate().unwrap();
    arrivals.rebase(1_000_000);
    let after = arrivals.estimate().unwrap();
    assert_eq!(after.typical, 1_000_000);
    assert_eq!(after.typical - after.late, before.typical - before.late);
}

#[test]
fn jitter_is_the_standards_mean_deviation() {
    // Every gap is 20 ms off by 10 ms.
    assert_eq!(arrivals(500, |i| i % 2 * 10).jitter_ms(), 10);
}
