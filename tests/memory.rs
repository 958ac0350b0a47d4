//! Volume and mode over power off: what is written and when, over virtual time; and the real program with a file.

#![allow(missing_docs)]

#[path = "support/folder.rs"]
mod folder;
mod support;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use folder::Folder;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use sotto::intercom::Input;
use sotto::intercom::console::Mode;
use sotto::intercom::memory::{Choice, LABEL, LENGTH, Remembered, SLOT, Slots};
use support::{A, B, World};

fn remembered(volume: u8, mode: Mode) -> Remembered {
    Remembered {
        chosen: Choice { volume, mode },
        configured: Choice {
            volume: 100,
            mode: Mode::Open,
        },
    }
}

#[test]
fn what_the_owner_chooses_is_remembered_once_three_seconds_later() {
    let mut w = World::new();
    w.run(Duration::from_secs(30));
    for volume in (10..100).rev().step_by(10) {
        w.say(A, &format!("volume {volume}"));
        w.run_ms(500);
    }
    w.say(A, "mode ptt");
    w.run_ms(2_990);
    assert_eq!(w.ends[A].remembered, []);
    w.run_ms(10);
    assert_eq!(w.ends[A].remembered, [remembered(19, Mode::Ptt)]);
    w.say(A, "mute on");
    w.run(Duration::from_secs(3_600));
    assert_eq!(w.ends[A].remembered.len(), 1);
    assert_eq!(w.ends[B].remembered, []);
}

#[test]
fn two_writes_are_a_minute_apart_and_what_was_taken_back_is_not_written() {
    let mut w = World::new();
    w.say(A, "volume 30");
    w.run(Duration::from_secs(10));
    assert_eq!(w.ends[A].remembered.len(), 1);
    w.say(A, "volume 40");
    w.run(Duration::from_secs(40));
    w.say(A, "volume 30");
    w.run(Duration::from_secs(30));
    assert_eq!(w.ends[A].remembered.len(), 1);
    w.say(A, "volume 50");
    w.run_ms(3_000);
    assert_eq!(w.ends[A].remembered.len(), 2);
    // Every ten seconds another.
    for volume in 0..60 {
        w.say(A, &format!("volume {volume}"));
        w.run(Duration::from_secs(10));
    }
    assert_eq!(w.ends[A].remembered.len(), 12);
}

#[test]
fn nothing_is_written_in_a_call_but_when_it_is_over() {
    let mut w = World::new();
    w.connect("call");
    w.say(A, "volume 30");
    w.run(Duration::from_secs(120));
    assert_eq!(w.ends[A].remembered, []);
    w.say(B, "hang");
    w.run_ms(100);
    assert_eq!(w.ends[A].remembered, [remembered(30, Mode::Open)]);
}

#[test]
fn leaving_writes_what_was_just_chosen() {
    let mut w = World::new();
    w.say(A, "volume 30");
    w.say(A, "quit");
    assert_eq!(w.ends[A].remembered, [remembered(30, Mode::Open)]);
}

/// A volume was chosen, and could not be written.
fn first_failure() -> World {
    let mut w = World::new();
    w.say(A, "volume 30");
    w.run_ms(3_000);
    w.lines(A);
    w.input(A, Input::Remembered(Err("I/O error")));
    w
}

/// Lets a minute pass so many times; gives the minutes after which something was written, each of which fails.
fn failures(w: &mut World, minutes: u32) -> Vec<u32> {
    (1..=minutes)
        .filter(|_| {
            let before = w.ends[A].remembered.len();
            w.run(Duration::from_secs(60));
            let is_written = w.ends[A].remembered.len() > before;
            if is_written {
                w.input(A, Input::Remembered(Err("I/O error")));
            }
            is_written
        })
        .collect()
}

const NOTE: &str = "* note volume and mode cannot be remembered (I/O error); it is tried again";

#[test]
fn a_write_that_fails_is_tried_again_less_and_less_often_for_an_hour_and_told_once() {
    let mut w = first_failure();
    assert_eq!(failures(&mut w, 150), [1, 3, 7, 15, 31, 63]);
    assert_eq!(w.lines(A), [NOTE]);
    assert_eq!(w.ends[A].remembered, [remembered(30, Mode::Open); 7]);
    // What the owner chooses next is worth one more.
    w.say(A, "volume 40");
    assert_eq!(failures(&mut w, 150), [1]);
    assert_eq!(w.lines(A), [""; 0]);
}

#[test]
fn a_write_that_failed_and_was_made_good_is_done_with_and_the_next_failure_is_told() {
    let mut w = first_failure();
    w.run(Duration::from_secs(60));
    w.input(A, Input::Remembered(Ok(())));
    w.run(Duration::from_secs(7_200));
    assert_eq!(w.ends[A].remembered.len(), 2);
    w.say(A, "volume 40");
    w.run_ms(3_000);
    w.input(A, Input::Remembered(Err("I/O error")));
    assert_eq!(w.lines(A), [NOTE, NOTE]);
}

#[test]
fn a_write_that_failed_is_tried_again_by_leaving() {
    let mut w = first_failure();
    w.say(A, "quit");
    assert_eq!(w.ends[A].remembered, [remembered(30, Mode::Open); 2]);
}

#[test]
fn a_write_that_failed_waits_for_the_end_of_a_call() {
    let mut w = first_failure();
    w.connect("call");
    w.run(Duration::from_secs(300));
    assert_eq!(w.ends[A].remembered.len(), 1);
    w.say(B, "hang");
    w.run_ms(100);
    assert_eq!(w.ends[A].remembered, [remembered(30, Mode::Open); 2]);
}

/// A slot with these contents, its checksum right.
fn slot(contents: &[u8]) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    let (body, sum) = slot.split_at_mut(SLOT - 32);
    for (to, from) in body.iter_mut().zip(contents) {
        *to = *from;
    }
    sum.copy_from_slice(&Sha256::digest(&body));
    slot
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Noise, slots that are all but right, and anything between: nothing or what is in range, and one write mends it.
    #[test]
    fn whatever_is_on_the_disk_gives_nothing_or_what_may_be_chosen(
        noise in proptest::collection::vec((0..LENGTH, any::<u8>()), 0..60),
        slots in proptest::array::uniform2(proptest::option::of((
            1_u8..=2,
            any::<u64>(),
            (0_u8..=101, 0_u8..=2, 0_u8..=101, 0_u8..=2),
            any::<bool>(),
        ))),
        volume in 0_u8..=100,
    ) {
        let mut place = Box::new([0; LENGTH]);
        for (page, wanted) in slots.iter().enumerate() {
            let Some((version, counter, values, is_last)) = wanted else { continue };
            let counter = if *is_last { u64::MAX } else { *counter };
            let (a, b, c, d) = *values;
            let contents = [&[*version][..], &counter.to_be_bytes(), &[a, b, c, d]].concat();
            place[4_096 * (1 + page)..][..SLOT].copy_from_slice(&slot(&contents));
        }
        for (at, value) in noise {
            place[at] = value;
        }
        let (found, before) = Slots::read(&place);
        if let Some(r) = before {
            prop_assert!(r.chosen.volume <= 100 && r.configured.volume <= 100);
        }
        let write = found.write(&remembered(volume, Mode::Ptt));
        prop_assert!(write.offset() >= LABEL.len() && write.offset() + SLOT <= LENGTH);
        let old = place.clone();
        place[write.offset()..][..SLOT].copy_from_slice(&write.bytes);
        prop_assert_eq!(Slots::read(&place).1, Some(remembered(volume, Mode::Ptt)));
        // Cut off, it leaves what was there before.
        place[write.offset() + SLOT - 1] ^= 1;
        prop_assert_eq!(Slots::read(&place).1, before);
        prop_assert_eq!(Slots::read(&old).1, before);
    }
}

/// Runs the program with these arguments, says these lines and gives the volume and mode of its last status.
fn run(arguments: &[&str], lines: &[&str]) -> (u64, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sotto"))
        .args(["run", "--console", "stdio", "--set", "stun=[]"])
        .args([
            "--set",
            "sound.capture=null",
            "--set",
            "sound.playback=null",
        ])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    for line in lines.iter().chain(&["status", "quit"]) {
        writeln!(stdin, "{line}").expect("written");
    }
    let out = child.wait_with_output().expect("it ends");
    assert!(out.status.success());
    let out = String::from_utf8(out.stdout).expect("UTF-8");
    let status = out.lines().rfind(|l| l.starts_with('{')).expect("a status");
    let status: serde_json::Value = serde_json::from_str(status).expect("JSON");
    let mode = status["mode"].as_str().expect("a word").to_owned();
    (status["volume"].as_u64().expect("a number"), mode)
}

#[test]
fn the_program_remembers_in_a_file_until_the_settings_change() {
    let folder = Folder::new("memory");
    let path = folder.path("sotto.mem");
    let file = path.display().to_string();
    let memory = ["--memory", &file];
    let said = |volume, mode: &str| (volume, mode.to_owned());
    assert_eq!(run(&memory, &["volume 40", "mode open"]), said(40, "open"));
    assert_eq!(run(&memory, &[]), said(40, "open"));
    assert_eq!(run(&memory, &["volume 50"]), said(50, "open"));
    let changed = ["--memory", &file, "--set", "volume=70"];
    assert_eq!(run(&changed, &[]), said(70, "open"));
    assert_eq!(run(&memory, &[]), said(50, "open"));
    assert_eq!(run(&["--memory", "none"], &[]), said(100, "ptt"));
    // The newest slot is damaged: the one before it holds.
    let mut bytes = std::fs::read(&path).expect("read");
    assert_eq!(bytes.len(), 12_288);
    bytes[8_192 + 9] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
    assert_eq!(run(&memory, &[]), said(40, "open"));
    assert_eq!(std::fs::read(&path).expect("read"), bytes);
}

#[test]
fn a_file_that_is_something_else_ends_the_program_and_stays() {
    let folder = Folder::new("memory-foreign");
    let path = folder.write("holiday.jpg", "a picture");
    let out = Command::new(env!("CARGO_BIN_EXE_sotto"))
        .args(["run", "--console", "stdio", "--memory"])
        .arg(&path)
        .output()
        .expect("it runs");
    assert!(!out.status.success());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(
        said,
        format!(
            "sotto: --memory {}: this is something else, and is left alone\n",
            path.display()
        )
    );
    assert_eq!(std::fs::read(Path::new(&path)).expect("read"), b"a picture");
}
