//! What the upstream may say of its invoices and its balance: a run that cannot be carried out changes nothing.

use std::time::Duration;

use depositd::flow;
use depositd::sandbox::upstream::{Action, Call, Fault};

use crate::scene::{Log, Trap, books, no_secret, patiently, raw, says};
use crate::support::house::House;

#[tokio::test]
async fn a_run_over_hostile_lists_is_void_and_changes_nothing() {
    let trap = Trap::set().await;
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let redirect = Fault::Status(302, String::new(), vec![("Location".to_owned(), trap.url.clone())]);
    let entry = |fields: &str| says(format!(r#"{{"ok":true,"body":[{{{fields}}}]}}"#));
    let house = House::new().await;
    let deposit = house.wallet("25.00").await;
    house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    assert!(patiently(&house, house.reconcile()).await.cases.is_empty());
    let settled = (books(&house), house.sql("SELECT count(*) FROM accounting_events"));
    let (mut runs, mut tried) = (1, 0);
    for (name, call, fault, line) in [
        ("nothing fetched is no success", Call::Invoices, Fault::EmptyBody, "the answer is empty"),
        ("no list is no empty list", Call::Invoices, says(r#"{"ok":true,"body":{}}"#), "is not a list"),
        ("a page", Call::Invoices, Fault::Html200, "the answer is an HTML page"),
        ("breaks off", Call::Invoices, Fault::TruncatedJson, "is cut off"),
        ("cut", Call::Invoices, Fault::CutBody, "the connection broke"),
        ("dropped", Call::Invoices, Fault::DropAfterActing, "the connection broke"),
        ("nested", Call::Invoices, says(format!(r#"{{"ok":true,"body":[{deep}]}}"#)), "in entry 0"),
        ("another customer's", Call::Invoices, entry(r#""amount":1,"userId":"666""#), "another customer"),
        ("elsewhere", Call::Invoices, redirect.clone(), "not followed"),
        ("denied", Call::Invoices, Fault::Status(401, String::new(), vec![]), "denied"),
        ("a page", Call::Balance, Fault::Html200, "the answer is an HTML page"),
        (
            "another customer's",
            Call::Balance,
            says(r#"{"ok":true,"body":{"userId":"666","balance":1,"totalCharges":1}}"#),
            "another customer",
        ),
        (
            "a fraction",
            Call::Balance,
            says(r#"{"ok":true,"body":{"balance":1.5,"totalCharges":1}}"#),
            "balance is not a whole number",
        ),
        (
            "40 digits",
            Call::Balance,
            says(format!(r#"{{"ok":true,"body":{{"balance":1,"totalCharges":"{}"}}}}"#, "7".repeat(40))),
            "totalCharges is not a whole number",
        ),
        ("without end", Call::Balance, Fault::Endless, "the answer is too large"),
        ("elsewhere", Call::Balance, redirect, "not followed"),
        ("no HTTP", Call::Balance, raw("EHLO\r\n", b""), "the connection broke"),
    ] {
        house.simulator.inject(call, fault, u32::MAX);
        let (log, guard) = Log::listen();
        let ended = patiently(&house, flow::reconcile(&house.flow)).await;
        drop(guard);
        assert!(matches!(ended, Err(flow::ReconcileFailed::Incomplete(_))), "{name} ({call:?}): {ended:?}");
        let log = log.text();
        assert!(
            log.contains("reconciliation is void") && log.contains(line),
            "{name}: no {line:?} in\n{log}"
        );
        no_secret(name, &log);
        house.simulator.clear_faults();
        house.clock.advance(Duration::from_secs(60));
        runs += 1;
        tried += 1;
        let now = (books(&house), house.sql("SELECT count(*) FROM accounting_events"));
        assert_eq!(now, settled, "{name}: nothing has moved");
        assert_eq!(house.sql("SELECT count(*) FROM accounting_discrepancies"), "0", "{name}");
    }
    assert_eq!(trap.heard.lock().unwrap().len(), 0, "the key would have gone there");
    let report = patiently(&house, house.reconcile()).await;
    assert!(report.cases.is_empty(), "after {tried} void runs all is as it was: {report:?}");
    assert!(runs > 17);
    house.prove().await;
}
