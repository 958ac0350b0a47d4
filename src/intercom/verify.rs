//! The words both ends compare: commit, then reveal (after ZRTP, RFC 6189 §4.4), on the `sotto` channel.
//!
//! ```text
//! n         32 random bytes, each end its own
//! C         = SHA-256("sotto2 commit" ‖ role ‖ own fingerprint ‖ peer's fingerprint ‖ n)
//!             role: one byte, ASCII o for the offerer, a for the answerer
//!             fingerprint: SHA-256 of the DTLS certificate, 32 bytes, as DTLS saw it
//! words     = the first 33 bits of SHA-256("sotto2 words" ‖ offerer's fingerprint ‖ answerer's ‖ offerer's n ‖ answerer's n),
//!             three big-endian indices of 11 bits into the BIP-39 English list
//!
//! message   one byte of type, then: 1 commit: C (32 bytes); 2 reveal: n (32 bytes); 3 hang up: nothing
//! ```
//!
//! Each end sends its C as soon as the channel is open, and its n once it has the other's C. So somebody in between
//! has to commit before they know what the words will be, and one guess in 2^33 is all they have.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::passphrase;
use super::session::Role;

/// One message on the `sotto` channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// C.
    Commit([u8; 32]),
    /// n.
    Reveal([u8; 32]),
    /// The call is over.
    HangUp,
}

const COMMIT: u8 = 1;
const REVEAL: u8 = 2;
const HANG_UP: u8 = 3;

impl Message {
    /// Reads a message; `None` for one of another type or length.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let (kind, body) = data.split_first()?;
        match *kind {
            COMMIT => body.try_into().ok().map(Self::Commit),
            REVEAL => body.try_into().ok().map(Self::Reveal),
            HANG_UP if body.is_empty() => Some(Self::HangUp),
            _ => None,
        }
    }

    /// The message as it is sent.
    pub fn emit(&self) -> Vec<u8> {
        match self {
            Self::Commit(c) => [&[COMMIT], &c[..]].concat(),
            Self::Reveal(n) => [&[REVEAL], &n[..]].concat(),
            Self::HangUp => vec![HANG_UP],
        }
    }
}

/// What the other end did that no honest one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// A second commitment or reveal.
    Repeated,
    /// Our own commitment, sent back.
    Reflected,
    /// A reveal without a commitment.
    Early,
    /// A reveal that is not what was committed to.
    Wrong,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repeated => "the other end sent its proof twice",
            Self::Reflected => "the other end sent our own proof back",
            Self::Early => "the other end sent its proof out of order",
            Self::Wrong => "the other end's proof is not what it committed to",
        })
    }
}

impl std::error::Error for VerifyError {}

/// One end's side of the comparison.
pub struct Verify {
    role: Role,
    local: [u8; 32],
    peer: [u8; 32],
    nonce: Zeroizing<[u8; 32]>,
    state: State,
}

enum State {
    /// The peer has not committed.
    Waiting,
    /// It has, to this C; our n is out.
    Committed([u8; 32]),
    /// It revealed.
    Known([&'static str; 3]),
}

impl Verify {
    /// `local_fp`, `peer_fp`: the certificates' SHA-256 as DTLS saw them. `nonce`: 32 random bytes, never used before.
    pub fn new(role: Role, local_fp: [u8; 32], peer_fp: [u8; 32], nonce: [u8; 32]) -> Self {
        Self {
            role,
            local: local_fp,
            peer: peer_fp,
            nonce: Zeroizing::new(nonce),
            state: State::Waiting,
        }
    }

    /// Our commitment, to be sent first.
    pub fn first(&self) -> Message {
        Message::Commit(commitment(self.role, &self.local, &self.peer, &self.nonce))
    }

    /// Takes a message of the peer's; returns what to send in return.
    ///
    /// # Errors
    /// When the peer breaks the protocol: the call has to end.
    pub fn handle(&mut self, message: Message) -> Result<Option<Message>, VerifyError> {
        match (message, &self.state) {
            (Message::HangUp, _) => Ok(None),
            (commit @ Message::Commit(_), _) if commit == self.first() => {
                Err(VerifyError::Reflected)
            }
            (Message::Commit(c), State::Waiting) => {
                self.state = State::Committed(c);
                Ok(Some(Message::Reveal(*self.nonce)))
            }
            (Message::Reveal(_), State::Waiting) => Err(VerifyError::Early),
            (Message::Reveal(n), State::Committed(c)) => {
                if commitment(other(self.role), &self.peer, &self.local, &n) != *c {
                    return Err(VerifyError::Wrong);
                }
                self.state = State::Known(self.words_with(&n));
                Ok(None)
            }
            (Message::Commit(_) | Message::Reveal(_), _) => Err(VerifyError::Repeated),
        }
    }

    /// The words, once the peer has revealed what it committed to.
    pub fn words(&self) -> Option<[&'static str; 3]> {
        match self.state {
            State::Known(words) => Some(words),
            _ => None,
        }
    }

    fn words_with(&self, peer_nonce: &[u8; 32]) -> [&'static str; 3] {
        let ours = (&self.local, &*self.nonce);
        let theirs = (&self.peer, peer_nonce);
        let (offerer, answerer) = match self.role {
            Role::Offerer => (ours, theirs),
            Role::Answerer => (theirs, ours),
        };
        let hash = Sha256::new()
            .chain_update(b"sotto2 words")
            .chain_update(offerer.0)
            .chain_update(answerer.0)
            .chain_update(offerer.1)
            .chain_update(answerer.1)
            .finalize();
        passphrase::words(&hash)
    }
}

fn commitment(role: Role, own: &[u8; 32], peer: &[u8; 32], nonce: &[u8; 32]) -> [u8; 32] {
    let role = match role {
        Role::Offerer => b"o",
        Role::Answerer => b"a",
    };
    Sha256::new()
        .chain_update(b"sotto2 commit")
        .chain_update(role)
        .chain_update(own)
        .chain_update(peer)
        .chain_update(nonce)
        .finalize()
        .into()
}

fn other(role: Role) -> Role {
    match role {
        Role::Offerer => Role::Answerer,
        Role::Answerer => Role::Offerer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const O: [u8; 32] = [1; 32];
    const A: [u8; 32] = [2; 32];

    fn ends() -> (Verify, Verify) {
        (
            Verify::new(Role::Offerer, O, A, [3; 32]),
            Verify::new(Role::Answerer, A, O, [4; 32]),
        )
    }

    #[test]
    fn both_ends_get_the_same_words_after_both_revealed() {
        let (mut o, mut a) = ends();
        let from_o = a.handle(o.first());
        assert_eq!(from_o, Ok(Some(Message::Reveal([4; 32]))));
        assert_eq!(o.handle(a.first()), Ok(Some(Message::Reveal([3; 32]))));
        assert_eq!((o.words(), a.words()), (None, None));
        assert_eq!(o.handle(Message::Reveal([4; 32])), Ok(None));
        assert_eq!(a.handle(Message::Reveal([3; 32])), Ok(None));
        assert!(o.words().is_some());
        assert_eq!(o.words(), a.words());
    }

    #[test]
    fn somebody_in_between_makes_the_words_differ() {
        const EVE: [u8; 32] = [9; 32];
        let mut o = Verify::new(Role::Offerer, O, EVE, [3; 32]);
        let mut a = Verify::new(Role::Answerer, A, EVE, [4; 32]);
        let mut to_o = Verify::new(Role::Answerer, EVE, O, [4; 32]);
        let mut to_a = Verify::new(Role::Offerer, EVE, A, [3; 32]);
        for (honest, eve) in [(&mut o, &mut to_o), (&mut a, &mut to_a)] {
            let theirs = honest.handle(eve.first()).unwrap().unwrap();
            let eves = eve.handle(honest.first()).unwrap().unwrap();
            honest.handle(eves).unwrap();
            eve.handle(theirs).unwrap();
        }
        assert!(o.words().is_some() && a.words().is_some());
        assert_ne!(o.words(), a.words());
    }

    #[test]
    fn a_reflected_commitment_is_refused() {
        let (mut o, _) = ends();
        let own = o.first();
        assert_eq!(o.handle(own), Err(VerifyError::Reflected));
    }

    #[test]
    fn our_number_is_revealed_once_and_a_second_commitment_is_refused() {
        let (mut o, a) = ends();
        assert!(o.handle(a.first()).unwrap().is_some());
        assert_eq!(o.handle(a.first()), Err(VerifyError::Repeated));
        assert_eq!(o.handle(Message::Reveal([4; 32])), Ok(None));
        assert_eq!(o.handle(a.first()), Err(VerifyError::Repeated));
        assert_eq!(
            o.handle(Message::Reveal([4; 32])),
            Err(VerifyError::Repeated)
        );
    }

    #[test]
    fn a_reveal_before_its_commitment_is_refused() {
        let (mut o, _) = ends();
        assert_eq!(o.handle(Message::Reveal([4; 32])), Err(VerifyError::Early));
    }

    #[test]
    fn a_reveal_of_something_else_is_refused_and_gives_no_words() {
        let (mut o, a) = ends();
        o.handle(a.first()).unwrap();
        assert_eq!(o.handle(Message::Reveal([5; 32])), Err(VerifyError::Wrong));
        assert_eq!(o.words(), None);
    }

    #[test]
    fn a_commitment_for_other_fingerprints_or_the_same_role_is_wrong() {
        for liar in [
            Verify::new(Role::Answerer, [7; 32], O, [4; 32]),
            Verify::new(Role::Answerer, A, [7; 32], [4; 32]),
            Verify::new(Role::Offerer, A, O, [4; 32]),
        ] {
            let (mut o, _) = ends();
            o.handle(liar.first()).unwrap();
            assert_eq!(o.handle(Message::Reveal([4; 32])), Err(VerifyError::Wrong));
        }
    }

    #[test]
    fn messages_read_back_and_others_are_ignored() {
        let bytes = |kind: u8, body: usize| [vec![kind], vec![7; body]].concat();
        for (message, wire) in [
            (Message::Commit([7; 32]), bytes(1, 32)),
            (Message::Reveal([7; 32]), bytes(2, 32)),
            (Message::HangUp, bytes(3, 0)),
        ] {
            assert_eq!(message.emit(), wire);
            assert_eq!(Message::parse(&wire), Some(message));
        }
        for other in [
            vec![],
            bytes(0, 32),
            bytes(1, 31),
            bytes(1, 33),
            bytes(2, 0),
            bytes(3, 1),
            bytes(4, 0),
        ] {
            assert_eq!(Message::parse(&other), None, "{other:?}");
        }
    }
}
