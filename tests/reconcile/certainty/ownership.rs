//! Whose ledger it is, what was lost with a machine, and the zone of the list's times.

use std::time::Duration;

use depositd::clock::Clock as _;
use depositd::domain::deposit::State;
use depositd::flow::{self, CaseError};
use depositd::sandbox::upstream::{Action, AmountStyle, Fate, ListLie};

use super::super::support::house::House;
use super::{kinds, paid};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_ledger_belongs_to_its_account_until_a_person_says_otherwise() {
    let house = super::super::house().await;
    let ledger = &house.flow.ledger;
    flow::bind(ledger, "12345").await.unwrap();
    flow::bind(ledger, "12345").await.unwrap();
    let foreign = flow::bind(ledger, "67890").await.unwrap_err().to_string();
    assert!(
        foreign.contains("\"12345\"") && foreign.contains("\"67890\"") && foreign.contains("rebind"),
        "{foreign}"
    );
    let now = house.clock.now();
    let events = house.sql("SELECT count(*) FROM event");
    for (account, note) in [("67890", " "), ("12345", "no change")] {
        assert!(flow::rebind(ledger, account, ("root", note), now).await.is_err());
    }
    assert_eq!(house.sql("SELECT count(*) FROM event"), events, "nothing was written");
    let before = flow::rebind(ledger, "67890", ("root", "a new login"), now).await.unwrap();
    assert_eq!(before.as_deref(), Some("12345"));
    flow::bind(ledger, "67890").await.unwrap();
    assert!(flow::bind(ledger, "12345").await.is_err());
    assert!(house.sql("SELECT reason FROM accounting_history WHERE name = 'rebound'").contains("67890"));
    house.prove().await;
}

#[tokio::test]
async fn after_a_restore_one_case_names_what_is_missing_and_claims_take_it_in() {
    let house = super::super::house().await;
    house.baseline().await;
    let kept = paid(&house, "50").await;
    house.reconcile().await;
    house.flow.ledger.backup(&house.folder.path().join("copy.db")).await.unwrap();
    house.pass(HOUR, HOUR).await;
    // After the copy: one is paid, one waits; and somebody else on the account makes an order.
    let lost = paid(&house, "60").await;
    let order = house.order(&lost);
    let waits = house.order(&house.wallet("70").await);
    house.reconcile().await;
    let copy = house.folder.path().join("copy.db");
    let ledger = house.ledger_path();
    let Some(house) = restored(house, &copy, &ledger).await else { panic!("no house") };
    house.clock.advance(Duration::from_secs(60));
    assert!(flow::restored(&house.flow, "root", " ", None).await.is_err());
    flow::restored(&house.flow, "root", "disk failure", None).await.unwrap();
    assert!(flow::restored(&house.flow, "root", "again", None).await.is_err(), "one stands already");
    let report = house.reconcile().await;
    let case = report.cases.iter().find(|case| case.kind == "restored").expect("a case").clone();
    let detail = case.detail.clone().unwrap();
    assert!(
        detail.contains(&order) && detail.contains(&waits) && !detail.contains(&house.order(&kept)),
        "{detail}"
    );
    for (order, note) in [("nothing", "x"), (order.as_str(), " "), (&house.order(&kept), "x")] {
        let refused = flow::claim(&house.flow, order, None, "root", note).await;
        assert!(matches!(refused, Err(CaseError::Refused(_) | CaseError::Note(_))), "{refused:?}");
    }
    let claimed =
        flow::claim(&house.flow, &order, Some("invoice 7".to_owned()), "root", "ours").await.unwrap();
    assert_eq!(
        claimed.facts.wallet.as_ref().map(|wallet| wallet.order_id.as_deref().unwrap()),
        Some(order.as_str())
    );
    house.poll().await;
    let claimed = house.read(&claimed).await;
    assert_eq!(claimed.facts.state, State::Settled);
    assert_eq!(claimed.facts.booked.as_ref().unwrap().total().to_string(), "60.00");
    flow::claim(&house.flow, &waits, None, "root", "ours, too").await.unwrap();
    assert!(flow::claim(&house.flow, &order, None, "root", "twice").await.is_err());
    let report = house.reconcile().await;
    assert_eq!(kinds(&report), ["restored"], "a person ends it");
    flow::close_case(&house.flow, case.id, "root", "all claimed").await.unwrap();
    let report = house.reconcile().await;
    assert_eq!((kinds(&report), report.clean), (Vec::new(), true));
    assert_eq!(report.figures.unwrap().credited_here_cents, 11_000);
    house.prove().await;
}

/// The copy in the ledger's place, as on a new machine.
async fn restored(house: House, copy: &std::path::Path, ledger: &std::path::Path) -> Option<House> {
    house.flow.ledger.clone().close().await.ok()?;
    std::fs::copy(copy, ledger).ok()?;
    Some(house.restart_restored().await)
}

#[tokio::test]
async fn an_order_whose_row_is_old_is_recognised_once_it_is_claimed() {
    let house = super::super::house().await;
    let usdt = depositd::domain::asset::Asset::parse("USDT", "TRON").unwrap();
    let order = house.simulator.order_elsewhere(usdt, "40", Fate::Manual).unwrap();
    house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
    for _ in 0..12 {
        house.reconcile().await;
    }
    let claimed = flow::claim(&house.flow, &order, None, "root", "made by hand").await.unwrap();
    house.poll().await;
    let report = house.reconcile().await;
    assert_eq!((kinds(&report), report.clean), (Vec::new(), true), "{report:?}");
    assert_eq!(house.read(&claimed).await.facts.state, State::Settled);
}

#[tokio::test]
async fn times_in_another_zone_are_warned_of_with_the_line_to_write_and_nothing_is_learnt() {
    let house = super::super::house().await;
    for amount in ["11", "12", "13", "14"] {
        house.wallet(amount).await;
    }
    house.simulator.set_list_lie(ListLie::Shift(3 * 3600));
    assert_eq!(house.reconcile().await.zone_hint, None, "four are too few");
    house.wallet("15").await;
    let hint = house.reconcile().await.zone_hint.unwrap();
    assert!(hint.contains("upstream_utc_offset = \"+03:00\""), "{hint}");
    assert_eq!(house.flow.time_warnings().await.unwrap(), [format!("reconcile: {hint}")]);
    house.simulator.clear_list_lies();
    house.simulator.set_list_lie(ListLie::Shift(-3600 - 1800));
    let hint = house.reconcile().await.zone_hint.unwrap();
    assert!(hint.contains("\"-01:30\""), "{hint}");
    house.simulator.clear_list_lies();
    assert_eq!(house.reconcile().await.zone_hint, None);
    assert_eq!(house.flow.time_warnings().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_amount_that_a_person_says_of_a_row_is_held_against_the_journal() {
    let house = super::super::house().await;
    house.baseline().await;
    let deposit = paid(&house, "50").await;
    house.simulator.set_list_lie(ListLie::AmountAs(AmountStyle::Words));
    let report = house.reconcile().await;
    let case = report.cases.iter().find(|case| case.kind == "row_unread").expect("a case").id;
    house.simulator.set_total_shift(-100);
    flow::accept_case(&house.flow, case, "root", "the dashboard shows 49.00", Some(4_900)).await.unwrap();
    let report = house.reconcile().await;
    assert_eq!((kinds(&report), report.clean), (vec!["amount_mismatch"], false), "{report:?}");
    assert_eq!(house.read(&deposit).await.facts.booked.unwrap().total().to_string(), "50.00");
    let wish = flow::CorrectionRequest { who: "root", note: "so be it", amount: None, dry_run: false };
    flow::correct_case(&house.flow, report.cases[0].id, wish).await.unwrap();
    assert!(house.reconcile().await.clean);
}

/// What the upstream gives two orders of, is shown to the first only; a claim is no way around that.
#[tokio::test]
async fn a_claim_of_an_order_with_anothers_address_is_shown_to_the_first_only() {
    for paid in [false, true] {
        let house = super::super::house().await;
        let first = house.wallet("50").await;
        let address = first.facts.wallet.as_ref().unwrap().address.clone().unwrap();
        let asset = first.request.asset().unwrap();
        let other = house.simulator.order_elsewhere(asset, "40", Fate::Manual).unwrap();
        house
            .simulator
            .overlay(&other, &format!(r#"{{"address": "{address}", "to_address": "{address}"}}"#))
            .unwrap();
        if paid {
            house.simulator.act(&other, Action::Pay { amount_usd: None }).unwrap();
        }
        let claimed = flow::claim(&house.flow, &other, None, "root", "made by hand").await.unwrap();
        let (first, claimed) = (house.read(&first).await, house.read(&claimed).await);
        assert_eq!(first.facts.wallet.as_ref().unwrap().shown_address(), Some(address.as_str()));
        assert_eq!(claimed.facts.wallet.as_ref().unwrap().shown_address(), None, "paid {paid}");
        for (deposit, other) in [(&first, &claimed), (&claimed, &first)] {
            assert!(deposit.facts.wallet.as_ref().unwrap().shared);
            let review = deposit.facts.review.as_ref().unwrap();
            assert!(review.reason.contains(&other.id.to_string()), "{}", review.reason);
        }
        // Its own money is booked all the same, for its order names it.
        house.poll().await;
        let credited = house.read(&claimed).await.facts.booked.map(|booked| booked.total().to_string());
        assert_eq!(credited.as_deref(), paid.then_some("40.00"));
        house.prove().await;
    }
}

#[tokio::test]
async fn of_two_claims_of_one_order_at_the_same_time_one_is_refused() {
    let house = super::super::house().await;
    let usdt = depositd::domain::asset::Asset::parse("USDT", "TRON").unwrap();
    let order = house.simulator.order_elsewhere(usdt, "40", Fate::Manual).unwrap();
    house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
    let capitals = order.to_ascii_uppercase();
    let (one, two, three) = tokio::join!(
        flow::claim(&house.flow, &order, None, "root", "ours"),
        flow::claim(&house.flow, &order, None, "root", "ours, too"),
        flow::claim(&house.flow, &capitals, None, "root", "in capitals"),
    );
    let taken = [&one, &two, &three].into_iter().filter(|claim| claim.is_ok()).count();
    assert_eq!(taken, 1, "{one:?} {two:?} {three:?}");
    house.poll().await;
    assert_eq!(
        house.sql("SELECT count(*), sum(amount_booked_micros) FROM accounting_deposits"),
        "1|40000000"
    );
    house.prove().await;
}
