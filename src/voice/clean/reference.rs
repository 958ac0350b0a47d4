//! What the speaker played lately, by its frequencies: the reference of the echo canceller.

use super::spectrum::{BINS, Bins, Spectrum, Transform};
use crate::voice::frame::FRAME;

/// Frames that are remembered: as far as an echo is looked for, and the canceller's filter beyond.
pub const HISTORY: usize = 64;
/// The first frequency by which an echo is looked for: 300 Hz, below which small speakers have next to nothing …
const FIRST: usize = 6;
/// … and how many there are: to 3.5 kHz, where speech has most of its power.
pub const PHASES: usize = 64;
/// Root mean square below which a frame counts as silent: -66 dB below full scale.
const AUDIBLE: f32 = 16.0;

/// Directions in the complex plane: real parts, imaginary parts, all of length 1 (or 0, of silence).
pub type Phases = [[f32; PHASES]; 2];

/// One frame and the one before it.
#[derive(Clone, Debug)]
pub struct Far {
    /// Of both frames.
    pub spectrum: Spectrum,
    /// Of that spectrum.
    pub power: Bins,
    /// Of that spectrum; none if the frame was too soft to have an echo.
    pub phases: Option<Phases>,
}

const SILENT: Far = Far {
    spectrum: Spectrum::ZERO,
    power: [0.0; BINS],
    phases: None,
};

/// The last [`HISTORY`] frames that were played, counted from 1.
pub struct Reference {
    far: Box<[Far]>,
    newest: u64,
    last: [f32; FRAME],
    silent: Far,
    /// The frame after which the last audible one is forgotten.
    audible_until: u64,
}

impl Reference {
    /// Silence.
    pub fn new() -> Self {
        Self {
            far: vec![SILENT; HISTORY].into(),
            newest: 0,
            last: [0.0; FRAME],
            silent: SILENT,
            audible_until: 0,
        }
    }

    /// Takes the next frame.
    pub fn push(&mut self, next: [f32; FRAME], transform: &mut Transform) {
        self.newest += 1;
        let energy: f32 = next.iter().map(|s| s * s).sum();
        let is_audible = energy > FRAME as f32 * AUDIBLE * AUDIBLE;
        if is_audible {
            self.audible_until = self.newest + HISTORY as u64;
        }
        let last = std::mem::replace(&mut self.last, next);
        let slot = &mut self.far[place(self.newest)];
        if self.audible_until <= self.newest {
            // The spectrum is not wanted; what the slot had must not be taken for this frame's.
            slot.clone_from(&self.silent);
            return;
        }
        transform.forward(&mut slot.spectrum, |first, second| {
            first.copy_from_slice(&last);
            second.copy_from_slice(&next);
        });
        slot.power = slot.spectrum.power();
        slot.phases = is_audible.then(|| phases(&slot.spectrum));
    }

    /// How many frames were played.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Whether anything audible is still remembered at frame `now`.
    pub fn is_audible(&self, now: u64) -> bool {
        now < self.audible_until
    }

    /// The frame with this number; silence for one that is not played yet, or forgotten.
    pub fn get(&self, index: u64) -> &Far {
        let known = index <= self.newest && self.newest - index < HISTORY as u64;
        if known {
            &self.far[place(index)]
        } else {
            &self.silent
        }
    }
}

fn place(index: u64) -> usize {
    (index % HISTORY as u64) as usize
}

/// The phases by which an echo is looked for.
pub fn phases(spectrum: &Spectrum) -> Phases {
    let mut phases = [[0.0; PHASES]; 2];
    let [to_re, to_im] = &mut phases;
    let (re, im) = (&spectrum.re[FIRST..], &spectrum.im[FIRST..]);
    for (((to_re, to_im), re), im) in to_re.iter_mut().zip(to_im).zip(re).zip(im) {
        let inverse = 1.0 / (re * re + im * im + 1.0).sqrt();
        (*to_re, *to_im) = (re * inverse, im * inverse);
    }
    phases
}
