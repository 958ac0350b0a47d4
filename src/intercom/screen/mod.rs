//! What the owner sees: state to 128x64 pixels.
//!
//! Every screen has three parts: a headline that says where things stand, what to do now, and at the bottom what
//! each of the three buttons does, drawn above the button. A button that does nothing has no key there.

mod call;
mod examples;
pub mod framebuffer;
mod parts;
mod stick;
mod text;

use std::time::Duration;

use embedded_graphics::mono_font::iso_8859_1::{FONT_5X7, FONT_6X10, FONT_10X20};
use embedded_graphics::pixelcolor::BinaryColor::On;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

pub use examples::examples;
pub use framebuffer::Framebuffer;
use parts::{BODY, Key};
pub use stick::StickView;

/// What the screen shows, derived from the state of the intercom and nothing else.
#[derive(Clone, Debug, PartialEq)]
pub enum View {
    /// Before the first input.
    Start,
    /// No passphrase yet: says how to set one.
    NoPassphrase,
    /// A passphrase was just made; shown until the owner goes on (NEXT or BACK).
    NewPassphrase(zeroize::Zeroizing<String>),
    /// Idle, with a passphrase.
    Ready,
    /// A key is being derived, or addresses gathered.
    Preparing,
    /// Our offer waits for its answer.
    OfferWaiting {
        /// Since the offer was shown.
        waited: Duration,
        /// The weak, original format.
        v1: bool,
    },
    /// Our answer was given; the peer has to come to us.
    AnswerGiven {
        /// Since the answer was shown.
        waited: Duration,
        /// The weak, original format.
        v1: bool,
    },
    /// The path is being checked.
    Connecting {
        /// Since it began.
        elapsed: Duration,
    },
    /// Voice flows.
    InCall(InCall),
    /// What is done with the stick.
    Stick(StickView),
    /// The call is over.
    Ended {
        /// In the owner's words, as in `* ended REASON`.
        reason: String,
    },
    /// Something was wrong; what to do.
    Error {
        /// As in `! …`: what happened and what to do.
        text: String,
    },
}

/// The call screen.
#[derive(Clone, Debug, PartialEq)]
pub struct InCall {
    /// Since connected.
    pub duration: Duration,
    /// The words to compare; none in a v1 call, or before both ends revealed.
    pub words: Option<[&'static str; 3]>,
    /// The original page's format: no words, weak salt.
    pub v1: bool,
    /// The owner said that the words are the same.
    pub secure: bool,
    /// Microphone level as sent, dBFS, -96 to 0.
    pub sent_dbfs: i8,
    /// Speaker level as played, dBFS, -96 to 0.
    pub heard_dbfs: i8,
    /// Voice is being sent.
    pub mic_open: bool,
    /// `mute on`.
    pub muted: bool,
    /// Push to talk rather than open.
    pub ptt: bool,
    /// The peer's receiver reports say that our packets arrive.
    pub hears_us: bool,
    /// Quality of what we receive, 0 (none) to 4.
    pub bars: u8,
    /// Nothing authenticated came for a while: for how long.
    pub silent: Option<Duration>,
}

/// Draws what the owner sees now over whatever was there.
pub fn draw(view: &View, target: &mut Framebuffer) {
    target.wipe();
    match view {
        View::Start => start(target),
        View::NoPassphrase => {
            parts::headline(target, "No passphrase", "");
            text::prose(
                target,
                "TALK makes one for you both, or type passphrase WORDS",
                BODY,
            );
            parts::keys(target, [Key::Press("MAKE"), Key::Idle, Key::Idle]);
        }
        View::NewPassphrase(words) => new_passphrase(words, target),
        View::Ready => {
            parts::headline(target, "Ready", "");
            text::prose(target, "Press TALK to call or enter their code", BODY);
            parts::keys(target, [Key::Press("CALL"), Key::Idle, Key::Idle]);
        }
        View::Preparing => {
            parts::headline(target, "One moment", "");
            text::prose(target, "making the code", BODY);
            parts::keys(target, [Key::Idle, Key::Idle, Key::Press("CANCEL")]);
        }
        View::OfferWaiting { waited, v1 } => {
            parts::headline(target, "Offer made", &long_clock(*waited));
            carry(target, "Give them the code, then enter their answer", *v1);
        }
        View::AnswerGiven { waited, v1 } => {
            parts::headline(target, "Answer made", &long_clock(*waited));
            carry(
                target,
                "Give them the answer; the call starts when they enter it",
                *v1,
            );
        }
        View::Connecting { elapsed } => connecting(*elapsed, target),
        View::InCall(in_call) => call::draw(in_call, target),
        View::Stick(stick) => stick::draw(stick, target),
        View::Ended { reason } => {
            parts::headline(target, "Ended", "");
            text::prose(target, reason, BODY);
            parts::keys(target, [Key::Idle, Key::Press("OK"), Key::Idle]);
        }
        View::Error { text } => {
            parts::alert(target, "Not done");
            text::prose(target, text, BODY);
            parts::keys(target, [Key::Idle, Key::Press("OK"), Key::Idle]);
        }
    }
}

/// [`draw`] on a fresh picture.
pub fn drawn(view: &View) -> Framebuffer {
    let mut picture = Framebuffer::new();
    draw(view, &mut picture);
    picture
}

/// Whether the text of an error, or of an ended call, is shown whole.
pub fn is_shown_whole(text: &str) -> bool {
    text::fits(text, BODY.size)
}

/// A voice that fades, and the name.
fn start(target: &mut Framebuffer) {
    const WAVE: [i32; 13] = [28, 16, 23, 30, 20, 11, 16, 22, 13, 7, 9, 4, 2];
    for (height, i) in WAVE.into_iter().zip(0..) {
        let x = 25 + 6 * i;
        parts::fill(target, x, 20 - height / 2, 3, height, On);
    }
    for (letter, i) in ["s", "o", "t", "t", "o"].into_iter().zip(0..) {
        text::line(target, letter, Point::new(25 + 17 * i, 40), &FONT_10X20, On);
    }
}

/// The words in two columns, numbered, for their order matters.
fn new_passphrase(passphrase: &str, target: &mut Framebuffer) {
    parts::headline(target, "Write it down", "");
    let passphrase = text::fold(passphrase);
    let words: Vec<&str> = passphrase.split(' ').collect();
    match words.len() <= 8 && words.iter().all(|w| w.chars().count() <= 8) {
        true => {
            for (i, word) in words.iter().enumerate() {
                let at = Point::new(67 * (i as i32 / 4), 15 + 9 * (i as i32 % 4));
                text::line(target, &format!("{} {word}", i + 1), at, &FONT_6X10, On);
            }
        }
        false => text::prose(target, &passphrase, BODY),
    }
    parts::keys(target, [Key::Idle, Key::Press("OK"), Key::Idle]);
}

/// A code is on its way by hand.
fn carry(target: &mut Framebuffer, what_to_do: &str, v1: bool) {
    text::prose(target, what_to_do, BODY);
    parts::keys(target, [Key::Idle, Key::Idle, Key::Press("FORGET")]);
    if v1 {
        parts::icon(target, parts::WARNING, Point::new(0, 54), On);
        text::line(target, "weak v1 code", Point::new(15, 57), &FONT_5X7, On);
    }
}

/// Two intercoms, and dots that run from one to the other.
fn connecting(elapsed: Duration, target: &mut Framebuffer) {
    const LEFT: i32 = 16;
    const RIGHT: i32 = 128 - 16 - 15;
    parts::headline(target, "Connecting", &clock(elapsed));
    for x in [LEFT, RIGHT] {
        parts::icon(target, parts::INTERCOM, Point::new(x, 18), On);
    }
    let step = (elapsed.as_millis() / 250 % 3) as i32;
    for i in 0..9 {
        let size = if i % 3 == step { 3 } else { 1 };
        parts::fill(
            target,
            LEFT + 21 + 7 * i - size / 2,
            26 - size / 2,
            size,
            size,
            On,
        );
    }
    text::prose(
        target,
        "looking for a way",
        Rectangle::new(Point::new(0, 38), Size::new(128, 14)),
    );
    parts::keys(target, [Key::Idle, Key::Idle, Key::Press("STOP")]);
}

/// `m:ss`, or `h:mm:ss` from an hour on.
fn clock(time: Duration) -> String {
    let (h, m, s) = hms(time);
    match h {
        0 => format!("{m}:{s:02}"),
        _ => format!("{h}:{m:02}:{s:02}"),
    }
}

/// `m:ss`, or `5 h 07` from an hour on: nobody counts the seconds then.
fn long_clock(time: Duration) -> String {
    let (h, m, s) = hms(time);
    match h {
        0 => format!("{m}:{s:02}"),
        _ => format!("{h}h {m:02}m"),
    }
}

fn hms(time: Duration) -> (u64, u64, u64) {
    let s = time.as_secs();
    (s / 3600, s / 60 % 60, s % 60)
}
