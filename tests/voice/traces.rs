//! Networks as they are, each a seeded trace: how long voice waits, how much is made up, and how soon all is well again.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use sotto::voice::playout::PlayoutStats;

use crate::line::{Line, Random, always, losing, phrases, quietest};

/// Someone who speaks in phrases, with pauses between them.
fn talker() -> Line {
    Line {
        mouth: phrases,
        ..Line::new()
    }
}

/// The greatest delay shown in the last `seconds`, ms.
fn longest(line: &Line, seconds: f64) -> u32 {
    let pulls = (seconds * 100.0) as usize;
    *line.delays[line.delays.len() - pulls..]
        .iter()
        .max()
        .unwrap()
}

/// Seconds until the delay was at most `ms` for good, of the last `seconds`.
fn settled(line: &Line, seconds: f64, ms: u32) -> f64 {
    let delays = &line.delays[line.delays.len() - (seconds * 100.0) as usize..];
    let over = delays.iter().rposition(|&d| d > ms);
    over.map_or(0.0, |i| (i + 1) as f64 / 100.0)
}

/// What was made up since, ms.
fn made_up(line: &Line, before: &PlayoutStats) -> u64 {
    line.stats().concealed_ms - before.concealed_ms
}

#[test]
fn a_line_that_becomes_slower_costs_its_delay_once_and_one_that_becomes_quicker_nothing() {
    for step in [15, 30, 60, 100] {
        let mut line = talker();
        line.run(10.0, always(40));
        let before = line.stats().clone();
        line.run(10.0, always(40 + step));
        // One late packet may be an outlier, and what is late of it is left out; with the second the wait grows.
        let gap = made_up(&line, &before);
        assert!(gap <= 2 * step + 20, "{gap} at {step}");
        let (before, moved) = (line.stats().clone(), line.stats().lengthened_ms);
        line.run(10.0, always(40 + step));
        assert_eq!(made_up(&line, &before), 0, "{step}");
        assert_eq!(line.stats().lengthened_ms, moved, "{step}");
        assert!(longest(&line, 5.0) <= 20, "{step}: {:?}", line.stats());

        line.run(15.0, always(40));
        assert_eq!(made_up(&line, &before), 0, "{step}");
        // Three seconds to believe it, a phrase until it pauses, and as long as splices take.
        let settled = settled(&line, 15.0, 20);
        assert!(settled <= 7.0, "{settled} s at {step}");
    }
}

#[test]
fn a_wifi_stall_now_and_then_is_bridged_or_made_up_once_and_delay_is_back_in_seconds() {
    let mut line = talker();
    line.run(5.0, always(40));
    let before = line.stats().clone();
    // Every 15 s nothing for 150 ms, then all at once.
    let stalls = |i: u64| {
        let into = i * 20 % 15_000;
        vec![if (5_000..5_150).contains(&into) {
            40 + 5_150 - into
        } else {
            40
        }]
    };
    line.run(60.0, stalls);
    let stats = line.stats();
    assert_eq!((stats.lost, stats.discarded), (0, 0), "{stats:?}");
    assert!(made_up(&line, &before) <= 4 * 150, "{stats:?}");
    assert!(longest(&line, 60.0) <= 190, "{}", longest(&line, 60.0));
    line.run(8.0, always(40));
    assert!(settled(&line, 8.0, 20) <= 7.0, "{:?}", line.stats());
}

#[test]
fn wifi_stalls_in_a_row_are_bridged() {
    let mut line = talker();
    // Every second nothing for 80 ms: 4 packets of 50 late.
    let mut stalls = |i: u64| {
        let into = i * 20 % 1000;
        vec![if (500..580).contains(&into) {
            40 + 580 - into
        } else {
            40
        }]
    };
    line.run(10.0, &mut stalls);
    let before = line.stats().clone();
    line.run(30.0, &mut stalls);
    assert_eq!(made_up(&line, &before), 0, "{:?}", line.stats());
    assert_eq!(line.stats().underruns, before.underruns);
    assert!(longest(&line, 30.0) <= 95, "{}", longest(&line, 30.0));
}

#[test]
fn ten_seconds_without_a_packet_are_over_with_the_first_one_after() {
    let mut line = talker();
    line.run(10.0, always(40));
    let before = line.stats().clone();
    line.run(10.0, losing(|_| true));
    assert_eq!(line.last(9.0), [0; 9 * 48_000]);
    line.run(0.2, always(40));
    assert!(
        quietest(line.last(0.06)) > -40,
        "{}",
        quietest(line.last(0.06))
    );
    line.run(5.0, always(40));
    assert!(longest(&line, 4.5) <= 20, "{:?}", line.stats());
    assert!(line.playout.concealed() < 0.025);
    assert!(line.stats().restarts <= before.restarts + 1);
    // The first packet might belong to nothing; the second says that it does not.
    assert!(line.stats().discarded <= before.discarded + 1);
}

#[test]
fn clocks_two_hundred_millionths_apart_are_followed_in_the_pauses() {
    for drift_ppm in [-200, 200] {
        let mut line = talker();
        line.drift_ppm = drift_ppm;
        line.run(200.0, always(40));
        let stats = line.stats();
        assert_eq!(
            (stats.concealed_ms, stats.underruns),
            (0, 0),
            "{drift_ppm}: {stats:?}"
        );
        assert!(longest(&line, 199.0) <= 20, "{drift_ppm}: {stats:?}");
        // 40 ms of drift, and no more than that.
        let moved = (stats.shortened_ms, stats.lengthened_ms);
        let (with, against) = if drift_ppm > 0 {
            moved
        } else {
            (moved.1, moved.0)
        };
        assert!(
            (30..=50).contains(&with) && against == 0,
            "{drift_ppm}: {stats:?}"
        );
    }
}

#[test]
fn how_long_gaps_are_is_told_from_how_many_there_are() {
    let ratio = |network: &mut dyn FnMut(u64) -> Vec<u64>| {
        let mut line = Line::new();
        line.run(20.0, network);
        (line.playout.burst_ratio(), line.playout.concealed())
    };
    assert_eq!(ratio(&mut always(40)), (1.0, 0.0));
    // One packet in ten, alone; and five in a row out of fifty.
    let (alone, share) = ratio(&mut losing(|i| i % 10 == 0));
    assert!((1.0..1.1).contains(&alone), "{alone}");
    assert!((0.05..0.13).contains(&share), "{share}");
    let (together, share) = ratio(&mut losing(|i| i % 50 < 5));
    assert!((3.5..5.0).contains(&together), "{together}");
    assert!((0.05..0.13).contains(&share), "{share}");
}

proptest! {
    // The same traces every time: a bound that one path in a thousand misses is found by hand, not by somebody else's change.
    #![proptest_config(ProptestConfig {
        cases: 3,
        rng_seed: RngSeed::Fixed(7),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_wait_that_fits_the_jitter_hardly_moves_and_hardly_anything_is_made_up(seed in 1_u64..1 << 40) {
        let mut random = Random(seed);
        let mut jitter = |_| vec![40 + random.gauss(20.0) as u64];
        let mut line = talker();
        line.run(10.0, &mut jitter);
        let before = line.stats().clone();
        line.run(30.0, &mut jitter);
        // 1 % of 30 s would be let go; what is later than that is left out, not waited for.
        prop_assert!(made_up(&line, &before) <= 300, "{:?}", line.stats());
        prop_assert!(longest(&line, 30.0) <= 75, "{}", longest(&line, 30.0));
        let moved = line.stats().shortened_ms - before.shortened_ms + line.stats().lengthened_ms - before.lengthened_ms;
        prop_assert!(moved <= 150, "{} ms of splices", moved);
    }

    #[test]
    fn bursts_of_loss_cost_what_is_lost_and_the_wait_stays_bounded(seed in 1_u64..1 << 40) {
        let mut random = Random(seed);
        let mut bad = false;
        let mut line = talker();
        // Gilbert: a tenth of the packets, four in a row.
        let lose = |_| {
            bad = random.uniform() < if bad { 0.75 } else { 0.1 / 0.9 / 4.0 };
            bad
        };
        line.run(30.0, losing(lose));
        let stats = line.stats();
        prop_assert!(stats.concealed_ms <= (stats.lost + stats.underruns) * 20, "{:?}", stats);
        prop_assert_eq!((stats.discarded, stats.restarts), (0, 1));
        // Fifteen seconds of voice say that it is over; of phrases five in a hundred are not sent.
        line.run(20.0, always(40));
        prop_assert!(line.playout.concealed() < 0.005, "{}", line.playout.concealed());
        prop_assert!(longest(&line, 1.0) <= 20, "{:?}", line.stats());
    }

    #[test]
    fn packets_in_any_order_within_sixty_milliseconds_and_twice_are_played_once_in_theirs(seed in 1_u64..1 << 40) {
        let mut random = Random(seed);
        let mut disorder = |_| {
            let late = [0, 20, 40, 60];
            let mut pick = || 40 + late[(random.uniform() * 4.0) as usize] + 1;
            vec![pick(), pick()]
        };
        let mut line = talker();
        line.run(5.0, &mut disorder);
        let before = line.stats().clone();
        line.run(20.0, &mut disorder);
        let stats = line.stats();
        prop_assert_eq!(made_up(&line, &before), 0, "{:?}", stats);
        prop_assert_eq!(stats.lost, before.lost);
        let twice = stats.duplicate - before.duplicate;
        let once = stats.received - before.received;
        prop_assert!(once > 900 && twice.abs_diff(once) <= 5, "{} {}", twice, once);
        prop_assert!(longest(&line, 20.0) <= 75, "{}", longest(&line, 20.0));
    }
}
