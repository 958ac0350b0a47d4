//! The map of the screens in the README, drawn by going everywhere: each button and event on each screen of the real
//! intercom. `SOTTO_BLESS=1 cargo test --test diagram` draws it anew.
//!
//! On the way every key is held to its word: a button that is labelled does something, one that is not does nothing.

#![allow(missing_docs)]

mod support;

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::time::Duration;

use sotto::intercom::console::Mode;
use sotto::intercom::panel::Button;
use sotto::intercom::screen::{Key, View, keys};
use sotto::intercom::{Input, Intercom, Setup};
use support::{A, B, PASSPHRASE, World, levels, setup};

use Button::{Back, Next, Talk};

/// What can happen to the owner's intercom, which is end A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Press(Button),
    Hold(Button),
    /// Nothing else, for two minutes at most.
    Time,
    /// A day.
    Day,
    /// Seven words, on the first screen of an entry.
    Words,
    Event(Event),
}

/// What others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    TheirOffer,
    TheirAnswer,
    CodeMade,
    TheyConnect,
    WayFound,
    TheyHangUp,
    Silence,
    Failure,
    News,
}

impl Event {
    const ALL: [(Self, &str, &[&str]); 9] = [
        (Self::TheirOffer, "their offer", &["Ready"]),
        (Self::TheirAnswer, "their answer", &["OfferWaiting"]),
        (Self::CodeMade, "the code is made", &["Preparing"]),
        (Self::TheyConnect, "they connect", &["AnswerGiven"]),
        (Self::WayFound, "a way is found", &["Connecting"]),
        (Self::TheyHangUp, "they hang up", &["InCall"]),
        (Self::Silence, "silence for 75 s", &["InCall"]),
        (Self::Failure, "what was asked for fails", &["Ready"]),
        (Self::News, "news of a device", &["Ready"]),
    ];
}

/// How A was switched on.
#[derive(Clone, Copy, PartialEq)]
enum Root {
    Passphrase,
    Nothing,
    Mistakes,
}

/// A way to a screen.
#[derive(Clone)]
struct Way {
    root: Root,
    actions: Vec<Action>,
}

/// What is told apart: the screen, its labels, and the line of the menu.
type Place = (&'static str, [String; 3], String);

fn view(w: &World) -> View {
    w.ends[A].intercom.view(w.now)
}

fn labels(view: &View) -> [String; 3] {
    keys(view).map(|key| match key {
        Key::Idle => String::new(),
        Key::Press(label) => label.into_owned(),
        Key::Hold(label) => format!("hold {label}"),
        Key::Live(label) => format!("[{label}]"),
    })
}

fn place(view: &View) -> Place {
    let mut labels = labels(view);
    if matches!(view, View::Entering(entry) if !entry.whole) {
        labels[0] = "letters".into();
        labels[1] = "letters".into();
    }
    let line = match view {
        View::Menu { item, .. } => format!("{item:?}"),
        _ => String::new(),
    };
    (view.name(), labels, line)
}

/// All that a button can change: the view without its clocks and meters.
fn substance(view: &View) -> String {
    match view {
        View::InCall(_) | View::OfferWaiting { .. } | View::AnswerGiven { .. } => {
            format!("{:?}", place(view))
        }
        View::Connecting { .. } | View::About { .. } | View::SoundCheck { .. } => {
            format!("{:?}", place(view))
        }
        View::Entering(entry) => format!("{:?} {:?}", *entry.text, entry.halves),
        view => format!("{view:?}"),
    }
}

fn sample(w: &mut World, down: Option<Button>) {
    let levels = levels(down);
    for _ in 0..2 {
        w.input(A, Input::Buttons(levels));
        w.run_ms(20);
    }
}

fn give_sockets(w: &mut World) {
    let socket = w.ends[A].socket;
    w.input(A, Input::Sockets(&[socket]));
    w.run_ms(10);
}

fn begin(root: Root) -> World {
    let passphrase = (root == Root::Passphrase).then_some(PASSPHRASE);
    let mut w = World::with_passphrases(passphrase, Some(PASSPHRASE));
    if root == Root::Mistakes {
        let setup = Setup {
            volume: 50,
            mode: Mode::Ptt,
            can_quit: false,
            problems: vec!["sotto.toml:1: unknown key `volum`".into()],
            ..setup()
        };
        w.ends[A].intercom = Intercom::new(w.now, setup, Box::new(|bytes| bytes.fill(7)));
    }
    w.say(A, "mode ptt");
    w.say(A, "volume 50");
    w.ends[A].slow_network = true;
    sample(&mut w, None);
    w
}

/// Does it, and says how an edge names it.
fn act(w: &mut World, action: Action) -> String {
    let before = view(w);
    let label = |button: Button| labels(&before)[button as usize].clone();
    match action {
        Action::Press(button) => {
            sample(w, Some(button));
            let down = view(w);
            sample(w, None);
            // The microphone's tail.
            w.run_ms(150);
            let does = substance(&down) != substance(&before);
            let label = label(button);
            let notice = matches!(before, View::Notice(_));
            let asks_to_be_held = label.starts_with("hold") && button != Talk;
            let (name, labelled) = (before.name(), !label.is_empty() && !asks_to_be_held);
            if labelled {
                assert!(does, "{button} says {label} on {name} and does nothing");
            } else if !notice && !asks_to_be_held {
                assert!(!does, "{button} says nothing on {name} and does something");
            }
            said(button, &label)
        }
        Action::Hold(button) => {
            sample(w, Some(button));
            w.run_ms(1_000);
            sample(w, None);
            match label(button).strip_prefix("hold ") {
                Some(label) => format!("hold {}", said(button, label)),
                None => format!("hold {button}"),
            }
        }
        Action::Time => {
            let name = before.name();
            let begin = w.now;
            while view(w).name() == name && w.now < begin + Duration::from_secs(125) {
                w.run_ms(500);
            }
            format!("{} s", (w.now - begin).as_secs_f64().round())
        }
        Action::Day => {
            w.run(Duration::from_secs(24 * 3600));
            "24 h".into()
        }
        Action::Words => {
            // TALK takes whatever comes first.
            while !matches!(view(w), View::Entering(entry) if entry.whole) {
                sample(w, Some(Talk));
                sample(w, None);
            }
            "TALK and NEXT spell seven words".into()
        }
        Action::Event(event) => {
            happen(w, event);
            let (_, name, _) = Event::ALL
                .into_iter()
                .find(|e| e.0 == event)
                .expect("all are there");
            name.into()
        }
    }
}

fn happen(w: &mut World, event: Event) {
    match event {
        Event::TheirOffer => {
            w.say(B, "call");
            let offer = w.heard_line(B, "* offer").expect("an offer");
            w.say(A, &offer);
        }
        Event::TheirAnswer => {
            let offer = w.heard_line(A, "* offer").expect("an offer");
            w.say(B, &offer);
            let answer = w.heard_line(B, "* answer").expect("an answer");
            w.wire.cut = true;
            w.say(A, &answer);
            w.run_ms(100);
        }
        Event::CodeMade => give_sockets(w),
        Event::TheyConnect => {
            let answer = w.heard_line(A, "* answer").expect("an answer");
            w.say(B, &answer);
            w.run_ms(15);
            w.wire.cut = true;
        }
        Event::WayFound => {
            w.wire.cut = false;
            w.run_ms(3_000);
        }
        Event::TheyHangUp => {
            w.say(B, "hang");
            w.run_ms(500);
        }
        Event::Silence => {
            w.wire.cut = true;
            w.run(Duration::from_secs(76));
        }
        Event::Failure => w.say(A, "same"),
        Event::News => w.input(A, Input::Note("the microphone is gone")),
    }
}

fn go(way: &Way) -> World {
    let mut w = begin(way.root);
    for action in &way.actions {
        act(&mut w, *action);
    }
    w
}

fn said(button: Button, label: &str) -> String {
    match label {
        "" => button.to_string(),
        _ => format!("{button} ({})", label.to_lowercase()),
    }
}

/// What is tried on a screen.
fn actions(view: &View) -> Vec<Action> {
    let name = view.name();
    if name == "Start" {
        return vec![Action::Time];
    }
    let mut actions: Vec<Action> = [Talk, Next, Back].map(Action::Press).into();
    if labels(view)[Back as usize].starts_with("hold") || name == "Entering" {
        actions.push(Action::Hold(Back));
    }
    if name != "InCall" {
        actions.push(Action::Time);
    }
    if matches!(name, "OfferWaiting" | "AnswerGiven") {
        actions.push(Action::Day);
    }
    if matches!(view, View::Entering(entry) if entry.text.is_empty()) {
        actions.push(Action::Words);
    }
    let events = Event::ALL.into_iter().filter(|e| e.2.contains(&name));
    actions.extend(events.map(|e| Action::Event(e.0)));
    actions
}

/// From screen to screen, by what, in the order in which they were found.
#[derive(Default)]
struct Edges(Vec<(&'static str, &'static str, Vec<String>)>);

impl Edges {
    fn add(&mut self, from: &'static str, to: &'static str, label: String) {
        let edge = self.0.iter_mut().find(|e| (e.0, e.1) == (from, to));
        match edge {
            Some((_, _, labels)) if labels.contains(&label) => {}
            Some((_, _, labels)) => labels.push(label),
            None => self.0.push((from, to, vec![label])),
        }
    }
}

impl std::fmt::Display for Edges {
    /// As Mermaid reads it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("```mermaid\nstateDiagram-v2\n")?;
        for (from, to, labels) in &self.0 {
            let any = |l: &&String| ["TALK", "NEXT (ok)", "BACK"].contains(&l.as_str());
            let (any, mut labels): (Vec<&String>, Vec<&String>) = labels.iter().partition(any);
            let button = "any button".to_owned();
            match any.len() {
                3 => labels.insert(0, &button),
                _ => labels.extend(any),
            }
            let labels: Vec<&str> = labels.into_iter().map(String::as_str).collect();
            writeln!(f, "    {from} --> {to}: {}", labels.join(", "))?;
        }
        f.write_str("```")
    }
}

fn explore() -> Edges {
    let mut edges = Edges::default();
    let mut seen = BTreeSet::new();
    let mut open = VecDeque::new();
    let roots = [
        (Root::Passphrase, "power on"),
        (Root::Nothing, "power on"),
        (Root::Mistakes, "power on, with mistakes in sotto.toml"),
    ];
    for (root, how) in roots {
        let actions = Vec::new();
        let way = Way { root, actions };
        edges.add("[*]", view(&go(&way)).name(), how.into());
        open.push_back(way);
    }
    while let Some(way) = open.pop_front() {
        let here = view(&go(&way));
        for action in actions(&here) {
            let mut w = go(&way);
            let label = act(&mut w, action);
            let there = view(&w);
            let mut place = place(&there);
            if ["Preparing", "Connecting", "News"].contains(&there.name()) {
                // As the caller or the called, over what: these do not say.
                place.2.clone_from(&label);
            }
            if there.name() != here.name() {
                edges.add(here.name(), there.name(), label);
            }
            // A day has no more to show than the two minutes before it.
            if action != Action::Day && seen.insert(place) {
                let mut way = way.clone();
                way.actions.push(action);
                open.push_back(way);
            }
        }
    }
    edges
}

const BEGIN: &str = "<!-- screens -->\n\n";
const END: &str = "\n\n<!-- /screens -->";

#[test]
fn the_map_of_the_screens_in_the_readme_is_what_the_intercom_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).expect("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("its marker");
    let (block, after) = rest.split_once(END).expect("its end");
    let now = explore().to_string();
    if std::env::var_os("SOTTO_BLESS").is_some() {
        let text = format!("{before}{BEGIN}{now}{END}{after}");
        std::fs::write(&path, text).expect("README.md is writable");
    } else {
        assert_eq!(block, now, "if that is meant, SOTTO_BLESS=1 and look at it");
    }
}
