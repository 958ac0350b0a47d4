//! The light on the box, as a function of state and time.
//!
//! A light on a pin is on or off and nothing between. So it does not really breathe while somebody is waited for: it
//! glows up for a tenth of a second every two. In a call it is steady while nobody here is heard, and blinks five
//! times a second while the microphone is open.

use std::time::{Duration, Instant};

use super::Intercom;
use super::call::Phase;

/// Between two glows while waiting, and how long each lasts.
const BREATH: Duration = Duration::from_secs(2);
const GLOW: Duration = Duration::from_millis(100);
/// Half of a blink while the microphone is open.
const BLINK: Duration = Duration::from_millis(100);

impl Intercom {
    /// Whether the light is lit at `now`; to be asked as often as the buttons are sampled.
    pub fn led(&self, now: Instant) -> bool {
        let time = now.saturating_duration_since(self.started).as_millis();
        match self.call.phase() {
            Phase::Idle => false,
            Phase::InCall if self.mic_open() => (time / BLINK.as_millis()).is_multiple_of(2),
            Phase::InCall => true,
            Phase::Preparing
            | Phase::OfferWaiting(..)
            | Phase::AnswerWaiting(..)
            | Phase::Connecting(_) => time % BREATH.as_millis() < GLOW.as_millis(),
        }
    }
}
