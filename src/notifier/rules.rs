//! Who gets which event.

use crate::domain::event::EventName;

/// One `[[mail.rules]]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Names of events; `*` stands for any run of letters.
    pub events: Vec<String>,
    /// Who gets them.
    pub to: Vec<String>,
}

impl Rule {
    fn names(&self, event: EventName) -> bool {
        self.events.iter().any(|pattern| matches(pattern, event.as_str()))
    }

    /// The patterns that match no event that can be mailed: a misspelt rule that would never send anything.
    #[must_use]
    pub fn idle_patterns(&self) -> Vec<&str> {
        let idle = |pattern: &&String| {
            !EventName::ALL.iter().any(|event| event.is_mailable() && matches(pattern, event.as_str()))
        };
        self.events.iter().filter(idle).map(String::as_str).collect()
    }
}

/// All rules, and who gets what none of them sends elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    default_to: Vec<String>,
    rules: Vec<Rule>,
}

impl Rules {
    /// The rules of `[mail]`: `to` and `[[mail.rules]]`.
    #[must_use]
    pub fn new(default_to: Vec<String>, rules: Vec<Rule>) -> Self {
        Self { default_to, rules }
    }

    /// Who is owed a letter about `event`, nobody twice, in the order of the configuration; `notify` are the
    /// addresses that the deposit was asked for with (empty for an event that is no deposit's).
    #[must_use]
    pub fn recipients(&self, event: EventName, notify: &[String]) -> Vec<String> {
        let mut found = Vec::new();
        if !event.is_mailable() {
            return found;
        }
        let mut named = false;
        for rule in self.rules.iter().filter(|rule| rule.names(event)) {
            named = true;
            add(&mut found, &rule.to);
        }
        if !named && event.is_mailed_by_default() {
            add(&mut found, &self.default_to);
        }
        if is_a_deposits(event) && (named || event.is_mailed_by_default()) {
            add(&mut found, notify);
        }
        found
    }
}

/// True for an event of one deposit, which its own addresses may hear of.
fn is_a_deposits(event: EventName) -> bool {
    !matches!(
        event,
        EventName::DiscrepancyOpened
            | EventName::DiscrepancyClosed
            | EventName::Digest
            | EventName::UpstreamDown
            | EventName::UpstreamBack
    )
}

fn add(found: &mut Vec<String>, more: &[String]) {
    for address in more {
        if !found.iter().any(|known: &String| known.eq_ignore_ascii_case(address)) {
            found.push(address.clone());
        }
    }
}

/// A glob with `*` only, without letter case; linear but for the places a star can end at.
fn matches(pattern: &str, word: &str) -> bool {
    let pattern = pattern.trim().to_ascii_lowercase();
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| word.strip_prefix(first)) else {
        return false;
    };
    if !pattern.contains('*') {
        return rest.is_empty();
    }
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn rule(events: &str, to: &str) -> Rule {
        Rule { events: list(events), to: list(to) }
    }

    #[test]
    fn the_table_of_recipients() {
        use EventName as E;
        let rules = Rules::new(
            list("finance@example.com"),
            vec![
                rule("settled expired failed", "treasury@example.com"),
                rule("s*", "Treasury@EXAMPLE.com all@example.com"),
                rule("wallet_created", "shop@example.com"),
                rule("discrepancy_*", "books@example.com"),
            ],
        );
        let notify = list("buyer@example.com ALL@example.com");
        let cases = [
            (E::Settled, "treasury@example.com all@example.com buyer@example.com"),
            (E::Short, "Treasury@EXAMPLE.com all@example.com buyer@example.com"),
            (E::Expired, "treasury@example.com buyer@example.com ALL@example.com"),
            (E::Held, "finance@example.com buyer@example.com ALL@example.com"),
            (E::WalletCreated, "shop@example.com buyer@example.com ALL@example.com"),
            (E::Confirming, ""),
            (E::Requested, ""),
            (E::Corrected, ""),
            (E::StatusChanged, ""),
            (E::MailTest, ""),
            (E::DiscrepancyOpened, "books@example.com"),
            (E::DiscrepancyClosed, "books@example.com"),
            (E::Digest, "finance@example.com"),
            (E::UpstreamDown, "finance@example.com"),
        ];
        for (event, expected) in cases {
            assert_eq!(rules.recipients(event, &notify), list(expected), "{event}");
        }
    }

    #[test]
    fn without_rules_all_but_the_two_early_events_are_sent() {
        let rules = Rules::new(list("a@example.com"), Vec::new());
        for event in EventName::ALL {
            let expected = if event.is_mailed_by_default() { list("a@example.com") } else { Vec::new() };
            assert_eq!(rules.recipients(*event, &[]), expected, "{event}");
        }
    }

    #[test]
    fn a_rule_without_recipients_silences_the_event() {
        let rules = Rules::new(list("a@example.com"), vec![rule("expired", "")]);
        assert_eq!(rules.recipients(EventName::Expired, &[]), Vec::<String>::new());
        assert_eq!(rules.recipients(EventName::Expired, &list("b@example.com")), list("b@example.com"));
    }

    #[test]
    fn globs() {
        for (pattern, word, expected) in [
            ("settled", "settled", true),
            ("Settled", "settled", true),
            ("settle", "settled", false),
            ("*", "settled", true),
            ("", "settled", false),
            ("upstream_*", "upstream_down", true),
            ("*_down", "upstream_down", true),
            ("*stream*", "upstream_down", true),
            ("u*m*n", "upstream_down", true),
            ("u*x*n", "upstream_down", false),
            ("set*ttled", "settled", false),
            ("**", "settled", true),
        ] {
            assert_eq!(matches(pattern, word), expected, "{pattern} {word}");
        }
        assert_eq!(rule("settled setled requested upstream_*", "").idle_patterns(), ["setled", "requested"]);
    }
}
