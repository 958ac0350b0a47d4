//! Serial lines that are consoles.

use serde::Deserialize;

/// Bits a second unless told otherwise.
const DEFAULT_BAUD: u32 = 115_200;

/// What a board file says of them.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SerialKeys {
    /// Which ones, once they are there.
    #[serde(default)]
    pub consoles: Vec<Pattern>,
    /// Bits a second.
    pub baud: Option<Baud>,
}

/// What settings may say of them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SerialSettings {
    pub baud: Option<Baud>,
}

/// Serial lines that are opened as consoles whenever they are there, 8N1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serial {
    /// Which ones.
    pub consoles: Vec<Pattern>,
    /// Bits a second.
    pub baud: Baud,
}

/// A device by its path or by its name in `/dev`, of which `*` is any part: `/dev/ttyAMA0`, `ttyUSB*`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    /// With its slash at the end.
    pub folder: String,
    /// Before the `*`.
    pub start: String,
    /// After it; `None`: there is no `*`.
    pub end: Option<String>,
}

impl Pattern {
    /// Whether a name in the folder is meant.
    pub fn fits(&self, name: &str) -> bool {
        match &self.end {
            None => name == self.start,
            Some(end) => name
                .strip_prefix(&self.start)
                .is_some_and(|rest| rest.ends_with(end)),
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let path = match text.starts_with('/') {
            true => text,
            false => format!("/dev/{text}"),
        };
        let (folder, name) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
        let (start, end) = match name.split_once('*') {
            Some((start, end)) => (start, Some(end.to_owned())),
            None => (name, None),
        };
        let again = end.as_ref().is_some_and(|e| e.contains('*'));
        if name.is_empty() || again || folder.contains('*') || path.contains('\0') {
            return Err(
                "expected a device's path, or its name in /dev, with at most one `*` in its last part, for example \"ttyUSB*\"",
            );
        }
        Ok(Self {
            folder: folder.to_owned(),
            start: start.to_owned(),
            end,
        })
    }
}

/// Bits a second of a serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct Baud(pub u32);

impl Default for Baud {
    fn default() -> Self {
        Self(DEFAULT_BAUD)
    }
}

impl TryFrom<i64> for Baud {
    type Error = &'static str;

    fn try_from(value: i64) -> Result<Self, Self::Error> {
        match value {
            9_600 | 19_200 | 38_400 | 57_600 | 115_200 | 230_400 | 460_800 | 921_600 => {
                Ok(Self(value as u32))
            }
            _ => Err("expected 9600, 19200, 38400, 57600, 115200, 230400, 460800 or 921600"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_part_of_the_name() {
        let fits =
            |pattern: &str, name: &str| Pattern::try_from(pattern.to_owned()).unwrap().fits(name);
        assert!(fits("ttyUSB*", "ttyUSB0") && fits("ttyUSB*", "ttyUSB"));
        assert!(fits("/dev/serial/by-id/*-port0", "usb-FTDI-port0"));
        assert!(!fits("ttyUSB*", "ttyS0") && !fits("ttyGS0", "ttyGS01"));
        assert!(!fits("ab*ba", "aba"));
        let folder = |pattern: &str| Pattern::try_from(pattern.to_owned()).unwrap().folder;
        assert_eq!(folder("ttyGS0"), "/dev/");
        assert_eq!(folder("/dev/serial/by-id/x*"), "/dev/serial/by-id/");
    }

    #[test]
    fn a_pattern_that_means_nothing_is_refused() {
        for bad in ["", "/dev/", "tty*USB*", "/d*/tty0", "a\0"] {
            assert!(Pattern::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
