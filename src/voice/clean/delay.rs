//! How long a sound takes from being handed to the speaker until the microphone's frame has it.
//!
//! That is the sound card's buffers and the way through the room: tens to hundreds of ms that nobody tells. For each lag of
//! whole frames the phase differences between the speaker's frame so long ago and the microphone's are averaged, all
//! frequencies weighing the same (PHAT; Knapp & Carter 1976). At the lag of an echo they stay the same from frame to frame
//! and their mean is long; at others they turn at random, and it is short.

use super::reference::{PHASES, Phases, Reference, phases};
use super::spectrum::Spectrum;

/// Lags that are looked at: 0 to 430 ms.
pub const LAGS: usize = 44;
/// Share of the newest frame in the means: they span half a second, as only every second frame is looked at.
const SHARE: f32 = 0.04;
/// Squared length that a mean has to have. Random phases come to `SHARE` / 2.
const CLEAR: f32 = 0.042;
/// … and how many times that of all lags: a room's reverberation, or a hum, raises them all.
const CLEARER: f32 = 1.7;
/// An echo that was found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Frames from the speaker to the microphone.
    pub lag: usize,
    /// Looks in a row that found it there.
    pub looks: u32,
    /// Squared length of the mean phase difference there.
    pub score: f32,
}

/// The lag of the echo.
pub struct Delay {
    means: Box<[Phases]>,
    scores: [f32; LAGS],
    found: Found,
}

impl Delay {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self {
            means: vec![[[0.0; PHASES]; 2]; LAGS].into(),
            scores: [0.0; LAGS],
            found: Found {
                lag: 0,
                looks: 0,
                score: 0.0,
            },
        }
    }

    /// The microphone's frames count by `lags` more than they did.
    pub fn shift(&mut self, lags: i64) {
        let by = lags.unsigned_abs().min(LAGS as u64) as usize;
        let unknown = [[0.0; PHASES]; 2];
        if lags > 0 {
            self.means.rotate_right(by);
            self.means[..by].fill(unknown);
        } else {
            self.means.rotate_left(by);
            self.means[LAGS - by..].fill(unknown);
        }
    }

    /// Looks at the microphone's frame `now`, or at what is left of it; an echo is returned when it is clear.
    pub fn look(&mut self, now: u64, near: &Spectrum, reference: &Reference) -> Option<Found> {
        let near = phases(near);
        for ((mean, score), lag) in self.means.iter_mut().zip(&mut self.scores).zip(0..) {
            // Of silence nothing is learnt, and nothing forgotten.
            *score = match &reference.get(now.wrapping_sub(lag)).phases {
                Some(far) => average(mean, far, &near),
                None => length(mean),
            };
        }
        let (best, &score) = self
            .scores
            .iter()
            .enumerate()
            .max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        let mean = self.scores.iter().sum::<f32>() / LAGS as f32;
        if score < CLEAR || score < CLEARER * mean {
            self.found.looks = 0;
            return None;
        }
        if self.found.lag.abs_diff(best) > 1 {
            self.found.looks = 0;
        }
        self.found.looks += 1;
        self.found.lag = best;
        self.found.score = score;
        Some(self.found)
    }

    /// Whether the last look was clear.
    pub fn is_found(&self) -> bool {
        self.found.looks > 0
    }

    /// The highest score in a range of lags.
    pub fn score(&self, lags: std::ops::Range<usize>) -> f32 {
        let scores = self.scores.get(lags).unwrap_or_default();
        scores.iter().copied().fold(0.0, f32::max)
    }
}

/// Takes a phase difference into its mean; the mean's squared length.
fn average(mean: &mut Phases, far: &Phases, near: &Phases) -> f32 {
    let [mean_re, mean_im] = mean;
    let mut length = 0.0;
    for k in 0..PHASES {
        let re = far[0][k] * near[0][k] + far[1][k] * near[1][k];
        let im = far[0][k] * near[1][k] - far[1][k] * near[0][k];
        mean_re[k] += SHARE * (re - mean_re[k]);
        mean_im[k] += SHARE * (im - mean_im[k]);
        length += mean_re[k] * mean_re[k] + mean_im[k] * mean_im[k];
    }
    length / PHASES as f32
}

fn length(mean: &Phases) -> f32 {
    mean.iter().flatten().map(|x| x * x).sum::<f32>() / PHASES as f32
}
