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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_display_dims_after_minutes_of_nothing_but_never_in_a_call() {
        let now = Instant::now();
        let mut rest = Rest::new(now);
        let almost = now + BRIGHT - Duration::from_millis(1);
        assert_eq!(rest.glow(almost, false), Glow::Bright);
        assert_eq!(rest.glow(now + BRIGHT, false), Glow::Dim);
        assert_eq!(rest.glow(now + BRIGHT, true), Glow::Bright);
        rest.wake(now + BRIGHT);
        assert_eq!(rest.glow(now + BRIGHT, false), Glow::Bright);
    }
}
