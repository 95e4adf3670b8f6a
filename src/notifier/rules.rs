//! Who gets which event.

use super::retry_schedule::RetrySchedule;
use crate::domain::deposit::Request;
use crate::domain::event::{EventName, Recipient};
use crate::domain::glob::glob_matches;

/// One `[[mail.rules]]` of the configuration. A list of globs that is empty fits everything; one that is not fits
/// only the events of deposits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecipientRule {
    /// Names of events; `*` stands for any run of letters.
    pub events: Vec<String>,
    /// Tickers.
    pub currency: Vec<String>,
    /// Networks.
    pub network: Vec<String>,
    /// The deposits' references; a deposit without one has the empty reference.
    pub reference: Vec<String>,
    /// Who gets them.
    pub to: Vec<String>,
}

impl RecipientRule {
    fn fits(&self, event: EventName, request: Option<&Request>) -> bool {
        let any =
            |globs: &[String], word: &str| globs.is_empty() || globs.iter().any(|glob| matches(glob, word));
        if !self.events.iter().any(|pattern| matches(pattern, event.as_str())) {
            return false;
        }
        match request {
            Some(request) => {
                let asset = request.asset();
                any(&self.currency, asset.map_or("", |asset| asset.currency.as_str()))
                    && any(&self.network, asset.map_or("", |asset| asset.network.as_str()))
                    && any(&self.reference, request.reference.as_deref().unwrap_or_default())
            }
            None => self.currency.is_empty() && self.network.is_empty() && self.reference.is_empty(),
        }
    }
}

/// All rules, who gets what none of them sends elsewhere, and when.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    default_to: Vec<String>,
    rules: Vec<RecipientRule>,
    /// Which webhooks are told; `to` has their names.
    webhooks: Vec<RecipientRule>,
    pace: RetrySchedule,
}

impl Rules {
    /// The rules of `[mail]`: `to` and `[[mail.rules]]`.
    #[must_use]
    pub fn new(default_to: Vec<String>, rules: Vec<RecipientRule>) -> Self {
        Self { default_to, rules, ..Self::default() }
    }

    /// The same, at this pace.
    #[must_use]
    pub fn with_pace(self, pace: RetrySchedule) -> Self {
        Self { pace, ..self }
    }

    /// The same, with the webhooks that are told: each by a rule whose `to` has its name.
    #[must_use]
    pub fn with_webhooks(self, webhooks: Vec<RecipientRule>) -> Self {
        Self { webhooks, ..self }
    }

    /// When letters go, and how many at once.
    #[must_use]
    pub const fn pace(&self) -> &RetrySchedule {
        &self.pace
    }

    /// Who is owed a letter about an `event` of the deposit that `request` asked for, nobody twice, in the order of
    /// the configuration; then the payers: the addresses that it was asked for with, whatever the rules say. Whom the
    /// rules name gets the operators' letter, as a payer too: it says all that a payer's does.
    #[must_use]
    pub fn recipients_of(&self, event: EventName, request: &Request) -> Vec<Recipient> {
        let mut found = self.chosen(event, Some(request));
        let operators = found.len();
        if event.is_told_to_payers() {
            add(&mut found, &request.notify);
        }
        let payers = found.split_off(operators).into_iter().map(|payer| Recipient::Payer { payer });
        let webhooks = self.hooked(event, Some(request));
        found.into_iter().map(Recipient::Operator).chain(payers).chain(webhooks).collect()
    }

    /// Who is owed word of an `event` that is no deposit's, nobody twice, in the order of the configuration; then the
    /// webhooks.
    #[must_use]
    pub fn recipients(&self, event: EventName) -> Vec<Recipient> {
        let webhooks = self.hooked(event, None);
        self.mailed(event).into_iter().map(Recipient::Operator).chain(webhooks).collect()
    }

    /// Who is owed a letter about an `event` that is no deposit's.
    #[must_use]
    pub fn mailed(&self, event: EventName) -> Vec<String> {
        self.chosen(event, None)
    }

    /// The webhooks that are told.
    fn hooked(&self, event: EventName, request: Option<&Request>) -> Vec<Recipient> {
        let told = self.webhooks.iter().filter(|rule| event.is_hookable() && rule.fits(event, request));
        told.flat_map(|rule| &rule.to).map(|name| Recipient::Webhook { webhook: name.clone() }).collect()
    }

    /// Who the rules send it to.
    fn chosen(&self, event: EventName, request: Option<&Request>) -> Vec<String> {
        let mut found = Vec::new();
        if !event.is_mailable() {
            return found;
        }
        let mut named = false;
        for rule in self.rules.iter().filter(|rule| rule.fits(event, request)) {
            named = true;
            add(&mut found, &rule.to);
        }
        if !named && event.is_mailed_by_default() {
            add(&mut found, &self.default_to);
        }
        found
    }
}

fn add(found: &mut Vec<String>, more: &[String]) {
    for address in more {
        if !found.iter().any(|known: &String| known.eq_ignore_ascii_case(address)) {
            found.push(address.clone());
        }
    }
}

/// A glob, without letter case.
fn matches(pattern: &str, word: &str) -> bool {
    glob_matches(&pattern.trim().to_lowercase(), &word.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::asset::Asset;
    use crate::domain::money::Amount;
    use crate::domain::time::Timestamp;

    fn list(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// Who is told of a deposit's event, payers after a `+`.
    fn told(rules: &Rules, event: EventName, request: &Request) -> String {
        let of = |to: &Recipient| match to {
            Recipient::Operator(address) => address.clone(),
            Recipient::Payer { payer } => format!("+{payer}"),
            Recipient::Webhook { webhook } => format!("@{webhook}"),
        };
        rules.recipients_of(event, request).iter().map(of).collect::<Vec<_>>().join(" ")
    }

    fn rule(events: &str, to: &str) -> RecipientRule {
        RecipientRule { events: list(events), to: list(to), ..RecipientRule::default() }
    }

    fn request(currency: &str, network: &str, reference: Option<&str>, notify: &str) -> Request {
        Request {
            reference: reference.map(str::to_owned),
            notify: list(notify),
            ..Request::new(
                Asset::parse(currency, network).unwrap(),
                Amount::parse("5").unwrap(),
                Timestamp::from_seconds(0),
            )
        }
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
        let request = request("USDT", "BSC", None, "buyer@example.com ALL@example.com");
        let cases = [
            (E::Settled, "treasury@example.com all@example.com +buyer@example.com"),
            (E::Short, "Treasury@EXAMPLE.com all@example.com +buyer@example.com"),
            (E::Expired, "treasury@example.com +buyer@example.com +ALL@example.com"),
            (E::Held, "finance@example.com +buyer@example.com +ALL@example.com"),
            (E::WalletCreated, "shop@example.com +buyer@example.com +ALL@example.com"),
            (E::Refunded, "finance@example.com +buyer@example.com +ALL@example.com"),
            (E::NeedsReview, "finance@example.com"),
            (E::Rejected, "finance@example.com"),
            (E::Unresolved, "finance@example.com"),
            (E::Confirming, ""),
            (E::Requested, ""),
            (E::Corrected, ""),
            (E::StatusChanged, ""),
        ];
        for (event, expected) in cases {
            assert_eq!(told(&rules, event, &request), expected, "{event}");
        }
        let of_the_account = [
            (E::MailTest, ""),
            (E::Summary, ""),
            (E::DiscrepancyOpened, "books@example.com"),
            (E::DiscrepancyClosed, "books@example.com"),
            (E::Digest, "finance@example.com"),
            (E::UpstreamDown, "finance@example.com"),
        ];
        for (event, expected) in of_the_account {
            assert_eq!(rules.mailed(event), list(expected), "{event}");
        }
    }

    #[test]
    fn a_rule_may_ask_for_currencies_networks_and_references() {
        use EventName as E;
        let of = |currency: &str, network: &str, reference: &str, to: &str| RecipientRule {
            currency: list(currency),
            network: list(network),
            reference: list(reference),
            ..rule("settled digest wallet_created", to)
        };
        let rules = Rules::new(
            list("rest@example.com"),
            vec![
                of("usd*", "", "", "stable@example.com"),
                of("", "TRON BSC", "", "cheap@example.com"),
                of("btc", "", "shop-* Öl*", "shop@example.com"),
            ],
        );
        for (currency, network, reference, notify, expected) in [
            ("USDT", "TRON", None, "", "stable@example.com cheap@example.com"),
            ("USDC", "ETH", Some("shop-1"), "", "stable@example.com"),
            ("BTC", "BTC", Some("SHOP-1"), "b@example.com", "shop@example.com +b@example.com"),
            ("BTC", "BTC", Some("öltank"), "", "shop@example.com"),
            ("BTC", "BTC", Some("other"), "b@example.com", "rest@example.com +b@example.com"),
            ("BTC", "BTC", None, "", "rest@example.com"),
        ] {
            let request = request(currency, network, reference, notify);
            assert_eq!(told(&rules, E::Settled, &request), expected, "{currency} {reference:?}");
        }
        let nobody_asks = request("LTC", "LTC", None, "b@example.com");
        assert_eq!(told(&rules, E::WalletCreated, &nobody_asks), "+b@example.com", "but for its payer");
        assert_eq!(rules.mailed(E::Digest), list("rest@example.com"), "a digest has no currency");
    }

    #[test]
    fn without_rules_all_but_the_two_early_events_are_sent() {
        let rules = Rules::new(list("a@example.com"), Vec::new());
        for event in EventName::ALL {
            let expected = if event.is_mailed_by_default() { list("a@example.com") } else { Vec::new() };
            assert_eq!(rules.mailed(*event), expected, "{event}");
        }
    }

    #[test]
    fn a_rule_without_recipients_silences_the_event_but_for_its_payers() {
        let rules = Rules::new(list("a@example.com"), vec![rule("expired", "")]);
        let (without, with) = (request("BTC", "BTC", None, ""), request("BTC", "BTC", None, "b@example.com"));
        assert_eq!(told(&rules, EventName::Expired, &without), "");
        assert_eq!(told(&rules, EventName::Expired, &with), "+b@example.com");
    }

    #[test]
    fn webhooks_are_told_by_the_same_rules_beside_the_letters() {
        use EventName as E;
        let hook = |name: &str, events: &str, reference: &str| RecipientRule {
            reference: list(reference),
            ..rule(events, name)
        };
        let rules = Rules::new(list("a@example.com"), vec![rule("expired", "")]).with_webhooks(vec![
            hook("shop", "settled expired refunding", "shop-*"),
            hook("books", "* ", ""),
            hook("alarms", "upstream_* discrepancy_opened", ""),
        ]);
        let (shop, other) =
            (request("BTC", "BTC", Some("shop-1"), "b@example.com"), request("BTC", "BTC", None, ""));
        for (event, request, expected) in [
            (E::Settled, &shop, "a@example.com +b@example.com @shop @books"),
            (E::Settled, &other, "a@example.com @books"),
            (E::Expired, &other, "@books"),
            (E::Refunding, &shop, "@shop @books"),
            (E::Requested, &other, "@books"),
        ] {
            assert_eq!(told(&rules, event, request), expected, "{event}");
        }
        let of_the_account = |event| rules.recipients(event).len() - rules.mailed(event).len();
        assert_eq!((of_the_account(E::UpstreamDown), of_the_account(E::Digest)), (2, 1));
        assert_eq!((of_the_account(E::MailTest), of_the_account(E::CasesNoted)), (0, 0));
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
    }
}
