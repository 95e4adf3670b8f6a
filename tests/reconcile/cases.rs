//! Each kind of difference, from its first sight to its end.

use std::time::Duration;

use depositd::domain::deposit::{Deposit, State};
use depositd::flow::{self, CaseError, FlowSettings};
use depositd::sandbox::upstream::{Action, Figures, ListLie};
use tokio_util::sync::CancellationToken;

use super::support::house::{House, settings};
use super::{house, letters};

async fn paid(house: &House, amount: &str) -> Deposit {
    let deposit = house.wallet(amount).await;
    house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    let settled = house.read(&deposit).await;
    assert_eq!(settled.facts.state, State::Settled);
    settled
}

async fn lives_and_heals(house: &House, kind: &str, figures: (&str, &str), heal: impl AsyncFnOnce()) {
    lives_and_heal(house, &[kind], &[figures], heal).await;
}

/// Each case is opened in one run, told in the next, not again in a third, and closed by the run after it was healed.
async fn lives_and_heal(house: &House, kinds: &[&str], figures: &[(&str, &str)], heal: impl AsyncFnOnce()) {
    let mut opened = house.reconcile().await;
    opened.cases.sort_by_key(|case| case.id);
    let found: Vec<&str> = opened.cases.iter().map(|case| case.kind.as_str()).collect();
    assert_eq!(found, kinds);
    let said: Vec<(&str, &str)> =
        opened.cases.iter().map(|case| (case.expected.as_str(), case.found.as_str())).collect();
    assert_eq!(said, figures, "{kinds:?}");
    let told = |letters: Vec<String>| {
        kinds
            .iter()
            .map(|kind| letters.iter().filter(|subject| subject.contains(kind)).count())
            .collect::<Vec<_>>()
    };
    let (none, one) = (vec![0; kinds.len()], vec![1; kinds.len()]);
    assert_eq!(told(letters(house, "discrepancy_opened").await), none, "{kinds:?}: once may be chance");
    for _ in 0..2 {
        let again = house.reconcile().await;
        assert_eq!((again.opened.len(), again.closed.len()), (0, 0), "{kinds:?}");
        assert_eq!(told(letters(house, "discrepancy_opened").await), one, "{kinds:?}: one letter");
    }
    heal().await;
    let mut healed = house.reconcile().await;
    healed.closed.sort_unstable();
    let ids: Vec<i64> = opened.cases.iter().map(|case| case.id).collect();
    assert_eq!((&healed.closed, healed.cases), (&ids, Vec::new()), "{kinds:?}");
    assert!(healed.clean);
    house.reconcile().await;
    assert_eq!(told(letters(house, "discrepancy_opened").await), one, "{kinds:?}");
    assert_eq!(told(letters(house, "discrepancy_closed").await), one, "{kinds:?}: one letter at the end");
    for id in ids {
        let closed = house.flow.ledger.case(id).await.unwrap().unwrap();
        assert_eq!((closed.closed_by.as_deref(), closed.seen_runs), (Some("run"), 3), "{kinds:?}");
        assert!(closed.resolution.is_some_and(|why| !why.is_empty()), "{kinds:?}");
    }
}

#[tokio::test]
async fn another_amount_stands_until_the_figures_agree() {
    let house = house().await;
    house.baseline().await;
    let order = house.order(&paid(&house, "50").await);
    let invoice = |cents| Action::SetFigures(Figures { invoice_cents: Some(cents), ..Figures::default() });
    // One row that lies: the deposit's case, and the total that no longer is the rows' sum.
    house.simulator.act(&order, invoice(4_900)).unwrap();
    let both = &["amount_mismatch", "total_charges_drift"];
    lives_and_heal(&house, both, &[("50.00", "49.00"), ("49.00", "50.00")], async || {
        house.simulator.act(&order, invoice(5_000)).unwrap();
    })
    .await;
    assert_eq!(house.prove().await.transactions, 1, "the books were right all the time");
}

#[tokio::test]
async fn a_missing_invoice_stands_until_it_is_listed() {
    let house = house().await;
    house.simulator.top_up_elsewhere(100, "card").unwrap();
    house.baseline().await;
    let order = house.order(&paid(&house, "20").await);
    house.simulator.act(&order, Action::HideInvoice { hidden: true }).unwrap();
    let both = &["invoice_missing", "total_charges_drift"];
    lives_and_heal(&house, both, &[("20.00", "no invoice"), ("1.00", "21.00")], async || {
        house.simulator.act(&order, Action::HideInvoice { hidden: false }).unwrap();
    })
    .await;
    assert_eq!(house.sql("SELECT reconciled FROM accounting_deposits"), "matched");
    // A row that took part in a clean run stands when the list shows it no more.
    house.simulator.act(&order, Action::HideInvoice { hidden: true }).unwrap();
    let report = house.reconcile().await;
    assert_eq!((report.cases.len(), report.clean), (0, true));
    assert_eq!((report.standing.rows, report.standing.cents), (1, 2_000));
}

#[tokio::test]
async fn another_status_stands_until_the_words_agree() {
    let house = house().await;
    house.baseline().await;
    let order = house.order(&paid(&house, "30").await);
    let word = |word: &str| Action::SetInvoiceStatus { status: word.to_owned() };
    house.simulator.act(&order, word("cancel")).unwrap();
    let both = &["status_mismatch", "total_charges_drift"];
    lives_and_heal(&house, both, &[("settled", "cancel"), ("0.00", "30.00")], async || {
        house.simulator.act(&order, word("paid")).unwrap();
    })
    .await;
}

/// A total does not fall: a drift above it ends by a row that explains it, or by a person.
#[tokio::test]
async fn a_drift_stands_until_the_total_is_explained() {
    let house = house().await;
    house.baseline().await;
    house.simulator.top_up_elsewhere(250, "card").unwrap();
    house.simulator.set_list_lie(ListLie::Empty);
    lives_and_heals(&house, "total_charges_drift", ("0.00", "2.50"), async || {
        house.simulator.clear_list_lies();
    })
    .await;
}

/// Gifts and corrections of theirs raise a balance: a line of the report, no case and no letter.
#[tokio::test]
async fn a_risen_balance_is_a_figure_of_the_report() {
    let house = house().await;
    house.baseline().await;
    house.simulator.adjust(900, 0).unwrap();
    let report = house.reconcile().await;
    assert_eq!((report.balance_rise_cents, report.cases.len(), report.clean), (900, 0, true));
    house.simulator.top_up_elsewhere(500, "card").unwrap();
    house.simulator.adjust(1, 0).unwrap();
    assert_eq!(house.reconcile().await.balance_rise_cents, 1, "what the total explains is no rise");
    house.simulator.spend(300).unwrap();
    assert_eq!(house.reconcile().await.balance_rise_cents, 0);
    assert!(letters(&house, "discrepancy_opened").await.is_empty());
}

#[tokio::test]
async fn what_is_credited_there_is_settled_here_through_the_ordinary_door() {
    let house = house().await;
    house.baseline().await;
    let deposit = house.wallet("40").await;
    house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
    let report = house.reconcile().await;
    assert_eq!((report.cases, report.opened), (Vec::new(), Vec::new()), "polled again at once");
    assert_eq!(report.figures.unwrap().credited_here_cents, 4_000);
    assert_eq!(house.read(&deposit).await.facts.state, State::Settled);
    assert_eq!(house.history(&deposit).await, ["requested", "wallet_created", "settled"]);
}

/// What a look has settled leaves its old place in the queue. Where a whole page of the queue is such places, the deposits
/// behind it are polled in the same run all the same.
#[tokio::test]
async fn old_places_of_what_a_look_has_settled_hold_up_nobody_behind_them() {
    let house = House::with(FlowSettings { poll_batch: 2, ..settings() }, Vec::new()).await;
    house.baseline().await;
    let mut settled = Vec::new();
    for _ in 0..6 {
        let deposit = house.wallet("40").await;
        house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
        settled.push(deposit);
    }
    house.reconcile().await;
    for deposit in &settled {
        assert_eq!(house.read(deposit).await.facts.state, State::Settled);
    }
    house.clock.advance(Duration::from_secs(2));
    let behind = house.wallet("50").await;
    house.clock.advance(Duration::from_secs(20));
    let old =
        "SELECT count(*) FROM queue JOIN deposit ON row_id = deposit WHERE queue.version <> deposit.version";
    assert_eq!(house.sql(old), "6");
    let done = flow::poll_due(&house.flow, &CancellationToken::new()).await.unwrap();
    assert_eq!((done.answered, done.failed), (1, 0), "{done:?}: {behind:?}");
}

#[tokio::test]
async fn top_ups_by_other_means_are_credited_elsewhere_and_alarm_nobody() {
    let house = house().await;
    house.simulator.adjust(7_700, 12_345).unwrap();
    house.simulator.top_up_elsewhere(100, "card").unwrap();
    let first = house.baseline().await.figures.unwrap();
    assert_eq!(
        (first.baseline_cents, first.credited_elsewhere_cents, first.difference_cents),
        (Some(12_345), 12_445, Some(0))
    );
    for (cents, method) in [(500, "stripe"), (12_300, "card"), (999, "cryptomus")] {
        house.simulator.top_up_elsewhere(cents, method).unwrap();
        house.simulator.spend(100).unwrap();
        let report = house.reconcile().await;
        assert_eq!(report.cases, Vec::new());
        assert_eq!(report.figures.unwrap().difference_cents, Some(0));
    }
    let last = house.reconcile().await;
    let elsewhere = last.matched.iter().find(|one| one.rule == "elsewhere").unwrap();
    assert_eq!((elsewhere.invoices, elsewhere.credited, elsewhere.credited_cents), (4, 4, 13_899));
    let lines = house.sql(
        "SELECT total_charges_cents - credited_here_cents - credited_elsewhere_cents - difference_cents, \
         credited_elsewhere_cents - baseline_cents FROM accounting_balance_history",
    );
    assert_eq!(lines.lines().last(), Some("0|13899"), "{lines}");
    assert_eq!(letters(&house, "discrepancy_opened").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_difference_that_is_gone_in_the_next_run_is_told_to_nobody_and_kept() {
    let house = house().await;
    house.baseline().await;
    house.simulator.adjust(0, 250).unwrap();
    assert_eq!(house.reconcile().await.cases.len(), 1);
    house.simulator.adjust(0, -250).unwrap();
    assert_eq!(house.reconcile().await.cases.len(), 0);
    house.reconcile().await;
    assert!(letters(&house, "discrepancy_opened").await.is_empty());
    assert!(
        letters(&house, "discrepancy_closed").await.is_empty(),
        "who never heard of it need not hear its end"
    );
    assert_eq!(house.sql("SELECT kind, closed_by FROM accounting_discrepancies"), "total_charges_drift|run");
    let noted = "SELECT facts ->> '$.opened.ids', facts ->> '$.closed.ids' FROM event WHERE name = 'cases_noted' ORDER BY seq";
    assert_eq!(house.sql(noted), "[[1,1]]|[]\n[]|[[1,1]]", "its beginning and its end are in the chain");
    house.prove().await;
    let tampered = std::process::Command::new("sqlite3")
        .arg(house.ledger_path())
        .arg("UPDATE discrepancy SET resolution = 'somebody else''s words'")
        .status();
    assert!(tampered.unwrap().success());
    let found = house.flow.ledger.verify(|_, _| {}).await.unwrap().findings;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].table, "discrepancy");
}

#[tokio::test]
async fn many_cases_at_once_are_noted_in_one_event() {
    let house = house().await;
    let mut orders = Vec::new();
    for number in 0..5 {
        orders.push(house.order(&paid(&house, &format!("{}", 10 + number)).await));
    }
    house.reconcile().await;
    let before = house.sql("SELECT max(seq) FROM event");
    for order in &orders {
        house.simulator.act(order, Action::SetInvoiceStatus { status: "cancel".to_owned() }).unwrap();
    }
    let report = house.reconcile().await;
    assert_eq!(report.opened.len(), 5, "{:?}", report.cases);
    let noted = format!(
        "SELECT name, facts ->> '$.opened.count', facts ->> '$.opened.ids' FROM event WHERE seq > {before}"
    );
    assert_eq!(house.sql(&noted), "cases_noted|5|[[1,5]]");
    house.prove().await;
}

#[tokio::test]
async fn what_a_person_says_is_kept_with_who_and_when_and_in_the_chained_history() {
    let house = house().await;
    house.baseline().await;
    house.simulator.adjust(0, 250).unwrap();
    let case = house.reconcile().await.cases[0].id;
    let empty = flow::explain_case(&house.flow, case, "API token", "  ").await;
    assert!(matches!(empty, Err(CaseError::Note(_))), "{empty:?}");
    assert!(matches!(flow::close_case(&house.flow, 99, "API token", "x").await, Err(CaseError::Unknown(_))));
    let said = flow::explain_case(&house.flow, case, "unix user root", "asked the support").await.unwrap();
    assert_eq!((said.explained_by.as_deref(), said.closed_at), (Some("unix user root"), None));
    for _ in 0..3 {
        assert_eq!(house.reconcile().await.cases.len(), 1, "explained, and open");
    }
    assert!(letters(&house, "discrepancy_opened").await.is_empty(), "what is explained alarms nobody");
    let closed = flow::close_case(&house.flow, case, "API token", "a goodwill credit").await.unwrap();
    assert_eq!(
        (closed.closed_by.as_deref(), closed.closed_who.as_deref()),
        (Some("person"), Some("API token"))
    );
    let again = flow::close_case(&house.flow, case, "API token", "twice").await;
    assert!(matches!(again, Err(CaseError::Refused(_))));
    assert!(house.reconcile().await.cases.is_empty(), "the same figures do not open it again");
    house.simulator.adjust(0, 1).unwrap();
    assert_eq!(house.reconcile().await.cases.len(), 1, "other figures do");
    assert_eq!(
        house.sql("SELECT name, reason FROM accounting_history WHERE name LIKE 'discrepancy_%'"),
        "discrepancy_explained|asked the support\ndiscrepancy_closed|a goodwill credit"
    );
    assert_eq!(
        house.sql("SELECT explained_by, closed_by, closed_who, resolution FROM accounting_discrepancies WHERE id = 1"),
        "unix user root|person|API token|a goodwill credit"
    );
    house.prove().await;
}
