//! Microphone frames in, Opus packets out.
//!
//! Two frames make one packet of 20 ms: the usual RTP packet time (RFC 7587 §4.2), where a packet's headers weigh
//! less than its voice. While the microphone is closed nothing is sent and the timestamp runs on; the first
//! packet after a pause carries the marker (RFC 3551 §4.1). The last packet of a talk spurt is one byte long: the
//! frame that Opus sends when it stops transmitting (RFC 6716 §2.1.9, RFC 7587 §3.1.3). It tells the receiver that
//! what follows is a pause and not a loss. So it is with an open microphone into which nobody speaks ([`super::pauses`]),
//! once the path is known and as long as nothing is lost on it: losses are seen only where packets are.
//!
//! Many a word begins softly, and is told from the background a little late. So a pause ends with the frame before the first
//! that was told, as half of a packet that goes out 10 ms sooner for it: nothing comes later. Without that frame words lose 2
//! to 9 dB in their first 10 to 30 ms, and up to 0.1 of PESQ; with it, next to nothing. Lower thresholds, or high frequencies
//! looked at by themselves, add nothing to that, and send up to half as much again.
//!
//! What each packet carries and costs, [`super::redundancy`] decides. The encoder's bit rate is variable: a constant one
//! takes half as much again and sounds the same. RFC 6562 warns that the sizes of variable-rate packets may tell an
//! eavesdropper which of a few known phrases is said; in free talk they tell little, and copies, which make a packet's size
//! that of several, blur it further.

use opus::{Application, Bandwidth, Bitrate, Channels, Encoder, Signal};

use super::clean::Cleaner;
use super::copies::Copies;
use super::frame::{FRAME, Frame, Meter, RATE};
use super::gate::{Gate, Heard, Switch};
use super::pauses::{Pauses, UPDATE};
use super::red;
use super::redundancy::{Feedback, Plan, Redundancy};

/// Samples in one packet: 20 ms.
pub const PACKET: usize = 2 * FRAME;
/// 12 kHz of sound: speech has next to nothing above.
const BANDWIDTH: Bandwidth = Bandwidth::Superwideband;
/// Where bits are dear: 8 kHz.
const NARROW: Bandwidth = Bandwidth::Wideband;
/// Of 10. Below, speech is measurably worse (PESQ 4.27 against 4.45 at 40 kbit/s); above, only slower.
const COMPLEXITY: i32 = 4;
/// A payload with its copies, bytes: fits a datagram on every path.
const LARGEST_RED: usize = 1100;
/// Packets at the start among which there is no pause, so that the peer can tell how the path is: 5 s.
const KNOWN: u32 = 250;
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
    /// One Opus packet, or one and copies of earlier ones.
    pub payload: &'a [u8],
    /// It has copies: to be sent with RED's payload type (RFC 2198).
    pub red: bool,
}

/// The sending half of the voice.
pub struct Capture {
    encoder: Encoder,
    cleaner: Option<Box<Cleaner>>,
    gate: Gate,
    pauses: Pauses,
    /// Packets made so far, up to [`KNOWN`].
    made: u32,
    spurt: Spurt,
    /// What the next packet has so far, in a pause what it would begin with: at most one frame between pushes.
    samples: heapless::Vec<i16, PACKET>,
    /// Of the next frame.
    timestamp: u32,
    payload: heapless::Vec<u8, LARGEST>,
    /// Payload type of Opus in RED, if the peer takes RED.
    red: Option<u8>,
    redundancy: Redundancy,
    /// What of it the encoder was told.
    told: Option<Plan>,
    copies: Copies,
    red_payload: heapless::Vec<u8, LARGEST_RED>,
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
    /// A packet without voice is still to come, and becomes the end of the spurt.
    Ending {
        first: bool,
        /// Frames of it so far.
        silent: usize,
    },
}

impl Capture {
    /// An encoder for speech, with the microphone closed, for a peer that takes no RED.
    ///
    /// # Errors
    /// When libopus has no memory.
    pub fn new() -> Result<Self, opus::Error> {
        let mut encoder = Encoder::new(RATE, Channels::Mono, Application::Voip)?;
        encoder.set_complexity(COMPLEXITY)?;
        encoder.set_signal(Signal::Voice)?;
        let mut capture = Self {
            encoder,
            cleaner: None,
            gate: Gate::default(),
            pauses: Pauses::new(),
            made: 0,
            spurt: Spurt::Over,
            samples: heapless::Vec::new(),
            timestamp: 0,
            payload: heapless::Vec::new(),
            red: None,
            redundancy: Redundancy::new(false),
            told: None,
            copies: Copies::new(),
            red_payload: heapless::Vec::new(),
            meter: Meter::new(),
        };
        capture.tell_encoder()?;
        Ok(capture)
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

    /// Takes the next 10 ms (a shorter frame is filled up with silence), sent as `switch` says (`true` is open, `false` muted);
    /// hands over what packets are full.
    pub fn push(
        &mut self,
        frame: &Frame,
        switch: impl Into<Switch>,
        mut send: impl FnMut(Packet<'_>),
    ) {
        let mut heard = frame.clone();
        while heard.push(0).is_ok() {}
        // While the microphone is closed too: it opens with the echo known.
        if let Some(cleaner) = &mut self.cleaner {
            cleaner.clean(&mut heard);
        }
        let passed = self.gate.pass(&mut heard, switch.into());
        let pause = match passed {
            Heard::Voice => self.pauses.update(&heard),
            Heard::Nothing => self.pauses.end(),
        };
        let is_update = pause >= UPDATE && pause.is_multiple_of(UPDATE);
        let is_sent = pause == 0 || is_update || !self.may_pause();
        let passed = if is_sent { passed } else { Heard::Nothing };
        self.spurt = match (passed, self.spurt) {
            (Heard::Voice, Spurt::Over) => {
                // Not those of before the pause: the peer would wait as long for copies as it was.
                self.copies.forget();
                Spurt::On { first: pause == 0 }
            }
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
            self.samples.clear();
            if pause == 0 {
                return;
            }
        }
        // Never refused: what is full is taken out below, and in a pause one frame alone is kept.
        let _ = self.samples.extend_from_slice(&heard);
        if self.samples.is_full()
            && let Some(packet) = self.finish()
        {
            send(packet);
        }
    }

    /// Says before the first packet whether the peer takes RED (RFC 2198), and then the payload type that Opus has in it.
    pub fn set_red(&mut self, opus: Option<u8>) {
        self.red = opus;
        self.redundancy = Redundancy::new(opus.is_some());
        // Cannot fail: the values are of the ranges that libopus takes.
        let _ = self.tell_encoder();
    }

    /// Says after [`Self::set_red`] that the peer plays on without waiting for copies: it is a browser.
    pub fn set_impatient(&mut self) {
        self.redundancy.stay_near();
    }

    /// Takes what the peer says of our packets, so that each carries as much of those before as the path needs.
    pub fn handle_feedback(&mut self, feedback: Feedback) {
        self.redundancy.handle(feedback);
        // Cannot fail: the values are of the ranges that libopus takes.
        let _ = self.tell_encoder();
    }

    /// What each packet carries now.
    pub fn plan(&self) -> &Plan {
        self.redundancy.plan()
    }

    /// Level of what is sent, -96 (silence, or the microphone closed) to 0 dB below full scale.
    pub fn level_dbfs(&self) -> i8 {
        self.meter.dbfs()
    }

    fn may_pause(&self) -> bool {
        self.made >= KNOWN && self.redundancy.plan().distances.is_empty()
    }

    fn tell_encoder(&mut self) -> Result<(), opus::Error> {
        let plan = self.redundancy.plan();
        if self.told.as_ref() == Some(plan) {
            return Ok(());
        }
        let bandwidth = if plan.narrow { NARROW } else { BANDWIDTH };
        self.encoder.set_bitrate(Bitrate::Bits(plan.bitrate))?;
        self.encoder.set_max_bandwidth(bandwidth)?;
        self.encoder.set_inband_fec(plan.repair_percent > 0)?;
        self.encoder
            .set_packet_loss_perc(plan.repair_percent.into())?;
        self.told = Some(plan.clone());
        Ok(())
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
        self.made = (self.made + 1).min(KNOWN);
        if self.payload.is_empty() {
            return None;
        }
        let timestamp = self.timestamp.wrapping_sub(PACKET as u32);
        let red = self.wrap(timestamp);
        self.copies.keep(timestamp, &self.payload);
        Some(Packet {
            timestamp,
            marker,
            payload: if red {
                &self.red_payload
            } else {
                &self.payload
            },
            red,
        })
    }

    /// Puts the packet at hand and its copies together, if there are any.
    fn wrap(&mut self, timestamp: u32) -> bool {
        let Some(opus) = self.red else {
            return false;
        };
        let distances = &self.redundancy.plan().distances;
        let blocks = self.copies.blocks(opus, timestamp, distances);
        !blocks.is_empty()
            && red::emit(
                &mut self.red_payload,
                opus,
                &self.payload,
                &blocks,
                LARGEST_RED,
            )
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

    fn faint(i: usize) -> Frame {
        (0..FRAME).map(|k| ((k * k + i) % 41) as i16 - 20).collect()
    }

    /// When packets go in a pause, in frames from its first on, and which of them say that it is one.
    fn in_a_pause(capture: &mut Capture) -> Vec<(usize, bool)> {
        let mut packets = Vec::new();
        for i in 0..150 {
            capture.push(&faint(i), true, |p| packets.push((i, p.payload.len() == 1)));
        }
        packets
    }

    #[test]
    fn an_open_microphone_into_which_nobody_speaks_sends_its_background_every_400_ms() {
        let mut capture = Capture::new().unwrap();
        pushes(&mut capture, true, 500);
        let packets = in_a_pause(&mut capture);
        assert_eq!(
            packets[..20],
            Vec::from_iter((1..41).step_by(2).map(|i| (i, false)))
        );
        assert_eq!(
            packets[20..],
            [
                (41, true),
                (79, false),
                (81, true),
                (119, false),
                (121, true)
            ]
        );
    }

    #[test]
    fn a_pause_ends_at_the_first_frame_of_voice_with_a_packet_that_holds_the_one_before_too() {
        let mut capture = Capture::new().unwrap();
        pushes(&mut capture, true, 500);
        in_a_pause(&mut capture);
        assert_eq!(
            pushes(&mut capture, true, 4),
            [
                Some((649 * 480, true, false)),
                None,
                Some((651 * 480, false, false)),
                None
            ]
        );
        // One that closed meanwhile keeps nothing.
        in_a_pause(&mut capture);
        for i in 0..2 {
            capture.push(&faint(i), false, |p| panic!("{p:?}"));
        }
        assert_eq!(
            pushes(&mut capture, true, 2),
            [None, Some((806 * 480, true, false))]
        );
    }

    #[test]
    fn while_the_path_is_not_known_or_loses_packets_pauses_are_sent() {
        let mut capture = Capture::new().unwrap();
        pushes(&mut capture, true, 320);
        assert_eq!(in_a_pause(&mut capture).len(), 75);
        capture.set_red(Some(111));
        pushes(&mut capture, true, 500);
        for _ in 0..20 {
            capture.handle_feedback(Feedback {
                packets: 25,
                lost: 5,
                rtt: None,
            });
        }
        assert_eq!(in_a_pause(&mut capture).len(), 75);
    }

    #[test]
    fn losses_that_are_reported_in_a_pause_end_it_with_copies_from_then_on_only() {
        let mut capture = Capture::new().unwrap();
        capture.set_red(Some(111));
        pushes(&mut capture, true, 500);
        // The last packet, which says so, is of the 42nd frame.
        for i in 0..52 {
            capture.push(&faint(i), true, |_| {});
        }
        for _ in 0..20 {
            capture.handle_feedback(Feedback {
                packets: 25,
                lost: 5,
                rtt: None,
            });
        }
        let mut offsets = Vec::new();
        for i in 0..10 {
            capture.push(&faint(i), true, |p| {
                let red = p.red.then(|| red::parse(p.payload).unwrap().redundant);
                offsets.push(red.map(|r| r.iter().map(|b| b.offset / 960).collect::<Vec<_>>()));
            });
        }
        let copies = [None, Some(vec![1]), Some(vec![2, 1]), Some(vec![2, 1])];
        assert_eq!(offsets[..4], copies);
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
