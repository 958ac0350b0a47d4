//! A display below the crate that drives it: decodes what came over the I2C bus as an SSD1306 or SH1106 does, and shows it
//! on glass wired as modules are.
//!
//! After the datasheets: Solomon Systech SSD1306 rev 1.1 (commands: 9 and 10; memory: 8.7), Sino Wealth SH1106 V2.3.

use std::cell::RefCell;
use std::rc::Rc;

use embedded_hal::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use sotto::config::{Controller, OledSize};

pub const WIDTH: usize = 128;

/// The bus end: clones share the chip.
#[derive(Clone)]
pub struct Bus(pub Rc<RefCell<Chip>>);

#[derive(Debug)]
pub struct Nak;

impl std::fmt::Display for Nak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no acknowledgement")
    }
}

impl embedded_hal::i2c::Error for Nak {
    fn kind(&self) -> ErrorKind {
        ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address)
    }
}

impl ErrorType for Bus {
    type Error = Nak;
}

impl I2c for Bus {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), Nak> {
        let mut chip = self.0.borrow_mut();
        for operation in operations {
            match operation {
                Operation::Write(bytes) => chip.write(address, bytes)?,
                Operation::Read(_) => panic!("a display is never read"),
            }
        }
        Ok(())
    }
}

/// The chip and its glass.
pub struct Chip {
    controller: Controller,
    rows: usize,
    address: u8,
    memory: [[u8; 132]; 8],
    page: usize,
    column: usize,
    /// A command whose parameters are awaited.
    partial: Vec<u8>,
    remap: bool,
    reversed: bool,
    multiplex: usize,
    offset: usize,
    start_line: usize,
    alternative: bool,
    page_mode: bool,
    on: bool,
    all_on: bool,
    inverted: bool,
    pump: bool,
    pub contrast: u8,
    /// Transfers, and bits on the wire, since the last [`Self::take_bits`].
    pub writes: usize,
    bits: u32,
    /// Fails from this transfer on, so many times.
    pub failing: std::ops::Range<usize>,
}

impl Chip {
    pub fn new(controller: Controller, size: OledSize, address: u8) -> Self {
        let mut chip = Self {
            controller,
            rows: match size {
                OledSize::Tall => 64,
                OledSize::Short => 32,
            },
            address,
            memory: [[0; 132]; 8],
            page: 0,
            column: 0,
            partial: Vec::new(),
            remap: false,
            reversed: false,
            multiplex: 63,
            offset: 0,
            start_line: 0,
            alternative: true,
            page_mode: true,
            on: false,
            all_on: false,
            inverted: false,
            pump: controller == Controller::Sh1106,
            contrast: 0x7f,
            writes: 0,
            bits: 0,
            failing: 0..0,
        };
        chip.lose_power();
        chip
    }

    /// What power-on leaves: noise in the memory and the registers at their reset values.
    pub fn lose_power(&mut self) {
        let mut noise = 0x2545_f491_u32;
        for byte in self.memory.as_flattened_mut() {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            *byte = noise as u8;
        }
        (self.page, self.column, self.start_line, self.offset) = (0, 0, 0, 0);
        (self.remap, self.reversed, self.on, self.inverted) = (false, false, false, false);
        (self.multiplex, self.alternative, self.page_mode) = (63, true, true);
        self.pump = self.controller == Controller::Sh1106;
        self.contrast = 0x7f;
        self.partial.clear();
    }

    /// Bits since last asked, with those of starts, stops and acknowledgements.
    pub fn take_bits(&mut self) -> u32 {
        std::mem::take(&mut self.bits)
    }

    pub fn is_on(&self) -> bool {
        self.on
    }

    fn write(&mut self, address: u8, bytes: &[u8]) -> Result<(), Nak> {
        let number = self.writes;
        self.writes += 1;
        self.bits += 2 + 9;
        if address != self.address || self.failing.contains(&number) {
            return Err(Nak);
        }
        self.bits += 9 * bytes.len() as u32;
        match bytes.split_first() {
            Some((0x00, commands)) => commands.iter().for_each(|&b| self.command(b)),
            Some((0x40, data)) => data.iter().for_each(|&b| self.data(b)),
            other => panic!("no such control byte: {other:?}"),
        }
        Ok(())
    }

    fn columns(&self) -> usize {
        match self.controller {
            Controller::Ssd1306 => 128,
            Controller::Sh1106 => 132,
        }
    }

    fn data(&mut self, byte: u8) {
        assert!(self.partial.is_empty(), "data within a command");
        assert!(self.column < self.columns(), "column {}", self.column);
        assert!(self.page_mode, "only page addressing is decoded here");
        let column = match self.controller {
            // The SSD1306 remaps when data comes in (10.1.8).
            Controller::Ssd1306 if self.remap => 127 - self.column,
            _ => self.column,
        };
        self.memory[self.page][column] = byte;
        // The pointer stays in its page.
        self.column = (self.column + 1) % self.columns();
    }

    fn command(&mut self, byte: u8) {
        self.partial.push(byte);
        let ssd = self.controller == Controller::Ssd1306;
        match *self.partial.as_slice() {
            [c @ 0x00..=0x0f] => self.column = self.column & 0xf0 | usize::from(c),
            [c @ 0x10..=0x1f] => self.column = self.column & 0x0f | usize::from(c & 0x0f) << 4,
            [0x20] if ssd => return,
            [0x20, mode] => self.page_mode = mode & 3 == 2,
            [0x2e] if ssd => {}
            [c @ 0x40..=0x7f] => self.start_line = usize::from(c & 0x3f),
            [0x81 | 0xa8 | 0xd3 | 0xd5 | 0xd9 | 0xda | 0xdb] => return,
            [0x8d] if ssd => return,
            [0xad] if !ssd => return,
            [0x81, contrast] => self.contrast = contrast,
            [0x8d, setting] => self.pump = setting & 0x04 != 0,
            [0xad, setting] => self.pump = setting & 0x01 != 0,
            [0xa8, ratio] => self.multiplex = usize::from(ratio & 0x3f),
            [0xd3, offset] => self.offset = usize::from(offset & 0x3f),
            [0xda, pins] => self.alternative = pins & 0x10 != 0,
            [0xd5 | 0xd9 | 0xdb, _] => {}
            [c @ 0xa0..=0xa1] => self.remap = c & 1 != 0,
            [c @ 0xa4..=0xa5] => self.all_on = c & 1 != 0,
            [c @ 0xa6..=0xa7] => self.inverted = c & 1 != 0,
            [c @ 0xae..=0xaf] => self.on = c & 1 != 0,
            [c @ 0xb0..=0xb7] => self.page = usize::from(c & 7),
            [c @ (0xc0 | 0xc8)] => self.reversed = c & 8 != 0,
            ref other => panic!("{:?} has no command {other:02x?}", self.controller),
        }
        self.partial.clear();
    }

    /// Whether a pixel of the glass is lit, seen as the module stands: its pins at the top.
    pub fn is_lit(&self, x: usize, y: usize) -> bool {
        if !self.on || !self.pump {
            return false;
        }
        if self.all_on {
            return true;
        }
        // A glass of 64 rows has its rows at alternating sides of the chip, one of 32 in sequence; told the wrong one
        // the chip scans them out of order.
        let y = match self.alternative == (self.rows == 64) {
            true => y,
            false => y % 2 * self.rows / 2 + y / 2,
        };
        // Modules are wired so that the last segment is at the left and the last row of the glass at the top.
        let com = (self.rows - 1 - y + self.offset) % 64;
        if com > self.multiplex {
            return false;
        }
        let scanned = match self.reversed {
            true => self.multiplex - com,
            false => com,
        };
        let row = (scanned + self.start_line) % 64;
        let column = match (self.controller, self.remap) {
            (Controller::Ssd1306, _) => 127 - x,
            (Controller::Sh1106, true) => 131 - (129 - x),
            (Controller::Sh1106, false) => 129 - x,
        };
        (self.memory[row / 8][column] >> (row % 8) & 1 != 0) != self.inverted
    }
}
