//! The display: what changed in the picture goes to an SSD1306 or SH1106 over I2C, a piece a turn.
//!
//! Both chips keep the picture in pages of eight rows and take them in page addressing mode (SSD1306 datasheet 8.1.1 and
//! 10.1.3; it is the only mode of the SH1106, datasheet V2.3 page 16), so one way of sending serves both. The SH1106 has
//! memory for 132 columns, of which a glass of 128 shows the middle ones: column 0 of the picture is its column 2.
//!
//! A whole page at 400 kHz takes 3.1 ms. A piece is at most what the bus carries in [`TURN`], so that voice never waits
//! longer; on a slower bus it is a part of a page.

use std::fmt::Display;

use display_interface::{DataFormat, DisplayError, WriteOnlyDataCommand};
use embedded_hal::i2c::I2c;
use ssd1306::Ssd1306;
use ssd1306::command::{AddrMode, Command, Page, VcomhLevel};
use ssd1306::rotation::DisplayRotation;
use ssd1306::size::{DisplaySize128x32, DisplaySize128x64};

use crate::config::{self, Controller, OledSize};
use crate::intercom::screen::framebuffer::{PAGES, WIDTH};
use crate::intercom::screen::{Framebuffer, Glow};

/// What a turn may spend on the bus, µs.
pub const TURN: u32 = 4_000;
/// Bits on the bus for a byte and its acknowledgement, and for start and stop of a transfer.
const BYTE: u32 = 9;
const START_STOP: u32 = 2;
/// Of a piece, beside its columns: page address (address, control, command), column address (one command more), and the
/// data's address and control byte.
const OVERHEAD: u32 = (3 + 4 + 2) * BYTE + 3 * START_STOP;
/// The first column of the SH1106's memory that a glass of 128 columns shows.
const SH1106_FIRST: u8 = 2;
/// Contrast of 255 and phase 2 of the pre-charge: moderate, as an OLED wears with its light, and hardly lit.
const BRIGHT: (u8, u8) = (0x5f, 2);
const DIM: (u8, u8) = (0x00, 1);

/// A display that was initialised.
pub struct Oled<B> {
    wire: Wire<B>,
    setup: config::Oled,
    /// What the display's memory is known to hold.
    held: [[Option<u8>; WIDTH]; PAGES],
    /// Where the search for the next piece begins, so that a part that always changes does not hold up the rest.
    next: usize,
    lit: Lit,
    /// Columns a piece.
    most: usize,
}

/// What the display shows of its memory.
#[derive(Clone, Copy, PartialEq)]
enum Lit {
    /// Nothing, as long as its memory is not the picture.
    Not,
    At(Glow),
}

/// The next thing to send.
enum Piece {
    Columns { page: usize, from: usize, to: usize },
    Glow(Glow),
}

impl<B: I2c> Oled<B>
where
    B::Error: Display,
{
    /// Initialises a display on a bus of `hertz`; it stays dark until it has a whole picture.
    ///
    /// # Errors
    /// What the bus said: mostly that nothing answers.
    pub fn start(bus: B, hertz: u32, setup: &config::Oled) -> Result<Self, String> {
        let mut oled = Self {
            wire: Wire {
                bus,
                address: setup.address,
                problem: String::new(),
            },
            setup: setup.clone(),
            held: [[None; WIDTH]; PAGES],
            next: 0,
            lit: Lit::Not,
            most: columns_a_turn(hertz),
        };
        let done = match setup.controller {
            Controller::Ssd1306 => oled.start_ssd1306(),
            Controller::Sh1106 => oled.start_sh1106(),
        };
        oled.wire.explain(done)?;
        Ok(oled)
    }

    /// Sends the next piece of what differs from `picture`, whose topmost rows are shown, and of how bright it is. False
    /// if there was nothing to send.
    ///
    /// # Errors
    /// What the bus said; the display has to be started anew.
    pub fn send(&mut self, picture: &Framebuffer, glow: Glow) -> Result<bool, String> {
        let Some(piece) = self.next_piece(picture, glow) else {
            return Ok(false);
        };
        let done = match piece {
            Piece::Columns { page, from, to } => {
                self.send_columns(page, from, &picture.pages()[page][from..to])
            }
            Piece::Glow(glow) => self.send_glow(glow),
        };
        self.wire.explain(done).map(|()| true)
    }

    /// Whether [`Self::send`] has something to send.
    pub fn is_behind(&self, picture: &Framebuffer, glow: Glow) -> bool {
        self.next_piece(picture, glow).is_some()
    }

    /// Switches it off; its memory stays.
    ///
    /// # Errors
    /// What the bus said.
    pub fn off(&mut self) -> Result<(), String> {
        self.lit = Lit::Not;
        let done = Command::DisplayOn(false).send(&mut self.wire);
        self.wire.explain(done)
    }

    fn next_piece(&self, picture: &Framebuffer, glow: Glow) -> Option<Piece> {
        let pages = self.pages();
        for page in (self.next..self.next + pages).map(|p| p % pages) {
            let (held, wanted) = (&self.held[page], &picture.pages()[page]);
            let differs = |&c: &usize| held[c] != Some(wanted[c]);
            if let Some(from) = (0..WIDTH).find(differs) {
                let last = (from..WIDTH).rfind(differs).unwrap_or(from);
                let to = (last + 1).min(from + self.most);
                return Some(Piece::Columns { page, from, to });
            }
        }
        (self.lit != Lit::At(glow)).then_some(Piece::Glow(glow))
    }

    fn pages(&self) -> usize {
        match self.setup.size {
            OledSize::Tall => PAGES,
            OledSize::Short => PAGES / 2,
        }
    }

    fn send_columns(&mut self, page: usize, from: usize, data: &[u8]) -> Result<(), DisplayError> {
        let first = match self.setup.controller {
            Controller::Ssd1306 => 0,
            Controller::Sh1106 => SH1106_FIRST,
        };
        // Both fit: a picture has 8 pages and 128 columns. The crate counts pages in rows here.
        Command::PageStart(Page::from(page as u8 * 8)).send(&mut self.wire)?;
        Command::ColStart(first + from as u8).send(&mut self.wire)?;
        self.wire.send_data(DataFormat::U8(data))?;
        for (held, &byte) in self.held[page][from..].iter_mut().zip(data) {
            *held = Some(byte);
        }
        self.next = (page + 1) % self.pages();
        Ok(())
    }

    fn send_glow(&mut self, glow: Glow) -> Result<(), DisplayError> {
        let (contrast, charge) = match glow {
            Glow::Bright => BRIGHT,
            Glow::Dim => DIM,
        };
        Command::PreChargePeriod(1, charge).send(&mut self.wire)?;
        Command::Contrast(contrast).send(&mut self.wire)?;
        if self.lit == Lit::Not {
            Command::DisplayOn(true).send(&mut self.wire)?;
        }
        self.lit = Lit::At(glow);
        Ok(())
    }

    fn rotation(&self) -> DisplayRotation {
        match self.setup.upside_down {
            false => DisplayRotation::Rotate0,
            true => DisplayRotation::Rotate180,
        }
    }

    fn start_ssd1306(&mut self) -> Result<(), DisplayError> {
        let rotation = self.rotation();
        let wire = &mut self.wire;
        match self.setup.size {
            OledSize::Tall => Ssd1306::new(&mut *wire, DisplaySize128x64, rotation)
                .init_with_addr_mode(AddrMode::Page)?,
            OledSize::Short => Ssd1306::new(&mut *wire, DisplaySize128x32, rotation)
                .init_with_addr_mode(AddrMode::Page)?,
        }
        // It was switched on, and its memory holds noise.
        Command::DisplayOn(false).send(wire)
    }

    /// The SH1106 knows no addressing mode and no scrolling, and its converter is switched by another command than the
    /// SSD1306's charge pump (datasheet V2.3, commands 11 to 22).
    fn start_sh1106(&mut self) -> Result<(), DisplayError> {
        const CONVERTER_ON: [u8; 2] = [0xad, 0x8b];
        let tall = self.setup.size == OledSize::Tall;
        let upright = !self.setup.upside_down;
        let wire = &mut self.wire;
        Command::DisplayOn(false).send(wire)?;
        Command::DisplayClockDiv(8, 0).send(wire)?;
        Command::Multiplex(if tall { 63 } else { 31 }).send(wire)?;
        Command::DisplayOffset(0).send(wire)?;
        Command::StartLine(0).send(wire)?;
        wire.send_commands(DataFormat::U8(&CONVERTER_ON))?;
        Command::SegmentRemap(upright).send(wire)?;
        Command::ReverseComDir(upright).send(wire)?;
        Command::ComPinConfig(tall, false).send(wire)?;
        Command::VcomhDeselect(VcomhLevel::Auto).send(wire)?;
        Command::AllOn(false).send(wire)?;
        Command::Invert(false).send(wire)
    }
}

/// How many columns of a page a bus of `hertz` carries in a turn.
fn columns_a_turn(hertz: u32) -> usize {
    let bits = u64::from(hertz) * u64::from(TURN) / 1_000_000;
    let columns = bits.saturating_sub(u64::from(OVERHEAD)) / u64::from(BYTE);
    (columns as usize).clamp(8, WIDTH)
}

/// I2C as the `ssd1306` crate wants it. Unlike its own interface this one sends a page in one transfer, not in eight,
/// and keeps what the bus said.
struct Wire<B> {
    bus: B,
    address: u8,
    problem: String,
}

/// The byte before commands and before data (SSD1306 datasheet 8.1.5.2).
const COMMANDS: u8 = 0x00;
const DATA: u8 = 0x40;

impl<B: I2c> Wire<B>
where
    B::Error: Display,
{
    fn write(&mut self, control: u8, bytes: DataFormat<'_>) -> Result<(), DisplayError> {
        let DataFormat::U8(bytes) = bytes else {
            return Err(DisplayError::DataFormatNotImplemented);
        };
        let mut transfer = [control; 1 + WIDTH];
        let transfer = transfer
            .get_mut(..1 + bytes.len())
            .ok_or(DisplayError::OutOfBoundsError)?;
        transfer[1..].copy_from_slice(bytes);
        self.bus.write(self.address, transfer).map_err(|e| {
            self.problem = e.to_string();
            DisplayError::BusWriteError
        })
    }

    fn explain(&mut self, done: Result<(), DisplayError>) -> Result<(), String> {
        done.map_err(|e| match e {
            DisplayError::BusWriteError => std::mem::take(&mut self.problem),
            other => format!("{other:?}"),
        })
    }
}

impl<B: I2c> WriteOnlyDataCommand for Wire<B>
where
    B::Error: Display,
{
    fn send_commands(&mut self, commands: DataFormat<'_>) -> Result<(), DisplayError> {
        self.write(COMMANDS, commands)
    }

    fn send_data(&mut self, data: DataFormat<'_>) -> Result<(), DisplayError> {
        self.write(DATA, data)
    }
}

/// `Ssd1306` owns what it writes to; for its initialisation it borrows the wire.
impl<B: I2c> WriteOnlyDataCommand for &mut Wire<B>
where
    B::Error: Display,
{
    fn send_commands(&mut self, commands: DataFormat<'_>) -> Result<(), DisplayError> {
        Wire::write(self, COMMANDS, commands)
    }

    fn send_data(&mut self, data: DataFormat<'_>) -> Result<(), DisplayError> {
        Wire::write(self, DATA, data)
    }
}
