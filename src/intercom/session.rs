//! A session description: what one end must know of the other, however it travelled.
//!
//! Codes v2 carry it in binary and stand for one fixed session; codes v1 carry it as SDP (RFC 8866, RFC 8829).
//! Both become the same [`Description`], so that one piece of code builds the `Rtc` whichever way the call was
//! made, and can build it again from the same parts hours later.

use std::fmt::Write;
use std::net::SocketAddr;

use super::code::contents;
use super::code::seal::IceCredentials;
use super::code::v2::{Browser, Candidate, CandidateKind, Contents};

/// Payload type of Opus in sessions that we describe.
pub const OPUS_PT: u8 = 111;
/// Payload type of RED (RFC 2198) in sessions that we describe.
pub const RED_PT: u8 = 63;
/// Header extension id of the MID (RFC 9143 §15) in sessions that we describe.
pub const MID_EXT: u8 = 4;
/// As many candidates as are ever read from one description.
const MAX_CANDIDATES: usize = 30;
/// m-lines of one description at most: a peer's are all echoed in our answer.
const MAX_MEDIA: usize = 8;
/// `fmtp` lines of one m-line that may be RED's, at most.
const MAX_REDUNDANT: usize = 8;
/// Characters of a kind, protocol or format in an m-line at most.
const MAX_TOKEN: usize = 32;

/// Who made the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Controls ICE (RFC 8445 §6.1.1).
    Offerer,
    /// Is the DTLS client, unless a v1 offer says otherwise.
    Answerer,
}

/// The DTLS role that a description asks for (RFC 8842).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// Either.
    ActPass,
    /// DTLS client.
    Active,
    /// DTLS server.
    Passive,
}

/// One m-line, by its mid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    /// Opus.
    Audio(String),
    /// SCTP over DTLS.
    Data(String),
    /// What one end or the other does without (RFC 3264 §6): it keeps its place in offer and answer, at port 0.
    Rejected {
        /// Such as `video`.
        kind: String,
        /// Such as `UDP/TLS/RTP/SAVPF`.
        protocol: String,
        /// The first of its formats; says nothing, but an m-line has at least one.
        format: String,
        /// A rejected m-line need not have one.
        mid: Option<String>,
    },
}

/// One end of a session, ours or the peer's.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// ufrag and pwd.
    pub ice: IceCredentials,
    /// SHA-256 of the DTLS certificate.
    pub fingerprint: [u8; 32],
    /// DTLS role.
    pub setup: Setup,
    /// m-lines in their order, at most 8; one is [`Media::Audio`], at most one is [`Media::Data`].
    pub media: Vec<Media>,
    /// Opus payload type.
    pub opus_pt: u8,
    /// RED payload type (RFC 2198), 1 to 127 and not Opus's, if it takes RED of Opus.
    pub red_pt: Option<u8>,
    /// It is a browser's: v2 says so, and v1 is the original page's.
    pub is_browser: bool,
    /// Header extension id of the MID, 1–14.
    pub mid_ext: Option<u8>,
    /// The announced SSRC of its audio; in v2 none is announced.
    pub ssrc: Option<u32>,
    /// Where it can be reached, best first.
    pub candidates: Vec<Candidate>,
}

impl Description {
    /// The fixed session of a v2 code.
    pub fn from_v2(ice: IceCredentials, contents: &Contents) -> Self {
        let browser = contents.browser.as_ref();
        Self {
            ice,
            fingerprint: contents.fingerprint,
            setup: Setup::ActPass,
            media: default_media(),
            opus_pt: browser.map_or(OPUS_PT, |b: &Browser| b.opus_pt),
            red_pt: browser
                .map_or(Some(RED_PT), |b| b.red_pt)
                .filter(|red| browser.is_none_or(|b| b.opus_pt != *red)),
            is_browser: browser.is_some(),
            mid_ext: Some(browser.map_or(MID_EXT, |b| b.mid_ext)),
            ssrc: None,
            candidates: contents.candidates.iter().copied().collect(),
        }
    }

    /// The mid of the audio m-line.
    pub fn audio_mid(&self) -> Option<&str> {
        self.media.iter().find_map(|m| match m {
            Media::Audio(mid) => Some(mid.as_str()),
            _ => None,
        })
    }

    /// Whether there is a data channel.
    pub fn has_data(&self) -> bool {
        self.media.iter().any(|m| matches!(m, Media::Data(_)))
    }

    /// Reads the SDP of a v1 code: the audio m-line with Opus, and the data m-line. Those of other kinds come
    /// back rejected.
    ///
    /// Both share one transport (RFC 9143 BUNDLE), which the first of them describes.
    ///
    /// # Errors
    /// What is missing or not spoken here, in words for the owner.
    pub fn from_sdp(sdp: &str) -> Result<Self, String> {
        Parser::default().parse(sdp)
    }

    /// The SDP of our own end, as a browser takes it.
    pub fn to_sdp(&self, session_id: u64) -> String {
        let mids: Vec<&str> = self.media.iter().filter_map(Media::bundled).collect();
        let mut s = format!(
            "v=0\r\no=- {session_id} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\na=msid-semantic: WMS sotto\r\n",
            mids.join(" ")
        );
        for media in &self.media {
            self.write_media(&mut s, media)
                .expect("writing to a String cannot fail");
        }
        s
    }

    fn write_media(&self, s: &mut String, media: &Media) -> std::fmt::Result {
        let pt = self.opus_pt;
        let mid = match media {
            Media::Audio(mid) => {
                // First what we would rather get: a browser sends that.
                let red = self.red_pt.map_or(String::new(), |red| format!("{red} "));
                write!(s, "m=audio 9 UDP/TLS/RTP/SAVPF {red}{pt}\r\n")?;
                mid
            }
            Media::Data(mid) => {
                write!(s, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n")?;
                mid
            }
            Media::Rejected {
                kind,
                protocol,
                format,
                mid,
            } => {
                write!(
                    s,
                    "m={kind} 0 {protocol} {format}\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n"
                )?;
                return match mid {
                    Some(mid) => write!(s, "a=mid:{mid}\r\n"),
                    None => Ok(()),
                };
            }
        };
        write!(s, "c=IN IP4 0.0.0.0\r\n")?;
        for (i, c) in self.candidates.iter().enumerate() {
            let (typ, preference) = match c.kind {
                CandidateKind::Host => ("host", 126u32),
                CandidateKind::ServerReflexive => ("srflx raddr 0.0.0.0 rport 0", 100),
            };
            // RFC 8445 §5.1.2.1, component 1.
            let priority = (preference << 24) | ((65_535 - i as u32) << 8) | 255;
            write!(
                s,
                "a=candidate:{} 1 udp {priority} {} {} typ {typ}\r\n",
                i + 1,
                c.addr.ip(),
                c.addr.port()
            )?;
        }
        write!(
            s,
            "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
            self.ice.ufrag, self.ice.pwd
        )?;
        let fingerprint: Vec<String> = self
            .fingerprint
            .iter()
            .map(|b| format!("{b:02X}"))
            .collect();
        let setup = match self.setup {
            Setup::ActPass => "actpass",
            Setup::Active => "active",
            Setup::Passive => "passive",
        };
        write!(
            s,
            "a=fingerprint:sha-256 {}\r\na=setup:{setup}\r\na=mid:{mid}\r\n",
            fingerprint.join(":")
        )?;
        match media {
            Media::Audio(_) => {
                if let Some(id) = self.mid_ext {
                    write!(s, "a=extmap:{id} {MID_URI}\r\n")?;
                }
                write!(
                    s,
                    "a=sendrecv\r\na=msid:sotto voice\r\na=rtcp-mux\r\na=rtpmap:{pt} opus/48000/2\r\na=fmtp:{pt} minptime=10;useinbandfec=1\r\n"
                )?;
                if let Some(red) = self.red_pt {
                    write!(
                        s,
                        "a=rtpmap:{red} red/48000/2\r\na=fmtp:{red} {pt}/{pt}\r\n"
                    )?;
                }
                if let Some(ssrc) = self.ssrc {
                    write!(
                        s,
                        "a=ssrc:{ssrc} cname:sotto\r\na=ssrc:{ssrc} msid:sotto voice\r\n"
                    )?;
                }
            }
            _ => write!(s, "a=sctp-port:5000\r\na=max-message-size:65536\r\n")?,
        }
        Ok(())
    }
}

/// The m-lines of every session that we describe ourselves.
pub fn default_media() -> Vec<Media> {
    vec![Media::Audio("0".into()), Media::Data("1".into())]
}

const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

impl Media {
    /// Its mid, if it is in the BUNDLE group.
    fn bundled(&self) -> Option<&str> {
        match self {
            Self::Audio(mid) | Self::Data(mid) => Some(mid),
            Self::Rejected { .. } => None,
        }
    }
}

/// A description as it is read: the session's lines, then an m-line and its lines at a time.
#[derive(Default)]
struct Parser {
    session: Transport,
    sections: Vec<Section>,
}

/// How to reach an end, and who it is.
#[derive(Default)]
struct Transport {
    ufrag: Option<String>,
    pwd: Option<String>,
    fingerprint: Option<[u8; 32]>,
    setup: Option<Setup>,
    candidates: Vec<Candidate>,
}

struct Section {
    kind: String,
    port: u16,
    protocol: String,
    format: String,
    mid: Option<String>,
    /// Port 0, and yet meant (RFC 9143 §6).
    bundle_only: bool,
    transport: Transport,
    opus_pt: Option<u8>,
    red_pt: Option<u8>,
    /// Payload type and that of the first block, of each `fmtp` line that is like RED's.
    redundant: Vec<(u8, u8)>,
    mid_ext: Option<u8>,
    ssrc: Option<u32>,
}

impl Parser {
    fn parse(mut self, sdp: &str) -> Result<Description, String> {
        for line in sdp.lines() {
            let line = line.trim_end();
            if let Some(m) = line.strip_prefix("m=") {
                if self.sections.len() == MAX_MEDIA {
                    return Err(TOO_MUCH.into());
                }
                self.sections.push(Section::parse(m).ok_or(UNREADABLE)?);
            } else if let Some(a) = line.strip_prefix("a=") {
                let (name, value) = a.split_once(':').unwrap_or((a, ""));
                match self.sections.last_mut() {
                    Some(section) => section.attribute(name, value),
                    None => self.session.attribute(name, value),
                }
            }
        }
        self.finish()
    }

    fn finish(mut self) -> Result<Description, String> {
        let missing = |what: &str| {
            format!("The session in this code has no {what}; make a new one at the other end.")
        };
        for kind in ["audio", "application"] {
            if self.sections.iter().filter(|s| s.is(kind)).count() > 1 {
                return Err(format!(
                    "This code asks for {kind} twice, and sotto does it once."
                ));
            }
        }
        let Some(audio) = self.sections.iter().find(|s| s.is("audio")) else {
            return Err(match self.sections.iter().any(|s| s.kind == "audio") {
                true => DECLINED.into(),
                false => missing("audio"),
            });
        };
        let (opus_pt, mid_ext, ssrc) = (audio.opus_pt, audio.mid_ext, audio.ssrc);
        let red_pt = audio.red_of_opus();
        let mut transport = Transport::default();
        let mut media = Vec::new();
        for (position, section) in self.sections.drain(..).enumerate() {
            if section.is("audio") || section.is("application") {
                transport.fill(section.transport);
                let mid = section.mid.unwrap_or_else(|| position.to_string());
                media.push(match section.kind.as_str() {
                    "audio" => Media::Audio(mid),
                    _ => Media::Data(mid),
                });
            } else {
                media.push(Media::Rejected {
                    kind: section.kind,
                    protocol: section.protocol,
                    format: section.format,
                    mid: section.mid,
                });
            }
        }
        transport.fill(self.session);
        Ok(Description {
            ice: IceCredentials {
                ufrag: transport.ufrag.ok_or_else(|| missing("ice-ufrag"))?,
                pwd: transport.pwd.ok_or_else(|| missing("ice-pwd"))?,
            },
            fingerprint: transport
                .fingerprint
                .ok_or_else(|| missing("SHA-256 fingerprint"))?,
            setup: transport.setup.unwrap_or(Setup::ActPass),
            media,
            opus_pt: opus_pt.ok_or_else(|| missing("Opus"))?,
            red_pt,
            is_browser: true,
            mid_ext,
            ssrc,
            candidates: transport.candidates,
        })
    }
}

const TOO_MUCH: &str = "This code asks for more than sotto can answer; make a new one at the other end, for voice only.";
const UNREADABLE: &str =
    "This code describes a session that sotto cannot read; make a new one at the other end.";
const DECLINED: &str = "The other end declined voice in this code; let it use its microphone there, then make a new one.";

impl Transport {
    fn attribute(&mut self, name: &str, value: &str) {
        match name {
            "ice-ufrag" if ice_text(value, 4, 256) => self.ufrag = Some(value.into()),
            "ice-pwd" if ice_text(value, 22, 256) => self.pwd = Some(value.into()),
            "fingerprint" => self.fingerprint = parse_fingerprint(value).or(self.fingerprint),
            "setup" => {
                self.setup = match value {
                    "actpass" => Some(Setup::ActPass),
                    "active" => Some(Setup::Active),
                    "passive" => Some(Setup::Passive),
                    _ => self.setup,
                }
            }
            "candidate" if self.candidates.len() < MAX_CANDIDATES => {
                if let Some(c) = parse_candidate(value)
                    && !self.candidates.contains(&c)
                {
                    self.candidates.push(c);
                }
            }
            _ => {}
        }
    }

    /// Takes from another what this one does not say.
    fn fill(&mut self, other: Self) {
        self.ufrag = self.ufrag.take().or(other.ufrag);
        self.pwd = self.pwd.take().or(other.pwd);
        self.fingerprint = self.fingerprint.or(other.fingerprint);
        self.setup = self.setup.or(other.setup);
        if self.candidates.is_empty() {
            self.candidates = other.candidates;
        }
    }
}

impl Section {
    /// An m-line's value: kind, port, protocol, formats (RFC 8866 §5.14).
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split(' ');
        let mut next = || parts.next();
        let (kind, port) = (token(next()?)?, next()?.parse().ok()?);
        let (protocol, format) = (token(next()?)?, token(next()?)?);
        Some(Self {
            kind,
            port,
            protocol,
            format,
            mid: None,
            bundle_only: false,
            transport: Transport::default(),
            opus_pt: None,
            red_pt: None,
            redundant: Vec::new(),
            mid_ext: None,
            ssrc: None,
        })
    }

    /// The payload type of RED, if what it repeats is Opus.
    fn red_of_opus(&self) -> Option<u8> {
        let opus = self.opus_pt?;
        let red = self.red_pt.filter(|red| *red > 0 && *red != opus)?;
        self.redundant.contains(&(red, opus)).then_some(red)
    }

    /// Whether it is of this kind and not rejected.
    fn is(&self, kind: &str) -> bool {
        self.kind == kind && (self.port != 0 || self.bundle_only)
    }

    fn attribute(&mut self, name: &str, value: &str) {
        match name {
            // RFC 9143 lets a mid be any token; str0m holds 16 characters.
            "mid"
                if value.len() <= 16
                    && !value.is_empty()
                    && value.bytes().all(|b| b.is_ascii_graphic()) =>
            {
                self.mid = Some(value.into());
            }
            "bundle-only" => self.bundle_only = true,
            "rtpmap" => {
                let Some((pt, codec)) = value.split_once(' ') else {
                    return;
                };
                let Some(pt) = pt.parse().ok().filter(|pt| *pt < 128) else {
                    return;
                };
                let codec = codec.to_ascii_lowercase();
                if codec.starts_with("opus/48000") {
                    self.opus_pt.get_or_insert(pt);
                } else if codec.starts_with("red/48000") {
                    self.red_pt.get_or_insert(pt);
                }
            }
            // RED's parameters are the payload types of its blocks: 111/111 (RFC 2198 §5).
            "fmtp" if self.redundant.len() < MAX_REDUNDANT => {
                let pts = value
                    .split_once(' ')
                    .and_then(|(red, blocks)| Some((red.parse().ok()?, first_block(blocks)?)));
                self.redundant.extend(pts);
            }
            "extmap" => {
                if let Some((id, MID_URI)) = value.split_once(' ') {
                    self.mid_ext = id.parse().ok().filter(|id| (1..=14).contains(id));
                }
            }
            "ssrc" => {
                let ssrc = value.split(' ').next().and_then(|s| s.parse().ok());
                self.ssrc = self.ssrc.or(ssrc);
            }
            _ => self.transport.attribute(name, value),
        }
    }
}

/// The first payload type of `111/111`.
fn first_block(parameters: &str) -> Option<u8> {
    let (first, _) = parameters.split_once('/')?;
    first.parse().ok()
}

/// What may stand in an m-line that is echoed.
fn token(s: &str) -> Option<String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"/-_.+*".contains(&b);
    ((1..=MAX_TOKEN).contains(&s.len()) && s.bytes().all(allowed)).then(|| s.into())
}

/// Whether `s` is of ice-chars (RFC 8839 §5.4) and of a legal length.
fn ice_text(s: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&s.len())
        && s.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

fn parse_fingerprint(value: &str) -> Option<[u8; 32]> {
    let (hash, hex) = value.split_once(' ')?;
    if !hash.eq_ignore_ascii_case("sha-256") {
        return None;
    }
    let mut out = [0; 32];
    let mut parts = hex.trim().split(':');
    for byte in &mut out {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(out)
}

/// A UDP candidate with an address in numbers; `.local` names and TCP are none.
fn parse_candidate(value: &str) -> Option<Candidate> {
    let mut parts = value.split_ascii_whitespace().skip(1);
    let component = parts.next()?;
    let transport = parts.next()?;
    let address = parts.nth(1)?.parse().ok()?;
    let port: u16 = parts.next()?.parse().ok()?;
    let kind = match (parts.next()?, parts.next()?) {
        ("typ", "host") => CandidateKind::Host,
        ("typ", "srflx" | "prflx" | "relay") => CandidateKind::ServerReflexive,
        _ => return None,
    };
    let addr = SocketAddr::new(address, port);
    let usable =
        component == "1" && transport.eq_ignore_ascii_case("udp") && contents::is_reachable(addr);
    usable.then_some(Candidate { kind, addr })
}
