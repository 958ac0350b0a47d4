//! Capture and playback through ALSA itself, against the PCMs that it has without a sound card.

#[path = "support/allocations.rs"]
mod allocations;

use alsa::Direction;
use sotto::io::pcm::Stream;
use sotto::voice::frame::{FRAME, Frame, silence};

/// ALSA's `null` never starts and always has room.
#[test]
fn a_speaker_begins_with_two_periods_and_is_not_called_dry_before_it_runs() {
    let mut speaker = Stream::open("null", Direction::Playback).unwrap();
    for _ in 0..3 {
        let mut frames = 0;
        speaker.playback(|_| frames += 1).unwrap();
        assert_eq!(frames, 2);
    }
    assert_eq!(speaker.take_xruns(), 0);
}

#[test]
fn the_speaker_gets_what_was_pulled_sample_by_sample() {
    let folder = std::env::temp_dir().join(format!("sotto-pcm-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("played.raw");
    let name = format!("tee:null,'{}',raw", file.display());
    let mut speaker = Stream::open(&name, Direction::Playback).unwrap();
    let mut pulled = Vec::new();
    for _ in 0..20 {
        speaker
            .playback(|frame| {
                let next = pulled.len() as i16;
                *frame = (0..FRAME as i16).map(|i| next.wrapping_add(i)).collect();
                pulled.extend_from_slice(frame);
            })
            .unwrap();
    }
    drop(speaker);
    let played = std::fs::read(&file).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let played: Vec<i16> = played
        .chunks_exact(2)
        .map(|s| i16::from_le_bytes([s[0], s[1]]))
        .collect();
    assert!(pulled.len() > 20 * FRAME);
    assert!(played == pulled);
}

#[test]
fn a_microphone_gives_whole_packets_and_no_more_than_its_ring_holds() {
    let mut microphone = Stream::open("null", Direction::Capture).unwrap();
    let mut frames = 0;
    microphone
        .capture(|frame| {
            assert_eq!(frame.len(), FRAME);
            frames += 1;
        })
        .unwrap();
    assert_eq!(frames, 16);
}

// ---- memory ----

#[test]
fn frames_pass_in_and_out_without_an_allocation() {
    let mut microphone = Stream::open("null", Direction::Capture).unwrap();
    let mut speaker = Stream::open("null", Direction::Playback).unwrap();
    let (mut heard, mut passed): (Frame, u64) = (silence(), 0);
    let before = allocations::count();
    for _ in 0..200 {
        microphone.acknowledge().unwrap();
        microphone
            .capture(|frame| {
                heard.clone_from(frame);
                passed += 1;
            })
            .unwrap();
        speaker.playback(|frame| frame.clone_from(&heard)).unwrap();
        speaker.take_xruns();
    }
    assert_eq!(allocations::count(), before);
    assert_eq!(passed, 200 * 16);
}
