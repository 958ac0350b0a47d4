//! A line from one mouth to one ear, in virtual time, and what is said and heard on it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sotto::voice::capture::Capture;
use sotto::voice::frame::{self, FRAME, Frame, level_dbfs};
use sotto::voice::gate::Switch;
use sotto::voice::playout::{Playout, PlayoutStats};
use sotto::voice::redundancy::Feedback;

/// Payload type of Opus.
pub const OPUS: u8 = 111;

/// Sequence number, timestamp, whether it has copies, payload.
pub type Sent = (u64, u32, bool, Vec<u8>);

/// A call one way. The clock ticks milliseconds: the microphone gives its frame at the start of every 10 ms, the speaker
/// takes its own in the middle.
pub struct Line {
    pub start: Instant,
    pub ms: u64,
    pub capture: Capture,
    pub playout: Playout,
    pub sequence: u64,
    pub timestamp: u32,
    /// By arrival (ms) and order.
    pub on_the_way: BTreeMap<(u64, u64), Sent>,
    pub sent: u64,
    /// How much longer than the microphone's the speaker's 10 ms are, in millionths.
    pub drift_ppm: i64,
    pub pulls: u64,
    pub phase: f64,
    pub mouth: fn(&mut f64) -> Frame,
    pub talking: bool,
    /// Push to talk, with the button down while `talking`.
    pub ptt: bool,
    pub out: Vec<i16>,
    pub delays: Vec<u32>,
}

impl Line {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            ms: 0,
            capture: Capture::new().unwrap(),
            playout: Playout::new().unwrap(),
            sequence: 100,
            timestamp: 5_000,
            on_the_way: BTreeMap::new(),
            sent: 0,
            drift_ppm: 0,
            pulls: 0,
            phase: 0.0,
            mouth: tone,
            talking: true,
            ptt: false,
            out: Vec::new(),
            delays: Vec::new(),
        }
    }

    /// The same with syllables, without which Opus hears no speech and sends no repair data.
    pub fn of_syllables() -> Self {
        Self {
            mouth: syllables,
            ..Self::new()
        }
    }

    /// A call of syllables whose peer takes RED and has reported so many percent of losses.
    pub fn with_red(percent: u32) -> Self {
        let mut line = Self::of_syllables();
        line.capture.set_red(Some(OPUS));
        line.report(percent);
        line
    }

    /// The peer reports so many percent of the last 500 packets as lost.
    pub fn report(&mut self, percent: u32) {
        for i in 0..50 {
            self.capture.handle_feedback(Feedback {
                packets: 10,
                lost: percent * (i + 1) / 10 - percent * i / 10,
                rtt: None,
            });
        }
    }

    /// Runs for `seconds`; `network` says after how many ms each copy of the packet of that number arrives.
    pub fn run(&mut self, seconds: f64, mut network: impl FnMut(u64) -> Vec<u64>) {
        let end = self.ms + (seconds * 1000.0) as u64;
        while self.ms < end {
            if self.ms.is_multiple_of(10) {
                let frame = (self.mouth)(&mut self.phase);
                let switch = match (self.ptt, self.talking) {
                    (true, true) => Switch::TalkDown,
                    (true, false) => Switch::TalkUp,
                    (false, open) => open.into(),
                };
                self.capture.push(&frame, switch, |p| {
                    let timestamp = self.timestamp.wrapping_add(p.timestamp);
                    for delay in network(self.sent) {
                        let key = (
                            self.ms + delay,
                            self.on_the_way.len() as u64 + self.sent * 1000,
                        );
                        let packet = (self.sequence, timestamp, p.red, p.payload.to_vec());
                        self.on_the_way.insert(key, packet);
                    }
                    self.sequence = self.sequence.wrapping_add(1);
                    self.sent += 1;
                });
            }
            while let Some(entry) = self.on_the_way.first_entry()
                && entry.key().0 <= self.ms
            {
                let (sequence, timestamp, red, payload) = entry.remove();
                let now = self.start + Duration::from_millis(self.ms);
                if red {
                    self.playout
                        .insert_red(now, sequence, timestamp, &payload, OPUS);
                } else {
                    self.playout.insert(now, sequence, timestamp, &payload);
                }
            }
            let due = (self.pulls * 10 + 5) as f64 * (1.0 + self.drift_ppm as f64 / 1e6);
            if self.ms as f64 >= due {
                self.pull();
            }
            self.ms += 1;
        }
    }

    pub fn pull(&mut self) -> &[i16] {
        let mut frame = Frame::new();
        self.playout.pull(&mut frame);
        assert_eq!(frame.len(), FRAME);
        self.pulls += 1;
        self.delays.push(self.playout.stats().delay_ms);
        self.out.extend_from_slice(&frame);
        &self.out[self.out.len() - FRAME..]
    }

    pub fn stats(&self) -> &PlayoutStats {
        self.playout.stats()
    }

    /// What came out in the last `seconds`.
    pub fn last(&self, seconds: f64) -> &[i16] {
        &self.out[self.out.len() - (seconds * 48_000.0) as usize..]
    }
}

pub const HERTZ: f64 = 400.0;

/// 10 ms of 400 Hz at -12 dBFS.
pub fn tone(phase: &mut f64) -> Frame {
    (0..FRAME)
        .map(|_| {
            *phase += HERTZ * std::f64::consts::TAU / 48_000.0;
            (phase.sin() * 11_640.0) as i16
        })
        .collect()
}

/// The tone, swelling and fading five times a second between full and a third.
pub fn syllables(phase: &mut f64) -> Frame {
    let loudness = |phase: f64| {
        let swell = (phase / HERTZ * 5.0).sin() * 0.5 + 0.5;
        (0.33 + 0.67 * swell) as f32
    };
    let from = loudness(*phase);
    let mut frame = tone(phase);
    frame::ramp(&mut frame, from, loudness(*phase));
    frame
}

/// Syllables for a second and a half, then silence for a half.
pub fn phrases(phase: &mut f64) -> Frame {
    let seconds = *phase / HERTZ / std::f64::consts::TAU;
    let frame = syllables(phase);
    if seconds % 2.0 < 1.5 {
        frame
    } else {
        frame::silence()
    }
}

/// Frequency by counting the ways up through zero.
pub fn hertz(sound: &[i16]) -> f64 {
    let ups = sound.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
    ups as f64 * 48_000.0 / sound.len() as f64
}

/// The quietest 10 ms.
pub fn quietest(sound: &[i16]) -> i8 {
    sound.chunks_exact(FRAME).map(level_dbfs).min().unwrap()
}

/// Packets come after 40 ms, but for those of which `lose` says that they do not.
pub fn losing(mut lose: impl FnMut(u64) -> bool) -> impl FnMut(u64) -> Vec<u64> {
    move |i| if lose(i) { vec![] } else { vec![40] }
}

pub fn always(ms: u64) -> impl FnMut(u64) -> Vec<u64> {
    move |_| vec![ms]
}

/// Uniform in 0..1, the same every time.
pub struct Random(pub u64);

impl Random {
    pub fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The absolute value of a Gaussian one, of this deviation.
    pub fn gauss(&mut self, deviation: f64) -> f64 {
        let radius = (-2.0 * self.uniform().max(1e-12).ln()).sqrt();
        (radius * (self.uniform() * std::f64::consts::TAU).cos() * deviation).abs()
    }
}

pub fn jittery(seed: u64) -> impl FnMut(u64) -> Vec<u64> {
    let mut random = Random(seed);
    move |_| vec![40 + random.gauss(20.0) as u64]
}
