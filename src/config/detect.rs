//! Which board this is, by what its firmware says.

use std::path::Path;

use serde::Deserialize;

/// What the firmware calls the machine (Devicetree Specification 2.3.3).
const MODEL: &str = "/proc/device-tree/model";

/// A board by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BoardName {
    /// A computer.
    Host,
    /// A Raspberry Pi.
    Rpi,
    /// Any other Linux board.
    Generic,
    /// QEMU's `virt`.
    Virt,
}

impl BoardName {
    /// The one that this program runs on, if it is a box.
    pub fn detected() -> Self {
        let model = std::fs::read(Path::new(MODEL)).unwrap_or_default();
        Self::of_model(&String::from_utf8_lossy(&model))
    }

    fn of_model(model: &str) -> Self {
        match model.trim_end_matches('\0') {
            "linux,dummy-virt" => Self::Virt,
            model if model.starts_with("Raspberry Pi") => Self::Rpi,
            _ => Self::Generic,
        }
    }

    /// As it stands in files and arguments.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Rpi => "rpi",
            Self::Generic => "generic",
            Self::Virt => "virt",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_known_by_its_model() {
        for (model, board) in [
            ("Raspberry Pi Zero 2 W Rev 1.0\0", "rpi"),
            ("Raspberry Pi 4 Model B Rev 1.4\0", "rpi"),
            ("linux,dummy-virt\0", "virt"),
            ("Radxa ROCK Pi 4B\0", "generic"),
            ("", "generic"),
        ] {
            assert_eq!(BoardName::of_model(model).as_str(), board, "{model}");
        }
    }
}
