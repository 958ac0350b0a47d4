//! What the parts of the cleaner share: the Fourier transform of two frames.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use crate::voice::frame::FRAME;

/// Samples in one transform: two frames.
pub const WINDOW: usize = 2 * FRAME;
/// Frequencies in use, 50 Hz apart from 0 on; that of half the sample rate, which no voice has, is left out.
pub const BINS: usize = FRAME;

/// A value for each frequency.
pub type Bins = [f32; BINS];

/// A signal by its frequencies. Real and imaginary parts lie apart, as vector instructions want them.
#[derive(Clone, Debug)]
pub struct Spectrum {
    /// Real parts.
    pub re: Bins,
    /// Imaginary parts.
    pub im: Bins,
}

impl Spectrum {
    /// Silence.
    pub const ZERO: Self = Self {
        re: [0.0; BINS],
        im: [0.0; BINS],
    };

    /// The square of each magnitude.
    pub fn power(&self) -> Bins {
        let mut power = [0.0; BINS];
        for ((p, re), im) in power.iter_mut().zip(&self.re).zip(&self.im) {
            *p = re * re + im * im;
        }
        power
    }
}

/// A real transform of [`WINDOW`] samples and back, between buffers of its own.
pub struct Transform {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    samples: Box<[f32]>,
    bins: Box<[Complex<f32>]>,
    scratch: Box<[Complex<f32>]>,
}

impl Transform {
    /// Plans it: all that it allocates.
    pub fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        let forward = planner.plan_fft_forward(WINDOW);
        let inverse = planner.plan_fft_inverse(WINDOW);
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        Self {
            samples: vec![0.0; WINDOW].into(),
            bins: vec![Complex::ZERO; BINS + 1].into(),
            scratch: vec![Complex::ZERO; scratch].into(),
            forward,
            inverse,
        }
    }

    /// The spectrum of what `fill` writes into the two frames.
    pub fn forward(&mut self, into: &mut Spectrum, fill: impl FnOnce(&mut [f32], &mut [f32])) {
        let (first, second) = self.samples.split_at_mut(FRAME);
        fill(first, second);
        // It fails for buffers of a wrong length only.
        let _ =
            self.forward
                .process_with_scratch(&mut self.samples, &mut self.bins, &mut self.scratch);
        for ((bin, re), im) in self.bins.iter().zip(&mut into.re).zip(&mut into.im) {
            (*re, *im) = (bin.re, bin.im);
        }
    }

    /// The two frames of a spectrum.
    pub fn inverse(&mut self, from: &Spectrum) -> (&mut [f32], &mut [f32]) {
        const SCALE: f32 = 1.0 / WINDOW as f32;
        for ((bin, re), im) in self.bins.iter_mut().zip(&from.re).zip(&from.im) {
            *bin = Complex::new(re * SCALE, im * SCALE);
        }
        // These two have no imaginary part in the spectrum of a real signal.
        self.bins[0].im = 0.0;
        self.bins[BINS] = Complex::ZERO;
        let _ =
            self.inverse
                .process_with_scratch(&mut self.bins, &mut self.samples, &mut self.scratch);
        self.samples.split_at_mut(FRAME)
    }
}
