//! Soft tones for who does not look at the screen, made by arithmetic and mixed into what the speaker plays.
//!
//! A note is three partials under a raised-cosine envelope, so it begins and ends without a click. What rises is good news, what
//! falls is the end, what repeats on one pitch is trouble. Against a voice a tone steps back: it is to be heard, not to be
//! talked over.

use std::f32::consts::{PI, TAU};
use std::time::Duration;

use super::frame::{FRAME, RATE, level_dbfs};

/// What a tone says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A way to the other end is looked for, as we were told to: one low note, again and again.
    Calling,
    /// The other end has come to us: two notes like a doorbell, again and again.
    Incoming,
    /// Voice flows: two rising notes.
    Connected,
    /// Nothing comes from the other end any more: three low notes on one pitch.
    Lost,
    /// It does again: three quick rising notes.
    Back,
    /// The call is over: two falling notes.
    Ended,
}

/// Samples in a millisecond.
const MS: u32 = RATE / 1000;
/// Amplitude of the fundamental: a steady note has -25 dBFS (RMS) with its other partials.
const AMPLITUDE: f32 = 2_484.0;
/// Of the second and third partial, against the fundamental.
const PARTIALS: [f32; 2] = [0.3, 0.1];
/// How long a note rises; it falls in its second half.
const RISE: u32 = 15 * MS;
/// Above it the other end speaks, and the tone is so much softer (12 dB).
const SPEECH_DBFS: i8 = -45;
const SOFTER: f32 = 0.25;
/// How fast it comes back, a frame: 150 ms in all, longer than the gap between two syllables.
const RETURN: f32 = 0.05;

/// One note: when it begins and how long it is, ms; Hz.
struct Note(u32, u32, f32);

// Pitches of the equal-tempered scale, A4 = 440 Hz.
const G4: f32 = 392.0;
const A4: f32 = 440.0;
const C5: f32 = 523.25;
const E5: f32 = 659.26;
const G5: f32 = 783.99;
const B5: f32 = 987.77;

impl Tone {
    /// Its notes, none overlapping another.
    fn notes(self) -> &'static [Note] {
        match self {
            // Most calls connect before these begin.
            Self::Calling => &[Note(700, 400, A4)],
            Self::Incoming => &[Note(700, 180, B5), Note(880, 320, G5)],
            Self::Connected => &[Note(0, 140, C5), Note(140, 280, G5)],
            Self::Lost => &[Note(0, 120, G4), Note(200, 120, G4), Note(400, 240, G4)],
            Self::Back => &[Note(0, 90, C5), Note(90, 90, E5), Note(180, 200, G5)],
            Self::Ended => &[Note(0, 140, G5), Note(140, 320, C5)],
        }
    }

    /// When it begins again, if nothing takes its place.
    fn period(self) -> Option<u32> {
        match self {
            Self::Calling | Self::Incoming => Some(2_500 * MS),
            Self::Connected | Self::Lost | Self::Back | Self::Ended => None,
        }
    }

    /// Samples until its last note is over.
    fn length(self) -> u32 {
        let ends = self.notes().iter().map(|Note(at, length, _)| at + length);
        ends.max().unwrap_or(0) * MS
    }
}

/// The tone that sounds, if any.
#[derive(Debug)]
pub struct Tones {
    on: bool,
    playing: Option<Playing>,
    /// Cut off by another, and fading in the next frame.
    fading: Option<Playing>,
    /// How loud against the other end's voice.
    gain: f32,
}

#[derive(Clone, Copy, Debug)]
struct Playing {
    tone: Tone,
    /// Samples until it begins.
    lead: u32,
    /// Of the next sample since then.
    at: u32,
}

impl Tones {
    /// Nothing sounds; and nothing ever will unless `on`.
    pub fn new(on: bool) -> Self {
        Self {
            on,
            playing: None,
            fading: None,
            gain: 1.0,
        }
    }

    /// Begins a tone after `lead`, in place of what sounds now.
    pub fn play(&mut self, tone: Tone, lead: Duration) {
        if self.on {
            self.stop();
            let lead = lead.as_millis().min(10_000) as u32 * MS;
            self.playing = Some(Playing { tone, lead, at: 0 });
        }
    }

    /// Ends what would go on for ever.
    pub fn stop_repeating(&mut self) {
        if self.playing.is_some_and(|p| p.tone.period().is_some()) {
            self.stop();
        }
    }

    /// How long something will still sound; a tone that repeats counts for nothing.
    pub fn left(&self) -> Duration {
        let samples = self.playing.map_or(0, |p| match p.tone.period() {
            Some(_) => 0,
            None => p.lead + p.tone.length().saturating_sub(p.at),
        });
        Duration::from_secs(samples.into()) / RATE
    }

    /// Adds what sounds to the next 10 ms of the other end's voice.
    pub fn mix(&mut self, frame: &mut [i16]) {
        if self.playing.is_none() && self.fading.is_none() {
            self.gain = 1.0;
            return;
        }
        let speech = level_dbfs(frame) > SPEECH_DBFS;
        let from = self.gain;
        self.gain = if speech {
            SOFTER
        } else {
            (from + RETURN).min(1.0)
        };
        let step = (self.gain - from) / FRAME as f32;
        let mut fading = self.fading.take();
        for (i, s) in frame.iter_mut().enumerate() {
            let mut sum = self.playing.as_mut().map_or(0.0, Playing::next);
            if let Some(old) = &mut fading {
                sum += old.next() * (1.0 - (i + 1) as f32 / FRAME as f32);
            }
            let sum = sum * (from + step * (i + 1) as f32);
            *s = s.saturating_add(sum.round() as i16);
        }
        self.playing.take_if(|p| p.is_over());
    }

    fn stop(&mut self) {
        // One that has not begun must not take the place of one that fades.
        let begun = self.playing.take().filter(|p| p.at > 0);
        self.fading = begun.or(self.fading);
    }
}

impl Playing {
    fn next(&mut self) -> f32 {
        if self.lead > 0 {
            self.lead -= 1;
            return 0.0;
        }
        let at = self.at;
        self.at += 1;
        if self.tone.period().is_some_and(|p| self.at >= p) {
            self.at = 0;
        }
        let notes = self.tone.notes().iter();
        notes
            .filter_map(|Note(begins, length, hertz)| {
                let at = at.checked_sub(begins * MS)?;
                (at < length * MS).then(|| envelope(at, length * MS) * wave(at, *hertz))
            })
            .sum()
    }

    fn is_over(&self) -> bool {
        self.tone.period().is_none() && self.at >= self.tone.length()
    }
}

/// 0 at both ends of a note, 1 in between.
fn envelope(at: u32, length: u32) -> f32 {
    let raised = |share: f32| 0.5 - 0.5 * (PI * share).cos();
    let fall = length / 2;
    let left = length - at;
    if at < RISE {
        raised(at as f32 / RISE as f32)
    } else if left < fall {
        raised(left as f32 / fall as f32)
    } else {
        1.0
    }
}

fn wave(at: u32, hertz: f32) -> f32 {
    let turn = (f64::from(at) * f64::from(hertz) / f64::from(RATE)).fract() as f32;
    let partial = |n: f32| (turn * n * TAU).sin();
    AMPLITUDE * (partial(1.0) + PARTIALS[0] * partial(2.0) + PARTIALS[1] * partial(3.0))
}

#[cfg(test)]
mod tests {
    use super::Tone::{Back, Calling, Connected, Ended, Incoming, Lost};
    use super::*;
    use crate::voice::frame::silence;

    const ALL: [Tone; 6] = [Calling, Incoming, Connected, Lost, Back, Ended];

    /// What the speaker plays in so many frames of silence.
    fn sound(tones: &mut Tones, frames: usize) -> Vec<i16> {
        let mut out = Vec::new();
        for _ in 0..frames {
            let mut frame = silence();
            tones.mix(&mut frame);
            out.extend_from_slice(&frame);
        }
        out
    }

    fn played(tone: Tone, frames: usize) -> Vec<i16> {
        let mut tones = Tones::new(true);
        tones.play(tone, Duration::ZERO);
        sound(&mut tones, frames)
    }

    /// Amplitude at a frequency (a single DFT line).
    fn amplitude(sound: &[i16], hertz: f32) -> f32 {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, s) in sound.iter().enumerate() {
            let angle = (n as f32 * hertz / RATE as f32).fract() * TAU;
            re += f32::from(*s) * angle.cos();
            im += f32::from(*s) * angle.sin();
        }
        2.0 * re.hypot(im) / sound.len() as f32
    }

    /// 10 ms from there on, ms.
    fn at(sound: &[i16], ms: usize) -> &[i16] {
        &sound[ms * 48..][..FRAME]
    }

    #[test]
    fn connected_rises_a_fifth_and_ended_falls_it_at_25_db_below_full_scale() {
        let (rises, falls) = (played(Connected, 50), played(Ended, 50));
        for (sound, ms, pitch, other) in [
            (&rises, 30, C5, G5),
            (&rises, 200, G5, C5),
            (&falls, 30, G5, C5),
            (&falls, 200, C5, G5),
        ] {
            assert_eq!(level_dbfs(at(sound, ms)), -25, "{pitch} Hz");
            // 30 ms tell both pitches apart.
            let part = &sound[ms * 48..][..30 * 48];
            let (loud, soft) = (amplitude(part, pitch), amplitude(part, other));
            assert!(
                loud > 2_200.0 && soft < loud / 4.0,
                "{pitch}: {loud}, {soft}"
            );
            let (second, third) = (amplitude(part, 2.0 * pitch), amplitude(part, 3.0 * pitch));
            assert!((500.0..1_000.0).contains(&second), "{second}");
            assert!((100.0..500.0).contains(&third), "{third}");
        }
    }

    #[test]
    fn every_tone_is_silent_when_its_time_is_over() {
        for (tone, ms) in [(Connected, 420), (Lost, 640), (Back, 380), (Ended, 460)] {
            let mut tones = Tones::new(true);
            tones.play(tone, Duration::from_millis(100));
            assert_eq!(tones.left(), Duration::from_millis(100 + ms), "{tone:?}");
            let sound = sound(&mut tones, 100);
            assert!(sound[..4_800].iter().all(|s| *s == 0));
            assert!(sound[4_800..].iter().any(|s| *s > 2_000));
            assert!(sound[(100 + ms as usize) * 48..].iter().all(|s| *s == 0));
            assert_eq!(tones.left(), Duration::ZERO);
        }
    }

    #[test]
    fn ringing_begins_after_700_ms_and_again_every_two_and_a_half_seconds_until_stopped() {
        for tone in [Calling, Incoming] {
            let mut tones = Tones::new(true);
            tones.play(tone, Duration::ZERO);
            assert_eq!(tones.left(), Duration::ZERO);
            let sound = sound(&mut tones, 1_000);
            for n in 0..4 {
                let period = &sound[n * 120_000..][..120_000];
                assert!(period[..700 * 48].iter().all(|s| *s == 0));
                assert_eq!(level_dbfs(at(period, 740)), -25);
                assert!(period[1_200 * 48..].iter().all(|s| *s == 0));
            }
            tones.play(tone, Duration::ZERO);
            super::tests::sound(&mut tones, 80);
            tones.stop_repeating();
            let after = super::tests::sound(&mut tones, 500);
            assert!(after[..FRAME].iter().any(|s| *s != 0));
            assert!(after[FRAME..].iter().all(|s| *s == 0));
        }
    }

    #[test]
    fn no_tone_clicks_not_even_where_another_takes_its_place() {
        // The steepest slope of the highest note: amplitude, 2 pi f, partials.
        let steepest = AMPLITUDE * TAU * B5 / RATE as f32 * (1.0 + 2.0 * 0.3 + 3.0 * 0.1);
        let step = |sound: &[i16]| {
            let steps = sound.windows(2).map(|w| w[0].abs_diff(w[1]));
            f32::from(steps.max().unwrap_or(0))
        };
        for tone in ALL {
            let sound = played(tone, 260);
            assert!(step(&sound) <= steepest + 1.0, "{tone:?}");
            // The beginning and the end are faint.
            let first = sound.iter().position(|s| *s != 0).unwrap();
            let last = sound.iter().rposition(|s| *s != 0).unwrap();
            assert!(
                sound[first].abs() <= 2 && sound[last].abs() <= 2,
                "{tone:?}"
            );
            for cut in 0..20 {
                let mut tones = Tones::new(true);
                tones.play(tone, Duration::ZERO);
                let mut sound = super::tests::sound(&mut tones, 71 + cut);
                tones.play(Ended, Duration::ZERO);
                sound.extend(super::tests::sound(&mut tones, 60));
                // Both at once in the fade.
                assert!(step(&sound) <= 1.5 * steepest, "{tone:?} after {cut}");
            }
        }
    }

    #[test]
    fn against_speech_a_tone_is_12_db_softer() {
        let mut tones = Tones::new(true);
        tones.play(Ended, Duration::ZERO);
        let voice = |n: usize| ((n as f32 * 0.01).sin() * 3_000.0) as i16;
        let mut heard = Vec::new();
        for f in 0..30 {
            let mut frame: Vec<i16> = (0..FRAME).map(|i| voice(f * FRAME + i)).collect();
            tones.mix(&mut frame);
            heard.extend(frame.iter().zip(0..).map(|(s, i)| s - voice(f * FRAME + i)));
        }
        assert!((-38..=-36).contains(&level_dbfs(at(&heard, 40))));
        assert!((-38..=-36).contains(&level_dbfs(at(&heard, 200))));
    }

    #[test]
    fn turned_off_there_are_none() {
        let mut tones = Tones::new(false);
        tones.play(Connected, Duration::ZERO);
        assert_eq!(tones.left(), Duration::ZERO);
        assert!(sound(&mut tones, 60).iter().all(|s| *s == 0));
    }
}
