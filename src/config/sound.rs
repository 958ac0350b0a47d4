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
    #[serde(default, deserialize_with = "speaker")]
    pub playback: Option<Device>,
    /// The card's own level of the microphone.
    pub microphone_level: Option<Percent>,
    /// The card's own level of the speaker.
    pub speaker_level: Option<Percent>,
    /// What is done to the microphone's signal.
    pub processing: Option<Processing>,
}

impl SoundKeys {
    /// `later` wins where both say something.
    pub fn or(self, later: Self) -> Self {
        Self {
            capture: later.capture.or(self.capture),
            playback: later.playback.or(self.playback),
            microphone_level: later.microphone_level.or(self.microphone_level),
            speaker_level: later.speaker_level.or(self.speaker_level),
            processing: later.processing.or(self.processing),
        }
    }
}

fn speaker<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Device>, D::Error> {
    match Device::deserialize(from)? {
        Device::Wav { options, .. } if options != WavOptions::default() => {
            Err(serde::de::Error::custom(
                "`?loop`, `ppm` and `echo` are options of a microphone; a speaker's WAV file has none",
            ))
        }
        device => Ok(Some(device)),
    }
}

/// What is done to the microphone's signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Processing {
    /// Echo and noise are taken out, and the level is set.
    #[default]
    All,
    /// It is sent as it is: for a headset, or a device that does all that itself.
    None,
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
        /// How a capture file is heard.
        options: WavOptions,
    },
    /// Silence in, nothing out.
    Null,
}

/// What may follow the name of a WAV file that is a microphone: `?loop&ppm=200&echo=-6dB,120ms`, in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WavOptions {
    /// `loop`: starts over at its end.
    pub repeat: bool,
    /// `ppm`: its clock is so many millionths faster than the computer's, at most 10 000.
    pub ppm: i32,
    /// `echo`: it hears the speaker.
    pub echo: Option<Echo>,
}

/// What the speaker plays comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// dB, -60 to 0.
    pub gain_db: i8,
    /// ms, 20 to 1000: sooner than that, a frame may not be there yet.
    pub delay_ms: u16,
}

/// The most that a WAV file's clock may be off.
const MAX_PPM: i32 = 10_000;

impl WavOptions {
    fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        for option in text.split(['?', '&']) {
            let is_known = match option.split_once('=') {
                None if option == "loop" => {
                    options.repeat = true;
                    true
                }
                Some(("ppm", ppm)) => {
                    let ppm = ppm
                        .parse()
                        .ok()
                        .filter(|p| (-MAX_PPM..=MAX_PPM).contains(p));
                    options.ppm = ppm.unwrap_or_default();
                    ppm.is_some()
                }
                Some(("echo", echo)) => {
                    options.echo = Echo::parse(echo);
                    options.echo.is_some()
                }
                _ => false,
            };
            if !is_known {
                return Err(format!(
                    "`{option}` is no option of a WAV file, expected `loop`, `ppm=200` (-{MAX_PPM} to {MAX_PPM}) or `echo=-6dB,120ms` (-60 to 0 dB, 20 to 1000 ms)"
                ));
            }
        }
        Ok(options)
    }
}

impl Echo {
    fn parse(text: &str) -> Option<Self> {
        let (gain, delay) = text.split_once(',')?;
        let gain_db = gain.strip_suffix("dB")?.parse().ok()?;
        let delay_ms = delay.strip_suffix("ms")?.parse().ok()?;
        ((-60..=0).contains(&gain_db) && (20..=1000).contains(&delay_ms))
            .then_some(Self { gain_db, delay_ms })
    }
}

impl TryFrom<String> for Device {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        const ALLOWED: &str = "expected `auto`, `card:NAME`, an ALSA PCM name, `wav:FILE`, `wav:FILE?loop&ppm=200&echo=-6dB,120ms` or `null`";
        if name.is_empty() || name.contains(['\0', '\n']) {
            return Err(ALLOWED.into());
        }
        match (name.as_str(), name.split_once(':')) {
            ("null", _) => Ok(Self::Null),
            ("auto", _) => Ok(Self::Auto),
            (_, Some(("card" | "wav", ""))) => Err(ALLOWED.into()),
            (_, Some(("card", card))) => Ok(Self::Card(card.trim().to_owned())),
            (_, Some(("wav", file))) => {
                let (path, options) = match file.split_once('?') {
                    Some(("", _)) => return Err(ALLOWED.into()),
                    Some((path, options)) => (path, WavOptions::parse(options)?),
                    None => (file, WavOptions::default()),
                };
                Ok(Self::Wav {
                    path: path.into(),
                    options,
                })
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
