//! Voice whose packets carry copies of earlier ones.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sotto::voice::frame::{FRAME, Frame};
use sotto::voice::playout::Playout;

use crate::line::{Line, OPUS, Random, always, hertz, losing, quietest};

#[test]
fn without_losses_nothing_is_copied_and_with_them_every_packet_is_a_few_times() {
    for (percent, distances) in [
        (0, &[][..]),
        (2, &[2]),
        (10, &[1, 2]),
        (20, &[1, 2, 4]),
        (30, &[1, 2, 3, 4]),
    ] {
        assert_eq!(Line::with_red(percent).capture.plan().distances, distances);
    }
}

#[test]
fn copies_fill_every_hole_that_they_reach_and_the_sound_is_as_without_losses() {
    let lose = |i: u64| i > 100 && [0, 1, 7, 13].contains(&(i % 20));
    let mut line = Line::with_red(20);
    line.run(5.0, losing(lose));
    // The wait has become as long as the copies reach.
    assert_eq!(line.stats().target_ms, 85);
    let before = line.stats().clone();
    line.run(10.0, losing(lose));
    let after = line.stats();
    assert!(after.lost - before.lost >= 100, "{after:?}");
    assert_eq!(after.recovered - before.recovered, after.lost - before.lost);
    assert_eq!(
        (after.repaired, after.concealed_ms),
        (0, before.concealed_ms)
    );
    // What was made good counts as lost, never as received; two packets are on their way.
    let came = (0..line.sent - 2).filter(|i| !lose(*i)).count() as u64;
    assert_eq!(after.received, came);
    assert!(line.playout.concealed() < 0.001);
    let mut clean = Line::with_red(20);
    clean.run(15.0, always(40));
    assert_eq!(clean.stats().lost, 0);
    assert_eq!(quietest(line.last(5.0)), quietest(clean.last(5.0)));
    assert!((hertz(line.last(5.0)) - hertz(clean.last(5.0))).abs() < 0.3);
}

#[test]
fn copies_without_losses_change_neither_the_sound_nor_the_wait() {
    let mut copied = Line::with_red(20);
    copied.run(5.0, always(40));
    let stats = copied.stats();
    assert_eq!((stats.target_ms, stats.delay_ms), (10, 10));
    assert_eq!((stats.lost, stats.recovered, stats.duplicate), (0, 0, 0));
    assert_eq!((stats.received, stats.reordered), (248, 0));
}

#[test]
fn the_wait_for_copies_ends_when_the_losses_do() {
    let mut line = Line::with_red(30);
    line.run(10.0, losing(|i| i % 5 == 0));
    assert_eq!(line.stats().target_ms, 85);
    line.run(30.0, always(40));
    assert_eq!(line.stats().target_ms, 10);
    assert!(line.stats().delay_ms <= 15, "{:?}", line.stats());
}

#[test]
fn a_packet_that_comes_after_its_copy_takes_the_copys_place() {
    let mut line = Line::with_red(20);
    // The losses have the wait grow; every twentieth packet is overtaken by the next two.
    let network = |i| match i % 20 {
        0 => vec![],
        10 => vec![85],
        _ => vec![40],
    };
    line.run(5.0, network);
    let before = line.stats().clone();
    line.run(10.0, network);
    let after = line.stats();
    assert_eq!((after.late, after.duplicate), (before.late, 0), "{after:?}");
    assert_eq!(after.reordered - before.reordered, 25);
    assert_eq!(
        (after.lost - before.lost, after.recovered - before.recovered),
        (25, 25)
    );
}

#[test]
fn a_third_of_all_packets_lost_is_hardly_heard() {
    let mut line = Line::with_red(30);
    let mut random = Random(3);
    line.run(30.0, losing(|_| random.uniform() < 0.3));
    let stats = line.stats();
    assert!(stats.lost > 400, "{stats:?}");
    assert!(stats.recovered * 100 > stats.lost * 96, "{stats:?}");
    assert!(stats.delay_ms <= 100, "{stats:?}");
    assert!(line.playout.concealed() < 0.025);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_comes_as_red_there_is_always_a_frame(
        packets in proptest::collection::vec(
            (
                prop_oneof![any::<u64>(), 0_u64..300],
                prop_oneof![any::<u32>(), 0_u32..100_000],
                prop_oneof![
                    proptest::collection::vec(any::<u8>(), 0..200),
                    proptest::collection::vec(prop_oneof![Just(0xEF), Just(111), Just(0x68), 0_u8..20], 0..200),
                ],
                0_u64..3,
            ),
            0..300,
        )
    ) {
        let mut playout = Playout::new().unwrap();
        let mut now = Instant::now();
        let mut frame = Frame::new();
        for (sequence, timestamp, payload, pulls) in packets {
            playout.insert_red(now, sequence, timestamp, &payload, OPUS);
            for _ in 0..pulls {
                playout.pull(&mut frame);
                prop_assert_eq!(frame.len(), FRAME);
                now += Duration::from_millis(10);
            }
        }
    }
}
