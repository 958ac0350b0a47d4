//! Two intercoms on a network of virtual time: seeded loss, delay, reordering and duplication; nothing is real.

#![allow(dead_code, missing_docs)]

mod setup;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sotto::intercom::code::seal::derive;
use sotto::intercom::panel::{Button, Levels};
use sotto::intercom::passphrase::Passphrase;
use sotto::intercom::{End as Device, Input, Intercom, Output, Setup};
use sotto::voice::frame::{FRAME, Frame, RATE, silence};

pub use setup::setup;

pub const A: usize = 0;
pub const B: usize = 1;
pub const PASSPHRASE: &str = "correct horse battery staple";

/// How long a click at a microphone is.
pub const CLICK: Duration = Duration::from_millis(2);

/// RFC 7983: what a datagram is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
    Other,
}

pub fn kind(data: &[u8]) -> Kind {
    match (data.first(), data.get(1)) {
        (Some(0 | 1), _) => Kind::Stun,
        (Some(20..64), _) => Kind::Dtls,
        (Some(128..192), Some(192..=223)) => Kind::Rtcp,
        (Some(128..192), _) => Kind::Rtp,
        _ => Kind::Other,
    }
}

/// What the wire does to datagrams.
#[derive(Clone, Copy)]
pub struct Wire {
    pub delay: Duration,
    pub jitter: Duration,
    pub loss: f64,
    pub duplicate: f64,
    pub cut: bool,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            loss: 0.0,
            duplicate: 0.0,
            cut: false,
        }
    }
}

pub struct End {
    pub intercom: Intercom,
    pub socket: SocketAddr,
    /// Every line the console said, in order.
    pub lines: Vec<String>,
    pub network: bool,
    /// Sockets are asked for and take their time.
    pub slow_network: bool,
    pub sound: bool,
    /// Datagrams sent, by kind and destination.
    pub sent: BTreeMap<(Kind, SocketAddr), usize>,
    /// The newest STUN message that it sent.
    pub stun: Vec<u8>,
    /// Frames of speech that the speaker played, newest last.
    pub heard: Vec<Frame>,
    /// A tone in the microphone, in Hz.
    pub tone: Option<f64>,
    /// Bursts of noise in the microphone.
    pub hiss: bool,
    /// The microphone hears the speaker half as loud, so many frames later.
    pub echo: Option<usize>,
    phase: f64,
    /// When a tongue clicks at the microphone, for [`CLICK`] of 1 kHz each time.
    pub clicks: Vec<Instant>,
    /// Voice packets sent: when, and their RTP timestamps.
    pub packets: Vec<(Instant, u32)>,
    partial: Vec<u8>,
    /// What the stick was to be written with, newest last.
    pub orders: Vec<sotto::intercom::stick::Order>,
    /// What was to be remembered, newest last.
    pub remembered: Vec<sotto::intercom::memory::Remembered>,
}

struct Flight {
    at: Instant,
    order: u64,
    to: usize,
    source: SocketAddr,
    destination: SocketAddr,
    data: Vec<u8>,
}

pub struct World {
    pub now: Instant,
    pub ends: [End; 2],
    pub wire: Wire,
    flights: Vec<Flight>,
    order: u64,
    /// What the wire's chances come from.
    pub seed: u64,
    noise: u64,
    began: Instant,
    next_frame: Instant,
}

/// SplitMix64, so that a run repeats.
pub fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn end(now: Instant, index: usize, passphrase: Option<&str>, tones: bool, processing: bool) -> End {
    let mut seed = 1_000 + index as u64;
    let setup = Setup {
        passphrase: passphrase.and_then(Passphrase::new),
        tones,
        processing,
        ..setup()
    };
    let fill = move |bytes: &mut [u8]| {
        for b in bytes {
            *b = random(&mut seed) as u8;
        }
    };
    End {
        intercom: Intercom::new(now, setup, Box::new(fill)),
        socket: SocketAddr::from(([10, 0, 0, 1 + index as u8], 5_000)),
        lines: Vec::new(),
        network: false,
        slow_network: false,
        sound: false,
        sent: BTreeMap::new(),
        stun: Vec::new(),
        heard: Vec::new(),
        tone: None,
        hiss: false,
        echo: None,
        phase: 0.0,
        clicks: Vec::new(),
        packets: Vec::new(),
        partial: Vec::new(),
        orders: Vec::new(),
        remembered: Vec::new(),
    }
}

impl World {
    /// Two intercoms with the same passphrase.
    pub fn new() -> Self {
        Self::with_passphrases(Some(PASSPHRASE), Some(PASSPHRASE))
    }

    pub fn with_passphrases(a: Option<&str>, b: Option<&str>) -> Self {
        // The ends say steady tones, which would be taken for noise.
        Self::with(a, b, false)
    }

    /// Two intercoms that clean what their microphones hear.
    pub fn hands_free() -> Self {
        Self::with(Some(PASSPHRASE), Some(PASSPHRASE), true)
    }

    fn with(a: Option<&str>, b: Option<&str>, processing: bool) -> Self {
        let now = Instant::now() + Duration::from_secs(100_000);
        let mut world = Self {
            now,
            ends: [
                end(now, A, a, true, processing),
                end(now, B, b, true, processing),
            ],
            wire: Wire::default(),
            flights: Vec::new(),
            order: 0,
            seed: 7,
            noise: 8,
            began: now,
            next_frame: now,
        };
        for i in [A, B] {
            world.input(
                i,
                Input::ConsoleOpened {
                    console: 0,
                    interactive: false,
                },
            );
        }
        world
    }

    /// An end that was just switched on, with tones turned off in its settings.
    pub fn without_tones(&mut self, index: usize) {
        self.ends[index] = end(self.now, index, Some(PASSPHRASE), false, false);
        self.input(
            index,
            Input::ConsoleOpened {
                console: 0,
                interactive: false,
            },
        );
    }

    pub fn input(&mut self, end: usize, input: Input<'_>) {
        self.ends[end].intercom.handle_input(self.now, input);
        self.drain(end);
    }

    /// Types a line.
    pub fn say(&mut self, end: usize, line: &str) {
        let data = format!("{line}\n");
        self.input(
            end,
            Input::ConsoleBytes {
                console: 0,
                data: data.as_bytes(),
            },
        );
    }

    /// The lines said since last asked.
    pub fn lines(&mut self, end: usize) -> Vec<String> {
        std::mem::take(&mut self.ends[end].lines)
    }

    /// The rest of the newest line that begins with `start`.
    pub fn heard_line(&self, end: usize, start: &str) -> Option<String> {
        let lines = self.ends[end].lines.iter().rev();
        lines
            .filter_map(|l| l.strip_prefix(start))
            .map(|l| l.trim().to_owned())
            .next()
    }

    /// A datagram from anywhere, now.
    pub fn inject(&mut self, to: usize, source: SocketAddr, data: &[u8]) {
        let destination = self.ends[to].socket;
        self.input(
            to,
            Input::Datagram {
                source,
                destination,
                data,
            },
        );
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.next().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.step();
        }
        self.now = until;
        self.step();
    }

    pub fn run_ms(&mut self, ms: u64) {
        self.run(Duration::from_millis(ms));
    }

    fn next(&self) -> Option<Instant> {
        let flights = self.flights.iter().map(|f| f.at);
        let timers = self
            .ends
            .iter()
            .filter_map(|e| e.intercom.poll_timeout())
            // A timer that stays due must not stop the world.
            .map(|t| t.max(self.now + Duration::from_micros(100)));
        let sound = self.ends.iter().any(|e| e.sound).then_some(self.next_frame);
        flights.chain(timers).chain(sound).min()
    }

    fn step(&mut self) {
        self.flights.sort_by_key(|f| (f.at, f.order));
        while self.flights.first().is_some_and(|f| f.at <= self.now) {
            let f = self.flights.remove(0);
            if self.ends[f.to].network && f.destination == self.ends[f.to].socket {
                self.input(
                    f.to,
                    Input::Datagram {
                        source: f.source,
                        destination: f.destination,
                        data: &f.data,
                    },
                );
            }
        }
        for i in [A, B] {
            if self.ends[i]
                .intercom
                .poll_timeout()
                .is_some_and(|t| t <= self.now)
            {
                self.input(i, Input::Timeout);
            }
        }
        if self.next_frame <= self.now {
            if self.now > self.next_frame + Duration::from_secs(1) {
                self.next_frame = self.now;
            }
            self.next_frame += Duration::from_millis(10);
            for i in [A, B] {
                self.sound(i);
            }
        }
    }

    fn sound(&mut self, i: usize) {
        if !self.ends[i].sound {
            return;
        }
        let end = &mut self.ends[i];
        let mut frame = silence();
        if let Some(tone) = end.tone {
            for s in frame.iter_mut() {
                *s = (end.phase.sin() * 8_000.0) as i16;
                end.phase += std::f64::consts::TAU * tone / f64::from(RATE);
            }
        }
        for (s, n) in frame.iter_mut().zip(0..FRAME as u32) {
            let left = Duration::from_secs(1) * (FRAME as u32 - n) / RATE;
            let at = self.now - left;
            if let Some(click) = end.clicks.iter().find(|c| (**c..**c + CLICK).contains(&at)) {
                let phase = (at - *click).as_secs_f64() * 1_000.0 * std::f64::consts::TAU;
                *s = s.saturating_add((phase.sin() * 20_000.0) as i16);
            }
        }
        if end.hiss && self.now.duration_since(self.began).as_millis() % 400 < 250 {
            for s in frame.iter_mut() {
                *s = (random(&mut self.noise) % 8_000) as i16 - 4_000;
            }
        }
        let echo = end.echo.and_then(|late| end.heard.iter().rev().nth(late));
        for (s, echo) in frame.iter_mut().zip(echo.into_iter().flatten()) {
            *s += echo / 2;
        }
        let mut played = silence();
        end.intercom.playout(&mut played);
        assert_eq!(played.len(), FRAME);
        end.heard.push(played);
        if end.heard.len() > 500 {
            end.heard.remove(0);
        }
        self.input(i, Input::Capture(&frame));
    }

    fn drain(&mut self, i: usize) {
        while let Some(output) = self.ends[i].intercom.poll_output() {
            match output {
                Output::Transmit(t) => {
                    *self.ends[i]
                        .sent
                        .entry((kind(&t.contents), t.destination))
                        .or_default() += 1;
                    if let (Kind::Rtp, Some(&[a, b, c, d])) =
                        (kind(&t.contents), t.contents.get(4..8))
                    {
                        let timestamp = u32::from_be_bytes([a, b, c, d]);
                        self.ends[i].packets.push((self.now, timestamp));
                    }
                    if kind(&t.contents) == Kind::Stun {
                        self.ends[i].stun.clone_from(&t.contents);
                    }
                    self.carry(t.source, t.destination, &t.contents);
                }
                Output::Console(_, bytes) => {
                    let end = &mut self.ends[i];
                    end.partial.extend_from_slice(&bytes);
                    while let Some(n) = end.partial.iter().position(|b| *b == b'\n') {
                        let line: Vec<u8> = end.partial.drain(..=n).collect();
                        end.lines
                            .push(String::from_utf8_lossy(&line).trim_end().to_owned());
                    }
                }
                // One iteration in place of 600 000: both ends agree all the same.
                Output::Derive(r) => {
                    let master = derive(&r.passphrase, &r.salt, 1);
                    self.ends[i].intercom.handle_input(
                        self.now,
                        Input::Key {
                            ticket: r.ticket,
                            master,
                        },
                    );
                }
                Output::Network(on) => {
                    self.ends[i].network = on;
                    if on && !self.ends[i].slow_network {
                        let socket = self.ends[i].socket;
                        self.ends[i]
                            .intercom
                            .handle_input(self.now, Input::Sockets(&[socket]));
                    }
                }
                Output::Sound(on) => {
                    self.ends[i].sound = on;
                    self.next_frame = self.now;
                    if on {
                        for device in [Device::Capture, Device::Playback] {
                            let runs = Input::Device(device, Ok(()));
                            self.ends[i].intercom.handle_input(self.now, runs);
                        }
                    }
                }
                Output::Stick(order) => self.ends[i].orders.push(order),
                Output::Remember(remembered) => self.ends[i].remembered.push(remembered),
                Output::Resolve(_) | Output::Quit => {}
            }
        }
    }

    fn chance(&mut self, p: f64) -> bool {
        p > 0.0 && (random(&mut self.seed) >> 11) as f64 / (1u64 << 53) as f64 <= p
    }

    fn carry(&mut self, source: SocketAddr, destination: SocketAddr, data: &[u8]) {
        let Some(to) = [A, B]
            .into_iter()
            .find(|i| self.ends[*i].socket == destination)
        else {
            return;
        };
        if self.wire.cut || self.chance(self.wire.loss) {
            return;
        }
        let copies = 1 + usize::from(self.chance(self.wire.duplicate));
        for _ in 0..copies {
            let jitter = self.wire.jitter.as_micros() as u64;
            let extra = if jitter == 0 {
                0
            } else {
                random(&mut self.seed) % jitter
            };
            self.order += 1;
            self.flights.push(Flight {
                at: self.now + self.wire.delay + Duration::from_micros(extra),
                order: self.order,
                to,
                source,
                destination,
                data: data.to_vec(),
            });
        }
    }

    /// A makes an offer, B answers it; the answer is not yet given to A.
    pub fn offer_and_answer(&mut self, call: &str) -> (String, String) {
        self.say(A, call);
        self.run_ms(10);
        let offer = self.heard_line(A, "* offer").expect("an offer");
        self.say(B, &offer);
        self.run_ms(10);
        let answer = self.heard_line(B, "* answer").expect("an answer");
        (offer, answer)
    }

    /// A whole call, connected.
    pub fn connect(&mut self, call: &str) {
        let (_, answer) = self.offer_and_answer(call);
        self.say(A, &answer);
        self.run_ms(1_500);
        self.assert_connected();
    }

    /// Both ends said that they are connected.
    pub fn assert_connected(&self) {
        for i in [A, B] {
            assert!(
                self.heard_line(i, "* connected").is_some(),
                "end {i} did not connect: {:?}",
                self.ends[i].lines
            );
        }
    }
}

/// One button down, or none.
pub fn levels(down: Option<Button>) -> Levels {
    Levels {
        talk: down == Some(Button::Talk),
        next: down == Some(Button::Next),
        back: down == Some(Button::Back),
    }
}

/// Level in dBFS and dominant frequency in Hz of the last second heard.
pub fn listen(end: &End) -> (f64, f64) {
    let samples: Vec<f64> = end
        .heard
        .iter()
        .rev()
        .take(100)
        .rev()
        .flat_map(|f| f.iter().map(|s| f64::from(*s)))
        .collect();
    let energy = samples.iter().map(|s| s * s).sum::<f64>() / samples.len() as f64;
    // The strongest line of the spectrum: zero crossings would count what conceals lost packets, too.
    let power = |hertz: f64| {
        let step = std::f64::consts::TAU * hertz / f64::from(RATE);
        let parts = samples.iter().zip(0u32..).map(|(s, n)| {
            let (sin, cos) = (step * f64::from(n)).sin_cos();
            (s * cos, s * sin)
        });
        let (re, im) = parts.fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
        re * re + im * im
    };
    let frequencies = (100..2_000).step_by(10).map(f64::from);
    let strongest = frequencies.max_by(|a, b| power(*a).total_cmp(&power(*b)));
    (
        10.0 * (energy / (32_768.0 * 32_768.0)).max(1e-12).log10(),
        strongest.unwrap_or_default(),
    )
}
