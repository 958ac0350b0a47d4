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
use std::net::{IpAddr, SocketAddr};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::seal::IceCredentials;
pub use super::seal::{AnswerKeys, OfferKeys};
use super::{CodeError, Kind};

/// The longest code that can be read, in characters.
pub const MAX_CHARS: usize = PREFIX + (MAX_BYTES * 4).div_ceil(3);
/// The longest code that a device makes, in characters: one SMS.
pub const DEVICE_CHARS: usize = 160;
/// The longest code that a browser makes, in characters, if its credentials leave room for any candidate.
pub const BROWSER_CHARS: usize = 220;
/// The most candidates of one code.
pub const MAX_CANDIDATES: usize = 30;

/// Prefix and the bytes before the ciphertext: what is authenticated with it.
pub(super) const HEAD: usize = PREFIX + 21;
const PREFIX: usize = 7;
const TAG: usize = 16;
const CHECK: usize = 2;
/// All but the plain text.
const OVERHEAD: usize = HEAD - PREFIX + TAG + CHECK;
/// Flags and fingerprint.
const MIN_PLAIN: usize = 33;
const MAX_BYTES: usize = 255;
const MAX_PLAIN: usize = MAX_BYTES - OVERHEAD;

const FLAG_BROWSER: u8 = 1;
const UFRAG: std::ops::RangeInclusive<usize> = 4..=32;
const PWD: std::ops::RangeInclusive<usize> = 22..=64;

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
    head[PREFIX] = u8::try_from(OVERHEAD + plain).expect("a plain text is at most MAX_PLAIN long");
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

/// Where an end says that it can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// How it is known.
    pub kind: CandidateKind,
    /// Where.
    pub addr: SocketAddr,
}

/// How an address is known (RFC 8445 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateKind {
    /// An interface's own.
    Host,
    /// What a STUN server saw.
    ServerReflexive,
}

/// What only a browser has to say of its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Browser {
    /// Its own: ufrag of 4 to 32, pwd of 22 to 64 ice-chars.
    pub ice: IceCredentials,
    /// Opus payload type, under 128.
    pub opus_pt: u8,
    /// RED payload type (RFC 2198), 1 to 127, if it takes RED.
    pub red_pt: Option<u8>,
    /// Header extension id of the MID, 1 to 14.
    pub mid_ext: u8,
}

/// The plain text of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// SHA-256 of the DTLS certificate.
    pub fingerprint: [u8; 32],
    /// There when a browser made the code.
    pub browser: Option<Browser>,
    /// Best first.
    pub candidates: heapless::Vec<Candidate, MAX_CANDIDATES>,
}

impl Contents {
    /// Reads a plain text. Candidates of unknown types and those that nobody can send to are left out.
    ///
    /// # Errors
    /// [`CodeError::Newer`] for an unknown flag, [`CodeError::Malformed`] for what the table does not allow.
    pub fn parse(plain: &[u8]) -> Result<Self, CodeError> {
        let mut reader = Reader(plain);
        let [flags] = reader.array()?;
        if flags & !FLAG_BROWSER != 0 {
            return Err(CodeError::Newer);
        }
        let fingerprint = reader.array()?;
        let browser = match flags & FLAG_BROWSER {
            0 => None,
            _ => Some(reader.browser()?),
        };
        let mut candidates = heapless::Vec::new();
        while !reader.0.is_empty() {
            if let Some(candidate) = reader.candidate()? {
                candidates
                    .push(candidate)
                    .map_err(|_| CodeError::Malformed)?;
            }
        }
        Ok(Self {
            fingerprint,
            browser,
            candidates,
        })
    }

    /// The plain text, with as many candidates, in their order, as leave the code at most [`DEVICE_CHARS`] or
    /// [`BROWSER_CHARS`] long; never a link-local one.
    ///
    /// # Panics
    /// If a browser's block is not as [`Browser`] says. A device makes none.
    pub fn emit(&self) -> Zeroizing<Vec<u8>> {
        let chars = match self.browser {
            None => DEVICE_CHARS,
            Some(_) => BROWSER_CHARS,
        };
        let room = (chars - PREFIX) * 3 / 4 - OVERHEAD;
        let mut out = Zeroizing::new(Vec::with_capacity(MAX_PLAIN));
        out.push(self.browser.as_ref().map_or(0, |_| FLAG_BROWSER));
        out.extend_from_slice(&self.fingerprint);
        if let Some(browser) = &self.browser {
            browser.emit(&mut out);
        }
        for candidate in self.candidates.iter().filter(|c| is_reachable(c.addr)) {
            if out.len() + candidate.length() <= room {
                candidate.emit(&mut out);
            }
        }
        out
    }
}

impl Browser {
    fn is_valid(&self) -> bool {
        UFRAG.contains(&self.ice.ufrag.len())
            && PWD.contains(&self.ice.pwd.len())
            && [&self.ice.ufrag, &self.ice.pwd]
                .iter()
                .all(|s| s.bytes().all(is_ice_char))
            && self.opus_pt < 128
            && self.red_pt.is_none_or(|pt| (1..128).contains(&pt))
            && (1..=14).contains(&self.mid_ext)
    }

    fn emit(&self, out: &mut Vec<u8>) {
        assert!(self.is_valid(), "a browser's block out of its ranges");
        for text in [&self.ice.ufrag, &self.ice.pwd] {
            out.push(text.len() as u8);
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(&[self.opus_pt, self.red_pt.unwrap_or(0), self.mid_ext]);
    }
}

impl Candidate {
    fn length(&self) -> usize {
        if self.addr.is_ipv4() { 7 } else { 19 }
    }

    fn emit(&self, out: &mut Vec<u8>) {
        let kind = match self.kind {
            CandidateKind::Host => 0,
            CandidateKind::ServerReflexive => 1 << 5,
        };
        match self.addr.ip() {
            IpAddr::V4(ip) => {
                out.push(kind | 4);
                out.extend_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                out.push(kind | 16);
                out.extend_from_slice(&ip.octets());
            }
        }
        out.extend_from_slice(&self.addr.port().to_be_bytes());
    }
}

/// RFC 8839 §5.4.
fn is_ice_char(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'+' || c == b'/'
}

/// Whether another end could send there.
fn is_reachable(addr: SocketAddr) -> bool {
    let nowhere = match addr.ip() {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let ip = addr.ip();
    !nowhere && !ip.is_unspecified() && !ip.is_multicast() && addr.port() != 0
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], CodeError> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(CodeError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodeError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(CodeError::Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn text(&mut self) -> Result<String, CodeError> {
        let [length] = self.array()?;
        let bytes = self.take(length.into())?.to_vec();
        String::from_utf8(bytes).map_err(|_| CodeError::Malformed)
    }

    fn browser(&mut self) -> Result<Browser, CodeError> {
        let ice = IceCredentials {
            ufrag: self.text()?,
            pwd: self.text()?,
        };
        let [opus_pt, red_pt, mid_ext] = self.array()?;
        let browser = Browser {
            ice,
            opus_pt,
            red_pt: (red_pt != 0).then_some(red_pt),
            mid_ext,
        };
        browser
            .is_valid()
            .then_some(browser)
            .ok_or(CodeError::Malformed)
    }

    fn candidate(&mut self) -> Result<Option<Candidate>, CodeError> {
        let [head] = self.array()?;
        let ip = match head & 0x1F {
            4 => IpAddr::from(self.array::<4>()?),
            16 => IpAddr::from(self.array::<16>()?),
            _ => return Err(CodeError::Malformed),
        };
        let addr = SocketAddr::new(ip, u16::from_be_bytes(self.array()?));
        let kind = match head >> 5 {
            0 => CandidateKind::Host,
            1 => CandidateKind::ServerReflexive,
            _ => return Ok(None),
        };
        Ok(is_reachable(addr).then_some(Candidate { kind, addr }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(kind: CandidateKind, addr: &str) -> Candidate {
        Candidate {
            kind,
            addr: addr.parse().unwrap(),
        }
    }

    fn contents(candidates: &[&str]) -> Contents {
        Contents {
            fingerprint: [0xF1; 32],
            browser: None,
            candidates: candidates
                .iter()
                .map(|c| candidate(CandidateKind::Host, c))
                .collect(),
        }
    }

    fn browser() -> Browser {
        Browser {
            ice: IceCredentials {
                ufrag: "uf/+".into(),
                pwd: "0123456789abcdefghijkl".into(),
            },
            opus_pt: 111,
            red_pt: Some(63),
            mid_ext: 4,
        }
    }

    /// Flags, fingerprint, a browser's block, one candidate of each kind.
    fn plain() -> Vec<u8> {
        let mut bytes = vec![1];
        bytes.extend([0xF1; 32]);
        bytes.extend(b"\x04uf/+\x160123456789abcdefghijkl\x6F\x3F\x04");
        bytes.extend([4, 192, 0, 2, 1, 0x13, 0x88]);
        bytes.extend([
            0x30, 0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0xFE,
        ]);
        bytes
    }

    #[test]
    fn a_plain_text_is_the_same_bytes_in_both_directions() {
        let contents = Contents {
            fingerprint: [0xF1; 32],
            browser: Some(browser()),
            candidates: heapless::Vec::from_array([
                candidate(CandidateKind::Host, "192.0.2.1:5000"),
                candidate(CandidateKind::ServerReflexive, "[2001:db8::1]:65534"),
            ]),
        };
        assert_eq!(*contents.emit(), plain());
        assert_eq!(Contents::parse(&plain()), Ok(contents));
    }

    #[test]
    fn a_plain_text_that_ends_early_is_malformed() {
        let plain = plain();
        // After the fingerprint and block, and after the first candidate, an end is an end.
        let legal = [64, 71];
        for cut in (0..plain.len()).filter(|cut| !legal.contains(cut)) {
            assert_eq!(
                Contents::parse(&plain[..cut]),
                Err(CodeError::Malformed),
                "{cut}"
            );
        }
        assert_eq!(Contents::parse(&plain[..64]).unwrap().candidates.len(), 0);
        assert_eq!(Contents::parse(&plain[..71]).unwrap().candidates.len(), 1);
    }

    #[test]
    fn an_unknown_flag_is_a_newer_sottos() {
        for bit in 1..8 {
            let mut plain = plain();
            plain[0] |= 1 << bit;
            assert_eq!(Contents::parse(&plain), Err(CodeError::Newer));
        }
    }

    #[test]
    fn what_is_out_of_range_in_a_browsers_block_is_malformed() {
        for (at, value) in [
            (33, 3),
            (33, 33),
            (34, b'-'),
            (34, 0xC3),
            (38, 21),
            (39, b' '),
            (61, 128),
            (62, 128),
            (63, 0),
            (63, 15),
        ] {
            let mut plain = plain();
            plain[at] = value;
            assert_eq!(
                Contents::parse(&plain),
                Err(CodeError::Malformed),
                "{at}: {value}"
            );
        }
    }

    #[test]
    fn candidates_of_unknown_types_and_to_nowhere_are_skipped_and_unknown_lengths_are_malformed() {
        let with = |candidate: &[u8]| [&[0; 33], candidate, &[4, 9, 9, 9, 9, 0, 9]].concat();
        for skipped in [
            [0x44, 1, 2, 3, 4, 0, 1],
            [4, 1, 2, 3, 4, 0, 0],
            [4, 224, 0, 0, 1, 0, 1],
            [4, 0, 0, 0, 0, 0, 1],
            [4, 169, 254, 0, 1, 0, 1],
        ] {
            let read = Contents::parse(&with(&skipped)).unwrap();
            assert_eq!(
                read.candidates.as_slice(),
                [candidate(CandidateKind::Host, "9.9.9.9:9")]
            );
        }
        for length in (0..32).filter(|l| ![4, 16].contains(l)) {
            let plain = with(&[length, 1, 2, 3, 4, 0, 1]);
            assert_eq!(
                Contents::parse(&plain),
                Err(CodeError::Malformed),
                "{length}"
            );
        }
    }

    #[test]
    fn as_many_candidates_as_fit_go_in_best_first_and_no_link_local_one() {
        let v4: Vec<String> = (1..=9).map(|i| format!("10.0.0.{i}:5000")).collect();
        let v4: Vec<&str> = v4.iter().map(String::as_str).collect();
        let kept = |contents: &Contents| {
            let read = Contents::parse(&contents.emit()).unwrap();
            read.candidates
                .iter()
                .map(|c| c.addr.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(kept(&contents(&v4)), v4[..6]);
        let mut with_block = contents(&v4);
        with_block.browser = Some(browser());
        assert_eq!(kept(&with_block), v4[..8]);
        let mixed = [
            "[fe80::1]:1",
            "169.254.1.1:1",
            "[2001:db8::1]:1",
            "[2001:db8::2]:1",
            "[2001:db8::3]:1",
            "1.1.1.1:1",
        ];
        assert_eq!(
            kept(&contents(&mixed)),
            ["[2001:db8::1]:1", "[2001:db8::2]:1"]
        );
        let mixed = [
            "[2001:db8::1]:1",
            "1.1.1.1:1",
            "2.2.2.2:2",
            "[2001:db8::2]:1",
            "3.3.3.3:3",
        ];
        assert_eq!(
            kept(&contents(&mixed)),
            ["[2001:db8::1]:1", "1.1.1.1:1", "2.2.2.2:2", "3.3.3.3:3"]
        );
    }

    #[test]
    fn a_browser_with_the_longest_credentials_still_makes_a_code() {
        let mut longest = contents(&["1.1.1.1:1"]);
        longest.browser = Some(Browser {
            ice: IceCredentials {
                ufrag: "u".repeat(32),
                pwd: "p".repeat(64),
            },
            ..browser()
        });
        let read = Contents::parse(&longest.emit()).unwrap();
        assert_eq!((read.browser, read.candidates.len()), (longest.browser, 0));
    }
}
