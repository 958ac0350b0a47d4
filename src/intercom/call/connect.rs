//! From two descriptions to a conversation, and what comes of it.

use std::time::Instant;

use super::{CONNECT, Call, Connecting, Effect, Given, RECONNECT, RETRY, Session, State, drain};
use crate::intercom::link::{Dialect, Link, LinkEvent};
use crate::intercom::paths::Paths;
use crate::intercom::session::{Description, Role};
use crate::intercom::talk::{Ended, Talk, TalkEvent, Voice};
use crate::intercom::verify::Verify;
use crate::voice::tones::Tone;

impl Call {
    /// Our offer was answered.
    pub(super) fn connect_offer(&mut self, now: Instant, remote: Description, dialect: Dialect) {
        let State::OfferWaiting(offer) = std::mem::replace(&mut self.state, State::Idle) else {
            return;
        };
        let session = Session {
            role: Role::Offerer,
            dialect,
            local: offer.local,
            remote,
        };
        self.connect(now, now + CONNECT, session, None);
    }

    /// The offerer's first valid check came in: our answer has reached it.
    pub(super) fn offerer_is_here(&mut self, now: Instant) {
        let State::AnswerWaiting(a) = std::mem::replace(&mut self.state, State::Idle) else {
            return;
        };
        self.paths.stop_checks();
        let given = Given {
            since: a.since,
            offer: a.offer,
            code: a.code,
        };
        self.connect(now, now + RECONNECT, a.session, Some(given));
    }

    pub(super) fn connect(
        &mut self,
        now: Instant,
        deadline: Instant,
        session: Session,
        waiting: Option<Given>,
    ) {
        let sequence = u16::from_be_bytes(self.random());
        match build(now, &session, &self.paths, sequence) {
            Some(link) => {
                self.event("connecting");
                self.out.push_back(Effect::Sound(true));
                self.out.push_back(Effect::Tone(match session.role {
                    Role::Offerer => Tone::Calling,
                    Role::Answerer => Tone::Incoming,
                }));
                self.state = State::Connecting(Connecting {
                    since: now,
                    deadline,
                    retry: now + RETRY,
                    link,
                    session,
                    waiting,
                });
            }
            None => self.end(
                now,
                "their code describes a session that cannot be built; make a new one",
            ),
        }
    }

    pub(super) fn drain_connecting(&mut self, now: Instant) {
        let State::Connecting(c) = &mut self.state else {
            return;
        };
        let mut events = Vec::new();
        drain(&mut c.link, now, &mut self.out, &mut events);
        let connected = events.iter().position(|e| *e == LinkEvent::Connected);
        if let Some(position) = connected {
            self.connected(now, events.split_off(position + 1));
        } else if c.link.is_spent(now) {
            // The path may still be good, or come, so begin again.
            let sequence = c.link.next_sequence() as u16;
            match build(now, &c.session, &self.paths, sequence) {
                Some(link) => c.link = link,
                None => self.connecting_failed(now),
            }
        }
    }

    pub(super) fn connected(&mut self, now: Instant, early: Vec<LinkEvent>) {
        let nonce = self.random();
        let timestamp = u32::from_be_bytes(self.random());
        let voice = match Voice::new(self.processing) {
            Ok(voice) => voice,
            Err(e) => {
                self.end(now, format!("the voice codec does not start ({e})"));
                return;
            }
        };
        let State::Connecting(c) = std::mem::replace(&mut self.state, State::Idle) else {
            return;
        };
        self.event(format!("connected {}", (now - c.since).as_millis()));
        self.out.push_back(Effect::Tone(Tone::Connected));
        let verify = (c.session.dialect == Dialect::V2).then(|| {
            Verify::new(
                c.session.role,
                c.session.local.fingerprint,
                c.session.remote.fingerprint,
                nonce,
            )
        });
        if verify.is_none() {
            self.event("note this is a v1 call: there are no words to compare");
        }
        let mut talk = Talk::new(now, c.link, verify, voice, timestamp);
        talk.take_early(early);
        self.state = State::InCall(Box::new(talk));
    }

    pub(super) fn connecting_failed(&mut self, now: Instant) {
        let State::Connecting(c) = std::mem::replace(&mut self.state, State::Idle) else {
            return;
        };
        match c.waiting {
            Some(given) => {
                self.out.push_back(Effect::Sound(false));
                self.note("they tried to connect and it did not work; still waiting for them");
                self.wait_for_offerer(now, c.session, given);
            }
            None => {
                self.state = State::Connecting(c);
                self.end(
                    now,
                    "no way to the other end was found in 60 s; check that both are online and make new codes",
                );
            }
        }
    }

    pub(super) fn drain_talk(&mut self, now: Instant) {
        let State::InCall(talk) = &mut self.state else {
            return;
        };
        let mut transmits = Vec::new();
        let mut events = Vec::new();
        let ended = talk.drain(now, &mut transmits, &mut events);
        self.out.extend(transmits.into_iter().map(Effect::Transmit));
        for event in events {
            match event {
                TalkEvent::Words(w) => self.event(format!("words {} {} {}", w[0], w[1], w[2])),
                TalkEvent::HearsYou => self.event("hears you"),
                TalkEvent::Lost => {
                    self.event("note lost them; trying to reach them again for 60 s");
                    self.out.push_back(Effect::Tone(Tone::Lost));
                }
                TalkEvent::Back => {
                    self.event("note they are back");
                    self.out.push_back(Effect::Tone(Tone::Back));
                }
            }
        }
        match ended {
            Some(Ended::ByPeer) => self.end(now, "they hung up"),
            Some(Ended::Lost) => {
                self.end(now, "lost them: nothing comes from the other end any more")
            }
            Some(Ended::NotVerified(why)) => self.end(now, why),
            None => {}
        }
    }
}

fn build(now: Instant, session: &Session, paths: &Paths, sequence: u16) -> Option<Box<Link>> {
    Link::new(
        now,
        session.role,
        session.dialect,
        &session.local,
        &session.remote,
        paths,
        sequence,
    )
    .map_err(|e| log::warn!("cannot build the session: {e}"))
    .ok()
}
