//! Every screen, pixel by pixel, against the pictures in `tests/golden`.
//!
//! `SOTTO_BLESS=1 cargo test --test screens` draws them anew: then look at them.

use std::path::{Path, PathBuf};

use sotto::intercom::screen::{Framebuffer, View, draw, examples, is_shown_whole};
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

#[test]
fn every_text_that_the_core_can_say_is_shown_whole() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/intercom")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("src/intercom") {
            let path = entry.expect("src/intercom can be listed").path();
            match path.is_dir() {
                true => folders.push(path),
                false => sources.push(std::fs::read_to_string(&path).expect("a source file")),
            }
        }
    }
    let literals = |source: &str| -> Vec<String> {
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().filter(|l| !l.trim_start().starts_with("//"));
        lines
            .flat_map(|l| l.split('"').skip(1).step_by(2))
            .map(str::to_owned)
            .collect()
    };
    let texts: Vec<String> = sources.iter().flat_map(|s| literals(s)).collect();
    assert!(texts.len() > 20);
    for text in texts {
        assert!(is_shown_whole(&text), "too long for the screen: {text:?}");
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
        draw(
            &View::Ended {
                reason: text.clone(),
            },
            &mut screen,
        );
        draw(&View::Error { text }, &mut screen);
    }
    for (_, view) in examples() {
        let View::InCall(mut call) = view else {
            continue;
        };
        for (level, bars) in [(-128, 0), (127, 255)] {
            call.duration = Duration::MAX;
            call.silent = call.silent.map(|_| Duration::MAX);
            (call.sent_dbfs, call.heard_dbfs, call.bars) = (level, level, bars);
            draw(&View::InCall(call.clone()), &mut Framebuffer::new());
        }
    }
    for waited in [Duration::ZERO, Duration::MAX] {
        let mut screen = Framebuffer::new();
        draw(&View::OfferWaiting { waited, v1: true }, &mut screen);
        draw(&View::AnswerGiven { waited, v1: true }, &mut screen);
        draw(&View::Connecting { elapsed: waited }, &mut screen);
    }
}
