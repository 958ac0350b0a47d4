//! The end of a call, and the goodbye that the other end should hear.

use std::time::Instant;

use super::{Call, Closing, Effect, GOODBYE, State, drain};
use crate::intercom::link::{Link, LinkEvent};
use crate::voice::tones::Tone;

impl Call {
    pub(super) fn end(&mut self, now: Instant, reason: impl Into<String>) {
        let had_sound = matches!(self.state, State::Connecting(_) | State::InCall(_));
        match std::mem::replace(&mut self.state, State::Idle) {
            State::InCall(talk) => {
                self.past.packets_sent += talk.packets_sent();
                self.past.playout.add(talk.playout().stats());
                self.say_goodbye(now, talk.into_goodbye());
            }
            State::Connecting(c) => self.say_goodbye(now, (c.link, false)),
            _ => {}
        }
        if had_sound {
            self.out.push_back(Effect::Tone(Tone::Ended));
            self.out.push_back(Effect::Sound(false));
        }
        self.event(format!("ended {}", reason.into()));
        self.paths.stop_checks();
        if self.closing.is_none() {
            self.close_network();
        }
        if !self.keys.is_prepared() {
            let salt = self.random();
            self.keys.prepare(salt);
        }
        self.advance(now);
    }

    pub(super) fn say_goodbye(&mut self, now: Instant, (mut link, wait): (Box<Link>, bool)) {
        if !wait {
            link.close();
        }
        self.closing = Some(Closing {
            link,
            until: now + GOODBYE,
            closed: !wait,
        });
    }

    /// Our last message may need sending again, so the link closes when the peer has, or after a while.
    pub(super) fn drain_closing(&mut self, now: Instant) {
        let Some(c) = &mut self.closing else { return };
        let mut events = Vec::new();
        drain(&mut c.link, now, &mut self.out, &mut events);
        let late = now >= c.until;
        if !c.closed && (late || events.contains(&LinkEvent::Closed)) {
            c.link.close();
            c.closed = true;
            drain(&mut c.link, now, &mut self.out, &mut events);
        }
        if c.closed && (late || !c.link.is_alive()) {
            self.closing = None;
            if matches!(self.state, State::Idle) {
                self.close_network();
            }
        }
    }

    /// A goodbye that is under way gets no more time.
    pub(super) fn finish_goodbye(&mut self, now: Instant) {
        if let Some(closing) = &mut self.closing {
            closing.until = now;
        }
        self.drain_closing(now);
        self.closing = None;
    }

    pub(super) fn close_network(&mut self) {
        self.paths.clear();
        self.out.push_back(Effect::Network(false));
    }
}
