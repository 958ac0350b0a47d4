//! Word from the kernel that a device came or went (uevents over netlink).

use std::io;

use mio::{Registry, Token};
use netlink_sys::{Socket, protocols::NETLINK_KOBJECT_UEVENT};

use super::netlink;

/// The multicast group of the kernel's own messages.
const KERNEL: u32 = 1;
/// The longest message: linux/kobject.h, `UEVENT_BUFFER_SIZE`, and the line before it.
const MAX_MESSAGE: usize = 8_192;
/// Room for a hub full of devices at once, bytes.
const QUEUE: usize = 1 << 20;
/// Messages looked at for one that is of use.
const MAX_SKIPPED: usize = 1_000;

/// What happened to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It came.
    Add,
    /// It went.
    Remove,
    /// It is another now, as a card reader with another card.
    Change,
    /// Something else.
    Other,
}

/// One message. What it does not say is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uevent {
    /// What happened.
    pub action: Action,
    /// `block`, `tty`, `sound`…
    pub subsystem: String,
    /// The device in sysfs, from `/devices` on.
    pub devpath: String,
    /// Its node in `/dev`.
    pub devname: String,
    /// `disk`, `partition`…
    pub devtype: String,
}

impl Uevent {
    /// Reads a message: a line `ACTION@DEVPATH`, then `KEY=VALUE`, each ended by a zero byte.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let mut event = Self {
            action: Action::Other,
            subsystem: String::new(),
            devpath: String::new(),
            devname: String::new(),
            devtype: String::new(),
        };
        let message = message.get(..message.len().min(MAX_MESSAGE))?;
        let mut parts = message.split(|b| *b == 0);
        // Those of udev begin with its name.
        if !parts.next()?.contains(&b'@') {
            return None;
        }
        let mut is_synthetic = false;
        for part in parts {
            let Some((key, value)) = std::str::from_utf8(part)
                .ok()
                .and_then(|p| p.split_once('='))
            else {
                continue;
            };
            match key {
                "ACTION" => {
                    event.action = match value {
                        "add" => Action::Add,
                        "remove" => Action::Remove,
                        "change" => Action::Change,
                        _ => Action::Other,
                    }
                }
                "SUBSYSTEM" => event.subsystem = value.into(),
                "DEVPATH" => event.devpath = value.into(),
                "DEVNAME" => event.devname = value.into(),
                "DEVTYPE" => event.devtype = value.into(),
                "SYNTH_UUID" => is_synthetic = true,
                _ => {}
            }
        }
        // udev has a disk announced anew whenever it was written to.
        if is_synthetic && event.action == Action::Change {
            event.action = Action::Other;
        }
        (!event.devpath.is_empty()).then_some(event)
    }
}

/// A socket that the kernel speaks on.
pub struct Uevents {
    socket: Socket,
    buffer: Vec<u8>,
    lost: bool,
}

impl Uevents {
    /// Subscribes, and registers under `token`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let socket = netlink::subscribe(registry, token, NETLINK_KOBJECT_UEVENT, KERNEL)?;
        socket.set_rx_buf_sz(QUEUE)?;
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(MAX_MESSAGE),
            lost: false,
        })
    }

    /// The next message, until there is none.
    pub fn poll(&mut self) -> Option<Uevent> {
        for _ in 0..MAX_SKIPPED {
            self.buffer.clear();
            match self.socket.recv_from(&mut self.buffer, 0) {
                // Any process may send; the kernel is number 0.
                Ok((_, sender)) if sender.port_number() == 0 => {
                    if let Some(event) = Uevent::parse(&self.buffer) {
                        return Some(event);
                    }
                }
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return None,
                Err(e) => {
                    log::debug!("uevents: {e}");
                    self.lost |= e.raw_os_error() == Some(libc::ENOBUFS);
                }
            }
        }
        // There may be more, of which no event tells again.
        self.lost = true;
        None
    }

    /// Whether messages were lost since last asked, so that one has to look for oneself.
    pub fn take_lost(&mut self) -> bool {
        std::mem::take(&mut self.lost)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STICK: &str = "add@/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host6/target6:0:0/6:0:0:0/block/sdb\0ACTION=add\0DEVPATH=/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host6/target6:0:0/6:0:0:0/block/sdb\0SUBSYSTEM=block\0MAJOR=8\0MINOR=16\0DEVNAME=sdb\0DEVTYPE=disk\0DISKSEQ=9\0SEQNUM=4711\0";

    #[test]
    fn a_message_says_what_came_and_where() {
        let event = Uevent::parse(STICK.as_bytes()).expect("a whole message");
        assert_eq!(event.action, Action::Add);
        assert_eq!(
            [&*event.subsystem, &*event.devname, &*event.devtype],
            ["block", "sdb", "disk"]
        );
        assert!(event.devpath.ends_with("/block/sdb"));
    }

    #[test]
    fn a_change_that_a_program_announced_is_no_other_card() {
        let change = "change@/x\0ACTION=change\0DEVPATH=/x\0SUBSYSTEM=block\0";
        let parse = |text: &str| Uevent::parse(text.as_bytes()).map(|e| e.action);
        assert_eq!(parse(change), Some(Action::Change));
        let announced = format!("{change}SYNTH_UUID=0\0");
        assert_eq!(parse(&announced), Some(Action::Other));
    }

    #[test]
    fn what_is_no_message_of_the_kernel_is_none() {
        for message in [
            "",
            "\0",
            "libudev\0\u{fe}\0ACTION=add\0DEVPATH=/x\0",
            "add@/x\0ACTION=add\0",
        ] {
            assert_eq!(Uevent::parse(message.as_bytes()), None, "{message:?}");
        }
    }

    #[test]
    fn the_socket_opens_and_is_silent() {
        let poll = mio::Poll::new().unwrap();
        let mut uevents = Uevents::new(poll.registry(), Token(0)).expect("the kernel has uevents");
        while uevents.poll().is_some() {}
        assert!(!uevents.take_lost());
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_parsed(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), start in 0..4usize) {
            if start > 0 {
                bytes.splice(0..0, STICK.bytes().take(start * 60));
            }
            if let Some(event) = Uevent::parse(&bytes) {
                prop_assert!(event.devpath.len() <= bytes.len());
            }
        }
    }
}
