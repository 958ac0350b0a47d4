//! Passphrases: made, normalised, judged.
//!
//! Codes v2 use a passphrase in its normal form, so that what a phone or a person changes by the way (capitals, spaces)
//! does no harm: Unicode NFKC, then lower case, trimmed, runs of white space to one space. White space is Unicode's
//! White_Space and U+FEFF. Codes v1 use the exact text.

use std::fmt;

use bip39::Language;
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, Zeroizing};

/// Under so many characters a passphrase is called weak.
const WEAK: usize = 12;
/// Words of a made passphrase: 11 bits each.
const WORDS: usize = 7;

/// What both ends agreed on; zeroed when dropped, never shown by `Debug`.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// As somebody typed it; `None` when there is nothing but white space.
    pub fn new(text: &str) -> Option<Self> {
        let blank = text.chars().all(is_space);
        (!blank).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// Seven words of the BIP-39 English list from the first 77 of 80 random bits.
    pub fn make(mut random: [u8; 10]) -> Self {
        let words = words::<WORDS>(&random);
        random.zeroize();
        let length = words.iter().map(|w| w.len() + 1).sum();
        let mut text = Zeroizing::new(String::with_capacity(length));
        for word in words {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
        Self(text)
    }

    /// As it was typed: what v1 uses, and what the owner is shown.
    pub fn exact(&self) -> &str {
        &self.0
    }

    /// The normal form: what v2 uses.
    pub fn normalised(&self) -> Zeroizing<String> {
        let nfkc = collect(self.0.nfkc());
        let lower = Zeroizing::new(nfkc.to_lowercase());
        let mut spaced = Zeroizing::new(String::with_capacity(lower.len()));
        for word in lower.split(is_space).filter(|w| !w.is_empty()) {
            if !spaced.is_empty() {
                spaced.push(' ');
            }
            spaced.push_str(word);
        }
        spaced
    }

    /// Whether it is short enough to be guessed.
    pub fn is_weak(&self) -> bool {
        self.normalised().chars().count() < WEAK
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// The first `N` groups of 11 bits, big-endian, as words of the BIP-39 English list.
///
/// # Panics
/// If `bits` holds fewer than `11 * N` bits; every caller's length is fixed.
pub(super) fn words<const N: usize>(bits: &[u8]) -> [&'static str; N] {
    let list = Language::English.word_list();
    std::array::from_fn(|word| {
        let index = (word * 11..word * 11 + 11).fold(0, |index, bit| {
            index << 1 | usize::from(bits[bit / 8] >> (7 - bit % 8) & 1)
        });
        list[index]
    })
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c == '\u{FEFF}'
}

/// Collects without growing, which would leave unzeroed copies behind.
fn collect(chars: impl Iterator<Item = char> + Clone) -> Zeroizing<String> {
    let length = chars.clone().map(char::len_utf8).sum();
    let mut text = Zeroizing::new(String::with_capacity(length));
    text.extend(chars);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> String {
        Passphrase::new(text).unwrap().normalised().to_string()
    }

    #[test]
    fn nothing_but_white_space_is_no_passphrase() {
        for text in ["", " ", "\t\r\n\u{A0}\u{3000}\u{FEFF}"] {
            assert!(Passphrase::new(text).is_none(), "{text:?}");
        }
        assert_eq!(Passphrase::new(" x ").unwrap().exact(), " x ");
    }

    #[test]
    fn what_phones_and_people_change_makes_no_difference() {
        assert_eq!(
            normal("  Correct\u{A0}Horse \t\n battery\u{FEFF} "),
            "correct horse battery"
        );
        assert_eq!(normal("Ä"), normal("a\u{308}"));
        assert_eq!(normal("ＡＢＣ　１２３ ﬁ"), "abc 123 fi");
        assert_eq!(normal("ΟΔΟΣ"), "οδος");
        assert_eq!(normal("Straße"), "straße");
    }

    #[test]
    fn eighty_bits_make_seven_words_of_the_bip39_list() {
        assert_eq!(Passphrase::make([0; 10]).exact(), ["abandon"; 7].join(" "));
        assert_eq!(Passphrase::make([0xFF; 10]).exact(), ["zoo"; 7].join(" "));
        // 00000000001 00000000010 and so on: indices 1 to 7; the last three bits do not count.
        let bits: u128 = (1..=7).fold(0, |bits, index| bits << 11 | index) << 3 | 0b101;
        let random: [u8; 10] = bits.to_be_bytes()[6..].try_into().unwrap();
        assert_eq!(
            Passphrase::make(random).exact(),
            "ability able about above absent absorb abstract"
        );
    }

    #[test]
    fn the_list_is_bip39s_english_one() {
        use sha2::{Digest, Sha256};
        let text: String = Language::English
            .word_list()
            .iter()
            .map(|w| format!("{w}\n"))
            .collect();
        let hash: String = Sha256::digest(text)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        // Of english.txt beside the standard's text.
        assert_eq!(
            hash,
            "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
        );
    }

    #[test]
    fn under_twelve_characters_is_weak() {
        assert!(Passphrase::new("elevenchars").unwrap().is_weak());
        assert!(Passphrase::new("  a          b  ").unwrap().is_weak());
        assert!(!Passphrase::new("twelve chars").unwrap().is_weak());
        assert!(!Passphrase::make([0; 10]).is_weak());
    }

    #[test]
    fn debug_does_not_show_it() {
        assert_eq!(format!("{:?}", Passphrase::new("hush")), "Some(Passphrase)");
    }
}
