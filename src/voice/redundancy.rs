//! How many copies of earlier packets go with each, how far back they reach, and what the encoder may spend.
//!
//! All that is known is what the peer's receiver reports say of the last second: packets lost, round trip. From it:
//!
//! - **How much.** The share lost, of the last two reports or the last eight, whichever is more: so it rises at once and
//!   falls slowly. `n` copies leave `share^(n+1)` of independent losses; their number keeps that under one in 150.
//! - **How far apart.** Losses in bursts take a packet and its copies together unless those are farther apart than a burst
//!   is long. Reports do not tell bursts, but their variance does: were losses independent, the count of one report would
//!   vary as binomial; bursts of mean length L make it `2L - 1` times that (the index of dispersion, Cox and Lewis 1966).
//! - **Whether it helps.** Losses that a full queue makes grow with our own rate. So the round trip may not grow far over
//!   its least, and if losses have grown far over those seen with few copies, few are tried again; if that more than
//!   halves the losses, few it remains, for twice as long each time.
//!
//! In-band repair (LBRR) is for peers without RED: a copy costs more and gives the whole packet, and doing without
//! leaves the encoder a quarter more for the voice. Under heavy loss the voice narrows to 8 kHz, which halves what a copy
//! costs: an unbroken voice of 8 kHz is understood better than a broken one of 12.

use std::time::Duration;

use heapless::{HistoryBuf, Vec};

/// Copies of one packet at most.
pub const MOST_COPIES: usize = 4;
/// The farthest back, packets of 20 ms: what 14 bits of timestamp and a bearable wait allow.
pub const FARTHEST: u8 = 12;

/// Bits a second at most, with all headers.
pub const MOST_RATE: i32 = 200_000;
/// Headers of 50 packets a second: IPv6, UDP, RTP with MID, SRTP's tag.
const HEADERS: i32 = 50 * 8 * (40 + 8 + 20 + 10);
/// Headers of 50 copies a second.
const COPY_HEADERS: i32 = 50 * 8 * 4;

/// From this share lost on so many copies, for losses that come singly.
const STEPS: [f32; MOST_COPIES] = [0.02, 0.07, 0.15, 0.25];
/// Bits a second for the voice itself, by the number of copies.
const RATES: [i32; MOST_COPIES + 1] = [40_000, 36_000, 32_000, 28_000, 24_000];
/// From so many copies on the voice is narrowed.
const NARROW: usize = 3;
/// Bits a second on a path whose queue grows without any copy.
const CONGESTED_RATE: i32 = 20_000;

/// Reports with fewer packets wait for the next.
const ENOUGH: u32 = 20;
/// Reports looked back on.
const WINDOW: usize = 8;
/// Reports until one copy fewer is believed to do.
const PATIENCE: u8 = 5;
/// Copies that are few.
const FEW: usize = 1;
/// Reports of a trial with few copies; the first still tells of the time before.
const TRIAL: u8 = 3;
/// How far the round trip may grow over its least, and over twice that.
const QUEUE: Duration = Duration::from_millis(200);
/// Reports that a ceiling holds, at first and at most.
const HOLD: (u16, u16) = (15, 240);

/// In-band repair: percent lost that the encoder is told of, at least (0 would end it, and the first report takes seconds) and
/// at most (beyond, repair data would eat the voice itself).
const REPAIR: (f32, f32) = (5.0, 30.0);

/// What the peer's receiver says since it said so last.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Feedback {
    /// Packets of ours that were to come.
    pub packets: u32,
    /// Of them lost.
    pub lost: u32,
    /// Round trip, if known.
    pub rtt: Option<Duration>,
}

/// What the sender is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// How many packets back each copy reaches, 1 to [`FARTHEST`], nearest first.
    pub distances: Vec<u8, MOST_COPIES>,
    /// Percent of packets lost that in-band repair is for; 0: none.
    pub repair_percent: u8,
    /// Bits a second for the voice, repair included, copies and headers not.
    pub bitrate: i32,
    /// Of 8 kHz rather than 12.
    pub narrow: bool,
}

/// The controller; a report a second is its clock.
#[derive(Debug)]
pub struct Redundancy {
    /// The peer takes RED.
    red: bool,
    /// Packets and losses of each report, the small ones put together.
    reports: HistoryBuf<(u32, u32), WINDOW>,
    pending: (u32, u32),
    copies: usize,
    /// Reports since more than the next smaller number was needed.
    calm: u8,
    /// Losses seen with few copies.
    with_few: Option<f32>,
    /// Reports left of a trial, and the losses that it was begun for.
    trial: Option<(u8, f32)>,
    ceiling: usize,
    hold: u16,
    next_hold: u16,
    least_rtt: Option<Duration>,
    congested: bool,
    plan: Plan,
}

impl Redundancy {
    /// Nothing is known of the path yet. `red`: the peer takes RED.
    pub fn new(red: bool) -> Self {
        let mut new = Self {
            red,
            reports: HistoryBuf::new(),
            pending: (0, 0),
            copies: 0,
            calm: 0,
            with_few: None,
            trial: None,
            ceiling: MOST_COPIES,
            hold: 0,
            next_hold: HOLD.0,
            least_rtt: None,
            congested: false,
            plan: Plan {
                distances: Vec::new(),
                repair_percent: 0,
                bitrate: 0,
                narrow: false,
            },
        };
        new.draw_up();
        new
    }

    /// What to do now.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Takes a report.
    pub fn handle(&mut self, feedback: Feedback) {
        self.watch_queue(feedback.rtt);
        self.pending.0 = self.pending.0.saturating_add(feedback.packets);
        self.pending.1 = self.pending.1.saturating_add(feedback.lost);
        if self.pending.0 >= ENOUGH {
            let (packets, lost) = std::mem::take(&mut self.pending);
            self.reports.write((packets, lost.min(packets)));
            self.watch_losses();
            self.choose();
        }
        self.copies = self.copies.min(self.ceiling);
        self.draw_up();
    }

    /// Share lost of the last reports.
    fn lost(&self, reports: usize) -> f32 {
        let newest = self.reports.oldest_ordered().rev().take(reports);
        let (packets, lost) = newest.fold((0, 0), |sum, r| (sum.0 + r.0, sum.1 + r.1));
        lost as f32 / packets.max(1) as f32
    }

    fn level(&self) -> f32 {
        self.lost(2).max(self.lost(WINDOW))
    }

    /// How long a burst of losses is on average, packets; 1 if they seem independent.
    fn burst(&self) -> f32 {
        let (mean, count) = (self.lost(WINDOW), self.reports.len());
        if count < 3 || mean <= 0.0 || mean >= 1.0 {
            return 1.0;
        }
        let excess = |&(packets, lost): &(u32, u32)| {
            let expected = packets as f32 * mean;
            (lost as f32 - expected).powi(2) / (expected * (1.0 - mean))
        };
        let sum: f32 = self.reports.oldest_ordered().map(excess).sum();
        let dispersion = sum / (count - 1) as f32;
        ((dispersion + 1.0) / 2.0).max(1.0)
    }

    /// Raises the number of copies at once, lowers it one at a time.
    fn choose(&mut self) {
        let level = self.level();
        let mut wanted = STEPS.iter().take_while(|&&from| level >= from).count();
        if wanted > 0 && self.spacing() > 1 {
            wanted += 1;
        }
        let wanted = wanted.min(self.ceiling);
        if wanted >= self.copies {
            self.copies = wanted;
            self.calm = 0;
        } else {
            self.calm += 1;
            if self.calm >= PATIENCE {
                self.calm = 0;
                self.copies -= 1;
            }
        }
    }

    /// How many packets lie between one copy and the next.
    fn spacing(&self) -> u8 {
        match self.burst() {
            b if b < 1.6 => 1,
            b if b < 2.5 => 2,
            _ => 4,
        }
    }

    fn watch_queue(&mut self, rtt: Option<Duration>) {
        let Some(rtt) = rtt else {
            return;
        };
        // A path that became longer for good is forgiven within minutes.
        let least = self.least_rtt.map_or(rtt, |l| rtt.min(l + l / 256));
        self.least_rtt = Some(least);
        self.congested = rtt > least + QUEUE && rtt > 2 * least;
        if self.congested {
            self.lower_ceiling(self.copies.saturating_sub(1));
        }
    }

    fn watch_losses(&mut self) {
        if self.hold > 0 {
            self.hold -= 1;
        } else if self.ceiling < MOST_COPIES {
            self.ceiling += 1;
            self.hold = PATIENCE.into();
        }
        let last = self.lost(1);
        match self.trial {
            Some((1, before)) => {
                self.trial = None;
                self.with_few = Some(last);
                if last < before / 2.0 {
                    self.lower_ceiling(FEW);
                }
            }
            Some((left, before)) => self.trial = Some((left - 1, before)),
            None if self.copies <= FEW => {
                let before = self.with_few.unwrap_or(last);
                self.with_few = Some(before + (last - before) / 2.0);
            }
            None => {
                let now = self.lost(3);
                let bound = 0.1 + 2.0 * self.with_few.unwrap_or(1.0);
                if now > bound && self.lost(1) > bound {
                    self.trial = Some((TRIAL, now));
                }
            }
        }
    }

    fn lower_ceiling(&mut self, copies: usize) {
        if copies < self.ceiling {
            self.ceiling = copies;
            self.hold = self.next_hold;
            self.next_hold = (self.next_hold * 2).min(HOLD.1);
        }
    }

    fn draw_up(&mut self) {
        let copies = match (self.red, self.trial) {
            (false, _) => 0,
            (true, Some(_)) => self.copies.min(FEW),
            (true, None) => self.copies,
        };
        let spacing = self.spacing().min(FARTHEST / copies.max(1) as u8);
        let most = (MOST_RATE - HEADERS - copies as i32 * COPY_HEADERS) / (copies as i32 + 1);
        let rate = if self.congested && copies == 0 {
            CONGESTED_RATE
        } else {
            RATES[copies]
        };
        self.plan = Plan {
            distances: (1..=copies as u8).map(|n| n * spacing).collect(),
            repair_percent: if self.red {
                0
            } else {
                (self.level() * 100.0).clamp(REPAIR.0, REPAIR.1) as u8
            },
            bitrate: rate.min(most),
            narrow: copies >= NARROW,
        };
    }
}
