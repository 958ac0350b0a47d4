//! The packets sent last, to be sent again with later ones.

use super::red::{Block, LONGEST_BLOCK};
use super::redundancy::{FARTHEST, MOST_COPIES};

const KEPT: usize = FARTHEST as usize;

/// A ring of them; nothing is allocated after the start.
pub struct Copies {
    /// Timestamp and payload.
    ring: Box<[(u32, heapless::Vec<u8, LONGEST_BLOCK>)]>,
    /// Where the next goes.
    at: usize,
    /// How many there are.
    count: usize,
}

impl Copies {
    /// None yet.
    pub fn new() -> Self {
        Self {
            ring: (0..KEPT).map(|_| (0, heapless::Vec::new())).collect(),
            at: 0,
            count: 0,
        }
    }

    /// What comes next has nothing to do with what came before.
    pub fn forget(&mut self) {
        self.count = 0;
    }

    /// Keeps a packet. One longer than RED can say is kept as an empty one, so that distances stay right.
    pub fn keep(&mut self, timestamp: u32, payload: &[u8]) {
        let (kept_timestamp, kept) = &mut self.ring[self.at];
        *kept_timestamp = timestamp;
        kept.clear();
        let _ = kept.extend_from_slice(payload);
        self.at = (self.at + 1) % KEPT;
        self.count = (self.count + 1).min(KEPT);
    }

    /// The packets at these distances, nearest first, back from one of `timestamp` that is not kept yet: blocks, oldest first.
    pub fn blocks(
        &self,
        payload_type: u8,
        timestamp: u32,
        distances: &[u8],
    ) -> heapless::Vec<Block<'_>, MOST_COPIES> {
        let block = |&distance: &u8| {
            let back = usize::from(distance);
            if back == 0 || back > self.count {
                return None;
            }
            let (then, payload) = &self.ring[(self.at + KEPT - back) % KEPT];
            (!payload.is_empty()).then(|| Block {
                payload_type,
                offset: timestamp.wrapping_sub(*then),
                payload,
            })
        };
        distances
            .iter()
            .rev()
            .filter_map(block)
            .take(MOST_COPIES)
            .collect()
    }
}

impl Default for Copies {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_found_by_their_distance_and_come_oldest_first() {
        let mut copies = Copies::new();
        assert_eq!(copies.blocks(111, 0, &[1, 2]), []);
        for i in 0..30_u32 {
            copies.keep(i * 960, &[i as u8; 2]);
        }
        copies.keep(30 * 960, &[0; LONGEST_BLOCK + 1]);
        let found = |distances: &[u8]| {
            copies
                .blocks(111, 31 * 960, distances)
                .iter()
                .map(|b| (b.offset / 960, b.payload[0]))
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&[2, 5]), [(5, 26), (2, 29)]);
        assert_eq!(found(&[1, 12]), [(12, 19)], "the last is too long");
        assert_eq!(found(&[0, 13, 255]), []);
    }

    #[test]
    fn what_is_forgotten_is_not_sent_again() {
        let mut copies = Copies::new();
        copies.keep(0, &[1]);
        copies.forget();
        copies.keep(96_000, &[2]);
        assert_eq!(copies.blocks(111, 96_960, &[1, 2]).len(), 1);
    }
}
