//! The letters that tell of many things at once: the digest of a day, and the summary of a flood.

use serde_json::Value;

use super::notice::{Notice, counted, section};
use crate::notifier::content::{Content, Field, Tone};
use crate::notifier::text::label;

const DIGEST: &[(&str, &str)] = &[
    ("date", "Day"),
    ("since", "From"),
    ("until", "To"),
    ("requested", "Requested"),
    ("settled_count", "Settled"),
    ("settled_usd", "Settled, USD"),
    ("refunded_count", "Refunded"),
    ("refunded_usd", "Refunded, USD"),
    ("credited_in_all_usd", "Credited in all, USD"),
    ("open_count", "Open deposits"),
    ("needs_review", "To be reviewed"),
    ("cases_count", "Open cases"),
    ("unsent_mail", "Unsent mail"),
    ("unsent_dead", "of it given up"),
    ("unsent_since", "Unsent since"),
    ("head_seq", "Events in the ledger"),
    ("head_hash", "Ledger's head hash"),
];

impl Notice<'_> {
    pub(super) fn digest(&self) -> Content {
        let date = self.get(&["date"]).unwrap_or_else(|| self.input.at.to_date_text());
        let settled = self.count(&["settled_count"]).unwrap_or(0);
        let dollars = self.get(&["settled_usd"]).unwrap_or_else(|| "0.00".to_owned());
        let open = self.count(&["open_count", "open"]).unwrap_or(0);
        let cases = self.count(&["cases_count", "cases"]).unwrap_or(0);
        let unsent = self.count(&["unsent_mail"]).unwrap_or(0);
        let flagged = self.count(&["needs_review"]).unwrap_or(0);
        let trouble = if cases > 0 { format!(", {}", counted(cases, "open case")) } else { String::new() };
        let subject = format!("Digest {date}: {settled} settled, {dollars} USD, {open} open{trouble}");
        let lead = format!(
            "{} settled for {dollars} USD; {open} open; {}; {} unsent.",
            counted(settled, "deposit"),
            if cases > 0 { counted(cases, "open case") } else { "no open cases".to_owned() },
            counted(unsent, "letter"),
        );
        let mut next = vec![
            "This letter comes on schedule. If one is missing, the daemon, its mail server or its ledger needs a look. \
             Keep the head hash: with it `depositd verify` can prove later that nothing before it was changed.",
        ];
        let mut commands = Vec::new();
        for (wanted, command) in [
            (flagged > 0, "depositd list --needs-review"),
            (cases > 0, "depositd cases list"),
            (unsent > 0, "depositd mail list"),
        ] {
            if wanted {
                commands.push(command.to_owned());
            }
        }
        if !commands.is_empty() {
            next.push("To look closer:");
        }
        let tone = if cases > 0 || unsent > 0 || flagged > 0 { Tone::Warn } else { Tone::Calm };
        let mut content = self.content(tone, &subject, lead, &next, DIGEST);
        content.commands = commands;
        content.sections = [
            ("Settled", "settled"),
            ("Ended otherwise", "ended"),
            ("Open deposits", "open"),
            ("Open cases, the oldest first", "cases"),
        ]
        .into_iter()
        .filter_map(|(title, key)| section(title, self.members.get(key)?))
        .collect();
        if let Some(Value::Object(ages)) = self.members.get("cases_by_age").filter(|_| cases > 0) {
            let count = |key: &str| ages.get(key).and_then(Value::as_u64).unwrap_or(0);
            let ages = format!(
                "{} since less than a day, {} up to a week, {} longer",
                count("today"),
                count("this_week"),
                count("older")
            );
            let place = content.fields.iter().position(|field| field.label == "Open cases");
            let place = place.map_or(content.fields.len(), |place| place.saturating_add(1));
            content.fields.insert(place, Field::new("of them, by age", ages));
        }
        content
    }

    /// Many letters in one: how many of which, the first of them by name, and where the others are.
    pub(super) fn summary(&self) -> Content {
        let count = self.count(&["count"]).unwrap_or(0);
        let kinds: Vec<(u64, String)> = match self.members.get("events") {
            Some(Value::Array(kinds)) => kinds
                .iter()
                .filter_map(|kind| {
                    let name = label(kind.get("event")?.as_str()?).to_lowercase();
                    Some((kind.get("count")?.as_u64()?, name))
                })
                .collect(),
            _ => Vec::new(),
        };
        let words: Vec<String> = kinds.iter().take(3).map(|(n, name)| format!("{n} {name}")).collect();
        let more = if kinds.len() > 3 { " and others" } else { "" };
        let which = if words.is_empty() { String::new() } else { format!(": {}{more}", words.join(", ")) };
        let subject = format!("{} in one letter{which}", counted(count, "event"));
        let lead = format!(
            "{} happened within a short time{which}. You are told of all of them in this one letter.",
            counted(count, "event")
        );
        let next = [
            "So many letters at once are a flood, most often after an outage. None of them is sent by itself; each is \
             kept with the number of this letter. To see them, or to have one sent after all:",
        ];
        let known = &[("count", "Events"), ("since", "First"), ("until", "Last")];
        let mut content = self.content(Tone::Warn, &subject, lead, &next, known);
        content.commands =
            ["depositd mail list --state told", "depositd mail retry NUMBER"].map(str::to_owned).into();
        let kinds: Vec<Value> = kinds.iter().map(|(n, name)| Value::String(format!("{name}: {n}"))).collect();
        let named = self.count(&["items"]).unwrap_or(0);
        let title = if named < count { format!("The first {named}") } else { "All of them".to_owned() };
        content.sections = [
            section("By event", &Value::Array(kinds)),
            self.members.get("items").and_then(|items| section(&title, items)),
        ]
        .into_iter()
        .flatten()
        .collect();
        content
    }
}
