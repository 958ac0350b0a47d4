//! What voice costs the processor, a packet of 20 ms or a frame of 10 ms at a time: `cargo bench --bench frames`.
//!
//! 50 packets and 100 frames make a second, each way.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use sotto::voice::capture::{Capture, PACKET};
use sotto::voice::frame::{FRAME, Frame, Meter, RATE, Volume, silence};
use sotto::voice::playout::Playout;
use sotto::voice::redundancy::Feedback;

/// Payload type of Opus.
const OPUS: u8 = 111;

/// Frames of speech that are said over and over: 4 s.
const FRAMES: usize = 400;

fn sending(c: &mut Criterion) {
    let speech = speech();
    for (name, percent) in [("no loss", 0), ("20 % loss", 20)] {
        let mut capture = capture_at(percent);
        let mut said = speech.iter().cycle();
        c.bench_function(&format!("20 ms to send, {name} expected"), |b| {
            b.iter(|| {
                for frame in said.by_ref().take(PACKET / FRAME) {
                    capture.push(frame, true, |p| {
                        black_box(p.payload);
                    });
                }
            });
        });
    }
}

fn playing(c: &mut Criterion) {
    let packets = packets();
    let mut bench = |name: &str, fate: fn(u64) -> Option<u64>| {
        let mut wire = Wire::new(&packets, fate);
        c.bench_function(&format!("10 ms to play, {name}"), |b| {
            b.iter(|| wire.pull());
        });
    };
    bench("clean", |_| Some(0));
    bench("one packet in ten lost", |n| (n % 10 != 3).then_some(0));
    bench("four packets in forty lost", |n| (n % 40 >= 4).then_some(0));
    // The wanted wait goes up and down all the time.
    bench("stretched", |n| {
        Some(if n % 100 < 50 { 0 } else { n % 4 * 20 })
    });
    bench("nothing comes", |_| None);
}

fn levels(c: &mut Criterion) {
    let mut frame = speech().swap_remove(FRAMES / 3);
    let (mut meter, mut volume) = (Meter::new(), Volume::new(70));
    c.bench_function("the level of 10 ms", |b| {
        b.iter(|| meter.update(black_box(&frame)));
    });
    c.bench_function("the volume of 10 ms", |b| {
        b.iter(|| volume.apply(black_box(&mut frame), 70));
    });
}

/// Packets that arrive so many ms late, or not at all, and the speaker that pulls.
struct Wire<'a> {
    packets: &'a [Vec<u8>],
    fate: fn(u64) -> Option<u64>,
    playout: Playout,
    frame: Frame,
    start: Instant,
    /// ms since the start.
    now: u64,
    sent: u64,
    /// When it arrives, which it is; the earliest last.
    on_the_way: Vec<(u64, u64)>,
}

impl<'a> Wire<'a> {
    fn new(packets: &'a [Vec<u8>], fate: fn(u64) -> Option<u64>) -> Self {
        Self {
            packets,
            fate,
            playout: Playout::new().expect("libopus starts"),
            frame: silence(),
            start: Instant::now(),
            now: 0,
            sent: 0,
            on_the_way: Vec::with_capacity(64),
        }
    }

    fn pull(&mut self) {
        while self.sent * 20 <= self.now {
            if let Some(late) = (self.fate)(self.sent) {
                self.on_the_way.push((self.sent * 20 + late, self.sent));
                self.on_the_way.sort_unstable_by(|a, b| b.cmp(a));
            }
            self.sent += 1;
        }
        while let Some(&(at, n)) = self.on_the_way.last()
            && at <= self.now
        {
            self.on_the_way.pop();
            let arrived = self.start + Duration::from_millis(at);
            let payload = &self.packets[n as usize % self.packets.len()];
            let timestamp = (n as u32).wrapping_mul(PACKET as u32);
            self.playout.insert(arrived, n, timestamp, payload);
        }
        self.now += 10;
        self.playout.pull(&mut self.frame);
        black_box(&self.frame);
    }
}

/// A sending half whose peer takes RED and missed such a share of ten seconds of packets.
fn capture_at(percent: u32) -> Capture {
    let mut capture = Capture::new().expect("libopus starts");
    capture.set_red(Some(OPUS));
    for _ in 0..20 {
        capture.handle_feedback(Feedback {
            packets: 25,
            lost: 25 * percent / 100,
            rtt: None,
        });
    }
    capture
}

fn packets() -> Vec<Vec<u8>> {
    let mut capture = capture_at(0);
    let mut packets = Vec::new();
    for frame in speech() {
        capture.push(&frame, true, |p| packets.push(p.payload.to_vec()));
    }
    packets
}

/// A buzzing vowel in syllables, four a second, with the pauses between them.
fn speech() -> Vec<Frame> {
    let mut phase = 0.0_f32;
    let mut sample = |i: usize| {
        let seconds = i as f32 / RATE as f32;
        phase += (130.0 + 20.0 * (seconds * 3.0).sin()) / RATE as f32;
        let voice: f32 = (1..20_u8)
            .map(|k| (phase * f32::from(k) * std::f32::consts::TAU).sin() / f32::from(k))
            .sum();
        let loud = (seconds * 4.0 * std::f32::consts::PI).sin().powi(2);
        (voice * loud * 6_000.0) as i16
    };
    (0..FRAMES)
        .map(|f| (0..FRAME).map(|i| sample(f * FRAME + i)).collect())
        .collect()
}

criterion_group!(benches, sending, playing, levels);
criterion_main!(benches);
