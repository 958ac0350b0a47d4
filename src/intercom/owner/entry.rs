//! Words of the BIP-39 English list, entered with two buttons: each press halves the letters that can follow.
//!
//! The letters are in the order of the alphabet and are halved by how many words go on with each, so every press
//! rules out about half of the list. Over the whole list a word takes 11.4 presses on average and 14 at most, seven words
//! 80 on average and 98 at most. A wheel that one button turns and another takes from needs 159 and 343, or with its
//! letters in the order of their frequency, where nobody finds them, 120 and 259.
//!
//! A letter that must follow is taken by itself, and a word completes itself as soon as it is the only one.

use std::ops::Range;

use bip39::Language;
use zeroize::Zeroizing;

/// Words of a passphrase that sotto made: then the owner is asked whether that is all.
const USUAL: usize = 7;
/// Words of the longest one that can be entered; BIP-39 makes none longer.
pub const MOST: usize = 24;
/// How likely the end is after a word, in words that might come instead: six presses away.
const USE_WEIGHT: usize = 64;

/// A passphrase in the making; zeroed when dropped.
pub struct Entry {
    /// Whole words, by their place in the list.
    words: Zeroizing<Vec<usize>>,
    /// The beginning of the next one.
    letters: Zeroizing<String>,
    /// Which of [`Self::choices`] are left to choose from.
    left: Range<usize>,
    /// More words were asked for after the usual number.
    more: bool,
}

/// Which half of what is left; TALK takes the first, NEXT the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Up to the middle.
    First,
    /// From the middle on.
    Second,
}

/// What can come next.
#[derive(Clone, Copy, PartialEq)]
enum Choice {
    Letter(char),
    /// The word is whole, though others go on.
    End,
    /// The passphrase is whole.
    Use,
}

/// What the screen shows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Whole words and the beginning of the next, with a space after each whole one.
    pub text: Zeroizing<String>,
    /// All words that a passphrase usually has are there: they can be checked and used.
    pub whole: bool,
    /// What the halves hold, at most seven characters each; empty: nothing.
    pub halves: [String; 2],
}

impl Default for Entry {
    /// Nothing entered yet.
    fn default() -> Self {
        let mut entry = Self {
            // Never grows, which would leave a copy behind.
            words: Zeroizing::new(Vec::with_capacity(MOST)),
            letters: Zeroizing::new(String::with_capacity(8)),
            left: 0..0,
            more: false,
        };
        entry.left = 0..entry.choices().len();
        entry
    }
}

impl Entry {
    /// Takes half of what is left. Gives the passphrase when that was its end.
    pub fn take(&mut self, half: Half) -> Option<Zeroizing<String>> {
        if self.is_whole() {
            match half {
                Half::First => return Some(self.text()),
                Half::Second if self.words.len() < MOST => self.more = true,
                Half::Second => {}
            }
            return None;
        }
        let middle = self.middle(&self.choices());
        self.left = match half {
            Half::First => self.left.start..middle,
            Half::Second => middle..self.left.end,
        };
        self.settle()
    }

    /// Takes the last letter back, with the presses that were made towards the next; false if there was nothing to
    /// take back.
    pub fn back(&mut self) -> bool {
        if self.left != (0..self.choices().len()) {
            // Presses towards a letter.
        } else if !self.letters.is_empty() {
            self.letters.pop();
            self.reopen();
        } else if self.more {
            self.more = false;
        } else if let Some(word) = self.words.pop() {
            self.letters.push_str(Language::English.word_list()[word]);
            self.reopen();
        } else {
            return false;
        }
        self.left = 0..self.choices().len();
        true
    }

    /// For the screen.
    pub fn shown(&self) -> Shown {
        let whole = self.is_whole();
        let halves = if whole {
            let more = if self.words.len() < MOST { "MORE" } else { "" };
            ["USE".into(), more.into()]
        } else {
            let choices = self.choices();
            let middle = self.middle(&choices);
            [self.left.start..middle, middle..self.left.end].map(|half| label(&choices[half]))
        };
        let mut text = self.text();
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&self.letters);
        Shown {
            text,
            whole,
            halves,
        }
    }

    /// The whole words, with room for a beginning behind them.
    fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(9 * (MOST + 1)));
        for &word in self.words.iter() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(Language::English.word_list()[word]);
        }
        text
    }

    /// Whether the owner is asked to check the words and use them.
    fn is_whole(&self) -> bool {
        self.words.len() >= USUAL && self.letters.is_empty() && !self.more
    }

    /// Takes what is the only choice, as long as there is only one.
    fn settle(&mut self) -> Option<Zeroizing<String>> {
        loop {
            let choices = self.choices();
            let [choice] = choices[self.left.clone()] else {
                return None;
            };
            match choice.0 {
                Choice::Use => return Some(self.text()),
                Choice::Letter(letter) => self.letters.push(letter),
                Choice::End => {}
            }
            let (first, words) = beginning_with(&self.letters);
            if choice.0 == Choice::End || words.len() == 1 {
                self.words.push(first);
                self.letters.clear();
                self.more = false;
            }
            self.left = 0..self.choices().len();
        }
    }

    /// Goes back to where something was chosen: letters that had to be were nobody's choice.
    fn reopen(&mut self) {
        while !self.letters.is_empty()
            && (beginning_with(&self.letters).1.len() == 1 || self.choices().len() == 1)
        {
            self.letters.pop();
        }
    }

    /// Everything that can come next, with the number of words behind it.
    fn choices(&self) -> Vec<(Choice, usize)> {
        let (_, mut words) = beginning_with(&self.letters);
        let length = self.letters.len();
        let ends = words.first().is_some_and(|w| w.len() == length);
        words = &words[usize::from(ends)..];
        let mut choices = Vec::new();
        while let Some(letter) = words.first().map(|w| w.as_bytes()[length]) {
            let count = words.partition_point(|w| w.as_bytes()[length] == letter);
            choices.push((Choice::Letter(char::from(letter)), count));
            words = &words[count..];
        }
        if ends {
            choices.push((Choice::End, 1));
        }
        if self.letters.is_empty() && !self.words.is_empty() {
            choices.push((Choice::Use, USE_WEIGHT));
        }
        choices
    }

    /// Where what is left is halved, at least one choice from either end.
    fn middle(&self, choices: &[(Choice, usize)]) -> usize {
        let weight = |range: Range<usize>| choices[range].iter().map(|c| c.1).sum::<usize>();
        let all = weight(self.left.clone());
        (self.left.start + 1..self.left.end)
            .min_by_key(|&middle| all.abs_diff(2 * weight(self.left.start..middle)))
            .unwrap_or(self.left.end)
    }
}

/// The words that begin so, and the place of the first.
fn beginning_with(letters: &str) -> (usize, &'static [&'static str]) {
    let list: &'static [&'static str] = Language::English.word_list();
    let first = list.partition_point(|w| *w < letters);
    let count = list[first..].partition_point(|w| w.starts_with(letters));
    (first, &list[first..first + count])
}

/// The letters one by one if they are few, else the first and the last.
fn label(choices: &[(Choice, usize)]) -> String {
    let letters: Vec<char> = choices
        .iter()
        .filter_map(|c| match c.0 {
            Choice::Letter(letter) => Some(letter.to_ascii_uppercase()),
            _ => None,
        })
        .collect();
    let end = choices.iter().find_map(|c| match c.0 {
        Choice::Letter(_) => None,
        Choice::End => Some("END"),
        Choice::Use => Some("USE"),
    });
    let room = if end.is_some() { 3 } else { 7 };
    let mut label = match (letters.first(), letters.last()) {
        (Some(first), Some(last)) if letters.len() > room => format!("{first}-{last}"),
        _ => letters.into_iter().collect(),
    };
    if let Some(end) = end {
        if !label.is_empty() {
            label.push('/');
        }
        label.push_str(end);
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The presses that enter a word at the beginning of `entry`.
    fn spell(entry: &mut Entry, word: &str) -> usize {
        let before = entry.words.len();
        let mut presses = 0;
        while entry.words.len() == before {
            let choices = entry.choices();
            let wanted = match word[entry.letters.len()..].chars().next() {
                Some(letter) => Choice::Letter(letter),
                None => Choice::End,
            };
            let at = choices
                .iter()
                .position(|c| c.0 == wanted)
                .expect("its letter");
            let half = match at < entry.middle(&choices) {
                true => Half::First,
                false => Half::Second,
            };
            for label in entry.shown().halves {
                assert!((1..=7).contains(&label.len()), "{label:?}");
            }
            assert_eq!(entry.take(half), None);
            presses += 1;
        }
        assert_eq!(
            Language::English.word_list()[*entry.words.last().unwrap()],
            word
        );
        presses
    }

    fn after(words: &str) -> Entry {
        let mut entry = Entry::default();
        for word in words.split_whitespace() {
            spell(&mut entry, word);
        }
        entry
    }

    #[test]
    fn every_word_takes_11_presses_on_average_and_14_at_most_each_with_labels_that_fit() {
        let list = Language::English.word_list();
        for (before, average) in [("", 11.43), ("zoo", 11.45)] {
            let presses: Vec<usize> = list.iter().map(|w| spell(&mut after(before), w)).collect();
            let sum: usize = presses.iter().sum();
            assert_eq!(presses.iter().max(), Some(&14));
            assert!(
                (sum as f64 / list.len() as f64 - average).abs() < 0.005,
                "{sum}"
            );
        }
    }

    #[test]
    fn a_word_that_others_begin_with_has_an_end_of_its_own() {
        let mut entry = after("act");
        assert_eq!(&*entry.shown().text, "act ");
        assert!(entry.back());
        assert_eq!(&*entry.shown().text, "act");
        assert_eq!(entry.shown().halves, ["IO", "RU/END"]);
        assert_eq!(&*after("actor").shown().text, "actor ");
    }

    #[test]
    fn back_takes_presses_then_letters_then_words_and_in_the_end_nothing() {
        let mut entry = after("zoo crystal");
        entry.take(Half::First);
        let mut seen = Vec::new();
        while entry.back() {
            seen.push(entry.shown().text.to_string());
        }
        assert_eq!(
            seen,
            [
                "zoo crystal ",
                "zoo cry",
                "zoo cr",
                "zoo c",
                "zoo ",
                "zo",
                "z",
                ""
            ]
        );
        assert_eq!(entry.shown(), Entry::default().shown());
    }

    #[test]
    fn after_seven_words_they_can_be_used_or_more_be_entered() {
        let seven = ["zoo"; 7].join(" ");
        let mut entry = after(&seven);
        assert_eq!(entry.shown().halves, ["USE", "MORE"]);
        assert_eq!(entry.take(Half::Second), None);
        spell(&mut entry, "zone");
        assert!(entry.shown().whole);
        let text = entry.take(Half::First).expect("a passphrase");
        assert_eq!(*text, format!("{seven} zone"));
    }

    #[test]
    fn twenty_four_words_are_the_most() {
        let mut entry = after(&["zoo"; 7].join(" "));
        for _ in 7..MOST {
            entry.take(Half::Second);
            spell(&mut entry, "abandon");
        }
        assert_eq!(entry.shown().halves, ["USE", ""]);
        assert_eq!(entry.take(Half::Second), None);
        assert_eq!(
            entry.take(Half::First).map(|t| t.split(' ').count()),
            Some(24)
        );
    }

    #[test]
    fn fewer_words_than_seven_are_used_by_a_choice_behind_the_letters() {
        let mut entry = after("zoo zoo");
        for _ in 0..5 {
            assert_eq!(entry.take(Half::Second), None);
        }
        assert_eq!(entry.shown().halves[1], "USE");
        assert_eq!(
            entry.take(Half::Second).as_deref().map(|s| s.as_str()),
            Some("zoo zoo")
        );
    }
}
