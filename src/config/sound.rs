//! Sound devices by name.

use std::path::PathBuf;

use serde::Deserialize;

/// The two ends of the sound card, as far as a file names them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoundKeys {
    /// The microphone.
    pub capture: Option<Device>,
    /// The speaker.
    pub playback: Option<Device>,
}

/// One sound device.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Device {
    /// An ALSA PCM by its name.
    Alsa(String),
    /// A WAV file at the pace of a sound card; a capture file may start over at its end.
    Wav {
        /// The file.
        path: PathBuf,
        /// `?loop`.
        repeat: bool,
    },
    /// Silence in, nothing out.
    Null,
}

impl TryFrom<String> for Device {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        const ALLOWED: &str = "expected an ALSA PCM name, `wav:FILE`, `wav:FILE?loop` or `null`";
        if name == "null" {
            Ok(Self::Null)
        } else if let Some(file) = name.strip_prefix("wav:") {
            let (file, repeat) = match file.strip_suffix("?loop") {
                Some(file) => (file, true),
                None => (file, false),
            };
            let path = PathBuf::from(file);
            if file.is_empty() {
                Err(ALLOWED)
            } else {
                Ok(Self::Wav { path, repeat })
            }
        } else if name.is_empty() || name.contains(['\0', '\n']) {
            Err(ALLOWED)
        } else {
            Ok(Self::Alsa(name))
        }
    }
}
