//! What is heard while the sender pauses.

use std::time::{Duration, Instant};

use opus::{Application, Bitrate, Channels, Encoder};
use sotto::voice::frame::{FRAME, Frame, SILENCE_DBFS, level_dbfs};
use sotto::voice::playout::Playout;

use crate::line::{Random, syllables};

/// A browser with DTX in a room that is not silent: of the frames without voice it sends the first, and one every 400 ms.
struct Sender {
    encoder: Encoder,
    playout: Playout,
    start: Instant,
    random: Random,
    low: f64,
    phase: f64,
    /// Packets made.
    made: u64,
    sequence: u64,
    pauses: bool,
    out: Vec<i16>,
}

impl Sender {
    fn new() -> Self {
        let mut encoder = Encoder::new(48_000, Channels::Mono, Application::Voip).unwrap();
        encoder.set_bitrate(Bitrate::Bits(32_000)).unwrap();
        encoder.set_dtx(true).unwrap();
        Self {
            encoder,
            playout: Playout::new().unwrap(),
            start: Instant::now(),
            random: Random(5),
            low: 0.0,
            phase: 0.0,
            made: 0,
            sequence: 7,
            pauses: false,
            out: Vec::new(),
        }
    }

    /// The background: noise that falls towards high frequencies, as in rooms; -56 dBFS.
    fn noise(&mut self) -> i16 {
        self.low += 0.1 * ((self.random.uniform() - 0.5) * 800.0 - self.low);
        self.low as i16
    }

    /// For so long the sender talks or not, is reached or not.
    fn run(&mut self, seconds: f64, talks: bool, reached: bool) {
        for _ in 0..(seconds * 50.0) as u64 {
            let mut sound = [0; 2 * FRAME];
            for half in sound.chunks_exact_mut(FRAME) {
                let voice = syllables(&mut self.phase);
                for (s, v) in half.iter_mut().zip(voice) {
                    *s = self.noise() + if talks { v } else { 0 };
                }
            }
            let payload = self.encoder.encode_vec(&sound, 1275).unwrap();
            let paused = std::mem::replace(&mut self.pauses, payload.len() <= 2);
            if !(self.pauses && paused) {
                if reached {
                    let now = self.start + Duration::from_millis(20 * self.made);
                    let timestamp = (self.made * 960) as u32;
                    self.playout.insert(now, self.sequence, timestamp, &payload);
                }
                self.sequence += 1;
            }
            self.made += 1;
            for _ in 0..2 {
                let mut frame = Frame::new();
                self.playout.pull(&mut frame);
                self.out.extend_from_slice(&frame);
            }
        }
    }

    fn last(&self, seconds: f64) -> &[i16] {
        &self.out[self.out.len() - (seconds * 48_000.0) as usize..]
    }
}

/// How much a sound repeats itself at the periods of a voice or a hum, 0 to 1.
fn periodicity(sound: &[i16]) -> f64 {
    let of = |lag: usize| {
        let products = sound.iter().zip(&sound[lag..]);
        products
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum::<f64>()
    };
    let energy = of(0);
    (120..1200).map(|lag| of(lag) / energy).fold(0.0, f64::max)
}

#[test]
fn the_background_goes_on_in_a_pause_for_minutes_never_louder_and_without_a_hum() {
    let mut sender = Sender::new();
    sender.run(4.0, true, true);
    sender.run(1.0, false, true);
    for minute in 0..3 {
        sender.run(60.0, false, true);
        for second in sender.last(59.0).chunks_exact(48_000) {
            let level = level_dbfs(second);
            assert!((-63..=-56).contains(&level), "{level} in minute {minute}");
        }
        let hum = periodicity(sender.last(2.0));
        assert!(hum < 0.2, "{hum} in minute {minute}");
    }
    let stats = sender.playout.stats();
    assert_eq!((stats.lost, stats.concealed_ms, stats.underruns), (0, 0, 0));
    assert_eq!(sender.playout.concealed(), 0.0);
}

#[test]
fn there_is_no_click_where_the_pause_begins_or_ends() {
    let mut sender = Sender::new();
    sender.run(4.0, true, true);
    let jump = |sound: &[i16]| sound.windows(2).map(|w| w[0].abs_diff(w[1])).max().unwrap();
    let voice = jump(sender.last(3.0));
    for _ in 0..3 {
        sender.run(3.0, false, true);
        sender.run(3.0, true, true);
        assert!(jump(sender.last(6.0)) <= voice * 5 / 4, "{voice}");
        let pause = &sender.last(4.0)[..48_000 / 2];
        assert!(jump(pause) <= 400, "{}", jump(pause));
    }
}

#[test]
fn a_sender_that_is_gone_in_its_pause_falls_silent_in_a_second_and_a_half() {
    let mut sender = Sender::new();
    sender.run(4.0, true, true);
    sender.run(3.0, false, true);
    sender.run(0.4, false, false);
    assert!(level_dbfs(sender.last(0.1)) > -62);
    sender.run(1.6, false, false);
    assert_eq!(level_dbfs(sender.last(0.1)), SILENCE_DBFS);
    let levels: Vec<i8> = sender
        .last(0.5)
        .chunks_exact(FRAME)
        .map(level_dbfs)
        .collect();
    assert!(levels.windows(2).all(|w| w[1] <= w[0] + 4), "{levels:?}");
}
