//! Speech through the sending half, a bad wire in virtual time and the receiving half: what `lab.py` does in real time with
//! two programs, this does with the codec alone in a second. For finding out what a change of `voice` does.
//!
//! The wire has the lab's own faults, by the same names. The peer's reports of loss come four times a second.

mod random;
mod wav;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use sotto::voice::capture::{Capture, Packet};
use sotto::voice::frame::{FRAME, Frame, RATE, silence};
use sotto::voice::playout::Playout;
use sotto::voice::redundancy::Reports;

use random::Random;

/// Silence before the speech, in which the ends get to know the wire, and after it.
const LEAD: usize = 5;
const TAIL: usize = 2;
/// Payload type of Opus.
const OPUS: u8 = 111;
/// Bytes of a packet before its payload: IPv4, UDP, RTP; SRTP's tag.
const HEADERS: usize = 20 + 8 + 12 + 10;

#[derive(Parser)]
struct Args {
    /// 48 kHz mono, 16 bit.
    speech: PathBuf,
    /// What was said, with silence before and after, goes here …
    said: PathBuf,
    /// … and what was heard here: they begin together.
    heard: PathBuf,
    /// Percent of packets lost.
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Mean length of a burst of losses, packets; 1: independent ones.
    #[arg(long, default_value_t = 1.0)]
    burst: f64,
    /// ms, one way.
    #[arg(long, default_value_t = 0.0)]
    delay: f64,
    /// Standard deviation of what is added to it, ms.
    #[arg(long, default_value_t = 0.0)]
    jitter: f64,
    /// How much faster the speaker's clock is than the microphone's.
    #[arg(long, default_value_t = 0.0, allow_hyphen_values = true)]
    ppm: f64,
    /// Of all that is random.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// The peer takes no RED, as a browser without it.
    #[arg(long)]
    no_red: bool,
    /// The microphone's signal is cleaned, as in a call.
    #[arg(long)]
    processing: bool,
    /// The speech is said so many times.
    #[arg(long, default_value_t = 1)]
    times: usize,
}

fn main() {
    let args = Args::parse();
    let speech = wav::read(&args.speech);
    let mut said = vec![0; LEAD * RATE as usize];
    for _ in 0..args.times {
        said.extend_from_slice(&speech);
    }
    said.resize(said.len() + TAIL * RATE as usize, 0);

    let mut capture = Capture::new().expect("libopus starts");
    capture.set_red((!args.no_red).then_some(OPUS));
    if args.processing {
        capture.set_processing();
    }
    let mut playout = Playout::new().expect("libopus starts");
    let mut wire = Wire {
        args: &args,
        random: Random(args.seed),
        bad: false,
    };
    let start = Instant::now();
    let (mut heard, mut on_the_way) = (Vec::with_capacity(said.len()), BTreeMap::new());
    let (mut sent, mut bytes, mut pulls) = (0_u64, 0, 0_u64);
    let (mut most, mut this_second) = (0, 0);
    let (mut arrived, mut highest) = (0_u64, 0_u64);
    let mut reports = Reports::new(0);
    for ms in 0..(said.len() / FRAME * 10) as u64 {
        let now = start + Duration::from_millis(ms);
        if ms % 10 == 0 {
            let from = ms as usize / 10 * FRAME;
            let frame: Frame = said[from..from + FRAME].iter().copied().collect();
            capture.push(&frame, true, |p: Packet<'_>| {
                bytes += p.payload.len();
                this_second += p.payload.len() + HEADERS;
                if let Some(late) = wire.carry() {
                    let at = (ms as f64 + late) * 1000.0;
                    on_the_way.insert((at as u64, sent), (p.timestamp, p.red, p.payload.to_vec()));
                }
                sent += 1;
            });
        }
        if ms % 250 == 249 {
            let lost = (highest + 1).saturating_sub(arrived);
            let rtt = Duration::from_secs_f64(args.delay / 500.0);
            capture.handle_feedback(reports.take(highest, lost, Some(rtt)));
        }
        if ms % 1000 == 999 {
            most = most.max(std::mem::take(&mut this_second));
        }
        while let Some(first) = on_the_way.first_entry()
            && first.key().0 <= ms * 1000
        {
            let ((_, sequence), (timestamp, red, payload)) = first.remove_entry();
            arrived += 1;
            highest = highest.max(sequence);
            if red {
                playout.insert_red(now, sequence, timestamp, &payload, OPUS);
            } else {
                playout.insert(now, sequence, timestamp, &payload);
            }
        }
        if ms as f64 >= (pulls * 10 + 5) as f64 * (1.0 - args.ppm / 1e6) {
            let mut frame = silence();
            playout.pull(&mut frame);
            heard.extend_from_slice(&frame);
            pulls += 1;
        }
    }
    let seconds = said.len() as f64 / f64::from(RATE);
    let stats = serde_json::to_value(playout.stats()).expect("counters are JSON");
    println!(
        "{}",
        serde_json::json!({
            "packets_per_s": sent as f64 / seconds,
            "payload_kbit_per_s": bytes as f64 * 8.0 / 1000.0 / seconds,
            "most_kbit_per_s_with_headers": most as f64 * 8.0 / 1000.0,
            "copies_at_end": capture.plan().distances.as_slice(),
            "playout": stats,
        })
    );
    wav::write(&args.said, said);
    wav::write(&args.heard, heard);
}

struct Wire<'a> {
    args: &'a Args,
    random: Random,
    bad: bool,
}

impl Wire<'_> {
    /// After how many ms the next packet arrives, if it does. Loss is independent, or comes in Gilbert's bursts.
    fn carry(&mut self) -> Option<f64> {
        let (p, n) = (self.args.loss / 100.0, self.args.burst);
        let lost = if n <= 1.0 {
            self.random.uniform() < p
        } else {
            let chance = if self.bad {
                1.0 - 1.0 / n
            } else {
                p / ((1.0 - p) * n)
            };
            self.bad = self.random.uniform() < chance;
            self.bad
        };
        let late = self.args.delay + (self.random.normal() * self.args.jitter).abs();
        (!lost).then_some(late)
    }
}
