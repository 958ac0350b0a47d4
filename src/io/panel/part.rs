//! A device that may be missing or fail: told once when it does, tried again with growing pauses, told once when it works.

use std::time::{Duration, Instant};

/// Pauses between tries: from, to.
const RETRY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// One that fails sooner than this after it came back waits longer for its next try, not the shortest pause.
const STEADY: Duration = Duration::from_secs(10);

/// The device, opened as `T`.
pub struct Part<T> {
    /// As the owner calls it.
    name: String,
    state: State<T>,
    /// The pause before the next try, should it fail now.
    pause: Duration,
    /// The owner knows that it is missing.
    told: bool,
}

enum State<T> {
    Works { device: T, since: Instant },
    Missing { again: Instant },
}

impl<T> Part<T> {
    /// One that is due to be opened.
    pub fn new(now: Instant, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            state: State::Missing { again: now },
            pause: RETRY[0],
            told: false,
        }
    }

    /// The device, if it works.
    pub fn device(&mut self) -> Option<&mut T> {
        match &mut self.state {
            State::Works { device, .. } => Some(device),
            State::Missing { .. } => None,
        }
    }

    /// The device to look at, if it works.
    pub fn get(&self) -> Option<&T> {
        match &self.state {
            State::Works { device, .. } => Some(device),
            State::Missing { .. } => None,
        }
    }

    /// Opens it, if it is missing and a try is due. A line for the owner when that changes what is known.
    pub fn retry(
        &mut self,
        now: Instant,
        open: impl FnOnce() -> Result<T, String>,
    ) -> Option<String> {
        match self.state {
            State::Missing { again } if again <= now => {}
            _ => return None,
        }
        match open() {
            Ok(device) => {
                self.state = State::Works { device, since: now };
                std::mem::take(&mut self.told).then(|| format!("{} works again", self.name))
            }
            Err(problem) => self.fail(now, &problem),
        }
    }

    /// It failed. A line for the owner if that is news.
    pub fn fail(&mut self, now: Instant, problem: &str) -> Option<String> {
        if let State::Works { since, .. } = self.state
            && now.saturating_duration_since(since) >= STEADY
        {
            self.pause = RETRY[0];
        }
        self.state = State::Missing {
            again: now + self.pause,
        };
        self.pause = (2 * self.pause).min(RETRY[1]);
        let news = !std::mem::replace(&mut self.told, true);
        news.then(|| {
            format!(
                "{} does not work ({problem}); the rest goes on without it, and it is tried again",
                self.name
            )
        })
    }

    /// When a try is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Works { .. } => None,
            State::Missing { again } => Some(again),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_device_is_told_once_and_tried_with_growing_pauses() {
        let start = Instant::now();
        let mut part: Part<()> = Part::new(start, "the display");
        let (mut now, mut tries) = (start, Vec::new());
        let mut notes = Vec::new();
        for _ in 0..8 {
            notes.extend(part.retry(now, || Err("gone".into())));
            tries.push(now.duration_since(start).as_secs());
            assert_eq!(part.retry(now, || panic!("it is not due")), None);
            now = part.poll_timeout().expect("a next try");
        }
        assert_eq!(tries, [0, 1, 3, 7, 15, 31, 61, 91]);
        assert_eq!(
            notes,
            [
                "the display does not work (gone); the rest goes on without it, and it is tried again"
            ]
        );
        assert_eq!(
            part.retry(now, || Ok(())).as_deref(),
            Some("the display works again")
        );
        assert_eq!(part.poll_timeout(), None);
    }

    #[test]
    fn one_that_works_from_the_start_is_not_told() {
        let now = Instant::now();
        let mut part = Part::new(now, "the LED");
        assert_eq!(part.retry(now, || Ok(5)), None);
        assert_eq!(part.device(), Some(&mut 5));
    }

    #[test]
    fn one_that_flaps_waits_longer_each_time_and_a_steady_one_the_shortest_pause() {
        let start = Instant::now();
        let mut part: Part<()> = Part::new(start, "the display");
        let mut now = start;
        for pause in [1, 2, 4] {
            part.retry(now, || Ok(()));
            part.fail(now + Duration::from_secs(1), "x");
            let again = part.poll_timeout().expect("a next try");
            assert_eq!(again, now + Duration::from_secs(1 + pause));
            now = again;
        }
        part.retry(now, || Ok(()));
        now += STEADY;
        part.fail(now, "x");
        assert_eq!(part.poll_timeout(), Some(now + RETRY[0]));
    }
}
