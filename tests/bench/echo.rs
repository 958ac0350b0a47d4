//! The cleaner of the microphone's signal in virtual time: a far voice that comes back from the speaker, a near voice, both, and a
//! change of the way between, through simple and less simple rooms. A line each, as Markdown.
//!
//! Seconds 0 to 8: the far voice alone; 8 to 13: both; 13 to 20: the far voice alone, by another way. For the time that a
//! frame takes, build it as the program is built (`cargo run --release --example echo`).

mod random;
mod wav;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use realfft::RealFftPlanner;
use sotto::voice::clean::Cleaner;
use sotto::voice::clean::DELAY;
use sotto::voice::frame::{FRAME, Frame, RATE};

use random::Random;

const SECOND: usize = RATE as usize;
const BOTH: std::ops::Range<usize> = 8 * SECOND..13 * SECOND;
const ALL: usize = 20 * SECOND;

#[derive(Parser)]
struct Args {
    /// 48 kHz mono, 16 bit: both voices are made of it.
    speech: PathBuf,
    /// A folder for what goes in and comes out, for `score`.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Instead: what a speaker played, what the microphone heard meanwhile, and where to put what is sent of it.
    #[arg(long, num_args = 3, value_names = ["FAR", "MICROPHONE", "OUT"])]
    again: Option<Vec<PathBuf>>,
}

/// The way from speaker to microphone, at -6 dB.
#[derive(Clone, Copy)]
struct Way {
    ms: usize,
    /// Time in which the reverberation falls by 60 dB, ms; 0: none.
    room: usize,
    /// The speaker is overdriven.
    distorts: bool,
    /// Noise in the microphone, dB below full scale.
    noise: Option<f64>,
    /// The microphone's clock is so much faster.
    ppm: f64,
}

fn main() {
    // The loop's thread does so.
    sotto::io::this_thread::flush_denormals_to_zero();
    let args = Args::parse();
    if let Some([far, microphone, out]) = args.again.as_deref() {
        write(out, &clean(&read(far), &read(microphone)).0);
        return;
    }
    let speech = read(&args.speech);
    let plain = |ms| Way {
        ms,
        room: 0,
        distorts: false,
        noise: None,
        ppm: 0.0,
    };
    let in_room = |room, distorts| Way {
        room,
        distorts,
        noise: Some(-65.0),
        ..plain(80)
    };
    let ways = [
        ("30 ms", plain(30)),
        ("117 ms", plain(117)),
        ("120 ms", plain(120)),
        ("300 ms", plain(300)),
        (
            "120 ms, 200 ppm",
            Way {
                ppm: 200.0,
                ..plain(120)
            },
        ),
        ("room 120 ms, noise", in_room(120, false)),
        ("room 200 ms, noise, distortion", in_room(200, true)),
    ];
    println!(
        "| | echo taken off by second, dB | near voice lost, dB | by second after a change | µs a frame |\n|---|---|---|---|---|"
    );
    for (number, (name, way)) in ways.into_iter().enumerate() {
        run(
            name,
            way,
            &speech,
            args.keep.as_ref().map(|k| k.join(number.to_string())),
        );
    }
    println!("\n| both all the time | near voice lost by second, dB |\n|---|---|");
    let keep = |name| args.keep.as_ref().map(|k| k.join(name));
    at_once("a headset", None, &speech, keep("headset"));
    at_once("120 ms", Some(plain(120)), &speech, keep("at-once"));
    alone(&speech, None, args.keep.as_ref().map(|k| k.join("clean")));
    alone(
        &speech,
        Some(-55.0),
        args.keep.as_ref().map(|k| k.join("noisy")),
    );
}

fn run(name: &str, way: Way, speech: &[f64], keep: Option<PathBuf>) {
    let looped = |from: usize| speech.iter().copied().cycle().skip(from).take(ALL);
    let far: Vec<f64> = looped(0).collect();
    let mut near: Vec<f64> = looped(6 * SECOND + SECOND / 10).collect();
    near[..BOTH.start].fill(0.0);
    near[BOTH.end..].fill(0.0);
    let mut echo = way.carry(&far, 1);
    let other = Way {
        ms: way.ms + 37,
        ..way
    }
    .carry(&far, 2);
    echo[BOTH.end..].copy_from_slice(&other[BOTH.end..]);
    let mut random = Random(3);
    let microphone: Vec<f64> = (0..ALL)
        .map(|i| echo[i] + near[i] + hiss(&mut random, way.noise))
        .collect();
    let (out, micros) = clean(&far, &microphone);
    let by_second = |from: usize, to: usize| {
        let second = |s: usize| {
            let range = s * SECOND..(s + 1) * SECOND;
            format!("{:.0}", ratio(&echo[range.clone()], &out[range]))
        };
        (from..to).map(second).collect::<Vec<_>>().join(" ")
    };
    let said = &near[BOTH.start + SECOND / 2..BOTH.end - SECOND / 2];
    let heard = &out[BOTH.start + SECOND / 2 + DELAY..][..said.len()];
    let lost = lost(said, heard);
    println!(
        "| {name} | {} | {lost:.1} | {} | {micros:.0} |",
        by_second(0, 8),
        by_second(13, 20)
    );
    if let Some(keep) = keep {
        write(&keep.with_extension("near.wav"), &near[BOTH]);
        write(&keep.with_extension("out.wav"), &out[BOTH]);
    }
}

/// Both talk all the time, and what the speaker plays is heard in the microphone or, with a headset, is not.
fn at_once(name: &str, echo: Option<Way>, speech: &[f64], keep: Option<PathBuf>) {
    let looped = |from: usize| speech.iter().copied().cycle().skip(from).take(ALL);
    let far: Vec<f64> = looped(0).collect();
    let near: Vec<f64> = looped(speech.len() / 2).collect();
    let echo = echo.map_or_else(|| vec![0.0; ALL], |way| way.carry(&far, 1));
    let microphone: Vec<f64> = near.iter().zip(&echo).map(|(n, e)| n + e).collect();
    let (out, _) = clean(&far, &microphone);
    let lost: Vec<String> = (0..19)
        .map(|s| {
            let range = s * SECOND..(s + 1) * SECOND;
            format!("{:.1}", lost(&near[range.clone()], &out[DELAY..][range]))
        })
        .collect();
    println!("| {name} | {} |", lost.join(" "));
    if let Some(keep) = keep {
        write(&keep.with_extension("said.wav"), &near);
        write(&keep.with_extension("heard.wav"), &out);
    }
}

/// How much softer what was said is in what was heard, dB.
fn lost(said: &[f64], heard: &[f64]) -> f64 {
    let common: f64 = said.iter().zip(heard).map(|(s, h)| s * h).sum();
    -20.0 * (common.max(0.0) / power(said)).log10()
}

/// The near voice and a silent speaker.
fn alone(speech: &[f64], noise: Option<f64>, keep: Option<PathBuf>) {
    let mut random = Random(4);
    let lead = vec![0.0; 2 * SECOND];
    let said: Vec<f64> = lead.iter().chain(speech).copied().collect();
    let microphone: Vec<f64> = said.iter().map(|s| s + hiss(&mut random, noise)).collect();
    let (out, micros) = clean(&vec![0.0; said.len()], &microphone);
    let pause = SECOND..2 * SECOND;
    println!(
        "\nthe near voice alone, noise {noise:?}: {micros:.0} µs a frame, {:.1} dB less noise in a pause",
        ratio(&microphone[pause.clone()], &out[pause])
    );
    if let Some(keep) = keep {
        write(&keep.with_extension("said.wav"), &said);
        write(&keep.with_extension("heard.wav"), &out);
    }
}

/// What comes out, and µs a frame.
fn clean(far: &[f64], microphone: &[f64]) -> (Vec<f64>, f64) {
    let frame = |from: &[f64]| -> Frame { from.iter().map(|s| s.round() as i16).collect() };
    let (far, microphone) = (far.chunks_exact(FRAME), microphone.chunks_exact(FRAME));
    let frames: Vec<_> = far.map(frame).zip(microphone.map(frame)).collect();
    let mut cleaner = Cleaner::new();
    let mut out = Vec::with_capacity(frames.len() * FRAME);
    let begin = Instant::now();
    for (played, mut heard) in frames {
        cleaner.played(&played);
        cleaner.clean(&mut heard);
        out.extend(heard.iter().map(|&s| f64::from(s)));
    }
    let frames = (out.len() / FRAME).max(1) as f64;
    let micros = begin.elapsed().as_secs_f64() * 1e6 / frames;
    (out, micros)
}

impl Way {
    fn carry(&self, far: &[f64], seed: u64) -> Vec<f64> {
        let overdriven = |s: f64| {
            12_000.0 * (0.9 * (s / 12_000.0).tanh() + 0.05 * (s / 12_000.0).powi(2).min(1.0))
        };
        let samples = self.room * 48;
        let mut random = Random(seed);
        let mut response: Vec<f64> = (0..samples)
            .map(|i| random.normal() * 10_f64.powf(-3.0 * i as f64 / samples as f64))
            .collect();
        match response.first_mut() {
            Some(direct) => *direct = 6.0,
            None => response.push(1.0),
        }
        let gain = 10_f64.powf(-6.0 / 20.0) / power(&response).sqrt();
        let length = (far.len() + response.len()).next_power_of_two();
        let mut planner = RealFftPlanner::new();
        let (forward, inverse) = (
            planner.plan_fft_forward(length),
            planner.plan_fft_inverse(length),
        );
        let spectrum_of = |signal: Vec<f64>| {
            let mut padded = signal;
            padded.resize(length, 0.0);
            let mut spectrum = forward.make_output_vec();
            forward
                .process(&mut padded, &mut spectrum)
                .expect("lengths fit");
            spectrum
        };
        let played = far
            .iter()
            .map(|&s| if self.distorts { overdriven(s) } else { s });
        let mut product = spectrum_of(played.collect());
        for (p, r) in product.iter_mut().zip(spectrum_of(response)) {
            *p *= r * gain / length as f64;
        }
        let mut echo = vec![0.0; length];
        inverse
            .process(&mut product, &mut echo)
            .expect("lengths fit");
        let step = 1e6 / (1e6 + self.ppm);
        (0..far.len())
            .map(|i| {
                let at = i as f64 * step - self.ms as f64 * 48.0;
                let sample = |at: f64| if at < 0.0 { 0.0 } else { echo[at as usize] };
                let [a, b, c, d] = [-1.0, 0.0, 1.0, 2.0].map(|i| sample(at.floor() + i));
                let share = at - at.floor();
                // Catmull and Rom's cubic: a straight line would muffle it, now more and now less.
                let (cubic, square) = (3.0 * (b - c) + d - a, 2.0 * a - 5.0 * b + 4.0 * c - d);
                b + 0.5 * share * (c - a + share * (square + share * cubic))
            })
            .collect()
    }
}

fn read(path: &Path) -> Vec<f64> {
    wav::read(path).into_iter().map(f64::from).collect()
}

fn power(samples: &[f64]) -> f64 {
    samples.iter().map(|s| s * s).sum()
}

/// dB; silence counts as one sample step in a thousand.
fn ratio(before: &[f64], after: &[f64]) -> f64 {
    let least = before.len() as f64 * 1e-3;
    10.0 * ((power(before) + least) / (power(after) + least)).log10()
}

fn write(path: &Path, samples: &[f64]) {
    wav::write(path, samples.iter().map(|&s| s as i16));
}

fn hiss(random: &mut Random, dbfs: Option<f64>) -> f64 {
    dbfs.map_or(0.0, |db| {
        random.normal() * 32_768.0 * 10_f64.powf(db / 20.0)
    })
}
