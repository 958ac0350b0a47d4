//! The owner at three buttons and a screen, over virtual time: levels in, screens out.

#![allow(missing_docs)]

mod support;

use std::time::Duration;

use sotto::intercom::console::Mode;
use sotto::intercom::panel::{Button, Levels};
use sotto::intercom::screen::{Key, NoticeKind, View, keys};
use sotto::intercom::{Input, Intercom, Setup};
use support::{A, B, PASSPHRASE, World, levels, setup};

use Button::{Back, Next, Talk};

/// Hands on the buttons of end A, and eyes on its screen.
trait Owner {
    fn levels(&mut self, down: Option<Button>);
    fn press(&mut self, button: Button);
    fn hold(&mut self, button: Button);
    fn tap(&mut self, button: Button);
    fn view(&self) -> View;
    fn screen(&self) -> &'static str;
    fn labels(&self) -> [String; 3];
    fn note(&self) -> (NoticeKind, String, usize, usize);
}

impl Owner for World {
    fn levels(&mut self, down: Option<Button>) {
        let levels = levels(down);
        // As the shell samples an idle box.
        for _ in 0..3 {
            self.input(A, Input::Buttons(levels));
            self.run_ms(20);
        }
    }

    fn press(&mut self, button: Button) {
        self.levels(None);
        self.levels(Some(button));
        self.levels(None);
    }

    fn hold(&mut self, button: Button) {
        self.levels(None);
        self.levels(Some(button));
        self.run_ms(1_000);
        self.levels(None);
    }

    fn tap(&mut self, button: Button) {
        self.input(A, Input::Tap(button));
    }

    fn view(&self) -> View {
        self.ends[A].intercom.view(self.now)
    }

    fn screen(&self) -> &'static str {
        self.view().name()
    }

    /// As drawn above the buttons.
    fn labels(&self) -> [String; 3] {
        keys(&self.view()).map(|key| match key {
            Key::Idle => String::new(),
            Key::Press(label) => label.into_owned(),
            Key::Hold(label) => format!("hold {label}"),
            Key::Live(label) => format!("[{label}]"),
        })
    }

    fn note(&self) -> (NoticeKind, String, usize, usize) {
        let View::Notice(n) = self.view() else {
            panic!("{} instead of a notice", self.screen());
        };
        (n.kind, n.text, n.page, n.pages)
    }
}

/// Two boxes that were switched on a while ago; A with or without a passphrase.
fn world(passphrase: Option<&str>) -> World {
    let mut w = World::with_passphrases(passphrase, Some(PASSPHRASE));
    w.run_ms(1_000);
    for end in [A, B] {
        w.say(end, "mode ptt");
        w.lines(end);
    }
    w
}

fn connected() -> World {
    let mut w = world(Some(PASSPHRASE));
    w.connect("call");
    w.run_ms(500);
    for end in [A, B] {
        w.lines(end);
    }
    w
}

/// Enters a word as a person does: looks for its next letter above the buttons. Gives the number of presses.
fn spell(w: &mut World, word: &str) -> usize {
    let mut letters = word.chars();
    let mut presses = 0;
    let mut typed = String::new();
    let mut wanted = letters.next();
    let before = entered(w).0;
    loop {
        let labels = w.labels();
        let on = |label: &str| {
            let (range, end) = label.split_once('/').unwrap_or((label, ""));
            let range: Vec<char> = range.to_ascii_lowercase().chars().collect();
            match (wanted, &range[..]) {
                (None, _) => label == "END" || end == "END",
                (Some(c), [first, '-', last]) => (*first..=*last).contains(&c),
                (Some(c), _) => label != "END" && label != "USE" && range.contains(&c),
            }
        };
        let button = match (on(&labels[0]), on(&labels[1])) {
            (true, false) => Talk,
            (false, true) => Next,
            _ => panic!("where is {wanted:?} of {word} on {labels:?}?"),
        };
        w.press(button);
        presses += 1;
        let (words, beginning) = entered(w);
        if words.len() > before.len() {
            assert_eq!(words.last().map(String::as_str), Some(word));
            return presses;
        }
        while typed != beginning {
            typed.push(wanted.expect("a letter of the word"));
            wanted = letters.next();
        }
    }
}

/// The whole words on the screen, and the beginning of the next.
fn entered(w: &World) -> (Vec<String>, String) {
    let View::Entering(entry) = w.view() else {
        panic!("{} instead of an entry", w.screen());
    };
    let mut words: Vec<String> = entry.text.split(' ').map(str::to_owned).collect();
    let beginning = words.pop().expect("split gives at least one");
    (words, beginning)
}

const SEVEN: [&str; 7] = [
    "umbrella", "act", "abstract", "hurdle", "ivory", "mountain", "scissors",
];

#[test]
fn a_passphrase_is_entered_with_three_buttons_and_then_calls_the_other_end() {
    let mut w = world(None);
    assert_eq!(
        (w.screen(), w.labels()),
        ("NoPassphrase", ["MAKE", "ENTER", ""].map(String::from))
    );
    w.press(Next);
    assert_eq!(
        (w.screen(), w.labels()),
        ("Entering", ["A-K", "L-Z", "LEAVE"].map(String::from))
    );
    let presses: Vec<usize> = SEVEN.iter().map(|word| spell(&mut w, word)).collect();
    assert_eq!(presses, [8, 13, 11, 12, 9, 12, 11]);
    assert_eq!(w.labels(), ["USE", "MORE", "ERASE"]);
    assert_eq!(
        entered(&w),
        (SEVEN.map(String::from).to_vec(), String::new())
    );
    w.press(Talk);
    assert_eq!(
        (w.screen(), w.labels()),
        ("Ready", ["CALL", "MENU", ""].map(String::from))
    );
    assert_eq!(w.lines(A), Vec::<String>::new());
    w.say(B, &format!("passphrase {}", SEVEN.join(" ")));
    w.press(Talk);
    let offer = w.heard_line(A, "* offer").expect("an offer");
    w.say(B, &offer);
    let answer = w.heard_line(B, "* answer").expect("an answer");
    w.say(A, &answer);
    w.run_ms(1_500);
    assert_eq!(w.screen(), "InCall");
}

#[test]
fn a_wrong_letter_is_taken_back_and_a_hold_leaves() {
    let mut w = world(None);
    w.press(Next);
    spell(&mut w, "umbrella");
    spell(&mut w, "crystal");
    assert_eq!(entered(&w).0, ["umbrella", "crystal"]);
    w.press(Back);
    assert_eq!(entered(&w), (vec!["umbrella".into()], "cry".into()));
    assert_eq!(w.labels(), ["S", "END", "ERASE"]);
    w.press(Next);
    assert_eq!(entered(&w).0, ["umbrella", "cry"]);
    w.hold(Back);
    assert_eq!(w.screen(), "NoPassphrase");
    w.press(Next);
    assert_eq!(entered(&w), (vec![], String::new()));
    w.press(Back);
    assert_eq!(w.screen(), "NoPassphrase");
}

#[test]
fn a_short_passphrase_is_used_and_called_weak() {
    let mut w = world(None);
    w.press(Next);
    spell(&mut w, "zoo");
    while w.labels()[1] != "USE" {
        w.press(Next);
    }
    w.press(Next);
    assert_eq!(
        w.lines(A),
        [
            "* note this passphrase is weak: under 12 characters can be guessed; one that is made here is strong"
        ]
    );
    assert_eq!(w.note().0, NoticeKind::Note);
    w.press(Next);
    assert_eq!(w.screen(), "Ready");
}

#[test]
fn half_a_passphrase_does_not_stay_on_the_screen() {
    let mut w = world(None);
    w.press(Next);
    spell(&mut w, "umbrella");
    w.run(Duration::from_secs(100));
    assert_eq!(w.screen(), "Entering");
    w.run(Duration::from_secs(30));
    assert_eq!(w.screen(), "NoPassphrase");
}

#[test]
fn a_call_that_begins_ends_what_was_being_entered() {
    let mut w = world(Some(PASSPHRASE));
    w.press(Next);
    w.press(Next);
    w.press(Next);
    w.press(Talk);
    assert_eq!(w.screen(), "Entering");
    w.say(A, "call");
    assert_eq!(w.screen(), "OfferWaiting");
    w.say(A, "hang");
    w.press(Next);
    assert_eq!(w.screen(), "Ready");
}

#[test]
fn a_made_passphrase_stays_until_the_owner_says_ok() {
    let mut w = world(None);
    w.press(Talk);
    assert_eq!(
        (w.screen(), w.labels()),
        ("NewPassphrase", ["", "OK", ""].map(String::from))
    );
    w.press(Talk);
    w.press(Back);
    w.run(Duration::from_secs(3_600));
    let View::NewPassphrase(words) = w.view() else {
        panic!("{}", w.screen());
    };
    assert_eq!(words.split(' ').count(), 7);
    w.press(Next);
    assert_eq!(w.screen(), "Ready");
}

#[test]
fn the_menu_goes_through_all_that_can_be_set() {
    let mut w = world(Some(PASSPHRASE));
    w.press(Next);
    let mut seen = Vec::new();
    for _ in 0..7 {
        let View::Menu { item, mode, volume } = w.view() else {
            panic!("{}", w.screen());
        };
        seen.push(format!("{} / {}", item.title(mode, volume), w.labels()[0]));
        w.press(Next);
    }
    assert_eq!(
        seen,
        [
            "Volume: 100 / OPEN",
            "Mode: push to talk / CHANGE",
            "Enter passphrase / OPEN",
            "New passphrase / OPEN",
            "Sound check / START",
            "About / OPEN",
            "Volume: 100 / OPEN"
        ]
    );
    w.press(Talk);
    let View::Menu { mode, .. } = w.view() else {
        panic!("{}", w.screen());
    };
    assert_eq!(mode, Mode::Open);
    w.press(Back);
    assert_eq!(w.screen(), "Ready");
}

#[test]
fn a_new_passphrase_in_place_of_one_in_use_is_asked_for_twice() {
    let mut w = world(Some(PASSPHRASE));
    for button in [Next, Next, Next, Next, Talk] {
        w.press(button);
    }
    assert_eq!(
        (w.screen(), w.labels()),
        ("Replace", ["MAKE", "", "LEAVE"].map(String::from))
    );
    w.press(Next);
    assert_eq!(w.screen(), "Replace");
    w.press(Talk);
    assert_eq!(w.screen(), "NewPassphrase");
}

#[test]
fn about_says_which_server_is_asked() {
    let mut w = world(Some(PASSPHRASE));
    for button in [Next, Next, Next, Next, Next, Next, Talk] {
        w.press(button);
    }
    let View::About { stun, uptime } = w.view() else {
        panic!("{}", w.screen());
    };
    assert!(
        stun.is_empty() && uptime >= Duration::from_secs(2),
        "{uptime:?}"
    );
    w.press(Back);
    assert_eq!(w.screen(), "Ready");
}

#[test]
fn the_volume_is_set_with_louder_and_softer_between_calls_and_in_one() {
    let mut w = world(Some(PASSPHRASE));
    w.say(A, "volume 85");
    w.press(Next);
    w.press(Talk);
    assert_eq!(w.labels(), ["DONE", "LOUDER", "SOFTER"]);
    let volume = |w: &World| match w.view() {
        View::Volume { volume, .. } => volume,
        _ => panic!("{}", w.screen()),
    };
    let mut heard = Vec::new();
    for button in [Next, Next, Next, Back, Back] {
        w.press(button);
        heard.push(volume(&w));
    }
    assert_eq!(heard, [90, 100, 100, 90, 80]);
    w.press(Talk);
    assert_eq!(w.screen(), "Ready");

    w.connect("call");
    w.say(A, "same");
    assert_eq!(w.labels(), ["hold TALK", "VOLUME", "hold END"]);
    w.press(Next);
    w.press(Back);
    assert_eq!((volume(&w), w.labels()[0].as_str()), (70, "hold TALK"));
    w.levels(Some(Talk));
    assert_eq!(
        (w.screen(), w.labels()[0].as_str()),
        ("Volume", "[TALKING]")
    );
    w.levels(None);
    w.run(Duration::from_secs(8));
    assert_eq!(w.screen(), "InCall");
    w.lines(A);
    w.say(A, "status");
    assert!(w.lines(A)[0].contains(r#""volume":70"#));
}

#[test]
fn an_open_microphone_is_muted_with_talk() {
    let mut w = connected();
    w.say(A, "mode open");
    assert_eq!(w.labels()[0], "MUTE");
    w.press(Talk);
    assert_eq!(w.labels()[0], "UNMUTE");
    w.say(A, "mode ptt");
    assert_eq!(w.labels()[0], "UNMUTE");
    w.press(Talk);
    assert_eq!(w.labels()[0], "hold TALK");
    w.levels(Some(Talk));
    assert_eq!(w.labels()[0], "[TALKING]");
    w.levels(None);
    w.run_ms(150);
    assert_eq!(w.labels()[0], "hold TALK");
}

#[test]
fn the_words_are_the_same_with_two_presses() {
    let mut w = connected();
    assert_eq!(w.labels(), ["hold TALK", "SAME?", "hold END"]);
    w.press(Next);
    assert_eq!(
        (w.screen(), w.labels()),
        ("Compare", ["hold TALK", "YES", "hold NO"].map(String::from))
    );
    w.press(Back);
    assert_eq!(w.screen(), "Compare");
    w.press(Next);
    let View::InCall(call) = w.view() else {
        panic!("{}", w.screen());
    };
    assert!(call.secure);
}

#[test]
fn words_that_differ_end_the_call_with_a_hold() {
    let mut w = connected();
    w.press(Next);
    w.hold(Back);
    let reason = "the words differ: somebody may be between you; agree on a new passphrase, in person if you can";
    assert_eq!(w.lines(A), [format!("* ended {reason}")]);
    assert_eq!(w.note(), (NoticeKind::Ended, reason.into(), 0, 1));
}

#[test]
fn the_question_goes_when_the_words_cannot_be_read() {
    let mut w = connected();
    w.press(Next);
    w.wire.cut = true;
    w.run(Duration::from_secs(20));
    let View::InCall(call) = w.view() else {
        panic!("{}", w.screen());
    };
    assert!(call.silent.is_some());
    w.wire.cut = false;
    w.run(Duration::from_secs(5));
    assert_eq!(w.labels()[1], "SAME?");
}

#[test]
fn a_touch_of_back_does_not_end_a_call_and_a_hold_does() {
    let mut w = connected();
    w.press(Back);
    assert_eq!(w.screen(), "InCall");
    w.hold(Back);
    assert_eq!(w.lines(A), ["* ended you hung up"]);
    assert_eq!(w.note(), (NoticeKind::Ended, "you hung up".into(), 0, 1));
    w.run(Duration::from_secs(15));
    assert_eq!(w.screen(), "Ready");
}

#[test]
fn an_offer_that_is_on_its_way_is_forgotten_by_a_hold_only() {
    let mut w = world(Some(PASSPHRASE));
    w.press(Talk);
    w.run(Duration::from_secs(3_600));
    assert_eq!(
        (w.screen(), w.labels()),
        ("OfferWaiting", ["", "", "hold FORGET"].map(String::from))
    );
    for button in [Talk, Next, Back] {
        w.press(button);
        assert_eq!(w.screen(), "OfferWaiting");
    }
    w.lines(A);
    w.hold(Back);
    assert_eq!(w.lines(A), ["* ended the offer was forgotten"]);
}

#[test]
fn an_answer_that_is_on_its_way_is_forgotten_by_a_hold_only() {
    let mut w = world(Some(PASSPHRASE));
    w.say(B, "call");
    let offer = w.heard_line(B, "* offer").expect("an offer");
    w.say(A, &offer);
    assert_eq!(
        (w.screen(), w.labels()),
        ("AnswerGiven", ["", "", "hold FORGET"].map(String::from))
    );
    w.press(Back);
    assert_eq!(w.screen(), "AnswerGiven");
    w.lines(A);
    w.hold(Back);
    assert_eq!(w.lines(A), ["* ended the answer was forgotten"]);
}

#[test]
fn a_key_that_cannot_be_held_forgets_with_its_second_tap() {
    let mut w = world(Some(PASSPHRASE));
    w.tap(Talk);
    w.tap(Back);
    assert_eq!(w.labels(), ["", "", "[AGAIN]"]);
    w.run(Duration::from_secs(3));
    assert_eq!(w.labels(), ["", "", "hold FORGET"]);
    w.tap(Back);
    w.run_ms(500);
    w.tap(Back);
    assert_eq!(
        w.note(),
        (NoticeKind::Ended, "the offer was forgotten".into(), 0, 1)
    );
}

#[test]
fn a_key_that_cannot_be_held_toggles_talking_and_ends_the_call_at_once() {
    let mut w = connected();
    w.tap(Talk);
    assert_eq!(w.labels()[0], "[TALKING]");
    w.tap(Talk);
    w.run_ms(150);
    assert_eq!(w.labels()[0], "hold TALK");
    w.tap(Back);
    assert_eq!(w.note().1, "you hung up");
}

#[test]
fn a_hold_that_began_on_another_screen_does_nothing() {
    let mut w = world(Some(PASSPHRASE));
    w.press(Talk);
    w.say(A, "same");
    assert_eq!(w.note().0, NoticeKind::Error);
    w.hold(Back);
    assert_eq!(w.screen(), "OfferWaiting");
    w.input(A, Input::Note("the microphone is gone"));
    w.say(A, "same");
    w.hold(Back);
    assert_eq!(w.note().0, NoticeKind::Note);
    w.hold(Back);
    assert_eq!(w.screen(), "OfferWaiting");
}

#[test]
fn console_hang_forgets_at_once() {
    let mut w = world(Some(PASSPHRASE));
    w.press(Talk);
    w.lines(A);
    w.say(A, "hang");
    assert_eq!(w.lines(A), ["* ended the offer was forgotten"]);
}

#[test]
fn a_stuck_button_is_told_on_the_console_and_once_on_the_screen() {
    let mut w = world(Some(PASSPHRASE));
    let stuck = Levels {
        next: true,
        ..Levels::default()
    };
    for _ in 0..4 {
        w.input(A, Input::Buttons(stuck));
        w.run_ms(20);
    }
    let text = "the NEXT button is stuck down and ignored until it is released";
    assert_eq!(w.lines(A), [format!("* note {text}")]);
    assert_eq!(w.note(), (NoticeKind::Note, text.into(), 0, 1));
    w.run(Duration::from_secs(8));
    for _ in 0..100 {
        w.input(A, Input::Buttons(stuck));
        w.run_ms(1_000);
    }
    assert_eq!(w.screen(), "Ready");
    assert_eq!(w.lines(A), Vec::<String>::new());
}

#[test]
fn mistakes_in_the_settings_are_read_page_by_page_and_told_to_each_console() {
    let problems = vec![
        "sotto.toml:2: unknown key `volum`, expected one of `passphrase`, `volume`, `mode`, `stun`, `sound`, `board`, `wifi`, `hostname`".to_owned(),
        "sotto.toml:7: `mode`: expected `open` or `ptt`".to_owned(),
    ];
    let mut w = world(None);
    let setup = Setup {
        volume: 50,
        mode: Mode::Ptt,
        can_quit: false,
        problems: problems.clone(),
        ..setup()
    };
    w.ends[A].intercom = Intercom::new(w.now, setup, Box::new(|bytes| bytes.fill(7)));
    for console in [0, 1] {
        let interactive = false;
        w.input(
            A,
            Input::ConsoleOpened {
                console,
                interactive,
            },
        );
    }
    let told = [
        "* ready".to_owned(),
        format!("* note {}", problems[0]),
        format!("* note {}", problems[1]),
    ];
    assert_eq!(w.lines(A), [told.clone(), told].concat());
    let mut pages = Vec::new();
    while w.screen() == "Settings" {
        let (kind, text, page, of) = w.note();
        assert_eq!((kind, page, of), (NoticeKind::Settings, pages.len(), 3));
        pages.push((text, w.labels()[1].clone()));
        w.run(Duration::from_secs(1_000));
        w.press(Next);
    }
    let (texts, labels): (Vec<String>, Vec<String>) = pages.into_iter().unzip();
    assert_eq!(texts.join(" "), problems.join(" "));
    assert_eq!(labels, ["MORE", "MORE", "OK"]);
    assert_eq!(w.screen(), "NoPassphrase");
}

#[test]
fn a_long_error_has_pages_and_goes_with_its_time() {
    let mut w = world(Some(PASSPHRASE));
    w.press(Talk);
    w.say(B, "call");
    let offer = w.heard_line(B, "* offer").expect("an offer");
    w.say(A, &offer);
    let (kind, _, page, pages) = w.note();
    assert_eq!((kind, page, pages), (NoticeKind::Error, 0, 2));
    w.run(Duration::from_secs(10));
    w.press(Next);
    assert_eq!(w.note().2, 1);
    w.run(Duration::from_secs(10));
    assert_eq!(w.note().2, 1);
    w.run(Duration::from_secs(5));
    assert_eq!(w.screen(), "OfferWaiting");
}

#[test]
fn what_a_newer_text_covered_comes_back_for_its_whole_time() {
    let mut w = world(Some(PASSPHRASE));
    w.say(A, "hang");
    w.run(Duration::from_secs(14));
    w.input(A, Input::Note("the microphone is back"));
    assert_eq!(w.note().0, NoticeKind::Note);
    w.run(Duration::from_secs(8));
    assert_eq!(w.note().0, NoticeKind::Error);
    w.run(Duration::from_secs(14));
    assert_eq!(w.note().0, NoticeKind::Error);
    w.press(Talk);
    assert_eq!(w.screen(), "Ready");
}

#[test]
fn a_note_in_a_call_leaves_talking_and_takes_a_press_for_itself() {
    let mut w = connected();
    w.input(A, Input::Note("the speaker is gone; it is looked for"));
    assert_eq!(w.labels(), ["hold TALK", "OK", ""]);
    w.levels(None);
    w.levels(Some(Talk));
    assert_eq!((w.screen(), w.labels()[0].as_str()), ("News", "[TALKING]"));
    w.levels(None);
    w.hold(Back);
    assert_eq!(w.screen(), "InCall");
}

#[test]
fn the_name_is_shown_for_a_second_after_power_on() {
    let mut w = World::with_passphrases(None, None);
    assert_eq!(
        (w.screen(), w.labels()),
        ("Start", ["", "", ""].map(String::from))
    );
    w.run_ms(1_000);
    assert_eq!(w.screen(), "NoPassphrase");
}

#[test]
fn a_new_passphrase_stays_until_it_was_read_whatever_else_happens() {
    let mut w = world(None);
    w.press(Talk);
    assert_eq!(w.screen(), "NewPassphrase");
    w.input(A, Input::Note("the microphone is gone"));
    w.input(A, Input::Stick(sotto::intercom::stick::Event::Arrived));
    w.input(A, Input::Stick(sotto::intercom::stick::Event::Removed));
    w.run(Duration::from_secs(60));
    assert_eq!(w.screen(), "NewPassphrase");
}

#[test]
fn talk_goes_through_news_that_nobody_may_have_seen() {
    let mut w = world(Some(PASSPHRASE));
    w.input(A, Input::Note("the display is gone"));
    assert_eq!((w.screen(), w.labels()[0].as_str()), ("News", "CALL"));
    w.press(Talk);
    assert!(w.heard_line(A, "* offer").is_some());
    assert_eq!(w.screen(), "OfferWaiting");
}

#[test]
fn the_light_is_off_then_glows_then_is_steady_and_blinks_while_the_microphone_is_open() {
    let mut w = world(Some(PASSPHRASE));
    // Share of two seconds that it is lit, in hundredths, and how often it goes on.
    let watch = |w: &mut World| {
        let lit: Vec<bool> = (0..200)
            .map(|_| {
                w.run_ms(10);
                w.ends[A].intercom.led(w.now)
            })
            .collect();
        let on = lit.iter().filter(|l| **l).count() / 2;
        (on, lit.windows(2).filter(|l| !l[0] && l[1]).count())
    };
    assert_eq!(watch(&mut w), (0, 0));
    w.press(Talk);
    assert_eq!(watch(&mut w).0, 5);
    w.say(A, "hang");
    w.connect("call");
    assert_eq!(watch(&mut w), (100, 0));
    w.levels(Some(Talk));
    let (on, blinks) = watch(&mut w);
    assert_eq!((on, (9..=10).contains(&blinks)), (50, true));
}
