//! Keys: passphrase to master, master to everything else.
//!
//! PBKDF2-HMAC-SHA256 (RFC 8018 §5.2) makes the master, once a call at each end. Everything else is one block of
//! HKDF-Expand (RFC 5869 §2.3) over it, so opening an answer costs no second derivation. What is sealed under a key is
//! sealed once: making an offer or an answer consumes what it is made with. The labels are in the table of [`v2`].

use std::fmt;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::prelude::{BASE64_STANDARD, Engine};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::v2::{self, Contents, Sealed};
use super::{CodeError, Kind};

/// The constant salt of the original app.
pub const V1_SALT: &[u8] = b"static_salt_for_simplicity_v1";
/// The original app's iteration count.
pub const V1_ITERATIONS: u32 = 100_000;
/// OWASP's figure for PBKDF2-HMAC-SHA256.
pub const V2_ITERATIONS: u32 = 600_000;

/// What the passphrase and a salt give; zeroed when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Master(Zeroizing<[u8; 32]>);

impl From<[u8; 32]> for Master {
    fn from(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

/// PBKDF2-HMAC-SHA256: takes up to a second on a small board at [`V2_ITERATIONS`].
pub fn derive(passphrase: &str, salt: &[u8], iterations: u32) -> Master {
    let mut master = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha256>(passphrase.as_bytes(), salt, iterations, &mut *master);
    Master(master)
}

/// ICE's user name fragment and password (RFC 8445 §5.3), as text.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// 4 to 256 ice-chars.
    pub ufrag: String,
    /// 22 to 256 ice-chars; secret.
    pub pwd: String,
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCredentials")
            .field("ufrag", &self.ufrag)
            .finish_non_exhaustive()
    }
}

impl Master {
    /// The offerer's ICE credentials, unless it is a browser that brings its own.
    pub fn offer_credentials(&self) -> IceCredentials {
        IceCredentials {
            ufrag: BASE64_STANDARD.encode(*self.expand::<6>("sotto2 offer ufrag", b"")),
            pwd: BASE64_STANDARD.encode(*self.expand::<18>("sotto2 offer pwd", b"")),
        }
    }

    /// Makes the one offer of this master. `salt` is what the master was derived with; `call_id` is random.
    ///
    /// # Panics
    /// As [`Contents::emit`].
    pub fn seal_offer(
        self,
        salt: [u8; 16],
        call_id: [u8; 4],
        contents: &Contents,
    ) -> (Sealed, OfferKeys) {
        let plain = contents.emit();
        let head = v2::head(Kind::Offer, &salt, &call_id, plain.len());
        let (key, nonce) = self.offer_key();
        let sealed = Sealed::assemble(Kind::Offer, &head, &encrypt(&key, &nonce, &head, &plain));
        let keys = OfferKeys(Call::new(self, &sealed));
        (sealed, keys)
    }

    /// Opens an offer. The master was derived with its salt.
    ///
    /// # Errors
    /// [`CodeError::Passphrase`], [`CodeError::Newer`], [`CodeError::Malformed`]; [`CodeError::Unexpected`] for an answer.
    pub fn open_offer(self, offer: &Sealed) -> Result<(Contents, AnswerKeys), CodeError> {
        if offer.kind() != Kind::Offer {
            return Err(CodeError::Unexpected(offer.kind()));
        }
        let (key, nonce) = self.offer_key();
        let plain = decrypt(&key, &nonce, offer.head(), offer.ciphertext())?;
        let contents = Contents::parse(&plain)?;
        Ok((contents, AnswerKeys(Call::new(self, offer))))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn offer_key(&self) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 12]>) {
        (
            self.expand("sotto2 offer key", b""),
            self.expand("sotto2 offer nonce", b""),
        )
    }

    /// HKDF-Expand's first block, cut to `N` of its 32 bytes.
    fn expand<const N: usize>(&self, label: &str, x: &[u8]) -> Zeroizing<[u8; N]> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC takes a key of any length");
        mac.update(label.as_bytes());
        mac.update(x);
        mac.update(&[1]);
        let block = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
        let mut out = Zeroizing::new([0; N]);
        out.copy_from_slice(&block[..N]);
        out
    }
}

/// What both ends keep of an offer until it is answered.
struct Call {
    master: Master,
    call_id: [u8; 4],
    /// SHA-256 of the offer's bytes, which an answer is bound to.
    offer: [u8; 32],
}

impl Call {
    fn new(master: Master, offer: &Sealed) -> Self {
        Self {
            master,
            call_id: offer.call_id(),
            offer: Sha256::digest(offer.bytes()).into(),
        }
    }

    fn answer_key(&self, salt: &[u8; 16]) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 12]>) {
        (
            self.master.expand("sotto2 answer key", salt),
            self.master.expand("sotto2 answer nonce", salt),
        )
    }

    fn answer_aad(&self, head: &[u8; v2::HEAD]) -> [u8; v2::HEAD + 32] {
        let mut aad = [0; v2::HEAD + 32];
        aad[..v2::HEAD].copy_from_slice(head);
        aad[v2::HEAD..].copy_from_slice(&self.offer);
        aad
    }

    /// The answerer's. Its password hangs on its ufrag alone, so that the offerer can check a first STUN request before
    /// it has the answer.
    fn answer_credentials(&self, salt: &[u8; 16]) -> IceCredentials {
        let ufrag = BASE64_STANDARD.encode(*self.master.expand::<6>("sotto2 answer ufrag", salt));
        let pwd = self
            .master
            .expand::<18>("sotto2 answer pwd", ufrag.as_bytes());
        IceCredentials {
            ufrag,
            pwd: BASE64_STANDARD.encode(*pwd),
        }
    }
}

/// What an offerer keeps to open the answer.
pub struct OfferKeys(Call);

impl OfferKeys {
    /// Opens the answer to this offer; also returns the answerer's ICE credentials.
    ///
    /// # Errors
    /// [`CodeError::OtherCall`], and those of [`Master::open_offer`].
    pub fn open_answer(&self, answer: &Sealed) -> Result<(Contents, IceCredentials), CodeError> {
        if answer.kind() != Kind::Answer {
            return Err(CodeError::Unexpected(answer.kind()));
        }
        if answer.call_id() != self.0.call_id {
            return Err(CodeError::OtherCall);
        }
        let salt = answer.salt();
        let (key, nonce) = self.0.answer_key(&salt);
        let aad = self.0.answer_aad(answer.head());
        let plain = decrypt(&key, &nonce, &aad, answer.ciphertext())?;
        let contents = Contents::parse(&plain)?;
        let ice = match &contents.browser {
            Some(browser) => browser.ice.clone(),
            None => self.0.answer_credentials(&salt),
        };
        Ok((contents, ice))
    }
}

/// What an answerer keeps of an opened offer to answer it.
pub struct AnswerKeys(Call);

impl AnswerKeys {
    /// The answerer's ICE credentials, with the random bytes that its answer will carry.
    pub fn credentials(&self, salt: [u8; 16]) -> IceCredentials {
        self.0.answer_credentials(&salt)
    }

    /// The offerer's ICE credentials; `contents` is what the offer held.
    pub fn offerer_credentials(&self, contents: &Contents) -> IceCredentials {
        match &contents.browser {
            Some(browser) => browser.ice.clone(),
            None => self.0.master.offer_credentials(),
        }
    }

    /// Makes the answer. `salt`: 16 random bytes, those of [`Self::credentials`].
    ///
    /// # Panics
    /// As [`Contents::emit`].
    pub fn seal(self, salt: [u8; 16], contents: &Contents) -> Sealed {
        let plain = contents.emit();
        let head = v2::head(Kind::Answer, &salt, &self.0.call_id, plain.len());
        let (key, nonce) = self.0.answer_key(&salt);
        let aad = self.0.answer_aad(&head);
        Sealed::assemble(Kind::Answer, &head, &encrypt(&key, &nonce, &aad, &plain))
    }
}

/// AES-256-GCM: ciphertext with the tag after it.
pub(super) fn encrypt(key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    Aes256Gcm::new(key.into())
        .encrypt(&Nonce::from(*nonce), Payload { msg: plain, aad })
        .expect("fails only over 64 GiB, and a code is under 1 MiB")
}

/// AES-256-GCM; `sealed` is ciphertext with the tag after it.
pub(super) fn decrypt(
    key: &[u8; 32],
    nonce: &[u8; 12],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CodeError> {
    Aes256Gcm::new(key.into())
        .decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad })
        .map(Zeroizing::new)
        .map_err(|_| CodeError::Passphrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; 16] = [5; 16];

    fn master() -> Master {
        derive("a passphrase", &SALT, 1)
    }

    fn contents(fill: u8) -> Contents {
        Contents {
            fingerprint: [fill; 32],
            browser: None,
            candidates: heapless::Vec::new(),
        }
    }

    #[test]
    fn both_ends_agree_on_contents_and_credentials() {
        let ours = master().offer_credentials();
        let (offer, offer_keys) = master().seal_offer(SALT, [1; 4], &contents(1));
        let (read, answer_keys) = master().open_offer(&offer).ok().unwrap();
        assert_eq!(read, contents(1));
        assert_eq!(answer_keys.offerer_credentials(&read), ours);
        let theirs = answer_keys.credentials([6; 16]);
        assert_eq!((theirs.ufrag.len(), theirs.pwd.len()), (8, 24));
        let answer = answer_keys.seal([6; 16], &contents(2));
        assert_eq!(offer_keys.open_answer(&answer), Ok((contents(2), theirs)));
    }

    #[test]
    fn a_browsers_own_credentials_replace_the_derived_ones_for_its_end() {
        let ice = IceCredentials {
            ufrag: "abcd".into(),
            pwd: "0123456789012345678901".into(),
        };
        let browser = Contents {
            browser: Some(v2::Browser {
                ice: ice.clone(),
                opus_pt: 109,
                red_pt: None,
                mid_ext: 3,
            }),
            ..contents(1)
        };
        let (offer, offer_keys) = master().seal_offer(SALT, [1; 4], &browser);
        let (read, answer_keys) = master().open_offer(&offer).ok().unwrap();
        assert_eq!(read, browser);
        assert_eq!(answer_keys.offerer_credentials(&read), ice);
        let answer = answer_keys.seal([6; 16], &browser);
        assert_eq!(offer_keys.open_answer(&answer), Ok((browser, ice)));
    }

    #[test]
    fn another_passphrase_does_not_open() {
        let (offer, _) = master().seal_offer(SALT, [1; 4], &contents(1));
        let other = derive("another passphrase", &SALT, 1);
        assert_eq!(other.open_offer(&offer).err(), Some(CodeError::Passphrase));
    }

    #[test]
    fn an_answer_to_another_call_is_named_as_such_and_one_to_another_offer_does_not_open() {
        let (first, keys) = master().seal_offer(SALT, [1; 4], &contents(1));
        let answer = |offer: &Sealed| {
            let (_, keys) = master().open_offer(offer).ok().unwrap();
            keys.seal([6; 16], &contents(2))
        };
        assert!(keys.open_answer(&answer(&first)).is_ok());
        let (other, _) = master().seal_offer(SALT, [2; 4], &contents(1));
        assert_eq!(keys.open_answer(&answer(&other)), Err(CodeError::OtherCall));
        let (same_id, _) = master().seal_offer(SALT, [1; 4], &contents(3));
        assert_eq!(
            keys.open_answer(&answer(&same_id)),
            Err(CodeError::Passphrase)
        );
    }

    #[test]
    fn an_offer_is_no_answer_nor_the_other_way_round() {
        let (offer, keys) = master().seal_offer(SALT, [1; 4], &contents(1));
        assert_eq!(
            keys.open_answer(&offer),
            Err(CodeError::Unexpected(Kind::Offer))
        );
        let (_, answer_keys) = master().open_offer(&offer).ok().unwrap();
        let answer = answer_keys.seal([6; 16], &contents(2));
        let opened = master().open_offer(&answer).err();
        assert_eq!(opened, Some(CodeError::Unexpected(Kind::Answer)));
    }

    #[test]
    fn debug_does_not_show_the_password() {
        let shown = format!("{:?}", master().offer_credentials());
        assert!(
            !shown.contains(&master().offer_credentials().pwd),
            "{shown}"
        );
    }
}
