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
