//! Voice over a seeded network in virtual time: what goes in at one end against what comes out at the other.

#[path = "support/allocations.rs"]
mod allocations;
#[path = "voice/arrivals.rs"]
mod arrivals;
#[path = "voice/clean.rs"]
mod clean;
#[path = "voice/comfort.rs"]
mod comfort;
#[path = "voice/copies.rs"]
mod copies;
#[path = "voice/line.rs"]
mod line;
#[path = "voice/pauses.rs"]
mod pauses;
#[path = "voice/push_to_talk.rs"]
mod push_to_talk;
#[path = "voice/senders.rs"]
mod senders;
#[path = "voice/traces.rs"]
mod traces;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sotto::voice::capture::Capture;
use sotto::voice::frame::{self, FRAME, Frame, level_dbfs};
use sotto::voice::gate::Switch;
use sotto::voice::payload::carries_repair;
use sotto::voice::playout::{Playout, PlayoutStats};
use sotto::voice::red;
use sotto::voice::redundancy::Feedback;
use sotto::voice::tones::{Tone, Tones};

use line::{HERTZ, Line, OPUS, Random, always, hertz, jittery, losing, quietest, syllables, tone};

// ---- a clean line ----

#[test]
fn a_clean_line_has_a_constant_wait_of_one_pull_and_conceals_nothing() {
    let mut line = Line::new();
    line.run(20.0, always(40));
    assert_eq!(
        line.stats(),
        &PlayoutStats {
            received: 998,
            restarts: 1,
            delay_ms: 10,
            target_ms: 10,
            ..PlayoutStats::default()
        }
    );
    assert_eq!(line.playout.concealed(), 0.0);
    assert!(line.delays[10..].iter().all(|&d| d == 10));
}

#[test]
fn the_tone_that_comes_out_is_the_tone_that_went_in() {
    let mut line = Line::new();
    line.run(5.0, always(40));
    let out = line.last(4.0);
    assert!((hertz(out) - HERTZ).abs() < 1.0, "{}", hertz(out));
    assert!((-13..=-11).contains(&level_dbfs(out)));
    assert!(quietest(out) >= -13);
    assert!((-13..=-11).contains(&line.playout.level_dbfs()));
    assert!((-13..=-11).contains(&line.capture.level_dbfs()));
}

#[test]
fn mouth_to_ear_is_packet_network_wait_and_codec_and_not_more() {
    let mut line = Line::new();
    line.talking = false;
    line.run(1.0, always(40));
    line.talking = true;
    line.run(1.0, always(40));
    let heard = line.out.iter().position(|s| s.abs() > 3000).unwrap();
    // The spurt's first frame, faded in, is given at 1000 ms. Its packet is full 10 ms later, arrives at 1050 and is kept
    // over one pull, to 1065; Opus looks ahead 6.5 ms. The fade reaches 3000 after about 3 ms.
    let ms = heard as f64 / 48.0 + 5.0 - 1000.0;
    assert!((70.0..78.0).contains(&ms), "{ms}");
}

// ---- disorder and loss ----

#[test]
fn a_duplicate_is_dropped_and_counted() {
    let mut line = Line::new();
    line.run(4.0, |i| match i {
        // At once, while the first copy waits; and when it was played.
        50 => vec![40, 40],
        100 => vec![40, 100],
        _ => vec![40],
    });
    let mut clean = Line::new();
    clean.run(4.0, always(40));
    assert_eq!(line.stats().duplicate, 2);
    assert_eq!(line.stats().received, clean.stats().received);
    assert_eq!((line.stats().late, line.stats().reordered), (0, 0));
    assert!(line.out == clean.out);
}

#[test]
fn swapped_packets_are_played_in_order_without_concealment() {
    let mut line = Line::new();
    line.run(4.0, |i| {
        vec![if i == 101 {
            21
        } else if i == 100 {
            42
        } else {
            40
        }]
    });
    let mut clean = Line::new();
    clean.run(4.0, always(40));
    assert_eq!((line.stats().reordered, line.stats().concealed_ms), (1, 0));
    assert!(line.out == clean.out);
}

#[test]
fn the_first_two_packets_swapped_are_both_played() {
    let mut line = Line::new();
    line.run(2.0, |i| vec![if i == 0 { 61 } else { 40 }]);
    assert_eq!((line.stats().late, line.stats().lost), (0, 0));
    assert_eq!(line.stats().reordered, 1);
}

/// Of the first `packets` of syllables about every twentieth, such that the one after it carries its repair.
fn repairable(packets: u64) -> Vec<u64> {
    let mut capture = Capture::new().unwrap();
    let (mut phase, mut carries, mut chosen) = (0.0, Vec::new(), vec![0]);
    while carries.len() < packets as usize {
        capture.push(&syllables(&mut phase), true, |p| {
            carries.push(carries_repair(p.payload));
        });
    }
    for i in 0..packets - 1 {
        if i >= chosen[chosen.len() - 1] + 20 && carries[i as usize + 1] {
            chosen.push(i);
        }
    }
    chosen.split_off(1)
}

#[test]
fn a_single_loss_is_repaired_from_the_packet_after_it() {
    let losses = repairable(1000);
    assert!(losses.len() > 40, "{losses:?}");
    let mut line = Line::of_syllables();
    // So many losses that the wait becomes long enough for repair.
    let mut network = losing(|i| losses.contains(&i));
    line.run(10.0, &mut network);
    assert_eq!(line.stats().target_ms, 25);
    let before = line.stats().clone();
    line.run(10.0, &mut network);
    let after = line.stats();
    assert!(after.lost - before.lost > 20);
    assert_eq!(after.repaired - before.repaired, after.lost - before.lost);
    assert_eq!(after.concealed_ms, before.concealed_ms);
    assert_eq!(after.underruns, before.underruns);
    assert!(line.playout.concealed() < 0.001);
    assert!(
        quietest(line.last(5.0)) >= -24,
        "{}",
        quietest(line.last(5.0))
    );
    assert!((hertz(line.last(5.0)) - HERTZ).abs() < 2.0);
}

#[test]
fn the_wait_for_repair_ends_when_the_losses_do() {
    let losses = repairable(500);
    let mut line = Line::of_syllables();
    line.run(10.0, losing(|i| losses.contains(&i)));
    assert_eq!(line.stats().target_ms, 25);
    line.run(20.0, always(40));
    assert_eq!(line.stats().target_ms, 10);
    assert!(line.stats().delay_ms <= 15, "{}", line.stats().delay_ms);
}

#[test]
fn without_the_next_packet_a_loss_is_concealed_and_then_repaired_in_part() {
    let lost = repairable(200)[5];
    let mut line = Line::of_syllables();
    line.run(4.0, losing(|i| i == lost));
    // The next packet comes 10 ms into the hole.
    let stats = line.stats();
    assert_eq!((stats.lost, stats.underruns), (1, 1));
    assert_eq!((stats.repaired, stats.concealed_ms), (1, 10));
    assert_eq!(stats.delay_ms, 10);
    assert!(
        quietest(line.last(3.0)) >= -30,
        "{}",
        quietest(line.last(3.0))
    );
}

#[test]
fn a_tenth_of_all_packets_lost_leaves_the_voice_whole() {
    let mut line = Line::of_syllables();
    let mut random = Random(3);
    line.run(30.0, losing(|_| random.uniform() < 0.1));
    let stats = line.stats();
    assert!(stats.lost > 100, "{stats:?}");
    // Opus adds no repair in the fading parts of the syllables.
    assert!(stats.repaired * 10 > stats.lost * 4, "{stats:?}");
    assert!(line.playout.concealed() < 0.085);
    assert!(stats.delay_ms <= 30);
    let (out, level) = (line.last(28.0), level_dbfs(line.last(28.0)));
    assert!((hertz(out) - HERTZ).abs() < 8.0, "{}", hertz(out));
    assert!((-17..=-15).contains(&level), "{level}");
}

#[test]
fn a_burst_of_loss_is_concealed_and_then_silent_and_the_wait_stays() {
    let mut line = Line::new();
    line.run(2.0, always(40));
    line.run(0.5, losing(|_| true));
    assert_eq!(line.last(0.1), [0; 4800]);
    // 120 ms of it are not silent, though the end is faint.
    let quiet = line
        .last(0.46)
        .chunks_exact(FRAME)
        .filter(|f| level_dbfs(f) < -60)
        .count();
    assert!((30..=36).contains(&quiet), "{quiet}");
    let share = line.playout.concealed();
    assert!((0.16..0.2).contains(&share), "{share}");
    line.run(2.0, always(40));
    let stats = line.stats();
    assert_eq!(
        (stats.lost, stats.concealed_ms, stats.underruns),
        (25, 500, 1)
    );
    assert_eq!(stats.delay_ms, 10);
    assert!(quietest(line.last(1.0)) >= -13);
}

#[test]
fn silence_that_was_not_announced_counts_as_concealed() {
    let mut line = Line::new();
    line.run(2.0, always(40));
    line.run(4.0, losing(|_| true));
    assert_eq!(line.playout.concealed(), 1.0);
}

// ---- the wait ----

#[test]
fn jitter_lengthens_the_wait_which_stays_bounded_and_goes_back_when_it_calms() {
    let mut line = Line::new();
    line.run(5.0, always(40));
    assert_eq!(line.stats().delay_ms, 10);
    line.run(20.0, jittery(7));
    let stats = line.stats().clone();
    assert!((30..=70).contains(&stats.target_ms), "{stats:?}");
    assert!(*line.delays.iter().max().unwrap() <= 100);
    assert!(line.playout.concealed() < 0.035);
    assert!(stats.concealed_ms <= 400, "{stats:?}");
    line.run(6.0, always(40));
    assert!(line.stats().delay_ms <= 15, "{}", line.stats().delay_ms);
    assert_eq!(line.stats().target_ms, 10);
}

#[test]
fn however_bad_the_network_the_wait_is_bounded() {
    let mut line = Line::new();
    let mut random = Random(11);
    line.run(30.0, |_| vec![(random.uniform() * 900.0) as u64]);
    assert!(
        *line.delays.iter().max().unwrap() <= 450,
        "{}",
        line.delays.iter().max().unwrap()
    );
    assert!(line.stats().target_ms <= 200);
    line.run(10.0, always(40));
    assert!(line.stats().delay_ms <= 15, "{}", line.stats().delay_ms);
}

#[test]
fn a_network_that_froze_for_a_second_is_caught_up_with() {
    let mut line = Line::new();
    line.run(5.0, always(40));
    let (from, to) = (line.sent, line.sent + 50);
    line.run(1.1, |i| vec![if i < to { 40 + (to - i) * 20 } else { 40 }]);
    assert!(line.sent > from + 50);
    line.run(0.2, always(40));
    assert!(line.stats().delay_ms <= 240, "{:?}", line.stats());
    assert!(line.stats().discarded >= 35);
    line.run(6.0, always(40));
    assert!(line.stats().delay_ms <= 15, "{:?}", line.stats());
    assert!(quietest(line.last(1.0)) >= -14);
}

#[test]
fn a_speaker_that_stood_still_loses_the_backlog_at_once() {
    let mut line = Line::new();
    line.run(5.0, always(40));
    line.pulls += 100;
    line.run(1.0, always(40));
    assert!(line.stats().discarded >= 35);
    line.run(5.0, always(40));
    assert!(line.stats().delay_ms <= 15, "{:?}", line.stats());
    assert!(quietest(line.last(1.0)) >= -14);
}

#[test]
fn a_speaker_that_starts_two_seconds_late_begins_with_the_usual_wait() {
    let mut line = Line::new();
    line.pulls = 200;
    line.run(3.0, always(40));
    assert!(line.stats().delay_ms <= 15, "{:?}", line.stats());
    assert!(line.stats().target_ms <= 10, "{:?}", line.stats());
    assert_eq!(line.stats().lengthened_ms, 0);
    assert_eq!(line.stats().shortened_ms, 0);
}

#[test]
fn clocks_that_drift_neither_lengthen_the_wait_nor_run_dry_often() {
    for drift_ppm in [-200, 200] {
        let mut line = Line::new();
        line.drift_ppm = drift_ppm;
        line.run(200.0, always(40));
        let stats = line.stats();
        assert!(
            *line.delays.iter().max().unwrap() <= 30,
            "{drift_ppm}: {stats:?}"
        );
        // Of 40 ms of drift.
        assert!(
            stats.concealed_ms <= 30 && stats.underruns <= 10,
            "{drift_ppm}: {stats:?}"
        );
        assert_eq!(stats.discarded, 0, "{drift_ppm}");
        assert_eq!(stats.restarts, 1, "{drift_ppm}");
    }
}

#[test]
fn two_pulls_at_a_time_every_twenty_milliseconds_are_no_underrun() {
    let mut line = Line::new();
    for _ in 0..250 {
        let pulls = line.pulls;
        line.pulls = u64::MAX / 20;
        line.run(0.02, always(40));
        line.pulls = pulls;
        line.pull();
        line.pull();
    }
    assert_eq!((line.stats().underruns, line.stats().concealed_ms), (0, 0));
    assert!(line.stats().delay_ms <= 20);
}

// ---- pauses ----

#[test]
fn a_pause_of_push_to_talk_is_silence_and_no_loss() {
    let mut line = Line::new();
    for _ in 0..5 {
        line.talking = true;
        line.run(2.0, always(40));
        assert!(quietest(line.last(1.0)) >= -13);
        line.talking = false;
        line.run(3.0, always(40));
        assert_eq!(line.last(2.5), [0; 120_000]);
        assert_eq!(line.playout.concealed(), 0.0);
        assert_eq!(line.playout.level_dbfs(), -96);
    }
    let stats = line.stats();
    assert_eq!(
        (
            stats.lost,
            stats.concealed_ms,
            stats.underruns,
            stats.restarts
        ),
        (0, 0, 0, 1)
    );
    assert_eq!(stats.delay_ms, 10);
}

#[test]
fn a_pause_that_nobody_announced_is_recognised_when_it_is_over() {
    let mut line = Line::new();
    line.run(2.0, always(40));
    // The sender's sequence goes on where it was, its timestamp does not.
    line.timestamp += 48_000;
    let sequence = line.sequence;
    line.run(1.0, losing(|_| true));
    line.sequence = sequence;
    line.timestamp -= 48_000;
    line.run(2.0, always(40));
    let stats = line.stats();
    assert_eq!((stats.lost, stats.concealed_ms), (0, 0));
    assert_eq!(line.playout.concealed(), 0.0);
    assert_eq!(stats.delay_ms, 10);
}

#[test]
fn after_a_long_pause_the_wait_learnt_before_serves_again() {
    let mut line = Line::new();
    line.run(10.0, jittery(7));
    line.talking = false;
    line.run(60.0, jittery(8));
    line.talking = true;
    line.run(5.0, jittery(9));
    assert_eq!(line.stats().restarts, 2);
    assert!(line.stats().concealed_ms <= 250, "{:?}", line.stats());
    assert!(line.stats().lost <= 2, "{:?}", line.stats());
}

#[test]
fn a_sender_that_starts_again_is_followed_within_two_packets() {
    let mut line = Line::new();
    for (sequence, timestamp) in [(60_000, 0xdead_beef), (3, 17), (1 << 40, 1 << 31)] {
        line.run(2.0, always(40));
        line.sequence = sequence;
        line.timestamp = timestamp;
    }
    line.run(2.0, always(40));
    assert_eq!((line.stats().restarts, line.stats().discarded), (4, 3));
    assert!(quietest(line.last(1.8)) >= -14);
    assert_eq!(line.stats().delay_ms, 10);
}

#[test]
fn sequence_numbers_as_far_away_as_can_be_are_strays() {
    let mut line = Line::new();
    line.run(2.0, always(40));
    let now = line.start + Duration::from_secs(2);
    for far in [(1 << 63) + 100, 1 << 63, (1 << 63) - 100] {
        for near in (90..110).step_by(2) {
            let sequence = line.sequence.wrapping_add(far).wrapping_sub(near);
            line.playout.insert(now, sequence, 5_000, &[0x68, 1, 2, 3]);
        }
    }
    line.run(2.0, always(40));
    assert_eq!((line.stats().restarts, line.stats().discarded), (1, 30));
}

#[test]
fn one_stray_packet_changes_nothing() {
    let mut line = Line::new();
    line.run(2.0, always(40));
    let now = line.start + Duration::from_secs(2);
    line.playout.insert(now, 7_777_777, 1, &[0x68, 1, 2, 3]);
    line.run(2.0, always(40));
    assert_eq!((line.stats().restarts, line.stats().discarded), (1, 1));
    assert_eq!(line.stats().concealed_ms, 0);
}

// ---- senders ----

#[test]
fn sequence_numbers_and_timestamps_run_over_unnoticed() {
    let mut line = Line::new();
    line.sequence = u64::MAX - 50;
    line.timestamp = u32::MAX - 48_000;
    line.run(4.0, always(40));
    let mut clean = Line::new();
    clean.run(4.0, always(40));
    assert_eq!(line.stats(), clean.stats());
    assert!(line.out == clean.out);
}

/// Sends seconds of syllables to a peer that loses so many of 25 packets and says so four times a second. Of the packets of the
/// last second: how many copies each carries, and how many carry repair data.
fn send(capture: &mut Capture, seconds: u32, lost_of_25: u32) -> (Vec<usize>, usize) {
    let (mut phase, mut copies, mut repairs) = (0.0, Vec::new(), 0);
    for quarter in 0..seconds * 4 {
        for _ in 0..25 {
            capture.push(&syllables(&mut phase), true, |p| {
                if quarter / 4 + 1 < seconds {
                    return;
                }
                let red = p.red.then(|| red::parse(p.payload).unwrap());
                let primary = red.as_ref().map_or(p.payload, |r| r.primary);
                copies.push(red.as_ref().map_or(0, |r| r.redundant.len()));
                repairs += usize::from(carries_repair(primary));
            });
        }
        let odd = quarter % 2;
        capture.handle_feedback(Feedback {
            packets: 12 + odd,
            lost: (lost_of_25 + odd) / 2,
            rtt: None,
        });
    }
    (copies, repairs)
}

#[test]
fn what_the_peer_says_of_losses_steers_the_copies() {
    let mut capture = Capture::new().unwrap();
    capture.set_red(Some(OPUS));
    let mut after = |seconds, lost_of_25| {
        let (copies, repairs) = send(&mut capture, seconds, lost_of_25);
        assert_eq!(repairs, 0, "a copy serves better");
        copies
    };
    assert_eq!(after(10, 0), [0; 50]);
    // A fifth is lost: from the second report on, so after half a second, three.
    assert_eq!(after(1, 5), [[0; 25], [3; 25]].concat());
    assert_eq!(after(7, 5), [3; 50]);
    // They are over: within 15 s one fewer, every 10 s another, then none for good.
    let fewer = [(); 7].map(|()| after(5, 0)[49]);
    assert_eq!(fewer, [3, 3, 2, 2, 1, 1, 0]);
    assert_eq!(after(30, 0), [0; 50]);
}

#[test]
fn what_a_peer_without_red_says_of_losses_steers_the_repair_data() {
    let mut capture = Capture::new().unwrap();
    let mut after = |seconds, lost_of_25| {
        let (copies, repairs) = send(&mut capture, seconds, lost_of_25);
        assert_eq!(copies, [0; 50]);
        // Which packets carry some, the voice decides: those after its loud half.
        assert!((25..=30).contains(&repairs), "{repairs}");
        capture.plan().repair_percent
    };
    assert_eq!(after(10, 0), 5);
    assert_eq!(after(1, 5), 20);
    assert_eq!(after(2, 25), 30);
    // The mean of 10 s: over in as many.
    assert_eq!([(); 3].map(|()| after(5, 0)), [22, 5, 5]);
}

// ---- whatever comes ----

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_comes_there_is_always_a_frame(
        packets in proptest::collection::vec(
            (
                prop_oneof![any::<u64>(), 0_u64..300],
                prop_oneof![any::<u32>(), 0_u32..100_000],
                proptest::collection::vec(any::<u8>(), 0..200),
                0_u64..3,
            ),
            0..300,
        )
    ) {
        let mut playout = Playout::new().unwrap();
        let mut now = Instant::now();
        let mut frame = Frame::new();
        for (sequence, timestamp, payload, pulls) in packets {
            playout.insert(now, sequence, timestamp, &payload);
            for _ in 0..pulls {
                playout.pull(&mut frame);
                prop_assert_eq!(frame.len(), FRAME);
                now += Duration::from_millis(10);
            }
        }
        prop_assert!((0.0..=1.0).contains(&playout.concealed()));
        for _ in 0..200 {
            playout.pull(&mut frame);
        }
        prop_assert!(frame == frame::silence());
    }

    #[test]
    fn a_good_stream_is_heard_again_after_garbage(
        garbage in proptest::collection::vec((any::<u64>(), any::<u32>(), proptest::collection::vec(any::<u8>(), 0..1600)), 0..40)
    ) {
        let mut line = Line::new();
        line.run(0.5, always(40));
        for (sequence, timestamp, payload) in garbage {
            let now = line.start + Duration::from_millis(line.ms);
            line.playout.insert(now, sequence, timestamp, &payload);
            line.run(0.02, always(40));
        }
        line.run(1.0, always(40));
        prop_assert!(quietest(line.last(0.4)) >= -16);
        prop_assert!(line.stats().delay_ms <= 240);
    }
}

// ---- memory ----

#[test]
fn frames_and_packets_pass_without_an_allocation() {
    for red in [None, Some(OPUS)] {
        let mut capture = Capture::new().unwrap();
        capture.set_red(red);
        capture.set_processing();
        let mut playout = Playout::new().unwrap();
        let mut frame = Frame::new();
        let (start, mut phase, mut random) = (Instant::now(), 0.0, Random(5));
        let mut tones = Tones::new(true);
        let before = allocations::count();
        for i in 0..2000_u64 {
            let spoken = tone(&mut phase);
            let switch = match i {
                0..1000 => (i % 500 < 400).into(),
                _ if i % 500 < 400 => Switch::TalkDown,
                _ => Switch::TalkUp,
            };
            capture.push(&spoken, switch, |p| {
                if random.uniform() > 0.1 {
                    let late = (random.uniform() * 30.0) as u64;
                    let now = start + Duration::from_millis(i * 10 + late);
                    if p.red {
                        playout.insert_red(now, i / 2, p.timestamp, p.payload, OPUS);
                    } else {
                        playout.insert(now, i / 2, p.timestamp, p.payload);
                    }
                }
            });
            if i % 25 == 0 {
                capture.handle_feedback(Feedback {
                    packets: 12,
                    lost: 1,
                    rtt: None,
                });
            }
            playout.pull(&mut frame);
            if i % 300 == 0 {
                tones.play(Tone::Incoming, Duration::ZERO);
            }
            tones.mix(&mut frame);
            capture.played(&frame);
        }
        assert_eq!(allocations::count(), before);
        // With copies in-band repair serves only until the first are sent.
        let stats = playout.stats();
        assert!(stats.repaired > 0 || red.is_some());
        assert_eq!(stats.recovered > 0, red.is_some());
    }
}
