//! The proof: whatever was changed behind the ledger's back is named, by its table and its row; nothing else is.

use super::*;
use crate::domain::event::EventName;
use crate::domain::period::Month;

impl Bench {
    /// A ledger with one of everything that a proof looks at.
    async fn lived_in() -> Self {
        let mut bench = Self::at("2026-01-31T22:00:00Z").await;
        let one = bench.wallet(1, "5").await;
        bench.wait(5);
        let mut write = owed_to(bench.step(&one, polled("paid", "")), &[FINANCE]);
        let note = |at: Timestamp, body: &str| {
            Some(EvidenceNote { at, call: "look", http_status: Some(200), body: body.to_owned() })
        };
        write.evidence = note(bench.now, "{\"status\":\"paid\"}");
        let one = write.step.deposit.clone();
        bench.write(write).await;
        let two = bench.wallet(2, "6").await;
        bench.wait(5);
        let mut write = owed_to(bench.step(&two, polled("paid", "")), &[FINANCE]);
        write.evidence = note(bench.now, "{\"status\":\"Paid\"}");
        bench.write(write).await;
        bench.wait(5);
        bench.ledger.delivered(vec![(1, Delivery::Sent(bench.now))]).await.unwrap();
        bench.now = at("2026-02-01T00:00:00Z");
        let month = Month::parse("2026-01").unwrap();
        bench.ledger.close_month(&month, bench.now, serde_json::json!({})).await.unwrap();
        bench.poll(one, "refund_paid", "").await;
        bench.ask(3, "7").await;
        bench
    }

    /// What is found in a copy in which this was done.
    pub(super) async fn after(&self, statements: &'static str) -> Vec<String> {
        let proof = self.proof_after(statements).await.unwrap();
        proof.findings.iter().map(|found| format!("{} {}: {}", found.table, found.row, found.what)).collect()
    }

    /// What the proof says of a copy in which this was done, without anybody's leave.
    async fn proof_after(&self, statements: &'static str) -> Result<Verification> {
        let copy = self.file("copy.db");
        for old in ["copy.db", "copy.db-wal", "copy.db-shm"] {
            let _ = std::fs::remove_file(self.file(old));
        }
        let mut aside = self.aside().await;
        sqlx::query("VACUUM INTO ?").bind(copy.to_str().unwrap()).execute(&mut aside).await.unwrap();
        aside.close().await.unwrap();
        let mut bent = connect(&copy).await;
        let guards = sqlx::query_scalar::<_, String>(
            "SELECT group_concat('DROP TRIGGER ' || name, ';') FROM sqlite_master WHERE type = 'trigger'",
        )
        .fetch_one(&mut bent)
        .await
        .unwrap();
        let bend = format!("PRAGMA ignore_check_constraints = ON; {guards}; {statements}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(bend)).execute(&mut bent).await.unwrap();
        bent.close().await.unwrap();
        Ledger::open(settings(&copy), Access::Read).await.unwrap().verify(|_, _| {}).await
    }
}

#[tokio::test]
async fn a_whole_ledger_proves_whole_and_says_how_much_was_proven() {
    let bench = Bench::lived_in().await;
    let mut progress = Vec::new();
    let proof = bench.ledger.verify(|done, all| progress.push((done, all))).await.unwrap();
    assert_eq!(proof.findings, []);
    assert_eq!((proof.events, proof.deposits, proof.transactions, proof.mails), (9, 3, 3, 5));
    assert_eq!(Some((proof.head_seq, proof.head_hash)), bench.ledger.head_hash().await.unwrap());
    assert_eq!(progress, [(9, 9)]);
    assert_eq!(bench.after("SELECT 1").await, [] as [&str; 0]);
}

const CHAIN: &str = "its hash does not fit: it, its postings, its evidence or its request was changed";
const BOOKS: &str = "it is not what its event books";

/// What was done, and everything that has to be said of it.
const CHANGES: &[(&str, &[&str])] = &[
    ("UPDATE event SET reason = 'x' WHERE seq = 2", &["event 2: {CHAIN}"]),
    ("UPDATE event SET mail_to = '[]' WHERE seq = 2", &["event 2: {CHAIN}", "outbox 1: a mail that no event owes"]),
    (
        "DELETE FROM event WHERE seq = 7",
        &[
            "file 0: period points to a missing row of event",
            "event 8: the event before it, 7, is missing",
            "event 8: {CHAIN}",
        ],
    ),
    (
        "DELETE FROM event WHERE seq = 9",
        &["deposit 00000000-0000-0000-0000-000000000003: its version is not the number of its events"],
    ),
    ("UPDATE evidence SET body = 'x' WHERE id = 1", &["event 3: {CHAIN}"]),
    (
        "UPDATE evidence SET deposit_id = (SELECT deposit_id FROM evidence WHERE id = 2) WHERE id = 1",
        &["evidence 1: it is not the answer that event 3 came of"],
    ),
    (
        "INSERT INTO evidence SELECT 3, deposit_id, at, call, http_status, body FROM evidence WHERE id = 2",
        &["evidence 3: there are 3 answers, the events came of 2"],
    ),
    ("UPDATE deposit SET coupon = 'FREE' WHERE row_id = 1", &["event 1: {CHAIN}"]),
    ("UPDATE deposit SET reference = NULL WHERE row_id = 3", &["event 9: {CHAIN}"]),
    (
        "UPDATE posting SET amount = '4.98' WHERE entry_id = 2",
        &["event 3: {CHAIN}", "account_balance equity:crypto:usdt USDT: it says -4.99 (-6000000 micros), its postings add up to 4.98 (-6000000 micros)", "posting transaction 3: {BOOKS}"],
    ),
    (
        "UPDATE posting SET amount_usd_micros = 5000001 WHERE entry_id = 1",
        &[
            "event 3: {CHAIN}",
            "posting transaction 3: it is off balance by 1 micros",
            "account_balance assets:prepaid:smsonline USD: it says 6 (6000000 micros), its postings add up to 6 (6000001 micros)",
            "posting transaction 3: {BOOKS}",
        ],
    ),
    (
        "UPDATE account_balance SET balance = '6.1' WHERE commodity = 'USD'",
        &["account_balance assets:prepaid:smsonline USD: it says 6.1 (6000000 micros), its postings add up to 6 (6000000 micros)"],
    ),
    (
        "UPDATE account_balance SET balance_micros = 1 WHERE commodity = 'USD'",
        &["account_balance assets:prepaid:smsonline USD: it says 6 (1 micros), its postings add up to 6 (6000000 micros)"],
    ),
    ("DELETE FROM account_balance WHERE commodity = 'USD'", &["account_balance assets:prepaid:smsonline USD: it is missing"]),
    (
        "INSERT INTO posting VALUES (99, 99, 'equity:theirs', 'USD', '1', 1)",
        &["file 99: posting points to a missing row of event", "posting 99: no event books it"],
    ),
    (
        "UPDATE deposit SET version = 9 WHERE row_id = 3",
        &[
            "deposit 00000000-0000-0000-0000-000000000003: its version is not the number of its events",
            "queue 00000000-0000-0000-0000-000000000003: its place in the queue is missing, or was decided on another version",
        ],
    ),
    (
        "UPDATE deposit SET facts = json_set(facts, '$.late', json('true')), late = 1 WHERE row_id = 2",
        &["deposit 00000000-0000-0000-0000-000000000002: its facts are not those of its last event"],
    ),
    (
        "UPDATE deposit SET updated_at = '2026-02-01T00:00:00.000Z' WHERE row_id = 2",
        &["deposit 00000000-0000-0000-0000-000000000002: its facts are not those of its last event"],
    ),
    (
        "UPDATE deposit SET state = 'failed' WHERE row_id = 2",
        &["deposit 00000000-0000-0000-0000-000000000002: a column does not say what its facts say"],
    ),
    (
        "UPDATE deposit SET amount_usd_micros = 1 WHERE row_id = 2",
        &["deposit 00000000-0000-0000-0000-000000000002: amount_usd_micros is not amount_usd"],
    ),
    ("DELETE FROM queue WHERE deposit = 3", &["queue 00000000-0000-0000-0000-000000000003: its place in the queue is missing, or was decided on another version"]),
    ("DELETE FROM outbox WHERE id = 2", &["outbox event 3: a mail that is owed is not there"]),
    ("UPDATE outbox SET recipient = 'x@example.com' WHERE id = 2", &[
        "outbox event 3: a mail that is owed is not there",
        "outbox 2: a mail that no event owes",
        "outbox 2: its Message-ID is not the one of its event and recipient",
    ]),
    ("UPDATE outbox SET audience = 'payer' WHERE id = 2", &[
        "outbox event 3: a mail that is owed is not there",
        "outbox 2: a mail that no event owes",
    ]),
    ("UPDATE outbox SET message_id = 'x' || message_id WHERE id = 2", &["outbox 2: its Message-ID is not the one of its event and recipient"]),
    ("UPDATE outbox SET message_id = message_id || 'x' WHERE id = 2", &[]),
    ("UPDATE outbox SET state = 'owed' WHERE id = 1", &["outbox 1: it is owed but sent_at is Some(\"2026-01-31T22:15:00.000Z\")"]),
    ("UPDATE outbox SET sent_at = NULL WHERE id = 1", &["outbox 1: it is sent but sent_at is None"]),
    ("UPDATE outbox SET sent_at = 'once' WHERE id = 1", &["outbox 1: it is sent but sent_at is Some(\"once\")"]),
    ("UPDATE outbox SET created_at = sent_at WHERE id = 1", &["outbox 1: created_at is not the time of its event"]),
    (
        "UPDATE period SET closed_at = 'x'",
        &["period 2026-01: it is not what the event says that closed it"],
    ),
    ("DELETE FROM period", &["period event 7: the month that it closed is not closed"]),
    ("UPDATE month_total SET deposits = 3 WHERE month = '2026-01'", &["month_total 2026-01 USDT BSC: it is not what the events add up to"]),
    ("DELETE FROM month_total WHERE month = '2026-02'", &["month_total 2026-02 USDT BSC: it is missing"]),
    ("UPDATE deposit SET link_id = 'x' WHERE row_id = 2", &["deposit 00000000-0000-0000-0000-000000000002: link_id is not the id at the end of its link"]),
    ("INSERT INTO link_name (name, value, deposit_row) VALUES ('sign', 'x', 2)", &["link_name 00000000-0000-0000-0000-000000000002 sign: its deposit's link does not bear it"]),
    (
        "UPDATE account_month SET debit_micros = debit_micros + 1 WHERE month = '2026-02' AND commodity = 'USD'",
        &["account_month 2026-02 assets:prepaid:smsonline USD: it is not what its postings add up to"],
    ),
    (
        "UPDATE account_month SET debit_micros = debit_micros + 1 WHERE month = '2026-01' AND commodity = 'USD'",
        &[
            "period 2026-01: its accounts do not hold what they held when it was closed",
            "account_month 2026-01 assets:prepaid:smsonline USD: it is not what its postings add up to",
        ],
    ),
    ("DELETE FROM account_month WHERE month = '2026-02' AND commodity = 'USD'", &["account_month 2026-02 assets:prepaid:smsonline USD: it is missing"]),
    ("UPDATE event SET facts = '{\"x\":1}' WHERE seq = 9", &["event 9: its request, facts or postings cannot be read", "event 9: its facts or its deposit's request cannot be read"]),
    ("UPDATE posting SET amount = 'much' WHERE entry_id = 1", &["event 3: its request, facts or postings cannot be read",
            "account_balance assets:prepaid:smsonline USD: it says 6 (6000000 micros), its postings add up to 1 (1000000 micros)",
            "account_balance equity:crypto:usdt USDT: it says -4.99 (-6000000 micros), its postings add up to 0 (-1000000 micros)",
            "posting transaction 3: {BOOKS}",
        ]),
    ("UPDATE event SET from_state = 'held' WHERE seq = 3", &["event 3: {CHAIN}", "event 3: from_state is not the state that the event before it left"]),
    ("UPDATE event SET to_state = 'held' WHERE seq = 9", &["event 9: {CHAIN}", "event 9: to_state is not the state of its facts"]),
    (
        "INSERT INTO reconciliation (at, ok, error, head_seq, report) VALUES ('x', 0, 'why', 1, '{\"at\":\"y\",\"ok\":0,\"error\":\"why\"}')",
        &["reconciliation 1: its figures are not those of its report"],
    ),
    (
        "INSERT INTO reconciliation (id, at, ok, error, head_seq, report) VALUES (2, 'x', 0, 'why', 1, '{\"at\":\"x\",\"ok\":0,\"error\":\"why\"}')",
        &["reconciliation 2: the run before it is missing"],
    ),
    (
        "INSERT INTO reconciliation (at, ok, head_seq, total_charges_cents, credited_here_cents, credited_elsewhere_cents, difference_cents, baseline_cents, report)
         VALUES ('x', 1, 1, 3, 1, 1, 1, 5, '{\"at\":\"x\",\"ok\":1,\"total_charges_cents\":3,\"credited_here_cents\":1,\"credited_elsewhere_cents\":1,\"difference_cents\":1,\"baseline_cents\":5}')",
        &[
            "reconciliation 1: what a statement needs of it is not what journal and runs add up to",
            "meta baseline_cents: it is none, what set it says 5",
        ],
    ),
    (
        "INSERT INTO discrepancy (key, kind, expected, found, opened_at, seen_runs, told_at) VALUES ('x', 'balance_rise', '1', '2', 'x', 1, 'x')",
        &["discrepancy 1: no event told of its beginning or its end"],
    ),
];

#[tokio::test]
async fn every_change_is_named_and_nothing_but_the_change() {
    let bench = Bench::lived_in().await;
    let mut wrong = Vec::new();
    for (change, expected) in CHANGES {
        let found = bench.after(change).await;
        let expected: Vec<_> =
            expected.iter().map(|what| what.replace("{CHAIN}", CHAIN).replace("{BOOKS}", BOOKS)).collect();
        if found != expected {
            wrong.push(format!("{change}\n  found {found:#?}\n  not {expected:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_findings_have_an_end_and_pages_of_noise_are_one_of_them() {
    let mut bench = Bench::new().await;
    for number in 1..=60 {
        bench.ask(number, "5").await;
    }
    let notice = AccountEvent {
        name: EventName::UpstreamDown,
        at: bench.now,
        reason: None,
        facts: serde_json::json!({}),
        mail_to: Vec::new(),
    };
    bench.ledger.announce(vec![notice]).await.unwrap();
    assert_eq!(bench.after("UPDATE deposit SET reference = 'x'").await.len(), 50);
    assert_eq!(bench.after("UPDATE deposit SET reference = 'x' WHERE row_id > 10").await.len(), 50);
    assert_eq!(bench.after("UPDATE deposit SET reference = 'x' WHERE row_id > 11").await.len(), 49);
    bench.wait(1);
    let path = bench.path();
    let ledger = bench.ledger.clone();
    ledger.close().await.unwrap();
    let reader = Ledger::open(settings(&path), Access::Read).await.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096 * 4..].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let proof = reader.verify(|_, _| {}).await;
    let proof = proof.map_or_else(|error| panic!("{error}"), |proof| proof.findings);
    assert!(proof.iter().any(|found| found.table == "file"), "{proof:?}");
}

#[tokio::test]
async fn what_cannot_be_read_at_all_is_an_error_unless_something_found_before_explains_it() {
    let bench = Bench::lived_in().await;
    let error = bench.proof_after("DROP TABLE reconciliation").await.unwrap_err();
    assert!(matches!(&error, Error::Database { doing: "read", .. }), "{error}");
    let found = bench.after("UPDATE event SET reason = 'x' WHERE seq = 2; DROP TABLE reconciliation").await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0], format!("event 2: {CHAIN}"));
    assert!(
        found[1].starts_with("file ") && found[1].contains("the rest: the ledger could not be read"),
        "{found:?}"
    );
}

#[tokio::test]
async fn one_answer_may_bring_two_events_and_is_kept_once() {
    let mut bench = Bench::new().await;
    let deposit = bench.wallet(1, "5").await;
    bench.wait(5);
    let mut write = DepositWrite::from(bench.step(&deposit, polled("teleported", "")));
    let body = "{\"status\":\"teleported\"}".to_owned();
    write.evidence = Some(EvidenceNote { at: bench.now, call: "look", http_status: None, body });
    assert_eq!(write.step.events.len(), 2);
    bench.write(write).await;
    assert_eq!(bench.row("SELECT group_concat(evidence_id) FROM event").await, "1,1");
    assert_eq!(bench.findings().await, []);
}
