//! The words and figures that leave this floor: what the ledger, the API and the mails are promised to find in them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::asset::{Asset, Currency, Network};
use super::deposit::{Booked, Chatter, FigureSource, Outcome, Payment, State, Wallet};
use super::event::EventName;
use super::ids::DepositId;
use super::money::{Amount, AmountError, UsdMicros};
use super::poll::{CREATE_CEILING, Policy, Urgency};
use super::reconcile::MatchRule;
use super::report::OrderReport;
use super::status::Status;
use super::time::Timestamp;

/// How the outside writes it: as a word of JSON.
fn word(of: &impl serde::Serialize) -> String {
    serde_json::to_string(of).unwrap().trim_matches('"').to_owned()
}

#[test]
fn a_state_has_one_word_everywhere_and_is_read_back_from_it() {
    let words = [
        "requested",
        "awaiting_payment",
        "confirming",
        "underpaid",
        "settled",
        "short",
        "expired",
        "failed",
        "held",
        "refunding",
        "refunded",
        "rejected",
        "unresolved",
    ];
    assert_eq!(State::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>(), words);
    for (state, expected) in State::ALL.iter().zip(words) {
        assert_eq!((word(state), state.to_string()), (expected.to_owned(), expected.to_owned()));
        assert_eq!(State::parse(expected), Some(*state));
    }
    assert_eq!((State::parse("Settled"), State::parse("")), (None, None));
    assert_eq!(format!("{:>8}|{:<8}|", State::Held, State::Held), "    held|held    |");
    let open: Vec<_> =
        State::ALL.iter().filter(|state| !state.is_final()).map(|state| state.as_str()).collect();
    assert_eq!(open, ["requested", "awaiting_payment", "confirming", "underpaid", "held", "refunding"]);
    for (outcome, expected) in [(Outcome::Exact, "exact"), (Outcome::Over, "over")] {
        assert_eq!((outcome.as_str(), word(&outcome).as_str()), (expected, expected));
    }
}

#[test]
fn the_events_that_are_mailed_are_those_that_were_promised() {
    let promised: BTreeSet<&str> =
        "wallet_created confirming underpaid settled short expired failed held refunded rejected \
        unresolved needs_review discrepancy_opened discrepancy_closed digest upstream_down upstream_back \
        reconciliation_void reconciliation_back decided baseline_set drill_failed balance_low balance_back"
            .split_whitespace()
            .collect();
    let of = |choose: fn(EventName) -> bool| -> BTreeSet<&str> {
        EventName::ALL.iter().filter(|name| choose(**name)).map(|name| name.as_str()).collect()
    };
    assert_eq!(of(EventName::is_mailable), promised);
    let unasked: BTreeSet<&str> =
        promised.iter().copied().filter(|name| !["wallet_created", "confirming"].contains(name)).collect();
    assert_eq!(of(EventName::is_mailed_by_default), unasked);
    let never_held: BTreeSet<&str> =
        "digest upstream_down upstream_back reconciliation_void reconciliation_back mail_test summary balance_low \
        balance_back drill_failed"
            .split_whitespace()
            .collect();
    assert_eq!(of(EventName::is_never_held_back), never_held);
    for name in EventName::ALL {
        assert_eq!(
            (EventName::parse(name.as_str()), word(name), name.to_string()),
            (Some(*name), name.as_str().to_owned(), name.as_str().to_owned())
        );
    }
    assert_eq!(EventName::parse("gossip"), None);
    for state in State::ALL {
        let arrival = if *state == State::AwaitingPayment { "wallet_created" } else { state.as_str() };
        assert_eq!(EventName::of_state(*state).as_str(), arrival);
    }
}

#[test]
fn only_ethereums_kin_compare_addresses_without_case() {
    let kin: Vec<_> = Network::ALL.iter().filter(|network| network.is_evm()).map(|it| it.as_str()).collect();
    assert_eq!(kin, ["BSC", "ETH", "POLYGON", "ARBITRUM", "AVALANCHE"]);
    assert_eq!(Asset::parse("usdt", "tron").unwrap().to_string(), "USDT on TRON");
    for currency in Currency::ALL {
        assert_eq!(
            (word(currency), currency.to_string()),
            (currency.as_str().to_owned(), currency.as_str().to_owned())
        );
    }
    for network in Network::ALL {
        assert_eq!(
            (word(network), network.to_string()),
            (network.as_str().to_owned(), network.as_str().to_owned())
        );
    }
    let long = Asset::parse(&"x".repeat(500), "BSC").unwrap_err().to_string();
    assert!(long.len() < 200, "what was written wrongly is not said back at length: {long}");
}

#[test]
fn the_link_names_its_order_only_where_it_ends_in_a_uuid() {
    let uuid = "35a4ee29-16ef-4b18-9960-b7812c836bb1";
    let link = |url: Option<String>| {
        let wallet = Wallet {
            order_id: Some("order".to_owned()),
            address: Some("address".to_owned()),
            url,
            amount_usd: Some("5".parse().unwrap()),
            amount_crypto: Some("5".parse().unwrap()),
            memo: None,
            expire_at: None,
            created_at: Timestamp::default(),
            withheld: None,
            unread: Vec::new(),
            shared: false,
            listed_only: false,
        };
        wallet.link_id().map(str::to_owned)
    };
    assert_eq!(link(Some(format!("https://pay.example.com/pay/{uuid}"))).as_deref(), Some(uuid));
    assert_eq!(link(Some(format!("https://pay.example.com/pay/{uuid}/"))).as_deref(), Some(uuid));
    assert_eq!(link(Some("https://pay.example.com/pay/5".to_owned())), None);
    assert_eq!(link(None), None);
    let id: DepositId = uuid.parse().unwrap();
    assert_eq!((id.to_string(), word(&id)), (uuid.to_owned(), uuid.to_owned()));
    assert!("35a4".parse::<DepositId>().is_err());
}

#[test]
fn sums_of_dollars_are_exact_or_none() {
    let of = UsdMicros::new;
    assert_eq!(of(7).checked_add(of(-9)), Some(of(-2)));
    assert_eq!(of(7).checked_sub(of(9)), Some(of(-2)));
    assert_eq!((of(i64::MAX).checked_add(of(1)), of(i64::MIN).checked_sub(of(1))), (None, None));
    assert_eq!((of(5).negated(), of(i64::MIN).negated()), (of(-5), of(i64::MAX)));
    assert_eq!([-1, 0, 1].map(|micros| of(micros).is_negative()), [true, false, false]);
    assert_eq!((UsdMicros::from_cents(-250), UsdMicros::from_cents(i64::MAX)), (Some(of(-2_500_000)), None));
    assert_eq!((of(-1).cents_floor(), of(19_999).cents_floor(), of(-20_000).cents_floor()), (-1, 1, -2));
    assert_eq!((of(-20_000).to_cents_exact(), of(-1).to_cents_exact()), (Some(-2), None));
    for (micros, shown) in
        [(0, "0.00"), (5_100_000, "5.10"), (5_120_000, "5.12"), (5_123_000, "5.123"), (1, "0.000001")]
    {
        assert_eq!(of(micros).to_string(), shown);
        assert_eq!(of(-micros).to_string(), if micros == 0 { shown.to_owned() } else { format!("-{shown}") });
    }
}

#[test]
fn an_amount_is_shown_as_it_was_written_and_compared_by_its_worth() {
    let amount = |text: &str| Amount::parse(text).unwrap();
    assert_eq!(amount("5.10"), amount("5.1"));
    assert_ne!(amount("5.10"), amount("5.11"));
    assert_eq!(
        (amount("5.10").to_string(), format!("{:?}", amount("5.10"))),
        ("5.10".to_owned(), "5.10".to_owned())
    );
    assert_eq!((amount("5.10").canonical(), amount("007").canonical()), ("5.1".to_owned(), "7".to_owned()));
    assert_eq!(serde_json::to_string(&amount("5.10")).unwrap(), "\"5.10\"");
    assert_eq!(serde_json::from_str::<Amount>("\"0.50\"").unwrap().as_str(), "0.50");
    assert!(serde_json::from_str::<Amount>("\"-1\"").is_err());
    assert_eq!((amount("0.00").is_zero(), amount("0.01").is_zero()), (true, false));
    // As many digits as are exact; what is finer is rounded, what is larger is none.
    let longest = "1".repeat(28);
    assert_eq!(amount(&longest).value().to_string(), longest);
    assert_eq!(Amount::parse(&"1".repeat(29)), Err(AmountError::TooLong));
    let fine = format!("{}.{}", "1".repeat(14), "2".repeat(14));
    assert_eq!(amount(&fine).value().to_string(), fine);
    assert_eq!(amount(&format!("{fine}2")).as_str(), fine);
    let long = "x".repeat(500);
    assert_eq!(Amount::parse(&long), Err(AmountError::NotDecimal("x".repeat(40))));
}

#[test]
fn a_status_is_read_in_any_case_and_only_two_are_credits() {
    for (known, status) in Status::WORDS {
        assert_eq!(Status::parse(&format!(" {} ", known.to_uppercase())), Some(*status));
        assert_eq!(status.is_credited(), known.starts_with("paid"), "{known}");
    }
    assert_eq!(Status::parse("paid out"), None);
}

#[test]
fn a_moment_has_come_only_by_both_clocks() {
    let at = Timestamp::from_seconds;
    let report = |answered_at| OrderReport { answered_at, ..OrderReport::default() };
    let past = |theirs: Option<i64>, ours| report(theirs.map(at)).agrees_that_past(at(100), at(ours));
    assert_eq!((past(None, 99), past(None, 100), past(None, 101)), (false, true, true));
    assert_eq!((past(Some(99), 101), past(Some(100), 100), past(Some(101), 99)), (false, true, false));
}

#[test]
fn nobody_waits_longer_than_its_class_may() {
    let policy = Policy::default();
    let seconds = |urgency| policy.longest_wait(urgency).as_secs();
    assert_eq!(seconds(Urgency::Confirming), 10 + 1 + 60);
    assert_eq!((seconds(Urgency::NearDeadline), seconds(Urgency::Awaiting)), (60 + 6 + 60, 60 + 6 + 60));
    assert_eq!(seconds(Urgency::Watch), 43_200 + 4_320 + 60);
    assert_eq!(seconds(Urgency::Create), CREATE_CEILING.as_secs() + 30 + 60);
    let slow = Policy { interval: Duration::from_hours(6), ..policy };
    assert_eq!(slow.longest_wait(Urgency::Watch).as_secs(), 86_400 + 8_640 + 60);
    assert_eq!(Urgency::Confirming.patience(), Duration::ZERO);
    assert!(Urgency::POLLS.is_sorted_by_key(|urgency| urgency.patience()));
    assert_eq!(Urgency::Watch.patience(), Duration::from_mins(30));
}

#[test]
fn instants_are_whole_milliseconds_written_in_three_ways() {
    let at = Timestamp::from_millis(1_748_615_577_007);
    assert_eq!(at.to_string(), "2025-05-30T14:32:57.007Z");
    assert_eq!(
        (at.to_seconds_text().as_str(), at.to_date_text().as_str()),
        ("2025-05-30T14:32:57Z", "2025-05-30")
    );
    assert_eq!(word(&at), at.to_string());
    assert_eq!(serde_json::from_str::<Timestamp>("\"2025-05-30T14:32:57.007Z\"").unwrap(), at);
    assert!(serde_json::from_str::<Timestamp>("\"soon\"").is_err());
    assert_eq!(at.minus(Duration::from_millis(7)).as_millis(), 1_748_615_577_000);
    assert_eq!(at.since(Timestamp::from_seconds(1_748_615_577)), Duration::from_millis(7));
}

#[test]
fn what_is_kept_leaves_out_what_states_nothing_and_keeps_the_rest() {
    let quiet = Chatter { since: Timestamp::from_seconds(7), count: 3, left_out: 0 };
    assert_eq!(serde_json::to_string(&quiet).unwrap(), r#"{"since":"1970-01-01T00:00:07.000Z","count":3}"#);
    for left_out in [0, 1, 250] {
        let chatter = Chatter { left_out, ..quiet };
        let kept = serde_json::to_string(&chatter).unwrap();
        assert_eq!(serde_json::from_str::<Chatter>(&kept).unwrap(), chatter);
    }
    let amount: Amount = "0.5".parse().unwrap();
    let stated = Payment { amount_usd: Some(amount), ..Payment::default() };
    assert_eq!((Payment::default().is_empty(), stated.is_empty()), (true, false));
}

#[test]
fn a_correction_of_an_earlier_version_counts_as_said() {
    let booked = |said, correction| Booked {
        usd: UsdMicros::new(5_000_000),
        crypto: None,
        source: FigureSource::PaymentAmountUsd,
        credited: None,
        correction: UsdMicros::new(correction),
        said,
        expected: None,
    };
    let table = [(false, 0, false), (false, -1, true), (true, 0, true), (true, 1, true)];
    for (said, correction, counts) in table {
        assert_eq!(booked(said, correction).is_said(), counts, "{said} {correction}");
    }
}

#[test]
fn each_rule_has_one_word() {
    let words = ["pay_id_is_order", "sesid_is_order", "pay_id_is_link", "sesid_is_link"];
    assert_eq!(MatchRule::CERTAIN.iter().map(|rule| rule.as_str()).collect::<Vec<_>>(), words);
    for rule in MatchRule::CERTAIN.iter().chain([&MatchRule::AmountAndTime]) {
        assert_eq!(word(rule), rule.as_str());
    }
}
