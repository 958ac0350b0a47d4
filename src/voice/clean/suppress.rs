//! Turns down, frequency by frequency, what is noise or echo rather than voice.
//!
//! Each frequency's gain is Wiener's, from an a-priori ratio of voice to the rest that follows the voice by decision-directed
//! smoothing (Ephraim & Malah 1984), which is what keeps single frequencies from chirping. The rest is the noise, never
//! turned down by more than 12 dB so that pauses do not sound dead, and what the canceller may have left of the echo: what its filter may be
//! off by, and a share of the prediction, which is what a speaker's distortion and a long reverberation leave. Where
//! that is most of what there is, nobody near speaks, and all is turned down to the noise.
//!
//! The windows are flat but for a fade of 2.5 ms, and look back over 20 ms: fine frequencies for a short delay
//! (as Mauler & Martin, "A low delay, variable resolution, perfect reconstruction spectral analysis-synthesis system for
//! speech enhancement", 2007, have it).

use super::echo::Estimate;
use super::noise::Noise;
use super::spectrum::{BINS, Bins, Spectrum, Transform, WINDOW};
use crate::voice::frame::FRAME;

/// Samples in which one frame fades into the next, and so the delay of the whole: 2.5 ms.
pub const DELAY: usize = FRAME / 4;

/// The least gain that noise alone gets: -12 dB.
const FLOOR: f32 = 0.25;
/// Share of the frame before in the a-priori ratio.
const SMOOTHING: f32 = 0.94;
/// Power of nothing: that of rounding to 16 bits is some 40.
const LEAST: f32 = 10.0;
/// The filter's own doubt, taken this many times: over two frames under this window it is 0.7 of what it is over one.
const UNCERTAIN: f32 = 0.7;
/// The share of the predicted echo that is left, taken this many times: it is a running minimum, of a fluctuating value.
const LEFT: f32 = 2.5;
/// First frequencies of the groups that have one such share each.
const GROUPS: [usize; 9] = [2, 10, 20, 35, 55, 85, 130, 200, BINS];
/// Power of a frequency below which a prediction says nothing: rounding.
const AUDIBLE: f32 = 1e5;
/// How fast that share falls and rises, a frame.
const FALL: f32 = 0.2;
const RISE: f32 = 1.004;
/// 300 Hz to 4 kHz, by which is judged whose the sound is.
const VOICE: std::ops::Range<usize> = 6..80;
/// Share of the echo in a frame from which on nobody near speaks.
const LEADS: f32 = 0.4;
/// The gain then …
const HUSHED: f32 = 0.05;
/// … and how fast it is reached and left, a frame.
const HUSH: f32 = 0.7;
const UNHUSH: f32 = 0.4;

/// What a frame had, as powers in the voice's band.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// All of it.
    pub all: f32,
    /// Of that, noise and echo.
    pub rest: f32,
    /// The noise alone, in all bands.
    pub noise: f32,
    /// The echo is most of it.
    pub is_echo: bool,
}

/// The suppressor.
pub struct Suppressor {
    analysis: Box<[f32]>,
    synthesis: Box<[f32]>,
    spectrum: Spectrum,
    last: [f32; FRAME],
    fading: [f32; DELAY],
    noise: Noise,
    /// Power that went through in the frame before.
    voice: Bins,
    left: [f32; GROUPS.len() - 1],
    leads: f32,
    hush: f32,
}

impl Suppressor {
    /// Has heard nothing yet.
    pub fn new() -> Self {
        let rise = |i: usize, length: usize| {
            (std::f32::consts::FRAC_PI_2 * (i as f32 + 0.5) / length as f32).sin()
        };
        let analysis: Box<[f32]> = (0..WINDOW)
            .map(|i| match i {
                0..FRAME => rise(i, FRAME),
                _ if i < WINDOW - DELAY => 1.0,
                _ => rise(WINDOW - 1 - i, DELAY),
            })
            .collect();
        let start = FRAME - DELAY;
        let synthesis = (start..WINDOW)
            .map(|i| match i {
                0..FRAME => rise(i - start, DELAY).powi(2) / analysis[i],
                _ => analysis[i],
            })
            .collect();
        Self {
            analysis,
            synthesis,
            spectrum: Spectrum::ZERO,
            last: [0.0; FRAME],
            fading: [0.0; DELAY],
            noise: Noise::new(),
            voice: [0.0; BINS],
            left: [1e-3; GROUPS.len() - 1],
            leads: 0.0,
            hush: 1.0,
        }
    }

    /// Makes the next frame the voice of it, [`DELAY`] samples later.
    pub fn process(
        &mut self,
        frame: &mut [f32; FRAME],
        echo: Option<Estimate<'_>>,
        transform: &mut Transform,
    ) -> Found {
        let (old, new) = self.analysis.split_at(FRAME);
        transform.forward(&mut self.spectrum, |first, second| {
            for ((to, sample), window) in first.iter_mut().zip(&self.last).zip(old) {
                *to = sample * window;
            }
            for ((to, sample), window) in second.iter_mut().zip(frame.iter()).zip(new) {
                *to = sample * window;
            }
        });
        self.last = *frame;
        let power = self.spectrum.power();
        self.noise.update(&power);
        let left = self.echo_left(&power, echo);
        let found = self.judge(&power, &left);
        let hushed = if found.is_echo { HUSHED } else { 1.0 };
        self.hush += if hushed < self.hush { HUSH } else { UNHUSH } * (hushed - self.hush);
        for k in 0..BINS {
            let gain = self.gain(k, power[k], left[k]);
            self.spectrum.re[k] *= gain;
            self.spectrum.im[k] *= gain;
        }
        let (first, second) = transform.inverse(&self.spectrum);
        let (fade, flat) = self.synthesis.split_at(DELAY);
        let (flat, next) = flat.split_at(FRAME - DELAY);
        let (head, tail) = second.split_at(FRAME - DELAY);
        let (begin, rest) = frame.split_at_mut(DELAY);
        let faded = first[FRAME - DELAY..].iter().zip(fade).zip(&self.fading);
        for (to, ((sample, window), fading)) in begin.iter_mut().zip(faded) {
            *to = sample * window + fading;
        }
        for ((to, sample), window) in rest.iter_mut().zip(head).zip(flat) {
            *to = sample * window;
        }
        for ((to, sample), window) in self.fading.iter_mut().zip(tail).zip(next) {
            *to = sample * window;
        }
        found
    }

    /// A frame of nothing at all went by.
    pub fn pause(&mut self) {
        self.noise.update(&[0.0; BINS]);
    }

    /// Power of the echo that may still be there.
    fn echo_left(&mut self, power: &Bins, echo: Option<Estimate<'_>>) -> Bins {
        let mut rest = [0.0; BINS];
        let Some(echo) = echo else { return rest };
        for (share, group) in self.left.iter_mut().zip(GROUPS.windows(2)) {
            let &[from, to] = group else { continue };
            let predicted = &echo.predicted[from..to];
            let all: f32 = predicted.iter().sum();
            if all > AUDIBLE * (to - from) as f32 {
                let now = (power[from..to].iter().sum::<f32>() / all).min(1.0);
                *share = if now < *share {
                    *share + FALL * (now - *share)
                } else {
                    now.min(*share * RISE)
                };
            }
            let uncertain = &echo.uncertain[from..to];
            let each = rest[from..to].iter_mut().zip(predicted).zip(uncertain);
            for ((rest, predicted), uncertain) in each {
                *rest = LEFT * *share * predicted + UNCERTAIN * uncertain;
            }
        }
        rest
    }

    fn judge(&mut self, power: &Bins, left: &Bins) -> Found {
        let all = power[VOICE].iter().sum::<f32>() + 1.0;
        let echo: f32 = left[VOICE].iter().sum();
        let noise: f32 = self.noise.power()[VOICE].iter().sum();
        self.leads += 0.5 * ((echo / all).min(1.0) - self.leads);
        Found {
            all,
            rest: echo + noise,
            noise: self.noise.power().iter().sum(),
            is_echo: self.leads > LEADS,
        }
    }

    fn gain(&mut self, k: usize, power: f32, echo: f32) -> f32 {
        let noise = self.noise.power()[k];
        let rest = noise + echo + LEAST;
        let posterior = (power / rest - 1.0).max(0.0);
        let prior = SMOOTHING * self.voice[k] / rest + (1.0 - SMOOTHING) * posterior;
        let floor = FLOOR * (noise / rest).sqrt();
        let gain = (prior / (1.0 + prior)).max(floor);
        self.voice[k] = gain * gain * power;
        if self.hush > 0.99 {
            return gain;
        }
        // As soft as the noise at most, so that it does not come and go with the far voice.
        let quiet = FLOOR * (noise / (power + LEAST)).sqrt().min(1.0);
        gain * self.hush.max(quiet)
    }
}
