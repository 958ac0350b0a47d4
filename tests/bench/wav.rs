//! The tools' sound files: 48 kHz mono, 16 bit.

use std::path::Path;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use sotto::voice::frame::RATE;

pub fn read(path: &Path) -> Vec<i16> {
    let mut reader = WavReader::open(path).expect("the file can be read");
    reader.samples().map(|s| s.expect("16 bit")).collect()
}

pub fn write(path: &Path, samples: impl IntoIterator<Item = i16>) {
    let spec = WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::create(path, spec).expect("the file can be made");
    for sample in samples {
        writer.write_sample(sample).expect("the disk has room");
    }
    writer.finalize().expect("the disk has room");
}
