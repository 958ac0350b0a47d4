//! The screens before a call: passphrases, the menu and what it opens.

use std::time::Duration;

use embedded_graphics::mono_font::MonoFont;
use embedded_graphics::mono_font::iso_8859_1::{
    FONT_4X6, FONT_5X7, FONT_6X10, FONT_7X13_BOLD, FONT_10X20,
};
use embedded_graphics::pixelcolor::BinaryColor::{Off, On};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

use super::framebuffer::{Framebuffer, WIDTH};
use super::parts::{self, BODY};
use super::text::{self, line, width};
use super::{Mode, long_clock};
use crate::intercom::owner::entry::Shown;
use crate::intercom::owner::menu::Item;

/// Words in two columns of four, as large as eight letters allow.
const WORDS: &MonoFont<'static> = &FONT_6X10;
const ROWS: usize = 4;
const ROW: i32 = 9;
const COLUMN: i32 = 67;

/// A voice that fades, and the name.
pub fn start(target: &mut Framebuffer) {
    const WAVE: [i32; 13] = [28, 16, 23, 30, 20, 11, 16, 22, 13, 7, 9, 4, 2];
    for (height, i) in WAVE.into_iter().zip(0..) {
        let x = 25 + 6 * i;
        parts::fill(target, x, 20 - height / 2, 3, height, On);
    }
    for (letter, i) in ["s", "o", "t", "t", "o"].into_iter().zip(0..) {
        line(target, letter, Point::new(25 + 17 * i, 40), &FONT_10X20, On);
    }
}

/// The words in two columns, numbered, for their order matters.
pub fn new_passphrase(passphrase: &str, target: &mut Framebuffer) {
    parts::headline(target, "Write it down", "");
    let passphrase = text::fold(passphrase);
    let words: Vec<&str> = passphrase.split(' ').collect();
    match words.len() <= 2 * ROWS && words.iter().all(|w| w.chars().count() <= 8) {
        true => {
            for (i, word) in words.iter().enumerate() {
                numbered(target, i, word);
            }
        }
        false => text::prose(target, &passphrase, BODY),
    }
}

/// The words so far, laid out as the other end shows them; the one that is being entered with its cursor.
pub fn entering(entry: &Shown, target: &mut Framebuffer) {
    let words: Vec<&str> = entry.text.split(' ').collect();
    // Behind the last space is what begins the next word, or nothing.
    let at = words.len() - 1;
    let headline = match entry.whole {
        true => "Correct?".into(),
        false => format!("Word {}", at + 1),
    };
    parts::headline(target, &headline, "");
    let hint = if at == 0 { "" } else { "hold BACK: leave" };
    let x = WIDTH as i32 - width(hint, &FONT_4X6);
    line(target, hint, Point::new(x, 5), &FONT_4X6, On);
    if entry.text.is_empty() {
        let hint = "Which key has its first letter?";
        let below = Rectangle::new(Point::new(0, 26), Size::new(128, 26));
        text::prose(target, hint, below);
    }
    let shown = if entry.whole { at - 1 } else { at };
    let first = shown / (2 * ROWS) * (2 * ROWS);
    for (i, word) in words.iter().enumerate().skip(first).take(2 * ROWS) {
        if i == at && entry.whole {
            continue;
        }
        let end = numbered(target, i, word);
        if i == at {
            parts::fill(target, end.x + 1, end.y + 1, 5, 8, On);
        }
    }
}

/// One word with its number in its place of eight; gives where it ends.
fn numbered(target: &mut Framebuffer, i: usize, word: &str) -> Point {
    let place = i % (2 * ROWS);
    let at = Point::new(
        COLUMN * (place / ROWS) as i32,
        BODY.top_left.y + ROW * (place % ROWS) as i32,
    );
    // Two digits leave eight letters less room, so they are smaller.
    let number = (i + 1).to_string();
    let (font, shift) = match number.len() {
        1 => (WORDS, 0),
        _ => (&FONT_5X7, 2),
    };
    line(target, &number, at + Point::new(0, shift), font, On);
    let x = at.x + width(&number, font) + if number.len() == 1 { 6 } else { 2 };
    line(target, word, Point::new(x, at.y), WORDS, On);
    Point::new(x + width(word, WORDS), at.y)
}

/// Four of its items, the chosen one marked.
pub fn menu(chosen: Item, mode: Mode, volume: u8, target: &mut Framebuffer) {
    let at = Item::ALL.iter().position(|i| *i == chosen).unwrap_or(0);
    parts::headline(target, "Menu", &format!("{}/{}", at + 1, Item::ALL.len()));
    let first = at.saturating_sub(ROWS - 1);
    for (item, row) in Item::ALL.iter().skip(first).zip(0..ROWS as i32) {
        let y = BODY.top_left.y + ROW * row;
        if *item == chosen {
            parts::icon(target, parts::CHOSEN, Point::new(0, y + 2), On);
        }
        line(
            target,
            &item.title(mode, volume),
            Point::new(8, y),
            WORDS,
            On,
        );
    }
}

/// How loud, as a number and a bar.
pub fn volume(volume: u8, target: &mut Framebuffer) {
    parts::headline(target, "Volume", "");
    let number = volume.to_string();
    let x = WIDTH as i32 - width(&number, &FONT_10X20);
    line(target, &number, Point::new(x, 23), &FONT_10X20, On);
    parts::icon(target, parts::SPEAKER, Point::new(2, 29), On);
    const LEFT: i32 = 15;
    const STEPS: i32 = 20;
    for step in 0..STEPS {
        let height = 4 + 20 * step / STEPS;
        let lit = (step + 1) * 100 <= i32::from(volume) * STEPS;
        let (y, height) = if lit { (46 - height, height) } else { (45, 1) };
        parts::fill(target, LEFT + 4 * step, y, 3, height, On);
    }
}

/// What it is, how long it runs, whom it asks for its address.
pub fn about(stun: &[String], uptime: Duration, target: &mut Framebuffer) {
    let name = concat!("sotto ", env!("CARGO_PKG_VERSION"));
    parts::headline(target, name, &format!("up {}", long_clock(uptime)));
    let asked = match stun {
        [] => "It asks no server for its address.".to_owned(),
        [server] => format!("It asks {server} for its public address."),
        [server, ..] => format!("It asks {server} and others for its public address."),
    };
    text::prose(target, &asked, BODY);
}

/// The words of both ends should be these.
pub fn compare(words: &[&str; 3], target: &mut Framebuffer) {
    parts::fill(target, 0, 0, WIDTH as i32, 13, On);
    let question = "Are theirs the same?";
    let font = &FONT_6X10;
    let x = (WIDTH as i32 - width(question, font)) / 2;
    line(target, question, Point::new(x, 2), font, Off);
    for (word, y) in words.iter().zip([15, 27, 39]) {
        let x = (WIDTH as i32 - width(word, &FONT_7X13_BOLD)) / 2;
        line(target, word, Point::new(x, y), &FONT_7X13_BOLD, On);
    }
}
