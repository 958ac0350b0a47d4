//! What the owner sees: state to 128x64 pixels.
//!
//! Every screen has three parts: a headline that says where things stand, what to do now, and at the bottom what
//! each of the three buttons does, drawn above the button. A button that does nothing has no key there.

mod call;
mod examples;
pub mod framebuffer;
mod keys;
mod parts;
mod rest;
mod setup;
mod stick;
mod text;
pub mod window;

use std::time::Duration;

use embedded_graphics::mono_font::iso_8859_1::FONT_5X7;
use embedded_graphics::pixelcolor::BinaryColor::On;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use zeroize::Zeroizing;

use super::console::Mode;
use super::owner::entry::Shown;
use super::owner::menu::Item;
pub use examples::examples;
pub use framebuffer::Framebuffer;
pub use keys::{Key, keys};
use parts::BODY;
pub use rest::{BRIGHT, Glow, Rest};
pub use stick::StickView;
pub use text::pages;
pub use window::Window;

/// What the screen shows, derived from the state of the intercom and nothing else.
#[derive(Clone, Debug, PartialEq)]
pub enum View {
    /// Just switched on.
    Start,
    /// No passphrase yet: says how to set one.
    NoPassphrase,
    /// A passphrase was just made; shown until the owner goes on (NEXT).
    NewPassphrase(Zeroizing<String>),
    /// A passphrase is being entered with the buttons.
    Entering(Shown),
    /// Idle, with a passphrase.
    Ready,
    /// What can be set by the buttons.
    Menu {
        /// The chosen line.
        item: Item,
        /// Its value on its line.
        mode: Mode,
        /// Its value on its line, 0 to 100.
        volume: u8,
    },
    /// Another passphrase in place of the one in use?
    Replace,
    /// Of the speaker.
    Volume {
        /// 0 to 100.
        volume: u8,
        /// In a call.
        microphone: Option<Microphone>,
    },
    /// Name and version.
    About {
        /// STUN servers that are asked.
        stun: Vec<String>,
        /// Since it was switched on.
        uptime: Duration,
    },
    /// The speaker is played to the microphone.
    SoundCheck {
        /// How much of it is done, 0 to 100.
        percent: u8,
    },
    /// A key is being derived, or addresses gathered.
    Preparing,
    /// Our offer waits for its answer.
    OfferWaiting {
        /// Since the offer was shown.
        waited: Duration,
        /// The weak, original format.
        v1: bool,
        /// A key that cannot be held was pressed once.
        again: bool,
    },
    /// Our answer was given; the peer has to come to us.
    AnswerGiven {
        /// Since the answer was shown.
        waited: Duration,
        /// The weak, original format.
        v1: bool,
        /// A key that cannot be held was pressed once.
        again: bool,
    },
    /// The path is being checked.
    Connecting {
        /// Since it began.
        elapsed: Duration,
        /// A key that cannot be held was pressed once.
        again: bool,
    },
    /// Voice flows.
    InCall(InCall),
    /// What is done with the stick.
    Stick(StickView),
    /// Are the words the same at the other end?
    Compare {
        /// Ours.
        words: [&'static str; 3],
        /// Talking goes on.
        microphone: Microphone,
    },
    /// A text for the owner, over any of the others.
    Notice(Notice),
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
    /// Ours.
    pub microphone: Microphone,
    /// The peer's receiver reports say that our packets arrive.
    pub hears_us: bool,
    /// Quality of what we receive, 0 (none) to 4.
    pub bars: u8,
    /// Nothing authenticated came for a while: for how long.
    pub silent: Option<Duration>,
}

/// The microphone in a call, and with it what TALK does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Microphone {
    /// Voice is being sent.
    pub open: bool,
    /// `mute on`.
    pub muted: bool,
    /// Push to talk rather than open.
    pub ptt: bool,
}

/// One page of a text for the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What about.
    pub kind: NoticeKind,
    /// This page of it.
    pub text: String,
    /// Its number, from 0.
    pub page: usize,
    /// How many there are.
    pub pages: usize,
    /// What TALK does: in a call, which goes on beneath, and beneath mere news.
    pub talk: Key,
}

/// What a text is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// The settings file has mistakes.
    Settings,
    /// The call is over; in the owner's words, as in `* ended REASON`.
    Ended,
    /// Something was wrong; as in `! …`: what happened and what to do.
    Error,
    /// What a sound check found; as in `* check …`.
    Check,
    /// A device, an address, a button; as in `* note …`.
    Note,
}

impl View {
    /// One word for the kind of screen.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::NoPassphrase => "NoPassphrase",
            Self::NewPassphrase(_) => "NewPassphrase",
            Self::Entering(_) => "Entering",
            Self::Ready => "Ready",
            Self::Menu { .. } => "Menu",
            Self::Replace => "Replace",
            Self::Volume { .. } => "Volume",
            Self::About { .. } => "About",
            Self::SoundCheck { .. } => "SoundCheck",
            Self::Preparing => "Preparing",
            Self::OfferWaiting { .. } => "OfferWaiting",
            Self::AnswerGiven { .. } => "AnswerGiven",
            Self::Connecting { .. } => "Connecting",
            Self::InCall(_) => "InCall",
            Self::Stick(stick) => match stick {
                StickView::Reading => "StickReading",
                StickView::Opening => "StickOpening",
                StickView::Writing => "StickWriting",
                StickView::Written(_) => "StickWritten",
                StickView::Nothing => "StickNothing",
                StickView::Question => "StickQuestion",
            },
            Self::Compare { .. } => "Compare",
            Self::Notice(notice) => match notice.kind {
                NoticeKind::Settings => "Settings",
                NoticeKind::Ended => "Ended",
                NoticeKind::Error => "Error",
                NoticeKind::Check => "Checked",
                // `Note` is a keyword of Mermaid, which draws the map of the screens.
                NoticeKind::Note => "News",
            },
        }
    }
}

/// Draws what the owner sees now over whatever was there.
pub fn draw(view: &View, target: &mut Framebuffer) {
    target.wipe();
    match view {
        View::Start => setup::start(target),
        View::NoPassphrase => {
            let what = "Make one for you both, or enter theirs";
            headed(target, "No passphrase", "", what);
        }
        View::NewPassphrase(words) => setup::new_passphrase(words, target),
        View::Entering(entry) => setup::entering(entry, target),
        View::Ready => headed(
            target,
            "Ready",
            "",
            "TALK calls. To answer, plug in their stick or enter their code",
        ),
        View::Menu { item, mode, volume } => setup::menu(*item, *mode, *volume, target),
        View::Replace => {
            let what = "A new one takes the place of the one in use";
            headed(target, "New passphrase?", "", what);
        }
        View::Volume { volume, .. } => setup::volume(*volume, target),
        View::About { stun, uptime } => setup::about(stun, *uptime, target),
        View::SoundCheck { percent } => headed(
            target,
            "Sound check",
            &format!("{percent} %"),
            "Quiet, please: it plays a rising tone and listens for it",
        ),
        View::Preparing => headed(target, "One moment", "", "making the code"),
        View::OfferWaiting { waited, v1, .. } => {
            let what = "Plug in a stick, or send the code and enter their answer";
            headed(target, "Offer made", &long_clock(*waited), what);
            weak(target, *v1);
        }
        View::AnswerGiven { waited, v1, .. } => {
            let what = "Give them the answer; the call starts when they enter it";
            headed(target, "Answer made", &long_clock(*waited), what);
            weak(target, *v1);
        }
        View::Connecting { elapsed, .. } => connecting(*elapsed, target),
        View::InCall(in_call) => call::draw(in_call, target),
        View::Stick(stick) => stick::draw(stick, target),
        View::Compare { words, .. } => setup::compare(words, target),
        View::Notice(notice) => {
            let page = match notice.pages {
                0 | 1 => String::new(),
                pages => format!("{}/{pages}", notice.page + 1),
            };
            match notice.kind {
                NoticeKind::Settings => parts::alert(target, "sotto.toml", &page),
                NoticeKind::Error => parts::alert(target, "Not done", &page),
                NoticeKind::Ended => parts::headline(target, "Ended", &page),
                NoticeKind::Check => parts::headline(target, "Sound check", &page),
                NoticeKind::Note => parts::headline(target, "Note", &page),
            }
            text::prose(target, &notice.text, BODY);
        }
    }
    keys::draw(&keys(view), target);
}

/// [`draw`] on a fresh picture.
pub fn drawn(view: &View) -> Framebuffer {
    let mut picture = Framebuffer::new();
    draw(view, &mut picture);
    picture
}

fn headed(target: &mut Framebuffer, headline: &str, right: &str, what_to_do: &str) {
    parts::headline(target, headline, right);
    text::prose(target, what_to_do, BODY);
}

/// A code in the original format.
fn weak(target: &mut Framebuffer, v1: bool) {
    if v1 {
        parts::icon(target, parts::WARNING, Point::new(0, 54), On);
        text::line(target, "weak v1", Point::new(15, 57), &FONT_5X7, On);
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
