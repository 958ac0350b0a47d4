//! Where we can be reached, and keeping it so: host addresses, STUN (RFC 8489) for the address that a NAT shows.
//!
//! Each socket asks each server once every 500 ms until it answers, three times at most, then every 15 s so that the
//! NAT keeps the mapping (RFC 8445 §11 asks for the same interval). While an answer of ours waits, every candidate of
//! the offer gets a real connectivity check every 15 s from every socket: that holds a filtering NAT open for the
//! offerer, whose own checks begin only when a person has carried the answer back.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::ice::{StunMessage, TransId};

use super::Random;
use super::code::contents::is_reachable;
use super::code::seal::IceCredentials;
use super::code::v2::{Candidate, CandidateKind};
use super::session::Description;

/// Between two requests on a binding that works, and between two checks while an answer waits.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Between two tries of a server that has not answered.
const RETRY: Duration = Duration::from_millis(500);
/// Tries before a server counts as silent for this socket.
const TRIES: u8 = 3;
/// STUN servers used at once.
const MAX_SERVERS: usize = 4;
/// Sockets used at once.
const MAX_SOCKETS: usize = 16;

/// A datagram to send.
#[derive(Clone, PartialEq, Eq)]
pub struct Transmit {
    /// The local socket, by its address.
    pub source: SocketAddr,
    /// The peer or STUN server.
    pub destination: SocketAddr,
    /// What to send.
    pub contents: Vec<u8>,
}

/// One question of one socket to one STUN server.
struct Binding {
    socket: SocketAddr,
    server: SocketAddr,
    transaction: [u8; 12],
    tries: u8,
    next: Instant,
    mapped: Option<SocketAddr>,
}

/// The checks that hold a NAT open while an answer waits.
struct Checks {
    username: String,
    pwd: String,
    targets: Vec<SocketAddr>,
    tie_breaker: u64,
    next: Instant,
    round: u32,
}

/// Our sockets and what is known of them.
#[derive(Default)]
pub struct Paths {
    sockets: Vec<SocketAddr>,
    servers: Vec<SocketAddr>,
    bindings: Vec<Binding>,
    checks: Option<Checks>,
    out: VecDeque<Transmit>,
}

impl Paths {
    /// The sockets that are open now; those that went take their bindings with them.
    pub fn set_sockets(&mut self, now: Instant, sockets: &[SocketAddr]) {
        self.sockets = sockets.iter().copied().take(MAX_SOCKETS).collect();
        self.bindings.retain(|b| self.sockets.contains(&b.socket));
        self.bind(now);
    }

    /// The STUN servers' addresses.
    pub fn set_servers(&mut self, now: Instant, servers: &[SocketAddr]) {
        // A global IPv6 address needs no server to tell it.
        let useful = servers.iter().copied().filter(SocketAddr::is_ipv4);
        self.servers = useful.take(MAX_SERVERS).collect();
        self.bind(now);
    }

    /// The sockets that are open now.
    pub fn sockets(&self) -> &[SocketAddr] {
        &self.sockets
    }

    /// Forgets everything: the call is over.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// True when no question to a STUN server can still bring a candidate soon.
    pub fn is_settled(&self) -> bool {
        self.bindings
            .iter()
            .all(|b| b.mapped.is_some() || b.tries >= TRIES)
    }

    /// Server-reflexive addresses with the socket behind each, without those that equal a host address.
    pub fn reflexive(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
        let mut seen: Vec<SocketAddr> = self.sockets.clone();
        self.bindings.iter().filter_map(move |b| {
            let mapped = b.mapped?;
            if seen.contains(&mapped) {
                return None;
            }
            seen.push(mapped);
            Some((mapped, b.socket))
        })
    }

    /// Candidates for a code, best first: one of each kind before the second of any.
    pub fn candidates(&self) -> Vec<Candidate> {
        let host = |v4: bool| {
            self.sockets
                .iter()
                .filter(move |s| s.is_ipv4() == v4 && is_reachable(**s))
                .map(|&addr| Candidate {
                    kind: CandidateKind::Host,
                    addr,
                })
        };
        let reflexive = self.reflexive().map(|(addr, _)| Candidate {
            kind: CandidateKind::ServerReflexive,
            addr,
        });
        let mut kinds: [VecDeque<Candidate>; 3] = [
            host(true).collect(),
            reflexive.collect(),
            host(false).collect(),
        ];
        let mut out = Vec::new();
        while kinds.iter().any(|k| !k.is_empty()) {
            out.extend(kinds.iter_mut().filter_map(|k| k.pop_front()));
        }
        out
    }

    /// Begins to check the offerer's candidates while our answer is carried back.
    pub fn start_checks(
        &mut self,
        now: Instant,
        local: &IceCredentials,
        remote: &Description,
        random: &mut Random,
    ) {
        let mut tie_breaker = [0; 8];
        random(&mut tie_breaker);
        self.checks = Some(Checks {
            username: format!("{}:{}", remote.ice.ufrag, local.ufrag),
            pwd: remote.ice.pwd.clone(),
            targets: remote.candidates.iter().map(|c| c.addr).collect(),
            tie_breaker: u64::from_be_bytes(tie_breaker),
            next: now,
            round: 0,
        });
    }

    /// Ends the checks: the connection has begun, or the answer is forgotten.
    pub fn stop_checks(&mut self) {
        self.checks = None;
    }

    /// Takes a STUN server's answer. True if it was one, and nobody else need look at it.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, data: &[u8]) -> bool {
        let Some(binding) = self.bindings.iter_mut().find(|b| {
            b.server == from
                && data.len() >= 20
                && data[..2] == [1, 1]
                && data[8..20] == b.transaction
        }) else {
            return false;
        };
        if let Ok(message) = StunMessage::parse(data)
            && let Some(mapped) = message.mapped_address()
            && mapped.is_ipv4() == binding.socket.is_ipv4()
        {
            binding.mapped = Some(mapped);
            binding.tries = 0;
            binding.next = now + KEEPALIVE;
        }
        true
    }

    /// Sends what is due.
    pub fn handle_timeout(&mut self, now: Instant, random: &mut Random) {
        for b in self.bindings.iter_mut().filter(|b| b.next <= now) {
            b.tries = b.tries.saturating_add(1);
            b.next = now + if b.tries < TRIES { RETRY } else { KEEPALIVE };
            // A retransmission is the same request (RFC 8489 §6.2.1): a slow answer to the first one counts.
            if b.tries == 1 || b.mapped.is_some() {
                random(&mut b.transaction);
            }
            self.out.push_back(Transmit {
                source: b.socket,
                destination: b.server,
                contents: binding_request(&b.transaction),
            });
        }
        if let Some(c) = self.checks.as_mut().filter(|c| c.next <= now) {
            // A burst at first: the offerer may enter the answer at once, and a packet may be lost.
            c.next = now
                + if c.round < 4 {
                    Duration::from_millis(500 << c.round)
                } else {
                    KEEPALIVE
                };
            c.round += 1;
            for &source in &self.sockets {
                for &destination in c.targets.iter().filter(|t| t.is_ipv4() == source.is_ipv4()) {
                    self.out.extend(c.request(source, destination));
                }
            }
        }
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let bindings = self.bindings.iter().map(|b| b.next);
        bindings.chain(self.checks.iter().map(|c| c.next)).min()
    }

    fn bind(&mut self, now: Instant) {
        for &socket in &self.sockets {
            for &server in &self.servers {
                let known = self
                    .bindings
                    .iter()
                    .any(|b| b.socket == socket && b.server == server);
                let useful = socket.is_ipv4() && !socket.ip().is_loopback();
                if useful && !known {
                    self.bindings.push(Binding {
                        socket,
                        server,
                        transaction: [0; 12],
                        tries: 0,
                        next: now,
                        mapped: None,
                    });
                }
            }
        }
    }
}

impl Checks {
    fn request(&self, source: SocketAddr, destination: SocketAddr) -> Option<Transmit> {
        // Priority of a peer-reflexive candidate, RFC 8445 §5.1.2.2: type preference 110.
        let priority = (110 << 24) | (65_535 << 8) | 255;
        let message = StunMessage::binding_request(
            &self.username,
            TransId::new(),
            false,
            self.tie_breaker,
            priority,
            false,
        );
        let mut contents = vec![0; 256 + self.username.len()];
        let length = message
            .to_bytes(Some(self.pwd.as_bytes()), &mut contents, hmac_sha1)
            .ok()?;
        contents.truncate(length);
        Some(Transmit {
            source,
            destination,
            contents,
        })
    }
}

/// Whether `data` is a STUN binding request that somebody with both ends' credentials made.
pub fn is_valid_check(data: &[u8], local: &IceCredentials, remote_ufrag: &str) -> bool {
    let Ok(message) = StunMessage::parse(data) else {
        return false;
    };
    message.is_binding_request()
        && message.split_username() == Some((local.ufrag.as_str(), remote_ufrag))
        && message.verify(local.pwd.as_bytes(), hmac_sha1)
}

/// Whether `data` is a STUN answer that somebody with the peer's password made.
pub fn is_valid_reply(data: &[u8], remote: &IceCredentials) -> bool {
    StunMessage::parse(data).is_ok_and(|message| {
        (message.is_successful_binding_response() || message.is_failed_binding_response())
            && message.verify(remote.pwd.as_bytes(), hmac_sha1)
    })
}

/// HMAC-SHA1, as STUN's MESSAGE-INTEGRITY wants it (RFC 8489 §14.5), by str0m's provider.
fn hmac_sha1(key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
    str0m::crypto::from_feature_flags()
        .sha1_hmac_provider
        .sha1_hmac(key, payloads)
}

/// A STUN binding request without attributes (RFC 8489 §5).
fn binding_request(transaction: &[u8; 12]) -> Vec<u8> {
    let mut out = vec![0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xA4, 0x42];
    out.extend_from_slice(transaction);
    out
}
