//! One ALSA PCM: 48 kHz, 16 bit, in periods of 10 ms, never blocking.
//!
//! Readiness of a PCM means something only after *all* of its descriptors went through `revents`; the `pulse`
//! plugin also clears its wake-up there. Playback is looked at by the clock instead, and written only up to a target
//! fill: writing until it blocks would be the greatest delay there is. The target starts small, grows when the speaker is
//! found empty, and shrinks again when for a while there was more than was needed.

use std::io;

use alsa::pcm::{Access, Format, Frames, HwParams, PCM, State};
use alsa::poll::Descriptors;
use alsa::{Direction, ValueOr};
use libc::pollfd;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::voice::frame::{FRAME, Frame, RATE, mix_down, silence};

/// Frames of PCM (samples a channel) in a period.
const PERIOD: Frames = FRAME as Frames;
/// The ring: what a stall of the loop may take before sound is lost, in capture or on the way to the speaker.
const BUFFER: Frames = 16 * PERIOD;
/// Playback's fill at first, and what it may grow to.
const LEAST_FILL: Frames = PERIOD;
const MOST_FILL: Frames = 8 * PERIOD;
/// What an empty speaker adds to it, and ample reserve takes away.
const FILL_STEP: Frames = PERIOD / 4;
/// Frames written between two looks at the reserve: 10 s.
const REVIEW: u32 = 1_000;

/// Bytes of a sample.
const SAMPLE: usize = size_of::<i16>();

/// An open PCM, capture or playback.
pub struct Stream {
    pcm: PCM,
    channels: usize,
    buffer: Frames,
    descriptors: Vec<pollfd>,
    /// Bytes of a frame that is not full yet, interleaved.
    partial: Vec<u8>,
    fill: Frames,
    /// The least that the speaker still held when it was looked at, since the last review.
    reserve: Frames,
    written: u32,
    xruns: u64,
}

impl Stream {
    /// Opens and sets up a PCM. May block for as long as a sound server takes: call it off the loop.
    ///
    /// # Errors
    /// ALSA's own words: function and reason.
    pub fn open(name: &str, direction: Direction) -> Result<Self, String> {
        keep_alsa_quiet();
        Self::set_up(name, direction).map_err(|e| e.to_string())
    }

    fn set_up(name: &str, direction: Direction) -> alsa::Result<Self> {
        let pcm = PCM::new(name, direction, true)?;
        let (channels, buffer) = {
            let hw = HwParams::any(&pcm)?;
            hw.set_access(Access::RWInterleaved)?;
            hw.set_format(Format::S16LE)?;
            hw.set_rate_resample(true)?;
            hw.set_rate(RATE, ValueOr::Nearest)?;
            // A card without mono gets the same on every channel. Asked for mono, ALSA's `plug` would add up a stereo
            // microphone's two, which clips; what both heard is as loud as what each did.
            let is_plug = direction == Direction::Capture && name.starts_with("plughw:");
            let channels = hw.set_channels_near(if is_plug { 2 } else { 1 })?;
            hw.set_period_size_near(PERIOD, ValueOr::Nearest)?;
            let buffer = hw.set_buffer_size_near(BUFFER)?;
            pcm.hw_params(&hw)?;
            (channels as usize, buffer)
        };
        {
            let sw = pcm.sw_params_current()?;
            sw.set_avail_min(PERIOD)?;
            sw.set_start_threshold(PERIOD)?;
            pcm.sw_params(&sw)?;
        }
        pcm.prepare()?;
        if direction == Direction::Capture {
            pcm.start()?;
        }
        Ok(Self {
            descriptors: pcm.get()?,
            channels,
            buffer,
            partial: Vec::with_capacity(FRAME * channels * SAMPLE),
            fill: LEAST_FILL,
            reserve: buffer,
            written: 0,
            xruns: 0,
            pcm,
        })
    }

    /// Adds every descriptor to the loop.
    pub fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        for d in &self.descriptors {
            registry.register(&mut SourceFd(&d.fd), token, Interest::READABLE)?;
        }
        Ok(())
    }

    /// Takes every descriptor out of the loop.
    pub fn deregister(&self, registry: &Registry) {
        for d in &self.descriptors {
            // One that failed to register is not there to be removed.
            let _ = registry.deregister(&mut SourceFd(&d.fd));
        }
    }

    /// Overruns or underruns since last asked.
    pub fn take_xruns(&mut self) -> u64 {
        std::mem::take(&mut self.xruns)
    }

    /// Tells ALSA that its descriptors had an event.
    ///
    /// # Errors
    /// The device is gone.
    pub fn acknowledge(&mut self) -> Result<(), String> {
        let seen = alsa::poll::poll(&mut self.descriptors, 0)
            .and_then(|_| self.pcm.revents(&self.descriptors));
        match seen {
            Ok(_) => Ok(()),
            Err(e) => self.recover(e),
        }
    }

    /// Hands over every whole frame that the microphone has.
    ///
    /// # Errors
    /// The device is gone; an overrun is none.
    pub fn capture(&mut self, mut take: impl FnMut(&Frame)) -> Result<(), String> {
        let whole = FRAME * self.channels * SAMPLE;
        let mut chunk = [0; FRAME * SAMPLE * 2];
        // ALSA's `null` always has more.
        for _ in 0..2 * self.buffer / PERIOD + 2 {
            let unit = self.channels * SAMPLE;
            let room = (whole - self.partial.len()).min(chunk.len() / unit * unit);
            let read = self.pcm.io_bytes().readi(&mut chunk[..room]);
            match read {
                Ok(0) => return Ok(()),
                Ok(n) => self.partial.extend_from_slice(&chunk[..n * unit]),
                Err(e) if e.errno() == libc::EAGAIN => return Ok(()),
                Err(e) => {
                    self.recover(e)?;
                    return self.pcm.start().map_err(|e| e.to_string());
                }
            }
            if self.partial.len() == whole {
                take(&self.captured());
                self.partial.clear();
            }
        }
        Ok(())
    }

    /// Fills the speaker up to its target, a frame at a time.
    ///
    /// # Errors
    /// The device is gone; an underrun is none.
    pub fn playback(&mut self, mut pull: impl FnMut(&mut Frame)) -> Result<(), String> {
        let mut frame = silence();
        let mut queued = self.queued()?;
        self.reserve = self.reserve.min(queued);
        // Some sound servers fill a gap in silence and say nothing.
        if queued <= 0 && self.written > 0 {
            self.ran_dry();
        }
        // No more than the ring holds, whatever a driver says of its room.
        for _ in 0..self.buffer / PERIOD {
            if queued >= self.fill {
                break;
            }
            pull(&mut frame);
            self.write(&frame)?;
            queued += PERIOD;
        }
        if self.written >= REVIEW {
            if self.reserve > FILL_STEP {
                self.fill = (self.fill - FILL_STEP).max(LEAST_FILL);
            }
            (self.written, self.reserve) = (1, self.buffer);
        }
        Ok(())
    }

    fn queued(&mut self) -> Result<Frames, String> {
        match self.pcm.avail_update() {
            Ok(room) => Ok(self.buffer - room),
            Err(e) => self.recover(e).map(|()| 0),
        }
    }

    fn write(&mut self, frame: &Frame) -> Result<(), String> {
        self.partial.clear();
        for sample in frame {
            for _ in 0..self.channels {
                self.partial.extend_from_slice(&sample.to_le_bytes());
            }
        }
        self.written += 1;
        let mut sent = 0;
        while sent < self.partial.len() {
            let written = self.pcm.io_bytes().writei(&self.partial[sent..]);
            match written {
                Ok(n) => sent += n * self.channels * SAMPLE,
                // No room: what is left of this frame is lost, which no ear will notice beside the stall that caused it.
                Err(e) if e.errno() == libc::EAGAIN => return Ok(()),
                Err(e) => return self.recover(e),
            }
        }
        Ok(())
    }

    fn ran_dry(&mut self) {
        self.xruns += 1;
        self.fill = (self.fill + FILL_STEP).min(MOST_FILL);
    }

    /// After an xrun or a suspend, makes the PCM ready again.
    fn recover(&mut self, error: alsa::Error) -> Result<(), String> {
        if error.errno() == libc::EPIPE || self.pcm.state() == State::XRun {
            self.ran_dry();
        }
        keep_alsa_quiet();
        self.pcm.try_recover(error, true).map_err(|e| e.to_string())
    }

    fn captured(&self) -> Frame {
        self.partial
            .chunks_exact(self.channels * SAMPLE)
            .map(|moment| {
                let samples = moment.chunks_exact(SAMPLE);
                mix_down(samples.map(|s| i16::from_le_bytes([s[0], s[1]])))
            })
            .collect()
    }
}

/// ALSA prints its errors on standard error, where a terminal's screen is; they come back as results as well.
pub fn keep_alsa_quiet() {
    // This thread's messages go to a buffer, a new one each time, so that it does not grow. Without memory for it they are printed.
    let _ = alsa::Output::local_error_handler();
}
