//! What the intercom does with a stick, row by row, over virtual time: the lines, the files, the screen, exactly.

#![allow(missing_docs)]

mod support;

use sotto::intercom::Input;
use sotto::intercom::code::Kind;
use sotto::intercom::panel::{Button, Levels};
use sotto::intercom::screen::{NoticeKind, StickView, View, pages};
use sotto::intercom::stick::{Event, Order, Text};

use support::{A, B, PASSPHRASE, World, levels};

const IN: &str = "* note a stick is in and being read";
const OUT: &str = "* note the stick is out";
const WRITING: &str = "* note the stick is being written; do not pull it";
const OFFER_ON: &str =
    "* note the offer is on the stick, and it is safe to pull; take it to the other end";
const ANSWER_ON: &str =
    "* note the answer is on the stick, and it is safe to pull; take it back to the other end";
const NOTHING: &str = "* note nothing for us on this stick; looked in its folder SOTTO and outside of folders for offer.txt, answer.txt and any other .txt";
const QUESTION: &str = "* note the stick has their offer, and ours was given out already; TALK (or hang) answers theirs, BACK keeps ours";
const FORGOTTEN: &str = "* note our own offer is forgotten: theirs is answered";

/// A stick that is carried between the two: its files.
#[derive(Clone, Default)]
struct Carried(Vec<Text>);

impl Carried {
    fn with(mut self, name: &str, text: &str) -> Self {
        self.0.retain(|t| t.name != name);
        self.0.push(Text {
            name: name.into(),
            text: text.into(),
        });
        self
    }

    fn text(&self, name: &str) -> Option<&str> {
        let text = self.0.iter().find(|t| t.name == name)?;
        Some(text.text.trim())
    }
}

fn event(w: &mut World, end: usize, event: Event) {
    w.input(end, Input::Stick(event));
}

fn plug(w: &mut World, end: usize, stick: &Carried) {
    event(w, end, Event::Arrived);
    let texts = stick.0.iter().filter(|t| t.name.ends_with(".txt"));
    event(w, end, Event::Read(texts.cloned().collect()));
    w.run_ms(10);
}

/// What is to be written is, on the stick that is in.
fn write(w: &mut World, end: usize, stick: Carried) -> Carried {
    let orders = std::mem::take(&mut w.ends[end].orders);
    let [Order::Write(files)] = &orders[..] else {
        panic!("{} orders", orders.len());
    };
    let written = files.iter().fold(stick, |stick, file| {
        let text = String::from_utf8_lossy(&file.contents);
        stick.with(&format!("SOTTO/{}", file.name), &text)
    });
    event(w, end, Event::Written);
    written
}

fn view(w: &World, end: usize) -> View {
    w.ends[end].intercom.view(w.now)
}

/// The error on the screen, all pages of which there is one.
fn shown_problem(w: &World, end: usize) -> String {
    match view(w, end) {
        View::Notice(notice) if notice.kind == NoticeKind::Error => notice.text,
        other => panic!("{} is shown", other.name()),
    }
}

/// Nothing was ordered, and the lines are these; of codes only their beginning.
fn said(w: &mut World, end: usize, expected: &[&str]) {
    assert_eq!(w.ends[end].orders, [], "no order is open");
    let lines = w.lines(end);
    let short = |line: &String| match line.split_once(" sotto2") {
        Some((before, _)) => before.to_owned(),
        None => line.clone(),
    };
    assert_eq!(lines.iter().map(short).collect::<Vec<_>>(), expected);
}

/// Presses a button without anybody typing.
fn press(w: &mut World, end: usize, button: Button) {
    for down in [Some(button), None] {
        let levels = levels(down);
        for _ in 0..3 {
            w.input(end, Input::Buttons(levels));
            w.run_ms(20);
        }
    }
}

/// Holds BACK until the code that waits is forgotten.
fn forget(w: &mut World, end: usize) {
    for (back, samples) in [(true, 60), (false, 3)] {
        for _ in 0..samples {
            let levels = Levels {
                back,
                ..Levels::default()
            };
            w.input(end, Input::Buttons(levels));
            w.run_ms(20);
        }
    }
}

/// Two ends that nobody has typed at.
fn world() -> World {
    let mut w = World::new();
    for end in [A, B] {
        said(&mut w, end, &["* ready"]);
        w.input(end, Input::Buttons(Levels::default()));
        w.run_ms(40);
    }
    w
}

#[test]
fn a_stick_carries_a_whole_call_there_and_back() {
    let mut w = world();
    press(&mut w, A, Button::Talk);
    said(&mut w, A, &["* offer"]);
    plug(&mut w, A, &Carried::default());
    assert_eq!(view(&w, A), View::Stick(StickView::Writing));
    let stick = write(&mut w, A, Carried::default());
    assert_eq!(view(&w, A), View::Stick(StickView::Written(Kind::Offer)));
    said(&mut w, A, &[IN, WRITING, OFFER_ON]);
    let names: Vec<&str> = stick.0.iter().map(|t| &*t.name).collect();
    assert_eq!(
        names,
        ["SOTTO/offer.txt", "SOTTO/call.html", "SOTTO/README.txt"]
    );
    event(&mut w, A, Event::Removed);
    said(&mut w, A, &[OUT]);
    assert!(matches!(view(&w, A), View::OfferWaiting { .. }));

    plug(&mut w, B, &stick);
    let stick = write(&mut w, B, stick);
    assert_eq!(view(&w, B), View::Stick(StickView::Written(Kind::Answer)));
    said(&mut w, B, &[IN, "* answer", WRITING, ANSWER_ON]);
    event(&mut w, B, Event::Removed);
    said(&mut w, B, &[OUT]);

    plug(&mut w, A, &stick);
    w.run_ms(1_500);
    let lines = w.lines(A);
    assert_eq!(lines[..2], [IN, "* connecting"]);
    assert!(lines[2].starts_with("* connected"), "{lines:?}");
    assert_eq!(w.ends[A].orders, []);
    assert!(matches!(view(&w, A), View::InCall(_)));

    // The same stick afterwards: its codes are spent, at both ends.
    for end in [A, B] {
        w.say(end, "hang");
        w.run_ms(3_000);
        event(&mut w, end, Event::Removed);
        w.lines(end);
        plug(&mut w, end, &stick);
        said(&mut w, end, &[IN, NOTHING]);
        assert_eq!(view(&w, end), View::Stick(StickView::Nothing));
    }
}

#[test]
fn a_stick_that_is_in_already_gets_the_offer_when_call_is_pressed() {
    let mut w = world();
    plug(&mut w, A, &Carried::default());
    said(&mut w, A, &[IN, NOTHING]);
    press(&mut w, A, Button::Next);
    assert_eq!(view(&w, A), View::Ready);
    press(&mut w, A, Button::Talk);
    let stick = write(&mut w, A, Carried::default());
    said(&mut w, A, &["* offer", WRITING, OFFER_ON]);
    // Forgotten and made anew: the stick gets the new one.
    let first = stick.text("SOTTO/offer.txt").map(str::to_owned);
    press(&mut w, A, Button::Next);
    forget(&mut w, A);
    said(&mut w, A, &["* ended the offer was forgotten"]);
    press(&mut w, A, Button::Next);
    press(&mut w, A, Button::Talk);
    let stick = write(&mut w, A, stick);
    said(&mut w, A, &["* offer", WRITING, OFFER_ON]);
    assert!(stick.text("SOTTO/offer.txt").map(str::to_owned) != first);
}

#[test]
fn an_offer_written_earlier_and_forgotten_is_known_as_our_own() {
    let mut w = world();
    press(&mut w, A, Button::Talk);
    plug(&mut w, A, &Carried::default());
    let stick = write(&mut w, A, Carried::default());
    event(&mut w, A, Event::Removed);
    forget(&mut w, A);
    w.lines(A);
    plug(&mut w, A, &stick);
    said(&mut w, A, &[IN, NOTHING]);
}

#[test]
fn both_called_and_ours_never_left_so_theirs_is_answered() {
    let mut w = world();
    press(&mut w, A, Button::Talk);
    plug(&mut w, A, &Carried::default());
    let stick = write(&mut w, A, Carried::default());
    press(&mut w, B, Button::Talk);
    said(&mut w, B, &["* offer"]);
    plug(&mut w, B, &stick);
    let stick = write(&mut w, B, stick);
    said(&mut w, B, &[IN, FORGOTTEN, "* answer", WRITING, ANSWER_ON]);
    assert!(stick.text("SOTTO/answer.txt").is_some());
}

/// Both have called, and B's offer is out on another stick; then A's comes.
fn both_called() -> (World, Carried) {
    let mut w = world();
    press(&mut w, A, Button::Talk);
    plug(&mut w, A, &Carried::default());
    let stick = write(&mut w, A, Carried::default());
    press(&mut w, B, Button::Talk);
    plug(&mut w, B, &Carried::default());
    write(&mut w, B, Carried::default());
    event(&mut w, B, Event::Removed);
    w.lines(B);
    plug(&mut w, B, &stick);
    said(&mut w, B, &[IN, QUESTION]);
    assert_eq!(view(&w, B), View::Stick(StickView::Question));
    (w, stick)
}

#[test]
fn both_called_and_ours_is_out_so_the_owner_is_asked_and_talk_answers_theirs() {
    let (mut w, stick) = both_called();
    press(&mut w, B, Button::Next);
    said(&mut w, B, &[]);
    press(&mut w, B, Button::Talk);
    write(&mut w, B, stick);
    said(&mut w, B, &[FORGOTTEN, "* answer", WRITING, ANSWER_ON]);
}

#[test]
fn both_called_and_back_keeps_ours_and_puts_it_on_the_stick() {
    let (mut w, stick) = both_called();
    press(&mut w, B, Button::Back);
    let theirs = stick.text("SOTTO/offer.txt").map(str::to_owned);
    let stick = write(&mut w, B, stick);
    said(&mut w, B, &[WRITING, OFFER_ON]);
    assert!(stick.text("SOTTO/offer.txt").map(str::to_owned) != theirs);
}

#[test]
fn both_called_and_hang_on_a_console_answers_theirs() {
    let (mut w, stick) = both_called();
    w.say(B, "hang");
    w.run_ms(10);
    write(&mut w, B, stick);
    said(
        &mut w,
        B,
        &[
            "* ended the offer was forgotten",
            "* answer",
            WRITING,
            ANSWER_ON,
        ],
    );
}

#[test]
fn an_offer_that_a_console_may_have_shown_to_somebody_has_left() {
    let mut w = world();
    press(&mut w, A, Button::Talk);
    plug(&mut w, A, &Carried::default());
    let stick = write(&mut w, A, Carried::default());
    w.say(B, "call");
    w.run_ms(10);
    plug(&mut w, B, &stick);
    said(&mut w, B, &["* offer", IN, QUESTION]);
}

#[test]
fn an_answer_that_lies_beside_old_codes_is_found() {
    let mut w = world();
    let (_, stale) = World::new().offer_and_answer("call");
    press(&mut w, A, Button::Talk);
    plug(&mut w, A, &Carried::default());
    let stick = write(&mut w, A, Carried::default());
    event(&mut w, A, Event::Removed);
    // The same box's codes, but not of this call: written over our offer's file, and in a browser's second try.
    plug(&mut w, B, &stick);
    let stick = write(&mut w, B, stick);
    let answer = stick
        .text("SOTTO/answer.txt")
        .expect("it was written")
        .to_owned();
    let stick = stick
        .with("SOTTO/answer.txt", &stale.replace("sotto2a", "sotto2a "))
        .with(
            "answer (1).txt",
            &format!("Here it is:\n> {}\n> {}", &answer[..80], &answer[80..]),
        );
    w.lines(A);
    plug(&mut w, A, &stick);
    w.run_ms(1_500);
    let lines = w.lines(A);
    assert_eq!(lines[..2], [IN, "* connecting"]);
}

#[test]
fn an_offer_of_another_passphrase_is_told_and_opens_when_the_passphrase_is_set() {
    let mut w = World::with_passphrases(Some(PASSPHRASE), Some("another passphrase altogether"));
    w.input(A, Input::Buttons(Levels::default()));
    w.run_ms(40);
    press(&mut w, A, Button::Talk);
    plug(&mut w, A, &Carried::default());
    let stick = write(&mut w, A, Carried::default());
    w.lines(B);
    plug(&mut w, B, &stick);
    let problem = "This code does not open: the other end has another passphrase. Set the same one at both ends, then make a new code or enter this one again.";
    said(&mut w, B, &[IN, &format!("* note {problem}")]);
    assert_eq!(shown_problem(&w, B), pages(problem)[0]);
    w.say(B, &format!("passphrase {PASSPHRASE}"));
    w.run_ms(10);
    write(&mut w, B, stick);
    said(&mut w, B, &["* answer", WRITING, ANSWER_ON]);
}

#[test]
fn an_offer_without_a_passphrase_waits_for_it() {
    let mut w = World::with_passphrases(Some(PASSPHRASE), None);
    w.say(A, "call");
    w.run_ms(10);
    let offer = w.heard_line(A, "* offer").expect("an offer");
    w.lines(B);
    let stick = Carried::default().with("offer.txt", &offer);
    plug(&mut w, B, &stick);
    said(
        &mut w,
        B,
        &[
            IN,
            "* note Set the passphrase first: enter the words you agreed on or make new ones, with the buttons, or type passphrase.",
        ],
    );
    w.say(B, &format!("passphrase {PASSPHRASE}"));
    w.run_ms(10);
    write(&mut w, B, stick);
    said(&mut w, B, &["* answer", WRITING, ANSWER_ON]);
}

#[test]
fn a_code_that_is_cut_short_is_named_with_its_file() {
    let mut w = world();
    let (offer, _) = World::new().offer_and_answer("call");
    plug(
        &mut w,
        B,
        &Carried::default().with("SOTTO/offer.txt", &offer[..60]),
    );
    let lines = w.lines(B);
    assert_eq!(lines[0], IN);
    assert!(
        lines[1].starts_with("* note SOTTO/offer.txt: This code is cut short"),
        "{lines:?}"
    );
    assert!(!shown_problem(&w, B).is_empty());
}

#[test]
fn a_file_name_cannot_say_lines_of_its_own() {
    let mut w = world();
    let name = "x\n! You are hacked\u{1b}[2J, and this is very long.txt";
    plug(&mut w, B, &Carried::default().with(name, "sotto2oAAAA"));
    let lines = w.lines(B);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[1].starts_with("* note x! You are hacked[2J, and this"),
        "{lines:?}"
    );
}

#[test]
fn a_stick_is_left_alone_in_a_call() {
    let mut w = world();
    let (offer, _) = World::new().offer_and_answer("call");
    w.connect("call");
    w.run_ms(1_000);
    w.lines(A);
    plug(&mut w, A, &Carried::default().with("offer.txt", &offer));
    said(&mut w, A, &[IN, "* note the stick is left alone in a call"]);
    assert!(matches!(view(&w, A), View::InCall(_)));
}

#[test]
fn what_goes_wrong_with_a_stick_is_on_the_screen_until_it_is_read() {
    let mut w = world();
    press(&mut w, A, Button::Talk);
    w.lines(A);
    // It cannot be read.
    event(&mut w, A, Event::Arrived);
    assert_eq!(view(&w, A), View::Stick(StickView::Reading));
    event(&mut w, A, Event::Failed("It is broken.".into()));
    event(&mut w, A, Event::Removed);
    said(&mut w, A, &[IN, "* note It is broken.", OUT]);
    assert_eq!(shown_problem(&w, A), "It is broken.");
    press(&mut w, A, Button::Next);
    assert!(matches!(view(&w, A), View::OfferWaiting { .. }));
    // It is pulled out while it is written; the next one gets the offer.
    plug(&mut w, A, &Carried::default());
    assert_eq!(std::mem::take(&mut w.ends[A].orders).len(), 1);
    press(&mut w, A, Button::Back);
    event(&mut w, A, Event::Removed);
    let pulled = "The stick was pulled out before it was done. Plug it in again.";
    said(&mut w, A, &[IN, WRITING, &format!("* note {pulled}")]);
    assert_eq!(shown_problem(&w, A), pulled);
    plug(&mut w, A, &Carried::default());
    // It takes very long, and then it is done after all.
    event(&mut w, A, Event::Slow);
    assert!(!shown_problem(&w, A).is_empty());
    write(&mut w, A, Carried::default());
    said(
        &mut w,
        A,
        &[
            IN,
            WRITING,
            "* note The stick has been busy for 20 seconds. Wait, or pull it and try another one.",
            OFFER_ON,
        ],
    );
    // What comes late of a stick that is out changes nothing.
    event(&mut w, A, Event::Removed);
    for late in [
        Event::Written,
        Event::Read(Vec::new()),
        Event::Failed("late".into()),
        Event::Removed,
    ] {
        event(&mut w, A, late);
    }
    said(&mut w, A, &[OUT]);
}

#[test]
fn v1_codes_travel_on_a_stick_too() {
    let mut w = world();
    w.say(A, "call --v1");
    w.run_ms(10);
    plug(&mut w, A, &Carried::default());
    let stick = write(&mut w, A, Carried::default());
    event(&mut w, A, Event::Removed);
    plug(&mut w, B, &stick);
    let stick = write(&mut w, B, stick);
    event(&mut w, B, Event::Removed);
    plug(&mut w, A, &stick);
    w.run_ms(1_500);
    assert!(w.heard_line(A, "* connected").is_some());
}
