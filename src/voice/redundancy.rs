//! How many copies of earlier packets go with each, how far back they reach, and what the encoder may spend.
//!
//! All that is known is what the peer's receiver reports say of the last second: packets lost, round trip. From it:
//!
//! - **How much.** The share lost of the last 500 packets, or of fewer where those differ from it by more than chance. `n` copies
//!   leave `share^(n+1)` of independent losses; their number keeps that under one in 150. It rises at once and falls slowly.
//! - **How far apart.** Losses in bursts take a packet and its copies together unless those are farther apart than a burst
//!   is long. Reports do not tell bursts, but their variance does: were losses independent, the count of one report would
//!   vary as binomial; bursts of mean length L make it up to `2L - 1` times that (the index of dispersion, Cox and Lewis 1966).
//!   Taken between successive reports, so that a path that gets worse is not taken for one with bursts.
//!   Copies are near, or spread over a quarter of a second.
//! - **Whether it helps.** Losses that a full queue makes grow with our own rate. So the round trip may not grow far over
//!   its least, and if losses have long been far over those seen without copies, one copy is tried for 2 s; if that
//!   halves the losses, there are none for a while, for twice as long each time.
//!
//! Packets are the clock: while none are sent nothing new is known. In-band repair (LBRR) is for peers without RED: a copy costs
//! more and gives the whole packet, and doing without leaves the encoder a quarter more for the voice. Under heavy loss the voice
//! narrows to 8 kHz, which halves what a copy costs: an unbroken voice of 8 kHz is understood better than a broken one of 12.

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
const STEPS: [f32; MOST_COPIES] = [0.01, 0.04, 0.15, 0.25];
/// How many packets back the copies reach, by their number. One copy reaches as far as two, and three as far as four, so that
/// the other end need not change its wait, which is heard, with every change of number.
const NEAR: [&[u8]; MOST_COPIES + 1] = [&[], &[2], &[1, 2], &[1, 2, 4], &[1, 2, 3, 4]];
/// For peers that do not wait: each packet's copy comes with the next.
const NEAREST: [&[u8]; MOST_COPIES + 1] = [&[], &[1], &[1, 2], &[1, 2, 3], &[1, 2, 3, 4]];
/// The same for losses in bursts.
const SPREAD: [&[u8]; MOST_COPIES + 1] = [&[], &[8], &[4, 8], &[4, 8, 12], &[3, 6, 9, FARTHEST]];
/// Bits a second for the voice itself, by the number of copies.
const RATES: [i32; MOST_COPIES + 1] = [40_000, 36_000, 32_000, 28_000, 24_000];
/// From so many copies on the voice is narrowed.
const NARROW: usize = 3;
/// Bits a second on a path whose queue grows without any copy.
const CONGESTED_RATE: i32 = 20_000;

/// Reports with fewer packets wait for the next: at four reports a second, one of them.
const ENOUGH: u32 = 10;
/// Reports looked back on.
const REPORTS: usize = 64;
/// Packets looked back on for how much is lost …
const WINDOW: u32 = 500;
/// … and so many of the last, if they differ by more than [`UNLIKELY`].
const RECENT: [u32; 2] = [25, 100];
/// Standard deviations.
const UNLIKELY: f32 = 4.0;
/// Packets before anything is decided; and until then decisions are not stuck to.
const FIRST: (u32, u32) = (50, 250);
/// Reports with losses at least before anything is said of how they vary.
const VARIED: f32 = 6.0;
/// How many standard deviations the index of dispersion must be over that of independent losses.
const SURE: f32 = 4.5;
/// Packets that bursts are believed in.
const BURSTY: u32 = 1500;
/// Packets until one copy fewer is believed to do.
const PATIENCE: u32 = 500;
/// Losses so much greater than without copies are worth a trial with fewer: a share, and a multiple. Where nothing was seen
/// without copies, losses of this share.
const MORE: (f32, f32) = (0.06, 2.5);
const MANY: f32 = 0.35;
/// Packets of a trial, and of them those that still tell of the time before.
const TRIAL: (u32, u32) = (100, 25);
/// With fewer copies losses fall to less than this part of what they were: they are of our own making.
const FEWER: f32 = 0.5;
/// How far the round trip may grow over its least, and over twice that.
const QUEUE: Duration = Duration::from_millis(200);
/// So many reports in a row make a jam of it, and so many more the next step down; four come in a second.
const SLOW: u32 = 3;
/// Packets between two steps up of the ceiling.
const RETRY: u32 = 250;
/// Packets that a ceiling holds, at first and at most.
const HOLD: (u32, u32) = (750, 12_000);

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

/// Receiver reports (RFC 3550 §6.4.1), of which only what is new counts.
#[derive(Clone, Copy, Debug)]
pub struct Reports {
    highest: u64,
    lost: u64,
}

impl Reports {
    /// None yet; `first`: the sequence number that our packets begin with.
    pub fn new(first: u64) -> Self {
        Self {
            highest: first.saturating_sub(1),
            lost: 0,
        }
    }

    /// Takes the highest sequence number that the peer has and its count of losses. A packet that was overtaken is lost in one
    /// report and not in the next, so only what is over the most reported so far is lost.
    pub fn take(&mut self, highest: u64, lost: u64, rtt: Option<Duration>) -> Feedback {
        let packets = highest.saturating_sub(self.highest);
        let new = lost.saturating_sub(self.lost).min(packets);
        self.highest = self.highest.max(highest);
        self.lost = self.lost.max(lost);
        let few = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Feedback {
            packets: few(packets),
            lost: few(new),
            rtt,
        }
    }
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

/// The controller.
#[derive(Debug)]
pub struct Redundancy {
    /// The peer takes RED.
    red: bool,
    /// Packets and losses of each report, the small ones put together.
    reports: HistoryBuf<(u32, u32), REPORTS>,
    pending: (u32, u32),
    /// Packets reported.
    seen: u32,
    copies: usize,
    /// Packets since more than the next smaller number was needed.
    calm: u32,
    /// For so many more packets losses are believed to come in bursts.
    bursty: u32,
    /// Packets since copies began or ceased, or a trial did.
    unchanged: u32,
    /// Share lost that is worth a trial.
    bound: f32,
    /// A trial with fewer copies, and the share lost before.
    trial: Option<f32>,
    ceiling: Ceiling,
    least_rtt: Option<Duration>,
    /// Reports in a row whose round trip says that a queue has grown.
    slow: u32,
    /// The peer waits for copies, as sotto does.
    waits: bool,
    plan: Plan,
}

impl Redundancy {
    /// Nothing is known of the path yet. `red`: the peer takes RED.
    pub fn new(red: bool) -> Self {
        let mut new = Self {
            red,
            reports: HistoryBuf::new(),
            pending: (0, 0),
            seen: 0,
            copies: 0,
            calm: 0,
            bursty: 0,
            unchanged: 0,
            bound: MANY,
            trial: None,
            ceiling: Ceiling::new(),
            least_rtt: None,
            slow: 0,
            waits: true,
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

    /// The peer plays on without waiting for copies, as browsers do: they are sent as soon as can be.
    pub fn stay_near(&mut self) {
        self.waits = false;
        self.draw_up();
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
            self.seen = self.seen.saturating_add(packets);
            if self.seen >= FIRST.0 {
                self.watch_losses(packets);
                self.choose(packets);
            }
        }
        self.copies = self.copies.min(self.ceiling.copies);
        self.draw_up();
    }

    /// Packets and losses of the last reports, back to so many packets or a little more.
    fn last(&self, most: u32) -> (u32, u32) {
        let mut sum = (0_u32, 0_u32);
        for &(packets, lost) in self.reports.oldest_ordered().rev() {
            if sum.0 >= most {
                break;
            }
            sum = (sum.0.saturating_add(packets), sum.1.saturating_add(lost));
        }
        sum
    }

    /// Share lost of the last packets.
    fn lost(&self, packets: u32) -> f32 {
        let (packets, lost) = self.last(packets);
        lost as f32 / packets.max(1) as f32
    }

    /// Share lost now.
    fn level(&self) -> f32 {
        let mean = self.lost(WINDOW);
        let recent = RECENT.map(|most| {
            let (packets, lost) = self.last(most);
            let share = lost as f32 / packets.max(1) as f32;
            let least = mean.max(0.01);
            let deviation = (least * (1.0 - least) / packets.max(1) as f32).sqrt();
            if share > mean + UNLIKELY * deviation {
                share
            } else {
                mean
            }
        });
        recent.into_iter().fold(mean, f32::max)
    }

    /// Whether losses vary more from one report to the next than independent ones would.
    fn varies(&self) -> bool {
        let (mut sum, mut pairs) = (0.0, 0.0_f32);
        let mut before = None;
        for &(packets, lost) in self.reports.oldest_ordered() {
            let (n, x) = (packets as f32, lost as f32);
            if let Some((m, y)) = before.replace((n, x)) {
                let share = (x + y) / (n + m);
                let expected = share * (1.0 - share) * (1.0 / n + 1.0 / m);
                if expected > 0.0 {
                    sum += (x / n - y / m).powi(2) / expected;
                    pairs += 1.0;
                }
            }
        }
        // The variance of such a sum is three a pair (von Neumann's successive differences).
        pairs >= VARIED && sum / pairs > 1.0 + SURE * (3.0 / pairs).sqrt()
    }

    /// Raises the number of copies at once, lowers it one at a time.
    fn choose(&mut self, packets: u32) {
        let level = self.level();
        self.bursty = if self.varies() {
            BURSTY
        } else {
            self.bursty.saturating_sub(packets)
        };
        let mut wanted = STEPS.iter().take_while(|&&from| level >= from).count();
        if wanted > 0 && self.bursty > 0 {
            wanted += 1;
        }
        let wanted = wanted.min(self.ceiling.copies);
        self.calm = self.calm.saturating_add(packets);
        if (wanted == 0) != (self.copies == 0) {
            self.unchanged = 0;
        }
        if wanted >= self.copies || self.seen < FIRST.1 {
            self.copies = wanted;
            self.calm = 0;
        } else if self.calm >= PATIENCE {
            self.copies -= 1;
            self.calm = 0;
        }
    }

    fn watch_queue(&mut self, rtt: Option<Duration>) {
        let Some(rtt) = rtt else {
            return;
        };
        // A path that became longer for good is forgiven within minutes.
        let least = self.least_rtt.map_or(rtt, |l| rtt.min(l + l / 256));
        self.least_rtt = Some(least);
        self.slow = if rtt > least + QUEUE && rtt > 2 * least {
            self.slow.saturating_add(1)
        } else {
            0
        };
        if self.slow > 0 && self.slow.is_multiple_of(SLOW) {
            self.ceiling.lower(self.copies.saturating_sub(1));
        }
    }

    fn watch_losses(&mut self, packets: u32) {
        self.ceiling.pass(packets);
        let now = self.lost(WINDOW);
        self.unchanged = self.unchanged.saturating_add(packets);
        if let Some(before) = self.trial {
            if self.unchanged >= TRIAL.0 {
                let with_fewer = self.lost(TRIAL.0 - TRIAL.1);
                self.trial = None;
                self.unchanged = 0;
                self.bound = MORE.0 + MORE.1 * with_fewer;
                if with_fewer < before * FEWER {
                    self.ceiling.lower(0);
                }
            }
        } else if self.copies == 0 {
            if self.unchanged >= WINDOW / 2 {
                self.bound = MORE.0 + MORE.1 * now;
            }
        } else if self.unchanged >= WINDOW && now.min(self.lost(TRIAL.0)) > self.bound {
            // Losses that were over before a trial would seem to be over because of it.
            self.trial = Some(now);
            self.unchanged = 0;
        }
    }

    fn draw_up(&mut self) {
        let copies = match (self.red, self.trial) {
            (false, _) => 0,
            (true, Some(_)) => usize::from(self.copies > 1),
            (true, None) => self.copies,
        };
        let distances = match (self.waits, self.bursty) {
            (false, _) => NEAREST,
            (true, 0) => NEAR,
            (true, _) => SPREAD,
        };
        let most = (MOST_RATE - HEADERS - copies as i32 * COPY_HEADERS) / (copies as i32 + 1);
        let rate = if self.slow >= SLOW && copies == 0 {
            CONGESTED_RATE
        } else {
            RATES[copies]
        };
        self.plan = Plan {
            distances: distances[copies].iter().copied().collect(),
            repair_percent: if self.red && (copies > 0 || self.level() < STEPS[0]) {
                0
            } else {
                (self.level() * 100.0).clamp(REPAIR.0, REPAIR.1) as u8
            },
            bitrate: rate.min(most),
            narrow: copies >= NARROW,
        };
    }
}

/// How many copies may be sent, where more would fill a queue.
#[derive(Debug)]
struct Ceiling {
    copies: usize,
    /// Packets until it rises by one.
    left: u32,
    /// Packets that it stays where this jam lowered it, and where the next one does.
    hold: u32,
    next_hold: u32,
    /// Its last step was down.
    fell: bool,
}

impl Ceiling {
    /// As many as there can be.
    fn new() -> Self {
        Self {
            copies: MOST_COPIES,
            left: 0,
            hold: HOLD.0,
            next_hold: HOLD.0,
            fell: false,
        }
    }

    /// So many packets were sent: it may rise.
    fn pass(&mut self, packets: u32) {
        self.left = self.left.saturating_sub(packets);
        if self.left == 0 && self.copies < MOST_COPIES {
            self.copies += 1;
            self.fell = false;
            self.left = RETRY;
        }
    }

    /// No more than so many copies for a while, each time for twice as long. Steps down of one and the same jam are held as long as
    /// the first.
    fn lower(&mut self, copies: usize) {
        if copies < self.copies {
            self.copies = copies;
            if !std::mem::replace(&mut self.fell, true) {
                self.hold = self.next_hold;
                self.next_hold = (self.next_hold * 2).min(HOLD.1);
            }
            self.left = self.hold;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Independent, or of this mean length.
    struct Losses {
        share: f64,
        burst: f64,
        state: u64,
        bad: bool,
    }

    impl Losses {
        fn new(seed: u64, share: f64, burst: f64) -> Self {
            Self {
                share,
                burst,
                state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
                bad: false,
            }
        }

        fn next(&mut self) -> bool {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            let uniform = (self.state >> 11) as f64 / (1_u64 << 53) as f64;
            let chance = if self.burst <= 1.0 {
                self.share
            } else if self.bad {
                1.0 - 1.0 / self.burst
            } else {
                self.share / ((1.0 - self.share) * self.burst)
            };
            self.bad = uniform < chance;
            self.bad
        }
    }

    /// `seconds` of reports, four a second, of 50 packets a second.
    fn run(redundancy: &mut Redundancy, seconds: u32, losses: &mut Losses) {
        for i in 0..seconds * 4 {
            let packets = 12 + i % 2;
            let lost = (0..packets).filter(|_| losses.next()).count() as u32;
            redundancy.handle(Feedback {
                packets,
                lost,
                rtt: Some(Duration::from_millis(80)),
            });
        }
    }

    fn rate(plan: &Plan) -> i32 {
        let copies = plan.distances.len() as i32;
        HEADERS + copies * COPY_HEADERS + plan.bitrate * (copies + 1)
    }

    #[test]
    fn only_what_is_new_in_a_report_counts_and_an_overtaken_packet_once() {
        let mut reports = Reports::new(1000);
        let mut take = |highest, lost| {
            let feedback = reports.take(highest, lost, None);
            (feedback.packets, feedback.lost)
        };
        assert_eq!(take(1011, 2), (12, 2));
        assert_eq!(take(1011, 2), (0, 0));
        assert_eq!(take(1023, 1), (12, 0));
        assert_eq!(take(1036, 2), (13, 0));
        assert_eq!(take(1048, 4), (12, 2));
        assert_eq!(take(u64::MAX, u64::MAX), (u32::MAX, u32::MAX));
        assert_eq!(take(0, 0), (0, 0));
    }

    #[test]
    fn a_clean_path_carries_no_copies_and_all_bits_go_to_the_voice() {
        let mut redundancy = Redundancy::new(true);
        run(&mut redundancy, 60, &mut Losses::new(1, 0.0, 1.0));
        assert_eq!(
            redundancy.plan(),
            &Plan {
                distances: Vec::new(),
                repair_percent: 0,
                bitrate: 40_000,
                narrow: false,
            }
        );
    }

    #[test]
    fn copies_follow_the_losses_within_seconds_and_fall_back_slowly() {
        let mut redundancy = Redundancy::new(true);
        run(&mut redundancy, 20, &mut Losses::new(2, 0.0, 1.0));
        run(&mut redundancy, 2, &mut Losses::new(2, 0.3, 1.0));
        assert_eq!(redundancy.plan().distances, [1, 2, 3, 4]);
        run(&mut redundancy, 10, &mut Losses::new(2, 0.0, 1.0));
        assert!(!redundancy.plan().distances.is_empty());
        run(&mut redundancy, 50, &mut Losses::new(2, 0.0, 1.0));
        assert!(redundancy.plan().distances.is_empty());
    }

    #[test]
    fn independent_losses_have_near_copies_and_bursts_have_spread_ones() {
        let (mut near, mut spread) = (0, 0);
        for seed in 1..=30 {
            for (share, copies) in [(0.05, 1), (0.1, 2), (0.2, 3), (0.3, 4)] {
                let mut redundancy = Redundancy::new(true);
                run(&mut redundancy, 15, &mut Losses::new(seed, share, 1.0));
                let distances = &redundancy.plan().distances;
                assert!(distances.len() >= copies, "{seed} {share}: {distances:?}");
                near += u32::from(distances.iter().all(|d| *d <= 4));
            }
            let mut redundancy = Redundancy::new(true);
            run(&mut redundancy, 15, &mut Losses::new(seed, 0.1, 4.0));
            let distances = &redundancy.plan().distances;
            spread += u32::from(distances.iter().any(|d| *d >= 8));
        }
        // A test of chance may err now and then.
        assert!(near >= 117 && spread >= 28, "{near} of 120, {spread} of 30");
    }

    #[test]
    fn the_whole_stays_within_the_rate_whatever_is_reported() {
        let mut redundancy = Redundancy::new(true);
        let mut losses = Losses::new(5, 0.5, 1.0);
        for _ in 0..2000 {
            let word = |losses: &mut Losses| {
                losses.next();
                losses.state as u32 >> (losses.state >> 59)
            };
            redundancy.handle(Feedback {
                packets: word(&mut losses),
                lost: word(&mut losses),
                rtt: Some(Duration::from_millis(word(&mut losses).into())),
            });
            let plan = redundancy.plan();
            assert!(rate(plan) <= MOST_RATE, "{plan:?}");
            assert!(plan.distances.iter().all(|d| (1..=FARTHEST).contains(d)));
            assert!(plan.distances.is_sorted());
        }
    }

    /// A path of so many bits a second whose queue holds so many seconds: the rates and shares lost at the end.
    fn bottleneck(bits: f64, queue: f64, seconds: u32) -> (f64, f64) {
        let mut redundancy = Redundancy::new(true);
        let mut random = Losses::new(9, 0.03, 1.0);
        let (mut waiting, mut rates, mut lost_late) = (0.0_f64, 0.0, 0);
        for i in 0..seconds * 4 {
            let packet = f64::from(rate(redundancy.plan())) / 50.0;
            let mut lost = 0;
            for _ in 0..12 {
                waiting = (waiting - bits / 50.0).max(0.0);
                if random.next() || waiting + packet > bits * queue + packet {
                    lost += 1;
                } else {
                    waiting += packet;
                }
            }
            if i >= seconds * 2 {
                lost_late += lost;
                rates += packet * 50.0;
            }
            redundancy.handle(Feedback {
                packets: 12,
                lost,
                rtt: Some(Duration::from_secs_f64(0.05 + waiting / bits)),
            });
        }
        let late = f64::from(seconds * 2);
        (rates / late, f64::from(lost_late) / (late * 12.0))
    }

    #[test]
    fn losses_of_our_own_making_are_not_fought_with_copies() {
        // Without copies 71 kbit/s; with four 150.
        for queue in [0.03, 0.5, 2.0] {
            let (rate, lost) = bottleneck(90_000.0, queue, 120);
            assert!(rate < 115_000.0, "{queue}: {rate}");
            assert!(lost < 0.2, "{queue}: {lost}");
        }
    }

    #[test]
    fn a_peer_without_red_gets_repair_data_as_its_losses_are() {
        let mut redundancy = Redundancy::new(false);
        assert_eq!(redundancy.plan().repair_percent, 5);
        run(&mut redundancy, 10, &mut Losses::new(4, 0.2, 1.0));
        let plan = redundancy.plan();
        assert!(plan.distances.is_empty());
        assert!((15..=25).contains(&plan.repair_percent), "{plan:?}");
        run(&mut redundancy, 10, &mut Losses::new(4, 0.9, 1.0));
        assert_eq!(redundancy.plan().repair_percent, 30);
    }
}
