//! Word from the kernel that the machine's addresses changed (rtnetlink).

use std::io;

use mio::{Registry, Token};
use netlink_sys::{Socket, protocols::NETLINK_ROUTE};

use super::netlink;

// linux/rtnetlink.h
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV6_IFADDR: u32 = 0x100;

/// A socket that becomes readable when an address comes or goes.
pub struct Addresses {
    socket: Socket,
}

impl Addresses {
    /// Subscribes, and registers under `token`.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
        let socket = netlink::subscribe(registry, token, NETLINK_ROUTE, groups)?;
        Ok(Self { socket })
    }

    /// Drains what the kernel said: that it spoke is all that matters.
    pub fn drain(&mut self) {
        let mut buffer = Vec::with_capacity(8_192);
        // A full queue answers ENOBUFS once and then goes on.
        for _ in 0..1_000 {
            buffer.clear();
            match self.socket.recv(&mut buffer, 0) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) => log::debug!("netlink: {e}"),
            }
        }
    }
}
