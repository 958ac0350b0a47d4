//! The display's picture: started, sent piece by piece, started anew after a failure.

use std::fmt::Display as Text;
use std::time::Instant;

use embedded_hal::i2c::I2c;

use super::oled::Oled;
use super::part::Part;
use crate::config::{self, OledSize};
use crate::intercom::screen::{Framebuffer, Glow, View, Window};

/// Opens a bus by its number and tells its clock, Hz.
pub type OpenBus<B> = Box<dyn FnMut(u8) -> Result<(B, u32), String>>;

/// A display, be it there or missing.
pub struct Display<B> {
    config: config::Oled,
    open: OpenBus<B>,
    oled: Part<Oled<B>>,
    window: Window,
    picture: Framebuffer,
    glow: Glow,
}

impl<B: I2c> Display<B>
where
    B::Error: Text,
{
    /// One that is due to be started.
    pub fn new(now: Instant, config: &config::Oled, open: OpenBus<B>) -> Self {
        let name = format!(
            "the display at 0x{:x} on /dev/i2c-{}",
            config.address, config.bus
        );
        Self {
            config: config.clone(),
            open,
            oled: Part::new(now, name),
            window: Window::new(now),
            picture: Framebuffer::new(),
            glow: Glow::Bright,
        }
    }

    /// The picture to show from now on; [`Self::send`] brings it to the display.
    pub fn draw(&mut self, now: Instant, view: &View, picture: &Framebuffer, glow: Glow) {
        self.glow = glow;
        self.picture = match self.config.size {
            OledSize::Tall => picture.clone(),
            OledSize::Short => self.window.shown(now, view, picture),
        };
    }

    /// Starts the display, or sends one piece of the picture: either within [`super::oled::TURN`] on a bus of 400 kHz.
    /// A line for the owner when the display fails or is back.
    pub fn send(&mut self, now: Instant) -> Option<String> {
        let Some(oled) = self.oled.device() else {
            let (open, config) = (&mut self.open, &self.config);
            return self.oled.retry(now, || {
                let (bus, hertz) = open(config.bus)?;
                Oled::start(bus, hertz, config).map_err(|e| format!("it does not answer: {e}"))
            });
        };
        let sent = oled.send(&self.picture, self.glow);
        sent.err().and_then(|problem| self.oled.fail(now, &problem))
    }

    /// Switches it off, if it is there: nobody is left to change the picture.
    pub fn off(&mut self) {
        if let Some(oled) = self.oled.device()
            && let Err(e) = oled.off()
        {
            log::debug!("the display stays on: {e}");
        }
    }

    /// When [`Self::send`] has something to do; at once if that is not after `now`.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        match self.oled.get() {
            Some(oled) => oled.is_behind(&self.picture, self.glow).then_some(now),
            None => self.oled.poll_timeout(),
        }
    }
}
