//! Packets that came and are not played yet, in the order of their sequence numbers.
//!
//! A ring of fixed slots, the sequence number saying which; nothing is allocated after the start.

/// Packets ahead of the next one that are kept: 1.3 s of 20 ms packets, 160 ms of the shortest there are.
pub const SLOTS: usize = 64;
/// Largest payload kept, bytes: more than a datagram on Ethernet carries.
pub const PAYLOAD: usize = 1500;

/// What a packet is, without its payload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content {
    /// No payload: fills a gap in the sequence numbers, takes no time.
    Padding,
    /// Voice.
    Voice(Span),
    /// Voice that came with a later packet; its own may still come.
    Copy(Span),
}

/// The time that a packet fills, in samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Of its first sample, counted on beyond 32 bits.
    pub timestamp: i64,
    /// Samples in it.
    pub duration: i64,
}

impl Span {
    /// The sample after its last.
    pub fn end(&self) -> i64 {
        self.timestamp + self.duration
    }
}

/// The first packet of voice at hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct First {
    /// Its sequence number.
    pub sequence: u64,
    /// Its time.
    pub span: Span,
    /// Packets before it that did not come.
    pub missing: u64,
    /// It did not come itself: a later packet brought a copy.
    pub is_copy: bool,
}

/// Why a packet was not kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refused {
    /// It came before.
    Duplicate,
    /// Its turn is over.
    Late,
    /// Too far from the others, or too large.
    Far,
}

/// The ring.
pub struct Store {
    heads: [Option<Content>; SLOTS],
    payloads: Box<[heapless::Vec<u8, PAYLOAD>]>,
    /// The sequence number whose turn is next.
    next: u64,
    /// Which of the 64 before `next` came: the lowest bit is the last.
    came: u64,
    /// The greatest sequence number that came.
    highest: u64,
}

impl Store {
    /// Empty.
    pub fn new() -> Self {
        Self {
            heads: [None; SLOTS],
            payloads: (0..SLOTS).map(|_| heapless::Vec::new()).collect(),
            next: 0,
            came: 0,
            highest: 0,
        }
    }

    /// Forgets everything; `sequence` comes next.
    pub fn restart(&mut self, sequence: u64) {
        self.heads = [None; SLOTS];
        self.next = sequence;
        self.came = 0;
        self.highest = sequence.wrapping_sub(1);
    }

    /// How many packets `sequence` is ahead of the next turn; negative: behind.
    pub fn ahead(&self, sequence: u64) -> i64 {
        sequence.wrapping_sub(self.next) as i64
    }

    /// Whether a packet that is no longer waited for came before.
    pub fn knows(&self, sequence: u64) -> bool {
        let behind = self.next.wrapping_sub(sequence).wrapping_sub(1);
        behind < 64 && self.came >> behind & 1 == 1
    }

    /// Keeps a packet. Says whether it came after one with a greater sequence number.
    pub fn insert(
        &mut self,
        sequence: u64,
        content: Content,
        payload: &[u8],
    ) -> Result<bool, Refused> {
        let mut ahead = self.ahead(sequence);
        let first_out_of_order = self.came == 0 && ahead < 0 && ahead > -(SLOTS as i64);
        if first_out_of_order && self.highest.wrapping_sub(sequence) < SLOTS as u64 {
            // Nothing was played since the restart, so its turn is not over.
            self.next = sequence;
            ahead = 0;
        }
        if ahead < 0 {
            return Err(if self.knows(sequence) {
                Refused::Duplicate
            } else {
                Refused::Late
            });
        }
        if ahead >= SLOTS as i64 || payload.len() > PAYLOAD {
            return Err(Refused::Far);
        }
        let at = slot(sequence);
        if !matches!(self.heads[at], None | Some(Content::Copy(_))) {
            return Err(Refused::Duplicate);
        }
        self.heads[at] = Some(content);
        self.payloads[at].clear();
        // Fits: checked above.
        let _ = self.payloads[at].extend_from_slice(payload);
        let reordered = (sequence.wrapping_sub(self.highest) as i64) < 0;
        if !reordered {
            self.highest = sequence;
        }
        while self.heads[slot(self.next)] == Some(Content::Padding) {
            self.consume(self.next);
        }
        Ok(reordered)
    }

    /// Keeps a copy of a packet that did not come, before the packet that brought it. Says whether it was needed: its turn is
    /// not over, nothing is in its place, and its time is between its neighbours'.
    pub fn insert_copy(&mut self, sequence: u64, span: Span, payload: &[u8]) -> bool {
        let ahead = self.ahead(sequence);
        let at = slot(sequence);
        if !(0..SLOTS as i64).contains(&ahead)
            || self.heads[at].is_some()
            || payload.len() > PAYLOAD
        {
            return false;
        }
        let fits = (0..SLOTS as i64).all(|i| {
            let head = self.heads[slot(self.next.wrapping_add(i as u64))];
            match head {
                Some(Content::Voice(other) | Content::Copy(other)) if i < ahead => {
                    other.end() <= span.timestamp
                }
                Some(Content::Voice(other) | Content::Copy(other)) => span.end() <= other.timestamp,
                _ => true,
            }
        });
        if fits {
            self.heads[at] = Some(Content::Copy(span));
            self.payloads[at].clear();
            // Fits: checked above.
            let _ = self.payloads[at].extend_from_slice(payload);
        }
        fits
    }

    /// The first packet of voice.
    pub fn first(&self) -> Option<First> {
        let mut missing = 0;
        for i in 0..SLOTS as u64 {
            let sequence = self.next.wrapping_add(i);
            match self.heads[slot(sequence)] {
                None => missing += 1,
                Some(Content::Padding) => {}
                Some(head @ (Content::Voice(span) | Content::Copy(span))) => {
                    return Some(First {
                        sequence,
                        span,
                        missing,
                        is_copy: matches!(head, Content::Copy(_)),
                    });
                }
            }
        }
        None
    }

    /// The time after the last voice kept.
    pub fn end(&self) -> Option<i64> {
        self.heads
            .iter()
            .filter_map(|h| match h {
                Some(Content::Voice(span) | Content::Copy(span)) => Some(span.end()),
                _ => None,
            })
            .max()
    }

    /// The payload of a packet that is kept; empty otherwise.
    pub fn payload(&self, sequence: u64) -> &[u8] {
        &self.payloads[slot(sequence)]
    }

    /// Everything up to and with `sequence`, which is kept, has had its turn.
    pub fn consume(&mut self, sequence: u64) {
        for _ in 0..SLOTS {
            if self.ahead(sequence) < 0 {
                break;
            }
            let head = self.heads[slot(self.next)].take();
            let came = matches!(head, Some(Content::Voice(_) | Content::Padding));
            self.came = self.came << 1 | u64::from(came);
            self.next = self.next.wrapping_add(1);
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

fn slot(sequence: u64) -> usize {
    (sequence % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(number: i64) -> Content {
        Content::Voice(Span {
            timestamp: number * 960,
            duration: 960,
        })
    }

    fn store(next: u64) -> Store {
        let mut store = Store::new();
        store.restart(next);
        store
    }

    /// Sequence number of and packets missing before the first, which is then consumed.
    fn take(store: &mut Store) -> Option<(u64, u64)> {
        let first = store.first()?;
        store.consume(first.sequence);
        Some((first.sequence, first.missing))
    }

    #[test]
    fn packets_come_out_in_order_and_say_what_is_missing() {
        let mut s = store(10);
        for sequence in [12, 10, 14] {
            s.insert(sequence, voice(sequence as i64), &[sequence as u8])
                .unwrap();
        }
        assert_eq!(s.payload(14), [14]);
        assert_eq!(s.end(), Some(15 * 960));
        assert_eq!(take(&mut s), Some((10, 0)));
        assert_eq!(take(&mut s), Some((12, 1)));
        assert_eq!(take(&mut s), Some((14, 1)));
        assert_eq!(take(&mut s), None);
    }

    #[test]
    fn reordered_late_duplicate_and_far_packets_are_told_apart() {
        let mut s = store(10);
        assert_eq!(s.insert(10, voice(10), &[]), Ok(false));
        assert_eq!(s.insert(13, voice(13), &[]), Ok(false));
        assert_eq!(s.insert(12, voice(12), &[]), Ok(true));
        assert_eq!(s.insert(12, voice(12), &[]), Err(Refused::Duplicate));
        assert_eq!(s.insert(10 + 64, voice(74), &[]), Err(Refused::Far));
        assert_eq!(
            s.insert(14, voice(14), &[0; PAYLOAD + 1]),
            Err(Refused::Far)
        );
        take(&mut s);
        take(&mut s);
        assert_eq!(s.insert(10, voice(10), &[]), Err(Refused::Duplicate));
        assert_eq!(s.insert(11, voice(11), &[]), Err(Refused::Late));
        assert_eq!(
            (s.knows(12), s.knows(11), s.knows(13)),
            (true, false, false)
        );
    }

    #[test]
    fn a_first_packet_overtaken_by_the_second_is_still_first() {
        let mut s = store(11);
        s.insert(11, voice(11), &[]).unwrap();
        assert_eq!(s.insert(10, voice(10), &[]), Ok(true));
        assert_eq!(take(&mut s), Some((10, 0)));
        assert_eq!(take(&mut s), Some((11, 0)));
    }

    #[test]
    fn a_copy_fills_a_hole_and_gives_way_to_its_packet() {
        let span = |number: i64| Span {
            timestamp: number * 960,
            duration: 960,
        };
        let mut s = store(10);
        s.insert(10, voice(10), &[10]).unwrap();
        s.insert(14, voice(14), &[14]).unwrap();
        assert!(!s.insert_copy(10, span(10), &[0]), "it is there");
        assert!(!s.insert_copy(9, span(9), &[0]), "its turn is over");
        assert!(!s.insert_copy(12, span(13), &[0]) || !s.insert_copy(13, span(13), &[0]));
        let mut s = store(10);
        s.insert(10, voice(10), &[10]).unwrap();
        s.insert(14, voice(14), &[14]).unwrap();
        assert!(s.insert_copy(12, span(12), &[12]));
        assert!(s.insert_copy(13, span(13), &[13]));
        assert!(!s.insert_copy(11, span(12), &[0]), "two at one time");
        assert_eq!(s.insert(13, voice(13), &[113]), Ok(true));
        assert_eq!(s.insert(13, voice(13), &[113]), Err(Refused::Duplicate));
        assert_eq!(s.payload(13), [113]);
        s.consume(10);
        let first = s.first().unwrap();
        assert_eq!(
            (first.sequence, first.missing, first.is_copy),
            (12, 1, true)
        );
        s.consume(12);
        assert!(!s.knows(12), "it never came itself");
        assert_eq!(s.insert(12, voice(12), &[12]), Err(Refused::Late));
        assert!(!s.first().unwrap().is_copy);
    }

    #[test]
    fn padding_is_not_missing_and_never_fills_the_ring() {
        let mut s = store(10);
        for sequence in 10..1000 {
            s.insert(sequence, Content::Padding, &[]).unwrap();
        }
        s.insert(1001, voice(1), &[]).unwrap();
        s.insert(1000, Content::Padding, &[]).unwrap();
        assert_eq!(take(&mut s), Some((1001, 0)));
    }

    #[test]
    fn sequence_numbers_may_run_over() {
        let mut s = store(u64::MAX - 1);
        for i in 0..200_u64 {
            let sequence = (u64::MAX - 1).wrapping_add(i);
            assert_eq!(s.insert(sequence, voice(i as i64), &[]), Ok(false));
            assert_eq!(take(&mut s), Some((sequence, 0)));
        }
    }
}
