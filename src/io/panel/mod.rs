//! The box's hands and face: buttons on pins and keys, the LED, the display; missing ones are tried again.

pub mod display;
pub mod gpio;
mod keys;
pub mod oled;
mod part;

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use mio::{Registry, Token};
use rppal::i2c::{Error, I2c};

use crate::config::{self, Screen};
use crate::intercom::panel::Levels;
use crate::intercom::screen::{Framebuffer, Glow, View};

use display::Display;
use keys::KeyDevices;
pub use keys::MAX_DEVICES;
use part::Part;

/// Between two samples of the buttons: in a call, and else.
const SAMPLE_IN_CALL: Duration = Duration::from_millis(5);
const SAMPLE_IDLE: Duration = Duration::from_millis(20);
/// Keys tell when they change; they are sampled for so long after a change, which debouncing wants to see confirmed.
const SETTLE: Duration = Duration::from_millis(150);
/// A transfer that takes longer has met a bus that hangs; a page takes 12 ms at 100 kHz.
const BUS_TIMEOUT_MS: u32 = 20;
/// An I2C bus whose clock is unknown is taken for the slowest usual one.
const SLOW_BUS: u32 = 100_000;

/// All of them, as far as the board has them.
pub struct Panel {
    config: Config,
    gpio: Option<Part<gpio::Buttons>>,
    keys: Option<KeyDevices>,
    led: Option<Part<gpio::Led>>,
    display: Option<Display<I2c>>,
    /// What the last sample saw, and when it last changed.
    levels: Levels,
    changed: Instant,
    next_sample: Option<Instant>,
    lit: bool,
    notes: VecDeque<String>,
}

struct Config {
    gpio: Option<config::GpioButtons>,
    led: Option<config::Led>,
}

impl Panel {
    /// Opens what is there. Pins of a Raspberry Pi may take root now, and never again. Tokens: `first` and
    /// [`MAX_DEVICES`] - 1 more.
    pub fn open(
        now: Instant,
        registry: &Registry,
        first: Token,
        buttons: &config::Buttons,
        led: Option<&config::Led>,
        screen: &Screen,
    ) -> Self {
        let display = match screen {
            Screen::Oled(config) => Some(display(now, config)),
            Screen::Terminal | Screen::File(_) | Screen::None => None,
        };
        let keys = buttons.keys.as_ref();
        let keys = keys.map(|keys| KeyDevices::open(now, registry, first, keys));
        let mut notes = VecDeque::new();
        if buttons.gpio.is_none() && keys.as_ref().is_some_and(KeyDevices::is_empty) {
            notes.push_back("no keyboard or pedal with a button's key is there yet".into());
        }
        let mut panel = Self {
            gpio: buttons
                .gpio
                .as_ref()
                .map(|_| Part::new(now, "the buttons' GPIO")),
            led: led.map(|_| Part::new(now, "the LED")),
            config: Config {
                gpio: buttons.gpio.clone(),
                led: led.cloned(),
            },
            // Buttons are first looked at now: one that is down from the start is stuck.
            next_sample: (buttons.gpio.is_some() || keys.is_some() || led.is_some()).then_some(now),
            keys,
            display,
            levels: Levels::default(),
            changed: now,
            lit: false,
            notes,
        };
        panel.retry(now, registry);
        panel
    }

    /// Whether there is a display, be it missing.
    pub fn has_screen(&self) -> bool {
        self.display.is_some()
    }

    /// Takes a readiness event; false if the token is another's.
    pub fn ready(&mut self, now: Instant, token: Token) -> bool {
        let ours = self.keys.as_mut().is_some_and(|k| k.ready(now, token));
        if ours {
            self.next_sample = Some(now);
        }
        ours
    }

    /// Tries again what is missing, where it is time to.
    pub fn retry(&mut self, now: Instant, registry: &Registry) {
        if let (Some(part), Some(config)) = (&mut self.gpio, &self.config.gpio) {
            let missing = part.get().is_none();
            self.notes
                .extend(part.retry(now, || gpio::Buttons::open(config)));
            if missing && part.get().is_some() {
                self.next_sample = Some(now);
            }
        }
        if let (Some(part), Some(config)) = (&mut self.led, &self.config.led) {
            let missing = part.get().is_none();
            self.notes
                .extend(part.retry(now, || gpio::Led::open(config)));
            if missing && part.get().is_some() {
                self.lit = false;
                self.next_sample = Some(now);
            }
        }
        if let Some(keys) = &mut self.keys {
            keys.look(now, registry);
        }
    }

    /// The buttons' levels, if it is time to sample them.
    pub fn sample(&mut self, now: Instant, in_call: bool) -> Option<Levels> {
        if self.next_sample.is_none_or(|at| at > now) {
            return None;
        }
        let mut levels = Levels::default();
        if let Some(part) = &mut self.gpio {
            match part.get().map(gpio::Buttons::levels) {
                Some(Ok(down)) => levels = down,
                Some(Err(problem)) => self.notes.extend(part.fail(now, &problem)),
                None => {}
            }
        }
        if let Some(keys) = &self.keys {
            levels = either(levels, keys.levels(now));
        }
        if levels != self.levels {
            (self.levels, self.changed) = (levels, now);
        }
        let pace = if in_call { SAMPLE_IN_CALL } else { SAMPLE_IDLE };
        self.next_sample = (self.has_pins() || self.is_touched(now)).then_some(now + pace);
        Some(levels)
    }

    /// Whether a button changed a moment ago.
    pub fn is_touched(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.changed) < SETTLE
    }

    /// Lights or darkens the LED.
    pub fn light(&mut self, now: Instant, lit: bool) {
        if let Some(part) = &mut self.led
            && lit != self.lit
            && let Some(led) = part.device()
        {
            match led.light(lit) {
                Ok(()) => self.lit = lit,
                Err(problem) => self.notes.extend(part.fail(now, &problem)),
            }
        }
    }

    /// The picture to show from now on. [`Self::send`] brings it to the display.
    pub fn draw(&mut self, now: Instant, view: &View, picture: &Framebuffer, glow: Glow) {
        if let Some(display) = &mut self.display {
            display.draw(now, view, picture, glow);
        }
    }

    /// Does one thing with the display, if there is one to do. Takes at most [`oled::TURN`].
    pub fn send(&mut self, now: Instant) {
        if let Some(display) = &mut self.display {
            self.notes.extend(display.send(now));
        }
    }

    /// Switches the display off. The LED goes dark with its pin.
    pub fn off(&mut self) {
        if let Some(display) = &mut self.display {
            display.off();
        }
    }

    /// When [`Self::send`] has something to do; at once if that is not after `now`.
    pub fn send_due(&self, now: Instant) -> Option<Instant> {
        self.display.as_ref().and_then(|d| d.due(now))
    }

    /// When to come back at the latest, but for [`Self::send`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let retries = [
            self.gpio.as_ref().and_then(Part::poll_timeout),
            self.led.as_ref().and_then(Part::poll_timeout),
            self.keys.as_ref().map(KeyDevices::poll_timeout),
            self.next_sample,
        ];
        retries.into_iter().flatten().min()
    }

    /// The next line for the owner.
    pub fn poll_note(&mut self) -> Option<String> {
        let keys = self.keys.as_mut().and_then(KeyDevices::poll_note);
        keys.or_else(|| self.notes.pop_front())
    }

    /// Whether there is something that tells nothing by itself: pins to sample, a light to blink.
    fn has_pins(&self) -> bool {
        let buttons = self.gpio.as_ref().is_some_and(|p| p.get().is_some());
        buttons || self.led.as_ref().is_some_and(|p| p.get().is_some())
    }
}

fn display(now: Instant, config: &config::Oled) -> Display<I2c> {
    Display::new(now, config, Box::new(open_bus))
}

/// rppal's I2C is plain i2c-dev, on any board.
fn open_bus(number: u8) -> Result<(I2c, u32), String> {
    let bus = I2c::with_bus(number).map_err(|e| match e {
        Error::Io(e) if e.kind() == ErrorKind::NotFound => {
            format!("there is no /dev/i2c-{number}: is I2C switched on?")
        }
        other => other.to_string(),
    })?;
    bus.set_timeout(BUS_TIMEOUT_MS).map_err(|e| e.to_string())?;
    let hertz = bus.clock_speed().unwrap_or(SLOW_BUS);
    Ok((bus, hertz))
}

/// What is down in either.
fn either(a: Levels, b: Levels) -> Levels {
    Levels {
        talk: a.talk || b.talk,
        next: a.next || b.next,
        back: a.back || b.back,
    }
}
