//! What is remembered between reconciliations: runs, good or void, and differences with a life of their own.

use super::*;
use crate::domain::event::{EventName, Recipient};
use crate::domain::reconcile::{CaseKind, Difference};

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

impl Bench {
    /// Keeps a run; gives its number.
    async fn run(&self, outcome: std::result::Result<RunFigures, String>) -> i64 {
        self.run_with(outcome, false, &[]).await
    }

    async fn run_with(
        &self,
        outcome: std::result::Result<RunFigures, String>,
        clean: bool,
        due: &[DepositId],
    ) -> i64 {
        let id = self.ledger.next_run().await.unwrap();
        let run = Run {
            id,
            at: self.now,
            head_seq: 4,
            report: report(self.now, &outcome),
            outcome,
            clean,
            rise_cents: 0,
            notices: Vec::new(),
            due: due.iter().map(ToString::to_string).collect(),
            memory: vec![("remembered", id.to_string())],
            evidence: Some(serde_json::json!({ "n": 1 })),
        };
        self.ledger.store_run(run).await.unwrap();
        id
    }
}

fn figures(total: i64) -> RunFigures {
    RunFigures {
        balance_cents: 1,
        total_charges_cents: total,
        credited_here_cents: 2,
        credited_elsewhere_cents: 3,
        baseline_cents: None,
        accepted_cents: -6,
        not_listed_cents: 7,
        difference_cents: Some(total - 5),
    }
}

#[tokio::test]
async fn a_void_run_says_why_and_changes_no_figure() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.ledger.last_good_run().await.unwrap(), None);
    assert_eq!(bench.ledger.incomplete_runs().await.unwrap(), None);
    assert_eq!(bench.ledger.last_report().await.unwrap(), None);
    assert_eq!(bench.ledger.recall("total_floor").await.unwrap(), None);
    bench.ledger.remember("total_floor", "3".to_owned()).await.unwrap();
    bench.ledger.remember("total_floor", "4".to_owned()).await.unwrap();
    assert_eq!(bench.ledger.recall("total_floor").await.unwrap().as_deref(), Some("4"));
    assert_eq!(bench.run(Err("no list".to_owned())).await, 1);
    bench.wait(1);
    assert_eq!(bench.run(Ok(figures(10))).await, 2);
    assert_eq!(bench.ledger.incomplete_runs().await.unwrap(), None);
    bench.wait(1);
    bench.run(Err("no list".to_owned())).await;
    bench.run(Err("half a list".to_owned())).await;
    let since = bench.now.to_string();
    let void = IncompleteRuns { error: "half a list".to_owned(), runs: 2, since };
    assert_eq!(bench.ledger.incomplete_runs().await.unwrap(), Some(void));
    let good = GoodRun { id: 2, at: at("2026-01-10T09:01:00Z"), head_seq: 4, figures: figures(10) };
    assert_eq!(bench.ledger.last_good_run().await.unwrap(), Some(good));
    assert_eq!(
        bench.ledger.recall("remembered").await.unwrap().as_deref(),
        Some("4"),
        "void runs remember, too"
    );
    let last = bench.ledger.last_report().await.unwrap().unwrap();
    assert_eq!(last["error"], "half a list");
    assert_eq!(bench.row("SELECT group_concat(evidence ->> '$.n') FROM reconciliation").await, "1,1,1,1");
    // Without a baseline there is no difference, and no figure stands in for it.
    let not_yet = RunFigures { difference_cents: None, ..figures(11) };
    bench.run(Ok(not_yet.clone())).await;
    assert_eq!(bench.ledger.last_good_run().await.unwrap().unwrap().figures, not_yet);
    assert_eq!(bench.findings().await, []);
}

#[tokio::test]
async fn what_earlier_runs_saw_is_known_by_its_time() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.ledger.next_run().await.unwrap(), 1);
    assert_eq!(
        (bench.ledger.last_clean_run().await.unwrap(), bench.ledger.last_exact_run().await.unwrap()),
        (0, None)
    );
    assert_eq!(bench.ledger.total_at(bench.now).await.unwrap(), None);
    let first = bench.now;
    bench.run_with(Ok(figures(5)), true, &[]).await;
    bench.wait(10);
    let second = bench.now;
    bench.run(Ok(figures(8))).await;
    bench.wait(10);
    bench.run(Err("no list".to_owned())).await;
    assert_eq!(bench.ledger.last_clean_run().await.unwrap(), 1);
    assert_eq!(bench.ledger.last_exact_run().await.unwrap(), Some(first));
    let total = |at, cents| Some(Total { at, cents });
    assert_eq!(bench.ledger.total_at(bench.now).await.unwrap(), total(second, 8), "void runs saw none");
    assert_eq!(bench.ledger.total_at(second).await.unwrap(), total(second, 8));
    assert_eq!(bench.ledger.total_at(second.minus(Duration::from_millis(1))).await.unwrap(), total(first, 5));
    assert_eq!(bench.ledger.total_at(first.minus(Duration::from_millis(1))).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_left_over_is_left_over_until_a_good_run() {
    let mut bench = Bench::new().await;
    for number in 1..=3 {
        bench.paid(number, "5").await;
    }
    let due = "SELECT coalesce(group_concat(deposit_row), '-') FROM comparison_due";
    bench.run_with(Ok(figures(5)), false, &[id(3), id(1), id(1), id(9)]).await;
    assert_eq!(bench.row(due).await, "1,3");
    bench.run(Err("no list".to_owned())).await;
    assert_eq!(bench.row(due).await, "1,3", "nothing was compared");
    bench.run_with(Ok(figures(5)), false, &[id(2)]).await;
    assert_eq!(bench.row(due).await, "2");
    bench.run_with(Ok(figures(5)), true, &[]).await;
    assert_eq!(bench.row(due).await, "-");
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, or one table of what must be refused")]
async fn a_case_is_opened_seen_told_explained_and_closed_and_each_word_of_it_is_an_event() {
    let mut bench = Bench::new().await;
    let deposit = bench.paid(1, "5").await;
    let difference = |kind, deposit: Option<&Deposit>| Difference {
        kind,
        deposit_id: deposit.map(|deposit| deposit.id),
        order_id: deposit.map(|_| "order-1".to_owned()),
        expected: "5.00".to_owned(),
        found: "none".to_owned(),
        row: deposit.is_none().then_some(7),
        expected_cents: Some(500),
        found_cents: None,
        detail: Some("no row".to_owned()),
    };
    let tell = |_: &Case, act: &CaseChange| match act {
        CaseChange::Open(case) if case.notified => {
            Some((EventName::DiscrepancyOpened, vec![Recipient::Operator(FINANCE.to_owned())]))
        }
        CaseChange::Notified { .. } => Some((EventName::DiscrepancyOpened, Vec::new())),
        CaseChange::Explain { .. } => Some((EventName::DiscrepancyExplained, Vec::new())),
        CaseChange::Close { .. } => Some((EventName::DiscrepancyClosed, Vec::new())),
        _ => None,
    };
    let missing =
        NewCase { difference: difference(CaseKind::InvoiceMissing, Some(&deposit)), notified: true };
    let drift = NewCase { difference: difference(CaseKind::TotalChargesDrift, None), notified: false };
    let acts = vec![CaseChange::Open(missing.clone()), CaseChange::Open(drift)];
    let head = bench.ledger.head();
    assert_eq!(bench.ledger.change_cases(acts, bench.now, tell).await.unwrap(), [1, 2]);
    assert_eq!(*head.borrow(), 5, "the one that nobody is told of is noted");
    bench.wait(60);
    let twice = vec![CaseChange::Open(missing)];
    assert!(bench.ledger.change_cases(twice, bench.now, tell).await.is_err(), "one open case for a subject");
    let moved = Difference {
        expected: "6.00".to_owned(),
        found: "7.00".to_owned(),
        expected_cents: Some(600),
        found_cents: Some(700),
        ..difference(CaseKind::TotalChargesDrift, None)
    };
    assert_eq!((moved.cents(), difference(CaseKind::TotalChargesDrift, None).cents()), (Some(100), None));
    let seen = |counts| CaseChange::Seen { id: 2, difference: moved.clone(), counts };
    let told = CaseChange::Notified { id: 2, cents: moved.cents() };
    assert_eq!(
        bench.ledger.change_cases(vec![seen(true), seen(false), told], bench.now, tell).await.unwrap(),
        [2, 2, 2]
    );
    let explain = CaseChange::Explain { id: 1, who: "socket".to_owned(), note: "asked".to_owned() };
    let close = CaseChange::Close { id: 1, who: Some("socket".to_owned()), resolution: "a gift".to_owned() };
    assert_eq!(bench.ledger.change_cases(vec![explain, close], bench.now, tell).await.unwrap(), [1, 1]);

    let case = bench.ledger.case(1).await.unwrap().unwrap();
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
    let drift = bench.ledger.case(2).await.unwrap().unwrap();
    assert_eq!((drift.seen_runs, drift.expected.as_str(), drift.found.as_str()), (2, "6.00", "7.00"));
    assert_eq!((drift.told_at.as_deref(), drift.told_cents), (Some("2026-01-10T10:05:00.000Z"), Some(100)));
    assert_eq!((drift.seen_at.as_deref(), drift.invoice_row), (Some("2026-01-10T10:05:00.000Z"), Some(7)));
    assert_eq!(
        (drift.expected_cents, drift.found_cents, drift.detail.as_deref()),
        (Some(600), Some(700), Some("no row"))
    );
    assert_eq!(bench.ledger.case(3).await.unwrap(), None);
    assert_eq!(bench.ledger.cases_of(deposit.id).await.unwrap(), std::slice::from_ref(&case));
    assert_eq!(bench.ledger.cases_of(id(2)).await.unwrap(), []);
    assert_eq!(bench.ledger.story(deposit).await.unwrap().cases, std::slice::from_ref(&case));
    assert_eq!(bench.ledger.cases(false).await.unwrap(), std::slice::from_ref(&drift));
    assert_eq!(bench.ledger.cases(true).await.unwrap(), [drift, case]);
    let ages = CaseAge {
        id: 2,
        kind: "total_charges_drift".to_owned(),
        expected: "6.00".to_owned(),
        found: "7.00".to_owned(),
        opened_at: "2026-01-10T09:05:00.000Z".to_owned(),
    };
    assert_eq!(bench.ledger.case_ages().await.unwrap(), [ages]);
    assert_eq!(
        bench.rows("SELECT concat_ws(' ', seq, name, facts ->> '$.id', reason) FROM event WHERE deposit_id IS NULL ORDER BY seq").await,
        [
            "4 discrepancy_opened 1",
            "5 cases_noted",
            "6 discrepancy_opened 2",
            "7 discrepancy_explained 1 asked",
            "8 discrepancy_closed 1 a gift",
        ]
    );
    assert_eq!(bench.findings().await, []);
    // A run closes what a person has not.
    let gone = CaseChange::Close { id: 2, who: None, resolution: "they agree".to_owned() };
    bench.ledger.change_cases(vec![gone], bench.now, tell).await.unwrap();
    assert_eq!(bench.ledger.case(2).await.unwrap().unwrap().closed_by.as_deref(), Some("run"));
    assert_eq!(bench.ledger.cases(false).await.unwrap(), []);
    assert_eq!(bench.findings().await, []);
}

#[tokio::test]
async fn cases_that_nobody_is_told_of_are_sealed_and_whatever_is_changed_of_them_is_found() {
    let mut bench = Bench::new().await;
    let open = |order: &str| {
        let difference = Difference {
            kind: CaseKind::InvoiceMissing,
            deposit_id: None,
            order_id: Some(order.to_owned()),
            expected: "5.00".to_owned(),
            found: "none".to_owned(),
            row: Some(i64::from(order.as_bytes()[0])),
            expected_cents: Some(500),
            found_cents: None,
            detail: None,
        };
        CaseChange::Open(NewCase { difference, notified: order == "told" })
    };
    let tell = |case: &Case, _: &CaseChange| {
        case.told_at.is_some().then(|| (EventName::DiscrepancyOpened, Vec::new()))
    };
    let opened = ["a", "b", "c", "told", "e"].map(open).to_vec();
    assert_eq!(bench.ledger.change_cases(opened, bench.now, tell).await.unwrap(), [1, 2, 3, 4, 5]);
    bench.wait(60);
    let close = |id| CaseChange::Close { id, who: None, resolution: format!("{id} agrees") };
    bench.ledger.change_cases([5, 2, 1].map(close).to_vec(), bench.now, tell).await.unwrap();
    let noted = "SELECT concat_ws(' ', seq, facts ->> '$.opened.count', facts ->> '$.opened.ids',
                     facts ->> '$.closed.count', facts ->> '$.closed.ids')
                 FROM event WHERE name = 'cases_noted' ORDER BY seq";
    assert_eq!(bench.rows(noted).await, ["2 4 [[1,3],[5,5]] 0 []", "3 0 [] 3 [[1,2],[5,5]]"]);
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
        assert_eq!(bench.after(statements).await, expected, "{statements}");
    }
}

/// A word of a person and what it changes are one: the event, the acceptance, the cases that end, what is remembered.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, or one table of what must be refused")]
async fn a_decision_is_one_event_with_all_that_it_changes_and_can_be_taken_back() {
    let mut bench = Bench::new().await;
    let deposit = bench.paid(1, "5").await;
    let mismatch = Difference {
        deposit_id: Some(deposit.id),
        ..Difference::of_account(CaseKind::InvoiceMissing, "5.00".to_owned(), "none".to_owned())
    };
    let drift = Difference::of_account(CaseKind::TotalChargesDrift, "1.00".to_owned(), "3.00".to_owned());
    let open = |difference| CaseChange::Open(NewCase { difference, notified: false });
    bench.ledger.change_cases(vec![open(mismatch), open(drift)], bench.now, |_, _| None).await.unwrap();
    let id = deposit.id;
    let notice = move |now, act: &str, case: i64, figures: Option<(i64, i64, i64)>| AccountEvent {
        name: EventName::Decided,
        at: now,
        reason: Some("so be it".to_owned()),
        facts: serde_json::json!({
            "kind": if case == 1 { "invoice_missing" } else { "total_charges_drift" }, "deposit_id": (case == 1).then_some(id),
            "act": act, "case_id": case, "who": "root", "note": "so be it", "listed_cents": figures.map(|it| it.0),
            "counted_cents": figures.map(|it| it.1), "drift_cents": figures.map(|it| it.2),
        }),
        mail_to: vec![Recipient::Operator(FINANCE.to_owned())],
    };
    let told = |case, kind: CaseKind, deposit: Option<DepositId>, figures| {
        let mut told = notice(bench.now, "accept", case, Some(figures));
        told.facts["kind"] = kind.as_str().into();
        told.facts["deposit_id"] = deposit.map(|id| id.to_string()).into();
        told
    };
    let accept = |case: i64, kind: CaseKind, deposit, (listed, counted, drift_cents)| Decision {
        notice: told(case, kind, deposit, (listed, counted, drift_cents)),
        who: "root".to_owned(),
        note: "so be it".to_owned(),
        accept: vec![NewAcceptance {
            case_id: case,
            kind: kind.as_str().to_owned(),
            deposit,
            invoice_row: None,
            listed_cents: Some(listed),
            counted_cents: Some(counted),
            drift_cents,
        }],
        take_back: Vec::new(),
        close: vec![Closing { case_id: case, resolution: "accepted: so be it".to_owned() }],
        memory: vec![("total_floor", format!("7{case}"))],
    };
    let head = bench.ledger.head_hash().await.unwrap().unwrap().0;
    let first = accept(1, CaseKind::InvoiceMissing, Some(deposit.id), (0, 500, 0));
    bench.ledger.decide(first.clone()).await.unwrap();
    bench.ledger.decide(accept(2, CaseKind::TotalChargesDrift, None, (0, 0, 200))).await.unwrap();
    let standing = bench.ledger.acceptances().await.unwrap();
    let said: Vec<_> = standing
        .iter()
        .map(|one| (one.case_id, one.kind.as_str(), one.deposit_id.is_some(), one.drift_cents))
        .collect();
    assert_eq!(said, [(1, "invoice_missing", true, 0), (2, "total_charges_drift", false, 200)]);
    assert_eq!((standing[0].accepted_by.as_str(), standing[0].note.as_str()), ("root", "so be it"));
    assert_eq!(bench.ledger.cases(false).await.unwrap(), []);
    assert_eq!(bench.ledger.recall("total_floor").await.unwrap().as_deref(), Some("72"));
    let seqs = "SELECT group_concat(event_seq || ' ' || coalesce(ended_seq, '-')) FROM acceptance";
    let decided = "SELECT group_concat(seq) FROM event WHERE name = 'decided'";
    let events = format!("{},{}", head + 1, head + 3);
    assert_eq!(
        bench.row(decided).await,
        events,
        "each the first of its events, the end of its case the other"
    );
    let letters = "SELECT group_concat(event_seq) FROM outbox WHERE event_seq > 3";
    assert_eq!(bench.row(letters).await, events, "one letter each");
    let broken = Decision { accept: vec![first.accept[0].clone(), first.accept[0].clone()], ..first };
    assert!(bench.ledger.decide(broken).await.is_err(), "an event of its own for each acceptance");
    assert_eq!(bench.row(decided).await, events, "nothing of it was written");
    assert_eq!(bench.findings().await, []);

    bench.wait(60);
    let taken_back = Decision {
        notice: notice(bench.now, "unaccept", 1, None),
        who: "root".to_owned(),
        note: "no".to_owned(),
        accept: Vec::new(),
        take_back: vec![1],
        close: Vec::new(),
        memory: Vec::new(),
    };
    bench.ledger.decide(taken_back).await.unwrap();
    assert_eq!(bench.ledger.acceptances().await.unwrap().len(), 1);
    assert_eq!(bench.row(seqs).await, format!("{} {},{} -", head + 1, head + 5, head + 3));
    assert_eq!(
        bench.row("SELECT group_concat(deposit_row) FROM comparison_due").await,
        "1",
        "to be compared"
    );
    assert_eq!(bench.findings().await, []);
}
