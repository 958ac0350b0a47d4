//! Where the stick that carries codes is.

use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

/// Where the stick is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Stick {
    /// There is none: no disk of a computer is touched unless that was asked for.
    #[default]
    None,
    /// Whatever disk is plugged into USB.
    Usb,
    /// A file that stands for one, or the device of one: plugged in while it exists.
    Image(PathBuf),
}

impl TryFrom<String> for Stick {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match (text.as_str(), text.strip_prefix("image:")) {
            ("usb", _) => Ok(Self::Usb),
            ("none", _) => Ok(Self::None),
            (_, Some(path)) if !path.is_empty() => Ok(Self::Image(path.into())),
            _ => Err("expected `usb`, `none` or `image:FILE`"),
        }
    }
}

/// As an argument: a file needs no `image:` before it.
impl FromStr for Stick {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => Err("expected a file, `usb` or `none`"),
            text => {
                Ok(Self::try_from(text.to_owned()).unwrap_or_else(|_| Self::Image(text.into())))
            }
        }
    }
}
