//! The pure half stays pure: its sources name no clock, socket, file, thread, device crate or random source.

#![allow(missing_docs)]

use std::path::Path;

/// What may not stand in `src/intercom` or `src/voice`, comments and texts left out.
const FORBIDDEN: &[&str] = &[
    "std::fs",
    "std::io",
    "std::thread",
    "std::process",
    "std::env",
    "std::sync::mpsc",
    "std::os",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "ToSocketAddrs",
    "Instant::now",
    "SystemTime",
    "mio::",
    "alsa::",
    "rppal",
    "libc::",
    "rustix",
    "socket2",
    "hound",
    "crossterm",
    "netlink",
    "getrandom",
    "rand::",
    "OsRng",
    "thread_rng",
    "println!",
    "eprintln!",
    "crate::io",
];

fn code_lines(path: &Path) -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(path).expect("a source file can be read");
    text.lines()
        .enumerate()
        .map(|(n, line)| {
            (
                n + 1,
                line.split("//").next().unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

fn sources(folder: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the source tree can be listed") {
        let path = entry.expect("a folder's entry can be read").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

fn found_in(lines: &[(usize, String)]) -> Vec<(usize, &'static str)> {
    lines
        .iter()
        .flat_map(|(n, line)| {
            FORBIDDEN
                .iter()
                .filter(move |f| line.contains(**f))
                .map(move |f| (*n, *f))
        })
        .collect()
}

#[test]
fn the_pure_half_names_no_effect() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root.join("intercom"), &mut files);
    sources(&root.join("voice"), &mut files);
    assert!(
        files.len() > 15,
        "only {} files found: is this the source tree?",
        files.len()
    );
    let broken: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let found: Vec<String> = found_in(&code_lines(file))
                .into_iter()
                .map(|(n, what)| format!("{}:{n} names {what}", file.display()))
                .collect();
            found
        })
        .collect();
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn the_check_finds_what_it_looks_for() {
    let lines = |text: &str| vec![(1, text.to_owned())];
    assert_eq!(
        found_in(&lines("let t = Instant::now();")),
        [(1, "Instant::now")]
    );
    assert_eq!(found_in(&lines("use std::fs;")), [(1, "std::fs")]);
    assert_eq!(found_in(&lines("use std::time::Instant;")), []);
}

#[test]
fn one_clock_reading_a_turn() {
    let io = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/io");
    let mut files = Vec::new();
    sources(&io, &mut files);
    for file in files.iter().filter(|f| !f.ends_with("io/mod.rs")) {
        let before_tests: Vec<_> = code_lines(file)
            .into_iter()
            .take_while(|(_, line)| !line.contains("mod tests"))
            .filter(|(_, line)| line.contains("Instant::now"))
            .collect();
        assert_eq!(before_tests, [], "{}", file.display());
    }
}
