//! Whole lives of deposits: what the upstream does, what the books say, who is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test code: a broken expectation is a failed test"
)]

mod support;

use std::time::Duration;

use depositd::domain::deposit::{Outcome, State};
use depositd::flow::{self, NewDeposit};
use depositd::sandbox::upstream::{Act, Call, Fate, Fault, Figures, IdField, Shape};
use support::house::House;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn usd(text: &str) -> Option<depositd::domain::money::Amount> {
    Some(text.parse().unwrap())
}

#[tokio::test]
async fn a_payment_in_full_is_credited_booked_and_told_once() {
    let house = House::new().await;
    let deposit = house.wallet("25.00").await;
    assert_eq!(deposit.facts.state, State::AwaitingPayment);
    let order = house.order(&deposit);
    house.simulator.act(&order, Act::See).unwrap();
    house.look().await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Confirming);
    house.simulator.act(&order, Act::Pay { amount_usd: None }).unwrap();
    house.look().await;
    let settled = house.read(&deposit).await;
    assert_eq!((settled.facts.state, settled.facts.outcome), (State::Settled, Some(Outcome::Exact)));
    assert!(!settled.facts.late && settled.facts.review.is_none());
    assert_eq!(house.sql("SELECT sum(amount_usd_micros) FROM accounting_monthly"), "25000000");
    assert_eq!(house.letters(&deposit), ["settled"]);
    // A week of looks at the same answer books nothing twice and tells nobody again.
    house.pass(8 * 24 * HOUR, 6 * HOUR).await;
    assert_eq!(house.history(&deposit).await, ["requested", "wallet_created", "confirming", "settled"]);
    assert_eq!(house.letters(&deposit), ["settled"]);
    assert_eq!(house.sql("SELECT group_concat(urgency) FROM queue"), "5", "the late watch ends");
    assert_eq!(house.prove().await.transactions, 1);
    assert!(house.reconcile().await.cases.is_empty());
}

#[tokio::test]
async fn over_short_and_completed_payments_are_booked_as_far_as_credited() {
    let house = House::new().await;
    let (over, short, part) = (house.wallet("10").await, house.wallet("20").await, house.wallet("30").await);
    let act = |deposit, act| house.simulator.act(&house.order(deposit), act).unwrap();
    act(&over, Act::Pay { amount_usd: usd("12.50") });
    act(&short, Act::PayPart { amount_usd: usd("5") });
    act(&part, Act::PayPart { amount_usd: usd("10") });
    house.look().await;
    assert_eq!(house.read(&short).await.facts.state, State::Underpaid);
    act(&short, Act::CloseShort);
    act(&part, Act::Pay { amount_usd: None });
    house.look().await;
    let over = house.read(&over).await;
    assert_eq!((over.facts.state, over.facts.outcome), (State::Settled, Some(Outcome::Over)));
    assert_eq!(over.facts.booked.as_ref().unwrap().total().to_string(), "12.50");
    let short = house.read(&short).await;
    assert_eq!(short.facts.state, State::Short);
    assert_eq!(short.facts.booked.as_ref().unwrap().total().to_string(), "5.00");
    assert_eq!(house.read(&part).await.facts.state, State::Settled);
    assert_eq!(house.letters(&part), ["underpaid", "settled"]);
    let report = house.reconcile().await;
    assert!(report.cases.is_empty(), "{report:?}");
    let figures = report.figures.unwrap();
    assert_eq!(figures.total_charges_cents, house.simulator.books().total_charges_cents);
    assert_eq!((figures.credited_here_cents, figures.difference_cents), (4750, 0));
    house.prove().await;
}

#[tokio::test]
async fn money_after_the_deadline_is_seen_and_called_late() {
    let house = House::new().await;
    let deposit = house.wallet("15").await;
    house.pass(61 * MINUTE, 5 * MINUTE).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::AwaitingPayment, "grace is still running");
    house.pass(15 * MINUTE, 5 * MINUTE).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Expired);
    house.pass(24 * HOUR, HOUR).await;
    house.simulator.act(&house.order(&deposit), Act::Pay { amount_usd: None }).unwrap();
    house.pass(13 * HOUR, HOUR).await;
    let settled = house.read(&deposit).await;
    assert!(settled.facts.state == State::Settled && settled.facts.late);
    assert_eq!(house.letters(&deposit), ["expired", "settled"]);
    assert_eq!(house.sql("SELECT late FROM accounting_deposits"), "1");
    house.prove().await;
}

#[tokio::test]
async fn silence_expires_nothing() {
    let house = House::new().await;
    let deposit = house.wallet("15").await;
    house.simulator.set_outage(true);
    house.pass(3 * HOUR, 10 * MINUTE).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::AwaitingPayment);
    flow::watch_upstream(&house.flow).await.unwrap();
    flow::watch_upstream(&house.flow).await.unwrap();
    house.simulator.act(&house.order(&deposit), Act::Pay { amount_usd: None }).unwrap();
    house.simulator.set_outage(false);
    house.pass(10 * MINUTE, MINUTE).await;
    flow::watch_upstream(&house.flow).await.unwrap();
    house.rounds().await;
    let settled = house.read(&deposit).await;
    assert!(settled.facts.state == State::Settled && !settled.facts.late);
    let mut events: Vec<String> =
        house.smtp.messages().iter().map(|mail| mail.header("X-Depositd-Event").unwrap()).collect();
    events.sort();
    assert_eq!(
        events,
        ["settled", "upstream_back", "upstream_down"],
        "an outage is one event, not a thousand"
    );
}

#[tokio::test]
async fn held_refunded_failed_and_cancelled_money_is_followed() {
    let house = House::new().await;
    let (held, refunded, failed, cancelled) = (
        house.wallet("10").await,
        house.wallet("20").await,
        house.wallet("30").await,
        house.wallet("40").await,
    );
    let act = |deposit, act| house.simulator.act(&house.order(deposit), act).unwrap();
    act(&held, Act::Lock);
    act(&refunded, Act::Pay { amount_usd: None });
    act(&failed, Act::Fail);
    act(&cancelled, Act::PayPart { amount_usd: usd("1") });
    house.look().await;
    assert_eq!(house.read(&held).await.facts.state, State::Held);
    act(&held, Act::Release);
    act(&refunded, Act::StartRefund);
    act(&cancelled, Act::Cancel);
    house.pass(10 * MINUTE, MINUTE).await;
    assert_eq!(house.read(&held).await.facts.state, State::Settled);
    assert_eq!(house.read(&refunded).await.facts.state, State::Refunding);
    assert_eq!(house.read(&failed).await.facts.state, State::Failed);
    let expired = house.read(&cancelled).await;
    assert_eq!(expired.facts.state, State::Expired);
    assert!(expired.facts.review.is_some(), "cancelled after part had arrived: a person must look");
    act(&refunded, Act::FinishRefund);
    house.look().await;
    let refunded = house.read(&refunded).await;
    assert_eq!((refunded.facts.state, refunded.facts.outcome), (State::Refunded, Some(Outcome::Exact)));
    assert_eq!(
        house.sql("SELECT amount_usd_micros, refunded_usd_micros, refunds FROM accounting_monthly"),
        "30000000|20000000|1"
    );
    assert_eq!(
        house.sql("SELECT balance_usd_micros FROM accounting_trial_balance WHERE account LIKE 'assets:%'"),
        "10000000"
    );
    assert_eq!(house.prove().await.transactions, 3);
    let report = house.reconcile().await;
    assert!(report.cases.is_empty(), "{report:?}");
}

#[tokio::test]
async fn a_lost_answer_is_found_again_and_no_second_wallet_is_made() {
    let house = House::new().await;
    house.simulator.inject(Call::Create, Fault::DropAfterActing, 1);
    let deposit = house.request("USDT", "TRON", "33.00").await;
    house.rounds().await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Requested);
    house.pass(MINUTE, 5 * Duration::from_secs(1)).await;
    let adopted = house.read(&deposit).await;
    assert_eq!(adopted.facts.state, State::AwaitingPayment);
    assert_eq!(house.simulator.calls().count(Call::Create), 1);
    assert_eq!(house.order(&adopted), house.simulator.orders()[0].order_id);
}

#[tokio::test]
async fn a_wallet_that_a_retry_replaced_is_named_abandoned() {
    let house = House::new().await;
    // The list hides the first wallet until the second exists.
    house.simulator.inject(Call::Create, Fault::DropAfterActing, 1);
    let deposit = house.request("USDC", "BSC", "44").await;
    house.rounds().await;
    let first = house.simulator.orders()[0].order_id.clone();
    house.simulator.act(&first, Act::HideInvoice { hidden: true }).unwrap();
    house.pass(MINUTE, Duration::from_secs(5)).await;
    let deposit = house.read(&deposit).await;
    assert_eq!(deposit.facts.state, State::AwaitingPayment);
    assert_ne!(house.order(&deposit), first);
    house.simulator.act(&first, Act::HideInvoice { hidden: false }).unwrap();
    let report = house.reconcile().await;
    let kinds: Vec<&str> = report.cases.iter().map(|case| case.kind.as_str()).collect();
    assert_eq!(kinds, ["abandoned_wallet"]);
    assert_eq!(report.cases[0].order_id.as_deref(), Some(first.as_str()));
    house.prove().await;
}

#[tokio::test]
async fn an_unresolved_deposit_is_adopted_by_reconciliation() {
    let house = House::new().await;
    house.simulator.inject(Call::Create, Fault::DropBeforeActing, 2);
    house.simulator.inject(Call::Create, Fault::DropAfterActing, 1);
    let deposit = house.request("USDT", "ETH", "55").await;
    house.rounds().await;
    while house.simulator.orders().is_empty() {
        house.pass(Duration::from_secs(1), Duration::from_secs(1)).await;
    }
    // The third attempt has made a wallet that the list does not show yet.
    let third = house.simulator.orders()[0].order_id.clone();
    house.simulator.act(&third, Act::HideInvoice { hidden: true }).unwrap();
    house.pass(5 * MINUTE, Duration::from_secs(10)).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Unresolved);
    assert_eq!(house.letters(&deposit), ["unresolved"]);
    house.simulator.act(&third, Act::HideInvoice { hidden: false }).unwrap();
    let report = house.reconcile().await;
    assert_eq!(report.adopted, [deposit.id.to_string()]);
    let adopted = house.read(&deposit).await;
    assert_eq!((adopted.facts.state, house.order(&adopted)), (State::AwaitingPayment, third));
}

#[tokio::test]
async fn what_the_upstream_refuses_is_rejected_with_its_words() {
    let house = House::new().await;
    let new = NewDeposit {
        currency: "usdt".to_owned(),
        network: "tron".to_owned(),
        amount: "12".to_owned(),
        coupon: Some("EXPIRED".to_owned()),
        notify: vec!["buyer@example.org".to_owned()],
        ..NewDeposit::default()
    };
    let deposit = house.open(new).await;
    house.rounds().await;
    let rejected = house.read(&deposit).await;
    assert_eq!(rejected.facts.state, State::Rejected);
    let events = house.flow.ledger.events_of(deposit.id).await.unwrap();
    assert!(events.last().unwrap().reason.as_deref().unwrap().contains("oupon"), "{events:?}");
    house.pass(HOUR, MINUTE).await;
    assert_eq!(house.simulator.calls().count(Call::Create), 1, "a refusal is final");
    let mut told: Vec<Vec<String>> = house.smtp.messages().into_iter().map(|mail| mail.to).collect();
    told.sort();
    assert_eq!(told, [["buyer@example.org"], ["finance@example.com"]]);
}

#[tokio::test]
async fn contradictions_are_flagged_and_never_stored_as_fact() {
    let house = House::new().await;
    house.simulator.inject(Call::Create, Fault::WrongNetwork, 1);
    let wrong = house.request("USDT", "TRON", "66").await;
    house.rounds().await;
    let wrong = house.read(&wrong).await;
    assert_eq!(wrong.facts.state, State::Unresolved);
    assert!(wrong.facts.wallet.is_none() && wrong.facts.review.is_some());
    let deposit = house.wallet("67").await;
    house.simulator.act(&house.order(&deposit), Act::ChangeAddress { to: None }).unwrap();
    house.simulator.act(&house.order(&deposit), Act::Pay { amount_usd: None }).unwrap();
    house.look().await;
    let flagged = house.read(&deposit).await;
    assert_eq!(flagged.facts.state, State::AwaitingPayment, "an answer about another address moves nothing");
    assert_eq!(flagged.facts.wallet, deposit.facts.wallet);
    assert!(flagged.facts.review.unwrap().reason.contains("address"));
    assert_eq!(house.letters(&deposit), ["needs_review"]);
    // A person has looked; the same contradiction is not raised again.
    flow::review(&house.flow, &deposit.id.to_string(), "asked the upstream").await.unwrap();
    house.look().await;
    assert_eq!(house.read(&deposit).await.facts.review, None);
    assert_eq!(house.letters(&deposit), ["needs_review"]);
}

#[tokio::test]
async fn an_unknown_word_flags_and_an_ordinary_look_clears() {
    let house = House::new().await;
    let deposit = house.wallet("70").await;
    let order = house.order(&deposit);
    house.simulator.act(&order, Act::SetStatus { status: "Quantum_Check".to_owned() }).unwrap();
    house.look().await;
    let flagged = house.read(&deposit).await;
    assert_eq!(flagged.facts.state, State::AwaitingPayment);
    assert_eq!(flagged.facts.upstream_status.as_deref(), Some("Quantum_Check"));
    assert!(flagged.facts.review.is_some());
    house.simulator.act(&order, Act::Pay { amount_usd: None }).unwrap();
    house.look().await;
    let settled = house.read(&deposit).await;
    assert!(settled.facts.state == State::Settled && settled.facts.review.is_none());
    let history = house.history(&deposit).await;
    assert!(history.contains(&"needs_review".to_owned()) && history.contains(&"review_cleared".to_owned()));
    // Figures that cannot be read: flagged, and nothing moves.
    let strange = house.wallet("71").await;
    let page = r#"{"ok":true,"body":{"status":"paid","amountInUSD":"n/a"}}"#.to_owned();
    house.simulator.inject_for(&house.order(&strange), Fault::Status(200, page, Vec::new()), 3);
    house.look().await;
    let flagged = house.read(&strange).await;
    assert_eq!(flagged.facts.state, State::AwaitingPayment);
    assert!(flagged.facts.review.is_some_and(|review| review.reason.contains("amountInUSD")));
    // Backwards: flagged, and nothing is taken back.
    house.simulator.act(&order, Act::SetStatus { status: "check".to_owned() }).unwrap();
    house.pass(10 * MINUTE, MINUTE).await;
    let back = house.read(&deposit).await;
    assert!(back.facts.state == State::Settled && back.facts.review.is_some());
    assert_eq!(house.prove().await.transactions, 1);
}

#[tokio::test]
async fn foreign_top_ups_are_explained_and_differences_become_cases() {
    let house = House::new().await;
    house.simulator.top_up_elsewhere(12_300, "stripe").unwrap();
    let first = house.reconcile().await.figures.unwrap();
    assert_eq!((first.baseline_cents, first.difference_cents), (0, 0));
    house.simulator.top_up_elsewhere(700, "Cryptomus").unwrap();
    house.simulator.spend(5_000).unwrap();
    let report = house.reconcile().await;
    assert!(report.cases.is_empty(), "{report:?}");
    assert_eq!(report.figures.unwrap().credited_elsewhere_cents, 13_000);
    // The upstream credits less than it said; the invoice shows it and the total bears it out.
    let deposit = house.wallet("50").await;
    let order = house.order(&deposit);
    let figures = Figures { invoice_cents: Some(4_900), credited_cents: Some(4_900), ..Figures::default() };
    house.simulator.act(&order, Act::Pay { amount_usd: None }).unwrap();
    house.simulator.act(&order, Act::SetFigures(figures)).unwrap();
    house.look().await;
    assert_eq!(house.sql("SELECT amount_booked FROM accounting_deposits"), "50.00");
    let report = house.reconcile().await;
    assert_eq!(report.figures.unwrap().difference_cents, 0);
    house.rounds().await;
    assert_eq!(house.sql("SELECT amount_booked FROM accounting_deposits"), "49.00");
    assert_eq!(
        house.sql(
            "SELECT kind, closed_at IS NOT NULL FROM accounting_discrepancies WHERE kind = 'amount_mismatch'"
        ),
        "amount_mismatch|1"
    );
    let later = house.reconcile().await;
    assert!(later.cases.is_empty(), "{later:?}");
    house.prove().await;
}

#[tokio::test]
async fn a_person_may_say_that_the_invoice_is_right() {
    let house = House::new().await;
    house.reconcile().await;
    let deposit = house.wallet("50").await;
    let order = house.order(&deposit);
    house.simulator.act(&order, Act::Pay { amount_usd: None }).unwrap();
    let figures = Figures { invoice_cents: Some(4_900), ..Figures::default() };
    house.simulator.act(&order, Act::SetFigures(figures)).unwrap();
    house.look().await;
    let report = house.reconcile().await;
    assert_eq!(report.cases.len(), 1, "the total bears out the books, not the invoice: {report:?}");
    let case = report.cases[0].id;
    assert!(
        flow::correct_case(&house.flow, case, "unix user root", " ").await.is_err(),
        "an empty note says nothing"
    );
    let closed =
        flow::correct_case(&house.flow, case, "unix user root", "support confirms 49.00").await.unwrap();
    assert_eq!(closed.closed_by.as_deref(), Some("person"));
    assert_eq!(house.sql("SELECT amount_booked FROM accounting_deposits"), "49.00");
    assert!(flow::correct_case(&house.flow, case, "unix user root", "again").await.is_err(), "it is closed");
    assert_eq!(house.prove().await.transactions, 2);
}

#[tokio::test]
async fn an_order_that_cannot_be_read_holds_up_neither_a_request_nor_reconciliation() {
    let house = House::new().await;
    house.simulator.inject(Call::Create, Fault::DropAfterActing, 1);
    let deposit = house.request("USDT", "TRON", "34").await;
    house.rounds().await;
    let first = house.simulator.orders()[0].order_id.clone();
    house.simulator.inject_for(&first, Fault::Status(500, "boom".to_owned(), Vec::new()), u32::MAX);
    assert!(house.reconcile().await.ok, "one unreadable order voids no run");
    house.pass(3 * MINUTE, Duration::from_secs(10)).await;
    let deposit = house.read(&deposit).await;
    assert_eq!(deposit.facts.state, State::AwaitingPayment);
    assert_ne!(house.order(&deposit), first);
    house.simulator.clear_faults();
    let report = house.reconcile().await;
    let kinds: Vec<&str> = report.cases.iter().map(|case| case.kind.as_str()).collect();
    assert_eq!(kinds, ["abandoned_wallet"], "named as soon as it can be read");
}

#[tokio::test]
async fn a_probable_match_stands_and_is_not_guessed_anew_at_every_run() {
    let house = House::new().await;
    house.reconcile().await;
    house.simulator.set_shape(Shape { id_field: IdField::None, ..Shape::default() });
    let (one, two) = (house.wallet("32").await, house.wallet("32").await);
    for deposit in [&one, &two] {
        house.simulator.act(&house.order(deposit), Act::Pay { amount_usd: None }).unwrap();
    }
    house.look().await;
    house.simulator.act(&house.order(&two), Act::HideInvoice { hidden: true }).unwrap();
    let first = house.reconcile().await;
    assert_eq!(first.cases.len(), 1, "{first:?}");
    for _ in 0..3 {
        let again = house.reconcile().await;
        assert_eq!((again.opened.len(), again.closed.len()), (0, 0), "{again:?}");
        assert_eq!(again.cases[0].id, first.cases[0].id);
    }
    house.simulator.act(&house.order(&two), Act::HideInvoice { hidden: false }).unwrap();
    assert!(house.reconcile().await.cases.is_empty());
}

#[tokio::test]
async fn a_void_run_changes_nothing_and_a_drift_stands_until_it_is_gone() {
    let house = House::new().await;
    house.reconcile().await;
    house.simulator.inject(Call::Invoices, Fault::Html200, 1);
    assert!(matches!(flow::reconcile(&house.flow).await, Err(flow::ReconcileFailed::Void(_))));
    assert_eq!(house.sql("SELECT count(*), sum(ok) FROM reconciliation"), "2|1");
    house.simulator.adjust(0, 250).unwrap();
    let report = house.reconcile().await;
    assert_eq!(report.cases[0].kind, "total_charges_drift");
    assert_eq!((report.cases[0].expected.as_str(), report.cases[0].found.as_str()), ("0.00", "2.50"));
    let drift = report.cases[0].id;
    house.reconcile().await;
    flow::close_case(&house.flow, drift, "unix user root", "a goodwill credit, by phone").await.unwrap();
    assert!(house.reconcile().await.cases.is_empty(), "closed by a person, and the figures are the same");
    house.simulator.adjust(0, 100).unwrap();
    assert_eq!(house.reconcile().await.cases.len(), 1, "other figures: another case");
    house.simulator.adjust(0, -350).unwrap();
    assert!(house.reconcile().await.cases.is_empty());
    house.simulator.adjust(900, 0).unwrap();
    assert_eq!(house.reconcile().await.cases[0].kind, "balance_rise");
    house.simulator.top_up_elsewhere(900, "card").unwrap();
    assert!(house.reconcile().await.cases.is_empty(), "the total has caught up");
    house.rounds().await;
    let told: Vec<String> =
        house.smtp.messages().iter().map(|mail| mail.header("X-Depositd-Event").unwrap()).collect();
    let opened = told.iter().filter(|event| *event == "discrepancy_opened").count();
    let closed = told.iter().filter(|event| *event == "discrepancy_closed").count();
    assert_eq!((opened, closed), (3, 3));
}

#[tokio::test]
async fn a_restart_at_any_point_goes_on_with_the_same_story() {
    let mut house = House::new().await;
    house.simulator.set_default_fate(Fate::UnderpaidThenCompleted);
    let deposit = house.request("BTC", "BTC", "80").await;
    for _ in 0..12 {
        house = house.restart().await;
        house.pass(5 * MINUTE, MINUTE).await;
    }
    let settled = house.read(&deposit).await;
    assert_eq!(settled.facts.state, State::Settled, "{:?}", house.history(&deposit).await);
    assert_eq!(house.simulator.calls().count(Call::Create), 1);
    assert_eq!(house.prove().await.transactions, 1);
    let mut letters = house.letters(&deposit);
    letters.dedup();
    assert_eq!(letters.last().map(String::as_str), Some("settled"));
}

#[tokio::test]
async fn the_seeds_own_example_ends_as_a_row_for_the_accountant() {
    let house = House::new().await;
    house.simulator.set_fee_percent(3);
    let deposit = house.request("USDT", "BSC", "5.15").await;
    house.rounds().await;
    let wallet = house.read(&deposit).await;
    house.simulator.act(&house.order(&wallet), Act::Pay { amount_usd: None }).unwrap();
    house.look().await;
    let row = house.sql(
        "SELECT currency, network, amount_requested, amount_usd, amount_usd_micros, amount_crypto, state, outcome, late \
         FROM accounting_deposits",
    );
    assert_eq!(row, "USDT|BSC|5.15|5.00|5000000|4.99|settled|exact|0");
}
