//! A display of 32 rows: a window that looks at a part of the picture, and moves on by itself.
//!
//! Three looks show every part of every screen whole: the headline with what follows it, the middle, and the end with
//! the keys. In a call each look has at least one of the words to compare, uncut.

use std::mem::{Discriminant, discriminant};
use std::time::{Duration, Instant};

use super::View;
use super::framebuffer::{Framebuffer, WIDTH};

/// Rows of the window.
pub const ROWS: usize = 32;
/// Its topmost rows in turn.
const LOOKS: [usize; 3] = [0, 20, 32];
/// How long a look lasts: long enough to read it twice.
const PAUSE: Duration = Duration::from_millis(2500);

/// Where the window is.
pub struct Window {
    /// The kind of screen, and since when it is shown: a new one is looked at from its top.
    kind: Option<Discriminant<View>>,
    since: Instant,
}

impl Window {
    /// One that saw no picture yet.
    pub fn new(now: Instant) -> Self {
        Self {
            kind: None,
            since: now,
        }
    }

    /// What the window shows of a picture at `now`, in its topmost [`ROWS`] rows.
    pub fn shown(&mut self, now: Instant, view: &View, picture: &Framebuffer) -> Framebuffer {
        let kind = Some(discriminant(view));
        if self.kind != kind {
            (self.kind, self.since) = (kind, now);
        }
        look(picture, now.saturating_duration_since(self.since))
    }
}

/// The part of a picture that is shown so long after it came.
pub fn look(picture: &Framebuffer, shown: Duration) -> Framebuffer {
    let turn = shown.as_millis() / PAUSE.as_millis();
    let top = LOOKS[(turn % LOOKS.len() as u128) as usize];
    let mut part = Framebuffer::new();
    for y in 0..ROWS {
        for x in 0..WIDTH {
            part.set(x, y, picture.is_lit(x, top + y));
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intercom::screen::drawn;

    /// The topmost row of the window, found by a picture with as many lit columns in a row as its number.
    fn top(part: &Framebuffer) -> usize {
        (0..WIDTH).filter(|&x| part.is_lit(x, 0)).count()
    }

    fn staircase() -> Framebuffer {
        let mut picture = Framebuffer::new();
        for y in 0..64 {
            for x in 0..y {
                picture.set(x, y, true);
            }
        }
        picture
    }

    #[test]
    fn the_window_looks_at_every_row_in_turn_and_begins_again_with_a_new_screen() {
        let (picture, start) = (staircase(), Instant::now());
        let mut window = Window::new(start);
        let mut tops = Vec::new();
        for turn in 0..4 {
            tops.push(top(&window.shown(
                start + PAUSE * turn,
                &View::Ready,
                &picture,
            )));
        }
        assert_eq!(tops, [0, 20, 32, 0]);
        let now = start + PAUSE * 4;
        assert_eq!(top(&window.shown(now, &View::Ready, &picture)), 20);
        assert_eq!(top(&window.shown(now, &View::Preparing, &picture)), 0);
        assert!((0..64).all(|y| LOOKS.iter().any(|&l| (l..l + ROWS).contains(&y))));
    }

    #[test]
    fn a_look_is_the_picture_moved_up_and_dark_below() {
        let picture = drawn(&View::Ready);
        let part = look(&picture, PAUSE);
        for y in 0..64 {
            for x in 0..WIDTH {
                assert_eq!(part.is_lit(x, y), y < ROWS && picture.is_lit(x, 20 + y));
            }
        }
    }
}
