//! What would block the loop, done on short-lived threads: key derivations, name look-ups, opening and closing sound devices, sticks, what is
//! to be remembered.
//!
//! A look-up may hang for as long as a resolver likes, so there is one at a time; of the requests that come
//! meanwhile the newest is done next. Every job has a result, also one whose thread cannot be started.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;
use std::time::Duration;

use mio::Waker;

use super::memory;
use super::pcm::Stream;
use super::sound::{End, Opened, Pcm};
use super::stick;
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
    /// No key could be derived: there was no thread for it.
    KeyFailed {
        /// The request's.
        ticket: u64,
    },
    /// Addresses of STUN servers.
    Servers(Vec<SocketAddr>),
    /// A sound device, or why it does not open.
    Sound(Opened),
    /// A stick that was read or written, or not.
    Stick(stick::Finished),
    /// What was to be remembered is on the disk, or not.
    Memory(memory::Finished),
}

/// Starts jobs and hands back what they found.
pub struct Worker {
    waker: Arc<Waker>,
    sender: Sender<Done>,
    receiver: Receiver<Done>,
    resolving: Resolving,
}

enum Resolving {
    Nothing,
    /// A look-up, and the names to look up instead.
    Names(Option<Vec<String>>),
}

impl Worker {
    /// `waker` ends the loop's sleep when a job is done.
    pub fn new(waker: Waker) -> Self {
        let (sender, receiver) = channel();
        Self {
            waker: Arc::new(waker),
            sender,
            receiver,
            resolving: Resolving::Nothing,
        }
    }

    /// Derives a key.
    pub fn derive(&self, request: Request) {
        let ticket = request.ticket;
        self.start(
            named("derive"),
            move || Done::Key {
                ticket,
                master: derive(&request.passphrase, &request.salt, request.iterations),
            },
            |_| Done::KeyFailed { ticket },
        );
    }

    /// Looks up `host:port` names; those that fail are left out. A request before has a result only if it was
    /// [polled](Self::poll) already.
    pub fn resolve(&mut self, names: Vec<String>) {
        match &mut self.resolving {
            Resolving::Names(next) => *next = Some(names),
            Resolving::Nothing => {
                self.resolving = Resolving::Names(None);
                self.start(
                    named("resolve"),
                    move || Done::Servers(look_up(&names)),
                    |_| Done::Servers(Vec::new()),
                );
            }
        }
    }

    /// Opens a sound device.
    pub fn open(&self, end: End, generation: u64, pcm: Pcm) {
        let opened = move |stream| {
            Done::Sound(Opened {
                end,
                generation,
                stream,
            })
        };
        self.start(
            named("open sound"),
            move || opened(pcm.open(end)),
            move |e| opened(Err(format!("no thread to open it on: {e}"))),
        );
    }

    /// Reads or writes a stick.
    pub fn work_on_stick(&self, job: stick::Job) {
        let twin = job.twin();
        self.start(
            named("stick"),
            move || Done::Stick(job.run()),
            move |e| Done::Stick(twin.fail(e)),
        );
    }

    /// Writes what is to be remembered.
    pub fn write_memory(&self, job: memory::Job) {
        let write = job.write();
        self.start(
            named("memory"),
            move || Done::Memory(job.run()),
            move |e| Done::Memory(memory::Job::fail(write, e)),
        );
    }

    /// Closes a sound device.
    pub fn discard(&self, stream: Box<Stream>) {
        if let Err(e) = named("close sound").spawn(move || drop(stream)) {
            log::error!("no thread to close a sound device on: {e}");
        }
    }

    /// The next result.
    pub fn poll(&mut self) -> Option<Done> {
        loop {
            let done = self.receiver.try_recv().ok()?;
            if let Done::Servers(_) = done
                && let Resolving::Names(Some(names)) =
                    std::mem::replace(&mut self.resolving, Resolving::Nothing)
            {
                self.resolve(names);
                continue;
            }
            return Some(done);
        }
    }

    /// The next result, waited for that long at most: when the loop does not run any more.
    pub fn wait(&mut self, most: Duration) -> Option<Done> {
        self.receiver.recv_timeout(most).ok()
    }

    fn start(
        &self,
        thread: Builder,
        job: impl FnOnce() -> Done + Send + 'static,
        failed: impl FnOnce(io::Error) -> Done,
    ) {
        let (sender, waker) = (self.sender.clone(), self.waker.clone());
        // Sending and waking fail only while the program ends.
        let run = move || {
            let _ = sender.send(job());
            let _ = waker.wake();
        };
        if let Err(e) = thread.spawn(run) {
            log::error!("a thread does not start: {e}");
            let _ = self.sender.send(failed(e));
            let _ = self.waker.wake();
        }
    }
}

fn named(name: &str) -> Builder {
    Builder::new().name(name.into())
}

fn look_up(names: &[String]) -> Vec<SocketAddr> {
    let found = names.iter().flat_map(|name| {
        name.to_socket_addrs()
            .map_err(|e| log::debug!("cannot resolve {name}: {e}"))
            .into_iter()
            .flatten()
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker() -> (mio::Poll, Worker) {
        let poll = mio::Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), mio::Token(0)).unwrap();
        (poll, Worker::new(waker))
    }

    /// The next result, waited for as the loop does.
    fn next(poll: &mut mio::Poll, worker: &mut Worker) -> Option<Done> {
        loop {
            if let Some(done) = worker.poll() {
                return Some(done);
            }
            let mut events = mio::Events::with_capacity(4);
            poll.poll(&mut events, Some(Duration::from_secs(10)))
                .unwrap();
            if events.is_empty() {
                return None;
            }
        }
    }

    #[test]
    fn names_asked_for_during_a_look_up_are_looked_up_next_and_only_the_newest() {
        let (mut poll, mut worker) = worker();
        for port in 1..=3 {
            worker.resolve(vec![format!("127.0.0.1:{port}")]);
        }
        let Some(Done::Servers(found)) = next(&mut poll, &mut worker) else {
            panic!("a look-up has a result");
        };
        assert_eq!(found, ["127.0.0.1:3".parse().unwrap()]);
        worker.resolve(vec!["127.0.0.1:4".into()]);
        let Some(Done::Servers(found)) = next(&mut poll, &mut worker) else {
            panic!("a look-up has a result");
        };
        assert_eq!(found, ["127.0.0.1:4".parse().unwrap()]);
        assert!(worker.poll().is_none());
    }

    #[test]
    fn a_thread_that_does_not_start_has_a_result_too() {
        let (mut poll, mut worker) = worker();
        // No machine has that much room for a stack.
        let thread = Builder::new().stack_size(usize::MAX / 2);
        worker.start(
            thread,
            || Done::Servers(Vec::new()),
            |_| Done::KeyFailed { ticket: 7 },
        );
        assert!(matches!(
            next(&mut poll, &mut worker),
            Some(Done::KeyFailed { ticket: 7 })
        ));
    }
}
