//! Making codes: gather addresses, wait for the key, seal.

use base64::prelude::{BASE64_STANDARD, Engine};
use std::net::SocketAddr;
use std::time::Instant;

use str0m::crypto::from_feature_flags;

use super::{Answer, Call, Effect, Given, Offer, OwnOffer, Preparing, Purpose, Session, State};
use crate::intercom::code::seal::{IceCredentials, Master};
use crate::intercom::code::v1::{self, Description as V1Description};
use crate::intercom::code::v2::{self, AnswerKeys, Contents};
use crate::intercom::code::{Code, Kind};
use crate::intercom::link::{Dialect, Local};
use crate::intercom::session::{self, Description, Role, Setup};

impl Call {
    pub(super) fn prepare(&mut self, now: Instant, purpose: Purpose) {
        if self.has_offer() {
            self.event("note our own offer is forgotten: theirs is answered");
        }
        self.finish_goodbye(now);
        self.paths.clear();
        self.state = State::Preparing(Preparing {
            purpose,
            since: now,
            resolved: false,
            sockets: false,
        });
        self.out.push_back(Effect::Network(true));
        if self.use_stun {
            self.out.push_back(Effect::Resolve);
        }
    }

    /// Whether the key is there that a code is sealed with.
    pub(super) fn has_key_for(&self, purpose: &Purpose) -> bool {
        match purpose {
            Purpose::Offer(Dialect::V2) => self.keys.is_prepared(),
            Purpose::Offer(Dialect::V1) => self.keys.v1().is_some(),
            Purpose::AnswerV1 { .. } | Purpose::AnswerV2 { .. } => true,
        }
    }

    /// Makes the code that was being prepared.
    pub(super) fn finish(&mut self, now: Instant) {
        let State::Preparing(p) = std::mem::replace(&mut self.state, State::Idle) else {
            return;
        };
        let made = match p.purpose {
            Purpose::Offer(Dialect::V2) => self.finish_offer_v2(now),
            Purpose::Offer(Dialect::V1) => self.finish_offer_v1(now),
            Purpose::AnswerV2 {
                offer,
                keys,
                contents,
            } => self.finish_answer_v2(now, offer, keys, &contents),
            Purpose::AnswerV1 { offer, remote, key } => {
                self.finish_answer_v1(now, offer, remote, &key)
            }
        };
        if made.is_none() {
            self.end(now, "the code could not be made; try again");
        } else if self.paths.sockets().iter().all(|s| s.ip().is_loopback()) {
            self.note("there is no network: with this code only this machine can reach us; connect a network and make a new one");
        }
    }

    pub(super) fn finish_offer_v2(&mut self, now: Instant) -> Option<()> {
        let (salt, master) = self.keys.take_prepared()?;
        let ice = master.offer_credentials();
        let local = self.local(ice)?;
        let contents = self.contents(&local);
        let (sealed, keys) = master.seal_offer(salt, self.random(), &contents);
        self.event(format!("offer {sealed}"));
        self.state = State::OfferWaiting(Offer {
            since: now,
            code: OwnOffer::V2(sealed, keys),
            local,
            reflexive: Some(self.public_addresses()),
        });
        Some(())
    }

    pub(super) fn finish_offer_v1(&mut self, now: Instant) -> Option<()> {
        let key = self.keys.v1()?.clone();
        let ice = self.random_credentials();
        let local = self.local(ice)?;
        let ours = self.describe(
            &local,
            Setup::ActPass,
            session::default_media(),
            session::OPUS_PT,
            Some(session::RED_PT),
            Some(session::MID_EXT),
        );
        let sealed = self.seal_v1(&key, Kind::Offer, &ours);
        self.event(format!("offer {sealed}"));
        self.state = State::OfferWaiting(Offer {
            since: now,
            code: OwnOffer::V1(sealed, key),
            local,
            reflexive: Some(self.public_addresses()),
        });
        Some(())
    }

    pub(super) fn finish_answer_v2(
        &mut self,
        now: Instant,
        offer: v2::Sealed,
        keys: AnswerKeys,
        contents: &Contents,
    ) -> Option<()> {
        let salt = self.random();
        let local = self.local(keys.credentials(salt))?;
        let remote = Description::from_v2(keys.offerer_credentials(contents), contents);
        let sealed = keys.seal(salt, &self.contents(&local));
        self.give_answer(
            now,
            Code::V2(offer),
            sealed.to_string(),
            Session {
                role: Role::Answerer,
                dialect: Dialect::V2,
                local,
                remote,
            },
        );
        Some(())
    }

    pub(super) fn finish_answer_v1(
        &mut self,
        now: Instant,
        offer: v1::Sealed,
        remote: Description,
        key: &Master,
    ) -> Option<()> {
        let ice = self.random_credentials();
        let local = self.local(ice)?;
        let setup = if remote.setup == Setup::Active {
            Setup::Passive
        } else {
            Setup::Active
        };
        let ours = self.describe(
            &local,
            setup,
            remote.media.clone(),
            remote.opus_pt,
            remote.red_pt,
            remote.mid_ext,
        );
        let sealed = self.seal_v1(key, Kind::Answer, &ours);
        self.give_answer(
            now,
            Code::V1(offer),
            sealed.to_string(),
            Session {
                role: Role::Answerer,
                dialect: Dialect::V1,
                local,
                remote,
            },
        );
        Some(())
    }

    pub(super) fn give_answer(
        &mut self,
        now: Instant,
        offer: Code,
        code: String,
        session: Session,
    ) {
        self.event(format!("answer {code}"));
        self.wait_for_offerer(
            now,
            session,
            Given {
                since: now,
                offer,
                code,
            },
        );
    }

    pub(super) fn wait_for_offerer(&mut self, now: Instant, session: Session, given: Given) {
        self.paths
            .start_checks(now, &session.local.ice, &session.remote, &mut self.random);
        self.state = State::AnswerWaiting(Answer {
            since: given.since,
            offer: given.offer,
            code: given.code,
            session,
        });
    }

    /// Fresh parts for our end: a certificate and an SSRC, one a call.
    pub(super) fn local(&mut self, ice: IceCredentials) -> Option<Local> {
        let provider = from_feature_flags();
        let certificate = provider.dtls_provider.generate_certificate()?;
        let fingerprint = provider.sha256_provider.sha256(&certificate.certificate);
        Some(Local {
            ice,
            certificate,
            fingerprint,
            ssrc: u32::from_be_bytes(self.random()) | 1,
        })
    }

    pub(super) fn contents(&self, local: &Local) -> Contents {
        Contents {
            fingerprint: local.fingerprint,
            browser: None,
            candidates: self.paths.candidates().into_iter().take(30).collect(),
        }
    }

    pub(super) fn describe(
        &self,
        local: &Local,
        setup: Setup,
        media: Vec<session::Media>,
        opus_pt: u8,
        red_pt: Option<u8>,
        mid_ext: Option<u8>,
    ) -> Description {
        Description {
            ice: local.ice.clone(),
            fingerprint: local.fingerprint,
            setup,
            media,
            opus_pt,
            red_pt,
            is_browser: false,
            mid_ext,
            ssrc: Some(local.ssrc),
            candidates: self.paths.candidates(),
        }
    }

    fn seal_v1(&mut self, key: &Master, kind: Kind, ours: &Description) -> v1::Sealed {
        let sdp = ours.to_sdp(u64::from_be_bytes(self.random()) >> 1);
        let iv = self.random();
        v1::seal(key, iv, &V1Description { kind, sdp })
    }

    pub(super) fn public_addresses(&self) -> Vec<SocketAddr> {
        self.paths.reflexive().map(|(mapped, _)| mapped).collect()
    }

    /// v1 credentials travel in the SDP: 8 and 24 characters, like v2's.
    pub(super) fn random_credentials(&mut self) -> IceCredentials {
        IceCredentials {
            ufrag: BASE64_STANDARD.encode(self.random::<6>()),
            pwd: BASE64_STANDARD.encode(self.random::<18>()),
        }
    }
}
