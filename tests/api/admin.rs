//! What operators and accountants ask for: reconciliation, cases, reviews, mails, copies, readiness, figures.

use std::time::Duration;

use depositd::flow::{self, NewDeposit};
use depositd::sandbox::upstream::{Action, Fate};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bench::Bench;

const BODY: &str = r#"{"currency": "USDT", "network": "BSC", "amount": 5}"#;

#[tokio::test]
async fn a_reconciliation_is_run_and_its_report_kept() {
    let bench = Bench::start().await;
    assert_eq!(bench.get("/v1/reconciliations/latest").await.0, 404);
    bench.ask(BODY, &[]).await;
    let runs = futures_util::future::join_all((0..3).map(|_| bench.post("/v1/reconciliations", ""))).await;
    // The first of them has nothing to compare the total with yet.
    let mut drifts: Vec<&Value> = runs.iter().map(|(_, report)| &report["difference_cents"]).collect();
    drifts.sort_by_key(|drift| drift.as_i64());
    assert_eq!(drifts, [&Value::Null, &json!(0), &json!(0)]);
    for (status, report) in &runs {
        assert_eq!((*status, &report["ok"]), (200, &json!(true)));
    }
    assert_eq!(bench.get("/v1/reconciliations/latest").await.1["ok"], true);
    bench.upstream.set_outage(true);
    let (status, problem) = bench.post("/v1/reconciliations", "{}").await;
    assert_eq!((status, &problem["type"]), (502, &json!("reconciliation-void")));
    let (status, latest) = bench.get("/v1/reconciliations/latest").await;
    assert_eq!((status, &latest["ok"]), (200, &json!(false)));
}

#[tokio::test]
async fn a_difference_is_explained_and_closed_by_a_person() {
    let bench = Bench::start().await;
    for _ in 0..2 {
        bench.post("/v1/reconciliations", "").await;
    }
    bench.upstream.adjust(300, 300).unwrap();
    let (_, report) = bench.post("/v1/reconciliations", "").await;
    let id = &report["opened"][0];
    let (_, cases) = bench.get("/v1/cases").await;
    assert_eq!((&cases["cases"][0]["id"], &cases["cases"][0]["kind"]), (id, &json!("total_charges_drift")));
    let path = format!("/v1/cases/{id}");
    for act in ["explain", "close"] {
        let (status, problem) = bench.post(&format!("{path}/{act}"), r#"{"note": " "}"#).await;
        assert_eq!((status, &problem["field"]), (422, &json!("note")));
        let (status, problem) = bench.post(&format!("{path}/{act}"), "{}").await;
        assert_eq!((status, &problem["field"]), (422, &json!("note")));
        assert_eq!(bench.post(&format!("/v1/cases/999/{act}"), r#"{"note": "x"}"#).await.0, 404);
        assert_eq!(bench.post(&format!("/v1/cases/x/{act}"), r#"{"note": "x"}"#).await.0, 404);
        // What it would not heed is refused, and nothing has happened.
        for field in [r#""dry_run": true"#, r#""amount": "5""#, r#""amount_cents": 5"#] {
            let (status, problem) =
                bench.post(&format!("{path}/{act}"), &format!(r#"{{"note": "x", {field}}}"#)).await;
            assert_eq!(status, 422, "{act} {field}");
            assert!(problem["detail"].as_str().unwrap().contains("the fields are: note"), "{problem}");
        }
    }
    let (status, case) = bench.post(&format!("{path}/explain"), r#"{"note": "a gift"}"#).await;
    assert_eq!((status, &case["explained"], &case["closed_at"]), (200, &json!("a gift"), &Value::Null));
    let (status, case) = bench.post(&format!("{path}/close"), r#"{"note": "settled by phone"}"#).await;
    assert_eq!((status, &case["resolution"]), (200, &json!("settled by phone")));
    let (status, problem) = bench.post(&format!("{path}/close"), r#"{"note": "again"}"#).await;
    assert_eq!((status, &problem["type"]), (422, &json!("case-closed")));
    assert_eq!(bench.get("/v1/cases").await.1, json!({"cases": []}));
    assert_eq!(bench.get("/v1/cases?closed=true").await.1["cases"][0], case);
    assert_eq!(bench.get(&path).await, (200, case));
    assert_eq!(bench.get("/v1/cases/999").await.0, 404);
}

#[tokio::test]
async fn a_flag_is_cleared_by_a_person_who_says_why() {
    let bench = Bench::start_polling(Duration::from_millis(200)).await;
    bench.upstream.set_default_fate(Fate::Manual);
    let (_, deposit) = bench.ask(BODY, &[]).await;
    let path = format!("/v1/deposits/{}", deposit["id"].as_str().unwrap());
    let (status, problem) = bench.post(&format!("{path}/review"), r#"{"note": "fine"}"#).await;
    assert_eq!((status, &problem["type"]), (422, &json!("nothing-to-review")));
    let order = deposit["order_id"].as_str().unwrap();
    bench.upstream.act(order, Action::SetStatus { status: "aml_screening".to_owned() }).unwrap();
    let mut head = bench.flow.ledger.head();
    let flagged = async {
        loop {
            let (_, now) = bench.get(&path).await;
            if !now["needs_review"].is_null() {
                return;
            }
            head.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), flagged).await.unwrap();
    let (_, flagged) = bench.get("/v1/deposits?needs_review=true").await;
    assert_eq!(flagged["deposits"][0]["id"], deposit["id"]);
    let (status, problem) = bench.post(&format!("{path}/review"), r#"{"note": ""}"#).await;
    assert_eq!((status, &problem["field"]), (422, &json!("note")));
    let (status, cleared) = bench.post(&format!("{path}/review"), r#"{"note": "known to support"}"#).await;
    assert_eq!((status, &cleared["needs_review"]), (200, &Value::Null));
    assert_eq!(bench.post("/v1/deposits/nobody/review", r#"{"note": "x"}"#).await.0, 404);
}

#[tokio::test]
async fn mails_are_listed_retried_and_tried() {
    let bench = Bench::start().await;
    assert_eq!(bench.get("/v1/mails").await.1, json!({"mails": []}));
    let (status, tested) = bench.post("/v1/mails/test", r#"{"to": "me@example.com"}"#).await;
    assert_eq!((status, tested), (202, json!({"recipients": ["me@example.com"]})));
    let (_, tested) = bench.post("/v1/mails/test", "").await;
    assert_eq!(tested, json!({"recipients": ["finance@example.com"]}));
    let (status, problem) = bench.post("/v1/mails/test", r#"{"to": "nobody"}"#).await;
    assert_eq!((status, &problem["field"]), (422, &json!("to")));
    let (_, mails) = bench.get("/v1/mails?state=owed,sent&state=dead").await;
    assert_eq!(mails["mails"].as_array().unwrap().len(), 2);
    assert_eq!(bench.get("/v1/mails?state=lost").await.1["field"], "state");
    assert_eq!(bench.post("/v1/mails/retry", r#"{"id": 4711}"#).await.0, 404);
    assert_eq!(bench.post("/v1/mails/retry", r#"{"id": "4711"}"#).await.0, 422);
    assert_eq!(bench.post("/v1/mails/retry", "").await.0, 200);
}

#[tokio::test]
async fn a_copy_is_made_once_and_overwrites_nothing() {
    let bench = Bench::start().await;
    bench.ask(BODY, &[]).await;
    let folder = bench.folder.path();
    let path = folder.join("backups/copy.db");
    let body = json!({ "path": path }).to_string();
    let (status, report) = bench.post("/v1/backups", &body).await;
    assert_eq!((status, &report["path"]), (200, &json!(path)), "{report}");
    assert!(report["bytes"].as_u64().unwrap() > 0 && path.exists());
    for body in [
        body,
        json!({ "path": "copy.db" }).to_string(),
        json!({ "path": bench.folder.path().join("nowhere/copy.db") }).to_string(),
        json!({ "path": bench.flow.ledger.path() }).to_string(),
        "{}".to_owned(),
    ] {
        let (status, problem) = bench.post("/v1/backups", &body).await;
        assert_eq!((status, &problem["field"]), (422, &json!("path")), "{body}");
    }
}

/// Who may call the daemon need not be one who may write where the daemon may.
#[tokio::test]
async fn copies_go_where_the_configuration_says_and_nowhere_else() {
    let bench = Bench::start().await;
    bench.ask(BODY, &[]).await;
    let folder = bench.folder.path();
    let (backups, outside) = (folder.join("backups"), folder.join("outside"));
    for made in [&backups, &outside, &backups.join("below")] {
        std::fs::create_dir_all(made).unwrap();
    }
    std::os::unix::fs::symlink(&outside, backups.join("link")).unwrap();
    for (name, foreign) in [("x.db.partial", "precious"), ("y.db-wal", "precious")] {
        std::fs::write(backups.join(name), foreign).unwrap();
    }
    for (path, words) in [
        (outside.join("copy.db"), "(ledger.backup_dir) only"),
        (folder.join("copy.db"), "(ledger.backup_dir) only"),
        (backups.join("link/copy.db"), "(ledger.backup_dir) only"),
        (backups.join("../outside/copy.db"), "(ledger.backup_dir) only"),
        (folder.join("ledger.db-journal"), "(ledger.backup_dir) only"),
        (folder.join("backups-of-another/copy.db"), "does not exist"),
        (backups.join("ledger.db-journal"), "-journal at its end"),
        (backups.join("y.db"), "y.db-wal would be taken for a part of it"),
        (backups.join(".."), "expected an absolute path of a file"),
    ] {
        let (status, problem) = bench.post("/v1/backups", &json!({ "path": path }).to_string()).await;
        assert_eq!((status, &problem["field"]), (422, &json!("path")), "{}: {problem}", path.display());
        assert!(problem["detail"].as_str().unwrap().contains(words), "{}: {problem}", path.display());
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    for path in [backups.join("x.db"), backups.join("below/x.db"), backups.join("below/../z.db")] {
        let (status, report) = bench.post("/v1/backups", &json!({ "path": path }).to_string()).await;
        assert_eq!(status, 200, "{report}");
        assert!(path.exists());
    }
    assert_eq!(std::fs::read_to_string(backups.join("x.db.partial")).unwrap(), "precious");
    assert_eq!(std::fs::read_to_string(backups.join("y.db-wal")).unwrap(), "precious");
}

#[tokio::test]
async fn readiness_and_figures_tell_how_things_are() {
    let bench = Bench::start().await;
    bench.ask(BODY, &[]).await;
    bench.post("/v1/reconciliations", "").await;
    let (status, readiness) = bench.get("/readyz").await;
    assert_eq!((status, &readiness["ready"], &readiness["reasons"]), (200, &json!(true), &json!([])));
    assert!(readiness["last_reconciliation_age_seconds"].as_u64().unwrap() < 60);
    bench.upstream.set_outage(true);
    bench.post("/v1/reconciliations", "").await;
    let (status, readiness) = bench.get("/readyz").await;
    assert_eq!((status, &readiness["ready"]), (200, &json!(true)), "an outage outside is a warning");
    assert!(readiness["warnings"].to_string().contains("upstream"), "{readiness}");
    let response = bench.call(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.unwrap();
    for line in [
        "depositd_up 1",
        "depositd_ready 1",
        "depositd_deposits{state=\"awaiting_payment\"} 1",
        "depositd_deposits{state=\"settled\"} 0",
        "depositd_mails{state=\"dead\"} 0",
        "depositd_open_cases 0",
        "depositd_upstream_failing 1",
        "depositd_ledger_head_seq 3",
        "depositd_task_alive{task=\"create\"} 1",
        "# TYPE depositd_task_rounds_total counter",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    well_formed(&text);
}

/// What `promtool check metrics` asks for: each family once, described and typed before its samples, no sample twice.
fn well_formed(text: &str) {
    let mut families = std::collections::HashMap::new();
    let (mut family, mut samples) = (String::new(), std::collections::HashSet::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(!words.is_empty() && families.insert(name.to_owned(), "").is_none(), "{line}");
            name.clone_into(&mut family);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, family);
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
        } else if family.ends_with("_seconds") && !line.starts_with(&format!("{family} ")) {
            // A histogram's samples have names of their own.
            let rest = line.strip_prefix(&family).unwrap();
            assert!(["_bucket{", "_count ", "_sum "].iter().any(|part| rest.starts_with(part)), "{line}");
        } else {
            let (sample, figure) = line.rsplit_once(' ').unwrap();
            assert_eq!(sample.split('{').next().unwrap(), family, "{line}");
            assert!(figure.parse::<f64>().is_ok() && samples.insert(sample.to_owned()), "{line}");
        }
    }
    assert!(text.ends_with('\n'));
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_nothing_with_it() {
    let bench = Bench::start().await;
    let new = NewDeposit {
        currency: Some("USDT".to_owned()),
        network: Some("BSC".to_owned()),
        amount: "5".to_owned(),
        idempotency_key: Some("gone".to_owned()),
        ..NewDeposit::default()
    };
    bench.upstream.set_outage(true);
    let call = bench.call(Method::POST, "/v1/deposits").header("Idempotency-Key", "gone").body(BODY);
    let caller = tokio::spawn(call.send());
    bench.flow.ledger.head().wait_for(|seq| *seq > 0).await.unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    assert!(matches!(flow::open(&bench.flow, new).await.unwrap(), flow::Opened::Same(_)));
    assert_eq!(bench.get("/v1/deposits").await.1["deposits"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_month_is_closed_once_it_is_over_and_clean() {
    let bench = Bench::start().await;
    for (month, why) in
        [("2999-01", "has not ended yet"), ("2020-13", "is not a month"), ("May", "is not a month")]
    {
        let (status, problem) = bench.post(&format!("/v1/periods/{month}/close"), "").await;
        assert_eq!((status, &problem["field"]), (422, &json!("month")), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
    }
    bench.post("/v1/reconciliations", "").await;
    bench.upstream.adjust(0, 300).unwrap();
    let (status, problem) = bench.post("/v1/periods/2020-02/close", "").await;
    assert_eq!((status, &problem["type"]), (409, &json!("books-not-clean")), "{problem}");
    assert_eq!(bench.get("/v1/periods").await.1, json!({ "periods": [] }));
    bench.upstream.adjust(0, -300).unwrap();
    let (status, closed) = bench.post("/v1/periods/2020-02/close", "").await;
    assert_eq!((status, &closed["ends_at"]), (200, &json!("2020-03-01T00:00:00.000Z")), "{closed}");
    assert_eq!(bench.get("/v1/periods").await.1, json!({ "periods": [closed] }));
    bench.upstream.set_outage(true);
    assert_eq!(bench.post("/v1/periods/2020-03/close", "").await.0, 502, "a void run closes nothing");
    assert_eq!(bench.post("/v1/periods/2020-02/close", "").await, (200, closed), "it is closed already");
}

#[tokio::test]
async fn a_close_can_be_tried_and_says_who_closed() {
    let bench = Bench::start().await;
    for _ in 0..2 {
        bench.post("/v1/reconciliations", "").await;
    }
    let (status, plan) = bench.post("/v1/periods/2020-02/close", r#"{"dry_run": true}"#).await;
    assert_eq!(
        (status, &plan["dry_run"], &plan["would_close"]),
        (200, &json!(true), &json!(["2020-02"])),
        "{plan}"
    );
    assert_eq!(plan["statement"]["month"], "2020-02");
    assert_eq!(bench.get("/v1/periods").await.1, json!({ "periods": [] }));
    let (status, problem) = bench.post("/v1/periods/2020-02/close", r#"{"dry_run": 1}"#).await;
    assert_eq!((status, &problem["field"]), (422, &json!("dry_run")));
    let (_, closed) = bench.post("/v1/periods/2020-02/close", "{}").await;
    let who = closed["closed_by"].as_str().unwrap();
    assert!(who.starts_with("unix user") || who == "API token", "{closed}");
    let (_, plan) = bench.post("/v1/periods/2020-02/close", r#"{"dry_run": true}"#).await;
    assert_eq!((&plan["closed_at"], &plan["would_close"]), (&closed["closed_at"], &json!([])), "{plan}");
}

#[tokio::test]
async fn the_statement_is_that_of_the_view() {
    let bench = Bench::start().await;
    bench.upstream.top_up_elsewhere(700, "card").unwrap();
    for _ in 0..2 {
        bench.post("/v1/reconciliations", "").await;
    }
    bench.upstream.top_up_elsewhere(300, "stripe").unwrap();
    bench.upstream.spend(100).unwrap();
    bench.post("/v1/reconciliations", "").await;
    let (status, running) = bench.get("/v1/statement").await;
    assert_eq!(
        (status, &running["closing_usd"], &running["opening_usd"]),
        (200, &json!("9.00"), &Value::Null)
    );
    assert_eq!((&running["elsewhere_usd"], &running["spent_usd"]), (&json!("3.00"), &json!("1.00")));
    assert_eq!((&running["ended"], &running["elsewhere"][0]["method"]), (&json!(false), &json!("stripe")));
    let month = running["month"].as_str().unwrap();
    assert_eq!(bench.get(&format!("/v1/statement?month={month}")).await.1, running);
    for (query, why) in
        [("month=2999-01", "has not begun"), ("month=May", "is not a month"), ("year=2026", "unknown")]
    {
        let (status, problem) = bench.get(&format!("/v1/statement?{query}")).await;
        assert_eq!(status, 422, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
    }
    let (status, early) = bench.get("/v1/statement?month=2021-01").await;
    assert_eq!((status, &early["closing_usd"], &early["ours_usd"]), (200, &Value::Null, &json!("0.00")));
}
