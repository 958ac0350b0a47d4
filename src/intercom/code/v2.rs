//! Codes v2: a whole call offer in one SMS (160 characters).
//!
//! ```text
//! text    sotto2<kind><base64url without padding of bytes>       kind: o = offer, a = answer
//! bytes   0        length, of all bytes
//!         1..17    salt; in an answer 16 random bytes of its own
//!         17..21   call id; random in the offer, repeated in the answer
//!         21..n-18 AES-256-GCM ciphertext
//!         n-18..n-2 tag
//!         n-2..n   check: first 2 bytes of SHA-256("sotto2<kind>" ‖ bytes 0..n-2)
//!
//! master            = PBKDF2-HMAC-SHA256(normalised passphrase, the offer's salt, 600 000, 32 bytes)
//! expand(label, x)  = HMAC-SHA256(master, label ‖ x ‖ 0x01), cut to the length needed
//! s                 = the answer's bytes 1..17
//!
//!              key (32)                         nonce (12)
//! offer        expand("sotto2 offer key", "")   expand("sotto2 offer nonce", "")
//! answer       expand("sotto2 answer key", s)   expand("sotto2 answer nonce", s)
//!
//!              ufrag: standard base64 of 6 bytes    pwd: standard base64 of 18 bytes
//! offerer      expand("sotto2 offer ufrag", "")     expand("sotto2 offer pwd", "")
//! answerer     expand("sotto2 answer ufrag", s)     expand("sotto2 answer pwd", the answerer's 8 ufrag characters)
//!
//! AAD     "sotto2<kind>" ‖ bytes 0..21; in an answer ‖ SHA-256(all bytes of the offer, its check included)
//!
//! plain text
//!         flags 1            bit 0: a browser's block follows the fingerprint; any other bit: made by a newer sotto
//!         fingerprint 32     SHA-256 of the DTLS certificate
//!         [browser's block]  ufrag length 1, ufrag, pwd length 1, pwd,
//!                            Opus payload type 1, RED payload type 1 (0: none), MID extension id 1
//!         candidates         to the end, best first: type/length 1, address 4 or 16, port 2 big-endian
//!                            type/length: bits 0-4 address length (4 or 16), bits 5-7 type (0 host, 1 server-reflexive)
//! ```
//!
//! In a browser's block the lengths are ufrag 4–32, pwd 22–64; the credentials replace the derived ones for that end only.
//! A candidate of an unknown type is skipped; an address length other than 4 or 16 makes the code malformed.

use std::fmt;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use sha2::{Digest, Sha256};

pub use super::contents::{
    BROWSER_CHARS, Browser, Candidate, CandidateKind, Contents, DEVICE_CHARS, MAX_CANDIDATES,
};
pub use super::seal::{AnswerKeys, OfferKeys};
use super::{CodeError, Kind};

/// The longest code that can be read, in characters.
pub const MAX_CHARS: usize = PREFIX + (MAX_BYTES * 4).div_ceil(3);

/// Prefix and the bytes before the ciphertext: what is authenticated with it.
pub(super) const HEAD: usize = PREFIX + 21;
pub(super) const PREFIX: usize = 7;
const TAG: usize = 16;
const CHECK: usize = 2;
/// All but the plain text.
pub(super) const OVERHEAD: usize = HEAD - PREFIX + TAG + CHECK;
/// Flags and fingerprint.
const MIN_PLAIN: usize = 33;
const MAX_BYTES: usize = 255;

/// A whole code, its check right; displayed as its text.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    kind: Kind,
    /// With the prefix in front, as the check and the AAD take them.
    text: Vec<u8>,
}

impl Sealed {
    /// Offer or answer.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The offer's salt of the key derivation; an answer's own random bytes.
    pub fn salt(&self) -> [u8; 16] {
        self.array(1)
    }

    /// Which call: the same in an offer and its answers.
    pub fn call_id(&self) -> [u8; 4] {
        self.array(17)
    }

    /// All bytes, from the length to the check.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.text[PREFIX..]
    }

    pub(super) fn head(&self) -> &[u8; HEAD] {
        self.text
            .first_chunk()
            .expect("parse and assemble see to the length")
    }

    /// With its tag.
    pub(super) fn ciphertext(&self) -> &[u8] {
        &self.text[HEAD..self.text.len() - CHECK]
    }

    /// Puts a code together; `head` is of [`head`], `ciphertext` with its tag.
    pub(super) fn assemble(kind: Kind, head: &[u8; HEAD], ciphertext: &[u8]) -> Self {
        let check = check(&[head, ciphertext]);
        let text = [head, ciphertext, &check[..]].concat();
        Self { kind, text }
    }

    /// Reads the bytes after the prefix.
    fn parse(kind: Kind, bytes: &[u8]) -> Result<Self, CodeError> {
        let whole = (OVERHEAD + MIN_PLAIN..=MAX_BYTES).contains(&bytes.len())
            && usize::from(bytes[0]) == bytes.len();
        if !whole {
            return Err(CodeError::Damaged);
        }
        let (body, sum) = bytes.split_at(bytes.len() - CHECK);
        if sum != check(&[prefix(kind), body]) {
            return Err(CodeError::Damaged);
        }
        let text = [prefix(kind), bytes].concat();
        Ok(Self { kind, text })
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        std::array::from_fn(|i| self.text[PREFIX + at + i])
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.kind {
            Kind::Offer => "sotto2o",
            Kind::Answer => "sotto2a",
        };
        write!(f, "{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(self.bytes()))
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads the code that a stream of significant characters begins with, and how many of them it takes.
pub(super) fn scan(stream: &[u8]) -> Option<Result<(Sealed, usize), CodeError>> {
    let kind = [Kind::Offer, Kind::Answer]
        .into_iter()
        .find(|kind| stream.starts_with(prefix(*kind)))?;
    Some(read(kind, &stream[PREFIX..]))
}

fn read(kind: Kind, body: &[u8]) -> Result<(Sealed, usize), CodeError> {
    let decode = |chars: &[u8]| {
        BASE64_URL_SAFE_NO_PAD
            .decode(chars)
            .map_err(|_| CodeError::Damaged)
    };
    let first = decode(body.get(..4).ok_or(CodeError::Damaged)?)?;
    let length = usize::from(first[0]);
    if length < OVERHEAD + MIN_PLAIN {
        return Err(CodeError::Damaged);
    }
    let chars = (length * 4).div_ceil(3);
    let have = body
        .iter()
        .take(chars)
        .take_while(|c| is_url_safe(**c))
        .count();
    if have < chars {
        return Err(CodeError::CutShort {
            have: PREFIX + have,
            of: PREFIX + chars,
        });
    }
    let sealed = Sealed::parse(kind, &decode(&body[..chars])?)?;
    Ok((sealed, PREFIX + chars))
}

fn is_url_safe(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'-' || c == b'_'
}

fn prefix(kind: Kind) -> &'static [u8; PREFIX] {
    match kind {
        Kind::Offer => b"sotto2o",
        Kind::Answer => b"sotto2a",
    }
}

/// Prefix, length, salt and call id of a code with so long a plain text.
pub(super) fn head(kind: Kind, salt: &[u8; 16], call_id: &[u8; 4], plain: usize) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..PREFIX].copy_from_slice(prefix(kind));
    head[PREFIX] = u8::try_from(OVERHEAD + plain).expect("emit keeps the whole under 256 bytes");
    head[PREFIX + 1..PREFIX + 17].copy_from_slice(salt);
    head[PREFIX + 17..].copy_from_slice(call_id);
    head
}

fn check(parts: &[&[u8]]) -> [u8; CHECK] {
    let hash = parts
        .iter()
        .fold(Sha256::new(), |hash, part| hash.chain_update(part))
        .finalize();
    [hash[0], hash[1]]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 72 bytes: no candidate.
    fn sealed() -> Sealed {
        let head = head(Kind::Answer, &[2; 16], &[3; 4], MIN_PLAIN);
        Sealed::assemble(Kind::Answer, &head, &[4; MIN_PLAIN + TAG])
    }

    #[test]
    fn a_code_has_its_parts_where_the_table_says() {
        let sealed = sealed();
        let bytes = sealed.bytes();
        assert_eq!(bytes.len(), 72);
        assert_eq!(bytes[..21], [&[72][..], &[2; 16], &[3; 4]].concat());
        assert_eq!(bytes[21..70], [4; 49]);
        let sum = Sha256::digest([b"sotto2a", &bytes[..70]].concat());
        assert_eq!(bytes[70..], sum[..2]);
        assert_eq!(
            (sealed.kind(), sealed.salt(), sealed.call_id()),
            (Kind::Answer, [2; 16], [3; 4])
        );
        assert_eq!(sealed.ciphertext(), [4; 49]);
        assert_eq!(Sealed::parse(Kind::Answer, bytes), Ok(sealed.clone()));
    }

    #[test]
    fn bytes_of_the_wrong_length_or_check_or_kind_are_damaged() {
        let sealed = sealed();
        let bytes = sealed.bytes();
        assert_eq!(Sealed::parse(Kind::Offer, bytes), Err(CodeError::Damaged));
        for bad in [
            &bytes[..71],
            &bytes[1..],
            &[],
            &[72; 72],
            &[255; 255],
            &[0; 72],
            &[&[72], bytes].concat(),
        ] {
            assert_eq!(Sealed::parse(Kind::Answer, bad), Err(CodeError::Damaged));
        }
    }

    #[test]
    fn what_follows_a_code_is_not_read() {
        let text = format!("{}Regards", sealed());
        assert_eq!(scan(text.as_bytes()), Some(Ok((sealed(), 7 + 96))));
    }
}
