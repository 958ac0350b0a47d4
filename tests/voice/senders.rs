//! Senders that are not ours: packets of other durations, of two channels, of nothing.

use std::time::{Duration, Instant};

use opus::{Application, Channels, Encoder};
use sotto::voice::frame::{Frame, level_dbfs};
use sotto::voice::playout::{Playout, PlayoutStats};

use crate::line::{HERTZ, hertz, quietest, tone};

/// Sends 3 s of the tone in packets of `samples`, each to arrive when its last sample was spoken, and plays it.
fn other_sender(samples: usize, channels: Channels, padding: bool) -> (Playout, Vec<i16>) {
    let mut encoder = Encoder::new(48_000, channels, Application::Voip).unwrap();
    let mut playout = Playout::new().unwrap();
    let start = Instant::now();
    let (mut phase, mut spoken, mut sequence, mut timestamp) = (0.0, Vec::new(), 9, 77_u32);
    let mut out = Vec::new();
    for ms10 in 0..300 {
        for sample in tone(&mut phase) {
            spoken.extend(std::iter::repeat_n(sample, channels as usize));
        }
        let now = start + Duration::from_millis(ms10 * 10);
        while spoken.len() >= samples * channels as usize {
            let sound: Vec<i16> = spoken.drain(..samples * channels as usize).collect();
            let payload = encoder.encode_vec(&sound, 1275).unwrap();
            playout.insert(now, sequence, timestamp, &payload);
            sequence += 1;
            if padding {
                playout.insert(now, sequence, timestamp, &[]);
                sequence += 1;
            }
            timestamp += samples as u32;
        }
        let mut frame = Frame::new();
        playout.pull(&mut frame);
        out.extend_from_slice(&frame);
    }
    (playout, out)
}

#[test]
fn packets_of_every_duration_are_played_without_a_gap() {
    for samples in [120, 240, 480, 960, 1920, 2880] {
        let (playout, out) = other_sender(samples, Channels::Mono, false);
        let stats = playout.stats();
        assert_eq!(stats.received, 300 * 480 / samples as u64);
        assert_eq!(
            (stats.lost, stats.concealed_ms, stats.underruns),
            (0, 0, 0),
            "{samples}: {stats:?}"
        );
        let out = &out[48_000..];
        assert!(
            (hertz(out) - HERTZ).abs() < 1.0,
            "{samples}: {}",
            hertz(out)
        );
        assert!(quietest(out) >= -13, "{samples}");
    }
}

#[test]
fn stereo_is_played_as_mono() {
    let (playout, out) = other_sender(960, Channels::Stereo, false);
    assert_eq!(playout.stats().concealed_ms, 0);
    assert!((hertz(&out[48_000..]) - HERTZ).abs() < 1.0);
    assert!((-13..=-11).contains(&level_dbfs(&out[48_000..])));
}

#[test]
fn packets_without_payload_take_a_number_and_no_time() {
    let (playout, out) = other_sender(960, Channels::Mono, true);
    let (plain, plain_out) = other_sender(960, Channels::Mono, false);
    assert_eq!(playout.stats().empty, 150);
    assert_eq!(
        playout.stats(),
        &PlayoutStats {
            empty: 150,
            ..plain.stats().clone()
        }
    );
    assert!(out == plain_out);
}
