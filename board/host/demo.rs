//! The demonstration: two whole intercoms on this machine, each its own process with its own sound, hold a call.
//!
//! They exchange codes over their consoles as a script would. A recorded voice is each one's microphone, a WAV file each
//! one's speaker, both paced like a sound card. Both panels are shown live; the end is a summary of what was measured.

use std::fs;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use clap::Parser;
use serde_json::{Value, json};

use sotto::intercom::screen::Framebuffer;
use sotto::io::terminal::{braille, half_blocks};
use sotto::voice::frame::{FRAME, RATE};

type Failure = Box<dyn std::error::Error>;

/// Where Debian's alsa-utils keeps a person saying where the loudspeakers are.
const VOICE: &str = "/usr/share/sounds/alsa";
const WORDS: [[&str; 4]; 2] = [
    ["Front_Center", "Side_Left", "Rear_Right", "Front_Left"],
    ["Rear_Center", "Side_Right", "Rear_Left", "Front_Right"],
];
const NAMES: [&str; 2] = ["A", "B"];
/// How long the two talk.
const TALK: Duration = Duration::from_secs(12);
/// A console that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Shows and measures a call between two intercoms on this machine.
#[derive(Parser)]
struct Arguments {
    /// The intercom's program.
    #[arg(long)]
    sotto: PathBuf,
    /// Print the summary as one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let shown = !arguments.json && std::io::stdout().is_terminal();
    let folder = std::env::temp_dir().join(format!("sotto-demo-{}", std::process::id()));
    let result = fs::create_dir_all(&folder)
        .map_err(Failure::from)
        .and_then(|()| demonstrate(&arguments, &folder, shown));
    // Best effort: a temporary folder that stays is no reason to fail.
    let _ = fs::remove_dir_all(&folder);
    match result {
        Ok(summary) => {
            if arguments.json {
                println!("{summary}");
            } else {
                print_summary(&summary);
            }
            if summary["heard"] == json!(true) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(e) => {
            eprintln!("demo: {e}");
            ExitCode::FAILURE
        }
    }
}

fn demonstrate(arguments: &Arguments, folder: &Path, shown: bool) -> Result<Value, Failure> {
    let mut ends = [
        End::start(0, &arguments.sotto, folder)?,
        End::start(1, &arguments.sotto, folder)?,
    ];
    let mut stage = Stage::new(shown, arguments.json);
    for end in &mut ends {
        end.hear("* ready")?;
        end.say("passphrase correct horse battery staple")?;
        end.say("mode open")?;
    }
    let [a, b] = &mut ends;
    stage.tell("A calls");
    a.say("call")?;
    let offer = a.hear("* offer ")?;
    stage.tell(&format!("A's offer, {} characters: {offer}", offer.len()));
    b.say(&offer)?;
    let answer = b.hear("* answer ")?;
    stage.tell(&format!(
        "B's answer, {} characters: {answer}",
        answer.len()
    ));
    let entered = Instant::now();
    a.say(&answer)?;
    a.hear("* connected")?;
    b.hear("* connected")?;
    let connected = entered.elapsed();
    let words = [a.hear("* words ")?, b.hear("* words ")?];
    stage.tell(&format!("connected; words: {}", words[0]));

    let until = Instant::now() + TALK;
    while Instant::now() < until {
        stage.show(&mut ends);
        thread::sleep(Duration::from_millis(66));
    }
    stage.show(&mut ends);
    stage.leave();

    let [a, b] = &mut ends;
    let directions = [measure(a, b)?, measure(b, a)?];
    a.say("hang")?;
    b.hear("* ended")?;
    for end in &mut ends {
        end.say("quit")?;
        end.child.wait()?;
    }
    let heard = directions.iter().all(|d| !d["mouth_to_ear_ms"].is_null());
    Ok(json!({
        "connected_ms": connected.as_millis() as u64,
        "words_match": words[0] == words[1],
        "words": words[0],
        "offer_characters": offer.len(),
        "answer_characters": answer.len(),
        "a_to_b": directions[0],
        "b_to_a": directions[1],
        "heard": heard && words[0] == words[1],
    }))
}

fn print_summary(s: &Value) {
    println!(
        "connected in   {} ms after the answer was entered",
        s["connected_ms"]
    );
    let verdict = if s["words_match"] == json!(true) {
        "yes"
    } else {
        "NO"
    };
    println!(
        "words match    {verdict} ({})",
        s["words"].as_str().unwrap_or_default()
    );
    for (name, key) in [("A to B", "a_to_b"), ("B to A", "b_to_a")] {
        let d = &s[key];
        match d["mouth_to_ear_ms"].as_f64() {
            Some(delay) => println!(
                "{name}         mouth to ear {delay:.1} ms, level in {} dBFS, out {} dBFS, packets lost {} of {}",
                d["level_in_dbfs"], d["level_out_dbfs"], d["packets_lost"], d["packets"]
            ),
            None => println!(
                "{name}         NOT HEARD, level in {} dBFS, out {} dBFS",
                d["level_in_dbfs"], d["level_out_dbfs"]
            ),
        }
    }
}

/// One intercom.
struct End {
    child: Child,
    console: ChildStdin,
    lines: Receiver<String>,
    panel: PathBuf,
    /// What its microphone plays over and over.
    voice: Vec<f32>,
    /// When its speaker's file grew: samples in it, Unix time.
    ear: Receiver<(usize, Duration)>,
    ear_file: PathBuf,
}

impl End {
    fn start(index: usize, sotto: &Path, folder: &Path) -> Result<Self, Failure> {
        let file = |what: &str| folder.join(format!("{}-{what}", NAMES[index]));
        let (mouth, ear_file, panel, board) = (
            file("mouth.wav"),
            file("ear.wav"),
            file("panel"),
            file("board.toml"),
        );
        let voice = record(&WORDS[index], &mouth)?;
        fs::write(
            &board,
            format!(
                "name = \"demo\"\nbuttons = \"none\"\nscreen = \"file:{}\"\nquit = true\n",
                panel.display()
            ),
        )?;
        let mut child = Command::new(sotto)
            .args(["run", "--console", "stdio", "--set", "stun=[]", "--board"])
            .arg(&board)
            .arg("--set")
            .arg(format!("sound.capture=wav:{}?loop", mouth.display()))
            .arg("--set")
            .arg(format!("sound.playback=wav:{}", ear_file.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{}: {e}", sotto.display()))?;
        let console = child.stdin.take().ok_or("no stdin")?;
        let output = child.stdout.take().ok_or("no stdout")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let ear = watch(ear_file.clone());
        Ok(Self {
            child,
            console,
            lines,
            panel,
            voice,
            ear,
            ear_file,
        })
    }

    fn say(&mut self, line: &str) -> Result<(), Failure> {
        Ok(writeln!(self.console, "{line}")?)
    }

    /// Waits for a line that begins so, and gives the rest of it.
    fn hear(&mut self, start: &str) -> Result<String, Failure> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self
                .lines
                .recv_timeout(left)
                .map_err(|_| format!("an intercom never said {start:?}"))?;
            if let Some(rest) = line.strip_prefix(start) {
                return Ok(rest.trim().to_owned());
            }
            if line.starts_with("! ") {
                return Err(line.into());
            }
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // It has gone already when all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes one voice with pauses, and gives it back in samples from -1 to 1.
fn record(words: &[&str], path: &Path) -> Result<Vec<f32>, Failure> {
    let mut samples = Vec::new();
    for word in words {
        let file = format!("{VOICE}/{word}.wav");
        let mut reader = hound::WavReader::open(&file)
            .map_err(|e| format!("{file}: {e}; install the Debian package alsa-utils"))?;
        let channels = usize::from(reader.spec().channels);
        let read: Vec<i16> = reader.samples().collect::<Result<_, _>>()?;
        samples.extend(read.into_iter().step_by(channels));
        samples.extend(std::iter::repeat_n(0, RATE as usize / 4));
    }
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec)?;
    for &sample in &samples {
        writer.write_sample(sample)?;
    }
    writer.finalize()?;
    Ok(samples
        .into_iter()
        .map(|s| f32::from(s) / 32_768.0)
        .collect())
}

/// Dates a growing WAV file, to a millisecond.
fn watch(path: PathBuf) -> Receiver<(usize, Duration)> {
    const HEADER: u64 = 44;
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut seen = 0;
        loop {
            let size = fs::metadata(&path).map_or(0, |m| m.len());
            let samples = size.saturating_sub(HEADER) as usize / 2;
            if samples > seen {
                seen = samples;
                if sender.send((samples, unix())).is_err() {
                    return;
                }
            }
            thread::sleep(Duration::from_micros(500));
        }
    });
    receiver
}

fn unix() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// What of the voice at `from` came out at `to`, and how late.
fn measure(from: &mut End, to: &mut End) -> Result<Value, Failure> {
    // Counters of the receiving end.
    to.say("stats")?;
    let stats: Value = serde_json::from_str(&format!("{{{}", to.hear("{")?))?;
    let received = stats["playout"]["received"].as_u64().unwrap_or(0);
    let lost = stats["playout"]["lost"].as_u64().unwrap_or(0);

    let ear: Vec<f32> = hound::WavReader::open(&to.ear_file)?
        .into_samples::<i16>()
        .map_while(Result::ok)
        .map(|s| f32::from(s) / 32_768.0)
        .collect();
    // The file was never written earlier than it grew, so the earliest date is the truest. A frame begins to sound when it is written.
    let start = to
        .ear
        .try_iter()
        .map(|(samples, at)| {
            at.as_secs_f64() - samples.saturating_sub(FRAME) as f64 / f64::from(RATE)
        })
        .fold(f64::INFINITY, f64::min);
    let delays = delays(&from.voice, &ear, start);
    // The first second is the call's beginning.
    let skip = RATE as usize;
    Ok(json!({
        "mouth_to_ear_ms": median(delays).map(|d| (d * 10.0).round() / 10.0),
        "level_in_dbfs": level(&from.voice),
        "level_out_dbfs": level(ear.get(skip..).unwrap_or_default()),
        "packets": received + lost,
        "packets_lost": lost,
    }))
}

/// Mouth to ear in ms, for every stretch of two seconds in which the voice is recognised.
fn delays(voice: &[f32], ear: &[f32], start: f64) -> Vec<f64> {
    // 8 kHz is fine enough: an eighth of a millisecond.
    const STEP: usize = 6;
    const LOW: f64 = RATE as f64 / STEP as f64;
    // A looped microphone's first sample sounds when the Unix time is a multiple of its length.
    let length = voice.len() as f64 / f64::from(RATE);
    let thin = |x: &[f32]| -> Vec<f32> {
        x.chunks_exact(STEP)
            .map(|c| c.iter().sum::<f32>() / STEP as f32)
            .collect()
    };
    let (voice, ear) = (thin(voice), thin(ear));
    let window = 2 * LOW as usize;
    let longest = LOW as usize;
    let mut out = Vec::new();
    for begin in (longest..ear.len().saturating_sub(window)).step_by(window / 2) {
        let heard = &ear[begin..begin + window];
        let energy: f32 = heard.iter().map(|x| x * x).sum();
        if energy / (window as f32) < 1e-6 {
            continue;
        }
        let at = (start + begin as f64 / LOW).rem_euclid(length) * LOW;
        let best = (0..longest)
            .map(|lag| {
                let from = (at as usize + 2 * voice.len() - lag) % voice.len();
                let said = voice[from..].iter().chain(voice.iter().cycle());
                let (mut product, mut power) = (0.0, 0.0);
                for (x, y) in heard.iter().zip(said) {
                    product += x * y;
                    power += y * y;
                }
                (product / (power * energy).sqrt().max(1e-9), lag)
            })
            .max_by(|x, y| x.0.total_cmp(&y.0));
        if let Some((similarity, lag)) = best
            && similarity > 0.35
        {
            out.push(lag as f64 / LOW * 1_000.0);
        }
    }
    out
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn level(samples: &[f32]) -> f64 {
    let energy: f64 = samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
    let mean = energy / samples.len().max(1) as f64;
    (100.0 * mean.max(1e-9).log10()).round() / 10.0
}

/// Where the spectator looks.
enum Stage {
    /// A terminal: both panels, redrawn in place.
    Terminal { told: Vec<String> },
    /// Lines.
    Lines,
    /// Nothing but the summary.
    Silent,
}

impl Stage {
    fn new(shown: bool, json: bool) -> Self {
        if shown {
            print!("\x1b[?1049h\x1b[?25l\x1b[2J");
            Self::Terminal { told: Vec::new() }
        } else if json {
            Self::Silent
        } else {
            Self::Lines
        }
    }

    fn tell(&mut self, line: &str) {
        match self {
            Self::Terminal { told } => told.push(line.to_owned()),
            Self::Lines => println!("{line}"),
            Self::Silent => {}
        }
    }

    fn show(&self, ends: &mut [End; 2]) {
        let Self::Terminal { told } = self else {
            return;
        };
        let panels = ends.each_ref().map(|end| {
            let bytes: Option<[u8; 1024]> =
                fs::read(&end.panel).ok().and_then(|b| b.try_into().ok());
            bytes.map_or_else(Framebuffer::new, |b| Framebuffer::from_bytes(&b))
        });
        let width = crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns));
        let draw = |panel: &Framebuffer| {
            if width >= 258 {
                half_blocks(panel)
            } else {
                braille(panel)
            }
        };
        let [left, right] = panels.each_ref().map(draw);
        let columns = left.first().map_or(0, |row| row.chars().count());
        let fits = 2 * columns + 2 <= width;
        let mut out = if fits {
            format!("\x1b[H A{:columns$} B\x1b[K\r\n", "")
        } else {
            format!(
                "\x1b[H A (B is beside it in {} columns)\x1b[K\r\n",
                2 * columns + 2
            )
        };
        for (l, r) in left.iter().zip(&right) {
            let r = if fits { r } else { "" };
            out.push_str(&format!("{l}  {r}\x1b[K\r\n"));
        }
        for line in told {
            let line: String = line.chars().take(width.saturating_sub(1)).collect();
            out.push_str(&format!("\x1b[K\r\n {line}"));
        }
        print!("{out}\x1b[J");
        // A spectator that cannot keep up misses a picture.
        let _ = std::io::stdout().flush();
    }

    /// Gives the terminal back, with what was told on it.
    fn leave(mut self) {
        let told = match &mut self {
            Self::Terminal { told } => std::mem::take(told),
            Self::Lines | Self::Silent => Vec::new(),
        };
        drop(self);
        for line in told {
            println!("{line}");
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if matches!(self, Self::Terminal { .. }) {
            print!("\x1b[?25h\x1b[?1049l");
            let _ = std::io::stdout().flush();
        }
    }
}
