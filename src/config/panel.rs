//! The box's hands and face as a board file names them: buttons, LED, display.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use evdev::KeyCode;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::intercom::panel::Button;

/// The highest BCM number on the 40-pin header of a Raspberry Pi.
const LAST_HEADER_PIN: u32 = 27;

/// Where presses come from; all that are named count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buttons {
    /// F1, F2, F3 of the terminal.
    pub terminal: bool,
    /// Buttons on pins, each to ground.
    pub gpio: Option<GpioButtons>,
    /// Keys of input devices: keyboards, pedals, `gpio-keys`.
    pub keys: Option<Keys>,
}

impl<'de> Deserialize<'de> for Buttons {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrTable;

        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            #[serde(default)]
            terminal: bool,
            gpio: Option<GpioButtons>,
            evdev: Option<Keys>,
        }

        impl<'de> Visitor<'de> for WordOrTable {
            type Value = Buttons;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`none`, `terminal` or a table")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Buttons, E> {
                match word {
                    "none" => Ok(Buttons::default()),
                    "terminal" => Ok(Buttons {
                        terminal: true,
                        ..Buttons::default()
                    }),
                    _ => Err(E::custom("expected `none`, `terminal` or a table")),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Buttons, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Buttons {
                    terminal: table.terminal,
                    gpio: table.gpio,
                    keys: table.evdev,
                })
            }
        }

        deserializer.deserialize_any(WordOrTable)
    }
}

/// Through what pins are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driver {
    /// The registers of a Raspberry Pi; pins by their BCM numbers.
    Rppal,
    /// A GPIO character device of Linux by its path; pins by their line offsets.
    Gpiocdev(PathBuf),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DriverKey {
    Rppal,
    Gpiocdev,
}

impl Driver {
    fn new(driver: DriverKey, chip: Option<PathBuf>, pins: &[u32]) -> Result<Self, &'static str> {
        match (driver, chip) {
            (DriverKey::Rppal, None) if pins.iter().all(|&pin| pin <= LAST_HEADER_PIN) => {
                Ok(Self::Rppal)
            }
            (DriverKey::Rppal, None) => Err("expected pins from 0 to 27 (BCM numbers)"),
            (DriverKey::Rppal, Some(_)) => {
                Err("expected no `chip`: the driver `rppal` has one of its own")
            }
            (DriverKey::Gpiocdev, Some(chip)) => Ok(Self::Gpiocdev(chip)),
            (DriverKey::Gpiocdev, None) => Err("expected a `chip`, for example \"/dev/gpiochip0\""),
        }
    }
}

/// Three pins, pulled up inside; a button connects its pin to ground.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "GpioKeys")]
pub struct GpioButtons {
    /// Through what they are reached.
    pub driver: Driver,
    /// The pin of TALK.
    pub talk: u32,
    /// The pin of NEXT.
    pub next: u32,
    /// The pin of BACK.
    pub back: u32,
}

impl GpioButtons {
    /// TALK, NEXT, BACK.
    pub fn pins(&self) -> [u32; 3] {
        [self.talk, self.next, self.back]
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GpioKeys {
    driver: DriverKey,
    chip: Option<PathBuf>,
    talk: u32,
    next: u32,
    back: u32,
}

impl TryFrom<GpioKeys> for GpioButtons {
    type Error = &'static str;

    fn try_from(keys: GpioKeys) -> Result<Self, Self::Error> {
        let pins @ [talk, next, back] = [keys.talk, keys.next, keys.back];
        if talk == next || talk == back || next == back {
            return Err("expected three different pins");
        }
        Ok(Self {
            driver: Driver::new(keys.driver, keys.chip, &pins)?,
            talk,
            next,
            back,
        })
    }
}

/// Keys of input devices that are buttons.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "KeyNames")]
pub struct Keys(Vec<(KeyCode, Button)>);

impl Keys {
    /// Which button a key is.
    pub fn button(&self, key: KeyCode) -> Option<Button> {
        let found = self.0.iter().find(|(code, _)| *code == key);
        found.map(|(_, button)| *button)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (KeyCode, Button)> {
        self.0.iter().copied()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyNames {
    #[serde(default)]
    talk: Vec<KeyName>,
    #[serde(default)]
    next: Vec<KeyName>,
    #[serde(default)]
    back: Vec<KeyName>,
}

/// As in linux/input-event-codes.h.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct KeyName(KeyCode);

impl TryFrom<String> for KeyName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        KeyCode::from_str(&name).map(Self).map_err(|_| {
            format!("`{name}` is no key; expected names as in linux/input-event-codes.h, for example KEY_F1 or BTN_TRIGGER")
        })
    }
}

impl TryFrom<KeyNames> for Keys {
    type Error = &'static str;

    fn try_from(names: KeyNames) -> Result<Self, Self::Error> {
        let all: Vec<(KeyCode, Button)> = [
            (names.talk, Button::Talk),
            (names.next, Button::Next),
            (names.back, Button::Back),
        ]
        .into_iter()
        .flat_map(|(keys, button)| keys.into_iter().map(move |key| (key.0, button)))
        .collect();
        let repeats = |i: usize| all[..i].iter().any(|(code, _)| *code == all[i].0);
        if all.is_empty() || (0..all.len()).any(repeats) {
            return Err("expected every key once, and at least one");
        }
        Ok(Self(all))
    }
}

/// A light on a pin, lit when the pin is high.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "LedKeys")]
pub struct Led {
    /// Through what it is reached.
    pub driver: Driver,
    /// Its pin.
    pub pin: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LedKeys {
    driver: DriverKey,
    chip: Option<PathBuf>,
    pin: u32,
}

impl TryFrom<LedKeys> for Led {
    type Error = &'static str;

    fn try_from(keys: LedKeys) -> Result<Self, Self::Error> {
        Ok(Self {
            driver: Driver::new(keys.driver, keys.chip, &[keys.pin])?,
            pin: keys.pin,
        })
    }
}

/// Where the panel is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Screen {
    /// The terminal, in block characters.
    Terminal,
    /// A file that holds the 1024 bytes of the newest picture, laid out as an SSD1306 takes them.
    File(PathBuf),
    /// A display on an I2C bus.
    Oled(Oled),
    /// There is none.
    None,
}

impl<'de> Deserialize<'de> for Screen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrTable;

        const EXPECTED: &str = "`terminal`, `none`, `file:PATH` or a table with `oled`";

        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            oled: Oled,
        }

        impl<'de> Visitor<'de> for WordOrTable {
            type Value = Screen;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Screen, E> {
                match (word, word.strip_prefix("file:")) {
                    ("terminal", _) => Ok(Screen::Terminal),
                    ("none", _) => Ok(Screen::None),
                    (_, Some(path)) if !path.is_empty() => Ok(Screen::File(path.into())),
                    _ => Err(E::custom(format!("expected {EXPECTED}"))),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Screen, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Screen::Oled(table.oled))
            }
        }

        deserializer.deserialize_any(WordOrTable)
    }
}

/// A display of 128 columns on an I2C bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oled {
    /// N of `/dev/i2c-N`.
    pub bus: u8,
    /// 7 bits.
    pub address: u8,
    /// The chip on its glass.
    pub controller: Controller,
    /// Its rows.
    pub size: OledSize,
    /// Turned by 180 degrees.
    pub upside_down: bool,
}

/// What settings may say of the display; a board's owner buys the one that the shop has.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DisplaySettings {
    address: Option<Address>,
    controller: Option<Controller>,
    size: Option<OledSize>,
    rotate: Option<Rotate>,
}

impl DisplaySettings {
    /// `later` wins where both say something.
    pub fn or(self, later: Self) -> Self {
        Self {
            address: later.address.or(self.address),
            controller: later.controller.or(self.controller),
            size: later.size.or(self.size),
            rotate: later.rotate.or(self.rotate),
        }
    }

    /// The board's screen, with what was said.
    pub fn on(self, screen: Screen) -> Screen {
        match screen {
            Screen::Oled(board) => Screen::Oled(Oled {
                bus: board.bus,
                address: self.address.map_or(board.address, |a| a.0),
                controller: self.controller.unwrap_or(board.controller),
                size: self.size.unwrap_or(board.size),
                upside_down: self.rotate.map_or(board.upside_down, |r| r.0),
            }),
            other => other,
        }
    }
}

/// The chip on the glass; shops sell both under the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Controller {
    /// Memory of 128 columns.
    #[default]
    Ssd1306,
    /// Memory of 132 columns, of which the glass shows those from the third on.
    Sh1106,
}

/// 128 columns by so many rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum OledSize {
    /// 64 rows.
    #[default]
    #[serde(rename = "128x64")]
    Tall,
    /// 32 rows: a window that moves over the picture.
    #[serde(rename = "128x32")]
    Short,
}

impl<'de> Deserialize<'de> for Oled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            bus: Bus,
            #[serde(default)]
            address: Address,
            #[serde(default)]
            controller: Controller,
            #[serde(default)]
            size: OledSize,
            #[serde(default)]
            rotate: Rotate,
        }

        let table = Table::deserialize(deserializer)?;
        Ok(Self {
            bus: table.bus.0,
            address: table.address.0,
            controller: table.controller,
            size: table.size,
            upside_down: table.rotate.0,
        })
    }
}

/// `/dev/i2c-N`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Bus(u8);

impl TryFrom<String> for Bus {
    type Error = &'static str;

    fn try_from(path: String) -> Result<Self, Self::Error> {
        let number = path.strip_prefix("/dev/i2c-").and_then(|n| n.parse().ok());
        number
            .map(Self)
            .ok_or("expected an I2C bus such as \"/dev/i2c-1\"")
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "i64")]
struct Address(u8);

impl Default for Address {
    fn default() -> Self {
        Self(0x3c)
    }
}

impl TryFrom<i64> for Address {
    type Error = &'static str;

    fn try_from(value: i64) -> Result<Self, Self::Error> {
        match u8::try_from(value) {
            Ok(address @ 0x08..=0x77) => Ok(Self(address)),
            _ => Err("expected a 7-bit address, 0x08 to 0x77; displays have 0x3c or 0x3d"),
        }
    }
}

/// Whether by 180 degrees.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "i64")]
struct Rotate(bool);

impl TryFrom<i64> for Rotate {
    type Error = &'static str;

    fn try_from(value: i64) -> Result<Self, Self::Error> {
        match value {
            0 => Ok(Self(false)),
            180 => Ok(Self(true)),
            _ => Err("expected 0 or 180"),
        }
    }
}
