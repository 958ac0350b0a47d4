//! 128x64 pixels in the memory layout of the SSD1306: what is drawn is what is sent.

use std::convert::Infallible;

use embedded_graphics::Pixel;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::DrawTarget;

/// Columns.
pub const WIDTH: usize = 128;
/// Rows.
pub const HEIGHT: usize = 64;
/// Pages of eight rows.
pub const PAGES: usize = HEIGHT / 8;

/// One picture of 1 KiB; what is drawn beyond its edges is cut off.
///
/// Eight pages from top to bottom, a byte a column, bit 0 the topmost row of its page (SSD1306 datasheet 8.7).
#[derive(Clone, PartialEq, Eq)]
pub struct Framebuffer {
    pages: [[u8; WIDTH]; PAGES],
}

impl Framebuffer {
    /// All dark.
    pub const fn new() -> Self {
        Self {
            pages: [[0; WIDTH]; PAGES],
        }
    }

    /// A picture from its bytes, page after page.
    pub fn from_bytes(bytes: &[u8; WIDTH * PAGES]) -> Self {
        let mut picture = Self::new();
        picture.pages.as_flattened_mut().copy_from_slice(bytes);
        picture
    }

    /// All dark again.
    pub fn wipe(&mut self) {
        self.pages = [[0; WIDTH]; PAGES];
    }

    /// The pages as the display takes them, so that only changed ones need to be sent.
    pub fn pages(&self) -> &[[u8; WIDTH]; PAGES] {
        &self.pages
    }

    /// Whether a pixel is lit; those beyond the edges are dark.
    pub fn is_lit(&self, x: usize, y: usize) -> bool {
        x < WIDTH && y < HEIGHT && self.pages[y / 8][x] & (1 << (y % 8)) != 0
    }

    /// Lights or darkens a pixel; beyond the edges nothing happens.
    pub fn set(&mut self, x: usize, y: usize, lit: bool) {
        if x >= WIDTH || y >= HEIGHT {
            return;
        }
        let bit = 1 << (y % 8);
        match lit {
            true => self.pages[y / 8][x] |= bit,
            false => self.pages[y / 8][x] &= !bit,
        }
    }
}

impl Default for Framebuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl OriginDimensions for Framebuffer {
    fn size(&self) -> Size {
        Size::new(WIDTH as u32, HEIGHT as u32)
    }
}

impl DrawTarget for Framebuffer {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<BinaryColor>>,
    {
        for Pixel(at, color) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(at.x), usize::try_from(at.y)) {
                self.set(x, y, color.is_on());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_graphics::geometry::Point;
    use embedded_graphics::prelude::*;
    use embedded_graphics::primitives::{PrimitiveStyle, Rectangle};

    #[test]
    fn bit_0_of_a_page_is_its_topmost_row() {
        let mut fb = Framebuffer::new();
        fb.set(0, 0, true);
        fb.set(127, 63, true);
        fb.set(5, 10, true);
        assert_eq!(fb.pages()[0][0], 0b0000_0001);
        assert_eq!(fb.pages()[7][127], 0b1000_0000);
        assert_eq!(fb.pages()[1][5], 0b0000_0100);
        fb.set(5, 10, false);
        assert_eq!(fb.pages()[1][5], 0);
    }

    #[test]
    fn what_is_beyond_the_edges_is_cut_off() {
        let mut fb = Framebuffer::new();
        let Ok(()) = Rectangle::new(Point::new(-5, -5), Size::new(6, 6))
            .into_styled(PrimitiveStyle::with_fill(BinaryColor::On))
            .draw(&mut fb);
        let Ok(()) = Rectangle::new(Point::new(127, 63), Size::new(1000, 1000))
            .into_styled(PrimitiveStyle::with_fill(BinaryColor::On))
            .draw(&mut fb);
        let mut expected = Framebuffer::new();
        expected.set(0, 0, true);
        expected.set(127, 63, true);
        assert!(fb == expected);
    }
}
