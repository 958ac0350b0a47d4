//! The unit of sound that crosses every border: 10 ms of 48 kHz mono; its level and its volume.

/// Samples a second, everywhere.
pub const RATE: u32 = 48_000;
/// Samples in one frame: 10 ms.
pub const FRAME: usize = 480;
/// The level of silence, dB below full scale.
pub const SILENCE_DBFS: i8 = -96;

/// How far a [`Meter`] falls in one frame of silence: 100 dB a second, so that syllables show.
const FALL_DB: i8 = 1;

/// 10 ms of sound: 480 signed 16-bit samples, in a fixed buffer.
pub type Frame = heapless::Vec<i16, FRAME>;

/// A silent frame of full length.
pub fn silence() -> Frame {
    Frame::from_array([0; FRAME])
}

/// One sample of all channels at one moment: their mean.
pub fn mix_down(channels: impl ExactSizeIterator<Item = i16>) -> i16 {
    let count = channels.len().max(1) as i32;
    (channels.map(i32::from).sum::<i32>() / count) as i16
}

/// Root mean square of a frame in dB below full scale: -96 (silence) to 0.
pub fn level_dbfs(frame: &[i16]) -> i8 {
    let energy: f64 = frame.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    if frame.is_empty() || energy == 0.0 {
        return SILENCE_DBFS;
    }
    let rms = (energy / frame.len() as f64).sqrt() / 32_768.0;
    (20.0 * rms.log10())
        .round()
        .clamp(f64::from(SILENCE_DBFS), 0.0) as i8
}

/// Multiplies samples by a gain that moves linearly from `from` to `to` (1 = unchanged), saturating.
pub fn ramp(samples: &mut [i16], from: f32, to: f32) {
    let step = (to - from) / samples.len().max(1) as f32;
    let mut gain = from;
    for s in samples {
        gain += step;
        // A float to integer cast saturates.
        *s = (f32::from(*s) * gain).round() as i16;
    }
}

/// A level that rises at once and falls slowly enough to be read.
#[derive(Clone, Copy, Debug)]
pub struct Meter(i8);

impl Meter {
    /// A meter at silence.
    pub fn new() -> Self {
        Self(SILENCE_DBFS)
    }

    /// Takes the next 10 ms.
    pub fn update(&mut self, frame: &[i16]) {
        let fallen = self.0.saturating_sub(FALL_DB).max(SILENCE_DBFS);
        self.0 = level_dbfs(frame).max(fallen);
    }

    /// -96 (silence) to 0 dB below full scale.
    pub fn dbfs(&self) -> i8 {
        self.0
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

/// A volume control: 0 is silence, 100 leaves the sound as it is, 50 is 12 dB down (a square law, as ears hear it).
///
/// A change is spread over one frame, so that it does not click.
#[derive(Clone, Copy, Debug)]
pub struct Volume {
    gain: f32,
}

impl Volume {
    /// A control at `volume`, 0 to 100.
    pub fn new(volume: u8) -> Self {
        Self { gain: gain(volume) }
    }

    /// Scales the next frame to `volume`, 0 to 100 (more counts as 100).
    pub fn apply(&mut self, frame: &mut [i16], volume: u8) {
        let wanted = gain(volume);
        if self.gain != 1.0 || wanted != 1.0 {
            ramp(frame, self.gain, wanted);
        }
        self.gain = wanted;
    }
}

fn gain(volume: u8) -> f32 {
    let share = f32::from(volume.min(100)) / 100.0;
    share * share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_run_from_silence_to_full_scale() {
        assert_eq!(level_dbfs(&[]), -96);
        assert_eq!(level_dbfs(&silence()), -96);
        assert_eq!(level_dbfs(&[i16::MIN; FRAME]), 0);
        assert_eq!(level_dbfs(&[3277; FRAME]), -20);
        assert_eq!(level_dbfs(&[1; 4]), -90);
    }

    #[test]
    fn a_meter_rises_at_once_and_falls_a_decibel_a_frame() {
        let mut meter = Meter::new();
        assert_eq!(meter.dbfs(), -96);
        meter.update(&[3277; FRAME]);
        assert_eq!(meter.dbfs(), -20);
        meter.update(&silence());
        assert_eq!(meter.dbfs(), -21);
        for _ in 0..200 {
            meter.update(&silence());
        }
        assert_eq!(meter.dbfs(), -96);
    }

    #[test]
    fn full_volume_changes_no_sample() {
        let before: Vec<i16> = (0..FRAME).map(|i| (i * 131) as i16).collect();
        let mut frame = before.clone();
        Volume::new(100).apply(&mut frame, 100);
        assert_eq!(frame, before);
        Volume::new(100).apply(&mut frame, 255);
        assert_eq!(frame, before);
    }

    #[test]
    fn half_volume_is_twelve_decibels_down_and_zero_is_silence() {
        let mut frame = [8000_i16; FRAME];
        Volume::new(50).apply(&mut frame, 50);
        assert_eq!(frame, [2000; FRAME]);
        Volume::new(0).apply(&mut frame, 0);
        assert_eq!(frame, [0; FRAME]);
    }

    #[test]
    fn a_change_of_volume_is_a_ramp_of_one_frame() {
        let mut volume = Volume::new(100);
        let mut frame = [9600_i16; FRAME];
        volume.apply(&mut frame, 0);
        assert!(frame.windows(2).all(|w| w[0] - w[1] == 20));
        assert_eq!((frame[0], frame[FRAME - 1]), (9580, 0));
    }
}
