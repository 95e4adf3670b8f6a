//! The built-in letters: a folder of `emails/` for each event that is mailed, and what several of them share.

use super::letter::LetterInput;
use crate::domain::event::{EventName, Topic, event_table};

/// The text and the page that every letter is laid out by.
pub(super) const LAYOUTS: [(&str, &str); 4] = [
    ("builtin/letter.txt", include_str!("emails/letter.txt")),
    ("builtin/letter.html", include_str!("emails/letter.html")),
    ("builtin/payer.txt", include_str!("emails/payer.txt")),
    ("builtin/payer.html", include_str!("emails/payer.html")),
];

/// What the words of several letters include.
pub(super) const SHARED: [(&str, &str); 10] = [
    ("_balance_fields.txt", include_str!("emails/_balance_fields.txt")),
    ("_case_fields.txt", include_str!("emails/_case_fields.txt")),
    ("_decision_fields.txt", include_str!("emails/_decision_fields.txt")),
    ("_do_not_pay.txt", include_str!("emails/_do_not_pay.txt")),
    ("_outage_fields.txt", include_str!("emails/_outage_fields.txt")),
    ("_void_fields.txt", include_str!("emails/_void_fields.txt")),
    ("_watched.txt", include_str!("emails/_watched.txt")),
    ("_which.txt", include_str!("emails/_which.txt")),
    ("payer/_memo.txt", include_str!("emails/payer/_memo.txt")),
    ("payer/_not_payable.txt", include_str!("emails/payer/_not_payable.txt")),
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
}

macro_rules! email {
    ($above:literal, $name:literal) => {
        Email {
            name: concat!($above, $name),
            subject: include_str!(concat!("emails/", $above, $name, "/subject.txt")),
            body: include_str!(concat!("emails/", $above, $name, "/body.txt")),
            html: include_str!(concat!("emails/", $above, $name, "/body.html")),
        }
    };
}

macro_rules! folders {
    ($($(#[$doc:meta])* $event:ident => $word:literal, $topic:ident, $mailed:ident, $timing:ident,
       $audience:ident;)+) => {
        /// The operators' letter about `event`; of one that is never mailed, what previews and tests show.
        const fn for_operators(event: EventName) -> &'static Email {
            match event { $(EventName::$event => folders!(@$mailed $word)),+ }
        }

        /// The payers' letter about `event`.
        const fn for_payers(event: EventName) -> &'static Email {
            match event { $(EventName::$event => folders!(@$audience $word)),+ }
        }

        /// The facts of a believable letter about `event`, as JSON: `sample.json` of its folder.
        pub(super) const fn sample(event: EventName) -> &'static str {
            match event { $(EventName::$event => folders!(@sample $mailed $word)),+ }
        }
    };
    (@Never $word:literal) => { &OTHER };
    (@Operators $word:literal) => { &PAYER_OTHER };
    (@PayersToo $word:literal) => { &email!("payer/", $word) };
    (@$mailed:ident $word:literal) => { &email!("", $word) };
    (@sample Never $word:literal) => { "{}" };
    (@sample $mailed:ident $word:literal) => { include_str!(concat!("emails/", $word, "/sample.json")) };
}

event_table!(folders);

/// The letter that is left where an event has none, or where its own cannot be written.
const OTHER: Email = email!("", "other");
const PAYER_OTHER: Email = email!("payer/", "other");

/// The letter about `input`.
pub(super) fn of(input: &LetterInput) -> &'static Email {
    let without_its_deposit = input.event.topic() == Topic::Deposit && input.deposit.is_none();
    match input.payer {
        _ if without_its_deposit => left(input),
        Some(_) => for_payers(input.event),
        None => for_operators(input.event),
    }
}

/// What is left where the letter about `input` cannot be written.
pub(super) const fn left(input: &LetterInput) -> &'static Email {
    if input.payer.is_some() { &PAYER_OTHER } else { &OTHER }
}

/// Every letter.
pub(super) fn all() -> impl Iterator<Item = &'static Email> {
    let mailed = EventName::ALL.iter().filter(|event| event.has_letter());
    let payers = EventName::ALL.iter().filter(|event| event.is_told_to_payers());
    mailed
        .map(|event| for_operators(*event))
        .chain(payers.map(|event| for_payers(*event)))
        .chain([&OTHER, &PAYER_OTHER])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_folder_is_the_letter_of_an_event() {
        let folders = |of: &str| {
            let folder = format!("{}/src/notifier/emails/{of}", env!("CARGO_MANIFEST_DIR"));
            let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
            let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
            folders
                .map(|entry| format!("{of}{}", entry.file_name().into_string().unwrap()))
                .collect::<BTreeSet<_>>()
        };
        let mut found = folders("");
        assert!(found.remove("payer"));
        found.extend(folders("payer/"));
        assert_eq!(found, all().map(|email| email.name.to_owned()).collect());
    }
}
