//! Sticks made by the usual tools, read, written, cut off and mangled; and what those tools say of them afterwards.

#![allow(missing_docs)]

#[path = "stick/images.rs"]
mod images;

use std::borrow::Cow;

use images::{Fault, KINDS, Kind, Ram, SECTOR, Scratch};
use proptest::prelude::*;
use sotto::intercom::screen::is_shown_whole;
use sotto::intercom::stick::{File, Text};
use sotto::io::stick::{StickError, volume};

const PAGE: &[u8] = include_bytes!("../image/stick/call.html");
/// Far more bytes than any honest stick here takes.
const HONEST: u64 = 64 << 20;

fn file(name: &'static str, contents: &[u8]) -> File {
    File {
        name,
        contents: Cow::Owned(contents.to_vec()),
    }
}

/// What an offer puts on a stick; `n` tells one from another.
fn offer(n: usize) -> Vec<File> {
    vec![
        file(
            "offer.txt",
            format!("sotto2o offer number {n}\r\n").as_bytes(),
        ),
        file("call.html", &[PAGE, n.to_string().as_bytes()].concat()),
        file("README.txt", b"read me"),
    ]
}

fn texts(image: &[u8]) -> Vec<(String, String)> {
    let read = volume::read(&mut Ram::new(image)).expect("a readable stick");
    read.into_iter()
        .map(|Text { name, text }| (name, text))
        .collect()
}

fn written(image: &[u8], files: &[File]) -> Vec<u8> {
    let mut ram = Ram::new(image);
    assert!(volume::write(&mut ram, files).expect("it is written"));
    ram.bytes
}

fn is_clean(kind: Kind, image: &[u8]) {
    let (said, code) = images::check(kind, image);
    assert_eq!(code, 0, "{kind:?}: {said}");
}

#[test]
fn what_is_written_is_read_back_and_the_checker_finds_no_fault() {
    for kind in KINDS {
        let image = written(&images::empty(kind), &offer(1));
        is_clean(kind, &image);
        let expected = [
            (
                "SOTTO/offer.txt".to_owned(),
                "sotto2o offer number 1\r\n".to_owned(),
            ),
            ("SOTTO/README.txt".to_owned(), "read me".to_owned()),
        ];
        assert_eq!(texts(&image), expected, "{kind:?}");
        // Again: nothing is written. Something else: the names are there once, with the new contents.
        let mut ram = Ram::new(&image);
        assert!(!volume::write(&mut ram, &offer(1)).unwrap(), "{kind:?}");
        assert_eq!(ram.written, 0, "{kind:?}");
        let mut image = image;
        for n in 2..6 {
            image = written(&image, &offer(n));
            image = written(&image, &[file("answer.txt", n.to_string().as_bytes())]);
            is_clean(kind, &image);
        }
        let found = texts(&image);
        assert_eq!(found.len(), 3, "{kind:?}: {found:?}");
        assert!(found.contains(&(
            "SOTTO/offer.txt".into(),
            "sotto2o offer number 5\r\n".into()
        )));
        assert!(found.contains(&("SOTTO/answer.txt".into(), "5".into())));
        if kind != Kind::ExFat {
            let page =
                images::get(&image, "SOTTO/call.html").expect("mtools finds it by its long name");
            assert!(page.starts_with(PAGE) && page.ends_with(b"5"));
            let listed = images::must(
                "mdir",
                &["-i", "IMAGE", "-b", "::SOTTO"],
                &Scratch::new(&image),
            );
            for name in ["offer.txt", "answer.txt", "README.txt", "call.html"] {
                assert!(listed.contains(&format!("/{name}\n")), "{listed}");
            }
        }
    }
}

/// A stick with other files on it; with `ours`, also with an older call's.
fn used(kind: Kind, ours: bool) -> Vec<u8> {
    let mut image = images::empty(kind);
    if kind == Kind::ExFat {
        image = written(&image, &offer(7));
        images::rename_exfat(&mut image, "SOTTO", "OTHER");
    } else {
        images::folder(&mut image, "Photos of us");
        images::put(&mut image, "Photos of us/a long name.jpg", &[0xA5; 30_000]);
        images::put(&mut image, "letter.txt", b"Dear you");
    }
    if ours {
        image = written(&image, &offer(1));
        image = written(&image, &[file("answer.txt", b"an old answer")]);
    }
    image
}

/// The other files are as they were.
fn others_are_intact(kind: Kind, image: &[u8]) {
    if kind == Kind::ExFat {
        let mut image = image.to_vec();
        if images::must("dump.exfat", &["IMAGE"], &Scratch::new(&image)).is_empty() {
            panic!("it is no exFAT any more");
        }
        if texts(&image).iter().any(|(name, _)| name.starts_with("SOTTO/")) {
            images::rename_exfat(&mut image, "SOTTO", "OWNED");
        }
        let taken = image.windows(10).any(|w| w == b"S\0O\0T\0T\0O\0");
        if taken {
            images::rename_exfat(&mut image, "SOTTO", "OWNED");
        }
        images::rename_exfat(&mut image, "OTHER", "SOTTO");
        assert_eq!(
            texts(&image)[0],
            ("SOTTO/offer.txt".into(), "sotto2o offer number 7\r\n".into())
        );
        return;
    }
    let photo = images::get(image, "Photos of us/a long name.jpg");
    assert!(photo.is_some_and(|p| p == [0xA5; 30_000]));
    assert_eq!(images::get(image, "letter.txt").as_deref(), Some(&b"Dear you"[..]));
}

/// What a checker may say of a stick that was cut off: clusters are taken that no name leads to, or counted wrongly.
fn is_only_short_of_clusters(kind: Kind, image: &[u8]) {
    let (said, code) = images::check(kind, image);
    let bad = [
        "share", "cycle", "beyond", "free cluster.", "Bad", "bad", "size is", "checksum", "invalid", "duplicate",
        "corrupt", "Directory", "not allocated",
    ];
    println!("CHECK {kind:?} {code}: {}", said.replace("\n", " / "));
    let harmless = said.contains("bad clusters") || said.contains("0 bad");
    let found: Vec<&str> = bad.into_iter().filter(|b| said.contains(b)).collect();
    assert!(code == 0 || harmless || found.is_empty(), "{kind:?}: {found:?} in {said}");
}

#[test]
fn a_stick_pulled_out_at_any_moment_keeps_its_other_files_and_ours_old_or_new() {
    let mut cuts = 0;
    for (kind, ours) in KINDS.into_iter().flat_map(|k| [(k, false), (k, true)]) {
        let image = used(kind, ours);
        let mut whole = Ram::new(&image);
        volume::write(&mut whole, &offer(2)).expect("it is written");
        is_clean(kind, &whole.bytes);
        others_are_intact(kind, &whole.bytes);
        let (old, new) = (texts(&image), texts(&whole.bytes));
        // Every cut at the beginning and at the end, where directories and tables are; some in the page's contents.
        let last = whole.written;
        let points = (1..=last).filter(|n| *n < 12 || n + 24 > last || n % 31 == 0);
        for (left, reorder) in points.flat_map(|n| [(n, None), (n, Some(n as u64)), (n, Some(n as u64 + 1_000))]) {
            let mut ram = Ram {
                left: Some(left),
                reorder,
                ..Ram::new(&image)
            };
            let error = volume::write(&mut ram, &offer(2)).expect_err("it was pulled out");
            assert!(error.to_string().contains("pulled out too early"), "{error}");
            let place = format!("{kind:?}, ours {ours}, sector {left} of {last}, {reorder:?}");
            println!("{place}");
            is_only_short_of_clusters(kind, &ram.bytes);
            others_are_intact(kind, &ram.bytes);
            for (name, text) in texts(&ram.bytes) {
                let is_known = |all: &[(String, String)]| all.contains(&(name.clone(), text.clone()));
                assert!(is_known(&old) || is_known(&new), "{place}: {name} {text:?}");
            }
            // The next try works.
            let again = written(&ram.bytes, &offer(3));
            assert!(texts(&again).contains(&("SOTTO/offer.txt".into(), "sotto2o offer number 3\r\n".into())));
            is_only_short_of_clusters(kind, &again);
            others_are_intact(kind, &again);
            cuts += 1;
        }
    }
    assert!(cuts > 500, "{cuts} cuts");
}
