//! When the display is dimmed: an OLED wears where it is lit, so it is bright only while somebody may look at it.
//!
//! It never goes dark: what a button does is to be read before it is pressed, and the first press is not lost.

use std::time::{Duration, Instant};

/// How long the display stays bright after the last key, press or event.
pub const BRIGHT: Duration = Duration::from_secs(180);

/// How bright the display is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glow {
    /// As a rule.
    Bright,
    /// Just readable.
    Dim,
}

/// Since when nothing happened.
#[derive(Clone, Copy)]
pub struct Rest {
    since: Instant,
}

impl Rest {
    /// Something just happened.
    pub fn new(now: Instant) -> Self {
        Self { since: now }
    }

    /// Something happened.
    pub fn wake(&mut self, now: Instant) {
        self.since = now;
    }

    /// How bright the display is at `now`; in a call it is never dimmed.
    pub fn glow(&self, now: Instant, in_call: bool) -> Glow {
        match in_call || now.saturating_duration_since(self.since) < BRIGHT {
            true => Glow::Bright,
            false => Glow::Dim,
        }
    }
}
