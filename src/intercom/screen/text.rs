//! Text that always fits: folded to the characters of the fonts, wrapped at words, in the largest font that holds it.
//!
//! Wrapping is greedy. When lines are left as they are, the last one is often a single word; so the width is
//! narrowed as long as that costs no further line, which spreads the words evenly.

use embedded_graphics::mono_font::iso_8859_1::{
    FONT_4X6, FONT_5X7, FONT_5X8, FONT_6X10, FONT_6X12, FONT_7X13,
};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::{Baseline, Text};
use unicode_normalization::UnicodeNormalization;

use super::framebuffer::Framebuffer;
use super::parts::BODY;

/// Fonts for prose, the most readable first.
const LADDER: [&MonoFont<'static>; 6] = [
    &FONT_7X13, &FONT_6X12, &FONT_6X10, &FONT_5X8, &FONT_5X7, &FONT_4X6,
];

/// Draws one line as it is; `at` is its top left corner. Lit on dark, or dark on lit.
pub fn line(
    target: &mut Framebuffer,
    text: &str,
    at: Point,
    font: &MonoFont<'_>,
    color: BinaryColor,
) {
    let style = MonoTextStyle::new(font, color);
    let Ok(_) = Text::with_baseline(text, at, style, Baseline::Top).draw(target);
}

/// The width of a line, pixels.
pub fn width(text: &str, font: &MonoFont<'_>) -> i32 {
    text.chars().count() as i32 * font.character_size.width as i32
}

/// A text in pages that are shown whole in the body of a screen and in a font that can be read from a chair: one
/// if it holds all, else several that are filled alike. What is beyond the last of nine is cut off, with an ellipsis.
pub fn pages(text: &str) -> Vec<String> {
    const MOST: usize = 9;
    let text = fold(text);
    let (columns, rows) = grid(&FONT_5X7, BODY.size);
    if wrap(&text, columns).len() <= rows {
        return vec![text];
    }
    let (columns, rows) = grid(&FONT_5X8, BODY.size);
    let mut lines = wrap(&text, columns);
    if lines.len() > MOST * rows {
        lines.truncate(MOST * rows);
        ellipsis(&mut lines, columns);
    }
    let pages = lines.len().div_ceil(rows);
    lines
        .chunks(lines.len().div_ceil(pages))
        .map(|page| page.join(" "))
        .collect()
}

/// Draws prose centred in `area`, in the largest font that holds all of it; in the smallest with an ellipsis
/// when none does.
pub fn prose(target: &mut Framebuffer, text: &str, area: Rectangle) {
    let (font, lines) = fit(&fold(text), area.size);
    let height = font.character_size.height as i32;
    let mut y = area.top_left.y + (area.size.height as i32 - height * lines.len() as i32) / 2;
    for text in lines {
        let x = area.top_left.x + (area.size.width as i32 - width(&text, font)) / 2;
        line(target, &text, Point::new(x, y), font, BinaryColor::On);
        y += height;
    }
}

/// The largest font that holds the whole text in `size` without breaking a word, and its lines.
fn fit(text: &str, size: Size) -> (&'static MonoFont<'static>, Vec<String>) {
    let longest_word = text
        .split(' ')
        .map(|w| w.chars().count())
        .max()
        .unwrap_or(0);
    for font in LADDER {
        let (columns, rows) = grid(font, size);
        let lines = wrap(text, columns);
        if lines.len() <= rows && longest_word <= columns {
            return (font, balance(text, columns, lines));
        }
    }
    let (columns, rows) = grid(&FONT_4X6, size);
    let mut lines = wrap(text, columns);
    if lines.len() > rows {
        lines.truncate(rows);
        ellipsis(&mut lines, columns);
    }
    (&FONT_4X6, lines)
}

/// Columns and rows of a font.
fn grid(font: &MonoFont<'_>, size: Size) -> (usize, usize) {
    (
        (size.width / font.character_size.width) as usize,
        (size.height / font.character_size.height) as usize,
    )
}

/// Says that more came behind the last line.
fn ellipsis(lines: &mut [String], columns: usize) {
    if let Some(last) = lines.last_mut() {
        *last = last.chars().take(columns.saturating_sub(3)).collect();
        last.truncate(last.trim_end().len());
        last.push_str("...");
    }
}

/// Breaks folded text at spaces into lines of at most `columns`; a longer word is broken where it must be.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line: Vec<char> = Vec::new();
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let mut word: Vec<char> = word.chars().collect();
        let gap = usize::from(!line.is_empty());
        if line.len() + gap + word.len() > columns && !line.is_empty() {
            lines.push(line.drain(..).collect());
        }
        while word.len() > columns {
            lines.push(word.drain(..columns).collect());
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.append(&mut word);
    }
    if !line.is_empty() {
        lines.push(line.into_iter().collect());
    }
    lines
}

/// The same number of lines, as narrow as can be.
fn balance(text: &str, mut columns: usize, mut lines: Vec<String>) -> Vec<String> {
    let longest_word = text
        .split(' ')
        .map(|w| w.chars().count())
        .max()
        .unwrap_or(0);
    while columns > longest_word.max(1) {
        let narrower = wrap(text, columns - 1);
        if narrower.len() > lines.len() {
            break;
        }
        columns -= 1;
        lines = narrower;
    }
    lines
}

/// The text in ISO 8859-1, which the fonts have: accents kept where it has them and dropped where it has not,
/// typographic marks as their plain forms, white space as single spaces, anything else as `?`.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.nfc() {
        match c {
            c if c.is_whitespace() => {
                if !folded.ends_with(' ') && !folded.is_empty() {
                    folded.push(' ');
                }
            }
            ' '..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{ff}' => folded.push(c),
            '\u{2018}' | '\u{2019}' | '\u{201b}' => folded.push('\''),
            '\u{201c}'..='\u{201f}' => folded.push('"'),
            '\u{2010}'..='\u{2015}' | '\u{2212}' => folded.push('-'),
            '\u{2026}' => folded.push_str("..."),
            c if c.is_control() || is_invisible(c) => {}
            c => match std::iter::once(c).nfkd().next() {
                Some(base @ ' '..='~') => folded.push(base),
                _ => folded.push('?'),
            },
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

/// Takes no room of its own: soft hyphen, zero-width and direction marks, variation selectors, loose accents.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
        || unicode_normalization::char::is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_words_and_long_words_where_they_must() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("  one   two ", 80), ["one two"]);
        assert_eq!(wrap("a abcdefghij b", 4), ["a", "abcd", "efgh", "ij b"]);
        assert_eq!(wrap("", 4), Vec::<String>::new());
        assert_eq!(wrap("abc", 0), ["a", "b", "c"]);
    }

    #[test]
    fn a_last_word_does_not_stand_alone() {
        let text = "Press TALK to call, or enter the code you were given";
        let lines = wrap(text, 25);
        assert_eq!(lines.last().map(String::as_str), Some("given"));
        assert_eq!(
            balance(text, 25, lines),
            ["Press TALK to call,", "or enter the code", "you were given"]
        );
    }

    #[test]
    fn a_short_text_gets_the_largest_font_and_a_long_one_the_smallest() {
        assert_eq!(
            fit("they hung up", BODY.size).0.character_size,
            Size::new(7, 13)
        );
        let long = "word ".repeat(36);
        let (font, lines) = fit(long.trim(), BODY.size);
        assert_eq!((font.character_size, lines.len()), (Size::new(4, 6), 6));
        assert!(lines.iter().all(|l| !l.ends_with("...")));
    }

    #[test]
    fn what_fits_in_no_font_ends_with_an_ellipsis_on_the_last_line() {
        let long = "word ".repeat(400);
        let (_, lines) = fit(long.trim(), BODY.size);
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[5], "word word word word word word...");
        assert!(
            lines[..5]
                .iter()
                .all(|l| l == "word word word word word word")
        );
        let (_, lines) = fit(&"x".repeat(10_000), BODY.size);
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[5], format!("{}...", "x".repeat(29)));
    }

    #[test]
    fn every_page_is_shown_whole_in_a_font_that_can_be_read() {
        for length in 0..1_000 {
            let words = ["a", "word", "of", "somebody's", "settings/sotto.toml:"];
            let text: String = (0..length)
                .map(|i| format!("{} ", words[i * i % 5]))
                .collect();
            let all = pages(&text);
            for page in &all {
                let (font, lines) = fit(page, BODY.size);
                assert!(font.character_size.width >= 5, "{page:?}");
                assert_eq!(lines.join(" "), *page);
            }
            if all.len() < 9 {
                assert_eq!(all.join(" "), text.trim_end());
            }
        }
    }

    #[test]
    fn umlauts_survive_and_other_letters_lose_only_their_accent() {
        assert_eq!(fold("Grüße, Zoë"), "Grüße, Zoë");
        assert_eq!(fold("u\u{308}ber"), "über");
        assert_eq!(fold("Dvořák “here” – it’s…"), "Dvorák \"here\" - it's...");
        assert_eq!(fold("日本 ok"), "?? ok");
        assert_eq!(fold(" a\r\n\tb\u{200b}c\u{7}\u{a0} "), "a bc");
    }
}
