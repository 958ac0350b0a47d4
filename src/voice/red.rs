//! RED: earlier packets sent again along with the present one (RFC 2198).
//!
//! ```text
//! redundant block  F 1 = 1, payload type 7, timestamp offset 14, length 10     oldest first
//! primary block    F 1 = 0, payload type 7
//! data             of the redundant blocks in their order, then of the primary to the end
//! ```
//!
//! str0m's `RedEncoder` and `RedDecoder` allocate for every packet and every block; these borrow and write into what is there.

/// Redundant blocks in one payload at most: libwebrtc's bound.
pub const MOST_BLOCKS: usize = 32;
/// The farthest back that a block may reach, samples (14 bits).
pub const FARTHEST: u32 = (1 << 14) - 1;
/// The longest redundant block, bytes (10 bits).
pub const LONGEST_BLOCK: usize = (1 << 10) - 1;

/// Says that another header follows.
const FOLLOWS: u8 = 0x80;
const HEADER: usize = 4;

/// An earlier packet.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Block<'a> {
    /// Payload type, under 128.
    pub payload_type: u8,
    /// How much earlier its timestamp is, samples, up to [`FARTHEST`].
    pub offset: u32,
    /// Up to [`LONGEST_BLOCK`] bytes.
    pub payload: &'a [u8],
}

/// A payload taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Red<'a> {
    /// Oldest first, if the sender keeps to the standard.
    pub redundant: heapless::Vec<Block<'a>, MOST_BLOCKS>,
    /// Payload type of the primary block.
    pub payload_type: u8,
    /// What the packet would be without RED; may be empty.
    pub primary: &'a [u8],
}

/// Takes a payload apart; `None` for what is none.
pub fn parse(payload: &[u8]) -> Option<Red<'_>> {
    let mut headers = heapless::Vec::<(u8, u32, usize), MOST_BLOCKS>::new();
    let mut rest = payload;
    let payload_type = loop {
        let (&first, after) = rest.split_first()?;
        if first & FOLLOWS == 0 {
            rest = after;
            break first;
        }
        let (&[first, high, middle, low], after) = rest.split_first_chunk::<HEADER>()?;
        let offset = u32::from(high) << 6 | u32::from(middle) >> 2;
        let length = usize::from(middle & 0b11) << 8 | usize::from(low);
        headers.push((first & !FOLLOWS, offset, length)).ok()?;
        rest = after;
    };
    let mut redundant = heapless::Vec::new();
    for (payload_type, offset, length) in headers {
        let (payload, after) = rest.split_at_checked(length)?;
        redundant
            .push(Block {
                payload_type,
                offset,
                payload,
            })
            .ok()?;
        rest = after;
    }
    Some(Red {
        redundant,
        payload_type,
        primary: rest,
    })
}

/// Puts a payload together into `out`. `redundant`, oldest first: blocks that the format cannot say are left out, and the
/// oldest ones for which there is no room, so that the whole has at most `most` bytes.
///
/// False, and `out` is empty, if the primary itself does not fit.
pub fn emit<const N: usize>(
    out: &mut heapless::Vec<u8, N>,
    payload_type: u8,
    primary: &[u8],
    redundant: &[Block<'_>],
    most: usize,
) -> bool {
    out.clear();
    let Some(mut room) = most.min(N).checked_sub(1 + primary.len()) else {
        return false;
    };
    let said = |b: &&Block<'_>| b.offset <= FARTHEST && b.payload.len() <= LONGEST_BLOCK;
    let mut first = redundant.len();
    let mut kept = 0;
    for (at, block) in redundant.iter().enumerate().rev() {
        if !said(&block) {
            continue;
        }
        let cost = HEADER + block.payload.len();
        if cost > room || kept == MOST_BLOCKS {
            break;
        }
        room -= cost;
        kept += 1;
        first = at;
    }
    let blocks = redundant[first..].iter().filter(said);
    // All of it fits: counted above.
    for block in blocks.clone() {
        let length = block.payload.len();
        let header = [
            FOLLOWS | block.payload_type,
            (block.offset >> 6) as u8,
            (block.offset << 2) as u8 | (length >> 8) as u8,
            length as u8,
        ];
        let _ = out.extend_from_slice(&header);
    }
    let _ = out.push(payload_type & !FOLLOWS);
    for block in blocks {
        let _ = out.extend_from_slice(block.payload);
    }
    let _ = out.extend_from_slice(primary);
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use str0m::rtp::{RedDecoder, RedEncoder, RedundantBlock};

    use super::*;

    #[test]
    fn a_payload_has_its_parts_where_the_standard_says() {
        let mut out = heapless::Vec::<u8, 64>::new();
        let redundant = [
            Block {
                payload_type: 111,
                offset: 1920,
                payload: &[1],
            },
            Block {
                payload_type: 111,
                offset: 960,
                payload: &[2, 3],
            },
        ];
        assert!(emit(&mut out, 111, &[4, 5], &redundant, 64));
        assert_eq!(
            out,
            [0xEF, 30, 0, 1, 0xEF, 15, 0, 2, 111, 1, 2, 3, 4, 5],
            "two headers, the primary's, the data"
        );
        let red = parse(&out).unwrap();
        assert_eq!(red.redundant, redundant);
        assert_eq!((red.payload_type, red.primary), (111, &[4, 5][..]));
    }

    #[test]
    fn what_cannot_be_said_or_has_no_room_is_left_out_the_oldest_first() {
        let big = [7; LONGEST_BLOCK + 1];
        let block = |offset, length| Block {
            payload_type: 111,
            offset,
            payload: &big[..length],
        };
        let kept = |blocks: &[Block<'_>], most| {
            let mut out = heapless::Vec::<u8, 1300>::new();
            assert!(emit(&mut out, 111, &[0; 10], blocks, most));
            assert!(out.len() <= most);
            let red = parse(&out).unwrap();
            red.redundant.iter().map(|b| b.offset).collect::<Vec<_>>()
        };
        assert_eq!(kept(&[block(FARTHEST + 1, 1), block(960, 1)], 100), [960]);
        assert_eq!(kept(&[block(1920, 1024), block(960, 1)], 1300), [960]);
        let three = [block(3000, 20), block(2000, 20), block(1000, 20)];
        assert_eq!(kept(&three, 11 + 3 * 24), [3000, 2000, 1000]);
        assert_eq!(kept(&three, 11 + 3 * 24 - 1), [2000, 1000]);
        assert_eq!(kept(&three, 11), [0; 0]);
        let mut out = heapless::Vec::<u8, 1300>::new();
        assert!(!emit(&mut out, 111, &[0; 10], &three, 10));
        assert!(out.is_empty());
    }

    #[test]
    fn what_is_cut_short_or_has_too_many_blocks_is_refused() {
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&[0xEF, 0, 0]), None);
        assert_eq!(parse(&[0xEF, 0, 0, 0]), None);
        assert_eq!(parse(&[0xEF, 0, 0, 2, 111, 1]), None);
        let mut many = [0xEF, 0, 0, 0].repeat(MOST_BLOCKS);
        many.push(111);
        assert!(parse(&many).is_some());
        many.splice(0..0, [0xEF, 0, 0, 0]);
        assert_eq!(parse(&many), None);
        assert_eq!(parse(&[111]).map(|r| r.primary.len()), Some(0));
    }

    fn blocks() -> impl Strategy<Value = Vec<(u8, u32, Vec<u8>)>> {
        let block = (
            0_u8..128,
            0..=FARTHEST,
            proptest::collection::vec(any::<u8>(), 0..100),
        );
        proptest::collection::vec(block, 0..8)
    }

    proptest! {
        #[test]
        fn what_str0m_reads_of_ours_and_we_of_its_is_what_was_written(
            blocks in blocks(), pt in 0_u8..128, primary in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            let ours: Vec<Block<'_>> = blocks
                .iter()
                .map(|(payload_type, offset, payload)| Block { payload_type: *payload_type, offset: *offset, payload })
                .collect();
            let mut out = heapless::Vec::<u8, 1300>::new();
            prop_assert!(emit(&mut out, pt, &primary, &ours, 1300));
            let theirs: Vec<RedundantBlock> = blocks
                .iter()
                .map(|(pt, timestamp_offset, payload)| RedundantBlock { pt: *pt, timestamp_offset: *timestamp_offset, payload: payload.clone() })
                .collect();
            prop_assert_eq!(&out[..], &RedEncoder::encode(pt, &primary, &theirs)[..]);
            let red = parse(&out).unwrap();
            prop_assert_eq!(&red.redundant[..], &ours[..]);
            prop_assert_eq!((red.payload_type, red.primary), (pt, &primary[..]));
        }

        #[test]
        fn whatever_comes_is_read_as_str0m_reads_it(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let theirs = RedDecoder::decode(&payload).ok();
            let ours = parse(&payload);
            prop_assert_eq!(ours.is_some(), theirs.is_some());
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                prop_assert_eq!(ours.redundant.len() + 1, theirs.len());
                for (a, b) in ours.redundant.iter().zip(&theirs) {
                    prop_assert_eq!((a.payload_type, a.offset, a.payload), (b.pt, b.timestamp_offset, b.payload));
                }
                prop_assert_eq!(ours.primary, theirs[theirs.len() - 1].payload);
            }
        }
    }
}
