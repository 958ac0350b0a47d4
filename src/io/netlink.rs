//! Sockets on which the kernel tells what changes.

use std::io;
use std::os::fd::AsRawFd;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use netlink_sys::{Socket, SocketAddr};

/// Subscribes to multicast `groups` (a bit each) of a netlink protocol, and registers under `token`; reading never blocks.
///
/// # Errors
/// The kernel's.
pub fn subscribe(
    registry: &Registry,
    token: Token,
    protocol: isize,
    groups: u32,
) -> io::Result<Socket> {
    let mut socket = Socket::new(protocol)?;
    socket.bind(&SocketAddr::new(0, groups))?;
    socket.set_non_blocking(true)?;
    registry.register(
        &mut SourceFd(&socket.as_raw_fd()),
        token,
        Interest::READABLE,
    )?;
    Ok(socket)
}
