//! How long packets wait for what makes losses good: copies (RED, RFC 2198), or the next packet's repair data (RFC 6716 §2.1.7).
//!
//! Either comes with a later packet, so it serves only if the wait is as long as it reaches back. The wait is that long while
//! voice gets lost and the sender sends such; on a path without losses it is not. The share lost is a mean that forgets by and
//! by: after a fifth lost it would take 30 s of voice to fall under a hundredth. So when nothing was lost for 15 s, the
//! losses are over.
//!
//! libopus's deep concealment would add 4 MB and 2 to 10 ms of processor a second for at most a tenth of PESQ beside repair data.

use super::frame::RATE;
use super::stats::Share;

/// Share lost from which repair is worth the delay, and below which it no longer is.
const WORTH: (f32, f32) = (0.03, 0.01);
/// The same where copies come: their sender saw the losses too.
const WORTH_WITH_COPIES: (f32, f32) = (0.015, 0.005);
/// Not every packet carries repair data, only those after voice; a sender that sends fewer copies may soon send more.
/// So many packets without, and there are none: 1 s of 20 ms packets.
const MEMORY: u8 = 50;
/// So much voice without a loss says that the losses are over, samples: 15 s. Losses of 3 % leave so much never if they come
/// singly, and once in twelve minutes in bursts of four packets.
const CALM: i64 = 15 * RATE as i64;
/// A packet with what is needed may itself be a little late, samples.
const SLACK: i64 = RATE as i64 * 5 / 1000;

/// What is known of losses and of what makes them good.
#[derive(Debug)]
pub struct Recovery {
    /// Of expected voice, what did not come in time, made good or not (over 10 s).
    lost: Share,
    /// Expected voice since the last loss, samples, up to [`CALM`].
    calm: i64,
    waits: bool,
    /// For how many more packets it is believed that they carry repair data.
    repairs: u8,
    /// How far back copies reach, samples; for how many more packets that is believed.
    reach: i64,
    reaches: u8,
}

impl Recovery {
    /// No losses yet.
    pub fn new() -> Self {
        Self {
            lost: Share::over(10 * RATE),
            calm: 0,
            waits: false,
            repairs: 0,
            reach: 0,
            reaches: 0,
        }
    }

    /// A packet was played that has repair data or not.
    pub fn played(&mut self, has_repair: bool) {
        self.repairs = if has_repair {
            MEMORY
        } else {
            self.repairs.saturating_sub(1)
        };
    }

    /// A packet came with copies that reach so far back, samples; 0: with none.
    pub fn came(&mut self, reach: i64) {
        if reach >= self.reach && reach > 0 {
            self.reach = reach;
            self.reaches = MEMORY;
        } else if self.reaches > 0 {
            self.reaches -= 1;
        } else {
            self.reach = reach;
            self.reaches = MEMORY;
        }
    }

    /// Of `expected` samples of voice `lost` did not come; a negative `lost` came after all.
    pub fn account(&mut self, expected: i64, lost: i64) {
        self.lost.add(expected, lost);
        if expected == 0 {
            return;
        }
        self.calm = if lost > 0 {
            0
        } else {
            (self.calm + expected).min(CALM)
        };
        if self.calm == CALM {
            self.lost.clear();
        }
        let (from, to) = if self.reach > 0 {
            WORTH_WITH_COPIES
        } else {
            WORTH
        };
        let bar = if self.waits { to } else { from };
        self.waits = self.lost.get() > bar;
    }

    /// How long a packet waits for its repair, samples; `packet`: how long packets are.
    pub fn wait(&self, packet: i64) -> i64 {
        match self.reach {
            _ if !self.waits => 0,
            0 if self.repairs == 0 => 0,
            0 => packet + SLACK,
            reach => reach + SLACK,
        }
    }
}

impl Default for Recovery {
    fn default() -> Self {
        Self::new()
    }
}
