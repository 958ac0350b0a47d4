//! One UDP socket an interface address, only while there is a call to carry.
//!
//! A code that waits for its answer names our ports. So an address that went and comes back, as Wi-Fi and DHCP make it,
//! is bound at the port that it had.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

/// Sockets at most: each has its own token.
pub const MAX_SOCKETS: usize = 16;
/// DSCP EF (RFC 8837 for voice), as it stands in the TOS and traffic-class byte.
const EXPEDITED_FORWARDING: u32 = 46 << 2;
/// Datagrams taken from one socket a turn, so that voice never waits long.
const BURST: usize = 32;

/// The sockets, and whether there should be any.
pub struct Udp {
    first: usize,
    sockets: Vec<Slot>,
    /// Where sockets were whose address went since the call began, the newest last; as many as sockets.
    gone: VecDeque<SocketAddr>,
    open: bool,
}

struct Slot {
    local: SocketAddr,
    socket: UdpSocket,
    token: Token,
    /// Readiness comes once, so what was left unread is remembered.
    readable: bool,
}

impl Udp {
    /// No sockets yet; their tokens will be `first` and up.
    pub fn new(first: Token) -> Self {
        Self {
            first: first.0,
            sockets: Vec::new(),
            gone: VecDeque::new(),
            open: false,
        }
    }

    /// Whether sockets are open, or would be if there were an address.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The addresses that are bound.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|s| s.local).collect()
    }

    /// Closes everything.
    pub fn close(&mut self) {
        self.sockets.clear();
        self.gone.clear();
        self.open = false;
    }

    /// Binds what is new among the machine's addresses and drops what is gone. If the addresses cannot be
    /// listed, everything stays as it is.
    pub fn open(&mut self, registry: &Registry) {
        self.open = true;
        match interface_addresses() {
            Ok(wanted) => self.bind(registry, &wanted),
            Err(e) => log::warn!("cannot list the network's addresses: {e}"),
        }
    }

    fn bind(&mut self, registry: &Registry, wanted: &[IpAddr]) {
        let gone = &mut self.gone;
        self.sockets.retain(|s| {
            let stays = wanted.contains(&s.local.ip());
            if !stays {
                gone.retain(|g| g.ip() != s.local.ip());
                gone.push_back(s.local);
            }
            stays
        });
        let too_many = self.gone.len().saturating_sub(MAX_SOCKETS);
        self.gone.drain(..too_many);
        for &ip in wanted {
            if self.sockets.iter().any(|s| s.local.ip() == ip) {
                continue;
            }
            let Some(token) = (self.first..self.first + MAX_SOCKETS)
                .map(Token)
                .find(|t| self.sockets.iter().all(|s| s.token != *t))
            else {
                return;
            };
            let before = self.gone.iter().find(|g| g.ip() == ip);
            let bound = match before.map(|g| bind(*g)) {
                Some(Ok(bound)) => Ok(bound),
                _ => bind(SocketAddr::new(ip, 0)),
            };
            match bound {
                Ok((local, mut socket)) => {
                    if let Err(e) = registry.register(&mut socket, token, Interest::READABLE) {
                        log::warn!("cannot watch a UDP socket: {e}");
                        continue;
                    }
                    self.sockets.push(Slot {
                        local,
                        socket,
                        token,
                        readable: true,
                    });
                }
                // An address that is still being checked for duplicates (RFC 4862) cannot be bound yet.
                Err(e) => log::debug!("cannot bind {ip}: {e}"),
            }
        }
    }

    /// Notes a readiness event; false if the token is another's.
    pub fn ready(&mut self, token: Token) -> bool {
        match self.sockets.iter_mut().find(|s| s.token == token) {
            Some(slot) => {
                slot.readable = true;
                true
            }
            None => (self.first..self.first + MAX_SOCKETS).contains(&token.0),
        }
    }

    /// Whether a socket may hold more than the last [`Self::receive`] took.
    pub fn has_more(&self) -> bool {
        self.sockets.iter().any(|s| s.readable)
    }

    /// Hands over what came in: source, destination, payload; at most a burst a socket.
    pub fn receive(&mut self, mut take: impl FnMut(SocketAddr, SocketAddr, &[u8])) {
        let mut buffer = [0; 2_048];
        for slot in self.sockets.iter_mut().filter(|s| s.readable) {
            for _ in 0..BURST {
                match slot.socket.recv_from(&mut buffer) {
                    Ok((length, source)) => take(source, slot.local, &buffer[..length]),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {
                        slot.readable = false;
                        break;
                    }
                    // An ICMP error of an earlier datagram: the socket goes on.
                    Err(e) => log::debug!("udp: {e}"),
                }
            }
        }
    }

    /// Sends one datagram; a full buffer or an unreachable network drops it, as a network may.
    pub fn send(&self, source: SocketAddr, destination: SocketAddr, contents: &[u8]) {
        if let Some(slot) = self.sockets.iter().find(|s| s.local == source)
            && let Err(e) = slot.socket.send_to(contents, destination)
        {
            log::debug!("udp: to {destination}: {e}");
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<(SocketAddr, UdpSocket)> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_nonblocking(true)?;
    // Marking is a wish: a kernel that refuses still carries voice.
    let marked = match address.ip() {
        IpAddr::V4(_) => socket.set_tos_v4(EXPEDITED_FORWARDING),
        IpAddr::V6(_) => socket
            .set_only_v6(true)
            .and_then(|()| socket.set_tclass_v6(EXPEDITED_FORWARDING)),
    };
    if let Err(e) = marked {
        log::debug!("udp: no DSCP: {e}");
    }
    socket.bind(&address.into())?;
    let socket = UdpSocket::from_std(socket.into());
    Ok((socket.local_addr()?, socket))
}

/// The addresses that a peer could reach; loopback only on a machine that has nothing else.
fn interface_addresses() -> io::Result<Vec<IpAddr>> {
    let all = if_addrs::get_if_addrs()?;
    let usable = |loopback: bool| {
        all.iter()
            .filter(|i| i.is_loopback() == loopback && !i.is_link_local())
            .map(if_addrs::Interface::ip)
            .take(MAX_SOCKETS)
            .collect::<Vec<_>>()
    };
    let addresses = usable(false);
    Ok(if addresses.is_empty() {
        usable(true)
    } else {
        addresses
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    #[test]
    fn an_address_that_comes_back_has_its_port_again_while_it_is_free() {
        let poll = mio::Poll::new().unwrap();
        let mut udp = Udp::new(Token(0));
        udp.bind(poll.registry(), &[ip(1), ip(2)]);
        let [first, second] = udp.addresses()[..] else {
            panic!("two addresses, two sockets");
        };
        udp.bind(poll.registry(), &[ip(2)]);
        assert_eq!(udp.addresses(), [second]);
        udp.bind(poll.registry(), &[ip(1), ip(2)]);
        assert_eq!(udp.addresses(), [second, first]);

        udp.bind(poll.registry(), &[ip(2)]);
        let other = std::net::UdpSocket::bind(first).unwrap();
        udp.bind(poll.registry(), &[ip(1), ip(2)]);
        assert_eq!(udp.addresses().len(), 2);
        assert_eq!(udp.addresses()[1].ip(), ip(1));
        assert_ne!(udp.addresses()[1], first);
        drop(other);

        udp.close();
        assert_eq!((udp.addresses().len(), udp.gone.len()), (0, 0));
    }

    #[test]
    fn ports_of_as_many_addresses_as_sockets_are_remembered() {
        let poll = mio::Poll::new().unwrap();
        let mut udp = Udp::new(Token(0));
        for last in 1..=20 {
            udp.bind(poll.registry(), &[ip(last)]);
        }
        let remembered: Vec<IpAddr> = udp.gone.iter().map(SocketAddr::ip).collect();
        assert_eq!(remembered, (4..20).map(ip).collect::<Vec<_>>());
    }
}
