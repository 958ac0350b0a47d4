//! Reading codes: each one that a text holds is tried in turn, and what is wrong is said once.

use std::time::Instant;

use super::{Call, Offer, OwnOffer, Purpose, State, Tried};
use crate::intercom::code::seal::Master;
use crate::intercom::code::{Code, CodeError, Kind, v1, v2};
use crate::intercom::link::Dialect;
use crate::intercom::session::Description;

impl Call {
    pub(super) fn read_on(&mut self, now: Instant) {
        while let Some(reading) = &mut self.reading {
            let Some(code) = reading.codes.front().cloned() else {
                let problem = reading.problem.take();
                self.reading = None;
                self.problem(problem.unwrap_or_else(|| CodeError::None.to_string()));
                break;
            };
            let tried = match code {
                Code::V2(sealed) => self.try_v2(now, sealed),
                Code::V1(sealed) => self.try_v1(now, sealed),
            };
            if let Tried::NeedsKey = tried {
                break;
            }
            self.note_tried(tried);
        }
        self.advance(now);
    }

    /// A code that did its work ends the reading; after one that failed the next is tried.
    pub(super) fn note_tried(&mut self, tried: Tried) {
        match tried {
            Tried::Used => self.reading = None,
            Tried::NeedsKey => {}
            Tried::Failed(problem) => {
                if let Some(reading) = &mut self.reading {
                    reading.codes.pop_front();
                    reading.problem.get_or_insert(problem);
                }
            }
        }
    }

    pub(super) fn try_v2(&mut self, now: Instant, sealed: v2::Sealed) -> Tried {
        match sealed.kind() {
            Kind::Offer => {
                let code = Code::V2(sealed.clone());
                if matches!(&self.state, State::OfferWaiting(Offer { code: OwnOffer::V2(own, _), .. }) if *own == sealed)
                {
                    return Tried::Failed(CodeError::Own.to_string());
                }
                if let Some(tried) = self.known_offer(&code) {
                    return tried;
                }
                self.keys.want_offer(sealed);
                Tried::NeedsKey
            }
            Kind::Answer => match &self.state {
                State::OfferWaiting(Offer {
                    code: OwnOffer::V2(_, keys),
                    ..
                }) => match keys.open_answer(&sealed) {
                    Ok((contents, ice)) => {
                        self.connect_offer(now, Description::from_v2(ice, &contents), Dialect::V2);
                        Tried::Used
                    }
                    Err(e) => Tried::Failed(e.to_string()),
                },
                State::OfferWaiting(_) => Tried::Failed(CodeError::OtherCall.to_string()),
                State::AnswerWaiting(a) if a.code == sealed.to_string() => {
                    Tried::Failed(CodeError::Own.to_string())
                }
                _ => self.no_offer(),
            },
        }
    }

    pub(super) fn try_v1(&mut self, now: Instant, sealed: v1::Sealed) -> Tried {
        let own = match &self.state {
            State::OfferWaiting(Offer {
                code: OwnOffer::V1(own, _),
                ..
            }) => *own == sealed,
            State::AnswerWaiting(a) => a.code == sealed.to_string(),
            _ => false,
        };
        if own {
            return Tried::Failed(CodeError::Own.to_string());
        }
        // Our offer's own key first: the passphrase may be another by now.
        let given = match &self.state {
            State::OfferWaiting(Offer {
                code: OwnOffer::V1(_, key),
                ..
            }) => v1::open(key, &sealed)
                .ok()
                .map(|opened| (opened, key.clone())),
            _ => None,
        };
        let (opened, key) = match given {
            Some(given) => given,
            None => {
                let Some(key) = self.keys.v1() else {
                    self.keys.want_v1();
                    return Tried::NeedsKey;
                };
                match v1::open(key, &sealed) {
                    Ok(opened) => (opened, key.clone()),
                    Err(e) => return Tried::Failed(e.to_string()),
                }
            }
        };
        let remote = match Description::from_sdp(&opened.sdp) {
            Ok(remote) => remote,
            Err(problem) => return Tried::Failed(problem),
        };
        match opened.kind {
            Kind::Offer => {
                let code = Code::V1(sealed.clone());
                if let Some(tried) = self.known_offer(&code) {
                    return tried;
                }
                self.event("note this is a v1 code: weak against guessing, and there are no words to compare");
                self.prepare(
                    now,
                    Purpose::AnswerV1 {
                        offer: sealed,
                        remote,
                        key,
                    },
                );
                Tried::Used
            }
            Kind::Answer => match &self.state {
                State::OfferWaiting(Offer {
                    code: OwnOffer::V1(..),
                    ..
                }) => {
                    self.connect_offer(now, remote, Dialect::V1);
                    Tried::Used
                }
                State::OfferWaiting(_) => Tried::Failed(CodeError::OtherCall.to_string()),
                _ => self.no_offer(),
            },
        }
    }

    /// What to do with an offer before it is opened; `None`: open it.
    pub(super) fn known_offer(&mut self, offer: &Code) -> Option<Tried> {
        if let Some((known, code)) = self.given()
            && known == offer
        {
            let line = format!("answer {code}");
            self.event(line);
            return Some(Tried::Used);
        }
        if self.reading.as_ref().is_some_and(|r| r.instead) && self.has_offer() {
            return None;
        }
        let refuse = match &self.state {
            State::Idle | State::AnswerWaiting(_) => return None,
            State::Preparing(_) => "A code is being made already; wait for it, then decide.",
            State::OfferWaiting(_) => {
                "This is their offer, and your own offer is waiting. Hold BACK, or type hang, to forget yours; then enter theirs again."
            }
            State::Connecting(_) | State::InCall(_) => {
                "You are in a call. Hold BACK, or type hang, to end it; then enter the code again."
            }
        };
        Some(Tried::Failed(refuse.into()))
    }

    pub(super) fn no_offer(&self) -> Tried {
        Tried::Failed(match &self.state {
            State::Connecting(_) | State::InCall(_) => "You are in a call already.".into(),
            _ => "This is an answer, but no offer of yours is waiting for one. Press TALK, or type call, to make an offer.".into(),
        })
    }

    pub(super) fn open_offer(&mut self, now: Instant, offer: v2::Sealed, master: Master) -> Tried {
        // The state may have moved on while the key was derived.
        if let Some(tried) = self.known_offer(&Code::V2(offer.clone())) {
            return tried;
        }
        match master.open_offer(&offer) {
            Ok((contents, keys)) => {
                self.prepare(
                    now,
                    Purpose::AnswerV2 {
                        offer,
                        keys,
                        contents: Box::new(contents),
                    },
                );
                Tried::Used
            }
            Err(e) => Tried::Failed(e.to_string()),
        }
    }
}
