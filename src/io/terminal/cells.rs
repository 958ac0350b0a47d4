//! Pixels as characters: two in a half block, or eight in a braille pattern.

use std::ops::RangeInclusive;

use crate::intercom::screen::Framebuffer;
use crate::intercom::screen::framebuffer::{HEIGHT, WIDTH};

/// 32 rows of 128 characters, each two pixels, one over the other.
pub fn half_blocks(screen: &Framebuffer) -> Vec<String> {
    let cell = |x, y| match (screen.is_lit(x, y), screen.is_lit(x, y + 1)) {
        (false, false) => ' ',
        (true, false) => '▀',
        (false, true) => '▄',
        (true, true) => '█',
    };
    (0..HEIGHT)
        .step_by(2)
        .map(|y| (0..WIDTH).map(|x| cell(x, y)).collect())
        .collect()
}

/// 16 rows of 64 characters, each two by four pixels.
pub fn braille(screen: &Framebuffer) -> Vec<String> {
    // Dots 1 to 3 and 7 go down the left, 4 to 6 and 8 down the right; dot n is bit n-1 (Unicode, chapter 21.1).
    const DOTS: [(usize, usize); 8] = [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
        (1, 2),
        (0, 3),
        (1, 3),
    ];
    let cell = |x: usize, y: usize| {
        let bits = DOTS
            .iter()
            .zip(0..)
            .filter(|((dx, dy), _)| screen.is_lit(x + dx, y + dy))
            .fold(0, |bits, (_, bit)| bits | 1 << bit);
        char::from_u32(0x2800 + bits).unwrap_or(' ')
    };
    (0..HEIGHT)
        .step_by(4)
        .map(|y| (0..WIDTH).step_by(2).map(|x| cell(x, y)).collect())
        .collect()
}

/// The columns from the first to the last that differ between two rows of the same length.
pub fn changed(before: &str, after: &str) -> Option<RangeInclusive<usize>> {
    let mut differing = before
        .chars()
        .zip(after.chars())
        .zip(0..)
        .filter(|((a, b), _)| a != b)
        .map(|(_, column)| column);
    let first = differing.next()?;
    Some(first..=differing.last().unwrap_or(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corners() -> Framebuffer {
        let mut screen = Framebuffer::new();
        for (x, y) in [(0, 0), (1, 1), (2, 0), (2, 1), (3, 3), (0, 3), (127, 63)] {
            screen.set(x, y, true);
        }
        screen
    }

    #[test]
    fn a_half_block_is_two_pixels() {
        let rows = half_blocks(&corners());
        assert_eq!(rows.len(), 32);
        assert_eq!(rows[0], format!("▀▄█{}", " ".repeat(125)));
        assert_eq!(rows[1], format!("▄  ▄{}", " ".repeat(124)));
        assert_eq!(rows[31], format!("{}▄", " ".repeat(127)));
        assert!(rows[2..31].iter().all(|r| *r == " ".repeat(128)));
    }

    #[test]
    fn a_braille_pattern_is_eight_pixels() {
        let rows = braille(&corners());
        assert_eq!(rows.len(), 16);
        assert_eq!(rows[0], format!("⡑⢃{}", "⠀".repeat(62)));
        assert_eq!(rows[15], format!("{}⢀", "⠀".repeat(63)));
        assert!(rows[1..15].iter().all(|r| *r == "⠀".repeat(64)));
    }

    #[test]
    fn only_the_span_that_changed_is_named() {
        assert_eq!(changed("▀▄█ ", "▀▄█ "), None);
        assert_eq!(changed("▀▄█ ", "▀██▄"), Some(1..=3));
        assert_eq!(changed("▀▄█ ", "▀▄▄ "), Some(2..=2));
    }
}
