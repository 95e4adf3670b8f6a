//! What the report of a run says beside its figures.

use depositd::sandbox::upstream::{Call, Fault, IdField, ListLie, Shape};

use super::super::support;
use super::*;

#[tokio::test]
async fn it_names_the_id_that_has_matched_most() {
    for (id_field, name) in [
        (IdField::PayId, Some("pay_id_is_order")),
        (IdField::Sesid, Some("sesid_is_order")),
        (IdField::UrlUuid, Some("link")),
        (IdField::None, None),
    ] {
        let house = super::super::house().await;
        house.simulator.set_shape(Shape { id_field, ..Shape::default() });
        paid(&house, "50").await;
        let report = house.reconcile().await;
        let found = report.identifier.as_ref().map(|rule| rule.to_ascii_lowercase());
        match name {
            Some(name) => {
                let found = found.unwrap_or_else(|| panic!("{id_field:?}: {report:?}"));
                assert!(found.contains(&name.to_ascii_lowercase()), "{id_field:?}: {found}");
            }
            None => assert_eq!(found, None),
        }
    }
}

#[tokio::test]
async fn a_word_that_nobody_knows_is_named_with_what_its_rows_say() {
    for (word, named) in
        [("settling", true), ("Settled!", true), ("cancel", false), ("CHECK", false), ("refund_paid", false)]
    {
        let (house, made) = house_of(1).await;
        house
            .simulator
            .set_list_lie(ListLie::StatusOf { order_id: house.order(&made[0]), word: word.to_owned() });
        let report = house.reconcile().await;
        let words: Vec<_> =
            report.unknown_words.iter().map(|one| (one.word.as_str(), one.rows, one.cents)).collect();
        let expected = if named { vec![(word, 1, 1_000)] } else { Vec::new() };
        assert_eq!(words, expected, "{word}");
        let drift = report.cases.iter().find(|case| case.kind == "total_charges_drift");
        if named {
            let detail = drift.expect("a drift").detail.clone().unwrap();
            assert!(
                detail.contains(&format!("1 rows of 10.00 USD have the unknown word {word:?}")),
                "{detail}"
            );
            assert!(
                detail.contains("the rows of deposits with open cases credit -10.00 USD more"),
                "{detail}"
            );
            assert!(detail.contains("depositd baseline set 1000 --note TEXT"), "{detail}");
        }
    }
    // Alone, a drift has no deposit's case to decide first.
    let (house, _) = house_of(1).await;
    house.simulator.set_total_shift(700);
    let report = house.reconcile().await;
    let detail = report.cases[0].detail.clone().unwrap();
    assert!(detail.contains("7.00 USD") && !detail.contains("open cases"), "{detail}");
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_counted_beyond_those_that_are_named() {
    for rows in [49, 50, 51, 60] {
        let house = super::super::house().await;
        let row = |number: i32| {
            format!(
                r#"{{"method":"card","sesid":"s{number}","payId":"p{number}","amount":"many","created":"2026-03-01 09:00:00","status":"paid"}}"#
            )
        };
        let list: Vec<String> = (0..rows).map(row).collect();
        let body = format!(r#"{{"ok":true,"body":[{}]}}"#, list.join(","));
        house.simulator.inject(Call::Invoices, Fault::Status(200, body, Vec::new()), u32::MAX);
        let report = house.reconcile().await;
        assert_eq!(report.unreadable, usize::try_from(rows).unwrap());
        assert_eq!((report.clean, report.flaws.len()), (false, 20));
    }
}

#[tokio::test]
async fn what_is_on_its_way_is_said_with_its_figure_and_ends_its_case_in_words() {
    let settings =
        flow::FlowSettings { lag: Duration::from_hours(1), tell_after_runs: 2, ..support::house::settings() };
    let house = House::with(settings, Vec::new()).await;
    house.simulator.top_up_elsewhere(1_234, "card").unwrap();
    while !house.reconcile().await.clean {
        house.pass(Duration::from_mins(15), Duration::from_mins(15)).await;
    }
    // More than the rows: a case. Then rows of within the lag explain a part of it.
    house.simulator.set_total_shift(-700);
    house.simulator.top_up_elsewhere(1_000, "card").unwrap();
    let report = house.reconcile().await;
    assert_eq!((report.on_its_way_cents, report.clean), (Some(-700), false), "{:?}", report.figures);
    assert_eq!(kinds(&report), [] as [&str; 0]);
    house.simulator.set_total_shift(0);
    let report = house.reconcile().await;
    assert_eq!((report.on_its_way_cents, report.clean), (None, true));
    house.simulator.set_total_shift(500);
    let opened = house.reconcile().await;
    assert_eq!((opened.on_its_way_cents, kinds(&opened)), (None, vec!["total_charges_drift"]));
    house.simulator.top_up_elsewhere(2_000, "card").unwrap();
    house.simulator.set_total_shift(-500);
    let closed = house.reconcile().await;
    assert_eq!(closed.closed, opened.opened);
    let case = house.flow.ledger.case(closed.closed[0]).await.unwrap().unwrap();
    assert!(case.resolution.as_deref().is_some_and(|why| why.contains("on its way")), "{case:?}");
    // And one that is right again.
    house.simulator.set_total_shift(500);
    let opened = house.reconcile().await;
    house.simulator.set_total_shift(0);
    let closed = house.reconcile().await;
    let case = house.flow.ledger.case(closed.closed[0]).await.unwrap().unwrap();
    assert_eq!(closed.closed, opened.opened);
    assert!(
        case.resolution.as_deref().is_some_and(|why| why.starts_with("the figures agree again")),
        "{case:?}"
    );
    assert!(house.reconcile().await.clean);
}

#[tokio::test]
async fn a_restore_names_twenty_orders_and_counts_the_others() {
    for (orders, more) in [(20, None), (21, Some("and 1 more")), (25, Some("and 5 more"))] {
        let house = super::super::house().await;
        paid(&house, "50").await;
        let copy = house.folder.path().join("copy.db");
        house.flow.ledger.backup(&copy).await.unwrap();
        house.pass(Duration::from_hours(1), Duration::from_hours(1)).await;
        for _ in 0..orders {
            house.wallet("10").await;
        }
        house.reconcile().await;
        let ledger = house.ledger_path();
        house.flow.ledger.clone().close().await.unwrap();
        std::fs::copy(&copy, &ledger).unwrap();
        let house = house.restart_restored().await;
        house.clock.advance(Duration::from_secs(60));
        flow::restored(&house.flow, "root", "disk failure", None).await.unwrap();
        let report = house.reconcile().await;
        let case = report.cases.iter().find(|case| case.kind == "restored").expect("a case");
        let detail = case.detail.clone().unwrap();
        assert_eq!(detail.matches(", ").count(), 19, "{detail}");
        assert_eq!(detail.split(" and ").nth(1).map(|_| ()).is_some(), more.is_some(), "{detail}");
        assert!(detail.ends_with(more.unwrap_or("")), "{detail}");
    }
}

/// Rows of others, all credited: their names, amounts in cents.
fn listed(cents: &[i64]) -> Fault {
    let row = |(number, cents): (usize, &i64)| {
        format!(
            r#"{{"method":"card","sesid":"s{number}","payId":"p{number}","amount":{cents},"created":"2026-03-01 08:00:00","status":"paid"}}"#
        )
    };
    let rows: Vec<String> = cents.iter().enumerate().map(row).collect();
    Fault::Status(200, format!(r#"{{"ok":true,"body":[{}]}}"#, rows.join(",")), Vec::new())
}

#[tokio::test]
async fn one_in_a_hundred_of_the_credited_rows_may_have_another_amount_and_no_more() {
    for (rows, altered, is_void) in
        [(400, 4, false), (399, 4, true), (500, 5, false), (500, 6, true), (10, 3, false), (10, 4, true)]
    {
        let house = super::super::house().await;
        let before = vec![100; rows];
        house.simulator.adjust(0, i64::try_from(rows).unwrap() * 100).unwrap();
        house.simulator.inject(Call::Invoices, listed(&before), u32::MAX);
        assert!(house.baseline().await.clean);
        house.simulator.clear_faults();
        let after: Vec<i64> = (0..rows).map(|number| if number < altered { 90 } else { 100 }).collect();
        house.simulator.inject(Call::Invoices, listed(&after), u32::MAX);
        let run = flow::reconcile(&house.flow).await;
        assert_eq!(run.is_err(), is_void, "{altered} of {rows}: {run:?}");
        if is_void {
            let why = void(&house).await;
            assert!(why.contains(&format!("{altered} of {rows} credited rows")), "{why}");
        }
    }
}

#[tokio::test]
async fn an_amount_below_nothing_is_none() {
    for (cents, unread) in [(-500, 1), (-1, 1), (0, 0), (1, 0)] {
        let house = super::super::house().await;
        house.simulator.inject(Call::Invoices, listed(&[1_000, cents]), u32::MAX);
        let report = house.reconcile().await;
        assert_eq!((report.unreadable, report.flaws.len()), (unread, unread), "{cents}");
        assert_eq!(report.figures.unwrap().credited_elsewhere_cents, 1_000 + cents.max(0), "{cents}");
        if unread == 1 {
            assert!(report.flaws[0].what.contains("negative"), "{:?}", report.flaws);
        }
    }
}
