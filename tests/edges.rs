//! One intercom at its edges: exactly what it says and asks for when keys are slow, consoles many and networks absent.

#![allow(missing_docs)]

#[path = "support/setup.rs"]
mod setup;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sotto::intercom::code::seal::derive;
use sotto::intercom::keys::Request;
use sotto::intercom::{Input, Intercom, Output};

struct Bench {
    now: Instant,
    intercom: Intercom,
    /// What each console was told, in lines.
    said: [Vec<String>; 2],
    requests: Vec<Request>,
    network: Vec<bool>,
}

impl Bench {
    /// With two consoles and no passphrase; keys and sockets come only when the test gives them.
    fn new() -> Self {
        let now = Instant::now();
        let mut seed = 5u8;
        let random = move |bytes: &mut [u8]| {
            for b in bytes {
                seed = seed.wrapping_mul(141).wrapping_add(7);
                *b = seed;
            }
        };
        let mut bench = Self {
            now,
            intercom: Intercom::new(now, setup::setup(), Box::new(random)),
            said: [Vec::new(), Vec::new()],
            requests: Vec::new(),
            network: Vec::new(),
        };
        for console in [0, 1] {
            bench.input(Input::ConsoleOpened {
                console,
                interactive: false,
            });
        }
        bench.said = [Vec::new(), Vec::new()];
        bench
    }

    fn input(&mut self, input: Input<'_>) {
        self.intercom.handle_input(self.now, input);
        while let Some(output) = self.intercom.poll_output() {
            match output {
                Output::Console(console, bytes) => {
                    let text = String::from_utf8(bytes.to_vec()).unwrap();
                    self.said[console].extend(text.lines().map(str::to_owned));
                }
                Output::Derive(request) => self.requests.push(request),
                Output::Network(on) => self.network.push(on),
                _ => {}
            }
        }
    }

    fn say(&mut self, console: usize, text: &str) {
        let text = format!("{text}\n");
        self.input(Input::ConsoleBytes {
            console,
            data: text.as_bytes(),
        });
    }

    fn sockets(&mut self, address: &str) {
        let address: SocketAddr = address.parse().unwrap();
        self.input(Input::Sockets(&[address]));
    }

    /// Answers the oldest request for a key.
    fn give_key(&mut self) {
        let request = self.requests.remove(0);
        let master = derive(&request.passphrase, &request.salt, 1);
        self.input(Input::Key {
            ticket: request.ticket,
            master,
        });
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.input(Input::Timeout);
    }

    fn heard(&self, console: usize, start: &str) -> bool {
        self.said[console].iter().any(|l| l.starts_with(start))
    }
}

#[test]
fn the_next_offers_key_is_derived_as_soon_as_there_is_a_passphrase() {
    let mut b = Bench::new();
    b.say(0, "passphrase correct horse battery staple");
    assert_eq!(b.requests.len(), 1);
    b.give_key();
    b.say(0, "call");
    b.sockets("192.0.2.1:5000");
    assert!(b.heard(0, "* offer sotto2o"), "{:?}", b.said);
}

#[test]
fn waiting_for_a_slow_key_asks_for_no_wake_up_that_is_overdue() {
    let mut b = Bench::new();
    b.say(0, "passphrase correct horse battery staple");
    b.say(0, "call");
    b.sockets("192.0.2.1:5000");
    b.wait(Duration::from_secs(5));
    let due = b.intercom.poll_timeout();
    assert!(
        due.is_none_or(|at| at > b.now),
        "due {:?} ago",
        due.map(|at| b.now - at)
    );
    b.give_key();
    assert!(b.heard(0, "* offer sotto2o"), "{:?}", b.said);
}

#[test]
fn another_passphrase_while_a_v1_offer_is_made_makes_the_offer_with_it() {
    let mut b = Bench::new();
    b.say(0, "passphrase correct horse battery staple");
    b.give_key();
    b.say(0, "call --v1");
    b.say(0, "passphrase something else entirely");
    b.sockets("192.0.2.1:5000");
    while !b.requests.is_empty() {
        b.give_key();
    }
    assert!(b.heard(0, "* offer eyJ"), "{:?}", b.said);
}

#[test]
fn one_key_at_a_time_is_derived_whatever_is_pasted() {
    let mut b = Bench::new();
    b.say(0, "passphrase correct horse battery staple");
    b.give_key();
    let mut other = Bench::new();
    other.say(0, "passphrase another one that is long");
    for n in 0..50 {
        other.say(0, "call");
        other.sockets("192.0.2.2:5000");
        while !other.requests.is_empty() {
            other.give_key();
        }
        let offer = other.said[0]
            .iter()
            .rev()
            .find_map(|l| l.strip_prefix("* offer "));
        let offer = offer.expect("an offer").to_owned();
        other.say(0, "hang");
        b.say(0, &offer);
        b.say(0, &format!("passphrase number {n} of many"));
        assert!(b.requests.len() <= 1, "{} at once", b.requests.len());
    }
}

#[test]
fn a_key_that_cannot_be_derived_is_told_and_the_next_try_works() {
    let mut b = Bench::new();
    b.say(0, "passphrase correct horse battery staple");
    b.say(0, "call");
    b.sockets("192.0.2.1:5000");
    let ticket = b.requests.remove(0).ticket;
    b.input(Input::KeyFailed { ticket });
    assert!(
        b.heard(0, "* ended the key could not be made"),
        "{:?}",
        b.said
    );
    b.say(0, "call");
    b.sockets("192.0.2.1:5000");
    b.give_key();
    assert!(b.heard(0, "* offer sotto2o"), "{:?}", b.said);
}

#[test]
fn an_error_is_told_to_the_console_that_asked_and_to_no_other() {
    let mut b = Bench::new();
    b.say(1, "hang");
    assert_eq!(b.said[0], Vec::<String>::new());
    assert_eq!(b.said[1], ["! There is no call to end."]);
}

#[test]
fn an_event_is_told_to_every_console() {
    let mut b = Bench::new();
    b.say(1, "passphrase correct horse battery staple");
    b.give_key();
    b.say(1, "call");
    b.sockets("192.0.2.1:5000");
    assert!(b.heard(0, "* offer") && b.heard(1, "* offer"));
}

#[test]
fn an_offer_of_the_other_kind_does_not_replace_the_one_that_waits() {
    let mut b = Bench::new();
    b.say(0, "passphrase correct horse battery staple");
    b.give_key();
    b.say(0, "call");
    b.sockets("192.0.2.1:5000");
    let first = b.said[0].pop();
    b.say(0, "call --v1");
    assert_eq!(
        b.said[0],
        [
            "! An offer of the other kind is waiting. Hold BACK, or type hang, to forget it; then call."
        ]
    );
    b.say(0, "call");
    assert_eq!(b.said[0].pop(), first);
}

#[test]
fn a_code_made_without_a_network_says_so() {
    let mut b = Bench::new();
    b.say(0, "passphrase correct horse battery staple");
    b.give_key();
    b.say(0, "call");
    b.sockets("127.0.0.1:5000");
    assert!(b.heard(0, "* note there is no network"), "{:?}", b.said);
}

#[test]
fn a_call_that_is_given_up_at_once_opens_no_socket() {
    let mut b = Bench::new();
    b.say(0, "passphrase correct horse battery staple");
    b.give_key();
    b.network.clear();
    b.say(0, "call\nhang");
    assert_eq!(b.network, [false]);
    b.sockets("192.0.2.1:5000");
    b.wait(Duration::from_secs(60));
    assert!(b.intercom.poll_timeout().is_none_or(|at| at > b.now));
}

#[test]
fn every_command_of_the_language_does_what_its_line_says() {
    let mut b = Bench::new();
    b.say(0, "help");
    for word in [
        "passphrase",
        "call",
        "talk",
        "mode",
        "volume",
        "mute",
        "same",
        "differ",
        "hang",
        "status",
        "stats",
        "quit",
        "help",
    ] {
        assert!(
            b.said[0].iter().any(|l| l.contains(word)),
            "help does not list {word}"
        );
    }
    b.said[0].clear();
    b.say(0, "volume 30\nmute on\nmode ptt\nstatus");
    let status: serde_json::Value = serde_json::from_str(&b.said[0].remove(0)).unwrap();
    assert!(
        b.said[0].is_empty(),
        "status answers with one line and nothing else"
    );
    assert_eq!(status["volume"], 30);
    assert_eq!(status["muted"], true);
    assert_eq!(status["mode"], "ptt");
    assert_eq!(status["state"], "no passphrase");
    b.say(0, "volume 101");
    assert_eq!(b.said[0].remove(0), "! volume takes 0 to 100.");
    b.say(0, "same");
    assert_eq!(b.said[0].remove(0), "! There are no words to compare now.");
    b.say(0, "stats");
    let stats: serde_json::Value = serde_json::from_str(&b.said[0].remove(0)).unwrap();
    assert_eq!(stats["packets_sent"], 0);
    assert_eq!(stats["quality"], serde_json::Value::Null);
}
