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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TALK: Levels = Levels {
        talk: true,
        next: false,
        back: false,
    };
    const UP: Levels = Levels {
        talk: false,
        next: false,
        back: false,
    };

    struct World {
        start: Instant,
        panel: Panel,
        said: Vec<(u64, Gesture)>,
    }

    impl World {
        /// A panel whose buttons were seen up at 0 ms.
        fn new() -> Self {
            let mut world = Self::fresh();
            world.sample(0, UP);
            world
        }

        fn fresh() -> Self {
            Self {
                start: Instant::now(),
                panel: Panel::new(),
                said: Vec::new(),
            }
        }

        fn sample(&mut self, ms: u64, levels: Levels) {
            self.panel
                .handle(self.start + Duration::from_millis(ms), levels);
            self.drain(ms);
        }

        fn drain(&mut self, ms: u64) {
            while let Some(g) = self.panel.poll_gesture() {
                self.said.push((ms, g));
            }
        }

        /// The same level, every 5 ms.
        fn keep(&mut self, ms: std::ops::Range<u64>, levels: Levels) {
            for ms in ms.step_by(5) {
                self.sample(ms, levels);
            }
        }
    }

    use Button::{Back, Talk};
    use Gesture::{Hold, Press, Release, Stuck};

    #[test]
    fn a_bouncing_press_and_release_are_one_each() {
        let mut w = World::new();
        for (i, down) in [true, false, true, true, false, true]
            .into_iter()
            .enumerate()
        {
            w.sample(100 + i as u64, Levels { talk: down, ..UP });
        }
        w.keep(110..300, TALK);
        for (i, down) in [false, true, false, true, false].into_iter().enumerate() {
            w.sample(300 + 3 * i as u64, Levels { talk: down, ..UP });
        }
        w.keep(315..500, UP);
        assert_eq!(w.said, [(125, Press(Talk)), (335, Release(Talk))]);
    }

    #[test]
    fn a_spark_of_one_sample_is_nothing_at_either_rate() {
        let mut w = World::new();
        w.sample(5, TALK);
        w.keep(10..100, UP);
        w.sample(120, TALK);
        w.sample(140, UP);
        w.sample(160, UP);
        assert_eq!(w.said, []);
    }

    #[test]
    fn at_20_ms_a_press_counts_with_its_second_sample() {
        let mut w = World::new();
        w.sample(20, TALK);
        w.sample(40, TALK);
        w.sample(60, UP);
        w.sample(80, UP);
        assert_eq!(w.said, [(40, Press(Talk)), (80, Release(Talk))]);
    }

    #[test]
    fn a_hold_is_told_once_after_a_second_by_the_clock_alone() {
        let mut w = World::new();
        let back = Levels { back: true, ..UP };
        w.sample(100, back);
        w.sample(120, back);
        let due = w.panel.poll_timeout().expect("a hold");
        assert_eq!(due, w.start + Duration::from_millis(1_100));
        w.panel.handle_timeout(due - Duration::from_millis(1));
        w.drain(1_099);
        w.panel.handle_timeout(due);
        w.drain(1_100);
        w.keep(1_105..3_000, back);
        w.keep(3_000..3_050, UP);
        assert_eq!(
            w.said,
            [
                (120, Press(Back)),
                (1_100, Hold(Back)),
                (3_020, Release(Back))
            ]
        );
        assert_eq!(w.panel.poll_timeout(), None);
    }

    #[test]
    fn a_button_down_from_the_start_is_stuck_until_it_is_up() {
        let mut w = World::fresh();
        w.keep(0..90_000, TALK);
        assert_eq!(w.said, [(20, Stuck(Talk))]);
        assert_eq!(w.panel.poll_timeout(), None);
        w.keep(90_000..90_100, UP);
        w.keep(90_100..90_200, TALK);
        assert_eq!(w.said[1..], [(90_120, Press(Talk))]);
    }

    #[test]
    fn a_talk_button_down_for_a_minute_is_released_and_then_stuck() {
        let mut w = World::new();
        w.keep(100..130_000, TALK);
        w.keep(130_000..130_100, UP);
        w.keep(130_100..130_200, TALK);
        assert_eq!(
            w.said,
            [
                (120, Press(Talk)),
                (1_100, Hold(Talk)),
                (60_100, Release(Talk)),
                (60_100, Stuck(Talk)),
                (130_120, Press(Talk)),
            ]
        );
    }

    #[test]
    fn buttons_do_not_disturb_each_other() {
        let mut w = World::new();
        let both = Levels { back: true, ..TALK };
        w.keep(100..150, TALK);
        w.keep(150..200, both);
        w.keep(200..250, Levels { back: true, ..UP });
        w.keep(250..300, UP);
        assert_eq!(
            w.said,
            [
                (120, Press(Talk)),
                (170, Press(Back)),
                (220, Release(Talk)),
                (270, Release(Back))
            ]
        );
    }

    proptest! {
        #[test]
        fn any_trace_gives_presses_and_releases_in_turn(
            trace in proptest::collection::vec((0u64..200_000, 0u8..8, any::<bool>()), 0..300),
            backwards in any::<bool>(),
        ) {
            let mut panel = Panel::new();
            let start = Instant::now() + Duration::from_secs(1_000_000);
            let mut ms = 0;
            let mut down = [false; 3];
            for (step, bits, timeout) in trace {
                // Mostly short steps, sometimes minutes.
                ms += if step < 150_000 { step % 40 } else { step };
                let now = match backwards && step % 7 == 0 {
                    true => start,
                    false => start + Duration::from_millis(ms),
                };
                if timeout {
                    panel.handle_timeout(now);
                } else {
                    panel.handle(now, Levels { talk: bits & 1 > 0, next: bits & 2 > 0, back: bits & 4 > 0 });
                }
                while let Some(gesture) = panel.poll_gesture() {
                    let (button, was, is) = match gesture {
                        Press(b) => (b, false, true),
                        Release(b) => (b, true, false),
                        Hold(b) => (b, true, true),
                        Stuck(b) => (b, false, false),
                    };
                    prop_assert_eq!(down[button as usize], was, "{:?}", gesture);
                    down[button as usize] = is;
                }
            }
        }
    }
}
