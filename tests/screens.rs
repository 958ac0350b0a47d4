//! Every screen, pixel by pixel, against the pictures in `tests/golden`.
//!
//! `SOTTO_BLESS=1 cargo test --test screens` draws them anew: then look at them.

use std::path::{Path, PathBuf};

use sotto::intercom::screen::{Framebuffer, Key, Notice, NoticeKind, View, draw, examples, pages};
use sotto::io::picture;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.png"))
}

fn decode(file: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a small PNG")];
    let info = reader.next_frame(&mut pixels).expect("a whole PNG");
    (info.width, info.height, pixels)
}

#[test]
fn every_screen_looks_as_it_did() {
    let mut changed = Vec::new();
    for (name, view) in examples() {
        let mut screen = Framebuffer::new();
        draw(&view, &mut screen);
        let now = picture::panel(&screen, 4);
        if std::env::var_os("SOTTO_BLESS").is_some() {
            std::fs::write(golden(name), &now).expect("tests/golden is writable");
        }
        match std::fs::read(golden(name)) {
            Ok(then) if decode(&then) == decode(&now) => {}
            _ => changed.push(name),
        }
    }
    assert!(
        changed.is_empty(),
        "these differ from tests/golden: {changed:?}; if that is meant, SOTTO_BLESS=1 and look at them"
    );
}

#[test]
fn every_picture_belongs_to_a_screen() {
    let names: Vec<PathBuf> = examples().iter().map(|(name, _)| golden(name)).collect();
    for file in std::fs::read_dir(golden("x").with_file_name("")).expect("tests/golden") {
        let path = file.expect("tests/golden can be listed").path();
        assert!(names.contains(&path), "{} is of no screen", path.display());
    }
}

/// Everything between quotes in the code of a folder, tests and comments left out.
fn literals(folder: &str) -> Vec<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).expect("a source file");
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            let lines = code.lines().filter(|l| !l.trim_start().starts_with("//"));
            texts.extend(
                lines
                    .flat_map(|l| l.split('"').skip(1).step_by(2))
                    .map(str::to_owned),
            );
        }
    }
    texts
}

/// The text with something long in place of each `{}`: a path, a device, a system's error.
fn filled(text: &str) -> String {
    let mut parts = text.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        filled.push_str("a device with a rather long name");
        filled.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
    }
    filled
}

#[test]
fn every_text_that_any_layer_can_say_is_shown_whole_on_three_pages_at_most() {
    let texts: Vec<String> = ["src/intercom", "src/io", "src/config"]
        .into_iter()
        .flat_map(literals)
        .map(|text| filled(&text))
        .collect();
    assert!(texts.len() > 300);
    for text in texts {
        let pages = pages(&text);
        assert!(
            pages.len() <= 3
                && pages.concat().replace(' ', "").len() >= text.replace(' ', "").len(),
            "too long for the screen: {text:?}"
        );
    }
}

#[test]
fn any_text_and_any_number_can_be_drawn() {
    use std::time::Duration;
    let texts = [
        "",
        " ",
        "x",
        "\u{0}\u{1b}[2J",
        "日本語",
        &"long ".repeat(10_000),
        &"ü".repeat(10_000),
    ];
    for text in texts.map(str::to_owned) {
        let mut screen = Framebuffer::new();
        draw(&View::NewPassphrase(text.clone().into()), &mut screen);
        let all = pages(&text);
        assert!((1..=9).contains(&all.len()));
        for text in all.into_iter().chain([text.clone()]) {
            let notice = |kind| Notice {
                kind,
                text: text.clone(),
                page: usize::MAX - 1,
                pages: usize::MAX,
                talk: Key::Idle,
            };
            draw(&View::Notice(notice(NoticeKind::Ended)), &mut screen);
            draw(&View::Notice(notice(NoticeKind::Error)), &mut screen);
        }
        let about = View::About {
            stun: vec![text],
            uptime: Duration::MAX,
        };
        draw(&about, &mut screen);
    }
    for (_, view) in examples() {
        match view {
            View::InCall(mut call) => {
                for (level, bars) in [(-128, 0), (127, 255)] {
                    call.duration = Duration::MAX;
                    call.silent = call.silent.map(|_| Duration::MAX);
                    (call.sent_dbfs, call.heard_dbfs, call.bars) = (level, level, bars);
                    draw(&View::InCall(call.clone()), &mut Framebuffer::new());
                }
            }
            View::Volume { microphone, .. } => {
                for volume in [0, 1, 99, 255] {
                    let view = View::Volume { volume, microphone };
                    draw(&view, &mut Framebuffer::new());
                }
            }
            _ => {}
        }
    }
    for waited in [Duration::ZERO, Duration::MAX] {
        let (v1, again, elapsed) = (true, true, waited);
        let mut screen = Framebuffer::new();
        draw(&View::OfferWaiting { waited, v1, again }, &mut screen);
        draw(&View::AnswerGiven { waited, v1, again }, &mut screen);
        draw(&View::Connecting { elapsed, again }, &mut screen);
    }
}
