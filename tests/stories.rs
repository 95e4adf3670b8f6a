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
use depositd::sandbox::upstream::{Action, Call, Fate, Fault, Figures, IdField, Shape};
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
    house.simulator.act(&order, Action::See).unwrap();
    house.poll().await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Confirming);
    house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    let settled = house.read(&deposit).await;
    assert_eq!((settled.facts.state, settled.facts.outcome), (State::Settled, Some(Outcome::Exact)));
    assert!(!settled.facts.late && settled.facts.review.is_none());
    assert_eq!(house.sql("SELECT sum(amount_usd_micros) FROM accounting_monthly"), "25000000");
    assert_eq!(house.letters(&deposit), ["settled"]);
    // A week of polls with the same answer books nothing twice and mails nobody again.
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
    act(&over, Action::Pay { amount_usd: usd("12.50") });
    act(&short, Action::PayPart { amount_usd: usd("5") });
    act(&part, Action::PayPart { amount_usd: usd("10") });
    house.poll().await;
    assert_eq!(house.read(&short).await.facts.state, State::Underpaid);
    act(&short, Action::CloseShort);
    act(&part, Action::Pay { amount_usd: None });
    house.poll().await;
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
    assert_eq!((figures.credited_here_cents, figures.difference_cents), (4750, None));
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
    house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
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
    house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
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
    act(&held, Action::Lock);
    act(&refunded, Action::Pay { amount_usd: None });
    act(&failed, Action::Fail);
    act(&cancelled, Action::PayPart { amount_usd: usd("1") });
    house.poll().await;
    assert_eq!(house.read(&held).await.facts.state, State::Held);
    act(&held, Action::Release);
    act(&refunded, Action::StartRefund);
    act(&cancelled, Action::Cancel);
    house.pass(10 * MINUTE, MINUTE).await;
    assert_eq!(house.read(&held).await.facts.state, State::Settled);
    assert_eq!(house.read(&refunded).await.facts.state, State::Refunding);
    assert_eq!(house.read(&failed).await.facts.state, State::Failed);
    let expired = house.read(&cancelled).await;
    assert_eq!(expired.facts.state, State::Expired);
    assert!(expired.facts.review.is_some(), "cancelled after part had arrived: a person must decide");
    act(&refunded, Action::FinishRefund);
    house.poll().await;
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
async fn a_lost_answer_is_followed_by_another_request_and_its_wallet_is_nobodys() {
    let house = House::new().await;
    house.simulator.inject(Call::Create, Fault::DropAfterActing, 1);
    let deposit = house.request("USDT", "TRON", "33.00").await;
    house.rounds().await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Requested);
    house.pass(MINUTE, 5 * Duration::from_secs(1)).await;
    let shown = house.read(&deposit).await;
    assert_eq!(shown.facts.state, State::AwaitingPayment);
    assert_eq!(house.simulator.calls().count(Call::Create), 2);
    let orders = house.simulator.orders();
    let lost = orders.iter().find(|order| order.order_id != house.order(&shown)).unwrap().order_id.clone();
    assert_eq!(orders.len(), 2);
    // Somebody pays what nobody was shown: money from elsewhere, whatever reconciliation sees of it.
    house.reconcile().await;
    house.simulator.act(&lost, Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    house.reconcile().await;
    let after = house.read(&deposit).await;
    assert_eq!((after.facts.state, after.facts.booked.is_some()), (State::AwaitingPayment, false));
    assert_eq!(house.order(&after), house.order(&shown));
    assert_eq!(house.sql("SELECT count(*) FROM attempt WHERE outcome IN ('adopted', 'abandoned')"), "0");
    house.prove().await;
}

#[tokio::test]
async fn an_order_made_by_somebody_else_is_not_ours_though_a_request_of_ours_was_lost() {
    // Our request never arrives; somebody else orders the same pair, within 5 in 100 of the amount.
    let house = House::new().await;
    house.simulator.inject(Call::Create, Fault::DropBeforeActing, 3);
    let ours = house.request("USDT", "TRON", "100").await;
    house.rounds().await;
    house.pass(5 * MINUTE, Duration::from_secs(5)).await;
    assert_eq!(house.read(&ours).await.facts.state, State::Unresolved);
    let theirs = house.wallet("98").await;
    house.simulator.act(&house.order(&theirs), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    house.reconcile().await;
    let ours = house.read(&ours).await;
    assert_eq!((ours.facts.state, ours.facts.wallet.is_none()), (State::Unresolved, true));
    house.prove().await;
}

#[tokio::test]
async fn an_unresolved_deposit_stays_so() {
    let house = House::new().await;
    house.simulator.inject(Call::Create, Fault::DropBeforeActing, 2);
    house.simulator.inject(Call::Create, Fault::DropAfterActing, 1);
    let deposit = house.request("USDT", "ETH", "55").await;
    house.rounds().await;
    house.pass(5 * MINUTE, Duration::from_secs(10)).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Unresolved);
    assert_eq!(house.letters(&deposit), ["unresolved"]);
    assert_eq!(house.simulator.orders().len(), 1);
    house.reconcile().await;
    house.pass(HOUR, 5 * MINUTE).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Unresolved, "nothing revives it");
    assert_eq!(house.simulator.calls().count(Call::Create), 3);
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
    assert_eq!(wrong.facts.state, State::AwaitingPayment);
    assert!(wrong.facts.wallet.as_ref().unwrap().shown_address().is_none() && wrong.facts.review.is_some());
    assert_eq!(house.sql("SELECT address IS NULL, order_id IS NOT NULL FROM accounting_deposits"), "1|1");
    assert_eq!(house.letters(&wrong), ["needs_review"]);
    // It is polled as usual, and a right answer later does not show what one had contradicted.
    house.poll().await;
    assert!(house.read(&wrong).await.facts.wallet.unwrap().shown_address().is_none());
    let deposit = house.wallet("67").await;
    house.simulator.act(&house.order(&deposit), Action::ChangeAddress { to: None }).unwrap();
    house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    let flagged = house.read(&deposit).await;
    assert_eq!(flagged.facts.state, State::AwaitingPayment, "an answer about another address moves nothing");
    assert_eq!(flagged.facts.wallet, deposit.facts.wallet);
    assert!(flagged.facts.review.unwrap().reason.contains("address"));
    assert_eq!(house.letters(&deposit), ["needs_review"]);
    // A person has reviewed it; the same contradiction is not raised again.
    flow::review(&house.flow, &deposit.id.to_string(), "asked the upstream").await.unwrap();
    house.poll().await;
    assert_eq!(house.read(&deposit).await.facts.review, None);
    assert_eq!(house.letters(&deposit), ["needs_review"]);
}

#[tokio::test]
async fn an_unknown_word_flags_and_an_ordinary_poll_clears() {
    let house = House::new().await;
    let deposit = house.wallet("70").await;
    let order = house.order(&deposit);
    house.simulator.act(&order, Action::SetStatus { status: "Quantum_Check".to_owned() }).unwrap();
    house.poll().await;
    let flagged = house.read(&deposit).await;
    assert_eq!(flagged.facts.state, State::AwaitingPayment);
    assert_eq!(flagged.facts.upstream_status.as_deref(), Some("Quantum_Check"));
    assert!(flagged.facts.review.is_some());
    house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    let settled = house.read(&deposit).await;
    assert!(settled.facts.state == State::Settled && settled.facts.review.is_none());
    let history = house.history(&deposit).await;
    assert!(history.contains(&"needs_review".to_owned()) && history.contains(&"review_cleared".to_owned()));
    // Figures that cannot be read: flagged, and nothing moves.
    let strange = house.wallet("71").await;
    let page = r#"{"ok":true,"body":{"status":"paid","payment_amount_usd":"n/a"}}"#.to_owned();
    house.simulator.inject_for(&house.order(&strange), Fault::Status(200, page, Vec::new()), 6);
    house.wallet("72").await;
    house.poll().await;
    let flagged = house.read(&strange).await;
    assert_eq!(flagged.facts.state, State::AwaitingPayment);
    assert!(flagged.facts.review.is_some_and(|review| review.reason.contains("payment_amount_usd")));
    // Backwards: flagged, and nothing is taken back.
    house.simulator.act(&order, Action::SetStatus { status: "check".to_owned() }).unwrap();
    house.pass(10 * MINUTE, MINUTE).await;
    let back = house.read(&deposit).await;
    assert!(back.facts.state == State::Settled && back.facts.review.is_some());
    assert_eq!(house.prove().await.transactions, 1);
}

#[tokio::test]
async fn foreign_top_ups_are_explained_and_differences_become_cases() {
    let house = House::new().await;
    house.simulator.top_up_elsewhere(12_300, "stripe").unwrap();
    let first = house.baseline().await.figures.unwrap();
    assert_eq!((first.baseline_cents, first.difference_cents), (Some(0), Some(0)));
    house.simulator.top_up_elsewhere(700, "Cryptomus").unwrap();
    house.simulator.spend(5_000).unwrap();
    let report = house.reconcile().await;
    assert!(report.cases.is_empty(), "{report:?}");
    assert_eq!(report.figures.unwrap().credited_elsewhere_cents, 13_000);
    // The upstream credits less than it said; the row shows it, the total bears it out, and a person must say so.
    let deposit = house.wallet("50").await;
    let order = house.order(&deposit);
    let figures = Figures { invoice_cents: Some(4_900), credited_cents: Some(4_900), ..Figures::default() };
    house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
    house.simulator.act(&order, Action::SetFigures(figures)).unwrap();
    house.poll().await;
    for _ in 0..2 {
        let report = house.reconcile().await;
        assert_eq!(report.figures.unwrap().difference_cents, Some(0), "rows and total agree");
        assert_eq!((report.cases.len(), report.clean), (1, false), "the journal and the rows do not");
        assert_eq!(house.sql("SELECT amount_booked FROM accounting_deposits"), "50.00");
    }
    house.prove().await;
}

#[tokio::test]
async fn a_person_may_say_that_the_invoice_is_right() {
    let house = House::new().await;
    house.reconcile().await;
    let deposit = house.wallet("50").await;
    let order = house.order(&deposit);
    house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
    let figures = Figures { invoice_cents: Some(4_900), ..Figures::default() };
    house.simulator.act(&order, Action::SetFigures(figures)).unwrap();
    house.poll().await;
    let report = house.reconcile().await;
    let case = report.cases.iter().find(|case| case.kind == "amount_mismatch").unwrap().id;
    let wish = |note: &'static str| flow::CorrectionRequest {
        who: "unix user root",
        note,
        amount: None,
        dry_run: false,
    };
    assert!(flow::correct_case(&house.flow, case, wish(" ")).await.is_err(), "an empty note says nothing");
    let asked = flow::CorrectionRequest { dry_run: true, ..wish("support confirms 49.00") };
    let planned = flow::correct_case(&house.flow, case, asked).await.unwrap();
    assert_eq!((planned.corrected.as_deref(), planned.done), (Some("49.00"), false));
    assert_eq!(house.sql("SELECT amount_booked FROM accounting_deposits"), "50.00", "only asked");
    flow::correct_case(&house.flow, case, wish("support confirms 49.00")).await.unwrap();
    let closed = house.flow.ledger.case(case).await.unwrap().unwrap();
    assert_eq!(closed.closed_by.as_deref(), Some("person"));
    assert_eq!(house.sql("SELECT amount_booked FROM accounting_deposits"), "49.00");
    assert!(flow::correct_case(&house.flow, case, wish("again")).await.is_err(), "it is closed");
    assert_eq!(house.prove().await.transactions, 2);
}

#[tokio::test]
async fn a_probable_match_stands_and_is_not_guessed_anew_at_every_run() {
    let house = House::new().await;
    house.baseline().await;
    house.simulator.set_shape(Shape { id_field: IdField::None, ..Shape::default() });
    let (one, two) = (house.wallet("32").await, house.wallet("32").await);
    for deposit in [&one, &two] {
        house.simulator.act(&house.order(deposit), Action::Pay { amount_usd: None }).unwrap();
    }
    house.poll().await;
    house.simulator.act(&house.order(&two), Action::HideInvoice { hidden: true }).unwrap();
    let first = house.reconcile().await;
    assert_eq!(
        first.cases.len(),
        3,
        "no row bears an id, and the total holds one that is nowhere: {first:?}"
    );
    for _ in 0..3 {
        let again = house.reconcile().await;
        assert_eq!((again.opened.len(), again.closed.len()), (0, 0), "{again:?}");
        assert_eq!(again.cases[0].id, first.cases[0].id);
    }
    house.simulator.act(&house.order(&two), Action::HideInvoice { hidden: false }).unwrap();
    let report = house.reconcile().await;
    assert_eq!((report.cases.len(), report.clean), (2, false), "what is probable closes nothing");
    assert_eq!(house.sql("SELECT DISTINCT reconciled FROM accounting_deposits"), "probable");
    for case in report.cases {
        flow::accept_case(&house.flow, case.id, "root", "by the dashboard", None).await.unwrap();
    }
    let accepted = house.reconcile().await;
    assert_eq!((accepted.clean, accepted.figures.unwrap().credited_here_cents), (true, 6_400));
}

#[tokio::test]
async fn a_void_run_changes_nothing_and_a_drift_stands_until_it_is_gone() {
    let house = House::new().await;
    house.baseline().await;
    house.simulator.inject(Call::Invoices, Fault::Html200, 1);
    assert!(matches!(flow::reconcile(&house.flow).await, Err(flow::ReconcileFailed::Incomplete(_))));
    assert_eq!(house.sql("SELECT count(*), sum(ok) FROM reconciliation"), "3|2");
    house.simulator.adjust(0, 250).unwrap();
    let report = house.reconcile().await;
    assert_eq!(report.cases[0].kind, "total_charges_drift");
    assert_eq!((report.cases[0].expected.as_str(), report.cases[0].found.as_str()), ("0.00", "2.50"));
    let drift = report.cases[0].id;
    house.reconcile().await;
    flow::close_case(&house.flow, drift, "unix user root", "a goodwill credit, by phone").await.unwrap();
    assert!(house.reconcile().await.cases.is_empty(), "closed by a person, and the figures are the same");
    house.simulator.adjust(0, 100).unwrap();
    let other = house.reconcile().await;
    assert_eq!(other.cases.len(), 1, "other figures: another case");
    flow::accept_case(&house.flow, other.cases[0].id, "unix user root", "another", None).await.unwrap();
    house.simulator.adjust(900, 0).unwrap();
    let report = house.reconcile().await;
    assert_eq!(
        (report.cases.len(), report.clean, report.balance_rise_cents),
        (0, true, 900),
        "a figure, no case"
    );
    house.rounds().await;
    let told: Vec<String> =
        house.smtp.messages().iter().map(|mail| mail.header("X-Depositd-Event").unwrap()).collect();
    let opened = told.iter().filter(|event| *event == "discrepancy_opened").count();
    let closed = told.iter().filter(|event| *event == "discrepancy_closed").count();
    let decided = told.iter().filter(|event| *event == "decided").count();
    assert_eq!((opened, closed, decided), (2, 0, 2), "the decision's own letter tells of the end");
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
    house.simulator.act(&house.order(&wallet), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    let row = house.sql(
        "SELECT currency, network, amount_requested, amount_usd, amount_usd_micros, amount_crypto, state, outcome, late \
         FROM accounting_deposits",
    );
    assert_eq!(row, "USDT|BSC|5.15|5.00|5000000|4.99|settled|exact|0");
}
