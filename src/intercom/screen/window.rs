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
