//! One realistic view of every kind, for the pictures in the tests and in the README.

use std::time::Duration;

use super::{InCall, StickView, View};
use crate::intercom::code::Kind;

/// Every state of the screen once or more, by name, in the order of a call.
pub fn examples() -> Vec<(&'static str, View)> {
    let seconds = Duration::from_secs;
    let call = InCall {
        duration: seconds(12),
        words: Some(["crystal", "abstract", "hurdle"]),
        v1: false,
        secure: false,
        sent_dbfs: -23,
        heard_dbfs: -17,
        mic_open: true,
        muted: false,
        ptt: false,
        hears_us: true,
        bars: 4,
        silent: None,
    };
    vec![
        ("start", View::Start),
        ("no-passphrase", View::NoPassphrase),
        (
            "new-passphrase",
            View::NewPassphrase(String::from("umbrella crystal abstract hurdle ivory mountain scissors").into()),
        ),
        ("ready", View::Ready),
        ("preparing", View::Preparing),
        (
            "offer-waiting",
            View::OfferWaiting {
                waited: seconds(754),
                v1: false,
            },
        ),
        (
            "offer-waiting-v1",
            View::OfferWaiting {
                waited: seconds(9),
                v1: true,
            },
        ),
        (
            "answer-given",
            View::AnswerGiven {
                waited: seconds(5 * 3600 + 7 * 60),
                v1: false,
            },
        ),
        (
            "answer-given-v1",
            View::AnswerGiven {
                waited: seconds(40),
                v1: true,
            },
        ),
        (
            "connecting",
            View::Connecting {
                elapsed: Duration::from_millis(3250),
            },
        ),
        (
            "call-no-words-yet",
            View::InCall(InCall {
                duration: seconds(0),
                words: None,
                sent_dbfs: -52,
                heard_dbfs: -96,
                hears_us: false,
                bars: 1,
                ..call.clone()
            }),
        ),
        ("call-compare", View::InCall(call.clone())),
        (
            "call-secure",
            View::InCall(InCall {
                duration: seconds(204),
                secure: true,
                sent_dbfs: -38,
                heard_dbfs: -9,
                ..call.clone()
            }),
        ),
        (
            "call-ptt-closed",
            View::InCall(InCall {
                duration: seconds(31),
                ptt: true,
                mic_open: false,
                sent_dbfs: -96,
                bars: 3,
                ..call.clone()
            }),
        ),
        (
            "call-ptt-talking",
            View::InCall(InCall {
                duration: seconds(3723),
                secure: true,
                ptt: true,
                heard_dbfs: -96,
                ..call.clone()
            }),
        ),
        (
            "call-muted",
            View::InCall(InCall {
                duration: seconds(95),
                secure: true,
                muted: true,
                mic_open: false,
                sent_dbfs: -96,
                hears_us: false,
                bars: 2,
                ..call.clone()
            }),
        ),
        (
            "call-v1",
            View::InCall(InCall {
                duration: seconds(61),
                words: None,
                v1: true,
                ..call.clone()
            }),
        ),
        (
            "call-lost",
            View::InCall(InCall {
                duration: seconds(1288),
                secure: true,
                heard_dbfs: -96,
                hears_us: false,
                bars: 0,
                silent: Some(seconds(23)),
                ..call
            }),
        ),
        ("stick-reading", View::Stick(StickView::Reading)),
        ("stick-opening", View::Stick(StickView::Opening)),
        ("stick-writing", View::Stick(StickView::Writing)),
        ("stick-offer-written", View::Stick(StickView::Written(Kind::Offer))),
        ("stick-answer-written", View::Stick(StickView::Written(Kind::Answer))),
        ("stick-nothing", View::Stick(StickView::Nothing)),
        ("stick-question", View::Stick(StickView::Question)),
        (
            "stick-problem",
            View::Stick(StickView::Problem("This stick is write-protected. Slide its switch, or take another.".into())),
        ),
        (
            "ended",
            View::Ended {
                reason: "they hung up".into(),
            },
        ),
        (
            "ended-words-differ",
            View::Ended {
                reason: "the words differ: somebody may be between you; agree on a new passphrase, in person if you can".into(),
            },
        ),
        (
            "error",
            View::Error {
                text: "This is an answer, but no offer of yours is waiting for one. Type call to make an offer.".into(),
            },
        ),
    ]
}
