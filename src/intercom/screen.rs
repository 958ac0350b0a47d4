//! What the owner sees: state to 128x64 pixels.

use std::time::Duration;

/// What the screen shows, derived from the state of the intercom and nothing else.
#[derive(Clone, Debug, PartialEq)]
pub enum View {
    /// Before the first input.
    Start,
    /// No passphrase yet: says how to set one.
    NoPassphrase,
    /// A passphrase was just made; shown until the owner goes on (NEXT or BACK).
    NewPassphrase(String),
    /// Idle, with a passphrase.
    Ready,
    /// A key is being derived, or addresses gathered.
    Preparing,
    /// Our offer waits for its answer.
    OfferWaiting {
        /// Since the offer was shown.
        waited: Duration,
        /// The weak, original format.
        v1: bool,
    },
    /// Our answer was given; the peer has to come to us.
    AnswerGiven {
        /// Since the answer was shown.
        waited: Duration,
        /// The weak, original format.
        v1: bool,
    },
    /// The path is being checked.
    Connecting {
        /// Since it began.
        elapsed: Duration,
    },
    /// Voice flows.
    InCall(InCall),
    /// The call is over.
    Ended {
        /// In the owner's words, as in `* ended REASON`.
        reason: String,
    },
    /// Something was wrong; what to do.
    Error {
        /// As in `! …`: what happened and what to do.
        text: String,
    },
}

/// The call screen.
#[derive(Clone, Debug, PartialEq)]
pub struct InCall {
    /// Since connected.
    pub duration: Duration,
    /// The words to compare; none in a v1 call, or before both ends revealed.
    pub words: Option<[&'static str; 3]>,
    /// The original page's format: no words, weak salt.
    pub v1: bool,
    /// The owner said that the words are the same.
    pub secure: bool,
    /// Microphone level as sent, dBFS, -96 to 0.
    pub sent_dbfs: i8,
    /// Speaker level as played, dBFS, -96 to 0.
    pub heard_dbfs: i8,
    /// Voice is being sent.
    pub mic_open: bool,
    /// `mute on`.
    pub muted: bool,
    /// Push to talk rather than open.
    pub ptt: bool,
    /// The peer's receiver reports say that our packets arrive.
    pub hears_us: bool,
    /// Quality of what we receive, 0 (none) to 4.
    pub bars: u8,
    /// Nothing authenticated came for a while: for how long.
    pub silent: Option<Duration>,
}
