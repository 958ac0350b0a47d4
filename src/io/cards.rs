//! Which sound card to use: looked for anew at each opening, by what the cards say of themselves.
//!
//! A card's number is that of its arrival; its identifier stays.

use alsa::Direction;
use alsa::card::Iter;
use alsa::ctl::{Ctl, DeviceIter};

/// How a card is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The best.
    Auto,
    /// By its identifier or a part of its name.
    Named(String),
}

/// A sound card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// ALSA's identifier, unique while it is there: `Device`, `vc4hdmi0`.
    pub id: String,
    /// Of the kernel: `USB-Audio`.
    pub driver: String,
    /// For people: `USB PnP Sound Device`.
    pub name: String,
    /// With the maker, and where it is plugged in.
    pub long_name: String,
    /// Its first PCM that records, and its first that plays.
    pub capture: Option<u32>,
    /// See `capture`.
    pub playback: Option<u32>,
}

impl Card {
    fn pcm(&self, direction: Direction) -> Option<u32> {
        match direction {
            Direction::Capture => self.capture,
            Direction::Playback => self.playback,
        }
    }

    fn is_called(&self, part: &str) -> bool {
        [&self.name, &self.long_name]
            .iter()
            .any(|name| name.to_lowercase().contains(&part.to_lowercase()))
    }

    fn kind(&self) -> Kind {
        let said = format!("{} {} {}", self.id, self.driver, self.name).to_lowercase();
        let is = |what: &str| said.contains(what);
        if is("loopback") || is("dummy") {
            Kind::NoSound
        } else if is("hdmi") || is("displayport") {
            Kind::Display
        } else if self.driver == "USB-Audio" {
            Kind::Usb
        } else if is("bcm2835") {
            Kind::Jack
        } else {
            Kind::Board
        }
    }
}

/// The best first: what somebody plugged in or put on is meant to be used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Usb,
    /// An I2S codec, a HAT, PCI, virtio.
    Board,
    /// The jack of a Raspberry Pi, which is there whether something is plugged in or not.
    Jack,
    /// A monitor, which may have no speaker.
    Display,
    NoSound,
}

/// The cards that are there. May block for as long as drivers take: call it off the loop.
pub fn cards() -> Vec<Card> {
    Iter::new()
        .filter_map(|card| {
            describe(&card.ok()?)
                .map_err(|e| log::debug!("a sound card says nothing of itself: {e}"))
                .ok()
        })
        .collect()
}

fn describe(card: &alsa::Card) -> alsa::Result<Card> {
    let ctl = Ctl::from_card(card, true)?;
    let info = ctl.card_info()?;
    let first = |direction| {
        DeviceIter::new(&ctl)
            .filter_map(|device| u32::try_from(device).ok())
            .find(|device| ctl.pcm_info(*device, 0, direction).is_ok())
    };
    Ok(Card {
        id: info.get_id()?.to_owned(),
        driver: info.get_driver()?.to_owned(),
        name: info.get_name()?.to_owned(),
        long_name: info.get_longname()?.to_owned(),
        capture: first(Direction::Capture),
        playback: first(Direction::Playback),
    })
}

/// The card to use, and the name of its PCM with conversion of rate, format and channels.
///
/// Of cards of one kind, those that do both come first, as one clock is better than two; then the first.
///
/// # Errors
/// There is none; says what was looked for, and which there are.
pub fn choose<'a>(
    cards: &'a [Card],
    wanted: &Wanted,
    direction: Direction,
) -> Result<(&'a Card, String), String> {
    let able = || cards.iter().filter(|card| card.pcm(direction).is_some());
    let chosen = match wanted {
        Wanted::Auto => able().min_by_key(|card| {
            let both = card.capture.is_some() && card.playback.is_some();
            (card.kind(), !both)
        }),
        Wanted::Named(name) => able()
            .find(|card| card.id.eq_ignore_ascii_case(name))
            .or_else(|| able().find(|card| card.is_called(name))),
    };
    match chosen.and_then(|card| Some((card, card.pcm(direction)?))) {
        Some((card, device)) => Ok((card, format!("plughw:CARD={},DEV={device}", card.id))),
        None => {
            let (does, act) = match direction {
                Direction::Capture => ("records", "record"),
                Direction::Playback => ("plays", "play"),
            };
            let names: Vec<String> = able().map(|c| format!("{} ({})", c.id, c.name)).collect();
            Err(match wanted {
                Wanted::Named(name) if !names.is_empty() => {
                    format!(
                        "no sound card `{name}`; those that {act}: {}",
                        names.join(", ")
                    )
                }
                _ => format!("no sound card that {does} is there"),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(id: &str, driver: &str, name: &str, capture: bool, playback: bool) -> Card {
        Card {
            id: id.into(),
            driver: driver.into(),
            name: name.into(),
            long_name: name.into(),
            capture: capture.then_some(0),
            playback: playback.then_some(0),
        }
    }

    /// As a Raspberry Pi 4 has them, in the order of their numbers.
    fn pi4() -> Vec<Card> {
        vec![
            card(
                "Headphones",
                "bcm2835_headpho",
                "bcm2835 Headphones",
                false,
                true,
            ),
            card("vc4hdmi0", "vc4-hdmi", "vc4-hdmi-0", false, true),
            card("vc4hdmi1", "vc4-hdmi", "vc4-hdmi-1", false, true),
        ]
    }

    fn usb() -> Card {
        Card {
            long_name:
                "C-Media Electronics Inc. USB PnP Sound Device at usb-0000:01:00.0-1.3, full speed"
                    .into(),
            ..card("Device", "USB-Audio", "USB PnP Sound Device", true, true)
        }
    }

    fn auto(cards: &[Card]) -> [Result<String, String>; 2] {
        [Direction::Capture, Direction::Playback]
            .map(|direction| choose(cards, &Wanted::Auto, direction).map(|(_, pcm)| pcm))
    }

    fn both(pcm: &str) -> [Result<String, String>; 2] {
        [Ok(pcm.to_owned()), Ok(pcm.to_owned())]
    }

    #[test]
    fn a_usb_card_is_preferred_whatever_its_number() {
        let mut cards = pi4();
        cards.insert(1, usb());
        assert_eq!(auto(&cards), both("plughw:CARD=Device,DEV=0"));
        cards.rotate_left(2);
        assert_eq!(auto(&cards), both("plughw:CARD=Device,DEV=0"));
    }

    #[test]
    fn without_one_a_hat_is_then_the_jack_then_a_monitor() {
        let hat = card(
            "wm8960soundcard",
            "simple-card",
            "wm8960-soundcard",
            true,
            true,
        );
        let mut cards = pi4();
        cards.push(hat);
        assert_eq!(auto(&cards), both("plughw:CARD=wm8960soundcard,DEV=0"));
        let [capture, playback] = auto(&pi4());
        assert_eq!(capture.unwrap_err(), "no sound card that records is there");
        assert_eq!(playback.unwrap(), "plughw:CARD=Headphones,DEV=0");
        let [_, playback] = auto(&pi4()[1..]);
        assert_eq!(playback.unwrap(), "plughw:CARD=vc4hdmi0,DEV=0");
        let loopback = card("Loopback", "Loopback", "Loopback", true, true);
        let [capture, playback] = auto(&[vec![loopback], pi4()].concat());
        assert_eq!(capture.unwrap(), "plughw:CARD=Loopback,DEV=0");
        assert_eq!(playback.unwrap(), "plughw:CARD=Headphones,DEV=0");
    }

    #[test]
    fn a_camera_s_microphone_comes_after_a_headset() {
        let camera = card("C270", "USB-Audio", "Logitech Webcam C270", true, false);
        assert_eq!(
            auto(&[camera.clone(), usb()]),
            both("plughw:CARD=Device,DEV=0")
        );
        let [capture, _] = auto(&[pi4(), vec![camera]].concat());
        assert_eq!(capture.unwrap(), "plughw:CARD=C270,DEV=0");
    }

    #[test]
    fn the_card_of_qemu_is_found() {
        let virtio = card("SoundCard", "virtio-snd", "VirtIO SoundCard", true, true);
        assert_eq!(auto(&[virtio]), both("plughw:CARD=SoundCard,DEV=0"));
    }

    #[test]
    fn no_card_at_all_is_said() {
        assert_eq!(
            auto(&[]),
            [
                Err("no sound card that records is there".into()),
                Err("no sound card that plays is there".into())
            ]
        );
    }

    #[test]
    fn a_name_is_the_identifier_or_else_a_part_of_what_it_is_called() {
        let cards = [pi4(), vec![usb()]].concat();
        let named = |name: &str| {
            let wanted = Wanted::Named(name.into());
            choose(&cards, &wanted, Direction::Playback).map(|(card, _)| card.id.as_str())
        };
        assert_eq!(named("VC4HDMI1"), Ok("vc4hdmi1"));
        assert_eq!(named("device"), Ok("Device"));
        assert_eq!(named("usb pnp"), Ok("Device"));
        assert_eq!(named("C-Media"), Ok("Device"));
        assert_eq!(
            named("Jabra").unwrap_err(),
            "no sound card `Jabra`; those that play: Headphones (bcm2835 Headphones), vc4hdmi0 (vc4-hdmi-0), vc4hdmi1 (vc4-hdmi-1), Device (USB PnP Sound Device)"
        );
        // One that cannot do it is not meant.
        let wanted = Wanted::Named("Headphones".into());
        assert!(choose(&cards, &wanted, Direction::Capture).is_err());
    }
}
