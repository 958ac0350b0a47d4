//! The stick: what to take from it and what to put on it.
//!
//! | we have | the stick has | then |
//! |---|---|---|
//! | an offer that waits | an answer to it | connect |
//! | an offer that waits | an offer that is not ours | ours never left this box: answer theirs instead; else ask |
//! | an offer that waits | neither | write `offer.txt`, `call.html`, `README.txt` |
//! | an answer that waits | another offer, and not the one that was answered | answer that one instead |
//! | an answer that waits | anything else | write `answer.txt` |
//! | no call | an offer that is not ours | answer it, then write `answer.txt` |
//! | no call | nothing of these | say so |
//! | a call | anything | leave it alone |
//!
//! A code that is made while the stick is in is written to it as soon as it is there. What was written stays on the stick, so old codes are
//! to be expected: an answer names its call; an offer of ours, and a code of a call that came about, is known again until the box is
//! switched off.
//!
//! An offer of ours has **left this box** when it was written to a stick, or when anybody has typed on a console, where it could be
//! read, since the box was switched on.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Instant;

use super::call::{Call, Meaning, Phase};
use super::code::{self, Code, Kind};
use super::panel::Button;
use super::screen::StickView;

/// The page that makes a browser the other end.
const PAGE: &[u8] = include_bytes!("../../image/stick/call.html");
/// What the files are, for who finds the stick.
const ABOUT: &[u8] = include_bytes!("../../image/stick/README.txt");
/// Codes taken from a stick; the most recent stand first.
const MAX_CODES: usize = 16;
/// Old codes that are known again.
const MAX_SEEN: usize = 16;

const PULLED: &str = "The stick was pulled out before it was done. Plug it in again.";
const SLOW: &str = "The stick has been busy for 20 seconds. Wait, or pull it and try another one.";
const NOTHING: &str = "nothing for us on this stick; looked in its folder SOTTO and outside of folders for offer.txt, answer.txt and any other .txt";
const QUESTION: &str = "the stick has their offer, and ours was given out already; TALK (or hang) answers theirs, BACK keeps ours";
const IN_CALL: &str = "the stick is left alone in a call";

/// What happened to a stick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was plugged in, and is being read.
    Arrived,
    /// It was read: its texts, those that are probably the newest first.
    Read(Vec<Text>),
    /// The files of the last [`Order::Write`] are on it, and it may be pulled out.
    Written,
    /// It could not be read or written: what happened, what to do.
    Failed(String),
    /// It takes unreasonably long.
    Slow,
    /// It was pulled out.
    Removed,
}

/// A text on a stick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The file's name, with its folder's.
    pub name: String,
    /// The file's contents.
    pub text: String,
}

/// What the shell is asked to do with the stick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Put these files into its folder `SOTTO`.
    Write(Vec<File>),
}

/// A file for a stick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: &'static str,
    /// Its bytes.
    pub contents: Cow<'static, [u8]>,
}

/// What [`Stick::poll`] hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A line for the consoles, without its `* note `.
    Note(String),
    /// The same for the screen, too: what happened, what to do.
    Problem(String),
    /// For the shell.
    Order(Order),
}

/// The stick that is plugged in, or none.
#[derive(Default)]
pub struct Stick {
    state: State,
    /// Over what the call shows.
    view: Option<StickView>,
    /// Somebody has typed on a console.
    watched: bool,
    /// Our newest offer that was written to a stick.
    left: Option<String>,
    /// Codes that are of no use any more.
    seen: VecDeque<Code>,
    /// Codes of a stick that the call at hand came from.
    used: Vec<Code>,
    out: VecDeque<Said>,
}

#[derive(Default)]
enum State {
    #[default]
    Absent,
    Reading,
    /// Read, and not decided on.
    Read(Found),
    /// The call opens codes of it, which takes a key.
    Trying(Found, Vec<Code>),
    /// Whose offer: the owner decides.
    Asking(Found, Vec<Code>),
    /// Nothing to take from it; what was written to it.
    Settled(Found, Option<String>),
    /// A code is being written to it.
    Writing(Found, Kind, String),
    /// It cannot be read or written.
    Unusable,
}

/// What a stick holds.
#[derive(Default)]
struct Found {
    codes: Vec<(String, Code)>,
    /// The first thing that looks like a code and is none: what is wrong with it.
    damaged: Option<String>,
}

impl Stick {
    /// Something happened to it.
    pub fn handle(&mut self, event: Event) {
        match (event, std::mem::take(&mut self.state)) {
            (Event::Arrived, _) => {
                self.note("a stick is in and being read");
                self.view = Some(StickView::Reading);
                self.state = State::Reading;
            }
            (Event::Read(texts), State::Reading) => self.state = State::Read(find(&texts)),
            (Event::Written, State::Writing(found, kind, code)) => {
                self.note(match kind {
                    Kind::Offer => "the offer is on the stick, and it is safe to pull; take it to the other end",
                    Kind::Answer => "the answer is on the stick, and it is safe to pull; take it back to the other end",
                });
                self.view = Some(StickView::Written(kind));
                self.state = State::Settled(found, Some(code));
            }
            (Event::Failed(line), State::Reading | State::Writing(..)) => {
                self.problem(&line);
                self.state = State::Unusable;
            }
            (Event::Slow, state) => {
                self.out.push_back(Said::Problem(SLOW.to_owned()));
                self.state = state;
            }
            (Event::Removed, State::Writing(..)) => self.problem(PULLED),
            (Event::Removed, State::Absent) => {}
            (Event::Removed, _) => {
                self.note("the stick is out");
                self.view = None;
            }
            // Of a stick that is not there any more.
            (Event::Read(_) | Event::Written | Event::Failed(_), state) => self.state = state,
        }
    }

    /// Does what can be done now; false when that is nothing.
    pub fn advance(&mut self, now: Instant, call: &mut Call) -> bool {
        if matches!(self.state, State::Absent) && self.view.is_none() {
            return false;
        }
        let phase = call.phase();
        if matches!(phase, Phase::Connecting(_) | Phase::InCall) {
            self.view = None;
        }
        match &self.state {
            State::Absent | State::Reading | State::Writing(..) | State::Unusable => return false,
            // Somebody's code is being opened.
            _ if call.is_reading() => return false,
            State::Settled(_, carried)
                if call
                    .to_carry()
                    .is_none_or(|(_, code)| carried.as_ref() == Some(&code)) =>
            {
                return false;
            }
            State::Asking(..) if call.has_offer() => return false,
            _ => {}
        }
        self.state = match std::mem::take(&mut self.state) {
            State::Read(found) | State::Asking(found, _) => self.decide(now, call, found),
            State::Trying(found, codes) => {
                self.used = codes;
                if self.view == Some(StickView::Opening) {
                    self.view = None;
                }
                State::Settled(found, None)
            }
            State::Settled(found, _) => match call.to_carry() {
                Some((kind, code)) => self.write(found, kind, code),
                None => State::Settled(found, None),
            },
            state => state,
        };
        true
    }

    fn decide(&mut self, now: Instant, call: &mut Call, found: Found) -> State {
        let phase = call.phase();
        if matches!(phase, Phase::Connecting(_) | Phase::InCall) {
            self.note(IN_CALL);
            return State::Settled(found, None);
        }
        self.view = None;
        let new: Vec<(Meaning, &String, &Code)> = found
            .codes
            .iter()
            .filter(|(_, code)| !self.seen.contains(code))
            .map(|(name, code)| (call.meaning(code), name, code))
            .collect();
        let has = |wanted| new.iter().any(|(meaning, ..)| *meaning == wanted);
        if has(Meaning::Answer) {
            let answers = new.iter().filter(|(m, ..)| *m == Meaning::Answer);
            let codes = answers.map(|(.., code)| (*code).clone()).collect();
            return self.open(now, call, found, codes, false);
        }
        let waits = call.has_offer();
        let offers: Vec<Code> = new
            .iter()
            .filter(|(meaning, name, _)| match meaning {
                Meaning::Offer => true,
                // Its name is all that there is to go by when an offer of ours is at stake.
                Meaning::Unknown => !waits || name.to_ascii_lowercase().contains("offer"),
                _ => false,
            })
            .map(|(.., code)| (*code).clone())
            .take(code::MAX_CODES)
            .collect();
        let busy = phase == Phase::Preparing && !waits;
        if !offers.is_empty() && !has(Meaning::Answered) && !busy {
            if waits && self.has_left(call) {
                self.note(QUESTION);
                self.view = Some(StickView::Question);
                return State::Asking(found, offers);
            }
            return self.open(now, call, found, offers, waits);
        }
        if phase == Phase::Idle {
            match &found.damaged {
                Some(line) => self.problem(line),
                None => {
                    self.note(NOTHING);
                    self.view = Some(StickView::Nothing);
                }
            }
        }
        State::Settled(found, None)
    }

    fn open(
        &mut self,
        now: Instant,
        call: &mut Call,
        found: Found,
        codes: Vec<Code>,
        instead: bool,
    ) -> State {
        self.view = Some(StickView::Opening);
        call.read_codes(now, codes.clone(), instead);
        State::Trying(found, codes)
    }

    fn write(&mut self, found: Found, kind: Kind, code: String) -> State {
        let text = |name| File {
            name,
            contents: Cow::Owned(format!("{code}\r\n").into_bytes()),
        };
        let fixed = |name, contents| File {
            name,
            contents: Cow::Borrowed(contents),
        };
        let files = match kind {
            Kind::Offer => {
                self.left = Some(code.clone());
                self.remember(code::find(&code).codes.into_iter().collect());
                vec![
                    text("offer.txt"),
                    fixed("call.html", PAGE),
                    fixed("README.txt", ABOUT),
                ]
            }
            Kind::Answer => vec![text("answer.txt")],
        };
        self.note("the stick is being written; do not pull it");
        self.view = Some(StickView::Writing);
        self.out.push_back(Said::Order(Order::Write(files)));
        State::Writing(found, kind, code)
    }

    fn has_left(&self, call: &Call) -> bool {
        match call.to_carry() {
            Some((_, code)) => self.watched || self.left == Some(code),
            None => false,
        }
    }

    /// A button; true if it was for the stick.
    pub fn press(&mut self, now: Instant, button: Button, call: &mut Call) -> bool {
        match (&self.view, button) {
            (Some(StickView::Question), Button::Next)
            | (Some(StickView::Reading | StickView::Opening | StickView::Writing), _) => true,
            (Some(StickView::Question), _) => {
                self.view = None;
                if let State::Asking(found, offers) = std::mem::take(&mut self.state) {
                    self.state = match button {
                        Button::Talk => self.open(now, call, found, offers, true),
                        _ => State::Settled(found, None),
                    };
                }
                true
            }
            (Some(StickView::Nothing | StickView::Written(_)), _) => {
                self.view = None;
                true
            }
            (None, _) => false,
        }
    }

    /// Takes a problem that the call has, if it came of a code of the stick.
    pub fn takes_problem(&mut self, call: &Call, line: &str) -> bool {
        let is_ours = matches!(self.state, State::Trying(..)) && !call.is_reading();
        if is_ours {
            self.problem(line);
            if let State::Trying(found, _) = std::mem::take(&mut self.state) {
                self.state = State::Settled(found, None);
            }
        }
        is_ours
    }

    /// The call came about: its codes are spent.
    pub fn connected(&mut self) {
        let used = std::mem::take(&mut self.used);
        self.remember(used);
    }

    /// The call is over, or was none.
    pub fn ended(&mut self) {
        self.used.clear();
    }

    /// There is another passphrase: what did not open may open now.
    pub fn look_again(&mut self) {
        self.state = match std::mem::take(&mut self.state) {
            State::Settled(found, None) => State::Read(found),
            state => state,
        };
    }

    /// Somebody types on a console.
    pub fn somebody_types(&mut self) {
        self.watched = true;
    }

    /// What the screen shows of it, over the rest.
    pub fn view(&self) -> Option<&StickView> {
        self.view.as_ref()
    }

    /// The next thing to say or to do.
    pub fn poll(&mut self) -> Option<Said> {
        self.out.pop_front()
    }

    fn remember(&mut self, codes: Vec<Code>) {
        for code in codes {
            if !self.seen.contains(&code) {
                self.seen.push_back(code);
            }
        }
        let over = self.seen.len().saturating_sub(MAX_SEEN);
        self.seen.drain(..over);
    }

    fn note(&mut self, line: &str) {
        self.out.push_back(Said::Note(line.to_owned()));
    }

    fn problem(&mut self, line: &str) {
        self.out.push_back(Said::Problem(line.to_owned()));
        self.view = None;
    }
}

fn find(texts: &[Text]) -> Found {
    let mut found = Found::default();
    for Text { name, text } in texts {
        let search = code::find(text);
        for code in search.codes {
            let is_known = found.codes.iter().any(|(_, known)| *known == code);
            if !is_known && found.codes.len() < MAX_CODES {
                found.codes.push((name.clone(), code));
            }
        }
        if let Some(error) = search.damaged {
            found
                .damaged
                .get_or_insert_with(|| format!("{}: {error}", plain(name)));
        }
    }
    found
}

/// A stranger's file name as part of a line.
fn plain(name: &str) -> String {
    let kept = name.chars().filter(|c| !c.is_control());
    kept.take(30).collect()
}
