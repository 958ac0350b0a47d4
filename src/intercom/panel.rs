//! Button levels to presses, holds and releases.
//!
//! A changed level counts once every sample of [`STABLE`] has shown it. Contacts bounce for a few milliseconds
//! (J. Ganssle, "A Guide to Debouncing": under 10 ms but for bad ones), so the first edge could be taken at once with
//! the bounce locked out; but then a spark on a long wire would open the microphone. Waiting costs 20 ms, and nobody
//! speaks so soon after pressing. Only a sample confirms a level: time alone does not, as nobody looked.
//!
//! A button that is down when first looked at, or for a minute, is stuck or leant on: it is told once and then
//! ignored until it is up. If it was pressed before, it is released first, so that a stuck TALK closes the microphone.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

/// How long a level must last to count.
pub const STABLE: Duration = Duration::from_millis(20);
/// When a press is a hold.
pub const HOLD: Duration = Duration::from_secs(1);
/// When a press is a stuck button.
pub const STUCK: Duration = Duration::from_secs(60);

/// A button.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Button {
    /// Selects, answers; held: speaks.
    Talk,
    /// The next choice.
    Next,
    /// Back; held in a call: hangs up.
    Back,
}

impl fmt::Display for Button {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Talk => "TALK",
            Self::Next => "NEXT",
            Self::Back => "BACK",
        })
    }
}

/// One sample of the buttons; true is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Of TALK.
    pub talk: bool,
    /// Of NEXT.
    pub next: bool,
    /// Of BACK.
    pub back: bool,
}

/// What a person did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gesture {
    /// Went down.
    Press(Button),
    /// Went up; follows each press.
    Release(Button),
    /// Is down for [`HOLD`]; between a press and its release.
    Hold(Button),
    /// Does not come up, and is ignored until it does.
    Stuck(Button),
}

/// The three buttons.
pub struct Panel {
    keys: [Key; 3],
    out: VecDeque<Gesture>,
}

struct Key {
    button: Button,
    /// The last sample, and since when all samples are like it.
    level: Option<(bool, Instant)>,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// Not looked at yet, or always down since.
    Fresh,
    Up,
    /// Pressed then.
    Down(Instant),
    /// Pressed then, and the hold is told.
    Held(Instant),
    Ignored,
}

impl Panel {
    /// Buttons that nobody looked at yet.
    pub fn new() -> Self {
        Self {
            keys: [Button::Talk, Button::Next, Button::Back].map(|button| Key {
                button,
                level: None,
                state: State::Fresh,
            }),
            out: VecDeque::new(),
        }
    }

    /// A sample. Then drain [`Self::poll_gesture`].
    pub fn handle(&mut self, now: Instant, levels: Levels) {
        for (key, down) in self
            .keys
            .iter_mut()
            .zip([levels.talk, levels.next, levels.back])
        {
            key.sample(now, down, &mut self.out);
        }
    }

    /// The next thing that a person did.
    pub fn poll_gesture(&mut self) -> Option<Gesture> {
        self.out.pop_front()
    }

    /// When a hold or a stuck button is due, if nothing changes until then.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.keys.iter().filter_map(Key::deadline).min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        for key in &mut self.keys {
            key.time(now, &mut self.out);
        }
    }
}

impl Default for Panel {
    fn default() -> Self {
        Self::new()
    }
}

impl Key {
    fn sample(&mut self, now: Instant, down: bool, out: &mut VecDeque<Gesture>) {
        let since = match self.level {
            Some((level, since)) if level == down => since,
            _ => now,
        };
        self.level = Some((down, since));
        let stable = now.saturating_duration_since(since) >= STABLE;
        self.state = match (self.state, down) {
            (State::Fresh, false) => State::Up,
            (State::Fresh, true) if stable => {
                out.push_back(Gesture::Stuck(self.button));
                State::Ignored
            }
            (State::Up, true) if stable => {
                out.push_back(Gesture::Press(self.button));
                State::Down(since)
            }
            (State::Down(_) | State::Held(_), false) if stable => {
                out.push_back(Gesture::Release(self.button));
                State::Up
            }
            (State::Ignored, false) if stable => State::Up,
            (state, _) => state,
        };
        self.time(now, out);
    }

    /// Holds and stuck buttons, as far as the last sample was down.
    fn deadline(&self) -> Option<Instant> {
        match (self.state, self.level) {
            (State::Down(since), Some((true, _))) => Some(since + HOLD),
            (State::Held(since), Some((true, _))) => Some(since + STUCK),
            _ => None,
        }
    }

    fn time(&mut self, now: Instant, out: &mut VecDeque<Gesture>) {
        // Twice at most: a hold, and after a long gap a stuck button too.
        while self.deadline().is_some_and(|d| d <= now) {
            self.state = match self.state {
                State::Down(since) => {
                    out.push_back(Gesture::Hold(self.button));
                    State::Held(since)
                }
                _ => {
                    out.push_back(Gesture::Release(self.button));
                    out.push_back(Gesture::Stuck(self.button));
                    State::Ignored
                }
            };
        }
    }
}
