//! Answers that are none: they change nothing, and are told.

use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::flow::{self, ReconcileFailed};
use depositd::sandbox::upstream::{Action, Call, Fault};

use super::month::ticking;
use super::support::house::House;
use super::{house, letters};

const CONTENT: &str = "SELECT (SELECT count(*) || ':' || total(changed_ms) || ':' || total(amount_cents) FROM invoice), \
    (SELECT count(*) FROM discrepancy), (SELECT count(*) FROM event WHERE name NOT LIKE 'reconciliation%'), (SELECT value FROM meta WHERE key = 'baseline_cents')";

pub(super) fn said(status: u16, body: &str) -> Fault {
    Fault::Status(status, body.to_owned(), Vec::new())
}

pub(super) fn row(number: usize, more: &str) -> String {
    format!(
        r#"{{"method":"card","sesid":"s{number}","payId":"p{number}","amount":100,"status":"paid",
                "created":"2026-03-01 08:00:00"{more}}}"#
    )
}

pub(super) fn list(rows: &[String]) -> String {
    format!(r#"{{"ok":true,"body":[{}]}}"#, rows.join(","))
}

/// The run is void for this reason, has changed nothing, and says so wherever it is asked.
async fn is_void(house: &House, call: Call, fault: Fault, why: &str) {
    let before = (house.sql(CONTENT), house.sql("SELECT count(*), sum(ok) FROM reconciliation"));
    house.simulator.inject(call, fault.clone(), 1);
    let failed = flow::reconcile(&house.flow).await.unwrap_err();
    house.simulator.clear_faults();
    assert!(
        matches!(&failed, ReconcileFailed::Incomplete(words) if words.contains(why)),
        "{fault:?}: {failed}"
    );
    assert_eq!(house.sql(CONTENT), before.0, "{fault:?} changed something");
    let (runs, good) = before.1.split_once('|').unwrap();
    let runs: u32 = runs.parse().unwrap();
    assert_eq!(house.sql("SELECT count(*), sum(ok) FROM reconciliation"), format!("{}|{good}", runs + 1));
    let reason = house.flow.ledger.incomplete_runs().await.unwrap().unwrap().error;
    assert!(reason.contains(why), "{reason}");
    let report = house.flow.ledger.last_report().await.unwrap().unwrap();
    assert_eq!((report["ok"].as_bool(), report["error"].as_str()), (Some(false), Some(reason.as_str())));
    // Past whatever wait the upstream has asked for.
    house.clock.advance(Duration::from_secs(60));
}

#[tokio::test]
async fn refused_and_broken_answers_change_nothing_and_are_told() {
    let house = house().await;
    for _ in 0..12 {
        house.simulator.top_up_elsewhere(100, "card").unwrap();
    }
    let deposit = house.wallet("50").await;
    house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    house.baseline().await;
    let others = list(&[row(1, r#","userId":"67890""#)]);
    for (fault, why) in [
        (Fault::Html200, "an HTML page"),
        (Fault::TruncatedJson, "cut off"),
        (Fault::CutBody, "connection broke"),
        (Fault::EmptyBody, "empty"),
        (Fault::DropBeforeActing, "connection broke"),
        (Fault::Garbage(b"garbage\r\n\r\n".to_vec()), "connection broke"),
        (Fault::Redirect("https://elsewhere.example/".to_owned()), "302"),
        (said(500, "boom"), "boom"),
        (said(503, "busy"), "busy"),
        (said(429, ""), "too many requests"),
        (said(401, r#"{"ok":false,"body":"User-verification Failed"}"#), "User-verification Failed"),
        (said(200, r#"{"ok":false,"message":"try later"}"#), "try later"),
        (said(200, r#"{"ok":true,"body":{}}"#), "not a list"),
        (said(200, r#"{"ok":true}"#), "no body"),
        (said(200, &list(&[])), "the list is empty, and had 13 rows before"),
        (said(200, &others), "another customer's"),
        (said(200, &list(&["7".to_owned()])), "not an object"),
    ] {
        is_void(&house, Call::Invoices, fault, why).await;
    }
    for (fault, why) in [
        (Fault::Html200, "an HTML page"),
        (
            said(200, r#"{"ok":true,"body":{"userId":"67890","balance":1,"totalCharges":"1"}}"#),
            "another customer's",
        ),
        (said(200, r#"{"ok":true,"body":{"balance":1,"totalCharges":null}}"#), "totalCharges"),
    ] {
        is_void(&house, Call::Balance, fault, why).await;
    }
    let runs = house.flow.ledger.incomplete_runs().await.unwrap().unwrap().runs;
    assert_eq!(runs, 20, "all of them in a row");
    let report = house.reconcile().await;
    assert_eq!((report.cases.len(), report.figures.unwrap().difference_cents), (0, Some(0)));
    assert_eq!(house.flow.ledger.incomplete_runs().await.unwrap(), None, "a good run ends the row");
    assert!(letters(&house, "discrepancy_opened").await.is_empty());
    assert_eq!(letters(&house, "reconciliation_void").await.len(), 1, "told once, however many there were");
    assert_eq!(letters(&house, "reconciliation_back").await.len(), 1);
    let evidence = "SELECT evidence ->> '$.invoices.rows', length(evidence ->> '$.invoices.sha256'), \
         evidence ->> '$.balance' LIKE '%totalCharges%', evidence LIKE '%k3y%' FROM reconciliation ORDER BY id DESC LIMIT 1";
    assert_eq!(house.sql(evidence), "13|64|1|0", "a good run keeps what it was made of, and no key");
}

/// Reconciles while somebody else's money arrives each of the first `times` times that the list is being read.
async fn reconcile_amid(house: &House, times: u64) -> Result<flow::Report, ReconcileFailed> {
    house.simulator.inject(Call::Invoices, Fault::Delay(Duration::from_secs(1)), u32::MAX);
    let listed = || house.simulator.calls().count(Call::Invoices);
    let before = listed();
    let mut arrived = 0;
    let mut run = std::pin::pin!(flow::reconcile(&house.flow));
    let ended = loop {
        tokio::select! {
            ended = &mut run => break ended,
            () = SystemClock::new().sleep(Duration::from_millis(2)) => {
                // The list is made, and its answer is on its way.
                if listed() - before > arrived {
                    arrived += 1;
                    if arrived <= times {
                        house.simulator.top_up_elsewhere(700, "card").unwrap();
                    }
                }
                house.clock.advance(Duration::from_millis(500));
            }
        }
    };
    house.simulator.clear_faults();
    ended
}

#[tokio::test]
async fn the_baseline_is_taken_at_a_moment_of_rest_or_not_at_all() {
    let house = house().await;
    house.simulator.top_up_elsewhere(500, "card").unwrap();
    // Money arrives whenever the list is read: each run takes the same 7.00 for history, and none of them counts.
    for _ in 0..4 {
        let restless = reconcile_amid(&house, u64::MAX).await.unwrap();
        let figures = restless.figures.unwrap();
        assert_eq!((figures.baseline_cents, figures.difference_cents), (None, None), "not yet");
        assert!(!restless.clean, "without a baseline nothing is clean");
    }
    // The third try of a run finds it at rest.
    let first = reconcile_amid(&house, 2).await.unwrap().figures.unwrap();
    assert_eq!((first.baseline_cents, first.difference_cents), (None, None), "one run is no proof");
    let second = house.reconcile().await;
    let figures = second.figures.unwrap();
    assert_eq!((figures.baseline_cents, figures.difference_cents), (Some(0), Some(0)), "two agree");
    assert!(second.clean);
    // Later ones do not wait for rest: what arrived meanwhile is a difference until the next one.
    let restless = reconcile_amid(&house, u64::MAX).await.unwrap().figures.unwrap();
    assert_eq!((restless.baseline_cents, restless.difference_cents), (Some(0), Some(700)));
    let after = house.reconcile().await.figures.unwrap();
    assert_eq!((after.baseline_cents, after.difference_cents), (Some(0), Some(0)));
    assert!(house.reconcile().await.cases.is_empty());
    assert_eq!(letters(&house, "discrepancy_opened").await, Vec::<String>::new());
    house.prove().await;
}

/// What a short payment adds to the total, only its order says: without it the first run would keep it for history.
#[tokio::test]
async fn the_baseline_waits_for_money_that_the_list_shows_and_no_poll_has_shown() {
    let house = house().await;
    house.simulator.adjust(300, 300).unwrap();
    let deposit = house.wallet("50").await;
    let order = house.order(&deposit);
    house.simulator.act(&order, Action::PayPart { amount_usd: None }).unwrap();
    house.simulator.act(&order, Action::CloseShort).unwrap();
    house.simulator.inject(Call::Look, Fault::Status(503, "no".to_owned(), Vec::new()), u32::MAX);
    for _ in 0..3 {
        let figures = house.reconcile().await.figures.unwrap();
        assert_eq!((figures.baseline_cents, figures.difference_cents), (None, None));
        house.clock.advance(Duration::from_secs(60));
    }
    house.simulator.clear_faults();
    house.clock.advance(Duration::from_secs(60));
    let first = house.baseline().await.figures.unwrap();
    assert_eq!(
        (first.baseline_cents, first.credited_here_cents, first.difference_cents),
        (Some(300), 2500, Some(0))
    );
    // Later on it is no condition, but heard at once all the same.
    let deposit = house.wallet("30").await;
    let order = house.order(&deposit);
    house.simulator.act(&order, Action::PayPart { amount_usd: None }).unwrap();
    house.simulator.act(&order, Action::CloseShort).unwrap();
    let second = house.reconcile().await.figures.unwrap();
    assert_eq!(
        (second.baseline_cents, second.credited_here_cents, second.difference_cents),
        (Some(300), 4000, Some(0))
    );
    assert!(house.reconcile().await.cases.is_empty());
    house.prove().await;
}

#[tokio::test]
async fn each_broken_answer_is_told_by_one_letter_and_its_end_by_another() {
    let mut house = house().await;
    for number in 0..16 {
        house.simulator.top_up_elsewhere(100 + number, "card").unwrap();
    }
    house.baseline().await;
    let broken = [
        (said(200, r#"{"ok":true,"body":{}}"#), "not a list"),
        (said(200, &list(&[row(1, r#","userId":"67890""#)])), "another customer's"),
        (Fault::Html200, "an HTML page"),
        (said(401, r#"{"ok":false,"body":"User-verification Failed"}"#), "User-verification Failed"),
    ];
    let owed = |house: &House| {
        house.sql("SELECT sum(event = 'reconciliation_void'), sum(event = 'reconciliation_back') FROM accounting_mails")
    };
    for (turn, (fault, why)) in broken.into_iter().enumerate() {
        let before = house.sql(CONTENT);
        for run in 1..=4 {
            is_void(&house, Call::Invoices, fault.clone(), why).await;
            let told = turn + usize::from(run >= 2);
            let expected = if told == 0 { "|".to_owned() } else { format!("{told}|{turn}") };
            assert_eq!(owed(&house), expected, "{fault:?}, run {run}");
            // What was said is remembered: a new start says it no second time.
            house = house.restart().await;
        }
        assert_eq!(house.sql(CONTENT), before);
        for _ in 0..2 {
            house.reconcile().await;
            assert_eq!(owed(&house), format!("{0}|{0}", turn + 1), "{fault:?}");
            house = house.restart().await;
        }
    }
    assert_eq!(letters(&house, "reconciliation_void").await.len(), 4);
    assert_eq!(letters(&house, "reconciliation_back").await.len(), 4);
    let words = "SELECT min(reason <> ''), group_concat(facts ->> '$.runs') FROM event WHERE name = 'reconciliation_void'";
    assert_eq!(house.sql(words), "1|2,2,2,2", "each as soon as it had stood for two runs");
    let letter = |event: &str| {
        let all = house.smtp.messages();
        all.into_iter().find(|one| one.header("X-Depositd-Event").as_deref() == Some(event)).unwrap()
    };
    let (void, back) = (letter("reconciliation_void"), letter("reconciliation_back"));
    assert!(void.header("Subject").unwrap().starts_with("Reconciliation void since"), "{void:?}");
    assert_eq!(void.header("In-Reply-To"), back.header("In-Reply-To"), "one conversation");
    house.prove().await;
}

#[tokio::test]
async fn a_single_void_run_and_those_of_an_outage_have_no_letter_of_their_own() {
    let house = house().await;
    house.wallet("15").await;
    house.reconcile().await;
    house.simulator.inject(Call::Invoices, Fault::Html200, 1);
    assert!(flow::reconcile(&house.flow).await.is_err());
    house.reconcile().await;
    house.simulator.inject(
        Call::Any,
        said(403, r#"{"ok":false,"body":"User-verification Failed"}"#),
        u32::MAX,
    );
    for _ in 0..8 {
        house.poll().await;
        flow::watch_upstream(&house.flow).await.unwrap();
    }
    for _ in 0..3 {
        assert!(ticking(&house, flow::reconcile(&house.flow)).await.is_err());
        house.clock.advance(Duration::from_secs(900));
    }
    assert_eq!(letters(&house, "upstream_down").await.len(), 1);
    house.simulator.clear_faults();
    house.poll().await;
    flow::watch_upstream(&house.flow).await.unwrap();
    house.reconcile().await;
    assert_eq!(letters(&house, "upstream_back").await.len(), 1);
    assert!(letters(&house, "reconciliation_void").await.is_empty());
    assert!(letters(&house, "reconciliation_back").await.is_empty());
}

#[tokio::test]
async fn a_key_that_is_not_accepted_is_an_outage_said_once_and_ends_when_it_is() {
    let house = house().await;
    let deposit = house.wallet("15").await;
    house.simulator.inject(
        Call::Any,
        said(403, r#"{"ok":false,"body":"User-verification Failed"}"#),
        u32::MAX,
    );
    for _ in 0..8 {
        house.poll().await;
        flow::watch_upstream(&house.flow).await.unwrap();
    }
    let down = letters(&house, "upstream_down").await;
    assert_eq!(down.len(), 1, "{down:?}");
    let words = "SELECT reason FROM accounting_history WHERE name = 'upstream_down'";
    assert!(house.sql(words).contains("User-verification Failed"));
    assert_eq!(house.history(&deposit).await, ["requested", "wallet_created"], "no poll, no change");
    assert!(letters(&house, "upstream_back").await.is_empty());
    house.simulator.clear_faults();
    house.pass(Duration::from_secs(300), Duration::from_secs(30)).await;
    for _ in 0..3 {
        flow::watch_upstream(&house.flow).await.unwrap();
    }
    assert_eq!(letters(&house, "upstream_back").await.len(), 1);
    assert_eq!(letters(&house, "upstream_down").await.len(), 1);
}
