//! The built-in letters: a folder of `emails/` for each event that is mailed, and what several of them share.

use super::letter::LetterInput;
use crate::domain::event::{EventName, Topic, event_table};

/// The text and the page that every letter is laid out by.
pub(super) const LAYOUTS: [(&str, &str); 2] = [
    ("builtin/letter.txt", include_str!("emails/letter.txt")),
    ("builtin/letter.html", include_str!("emails/letter.html")),
];

/// What the words of several letters include.
pub(super) const SHARED: [(&str, &str); 7] = [
    ("_case_fields.txt", include_str!("emails/_case_fields.txt")),
    ("_decision_fields.txt", include_str!("emails/_decision_fields.txt")),
    ("_do_not_pay.txt", include_str!("emails/_do_not_pay.txt")),
    ("_outage_fields.txt", include_str!("emails/_outage_fields.txt")),
    ("_void_fields.txt", include_str!("emails/_void_fields.txt")),
    ("_watched.txt", include_str!("emails/_watched.txt")),
    ("_which.txt", include_str!("emails/_which.txt")),
];

/// The files of one letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Email {
    /// Its folder.
    pub(super) name: &'static str,
    /// `subject.txt`: the subject, on one or more lines.
    pub(super) subject: &'static str,
    /// `body.txt`: the words. The first paragraph is the fact, the others what it means and what to do; what is indented
    /// is to be typed. At its top stands what else the letter has: `tone`, `link`, `qr`, `fields`, `sections`.
    pub(super) body: &'static str,
    /// `body.html`: the page that the words are laid out in.
    pub(super) html: &'static str,
    /// `sample.json`: the facts of a believable letter.
    pub(super) sample: &'static str,
}

macro_rules! email {
    ($name:literal) => {
        Email {
            name: $name,
            subject: include_str!(concat!("emails/", $name, "/subject.txt")),
            body: include_str!(concat!("emails/", $name, "/body.txt")),
            html: include_str!(concat!("emails/", $name, "/body.html")),
            sample: include_str!(concat!("emails/", $name, "/sample.json")),
        }
    };
}

macro_rules! folders {
    ($($(#[$doc:meta])* $event:ident => $word:literal, $topic:ident, $mailed:ident, $timing:ident;)+) => {
        /// The letter about `event`; of one that is never mailed, what previews and tests show.
        const fn email(event: EventName) -> &'static Email {
            match event { $(EventName::$event => folders!(@$mailed $word)),+ }
        }
    };
    (@Never $word:literal) => { &OTHER };
    (@$mailed:ident $word:literal) => { { const EMAIL: &Email = &email!($word); EMAIL } };
}

event_table!(folders);

/// The letter that is left where an event has none, or where its own cannot be written.
pub(super) const OTHER: Email = email!("other");

/// The letter about `input`.
pub(super) fn of(input: &LetterInput) -> &'static Email {
    let without_its_deposit = input.event.topic() == Topic::Deposit && input.deposit.is_none();
    if without_its_deposit { &OTHER } else { email(input.event) }
}

/// The facts of a believable letter about `event`, as JSON.
pub(super) const fn sample(event: EventName) -> &'static str {
    email(event).sample
}

/// Every letter, the one that is left included.
pub(super) fn all() -> impl Iterator<Item = &'static Email> {
    let mailed = EventName::ALL.iter().filter(|event| event.has_letter());
    mailed.map(|event| email(*event)).chain([&OTHER])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_folder_is_the_letter_of_an_event() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/notifier/emails");
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
        let found: BTreeSet<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
        assert_eq!(found, all().map(|email| email.name.to_owned()).collect());
    }
}
