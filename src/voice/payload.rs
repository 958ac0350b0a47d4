//! What an Opus packet says of itself, without decoding it (RFC 6716 §3).

use opus::packet;

use super::frame::RATE;
use super::store::PAYLOAD;

/// Samples that Opus counts in: 2.5 ms.
pub const STEP: usize = RATE as usize / 400;
/// Longest packet (RFC 6716 §2.1.4): 120 ms.
pub const LONGEST: usize = RATE as usize * 120 / 1000;
/// A payload this short says that the sender pauses (RFC 6716 §2.1.9).
const PAUSE_BYTES: usize = 2;

/// Whether a packet says that the sender pauses.
pub fn announces_pause(payload: &[u8]) -> bool {
    payload.len() <= PAUSE_BYTES
}

/// Samples in an Opus packet; `None` for what is none.
pub fn duration(payload: &[u8]) -> Option<i64> {
    if payload.len() > PAYLOAD {
        return None;
    }
    match packet::get_nb_samples(payload, RATE) {
        Ok(samples) if (STEP..=LONGEST).contains(&samples) => Some(samples as i64),
        _ => None,
    }
}

/// Whether an Opus packet of one frame or of two carries in-band repair data (LBRR, RFC 6716 §4.2.4).
///
/// The flag is the first bit after the voice activity flags of the packet's 10 ms or 20 ms SILK frames.
pub fn carries_repair(payload: &[u8]) -> bool {
    let Some((&toc, rest)) = payload.split_first() else {
        return false;
    };
    let config = toc >> 3;
    if config >= 16 {
        // CELT only.
        return false;
    }
    let start = match toc & 0b11 {
        0 | 1 => 0,
        2 => 1 + usize::from(rest.first().is_some_and(|&l| l >= 252)),
        _ => match packet::parse(payload) {
            Ok(p) => return p.frames.first().is_some_and(|f| flagged(config, toc, f)),
            Err(_) => return false,
        },
    };
    rest.get(start..)
        .is_some_and(|frame| flagged(config, toc, frame))
}

fn flagged(config: u8, toc: u8, frame: &[u8]) -> bool {
    let silk_frames = match config {
        // SILK alone has packets of 10, 20, 40 and 60 ms.
        0..=11 => [1, 1, 2, 3][usize::from(config & 0b11)],
        _ => 1,
    };
    let Some(&bits) = frame.first() else {
        return false;
    };
    let stereo = toc & 0b100 != 0;
    bits >> (7 - silk_frames) & 1 == 1 || stereo && bits >> (6 - 2 * silk_frames) & 1 == 1
}

/// How much voice before this packet its repair data can make good, samples; 0 if it carries none.
pub fn repair_reach(payload: &[u8]) -> i64 {
    if !carries_repair(payload) {
        return 0;
    }
    packet::get_samples_per_frame(payload, RATE).map_or(0, |n| n as i64)
}
