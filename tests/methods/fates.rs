//! What becomes of a payment page: by its rows, and by the status call where that knows it.

use std::time::Duration;

use depositd::domain::deposit::{FigureSource, Outcome, State};
use depositd::domain::method::Method;
use depositd::flow;
use depositd::sandbox::upstream::{Action, Call, CardRowId, Fate, LinkShape, PageRowId, RowFactor, RowsAt};

use super::support::house::House;
use super::{HOUR, MINUTE, act, pay, postings};

/// Ways in which the upstream may tell of a link.
fn shapes() -> Vec<(Method, LinkShape)> {
    let page = |page_row_id, page_known, rows_at| {
        (Method::Page, LinkShape { page_row_id, page_known, rows_at, ..LinkShape::default() })
    };
    let card =
        |card_row_id, rows_at| (Method::Card, LinkShape { card_row_id, rows_at, ..LinkShape::default() });
    vec![
        page(PageRowId::PayId, false, RowsAt::Created),
        page(PageRowId::Sesid, false, RowsAt::Paid),
        page(PageRowId::PayId, true, RowsAt::Created),
        page(PageRowId::None, true, RowsAt::Paid),
        card(CardRowId::Sign, RowsAt::Created),
        card(CardRowId::PaymentId, RowsAt::Paid),
    ]
}

#[tokio::test]
async fn each_fate_of_a_link_ends_where_a_wallet_of_that_fate_ends() {
    for (method, shape) in shapes() {
        for (fate, state, booked) in [
            (Fate::Exact, State::Settled, Some("10.00")),
            (Fate::Over, State::Settled, Some("11.00")),
            (Fate::UnderpaidThenCompleted, State::Settled, Some("10.00")),
            (Fate::Expired, State::Expired, None),
            (Fate::NeverPaid, State::Expired, None),
            (Fate::Late, State::Settled, Some("10.00")),
            (Fate::LatePaidAfterCheck, State::Settled, Some("10.00")),
            (Fate::HeldThenReleased, State::Settled, Some("10.00")),
            (Fate::Failed, State::Failed, None),
            (Fate::SystemFailed, State::Failed, None),
            (Fate::UnknownWord, State::Settled, Some("10.00")),
            (Fate::Refunded, State::Refunded, Some("10.00")),
            (Fate::RefundFailed, State::Settled, Some("10.00")),
        ] {
            // A failure that no row ever tells of is an expiry.
            let untold = state == State::Failed && shape.rows_at == RowsAt::Paid && !shape.page_known;
            let state = if untold { State::Expired } else { state };
            let house = House::new().await;
            house.simulator.set_links(shape);
            house.simulator.set_default_fate(fate);
            house.baseline().await;
            let deposit = house.link(method, "10").await;
            for (hours, step) in [(2, 2), (2, 5), (12, 30), (13, 30)] {
                house.pass(hours * HOUR, step * MINUTE).await;
                house.reconcile().await;
            }
            let ended = house.read(&deposit).await;
            let total = ended.facts.booked.as_ref().map(|booked| booked.total().to_string());
            let told = format!("{fate:?}, {shape:?}: {:?}", house.history(&deposit).await);
            assert_eq!((ended.facts.state, total.as_deref()), (state, booked), "{told}");
            let report = house.reconcile().await;
            assert!(report.clean, "{told}: {:?}", report.cases);
            house.prove().await;
        }
    }
}

/// The row of a payment that was closed short does not say what was credited (docs/contract.md, section 3): a person does.
#[tokio::test]
async fn what_a_link_was_paid_short_with_is_said_by_a_person() {
    for (method, shape) in [shapes()[0], shapes()[4]] {
        let house = House::new().await;
        house.simulator.set_links(shape);
        house.simulator.set_default_fate(Fate::Short);
        house.baseline().await;
        let deposit = house.link(method, "10").await;
        for _ in 0..4 {
            house.pass(2 * HOUR, 10 * MINUTE).await;
            house.reconcile().await;
        }
        let short = house.read(&deposit).await;
        assert_eq!((short.facts.state, short.facts.booked.as_ref()), (State::Short, None));
        assert!(!house.reconcile().await.clean, "the total has it, and no row says how much it is");
        let (amount, name) = ("6".parse().unwrap(), deposit.id.to_string());
        let wish =
            flow::CorrectionRequest { who: "tester", note: "support", amount: Some(&amount), dry_run: false };
        flow::correct_deposit(&house.flow, &name, wish).await.unwrap();
        let report = house.reconcile().await;
        assert!(report.clean, "{:?}", report.cases);
        house.prove().await;
    }
}

#[tokio::test]
async fn a_page_is_settled_by_its_certain_row_and_its_coins_are_not_known() {
    let house = House::new().await;
    let deposit = house.link(Method::Page, "10").await;
    house.pass(MINUTE, MINUTE).await;
    let open = house.read(&deposit).await;
    assert!(open.facts.wallet.as_ref().unwrap().listed_only, "the status call does not know it");
    let looks = house.simulator.calls().count(Call::Look);
    house.pass(5 * MINUTE, MINUTE).await;
    assert_eq!(house.simulator.calls().count(Call::Look), looks, "it is asked no more");
    pay(&house, &deposit);
    house.pass(MINUTE, MINUTE).await;
    let settled = house.read(&deposit).await;
    let booked = settled.facts.booked.as_ref().unwrap();
    assert_eq!((settled.facts.state, settled.facts.outcome), (State::Settled, Some(Outcome::Exact)));
    assert_eq!((booked.source, &booked.crypto), (FigureSource::Invoice, &None));
    assert_eq!(
        postings(&house, &deposit),
        "assets:prepaid:smsonline USD 10.000000, equity:unstated USD -10.000000"
    );
    assert_eq!(house.letters(&deposit), ["settled"]);
    let figure = house.sql("SELECT DISTINCT figure, description FROM accounting_entries");
    assert_eq!(figure, "invoice|top-up credited: 10 USD by payment page");
    house.baseline().await;
    assert!(house.reconcile().await.clean);
    house.prove().await;
}

#[tokio::test]
async fn a_page_that_the_status_call_knows_is_polled_like_a_wallet() {
    let house = House::new().await;
    house.simulator.set_links(LinkShape { page_known: true, ..LinkShape::default() });
    let deposit = house.link(Method::Page, "10").await;
    house.pass(MINUTE, MINUTE).await;
    let named = house.read(&deposit).await;
    let order = house.linked(&deposit).order_id;
    assert_eq!(named.facts.wallet.as_ref().unwrap().order_id.as_ref(), Some(&order));
    let lists = house.simulator.calls().count(Call::Invoices);
    pay(&house, &deposit);
    house.pass(MINUTE, MINUTE).await;
    let settled = house.read(&deposit).await;
    assert_eq!(settled.facts.state, State::Settled);
    assert_eq!(settled.facts.booked.unwrap().source, FigureSource::PaymentAmountUsd);
    assert_eq!(house.simulator.calls().count(Call::Invoices), lists, "the list is not needed");
    house.prove().await;
}

#[tokio::test]
async fn the_list_is_read_only_while_something_is_followed_by_it() {
    let house = House::new().await;
    let lists = || house.simulator.calls().count(Call::Invoices);
    house.wallet("5").await;
    house.pass(10 * MINUTE, MINUTE).await;
    assert_eq!(lists(), 0);
    let deposit = house.link(Method::Page, "10").await;
    house.pass(2 * MINUTE, MINUTE).await;
    assert!(lists() >= 2);
    pay(&house, &deposit);
    house.pass(MINUTE, MINUTE).await;
    let then = lists();
    house.pass(10 * MINUTE, MINUTE).await;
    assert_eq!(lists(), then, "it is settled");
}

#[tokio::test]
async fn silence_expires_nothing_and_a_page_without_a_row_expires_after_the_limit_by_both_clocks() {
    let house = House::new().await;
    house.simulator.set_links(LinkShape { rows_at: RowsAt::Paid, ..LinkShape::default() });
    let deposit = house.link(Method::Page, "10").await;
    house.pass(MINUTE, MINUTE).await;
    house.simulator.set_outage(true);
    house.pass(26 * HOUR, HOUR).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::AwaitingPayment, "nobody has said anything");
    house.simulator.clear_faults();
    house.pass(HOUR, 10 * MINUTE).await;
    let expired = house.read(&deposit).await;
    assert_eq!(expired.facts.state, State::Expired);
    assert_eq!(house.letters(&deposit), ["expired"]);
    // It stays watched: what is paid later is booked as late.
    house.baseline().await;
    pay(&house, &deposit);
    house.reconcile().await;
    let late = house.read(&deposit).await;
    assert_eq!((late.facts.state, late.facts.late), (State::Settled, true));
    assert!(house.reconcile().await.clean);
    house.prove().await;
}

#[tokio::test]
async fn a_pages_deadline_is_that_of_its_row() {
    let house = House::new().await;
    let deposit = house.link(Method::Page, "10").await;
    house.pass(HOUR, 10 * MINUTE).await;
    let row = house.read(&deposit).await;
    assert!(row.facts.wallet.as_ref().unwrap().expire_at.is_some());
    assert_eq!(row.facts.state, State::AwaitingPayment);
    house.pass(HOUR, 5 * MINUTE).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Expired);
}

#[tokio::test]
async fn a_row_of_much_more_than_was_asked_for_is_not_booked_before_a_person_says_so() {
    let house = House::new().await;
    house.baseline().await;
    house.simulator.set_links(LinkShape { factor: RowFactor { num: 100, den: 1 }, ..LinkShape::default() });
    let deposit = house.link(Method::Page, "10").await;
    pay(&house, &deposit);
    house.pass(2 * HOUR, 10 * MINUTE).await;
    house.reconcile().await;
    let flagged = house.read(&deposit).await;
    assert_eq!((flagged.facts.booked.as_ref(), flagged.facts.review.is_some()), (None, true));
    let report = house.reconcile().await;
    assert!(!report.clean && report.cases.iter().any(|case| case.deposit_id.is_some()), "{:?}", report.cases);
    house.prove().await;
}

#[tokio::test]
async fn a_page_settles_after_a_restart_at_any_moment() {
    let mut house = House::new().await;
    house.simulator.set_default_fate(Fate::UnderpaidThenCompleted);
    let deposit = house.link(Method::Page, "80").await;
    for _ in 0..12 {
        house = house.die_and_rise().await;
        house.pass(5 * MINUTE, MINUTE).await;
    }
    let settled = house.read(&deposit).await;
    assert_eq!(settled.facts.state, State::Settled, "{:?}", house.history(&deposit).await);
    assert_eq!(house.simulator.calls().count(Call::CreatePage), 1);
    assert_eq!(house.prove().await.transactions, 1);
}

#[tokio::test]
async fn a_page_paid_twice_is_a_persons_case() {
    let house = House::new().await;
    house.baseline().await;
    let deposit = house.link(Method::Page, "10").await;
    pay(&house, &deposit);
    house.pass(MINUTE, MINUTE).await;
    act(&house, &deposit, Action::Pay { amount_usd: Some("10".parse().unwrap()) });
    house.pass(2 * HOUR, 20 * MINUTE).await;
    house.reconcile().await;
    house.pass(2 * HOUR, Duration::from_secs(1200)).await;
    let report = house.reconcile().await;
    let total = house.read(&deposit).await.facts.booked.unwrap().total().to_string();
    assert!(!report.clean || total == "20.00", "{total}: {:?}", report.cases);
    house.prove().await;
}
