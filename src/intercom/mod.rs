//! The intercom as one state machine: inputs with their time in, outputs as plain values out.
//!
//! After str0m's own contract: one input, then [`Intercom::poll_output`] until it is empty, then sleep until
//! [`Intercom::poll_timeout`]. No input fails: a bad one is an output that says so.

pub mod call;
mod check;
pub mod code;
mod commands;
pub mod console;
pub mod keys;
mod led;
pub mod link;
pub mod memory;
pub mod owner;
pub mod panel;
pub mod passphrase;
pub mod paths;
pub mod screen;
pub mod session;
pub mod status;
pub mod stick;
pub mod talk;
pub mod verify;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use call::{Call, Effect, Phase};
use check::Check;
pub use check::Outcome;
use code::seal::Master;
use console::{Console, Mode};
use keys::Request;
use memory::{Choice, Memory, Remembered};
use owner::Owner;
use panel::{Button, Levels};
use passphrase::Passphrase;
use paths::Transmit;
use screen::{Glow, Rest};
use stick::{Said, Stick};

use crate::voice::frame::{self, Frame, Volume};
use crate::voice::tones::Tones;

/// Fills its argument with random bytes of the operating system.
pub type Random = Box<dyn FnMut(&mut [u8])>;

/// A console, by the shell's number for it.
pub type ConsoleId = usize;

/// What the intercom is told.
pub enum Input<'a> {
    /// Time passed.
    Timeout,
    /// A UDP datagram.
    Datagram {
        /// Who sent it.
        source: SocketAddr,
        /// Our socket it came in on.
        destination: SocketAddr,
        /// Its payload.
        data: &'a [u8],
    },
    /// The UDP sockets that are open now, after [`Output::Network`] or a change of addresses.
    Sockets(&'a [SocketAddr]),
    /// The STUN servers' addresses, after [`Output::Resolve`]; empty when they cannot be resolved.
    StunServers(&'a [SocketAddr]),
    /// A key, after [`Output::Derive`].
    Key {
        /// The request's.
        ticket: u64,
        /// The key.
        master: Master,
    },
    /// A key that could not be derived.
    KeyFailed {
        /// The request's.
        ticket: u64,
    },
    /// The sound card ran over or dry so many times more: microphone, speaker.
    Xruns([u64; 2]),
    /// A console opened.
    ConsoleOpened {
        /// Its number.
        console: ConsoleId,
        /// A person's terminal: wants echo, a prompt and line editing.
        interactive: bool,
    },
    /// A console opened on a serial line: nobody knows who is there before they press Enter.
    SerialOpened(ConsoleId),
    /// Bytes from a console.
    ConsoleBytes {
        /// Its number.
        console: ConsoleId,
        /// As they came.
        data: &'a [u8],
    },
    /// A console went.
    ConsoleClosed {
        /// Its number.
        console: ConsoleId,
    },
    /// The buttons' levels, sampled.
    Buttons(Levels),
    /// A key of a terminal, which knows no release.
    Tap(Button),
    /// 10 ms from the microphone.
    Capture(&'a Frame),
    /// Whether the microphone and the speaker are open, since sound was asked for; silence takes the place of one that is not.
    Devices([bool; 2]),
    /// A device came, went or failed: a line for the owner.
    Note(&'a str),
    /// A stick came, went, was read or written.
    Stick(stick::Event),
    /// The program is told to stop: says goodbye first.
    Leave,
}

/// What the shell is asked to do.
#[derive(PartialEq)]
pub enum Output {
    /// Send a datagram from the socket with that address.
    Transmit(Transmit),
    /// Write bytes to a console; a passphrase may be among them.
    Console(ConsoleId, Zeroizing<Vec<u8>>),
    /// Derive a key on a thread and give it back as [`Input::Key`].
    Derive(Request),
    /// Open a UDP socket on every address and say which, or close them all.
    Network(bool),
    /// Resolve these `host:port` names and say their addresses.
    Resolve(Vec<String>),
    /// Start or stop the sound card.
    Sound(bool),
    /// Write the stick.
    Stick(stick::Order),
    /// Keep this over power off.
    Remember(Remembered),
    /// Leave.
    Quit,
}

/// The sound card takes so long to open, and no tone begins before it is.
const OPENING: Duration = Duration::from_millis(300);
/// What the card still holds when the last frame of a tone was given to it.
const DRAIN: Duration = Duration::from_millis(200);

/// The sound card.
#[derive(Clone, Copy, PartialEq)]
enum Sound {
    Off,
    /// Surely open from then on.
    On(Instant),
    /// There is no call any more, but a tone until then.
    Ending(Instant),
}

/// How the owner set it up.
pub struct Setup {
    /// A passphrase from the settings file.
    pub passphrase: Option<Passphrase>,
    /// Of the speaker, 0 to 100.
    pub volume: u8,
    /// Whether the talk button is needed.
    pub mode: Mode,
    /// Whether tones tell of what happens in a call.
    pub tones: bool,
    /// Whether echo and noise are taken out of the microphone's signal, and its level set.
    pub processing: bool,
    /// STUN servers as `host:port`; none turns STUN off.
    pub stun: Vec<String>,
    /// What was chosen before it was switched off.
    pub remembered: Option<Remembered>,
    /// Whether `quit` leaves: a computer's intercom may, a box may not.
    pub can_quit: bool,
    /// Only checks the sound, and leaves.
    pub check_only: bool,
    /// Mistakes in the settings, a line each: shown at the start and told to each console.
    pub problems: Vec<String>,
}

/// The whole device.
pub struct Intercom {
    started: Instant,
    now: Instant,
    setup: Setup,
    call: Call,
    consoles: BTreeMap<ConsoleId, Console>,
    owner: Owner,
    rest: Rest,
    volume: Volume,
    check: Option<Check>,
    /// Of a sound check that is all there is to do.
    outcome: Option<Outcome>,
    tones: Tones,
    sound: Sound,
    /// Microphone and speaker are open.
    devices: [bool; 2],
    memory: Memory,
    stick: Stick,
    /// The console whose command is being run: problems are its own.
    asking: Option<ConsoleId>,
    /// The console whose text is being read, which may take a key's time.
    reader: Option<ConsoleId>,
    counters: status::Counters,
    out: VecDeque<Output>,
}

impl Intercom {
    /// A device that was just switched on.
    pub fn new(now: Instant, mut setup: Setup, random: Random) -> Self {
        let call = Call::new(!setup.stun.is_empty(), setup.processing, random);
        let passphrase = setup.passphrase.take();
        let configured = Choice {
            volume: setup.volume,
            mode: setup.mode,
        };
        let (memory, choice) = Memory::new(configured, setup.remembered.take());
        (setup.volume, setup.mode) = (choice.volume, choice.mode);
        let mut intercom = Self {
            started: now,
            now,
            call,
            consoles: BTreeMap::new(),
            owner: Owner::default(),
            rest: Rest::new(now),
            volume: Volume::new(setup.volume),
            check: None,
            outcome: setup.check_only.then(Outcome::default),
            tones: Tones::new(setup.tones),
            sound: Sound::Off,
            devices: [false; 2],
            memory,
            setup,
            stick: Stick::default(),
            asking: None,
            reader: None,
            counters: status::Counters::default(),
            out: VecDeque::new(),
        };
        if let Some(passphrase) = passphrase {
            intercom.use_passphrase(passphrase);
            intercom.collect();
        }
        intercom.owner.show_settings(now, &intercom.setup.problems);
        if intercom.setup.check_only {
            intercom.start_check();
        }
        intercom
    }

    /// One input at its time. Then drain [`Self::poll_output`].
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = now.max(self.now);
        let now = self.now;
        match input {
            Input::Timeout => self.handle_timeout(now),
            Input::Datagram {
                source,
                destination,
                data,
            } => {
                self.counters.datagrams_received += 1;
                self.call.handle_datagram(now, source, destination, data);
            }
            Input::Sockets(sockets) => self.call.handle_sockets(now, sockets),
            Input::StunServers(servers) => self.call.handle_servers(now, servers),
            Input::Key { ticket, master } => self.call.handle_key(now, ticket, master),
            Input::KeyFailed { ticket } => self.call.handle_key_failure(now, ticket),
            Input::Xruns([capture, playback]) => {
                self.counters.capture_xruns += capture;
                self.counters.playback_xruns += playback;
            }
            Input::ConsoleOpened {
                console,
                interactive,
            } => {
                self.open_console(console, Console::new(interactive));
            }
            Input::SerialOpened(console) => self.open_console(console, Console::serial()),
            Input::ConsoleBytes { console, data } => {
                self.rest.wake(now);
                self.stick.somebody_types();
                if let Some(c) = self.consoles.get_mut(&console) {
                    c.feed(now, data);
                }
                self.run_lines(console);
            }
            Input::ConsoleClosed { console } => {
                self.consoles.remove(&console);
            }
            Input::Buttons(levels) => {
                if levels != Levels::default() {
                    self.rest.wake(now);
                }
                self.owner.panel.handle(now, levels);
                self.run_gestures();
            }
            Input::Tap(button) => {
                self.rest.wake(now);
                self.stick.somebody_types();
                self.tap(button);
            }
            Input::Capture(frame) => {
                self.check_capture(frame);
                let switch = self.mic_switch();
                self.call.handle_capture(now, frame, switch);
            }
            Input::Devices(open) => {
                self.devices = open;
                self.follow_devices();
            }
            Input::Note(text) => self.note(text),
            Input::Stick(event) => {
                self.rest.wake(now);
                self.stick.handle(event);
            }
            Input::Leave => self.leave(),
        }
        self.collect();
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to come back at the latest, even if nothing happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let consoles = self.consoles.values().filter_map(Console::poll_timeout);
        let check = self.check.as_ref().map(Check::poll_timeout);
        let sound = match self.sound {
            Sound::Ending(at) => Some(at),
            Sound::Off | Sound::On(_) => None,
        };
        [
            self.owner.poll_timeout(),
            self.call.poll_timeout(),
            self.memory.poll_timeout(self.is_busy()),
            sound,
            check,
        ]
        .into_iter()
        .flatten()
        .chain(consoles)
        .min()
    }

    /// The next 10 ms for the speaker: the other end's voice, if there is a call, and tones.
    pub fn playout(&mut self, frame: &mut Frame) {
        match self.call.talk_mut() {
            Some(talk) => talk.playout_mut().pull(frame),
            None => match &mut self.check {
                Some(check) => check.play(frame),
                None => *frame = frame::silence(),
            },
        }
        self.tones.mix(frame);
        self.volume.apply(frame, self.setup.volume);
        if let Some(talk) = self.call.talk_mut() {
            talk.played(frame);
        }
    }

    /// What came of it, if a sound check was all there was to do.
    pub fn into_outcome(self) -> Option<Outcome> {
        self.outcome
    }

    /// Whether voice flows, so that buttons are sampled more often and the screen moves.
    pub fn in_call(&self) -> bool {
        self.call.phase() == Phase::InCall
    }

    /// How bright the display is at `now`.
    pub fn glow(&self, now: Instant) -> Glow {
        self.rest.glow(now, self.in_call())
    }

    fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.sound, Sound::Ending(at) if at <= now) {
            self.stop_sound();
        }
        self.owner.handle_timeout(now);
        self.run_gestures();
        self.call.handle_timeout(now);
        self.handle_check_timeout(now);
        let due: Vec<ConsoleId> = self.consoles.keys().copied().collect();
        for console in due {
            if let Some(c) = self.consoles.get_mut(&console) {
                c.handle_timeout(now);
            }
            self.run_lines(console);
        }
    }

    /// Turns what the call and the stick want into outputs.
    fn collect(&mut self) {
        loop {
            self.take_effects();
            let moved = self.stick.advance(self.now, &mut self.call);
            while let Some(said) = self.stick.poll() {
                match said {
                    Said::Note(line) => {
                        if self.stick.view().is_some() {
                            self.owner.make_way();
                        }
                        self.say(&format!("* note {line}"));
                    }
                    Said::Problem(line) => {
                        self.say(&format!("* note {line}"));
                        self.owner.show_problem(self.now, &line);
                    }
                    Said::Order(order) => self.out.push_back(Output::Stick(order)),
                }
            }
            if !moved {
                break;
            }
        }
        self.settle_page();
        if self.call.phase() != Phase::Idle {
            self.stop_check();
        }
        let choice = Choice {
            volume: self.setup.volume,
            mode: self.setup.mode,
        };
        let written = self.memory.update(self.now, choice, self.is_busy());
        self.out.extend(written.map(Output::Remember));
    }

    /// Whether the owner is in a call, or almost.
    fn is_busy(&self) -> bool {
        matches!(self.call.phase(), Phase::Connecting(_) | Phase::InCall)
    }

    fn take_effects(&mut self) {
        while let Some(effect) = self.call.poll_effect() {
            match effect {
                Effect::Event(line) => {
                    self.rest.wake(self.now);
                    self.owner.handle_event(self.now, &line);
                    if line.starts_with("ended ") {
                        self.stick.ended();
                    } else if line.starts_with("connected ") {
                        self.stick.connected();
                    }
                    self.say(&format!("* {line}"));
                }
                Effect::Note(line) => self.note(&line),
                Effect::Problem(line) if self.stick.takes_problem(&self.call, &line) => {}
                Effect::Problem(line) => self.problem(&line),
                Effect::Transmit(t) => {
                    self.counters.datagrams_sent += 1;
                    self.out.push_back(Output::Transmit(t));
                }
                Effect::Derive(request) => self.out.push_back(Output::Derive(request)),
                Effect::Network(on) => {
                    // Only the last word counts: sockets of a call that is over already are never opened.
                    self.out.retain(|o| !matches!(o, Output::Network(_)));
                    self.out.push_back(Output::Network(on));
                }
                Effect::Resolve => self.out.push_back(Output::Resolve(self.setup.stun.clone())),
                Effect::Sound(true) => self.start_sound(),
                Effect::Sound(false) => {
                    self.tones.stop_repeating();
                    match self.tones.left() {
                        Duration::ZERO => self.stop_sound(),
                        left => self.sound = Sound::Ending(self.now + left + DRAIN),
                    }
                }
                Effect::Tone(tone) => {
                    let opened = match self.sound {
                        Sound::On(opened) => opened,
                        Sound::Off | Sound::Ending(_) => self.now,
                    };
                    self.tones
                        .play(tone, opened.saturating_duration_since(self.now));
                }
            }
        }
    }

    fn start_sound(&mut self) {
        match self.sound {
            Sound::Off => {
                self.out.push_back(Output::Sound(true));
                self.sound = Sound::On(self.now + OPENING);
            }
            Sound::Ending(_) => self.sound = Sound::On(self.now),
            Sound::On(_) => {}
        }
    }

    fn stop_sound(&mut self) {
        self.sound = Sound::Off;
        self.devices = [false; 2];
        self.out.push_back(Output::Sound(false));
    }
}
