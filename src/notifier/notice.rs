//! The facts of an event that is no deposit's: by name, as a table, and as lists.

use std::collections::BTreeMap;

use minijinja::Value;
use serde_json::{Map, Value as Json};

use super::content::Field;
use super::fields;
use super::letter::LetterInput;
use super::text::{label, scalar, span, untrusted, untrusted_within};
use crate::domain::time::Timestamp;

/// At most so many facts, and so many lines of a list, in one letter.
const MAX_FIELDS: usize = 24;
const MAX_ITEMS: usize = 50;

/// The facts of a notice, whatever is missing from them.
pub(super) struct Notice<'a> {
    input: &'a LetterInput,
    members: Map<String, Json>,
}

impl<'a> Notice<'a> {
    pub(super) fn of(input: &'a LetterInput) -> Self {
        let members = match &input.notice {
            Some(Json::Object(members)) => members.clone(),
            _ => Map::new(),
        };
        Self { input, members }
    }

    /// Scalars by name, and groups of them.
    pub(super) fn named(&self) -> Value {
        let group = |value: &Json| match value {
            Json::Object(members) => Some(Value::from(scalars(members))),
            other => scalar(other).map(Value::from),
        };
        let of = |(key, value): (&String, &Json)| Some((untrusted(key), group(value)?));
        Value::from(self.members.iter().filter_map(of).collect::<BTreeMap<_, _>>())
    }

    /// Each list by name: its rows with their scalars.
    pub(super) fn rows(&self) -> Value {
        let row = |item: &Json| item.as_object().map(scalars);
        self.each_list(|list| list.iter().filter_map(row).take(MAX_ITEMS).collect::<Vec<_>>().into())
    }

    /// Each list by name: a line an item.
    pub(super) fn lists(&self) -> Value {
        self.each_list(|list| lines(list).into())
    }

    fn each_list(&self, make: impl Fn(&[Json]) -> Value) -> Value {
        let of = |(key, value): (&String, &Json)| Some((untrusted(key), make(value.as_array()?)));
        Value::from(self.members.iter().filter_map(of).collect::<BTreeMap<_, _>>())
    }

    /// How many a member counts: a number, or the length of a list.
    pub(super) fn counts(&self) -> Value {
        let count = |value: &Json| match value {
            Json::Array(items) => u64::try_from(items.len()).ok(),
            other => other.as_u64(),
        };
        let of = |(key, value): (&String, &Json)| Some((untrusted(key), count(value)?));
        Value::from(self.members.iter().filter_map(of).collect::<BTreeMap<_, _>>())
    }

    /// The case that it is about, where its number can be typed.
    pub(super) fn case_id(&self) -> Option<String> {
        let id = ["id", "case_id", "case"].iter().find_map(|key| self.members.get(*key).and_then(scalar));
        id.filter(|id| id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
    }

    /// How long what is over has lasted.
    pub(super) fn lasted(&self) -> Option<String> {
        let since = self.time(&["since", "down_since"])?;
        let until = self.time(&["back_at", "until"]).unwrap_or(self.input.at);
        Some(span(until.since(since)))
    }

    fn time(&self, names: &[&str]) -> Option<Timestamp> {
        names.iter().find_map(|name| Timestamp::parse(self.members.get(*name)?.as_str()?).ok())
    }

    /// The scalars as a table, the `known` ones first and under their names. What a known one says already stands.
    pub(super) fn fields(&self, known: &[(String, Field)]) -> Vec<Field> {
        let mut found = Vec::new();
        for (key, field) in known {
            let value = Some(field.value.clone()).filter(|value| !value.is_empty());
            if let Some(value) = value.or_else(|| self.members.get(key).and_then(scalar)) {
                found.push(Field { value, ..field.clone() });
            }
        }
        let rest = self.members.iter().filter(|(key, _)| !known.iter().any(|(name, _)| name == *key));
        found.extend(rest.filter_map(|(key, value)| Some(Field::new(&label(key), scalar(value)?))));
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
}

fn scalars(members: &Map<String, Json>) -> BTreeMap<String, Value> {
    let of = |(key, value): (&String, &Json)| Some((untrusted(key), Value::from(scalar(value)?)));
    members.iter().filter_map(of).collect()
}

/// A line an item, and how many more there are.
fn lines(list: &[Json]) -> Vec<String> {
    let mut lines: Vec<String> = list.iter().take(MAX_ITEMS).map(item).collect();
    let more = list.len().saturating_sub(lines.len());
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
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

fn item(value: &Json) -> String {
    let words: Vec<String> = match value {
        Json::Object(members) => {
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
