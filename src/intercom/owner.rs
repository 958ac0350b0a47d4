//! The owner's side: what the buttons mean and what the screen shows, over the state of the call.

use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::call::Phase;
use super::console::Mode;
use super::link::Dialect;
use super::panel::{Button, Gesture, Panel};
use super::screen::{InCall, View};
use super::{Intercom, status};

/// In push to talk the microphone stays open this long after release, so that the last word is whole.
const TAIL: Duration = Duration::from_millis(150);
/// How long "ended" and errors stay on the screen.
const NOTICE: Duration = Duration::from_secs(15);

/// The talk button, or `talk on`.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) enum TalkButton {
    #[default]
    Up,
    Down,
    /// Released, with the tail still open until then.
    Tail(Instant),
}

/// What the screen shows over the state until NEXT, BACK or time takes it away.
#[derive(Default)]
pub(super) enum Notice {
    #[default]
    None,
    NewPassphrase(Zeroizing<String>),
    Ended(String, Instant),
    Problem(String, Instant),
}

/// What the owner does and sees.
#[derive(Default)]
pub(super) struct Owner {
    pub panel: Panel,
    pub talk: TalkButton,
    pub muted: bool,
    pub notice: Notice,
}

impl Owner {
    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let tail = match self.talk {
            TalkButton::Tail(until) => Some(until),
            _ => None,
        };
        let notice = match &self.notice {
            Notice::Ended(_, until) | Notice::Problem(_, until) => Some(*until),
            _ => None,
        };
        [tail, notice, self.panel.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.talk, TalkButton::Tail(until) if until <= now) {
            self.talk = TalkButton::Up;
        }
        if matches!(&self.notice, Notice::Ended(_, until) | Notice::Problem(_, until) if *until <= now)
        {
            self.notice = Notice::None;
        }
        self.panel.handle_timeout(now);
    }

    /// What the event line `line` changes on the screen.
    pub fn handle_event(&mut self, now: Instant, line: &str) {
        if let Some(reason) = line.strip_prefix("ended ") {
            self.talk = TalkButton::Up;
            self.notice = Notice::Ended(reason.to_owned(), now + NOTICE);
        } else if ["offer ", "answer ", "connecting"]
            .iter()
            .any(|s| line.starts_with(s))
        {
            self.notice = Notice::None;
        }
    }

    /// Something that was asked for failed.
    pub fn show_problem(&mut self, now: Instant, line: String) {
        self.notice = Notice::Problem(line, now + NOTICE);
    }
}

impl Intercom {
    /// What the screen shows at `now`.
    pub fn view(&self, now: Instant) -> View {
        match &self.owner.notice {
            Notice::NewPassphrase(words) => return View::NewPassphrase(words.clone()),
            Notice::Ended(reason, _) => {
                return View::Ended {
                    reason: reason.clone(),
                };
            }
            Notice::Problem(text, _) => return View::Error { text: text.clone() },
            Notice::None => {}
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

    pub(super) fn call_view(&self, now: Instant) -> View {
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
            muted: self.owner.muted,
            ptt: self.setup.mode == Mode::Ptt,
            hears_us: talk.hears_us(now),
            bars: status::bars(talk),
            silent: talk.lost().map(|since| now - since),
        })
    }

    pub(super) fn run_gestures(&mut self) {
        while let Some(gesture) = self.owner.panel.poll_gesture() {
            match gesture {
                Gesture::Press(Button::Talk) if self.in_call() => {
                    self.owner.talk = TalkButton::Down
                }
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

    pub(super) fn tap(&mut self, button: Button) {
        match button {
            Button::Talk if self.in_call() => match self.owner.talk {
                TalkButton::Down => self.release_talk(),
                _ => self.owner.talk = TalkButton::Down,
            },
            Button::Back if self.in_call() => self.call.hang_up(self.now),
            button => self.press(button),
        }
    }

    /// A press that is about the state, not about talking.
    pub(super) fn press(&mut self, button: Button) {
        if !matches!(self.owner.notice, Notice::None) {
            self.owner.notice = Notice::None;
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

    pub(super) fn shows_words(&self) -> bool {
        let talk = self.call.talk();
        talk.is_some_and(|t| t.words().is_some() && t.lost().is_none())
    }

    pub(super) fn release_talk(&mut self) {
        if self.owner.talk == TalkButton::Down {
            self.owner.talk = TalkButton::Tail(self.now + TAIL);
        }
    }

    pub(super) fn mic_open(&self) -> bool {
        !self.owner.muted && (self.setup.mode == Mode::Open || self.owner.talk != TalkButton::Up)
    }
}
