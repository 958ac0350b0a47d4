//! The microphone and the speaker, whatever they are: started for a call, reopened when they fail.
//!
//! An ALSA device that fails, stands still or vanishes is told once and tried again with growing pauses, and soon when a
//! sound card is plugged in; what fails again before it worked for a while is no news. Meanwhile its place is taken by
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
pub use crate::intercom::End;
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
/// A device that fails sooner than this after it came back never was well.
const STEADY: Duration = Duration::from_secs(5);
/// One through which nothing flows for so long has failed, though it does not say so.
const STILL: Duration = Duration::from_secs(5);

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
            echo: options.echo.map(|echo| Echo::new(echo, options.ppm)),
        })
    }

    /// A call begins (true) or is over.
    pub fn run(&mut self, now: Instant, on: bool, worker: &Worker, registry: &Registry) {
        if on == self.tick.is_some() {
            return;
        }
        self.tick = on.then(|| now + PERIOD);
        // What fails while sound flows, ALSA says on this thread.
        keep_alsa_quiet();
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

    /// A sound card was plugged in: it may be the one that is missed.
    pub fn plugged(&mut self, now: Instant) {
        for port in [&mut self.capture, &mut self.playback] {
            if let Kind::Alsa(_, AlsaState::Failed { retry }) = &mut port.kind {
                *retry = (*retry).min(now + RETRY[0]);
            }
        }
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
        if let Kind::Alsa(_, AlsaState::Open { stream, .. }) = &mut port.kind {
            // Readiness that was missed costs a stutter, not the microphone.
            let overdue = now > port.pace.next + 2 * PERIOD;
            if !std::mem::take(&mut port.readable) && !overdue {
                return;
            }
            match stream.capture(take) {
                Ok(true) => {
                    self.heard = true;
                    port.works(now);
                }
                Ok(false) => port.still(now, "it gives no sound", worker, registry),
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
        if let Kind::Alsa(_, AlsaState::Open { stream, .. }) = &mut port.kind {
            if is_due {
                match stream.playback(now, pull) {
                    Ok(true) => port.works(now),
                    Ok(false) => port.still(now, "it takes no sound", worker, registry),
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

    /// A device through which sound flows now, or why it does not.
    pub fn poll_change(&mut self) -> Option<(End, Result<(), String>)> {
        [&mut self.capture, &mut self.playback]
            .into_iter()
            .find_map(|port| Some((port.end, port.change.take()?)))
    }

    /// The next line for the owner.
    pub fn poll_note(&mut self) -> Option<String> {
        self.capture
            .note
            .take()
            .or_else(|| self.playback.note.take())
    }

    /// Overruns of the microphone and underruns of the speaker since last asked.
    pub fn take_xruns(&mut self) -> [u64; 2] {
        [&mut self.capture, &mut self.playback].map(|port| match &mut port.kind {
            Kind::Alsa(_, AlsaState::Open { stream, .. }) => stream.take_xruns(),
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
    health: Health,
    /// What this speaker was found to need, for as long as the program runs.
    reserve: Reserve,
    /// The card that was told.
    card: Option<String>,
    note: Option<String>,
    /// When sound last flowed through it, once it did.
    flowed: Option<Instant>,
    /// What is to be said of that.
    change: Option<Result<(), String>>,
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
    Open { stream: Box<Stream>, since: Instant },
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
            health: Health::default(),
            reserve: Reserve::default(),
            card: None,
            note: None,
            flowed: None,
            change: None,
        }
    }

    fn start(&mut self, now: Instant, worker: &Worker) {
        self.pace.restart(now);
        self.health = Health::default();
        match &mut self.kind {
            Kind::Alsa(..) => return self.open(worker),
            Kind::Microphone(microphone) => {
                let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                microphone.start(unix.unwrap_or_default());
            }
            Kind::Speaker(_) | Kind::Null => {}
        }
        self.change = Some(Ok(()));
    }

    /// When the next frame is due, if the device does not say so itself.
    fn next(&self) -> Option<Instant> {
        match &self.kind {
            Kind::Alsa(_, AlsaState::Open { .. }) => None,
            _ => Some(self.pace.next),
        }
    }

    fn stop(&mut self, worker: &Worker, registry: &Registry) {
        // An open that is under way finds itself stale.
        self.generation += 1;
        (self.flowed, self.change) = (None, None);
        if let Kind::Alsa(_, state) = &mut self.kind
            && let AlsaState::Open { stream, .. } = std::mem::replace(state, AlsaState::Closed)
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
                if card.is_some() && card != self.card {
                    self.reserve = Reserve::default();
                    self.note(&format_args!("is {}", card.as_deref().unwrap_or_default()));
                    self.card = card;
                }
                stream.set_reserve(self.reserve);
                self.pace.restart(now);
                if self.end == End::Capture
                    && let Err(e) = stream.register(registry, self.token)
                {
                    log::warn!("sound: {e}");
                }
                if let Kind::Alsa(_, state) = &mut self.kind {
                    *state = AlsaState::Open {
                        stream: Box::new(stream),
                        since: now,
                    };
                }
            }
            Err(problem) if wanted => self.fail(now, &problem, worker, registry),
            Err(_) => {}
        }
    }

    fn acknowledge(&mut self, now: Instant, worker: &Worker, registry: &Registry) {
        self.readable = true;
        if let Kind::Alsa(_, AlsaState::Open { stream, .. }) = &mut self.kind
            && let Err(problem) = stream.acknowledge()
        {
            self.fail(now, &problem, worker, registry);
        }
    }

    /// Sound went through: only that shows that a device is well again.
    fn works(&mut self, now: Instant) {
        self.pace.restart(now);
        if self.flowed.replace(now).is_none() {
            self.change = Some(Ok(()));
        }
        if self.health.works(now) {
            self.note(&"works again");
        }
    }

    /// Nothing went through, which is no wonder for a moment.
    fn still(&mut self, now: Instant, problem: &str, worker: &Worker, registry: &Registry) {
        if let Kind::Alsa(_, AlsaState::Open { since, .. }) = &self.kind
            && now > self.flowed.unwrap_or(*since) + STILL
        {
            self.fail(now, problem, worker, registry);
        }
    }

    fn fail(&mut self, now: Instant, problem: &str, worker: &Worker, registry: &Registry) {
        let (pause, is_news) = self.health.fails();
        if is_news {
            self.note(&format_args!(
                "does not work ({problem}); the rest goes on without it, and it is tried again"
            ));
        }
        self.pace.restart(now);
        self.stop(worker, registry);
        self.change = Some(Err(problem.to_owned()));
        if let Kind::Alsa(_, state) = &mut self.kind {
            *state = AlsaState::Failed { retry: now + pause };
        }
    }

    fn note(&mut self, what: &dyn std::fmt::Display) {
        let name = match &self.kind {
            Kind::Alsa(pcm, _) => format!(" `{pcm}`"),
            _ => String::new(),
        };
        self.note = Some(format!("the {}{name} {what}", self.end));
    }
}

/// What is told of a device, and how patiently it is tried again.
#[derive(Default)]
struct Health {
    /// In a row, until it worked for a while.
    failures: u32,
    /// The owner knows that it does not work.
    told: bool,
    /// Since when it works.
    since: Option<Instant>,
}

impl Health {
    /// Sound flowed; true when the owner is to know that it works again.
    fn works(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) < STEADY {
            return false;
        }
        self.failures = 0;
        std::mem::take(&mut self.told)
    }

    /// It failed: the pause before the next try, and whether that is news.
    fn fails(&mut self) -> (Duration, bool) {
        self.since = None;
        let pause = (RETRY[0] * 2u32.pow(self.failures.min(4))).min(RETRY[1]);
        self.failures = self.failures.saturating_add(1);
        (pause, !std::mem::replace(&mut self.told, true))
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
    use crate::config::{Board, Settings};

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

    /// Fails right after each of so many tries: the pauses in tenths of a second, and which were told.
    fn pauses(health: &mut Health, tries: usize) -> (Vec<u128>, Vec<bool>) {
        (0..tries)
            .map(|_| health.fails())
            .map(|(pause, is_news)| (pause.as_millis() / 100, is_news))
            .unzip()
    }

    #[test]
    fn a_device_that_works_for_a_moment_only_is_told_once_and_tried_less_and_less_often() {
        let mut now = Instant::now();
        let mut health = Health::default();
        for expected in [5, 10, 20, 40, 80, 80] {
            let (pause, is_news) = health.fails();
            assert_eq!(pause, Duration::from_millis(expected * 100));
            assert_eq!(is_news, expected == 5);
            now += pause;
            // Opens, gives sound for less than five seconds.
            for _ in 0..49 {
                now += Duration::from_millis(100);
                assert!(!health.works(now));
            }
        }
    }

    #[test]
    fn a_device_that_came_back_is_told_after_five_seconds_and_its_next_failure_is_news() {
        let start = Instant::now();
        let mut health = Health::default();
        assert_eq!(
            pauses(&mut health, 3),
            (vec![5, 10, 20], vec![true, false, false])
        );
        let told = (0..2_000).filter(|n| health.works(start + PERIOD * *n));
        assert_eq!(told.collect::<Vec<_>>(), [500]);
        assert_eq!(pauses(&mut health, 2), (vec![5, 10], vec![true, false]));
    }

    #[test]
    fn a_device_through_which_nothing_flows_for_five_seconds_has_failed() {
        let poll = mio::Poll::new().unwrap();
        let registry = poll.registry();
        let worker = Worker::new(mio::Waker::new(registry, Token(0)).unwrap());
        let start = Instant::now();
        for flows_first in [false, true] {
            let stream = Stream::open("null", Direction::Playback).unwrap();
            let state = AlsaState::Open {
                stream: Box::new(stream),
                since: start,
            };
            let kind = Kind::Alsa(Pcm::Named("x".into()), state);
            let mut port = Port::new(start, End::Playback, kind, Token(1));
            let mut since = start;
            if flows_first {
                since += PERIOD;
                port.works(since);
                assert_eq!(port.change.take(), Some(Ok(())));
            }
            port.still(since + STILL, "it takes no sound", &worker, registry);
            assert_eq!((&port.note, &port.change), (&None, &None));
            let at = since + STILL + PERIOD;
            port.still(at, "it takes no sound", &worker, registry);
            assert_eq!(port.change, Some(Err("it takes no sound".into())));
            assert!(port.note.is_some());
            assert!(
                matches!(&port.kind, Kind::Alsa(_, AlsaState::Failed { retry }) if *retry == at + RETRY[0])
            );
        }
    }

    #[test]
    fn a_plugged_in_card_is_tried_soon_and_no_later_than_it_would_be() {
        let now = Instant::now();
        let named = |argument| Settings::from_argument(argument).unwrap();
        let settings = named("sound.capture=hw:9").or(named("sound.playback=hw:9"));
        let board = Board::named_or_file("host").unwrap();
        let mut sound = Sound::new(now, &settings.on(board, &[]), [Token(1), Token(2)]).unwrap();
        for (due_ms, expected_ms) in [(8_000, 500), (100, 100)] {
            for port in [&mut sound.capture, &mut sound.playback] {
                let retry = now + Duration::from_millis(due_ms);
                let pcm = Pcm::Named("hw:9".into());
                port.kind = Kind::Alsa(pcm, AlsaState::Failed { retry });
            }
            sound.plugged(now);
            for port in [&sound.capture, &sound.playback] {
                let Kind::Alsa(_, AlsaState::Failed { retry }) = &port.kind else {
                    panic!("it is not open");
                };
                assert_eq!(*retry, now + Duration::from_millis(expected_ms));
            }
        }
    }

    #[test]
    fn a_device_that_never_failed_is_not_said_to_work_again() {
        let start = Instant::now();
        let mut health = Health::default();
        assert!(!(0..2_000).any(|n| health.works(start + PERIOD * n)));
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
