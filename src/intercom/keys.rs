//! The keys that a passphrase gives, each derived once and off the loop, one at a time.
//!
//! A key takes up to a second on a small board. So the next offer's is derived ahead, when the passphrase is set
//! and after each call; v1's, whose salt never changes, is kept; one that opens an offer is made when it is read.

use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::code::seal::{Master, V1_ITERATIONS, V1_SALT, V2_ITERATIONS};
use super::code::v2;
use super::passphrase::Passphrase;

/// A key for the shell to derive on a short-lived thread, by [`super::code::seal::derive`].
#[derive(Clone, PartialEq)]
pub struct Request {
    /// Comes back with the key.
    pub ticket: u64,
    /// As PBKDF2 takes it.
    pub passphrase: Zeroizing<String>,
    /// As PBKDF2 takes it.
    pub salt: Vec<u8>,
    /// As PBKDF2 takes it.
    pub iterations: u32,
}

enum Wanted {
    /// For the next offer of our own.
    Prepared([u8; 16]),
    /// For everything in v1.
    V1,
    /// To open this offer.
    Offer(Box<v2::Sealed>),
}

/// The passphrase and what was derived of it.
#[derive(Default)]
pub struct Keys {
    passphrase: Option<Passphrase>,
    prepared: Option<([u8; 16], Master)>,
    v1: Option<Master>,
    wanted: VecDeque<Wanted>,
    /// The derivation under way, by its ticket, and what for, unless that was withdrawn. There is never a second one.
    under_way: Option<(u64, Option<Wanted>)>,
    last_ticket: u64,
}

impl Keys {
    /// Another passphrase: every key of the old one is forgotten.
    pub fn set_passphrase(&mut self, passphrase: Passphrase) {
        *self = Self {
            passphrase: Some(passphrase),
            under_way: self.under_way.take().map(|(ticket, _)| (ticket, None)),
            last_ticket: self.last_ticket,
            ..Self::default()
        };
    }

    /// Whether there is a passphrase.
    pub fn has_passphrase(&self) -> bool {
        self.passphrase.is_some()
    }

    /// Asks for the next offer's key, unless it is there or on its way.
    pub fn prepare(&mut self, salt: [u8; 16]) {
        let coming = self.is_coming(|w| matches!(w, Wanted::Prepared(_)));
        if self.passphrase.is_some() && self.prepared.is_none() && !coming {
            self.wanted.push_back(Wanted::Prepared(salt));
        }
    }

    /// Whether the next offer's key is there.
    pub fn is_prepared(&self) -> bool {
        self.prepared.is_some()
    }

    /// The next offer's salt and key, for one use.
    pub fn take_prepared(&mut self) -> Option<([u8; 16], Master)> {
        self.prepared.take()
    }

    /// Asks for v1's key, unless it is there or on its way.
    pub fn want_v1(&mut self) {
        let coming = self.is_coming(|w| matches!(w, Wanted::V1));
        if self.v1.is_none() && !coming {
            self.wanted.push_back(Wanted::V1);
        }
    }

    /// v1's key, if it was derived.
    pub fn v1(&self) -> Option<&Master> {
        self.v1.as_ref()
    }

    /// Asks for the key that opens `offer`, unless it is on its way; a person waits for it, so it goes first.
    pub fn want_offer(&mut self, offer: v2::Sealed) {
        if !self.is_coming(|w| matches!(w, Wanted::Offer(known) if **known == offer)) {
            self.wanted.push_front(Wanted::Offer(Box::new(offer)));
        }
    }

    fn is_coming(&self, is_it: impl Fn(&Wanted) -> bool) -> bool {
        let under_way = self.under_way.iter().filter_map(|(_, w)| w.as_ref());
        self.wanted.iter().chain(under_way).any(is_it)
    }

    /// The next derivation, if none is under way.
    pub fn poll_request(&mut self) -> Option<Request> {
        if self.under_way.is_some() {
            return None;
        }
        let passphrase = self.passphrase.as_ref()?;
        let wanted = self.wanted.pop_front()?;
        let (text, salt, iterations) = match &wanted {
            Wanted::Prepared(salt) => (passphrase.normalised(), salt.to_vec(), V2_ITERATIONS),
            Wanted::V1 => (
                Zeroizing::new(passphrase.exact().to_owned()),
                V1_SALT.to_vec(),
                V1_ITERATIONS,
            ),
            Wanted::Offer(offer) => (
                passphrase.normalised(),
                offer.salt().to_vec(),
                V2_ITERATIONS,
            ),
        };
        self.last_ticket += 1;
        self.under_way = Some((self.last_ticket, Some(wanted)));
        Some(Request {
            ticket: self.last_ticket,
            passphrase: text,
            salt,
            iterations,
        })
    }

    /// Takes a derived key; gives it back with its offer when it is to open one. One that is not wanted any more is dropped.
    pub fn handle(&mut self, ticket: u64, master: Master) -> Option<(v2::Sealed, Master)> {
        match self.finished(ticket)? {
            Wanted::Prepared(salt) => self.prepared = Some((salt, master)),
            Wanted::V1 => self.v1 = Some(master),
            Wanted::Offer(offer) => return Some((*offer, master)),
        }
        None
    }

    /// A key could not be derived. True if somebody waits for it.
    pub fn handle_failure(&mut self, ticket: u64) -> bool {
        self.finished(ticket).is_some()
    }

    fn finished(&mut self, ticket: u64) -> Option<Wanted> {
        let (_, wanted) = self.under_way.take_if(|(t, _)| *t == ticket)?;
        wanted
    }
}
