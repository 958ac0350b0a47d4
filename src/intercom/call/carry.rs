//! Codes that something carries for the owner: what one found is to this call, and which one is to be taken along.

use std::time::Instant;

use super::{Call, Connecting, Offer, OwnOffer, Purpose, Reading, State};
use crate::intercom::code::{Code, Kind, v1};

/// What a code is to the call at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Made here, for this call.
    Own,
    /// The answer to the offer that waits here.
    Answer,
    /// The offer that was answered and is waited for.
    Answered,
    /// An answer to something else.
    OtherAnswer,
    /// Somebody's offer.
    Offer,
    /// A v1 code that only a key will tell: it shows neither its kind nor its call.
    Unknown,
}

impl Call {
    /// What a code is, as far as that can be told at once.
    pub fn meaning(&self, code: &Code) -> Meaning {
        match self.given() {
            Some((offer, _)) if offer == code => return Meaning::Answered,
            Some((_, own)) if *own == code.to_string() => return Meaning::Own,
            _ => {}
        }
        let offer = match &self.state {
            State::OfferWaiting(Offer { code, .. }) => Some(code),
            _ => None,
        };
        match (code, offer) {
            (Code::V2(code), Some(OwnOffer::V2(own, _))) if code == own => Meaning::Own,
            (Code::V2(code), Some(OwnOffer::V2(own, _)))
                if code.kind() == Kind::Answer && code.call_id() == own.call_id() =>
            {
                Meaning::Answer
            }
            (Code::V2(code), _) => match code.kind() {
                Kind::Offer => Meaning::Offer,
                Kind::Answer => Meaning::OtherAnswer,
            },
            (Code::V1(code), Some(OwnOffer::V1(own, _))) if code == own => Meaning::Own,
            (Code::V1(code), Some(OwnOffer::V1(_, key))) => match v1::open(key, code) {
                Ok(opened) if opened.kind == Kind::Answer => Meaning::Answer,
                Ok(_) => Meaning::Offer,
                Err(_) => Meaning::Unknown,
            },
            (Code::V1(code), _) => match self.keys.v1().map(|key| v1::open(key, code)) {
                Some(Ok(opened)) if opened.kind == Kind::Answer => Meaning::OtherAnswer,
                Some(Ok(_)) => Meaning::Offer,
                _ => Meaning::Unknown,
            },
        }
    }

    /// The offer that was answered, and the answer, as long as the offerer has not come or the attempt may fail.
    pub(super) fn given(&self) -> Option<(&Code, &str)> {
        match &self.state {
            State::AnswerWaiting(a) => Some((&a.offer, &a.code)),
            State::Connecting(Connecting {
                waiting: Some(w), ..
            }) => Some((&w.offer, &w.code)),
            _ => None,
        }
    }

    /// The code that the other end needs now.
    pub fn to_carry(&self) -> Option<(Kind, String)> {
        match &self.state {
            State::OfferWaiting(o) => Some((Kind::Offer, o.code.to_string())),
            State::AnswerWaiting(a) => Some((Kind::Answer, a.code.clone())),
            _ => None,
        }
    }

    /// Whether an offer of our own waits or is being made.
    pub fn has_offer(&self) -> bool {
        match &self.state {
            State::OfferWaiting(_) => true,
            State::Preparing(p) => matches!(p.purpose, Purpose::Offer(_)),
            _ => false,
        }
    }

    /// As [`Self::read`], of codes that were found already. `instead`: an offer that opens takes the place of our own.
    pub fn read_codes(&mut self, now: Instant, codes: Vec<Code>, instead: bool) {
        if !self.keys.has_passphrase() {
            self.problem(super::NO_PASSPHRASE);
            return;
        }
        self.reading = Some(Reading {
            codes: codes.into(),
            problem: None,
            instead,
        });
        self.read_on(now);
    }
}
