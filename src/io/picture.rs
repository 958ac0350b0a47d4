//! Pictures of the screen as PNG files, coloured like the OLED.

use embedded_graphics::geometry::Point;
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_6X10;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::*;
use embedded_graphics::text::{Baseline, Text};

use crate::intercom::screen::Framebuffer;
use crate::intercom::screen::framebuffer::{HEIGHT, WIDTH};

/// Panels side by side in a sheet.
const COLUMNS: usize = 3;
/// All below in screen pixels: dark glass around the lit area, space between panels, a caption's height.
const BEZEL: usize = 5;
const MARGIN: usize = 10;
const CAPTION: usize = 11;

/// The colours, by their index.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Ink {
    Page,
    Glass,
    Dark,
    Lit,
    /// Between two pixels that are lit.
    Seam,
    Caption,
}

/// Red, green, blue, in the order of [`Ink`].
const PALETTE: [[u8; 3]; 6] = [
    [0x1b, 0x1f, 0x26],
    [0x05, 0x06, 0x08],
    [0x09, 0x0b, 0x10],
    [0xd8, 0xec, 0xff],
    [0x8f, 0xa6, 0xbd],
    [0x9a, 0xa7, 0xb5],
];

/// One screen as a PNG, every pixel a square of `scale` (at least 1).
pub fn panel(screen: &Framebuffer, scale: usize) -> Vec<u8> {
    let scale = scale.max(1);
    let mut canvas = Canvas::new(WIDTH * scale, HEIGHT * scale);
    canvas.screen(screen, 0, 0, scale);
    canvas.png()
}

/// Named screens in rows of three, each over its name, as a PNG.
pub fn sheet(screens: &[(&str, Framebuffer)], scale: usize) -> Vec<u8> {
    let scale = scale.max(1);
    let columns = screens.len().clamp(1, COLUMNS);
    let rows = screens.len().div_ceil(columns).max(1);
    let (across, down) = (
        WIDTH + 2 * BEZEL + MARGIN,
        HEIGHT + 2 * BEZEL + CAPTION + MARGIN,
    );
    let mut canvas = Canvas::new(
        (columns * across + MARGIN) * scale,
        (rows * down + MARGIN) * scale,
    );
    for (i, (name, screen)) in screens.iter().enumerate() {
        let x = MARGIN + (i % columns) * across;
        let y = MARGIN + (i / columns) * down;
        canvas.glass(x, y, scale);
        canvas.screen(screen, x + BEZEL, y + BEZEL, scale);
        canvas.caption(name, x, y + HEIGHT + 2 * BEZEL + 1, scale);
    }
    canvas.png()
}

struct Canvas {
    width: usize,
    height: usize,
    inks: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            inks: vec![Ink::Page as u8; width * height],
        }
    }

    fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, ink: Ink) {
        for row in y..(y + height).min(self.height) {
            let start = row * self.width;
            let right = (x + width).min(self.width);
            self.inks[start + x.min(right)..start + right].fill(ink as u8);
        }
    }

    /// A panel's housing, its corners cut.
    fn glass(&mut self, x: usize, y: usize, scale: usize) {
        let (width, height) = (WIDTH + 2 * BEZEL, HEIGHT + 2 * BEZEL);
        for (inset, top) in [(2, 0), (1, 1), (0, 2)] {
            self.fill(
                (x + inset) * scale,
                (y + top) * scale,
                (width - 2 * inset) * scale,
                (height - 2 * top) * scale,
                Ink::Glass,
            );
        }
    }

    /// The lit area; from a scale of 3 on, pixels are seen as such.
    fn screen(&mut self, screen: &Framebuffer, x: usize, y: usize, scale: usize) {
        self.fill(
            x * scale,
            y * scale,
            WIDTH * scale,
            HEIGHT * scale,
            Ink::Dark,
        );
        for row in 0..HEIGHT {
            for column in (0..WIDTH).filter(|&c| screen.is_lit(c, row)) {
                let (left, top) = ((x + column) * scale, (y + row) * scale);
                if scale < 3 {
                    self.fill(left, top, scale, scale, Ink::Lit);
                    continue;
                }
                self.fill(left, top, scale, scale, Ink::Seam);
                self.fill(left, top, scale - 1, scale - 1, Ink::Lit);
            }
        }
    }

    /// At most 128 pixels of it, centred under the panel.
    fn caption(&mut self, text: &str, x: usize, y: usize, scale: usize) {
        let mut line = Framebuffer::new();
        let style = MonoTextStyle::new(&FONT_6X10, BinaryColor::On);
        let Ok(_) = Text::with_baseline(text, Point::zero(), style, Baseline::Top).draw(&mut line);
        let width = (text.chars().count() * 6).min(WIDTH);
        let x = x + (WIDTH + 2 * BEZEL - width) / 2;
        for row in 0..CAPTION.min(HEIGHT) {
            for column in (0..width).filter(|&c| line.is_lit(c, row)) {
                self.fill(
                    (x + column) * scale,
                    (y + row) * scale,
                    scale,
                    scale,
                    Ink::Caption,
                );
            }
        }
    }

    fn png(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Four);
        encoder.set_palette(PALETTE.concat());
        encoder.set_compression(png::Compression::High);
        // Two pixels a byte, every row starting a new one.
        let packed: Vec<u8> = self
            .inks
            .chunks(self.width)
            .flat_map(|row| {
                row.chunks(2)
                    .map(|two| two[0] << 4 | two.get(1).copied().unwrap_or(0))
            })
            .collect();
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&packed))
            .expect("writing to memory, in the size that the header says");
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(file: &[u8]) -> (png::OutputInfo, Vec<u8>) {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info, pixels)
    }

    #[test]
    fn a_lit_pixel_is_bluish_white_and_the_rest_near_black() {
        let mut screen = Framebuffer::new();
        screen.set(1, 0, true);
        let (info, pixels) = decode(&panel(&screen, 1));
        assert_eq!((info.width, info.height), (128, 64));
        assert_eq!(pixels[..9], [9, 11, 16, 0xd8, 0xec, 0xff, 9, 11, 16]);
    }

    #[test]
    fn a_sheet_holds_three_panels_a_row_and_any_number_of_rows() {
        let screen = Framebuffer::new();
        let size = |n| {
            let (info, _) = decode(&sheet(
                &vec![("a name that is far too long for its panel", screen.clone()); n],
                2,
            ));
            (info.width, info.height)
        };
        assert_eq!(size(0), (316, 210));
        assert_eq!(size(1), (316, 210));
        assert_eq!(size(4), (908, 400));
    }
}
