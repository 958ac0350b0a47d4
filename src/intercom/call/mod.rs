//! One call's life, from a code to goodbye.
//!
//! ```text
//!   Idle ── call ──> Preparing ──> OfferWaiting ── their answer ───────┐
//!    │                                                                 v
//!    └─ their offer ─> Preparing ─> AnswerWaiting ── valid check ─> Connecting ──> InCall ──> Idle
//!                                        ^───────── no connection ─────┘
//! ```
//!
//! Waiting, which may take a person a day, holds no `Rtc` and no handshake: only the parts that one is built of
//! when the other end proves that it is there. So no library's timer can end a wait.

mod carry;
mod connect;
mod end;
mod make;
mod read;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Random;
use super::code::seal::Master;
use super::code::v1;
use super::code::v2::{self, AnswerKeys, Contents, OfferKeys};
use super::code::{self, Code, CodeError};
use super::keys::{Keys, Request};
use super::link::{Dialect, Link, LinkEvent, Local};
use super::paths::{Paths, Transmit, is_valid_check};
use super::session::{Description, Role};
use super::talk::Talk;
use crate::voice::frame::Frame;
use crate::voice::gate::Switch;
use crate::voice::playout::PlayoutStats;
use crate::voice::tones::Tone;

pub use carry::Meaning;

/// STUN servers get this long before a code goes without their answers.
const GATHER: Duration = Duration::from_millis(800);
/// How long a given code waits.
const WAIT: Duration = Duration::from_secs(24 * 3600);
/// How long an entered answer may take to connect.
const CONNECT: Duration = Duration::from_secs(60);
/// How long an answerer tries once the offerer showed up, before it waits again.
const RECONNECT: Duration = Duration::from_secs(40);
/// Between two new checks of every path meanwhile.
const RETRY: Duration = Duration::from_secs(2);
/// How long a goodbye may take to get through.
const GOODBYE: Duration = Duration::from_secs(2);

/// What the call wants done.
#[derive(PartialEq)]
pub enum Effect {
    /// An event line, without its `* `.
    Event(String),
    /// A note that the screen shows too, without its `* note `.
    Note(String),
    /// Something asked for failed: the line without its `! `.
    Problem(String),
    /// Send a datagram.
    Transmit(Transmit),
    /// Derive a key on a thread.
    Derive(Request),
    /// Open UDP sockets on every address and say which (true), or close them all (false).
    Network(bool),
    /// Resolve the configured STUN servers.
    Resolve,
    /// Start or stop the sound card.
    Sound(bool),
    /// Tell the owner's ear.
    Tone(Tone),
}

/// Where the call stands, for screens and status.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// No call.
    Idle,
    /// A code is being made.
    Preparing,
    /// Our offer waits for an answer, since when, in v1 or not.
    OfferWaiting(Instant, bool),
    /// Our answer waits for the offerer, since when, in v1 or not.
    AnswerWaiting(Instant, bool),
    /// The path is being checked, since when.
    Connecting(Instant),
    /// Voice flows.
    InCall,
}

/// The call: at most one.
pub struct Call {
    state: State,
    keys: Keys,
    paths: Paths,
    use_stun: bool,
    processing: bool,
    closing: Option<Closing>,
    reading: Option<Reading>,
    random: Random,
    past: Past,
    out: VecDeque<Effect>,
}

/// Counters of the calls that are over.
#[derive(Default)]
pub struct Past {
    /// Voice packets sent.
    pub packets_sent: u64,
    /// Of the jitter buffers.
    pub playout: PlayoutStats,
}

enum State {
    Idle,
    Preparing(Preparing),
    OfferWaiting(Offer),
    AnswerWaiting(Answer),
    Connecting(Connecting),
    InCall(Box<Talk>),
}

/// A code in the making: addresses are gathered, a key may be on its way.
struct Preparing {
    purpose: Purpose,
    since: Instant,
    resolved: bool,
    sockets: bool,
}

enum Purpose {
    Offer(Dialect),
    AnswerV2 {
        offer: v2::Sealed,
        keys: AnswerKeys,
        contents: Box<Contents>,
    },
    AnswerV1 {
        offer: v1::Sealed,
        remote: Description,
        key: Master,
    },
}

struct Offer {
    since: Instant,
    code: OwnOffer,
    local: Local,
    /// Our public addresses when it was made; `None` once the owner was told that they changed.
    reflexive: Option<Vec<SocketAddr>>,
}

enum OwnOffer {
    V1(v1::Sealed, Master),
    V2(v2::Sealed, OfferKeys),
}

struct Answer {
    since: Instant,
    /// The offer it answers, to answer it the same when it is read again.
    offer: Code,
    code: String,
    session: Session,
}

/// Both ends of a call, enough to build its link again.
struct Session {
    role: Role,
    dialect: Dialect,
    local: Local,
    remote: Description,
}

struct Connecting {
    since: Instant,
    deadline: Instant,
    /// When paths that ICE gave up are checked again.
    retry: Instant,
    link: Box<Link>,
    session: Session,
    /// An answerer goes back to waiting when this attempt fails.
    waiting: Option<Given>,
}

/// An answer that was given, while its session is in use.
struct Given {
    since: Instant,
    offer: Code,
    code: String,
}

/// A link that says goodbye.
struct Closing {
    link: Box<Link>,
    until: Instant,
    closed: bool,
}

/// A text whose codes are tried one by one.
struct Reading {
    codes: VecDeque<Code>,
    problem: Option<String>,
    /// An offer may take the place of our own.
    instead: bool,
}

/// What came of trying one code.
enum Tried {
    Used,
    NeedsKey,
    Failed(String),
}

impl Call {
    /// No call yet. `use_stun`: whether there are STUN servers to ask; `processing`: whether the voice gets echo, noise and gain control.
    pub fn new(use_stun: bool, processing: bool, random: Random) -> Self {
        Self {
            state: State::Idle,
            keys: Keys::default(),
            paths: Paths::default(),
            use_stun,
            processing,
            closing: None,
            reading: None,
            random,
            past: Past::default(),
            out: VecDeque::new(),
        }
    }

    /// Random bytes from outside.
    pub fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.random)(&mut bytes);
        bytes
    }

    /// Uses another passphrase from now on; a code that was given keeps its own.
    pub fn set_passphrase(&mut self, passphrase: super::passphrase::Passphrase) {
        if self.reading.take().is_some() {
            self.problem("The passphrase changed while a code was read; enter the code again.");
        }
        self.keys.set_passphrase(passphrase);
        if matches!(&self.state, State::Preparing(p) if matches!(p.purpose, Purpose::Offer(Dialect::V1)))
        {
            self.keys.want_v1();
        }
        let salt = self.random();
        self.keys.prepare(salt);
        self.out
            .extend(self.keys.poll_request().map(Effect::Derive));
    }

    /// Whether there is a passphrase.
    pub fn has_passphrase(&self) -> bool {
        self.keys.has_passphrase()
    }

    /// Where the call stands.
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Idle => Phase::Idle,
            State::Preparing(_) => Phase::Preparing,
            State::OfferWaiting(o) => Phase::OfferWaiting(o.since, o.code.dialect() == Dialect::V1),
            State::AnswerWaiting(a) => {
                Phase::AnswerWaiting(a.since, a.session.dialect == Dialect::V1)
            }
            State::Connecting(c) => Phase::Connecting(c.since),
            State::InCall(_) => Phase::InCall,
        }
    }

    /// The conversation, while there is one.
    pub fn talk(&self) -> Option<&Talk> {
        match &self.state {
            State::InCall(t) => Some(t),
            _ => None,
        }
    }

    /// The conversation, to change it.
    pub fn talk_mut(&mut self) -> Option<&mut Talk> {
        match &mut self.state {
            State::InCall(t) => Some(t),
            _ => None,
        }
    }

    /// Counters of all calls, the one at hand included.
    pub fn totals(&self) -> (u64, PlayoutStats) {
        let mut playout = self.past.playout.clone();
        let mut sent = self.past.packets_sent;
        if let Some(talk) = self.talk() {
            playout.add(talk.playout().stats());
            sent += talk.packets_sent();
        }
        (sent, playout)
    }

    /// `call`: makes an offer.
    pub fn make_offer(&mut self, now: Instant, dialect: Dialect) {
        if !self.keys.has_passphrase() {
            self.problem(NO_PASSPHRASE);
            return;
        }
        match &self.state {
            State::Idle => {}
            State::OfferWaiting(o) if o.code.dialect() == dialect => {
                let line = format!("offer {}", o.code);
                self.event(line);
                return;
            }
            State::OfferWaiting(_) => {
                self.problem(
                    "An offer of the other kind is waiting. Hold BACK, or type hang, to forget it; then call.",
                );
                return;
            }
            State::Preparing(_) => {
                self.problem("A code is being made already; it comes in a moment.");
                return;
            }
            State::AnswerWaiting(_) => {
                self.problem("An answer of yours is waiting. Hold BACK, or type hang, to forget it; then call.");
                return;
            }
            State::Connecting(_) | State::InCall(_) => {
                self.problem("You are in a call already. Hold BACK, or type hang, to end it.");
                return;
            }
        }
        if dialect == Dialect::V1 {
            self.event("note v1 codes are weak: their salt never changes, so use a long passphrase and a v2 code where you can");
            self.keys.want_v1();
        } else if !self.keys.is_prepared() {
            let salt = self.random();
            self.keys.prepare(salt);
        }
        self.prepare(now, Purpose::Offer(dialect));
    }

    /// A text that may hold codes: answers offers, connects answers.
    pub fn read(&mut self, now: Instant, text: &str) {
        let search = code::find(text);
        let damaged = search.damaged.map(|e| e.to_string());
        if search.codes.is_empty() {
            self.problem(damaged.unwrap_or_else(|| CodeError::None.to_string()));
            return;
        }
        if !self.keys.has_passphrase() {
            self.problem(NO_PASSPHRASE);
            return;
        }
        if self.reading.is_some() {
            self.problem("Another code is being read; enter this one again in a moment.");
            return;
        }
        self.reading = Some(Reading {
            codes: search.codes.into_iter().collect(),
            problem: None,
            instead: false,
        });
        self.read_on(now);
    }

    /// Whether a text is still being read, as a key takes its time.
    pub fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// A key that was asked for.
    pub fn handle_key(&mut self, now: Instant, ticket: u64, master: Master) {
        if let Some((offer, master)) = self.keys.handle(ticket, master) {
            let tried = self.open_offer(now, offer, master);
            self.note_tried(tried);
        }
        self.read_on(now);
    }

    /// A key could not be derived.
    pub fn handle_key_failure(&mut self, now: Instant, ticket: u64) {
        if !self.keys.handle_failure(ticket) {
            return;
        }
        if self.reading.take().is_some() {
            self.problem("The key could not be made: this machine has no memory for it. Enter the code again.");
        }
        if matches!(&self.state, State::Preparing(p) if !self.has_key_for(&p.purpose)) {
            self.end(
                now,
                "the key could not be made: this machine has no memory for it; try again",
            );
        }
    }

    /// The sockets that are open now.
    pub fn handle_sockets(&mut self, now: Instant, sockets: &[SocketAddr]) {
        if matches!(self.state, State::Idle) {
            return;
        }
        let gone = self.paths.sockets().iter().any(|s| !sockets.contains(s));
        self.paths.set_sockets(now, sockets);
        match &mut self.state {
            State::Preparing(p) => p.sockets = true,
            State::Connecting(c) => c.link.set_paths(&self.paths),
            State::InCall(t) => {
                t.set_paths(&self.paths);
                if gone {
                    self.note("our address changed: finding the other end again");
                }
            }
            State::OfferWaiting(_) | State::AnswerWaiting(_) if gone => self.note(
                "our address changed: the code that was given may not reach us; if no call comes, forget it and make a new one",
            ),
            _ => {}
        }
        self.advance(now);
    }

    /// The STUN servers' addresses; empty when they could not be resolved.
    pub fn handle_servers(&mut self, now: Instant, servers: &[SocketAddr]) {
        if matches!(self.state, State::Idle) {
            return;
        }
        self.paths.set_servers(now, servers);
        if let State::Preparing(p) = &mut self.state {
            p.resolved = true;
        }
        self.advance(now);
    }

    /// A datagram on one of our sockets.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        data: &[u8],
    ) {
        if self.paths.handle_datagram(now, source, data) {
            self.late_address();
        } else if let Some(c) = &mut self.closing {
            c.link.handle_datagram(now, source, destination, data);
        } else {
            match &mut self.state {
                State::Connecting(c) => c.link.handle_datagram(now, source, destination, data),
                State::InCall(t) => t.handle_datagram(now, source, destination, data),
                State::AnswerWaiting(a)
                    if is_valid_check(data, &a.session.local.ice, &a.session.remote.ice.ufrag) =>
                {
                    self.offerer_is_here(now);
                    if let State::Connecting(c) = &mut self.state {
                        c.link.handle_datagram(now, source, destination, data);
                    }
                }
                _ => {}
            }
        }
        self.advance(now);
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.paths.handle_timeout(now, &mut self.random);
        if let Some(c) = &mut self.closing {
            c.link.handle_timeout(now);
        }
        match &mut self.state {
            State::Connecting(c) => {
                if c.retry <= now {
                    c.retry = now + RETRY;
                    c.link.retry();
                }
                if c.link.poll_timeout() <= now {
                    c.link.handle_timeout(now);
                }
            }
            State::InCall(t) => t.handle_timeout(now),
            _ => {}
        }
        self.advance(now);
    }

    /// 10 ms from the microphone.
    pub fn handle_capture(&mut self, now: Instant, frame: &Frame, switch: Switch) {
        if let State::InCall(t) = &mut self.state {
            t.handle_capture(now, frame, switch);
            self.advance(now);
        }
    }

    /// `hang`: ends the call, or forgets the code that waits.
    pub fn hang_up(&mut self, now: Instant) {
        match &mut self.state {
            State::Idle => self.problem("There is no call to end."),
            State::Preparing(_) => self.end(now, "the code was forgotten"),
            State::OfferWaiting(_) => self.end(now, "the offer was forgotten"),
            State::AnswerWaiting(_) => self.end(now, "the answer was forgotten"),
            State::Connecting(_) | State::InCall(_) => self.end(now, "you hung up"),
        }
    }

    /// The program ends: a call is told goodbye at once, without waiting for it to get through.
    pub fn leave(&mut self, now: Instant) {
        if !matches!(self.state, State::Idle) {
            self.end(now, "this intercom was switched off");
        }
        self.finish_goodbye(now);
    }

    /// `same`, `differ`: what the owner says of the words.
    pub fn words_are(&mut self, now: Instant, same: bool) {
        let Some(talk) = self.talk_mut().filter(|t| t.words().is_some()) else {
            self.problem("There are no words to compare now.");
            return;
        };
        if same {
            talk.set_secure();
        } else {
            self.end(
                now,
                "the words differ: somebody may be between you; agree on a new passphrase, in person if you can",
            );
        }
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.out.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let state = match &self.state {
            State::Idle => None,
            State::Preparing(p) => {
                Some(p.since + GATHER).filter(|_| p.sockets && self.has_key_for(&p.purpose))
            }
            State::OfferWaiting(o) => Some(o.since + WAIT),
            State::AnswerWaiting(a) => Some(a.since + WAIT),
            State::Connecting(c) => Some(c.deadline.min(c.retry).min(c.link.poll_timeout())),
            State::InCall(t) => Some(t.poll_timeout()),
        };
        let closing = self
            .closing
            .as_ref()
            .map(|c| c.until.min(c.link.poll_timeout()));
        [state, closing, self.paths.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Moves whatever can move after an input, and collects what came of it.
    fn advance(&mut self, now: Instant) {
        self.out
            .extend(self.keys.poll_request().map(Effect::Derive));
        if let State::Preparing(p) = &self.state {
            let gathered = !self.use_stun || (p.resolved && self.paths.is_settled());
            let may = p.sockets && self.has_key_for(&p.purpose);
            if may && (gathered || now >= p.since + GATHER) {
                self.finish(now);
            }
        }
        self.expire(now);
        self.drain_closing(now);
        self.drain_connecting(now);
        self.drain_talk(now);
        // What a new state asked of the paths at once.
        self.paths.handle_timeout(now, &mut self.random);
        while let Some(t) = self.paths.poll_transmit() {
            self.out.push_back(Effect::Transmit(t));
        }
    }

    fn expire(&mut self, now: Instant) {
        match &self.state {
            State::OfferWaiting(o) if now >= o.since + WAIT => {
                self.end(now, "nobody answered in 24 hours");
            }
            State::AnswerWaiting(a) if now >= a.since + WAIT => {
                self.end(now, "they did not connect in 24 hours");
            }
            State::Connecting(c) if now >= c.deadline => self.connecting_failed(now),
            _ => {}
        }
    }

    /// What STUN says after the code was given cannot change the code any more.
    fn late_address(&mut self) {
        let known = self.public_addresses();
        match &mut self.state {
            State::OfferWaiting(o) if o.reflexive.as_ref().is_some_and(|given| *given != known) => {
                o.reflexive = None;
                self.note("our public address is not the one in this offer; if they cannot reach us, forget it and make a new one");
            }
            State::Connecting(c) => c.link.set_paths(&self.paths),
            _ => {}
        }
    }

    fn event(&mut self, line: impl Into<String>) {
        self.out.push_back(Effect::Event(line.into()));
    }

    fn note(&mut self, line: impl Into<String>) {
        self.out.push_back(Effect::Note(line.into()));
    }

    fn problem(&mut self, line: impl Into<String>) {
        self.out.push_back(Effect::Problem(line.into()));
    }
}

const NO_PASSPHRASE: &str = "Set the passphrase first: enter the words you agreed on or make new ones, with the buttons, or type passphrase.";

fn drain(link: &mut Link, now: Instant, out: &mut VecDeque<Effect>, events: &mut Vec<LinkEvent>) {
    let mut transmits = Vec::new();
    link.drain(now, &mut transmits, events);
    out.extend(transmits.into_iter().map(Effect::Transmit));
}

impl OwnOffer {
    fn dialect(&self) -> Dialect {
        match self {
            Self::V1(..) => Dialect::V1,
            Self::V2(..) => Dialect::V2,
        }
    }
}

impl std::fmt::Display for OwnOffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::V1(sealed, _) => sealed.fmt(f),
            Self::V2(sealed, _) => sealed.fmt(f),
        }
    }
}
