//! Codes: find them in any text, open, seal.
//!
//! A text is first reduced to the characters that can matter: what mail clients and messengers put in between (white
//! space, line breaks, `>` and `|` quote marks, zero-width characters) goes. In what is left a v2 code begins at `sotto2o`
//! or `sotto2a` and says its own length; a v1 code is base64 of a JSON object and ends with the object's brace.
//!
//! Time is linear in the text. A v2 code is at most [`v2::MAX_CHARS`] characters and at most 1024 beginnings
//! are tried. Decoding v1 stops at the first byte that such an object cannot have; an object has one opening brace, so
//! two tries of the same base64 phase never read the same character, and there are four phases.

pub mod contents;
pub mod seal;
pub mod v1;
pub mod v2;

use std::fmt;

/// The longest text that is searched, in bytes.
pub const MAX_TEXT: usize = 1 << 20;
/// The most codes taken from one text: each may cost a key derivation.
pub const MAX_CODES: usize = 4;
/// The most beginnings of v2 codes that are tried in one text.
const MAX_TRIES: usize = 1024;

/// Which half of a call's beginning a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first: asks for an answer.
    Offer,
    /// The second: belongs to one offer.
    Answer,
}

/// One whole code, still sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// The original browser app's.
    V1(v1::Sealed),
    /// sotto's own.
    V2(v2::Sealed),
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V1(sealed) => sealed.fmt(f),
            Self::V2(sealed) => sealed.fmt(f),
        }
    }
}

/// What a text holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Whole codes in their order, each once, at most [`MAX_CODES`].
    pub codes: heapless::Vec<Code, MAX_CODES>,
    /// The first thing that looks like a code and is none that can be used; or why the text was not searched.
    pub damaged: Option<CodeError>,
}

/// Why there is no code, or why it does not open; displayed for the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeError {
    /// Nothing in the text looks like a code.
    None,
    /// The text is over [`MAX_TEXT`].
    TooLong,
    /// The text ends within a code.
    CutShort {
        /// Characters that are there.
        have: usize,
        /// Characters of the whole code.
        of: usize,
    },
    /// Characters are missing or were changed.
    Damaged,
    /// A later version's.
    Newer,
    /// Sealed with another passphrase, or forged.
    Passphrase,
    /// An answer to an offer that is not the one waiting.
    OtherCall,
    /// Made at this end.
    Own,
    /// An offer where an answer is needed, or the other way round.
    Unexpected(Kind),
    /// Opened, and what it says is not possible.
    Malformed,
}

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "There is no code here. A code begins with sotto2 (an original one with eyJ): copy all of it.",
            Self::TooLong => "This text is longer than 1 MiB. Give only the part that holds the code.",
            Self::CutShort { have, of } => {
                return write!(
                    f,
                    "This code is cut short: {have} of its {of} characters are here. Copy all of it and try again."
                );
            }
            Self::Damaged => "This code is damaged or cut short. Copy it again, all of it, from its first character to its last.",
            Self::Newer => "This code was made by a newer sotto. Update this one, then enter the code again.",
            Self::Passphrase => "This code does not open: the other end has another passphrase. Set the same one at both ends, then make a new code or enter this one again.",
            Self::OtherCall => "This answer belongs to another call. Enter the answer to the offer that is waiting here, or have that offer answered.",
            Self::Own => "This is your own code. Give it to the other end, and enter the code that comes back.",
            Self::Unexpected(Kind::Offer) => "This is an offer, and an answer is needed here.",
            Self::Unexpected(Kind::Answer) => "This is an answer, and an offer is needed here.",
            Self::Malformed => "This code opens, but what it says is not a call that sotto can make. Make a new one at the other end.",
        })
    }
}

impl std::error::Error for CodeError {}

/// Finds the codes in a text.
pub fn find(text: &str) -> Search {
    let mut search = Search {
        codes: heapless::Vec::new(),
        damaged: None,
    };
    if text.len() > MAX_TEXT {
        search.damaged = Some(CodeError::TooLong);
        return search;
    }
    let stream = significant(text);
    // "sotto2 offers" in a sentence is no damaged code: only an unbroken beginning is told as one.
    let unbroken = text.contains("sotto2o") || text.contains("sotto2a");
    let mut tries = 0;
    let mut at = 0;
    while at < stream.len() && !search.codes.is_full() {
        let rest = &stream[at..];
        let found = match rest[0] {
            b'e' => v1::scan(rest).map(|r| r.map(|(sealed, n)| (Code::V1(sealed), n))),
            b's' if tries < MAX_TRIES => {
                let found = v2::scan(rest);
                tries += usize::from(found.is_some());
                found
                    .map(|r| r.map(|(sealed, n)| (Code::V2(sealed), n)))
                    .filter(|r| r.is_ok() || unbroken)
                    .or_else(|| is_newer(rest).then_some(Err(CodeError::Newer)))
            }
            _ => None,
        };
        match found {
            Some(Ok((code, length))) => {
                if !search.codes.contains(&code) {
                    // The loop's condition says that there is room.
                    let _ = search.codes.push(code);
                }
                at += length;
            }
            Some(Err(error)) => {
                search.damaged.get_or_insert(error);
                at += 1;
            }
            None => at += 1,
        }
    }
    search
}

/// The characters that can belong to a code; what is not ASCII becomes one byte that ends any code.
fn significant(text: &str) -> Vec<u8> {
    let bytes = text.chars().filter(|c| !is_filler(*c));
    bytes
        .map(|c| if c.is_ascii() { c as u8 } else { 0xFF })
        .collect()
}

/// What carriers put between a code's characters: white space, quote marks, and format characters with no width.
pub fn is_filler(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '>' | '|')
        || matches!(
            c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
        )
}

/// Whether this begins like a code of a later format, such as `sotto3o…`.
fn is_newer(stream: &[u8]) -> bool {
    let Some(rest) = stream.strip_prefix(b"sotto") else {
        return false;
    };
    let [version @ b'2'..=b'9', kind @ b'a'..=b'z', body @ ..] = rest else {
        return false;
    };
    let known = *version == b'2' && matches!(kind, b'o' | b'a');
    let length = body
        .iter()
        .take(64)
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        .count();
    !known && length == 64
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD as BASE64, Engine};

    use super::*;

    /// A whole v2 code; its check is right, and nothing opens it.
    fn code(fill: u8) -> (String, Code) {
        let head = v2::head(Kind::Offer, &[fill; 16], &[fill; 4], 33);
        let sealed = v2::Sealed::assemble(Kind::Offer, &head, &[fill; 33 + 16]);
        (sealed.to_string(), Code::V2(sealed))
    }

    fn v1_code(data: u8) -> (String, Code) {
        let sealed = v1::Sealed::new([7; 12], vec![data; 40]);
        (sealed.to_string(), Code::V1(sealed))
    }

    fn found(text: &str) -> Vec<Code> {
        find(text).codes.into_iter().collect()
    }

    #[test]
    fn a_text_without_a_code_says_nothing_of_damage() {
        for text in [
            "",
            "hello",
            "sotto2 offers you a call",
            "the e in sotto, sotto2",
            "eyes",
            "{\"iv\":[1]}",
        ] {
            let search = find(text);
            assert_eq!((search.codes.len(), search.damaged), (0, None), "{text}");
        }
    }

    #[test]
    fn a_code_is_found_with_anything_directly_around_it() {
        let (text, code) = code(1);
        assert_eq!(found(&text), std::slice::from_ref(&code));
        assert_eq!(
            found(&format!("sotto{text}Regards")),
            std::slice::from_ref(&code)
        );
        assert_eq!(found(&format!("«{text}».")), std::slice::from_ref(&code));
        assert_eq!(found(&format!("My code:{text}!")), [code]);
        let (text, code) = v1_code(1);
        assert_eq!(found(&format!("eye{text}Regards, e")), [code]);
    }

    #[test]
    fn what_mail_clients_and_messengers_put_in_between_is_skipped() {
        for (text, code) in [code(9), v1_code(9)] {
            for between in [
                " ",
                "\r\n",
                "\n> ",
                "\r\n> > ",
                "\n>>\t> ",
                "\r\n| | ",
                "\u{200B}",
                "\u{A0}",
                "\u{FEFF}",
                "\u{2060}\u{AD}",
            ] {
                let mangled: String = text.chars().map(|c| format!("{c}{between}")).collect();
                assert_eq!(found(&mangled), std::slice::from_ref(&code), "{between:?}");
            }
        }
    }

    #[test]
    fn four_codes_at_most_are_found_in_order_and_each_once() {
        let codes: Vec<_> = (1..=3).map(code).chain((4..=6).map(v1_code)).collect();
        let text: String = codes
            .iter()
            .map(|(text, _)| format!("{text} {text}\n"))
            .collect();
        let expected: Vec<Code> = codes.into_iter().map(|(_, code)| code).take(4).collect();
        assert_eq!(found(&text), expected);
    }

    #[test]
    fn a_damaged_code_does_not_hide_the_whole_one_after_it() {
        let (text, code) = code(3);
        let search = find(&format!("{} {text}", &text[..40]));
        assert_eq!(search.codes.as_slice(), [code]);
        assert_eq!(search.damaged, Some(CodeError::Damaged));
    }

    #[test]
    fn a_code_that_is_cut_short_says_how_much_is_there() {
        let (text, _) = code(3);
        assert_eq!(text.len(), 7 + 96);
        for cut in 11..text.len() {
            let search = find(&text[..cut]);
            let cut_short = CodeError::CutShort {
                have: cut,
                of: text.len(),
            };
            assert_eq!((search.codes.len(), search.damaged), (0, Some(cut_short)));
        }
        assert_eq!(find("sotto2oAAAA").damaged, Some(CodeError::Damaged));
        assert_eq!(find("sotto2a!!!!").damaged, Some(CodeError::Damaged));
        assert_eq!(find("eyJpdiI6WzEsMl0=").damaged, Some(CodeError::Damaged));
    }

    #[test]
    fn a_code_of_a_later_format_is_named_as_such() {
        let body = "A".repeat(100);
        assert_eq!(
            find(&format!("sotto3o{body}")).damaged,
            Some(CodeError::Newer)
        );
        assert_eq!(
            find(&format!("sotto2r{body}")).damaged,
            Some(CodeError::Newer)
        );
        assert_eq!(find("sotto3 comes soon").damaged, None);
    }

    #[test]
    fn the_work_on_a_text_is_bounded_by_its_length() {
        let object = BASE64.encode(r#"{"iv":[1,2,3,4],"data":[5,6,"#);
        let members = BASE64.encode(r#"{"data":[ ] ,"iv" : "#);
        for unit in [
            "e",
            "ey",
            "eyJ",
            "eyA",
            "ewog",
            "eyJpdiI6WzEs",
            "AeyJpdiI6WzEs",
            &object,
            &members,
            &object[1..],
        ] {
            let stream = unit.repeat(50_000 / unit.len());
            let read: usize = (0..stream.len())
                .map(|at| v1::work(&stream.as_bytes()[at..]))
                .sum();
            // Three bytes in four characters, each once in every phase; and one byte where there is no brace.
            assert!(
                read <= 4 * stream.len(),
                "{unit}: {read} of {}",
                stream.len()
            );
        }
        // Past the bounded number of beginnings of v2 codes, one is no longer seen.
        let (text, code) = code(3);
        assert_eq!(
            found(&format!("{}{text}", "sotto2o ".repeat(MAX_TRIES - 1))),
            [code]
        );
        assert_eq!(
            found(&format!("{}{text}", "sotto2o ".repeat(MAX_TRIES))),
            []
        );
    }

    #[test]
    fn a_text_over_one_mebibyte_is_not_searched() {
        let (text, code) = code(3);
        let fits = " ".repeat(MAX_TEXT - text.len()) + &text;
        assert_eq!(found(&fits), [code]);
        let search = find(&(fits + " "));
        assert_eq!(
            (search.codes.len(), search.damaged),
            (0, Some(CodeError::TooLong))
        );
    }
}
