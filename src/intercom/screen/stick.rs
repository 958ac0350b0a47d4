//! The screens about the stick: what is done with it, whether it may be pulled, and where to take it.

use embedded_graphics::pixelcolor::BinaryColor::On;
use embedded_graphics::prelude::*;

use super::framebuffer::Framebuffer;
use super::parts::{self, BODY};
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
    let calm = |target: &mut Framebuffer, headline: &str, what: &str| {
        parts::headline(target, headline, "");
        parts::icon(target, STICK, Point::new(109, 2), On);
        text::prose(target, what, BODY);
    };
    let alert = |target: &mut Framebuffer, headline: &str, what: &str| {
        parts::alert(target, headline, "");
        text::prose(target, what, BODY);
    };
    match view {
        StickView::Reading => calm(target, "Stick", "reading it"),
        StickView::Opening => calm(target, "Stick", "opening their code"),
        StickView::Written(Kind::Offer) => calm(
            target,
            "Safe to pull",
            "Take the stick to the other end, and bring it back",
        ),
        StickView::Written(Kind::Answer) => calm(
            target,
            "Safe to pull",
            "Take the stick back; the call starts when it is plugged in there",
        ),
        StickView::Nothing => calm(
            target,
            "Stick",
            "Nothing for us on it: no code in offer.txt, answer.txt or any other .txt",
        ),
        StickView::Writing => alert(target, "Do not pull", "writing the stick"),
        StickView::Problem(what) => alert(target, "Stick", what),
        StickView::Question => alert(
            target,
            "Whose offer?",
            "Theirs is on the stick; yours was given out already",
        ),
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
