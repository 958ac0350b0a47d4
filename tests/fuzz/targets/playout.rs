//! Any packets, with copies or without, in any order, into the jitter buffer.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use sotto::voice::frame::{FRAME, Frame};
use sotto::voice::playout::Playout;

fuzz_target!(|packets: Vec<(u16, u32, u8, Vec<u8>)>| {
    let start = Instant::now();
    let mut playout = Playout::new().expect("libopus has memory");
    let mut frame = Frame::new();
    for (n, (sequence, timestamp, pulls, payload)) in packets.iter().enumerate() {
        let now = start + Duration::from_millis(n as u64 * 20);
        let sequence = u64::from(*sequence);
        if pulls & 0x80 == 0 {
            playout.insert(now, sequence, *timestamp, payload);
        } else {
            playout.insert_red(now, sequence, *timestamp, payload, 111);
        }
        for _ in 0..pulls % 8 {
            playout.pull(&mut frame);
            assert_eq!(frame.len(), FRAME);
        }
    }
});
