//! The screens about the stick: what is done with it, whether it may be pulled, and where to take it.

use embedded_graphics::pixelcolor::BinaryColor::On;
use embedded_graphics::prelude::*;

use super::framebuffer::Framebuffer;
use super::parts::{self, BODY, Key};
use super::text;
use crate::intercom::code::Kind;

/// What the screen says of the stick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StickView {
    /// It is being read.
    Reading,
    /// A code from it is being opened.
    Opening,
    /// It is being written and must not be pulled.
    Writing,
    /// This code is on it: it is safe to pull, and to be taken somewhere.
    Written(Kind),
    /// There is nothing for us on it.
    Nothing,
    /// It could not be read, written or used: what happened, what to do.
    Problem(String),
    /// It has their offer, and ours is under way: TALK answers theirs, BACK keeps ours.
    Question,
}

/// Draws one.
pub fn draw(view: &StickView, target: &mut Framebuffer) {
    let mut calm = |headline: &str, what: &str, keys| {
        parts::headline(target, headline, "");
        parts::icon(target, STICK, Point::new(109, 2), On);
        text::prose(target, what, BODY);
        parts::keys(target, keys);
    };
    let ok = [Key::Idle, Key::Press("OK"), Key::Idle];
    match view {
        StickView::Reading => calm("Stick", "reading it", [Key::Idle; 3]),
        StickView::Opening => calm("Stick", "opening their code", [Key::Idle; 3]),
        StickView::Written(Kind::Offer) => calm(
            "Safe to pull",
            "Take the stick to the other end, and bring it back",
            ok,
        ),
        StickView::Written(Kind::Answer) => calm(
            "Safe to pull",
            "Take the stick back; the call starts when it is plugged in there",
            ok,
        ),
        StickView::Nothing => calm(
            "Stick",
            "Nothing for us on it: no code in offer.txt, answer.txt or any other .txt",
            ok,
        ),
        StickView::Writing => {
            parts::alert(target, "Do not pull");
            text::prose(target, "writing the stick", BODY);
        }
        StickView::Problem(what) => {
            parts::alert(target, "Stick");
            text::prose(target, what, BODY);
            parts::keys(target, ok);
        }
        StickView::Question => {
            parts::alert(target, "Whose offer?");
            text::prose(
                target,
                "Theirs is on the stick; yours was given out already",
                BODY,
            );
            let keys = [Key::Press("THEIRS"), Key::Idle, Key::Press("OURS")];
            parts::keys(target, keys);
        }
    }
}

/// A stick with its plug, 19x9.
const STICK: &[&str] = &[
    ".############......",
    "#............#.....",
    "#............######",
    "#............#.#..#",
    "#............#....#",
    "#............#.#..#",
    "#............######",
    "#............#.....",
    ".############......",
];
