//! Single rows that cannot be read, and rows in another order.

use depositd::flow::{self, CaseError};
use depositd::sandbox::upstream::{Action, Call};

use super::answers::{list, row, said};
use super::house;

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named_and_the_totals_do_not_hide_it() {
    let house = house().await;
    house.baseline().await;
    let good = [row(1, ""), row(2, "")];
    let spoilt = row(3, "").replace("100", "null");
    let serve = async |rows: &[String], total: u32| {
        house.simulator.clear_faults();
        house.simulator.inject(Call::Invoices, said(200, &list(rows)), u32::MAX);
        let balance = format!(r#"{{"ok":true,"body":{{"balance":{total},"totalCharges":"{total}"}}}}"#);
        house.simulator.inject(Call::Balance, said(200, &balance), u32::MAX);
        house.reconcile().await
    };
    let report = serve(&[good[0].clone(), good[1].clone(), spoilt.clone()], 300).await;
    assert_eq!(report.unreadable, 1);
    assert_eq!((report.flaws[0].entry, report.flaws[0].invoice.as_str()), (2, "pay:p3"));
    assert!(report.flaws[0].what.contains("amount"), "{:?}", report.flaws);
    assert_eq!(
        report.figures.unwrap().difference_cents,
        Some(100),
        "what cannot be read is missing, and is seen to be"
    );
    let kinds: Vec<&str> = report.cases.iter().map(|case| case.kind.as_str()).collect();
    assert_eq!(kinds, ["total_charges_drift", "row_unread"]);
    assert_eq!(report.cases[1].order_id.as_deref(), Some("p3"), "it is named");
    let whole = [good[0].clone(), good[1].clone(), row(3, "")];
    let report = serve(&whole, 300).await;
    assert_eq!((report.unreadable, report.cases.len(), report.clean), (0, 0, true), "it can be read now");
    let report = serve(&[good[0].clone(), good[1].clone(), spoilt.clone()], 300).await;
    assert_eq!((report.unreadable, report.clean), (1, false));
    assert_eq!(report.figures.unwrap().difference_cents, Some(0), "a figure that was read once stands");
    // Only a person knows what it credits; until it changes that counts.
    let case = report.cases[0].clone();
    assert_eq!((report.cases.len(), case.kind.as_str()), (1, "row_unread"));
    for amount in [None, Some(-1)] {
        let refused = flow::accept_case(&house.flow, case.id, "API token", "they said so", amount).await;
        assert!(matches!(refused, Err(CaseError::Refused(_))), "{refused:?}");
    }
    let closed = flow::close_case(&house.flow, case.id, "API token", "whatever").await;
    assert!(
        matches!(&closed, Err(CaseError::Refused(why)) if why.contains("--amount")),
        "closed, nothing would end it: {closed:?}"
    );
    flow::accept_case(&house.flow, case.id, "API token", "they said so", Some(150)).await.unwrap();
    let report = serve(&[good[0].clone(), good[1].clone(), spoilt.clone()], 350).await;
    assert_eq!((report.cases, report.clean), (Vec::new(), true), "said is read");
    flow::unaccept_case(&house.flow, case.id, "API token", "no, they did not").await.unwrap();
    let report = serve(&[good[0].clone(), good[1].clone(), spoilt], 300).await;
    assert_eq!((report.cases.len(), report.clean), (1, false), "back, with the figure that was read");
    assert_eq!(report.figures.unwrap().difference_cents, Some(0));
    assert!(serve(&whole, 300).await.clean);
    house.prove().await;
}

#[tokio::test]
async fn a_settled_deposit_whose_invoice_has_no_amount_is_a_case() {
    let house = house().await;
    house.baseline().await;
    let deposit = house.wallet("50").await;
    let order = house.order(&deposit);
    house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    let spoilt = row(1, "").replace("p1", &order).replace("100", "\"5,000\"");
    house.simulator.inject(Call::Invoices, said(200, &list(&[spoilt])), 1);
    let report = house.reconcile().await;
    let unread = report.cases.iter().find(|case| case.kind == "row_unread").unwrap();
    assert_eq!(unread.order_id.as_deref(), Some(order.as_str()));
    assert!(!report.clean);
    assert_eq!(report.figures.unwrap().difference_cents, Some(5000), "the rows count, not the journal");
    let healed = house.reconcile().await;
    assert_eq!((healed.cases, healed.clean), (Vec::new(), true), "the simulator's own list can be read");
}

#[tokio::test]
async fn the_order_of_the_list_changes_nothing() {
    let house = house().await;
    house.baseline().await;
    // Twice the same name with other words, and rows without any.
    let mut rows: Vec<String> = (0..6).map(|number| row(number, "")).collect();
    rows.push(row(3, "").replace("paid", "cancel"));
    rows.push(row(9, "").replace(r#""sesid":"s9","payId":"p9","#, ""));
    rows.push(row(9, "").replace(r#""sesid":"s9","payId":"p9","#, ""));
    let balance = r#"{"ok":true,"body":{"balance":1,"totalCharges":"800"}}"#;
    house.simulator.inject(Call::Balance, said(200, balance), u32::MAX);
    let content = "SELECT group_concat(row_id || ' ' || identity_hash || ' ' || status || ' ' || counted_cents || ' ' || listed, ';') \
         FROM (SELECT * FROM invoice ORDER BY row_id)";
    let mut first = None;
    for turn in 0..5 {
        house.simulator.inject(Call::Invoices, said(200, &list(&rows)), 1);
        let report = house.reconcile().await;
        assert_eq!((report.invoices, report.cases.len()), (9, 0), "{report:?}");
        let now = house.sql(content);
        assert_eq!(*first.get_or_insert_with(|| now.clone()), now, "turn {turn}");
        rows.rotate_left(2);
        rows.swap(0, 5);
    }
    assert_eq!(house.sql("SELECT count(DISTINCT changed_ms) FROM invoice"), "1", "nothing was written twice");
}
