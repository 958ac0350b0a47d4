//! What screens are made of: headline, level meters, quality bars, icons.
//!
//! An OLED wears where it is lit, and this one is never off. So what stands still is thin lines on dark, and a filled
//! shape means one thing only: this is live, or needs you now.

use embedded_graphics::mono_font::iso_8859_1::{FONT_5X7, FONT_7X13_BOLD};
use embedded_graphics::pixelcolor::BinaryColor::{self, Off, On};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{PrimitiveStyle, Rectangle};

use super::framebuffer::{Framebuffer, WIDTH};
use super::text::{line, width};

/// Between headline and keys.
pub const BODY: Rectangle = Rectangle::new(Point::new(0, 15), Size::new(WIDTH as u32, 37));

/// Right end of what stands at the right.
const RIGHT: i32 = WIDTH as i32;
/// Segments of a level meter, 3 pixels apart.
const SEGMENTS: i32 = 16;
/// Below this a meter is dark, dBFS.
const FLOOR: i32 = -60;

/// The headline over its rule, and something short at the right.
pub fn headline(target: &mut Framebuffer, text: &str, right: &str) {
    line(target, text, Point::zero(), &FONT_7X13_BOLD, On);
    let x = RIGHT - width(right, &FONT_5X7);
    line(target, right, Point::new(x, 4), &FONT_5X7, On);
    rule(target);
}

/// The headline of what needs the owner now, filled, and something short at the right.
pub fn alert(target: &mut Framebuffer, text: &str, right: &str) {
    fill(target, 0, 0, RIGHT, 13, On);
    icon(target, WARNING, Point::new(3, 2), Off);
    line(target, text, Point::new(18, 0), &FONT_7X13_BOLD, Off);
    let x = RIGHT - 3 - width(right, &FONT_5X7);
    line(target, right, Point::new(x, 4), &FONT_5X7, Off);
}

/// The line under a headline.
pub fn rule(target: &mut Framebuffer) {
    fill(target, 0, 13, RIGHT, 1, On);
}

/// A level of -60 to 0 dBFS as segments; `at` is the top left corner of its 47x7 pixels.
pub fn meter(target: &mut Framebuffer, dbfs: i8, at: Point) {
    let lit = segments(dbfs);
    for i in 0..SEGMENTS {
        let x = at.x + i * 3;
        match i < lit {
            true => fill(target, x, at.y, 2, 7, On),
            false => fill(target, x, at.y + 3, 2, 1, On),
        }
    }
}

/// How many segments a level lights: none at -60 dBFS and below, one as soon as there is more, all at 0.
fn segments(dbfs: i8) -> i32 {
    let above = i32::from(dbfs).clamp(FLOOR, 0) - FLOOR;
    (above * SEGMENTS + -FLOOR - 1) / -FLOOR
}

/// Quality 0 to 4 as bars; `at` is the top left corner of their 15x9 pixels.
pub fn bars(target: &mut Framebuffer, quality: u8, at: Point) {
    for i in 0..4 {
        let height = match i < i32::from(quality) {
            true => 3 + 2 * i,
            false => 1,
        };
        fill(target, at.x + i * 4, at.y + 9 - height, 3, height, On);
    }
}

/// A filled rectangle.
pub fn fill(target: &mut Framebuffer, x: i32, y: i32, width: i32, height: i32, color: BinaryColor) {
    let size = Size::new(width.max(0) as u32, height.max(0) as u32);
    let Ok(()) = Rectangle::new(Point::new(x, y), size)
        .into_styled(PrimitiveStyle::with_fill(color))
        .draw(target);
}

/// Draws an icon's `#` pixels.
pub fn icon(target: &mut Framebuffer, rows: &[&str], at: Point, color: BinaryColor) {
    let pixels = rows.iter().zip(0..).flat_map(|(row, y)| {
        row.chars()
            .zip(0..)
            .filter(|(c, _)| *c == '#')
            .map(move |(_, x)| Pixel(at + Point::new(x, y), color))
    });
    let Ok(()) = target.draw_iter(pixels);
}

/// A microphone, 7x9.
pub const MICROPHONE: &[&str] = &[
    "..###..", "..###..", "..###..", "#.###.#", "#.###.#", "#.....#", ".#####.", "...#...",
    ".#####.",
];

/// A loudspeaker, 8x9.
pub const SPEAKER: &[&str] = &[
    "...#....", "..##..#.", "####...#", "####.#.#", "####.#.#", "####.#.#", "####...#", "..##..#.",
    "...#....",
];

/// A closed padlock, 9x11.
pub const PADLOCK: &[&str] = &[
    "..#####..",
    ".##...##.",
    ".#.....#.",
    ".#.....#.",
    "#########",
    "#########",
    "####.####",
    "####.####",
    "####.####",
    "#########",
    ".#######.",
];

/// Points at the chosen line, 4x7.
pub const CHOSEN: &[&str] = &["#...", "##..", "###.", "####", "###.", "##..", "#..."];

/// A warning triangle, 11x10.
pub const WARNING: &[&str] = &[
    ".....#.....",
    "....###....",
    "....#.#....",
    "...##.##...",
    "...##.##...",
    "..###.###..",
    "..#######..",
    ".####.####.",
    ".####.####.",
    "###########",
];

/// An intercom, 15x16: speaker holes above a button.
pub const INTERCOM: &[&str] = &[
    ".#############.",
    "#.............#",
    "#..#.#.#.#.#..#",
    "#.............#",
    "#...#.#.#.#...#",
    "#.............#",
    "#..#.#.#.#.#..#",
    "#.............#",
    "#.............#",
    "#.....###.....#",
    "#....#####....#",
    "#....#####....#",
    "#....#####....#",
    "#.....###.....#",
    "#.............#",
    ".#############.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_is_dark_at_minus_60_dbfs_and_full_at_0() {
        let table = [
            (-96, 0),
            (-60, 0),
            (-59, 1),
            (-56, 2),
            (-30, 8),
            (-15, 12),
            (-1, 16),
            (0, 16),
            (20, 16),
        ];
        for (dbfs, lit) in table {
            assert_eq!(segments(dbfs), lit, "{dbfs} dBFS");
        }
    }
}
