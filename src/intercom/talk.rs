//! The conversation: voice both ways, the words, and whether the other end is still there.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::link::{Link, LinkEvent};
use super::paths::{Paths, Transmit};
use super::verify::{Message, Verify};
use crate::voice::capture::Capture;
use crate::voice::frame::Frame;
use crate::voice::gate::Switch;
use crate::voice::playout::Playout;
use crate::voice::quality::{Bars, Heard, Rating};
use crate::voice::redundancy::Reports;

/// How long the peer's commitment may take. It comes over SCTP, whose handshake sends a lost packet again after 3, 6, 12 … s
/// (RFC 4960 §15): at 20 % loss one call in ten takes over 10 s, one in twenty over 30 s.
const VERIFY: Duration = Duration::from_secs(60);
/// Silence of every authenticated kind that counts as lost.
const LOST: Duration = Duration::from_secs(15);
/// How long a lost peer is looked for.
const SEARCH: Duration = Duration::from_secs(60);
/// Between two new checks of every path while it is.
const RETRY: Duration = Duration::from_secs(2);
/// Between two looks at the quality.
const LOOK: Duration = Duration::from_secs(1);
/// A receiver report older than this says nothing of now.
const REPORT_AGE: Duration = Duration::from_secs(6);

/// What the owner is told.
#[derive(Debug, PartialEq)]
pub enum TalkEvent {
    /// The words to compare.
    Words([&'static str; 3]),
    /// The peer's receiver reports say that our voice arrives.
    HearsYou,
    /// Nothing authenticated comes any more.
    Lost,
    /// It does again.
    Back,
}

/// Why it is over.
#[derive(Debug, PartialEq)]
pub enum Ended {
    /// They hung up, or closed the connection.
    ByPeer,
    /// Nothing came for 75 s.
    Lost,
    /// The commitments do not prove that nobody is between us.
    NotVerified(String),
}

/// What the peer's last receiver report said of our voice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    at: Instant,
    /// Share lost since the report before, 0 to 1.
    pub loss: f32,
    /// Interarrival jitter there, ms.
    pub jitter_ms: u32,
    /// Round trip.
    pub rtt: Option<Duration>,
}

/// Both directions of the codec.
pub struct Voice {
    capture: Capture,
    playout: Playout,
}

impl Voice {
    /// Both directions; `processing`: with echo, noise and gain control.
    ///
    /// # Errors
    /// libopus does not start.
    pub fn new(processing: bool) -> Result<Self, opus::Error> {
        let mut capture = Capture::new()?;
        if processing {
            capture.set_processing();
        }
        Ok(Self {
            capture,
            playout: Playout::new()?,
        })
    }
}

/// A call with voice.
pub struct Talk {
    link: Box<Link>,
    since: Instant,
    verify: Option<Verify>,
    verify_by: Instant,
    commit_sent: bool,
    words: Option<[&'static str; 3]>,
    secure: bool,
    capture: Capture,
    playout: Playout,
    /// Where our RTP timestamps begin.
    timestamp: u32,
    first_sequence: u64,
    report: Option<Report>,
    bars: Bars,
    look: Instant,
    reports: Reports,
    said_hears: bool,
    lost: Option<Instant>,
    retry: Instant,
    early: Vec<LinkEvent>,
    peer_hung_up: bool,
}

impl Talk {
    /// Voice over a link that just connected. `verify`: the words of a v2 call.
    pub fn new(
        now: Instant,
        link: Box<Link>,
        verify: Option<Verify>,
        voice: Voice,
        timestamp: u32,
    ) -> Self {
        let first_sequence = link.next_sequence();
        let mut capture = voice.capture;
        capture.set_red(link.opus_in_red());
        if link.is_to_browser() {
            capture.set_impatient();
        }
        Self {
            first_sequence,
            link,
            since: now,
            verify,
            verify_by: now + VERIFY,
            commit_sent: false,
            words: None,
            secure: false,
            capture,
            playout: voice.playout,
            timestamp,
            report: None,
            bars: Bars::new(),
            look: now,
            reports: Reports::new(first_sequence),
            said_hears: false,
            lost: None,
            retry: now,
            early: Vec::new(),
            peer_hung_up: false,
        }
    }

    /// Events that the link gave together with its connection, to be handled at the next drain.
    pub fn take_early(&mut self, events: Vec<LinkEvent>) {
        self.early = events;
    }

    /// The words, once both ends revealed.
    pub fn words(&self) -> Option<[&'static str; 3]> {
        self.words
    }

    /// The owner says that the words are the same.
    pub fn set_secure(&mut self) {
        self.secure = true;
    }

    /// Whether the owner said so.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// When it connected.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Whether this is a call without words.
    pub fn is_v1(&self) -> bool {
        self.verify.is_none()
    }

    /// Since when nothing authenticated came, once that is too long.
    pub fn lost(&self) -> Option<Instant> {
        self.lost
    }

    /// The last receiver report, if it is recent.
    pub fn report(&self, now: Instant) -> Option<Report> {
        self.report.filter(|r| now < r.at + REPORT_AGE)
    }

    /// The peer's reports say that our voice arrives now.
    pub fn hears_us(&self, now: Instant) -> bool {
        self.said_hears && self.report(now).is_some_and(|r| r.loss < 1.0)
    }

    /// How well we hear the peer.
    pub fn rating(&self, now: Instant) -> Rating {
        Heard {
            rtt: self.report(now).and_then(|r| r.rtt),
            wait_ms: self.playout.stats().delay_ms,
            concealed: self.playout.concealed(),
            burst: self.playout.burst_ratio(),
        }
        .rate()
    }

    /// The same as bars, 0 to 4; 0 while the peer is lost.
    pub fn bars(&self) -> u8 {
        self.lost.map_or(self.bars.get(), |_| 0)
    }

    /// The microphone side.
    pub fn capture(&self) -> &Capture {
        &self.capture
    }

    /// The speaker side.
    pub fn playout(&self) -> &Playout {
        &self.playout
    }

    /// The speaker side, to pull from.
    pub fn playout_mut(&mut self) -> &mut Playout {
        &mut self.playout
    }

    /// The speaker plays this, 10 ms.
    pub fn played(&mut self, frame: &Frame) {
        self.capture.played(frame);
    }

    /// Our socket and the peer's address.
    pub fn path(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.link.path()
    }

    /// Voice packets sent.
    pub fn packets_sent(&self) -> u64 {
        self.link.next_sequence() - self.first_sequence
    }

    /// Sockets or addresses changed.
    pub fn set_paths(&mut self, paths: &Paths) {
        self.link.set_paths(paths);
    }

    /// A datagram came in.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        data: &[u8],
    ) {
        self.link.handle_datagram(now, source, destination, data);
    }

    /// 10 ms from the microphone; sent when a packet is full.
    pub fn handle_capture(&mut self, now: Instant, frame: &Frame, switch: Switch) {
        let (link, first) = (&mut self.link, self.timestamp);
        self.capture.push(frame, switch, |packet| {
            link.send_voice(now, first, &packet);
        });
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.link.poll_timeout() <= now {
            self.link.handle_timeout(now);
        }
        if self.lost.is_some() && now >= self.retry {
            self.link.retry();
            self.link.handle_timeout(now);
            self.retry = now + RETRY;
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Instant {
        let silence = match self.lost {
            None => self.link.last_authenticated() + LOST,
            Some(lost) => self.retry.min(lost + SEARCH),
        };
        let verify = (self.words.is_none() && self.verify.is_some()).then_some(self.verify_by);
        self.link
            .poll_timeout()
            .min(silence)
            .min(verify.unwrap_or(silence))
    }

    /// Everything that came of the inputs so far; and why it is over, if it is.
    pub fn drain(
        &mut self,
        now: Instant,
        out: &mut Vec<Transmit>,
        events: &mut Vec<TalkEvent>,
    ) -> Option<Ended> {
        if now >= self.look {
            self.bars.update(self.rating(now).r);
            self.look = now + LOOK;
        }
        let mut link_events = std::mem::take(&mut self.early);
        loop {
            self.link.drain(now, out, &mut link_events);
            if link_events.is_empty() {
                break;
            }
            for event in link_events.drain(..) {
                if let Some(ended) = self.handle_link(now, event, events) {
                    return Some(ended);
                }
            }
        }

        if self.words.is_none() && self.verify.is_some() && now >= self.verify_by {
            return Some(Ended::NotVerified(
                "the other end never sent its part of the words; make new codes and try again"
                    .into(),
            ));
        }
        self.watch_silence(now, events)
    }

    /// Our last words: the link, and whether to wait for the peer to close it.
    pub fn into_goodbye(mut self) -> (Box<Link>, bool) {
        let told = !self.peer_hung_up && self.link.send_message(&Message::HangUp.emit());
        (self.link, told)
    }

    fn handle_link(
        &mut self,
        now: Instant,
        event: LinkEvent,
        events: &mut Vec<TalkEvent>,
    ) -> Option<Ended> {
        match event {
            LinkEvent::Connected => {}
            LinkEvent::ChannelOpen => self.commit(),
            LinkEvent::ChannelData(data) => return self.handle_message(&data, events),
            LinkEvent::Voice {
                sequence,
                timestamp,
                payload,
                red,
            } => match red {
                None => self.playout.insert(now, sequence, timestamp, &payload),
                Some(opus) => self
                    .playout
                    .insert_red(now, sequence, timestamp, &payload, opus),
            },
            LinkEvent::Report {
                loss,
                lost,
                jitter_ms,
                rtt,
                highest,
            } => {
                let feedback = self.reports.take(highest, lost, rtt);
                self.capture.handle_feedback(feedback);
                self.report = Some(Report {
                    at: now,
                    loss,
                    jitter_ms,
                    rtt,
                });
                if !self.said_hears && highest >= self.first_sequence && loss < 1.0 {
                    self.said_hears = true;
                    events.push(TalkEvent::HearsYou);
                }
            }
            LinkEvent::Closed => {
                self.peer_hung_up = true;
                return Some(Ended::ByPeer);
            }
        }
        None
    }

    fn commit(&mut self) {
        if let Some(verify) = self.verify.as_ref().filter(|_| !self.commit_sent) {
            self.commit_sent = self.link.send_message(&verify.first().emit());
        }
    }

    fn handle_message(&mut self, data: &[u8], events: &mut Vec<TalkEvent>) -> Option<Ended> {
        let message = Message::parse(data)?;
        if message == Message::HangUp {
            self.peer_hung_up = true;
            return Some(Ended::ByPeer);
        }
        // Theirs may come before our side of the channel is told open.
        self.commit();
        let verify = self.verify.as_mut()?;
        match verify.handle(message) {
            Ok(Some(reply)) => {
                if !self.link.send_message(&reply.emit()) {
                    log::warn!("the words could not be sent");
                }
            }
            Ok(None) => {}
            Err(e) => {
                return Some(Ended::NotVerified(format!(
                    "{e}: somebody may be between you"
                )));
            }
        }
        if self.words.is_none()
            && let Some(words) = verify.words()
        {
            self.words = Some(words);
            events.push(TalkEvent::Words(words));
        }
        None
    }

    fn watch_silence(&mut self, now: Instant, events: &mut Vec<TalkEvent>) -> Option<Ended> {
        let silent = now >= self.link.last_authenticated() + LOST;
        match self.lost {
            None if silent => {
                self.lost = Some(now);
                self.retry = now;
                events.push(TalkEvent::Lost);
                None
            }
            Some(lost) if silent && (now >= lost + SEARCH || !self.link.is_alive()) => {
                Some(Ended::Lost)
            }
            Some(_) if !silent => {
                self.lost = None;
                events.push(TalkEvent::Back);
                None
            }
            _ => None,
        }
    }
}
