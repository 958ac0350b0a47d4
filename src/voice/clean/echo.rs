//! Takes out of the microphone's signal what can be predicted of the speaker's.
//!
//! The way from speaker to microphone is a filter of `PARTITIONS` frames, adapted block by block in the frequency domain
//! with a step for each frequency that a diagonal Kalman filter sets (Enzner & Vary, "Frequency-domain adaptive Kalman
//! filter for acoustic echo control in hands-free telephones", 2006; partitioned: Kuech, Mabande & Enzner, "State-space
//! architecture of the partitioned-block-based acoustic echo controller", 2014). It knows how far off it may be, so it
//! learns fast at first and stands still while the near voice speaks, without a detector for that; and what it may be off
//! by is what `suppress` has to take away still.
//!
//! A device of its own has a clock of its own: `drift` moves the filter along.
//!
//! The filter covers 140 ms from just before the echo that `delay` finds.

use super::delay::{Delay, Found};
use super::drift::Drift;
use super::reference::{Far, Reference};
use super::spectrum::{BINS, Bins, Spectrum, Transform};
use crate::voice::frame::FRAME;

/// Frames that the filter is long.
const PARTITIONS: usize = 14;
/// Of these, frames before the strongest echo: it need not be the first.
const BEFORE: usize = 2;
/// … and, at least, after it: reverberation.
const AFTER: usize = 6;
/// Looks at the delay that have to agree before anything is done about it …
const SURE: u32 = 5;
/// … and before the filter is moved: two voices at once may look alike for a while.
const SURER: u32 = 20;
/// … or is used at all, unless it is as plain as this.
const PLAIN: f32 = 0.08;
/// Looks that find nothing, after which there is no echo any more: 5 s. Two voices at once are taken for one now and then.
const GONE: u32 = 250;
/// … and how much clearer than any that the filter covers.
const BETTER: f32 = 2.0;
/// The filter is of no use if so much of the power is left …
const USELESS: f32 = 0.25;
/// … and then, after so many looks that agree, so much is added to its variance at each.
const DOUBTFUL: u32 = 12;
const DOUBTED: f32 = 0.02;
/// Variance of each of the filter's coefficients before anything is known: a path with a gain of 1 has it at 14 partitions of a few dB less.
const UNKNOWN: f32 = 0.5;
/// Share of the filter that is still right after a frame (its square): the way changes slowly.
const KEPT: f32 = 0.9998;
/// Of the share of the echo that a filter too early or too late leaves, how much it is taken to have changed in each frame.
const RENEWED: f32 = 0.1;
/// Share of the newest frame in the mean power of what is left.
const NEWEST: f32 = 0.4;
/// How many times that power the near sound is taken to have in two frames, of which the error fills one.
const NEAR: f32 = 2.0;
/// Keeps divisions from zero: far below one sample step.
const LEAST: f32 = 1e3;
/// The error may be this many times the input before the filter is thrown away: it does harm.
const HARM: f32 = 1.5;
/// Share of the newest frame in the powers that are compared for that.
const HARM_NEWEST: f32 = 0.1;

/// What the microphone's frame had of the echo, and may have still.
pub struct Estimate<'a> {
    /// Power of what was predicted.
    pub predicted: &'a Bins,
    /// Power that the prediction may be off by.
    pub uncertain: &'a Bins,
}

/// The echo canceller.
pub struct Echo {
    /// Where the microphone hears an echo, and where one is left.
    heard: Delay,
    left: Delay,
    /// Frames from the microphone's back to the filter's first, once the echo is found.
    lag: Option<usize>,
    partitions: Box<[Partition]>,
    /// Which partition is made causal next.
    next: usize,
    /// Looks since the last one that was clear.
    missed: u32,
    last: [f32; FRAME],
    last_left: [f32; FRAME],
    spectrum: Spectrum,
    prediction: Spectrum,
    predicted: Bins,
    uncertain: Bins,
    error: Bins,
    /// Mean powers of the frame and of what is left of it.
    powers: [f32; 2],
    drift: Drift,
}

/// A frame's length of the filter.
#[derive(Clone)]
struct Partition {
    weight: Spectrum,
    variance: Bins,
}

const FRESH: Partition = Partition {
    weight: Spectrum::ZERO,
    variance: [UNKNOWN; BINS],
};

impl Echo {
    /// Knows of no echo.
    pub fn new() -> Self {
        Self {
            heard: Delay::new(),
            left: Delay::new(),
            lag: None,
            missed: 0,
            partitions: vec![FRESH; PARTITIONS].into(),
            next: 0,
            last: [0.0; FRAME],
            last_left: [0.0; FRAME],
            spectrum: Spectrum::ZERO,
            prediction: Spectrum::ZERO,
            predicted: [0.0; BINS],
            uncertain: [0.0; BINS],
            error: [0.0; BINS],
            powers: [0.0; 2],
            drift: Drift::new(),
        }
    }

    /// The microphone's frames count by `frames` more than they did.
    pub fn shift(&mut self, frames: i64) {
        self.heard.shift(frames);
        self.left.shift(frames);
        self.lag = self
            .lag
            .and_then(|lag| usize::try_from(lag as i64 + frames).ok());
    }

    /// Takes the echo out of the microphone's frame `now`. None: there is none, and nothing was done.
    pub fn cancel(
        &mut self,
        now: u64,
        frame: &mut [f32; FRAME],
        reference: &Reference,
        transform: &mut Transform,
    ) -> Option<Estimate<'_>> {
        let last = std::mem::replace(&mut self.last, *frame);
        if !reference.is_audible(now) {
            return None;
        }
        // Every second frame is half the cost, and two frames are in each look.
        let looks = now.is_multiple_of(2);
        if looks {
            self.load(&last, frame, transform);
            if let Some(found) = self.heard.look(now, &self.spectrum, reference) {
                self.missed = 0;
                self.place(&found);
            } else if self.lag.is_some() {
                self.missed += 1;
                if self.missed > GONE {
                    self.lose();
                }
            }
        }
        let lag = self.lag? as u64;
        self.take_out(now, lag, frame, reference, transform);
        let last = std::mem::replace(&mut self.last_left, *frame);
        if !looks {
            self.load(&last, frame, transform);
            if let Some(found) = self.left.look(now, &self.spectrum, reference) {
                self.doubt(&found);
            }
        }
        Some(Estimate {
            predicted: &self.predicted,
            uncertain: &self.uncertain,
        })
    }

    fn load(&mut self, last: &[f32; FRAME], frame: &[f32; FRAME], transform: &mut Transform) {
        transform.forward(&mut self.spectrum, |first, second| {
            first.copy_from_slice(last);
            second.copy_from_slice(frame);
        });
    }

    /// Lags at which an echo is the filter's.
    fn covered(&self) -> Option<std::ops::Range<usize>> {
        self.lag.map(|lag| lag + 1..lag + PARTITIONS - AFTER)
    }

    /// The microphone hears an echo: the filter begins before it.
    fn place(&mut self, found: &Found) {
        let is_new = match self.covered() {
            None => found.looks >= if found.score > PLAIN { SURE } else { SURER },
            Some(covered) => {
                !covered.contains(&found.lag)
                    && found.looks >= SURER
                    && found.score > BETTER * self.heard.score(covered)
            }
        };
        if is_new {
            self.begin_at(found.lag.saturating_sub(BEFORE));
        }
    }

    /// What is left has an echo that the filter should have taken out: the way is another now, and the filter too sure of itself to learn it.
    fn doubt(&mut self, found: &Found) {
        let is_covered = self.covered().is_some_and(|c| c.contains(&found.lag));
        if !is_covered || found.looks < DOUBTFUL || self.powers[1] < USELESS * self.powers[0] {
            return;
        }
        for partition in &mut self.partitions {
            for variance in &mut partition.variance {
                *variance += DOUBTED;
            }
        }
    }

    fn take_out(
        &mut self,
        now: u64,
        lag: u64,
        frame: &mut [f32; FRAME],
        reference: &Reference,
        transform: &mut Transform,
    ) {
        let far = |partition: usize| reference.get(now.wrapping_sub(lag + partition as u64));

        self.spectrum = Spectrum::ZERO;
        self.uncertain = [0.0; BINS];
        for (p, partition) in self.partitions.iter().enumerate() {
            partition.predict(far(p), &mut self.spectrum, &mut self.uncertain);
        }
        self.predicted = self.spectrum.power();
        self.prediction.clone_from(&self.spectrum);
        let (_, predicted) = transform.inverse(&self.spectrum);
        let mut powers = [0.0; 2];
        for (sample, predicted) in frame.iter_mut().zip(predicted) {
            powers[0] += *sample * *sample;
            *sample -= *predicted;
            powers[1] += *sample * *sample;
        }
        transform.forward(&mut self.spectrum, |first, second| {
            first.fill(0.0);
            second.copy_from_slice(frame);
        });
        let doubt = self.drift.follow(&self.spectrum, &self.prediction);
        let mut steps = self.spectrum.power();
        for ((step, left), uncertain) in steps.iter_mut().zip(&mut self.error).zip(&self.uncertain)
        {
            *left += NEWEST * (*step - *left);
            *step = 1.0 / (uncertain + NEAR * *left + LEAST);
        }
        let mut renewed = [0.0; BINS];
        for k in 0..BINS {
            let doubt = doubt.at(k);
            renewed[k] = 1.0 - KEPT + RENEWED * doubt;
            self.uncertain[k] += doubt * self.predicted[k];
        }
        for (p, partition) in self.partitions.iter_mut().enumerate() {
            partition.adapt(far(p), &self.spectrum, &steps, &renewed);
        }
        if let Some(turn) = self.drift.take() {
            for partition in &mut self.partitions {
                partition.turn(&turn);
            }
        }
        // A product of spectra is a circular convolution: each partition's second half has to stay empty. One a frame will do.
        if let Some(partition) = self.partitions.get_mut(self.next) {
            partition.make_causal(transform);
        }
        self.next = (self.next + 1) % PARTITIONS;

        for (mean, power) in self.powers.iter_mut().zip(powers) {
            *mean += HARM_NEWEST * (power - *mean);
        }
        if self.powers[1] > HARM * self.powers[0] {
            self.partitions.fill(FRESH);
            // It may be that there never was an echo.
            if !self.heard.is_found() {
                self.lose();
            }
            self.powers = [0.0; 2];
            self.drift = Drift::new();
        }
    }

    /// There is no such echo.
    fn lose(&mut self) {
        self.lag = None;
        self.missed = 0;
        self.drift = Drift::new();
    }

    /// Moves the filter to another lag with what it has learnt; all of it is in doubt.
    fn begin_at(&mut self, lag: usize) {
        match self.lag.replace(lag) {
            None => self.partitions.fill(FRESH),
            Some(old) => {
                let by = old.abs_diff(lag).min(PARTITIONS);
                if lag > old {
                    self.partitions.rotate_left(by);
                    self.partitions[PARTITIONS - by..].fill(FRESH);
                } else {
                    self.partitions.rotate_right(by);
                    self.partitions[..by].fill(FRESH);
                }
                for partition in &mut self.partitions {
                    partition.variance = FRESH.variance;
                }
            }
        }
    }
}

impl Partition {
    /// Adds this partition's part of the echo, and what it may be off by.
    fn predict(&self, far: &Far, echo: &mut Spectrum, uncertain: &mut Bins) {
        let (x, h) = (&far.spectrum, &self.weight);
        for k in 0..BINS {
            echo.re[k] += x.re[k] * h.re[k] - x.im[k] * h.im[k];
            echo.im[k] += x.re[k] * h.im[k] + x.im[k] * h.re[k];
            uncertain[k] += self.variance[k] * far.power[k];
        }
    }

    /// The Kalman filter's correction by the error `e`, and its prediction for the next frame.
    fn adapt(&mut self, far: &Far, e: &Spectrum, steps: &Bins, renewed: &Bins) {
        let (x, h) = (&far.spectrum, &mut self.weight);
        for k in 0..BINS {
            let step = self.variance[k] * steps[k];
            h.re[k] += step * (x.re[k] * e.re[k] + x.im[k] * e.im[k]);
            h.im[k] += step * (x.re[k] * e.im[k] - x.im[k] * e.re[k]);
            let size = h.re[k] * h.re[k] + h.im[k] * h.im[k];
            // Half: the error has one frame of the two.
            let sure = 1.0 - 0.5 * step * far.power[k];
            self.variance[k] = KEPT * sure * self.variance[k] + renewed[k] * size;
        }
    }

    fn turn(&mut self, turn: &Spectrum) {
        let h = &mut self.weight;
        for k in 0..BINS {
            let (re, im) = (h.re[k], h.im[k]);
            h.re[k] = re * turn.re[k] - im * turn.im[k];
            h.im[k] = re * turn.im[k] + im * turn.re[k];
        }
    }

    fn make_causal(&mut self, transform: &mut Transform) {
        let mut response = [0.0; FRAME];
        let (first, _) = transform.inverse(&self.weight);
        response.copy_from_slice(first);
        transform.forward(&mut self.weight, |first, second| {
            first.copy_from_slice(&response);
            second.fill(0.0);
        });
    }
}
