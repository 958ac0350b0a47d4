//! The shell: one mio loop and every side effect. It decides nothing.

pub mod addresses;
pub mod cards;
pub mod confine;
pub mod consoles;
pub mod memory;
pub mod mixer;
mod netlink;
pub mod panel;
pub mod pcm;
pub mod picture;
pub mod serial;
pub mod sound;
pub mod stick;
pub mod terminal;
pub mod this_thread;
pub mod tty;
pub mod udp;
pub mod uevent;
pub mod watchdog;
pub mod wav;
pub mod worker;

use std::io;
use std::time::{Duration, Instant};

use libc::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use mio::{Events, Poll, Token, Waker};
use signal_hook_mio::v1_0::Signals;

use crate::config::Config;
use crate::intercom::{Input, Intercom, Outcome, Output, screen};

use addresses::Addresses;
use confine::User;
pub use consoles::ConsolePath;
use consoles::Consoles;
use memory::Memory;
use panel::Panel;
use sound::Sound;
use stick::Sticks;
use udp::Udp;
use uevent::Uevents;
use watchdog::Watchdog;
use worker::{Done, Worker};

const WAKER: Token = Token(0);
const SIGNALS: Token = Token(1);
const ADDRESSES: Token = Token(2);
const SOUND: [Token; 2] = [Token(3), Token(4)];
const UEVENTS: Token = Token(5);
const UDP: Token = Token(16);
const KEYS: Token = Token(UDP.0 + udp::MAX_SOCKETS);
const CONSOLES: Token = Token(KEYS.0 + panel::MAX_DEVICES);

/// Between two pictures of the screen: in a call, where meters move, and else.
const FRAME_IN_CALL: Duration = Duration::from_millis(66);
const FRAME_IDLE: Duration = Duration::from_millis(500);
/// What a piece of the display's picture may take; there is none while the sound card is due sooner.
const PIECE: Duration = Duration::from_micros(panel::oled::TURN as u64);
/// The addresses are looked at again this long after the kernel said that one changed, as a new IPv6
/// address cannot be bound until it has been checked for duplicates (RFC 4862).
const SETTLE: Duration = Duration::from_secs(2);

/// Runs an intercom until it is told to quit; as that user, once everything is open. Gives what came of a sound check, if that was all.
///
/// # Errors
/// What it cannot begin without: a console that was asked for, a WAV file, the user, the kernel's own services.
pub fn run(
    config: Config,
    consoles: &[ConsolePath],
    user: Option<&User>,
) -> io::Result<Option<Outcome>> {
    let mut shell = Shell::new(config, consoles, user)?;
    while !shell.quit {
        shell.turn()?;
    }
    if let Some(memory) = &mut shell.memory {
        memory.finish(&mut shell.worker);
    }
    shell.panel.off();
    if let Some(watchdog) = shell.watchdog.take() {
        watchdog.stop();
    }
    Ok(shell.intercom.into_outcome())
}

struct Shell {
    poll: Poll,
    events: Events,
    intercom: Intercom,
    worker: Worker,
    signals: Signals,
    addresses: Option<Addresses>,
    /// When to bind addresses again that could not be bound yet.
    settle: Option<Instant>,
    udp: Udp,
    sound: Sound,
    consoles: Consoles,
    watchdog: Option<Watchdog>,
    memory: Option<Memory>,
    panel: Panel,
    uevents: Option<Uevents>,
    sticks: Sticks,
    next_picture: Option<Instant>,
    quit: bool,
}

impl Shell {
    fn new(mut config: Config, paths: &[ConsolePath], user: Option<&User>) -> io::Result<Self> {
        this_thread::flush_denormals_to_zero();
        this_thread::run_before_others();
        let now = Instant::now();
        let poll = Poll::new()?;
        let registry = poll.registry();
        // Before all else: pins of a Raspberry Pi may take root.
        let panel = Panel::open(
            now,
            registry,
            KEYS,
            &config.buttons,
            config.led.as_ref(),
            &config.screen,
        );
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM, SIGWINCH])?;
        registry.register(&mut signals, SIGNALS, mio::Interest::READABLE)?;
        let worker = Worker::new(Waker::new(registry, WAKER)?);
        let sound = Sound::new(now, &config, SOUND).map_err(io::Error::other)?;
        let consoles = Consoles::open(
            now,
            registry,
            CONSOLES,
            paths,
            config.serial,
            &config.screen,
            config.buttons.terminal,
        )?;
        let addresses = Addresses::new(registry, ADDRESSES)
            .map_err(|e| log::warn!("changes of address will go unseen: {e}"))
            .ok();
        let watchdog = config.watchdog.and_then(|path| Watchdog::open(now, &path));
        let memory = config.memory.as_ref().map(Memory::open).transpose();
        let memory = match memory {
            Ok(memory) => memory.map(|(memory, remembered)| {
                config.setup.remembered = remembered;
                memory
            }),
            Err(e) => {
                if let Some(place) = config.memory.filter(|m| m.create) {
                    let said = format!("--memory {}: {e}", place.path.display());
                    return Err(io::Error::new(e.kind(), said));
                }
                log::info!("nothing will be remembered: {e}");
                None
            }
        };
        // Everything that takes root is open, and no thread was started.
        if let Some(user) = user {
            user.become_for_good()?;
        }
        // Before the first look for devices, so that none comes in between.
        let uevents = Uevents::new(registry, UEVENTS)
            .map_err(|e| log::warn!("devices that come and go will be unseen: {e}"))
            .ok();
        let random = Box::new(|bytes: &mut [u8]| {
            // Without the system's random source nothing here is safe; there is no going on.
            getrandom::fill(bytes).expect("the operating system has random bytes");
        });
        let mut shell = Self {
            events: Events::with_capacity(64),
            intercom: Intercom::new(now, config.setup, random),
            worker,
            signals,
            addresses,
            settle: None,
            udp: Udp::new(UDP),
            sound,
            next_picture: (consoles.has_screen() || panel.has_screen()).then_some(now),
            uevents,
            sticks: Sticks::new(now, &config.stick),
            consoles,
            watchdog,
            memory,
            panel,
            poll,
            quit: false,
        };
        shell.drain(now);
        Ok(shell)
    }

    /// One turn: sleep, then everything that is due, the most urgent first, each bounded.
    fn turn(&mut self) -> io::Result<()> {
        let timeout = self.timeout(Instant::now());
        match self.poll.poll(&mut self.events, timeout) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(e),
            _ => {}
        }
        let now = Instant::now();
        let (mut signalled, mut moved, mut plugged) = (false, false, false);
        for event in &self.events {
            match event.token() {
                WAKER => {}
                SIGNALS => signalled = true,
                ADDRESSES => moved = true,
                UEVENTS => plugged = true,
                token => {
                    let registry = self.poll.registry();
                    if !self.sound.ready(now, token, &self.worker, registry)
                        && !self.udp.ready(token)
                        && !self.panel.ready(now, token)
                    {
                        self.consoles.ready(token);
                    }
                }
            }
        }
        // 1. The microphone: a late frame is late for the rest of the call.
        self.capture(now);
        // 2. The network, before the speaker, so that a packet that is here is played.
        self.receive(now);
        // 3. The speaker.
        self.playback(now);
        // 4. What is due by the clock.
        if self.intercom.poll_timeout().is_some_and(|at| at <= now) {
            self.input(now, Input::Timeout);
        }
        // 5. What threads found.
        self.results(now);
        // 6. Changes of address.
        if moved && let Some(addresses) = &mut self.addresses {
            addresses.drain();
            self.rebind(now);
            self.settle = Some(now + SETTLE);
        }
        if self.settle.is_some_and(|at| at <= now) {
            self.settle = None;
            self.rebind(now);
        }
        // 7. Devices that come and go.
        self.devices(now, plugged);
        // 8. People: consoles, keys, signals, buttons.
        self.people(now, signalled);
        self.buttons(now);
        // 9. The screen, last: it can wait.
        self.picture(now);
        if self.leaves_time(now) {
            self.panel.send(now);
        }
        // The loop has come round.
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.handle_timeout(now);
        }
        Ok(())
    }

    fn timeout(&self, now: Instant) -> Option<Duration> {
        if self.udp.has_more() || self.consoles.has_more() {
            return Some(Duration::ZERO);
        }
        // While the sound card is due, its own time comes first and brings the next turn.
        let send = self.panel.send_due(now);
        let send = send.filter(|at| *at > now || self.leaves_time(now));
        let next = [
            self.intercom.poll_timeout(),
            self.sound.poll_timeout(),
            self.consoles.poll_timeout(),
            self.panel.poll_timeout(),
            send,
            self.next_picture,
            self.settle,
            self.watchdog.as_ref().map(Watchdog::poll_timeout),
            self.sticks.poll_timeout(),
        ];
        next.into_iter()
            .flatten()
            .min()
            .map(|at| at.saturating_duration_since(now))
    }

    /// Whether a piece of the display's picture delays no sound.
    fn leaves_time(&self, now: Instant) -> bool {
        let sound = self.sound.poll_timeout();
        sound.is_none_or(|at| at.saturating_duration_since(now) >= PIECE)
    }

    fn input(&mut self, now: Instant, input: Input<'_>) {
        self.intercom.handle_input(now, input);
        self.drain(now);
    }

    /// Does what the intercom wants done.
    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.intercom.poll_output() {
            match output {
                Output::Transmit(t) => self.udp.send(t.source, t.destination, &t.contents),
                Output::Console(console, bytes) => self.consoles.write(console, &bytes),
                Output::Derive(request) => self.worker.derive(request),
                Output::Network(true) => {
                    self.udp.open(self.poll.registry());
                    let sockets = self.udp.addresses();
                    self.intercom.handle_input(now, Input::Sockets(&sockets));
                }
                Output::Network(false) => self.udp.close(),
                Output::Resolve(names) => self.worker.resolve(names),
                Output::Sound(on) => self.sound.run(now, on, &self.worker, self.poll.registry()),
                Output::Stick(order) => self.sticks.order(now, order),
                Output::Remember(remembered) => {
                    if let Some(memory) = &mut self.memory {
                        memory.remember(remembered, &self.worker);
                    }
                }
                Output::Quit => self.quit = true,
            }
        }
    }

    fn capture(&mut self, now: Instant) {
        let (intercom, sound) = (&mut self.intercom, &mut self.sound);
        sound.capture(now, &self.worker, self.poll.registry(), |frame| {
            intercom.handle_input(now, Input::Capture(frame));
        });
        self.drain(now);
    }

    fn playback(&mut self, now: Instant) {
        let (intercom, sound) = (&mut self.intercom, &mut self.sound);
        sound.playback(now, &self.worker, self.poll.registry(), |frame| {
            intercom.playout(frame)
        });
    }

    fn receive(&mut self, now: Instant) {
        let (intercom, udp) = (&mut self.intercom, &mut self.udp);
        udp.receive(|source, destination, data| {
            intercom.handle_input(
                now,
                Input::Datagram {
                    source,
                    destination,
                    data,
                },
            );
        });
        self.drain(now);
    }

    fn results(&mut self, now: Instant) {
        while let Some(done) = self.worker.poll() {
            match done {
                Done::Key { ticket, master } => self.input(now, Input::Key { ticket, master }),
                Done::KeyFailed { ticket } => self.input(now, Input::KeyFailed { ticket }),
                Done::Stick(finished) => self.sticks.finished(now, finished),
                Done::Memory(finished) => {
                    let memory = self.memory.as_mut();
                    if let Some(note) = memory.and_then(|m| m.finished(finished, &self.worker)) {
                        self.input(now, Input::Note(&note));
                    }
                }
                Done::Servers(servers) => self.input(now, Input::StunServers(&servers)),
                Done::Sound(opened) => {
                    self.sound
                        .opened(now, opened, &self.worker, self.poll.registry())
                }
            }
        }
        let xruns = self.sound.take_xruns();
        if xruns != [0, 0] {
            self.input(now, Input::Xruns(xruns));
        }
        while let Some(note) = self.sound.poll_note() {
            self.input(now, Input::Note(&note));
        }
        if let Some(open) = self.sound.poll_open() {
            self.input(now, Input::Devices(open));
        }
    }

    fn rebind(&mut self, now: Instant) {
        if !self.udp.is_open() {
            return;
        }
        let before = self.udp.addresses();
        self.udp.open(self.poll.registry());
        let sockets = self.udp.addresses();
        if sockets != before {
            self.input(now, Input::Sockets(&sockets));
        }
    }

    fn devices(&mut self, now: Instant, plugged: bool) {
        if plugged && let Some(uevents) = &mut self.uevents {
            while let Some(event) = uevents.poll() {
                if event.subsystem == "tty" {
                    self.consoles.look_for_serial_lines(now);
                }
                self.sticks.handle(now, &event);
            }
            if uevents.take_lost() {
                self.sticks.look(now);
            }
        }
        self.sticks.work(now, &self.worker);
        while let Some(event) = self.sticks.poll() {
            self.input(now, Input::Stick(event));
        }
    }

    fn people(&mut self, now: Instant, signalled: bool) {
        if signalled {
            for signal in self.signals.pending().collect::<Vec<_>>() {
                match signal {
                    SIGWINCH => self.consoles.resized(),
                    _ => self.input(now, Input::Leave),
                }
            }
        }
        let registry = self.poll.registry();
        let intercom = &mut self.intercom;
        self.consoles
            .work(now, registry, |input| intercom.handle_input(now, input));
        self.drain(now);
        self.consoles.flush();
    }

    fn buttons(&mut self, now: Instant) {
        self.panel.retry(now, self.poll.registry());
        if let Some(levels) = self.panel.sample(now, self.intercom.in_call()) {
            self.input(now, Input::Buttons(levels));
            self.panel.light(now, self.intercom.led(now));
            if self.panel.is_touched(now) && !self.intercom.in_call() {
                // What a press does is seen at once; in a call the picture moves anyway.
                self.next_picture = self.next_picture.map(|_| now);
            }
        }
        while let Some(note) = self.panel.poll_note() {
            self.input(now, Input::Note(&note));
        }
    }

    fn picture(&mut self, now: Instant) {
        if self.next_picture.is_none_or(|at| at > now) {
            return;
        }
        let pause = if self.intercom.in_call() {
            FRAME_IN_CALL
        } else {
            FRAME_IDLE
        };
        self.next_picture = Some(now + pause);
        let view = self.intercom.view(now);
        let picture = screen::drawn(&view);
        self.consoles.draw(&picture);
        let glow = self.intercom.glow(now);
        self.panel.draw(now, &view, &picture, glow);
    }
}
