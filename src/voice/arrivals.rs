//! How late packets come, and so how long a typical one has to wait for its turn.
//!
//! A packet's transit is its arrival less its timestamp. Only differences of transit matter, so any clock will do:
//! the arrival is told in samples that the speaker has taken so far. That makes the sound card's own burstiness part
//! of what is measured, and its clock the only one. Over the last three seconds of voice the typical transit is the
//! median, and the late one is exceeded by one packet in fifty; their distance is what a buffer has to bridge. It is
//! the idea of NetEQ's delay histogram (webrtc/modules/audio_coding/neteq), with a window in place of forgetting.

use std::time::Instant;

use super::frame::RATE;

/// Voice that is looked back on, in samples: 3 s.
const WINDOW: i64 = 3 * RATE as i64;
/// Packets remembered: the window in packets of 10 ms.
const MOST: usize = 300;
/// Packets remembered at least, if they are very long.
const LEAST: usize = 50;
/// One packet in this many may come too late.
const TOO_LATE: usize = 50;

/// The transits of the last packets.
pub struct Arrivals {
    /// Head starts: timestamp less samples played at arrival. The greater, the earlier.
    heads: heapless::Deque<i64, MOST>,
    /// Of them; asked for far more often than they change.
    estimate: Option<Estimate>,
    /// RFC 3550 §6.4.1: the packet before (arrival, timestamp) and the mean deviation, samples.
    before: Option<(Instant, i64)>,
    jitter: f64,
}

/// Head starts of packets, in samples: see [`Arrivals`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Of every second packet.
    pub typical: i64,
    /// Of the latest one in fifty.
    pub late: i64,
}

impl Arrivals {
    /// Nothing came yet.
    pub fn new() -> Self {
        Self {
            heads: heapless::Deque::new(),
            estimate: None,
            before: None,
            jitter: 0.0,
        }
    }

    /// A packet came at `now`, when the speaker had taken `played` samples.
    pub fn add(&mut self, now: Instant, timestamp: i64, duration: i64, played: i64) {
        let most = (WINDOW / duration.max(1)) as usize;
        while self.heads.len() >= most.clamp(LEAST, MOST) {
            self.heads.pop_front();
        }
        // Never full: the line above made room.
        let _ = self.heads.push_back(timestamp.wrapping_sub(played));
        self.estimate = self.look();

        if let Some((at, then)) = self.before.replace((now, timestamp)) {
            let arrival = now.saturating_duration_since(at).as_secs_f64() * f64::from(RATE);
            let deviation = (arrival - timestamp.wrapping_sub(then) as f64).abs();
            // A talk spurt's first packet after a drift is no jitter, nor is a sender's restart.
            if deviation < f64::from(RATE) {
                self.jitter += (deviation - self.jitter) / 16.0;
            }
        }
    }

    /// Another timeline begins, whose typical head start is `typical`; how much it varies is still believed.
    pub fn rebase(&mut self, typical: i64) {
        if let Some(estimate) = self.estimate() {
            let moved = typical.wrapping_sub(estimate.typical);
            for head in &mut self.heads {
                *head = head.wrapping_add(moved);
            }
            self.estimate = self.look();
        }
        self.before = None;
    }

    /// What came so far says nothing of what is to come.
    pub fn forget(&mut self) {
        self.heads.clear();
        self.estimate = None;
    }

    /// `None` until something came.
    pub fn estimate(&self) -> Option<Estimate> {
        self.estimate
    }

    /// Interarrival jitter (RFC 3550 §6.4.1), ms.
    pub fn jitter_ms(&self) -> u32 {
        (self.jitter * 1000.0 / f64::from(RATE)).round() as u32
    }

    fn look(&self) -> Option<Estimate> {
        let mut sorted = heapless::Vec::<i64, MOST>::new();
        sorted.extend(self.heads.iter().copied());
        sorted.sort_unstable();
        Some(Estimate {
            typical: *sorted.get(sorted.len() / 2)?,
            late: *sorted.get(sorted.len() / TOO_LATE)?,
        })
    }
}

impl Default for Arrivals {
    fn default() -> Self {
        Self::new()
    }
}
