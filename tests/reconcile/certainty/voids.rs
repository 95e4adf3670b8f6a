//! Lists and totals that cannot be: void, nothing moves; where it stands, one case that a person ends.

use depositd::flow;
use depositd::sandbox::upstream::{Call, Fault, ListLie, TotalLie};

use super::*;

/// Cents become dollars, or the other way round, or everything is 0; the total with the list, or one of them alone.
#[tokio::test]
async fn no_change_of_units_moves_money() {
    let (house, _) = house_of(12).await;
    let before = journal(&house);
    let mut told = 0;
    for (num, den) in [(1, 100), (100, 1), (1, 1000), (10, 1), (0, 1), (7, 3)] {
        for (list, total) in [(true, true), (true, false), (false, true)] {
            if list && num == 0 {
                house.simulator.set_list_lie(ListLie::Zero);
            } else if list {
                house.simulator.set_list_lie(ListLie::Factor { num, den });
            }
            if total {
                house.simulator.set_total_factor(num, den);
            }
            let say = format!("{num}/{den}, list {list}, total {total}");
            for run in 1..=3 {
                match flow::reconcile(&house.flow).await {
                    // Only a total that rises alone can be read at all, or one that is no whole number of cents.
                    Ok(report) => assert!(!list && total && num > den && !report.clean, "{say}: {report:?}"),
                    Err(ReconcileFailed::Incomplete(why)) => assert!(!why.is_empty(), "{say}, {run}"),
                    Err(error) => panic!("{say}: {error}"),
                }
                assert_eq!(journal(&house), before, "{say}");
            }
            let open = house.flow.ledger.cases(false).await.unwrap();
            let is_unreadable = total && den > 1;
            assert!(is_unreadable || open.len() == 1, "{say}: {open:?}");
            told += open.len();
            house.simulator.tell_the_truth();
            // A total that was confirmed by a second run never falls: what a lie of it has left only a person ends.
            if let Err(ReconcileFailed::Incomplete(why)) = flow::reconcile(&house.flow).await {
                assert!(total && num > den && why.contains("a total never falls"), "{say}: {why}");
                void(&house).await;
                let fell = house.flow.ledger.cases(false).await.unwrap();
                let fell = fell.iter().find(|case| case.kind == "total_fell").unwrap();
                flow::accept_case(&house.flow, fell.id, "root", "it had risen by mistake", None)
                    .await
                    .unwrap();
                told += 1;
            }
            let report = house.reconcile().await;
            assert_eq!((kinds(&report), report.clean), (Vec::new(), true), "{say}");
        }
    }
    assert_eq!(letters(&house, "discrepancy_opened").await.len(), told, "one letter each");
    closes(&house).await;
}

/// Three rows or fewer are an ordinary difference, each of them a case.
#[tokio::test]
async fn in_a_small_account_a_change_of_units_is_a_case_for_each_deposit() {
    let (house, _) = house_of(2).await;
    let before = journal(&house);
    house.simulator.set_list_lie(ListLie::Factor { num: 100, den: 1 });
    house.simulator.set_total_factor(100, 1);
    let report = house.reconcile().await;
    assert_eq!(kinds(&report), ["amount_mismatch", "amount_mismatch"], "{report:?}");
    assert_eq!(journal(&house), before);
    house.simulator.tell_the_truth();
    closes(&house).await;
}

#[tokio::test]
async fn one_invoice_and_the_total_that_fall_together_correct_nothing() {
    for less in [9_603, 1] {
        let (house, _) = house_of(1).await;
        let deposit = paid(&house, "100").await;
        let order = house.order(&deposit);
        assert!(house.reconcile().await.clean);
        house.reconcile().await;
        let before = journal(&house);
        house
            .simulator
            .act(
                &order,
                figures(|figures| {
                    figures.invoice_cents = Some(10_000 - less);
                    figures.credited_cents = Some(10_000 - less);
                }),
            )
            .unwrap();
        assert!(void(&house).await.contains("a total never falls"));
        assert!(house.flow.ledger.cases(false).await.unwrap().is_empty(), "once may be chance");
        assert!(letters(&house, "discrepancy_opened").await.is_empty());
        void(&house).await;
        let cases = house.flow.ledger.cases(false).await.unwrap();
        assert_eq!((cases.len(), cases[0].kind.as_str()), (1, "total_fell"));
        assert_eq!(letters(&house, "discrepancy_opened").await.len(), 1);
        void(&house).await;
        assert_eq!(letters(&house, "discrepancy_opened").await.len(), 1, "one letter");
        assert_eq!(journal(&house), before, "nothing is corrected");
        let closed = flow::close_case(&house.flow, cases[0].id, "root", "never mind").await;
        assert!(
            matches!(&closed, Err(flow::CaseError::Refused(why)) if why.contains("accept")),
            "{closed:?}"
        );
        flow::accept_case(&house.flow, cases[0].id, "root", "they took it back", None).await.unwrap();
        // What differs now is an ordinary difference.
        let report = house.reconcile().await;
        assert_eq!(kinds(&report), ["amount_mismatch"]);
        assert_eq!(report.figures.unwrap().difference_cents, Some(0));
        assert_eq!(journal(&house), before);
        let wish =
            flow::CorrectionRequest { who: "root", note: "they took it back", amount: None, dry_run: false };
        flow::correct_case(&house.flow, report.cases[0].id, wish).await.unwrap();
        closes(&house).await;
    }
}

#[tokio::test]
async fn what_lies_for_one_run_is_void_and_leaves_nothing_behind() {
    let (house, _) = house_of(5).await;
    let fallen = TotalLie { num: 1, den: 1, shift_cents: -1 };
    for lie in [ListLie::Empty, ListLie::Zero, ListLie::Factor { num: 1, den: 100 }] {
        house.simulator.lie_for(lie.clone(), 1);
        void(&house).await;
        assert!(house.reconcile().await.clean, "{lie:?}");
    }
    house.simulator.total_lie_for(fallen, 2);
    void(&house).await;
    let events = house.sql("SELECT count(*) FROM event WHERE name LIKE 'discrepancy%'");
    assert_eq!(events, "0");
    assert_eq!(house.sql("SELECT count(*) FROM discrepancy"), "0");
    closes(&house).await;
}

/// The list is empty from now on, because of a new version of theirs say: history, once a person says so.
#[tokio::test]
async fn an_empty_list_that_stands_is_one_case_and_its_rows_stand_once_it_is_accepted() {
    let (house, _) = house_of(5).await;
    house.simulator.set_list_lie(ListLie::Empty);
    for _ in 0..4 {
        assert!(void(&house).await.contains("the list is empty"));
    }
    let cases = house.flow.ledger.cases(false).await.unwrap();
    assert_eq!((cases.len(), cases[0].kind.as_str()), (1, "rows_changed"));
    assert_eq!(letters(&house, "discrepancy_opened").await.len(), 1);
    flow::accept_case(&house.flow, cases[0].id, "root", "they list nothing any more", None).await.unwrap();
    for _ in 0..2 {
        let report = house.reconcile().await;
        assert_eq!((kinds(&report), report.clean, report.standing.rows), (Vec::new(), true, 6));
    }
    // What is paid from now on is not in it.
    let order = house.order(&paid(&house, "77").await);
    assert_eq!(kinds(&house.reconcile().await), ["invoice_missing", "total_charges_drift"]);
    house.simulator.tell_the_truth();
    let report = house.reconcile().await;
    assert_eq!((kinds(&report), report.standing.rows), (Vec::new(), 0), "{order}");
    // It is believed once: another empty list is another case.
    house.simulator.set_list_lie(ListLie::Empty);
    void(&house).await;
    void(&house).await;
    assert_eq!(house.flow.ledger.cases(false).await.unwrap().len(), 1);
    house.simulator.tell_the_truth();
    closes(&house).await;
}

/// The rows say other amounts for good: one case, and then a case for each deposit, and nothing is corrected by itself.
#[tokio::test]
async fn changed_rows_that_stand_are_accepted_as_history_and_each_difference_is_a_case() {
    let (house, _) = house_of(6).await;
    let before = journal(&house);
    house.simulator.set_list_lie(ListLie::Factor { num: 2, den: 1 });
    void(&house).await;
    void(&house).await;
    let cases = house.flow.ledger.cases(false).await.unwrap();
    assert_eq!((cases.len(), cases[0].kind.as_str()), (1, "rows_changed"));
    flow::accept_case(&house.flow, cases[0].id, "root", "so be it", None).await.unwrap();
    let report = house.reconcile().await;
    assert_eq!(kinds(&report)[..6], ["amount_mismatch"; 6]);
    assert_eq!(kinds(&report)[6..], ["total_charges_drift"]);
    assert_eq!(journal(&house), before);
    house.simulator.tell_the_truth();
    void(&house).await;
    void(&house).await;
    let cases = house.flow.ledger.cases(false).await.unwrap();
    let changed = cases.iter().find(|case| case.kind == "rows_changed").unwrap();
    flow::accept_case(&house.flow, changed.id, "root", "and back", None).await.unwrap();
    closes(&house).await;
}

/// What stands is counted by runs that are the lag apart, and its case has both figures.
#[tokio::test]
async fn a_total_that_fell_is_a_case_after_as_many_spaced_runs_and_says_both_figures() {
    let settings = flow::FlowSettings {
        lag: Duration::from_hours(1),
        tell_after_runs: 3,
        ..super::super::support::house::settings()
    };
    let house = House::with(settings, Vec::new()).await;
    house.simulator.top_up_elsewhere(1_234, "card").unwrap();
    while !house.reconcile().await.clean {
        house.pass(Duration::from_hours(1), Duration::from_mins(20)).await;
    }
    house.simulator.set_total_shift(-34);
    for (quarter, open) in (0..=8).map(|quarter| (quarter, quarter >= 8)) {
        void(&house).await;
        let cases = house.flow.ledger.cases(false).await.unwrap();
        assert_eq!(cases.len(), usize::from(open), "quarter {quarter}");
        if let [case] = cases.as_slice() {
            assert_eq!(
                (case.kind.as_str(), case.expected.as_str(), case.found.as_str()),
                ("total_fell", "12.34", "12.00")
            );
            assert_eq!((case.expected_cents, case.found_cents), (Some(1_234), Some(1_200)));
        }
        house.pass(Duration::from_mins(15), Duration::from_mins(15)).await;
    }
    house.simulator.set_total_shift(0);
    assert!(house.reconcile().await.clean);
    // What stood is over: a list without an answer is told after as many runs, and waits for no more.
    assert!(letters(&house, "reconciliation_void").await.is_empty());
    house.simulator.inject(Call::Invoices, Fault::Status(500, String::new(), Vec::new()), u32::MAX);
    for run in 1..=3 {
        void(&house).await;
        assert_eq!(letters(&house, "reconciliation_void").await.len(), usize::from(run == 3), "run {run}");
    }
    house.simulator.clear_faults();
    closes(&house).await;
}
