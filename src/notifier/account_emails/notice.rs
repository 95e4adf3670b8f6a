//! The facts of a notice, read one by one, and laid out as a table or as a list.

use serde_json::{Map, Value};

use crate::domain::time::Timestamp;
use crate::notifier::content::{Content, Field, Section, Tone};
use crate::notifier::fields;
use crate::notifier::letter::LetterInput;
use crate::notifier::text::{label, one_line, scalar, untrusted, untrusted_within};

/// At most so many facts, and so many lines of a list, in one letter.
const MAX_FIELDS: usize = 24;
const MAX_ITEMS: usize = 50;

/// The facts of a notice, whatever is missing from them.
pub(super) struct Notice<'a> {
    pub(super) input: &'a LetterInput,
    pub(super) members: Map<String, Value>,
}

impl Notice<'_> {
    pub(super) fn get(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.members.get(*name).and_then(scalar))
    }

    pub(super) fn time(&self, names: &[&str]) -> Option<Timestamp> {
        names.iter().find_map(|name| {
            self.members.get(*name).and_then(Value::as_str).and_then(|text| Timestamp::parse(text).ok())
        })
    }

    /// How many a member counts: a number, or the length of a list.
    pub(super) fn count(&self, names: &[&str]) -> Option<u64> {
        names.iter().find_map(|name| match self.members.get(*name)? {
            Value::Array(items) => u64::try_from(items.len()).ok(),
            Value::Number(number) => number.as_u64(),
            _ => None,
        })
    }

    /// The scalar members as a table, the `known` ones first and under their names.
    pub(super) fn fields(&self, known: &[(&str, &str)]) -> Vec<Field> {
        let mut found = Vec::new();
        for (key, name) in known {
            if let Some(value) = self.members.get(*key).and_then(scalar) {
                found.push(if key.ends_with("id") || key.ends_with("hash") {
                    Field::mono(name, value)
                } else {
                    Field::new(name, value)
                });
            }
        }
        let rest = self.members.iter().filter(|(key, _)| !known.iter().any(|(name, _)| name == key));
        for (key, value) in rest {
            if let Some(value) = scalar(value) {
                found.push(Field::new(&label(key), value));
            }
        }
        if let Some(reason) = self.input.reason.as_deref().map(untrusted).filter(|text| !text.is_empty()) {
            found.push(Field::new("Reason", reason));
        }
        if let Some(view) = &self.input.deposit {
            let of_deposit = fields::of_deposit(self.input.event, view, false);
            let known: Vec<String> = found.iter().map(|field| field.label.clone()).collect();
            found.extend(of_deposit.into_iter().filter(|field| !known.contains(&field.label)));
        }
        found.truncate(MAX_FIELDS);
        found
    }

    pub(super) fn content(
        &self,
        tone: Tone,
        subject: &str,
        lead: String,
        next: &[&str],
        known: &[(&str, &str)],
    ) -> Content {
        Content {
            next: next.iter().map(|text| (*text).to_owned()).collect(),
            fields: self.fields(known),
            ..Content::new(tone, one_line(subject, 160), lead)
        }
    }

    pub(super) fn kind(&self) -> String {
        self.get(&["kind"]).unwrap_or_else(|| "a difference".to_owned())
    }
}

/// `1 letter`, `2 letters`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A list of the digest, a line an item; `None` when there is nothing to list.
pub(super) fn section(title: &str, value: &Value) -> Option<Section> {
    let list = value.as_array().filter(|list| !list.is_empty())?;
    let mut items: Vec<String> = list.iter().take(MAX_ITEMS).map(item).collect();
    let more = list.len().saturating_sub(items.len());
    if more > 0 {
        items.push(format!("and {more} more"));
    }
    Some(Section { title: title.to_owned(), items })
}

/// What a line of the digest says first, as far as it is known.
const ITEM: &[&str] = &[
    "event",
    "reference",
    "kind",
    "amount",
    "currency",
    "network",
    "state",
    "count",
    "usd",
    "expected",
    "found",
    "booked",
    "corrected",
    "days",
    "id",
];

fn item(value: &Value) -> String {
    let words: Vec<String> = match value {
        Value::Object(members) => {
            let known = ITEM.iter().filter_map(|key| Some((*key, members.get(*key)?)));
            let rest = members
                .iter()
                .filter(|(key, _)| !ITEM.contains(&key.as_str()))
                .map(|(key, value)| (key.as_str(), value));
            known.chain(rest).filter_map(|(key, value)| Some(figure(key, &scalar(value)?))).take(10).collect()
        }
        other => scalar(other).into_iter().collect(),
    };
    untrusted_within(&words.join(" · "), 200)
}

/// A figure with what it is of, where it does not say so by itself.
fn figure(key: &str, value: &str) -> String {
    match key {
        "usd" | "amount" => format!("{value} USD"),
        "event" | "state" | "kind" => value.replace('_', " "),
        "count" => format!("{value} ×"),
        "days" => format!("{value} d old"),
        "id" => format!("no. {value}"),
        "expected" | "found" | "oldest" => format!("{key} {value}"),
        "booked" => format!("was {value} USD"),
        "corrected" => format!("now {value} USD"),
        _ => value.to_owned(),
    }
}
