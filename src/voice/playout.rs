//! Opus packets in, in any order; an unbroken row of frames out.
//!
//! The speaker's pulls are the clock. Media time runs along with them, so every packet has a moment at which it is
//! due, and what matters is how long before it the packet came ([`super::arrivals`]). The wanted wait is moved to in the
//! voice's pauses, by leaving out or repeating some of them, for a wait that moves within a word is heard; only where no
//! pause comes are periods of the voice itself left out or repeated ([`super::stretch`]).
//!
//! That takes up the drift of the two clocks too: half an hour of speech at 200 ppm stays within 6 ms of its mean delay with nothing
//! made up, by a move every 50 s, and scores a PESQ of 4.4 to 4.5, as without drift, but for one window in thirty (4.2). Resampling
//! would leave that window to be won: arrivals are known to a pull, so the delay moves by as much either way. It would cost
//! time in every frame, wanted or not, and touch sound that needs nothing.
//!
//! When a packet is due:
//!
//! - It is there: decoded. If it came too late and so do others, it is played late, and the wait has grown. If it is the
//!   only one, what has been made up in its place is left out of it.
//! - It is missing and a later one brought a copy of it (RED, [`super::red`]): decoded from that.
//! - It is missing and the next one is there: repaired with the next one's in-band data (RFC 6716 §2.1.7), which
//!   holds one packet; what that does not reach is concealed by Opus.
//! - Nothing is there: concealed by Opus, fading to silence. Whether it was a loss or a pause is known at the next
//!   packet, from its sequence number and timestamp. A sender that says when it pauses (RFC 7587 §3.1.3) is believed.
//!
//! While packets get lost, the wait is longer, so that copies or repair data are there when they are needed ([`super::recovery`]).
//! In such a pause the sender's background goes on as [`super::comfort`] noise, so that the line does not sound dead, for as long
//! as packets still come now and then. Where voice is cut off at once, as by push to talk, no background was heard, and silence is right.
//!
//! A timeline that no longer fits is begun anew, once two packets in sequence agree (RFC 3550 §A.1).

use std::time::Instant;

use opus::{Channels, Decoder};

use super::arrivals::{Arrivals, Estimate};
use super::comfort::Comfort;
use super::frame::{FRAME, Frame, Meter, RATE, SILENCE_DBFS, level_dbfs, ramp};
use super::payload::{self, LONGEST, STEP, announces_pause, carries_repair};
use super::recovery::Recovery;
use super::red;
use super::stats::Share;
use super::store::{Content, First, Refused, SLOTS, Span, Store};
use super::stretch::{self, Care};

pub use super::stats::PlayoutStats;

/// Samples in a millisecond.
const MS: i64 = RATE as i64 / 1000;
/// The latest packets (one in a hundred is still later) wait this long: one pull.
const MARGIN: i64 = 10 * MS;
/// Where the latest are later than this, delay is dearer than certainty, and they wait so much less.
const LATE: i64 = 30 * MS;
const SPARED: i64 = 5 * MS;
/// A wait this much off is good enough.
const TOLERANCE: i64 = 5 * MS;
/// So much off, a splice may be heard.
const INTOLERABLE: i64 = 60 * MS;
/// How much longer than the latest packet a typical one waits at most, however bad the network.
const DEEPEST: i64 = 180 * MS;
/// Voice at hand at most; the oldest beyond it is thrown away.
const BACKLOG: i64 = 240 * MS;
/// … unless the wait comes closer to it than this.
const SPARE: i64 = 60 * MS;
/// A packet farther from its time than this belongs to another timeline.
const PLAUSIBLE: i64 = 1000 * MS;
/// After so much silence the next packet begins a timeline of its own.
const LULL: i64 = 10_000 * MS;
/// More packets than these cannot have been lost in between (RFC 3550 §A.1, MAX_DROPOUT).
const DROPOUT: i64 = 3000;

/// Concealment lasts as long as this; Opus's own is still voice-like for a while, then a hum.
const CONCEAL: i64 = 120 * MS;
/// The same where the sender paused and nothing is known of its background: only to avoid a click.
const TRAIL: i64 = 10 * MS;
/// Comfort noise goes on so long without a packet, of which a pausing sender has one every 400 ms, and then fades in this time.
const COMFORT: i64 = 1000 * MS;
const COMFORT_FADE: i64 = 500 * MS;

/// Splices are this many pulls apart.
const REST: u8 = 5;
/// So many pulls a wait that is off waits for a pause, where nobody hears it move; then a splice in the voice must do. 2 s.
const PATIENCE: u16 = 200;
/// So many faint pulls are a pause and no consonant: 100 ms.
const PAUSE: u16 = 10;
/// So far below the voice, or under this level, is faint.
const PAUSE_DB: f32 = 15.0;
const QUIET_DBFS: f32 = -50.0;
/// How fast the voice's level is forgotten, a pull of voice: 1 dB a second.
const FALL_DB: f32 = 0.01;

/// Decoded sound: what is left of a frame, what [`stretch`] looks ahead, one longest packet.
const SOUND: usize = FRAME + stretch::ROOM + 2 * LONGEST;

/// The receiving half of the voice.
pub struct Playout {
    decoder: Decoder,
    store: Box<Store>,
    arrivals: Box<Arrivals>,
    /// Decoded, not yet pulled.
    sound: Box<heapless::Vec<i16, SOUND>>,
    scratch: Box<[i16; LONGEST]>,
    /// The last sample pulled.
    last: i16,
    /// Samples pulled since the start.
    pulled: i64,
    /// The speaker has let a backlog grow and taken nothing since.
    stalled: bool,
    /// Media time of the next sample to decode.
    next: i64,
    /// Media time at which the last voice ended.
    voice_end: i64,
    /// Samples in the last packet of voice.
    packet: i64,
    recovery: Recovery,
    gap: Gap,
    comfort: Box<Comfort>,
    /// A packet that fits nothing; the one after it would prove it right.
    stray: Option<u64>,
    rest: u8,
    /// The last packet came too late, and what was made up in its place was left out of it.
    left_out: bool,
    patience: u16,
    /// The wait is on its way to the wanted one.
    moves: bool,
    /// Pulls since the last that was not faint.
    quiet: u16,
    /// Level of the voice, dB below full scale.
    loudness: f32,
    /// Of expected voice, what was made up (over 3 s).
    concealed: Share,
    /// Of expected voice, the first packet of each gap (over 3 s).
    gaps: Share,
    meter: Meter,
    made_up: i64,
    shortened: i64,
    lengthened: i64,
    stats: PlayoutStats,
}

/// How soon concealment becomes silence.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fade {
    /// In [`CONCEAL`].
    Slow,
    /// In [`TRAIL`].
    Quick,
}

/// What was put out since the last voice.
#[derive(Clone, Copy, Debug)]
struct Gap {
    /// Samples of concealment and silence.
    filled: i64,
    /// Samples of it repaired.
    repaired: i64,
    /// How loud concealment has stayed, 0 to 1.
    gain: f32,
    /// The sender said that it pauses.
    announced: bool,
    /// Its background was heard before.
    comfort: bool,
}

impl Playout {
    /// A decoder, and nothing to play.
    ///
    /// # Errors
    /// When libopus has no memory.
    pub fn new() -> Result<Self, opus::Error> {
        Ok(Self {
            decoder: Decoder::new(RATE, Channels::Mono)?,
            store: Box::default(),
            arrivals: Box::default(),
            sound: Box::default(),
            scratch: Box::new([0; LONGEST]),
            last: 0,
            pulled: 0,
            stalled: false,
            next: 0,
            voice_end: 0,
            packet: 0,
            recovery: Recovery::new(),
            gap: Gap {
                filled: LULL,
                repaired: 0,
                gain: 0.0,
                announced: true,
                comfort: false,
            },
            comfort: Box::default(),
            stray: None,
            rest: 0,
            left_out: false,
            patience: PATIENCE,
            moves: false,
            quiet: 0,
            loudness: SILENCE_DBFS.into(),
            concealed: Share::over(3 * RATE),
            gaps: Share::over(3 * RATE),
            meter: Meter::new(),
            made_up: 0,
            shortened: 0,
            lengthened: 0,
            stats: PlayoutStats::default(),
        })
    }

    /// Takes a packet that came at `now`: its extended sequence number, RTP timestamp and payload, whatever they are.
    pub fn insert(&mut self, now: Instant, sequence: u64, timestamp: u32, payload: &[u8]) {
        self.insert_primary(now, sequence, timestamp, payload);
        self.recovery.came(0);
    }

    /// The same of a packet with copies (RFC 2198), in which Opus has that payload type. Blocks of other types are passed over.
    pub fn insert_red(
        &mut self,
        now: Instant,
        sequence: u64,
        timestamp: u32,
        payload: &[u8],
        opus: u8,
    ) {
        let Some(red) = red::parse(payload).filter(|r| r.payload_type == opus) else {
            self.stats.invalid += 1;
            return;
        };
        let Some(primary) = self.insert_primary(now, sequence, timestamp, red.primary) else {
            return;
        };
        let mut reach = 0;
        for block in red.redundant.iter().filter(|b| b.payload_type == opus) {
            let offset = i64::from(block.offset);
            reach = reach.max(offset);
            self.insert_copy(sequence, primary, offset, block.payload);
        }
        self.recovery.came(reach);
    }

    /// Takes a copy of the packet `offset` samples before `primary`. Which that is follows from its duration; a copy whose time
    /// has come already serves only if the wait is to become longer anyway.
    fn insert_copy(&mut self, sequence: u64, primary: Span, offset: i64, payload: &[u8]) {
        let Some(duration) = payload::duration(payload).filter(|d| offset > 0 && offset % d == 0)
        else {
            return;
        };
        let span = Span {
            timestamp: primary.timestamp - offset,
            duration,
        };
        let late = self.next - span.timestamp;
        if late > 0 && self.error().is_none_or(|e| e > -late) || announces_pause(payload) {
            return;
        }
        let sequence = sequence.wrapping_sub((offset / duration) as u64);
        self.store.insert_copy(sequence, span, payload);
    }

    /// Gives the packet's time if it belongs to the voice that is played.
    fn insert_primary(
        &mut self,
        now: Instant,
        sequence: u64,
        timestamp: u32,
        payload: &[u8],
    ) -> Option<Span> {
        if self.store.knows(sequence) {
            self.stats.duplicate += 1;
            return None;
        }
        if payload.is_empty() {
            self.stats.empty += 1;
            let _ = self.store.insert(sequence, Content::Padding, payload);
            return None;
        }
        let Some(duration) = payload::duration(payload) else {
            self.stats.invalid += 1;
            return None;
        };
        let span = Span {
            timestamp: self.unwrap(timestamp),
            duration,
        };
        let lull = self.gap.filled >= LULL && self.store.first().is_none();
        if lull || !self.fits(sequence, span) {
            if !lull && self.stray != Some(sequence.wrapping_sub(1)) {
                self.stray = Some(sequence);
                self.stats.discarded += 1;
                return None;
            }
            self.restart(sequence, span);
        }
        self.stray = None;

        match self.store.insert(sequence, Content::Voice(span), payload) {
            Ok(reordered) => self.stats.reordered += u64::from(reordered),
            Err(Refused::Duplicate) => {
                self.stats.duplicate += 1;
                return None;
            }
            Err(Refused::Late) => {
                self.stats.late += 1;
                self.stats.reordered += 1;
                self.recovery.account(0, -duration);
            }
            Err(Refused::Far) => {
                self.stats.discarded += 1;
                return None;
            }
        }
        self.stats.received += 1;
        self.arrivals
            .add(now, span.timestamp, duration, self.pulled);
        self.trim();
        self.update_stats();
        Some(span)
    }

    /// The next 10 ms for the speaker.
    pub fn pull(&mut self, frame: &mut Frame) {
        self.adapt();
        while self.sound.len() < FRAME {
            self.step();
        }
        frame.clear();
        // Fits: both are one frame.
        let _ = frame.extend_from_slice(&self.sound[..FRAME]);
        self.sound.copy_within(FRAME.., 0);
        self.sound.truncate(self.sound.len() - FRAME);
        self.last = frame.last().copied().unwrap_or(0);
        self.pulled += FRAME as i64;
        self.stalled = false;
        self.meter.update(frame);
        self.quiet = if self.is_faint(frame) {
            self.quiet.saturating_add(1)
        } else {
            0
        };
        if self.quiet >= PAUSE && self.gap.filled == 0 && !self.gap.comfort {
            self.comfort.hear(frame);
        }
        let fall = if self.gap.filled == 0 { FALL_DB } else { 0.0 };
        self.loudness = (self.loudness - fall).max(self.meter.dbfs().into());
    }

    /// Level of what is played, -96 (silence) to 0 dB below full scale.
    pub fn level_dbfs(&self) -> i8 {
        self.meter.dbfs()
    }

    /// Of the last 3 s of voice that were to come, the share that had to be made up: 0 to 1.
    pub fn concealed(&self) -> f32 {
        let missing = if self.gap.announced {
            0
        } else {
            self.gap.filled - self.gap.repaired
        };
        let mut share = self.concealed;
        share.add(missing, missing);
        share.get()
    }

    /// How much longer than by chance what was made up was each time (BurstR of ITU-T G.107), 1 or more.
    pub fn burst_ratio(&self) -> f32 {
        let (concealed, begun) = (self.concealed.get(), self.gaps.get());
        if begun > 0.0 {
            (concealed / begun * (1.0 - concealed)).max(1.0)
        } else {
            1.0
        }
    }

    /// The counters.
    pub fn stats(&self) -> &PlayoutStats {
        &self.stats
    }

    // ---- in ----

    fn unwrap(&self, timestamp: u32) -> i64 {
        let ahead = timestamp.wrapping_sub(self.next as u32) as i32;
        self.next + i64::from(ahead)
    }

    /// Media time of the next sample to be pulled.
    fn playing(&self) -> i64 {
        self.next - self.sound.len() as i64
    }

    fn fits(&self, sequence: u64, span: Span) -> bool {
        (span.timestamp - self.playing()).abs() <= PLAUSIBLE
            && self.store.ahead(sequence).unsigned_abs() < SLOTS as u64
    }

    /// Begins a timeline: this packet is due after the wait that served so far.
    fn restart(&mut self, sequence: u64, span: Span) {
        let skipped = self.store.ahead(sequence);
        if self.stats.restarts > 0 && (SLOTS as i64..DROPOUT).contains(&skipped) {
            self.stats.lost += skipped as u64;
        }
        if !(0..DROPOUT).contains(&skipped) {
            // Another stream's past would only colour this one's beginning. Cannot fail.
            let _ = self.decoder.reset_state();
        }
        self.stats.restarts += 1;
        self.next = span.timestamp - self.wait() + self.sound.len() as i64;
        self.voice_end = self.next;
        self.gap.announced = true;
        self.store.restart(sequence);
        self.arrivals.rebase(span.timestamp - self.pulled);
    }

    /// Throws the oldest voice away if there is too much: the speaker stands still. When it goes on, what it gets should be
    /// fresh, and how long packets waited meanwhile says nothing of the network.
    fn trim(&mut self) {
        let most = if self.stalled {
            self.wait()
        } else {
            BACKLOG.max(self.wait() + SPARE)
        };
        while let (Some(first), Some(end)) = (self.store.first(), self.store.end()) {
            if end - first.span.timestamp <= most || first.span.end() >= end {
                break;
            }
            self.stalled = true;
            self.arrivals.forget();
            self.store.consume(first.sequence);
            self.stats.discarded += 1;
            self.next = self.next.max(first.span.end());
            self.voice_end = self.voice_end.max(first.span.end());
        }
    }

    // ---- the wait ----

    /// How long a typical packet should wait.
    fn wait(&self) -> i64 {
        let depth = self
            .arrivals
            .estimate()
            .map_or(0, |e| e.typical - latest(e));
        depth + self.margin()
    }

    fn margin(&self) -> i64 {
        MARGIN.max(self.recovery.wait(self.packet))
    }

    /// How much longer than wanted packets wait; negative: too short.
    fn error(&self) -> Option<i64> {
        let latest = latest(self.arrivals.estimate()?);
        Some(latest + self.pulled - self.playing() - self.margin())
    }

    /// Moves the wait towards the wanted one, within the voice.
    fn adapt(&mut self) {
        self.rest = self.rest.saturating_sub(1);
        let error = self.error().unwrap_or(0);
        let off = error.unsigned_abs() as usize;
        // A wait that is moved is moved all the way, or the next little change would begin it again.
        self.moves = off > TOLERANCE as usize || self.moves && off >= stretch::SHORTEST;
        if !self.moves {
            self.patience = PATIENCE;
            return;
        }
        self.patience = self.patience.saturating_sub(1);
        if self.rest > 0 || self.gap.filled > 0 {
            return;
        }
        while self.sound.len() < FRAME + stretch::ROOM {
            match self.store.first() {
                Some(first) if first.missing == 0 && self.due(first) < STEP as i64 => {
                    self.play(first)
                }
                _ => break,
            }
        }
        let care = if self.is_quiet() {
            Care::Anywhere
        } else if error.abs() > INTOLERABLE {
            Care::Force
        } else if self.patience == 0 {
            Care::Wait
        } else {
            return;
        };
        let moved = if error > 0 {
            let moved = stretch::shorten(&mut self.sound, off, care);
            self.shortened += moved as i64;
            moved
        } else {
            let moved = stretch::lengthen(&mut self.sound, off, care);
            self.lengthened += moved as i64;
            moved
        };
        if moved > 0 {
            self.rest = REST;
        }
    }

    /// Whether the voice pauses, and still does in what comes next.
    fn is_quiet(&self) -> bool {
        self.quiet >= PAUSE && self.is_faint(&self.sound)
    }

    /// Whether a sound is far below the voice.
    fn is_faint(&self, sound: &[i16]) -> bool {
        f32::from(level_dbfs(sound)) < (self.loudness - PAUSE_DB).max(QUIET_DBFS)
    }

    // ---- out ----

    /// How far the timeline is from this packet.
    fn due(&self, first: First) -> i64 {
        first.span.timestamp - self.next
    }

    /// Decodes or makes up what comes next: at least one sample, but for a packet that is left out as a whole.
    fn step(&mut self) {
        let need = FRAME - self.sound.len();
        let Some(first) = self.store.first() else {
            if self.gap.filled == 0 && !self.gap.announced {
                self.stats.underruns += 1;
            }
            return self.fill(self.whole(need), Fade::Slow);
        };
        let mut due = self.due(first);
        let lost_until = self.voice_end + self.packet * first.missing as i64;
        if lost_until > self.next && due >= STEP as i64 {
            let reach = payload::repair_reach(self.store.payload(first.sequence));
            return if lost_until < first.span.timestamp || due > reach {
                let until_repair = (due - reach).max(STEP as i64);
                self.fill(self.whole(need).min(until_repair as usize), Fade::Slow)
            } else {
                self.repair(first, due as usize)
            };
        }
        if due >= STEP as i64 {
            // A pause, where the wait can be changed at no cost.
            if let Some(error) = self.error().filter(|e| e.abs() > TOLERANCE) {
                let moved = error.clamp(-DEEPEST, due);
                self.next += moved;
                due -= moved;
            }
        }
        if due >= STEP as i64 {
            self.fill(need.min(due as usize), Fade::Quick)
        } else {
            self.play(first)
        }
    }

    /// Decodes a packet whose turn it is.
    fn play(&mut self, first: First) {
        self.account(first);
        let overdue = self.overdue(first);
        let payload = self.store.payload(first.sequence);
        let announced = announces_pause(payload);
        self.recovery.played(carries_repair(payload));
        let length = match self.decoder.decode(payload, &mut self.scratch[..], false) {
            Ok(length) if length > 0 => length,
            _ => {
                let length = (first.span.duration as usize).min(LONGEST);
                self.stats.invalid += 1;
                self.made_up += length as i64;
                self.concealed.add(0, length as i64);
                if self
                    .decoder
                    .decode(&[], &mut self.scratch[..length], false)
                    .is_err()
                {
                    self.scratch.fill(0);
                }
                length
            }
        };
        let sound = &mut self.scratch[..length.min(LONGEST)];
        let sound = &mut sound[overdue.min(length)..];
        let comfort = announced && self.quiet >= PAUSE;
        if comfort {
            self.comfort.learn();
            self.comfort.fade_in(sound);
        }
        if overdue > 0 || self.gap.comfort {
            join(self.sound.last().copied().unwrap_or(self.last), sound);
        }
        // Fits: `sound` holds less than a frame and the look-ahead before.
        let _ = self.sound.extend_from_slice(sound);
        self.store.consume(first.sequence);
        self.next = first.span.end();
        self.voice_end = self.next;
        self.packet = first.span.duration;
        self.gap = Gap {
            filled: 0,
            repaired: 0,
            gain: 1.0,
            announced,
            comfort,
        };
    }

    /// How much of a packet that came too late is left out, because something was made up in its place, and it is only this one
    /// that is late: neither the one before it nor the estimate says that the wait is short.
    fn overdue(&mut self, first: First) -> usize {
        let late = self.next - first.span.timestamp;
        let alone = !self.left_out && self.error().is_some_and(|e| e >= -TOLERANCE);
        self.left_out = late > 0 && self.gap.filled > 0 && alone;
        if self.left_out { late as usize } else { 0 }
    }

    /// Plays the `due` samples before a packet from its repair data, which reaches as far.
    fn repair(&mut self, first: First, due: usize) {
        let reach =
            (payload::repair_reach(self.store.payload(first.sequence)) as usize).min(LONGEST);
        let payload = self.store.payload(first.sequence);
        match self
            .decoder
            .decode(payload, &mut self.scratch[..reach], true)
        {
            Ok(length) if length >= due => {
                let start = length - due;
                if start > 0 {
                    let last = self.sound.last().copied().unwrap_or(self.last);
                    join(last, &mut self.scratch[start..length]);
                }
                let _ = self.sound.extend_from_slice(&self.scratch[start..length]);
                self.next += due as i64;
                self.gap.filled += due as i64;
                self.gap.repaired += due as i64;
                self.stats.repaired += 1;
            }
            _ => self.fill(due.min(FRAME), Fade::Slow),
        }
    }

    /// How much to conceal at once where so much is needed: 10 ms if packets are as long. Opus conceals shorter pieces worse, by
    /// 0.15 of PESQ at one packet in ten lost.
    fn whole(&self, need: usize) -> usize {
        need.max((self.packet as usize).min(FRAME))
    }

    /// Adds about `samples` (1 to a frame) of concealment, or of silence once that has faded.
    fn fill(&mut self, samples: usize, fade: Fade) {
        let length = samples.next_multiple_of(STEP).min(FRAME);
        let fall = match fade {
            _ if self.gap.comfort => {
                let over = (self.gap.filled + length as i64 - COMFORT).clamp(0, length as i64);
                over as f32 / COMFORT_FADE as f32
            }
            Fade::Slow if !self.gap.announced => {
                let from = CONCEAL / 2;
                let over = (self.gap.filled + length as i64 - from).clamp(0, length as i64);
                over as f32 / (CONCEAL - from) as f32
            }
            _ => length as f32 / TRAIL as f32,
        };
        let made = &mut self.scratch[..length];
        let gain = (self.gap.gain - fall).max(0.0);
        let silent = self.gap.gain <= 0.0;
        if self.gap.comfort && !silent {
            self.comfort.make(made);
            ramp(made, self.gap.gain, gain);
        } else if silent || self.decoder.decode(&[], made, false).is_err() {
            made.fill(0);
        } else {
            ramp(made, self.gap.gain, gain);
        }
        let _ = self.sound.extend_from_slice(made);
        self.gap.gain = gain;
        self.gap.filled += length as i64;
        self.next += length as i64;
    }

    /// Now that the packet after a gap is known, says what the gap was: loss, lateness or a pause.
    fn account(&mut self, first: First) {
        let gap = (first.span.timestamp - self.voice_end).max(0);
        let lost = gap.min(self.packet * first.missing as i64);
        let late = if gap > lost || self.gap.announced {
            0
        } else {
            (self.next - first.span.timestamp).clamp(0, self.gap.filled)
        };
        let made_up = (lost + late - self.gap.repaired).clamp(0, self.gap.filled);
        let expected = first.span.duration + lost;
        self.concealed.add(expected, made_up);
        self.gaps.add(expected, made_up.min(self.packet));
        self.made_up += made_up;
        self.stats.lost += first.missing + u64::from(first.is_copy);
        self.stats.recovered += u64::from(first.is_copy);
        let copied = if first.is_copy {
            first.span.duration
        } else {
            0
        };
        self.recovery.account(expected, lost + copied);
    }

    fn update_stats(&mut self) {
        let ms = |samples: i64| (samples.max(0) / MS) as u64;
        self.stats.concealed_ms = ms(self.made_up);
        self.stats.shortened_ms = ms(self.shortened);
        self.stats.lengthened_ms = ms(self.lengthened);
        self.stats.target_ms = ms(self.wait()) as u32;
        if let Some(estimate) = self.arrivals.estimate() {
            self.stats.delay_ms = ms(estimate.typical + self.pulled - self.playing()) as u32;
        }
        self.stats.jitter_ms = self.arrivals.jitter_ms();
    }
}

/// Head start of the latest packet that is to come in time.
fn latest(estimate: Estimate) -> i64 {
    let Estimate { typical, late } = estimate;
    let spared = if typical - late > LATE { SPARED } else { 0 };
    (late + spared).max(typical - DEEPEST)
}

/// Bends the start of new sound so that it begins at `last`, where the old sound ends.
fn join(last: i16, after: &mut [i16]) {
    let Some(&first) = after.first() else {
        return;
    };
    let step = f32::from(last) - f32::from(first);
    let length = STEP.min(after.len());
    for (i, s) in after[..length].iter_mut().enumerate() {
        let left = 1.0 - (i + 1) as f32 / length as f32;
        *s = (f32::from(*s) + step * left) as i16;
    }
}
