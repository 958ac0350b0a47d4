//! What is counted of the voice that comes in.

use serde::Serialize;

/// What happened since the call began, and where the buffer stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PlayoutStats {
    /// Packets of voice that came, without duplicates.
    pub received: u64,
    /// Packets without payload: padding.
    pub empty: u64,
    /// Packets that are no Opus, or that Opus refused.
    pub invalid: u64,
    /// Packets that came again.
    pub duplicate: u64,
    /// Packets that came after a later one, in time or not.
    pub reordered: u64,
    /// Packets that came when their turn was over; counted in `lost` too.
    pub late: u64,
    /// Packets that were not there when their turn was.
    pub lost: u64,
    /// Lost packets made good with a copy that came with a later one.
    pub recovered: u64,
    /// Lost packets made good, whole or in part, with the next one's in-band repair data.
    pub repaired: u64,
    /// Voice made up because it was not there, ms.
    pub concealed_ms: u64,
    /// Times that voice ran out though the sender had not said that it pauses.
    pub underruns: u64,
    /// Packets thrown away because too much was at hand (240 ms, or 60 ms more than the wait), or that fit nothing.
    pub discarded: u64,
    /// Left out to shorten the wait, ms.
    pub shortened_ms: u64,
    /// Repeated to lengthen the wait, ms.
    pub lengthened_ms: u64,
    /// Times that the timeline began: the first packet, after 10 s of silence, a sender that started again.
    pub restarts: u64,
    /// How long a typical packet waits for its turn now, ms.
    pub delay_ms: u32,
    /// How long it should, ms.
    pub target_ms: u32,
    /// Interarrival jitter (RFC 3550 §6.4.1), ms.
    pub jitter_ms: u32,
}

impl PlayoutStats {
    /// Adds a later call's: counters are summed, where the buffer stands is the later one's.
    pub fn add(&mut self, later: &Self) {
        *self = Self {
            received: self.received + later.received,
            empty: self.empty + later.empty,
            invalid: self.invalid + later.invalid,
            duplicate: self.duplicate + later.duplicate,
            reordered: self.reordered + later.reordered,
            late: self.late + later.late,
            lost: self.lost + later.lost,
            recovered: self.recovered + later.recovered,
            repaired: self.repaired + later.repaired,
            concealed_ms: self.concealed_ms + later.concealed_ms,
            underruns: self.underruns + later.underruns,
            discarded: self.discarded + later.discarded,
            shortened_ms: self.shortened_ms + later.shortened_ms,
            lengthened_ms: self.lengthened_ms + later.lengthened_ms,
            restarts: self.restarts + later.restarts,
            delay_ms: later.delay_ms,
            target_ms: later.target_ms,
            jitter_ms: later.jitter_ms,
        };
    }
}

/// A share of samples that forgets.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    window: f32,
    total: f32,
    part: f32,
}

impl Share {
    /// Nothing yet; looks back over so many samples.
    pub fn over(samples: u32) -> Self {
        Self {
            window: samples as f32,
            total: 0.0,
            part: 0.0,
        }
    }

    /// Takes `part` of `total` samples; a negative `part` takes some back.
    pub fn add(&mut self, total: i64, part: i64) {
        let (total, window) = (total as f32, self.window);
        // What is new counts in full, what is old shares the rest of the window.
        let fresh = if total > window { window / total } else { 1.0 };
        let old = ((window - total * fresh) / self.total.max(1.0)).clamp(0.0, 1.0);
        self.total = self.total * old + total * fresh;
        self.part = (self.part * old + part as f32 * fresh).clamp(0.0, self.total);
    }

    /// From now on it is 0 of what was looked at so far.
    pub fn clear(&mut self) {
        self.part = 0.0;
    }

    /// 0 to 1.
    pub fn get(&self) -> f32 {
        self.part / self.total.max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_looks_back_over_its_window_only() {
        let mut share = Share::over(1000);
        assert_eq!(share.get(), 0.0);
        share.add(500, 500);
        assert_eq!(share.get(), 1.0);
        share.add(500, 0);
        assert_eq!(share.get(), 0.5);
        for _ in 0..100 {
            share.add(100, 0);
        }
        assert!(share.get() < 0.001);
        share.add(1_000_000, 500_000);
        assert_eq!(share.get(), 0.5);
    }

    #[test]
    fn a_share_stays_between_nothing_and_all() {
        let mut share = Share::over(1000);
        share.add(0, -100);
        assert_eq!(share.get(), 0.0);
        share.add(100, 500);
        assert_eq!(share.get(), 1.0);
    }
}
