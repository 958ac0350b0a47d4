//! The screen of a call: the words at the left for the owner to read aloud, the levels at the right.

use embedded_graphics::mono_font::iso_8859_1::{FONT_5X7, FONT_7X13_BOLD};
use embedded_graphics::pixelcolor::BinaryColor::{Off, On};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

use super::framebuffer::Framebuffer;
use super::parts;
use super::text::{line, prose, width};
use super::{InCall, clock};

/// Left half of the body: 8 bold letters, the longest word of the list, are 56 pixels.
const LEFT: Rectangle = Rectangle::new(Point::new(0, 15), Size::new(60, 37));
/// Right half: its text is above its meters.
const RIGHT_X: i32 = 68;
const METER_X: i32 = 80;

/// Draws it.
pub fn draw(call: &InCall, target: &mut Framebuffer) {
    header(call, target);
    match call.silent {
        Some(silent) => {
            parts::fill(target, 0, 15, 128, 14, On);
            let banner = format!("Lost them {}", clock(silent));
            line(target, &banner, Point::new(3, 15), &FONT_7X13_BOLD, Off);
            prose(
                target,
                "trying to reach them",
                Rectangle::new(Point::new(0, 31), Size::new(60, 21)),
            );
        }
        None => {
            left(call, target);
            right(call, target);
        }
    }
    microphone(call, target);
    parts::icon(target, parts::SPEAKER, Point::new(RIGHT_X, 42), On);
    parts::meter(target, call.heard_dbfs, Point::new(METER_X, 43));
}

/// How long, whether they hear us, how well we hear them.
fn header(call: &InCall, target: &mut Framebuffer) {
    line(
        target,
        &clock(call.duration),
        Point::zero(),
        &FONT_7X13_BOLD,
        On,
    );
    if call.hears_us {
        line(target, "hears you", Point::new(64, 4), &FONT_5X7, On);
    }
    parts::bars(target, call.bars, Point::new(113, 2));
    parts::rule(target);
}

fn left(call: &InCall, target: &mut Framebuffer) {
    match (call.words, call.v1) {
        (Some(words), _) => {
            for (word, y) in words.iter().zip([15, 27, 39]) {
                line(target, word, Point::new(0, y), &FONT_7X13_BOLD, On);
            }
        }
        (None, true) => {
            prose(target, "no words in a v1 call", LEFT);
        }
        (None, false) => prose(target, "words come in a moment", LEFT),
    }
}

/// What is proved.
fn right(call: &InCall, target: &mut Framebuffer) {
    let two = |target: &mut Framebuffer, a: &str, b: &str| {
        line(target, a, Point::new(RIGHT_X, 15), &FONT_5X7, On);
        line(target, b, Point::new(RIGHT_X, 23), &FONT_5X7, On);
    };
    match (call.words, call.v1) {
        (Some(_), _) if call.secure => {
            parts::icon(target, parts::PADLOCK, Point::new(RIGHT_X, 16), On);
            line(
                target,
                "secure",
                Point::new(METER_X, 16),
                &FONT_7X13_BOLD,
                On,
            );
        }
        (Some(_), _) => two(target, "compare the", "words aloud"),
        (None, true) => {
            parts::icon(target, parts::WARNING, Point::new(RIGHT_X, 17), On);
            line(
                target,
                "weak v1",
                Point::new(METER_X + 3, 19),
                &FONT_5X7,
                On,
            );
        }
        (None, false) => two(target, "encrypted,", "not proved"),
    }
}

/// Its level, or why there is none.
fn microphone(call: &InCall, target: &mut Framebuffer) {
    parts::icon(target, parts::MICROPHONE, Point::new(RIGHT_X, 31), On);
    let state = match (call.microphone.muted, call.microphone.open) {
        (true, _) => "muted",
        (false, false) => "closed",
        (false, true) => {
            parts::meter(target, call.sent_dbfs, Point::new(METER_X, 32));
            return;
        }
    };
    let x = METER_X + (47 - width(state, &FONT_5X7)) / 2;
    line(target, state, Point::new(x, 32), &FONT_5X7, On);
}
