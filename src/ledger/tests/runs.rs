//! What is remembered between reconciliations: runs, good or void, and differences with a life of their own.

use super::*;
use crate::domain::event::EventName;
use crate::domain::reconcile::{Difference, Kind};

fn report(at: Timestamp, outcome: &std::result::Result<RunFigures, String>) -> serde_json::Value {
    match outcome {
        Ok(figures) => {
            let mut report = serde_json::to_value(figures).unwrap();
            report["at"] = at.to_string().into();
            report["ok"] = 1.into();
            report
        }
        Err(why) => serde_json::json!({ "at": at.to_string(), "ok": 0, "error": why }),
    }
}

impl Desk {
    async fn run(&self, outcome: std::result::Result<RunFigures, String>) {
        let report = report(self.now, &outcome);
        let run =
            Run { at: self.now, head_seq: 4, outcome, evidence: Some(serde_json::json!({ "n": 1 })), report };
        self.ledger.keep_run(run).await.unwrap();
    }
}

fn figures(total: i64) -> RunFigures {
    RunFigures {
        balance_cents: 1,
        total_charges_cents: total,
        credited_here_cents: 2,
        credited_elsewhere_cents: 3,
        baseline_cents: 4,
        difference_cents: total - 5,
    }
}

#[tokio::test]
async fn a_void_run_says_why_and_changes_no_figure() {
    let mut desk = Desk::new().await;
    assert_eq!(desk.ledger.last_good_run().await.unwrap(), None);
    assert_eq!(desk.ledger.void_runs().await.unwrap(), None);
    assert_eq!(desk.ledger.last_report().await.unwrap(), None);
    assert_eq!(desk.ledger.recall("baseline_cents").await.unwrap(), None);
    desk.ledger.remember("baseline_cents", "3".to_owned()).await.unwrap();
    desk.ledger.remember("baseline_cents", "4".to_owned()).await.unwrap();
    assert_eq!(desk.ledger.recall("baseline_cents").await.unwrap().as_deref(), Some("4"));
    desk.run(Err("no list".to_owned())).await;
    desk.wait(1);
    desk.run(Ok(figures(10))).await;
    assert_eq!(desk.ledger.void_runs().await.unwrap(), None);
    desk.wait(1);
    desk.run(Err("no list".to_owned())).await;
    desk.run(Err("half a list".to_owned())).await;
    let since = desk.now.to_string();
    let void = VoidRuns { error: "half a list".to_owned(), runs: 2, since };
    assert_eq!(desk.ledger.void_runs().await.unwrap(), Some(void));
    let good = GoodRun { at: at("2026-01-10T09:01:00Z"), head_seq: 4, figures: figures(10) };
    assert_eq!(desk.ledger.last_good_run().await.unwrap(), Some(good));
    let last = desk.ledger.last_report().await.unwrap().unwrap();
    assert_eq!(last["error"], "half a list");
    assert_eq!(desk.row("SELECT group_concat(evidence ->> '$.n') FROM reconciliation").await, "1,1,1,1");
    assert_eq!(desk.findings().await, []);
}

#[tokio::test]
async fn a_case_is_opened_seen_told_explained_and_closed_and_each_word_of_it_is_an_event() {
    let mut desk = Desk::new().await;
    let deposit = desk.paid(1, "5").await;
    let difference = |kind, deposit: Option<&Deposit>| Difference {
        kind,
        deposit_id: deposit.map(|deposit| deposit.id),
        order_id: deposit.map(|_| "order-1".to_owned()),
        expected: "5.00".to_owned(),
        found: "none".to_owned(),
    };
    let tell = |_: &Case, act: &CaseAct| match act {
        CaseAct::Open(case) if case.told => Some((EventName::DiscrepancyOpened, vec![FINANCE.to_owned()])),
        CaseAct::Told(_) => Some((EventName::DiscrepancyOpened, Vec::new())),
        CaseAct::Explain { .. } => Some((EventName::DiscrepancyExplained, Vec::new())),
        CaseAct::Close { .. } => Some((EventName::DiscrepancyClosed, Vec::new())),
        _ => None,
    };
    let missing = NewCase { difference: difference(Kind::InvoiceMissing, Some(&deposit)), told: true };
    let drift = NewCase { difference: difference(Kind::TotalChargesDrift, None), told: false };
    let acts = vec![CaseAct::Open(missing.clone()), CaseAct::Open(drift)];
    let head = desk.ledger.head();
    assert_eq!(desk.ledger.keep_cases(acts, desk.now, tell).await.unwrap(), [1, 2]);
    assert_eq!(*head.borrow(), 5, "the one that nobody is told of is noted");
    desk.wait(60);
    let twice = vec![CaseAct::Open(missing)];
    assert!(desk.ledger.keep_cases(twice, desk.now, tell).await.is_err(), "one open case for a subject");
    let seen = CaseAct::Seen { id: 2, expected: "6.00".to_owned(), found: "7.00".to_owned() };
    assert_eq!(desk.ledger.keep_cases(vec![seen, CaseAct::Told(2)], desk.now, tell).await.unwrap(), [2, 2]);
    let explain = CaseAct::Explain { id: 1, who: "socket".to_owned(), note: "asked".to_owned() };
    let close = CaseAct::Close { id: 1, who: Some("socket".to_owned()), resolution: "a gift".to_owned() };
    assert_eq!(desk.ledger.keep_cases(vec![explain, close], desk.now, tell).await.unwrap(), [1, 1]);

    let case = desk.ledger.case(1).await.unwrap().unwrap();
    assert_eq!(
        (case.kind.as_str(), case.key.as_str()),
        ("invoice_missing", format!("invoice_missing:{}", deposit.id).as_str())
    );
    assert_eq!((case.explained.as_deref(), case.explained_by.as_deref()), (Some("asked"), Some("socket")));
    assert_eq!((case.closed_by.as_deref(), case.closed_who.as_deref()), (Some("person"), Some("socket")));
    assert_eq!(
        (case.closed_at.as_deref(), case.resolution.as_deref()),
        (Some("2026-01-10T10:05:00.000Z"), Some("a gift"))
    );
    assert_eq!(
        (case.opened_at.as_str(), case.told_at.as_deref()),
        ("2026-01-10T09:05:00.000Z", Some("2026-01-10T09:05:00.000Z"))
    );
    let drift = desk.ledger.case(2).await.unwrap().unwrap();
    assert_eq!((drift.seen_runs, drift.expected.as_str(), drift.found.as_str()), (2, "6.00", "7.00"));
    assert_eq!(drift.told_at.as_deref(), Some("2026-01-10T10:05:00.000Z"));
    assert_eq!(desk.ledger.case(3).await.unwrap(), None);
    assert_eq!(desk.ledger.last_case(&case.key).await.unwrap(), Some(case.clone()));
    assert_eq!(desk.ledger.last_case("invoice_missing:other").await.unwrap(), None);
    assert_eq!(desk.ledger.cases_of(deposit.id).await.unwrap(), std::slice::from_ref(&case));
    assert_eq!(desk.ledger.cases_of(id(2)).await.unwrap(), []);
    assert_eq!(desk.ledger.story(deposit).await.unwrap().cases, std::slice::from_ref(&case));
    assert_eq!(desk.ledger.cases(false).await.unwrap(), std::slice::from_ref(&drift));
    assert_eq!(desk.ledger.cases(true).await.unwrap(), [drift, case]);
    let ages = CaseAge {
        id: 2,
        kind: "total_charges_drift".to_owned(),
        expected: "6.00".to_owned(),
        found: "7.00".to_owned(),
        opened_at: "2026-01-10T09:05:00.000Z".to_owned(),
    };
    assert_eq!(desk.ledger.case_ages().await.unwrap(), [ages]);
    assert_eq!(
        desk.rows("SELECT concat_ws(' ', seq, name, facts ->> '$.id', reason) FROM event WHERE deposit_id IS NULL ORDER BY seq").await,
        [
            "4 discrepancy_opened 1",
            "5 cases_noted",
            "6 discrepancy_opened 2",
            "7 discrepancy_explained 1 asked",
            "8 discrepancy_closed 1 a gift",
        ]
    );
    assert_eq!(desk.findings().await, []);
    // A run closes what a person has not.
    let gone = CaseAct::Close { id: 2, who: None, resolution: "they agree".to_owned() };
    desk.ledger.keep_cases(vec![gone], desk.now, tell).await.unwrap();
    assert_eq!(desk.ledger.case(2).await.unwrap().unwrap().closed_by.as_deref(), Some("run"));
    assert_eq!(desk.ledger.cases(false).await.unwrap(), []);
    assert_eq!(desk.findings().await, []);
}

#[tokio::test]
async fn cases_that_nobody_is_told_of_are_sealed_and_whatever_is_changed_of_them_is_found() {
    let mut desk = Desk::new().await;
    let open = |order: &str| {
        let difference = Difference {
            kind: Kind::InvoiceMissing,
            deposit_id: None,
            order_id: Some(order.to_owned()),
            expected: "5.00".to_owned(),
            found: "none".to_owned(),
        };
        CaseAct::Open(NewCase { difference, told: order == "told" })
    };
    let tell =
        |case: &Case, _: &CaseAct| case.told_at.is_some().then(|| (EventName::DiscrepancyOpened, Vec::new()));
    let opened = ["a", "b", "c", "told", "e"].map(open).to_vec();
    assert_eq!(desk.ledger.keep_cases(opened, desk.now, tell).await.unwrap(), [1, 2, 3, 4, 5]);
    desk.wait(60);
    let close = |id| CaseAct::Close { id, who: None, resolution: format!("{id} agrees") };
    desk.ledger.keep_cases([5, 2, 1].map(close).to_vec(), desk.now, tell).await.unwrap();
    let noted = "SELECT concat_ws(' ', seq, facts ->> '$.opened.count', facts ->> '$.opened.ids',
                     facts ->> '$.closed.count', facts ->> '$.closed.ids')
                 FROM event WHERE name = 'cases_noted' ORDER BY seq";
    assert_eq!(desk.rows(noted).await, ["2 4 [[1,3],[5,5]] 0 []", "3 0 [] 3 [[1,2],[5,5]]"]);
    let bent = |event: u8| format!("discrepancy : those that event {event} notes are not as they were");
    for (statements, events) in [
        ("UPDATE discrepancy SET key = 'invoice_missing:x' WHERE id = 3", &[2][..]),
        ("UPDATE discrepancy SET opened_at = '2026-01-09T00:00:00.000Z' WHERE id = 1", &[2]),
        ("UPDATE discrepancy SET closed_at = '2026-01-11T00:00:00.000Z' WHERE id = 2", &[3]),
        ("UPDATE discrepancy SET resolution = 'a gift' WHERE id = 5", &[3]),
        ("DELETE FROM discrepancy WHERE id = 5", &[2, 3]),
        ("UPDATE discrepancy SET seen_runs = 9, told_at = NULL WHERE id = 3", &[]),
    ] {
        let expected: Vec<_> = events.iter().copied().map(bent).collect();
        assert_eq!(desk.after(statements).await, expected, "{statements}");
    }
}

#[tokio::test]
async fn an_abandoned_wallet_stands_until_it_was_told_and_can_be_paid_no_more() {
    let desk = Desk::new().await;
    let deposit = desk.ask(1, "5").await;
    let attempt = desk.ledger.begin_attempt(deposit.id, desk.now).await.unwrap();
    let end = AttemptEnd {
        id: attempt,
        at: desk.now,
        outcome: AttemptOutcome::Abandoned,
        order_id: Some("left".to_owned()),
        detail: Some("nobody was shown it".to_owned()),
    };
    let step = Step { expected_version: 1, deposit: deposit.clone(), events: Vec::new(), due: None };
    desk.write(Write { attempt: Some(end), ..step.into() }).await;
    let standing = |ledger: Ledger| async move { ledger.abandoned_standing().await.unwrap().len() };
    assert_eq!(standing(desk.ledger.clone()).await, 1);
    let difference = Difference {
        kind: Kind::AbandonedWallet,
        deposit_id: Some(deposit.id),
        order_id: Some("left".to_owned()),
        expected: "no wallet".to_owned(),
        found: "left".to_owned(),
    };
    let told = CaseAct::Open(NewCase { difference, told: true });
    desk.ledger.keep_cases(vec![told], desk.now, |_, _| None).await.unwrap();
    assert_eq!(standing(desk.ledger.clone()).await, 1, "it may still be paid");
    let mut aside = desk.aside().await;
    let list = "INSERT INTO invoice (place, name_print, print, pay_id, status, credited, abandoned, listed, first_seen_ms, changed_ms)
                VALUES (1, 1, 1, 'left', 'Cancel', 0, 1, 1, 0, 0)";
    sqlx::query(list).execute(&mut aside).await.unwrap();
    assert_eq!(standing(desk.ledger.clone()).await, 0);
}
