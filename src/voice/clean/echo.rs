//! Takes out of the microphone's signal what can be predicted of the speaker's.
//!
//! The way from speaker to microphone is a filter of [`PARTITIONS`] frames, adapted block by block in the frequency domain
//! with a step for each frequency that a diagonal Kalman filter sets (Enzner & Vary, "Frequency-domain adaptive Kalman
//! filter for acoustic echo control in hands-free telephones", 2006; partitioned: Kuech, Mabande & Enzner, "State-space
//! architecture of the partitioned-block-based acoustic echo controller", 2014). It knows how far off it may be, so it
//! learns fast at first and stands still while the near voice speaks, without a detector for that; and what it may be off
//! by is what [`super::suppress`] has to take away still.
//!
//! The filter covers 140 ms from just before the echo that [`super::delay`] finds.

use super::delay::Delay;
use super::reference::{Far, Reference};
use super::spectrum::{BINS, Bins, Spectrum, Transform};
use crate::voice::frame::FRAME;

/// Frames that the filter is long.
const PARTITIONS: usize = 14;
/// Of these, frames before the strongest echo: it need not be the first.
const BEFORE: usize = 2;
/// … and, at least, after it: reverberation.
const AFTER: usize = 6;
/// Variance of each of the filter's coefficients before anything is known: a path with a gain of 1 has it at 14 partitions of a few dB less.
const UNKNOWN: f32 = 0.5;
/// Share of the filter that is still right after a frame (its square): the way changes slowly.
const KEPT: f32 = 0.9998;
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
    delay: Delay,
    /// Frames from the microphone's back to the filter's first, once the echo is found.
    lag: Option<usize>,
    partitions: Box<[Partition]>,
    /// Which partition is made causal next.
    next: usize,
    last: [f32; FRAME],
    spectrum: Spectrum,
    predicted: Bins,
    uncertain: Bins,
    left: Bins,
    /// Mean powers of the frame and of what is left of it.
    powers: [f32; 2],
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
            delay: Delay::new(),
            lag: None,
            partitions: vec![FRESH; PARTITIONS].into(),
            next: 0,
            last: [0.0; FRAME],
            spectrum: Spectrum::ZERO,
            predicted: [0.0; BINS],
            uncertain: [0.0; BINS],
            left: [0.0; BINS],
            powers: [0.0; 2],
        }
    }

    /// The microphone's frames count by `frames` more than they did.
    pub fn shift(&mut self, frames: i64) {
        self.delay.shift(frames);
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
        if now.is_multiple_of(2) {
            transform.forward(&mut self.spectrum, |first, second| {
                first.copy_from_slice(&last);
                second.copy_from_slice(frame);
            });
            let in_use = self.lag.map(|lag| lag + 1..lag + PARTITIONS - AFTER);
            if let Some(echo) = self.delay.look(now, &self.spectrum, reference, in_use) {
                self.begin_at(echo.saturating_sub(BEFORE));
            }
        }
        let lag = self.lag? as u64;
        let far = |partition: usize| reference.get(now.wrapping_sub(lag + partition as u64));

        self.spectrum = Spectrum::ZERO;
        self.uncertain = [0.0; BINS];
        for (p, partition) in self.partitions.iter().enumerate() {
            partition.predict(far(p), &mut self.spectrum, &mut self.uncertain);
        }
        self.predicted = self.spectrum.power();
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
        let mut steps = self.spectrum.power();
        for ((step, left), uncertain) in steps.iter_mut().zip(&mut self.left).zip(&self.uncertain) {
            *left += NEWEST * (*step - *left);
            *step = 1.0 / (uncertain + NEAR * *left + LEAST);
        }
        for (p, partition) in self.partitions.iter_mut().enumerate() {
            partition.adapt(far(p), &self.spectrum, &steps);
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
            self.powers = [0.0; 2];
        }
        Some(Estimate {
            predicted: &self.predicted,
            uncertain: &self.uncertain,
        })
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
    fn adapt(&mut self, far: &Far, e: &Spectrum, steps: &Bins) {
        let (x, h) = (&far.spectrum, &mut self.weight);
        for k in 0..BINS {
            let step = self.variance[k] * steps[k];
            h.re[k] += step * (x.re[k] * e.re[k] + x.im[k] * e.im[k]);
            h.im[k] += step * (x.re[k] * e.im[k] - x.im[k] * e.re[k]);
            let size = h.re[k] * h.re[k] + h.im[k] * h.im[k];
            // Half: the error has one frame of the two.
            let sure = 1.0 - 0.5 * step * far.power[k];
            self.variance[k] = KEPT * sure * self.variance[k] + (1.0 - KEPT) * size;
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
