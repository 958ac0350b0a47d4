//! One ALSA PCM: 48 kHz, 16 bit, never blocking.
//!
//! Readiness of a PCM means something only after *all* of its descriptors went through `revents`; the `pulse`
//! plugin also clears its wake-up there. Capture wakes the loop once a packet, as what is sooner would only wait in the
//! packetizer. It takes whole frames and leaves the rest in the ring, so that also after a late wake-up the next comes when
//! a frame is full.
//!
//! Playback is looked at every 10 ms, whatever wakes the loop, and written only up to a target: writing until it blocks
//! would be the greatest delay there is. The target is one period, which the speaker takes until the next look, and a
//! reserve for a look that comes late or a server that takes two periods at once. The reserve grows when a look comes so late
//! that a later one would find the speaker empty, or when it is found empty, and shrinks again when for a while there was more
//! than is needed: each time it grows, that while becomes twice as long, as what happens every minute is not to be heard every minute.

use std::io;
use std::time::Instant;

use alsa::pcm::{Access, Format, Frames, HwParams, PCM, State};
use alsa::poll::Descriptors;
use alsa::{Direction, ValueOr};
use libc::pollfd;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::voice::capture::PACKET;
use crate::voice::frame::{FRAME, Frame, RATE, mix_down, silence};

/// Frames of PCM (samples a channel) in a period of the speaker.
const PERIOD: Frames = FRAME as Frames;
/// The same of the microphone.
const CAPTURE_PERIOD: Frames = PACKET as Frames;
/// The ring: what a stall of the loop may take before sound is lost, in capture or on the way to the speaker.
const BUFFER: Frames = 16 * PERIOD;
/// What the speaker should still hold when it is looked at: at least, and at most, however often it ran dry.
const LEAST_RESERVE: Frames = PERIOD / 2;
const MOST_RESERVE: Frames = 8 * PERIOD;
/// It should be so many times what a look was late: a virtual machine that now and then stands still for 6 ms will do so for longer.
const SPARE: Frames = 2;
/// What an empty speaker adds to it, or at most a late look, and what a review that finds more than enough takes away.
const MORE: Frames = PERIOD / 2;
const LESS: Frames = PERIOD / 4;
/// Looks, one in 10 ms, between two reviews: 10 s at first, and an hour at most.
const FIRST_REVIEW: u32 = 1_000;
const LAST_REVIEW: u32 = 360_000;

/// Bytes of a sample.
const SAMPLE: usize = size_of::<i16>();

/// An open PCM, capture or playback.
pub struct Stream {
    pcm: PCM,
    channels: usize,
    buffer: Frames,
    descriptors: Vec<pollfd>,
    /// A frame, interleaved, and how many bytes of it capture has.
    interleaved: Box<[u8]>,
    full: usize,
    /// The speaker had its first sound.
    filled: bool,
    looked: Option<Instant>,
    reserve: Reserve,
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
        let period = match direction {
            Direction::Capture => CAPTURE_PERIOD,
            Direction::Playback => PERIOD,
        };
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
            hw.set_period_size_near(period, ValueOr::Nearest)?;
            let buffer = hw.set_buffer_size_near(BUFFER)?;
            pcm.hw_params(&hw)?;
            if buffer < 2 * period {
                return Err(alsa::Error::unsupported("a buffer of two periods"));
            }
            (channels as usize, buffer)
        };
        {
            let sw = pcm.sw_params_current()?;
            sw.set_avail_min(period)?;
            sw.set_start_threshold(start_threshold(buffer))?;
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
            interleaved: vec![0; FRAME * channels * SAMPLE].into(),
            full: 0,
            filled: false,
            looked: None,
            reserve: Reserve::default(),
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

    /// What the speaker was found to need, to begin with the next time.
    pub fn reserve(&self) -> Reserve {
        self.reserve.again()
    }

    /// Begins with what was found before.
    pub fn set_reserve(&mut self, reserve: Reserve) {
        self.reserve = reserve;
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

    /// Hands over every whole frame that the microphone has; false if there was none.
    ///
    /// # Errors
    /// The device is gone; an overrun is none.
    pub fn capture(&mut self, mut take: impl FnMut(&Frame)) -> Result<bool, String> {
        // What a wake-up had to recover stands still.
        self.start_capture()?;
        // Asked of the hardware, as this may be a look by the clock: without a wake-up nobody brought the count up to date.
        let ready = match self.pcm.avail() {
            // No more than the ring holds, whatever a driver says.
            Ok(ready) => ready.min(self.buffer),
            Err(e) => return self.recover_capture(e).map(|()| false),
        };
        let mut flows = false;
        // Packets whole: half of one would bring the next wake-up in the middle of a packet, for good.
        for _ in 0..ready / CAPTURE_PERIOD * (CAPTURE_PERIOD / PERIOD) {
            let read = self
                .pcm
                .io_bytes()
                .readi(&mut self.interleaved[self.full..]);
            match read {
                Ok(n) => self.full += n * self.channels * SAMPLE,
                Err(e) if e.errno() == libc::EAGAIN => break,
                Err(e) => return self.recover_capture(e).map(|()| flows),
            }
            if self.full == self.interleaved.len() {
                self.full = 0;
                flows = true;
                take(&self.captured());
            }
        }
        Ok(flows)
    }

    /// Fills the speaker up to its target, a frame at a time; false if it took nothing yet of what it was given before. To be
    /// called every 10 ms.
    ///
    /// # Errors
    /// The device is gone; an underrun is none.
    pub fn playback(
        &mut self,
        now: Instant,
        mut pull: impl FnMut(&mut Frame),
    ) -> Result<bool, String> {
        let late = self
            .looked
            .replace(now)
            .map_or(0, |looked| frames(now - looked) - PERIOD);
        // Asked of the hardware: what its last interrupt left is up to a period old.
        let mut queued = match self.pcm.avail() {
            Ok(room) => self.buffer - room,
            Err(e) => {
                self.recover(e)?;
                0
            }
        };
        if self.pcm.state() == State::Running {
            // Some sound servers fill a gap in silence and say nothing.
            if queued <= 0 {
                self.ran_dry();
            }
            self.reserve.look(queued, late);
        }
        let wanted = target(self.reserve.wanted, self.buffer);
        let flows = self.filled && queued < wanted;
        self.filled = true;
        let mut frame = silence();
        // No more than the ring holds, whatever a driver says of its room.
        for _ in 0..self.buffer / PERIOD {
            if queued >= wanted {
                break;
            }
            pull(&mut frame);
            self.write(&frame)?;
            queued += PERIOD;
        }
        Ok(flows)
    }

    fn write(&mut self, frame: &Frame) -> Result<(), String> {
        let moments = self.interleaved.chunks_exact_mut(self.channels * SAMPLE);
        for (moment, sample) in moments.zip(frame) {
            for channel in moment.chunks_exact_mut(SAMPLE) {
                channel.copy_from_slice(&sample.to_le_bytes());
            }
        }
        let mut sent = 0;
        while sent < self.interleaved.len() {
            let written = self.pcm.io_bytes().writei(&self.interleaved[sent..]);
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
        self.reserve.ran_dry();
    }

    fn recover_capture(&mut self, error: alsa::Error) -> Result<(), String> {
        self.recover(error)?;
        self.full = 0;
        self.start_capture()
    }

    /// Starts a microphone that is ready to, which after an interrupted call it is not: that has changed nothing.
    fn start_capture(&self) -> Result<(), String> {
        if self.pcm.state() == State::Prepared {
            self.pcm.start().map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    /// After an xrun or a suspend, makes the PCM ready again.
    fn recover(&mut self, error: alsa::Error) -> Result<(), String> {
        if error.errno() == libc::EPIPE || self.pcm.state() == State::XRun {
            self.ran_dry();
        }
        keep_alsa_quiet();
        if error.errno() == libc::ESTRPIPE {
            // `snd_pcm_recover` would sleep by the second until a suspended card resumes. Its old sound is of no use.
            return self.pcm.prepare().map_err(|e| e.to_string());
        }
        self.pcm.try_recover(error, true).map_err(|e| e.to_string())
    }

    fn captured(&self) -> Frame {
        self.interleaved
            .chunks_exact(self.channels * SAMPLE)
            .map(|moment| {
                let samples = moment.chunks_exact(SAMPLE);
                mix_down(samples.map(|s| i16::from_le_bytes([s[0], s[1]])))
            })
            .collect()
    }
}

fn frames(time: std::time::Duration) -> Frames {
    (time.as_secs_f64() * f64::from(RATE)) as Frames
}

/// Up to what a ring of that size is filled: a device may have taken a smaller one than it was asked for.
fn target(reserve: Frames, buffer: Frames) -> Frames {
    (reserve + PERIOD).min(buffer - PERIOD)
}

/// Playback starts by itself once it holds so much, which is no more than what the first look writes.
fn start_threshold(buffer: Frames) -> Frames {
    (2 * PERIOD).min(buffer - PERIOD)
}

/// What the speaker should still hold when it is looked at.
#[derive(Clone, Copy)]
pub struct Reserve {
    wanted: Frames,
    /// The least that it held since the last review, and the latest that a look came.
    least: Frames,
    latest: Frames,
    /// Looks until the next review, and between two.
    review: u32,
    between_reviews: u32,
}

impl Default for Reserve {
    fn default() -> Self {
        Self {
            wanted: LEAST_RESERVE,
            least: Frames::MAX,
            latest: 0,
            review: FIRST_REVIEW,
            between_reviews: FIRST_REVIEW,
        }
    }
}

impl Reserve {
    /// The same, to be reviewed anew.
    fn again(&self) -> Self {
        Self {
            wanted: self.wanted,
            ..Self::default()
        }
    }

    /// The speaker still holds so much, and is looked at so late.
    fn look(&mut self, queued: Frames, late: Frames) {
        self.least = self.least.min(queued);
        self.latest = self.latest.max(late);
        if SPARE * late > self.wanted {
            self.grow((SPARE * late).min(self.wanted + MORE));
        }
        self.review = self.review.saturating_sub(1);
        if self.review == 0 {
            let less = self.wanted - LESS;
            if self.least >= LEAST_RESERVE + LESS && SPARE * self.latest <= less {
                self.wanted = less.max(LEAST_RESERVE);
            }
            self.review_later();
        }
    }

    fn ran_dry(&mut self) {
        self.grow(self.wanted + MORE);
    }

    fn grow(&mut self, wanted: Frames) {
        self.wanted = wanted.min(MOST_RESERVE);
        self.between_reviews = (self.between_reviews * 2).min(LAST_REVIEW);
        self.review_later();
    }

    fn review_later(&mut self) {
        (self.review, self.least, self.latest) = (self.between_reviews, Frames::MAX, 0);
    }
}

/// ALSA prints its errors on standard error, where a terminal's screen is; they come back as results as well.
pub fn keep_alsa_quiet() {
    // This thread's messages go to a buffer, a new one each time, so that it does not grow. Without memory for it they are printed.
    let _ = alsa::Output::local_error_handler();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks that find so much, and what is wanted after them.
    fn looks(reserve: &mut Reserve, count: u32, queued: Frames) -> Frames {
        for _ in 0..count {
            reserve.look(queued, 0);
        }
        reserve.wanted
    }

    #[test]
    fn a_speaker_that_ran_dry_is_given_more_and_later_less_again_in_small_steps() {
        let mut reserve = Reserve::default();
        assert_eq!(reserve.wanted, 240);
        reserve.ran_dry();
        assert_eq!(reserve.wanted, 480);
        assert_eq!(looks(&mut reserve, 1_999, 480), 480);
        assert_eq!(looks(&mut reserve, 1, 480), 360);
        assert_eq!(looks(&mut reserve, 2_000, 360), 240);
        assert_eq!(looks(&mut reserve, 10_000, 900), 240);
    }

    #[test]
    fn the_first_look_starts_a_ring_of_any_size_that_is_taken() {
        for buffer in 2 * PERIOD..=4 * BUFFER {
            for reserve in [LEAST_RESERVE, MOST_RESERVE] {
                let periods = (target(reserve, buffer) + PERIOD - 1) / PERIOD;
                assert!(periods * PERIOD >= start_threshold(buffer), "{buffer}");
                assert!(periods * PERIOD <= buffer, "{buffer}");
            }
        }
    }

    #[test]
    fn a_reserve_that_was_needed_once_stays_until_the_next_review() {
        let mut reserve = Reserve::default();
        reserve.ran_dry();
        reserve.look(359, 0);
        assert_eq!(looks(&mut reserve, 1_999, 480), 480);
        assert_eq!(looks(&mut reserve, 2_000, 480), 360);
    }

    #[test]
    fn a_look_that_comes_late_is_answered_before_the_speaker_runs_dry() {
        let mut reserve = Reserve::default();
        let late = |reserve: &mut Reserve, by| {
            reserve.look(480, by);
            reserve.wanted
        };
        assert_eq!(late(&mut reserve, 120), 240);
        // Ten times as much for one stop of a second would be heard for minutes.
        assert_eq!(late(&mut reserve, 48_000), 480);
        assert_eq!(late(&mut reserve, 300), 600);
        // It stays where it came as late again before the next review, and goes after one in which it did not.
        assert_eq!(looks(&mut reserve, 1_000, 960), 600);
        assert_eq!(late(&mut reserve, 300), 600);
        assert_eq!(looks(&mut reserve, 2_999, 960), 600);
        assert_eq!(looks(&mut reserve, 4_000, 960), 480);
    }

    #[test]
    fn the_next_call_begins_with_what_the_last_one_found_and_trusts_it_as_soon_as_the_first() {
        let mut reserve = Reserve::default();
        for _ in 0..3 {
            reserve.ran_dry();
        }
        let mut next = reserve.again();
        assert_eq!(looks(&mut next, 999, 960), 960);
        assert_eq!(looks(&mut next, 1, 960), 840);
    }

    #[test]
    fn each_time_that_it_ran_dry_it_takes_twice_as_long_to_trust_it_again() {
        let mut reserve = Reserve::default();
        for _ in 0..3 {
            reserve.ran_dry();
        }
        assert_eq!(looks(&mut reserve, 7_999, 960), 960);
        assert_eq!(looks(&mut reserve, 1, 960), 840);
        for _ in 0..100 {
            reserve.ran_dry();
        }
        assert_eq!(looks(&mut reserve, 359_999, 4_000), 8 * 480);
        assert_eq!(looks(&mut reserve, 1, 4_000), 8 * 480 - 120);
    }
}
