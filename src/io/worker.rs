//! What would block the loop, done on short-lived threads: key derivations, name look-ups, opening and closing sound devices.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use alsa::Direction;
use mio::Waker;

use super::pcm::Stream;
use super::sound::{End, Opened};
use crate::intercom::code::seal::{Master, derive};
use crate::intercom::keys::Request;

/// A job's result.
pub enum Done {
    /// A derived key.
    Key {
        /// The request's.
        ticket: u64,
        /// The key.
        master: Master,
    },
    /// Addresses of STUN servers.
    Servers(Vec<SocketAddr>),
    /// A sound device, or why it does not open.
    Sound(Opened),
}

/// Starts jobs and hands back what they found.
pub struct Worker {
    waker: Arc<Waker>,
    sender: Sender<Done>,
    receiver: Receiver<Done>,
}

impl Worker {
    /// `waker` ends the loop's sleep when a job is done.
    pub fn new(waker: Waker) -> Self {
        let (sender, receiver) = channel();
        Self {
            waker: Arc::new(waker),
            sender,
            receiver,
        }
    }

    /// Derives a key.
    pub fn derive(&self, request: Request) {
        self.start("derive", move || Done::Key {
            ticket: request.ticket,
            master: derive(&request.passphrase, &request.salt, request.iterations),
        });
    }

    /// Looks up `host:port` names; those that fail are left out.
    pub fn resolve(&self, names: Vec<String>) {
        self.start("resolve", move || {
            let found = names.iter().flat_map(|name| {
                name.to_socket_addrs()
                    .map_err(|e| log::debug!("cannot resolve {name}: {e}"))
                    .into_iter()
                    .flatten()
            });
            Done::Servers(found.collect())
        });
    }

    /// Opens a sound device.
    pub fn open(&self, end: End, generation: u64, name: String, direction: Direction) {
        self.start("open sound", move || {
            Done::Sound(Opened {
                end,
                generation,
                stream: Stream::open(&name, direction),
            })
        });
    }

    /// Closes a sound device.
    pub fn discard(&self, stream: Box<Stream>) {
        spawn("close sound", move || drop(stream));
    }

    /// The next result.
    pub fn poll(&self) -> Option<Done> {
        self.receiver.try_recv().ok()
    }

    fn start(&self, name: &str, job: impl FnOnce() -> Done + Send + 'static) {
        let (sender, waker) = (self.sender.clone(), self.waker.clone());
        spawn(name, move || {
            // Both fail only while the program ends.
            let _ = sender.send(job());
            let _ = waker.wake();
        });
    }
}

fn spawn(name: &str, job: impl FnOnce() + Send + 'static) {
    if let Err(e) = std::thread::Builder::new().name(name.into()).spawn(job) {
        log::error!("cannot start a thread to {name}: {e}");
    }
}
