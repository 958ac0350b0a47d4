//! The unit of sound that crosses every border: 10 ms of 48 kHz mono.

/// Samples a second, everywhere.
pub const RATE: u32 = 48_000;
/// Samples in one frame: 10 ms.
pub const FRAME: usize = 480;

/// 10 ms of sound: 480 signed 16-bit samples, in a fixed buffer.
pub type Frame = heapless::Vec<i16, FRAME>;

/// A silent frame of full length.
pub fn silence() -> Frame {
    Frame::from_array([0; FRAME])
}

/// Root mean square of a frame in dB below full scale: -96 (silence) to 0.
pub fn level_dbfs(frame: &[i16]) -> i8 {
    let energy: f64 = frame.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    if frame.is_empty() || energy == 0.0 {
        return -96;
    }
    let rms = (energy / frame.len() as f64).sqrt() / 32_768.0;
    (20.0 * rms.log10()).round().clamp(-96.0, 0.0) as i8
}
