//! Codes v1: the original browser app's.
//!
//! ```text
//! text        standard base64 of {"iv":[12 numbers],"data":[numbers]}
//! data        AES-256-GCM ciphertext and tag, no AAD
//! plain text  {"type":"offer"|"answer","sdp":"..."}
//! key         PBKDF2-HMAC-SHA256(the exact passphrase, "static_salt_for_simplicity_v1", 100 000, 32 bytes)
//! ```

use std::fmt::{self, Write};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::seal::{self, Master};
use super::{CodeError, Kind};

/// AES-GCM's tag and the shortest JSON object.
const MIN_DATA: usize = 16 + 2;

/// A whole code; displayed as its text.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    iv: [u8; 12],
    data: Vec<u8>,
}

/// What a code holds: the original app's session description.
#[derive(Clone, PartialEq, Eq)]
pub struct Description {
    /// Offer or answer.
    pub kind: Kind,
    /// RFC 8866; holds the ICE password.
    pub sdp: String,
}

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Description")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The plain text.
#[derive(Serialize, Deserialize)]
struct Plain<'a> {
    #[serde(rename = "type")]
    kind: PlainKind,
    sdp: std::borrow::Cow<'a, str>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PlainKind {
    Offer,
    Answer,
}

/// Makes a code. `iv` is random: never the same twice under one passphrase.
pub fn seal(master: &Master, iv: [u8; 12], description: &Description) -> Sealed {
    let plain = Plain {
        kind: match description.kind {
            Kind::Offer => PlainKind::Offer,
            Kind::Answer => PlainKind::Answer,
        },
        sdp: description.sdp.as_str().into(),
    };
    let json = serde_json::to_vec(&plain).expect("two strings always serialise");
    let json = Zeroizing::new(json);
    Sealed {
        iv,
        data: seal::encrypt(master.bytes(), &iv, b"", &json),
    }
}

/// Opens a code.
///
/// # Errors
/// [`CodeError::Passphrase`]; [`CodeError::Malformed`] when what it holds is neither an offer nor an answer.
pub fn open(master: &Master, sealed: &Sealed) -> Result<Description, CodeError> {
    let json = seal::decrypt(master.bytes(), &sealed.iv, b"", &sealed.data)?;
    let plain: Plain<'_> = serde_json::from_slice(&json).map_err(|_| CodeError::Malformed)?;
    Ok(Description {
        kind: match plain.kind {
            PlainKind::Offer => Kind::Offer,
            PlainKind::Answer => Kind::Answer,
        },
        sdp: plain.sdp.into_owned(),
    })
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut json = String::with_capacity(32 + 4 * (self.iv.len() + self.data.len()));
        json.push_str("{\"iv\":[");
        numbers(&mut json, &self.iv)?;
        json.push_str("],\"data\":[");
        numbers(&mut json, &self.data)?;
        json.push_str("]}");
        f.write_str(&BASE64_STANDARD.encode(json))
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn numbers(json: &mut String, bytes: &[u8]) -> fmt::Result {
    for (i, byte) in bytes.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        write!(json, "{comma}{byte}")?;
    }
    Ok(())
}

/// Reads the code that a stream of significant characters begins with, and how many of them it takes without padding.
/// `None` when it does not begin like one.
pub(super) fn scan(stream: &[u8]) -> Option<Result<(Sealed, usize), CodeError>> {
    let mut json = Json::new(stream);
    match json.object() {
        Some(sealed) => Some(Ok((sealed, (json.used * 4).div_ceil(3)))),
        None => json.is_code.then_some(Err(CodeError::Damaged)),
    }
}

/// Base64 decoded as it is read; ends at the first character that is none.
struct Decoded<'a> {
    stream: &'a [u8],
    bits: u32,
    count: u32,
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        while self.count < 8 {
            let (&c, rest) = self.stream.split_first()?;
            let value = match c {
                b'A'..=b'Z' => c - b'A',
                b'a'..=b'z' => c - b'a' + 26,
                b'0'..=b'9' => c - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            self.stream = rest;
            self.bits = self.bits << 6 | u32::from(value);
            self.count += 6;
        }
        self.count -= 8;
        Some((self.bits >> self.count) as u8)
    }
}

/// The one shape of JSON that is a code, its members in either order, white space wherever JSON allows it.
struct Json<'a> {
    bytes: Decoded<'a>,
    ahead: Option<u8>,
    used: usize,
    /// Enough was read to say that this is meant to be a code.
    is_code: bool,
}

impl<'a> Json<'a> {
    fn new(stream: &'a [u8]) -> Self {
        let bytes = Decoded {
            stream,
            bits: 0,
            count: 0,
        };
        Self {
            bytes,
            ahead: None,
            used: 0,
            is_code: false,
        }
    }

    fn object(&mut self) -> Option<Sealed> {
        // The commonest beginning by far is no beginning: an e that does not stand for a brace.
        self.literal(b"{")?;
        let (mut iv, mut data) = (None, None);
        for after in *b",}" {
            self.expect(b'"')?;
            match self.next()? {
                b'i' if iv.is_none() => {
                    self.literal(b"v\"")?;
                    iv = Some(self.array()?);
                }
                b'd' if data.is_none() => {
                    self.literal(b"ata\"")?;
                    data = Some(self.array()?);
                }
                _ => return None,
            }
            self.expect(after)?;
        }
        let (iv, data) = (iv?.try_into().ok()?, data?);
        (data.len() >= MIN_DATA).then_some(Sealed { iv, data })
    }

    /// From the colon to the closing bracket.
    fn array(&mut self) -> Option<Vec<u8>> {
        self.expect(b':')?;
        self.expect(b'[')?;
        self.is_code = true;
        let mut numbers = Vec::new();
        loop {
            self.skip_space();
            let mut number = self.digit()?;
            // Three digits at most, so that no number overflows.
            for _ in 0..2 {
                number = self.digit().map_or(number, |digit| number * 10 + digit);
            }
            numbers.push(u8::try_from(number).ok()?);
            self.skip_space();
            match self.next()? {
                b',' => {}
                b']' => return Some(numbers),
                _ => return None,
            }
        }
    }

    fn digit(&mut self) -> Option<u16> {
        let digit = self.peek().filter(u8::is_ascii_digit)?;
        self.next();
        Some(u16::from(digit - b'0'))
    }

    /// This byte, after any white space.
    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        (self.next()? == byte).then_some(())
    }

    fn literal(&mut self, text: &[u8]) -> Option<()> {
        text.iter().all(|b| self.next() == Some(*b)).then_some(())
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.next();
        }
    }

    fn peek(&mut self) -> Option<u8> {
        if self.ahead.is_none() {
            self.ahead = self.bytes.next();
        }
        self.ahead
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.ahead = None;
        self.used += 1;
        Some(byte)
    }
}

#[cfg(test)]
impl Sealed {
    pub(super) fn new(iv: [u8; 12], data: Vec<u8>) -> Self {
        Self { iv, data }
    }
}

/// The bytes that [`scan`] decodes before it says what it found.
#[cfg(test)]
pub(super) fn work(stream: &[u8]) -> usize {
    let mut json = Json::new(stream);
    json.object();
    json.used + usize::from(json.ahead.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Sealed {
        Sealed::new(
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255],
            (100..130).collect(),
        )
    }

    const JSON: &str = concat!(
        r#"{"iv":[0,1,2,3,4,5,6,7,8,9,10,255],"data":[100,101,102,103,104,105,106,107,108,109,110,"#,
        r#"111,112,113,114,115,116,117,118,119,120,121,122,123,124,125,126,127,128,129]}"#
    );

    fn scanned(json: &str) -> Option<Result<Sealed, CodeError>> {
        let text = BASE64_STANDARD.encode(json);
        scan(text.as_bytes()).map(|r| r.map(|(sealed, _)| sealed))
    }

    #[test]
    fn a_code_is_base64_of_the_json_that_the_original_makes() {
        assert_eq!(sealed().to_string(), BASE64_STANDARD.encode(JSON));
        assert_eq!(scanned(JSON), Some(Ok(sealed())));
    }

    #[test]
    fn a_code_ends_with_its_object_whatever_follows() {
        for pad in ["", " ", "  "] {
            let text = BASE64_STANDARD.encode(JSON.replace("\"data\"", &format!("{pad}\"data\"")));
            let whole = text.trim_end_matches('=').len();
            for after in ["", "Regards", "=", "==", "\u{FF}", "{}"] {
                let stream = [text.as_bytes(), after.as_bytes()].concat();
                assert_eq!(
                    scan(&stream),
                    Some(Ok((sealed(), whole))),
                    "{pad:?} {after:?}"
                );
            }
        }
    }

    #[test]
    fn other_serialisers_json_is_read_too() {
        let (iv, data) = JSON[1..JSON.len() - 1].split_once(",\"data\"").unwrap();
        for json in [
            JSON.replace(',', ", ").replace(':', ": "),
            JSON.replace(',', ",\r\n\t")
                .replace('{', "{\n")
                .replace(']', " ]\n"),
            format!("{{\"data\"{data},{iv}}}"),
        ] {
            assert_eq!(scanned(&json), Some(Ok(sealed())), "{json}");
        }
    }

    #[test]
    fn what_is_not_quite_a_code_is_damaged_and_other_json_is_none() {
        for (from, to) in [
            ("255]", "256]"),
            ("255]", "1000]"),
            ("255]", "]"),
            ("[0,1,", "[0,"),
            ("[0,1,", "[-1,1,"),
            ("data", "iv"),
            ("data", "tag"),
            ("129]}", "129],\"x\":1}"),
            ("129]}", "129}"),
            ("129]}", "129]"),
        ] {
            let json = JSON.replace(from, to);
            assert_eq!(scanned(&json), Some(Err(CodeError::Damaged)), "{json}");
        }
        for json in [
            "",
            "{",
            "{}",
            "{\"iv\"",
            "{\"iv\":0",
            "{\"sdp\":[",
            "[1,2]",
            "eyJ",
        ] {
            assert_eq!(scanned(json), None, "{json}");
        }
    }

    #[test]
    fn what_is_sealed_opens_and_only_with_the_same_key() {
        let description = Description {
            kind: Kind::Answer,
            sdp: "v=0\r\n\"ä\"\\\u{1}".into(),
        };
        let master = Master::from([7; 32]);
        let sealed = seal(&master, [9; 12], &description);
        assert_eq!(open(&master, &sealed), Ok(description));
        assert_eq!(
            open(&Master::from([8; 32]), &sealed),
            Err(CodeError::Passphrase)
        );
    }

    #[test]
    fn what_opens_and_is_no_description_is_malformed() {
        let master = Master::from([7; 32]);
        for plain in [
            "",
            "{}",
            "[]",
            r#"{"type":"rollback","sdp":""}"#,
            r#"{"type":"offer"}"#,
            r#"{"type":"offer","sdp":1}"#,
        ] {
            let data = seal::encrypt(master.bytes(), &[0; 12], b"", plain.as_bytes());
            let sealed = Sealed::new([0; 12], data);
            assert_eq!(open(&master, &sealed), Err(CodeError::Malformed), "{plain}");
        }
    }
}
