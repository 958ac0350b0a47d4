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
    /// The card's own level of the microphone.
    pub microphone_level: Option<Percent>,
    /// The card's own level of the speaker.
    pub speaker_level: Option<Percent>,
}

impl SoundKeys {
    /// `later` wins where both say something.
    pub fn or(self, later: Self) -> Self {
        Self {
            capture: later.capture.or(self.capture),
            playback: later.playback.or(self.playback),
            microphone_level: later.microphone_level.or(self.microphone_level),
            speaker_level: later.speaker_level.or(self.speaker_level),
        }
    }
}

/// One sound device.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Device {
    /// An ALSA PCM by its name.
    Alsa(String),
    /// The sound card that suits best of those that are there; its mixer is set.
    Auto,
    /// The sound card with this identifier, or with this in its name; its mixer is set.
    Card(String),
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
        const ALLOWED: &str =
            "expected `auto`, `card:NAME`, an ALSA PCM name, `wav:FILE`, `wav:FILE?loop` or `null`";
        if name.is_empty() || name.contains(['\0', '\n']) {
            return Err(ALLOWED);
        }
        match (name.as_str(), name.split_once(':')) {
            ("null", _) => Ok(Self::Null),
            ("auto", _) => Ok(Self::Auto),
            (_, Some(("card" | "wav", ""))) => Err(ALLOWED),
            (_, Some(("card", card))) => Ok(Self::Card(card.trim().to_owned())),
            (_, Some(("wav", file))) => {
                let (path, repeat) = match file.strip_suffix("?loop") {
                    Some("") => return Err(ALLOWED),
                    Some(file) => (file.into(), true),
                    None => (file.into(), false),
                };
                Ok(Self::Wav { path, repeat })
            }
            _ => Ok(Self::Alsa(name)),
        }
    }
}

/// 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct Percent(pub u8);

impl TryFrom<i64> for Percent {
    type Error = &'static str;

    fn try_from(value: i64) -> Result<Self, Self::Error> {
        match u8::try_from(value) {
            Ok(v @ 0..=100) => Ok(Self(v)),
            _ => Err("expected a number from 0 to 100"),
        }
    }
}
