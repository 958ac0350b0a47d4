//! Buttons and the LED on pins, through a Raspberry Pi's registers or any Linux GPIO device.
//!
//! Levels are read when asked for: there is no interrupt and no thread. rppal maps /dev/gpiomem, or as root /dev/mem, when
//! it is opened; from then on reading a pin needs no permission and cannot fail.

use gpiocdev::Request;
use gpiocdev::line::{Bias, Value, Values};
use rppal::gpio::{Gpio, InputPin, OutputPin};

use crate::config::{self, Driver, GpioButtons};
use crate::intercom::panel::Levels;

/// Three buttons, each between its pin and ground.
pub enum Buttons {
    /// TALK, NEXT, BACK.
    Rppal([InputPin; 3]),
    /// The lines of TALK, NEXT, BACK, active low.
    Gpiocdev(Request, [u32; 3]),
}

impl Buttons {
    /// Takes the pins and switches their pull-ups on.
    ///
    /// # Errors
    /// Why a pin cannot be had.
    pub fn open(config: &GpioButtons) -> Result<Self, String> {
        let pins = config.pins();
        match &config.driver {
            Driver::Rppal => {
                let gpio = Gpio::new().map_err(|e| explain_rppal(&e))?;
                let take = |pin| {
                    let pin = header_pin(&gpio, pin)?;
                    let mut pin = pin.into_input_pullup();
                    // The pull-up stays when the program ends: a pin left floating would be read at random.
                    pin.set_reset_on_drop(false);
                    Ok::<_, String>(pin)
                };
                Ok(Self::Rppal([
                    take(pins[0])?,
                    take(pins[1])?,
                    take(pins[2])?,
                ]))
            }
            Driver::Gpiocdev(chip) => Request::builder()
                .on_chip(chip)
                .with_consumer("sotto")
                .with_lines(&pins)
                .as_input()
                .as_active_low()
                .with_bias(Bias::PullUp)
                .request()
                .map(|request| Self::Gpiocdev(request, pins))
                .map_err(|e| format!("{}: {e}", chip.display())),
        }
    }

    /// What is down now.
    ///
    /// # Errors
    /// The GPIO device is gone.
    pub fn levels(&self) -> Result<Levels, String> {
        let [talk, next, back] = match self {
            Self::Rppal(pins) => pins.each_ref().map(InputPin::is_low),
            Self::Gpiocdev(request, lines) => {
                let mut values = Values::from_offsets(lines);
                request.values(&mut values).map_err(|e| e.to_string())?;
                lines.map(|line| values.get(line) == Some(Value::Active))
            }
        };
        Ok(Levels { talk, next, back })
    }
}

/// The LED, lit when its pin is high.
pub enum Led {
    /// Of a Raspberry Pi.
    Rppal(OutputPin),
    /// The line.
    Gpiocdev(Request, u32),
}

impl Led {
    /// Takes the pin; the LED is dark. It is dark again when this is dropped.
    ///
    /// # Errors
    /// Why the pin cannot be had.
    pub fn open(config: &config::Led) -> Result<Self, String> {
        match &config.driver {
            Driver::Rppal => {
                let gpio = Gpio::new().map_err(|e| explain_rppal(&e))?;
                Ok(Self::Rppal(
                    header_pin(&gpio, config.pin)?.into_output_low(),
                ))
            }
            Driver::Gpiocdev(chip) => Request::builder()
                .on_chip(chip)
                .with_consumer("sotto")
                .with_line(config.pin)
                .as_output(Value::Inactive)
                .request()
                .map(|request| Self::Gpiocdev(request, config.pin))
                .map_err(|e| format!("{}: {e}", chip.display())),
        }
    }

    /// Lights or darkens it.
    ///
    /// # Errors
    /// The GPIO device is gone.
    pub fn light(&mut self, lit: bool) -> Result<(), String> {
        match self {
            Self::Rppal(pin) => pin.write(lit.into()),
            Self::Gpiocdev(request, line) => {
                let value = if lit { Value::Active } else { Value::Inactive };
                request.set_value(*line, value).map_err(|e| e.to_string())?;
            }
        }
        Ok(())
    }
}

fn header_pin(gpio: &Gpio, pin: u32) -> Result<rppal::gpio::Pin, String> {
    // A board file's pins are at most 27.
    let number = u8::try_from(pin).map_err(|e| e.to_string())?;
    gpio.get(number).map_err(|e| e.to_string())
}

fn explain_rppal(error: &rppal::gpio::Error) -> String {
    use rppal::gpio::Error;
    match error {
        Error::UnknownModel => "this is no Raspberry Pi".into(),
        Error::PermissionDenied(path) => format!(
            "{path} is not permitted: sotto has to be started by root, and the kernel with iomem=relaxed if it has no /dev/gpiomem"
        ),
        Error::Io(e) => format!("no GPIO registers or device: {e}"),
        other => other.to_string(),
    }
}
