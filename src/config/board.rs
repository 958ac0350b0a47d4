//! A board file: what the box is made of.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Buttons, ConfigError, Led, Screen, SerialKeys, SoundKeys, Stick, parse, read};

/// The boards that the program knows by name, and their files.
const KNOWN: [(&str, &str); 4] = [
    ("host", include_str!("../../board/host/board.toml")),
    ("rpi", include_str!("../../board/rpi/board.toml")),
    ("generic", include_str!("../../board/generic/board.toml")),
    ("virt", include_str!("../../board/virt/board.toml")),
];

/// What the box is made of.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "BoardKeys")]
pub struct Board {
    /// What it is called.
    pub name: String,
    /// Where presses come from.
    pub buttons: Buttons,
    /// The light beside the buttons.
    pub led: Option<Led>,
    /// Where the panel is.
    pub screen: Screen,
    /// Whether the console command `quit` ends the program.
    pub quit: bool,
    /// Where the stick is that carries codes.
    pub stick: Stick,
    /// The sound card, unless the settings name another.
    pub sound: SoundKeys,
    /// Serial lines that are consoles.
    pub serial: SerialKeys,
    /// The hardware watchdog, which restarts a box that hangs.
    pub watchdog: Option<PathBuf>,
    /// The place, if it is there, that remembers volume and mode.
    pub memory: Option<PathBuf>,
}

/// A board file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoardKeys {
    name: String,
    buttons: Buttons,
    led: Option<Led>,
    screen: Screen,
    #[serde(default)]
    quit: bool,
    #[serde(default)]
    sound: SoundKeys,
    #[serde(default)]
    serial: SerialKeys,
    watchdog: Option<PathBuf>,
    memory: Option<PathBuf>,
    #[serde(default)]
    stick: Stick,
}

impl TryFrom<BoardKeys> for Board {
    type Error = String;

    fn try_from(keys: BoardKeys) -> Result<Self, String> {
        if let (Some(gpio), Some(led)) = (&keys.buttons.gpio, &keys.led)
            && gpio.driver == led.driver
            && gpio.pins().contains(&led.pin)
        {
            return Err(format!("pin {} is a button's and the `led`'s", led.pin));
        }
        Ok(Self {
            name: keys.name,
            buttons: keys.buttons,
            led: keys.led,
            screen: keys.screen,
            quit: keys.quit,
            sound: keys.sound,
            serial: keys.serial,
            watchdog: keys.watchdog,
            memory: keys.memory,
            stick: keys.stick,
        })
    }
}

impl Board {
    /// The board that `--board` or the setting `board` names: a name that the program knows, or a file.
    ///
    /// # Errors
    /// There is no board of that name, the file is missing, or a key or value in it is not allowed.
    pub fn named_or_file(word: &str) -> Result<Self, ConfigError> {
        match Self::named(word) {
            Some(board) => Ok(board),
            None if word.contains(['/', '.']) => Self::read(Path::new(word)),
            None => Err(ConfigError(format!(
                "there is no board `{word}`; there are {}, or name a board file",
                KNOWN.map(|(name, _)| name).join(", ")
            ))),
        }
    }

    /// A board that the program knows; `None` if it knows none of that name.
    pub fn named(name: &str) -> Option<Self> {
        let (_, text) = KNOWN.iter().find(|(known, _)| *known == name)?;
        Some(parse(text, name).expect("the tests read every board file that is built in"))
    }

    /// Reads a board file.
    ///
    /// # Errors
    /// The file is missing, or a key or value in it is not allowed.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        parse(&read(path)?, &path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Driver, Oled, OledSize};

    fn error(text: &str) -> String {
        parse::<Board>(text, "b.toml")
            .expect_err("it is wrong")
            .to_string()
    }

    /// A board that is right but for one line.
    fn with(line: &str) -> String {
        let mut text = String::from("name = \"b\"\n");
        for rest in ["buttons = \"none\"", "screen = \"none\""] {
            let key = rest.split(' ').next().unwrap_or_default();
            if !line.starts_with(key) && !line.starts_with(&format!("[{key}]")) {
                text.push_str(rest);
                text.push('\n');
            }
        }
        text + line
    }

    #[test]
    fn every_board_that_is_built_in_is_legal_and_its_own() {
        for (name, _) in KNOWN {
            let board = Board::named(name).expect("it is known");
            assert_eq!(board.name, name);
            let file = format!("board/{name}/board.toml");
            assert_eq!(
                Board::read(Path::new(&file)).expect("it is committed"),
                board
            );
        }
        assert_eq!(Board::named("nonsense"), None);
    }

    #[test]
    fn a_computer_has_its_terminal_and_may_be_quit() {
        let host = Board::named("host").expect("it is known");
        assert!(host.quit && host.buttons.terminal && host.screen == Screen::Terminal);
    }

    #[test]
    fn a_box_has_pins_keys_a_light_and_a_display_and_stays_on() {
        let rpi = Board::named("rpi").expect("it is known");
        assert!(!rpi.quit && !rpi.buttons.terminal && rpi.buttons.keys.is_some());
        let gpio = rpi.buttons.gpio.expect("three pins");
        let led = rpi.led.expect("a light");
        assert_eq!(
            (&gpio.driver, &led.driver),
            (&Driver::Rppal, &Driver::Rppal)
        );
        let Screen::Oled(oled) = &rpi.screen else {
            panic!("{:?}", rpi.screen)
        };
        assert_eq!(
            (oled.bus, oled.address, oled.size),
            (1, 0x3c, OledSize::Tall)
        );
        // I2C, UART and I2S are kept free, and so is the bus of an identification EEPROM.
        for pin in gpio.pins().into_iter().chain([led.pin]) {
            assert!(
                ![0, 1, 2, 3, 14, 15, 18, 19, 20, 21].contains(&pin),
                "{pin}"
            );
        }
    }

    #[test]
    fn a_word_is_a_name_or_a_file() {
        assert_eq!(Board::named_or_file("virt").unwrap().name, "virt");
        assert_eq!(
            Board::named_or_file("board/rpi/board.toml").unwrap().name,
            "rpi"
        );
        assert_eq!(
            Board::named_or_file("rpj").unwrap_err().to_string(),
            "there is no board `rpj`; there are host, rpi, generic, virt, or name a board file"
        );
    }

    #[test]
    fn words_and_tables_may_stand_for_buttons_and_screen() {
        let board: Board = parse(
            "name = \"b\"\nbuttons = \"terminal\"\nscreen = \"file:/tmp/x\"",
            "b.toml",
        )
        .unwrap();
        assert!(board.buttons.terminal && board.screen == Screen::File("/tmp/x".into()));
        let board: Board = parse(
            "name = \"b\"\n[buttons]\ngpio = { driver = \"gpiocdev\", chip = \"/dev/gpiochip1\", talk = 70, next = 6, back = 7 }\n\
             evdev = { talk = [\"KEY_F1\", \"BTN_LEFT\"] }\n[screen]\noled = { bus = \"/dev/i2c-12\", controller = \"sh1106\", size = \"128x32\", rotate = 180, address = 0x3d }",
            "b.toml",
        )
        .unwrap();
        let gpio = board.buttons.gpio.expect("pins");
        assert_eq!(gpio.driver, Driver::Gpiocdev("/dev/gpiochip1".into()));
        assert_eq!(gpio.pins(), [70, 6, 7]);
        let expected = Oled {
            bus: 12,
            address: 0x3d,
            controller: crate::config::Controller::Sh1106,
            size: OledSize::Short,
            upside_down: true,
        };
        assert_eq!(board.screen, Screen::Oled(expected));
    }

    #[test]
    fn settings_say_what_is_other_about_the_display() {
        let settings: crate::config::Settings = parse(
            "display = { controller = \"sh1106\", rotate = 180, address = 0x3d }",
            "sotto.toml",
        )
        .unwrap();
        let config = settings.on(Board::named("rpi").expect("it is known"), &[]);
        let expected = Oled {
            bus: 1,
            address: 0x3d,
            controller: crate::config::Controller::Sh1106,
            size: OledSize::Tall,
            upside_down: true,
        };
        assert_eq!(config.screen, Screen::Oled(expected));
    }

    #[test]
    fn every_mistake_is_a_line_that_says_where_what_and_what_is_allowed() {
        let table = [
            (
                "buttons = \"some\"",
                "b.toml:3: `buttons`: expected `none`, `terminal` or a table",
            ),
            (
                "[buttons]\ngpoi = 3",
                "b.toml:4: unknown key `gpoi`, expected one of `terminal`, `gpio`, `evdev`",
            ),
            (
                "[buttons]\ngpio = { driver = \"rpal\", talk = 1, next = 2, back = 3 }",
                "b.toml:4: `driver`: unknown variant `rpal`, expected `rppal` or `gpiocdev`",
            ),
            (
                "[buttons]\ngpio = { driver = \"rppal\", talk = 28, next = 2, back = 3 }",
                "b.toml:4: `gpio`: expected pins from 0 to 27 (BCM numbers)",
            ),
            (
                "[buttons]\ngpio = { driver = \"rppal\", talk = 5, next = 6, back = 5 }",
                "b.toml:4: `gpio`: expected three different pins",
            ),
            (
                "[buttons]\ngpio = { driver = \"gpiocdev\", talk = 5, next = 6, back = 7 }",
                "b.toml:4: `gpio`: expected a `chip`, for example \"/dev/gpiochip0\"",
            ),
            (
                "[buttons]\ngpio = { driver = \"rppal\", chip = \"x\", talk = 5, next = 6, back = 7 }",
                "b.toml:4: `gpio`: expected no `chip`: the driver `rppal` has one of its own",
            ),
            (
                "[buttons]\ngpio = { driver = \"rppal\", talk = 5, next = 6 }",
                "b.toml:4: `gpio`: missing key `back`",
            ),
            (
                "[buttons]\nevdev = { talk = [\"KEY_F25\"] }",
                "b.toml:4: `talk`: `KEY_F25` is no key; expected names as in linux/input-event-codes.h, for example KEY_F1 or BTN_TRIGGER",
            ),
            (
                "[buttons]\nevdev = { talk = [\"KEY_A\"], back = [\"KEY_A\"] }",
                "b.toml:4: `evdev`: expected every key once, and at least one",
            ),
            (
                "screen = \"oled\"",
                "b.toml:3: `screen`: expected `terminal`, `none`, `file:PATH` or a table with `oled`",
            ),
            (
                "[screen]\noled = { bus = \"i2c\" }",
                "b.toml:4: `bus`: expected an I2C bus such as \"/dev/i2c-1\"",
            ),
            (
                "[screen]\noled = { bus = \"/dev/i2c-1\", address = 300 }",
                "b.toml:4: `address`: expected a 7-bit address, 0x08 to 0x77; displays have 0x3c or 0x3d",
            ),
            (
                "[screen]\noled = { bus = \"/dev/i2c-1\", rotate = 90 }",
                "b.toml:4: `rotate`: expected 0 or 180",
            ),
            (
                "[screen]\noled = { bus = \"/dev/i2c-1\", size = \"96x16\" }",
                "b.toml:4: `size`: unknown variant `96x16`, expected `128x64` or `128x32`",
            ),
            (
                "[led]\ndriver = \"rppal\"\npin = 40",
                "b.toml:4: `led`: expected pins from 0 to 27 (BCM numbers)",
            ),
        ];
        for (line, said) in table {
            assert_eq!(error(&with(line)), said, "{line}");
        }
        let both = "name = \"b\"\nscreen = \"none\"\nbuttons = { gpio = { driver = \"rppal\", talk = 5, next = 6, back = 7 } }\nled = { driver = \"rppal\", pin = 6 }";
        assert!(error(both).contains("pin 6 is a button's and the `led`'s"));
    }
}
