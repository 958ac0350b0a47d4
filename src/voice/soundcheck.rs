//! Plays a sweep and listens for it: what the box's own speaker, air and microphone do to a voice.
//!
//! An exponential sine sweep (Farina, AES 108th Convention, 2000), found again by correlation: the lag of the peak is the way from
//! what goes to the speaker to what comes from the microphone, both buffers included, which is also how late the echo comes.
//! A speaker that distorts adds harmonics; such a sweep's k-th harmonic is the sweep itself, `ln k / ln(to / from)` of its length earlier,
//! so each shows as a peak of its own.
//! It all happens at a third of the sound card's rate: speech has little above 8 kHz, and a small board is slow.

use super::frame::{FRAME, Frame, RATE, SILENCE_DBFS, level_dbfs, silence};

/// Samples of the card to one of the test, and the test's rate.
const THIN: usize = 3;
const THIN_RATE: usize = RATE as usize / THIN;
const THIN_FRAME: usize = FRAME / THIN;
/// The sweep, Hz; a small speaker has nothing below.
const FROM: f64 = 200.0;
const TO: f64 = 7_000.0;
/// Peak of the sweep before the volume, of full scale: 20 dB down, as loud as somebody who speaks up.
const PEAK: f64 = 3_277.0;
/// Frames of silence before the sweep, to hear the room and for the devices to settle: 1 s.
const QUIET: usize = 100;
/// Of these the last are listened to.
const LISTENED: usize = 50;
/// Frames of the sweep: 1 s.
const SWEEP: usize = 100;
/// Frames after it, in which the end of the latest echo comes.
const TAIL: usize = 60;
/// The latest echo that is looked for: 500 ms.
const LATEST: usize = THIN_RATE / 2;
/// The peak is first looked for at a quarter of that rate.
const ROUGHLY: usize = 4;
/// What is listened to: the sweep, and the way there.
const HEARD: usize = (SWEEP + TAIL) * THIN_FRAME;
const PLAYED: usize = SWEEP * THIN_FRAME;
/// The correlation's peak over its mean size, from which the sweep was heard. Noise reaches 5; a sweep as loud as the noise 100.
const PLAIN: f64 = 10.0;
/// Samples around a harmonic's place that are its own: 1 ms each way.
const NEAR: usize = THIN_RATE / 1000;
/// A sample this large has met the end of the scale.
const CLIPPED: i16 = 32_700;
/// So many in a test are no accident.
const CLIPS: usize = 10;

/// A microphone below is dead or switched off: even a silent room moves the last bits of a live one.
const DEAD_DBFS: i8 = -90;
/// A room above is too loud for a conversation.
const LOUD_ROOM_DBFS: i8 = -35;
/// The echo's level from which the microphone is too near to the speaker.
const TOO_LOUD_DB: f64 = 6.0;
/// A speaker that is this far down is not heard in a room.
const TOO_SOFT_DB: f64 = -50.0;
/// The share of the harmonics from which a voice sounds rough: 10 %.
const ROUGH: f64 = 0.1;
/// The latest echo that the canceller reaches, ms.
const LATEST_CANCELLED_MS: f64 = 300.0;

/// The test under way: pull what it plays, push what is heard.
pub struct SoundCheck {
    played: usize,
    captured: usize,
    /// The sweep's first frame went out.
    began: bool,
    quiet: [i8; LISTENED],
    heard: Box<heapless::Vec<i16, HEARD>>,
    clipped: usize,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// The quietest tenth of a second before the sweep, dBFS.
    pub room_dbfs: i8,
    /// The speaker, as the microphone hears it.
    pub echo: Option<Echo>,
    /// The microphone met the end of its scale.
    pub clipped: bool,
}

/// The way from the speaker to the microphone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Echo {
    /// From a sample on its way to the speaker to the same from the microphone, ms, counted in frames as the echo canceller does:
    /// both buffers and the air. With the frame that has to be full, 10 ms, it is what two such boxes' sound cards add to a call.
    pub delay_ms: f64,
    /// Of what comes back over what was played, dB.
    pub level_db: f64,
    /// Of the second and third harmonics over the sweep, 0 to 1.
    pub distortion: f64,
}

impl SoundCheck {
    /// A test that begins now.
    pub fn new() -> Self {
        Self {
            played: 0,
            captured: 0,
            began: false,
            quiet: [SILENCE_DBFS; LISTENED],
            heard: Box::default(),
            clipped: 0,
        }
    }

    /// The next 10 ms for the speaker.
    pub fn play(&mut self, frame: &mut Frame) {
        *frame = silence();
        if let Some(at) = self.played.checked_sub(QUIET).filter(|at| *at < SWEEP) {
            self.began = true;
            for (i, sample) in frame.iter_mut().enumerate() {
                *sample = sweep(at * FRAME + i).round() as i16;
            }
        }
        self.played += 1;
    }

    /// Takes 10 ms from the microphone.
    pub fn capture(&mut self, frame: &Frame) {
        let at = self.captured;
        self.captured += 1;
        if !self.began {
            self.quiet[at % LISTENED] = level_dbfs(frame);
            return;
        }
        self.clipped += frame
            .iter()
            .filter(|s| s.saturating_abs() >= CLIPPED)
            .count();
        // What does not fit came after the end.
        self.heard.extend(
            frame
                .chunks_exact(THIN)
                .map(|c| (c.iter().map(|&s| i32::from(s)).sum::<i32>() / THIN as i32) as i16)
                .take(HEARD - self.heard.len()),
        );
    }

    /// How much of it is done, 0 to 100.
    pub fn percent(&self) -> u8 {
        let all = QUIET + SWEEP + TAIL;
        (self.played.min(all) * 100 / all) as u8
    }

    /// What was found, once everything was heard; takes some tens of ms on a small board.
    pub fn report(&self) -> Option<Report> {
        self.heard.is_full().then(|| Report {
            room_dbfs: self.room(),
            echo: self.echo(),
            clipped: self.clipped >= CLIPS,
        })
    }

    fn room(&self) -> i8 {
        let tenths = self.quiet.chunks(10);
        let loudest_of_each = tenths.filter_map(|tenth| tenth.iter().copied().max());
        loudest_of_each.min().unwrap_or(SILENCE_DBFS)
    }

    fn echo(&self) -> Option<Echo> {
        let heard: Vec<f32> = self.heard.iter().map(|&s| f32::from(s)).collect();
        let whole: Vec<f32> = (0..SWEEP * FRAME).map(|i| sweep(i) as f32).collect();
        let sweep = thin(&whole, THIN);
        // First with what is below 2 kHz, then to the sample.
        let rough = (thin(&heard, ROUGHLY), thin(&sweep, ROUGHLY));
        let lags: Vec<f64> = (0..=LATEST / ROUGHLY)
            .map(|lag| dot_at(&rough.0, &rough.1, lag as isize).abs())
            .collect();
        let mean = lags.iter().sum::<f64>() / lags.len() as f64;
        let (coarse, highest) = loudest(lags.into_iter().enumerate())?;
        if highest < PLAIN * mean || highest == 0.0 {
            return None;
        }
        let energy = dot(&sweep, &sweep);
        let at = |lag: isize| dot_at(&heard, &sweep, lag).abs() / energy;
        let coarse = coarse * ROUGHLY;
        let near = coarse.saturating_sub(ROUGHLY)..=(coarse + ROUGHLY).min(LATEST);
        let (lag, peak) = loudest(near.map(|lag| (lag, at(lag as isize))))?;
        let harmonic = |k: f64| {
            let earlier = (k.ln() / (TO / FROM).ln() * PLAYED as f64).round() as isize;
            let place = lag as isize - earlier;
            let near = place - NEAR as isize..=place + NEAR as isize;
            near.map(at).fold(0.0, f64::max)
        };
        let harmonics = (harmonic(2.0).powi(2) + harmonic(3.0).powi(2)).sqrt();
        let part = &heard[lag..lag + PLAYED];
        let room =
            10_f64.powf(f64::from(self.room()) / 10.0) * 32_768.0_f64.powi(2) * PLAYED as f64;
        let came_back = (dot(part, part) - room).max(peak * peak * energy);
        Some(Echo {
            delay_ms: lag as f64 * 1000.0 / THIN_RATE as f64,
            level_db: 10.0 * (came_back / energy).log10(),
            distortion: (harmonics / peak).min(1.0),
        })
    }
}

impl Default for SoundCheck {
    fn default() -> Self {
        Self::new()
    }
}

impl Report {
    /// Whether people will hear each other.
    pub fn is_good(&self) -> bool {
        self.advice().is_empty()
    }

    /// What is wrong and what to do, the worst first; nothing if all is well.
    pub fn advice(&self) -> heapless::Vec<&'static str, 4> {
        let mut advice = heapless::Vec::new();
        let mut say = |wrong: bool, what| {
            if wrong {
                // There are no more than four at once.
                let _ = advice.push(what);
            }
        };
        let Some(echo) = self.echo else {
            say(
                self.room_dbfs <= DEAD_DBFS,
                "the microphone is dead: it gives no sound at all; check that it is plugged in, switched on and the right card",
            );
            say(
                self.room_dbfs > DEAD_DBFS,
                "the microphone hears the room but not the speaker; check the speaker's plug, its power and the volume",
            );
            say(
                self.room_dbfs >= LOUD_ROOM_DBFS,
                "the room is very loud, which may have drowned the speaker; try again in a quieter one",
            );
            return advice;
        };
        say(
            self.clipped,
            "the microphone clips: set sound.microphone_level lower, or move it away from the speaker",
        );
        say(
            echo.distortion >= ROUGH && !self.clipped,
            "the speaker distorts: turn the volume or sound.speaker_level down",
        );
        say(
            echo.level_db >= TOO_LOUD_DB && !self.clipped,
            "the speaker drowns the microphone: turn the volume down, or move them apart",
        );
        say(
            echo.level_db <= TOO_SOFT_DB,
            "the speaker is hardly heard: turn the volume or sound.speaker_level up",
        );
        say(
            echo.delay_ms > LATEST_CANCELLED_MS,
            "the sound card is so slow that the echo comes too late to be taken away; use another",
        );
        say(
            self.room_dbfs >= LOUD_ROOM_DBFS,
            "the room is loud; the other end will hear it",
        );
        advice
    }
}

/// Sample `i` of the sweep.
fn sweep(i: usize) -> f64 {
    let seconds = (SWEEP * FRAME) as f64 / f64::from(RATE);
    let (t, rise) = (i as f64 / f64::from(RATE), (TO / FROM).ln());
    let phase = std::f64::consts::TAU * FROM * seconds / rise * ((t * rise / seconds).exp() - 1.0);
    // 20 ms each to begin and to end without a click.
    let edge = (t.min(seconds - t) / 0.02).clamp(0.0, 1.0);
    PEAK * phase.sin() * (0.5 - 0.5 * (std::f64::consts::PI * edge).cos())
}

/// The mean of every `by` samples.
fn thin(samples: &[f32], by: usize) -> Vec<f32> {
    let mean = |part: &[f32]| part.iter().sum::<f32>() / by as f32;
    samples.chunks_exact(by).map(mean).collect()
}

fn loudest(lags: impl Iterator<Item = (usize, f64)>) -> Option<(usize, f64)> {
    lags.max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Of `heard`, from `lag` on, with `sweep`; what lies outside is silence.
fn dot_at(heard: &[f32], sweep: &[f32], lag: isize) -> f64 {
    let (skip, start) = if lag < 0 {
        (lag.unsigned_abs(), 0)
    } else {
        (0, lag.unsigned_abs())
    };
    match (sweep.get(skip..), heard.get(start..)) {
        (Some(sweep), Some(heard)) => dot(sweep, heard),
        _ => 0.0,
    }
}

/// Eight sums at once, which the compiler makes vectors of.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0_f32; 8];
    let mut total = 0.0;
    for (i, (a, b)) in a.chunks_exact(8).zip(b.chunks_exact(8)).enumerate() {
        for ((s, a), b) in sums.iter_mut().zip(a).zip(b) {
            *s += a * b;
        }
        // Before single precision runs out.
        if i % 128 == 127 {
            total += f64::from(std::mem::take(&mut sums).iter().sum::<f32>());
        }
    }
    total + f64::from(sums.iter().sum::<f32>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// A room: how late in samples, how loud; its noise; what speaker and microphone do to a sample.
    fn check(
        late: usize,
        gain: f64,
        noise: f64,
        speaker: fn(f64) -> f64,
        microphone: fn(f64) -> f64,
    ) -> Report {
        let mut check = SoundCheck::new();
        let mut air: VecDeque<f64> = std::iter::repeat_n(0.0, late).collect();
        let mut state = 1_u32;
        let mut frame = silence();
        for _ in 0..400 {
            if let Some(report) = check.report() {
                return report;
            }
            check.play(&mut frame);
            air.extend(frame.iter().map(|&s| speaker(f64::from(s))));
            let heard: Frame = air
                .drain(..FRAME)
                .map(|s| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let hiss = f64::from(state >> 8) / f64::from(1 << 24) * 2.0 - 1.0;
                    microphone(s * gain + hiss * noise).round() as i16
                })
                .collect();
            check.capture(&heard);
        }
        panic!("no report after 4 s");
    }

    fn same(s: f64) -> f64 {
        s
    }

    #[test]
    fn a_good_box_is_measured_and_called_good() {
        let report = check(4800, 0.25, 30.0, same, same);
        let echo = report.echo.unwrap();
        assert!((echo.delay_ms - 100.0).abs() < 0.2, "{echo:?}");
        assert!((echo.level_db + 12.0).abs() < 0.3, "{echo:?}");
        assert!(echo.distortion < 0.03, "{echo:?}");
        assert!((-67..=-64).contains(&report.room_dbfs), "{report:?}");
        assert_eq!(report.advice(), [""; 0]);
        assert!(report.is_good());
    }

    #[test]
    fn the_earliest_and_the_latest_echo_are_found() {
        for late in [480, 23_520] {
            let echo = check(late, 0.5, 10.0, same, same).echo.unwrap();
            assert!(
                (echo.delay_ms - late as f64 / 48.0).abs() < 0.2,
                "{late}: {echo:?}"
            );
        }
    }

    #[test]
    fn a_sweep_as_loud_as_the_noise_is_found_and_its_level_is_not_the_noise_s() {
        let echo = check(2400, 0.05, 200.0, same, same).echo.unwrap();
        assert!((echo.delay_ms - 50.0).abs() < 0.2, "{echo:?}");
        assert!((echo.level_db + 26.0).abs() < 1.5, "{echo:?}");
    }

    #[test]
    fn a_dead_microphone_a_silent_speaker_and_a_loud_room_are_told_apart() {
        let first_words = |report: Report| report.advice().first().copied().unwrap_or_default();
        let dead = check(480, 0.0, 0.0, same, same);
        assert_eq!((dead.room_dbfs, dead.echo), (-96, None));
        assert!(first_words(dead).starts_with("the microphone is dead"));
        let silent = check(480, 0.0, 30.0, same, same);
        assert_eq!(silent.echo, None);
        assert!(
            first_words(silent).starts_with("the microphone hears the room but not the speaker")
        );
        let loud = check(480, 0.0, 3000.0, same, same);
        assert_eq!(loud.advice().len(), 2);
    }

    #[test]
    fn a_speaker_that_distorts_is_named() {
        let report = check(2400, 0.5, 10.0, |s| s.clamp(-1600.0, 1600.0), same);
        assert!(report.echo.unwrap().distortion > 0.1, "{report:?}");
        assert_eq!(
            report.advice(),
            ["the speaker distorts: turn the volume or sound.speaker_level down"]
        );
    }

    #[test]
    fn a_microphone_that_clips_is_named_before_a_speaker_that_seems_to() {
        let report = check(2400, 20.0, 10.0, same, |s| s.clamp(-32_768.0, 32_767.0));
        assert!(report.clipped);
        assert_eq!(report.advice().len(), 1);
        assert!(report.advice()[0].starts_with("the microphone clips"));
    }

    #[test]
    fn a_slow_card_and_a_soft_speaker_are_named() {
        let slow = check(16_800, 0.3, 10.0, same, same);
        assert!(
            slow.advice()[0].starts_with("the sound card is so slow"),
            "{slow:?}"
        );
        let soft = check(2400, 0.002, 1.0, same, same);
        assert!(
            soft.advice()[0].starts_with("the speaker is hardly heard"),
            "{soft:?}"
        );
    }
}
