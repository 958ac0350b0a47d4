//! How late packets come, and so how long a typical one has to wait for its turn.
//!
//! A packet's transit is its arrival less its timestamp. Only differences of transit matter, so any clock will do:
//! the arrival is told in samples that the speaker has taken so far. That makes the sound card's own burstiness part
//! of what is measured, and its clock the only one. The typical transit is the median of the last ten seconds of voice,
//! and the late one is exceeded by one packet in a hundred of them; their distance is what a buffer has to bridge. Ten
//! seconds, because over fewer the one in a hundred wanders and the wait with it, which is heard. What is over must
//! not be bridged for so long: the late transit is at most the latest of the last three seconds. So the wait rises
//! with the sixth late packet of 20 ms and falls after three calm seconds. It is the idea of NetEQ's delay histogram
//! (webrtc/modules/audio_coding/neteq), with two windows in place of forgetting.

use std::time::Instant;

use super::frame::RATE;

/// Voice that is looked back on, in samples: 10 s.
const WINDOW: i64 = 10 * RATE as i64;
/// What comes later than all of the last 3 s is over.
const RECENT: i64 = 3 * RATE as i64;
/// Packets remembered: the window in packets of 10 ms.
const MOST: usize = 1000;
/// Packets remembered at least, if they are very long.
const LEAST: usize = 50;
/// One packet in this many may come too late.
const TOO_LATE: usize = 100;

/// The transits of the last packets.
pub struct Arrivals {
    /// Head starts: timestamp less samples played at arrival. The greater, the earlier.
    heads: heapless::Deque<i64, MOST>,
    /// The same, the latest first.
    sorted: heapless::Vec<i64, MOST>,
    /// Of them; asked for far more often than they change.
    estimate: Option<Estimate>,
    /// Packets in the last 3 s.
    recent: usize,
    /// RFC 3550 §6.4.1: the packet before (arrival, timestamp) and the mean deviation, samples.
    before: Option<(Instant, i64)>,
    jitter: f64,
}

/// Head starts of packets, in samples: see [`Arrivals`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Of every second packet, but not later than all of the last 3 s.
    pub typical: i64,
    /// Of the latest one in a hundred, but none later than all of the last 3 s.
    pub late: i64,
}

impl Arrivals {
    /// Nothing came yet.
    pub fn new() -> Self {
        Self {
            heads: heapless::Deque::new(),
            sorted: heapless::Vec::new(),
            estimate: None,
            recent: LEAST,
            before: None,
            jitter: 0.0,
        }
    }

    /// A packet came at `now`, when the speaker had taken `played` samples.
    pub fn add(&mut self, now: Instant, timestamp: i64, duration: i64, played: i64) {
        let packets = |samples: i64| ((samples / duration.max(1)) as usize).clamp(LEAST, MOST);
        while self.heads.len() >= packets(WINDOW)
            && let Some(oldest) = self.heads.pop_front()
        {
            let at = self.sorted.partition_point(|&head| head < oldest);
            self.sorted.remove(at);
        }
        let head = timestamp.wrapping_sub(played);
        // Never full: the lines above made room in both.
        let _ = self.heads.push_back(head);
        let _ = self
            .sorted
            .insert(self.sorted.partition_point(|&h| h < head), head);
        self.recent = packets(RECENT);
        self.look();

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
            for head in self.heads.iter_mut().chain(&mut self.sorted) {
                *head = head.wrapping_add(moved);
            }
            // What runs over would be out of order.
            self.sorted.sort_unstable();
            self.look();
        }
        self.before = None;
    }

    /// What came so far says nothing of what is to come.
    pub fn forget(&mut self) {
        self.heads.clear();
        self.sorted.clear();
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

    fn look(&mut self) {
        let of = |index: usize| self.sorted.get(index).copied();
        let recent = self.heads.iter().rev().take(self.recent).min();
        self.estimate = of(self.sorted.len() / 2)
            .zip(of(self.sorted.len() / TOO_LATE))
            .zip(recent)
            .map(|((typical, late), &recent)| Estimate {
                typical: typical.max(recent),
                late: late.max(recent),
            });
    }
}

impl Default for Arrivals {
    fn default() -> Self {
        Self::new()
    }
}
