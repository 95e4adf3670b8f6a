//! The books beside the list and the total: what becomes a case, and how it ends.

use depositd::flow;
use depositd::sandbox::upstream::{Action, Call, Fault, Figures, IdField, Shape};

use super::support::house::House;

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
