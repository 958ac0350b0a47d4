//! One attempt to connect, and the connection that comes of it: owns `str0m::Rtc` and the gate before it.
//!
//! The gate: str0m takes DTLS, RTP and RTCP from anywhere, so a stranger's packet could end a handshake. Here only
//! sources that proved both ends' ICE credentials in a STUN message get through; what others send is dropped,
//! but for a few early DTLS datagrams that wait for their source to prove itself.
//! An error from `Rtc::handle_input` says that one datagram was bad, never that the call is over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use heapless::Deque;
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::config::{DtlsCert, Fingerprint};
use str0m::format::{Codec, FormatParams};
use str0m::media::{Frequency, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{Extension, RtpWrite, Ssrc};
use str0m::{Candidate as IceCandidate, Event, IceCreds, Input, Output, Rtc};

use super::code::seal::IceCredentials;
use super::code::v2::{Candidate, CandidateKind};
use super::paths::{Paths, Transmit, is_valid_check, is_valid_reply};
use super::session::{Description, Role, Setup};
use crate::voice::capture::Packet;

/// Sources that proved themselves, the newest last.
const MAX_SOURCES: usize = 16;
/// Between two receiver reports: their variance tells bursts of loss from single ones, and takes four a second (`voice::redundancy`).
const REPORTS: Duration = Duration::from_millis(250);
/// Between two checks of a path at most, and how many in a row may fail: as long together as str0m's 3 s and 9, of which
/// a third of lost packets makes ten seconds and more until a path is chosen.
const CHECK: Duration = Duration::from_secs(1);
const CHECKS: usize = 22;
/// What dimpl gives a DTLS handshake, counted from its building rather than from its first packet.
const HANDSHAKE: Duration = Duration::from_secs(40);
/// Younger than this, one leaves time enough for the handshake itself.
const FRESH: Duration = Duration::from_secs(30);
/// New sources let in to one attempt: a check that was overheard can be replayed from any number.
const MAX_ADMITTED: usize = 64;
/// A datagram of DTLS goes out again after so long: what sets up a call is a handful of datagrams, and DTLS, SCTP and
/// what they carry wait for a lost one for 1 s, 3 s and more, doubled each time. The peer's DTLS drops what it already has
/// (RFC 6347 §4.1.2.6). Further apart than a burst of loss is long, sooner than the first retransmission.
const REPEATS: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(350),
];
/// Datagrams that wait to go out again.
const MAX_REPEATS: usize = 64;
/// Early datagrams kept, and how large each may be.
const MAX_EARLY: usize = 8;
const MAX_EARLY_BYTES: usize = 2_000;

/// What our end of a call is made of; the same parts can build its `Rtc` again.
pub struct Local {
    /// ufrag and pwd.
    pub ice: IceCredentials,
    /// The DTLS certificate, one a call.
    pub certificate: DtlsCert,
    /// Its SHA-256.
    pub fingerprint: [u8; 32],
    /// The SSRC of our audio.
    pub ssrc: u32,
}

/// Which session the two ends agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The original page's: SDP, a data channel `secure_chat` on which nothing is sent.
    V1,
    /// Ours: the channel `sotto`, negotiated, id 0.
    V2,
}

/// What happened on the link.
#[derive(Debug, PartialEq)]
pub enum LinkEvent {
    /// ICE and DTLS are done; voice can flow.
    Connected,
    /// The `sotto` channel can be written.
    ChannelOpen,
    /// A message on the `sotto` channel.
    ChannelData(Vec<u8>),
    /// A packet of voice arrived.
    Voice {
        /// Extended by str0m.
        sequence: u64,
        /// RTP, 48 kHz.
        timestamp: u32,
        /// Opus, or RED; empty in a packet that is only padding.
        payload: Arc<[u8]>,
        /// Opus's payload type in a packet of RED (RFC 2198).
        red: Option<u8>,
    },
    /// The peer's receiver report about our voice.
    Report {
        /// Share of our packets that were lost since the last report, 0 to 1.
        loss: f32,
        /// Packets of ours lost since the call began.
        lost: u64,
        /// Interarrival jitter at the peer, in ms.
        jitter_ms: u32,
        /// Round trip, if known.
        rtt: Option<Duration>,
        /// Highest sequence number of ours that the peer has.
        highest: u64,
    },
    /// The peer closed the connection.
    Closed,
}

/// An `Rtc` with its gate.
pub struct Link {
    rtc: Rtc,
    /// Ours and the peer's.
    ice: [IceCredentials; 2],
    audio: Mid,
    opus: Pt,
    red: Option<Pt>,
    to_browser: bool,
    sequence: u64,
    channel: Option<ChannelId>,
    sources: Deque<SocketAddr, MAX_SOURCES>,
    admitted: usize,
    early: Deque<(SocketAddr, SocketAddr, Vec<u8>), MAX_EARLY>,
    repeats: heapless::Vec<(Instant, Transmit), MAX_REPEATS>,
    local: Vec<IceCandidate>,
    remote: Vec<IceCandidate>,
    /// Where media goes now: our socket and the peer's address.
    path: Option<(SocketAddr, SocketAddr)>,
    since: Instant,
    authenticated: Instant,
    timeout: Instant,
}

impl Link {
    /// Builds the session and starts ICE and DTLS at `now`.
    ///
    /// `sequence` is where our RTP sequence numbers begin, below 2^15.
    pub fn new(
        now: Instant,
        role: Role,
        dialect: Dialect,
        local: &Local,
        remote: &Description,
        paths: &Paths,
        sequence: u16,
    ) -> Result<Box<Self>, str0m::RtcError> {
        let opus = Pt::new_with_value(remote.opus_pt);
        let red = remote.red_pt.map(Pt::new_with_value);
        let mut config = Rtc::builder()
            .clear_codecs()
            .set_rtp_mode(true)
            .set_dtls_cert(local.certificate.clone())
            .set_local_ice_credentials(creds(&local.ice))
            .set_stats_interval(Some(REPORTS))
            .set_rtcp_report_interval_audio(REPORTS)
            .clear_extension_map();
        if let Some(id) = remote.mid_ext {
            config = config.set_extension(id, Extension::RtpMid);
        }
        let format = FormatParams {
            min_p_time: Some(10),
            use_inband_fec: Some(true),
            ..Default::default()
        };
        config.codec_config().add_config(
            opus,
            None,
            Codec::Opus,
            Frequency::FORTY_EIGHT_KHZ,
            Some(2),
            format,
        );
        if let Some(red) = red {
            // Of its own: in RTP mode that is all that lets its packets through.
            config.codec_config().add_config(
                red,
                None,
                Codec::Red,
                Frequency::FORTY_EIGHT_KHZ,
                Some(2),
                FormatParams::default(),
            );
        }

        config.set_max_stun_rto(CHECK);
        config.set_max_stun_retransmits(CHECKS);

        let mut rtc = config.build(now);
        let audio = Mid::from(remote.audio_mid().unwrap_or("0"));
        let mut api = rtc.direct_api();
        api.set_ice_controlling(role == Role::Offerer);
        api.set_remote_ice_credentials(creds(&remote.ice));
        api.set_remote_fingerprint(Fingerprint {
            hash_func: "sha-256".into(),
            bytes: remote.fingerprint.to_vec(),
        });
        api.declare_media(audio, MediaKind::Audio);
        api.declare_stream_tx(Ssrc::from(local.ssrc), None, audio, None);
        if let Some(ssrc) = remote.ssrc {
            api.expect_stream_rx(Ssrc::from(ssrc), None, audio, None);
        }
        let client = is_dtls_client(role, dialect, remote.setup);
        // The handshake's deadline counts from the time that the Rtc was last told.
        rtc.handle_input(Input::Timeout(now))?;
        let mut api = rtc.direct_api();
        api.start_dtls(client)?;
        let mut channel = None;
        if remote.has_data() {
            api.start_sctp(client);
            channel = match (dialect, role) {
                (Dialect::V2, _) => Some(ChannelConfig {
                    label: "sotto".into(),
                    negotiated: Some(0),
                    ..Default::default()
                }),
                (Dialect::V1, Role::Offerer) => Some(ChannelConfig {
                    label: "secure_chat".into(),
                    ..Default::default()
                }),
                // The page opens its own.
                (Dialect::V1, Role::Answerer) => None,
            }
            .map(|config| api.create_data_channel(config));
        }

        let mut link = Box::new(Self {
            rtc,
            ice: [local.ice.clone(), remote.ice.clone()],
            audio,
            opus,
            red,
            to_browser: remote.is_browser,
            sequence: u64::from(sequence & 0x7FFF),
            channel: channel.filter(|_| dialect == Dialect::V2),
            sources: Deque::new(),
            admitted: 0,
            early: Deque::new(),
            repeats: heapless::Vec::new(),
            local: Vec::new(),
            remote: remote.candidates.iter().filter_map(ice_candidate).collect(),
            path: None,
            since: now,
            authenticated: now,
            timeout: now,
        });
        link.set_paths(paths);
        link.retry();
        Ok(link)
    }

    /// Tells ICE of sockets that came or went, and of what STUN says of them.
    pub fn set_paths(&mut self, paths: &Paths) {
        let hosts = paths
            .sockets()
            .iter()
            .filter_map(|&s| IceCandidate::host(s, Protocol::Udp).ok());
        let reflexive = paths.reflexive().filter_map(|(mapped, base)| {
            IceCandidate::server_reflexive(mapped, base, Protocol::Udp).ok()
        });
        let now: Vec<IceCandidate> = hosts.chain(reflexive).collect();
        for gone in self.local.iter().filter(|c| !now.contains(c)) {
            self.rtc.direct_api().invalidate_candidate(gone);
        }
        for new in now.iter().filter(|c| !self.local.contains(c)) {
            self.rtc.add_local_candidate(new.clone());
        }
        self.local = now;
    }

    /// Checks every path to the peer again that ICE has given up.
    pub fn retry(&mut self) {
        // The path that worked may be one that no code named: peer-reflexive.
        if let Some((_, peer)) = self.path
            && let Ok(candidate) = IceCandidate::host(peer, Protocol::Udp)
        {
            self.rtc.add_remote_candidate(candidate);
        }
        for candidate in self.remote.clone() {
            self.rtc.add_remote_candidate(candidate);
        }
    }

    /// A datagram that came in on the socket `destination`.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        data: &[u8],
    ) {
        let Ok(receive) = Receive::new(Protocol::Udp, source, destination, data) else {
            return;
        };
        let input = Input::Receive(now, receive);
        // RFC 7983 §7: STUN begins with 0 or 1.
        let first = data.first().copied().unwrap_or_default();
        if first < 2 {
            // `Rtc::accepts` takes anything from the nominated address.
            let [local, remote] = &self.ice;
            if !is_valid_check(data, local, &remote.ufrag) && !is_valid_reply(data, remote) {
                return;
            }
            let is_new = !self.sources.iter().any(|s| *s == source);
            if is_new && self.admitted == MAX_ADMITTED {
                return;
            }
            self.authenticated = now;
            self.feed(input);
            if is_new {
                self.admitted += 1;
                self.remember(now, source);
            }
        } else if self.sources.iter().any(|s| *s == source) {
            self.feed(input);
        } else if is_dtls(data)
            && data.len() <= MAX_EARLY_BYTES
            && !self.early.iter().any(|(_, _, early)| early == data)
        {
            if self.early.is_full() {
                self.early.pop_front();
            }
            // A place was just made.
            let _ = self.early.push_back((source, destination, data.to_vec()));
        }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.feed(Input::Timeout(now));
    }

    /// Everything that came of the inputs so far.
    pub fn drain(&mut self, now: Instant, out: &mut Vec<Transmit>, events: &mut Vec<LinkEvent>) {
        while let Some(due) = self.repeats.iter().position(|(at, _)| *at <= now) {
            out.push(self.repeats.remove(due).1);
        }
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.timeout = at;
                    return;
                }
                Ok(Output::Transmit(t)) => {
                    // STUN replies go where they came from; everything else takes the nominated path.
                    if t.contents.first().is_some_and(|b| *b >= 2) {
                        self.path = Some((t.source, t.destination));
                    }
                    let transmit = Transmit {
                        source: t.source,
                        destination: t.destination,
                        contents: t.contents.to_vec(),
                    };
                    if is_dtls(&transmit.contents) {
                        for after in REPEATS {
                            // One that finds no room goes out once less.
                            let _ = self.repeats.push((now + after, transmit.clone()));
                        }
                    }
                    out.push(transmit);
                }
                Ok(Output::Event(e)) => events.extend(self.translate(now, e)),
                Err(e) => {
                    log::debug!("link: {e}");
                    self.timeout = now + Duration::from_secs(1);
                    return;
                }
            }
        }
    }

    /// The payload type of Opus in RED, if the peer takes RED.
    pub fn opus_in_red(&self) -> Option<u8> {
        self.red.map(|_| *self.opus)
    }

    /// Whether the peer is a browser.
    pub fn is_to_browser(&self) -> bool {
        self.to_browser
    }

    /// Sends one packet of voice; its timestamp begins at `first`.
    pub fn send_voice(&mut self, now: Instant, first: u32, packet: &Packet<'_>) {
        let payload_type = match self.red {
            Some(red) if packet.red => red,
            _ => self.opus,
        };
        let write = RtpWrite::new(
            payload_type,
            self.sequence.into(),
            first.wrapping_add(packet.timestamp),
            now,
            Arc::<[u8]>::from(packet.payload),
        )
        .marker(packet.marker);
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(self.audio, None) {
            stream.write_rtp(write);
            self.sequence += 1;
        }
        self.feed(Input::Timeout(now));
    }

    /// Sends one message on the `sotto` channel; false if there is none or it is not open.
    pub fn send_message(&mut self, message: &[u8]) -> bool {
        self.channel
            .and_then(|id| self.rtc.channel(id))
            .is_some_and(|mut c| c.write(true, message).unwrap_or(false))
    }

    /// Says goodbye: RTCP BYE and DTLS close_notify.
    pub fn close(&mut self) {
        if let Err(e) = self.rtc.close() {
            log::debug!("link: close: {e}");
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Instant {
        let repeats = self.repeats.iter().map(|(at, _)| *at);
        repeats.fold(self.timeout, Instant::min)
    }

    /// False once nothing more can come of this link: the handshake failed, or it is closed.
    pub fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// Whether a link that has not connected yet had better be built anew: its handshake failed or is past its time, or
    /// has no path yet and would have too little time left.
    pub fn is_spent(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.since);
        !self.is_alive() || age >= HANDSHAKE || (age >= FRESH && self.path.is_none())
    }

    /// When the peer last proved that it is there.
    pub fn last_authenticated(&self) -> Instant {
        self.authenticated
    }

    /// Our socket and the peer's address that media takes.
    pub fn path(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.path
    }

    /// Packets of voice sent.
    pub fn next_sequence(&self) -> u64 {
        self.sequence
    }

    fn remember(&mut self, now: Instant, source: SocketAddr) {
        if self.sources.is_full()
            && let Some(oldest) = self.sources.pop_front()
            && self.path.is_some_and(|(_, peer)| peer == oldest)
        {
            // The one that carries the call stays.
            self.sources.pop_front();
            let _ = self.sources.push_back(oldest);
        }
        // A place was just made.
        let _ = self.sources.push_back(source);
        for _ in 0..self.early.len() {
            let Some((from, to, data)) = self.early.pop_front() else {
                break;
            };
            if from == source
                && let Ok(receive) = Receive::new(Protocol::Udp, from, to, &data)
            {
                self.feed(Input::Receive(now, receive));
            } else {
                // It was in there before, so there is room.
                let _ = self.early.push_back((from, to, data));
            }
        }
    }

    fn feed(&mut self, input: Input<'_>) {
        if let Err(e) = self.rtc.handle_input(input) {
            log::debug!("link: dropped a datagram: {e}");
        }
    }

    fn translate(&mut self, now: Instant, event: Event) -> Option<LinkEvent> {
        match event {
            Event::Connected => Some(LinkEvent::Connected),
            Event::ChannelOpen(id, _) if Some(id) == self.channel => Some(LinkEvent::ChannelOpen),
            Event::ChannelData(d) if Some(d.id) == self.channel => {
                self.authenticated = now;
                Some(LinkEvent::ChannelData(d.data))
            }
            Event::RtpPacket(p) => {
                self.authenticated = now;
                Some(LinkEvent::Voice {
                    sequence: *p.seq_no,
                    timestamp: p.header.timestamp,
                    payload: p.payload,
                    red: self
                        .opus_in_red()
                        .filter(|_| Some(p.header.payload_type) == self.red),
                })
            }
            Event::MediaEgressStats(s) => {
                let remote = s.remote?;
                Some(LinkEvent::Report {
                    loss: s.loss?,
                    // Signed, in 24 bits: duplicates can make it negative (RFC 3550 §6.4.1).
                    lost: Some(remote.packets_lost)
                        .filter(|lost| *lost < 1 << 23)
                        .unwrap_or_default(),
                    jitter_ms: remote.jitter / 48,
                    rtt: s.rtt,
                    highest: *remote.maximum_sequence_number,
                })
            }
            Event::Closed => Some(LinkEvent::Closed),
            _ => None,
        }
    }
}

/// RFC 7983 §7.
fn is_dtls(data: &[u8]) -> bool {
    data.first().is_some_and(|b| (20..64).contains(b))
}

/// RFC 8842 §5.3: who takes which side of DTLS.
fn is_dtls_client(role: Role, dialect: Dialect, remote: Setup) -> bool {
    match (dialect, role) {
        (Dialect::V2, role) => role == Role::Answerer,
        (Dialect::V1, Role::Offerer) => remote == Setup::Passive,
        (Dialect::V1, Role::Answerer) => remote != Setup::Active,
    }
}

fn creds(c: &IceCredentials) -> IceCreds {
    IceCreds {
        ufrag: c.ufrag.clone(),
        pass: c.pwd.clone(),
    }
}

fn ice_candidate(c: &Candidate) -> Option<IceCandidate> {
    match c.kind {
        CandidateKind::Host => IceCandidate::host(c.addr, Protocol::Udp),
        CandidateKind::ServerReflexive => {
            IceCandidate::server_reflexive(c.addr, c.addr, Protocol::Udp)
        }
    }
    .ok()
}
