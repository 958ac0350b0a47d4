//! One realistic view of every kind, for the pictures in the tests and in the README.

use std::time::Duration;

use super::text::pages;
use super::{InCall, Key, Microphone, Mode, Notice, NoticeKind, StickView, View};
use crate::intercom::code::Kind;
use crate::intercom::owner::entry::Shown;
use crate::intercom::owner::menu::Item;

const SEVEN: &str = "umbrella crystal abstract hurdle ivory mountain scissors";
const OPEN: Microphone = Microphone {
    open: true,
    muted: false,
    ptt: false,
};
const CLOSED: Microphone = Microphone {
    open: false,
    muted: false,
    ptt: true,
};

/// Every state of the screen once or more, by name, in the order of a call.
pub fn examples() -> Vec<(&'static str, View)> {
    let mut all = vec![("start", View::Start)];
    all.extend(passphrases());
    all.extend(set_up());
    all.extend(waiting());
    all.extend(sticks());
    all.extend(calls());
    all.extend(notices());
    all
}

fn passphrases() -> Vec<(&'static str, View)> {
    let entering = |text: &str, whole, halves: [&str; 2]| {
        View::Entering(Shown {
            text: text.to_owned().into(),
            whole,
            halves: halves.map(str::to_owned),
        })
    };
    let eleven = format!("{SEVEN} umbrella crystal abstract hurdle is");
    vec![
        ("no-passphrase", View::NoPassphrase),
        (
            "new-passphrase",
            View::NewPassphrase(SEVEN.to_owned().into()),
        ),
        ("entering-first-word", entering("", false, ["A-K", "L-Z"])),
        (
            "entering",
            entering("umbrella crystal abs", false, ["EO", "TU"]),
        ),
        (
            "entering-word-or-end",
            entering("umbrella ", false, ["A-L", "M-Z/USE"]),
        ),
        (
            "entering-whole",
            entering(&format!("{SEVEN} "), true, ["USE", "MORE"]),
        ),
        ("entering-more", entering(&eleven, false, ["L", "OS"])),
    ]
}

fn set_up() -> Vec<(&'static str, View)> {
    let menu = |item| View::Menu {
        item,
        mode: Mode::Ptt,
        volume: 70,
    };
    let volume = |volume, microphone| View::Volume { volume, microphone };
    vec![
        ("ready", View::Ready),
        ("menu", menu(Item::Mode)),
        ("menu-end", menu(Item::About)),
        ("replace", View::Replace),
        ("sound-check", View::SoundCheck { percent: 45 }),
        ("volume", volume(70, None)),
        ("volume-in-call", volume(100, Some(CLOSED))),
        (
            "about",
            View::About {
                stun: vec!["stun.l.google.com:19302".into()],
                uptime: Duration::from_secs(3 * 3600 + 7 * 60),
            },
        ),
        (
            "about-no-server",
            View::About {
                stun: Vec::new(),
                uptime: Duration::from_secs(62),
            },
        ),
    ]
}

fn waiting() -> Vec<(&'static str, View)> {
    let seconds = Duration::from_secs;
    let offer = |waited, v1, again| View::OfferWaiting { waited, v1, again };
    let answer = |waited, v1| View::AnswerGiven {
        waited,
        v1,
        again: false,
    };
    vec![
        ("preparing", View::Preparing),
        ("offer-waiting", offer(seconds(754), false, false)),
        ("offer-waiting-again", offer(seconds(754), false, true)),
        ("offer-waiting-v1", offer(seconds(9), true, false)),
        ("answer-given", answer(seconds(5 * 3600 + 7 * 60), false)),
        ("answer-given-v1", answer(seconds(40), true)),
        (
            "connecting",
            View::Connecting {
                elapsed: Duration::from_millis(3250),
                again: false,
            },
        ),
    ]
}

fn sticks() -> Vec<(&'static str, View)> {
    [
        ("stick-reading", StickView::Reading),
        ("stick-opening", StickView::Opening),
        ("stick-writing", StickView::Writing),
        ("stick-offer-written", StickView::Written(Kind::Offer)),
        ("stick-answer-written", StickView::Written(Kind::Answer)),
        ("stick-nothing", StickView::Nothing),
        ("stick-question", StickView::Question),
    ]
    .map(|(name, view)| (name, View::Stick(view)))
    .into()
}

fn calls() -> Vec<(&'static str, View)> {
    let seconds = Duration::from_secs;
    let words = ["crystal", "abstract", "hurdle"];
    let call = InCall {
        duration: seconds(12),
        words: Some(words),
        v1: false,
        secure: false,
        sent_dbfs: -23,
        heard_dbfs: -17,
        microphone: OPEN,
        hears_us: true,
        bars: 4,
        silent: None,
    };
    let variants = [
        (
            "call-no-words-yet",
            InCall {
                duration: seconds(0),
                words: None,
                sent_dbfs: -52,
                heard_dbfs: -96,
                hears_us: false,
                bars: 1,
                ..call.clone()
            },
        ),
        ("call-compare", call.clone()),
        (
            "call-secure",
            InCall {
                duration: seconds(204),
                secure: true,
                sent_dbfs: -38,
                heard_dbfs: -9,
                ..call.clone()
            },
        ),
        (
            "call-ptt-closed",
            InCall {
                duration: seconds(31),
                microphone: CLOSED,
                sent_dbfs: -96,
                bars: 3,
                ..call.clone()
            },
        ),
        (
            "call-ptt-talking",
            InCall {
                duration: seconds(3723),
                secure: true,
                microphone: Microphone {
                    open: true,
                    ..CLOSED
                },
                heard_dbfs: -96,
                ..call.clone()
            },
        ),
        (
            "call-muted",
            InCall {
                duration: seconds(95),
                secure: true,
                microphone: Microphone {
                    open: false,
                    muted: true,
                    ..OPEN
                },
                sent_dbfs: -96,
                hears_us: false,
                bars: 2,
                ..call.clone()
            },
        ),
        (
            "call-v1",
            InCall {
                duration: seconds(61),
                words: None,
                v1: true,
                ..call.clone()
            },
        ),
        (
            "call-lost",
            InCall {
                duration: seconds(1288),
                secure: true,
                heard_dbfs: -96,
                hears_us: false,
                bars: 0,
                silent: Some(seconds(23)),
                ..call
            },
        ),
    ];
    let mut views: Vec<(&str, View)> = variants.map(|(n, c)| (n, View::InCall(c))).into();
    let compare = View::Compare {
        words,
        microphone: CLOSED,
    };
    views.insert(2, ("compare", compare));
    views
}

fn notices() -> Vec<(&'static str, View)> {
    let notice = |kind, text: &str, page: usize, talk| {
        let pages = pages(text);
        View::Notice(Notice {
            kind,
            text: pages[page].clone(),
            page,
            pages: pages.len(),
            talk,
        })
    };
    let differ = "the words differ: somebody may be between you; agree on a new passphrase, in person if you can";
    let answer = "This is an answer, but no offer of yours is waiting for one. Press TALK, or type call, to make an offer.";
    let offer = "This is their offer, and your own offer is waiting. Hold BACK, or type hang, to forget yours; then enter theirs again.";
    let cannot = "the key could not be made: this machine has no memory for it; try again, and if it does not help, switch the intercom off and on again";
    let mistake = "sotto.toml:2: unknown key `volum`, expected one of `passphrase`, `volume`, `mode`, `stun`, `sound`";
    let heard = "All is well. What the speaker plays is heard after 62 ms, 9 dB softer, 1 % distorted; the room is at -58 dBFS.";
    let stuck = "the TALK button is stuck down and ignored until it is released";
    vec![
        (
            "ended",
            notice(NoticeKind::Ended, "they hung up", 0, Key::Idle),
        ),
        (
            "ended-words-differ",
            notice(NoticeKind::Ended, differ, 0, Key::Idle),
        ),
        ("error", notice(NoticeKind::Error, answer, 0, Key::Idle)),
        ("error-long", notice(NoticeKind::Error, offer, 0, Key::Idle)),
        (
            "error-page-2",
            notice(NoticeKind::Error, cannot, 1, Key::Idle),
        ),
        ("checked", notice(NoticeKind::Check, heard, 0, Key::Idle)),
        (
            "note",
            notice(NoticeKind::Note, stuck, 0, Key::Press("CALL".into())),
        ),
        (
            "note-in-call",
            notice(
                NoticeKind::Note,
                "the microphone is gone; it is looked for",
                0,
                CLOSED.key(),
            ),
        ),
        (
            "settings",
            notice(NoticeKind::Settings, mistake, 0, Key::Idle),
        ),
    ]
}
