//! How well a call is heard: the E-model (ITU-T G.107), simplified, and the bars that show it.
//!
//! R = 93.2 − Id − Ie,eff. The 93.2 is what G.107 leaves with all its defaults. Id is what pure delay takes (its Idd; sotto's
//! own echo is cancelled), Ie,eff what losses take that were not repaired. G.107.1 and G.107.2 have wider scales for
//! wideband and fullband codecs, but ITU-T G.113 has no values for Opus on any of them; so Opus is rated on the narrowband
//! scale as the best codec there: Ie = 0 and Bpl = 25.1, which are those of G.711 with good concealment (G.113, Appendix I). PESQ
//! agrees: with 4, 9, 19 and 29 % of speech concealed it measures 3.7, 3.4, 2.5 and 2.0, and this says 4.0, 3.5, 2.7 and 2.2.

use std::time::Duration;

/// R without delay or loss (G.107 §7.7).
const BEST: f64 = 93.2;
/// Robustness against loss (G.113, Table I.4).
const BPL: f64 = 25.1;
/// The delay that takes nothing yet, ms, and how sensitive people are to more (G.107 §7.4: mT and sT of the default class).
const UNHEARD_MS: f64 = 100.0;
const SENSITIVITY: f64 = 1.0;

/// A packet is sent when its last sample was spoken, ms.
const PACKET_MS: f64 = 20.0;
/// What Opus looks ahead, ms (RFC 6716 §2).
const CODEC_MS: f64 = 6.5;
/// Two sound cards: 10 ms until a period is full, 20 ms of speaker buffer.
const CARDS_MS: f64 = 30.0;

/// What is known of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Heard {
    /// The network's round trip; counted as nothing while it is unknown.
    pub rtt: Option<Duration>,
    /// How long a packet waits in the jitter buffer, ms.
    pub wait_ms: u32,
    /// Share of voice that was made up, 0 to 1. What was repaired is no part of it.
    pub concealed: f32,
    /// How much longer than by chance the gaps are (G.107's BurstR), 1 or more.
    pub burst: f32,
}

/// The model's outcome, with its parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    /// Mouth to ear, ms.
    pub delay_ms: f64,
    /// What the delay takes off R.
    pub id: f64,
    /// What concealment takes off R.
    pub ie_eff: f64,
    /// Transmission rating, 0 to 93.2.
    pub r: f64,
    /// Mean opinion score of a conversation (MOS-CQE), 1 to 4.41.
    pub mos: f64,
}

impl Heard {
    /// By the E-model.
    pub fn rate(&self) -> Rating {
        let network_ms = self.rtt.map_or(0.0, |rtt| rtt.as_secs_f64() * 500.0);
        let delay_ms = network_ms + f64::from(self.wait_ms) + PACKET_MS + CODEC_MS + CARDS_MS;
        let id = delay_impairment(delay_ms);
        let ie_eff = loss_impairment(f64::from(self.concealed), f64::from(self.burst));
        let r = (BEST - id - ie_eff).max(0.0);
        Rating {
            delay_ms,
            id,
            ie_eff,
            r,
            mos: mean_opinion(r),
        }
    }
}

/// Idd of a mouth-to-ear delay (G.107 §7.4).
fn delay_impairment(ms: f64) -> f64 {
    if ms <= UNHEARD_MS {
        return 0.0;
    }
    let x = (ms / UNHEARD_MS).log2();
    let power = 6.0 * SENSITIVITY;
    let norm = |x: f64| (1.0 + x.powf(power)).powf(1.0 / power);
    25.0 * (norm(x) - 3.0 * norm(x / 3.0) + 2.0)
}

/// Ie,eff of a share lost, 0 to 1 (G.107 §7.5).
fn loss_impairment(lost: f64, burst: f64) -> f64 {
    let percent = lost.clamp(0.0, 1.0) * 100.0;
    95.0 * percent / (percent / burst.max(1.0) + BPL)
}

/// MOS of an R of 0 to 100 (G.107, Annex B).
fn mean_opinion(r: f64) -> f64 {
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
}

/// From this R on so many bars: the borders of G.107's Annex B, below which some, many, and nearly all users are dissatisfied; and
/// 50, below which no connection should be.
const BORDERS: [f64; 4] = [50.0, 60.0, 70.0, 80.0];
/// How far beyond a border R must be to move over it.
const HYSTERESIS: f64 = 2.0;

/// The bars of a call, 0 to 4, which do not flicker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bars(u8);

impl Bars {
    /// As if nothing were wrong.
    pub fn new() -> Self {
        Self(BORDERS.len() as u8)
    }

    /// R is this now.
    pub fn update(&mut self, r: f64) {
        let above = |r: f64| BORDERS.iter().filter(|&&border| r >= border).count() as u8;
        self.0 = self.0.clamp(above(r - HYSTERESIS), above(r + HYSTERESIS));
    }

    /// 0 (bad) to 4 (good).
    pub fn get(&self) -> u8 {
        self.0
    }
}

impl Default for Bars {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64, off: f64) -> bool {
        (a - b).abs() <= off
    }

    #[test]
    fn opinion_scores_are_those_of_g107_annex_b() {
        let table = [
            (90.0, 4.34),
            (80.0, 4.03),
            (70.0, 3.60),
            (60.0, 3.10),
            (50.0, 2.58),
        ];
        for (r, mos) in table {
            assert!(near(mean_opinion(r), mos, 0.01), "{r}: {}", mean_opinion(r));
        }
        assert!(near(mean_opinion(BEST), 4.41, 0.005));
        assert_eq!(mean_opinion(0.0), 1.0);
        assert_eq!(mean_opinion(5.0), 1.0);
    }

    #[test]
    fn delay_takes_what_g107_says() {
        assert_eq!(delay_impairment(0.0), 0.0);
        assert_eq!(delay_impairment(100.0), 0.0);
        // 25 ((1 + X^6)^(1/6) - 3 (1 + (X/3)^6)^(1/6) + 2) with X = log2(delay / 100 ms), by hand.
        for (ms, id) in [(150.0, 0.16), (200.0, 3.04), (300.0, 14.76), (400.0, 24.07)] {
            assert!(
                near(delay_impairment(ms), id, 0.005),
                "{ms}: {}",
                delay_impairment(ms)
            );
        }
    }

    #[test]
    fn loss_takes_what_g107_says_and_more_in_bursts() {
        assert_eq!(loss_impairment(0.0, 1.0), 0.0);
        assert!(near(loss_impairment(0.05, 1.0), 95.0 * 5.0 / 30.1, 1e-9));
        assert!(near(loss_impairment(0.2, 2.0), 95.0 * 20.0 / 35.1, 1e-9));
        assert!(near(loss_impairment(7.0, 0.0), 95.0 * 100.0 / 125.1, 1e-9));
    }

    #[test]
    fn a_rating_adds_up() {
        let clean = Heard {
            wait_ms: 10,
            ..Heard::default()
        };
        let rating = clean.rate();
        assert_eq!(
            (rating.delay_ms, rating.id, rating.ie_eff),
            (66.5, 0.0, 0.0)
        );
        assert_eq!(rating.r, BEST);
        let far = Heard {
            rtt: Some(Duration::from_millis(287)),
            wait_ms: 200,
            concealed: 0.05,
            burst: 1.0,
        };
        let rating = far.rate();
        assert_eq!(rating.delay_ms, 400.0);
        assert!(near(rating.r, 93.2 - 24.07 - 15.78, 0.01), "{rating:?}");
        assert!(near(rating.mos, 2.75, 0.01), "{rating:?}");
        let dead = Heard {
            concealed: 1.0,
            wait_ms: 1000,
            ..far
        };
        assert_eq!((dead.rate().r, dead.rate().mos), (0.0, 1.0));
    }

    #[test]
    fn bars_move_only_well_beyond_a_border() {
        let mut bars = Bars::new();
        let mut after = |r: f64| {
            bars.update(r);
            bars.get()
        };
        assert_eq!(after(93.2), 4);
        assert_eq!([79.0, 81.0, 78.1].map(&mut after), [4, 4, 4]);
        assert_eq!(after(77.9), 3);
        assert_eq!([81.0, 79.0, 81.9].map(&mut after), [3, 3, 3]);
        assert_eq!(after(82.0), 4);
        assert_eq!(
            [40.0, 51.0, 52.0, 100.0, 0.0].map(&mut after),
            [0, 0, 1, 4, 0]
        );
    }
}
