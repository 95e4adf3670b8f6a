//! Who gets which letter, by `mail.to` and the rules; and addresses where nobody reads.

use std::collections::BTreeMap;

use super::finding::{Check, Findings};
use crate::config::{Config, MailRule};
use crate::domain::event::EventName;

/// Names that are kept for examples, where no mail arrives (RFC 2606, RFC 6761).
const EXAMPLES: [&str; 3] = ["example.com", "example.org", "example.net"];
const RESERVED: [&str; 5] = ["invalid", "example", "test", "localhost", "local"];

/// Each event and its recipients, as words; a condition stands behind an address that has one.
pub(super) fn recipients(config: &Config) -> BTreeMap<&'static str, Vec<String>> {
    let events = EventName::ALL.iter().filter(|event| event.is_mailable());
    events.map(|event| (event.as_str(), recipients_of(config, *event))).collect()
}

fn recipients_of(config: &Config, event: EventName) -> Vec<String> {
    let rules: Vec<&MailRule> =
        config.mail.rules.iter().filter(|rule| rule.events.contains(&event)).collect();
    let mut found = Vec::new();
    for rule in &rules {
        let condition = condition(rule);
        found.extend(rule.to.iter().map(|to| format!("{to}{condition}")));
    }
    let always = rules.iter().any(|rule| condition(rule).is_empty());
    if !always && event.is_mailed_by_default() {
        let otherwise = if rules.is_empty() { "" } else { " (otherwise)" };
        found.extend(config.mail.to.iter().map(|to| format!("{to}{otherwise}")));
    }
    let mut seen = Vec::new();
    found.retain(|to| {
        let fresh = !seen.contains(to);
        seen.push(to.clone());
        fresh
    });
    found
}

/// What a rule asks of a deposit, in words; empty where it asks nothing.
fn condition(rule: &MailRule) -> String {
    let asked = [("currency", &rule.currency), ("network", &rule.network), ("reference", &rule.reference)];
    let words: Vec<String> = asked
        .iter()
        .filter(|(_, globs)| !globs.is_empty())
        .map(|(what, globs)| format!("{what} {}", globs.join(" or ")))
        .collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

/// A line for each set of recipients, and a warning for each that cannot be meant.
pub(super) fn letters(config: &Config, recipients: &BTreeMap<&'static str, Vec<String>>) -> Check {
    let mut found = Findings::default();
    let mut sets: Vec<(Vec<String>, Vec<&str>)> = Vec::new();
    for event in EventName::ALL.iter().filter(|event| event.is_mailable()) {
        let to = recipients.get(event.as_str()).cloned().unwrap_or_default();
        match sets.iter_mut().find(|(known, _)| *known == to) {
            Some((_, events)) => events.push(event.as_str()),
            None => sets.push((to, vec![event.as_str()])),
        }
    }
    let silenced = |event: &&EventName| {
        event.is_mailed_by_default() && recipients.get(event.as_str()).is_none_or(Vec::is_empty)
    };
    let silenced: Vec<&str> = EventName::ALL.iter().filter(silenced).map(|event| event.as_str()).collect();
    if !silenced.is_empty() && !config.mail.to.is_empty() {
        let events = silenced.join(", ");
        found.warn(format!("nobody gets a letter about {events}: a rule with an empty list takes it away"));
    }
    for (to, events) in sets {
        let who = if to.is_empty() { "nobody".to_owned() } else { to.join(", ") };
        found.good(format!("{} -> {who}", events.join(", ")));
    }
    let rules = config.mail.rules.iter().flat_map(|rule| &rule.to);
    let mut named: Vec<&String> = config.mail.to.iter().chain(rules).chain(&config.mail.from).collect();
    named.sort_unstable();
    named.dedup();
    for address in named.into_iter().filter(|address| is_example(address)) {
        found.warn(format!("{address}: a domain kept for examples, where no mail arrives"));
    }
    found.list("letters")
}

fn is_example(address: &str) -> bool {
    let domain = address.rsplit('@').next().unwrap_or_default();
    let domain = domain.trim_end_matches(['>', ' ', '.']).to_ascii_lowercase();
    let below =
        |name: &&str| domain == **name || domain.strip_suffix(*name).is_some_and(|rest| rest.ends_with('.'));
    EXAMPLES.iter().chain(&RESERVED).any(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_for_examples_are_told_apart() {
        for address in [
            "a@example.com",
            "a@EXAMPLE.ORG",
            "Name <a@mail.example.net>",
            "a@x.invalid",
            "root@localhost",
            "a@b.test",
        ] {
            assert!(is_example(address), "{address}");
        }
        for address in ["a@myexample.com", "a@example.com.de", "Name <a@firma.de>", "a@example.de", "a@tests"]
        {
            assert!(!is_example(address), "{address}");
        }
    }
}
