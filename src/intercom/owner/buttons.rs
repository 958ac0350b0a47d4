//! What the buttons mean: each screen's keys to what they do.
//!
//! A press on a notice takes it away and does nothing else; so does the rest of that press. But TALK goes through mere news,
//! which nobody may have seen: a display may be missing. TALK in a call is always the microphone's, whatever the screen shows. A terminal knows no release: there TALK is toggled, and a tap stands
//! for a hold, but where something is lost that was carried for hours it takes two.

use std::time::Instant;

use super::entry::{Entry, Half};
use super::menu::Item;
use super::{AGAIN, COMPARE, PAGE, PAGE_IN_CALL, Page, TAIL, TalkButton};
use crate::intercom::Intercom;
use crate::intercom::call::Phase;
use crate::intercom::console::Mode;
use crate::intercom::link::Dialect;
use crate::intercom::panel::{Button, Gesture};

/// One press of LOUDER or SOFTER.
const STEP: u8 = 10;

impl Intercom {
    pub(in crate::intercom) fn run_gestures(&mut self) {
        while let Some(gesture) = self.owner.panel.poll_gesture() {
            match gesture {
                Gesture::Press(button) => {
                    let screen = std::mem::discriminant(&self.view(self.now));
                    self.press(button);
                    self.collect();
                    let same = screen == std::mem::discriminant(&self.view(self.now));
                    self.owner.pressed[button as usize] = same.then_some(screen);
                }
                Gesture::Hold(button) => {
                    let screen = std::mem::discriminant(&self.view(self.now));
                    if self.owner.pressed[button as usize] == Some(screen) {
                        self.hold(button);
                        self.collect();
                    }
                }
                Gesture::Release(Button::Talk) => self.release_talk(),
                Gesture::Release(_) => {}
                Gesture::Stuck(button) => {
                    self.note(&format!(
                        "the {button} button is stuck down and ignored until it is released"
                    ));
                }
            }
        }
    }

    pub(in crate::intercom) fn tap(&mut self, button: Button) {
        let talking = self.owner.talk == TalkButton::Down;
        match (button, self.call.phase()) {
            (Button::Talk, Phase::InCall) if talking => self.release_talk(),
            (Button::Back, phase) if !self.is_covered() => match phase {
                Phase::OfferWaiting(..) | Phase::AnswerWaiting(..) | Phase::Connecting(_) => {
                    match self.owner.tapped.take() {
                        Some(_) => self.hold(button),
                        None => self.owner.tapped = Some(self.now + AGAIN),
                    }
                }
                Phase::InCall if !self.on_volume() => self.hold(button),
                _ => self.press(button),
            },
            _ => self.press(button),
        }
    }

    fn press(&mut self, button: Button) {
        let now = self.now;
        let in_call = self.in_call();
        self.owner.awake = true;
        if button == Button::Talk && in_call {
            self.press_microphone();
        } else if !self.owner.notices.is_empty() {
            match button {
                Button::Next => self.owner.notices.next(now),
                Button::Talk if self.owner.notices.is_news() => {
                    self.owner.notices.dismiss(now);
                    self.press(button);
                }
                _ if self.owner.notices.insists() => {}
                _ => self.owner.notices.dismiss(now),
            }
        } else if self.stick.press(now, button, &mut self.call) {
            // It was the stick's.
        } else if let Some((page, until)) = self.owner.page.take() {
            self.press_on(page, until, button);
        } else {
            self.press_state(button);
        }
    }

    /// On the state of the call, with nothing over it.
    fn press_state(&mut self, button: Button) {
        let now = self.now;
        match (button, self.call.phase()) {
            (Button::Back, Phase::Idle) if self.check.is_some() => self.stop_check(),
            (_, Phase::Idle) if self.check.is_some() => {}
            (Button::Talk, Phase::Idle) if !self.call.has_passphrase() => {
                self.make_passphrase();
            }
            (Button::Next, Phase::Idle) if !self.call.has_passphrase() => {
                self.enter(Entry::default());
            }
            (Button::Talk, Phase::Idle) => self.make_offer(Dialect::V2),
            (Button::Next, Phase::Idle) => {
                let menu = Page::Menu(Item::ALL[0]);
                self.owner.turn_to(menu, now + PAGE);
            }
            (Button::Back, Phase::Preparing) => self.call.hang_up(now),
            (Button::Next, Phase::InCall) => match self.words_to_compare() {
                Some(_) => self.owner.turn_to(Page::Compare, now + COMPARE),
                None => self.owner.turn_to(Page::Volume, now + PAGE_IN_CALL),
            },
            _ => {}
        }
    }

    /// On a page, which was open until `until` and is left unless it is turned to again.
    fn press_on(&mut self, page: Page, until: Instant, button: Button) {
        let now = self.now;
        match (page, button) {
            (Page::Menu(item), Button::Next) => {
                self.owner.turn_to(Page::Menu(item.next()), now + PAGE);
            }
            (Page::Menu(item), Button::Talk) => self.open(item),
            (Page::Replace, Button::Talk) => {
                self.make_passphrase();
            }
            (page @ Page::Replace, Button::Next) => self.owner.turn_to(page, until),
            (Page::Entering(entry), button) => self.press_entering(entry, button),
            (Page::Volume, Button::Talk) => {}
            (Page::Volume, button) => {
                self.setup.volume = match button {
                    Button::Next => (self.setup.volume / STEP * STEP + STEP).min(100),
                    _ => self.setup.volume.saturating_sub(1) / STEP * STEP,
                };
                let stays = if self.in_call() { PAGE_IN_CALL } else { PAGE };
                self.owner.turn_to(Page::Volume, now + stays);
            }
            (Page::Compare, Button::Next) => self.call.words_are(now, true),
            // NO is a hold.
            (page @ Page::Compare, _) => self.owner.turn_to(page, until),
            (page @ Page::About, Button::Talk | Button::Next) => self.owner.turn_to(page, until),
            (Page::Menu(_) | Page::Replace | Page::About, Button::Back) => {}
        }
    }

    /// TALK in the menu.
    fn open(&mut self, item: Item) {
        let page = match item {
            Item::Enter => Page::Entering(Entry::default()),
            Item::Make => Page::Replace,
            Item::Volume => Page::Volume,
            Item::About => Page::About,
            Item::Check => return self.start_check(),
            Item::Mode => {
                self.setup.mode = match self.setup.mode {
                    Mode::Open => Mode::Ptt,
                    Mode::Ptt => Mode::Open,
                };
                Page::Menu(item)
            }
        };
        self.owner.turn_to(page, self.now + PAGE);
    }

    fn enter(&mut self, entry: Entry) {
        self.owner.turn_to(Page::Entering(entry), self.now + PAGE);
    }

    fn press_entering(&mut self, mut entry: Entry, button: Button) {
        let entered = match button {
            Button::Talk => entry.take(Half::First),
            Button::Next => entry.take(Half::Second),
            Button::Back => {
                if entry.back() {
                    self.enter(entry);
                }
                return;
            }
        };
        match entered {
            None => self.enter(entry),
            Some(words) => {
                if let Some(note) = self.use_typed(&words) {
                    self.note(note);
                }
            }
        }
    }

    fn hold(&mut self, button: Button) {
        let now = self.now;
        if button != Button::Back || self.is_covered() {
            return;
        }
        match (self.owner.page.as_ref().map(|p| &p.0), self.call.phase()) {
            (Some(Page::Entering(_)), _) => self.owner.page = None,
            (Some(Page::Compare), _) => self.call.words_are(now, false),
            (Some(_), _) | (None, Phase::Idle | Phase::Preparing) => {}
            (None, _) => self.call.hang_up(now),
        }
    }

    /// Whether a notice or the stick stands before the page or the state.
    fn is_covered(&self) -> bool {
        !self.owner.notices.is_empty() || self.stick.view().is_some()
    }

    fn on_volume(&self) -> bool {
        matches!(self.owner.page, Some((Page::Volume, _)))
    }

    /// Muted, it is opened again first; open, it is muted; in push to talk it is open as long as TALK is down.
    fn press_microphone(&mut self) {
        match (self.owner.muted, self.setup.mode) {
            (false, Mode::Ptt) => self.owner.talk = TalkButton::Down,
            (muted, _) => self.owner.muted = !muted,
        }
    }

    pub(in crate::intercom) fn release_talk(&mut self) {
        if self.owner.talk == TalkButton::Down {
            self.owner.talk = TalkButton::Tail(self.now + TAIL);
        }
    }
}
