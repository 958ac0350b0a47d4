//! The microphone and the speaker, whatever they are: started for a call, reopened when they fail.
//!
//! An ALSA device that fails or vanishes is told once and tried again with growing pauses; meanwhile its place is taken by
//! silence at the same pace, so that the call goes on. Opening and closing happen on a thread, as a sound server may take its time.

use std::time::{Duration, Instant, SystemTime};

use alsa::Direction;
use mio::{Registry, Token};

use super::cards::{Wanted, cards, choose};
use super::mixer;
use super::pcm::{Reserve, Stream, keep_alsa_quiet};
use super::wav::{Echo, Microphone, Speaker};
use super::worker::Worker;
use crate::config::{Config, Device, WavOptions};
use crate::voice::frame::{Frame, silence};

/// The speaker is looked at every 10 ms: together with the microphone, and between two of its packets by the clock. So much
/// longer the clock waits for a packet that is due, which saves a turn.
const GRACE: Duration = Duration::from_millis(2);
/// Sound in one frame.
const PERIOD: Duration = Duration::from_millis(10);
/// A device that paces itself catches up this many frames after a stall, and lets the rest go.
const MAX_BEHIND: u32 = 20;
/// Pauses between tries to reopen a device: from, to.
const RETRY: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(8)];
/// A device that failed is well again when it has worked for so long.
const WELL: Duration = Duration::from_secs(3);

/// Which of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The microphone.
    Capture,
    /// The speaker.
    Playback,
}

/// A PCM that was opened on a thread, or why not. `generation` says for which start.
pub struct Opened {
    /// Which end.
    pub end: End,
    /// Of the request.
    pub generation: u64,
    /// What came of it, and which card it is on, if one was chosen.
    pub stream: Result<(Stream, Option<String>), String>,
}

/// What to open.
#[derive(Clone)]
pub enum Pcm {
    /// An ALSA PCM by its name.
    Named(String),
    /// A card, and the level that its owner wants of it, percent.
    Card(Wanted, Option<u8>),
}

impl Pcm {
    /// Chooses the card, sets its mixer and opens it. Blocks.
    ///
    /// # Errors
    /// No card fits, or ALSA's own words.
    pub fn open(&self, end: End) -> Result<(Stream, Option<String>), String> {
        let direction = match end {
            End::Capture => Direction::Capture,
            End::Playback => Direction::Playback,
        };
        let (wanted, level) = match self {
            Self::Named(name) => return Ok((Stream::open(name, direction)?, None)),
            Self::Card(wanted, level) => (wanted, *level),
        };
        keep_alsa_quiet();
        let cards = cards();
        let (card, pcm) = choose(&cards, wanted, direction)?;
        if let Err(e) = mixer::set_up(&card.id, direction, level) {
            log::debug!("the mixer of {}: {e}", card.id);
        }
        let stream = Stream::open(&pcm, direction).map_err(|e| format!("{}: {e}", card.name))?;
        Ok((stream, Some(card.name.clone())))
    }
}

impl std::fmt::Display for Pcm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(name) | Self::Card(Wanted::Named(name), _) => f.write_str(name),
            Self::Card(Wanted::Auto, _) => f.write_str("auto"),
        }
    }
}

/// Both ends of the sound card.
pub struct Sound {
    capture: Port,
    playback: Port,
    /// When the speaker is looked at at the latest.
    tick: Option<Instant>,
    /// The microphone gave something in this turn.
    heard: bool,
    /// Of the speaker in a microphone that is a file.
    echo: Option<Echo>,
    /// Which of microphone and speaker was last told to be open.
    open: [bool; 2],
}

impl Sound {
    /// Looks at the devices; WAV files are opened now, sound cards only for a call.
    ///
    /// # Errors
    /// A WAV file cannot be used.
    pub fn new(now: Instant, config: &Config, tokens: [Token; 2]) -> Result<Self, String> {
        let (capture_device, options) = match &config.capture {
            Device::Wav { path, options } => {
                let microphone = Microphone::open(path, options.repeat)?;
                (Kind::Microphone(microphone), *options)
            }
            other => {
                let kind = Kind::card(other, config.microphone_level);
                (kind, WavOptions::default())
            }
        };
        let playback_device = match &config.playback {
            Device::Wav { path, .. } => Kind::Speaker(Speaker::create(path)?),
            other => Kind::card(other, config.speaker_level),
        };
        let mut capture = Port::new(now, End::Capture, capture_device, tokens[0]);
        capture.pace.set_ppm(options.ppm);
        Ok(Self {
            capture,
            playback: Port::new(now, End::Playback, playback_device, tokens[1]),
            tick: None,
            heard: false,
            open: [false; 2],
            echo: options.echo.map(|echo| Echo::new(echo, options.ppm)),
        })
    }

    /// A call begins (true) or is over.
    pub fn run(&mut self, now: Instant, on: bool, worker: &Worker, registry: &Registry) {
        if on == self.tick.is_some() {
            return;
        }
        self.tick = on.then(|| now + PERIOD);
        self.open = [false; 2];
        if let Some(echo) = &mut self.echo {
            echo.start();
        }
        for port in [&mut self.capture, &mut self.playback] {
            if on {
                port.start(now, worker);
            } else {
                port.stop(worker, registry);
            }
        }
    }

    /// Notes a readiness event; false if the token is another's.
    pub fn ready(
        &mut self,
        now: Instant,
        token: Token,
        worker: &Worker,
        registry: &Registry,
    ) -> bool {
        for port in [&mut self.capture, &mut self.playback] {
            if port.token == token {
                port.acknowledge(now, worker, registry);
                return true;
            }
        }
        false
    }

    /// A device was opened, or not.
    pub fn opened(&mut self, now: Instant, opened: Opened, worker: &Worker, registry: &Registry) {
        let running = self.tick.is_some();
        let port = match opened.end {
            End::Capture => &mut self.capture,
            End::Playback => &mut self.playback,
        };
        port.opened(now, opened, running, worker, registry);
    }

    /// Every frame that the microphone has by now.
    pub fn capture(
        &mut self,
        now: Instant,
        worker: &Worker,
        registry: &Registry,
        mut take: impl FnMut(&Frame),
    ) {
        if self.tick.is_none() {
            return;
        }
        let port = &mut self.capture;
        port.reopen(now, worker);
        if let Kind::Alsa(_, AlsaState::Open(stream)) = &mut port.kind {
            // Readiness that was missed costs a stutter, not the microphone.
            let overdue = now > port.pace.next + 2 * PERIOD;
            if !std::mem::take(&mut port.readable) && !overdue {
                return;
            }
            let heard = &mut self.heard;
            let done = stream.capture(|frame| {
                *heard = true;
                take(frame);
            });
            match done {
                Ok(()) if *heard => port.works(now),
                Ok(()) => {}
                Err(problem) => port.fail(now, &problem, worker, registry),
            }
            return;
        }
        let (skipped, due) = port.pace.due(now);
        if let Kind::Microphone(microphone) = &mut port.kind {
            microphone.skip(skipped);
        }
        self.heard = due > 0;
        for _ in 0..due {
            match &mut port.kind {
                Kind::Microphone(microphone) => {
                    let mut frame = microphone.read();
                    if let Some(echo) = &mut self.echo {
                        echo.mix(&mut frame);
                    }
                    take(&frame);
                }
                _ => take(&silence()),
            }
        }
    }

    /// Whatever the speaker needs by now.
    pub fn playback(
        &mut self,
        now: Instant,
        worker: &Worker,
        registry: &Registry,
        mut pull: impl FnMut(&mut Frame),
    ) {
        let Some(tick) = self.tick else { return };
        let heard = std::mem::take(&mut self.heard);
        let is_due = heard || tick <= now;
        if is_due {
            self.tick = Some(now + if heard { PERIOD } else { PERIOD + GRACE });
        }
        let (port, echo) = (&mut self.playback, &mut self.echo);
        let mut pull = |frame: &mut Frame| {
            pull(frame);
            if let Some(echo) = echo {
                echo.play(frame);
            }
        };
        port.reopen(now, worker);
        if let Kind::Alsa(_, AlsaState::Open(stream)) = &mut port.kind {
            if is_due {
                match stream.playback(pull) {
                    Ok(()) => port.works(now),
                    Err(problem) => port.fail(now, &problem, worker, registry),
                }
            }
            return;
        }
        let mut frame = silence();
        for _ in 0..port.pace.due(now).1 {
            pull(&mut frame);
            if let Kind::Speaker(speaker) = &mut port.kind
                && let Err(problem) = speaker.write(&frame)
            {
                port.note(&problem);
                port.kind = Kind::Null;
            }
        }
    }

    /// When to come back at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let tick = self.tick?;
        let ports = [&self.capture, &self.playback];
        ports
            .map(|port| port.next().unwrap_or(tick))
            .into_iter()
            .min()
    }

    /// The next line for the owner.
    pub fn poll_note(&mut self) -> Option<String> {
        self.capture
            .note
            .take()
            .or_else(|| self.playback.note.take())
    }

    /// Which of microphone and speaker are open, if that changed since it was last told. Files and `null` always are.
    pub fn poll_open(&mut self) -> Option<[bool; 2]> {
        self.tick?;
        let open = [&self.capture, &self.playback].map(Port::is_open);
        (open != std::mem::replace(&mut self.open, open)).then_some(open)
    }

    /// Overruns of the microphone and underruns of the speaker since last asked.
    pub fn take_xruns(&mut self) -> [u64; 2] {
        [&mut self.capture, &mut self.playback].map(|port| match &mut port.kind {
            Kind::Alsa(_, AlsaState::Open(stream)) => stream.take_xruns(),
            _ => 0,
        })
    }
}

/// One end.
struct Port {
    end: End,
    kind: Kind,
    token: Token,
    /// An event came since it was last read.
    readable: bool,
    pace: Pace,
    generation: u64,
    /// Failures without it having been well in between; the first is told.
    failures: u32,
    opened: Instant,
    /// What the speaker was found to need, for as long as the program runs.
    reserve: Reserve,
    /// The card that was told.
    card: Option<String>,
    note: Option<String>,
}

enum Kind {
    Alsa(Pcm, AlsaState),
    Microphone(Microphone),
    Speaker(Speaker),
    Null,
}

impl Kind {
    fn card(device: &Device, level: Option<u8>) -> Self {
        let pcm = match device {
            Device::Alsa(name) => Pcm::Named(name.clone()),
            Device::Auto => Pcm::Card(Wanted::Auto, level),
            Device::Card(name) => Pcm::Card(Wanted::Named(name.clone()), level),
            Device::Wav { .. } | Device::Null => return Self::Null,
        };
        Self::Alsa(pcm, AlsaState::Closed)
    }
}

enum AlsaState {
    Closed,
    Opening,
    Open(Box<Stream>),
    Failed { retry: Instant },
}

impl Port {
    fn new(now: Instant, end: End, kind: Kind, token: Token) -> Self {
        Self {
            end,
            kind,
            token,
            readable: false,
            pace: Pace::new(now),
            generation: 0,
            failures: 0,
            opened: now,
            reserve: Reserve::default(),
            card: None,
            note: None,
        }
    }

    fn start(&mut self, now: Instant, worker: &Worker) {
        self.pace.restart(now);
        self.failures = 0;
        match &mut self.kind {
            Kind::Alsa(..) => self.open(worker),
            Kind::Microphone(microphone) => {
                let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                microphone.start(unix.unwrap_or_default());
            }
            Kind::Speaker(_) | Kind::Null => {}
        }
    }

    /// When the next frame is due, if the device does not say so itself.
    fn next(&self) -> Option<Instant> {
        match &self.kind {
            Kind::Alsa(_, AlsaState::Open(_)) => None,
            _ => Some(self.pace.next),
        }
    }

    fn is_open(&self) -> bool {
        match &self.kind {
            Kind::Alsa(_, state) => matches!(state, AlsaState::Open(_)),
            Kind::Microphone(_) | Kind::Speaker(_) | Kind::Null => true,
        }
    }

    fn stop(&mut self, worker: &Worker, registry: &Registry) {
        // An open that is under way finds itself stale.
        self.generation += 1;
        if let Kind::Alsa(_, state) = &mut self.kind
            && let AlsaState::Open(stream) = std::mem::replace(state, AlsaState::Closed)
        {
            stream.deregister(registry);
            self.reserve = stream.reserve();
            worker.discard(stream);
        }
    }

    fn open(&mut self, worker: &Worker) {
        if let Kind::Alsa(pcm, state) = &mut self.kind {
            *state = AlsaState::Opening;
            self.generation += 1;
            worker.open(self.end, self.generation, pcm.clone());
        }
    }

    fn reopen(&mut self, now: Instant, worker: &Worker) {
        if matches!(&self.kind, Kind::Alsa(_, AlsaState::Failed { retry }) if *retry <= now) {
            self.open(worker);
        }
    }

    fn opened(
        &mut self,
        now: Instant,
        opened: Opened,
        running: bool,
        worker: &Worker,
        registry: &Registry,
    ) {
        let wanted = running && opened.generation == self.generation;
        match opened.stream {
            Ok((stream, _)) if !wanted => worker.discard(Box::new(stream)),
            Ok((mut stream, card)) => {
                self.opened = now;
                stream.set_reserve(self.reserve);
                if card.is_some() && card != self.card {
                    self.note(&format_args!("is {}", card.as_deref().unwrap_or_default()));
                    self.card = card;
                }
                if self.end == End::Capture
                    && let Err(e) = stream.register(registry, self.token)
                {
                    log::warn!("sound: {e}");
                }
                if let Kind::Alsa(_, state) = &mut self.kind {
                    *state = AlsaState::Open(Box::new(stream));
                }
            }
            Err(problem) if wanted => self.fail(now, &problem, worker, registry),
            Err(_) => {}
        }
    }

    fn acknowledge(&mut self, now: Instant, worker: &Worker, registry: &Registry) {
        self.readable = true;
        if let Kind::Alsa(_, AlsaState::Open(stream)) = &mut self.kind
            && let Err(problem) = stream.acknowledge()
        {
            self.fail(now, &problem, worker, registry);
        }
    }

    /// Frames go through: only that shows that a device is well again.
    fn works(&mut self, now: Instant) {
        self.pace.restart(now);
        if self.failures > 0 && now >= self.opened + WELL {
            self.failures = 0;
            self.note(&"works again");
        }
    }

    fn fail(&mut self, now: Instant, problem: &str, worker: &Worker, registry: &Registry) {
        if self.failures == 0 {
            self.note(&format_args!(
                "does not work ({problem}); the call goes on without it, and it is tried again"
            ));
        }
        let pause = RETRY[0] * 2u32.pow(self.failures.min(4));
        self.failures += 1;
        self.pace.restart(now);
        self.stop(worker, registry);
        if let Kind::Alsa(_, state) = &mut self.kind {
            *state = AlsaState::Failed {
                retry: now + pause.min(RETRY[1]),
            };
        }
    }

    fn note(&mut self, what: &dyn std::fmt::Display) {
        let who = match self.end {
            End::Capture => "microphone",
            End::Playback => "speaker",
        };
        let name = match &self.kind {
            Kind::Alsa(pcm, _) => format!(" `{pcm}`"),
            _ => String::new(),
        };
        self.note = Some(format!("the {who}{name} {what}"));
    }
}

/// The clock of a device that has none.
struct Pace {
    next: Instant,
    period: Duration,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self {
            next: now,
            period: PERIOD,
        }
    }

    /// Runs so many millionths faster than the computer's clock.
    fn set_ppm(&mut self, ppm: i32) {
        self.period = PERIOD.mul_f64(1e6 / (1e6 + f64::from(ppm)));
    }

    fn restart(&mut self, now: Instant) {
        self.next = now + self.period;
    }

    /// Frames that are let go, and frames that are due.
    fn due(&mut self, now: Instant) -> (u32, u32) {
        let Some(behind) = now.checked_duration_since(self.next) else {
            return (0, 0);
        };
        let all = (behind.as_nanos() / self.period.as_nanos()) as u32 + 1;
        self.next += self.period * all;
        let due = if all > MAX_BEHIND { 1 } else { all };
        (all - due, due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_catches_up_after_a_stall_but_not_for_ever() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.restart(now);
        assert_eq!(pace.due(now), (0, 0));
        assert_eq!(pace.due(now + PERIOD), (0, 1));
        assert_eq!(pace.due(now + PERIOD * 4), (0, 3));
        assert_eq!(pace.due(now + PERIOD * 104), (99, 1));
        assert_eq!(pace.due(now + PERIOD * 105), (0, 1));
    }

    #[test]
    fn a_device_that_fails_as_soon_as_it_opens_is_told_once_and_left_alone_for_longer_and_longer() {
        let poll = mio::Poll::new().unwrap();
        let worker = Worker::new(mio::Waker::new(poll.registry(), Token(0)).unwrap());
        let start = Instant::now();
        let pcm = Pcm::Named("x".into());
        let kind = Kind::Alsa(pcm, AlsaState::Closed);
        let mut port = Port::new(start, End::Capture, kind, Token(1));
        let mut now = start;
        for pause in [500, 1_000, 2_000, 4_000, 8_000, 8_000] {
            port.opened = now;
            port.works(now + PERIOD);
            now += 2 * PERIOD;
            port.fail(now, "gone", &worker, poll.registry());
            let told = port.note.take();
            assert_eq!(told.is_some(), pause == 500, "{told:?}");
            let Kind::Alsa(_, AlsaState::Failed { retry }) = &port.kind else {
                panic!("it did not fail");
            };
            assert_eq!(*retry - now, Duration::from_millis(pause));
            now = *retry;
        }
        port.opened = now;
        port.works(now + WELL - PERIOD);
        assert_eq!(port.note, None);
        port.works(now + WELL);
        assert_eq!(port.note.as_deref(), Some("the microphone `x` works again"));
    }

    #[test]
    fn a_fast_clock_has_more_frames_in_the_same_time() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.set_ppm(200);
        pace.restart(now);
        let frames: u32 = (1..=50_000).map(|n| pace.due(now + PERIOD * n).1).sum();
        assert_eq!(frames, 50_010);
    }
}
