//! What each of the three buttons does now, drawn above it. A button that does nothing has no key there.

use std::borrow::Cow;

use embedded_graphics::mono_font::iso_8859_1::{FONT_4X6, FONT_5X7};
use embedded_graphics::pixelcolor::BinaryColor::{self, Off, On};
use embedded_graphics::prelude::*;

use super::framebuffer::Framebuffer;
use super::parts::fill;
use super::text::{line, width};
use super::{InCall, Microphone, Notice, StickView, View};

/// Three keys of this width, above the three buttons.
const WIDTH: i32 = 42;
const TOP: i32 = 53;
const HEIGHT: i32 = 11;
/// For a label, inside the outline.
const ROOM: i32 = WIDTH - 4;
const HOLD: &str = "hold";
const GAP: i32 = 2;

/// What a button does now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Nothing.
    Idle,
    /// This, when pressed.
    Press(Cow<'static, str>),
    /// This, when held.
    Hold(&'static str),
    /// This, right now.
    Live(&'static str),
}

/// What TALK, NEXT and BACK do on a screen.
pub fn keys(view: &View) -> [Key; 3] {
    use Key::{Hold, Idle};
    let press = |label: &'static str| Key::Press(label.into());
    // A terminal's key cannot be held, so it is pressed again.
    let hold = |label, again| {
        if again {
            Key::Live("AGAIN")
        } else {
            Hold(label)
        }
    };
    match view {
        View::Start => [Idle, Idle, Idle],
        View::NoPassphrase => [press("MAKE"), press("ENTER"), Idle],
        View::NewPassphrase(_) => [Idle, press("OK"), Idle],
        View::Entering(entry) => {
            let half = |n: usize| match entry.halves[n].as_str() {
                "" => Idle,
                label => Key::Press(label.to_owned().into()),
            };
            let back = if entry.text.is_empty() {
                "LEAVE"
            } else {
                "ERASE"
            };
            [half(0), half(1), press(back)]
        }
        View::Ready => [press("CALL"), press("MENU"), Idle],
        View::Menu { item, .. } => [press(item.verb()), press("NEXT"), press("LEAVE")],
        View::Replace => [press("MAKE"), Idle, press("LEAVE")],
        View::Volume { volume, microphone } => [
            microphone.map_or(press("DONE"), Microphone::key),
            if *volume < 100 { press("LOUDER") } else { Idle },
            if *volume > 0 { press("SOFTER") } else { Idle },
        ],
        View::About { .. } => [Idle, Idle, press("LEAVE")],
        View::SoundCheck { .. } => [Idle, Idle, press("STOP")],
        View::Preparing => [Idle, Idle, press("CANCEL")],
        View::OfferWaiting { again, .. } | View::AnswerGiven { again, .. } => {
            [Idle, Idle, hold("FORGET", *again)]
        }
        View::Connecting { again, .. } => [Idle, Idle, hold("STOP", *again)],
        View::InCall(call) => [call.microphone.key(), next(call), Hold("END")],
        View::Stick(stick) => match stick {
            StickView::Reading | StickView::Opening | StickView::Writing => [Idle, Idle, Idle],
            StickView::Written(_) | StickView::Nothing => [Idle, press("OK"), Idle],
            StickView::Question => [press("THEIRS"), Idle, press("OURS")],
        },
        View::Compare { microphone, .. } => [microphone.key(), press("YES"), Hold("NO")],
        View::Notice(Notice {
            page, pages, talk, ..
        }) => [
            talk.clone(),
            press(if page + 1 < *pages { "MORE" } else { "OK" }),
            Idle,
        ],
    }
}

/// Not while "lost" hides the words: nobody should confirm what they cannot read.
fn next(call: &InCall) -> Key {
    let compares = call.words.is_some() && call.silent.is_none() && !call.secure;
    Key::Press(if compares { "SAME?" } else { "VOLUME" }.into())
}

impl Microphone {
    /// What TALK does in a call: it is always the microphone's.
    pub fn key(self) -> Key {
        match self {
            Self { muted: true, .. } => Key::Press("UNMUTE".into()),
            Self { ptt: false, .. } => Key::Press("MUTE".into()),
            Self { open: true, .. } => Key::Live("TALKING"),
            Self { open: false, .. } => Key::Hold("TALK"),
        }
    }
}

/// Draws them.
pub fn draw(keys: &[Key; 3], target: &mut Framebuffer) {
    for (key, i) in keys.iter().zip(0..) {
        let left = i * (WIDTH + 1);
        match key {
            Key::Idle => {}
            Key::Press(label) => {
                outline(target, left);
                label_in(target, left, label, On);
            }
            Key::Hold(label) => {
                outline(target, left);
                let hold = width(HOLD, &FONT_4X6) + GAP;
                let whole = hold + width(label, &FONT_5X7);
                if whole <= ROOM {
                    let x = left + (WIDTH - whole + GAP) / 2;
                    line(target, HOLD, Point::new(x, TOP + 4), &FONT_4X6, On);
                    line(target, label, Point::new(x + hold, TOP + 3), &FONT_5X7, On);
                } else {
                    // Beside the key, where no key is.
                    let x = left - width(HOLD, &FONT_5X7) - GAP;
                    line(target, HOLD, Point::new(x, TOP + 3), &FONT_5X7, On);
                    label_in(target, left, label, On);
                }
            }
            Key::Live(label) => {
                outline(target, left);
                fill(target, left + 1, TOP + 1, WIDTH - 2, HEIGHT - 1, On);
                label_in(target, left, label, Off);
            }
        }
    }
}

fn label_in(target: &mut Framebuffer, left: i32, label: &str, color: BinaryColor) {
    let x = left + (WIDTH - width(label, &FONT_5X7) + 1) / 2;
    line(target, label, Point::new(x, TOP + 3), &FONT_5X7, color);
}

/// A key seen from the front: open where the button is.
fn outline(target: &mut Framebuffer, left: i32) {
    fill(target, left + 2, TOP, WIDTH - 4, 1, On);
    for x in [left, left + WIDTH - 1] {
        fill(target, x, TOP + 2, 1, HEIGHT - 2, On);
    }
    for x in [left + 1, left + WIDTH - 2] {
        fill(target, x, TOP + 1, 1, 1, On);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intercom::screen::examples;

    #[test]
    fn every_key_stays_in_its_third_and_hold_beside_it_in_an_empty_one() {
        for (name, view) in examples() {
            let keys = keys(&view);
            for (i, key) in keys.iter().enumerate() {
                let beside = i > 0 && keys[i - 1] == Key::Idle;
                let (label, wide) = match key {
                    Key::Idle => ("", 0),
                    Key::Press(label) => (&**label, 0),
                    Key::Live(label) => (*label, 0),
                    Key::Hold(label) if beside => (*label, 0),
                    Key::Hold(label) => (*label, width(HOLD, &FONT_4X6) + GAP),
                };
                assert!(wide + width(label, &FONT_5X7) <= ROOM, "{name}: {label}");
            }
        }
        assert_eq!(
            2 * (WIDTH + 1) + WIDTH,
            crate::intercom::screen::framebuffer::WIDTH as i32
        );
    }
}
