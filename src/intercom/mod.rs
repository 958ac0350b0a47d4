//! The intercom as one state machine: inputs with their time in, outputs as plain values out.
//!
//! After str0m's own contract: one input, then [`Intercom::poll_output`] until it is empty, then sleep until
//! [`Intercom::poll_timeout`]. No input fails: a bad one is an output that says so.

pub mod call;
pub mod code;
pub mod console;
pub mod keys;
pub mod link;
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
use code::seal::Master;
use console::{Command, Console, Mode};
use keys::Request;
use link::Dialect;
use panel::{Button, Gesture, Levels, Panel};
use passphrase::Passphrase;
use paths::Transmit;
use screen::{InCall, View};
use stick::{Said, Stick};

use crate::voice::frame::{self, Frame, Volume};

/// Fills its argument with random bytes of the operating system.
pub type Random = Box<dyn FnMut(&mut [u8])>;

/// A console, by the shell's number for it.
pub type ConsoleId = usize;

/// In push to talk the microphone stays open this long after release, so that the last word is whole.
const TAIL: Duration = Duration::from_millis(150);
/// How long "ended" and errors stay on the screen.
const NOTICE: Duration = Duration::from_secs(15);

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
    /// Leave.
    Quit,
}

/// How the owner set it up.
pub struct Setup {
    /// A passphrase from the settings file.
    pub passphrase: Option<Passphrase>,
    /// Of the speaker, 0 to 100.
    pub volume: u8,
    /// Whether the talk button is needed.
    pub mode: Mode,
    /// STUN servers as `host:port`; none turns STUN off.
    pub stun: Vec<String>,
    /// Whether `quit` leaves: a computer's intercom may, a box may not.
    pub can_quit: bool,
}

/// The whole device.
pub struct Intercom {
    started: Instant,
    now: Instant,
    setup: Setup,
    call: Call,
    consoles: BTreeMap<ConsoleId, Console>,
    panel: Panel,
    volume: Volume,
    talk: TalkButton,
    muted: bool,
    notice: Notice,
    stick: Stick,
    /// The console whose command is being run: problems are its own.
    asking: Option<ConsoleId>,
    /// The console whose text is being read, which may take a key's time.
    reader: Option<ConsoleId>,
    counters: status::Counters,
    out: VecDeque<Output>,
}

/// The talk button, or `talk on`.
#[derive(Clone, Copy, PartialEq)]
enum TalkButton {
    Up,
    Down,
    /// Released, with the tail still open until then.
    Tail(Instant),
}

/// What the screen shows over the state until NEXT, BACK or time takes it away.
enum Notice {
    None,
    NewPassphrase(Zeroizing<String>),
    Ended(String, Instant),
    Problem(String, Instant),
}

impl Intercom {
    /// A device that was just switched on.
    pub fn new(now: Instant, mut setup: Setup, random: Random) -> Self {
        let call = Call::new(!setup.stun.is_empty(), random);
        let passphrase = setup.passphrase.take();
        let mut intercom = Self {
            started: now,
            now,
            call,
            consoles: BTreeMap::new(),
            panel: Panel::new(),
            volume: Volume::new(setup.volume),
            setup,
            talk: TalkButton::Up,
            muted: false,
            notice: Notice::None,
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
                self.consoles.insert(console, Console::new(interactive));
                self.reply(console, "* ready");
            }
            Input::ConsoleBytes { console, data } => {
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
                self.panel.handle(now, levels);
                self.run_gestures();
            }
            Input::Tap(button) => {
                self.stick.somebody_types();
                self.tap(button);
            }
            Input::Capture(frame) => {
                let open = self.mic_open();
                self.call.handle_capture(now, frame, open);
            }
            Input::Note(text) => self.say(&format!("* note {text}")),
            Input::Stick(event) => self.stick.handle(event),
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
        let tail = match self.talk {
            TalkButton::Tail(until) => Some(until),
            _ => None,
        };
        let notice = match &self.notice {
            Notice::Ended(_, until) | Notice::Problem(_, until) => Some(*until),
            _ => None,
        };
        let consoles = self.consoles.values().filter_map(Console::poll_timeout);
        [
            tail,
            notice,
            self.panel.poll_timeout(),
            self.call.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .chain(consoles)
        .min()
    }

    /// The next 10 ms for the speaker; silence when there is no call.
    pub fn playout(&mut self, frame: &mut Frame) {
        match self.call.talk_mut() {
            Some(talk) => {
                talk.playout_mut().pull(frame);
                self.volume.apply(frame, self.setup.volume);
            }
            None => *frame = frame::silence(),
        }
    }

    /// Whether voice flows, so that buttons are sampled more often and the screen moves.
    pub fn in_call(&self) -> bool {
        self.call.phase() == Phase::InCall
    }

    /// What the screen shows at `now`.
    pub fn view(&self, now: Instant) -> View {
        match &self.notice {
            Notice::NewPassphrase(words) => return View::NewPassphrase(words.clone()),
            Notice::Ended(reason, _) => {
                return View::Ended {
                    reason: reason.clone(),
                };
            }
            Notice::Problem(text, _) => return View::Error { text: text.clone() },
            Notice::None => {}
        }
        if let Some(view) = self.stick.view() {
            return View::Stick(view.clone());
        }
        // Waits began at inputs, and the clock may be read before the next one.
        let now = now.max(self.now);
        match self.call.phase() {
            Phase::Idle if self.call.has_passphrase() => View::Ready,
            Phase::Idle => View::NoPassphrase,
            Phase::Preparing => View::Preparing,
            Phase::OfferWaiting(since, v1) => View::OfferWaiting {
                waited: now - since,
                v1,
            },
            Phase::AnswerWaiting(since, v1) => View::AnswerGiven {
                waited: now - since,
                v1,
            },
            Phase::Connecting(since) => View::Connecting {
                elapsed: now - since,
            },
            Phase::InCall => self.call_view(now),
        }
    }

    fn call_view(&self, now: Instant) -> View {
        let Some(talk) = self.call.talk() else {
            return View::Ready;
        };
        View::InCall(InCall {
            duration: now - talk.since(),
            words: talk.words(),
            v1: talk.is_v1(),
            secure: talk.is_secure(),
            sent_dbfs: talk.capture().level_dbfs(),
            heard_dbfs: talk.playout().level_dbfs(),
            mic_open: self.mic_open(),
            muted: self.muted,
            ptt: self.setup.mode == Mode::Ptt,
            hears_us: talk.hears_us(now),
            bars: status::bars(talk),
            silent: talk.lost().map(|since| now - since),
        })
    }

    fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.talk, TalkButton::Tail(until) if until <= now) {
            self.talk = TalkButton::Up;
        }
        match &self.notice {
            Notice::Ended(_, until) | Notice::Problem(_, until) if *until <= now => {
                self.notice = Notice::None;
            }
            _ => {}
        }
        self.panel.handle_timeout(now);
        self.run_gestures();
        self.call.handle_timeout(now);
        let due: Vec<ConsoleId> = self.consoles.keys().copied().collect();
        for console in due {
            if let Some(c) = self.consoles.get_mut(&console) {
                c.handle_timeout(now);
            }
            self.run_lines(console);
        }
    }

    // ---- consoles ----

    fn run_lines(&mut self, console: ConsoleId) {
        while let Some(line) = self.consoles.get_mut(&console).and_then(Console::poll_line) {
            match console::parse(&line) {
                Ok(Some(command)) => {
                    self.asking = Some(console);
                    self.run(console, command);
                }
                Ok(None) => {}
                Err(problem) => self.reply(console, &format!("! {problem}")),
            }
            self.collect();
            self.asking = None;
        }
        while let Some(echo) = self.consoles.get_mut(&console).and_then(Console::poll_echo) {
            self.out.push_back(Output::Console(console, echo.into()));
        }
    }

    fn run(&mut self, console: ConsoleId, command: Command) {
        let now = self.now;
        match command {
            Command::Help => self.reply(console, &console::help()),
            Command::SetPassphrase(text) => match Passphrase::new(&text) {
                Some(passphrase) => {
                    if passphrase.is_weak() {
                        self.reply(console, "* note this passphrase is weak: under 12 characters can be guessed; passphrase alone makes a strong one");
                    }
                    self.use_passphrase(passphrase);
                }
                None => self.reply(console, "! A passphrase has at least one letter or digit."),
            },
            Command::MakePassphrase => {
                let words = self.make_passphrase();
                self.reply(console, &Zeroizing::new(format!("* passphrase {}", *words)));
            }
            Command::Call { v1 } => self.make_offer(if v1 { Dialect::V1 } else { Dialect::V2 }),
            Command::Talk(true) => self.talk = TalkButton::Down,
            Command::Talk(false) => self.release_talk(),
            Command::Mode(mode) => self.setup.mode = mode,
            Command::Volume(volume) => self.setup.volume = volume,
            Command::Mute(muted) => self.muted = muted,
            Command::Same => self.call.words_are(now, true),
            Command::Differ => self.call.words_are(now, false),
            Command::Hang => self.call.hang_up(now),
            Command::Status => {
                let line = status::status(self);
                self.reply(console, &line);
            }
            Command::Stats => {
                let line = status::stats(self);
                self.reply(console, &line);
            }
            Command::Quit if self.setup.can_quit => self.leave(),
            Command::Quit => self.reply(
                console,
                "! This intercom is always on; pull its plug to stop it.",
            ),
            Command::Text(text) => {
                if !self.call.is_reading() {
                    self.reader = Some(console);
                }
                self.call.read(now, &text);
            }
        }
    }

    fn leave(&mut self) {
        self.call.leave(self.now);
        self.collect();
        for (&console, c) in &mut self.consoles {
            self.out
                .push_back(Output::Console(console, c.farewell().into()));
        }
        self.out.push_back(Output::Quit);
    }

    /// Makes one, uses it, and shows it.
    fn make_passphrase(&mut self) -> Zeroizing<String> {
        let passphrase = Passphrase::make(self.call.random());
        let words = Zeroizing::new(passphrase.exact().to_owned());
        self.use_passphrase(passphrase);
        self.notice = Notice::NewPassphrase(words.clone());
        words
    }

    fn use_passphrase(&mut self, passphrase: Passphrase) {
        self.notice = Notice::None;
        self.call.set_passphrase(passphrase);
        self.stick.look_again();
    }

    fn make_offer(&mut self, dialect: Dialect) {
        self.notice = Notice::None;
        self.call.make_offer(self.now, dialect);
    }

    fn reply(&mut self, console: ConsoleId, text: &str) {
        if let Some(c) = self.consoles.get_mut(&console) {
            for line in text.lines() {
                let bytes = c.say(line);
                self.out.push_back(Output::Console(console, bytes.into()));
            }
        }
    }

    /// One line on every console.
    fn say(&mut self, line: &str) {
        let consoles: Vec<ConsoleId> = self.consoles.keys().copied().collect();
        for console in consoles {
            self.reply(console, line);
        }
    }

    // ---- buttons ----

    fn run_gestures(&mut self) {
        while let Some(gesture) = self.panel.poll_gesture() {
            match gesture {
                Gesture::Press(Button::Talk) if self.in_call() => self.talk = TalkButton::Down,
                Gesture::Release(Button::Talk) => self.release_talk(),
                Gesture::Hold(Button::Back) if self.in_call() => self.call.hang_up(self.now),
                // In a call BACK has to be held, so that a touch does not end it.
                Gesture::Press(Button::Back) if self.in_call() => {}
                Gesture::Press(button) => self.press(button),
                Gesture::Stuck(button) => self.say(&format!(
                    "* note the {button} button is stuck down and ignored until it is released"
                )),
                Gesture::Hold(_) | Gesture::Release(_) => {}
            }
        }
    }

    fn tap(&mut self, button: Button) {
        match button {
            Button::Talk if self.in_call() => match self.talk {
                TalkButton::Down => self.release_talk(),
                _ => self.talk = TalkButton::Down,
            },
            Button::Back if self.in_call() => self.call.hang_up(self.now),
            button => self.press(button),
        }
    }

    /// A press that is about the state, not about talking.
    fn press(&mut self, button: Button) {
        if !matches!(self.notice, Notice::None) {
            self.notice = Notice::None;
            return;
        }
        if self.stick.press(self.now, button, &mut self.call) {
            return;
        }
        match (button, self.call.phase()) {
            (Button::Talk, Phase::Idle) if !self.call.has_passphrase() => {
                self.make_passphrase();
            }
            (Button::Talk, Phase::Idle) => self.make_offer(Dialect::V2),
            // Nobody should confirm words that the screen does not show.
            (Button::Next, Phase::InCall) if self.shows_words() => {
                self.call.words_are(self.now, true);
            }
            (Button::Back, Phase::Idle) => {}
            (Button::Back, _) => self.call.hang_up(self.now),
            _ => {}
        }
    }

    fn shows_words(&self) -> bool {
        let talk = self.call.talk();
        talk.is_some_and(|t| t.words().is_some() && t.lost().is_none())
    }

    fn release_talk(&mut self) {
        if self.talk == TalkButton::Down {
            self.talk = TalkButton::Tail(self.now + TAIL);
        }
    }

    fn mic_open(&self) -> bool {
        !self.muted && (self.setup.mode == Mode::Open || self.talk != TalkButton::Up)
    }

    // ---- effects ----

    /// Turns what the call and the stick want into outputs.
    fn collect(&mut self) {
        loop {
            self.take_effects();
            let moved = self.stick.advance(self.now, &mut self.call);
            while let Some(said) = self.stick.poll() {
                match said {
                    Said::Note(line) => {
                        if !matches!(self.notice, Notice::NewPassphrase(_)) {
                            self.notice = Notice::None;
                        }
                        self.say(&format!("* note {line}"));
                    }
                    Said::Order(order) => self.out.push_back(Output::Stick(order)),
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn take_effects(&mut self) {
        while let Some(effect) = self.call.poll_effect() {
            match effect {
                Effect::Event(line) => {
                    if let Some(reason) = line.strip_prefix("ended ") {
                        self.talk = TalkButton::Up;
                        self.stick.ended();
                        self.notice = Notice::Ended(reason.to_owned(), self.now + NOTICE);
                    } else if ["offer ", "answer ", "connecting"]
                        .iter()
                        .any(|s| line.starts_with(s))
                    {
                        self.notice = Notice::None;
                    }
                    if line.starts_with("connected ") {
                        self.stick.connected();
                    }
                    self.say(&format!("* {line}"));
                }
                Effect::Problem(line) if self.stick.takes_problem(&self.call, &line) => {}
                Effect::Problem(line) => {
                    let said = format!("! {line}");
                    match self
                        .asking
                        .or(self.reader)
                        .filter(|c| self.consoles.contains_key(c))
                    {
                        Some(console) => self.reply(console, &said),
                        None => self.say(&said),
                    }
                    self.notice = Notice::Problem(line, self.now + NOTICE);
                }
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
                Effect::Sound(on) => self.out.push_back(Output::Sound(on)),
            }
        }
    }
}
