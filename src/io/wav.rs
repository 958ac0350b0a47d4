//! WAV files in place of a sound card, so that a call can be tried and measured without one.
//!
//! A looped file stands still in time: its first sample sounds whenever the Unix time is a multiple of its length.
//! So whoever knows the file knows which sample a microphone hears now.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

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
