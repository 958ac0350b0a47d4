//! Buttons over virtual time: bouncing, held, stuck.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sotto::intercom::panel::{Button, Gesture, Levels, Panel};

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
