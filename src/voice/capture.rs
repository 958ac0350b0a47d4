//! Microphone frames in, Opus packets out.
//!
//! Two frames make one packet of 20 ms: the usual RTP packet time (RFC 7587 §4.2), where a packet's headers weigh
//! less than its voice. While the microphone is closed nothing is sent and the timestamp runs on; the first
//! packet after a pause carries the marker (RFC 3551 §4.1). The last packet of a talk spurt is one byte long: the
//! frame that Opus sends when it stops transmitting (RFC 6716 §2.1.9, RFC 7587 §3.1.3). It tells the receiver that
//! what follows is a pause and not a loss.

use opus::{Application, Bandwidth, Bitrate, Channels, Encoder, Signal};

use super::clean::Cleaner;
use super::frame::{FRAME, Frame, Meter, RATE};
use super::gate::{Gate, Heard};

/// Samples in one packet: 20 ms.
pub const PACKET: usize = 2 * FRAME;
/// Bits a second at most, without headers; speech with its pauses takes three quarters. RFC 7587 §3.1.1 has 28 to 40 for
/// full-band speech. Repair data takes its share of it: at one packet in ten lost, 40 is heard to be better than 32.
const BITRATE: i32 = 40_000;
/// 12 kHz of sound: speech has next to nothing above, and what that would cost goes into repair data instead.
const BANDWIDTH: Bandwidth = Bandwidth::Superwideband;
/// Of 10. Below, speech is measurably worse; above, only slower.
const COMPLEXITY: i32 = 3;
/// Losses in percent that the encoder is told of before the first report, and at least: at 0 it sends no repair
/// data, and the first report takes seconds.
const LEAST_LOSS: u8 = 5;
/// The most that it is told of: beyond, repair data would eat the voice itself.
const MOST_LOSS: u8 = 30;
/// Largest Opus frame (RFC 6716 §3.4, R2).
const LARGEST: usize = 1275;
/// The bits of an Opus packet's first byte that say how many frames follow (RFC 6716 §3.1); 0 is one.
const FRAME_COUNT_BITS: u8 = 0b11;

/// 20 ms of voice to send.
#[derive(Debug, PartialEq)]
pub struct Packet<'a> {
    /// RTP timestamp: samples since the first frame.
    pub timestamp: u32,
    /// The first after a pause.
    pub marker: bool,
    /// One Opus packet.
    pub payload: &'a [u8],
}

/// The sending half of the voice.
pub struct Capture {
    encoder: Encoder,
    cleaner: Option<Box<Cleaner>>,
    gate: Gate,
    spurt: Spurt,
    /// What the next packet has so far: at most one frame between pushes.
    samples: heapless::Vec<i16, PACKET>,
    /// Of the next frame.
    timestamp: u32,
    payload: heapless::Vec<u8, LARGEST>,
    meter: Meter,
}

/// Where in a talk spurt the sender is.
#[derive(Clone, Copy)]
enum Spurt {
    /// Nothing is sent.
    Over,
    /// Voice is sent.
    On {
        /// The next packet is the spurt's first.
        first: bool,
    },
    /// A packet of nothing but silence is still to come, and becomes the end of the spurt.
    Ending {
        first: bool,
        /// Frames of it so far.
        silent: usize,
    },
}

impl Capture {
    /// An encoder for speech, with the microphone closed.
    ///
    /// # Errors
    /// When libopus has no memory.
    pub fn new() -> Result<Self, opus::Error> {
        let mut encoder = Encoder::new(RATE, Channels::Mono, Application::Voip)?;
        encoder.set_bitrate(Bitrate::Bits(BITRATE))?;
        encoder.set_max_bandwidth(BANDWIDTH)?;
        encoder.set_complexity(COMPLEXITY)?;
        encoder.set_signal(Signal::Voice)?;
        encoder.set_inband_fec(true)?;
        encoder.set_packet_loss_perc(LEAST_LOSS.into())?;
        Ok(Self {
            encoder,
            cleaner: None,
            gate: Gate::default(),
            spurt: Spurt::Over,
            samples: heapless::Vec::new(),
            timestamp: 0,
            payload: heapless::Vec::new(),
            meter: Meter::new(),
        })
    }

    /// From now on echo and noise are taken out and the level is set.
    pub fn set_processing(&mut self) {
        self.cleaner = Some(Box::default());
    }

    /// The next 10 ms that the speaker plays, as loud as it does: what of it comes back is taken out.
    pub fn played(&mut self, frame: &Frame) {
        if let Some(cleaner) = &mut self.cleaner {
            cleaner.played(frame);
        }
    }

    /// Takes the next 10 ms (a shorter frame is filled up with silence), heard if `open`; hands over what packets are full.
    pub fn push(&mut self, frame: &Frame, open: bool, mut send: impl FnMut(Packet<'_>)) {
        let mut heard = frame.clone();
        while heard.push(0).is_ok() {}
        // While the microphone is closed too: it opens with the echo known.
        if let Some(cleaner) = &mut self.cleaner {
            cleaner.clean(&mut heard);
        }
        self.spurt = match (self.gate.pass(&mut heard, open), self.spurt) {
            (Heard::Voice, Spurt::Over) => Spurt::On { first: true },
            (Heard::Voice, Spurt::On { first } | Spurt::Ending { first, .. }) => {
                Spurt::On { first }
            }
            (Heard::Nothing, Spurt::Over) => Spurt::Over,
            (Heard::Nothing, Spurt::On { first }) => Spurt::Ending { first, silent: 1 },
            (Heard::Nothing, Spurt::Ending { first, silent }) => Spurt::Ending {
                first,
                silent: silent + 1,
            },
        };
        self.meter.update(&heard);
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        if matches!(self.spurt, Spurt::Over) {
            return;
        }
        // Never refused: what is full is taken out below.
        let _ = self.samples.extend_from_slice(&heard);
        if self.samples.is_full()
            && let Some(packet) = self.finish()
        {
            send(packet);
        }
    }

    /// Says what share of the packets the peer misses, in percent, so that each carries so much of the one before.
    pub fn set_expected_loss(&mut self, percent: u8) {
        let percent = percent.clamp(LEAST_LOSS, MOST_LOSS);
        // Cannot fail for a value of 0 to 100.
        let _ = self.encoder.set_packet_loss_perc(percent.into());
    }

    /// Level of what is sent, -96 (silence, or the microphone closed) to 0 dB below full scale.
    pub fn level_dbfs(&self) -> i8 {
        self.meter.dbfs()
    }

    /// Makes the samples at hand a packet.
    fn finish(&mut self) -> Option<Packet<'_>> {
        let ends = matches!(self.spurt, Spurt::Ending { silent, .. } if silent * FRAME >= PACKET);
        let marker = match &mut self.spurt {
            Spurt::Over => false,
            Spurt::On { first } | Spurt::Ending { first, .. } => std::mem::take(first),
        };
        if ends {
            self.spurt = Spurt::Over;
            self.payload.truncate(1);
            self.payload
                .iter_mut()
                .for_each(|toc| *toc &= !FRAME_COUNT_BITS);
        } else {
            self.payload.clear();
            while self.payload.push(0).is_ok() {}
            let length = self.encoder.encode(&self.samples, &mut self.payload);
            self.payload.truncate(length.unwrap_or(0));
        }
        self.samples.clear();
        (!self.payload.is_empty()).then_some(Packet {
            timestamp: self.timestamp.wrapping_sub(PACKET as u32),
            marker,
            payload: &self.payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone() -> Frame {
        (0..FRAME)
            .map(|i| if i % 48 < 24 { 8000 } else { -8000 })
            .collect()
    }

    /// Timestamp, marker and whether it is the end of a spurt, of each packet; `None` where none came.
    fn pushes(capture: &mut Capture, open: bool, frames: usize) -> Vec<Option<(u32, bool, bool)>> {
        (0..frames)
            .map(|_| {
                let mut sent = None;
                capture.push(&tone(), open, |p| {
                    sent = Some((p.timestamp, p.marker, p.payload.len() == 1));
                });
                sent
            })
            .collect()
    }

    #[test]
    fn every_second_frame_gives_a_packet_and_the_first_is_marked() {
        let mut capture = Capture::new().unwrap();
        assert_eq!(
            pushes(&mut capture, true, 6),
            [
                None,
                Some((0, true, false)),
                None,
                Some((960, false, false)),
                None,
                Some((1920, false, false))
            ]
        );
    }

    #[test]
    fn a_spurt_fades_out_says_that_it_ends_and_the_timestamp_runs_on() {
        let mut capture = Capture::new().unwrap();
        pushes(&mut capture, true, 2);
        assert_eq!(
            pushes(&mut capture, false, 7),
            [
                None,
                Some((960, false, false)),
                None,
                Some((1920, false, true)),
                None,
                None,
                None
            ]
        );
        assert_eq!(
            pushes(&mut capture, true, 3),
            [None, Some((9 * 480, true, false)), None]
        );
    }

    #[test]
    fn a_spurt_that_ends_at_a_packets_second_frame_fades_out_in_it() {
        let mut capture = Capture::new().unwrap();
        pushes(&mut capture, true, 3);
        assert_eq!(
            pushes(&mut capture, false, 4),
            [
                Some((960, false, false)),
                None,
                Some((1920, false, true)),
                None
            ]
        );
    }

    #[test]
    fn a_microphone_opened_again_before_the_end_was_said_starts_no_new_spurt() {
        let mut capture = Capture::new().unwrap();
        pushes(&mut capture, true, 2);
        pushes(&mut capture, false, 2);
        assert_eq!(
            pushes(&mut capture, true, 2),
            [None, Some((1920, false, false))]
        );
    }

    #[test]
    fn a_closed_microphone_sends_nothing_and_its_level_falls_to_silence() {
        let mut capture = Capture::new().unwrap();
        pushes(&mut capture, true, 4);
        assert_eq!(capture.level_dbfs(), -12);
        pushes(&mut capture, false, 4);
        assert_eq!(pushes(&mut capture, false, 100), [None; 100]);
        assert_eq!(capture.level_dbfs(), -96);
    }

    #[test]
    fn packets_carry_repair_data_from_the_first_on() {
        let mut capture = Capture::new().unwrap();
        let mut repaired = 0;
        for _ in 0..100 {
            capture.push(&tone(), true, |p| {
                repaired += usize::from(crate::voice::payload::carries_repair(p.payload));
            });
        }
        assert!(repaired > 40, "{repaired} of 50");
    }
}
