//! The plain text of codes v2: what a code says, by the table in [`v2`].

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use zeroize::Zeroizing;

use super::CodeError;
use super::seal::IceCredentials;
use super::v2;

/// The longest code that a device makes, in characters: one SMS.
pub const DEVICE_CHARS: usize = 160;
/// The longest code that a browser makes, in characters, if its credentials leave room for any candidate.
pub const BROWSER_CHARS: usize = 220;
/// The most candidates of one code.
pub const MAX_CANDIDATES: usize = 30;

const FLAG_BROWSER: u8 = 1;
const UFRAG: RangeInclusive<usize> = 4..=32;
const PWD: RangeInclusive<usize> = 22..=64;
/// Flags, fingerprint and the longest block of a browser's.
const LONGEST_BLOCK: usize = 33 + 1 + 32 + 1 + 64 + 3;

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
        let room = (chars - v2::PREFIX) * 3 / 4 - v2::OVERHEAD;
        let mut out = Zeroizing::new(Vec::with_capacity(room.max(LONGEST_BLOCK)));
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

/// Whether another end could send there: no link-local, broadcast, multicast or unspecified address, no port 0.
pub fn is_reachable(addr: SocketAddr) -> bool {
    let nowhere = match addr.ip() {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let ip = addr.ip();
    !nowhere && !ip.is_unspecified() && !ip.is_multicast() && addr.port() != 0
}

/// RFC 8839 §5.4.
fn is_ice_char(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'+' || c == b'/'
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
