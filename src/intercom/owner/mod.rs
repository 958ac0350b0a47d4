//! The owner's side: pages and notices over the state of the call, and the talk button.

mod buttons;
pub mod entry;
pub mod menu;
mod notices;

use std::mem::Discriminant;
use std::time::{Duration, Instant};

use super::Intercom;
use super::call::Phase;
use super::console::Mode;
use super::panel::Panel;
use super::screen::{self, InCall, Key, Microphone, View};
use crate::voice::gate::Switch;
use entry::Entry;
use menu::Item;
use notices::Notices;

/// How long the name is shown after power on.
const START: Duration = Duration::from_secs(1);
/// In push to talk the microphone stays open this long after release, so that the last word is whole.
const TAIL: Duration = Duration::from_millis(150);
/// How long a page stays that nobody does anything on: words of a passphrase should not be left on the screen.
const PAGE: Duration = Duration::from_secs(120);
/// In a call.
const PAGE_IN_CALL: Duration = Duration::from_secs(8);
/// How long the words stay large, for both to read them aloud.
const COMPARE: Duration = Duration::from_secs(60);
/// A second tap within this time stands for a hold.
const AGAIN: Duration = Duration::from_secs(3);

/// What the owner does and sees.
#[derive(Default)]
pub(super) struct Owner {
    pub panel: Panel,
    pub talk: TalkButton,
    pub muted: bool,
    /// A button was pressed since power on.
    awake: bool,
    /// Over the state of the call, until then.
    page: Option<(Page, Instant)>,
    notices: Notices,
    /// The screen that each button went down on: a hold counts only on the same.
    pressed: [Option<Discriminant<View>>; 3],
    /// BACK was tapped where it has to be held, and counts as held when it is tapped once more until then.
    tapped: Option<Instant>,
}

/// The talk button, or `talk on`.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) enum TalkButton {
    #[default]
    Up,
    Down,
    /// Released, with the tail still open until then.
    Tail(Instant),
}

/// A screen that the owner turned to.
enum Page {
    Menu(Item),
    Replace,
    Entering(Entry),
    Volume,
    About,
    Compare,
}

impl Owner {
    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let tail = match self.talk {
            TalkButton::Tail(until) => Some(until),
            _ => None,
        };
        [
            tail,
            self.page.as_ref().map(|p| p.1),
            self.notices.poll_timeout(),
            self.tapped,
            self.panel.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.talk, TalkButton::Tail(until) if until <= now) {
            self.talk = TalkButton::Up;
        }
        self.page.take_if(|(_, until)| *until <= now);
        self.tapped.take_if(|until| *until <= now);
        self.notices.handle_timeout(now);
        self.panel.handle_timeout(now);
    }

    /// What the event line `line` changes on the screen.
    pub fn handle_event(&mut self, now: Instant, line: &str) {
        if let Some(reason) = line.strip_prefix("ended ") {
            self.talk = TalkButton::Up;
            self.notices.ended(now, reason);
        } else if ["offer ", "answer ", "connecting"]
            .iter()
            .any(|s| line.starts_with(s))
        {
            self.go_on();
        }
    }

    /// Back to the state of the call, with nothing over it.
    pub fn go_on(&mut self) {
        self.page = None;
        self.tapped = None;
        self.notices.clear();
    }

    /// Nothing that time takes away stands before what is new.
    pub fn make_way(&mut self) {
        self.notices.make_way();
    }

    /// A passphrase that was just made.
    pub fn show_passphrase(&mut self, now: Instant, words: &str) {
        self.notices.passphrase(now, words);
    }

    /// Mistakes in the settings.
    pub fn show_settings(&mut self, now: Instant, problems: &[String]) {
        self.notices.settings(now, problems);
    }

    /// What a sound check found.
    pub fn show_check(&mut self, now: Instant, text: &str) {
        self.notices.check(now, text);
    }

    /// Something that was asked for failed.
    pub fn show_problem(&mut self, now: Instant, text: &str) {
        self.notices.problem(now, text);
    }

    /// A device, an address, a button.
    pub fn show_note(&mut self, now: Instant, text: &str) {
        self.notices.note(now, text);
    }

    fn turn_to(&mut self, page: Page, until: Instant) {
        self.page = Some((page, until));
    }
}

impl Intercom {
    /// What the screen shows at `now`.
    pub fn view(&self, now: Instant) -> View {
        // Waits began at inputs, and the clock may be read before the next one.
        let now = now.max(self.now);
        let notices = &self.owner.notices;
        if notices.is_empty() {
            return self.view_beneath(now);
        }
        let talk = if self.in_call() {
            self.microphone().key()
        } else if notices.is_news() {
            let [talk, ..] = screen::keys(&self.view_beneath(now));
            talk
        } else {
            Key::Idle
        };
        notices.view(talk).unwrap_or_else(|| self.view_beneath(now))
    }

    /// Without notices.
    fn view_beneath(&self, now: Instant) -> View {
        if let Some(view) = self.stick.view() {
            return View::Stick(view.clone());
        }
        match &self.owner.page {
            Some((page, _)) => self.page_view(now, page),
            None => self.state_view(now),
        }
    }

    fn page_view(&self, now: Instant, page: &Page) -> View {
        match page {
            Page::Menu(item) => View::Menu {
                item: *item,
                mode: self.setup.mode,
                volume: self.setup.volume,
            },
            Page::Replace => View::Replace,
            Page::Entering(entry) => View::Entering(entry.shown()),
            Page::Volume => View::Volume {
                volume: self.setup.volume,
                microphone: self.in_call().then(|| self.microphone()),
            },
            Page::About => View::About {
                stun: self.setup.stun.clone(),
                uptime: now - self.started,
            },
            Page::Compare => match self.words_to_compare() {
                Some(words) => View::Compare {
                    words,
                    microphone: self.microphone(),
                },
                None => self.state_view(now),
            },
        }
    }

    fn state_view(&self, now: Instant) -> View {
        let again = self.owner.tapped.is_some_and(|until| now < until);
        match self.call.phase() {
            Phase::Idle if let Some(check) = &self.check => View::SoundCheck {
                percent: check.percent(),
            },
            Phase::Idle if !self.owner.awake && now < self.started + START => View::Start,
            Phase::Idle if self.call.has_passphrase() => View::Ready,
            Phase::Idle => View::NoPassphrase,
            Phase::Preparing => View::Preparing,
            Phase::OfferWaiting(since, v1) => View::OfferWaiting {
                waited: now - since,
                v1,
                again,
            },
            Phase::AnswerWaiting(since, v1) => View::AnswerGiven {
                waited: now - since,
                v1,
                again,
            },
            Phase::Connecting(since) => View::Connecting {
                elapsed: now - since,
                again,
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
            microphone: self.microphone(),
            hears_us: talk.hears_us(now),
            bars: talk.bars(),
            silent: talk.lost().map(|since| now - since),
        })
    }

    fn microphone(&self) -> Microphone {
        Microphone {
            open: self.mic_open(),
            muted: self.owner.muted,
            ptt: self.setup.mode == Mode::Ptt,
        }
    }

    /// Whether voice may be sent now.
    pub(super) fn mic_open(&self) -> bool {
        self.mic_switch().is_open()
    }

    /// What the microphone's gate is told.
    pub(super) fn mic_switch(&self) -> Switch {
        match (self.owner.muted, self.setup.mode, self.owner.talk) {
            (true, _, _) => Switch::Off,
            (false, Mode::Open, _) => Switch::On,
            (false, Mode::Ptt, TalkButton::Up) => Switch::TalkUp,
            (false, Mode::Ptt, TalkButton::Down | TalkButton::Tail(_)) => Switch::TalkDown,
        }
    }

    /// The words, while the screen shows them and the owner has not said yet what they are.
    fn words_to_compare(&self) -> Option<[&'static str; 3]> {
        let talk = self.call.talk()?;
        // Nobody should confirm words that "lost" hides.
        let open = !talk.is_secure() && talk.lost().is_none();
        talk.words().filter(|_| open)
    }

    /// Leaves a page that does not go with the state of the call any more.
    pub(super) fn settle_page(&mut self) {
        let idle = self.call.phase() == Phase::Idle;
        let goes = match self.owner.page.as_ref().map(|p| &p.0) {
            None => return,
            Some(Page::Menu(_) | Page::Replace | Page::Entering(_) | Page::About) => idle,
            Some(Page::Volume) => idle || self.in_call(),
            Some(Page::Compare) => self.words_to_compare().is_some(),
        };
        if !goes {
            self.owner.page = None;
        }
    }
}
