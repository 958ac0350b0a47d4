//! Sticks made by the usual tools, read, written, cut off and mangled; and what those tools say of them afterwards.

#![allow(missing_docs)]

#[path = "stick/images.rs"]
mod images;

use std::borrow::Cow;

use images::{Fault, KINDS, Kind, Ram, SECTOR, Scratch};
use proptest::prelude::*;
use sotto::intercom::screen::pages;
use sotto::intercom::stick::{File, Text};
use sotto::io::stick::{StickError, volume};

const PAGE: &[u8] = include_bytes!("../image/stick/call.html");
/// More bytes than any stick may have read of it at once, its partition tables included.
const MAX_READ: u64 = (192 << 20) + (1 << 20);

fn file(name: &'static str, contents: &[u8]) -> File {
    File {
        name,
        contents: Cow::Owned(contents.to_vec()),
    }
}

/// More names than one sector of a directory holds, long and short ones.
fn many(n: usize) -> Vec<File> {
    const NAMES: [&str; 24] = [
        "a01.txt",
        "b01.html",
        "a02.txt",
        "b02.html",
        "a03.txt",
        "b03.html",
        "a04.txt",
        "b04.html",
        "a05.txt",
        "b05.html",
        "a06.txt",
        "b06.html",
        "a07.txt",
        "b07.html",
        "a08.txt",
        "b08.html",
        "a09.txt",
        "b09.html",
        "a10.txt",
        "b10.html",
        "a11.txt",
        "b11.html",
        "offer.txt",
        "call.html",
    ];
    NAMES
        .iter()
        .map(|name| file(name, format!("sotto2o offer number {n}\r\n").as_bytes()))
        .collect()
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
        assert!(images::rename_exfat(&mut image, "SOTTO", "OTHER"));
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
        images::rename_exfat(&mut image, "SOTTO", "OWNED");
        assert!(images::rename_exfat(&mut image, "OTHER", "SOTTO"));
        assert_eq!(
            texts(&image)[0],
            (
                "SOTTO/offer.txt".into(),
                "sotto2o offer number 7\r\n".into()
            )
        );
        return;
    }
    let photo = images::get(image, "Photos of us/a long name.jpg");
    assert!(photo.is_some_and(|p| p == [0xA5; 30_000]));
    assert_eq!(
        images::get(image, "letter.txt").as_deref(),
        Some(&b"Dear you"[..])
    );
}

/// What a checker may say of a stick that was cut off: clusters are taken that no name leads to, or counted wrongly.
fn is_only_short_of_clusters(kind: Kind, image: &[u8]) {
    const HARMLESS: [&str; 7] = [
        "FATs differ but appear to be intact.",
        "Using first FAT.",
        "Checking ",
        "Reclaimed ",
        "Free cluster summary wrong",
        "Auto-correcting.",
        "Leaving filesystem unchanged.",
    ];
    let (said, code) = images::check(kind, image);
    let complaints = said
        .split_once("sectors total")
        .map_or("", |(_, rest)| rest);
    let is_harmless = complaints.lines().map(str::trim).all(|line| {
        line.is_empty() || line.contains(" files, ") || HARMLESS.iter().any(|h| line.starts_with(h))
    });
    // exFAT's checker does not mind clusters that no name leads to.
    assert!(
        code == 0 || kind != Kind::ExFat && is_harmless,
        "{kind:?}: {said}"
    );
}

/// A stick pulled out at any moment keeps its other files, and ours old or new.
fn pull_out(kind: Kind) {
    let mut cuts = 0;
    let sets = [offer as fn(usize) -> Vec<File>, many];
    for (ours, files) in sets.into_iter().flat_map(|s| [(false, s), (true, s)]) {
        let image = used(kind, ours);
        let mut whole = Ram::new(&image);
        volume::write(&mut whole, &files(2)).expect("it is written");
        is_clean(kind, &whole.bytes);
        others_are_intact(kind, &whole.bytes);
        let (old, new) = (texts(&image), texts(&whole.bytes));
        // Every cut at the beginning and at the end, where directories and tables are; some in the contents.
        let last = whole.written;
        let points = (1..=last).filter(|n| *n < 10 || n + 20 > last || n % 37 == 0);
        for (left, reorder) in points.flat_map(|n| [(n, None), (n, Some(n as u64))]) {
            let mut ram = Ram {
                left: Some(left),
                reorder,
                ..Ram::new(&image)
            };
            let error = volume::write(&mut ram, &files(2)).expect_err("it was pulled out");
            assert!(
                error.to_string().contains("pulled out too early"),
                "{error}"
            );
            ram.left = None;
            let place = format!("{kind:?}, ours {ours}, sector {left} of {last}, {reorder:?}");
            is_only_short_of_clusters(kind, &ram.bytes);
            others_are_intact(kind, &ram.bytes);
            for (name, text) in texts(&ram.bytes) {
                let is_known =
                    |all: &[(String, String)]| all.contains(&(name.clone(), text.clone()));
                assert!(is_known(&old) || is_known(&new), "{place}: {name} {text:?}");
            }
            // The next try works.
            let again = written(&ram.bytes, &files(3));
            assert!(
                texts(&again).contains(&(
                    "SOTTO/offer.txt".into(),
                    "sotto2o offer number 3\r\n".into()
                )),
                "{place}"
            );
            is_only_short_of_clusters(kind, &again);
            others_are_intact(kind, &again);
            cuts += 1;
        }
    }
    assert!(cuts > 200, "{cuts} cuts");
}

#[test]
fn a_fat12_stick_pulled_out_at_any_moment_keeps_its_other_files_and_ours_old_or_new() {
    pull_out(Kind::Fat12);
}

#[test]
fn a_fat16_stick_pulled_out_at_any_moment_keeps_its_other_files_and_ours_old_or_new() {
    pull_out(Kind::Fat16);
}

#[test]
fn a_fat32_stick_pulled_out_at_any_moment_keeps_its_other_files_and_ours_old_or_new() {
    pull_out(Kind::Fat32);
}

#[test]
fn an_exfat_stick_pulled_out_at_any_moment_keeps_its_other_files_and_ours_old_or_new() {
    pull_out(Kind::ExFat);
}

#[test]
fn a_file_system_is_found_in_an_mbr_in_a_gpt_and_without_a_table() {
    for (kind, start, script) in [
        (
            Kind::Fat16,
            2_048,
            "label: dos\nstart=2048, size=8192, type=e\n",
        ),
        (
            Kind::ExFat,
            2_048,
            "label: dos\nstart=2048, size=8192, type=7\n",
        ),
        (
            Kind::Fat16,
            4_096,
            "label: dos\nstart=2048, type=5\nstart=4096, size=8192, type=e\n",
        ),
        (Kind::Fat32, 2_048, "label: gpt\nstart=2048, size=81920\n"),
        (
            Kind::ExFat,
            4_096,
            "label: gpt\nstart=2048, size=1024\nstart=4096, size=8192\n",
        ),
    ] {
        let (image, range) = images::partitioned(script, start, &images::empty(kind));
        let mut ram = Ram::new(&image);
        assert!(volume::write(&mut ram, &offer(1)).unwrap_or_else(|e| panic!("{script}: {e}")));
        assert!(texts(&ram.bytes)[0].1.contains("number 1"), "{script}");
        is_clean(kind, &ram.bytes[range.clone()]);
        // Not a byte outside of the partition.
        ram.bytes[range.clone()].copy_from_slice(&image[range]);
        assert!(ram.bytes == image, "{script}");
    }
    // The first GPT was overwritten; its copy at the end is used.
    let (mut image, _) = images::partitioned(
        "label: gpt\nstart=2048, size=8192\n",
        2_048,
        &images::empty(Kind::Fat16),
    );
    image[SECTOR..34 * SECTOR].fill(0);
    assert_eq!(texts(&image), []);
}

#[test]
fn a_partition_for_firmware_which_no_computer_shows_is_passed_over() {
    for script in [
        "label: gpt\nstart=2048, size=8192, type=U\n",
        "label: dos\nstart=2048, size=8192, type=ef\n",
    ] {
        let (image, _) = images::partitioned(script, 2_048, &images::empty(Kind::Fat16));
        let mut ram = Ram::new(&image);
        assert!(volume::write(&mut ram, &offer(1)).is_err(), "{script}");
        assert!(ram.bytes == image, "{script}");
    }
}

#[test]
fn texts_are_taken_from_our_folder_first_and_the_highest_number_first() {
    let mut image = images::empty(Kind::Fat16);
    images::folder(&mut image, "Sotto");
    images::folder(&mut image, "elsewhere");
    images::put(&mut image, "elsewhere/answer.txt", b"not looked at");
    images::put(&mut image, "answer.txt", b"1");
    images::put(&mut image, "answer (1).TXT", "\u{feff}2".as_bytes());
    images::put(&mut image, "notes.doc", b"no text");
    images::put(&mut image, "large.txt", &[b'x'; 70_000]);
    images::put(&mut image, "Sotto/Offer.txt", b"\xff\xfe3\x00");
    images::put(&mut image, "Sotto/offer (12).txt", b"4");
    images::put(&mut image, "Sotto/offer (2).txt", b"\xff");
    let expected = [
        ("SOTTO/offer (12).txt", "4"),
        ("SOTTO/offer (2).txt", "\u{fffd}"),
        ("SOTTO/Offer.txt", "3"),
        ("answer (1).TXT", "\u{feff}2"),
        ("answer.txt", "1"),
    ];
    assert_eq!(
        texts(&image),
        expected.map(|(n, t)| (n.to_owned(), t.to_owned()))
    );
    // The same folder and the same name, whatever their letters.
    let image = written(&image, &[file("offer.txt", b"ours")]);
    is_clean(Kind::Fat16, &image);
    assert!(texts(&image).contains(&("SOTTO/Offer.txt".into(), "ours".into())));
    assert_eq!(texts(&image).len(), 5);
}

#[test]
fn a_thousand_texts_are_read_in_part_and_a_full_folder_grows() {
    let mut image = images::empty(Kind::Fat16);
    images::folder(&mut image, "SOTTO");
    let folder = std::env::temp_dir().join(format!("sotto-many-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let names: Vec<String> = (0..300)
        .map(|n| folder.join(format!("text {n}.txt")).display().to_string())
        .collect();
    for name in &names {
        std::fs::write(name, [b'x'; 30_000]).unwrap();
    }
    let scratch = Scratch::new(&image);
    let mut arguments = vec!["-o", "-i", "IMAGE"];
    arguments.extend(names.iter().take(100).map(String::as_str));
    arguments.push("::SOTTO");
    images::must("mcopy", &arguments, &scratch);
    std::fs::remove_dir_all(&folder).unwrap();
    let mut ram = Ram::new(&scratch.contents());
    let read = volume::read(&mut ram).expect("a readable stick");
    let bytes: usize = read.iter().map(|t| t.text.len()).sum();
    assert!(
        read.len() <= 64 && bytes <= 1 << 20,
        "{} texts, {bytes} bytes",
        read.len()
    );
    let image = written(&ram.bytes, &offer(1));
    is_clean(Kind::Fat16, &image);
    assert!(images::get(&image, "SOTTO/call.html").is_some());
}

/// The line that the owner gets, which the screen shows whole.
fn line(result: Result<impl std::fmt::Debug, StickError>) -> String {
    let line = result.expect_err("it is not well").to_string();
    assert!(pages(&line).len() <= 2, "{line}");
    line
}

#[test]
fn what_is_wrong_with_a_stick_is_said_in_a_line_of_its_own() {
    let read = |image: &[u8]| line(volume::read(&mut Ram::new(image)));
    assert!(read(&[]).contains("nothing on this stick"));
    assert!(read(&[0; 1 << 20]).contains("Format it as FAT32 or exFAT"));
    assert!(read(&vec![0xFF; 1 << 20]).contains("nothing on this stick"));
    for (at, sign, name) in [
        (3, &b"NTFS    "[..], "NTFS"),
        (1_080, &[0x53, 0xEF], "ext"),
        (32_769, b"CD001", "ISO 9660"),
    ] {
        let mut image = vec![0; 1 << 20];
        image[at..at + sign.len()].copy_from_slice(sign);
        assert!(read(&image).contains(name));
    }
    let mut card = images::empty(Kind::Fat16);
    images::put(&mut card, "sotto.toml", b"volume = 50");
    assert!(read(&card).contains("left alone"));
    assert!(line(volume::write(&mut Ram::new(&card), &offer(1))).contains("left alone"));
    for kind in KINDS {
        let image = images::empty(kind);
        let write = |fault| {
            let mut ram = Ram {
                fault,
                ..Ram::new(&image)
            };
            let line = line(volume::write(&mut ram, &offer(1)));
            assert!(ram.bytes == image, "{kind:?}: {line}");
            line
        };
        assert!(write(Fault::Write(libc::EROFS)).contains("write-protected"));
        assert!(write(Fault::Write(libc::EIO)).contains("does not work (error 5)"));
        assert!(write(Fault::Read(libc::ENODEV)).contains("pulled out too early"));
        assert!(write(Fault::Forgets).contains("does not keep what is written"));
        let large = [file("offer.txt", &vec![b'x'; image.len()])];
        let mut ram = Ram::new(&image);
        assert!(
            line(volume::write(&mut ram, &large)).contains("full"),
            "{kind:?}"
        );
        let (_, code) = images::check(kind, &ram.bytes);
        assert_eq!(code, 0);
    }
    let mut image = images::empty(Kind::Fat16);
    images::put(&mut image, "SOTTO", b"a file");
    assert!(line(volume::write(&mut Ram::new(&image), &offer(1))).contains("SOTTO"));
}

#[test]
fn chains_that_go_in_circles_come_to_an_end() {
    for (kind, table, entry) in [(Kind::Fat16, SECTOR, 2), (Kind::Fat32, 32 * SECTOR, 4)] {
        let mut image = written(&images::empty(kind), &offer(1));
        // Every cluster is followed by the one with its own number, or by number 3.
        for to in [None, Some(3)] {
            for cluster in 2..2_000 {
                let at = table + cluster * entry;
                let next = to.unwrap_or(cluster as u32).to_le_bytes();
                image[at..at + entry].copy_from_slice(&next[..entry]);
            }
            let mut ram = Ram::new(&image);
            let _ = volume::read(&mut ram);
            let _ = volume::write(&mut ram, &offer(2));
            assert!(ram.read < MAX_READ, "{} bytes", ram.read);
        }
    }
}

/// Small sticks with files of ours on them, and the sectors that are not empty.
fn victims() -> &'static [(Vec<u8>, Vec<usize>)] {
    static ALL: std::sync::OnceLock<Vec<(Vec<u8>, Vec<usize>)>> = std::sync::OnceLock::new();
    ALL.get_or_init(|| {
        let few = [file("offer.txt", b"sotto2o"), file("call.html", b"page")];
        let mut all: Vec<Vec<u8>> = [Kind::Fat12, Kind::Fat16, Kind::ExFat]
            .iter()
            .map(|kind| written(&images::empty(*kind), &few))
            .collect();
        let fat32 = &["-F", "32", "-s", "1", "IMAGE"];
        all.push(written(&images::made(4 << 20, "mkfs.vfat", fat32), &few));
        for script in [
            "label: dos\nstart=2048, type=5\nstart=4096, size=2048, type=1\n",
            "label: gpt\nstart=4096, size=2048\n",
        ] {
            all.push(images::partitioned(script, 4_096, &all[0].clone()).0);
        }
        all.into_iter()
            .map(|image| {
                let sectors = image.chunks(SECTOR).enumerate();
                let used = sectors
                    .filter(|(_, s)| s.iter().any(|b| *b != 0))
                    .map(|(n, _)| n);
                let used = used.collect();
                (image, used)
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn a_stick_with_any_bytes_changed_is_read_and_written_or_refused(
        victim in 0..6usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..SECTOR, any::<u8>()), 1..12),
        early in any::<bool>(),
    ) {
        let (image, used) = &victims()[victim];
        let mut ram = Ram::new(image);
        for (sector, byte, value) in changes {
            // The first bytes of a sector hold more that matters.
            let byte = if early { byte % 128 } else { byte };
            ram.bytes[used[sector.index(used.len())] * SECTOR + byte] = value;
        }
        if let Err(e) = volume::read(&mut ram) {
            prop_assert!(pages(&e.to_string()).len() <= 2);
        }
        prop_assert!(ram.read < MAX_READ);
        if let Err(e) = volume::write(&mut ram, &[file("offer.txt", b"another"), file("call.html", b"another")]) {
            prop_assert!(pages(&e.to_string()).len() <= 2);
        }
        prop_assert!(ram.read < 2 * MAX_READ);
    }
}
