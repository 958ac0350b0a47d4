//! Texts over the screen until a button or time takes them away, the newest on top, one of each kind.

use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::intercom::screen::{self, Key, NoticeKind, View};

/// How long "ended", errors and what a sound check found stay, each page of them.
const LONG: Duration = Duration::from_secs(15);
/// How long notes do.
const SHORT: Duration = Duration::from_secs(8);

/// At most one of each kind, so they are few.
#[derive(Default)]
pub(super) struct Notices {
    stack: Vec<Notice>,
    /// When the topmost goes.
    until: Option<Instant>,
}

enum Notice {
    Passphrase(Zeroizing<String>),
    Text {
        kind: NoticeKind,
        pages: Vec<String>,
        page: usize,
    },
}

impl Notices {
    pub fn passphrase(&mut self, now: Instant, words: &str) {
        let words = Zeroizing::new(words.to_owned());
        self.stack.retain(|n| !matches!(n, Notice::Passphrase(_)));
        self.stack.push(Notice::Passphrase(words));
        self.reveal(now);
    }

    pub fn settings(&mut self, now: Instant, problems: &[String]) {
        if !problems.is_empty() {
            let pages = problems.iter().flat_map(|p| screen::pages(p)).collect();
            self.put(now, NoticeKind::Settings, pages);
        }
    }

    pub fn ended(&mut self, now: Instant, reason: &str) {
        self.put(now, NoticeKind::Ended, screen::pages(reason));
    }

    pub fn check(&mut self, now: Instant, text: &str) {
        self.put(now, NoticeKind::Check, screen::pages(text));
    }

    pub fn problem(&mut self, now: Instant, text: &str) {
        self.put(now, NoticeKind::Error, screen::pages(text));
    }

    pub fn note(&mut self, now: Instant, text: &str) {
        self.put(now, NoticeKind::Note, screen::pages(text));
    }

    fn put(&mut self, now: Instant, kind: NoticeKind, pages: Vec<String>) {
        self.stack
            .retain(|n| !matches!(n, Notice::Text { kind: k, .. } if *k == kind));
        let page = 0;
        self.stack.push(Notice::Text { kind, pages, page });
        self.reveal(now);
    }

    pub fn clear(&mut self) {
        self.stack.clear();
        self.until = None;
    }

    /// Only what the owner has to say OK to stays.
    pub fn make_way(&mut self) {
        self.stack.retain(|n| match n {
            Notice::Passphrase(_) => true,
            Notice::Text { kind, .. } => *kind == NoticeKind::Settings,
        });
        self.until = None;
    }

    pub fn is_empty(&self) -> bool {
        self.stack.is_empty()
    }

    /// Whether the owner has to say that it was read.
    pub fn insists(&self) -> bool {
        matches!(self.stack.last(), Some(Notice::Passphrase(_)))
    }

    /// The next page, or what is beneath.
    pub fn next(&mut self, now: Instant) {
        match self.stack.last_mut() {
            Some(Notice::Text { pages, page, .. }) if *page + 1 < pages.len() => {
                *page += 1;
                self.reveal(now);
            }
            _ => self.dismiss(now),
        }
    }

    /// What is beneath.
    pub fn dismiss(&mut self, now: Instant) {
        self.stack.pop();
        self.reveal(now);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.until
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.until.is_some_and(|until| until <= now) {
            self.dismiss(now);
        }
    }

    /// Whether all there is is a note, which stands in nobody's way.
    pub fn is_news(&self) -> bool {
        matches!(
            self.stack[..],
            [Notice::Text {
                kind: NoticeKind::Note,
                ..
            }]
        )
    }

    /// The topmost, and on it what TALK does.
    pub fn view(&self, talk: Key) -> Option<View> {
        Some(match self.stack.last()? {
            Notice::Passphrase(words) => View::NewPassphrase(words.clone()),
            Notice::Text { kind, pages, page } => View::Notice(screen::Notice {
                kind: *kind,
                text: pages.get(*page).cloned().unwrap_or_default(),
                page: *page,
                pages: pages.len(),
                talk,
            }),
        })
    }

    /// What is on top now stays its whole time from now on.
    fn reveal(&mut self, now: Instant) {
        self.until = match self.stack.last() {
            None | Some(Notice::Passphrase(_)) => None,
            Some(Notice::Text { kind, .. }) => match kind {
                NoticeKind::Settings => None,
                NoticeKind::Ended | NoticeKind::Error | NoticeKind::Check => Some(now + LONG),
                NoticeKind::Note => Some(now + SHORT),
            },
        };
    }
}
