//! Where nobody speaks, so that nothing need be sent: discontinuous transmission, decided before the encoder.
//!
//! Opus has a DTX of its own, but it encodes each frame before it drops it, and takes a steady tone for silence. Here a pause costs
//! next to nothing. It is one once no frame has stood out from the background for 400 ms; the first that does ends it.
//! Anything loud is sent, whatever it is. In a pause a packet of background goes out every 400 ms (as Opus's own DTX has it,
//! RFC 7587 §3.1.3), from which the other end makes comfort noise.

use super::frame::{FRAME, RATE};

/// Frames of background before it is a pause: 400 ms, so that soft ends of words and the gaps between them are sent.
const HANGOVER: u32 = 40;
/// Frames from one packet of background to the next: 400 ms.
pub const UPDATE: u32 = 40;
/// A voice is so much louder than the background, as a factor of power: 6 dB.
const ABOVE: f32 = 4.0;
/// No background is louder: -50 dBFS, as power of a sample.
const LOUDEST: f32 = 32_768.0 * 32_768.0 * 1e-5;
/// The background of a microphone that gives next to nothing: -85 dBFS.
const FAINTEST: f32 = 32_768.0 * 32_768.0 * 3.2e-9;
/// The background is the softest frame of so many parts …
const PARTS: usize = 6;
/// … of so many frames each: 3 s, in which everybody pauses.
const PART: u32 = 50;
/// Its softest frame lies below its mean by as much, as a factor of power.
const BIAS: f32 = 1.6;

const _: () = assert!(FRAME * 100 == RATE as usize);

/// Tells voice from background, frame by frame.
#[derive(Debug)]
pub struct Pauses {
    parts: [f32; PARTS],
    part: usize,
    frames: u32,
    /// Frames since the last voice.
    quiet: u32,
}

impl Pauses {
    /// Nothing is known yet: for three seconds only silence itself is a pause.
    pub fn new() -> Self {
        Self {
            parts: [0.0; PARTS],
            part: 0,
            frames: 0,
            quiet: 0,
        }
    }

    /// Takes the next 10 ms; says for how many frames it has been a pause, 0 if it is none.
    pub fn update(&mut self, frame: &[i16]) -> u32 {
        let energy: f32 = frame.iter().map(|&s| f32::from(s) * f32::from(s)).sum();
        let power = energy / frame.len().max(1) as f32;
        if self.frames == 0 {
            self.part = (self.part + 1) % PARTS;
            self.parts[self.part] = power;
        }
        self.frames = (self.frames + 1) % PART;
        self.parts[self.part] = self.parts[self.part].min(power);
        let softest = self.parts.iter().copied().fold(f32::MAX, f32::min);
        let background = (softest * BIAS).clamp(FAINTEST, LOUDEST);
        self.quiet = if power > ABOVE * background {
            0
        } else {
            self.quiet.saturating_add(1)
        };
        self.quiet.saturating_sub(HANGOVER)
    }

    /// The microphone is closed: when it opens, that is no pause, and what the background was is still known.
    pub fn end(&mut self) -> u32 {
        self.quiet = 0;
        0
    }
}

impl Default for Pauses {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of noise of about this many samples' amplitude; says which began a pause and which ended one.
    fn hear(pauses: &mut Pauses, seed: &mut u32, amplitude: i32, frames: u32) -> Vec<(u32, bool)> {
        let mut turns = Vec::new();
        let mut before = None;
        for i in 0..frames {
            let frame: Vec<i16> = (0..FRAME)
                .map(|_| {
                    *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    ((*seed >> 16) as i32 % (2 * amplitude + 1) - amplitude) as i16
                })
                .collect();
            let is_pause = pauses.update(&frame) > 0;
            if before != Some(is_pause) {
                turns.push((i, is_pause));
            }
            before = Some(is_pause);
        }
        turns
    }

    #[test]
    fn background_is_a_pause_after_the_hangover_and_the_first_frame_of_voice_ends_it() {
        let (mut pauses, mut seed) = (Pauses::new(), 1);
        assert_eq!(
            hear(&mut pauses, &mut seed, 30, 400).last(),
            Some(&(290, true))
        );
        assert_eq!(hear(&mut pauses, &mut seed, 3000, 100), [(0, false)]);
        assert_eq!(
            hear(&mut pauses, &mut seed, 30, 100),
            [(0, false), (40, true)]
        );
    }

    #[test]
    fn a_soft_voice_over_a_softer_background_is_heard() {
        let (mut pauses, mut seed) = (Pauses::new(), 1);
        hear(&mut pauses, &mut seed, 30, 400);
        assert_eq!(hear(&mut pauses, &mut seed, 90, 50), [(0, false)]);
    }

    #[test]
    fn digital_silence_is_a_pause_and_anything_loud_is_none_however_steady() {
        let (mut pauses, mut seed) = (Pauses::new(), 1);
        assert_eq!(
            hear(&mut pauses, &mut seed, 0, 400).last(),
            Some(&(40, true))
        );
        assert_eq!(hear(&mut pauses, &mut seed, 600, 6000), [(0, false)]);
    }

    #[test]
    fn a_background_that_grows_louder_is_a_pause_again_within_seconds() {
        let (mut pauses, mut seed) = (Pauses::new(), 1);
        hear(&mut pauses, &mut seed, 20, 400);
        let turns = hear(&mut pauses, &mut seed, 90, 800);
        assert_eq!((turns[0], turns.len()), ((0, false), 2));
        assert!(turns[1].0 < 400, "{turns:?}");
    }
}
