//! WAV files in place of a sound card, so that a call can be tried and measured without one.
//!
//! A looped file stands still in time: its first sample sounds whenever the Unix time is a multiple of its length.
//! So whoever knows the file knows which sample a microphone hears now.
//!
//! Two faults of real devices can be had: a clock that runs fast or slow, and the speaker heard in the microphone.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use crate::config;
use crate::voice::frame::{FRAME, Frame, RATE, mix_down};

/// Samples at most: half an hour.
const MAX_SAMPLES: u32 = RATE * 1_800;

/// A recording that is heard as if somebody spoke.
pub struct Microphone {
    samples: Vec<i16>,
    repeat: bool,
    position: usize,
}

impl Microphone {
    /// Reads a file whole. Stereo is mixed down.
    ///
    /// # Errors
    /// It cannot be read, or is not 48 kHz with 16 bits.
    pub fn open(path: &Path, repeat: bool) -> Result<Self, String> {
        let say = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let mut reader = WavReader::open(path).map_err(|e| say(&e))?;
        let spec = reader.spec();
        if spec.sample_rate != RATE
            || spec.bits_per_sample != 16
            || spec.sample_format != SampleFormat::Int
        {
            return Err(say(&format!(
                "is {} Hz with {} bits; sotto takes {RATE} Hz with 16 bits (sox FILE -r {RATE} -b 16 OUT.wav makes one)",
                spec.sample_rate, spec.bits_per_sample
            )));
        }
        if reader.duration() > MAX_SAMPLES {
            return Err(say(&"is longer than half an hour"));
        }
        let channels = usize::from(spec.channels.max(1));
        let interleaved: Vec<i16> = reader
            .samples()
            .collect::<Result<_, _>>()
            .map_err(|e| say(&e))?;
        let samples: Vec<i16> = interleaved
            .chunks_exact(channels)
            .map(|moment| mix_down(moment.iter().copied()))
            .collect();
        if samples.is_empty() {
            return Err(say(&"holds no sound"));
        }
        Ok(Self {
            samples,
            repeat,
            position: 0,
        })
    }

    /// The microphone opens; `unix` is the time since 1970.
    pub fn start(&mut self, unix: Duration) {
        self.position = if self.repeat {
            let samples = unix.as_micros() * u128::from(RATE) / 1_000_000;
            (samples % self.samples.len() as u128) as usize
        } else {
            0
        };
    }

    /// Lets so many frames go, as time did.
    pub fn skip(&mut self, frames: u32) {
        self.position += frames as usize * FRAME;
        if self.repeat {
            self.position %= self.samples.len();
        }
    }

    /// The next 10 ms; silence after the end of a file that is not looped.
    pub fn read(&mut self) -> Frame {
        (0..FRAME)
            .map(|_| {
                let sample = self.samples.get(self.position).copied().unwrap_or(0);
                self.position += 1;
                if self.repeat && self.position >= self.samples.len() {
                    self.position = 0;
                }
                sample
            })
            .collect()
    }
}

/// What the speaker played, on its way to the microphone.
pub struct Echo {
    /// The newest samples: sample `n` of the speaker at `n` modulo the length.
    played: Box<[i16]>,
    /// How many were played.
    written: i64,
    /// The next one that the microphone hears.
    heard: f64,
    delay: f64,
    gain: f64,
    /// Samples of the speaker in the time of one of the microphone.
    step: f64,
}

/// Samples by which the two may be apart for a while: a quarter of a second, more than a device catches up.
const ASTRAY: f64 = 12_000.0;
/// Samples that an echo remembers: the longest delay, and what a stalled program catches up.
const ECHO: usize = 65_536;

impl Echo {
    /// A silent speaker, heard by a microphone whose clock is `ppm` faster.
    pub fn new(echo: config::Echo, ppm: i32) -> Self {
        let mut new = Self {
            played: vec![0; ECHO].into(),
            written: 0,
            heard: 0.0,
            delay: f64::from(echo.delay_ms) * f64::from(RATE) / 1000.0,
            gain: 10_f64.powf(f64::from(echo.gain_db) / 20.0),
            step: 1e6 / (1e6 + f64::from(ppm)),
        };
        new.start();
        new
    }

    /// Both devices start now.
    pub fn start(&mut self) {
        self.played.fill(0);
        self.written = 0;
        // The microphone's first frame is heard while the speaker's first one is waited for.
        self.heard = -self.delay - FRAME as f64;
    }

    /// The speaker plays the next frame.
    pub fn play(&mut self, frame: &[i16]) {
        for &sample in frame {
            self.played[place(self.written)] = sample;
            self.written += 1;
        }
    }

    /// The microphone hears the next frame.
    pub fn mix(&mut self, frame: &mut Frame) {
        // After a stall one of the devices may have let frames go that the other has caught up with.
        let due = self.written as f64 - self.delay - FRAME as f64;
        if (self.heard - due).abs() > ASTRAY {
            self.heard = due;
        }
        for sample in frame {
            let before = self.heard.floor();
            let share = self.heard - before;
            let near = [-1, 0, 1, 2].map(|i| self.sample(before as i64 + i));
            let echo = between(near, share);
            // A float to integer cast saturates.
            *sample = (f64::from(*sample) + self.gain * echo).round() as i16;
            self.heard += self.step;
        }
    }

    fn sample(&self, index: i64) -> f64 {
        let is_known = index < self.written && index >= self.written - ECHO as i64;
        if is_known {
            self.played[place(index)].into()
        } else {
            0.0
        }
    }
}

/// The value between the second and the third sample (Catmull and Rom's cubic); a straight line would muffle it.
fn between([a, b, c, d]: [f64; 4], share: f64) -> f64 {
    let cubic = 3.0 * (b - c) + d - a;
    let square = 2.0 * a - 5.0 * b + 4.0 * c - d;
    b + 0.5 * share * (c - a + share * (square + share * cubic))
}

fn place(index: i64) -> usize {
    index.rem_euclid(ECHO as i64) as usize
}

/// A recording of what the speaker plays.
pub struct Speaker {
    writer: WavWriter<BufWriter<File>>,
}

impl Speaker {
    /// Makes the file, over one that is there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn create(path: &Path) -> Result<Self, String> {
        let spec = WavSpec {
            channels: 1,
            sample_rate: RATE,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let writer =
            WavWriter::create(path, spec).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self { writer })
    }

    /// Adds 10 ms; the file is a whole WAV after every frame.
    ///
    /// # Errors
    /// The disk is full, say.
    pub fn write(&mut self, frame: &Frame) -> Result<(), String> {
        let mut write = || {
            for &sample in frame {
                self.writer.write_sample(sample)?;
            }
            self.writer.flush()
        };
        write().map_err(|e: hound::Error| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(ppm: i32) -> Echo {
        let echo = config::Echo {
            gain_db: -6,
            delay_ms: 120,
        };
        Echo::new(echo, ppm)
    }

    /// A click each 100 ms is played; where it is heard, and how loud.
    fn clicks(echo: &mut Echo, frames: usize) -> Vec<(usize, i16)> {
        let mut heard = Vec::new();
        for n in 0..frames {
            let mut frame = crate::voice::frame::silence();
            echo.mix(&mut frame);
            let loud = frame.iter().enumerate().filter(|(_, s)| **s > 4000);
            heard.extend(loud.map(|(i, s)| (n * FRAME + i, *s)));
            let mut played = crate::voice::frame::silence();
            if n % 10 == 0 {
                played[7] = 10_000;
            }
            echo.play(&played);
        }
        heard
    }

    #[test]
    fn what_is_played_is_heard_softer_and_later() {
        // Played from the end of the first frame on, and 120 ms under way.
        let first = FRAME + 7 + 120 * 48;
        let expected: Vec<_> = (0..3).map(|n| (first + n * 4800, 5012)).collect();
        let mut echo = echo(0);
        assert_eq!(clicks(&mut echo, 43), expected);
        echo.start();
        assert_eq!(clicks(&mut echo, 43), expected);
    }

    #[test]
    fn an_echo_that_went_astray_comes_back_at_its_delay() {
        let mut echo = echo(0);
        for _ in 0..100 {
            echo.play(&crate::voice::frame::silence());
        }
        assert_eq!(clicks(&mut echo, 14), [(FRAME + 7 + 120 * 48, 5012)]);
    }

    #[test]
    fn a_fast_microphone_hears_the_echo_ever_later_in_its_own_count() {
        let mut echo = echo(1000);
        let heard = clicks(&mut echo, 1000);
        let first = heard.first().map(|h| h.0).unwrap_or_default();
        let last = heard.last().map(|h| h.0).unwrap_or_default();
        let periods = (last - first) as f64 / 4800.0;
        // A thousandth longer than the speaker's own count.
        assert!(
            (periods.fract() - periods.round() * 0.001).abs() < 0.01,
            "{periods}"
        );
    }
}
