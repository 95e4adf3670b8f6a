//! The commands that read: what they show, as pages and as JSON; their exit statuses; who may run them.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::bench::{Bench, Run, as_another};
use super::books::{self, EVM, EXACT, ORDER, REJECTED, WAITING};

#[tokio::test]
async fn deposits_are_listed_newest_first() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    let run = bench.run(&["list"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 9, "{}", run.stdout);
    assert!(lines[8].contains(EXACT) && lines[8].contains("settled"), "{}", run.stdout);
    assert!(!run.stdout.contains('\u{1b}') && !run.stdout.contains('\u{202e}'), "{}", run.stdout);
    // The figures stand under each other's right edge.
    let edge = |line: &str, figure: &str| line.find(figure).unwrap() + figure.len();
    assert_eq!(edge(lines[8], " 25 "), edge(lines[7], " 100.50 "));

    let json = bench.json(&["list", "--state", "awaiting_payment", "--limit", "1"]);
    let deposits = json["deposits"].as_array().unwrap();
    assert_eq!((deposits.len(), deposits[0]["state"].as_str()), (1, Some("awaiting_payment")));
    let cursor = json["next_cursor"].as_str().unwrap();
    let json = bench.json(&["list", "--state", "awaiting_payment", "--cursor", cursor]);
    assert_eq!(json["deposits"][0]["id"], WAITING);
    assert_eq!(json["next_cursor"], serde_json::Value::Null);
    assert_eq!(bench.json(&["list", "--needs-review"])["deposits"].as_array().unwrap().len(), 1);
    assert_eq!(bench.json(&["list", "--since", "2026-06-03"])["deposits"].as_array().unwrap().len(), 4);

    let empty = bench.run(&["list", "--since", "2030-01-01"]);
    assert_eq!((empty.code, empty.stdout.as_str(), empty.stderr.as_str()), (0, "", "no deposits\n"));
    for args in [&["list", "--state", "paid"][..], &["list", "--since", "soon"], &["list", "--limit", "0"]] {
        assert_eq!(bench.run(args).code, 2, "{args:?}");
    }
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn a_deposit_is_shown_whole_by_any_of_its_names() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    let page = bench.run(&["show", EXACT]);
    assert_eq!(page.code, 0, "{}", page.stderr);
    for part in [
        "Deposit 0197213c-0000-7000-8000-000000000001  settled (exact)",
        "25 USD in USDT on TRON",
        "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
        "24.97 USDT",
        ORDER,
        "attempt 1",
        "wallet_created",
        "confirming",
        "assets:prepaid:smsonline",
        "equity:crypto:usdt",
        "finance@example.com",
        "payer@example.com",
        "2026-05-31 11:05:00",
    ] {
        assert!(page.stdout.contains(part), "{part}\n{}", page.stdout);
    }
    assert_eq!(bench.run(&["show", ORDER]).stdout, page.stdout);
    assert!(bench.run(&["show", EVM]).stdout.contains("refunded"), "the newest with this address");
    let refused = bench.run(&["show", REJECTED]).stdout;
    assert!(refused.contains("coupon expired") && !refused.contains('\u{1b}'), "{refused}");

    let json = bench.json(&["show", EXACT]);
    assert_eq!((json["state"].as_str(), json["outcome"].as_str()), (Some("settled"), Some("exact")));
    assert_eq!(json["amount_booked_micros"], 25_000_000);
    assert_eq!(json["expire_at"], "2026-05-31T12:00:00Z");
    for (member, count) in [("events", 4), ("calls", 4), ("postings", 2), ("mails", 1), ("cases", 0)] {
        assert_eq!(json[member].as_array().unwrap().len(), count, "{member}: {}", json[member]);
    }
    let unknown = bench.run(&["show", "nobody"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (3, ""));
    assert!(unknown.stderr.contains("nobody"), "{}", unknown.stderr);
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn the_ledger_is_proven_and_a_changed_past_is_named() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    let proof = bench.json(&["verify"]);
    assert_eq!((proof["ok"].as_bool(), proof["deposits"].as_u64()), (Some(true), Some(8)));
    let copy = bench.run(&["backup", "copy.db"]);
    assert_eq!(copy.code, 0, "{}", copy.stderr);
    assert!(copy.stdout.contains(proof["head_hash"].as_str().unwrap()), "{}", copy.stdout);
    let again = bench.run(&["backup", "copy.db"]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("will not overwrite copy.db"), "{}", again.stderr);
    ledger.close().await.unwrap();

    let copied = |args: &[&str]| {
        let output = bench.command(args).env("DEPOSITD_LEDGER__PATH", bench.file("copy.db")).output();
        Run::of(&output.unwrap())
    };
    let whole = copied(&["verify"]);
    assert!(whole.code == 0 && whole.stdout.contains("the ledger is whole"), "{}", whole.stdout);
    let sql = "DROP TRIGGER posting_no_update; UPDATE posting SET amount = '26' WHERE entry_id = 1;";
    let status = Command::new("sqlite3").arg(bench.file("copy.db")).arg(sql).status().unwrap();
    assert!(status.success());
    let broken = copied(&["verify"]);
    assert_eq!(broken.code, 6, "{}{}", broken.stdout, broken.stderr);
    assert!(broken.stdout.contains("NOT whole"), "{}", broken.stdout);
    let json: serde_json::Value = serde_json::from_str(&copied(&["--json", "verify"]).stdout).unwrap();
    assert!(json["ok"] == false && !json["findings"].as_array().unwrap().is_empty(), "{json}");
}

#[tokio::test]
async fn cases_and_mails_are_listed() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    assert_eq!(bench.json(&["cases", "list"])["cases"][0]["kind"], "total_charges_drift");
    let page = bench.run(&["cases", "show", "1"]);
    assert!(page.stdout.contains("170.00") && page.stdout.contains("165.00"), "{}", page.stdout);
    assert_eq!(bench.run(&["cases", "show", "99"]).code, 3);
    for empty in [["cases", "close", "1", "--note", " "], ["cases", "explain", "1", "--note", ""]] {
        assert_eq!(bench.run(&empty).code, 2);
    }
    let mails = bench.json(&["mail", "list"]);
    assert_eq!(mails["mails"].as_array().unwrap().len(), 7, "{mails}");
    let none = bench.run(&["mail", "list", "--state", "dead"]);
    assert_eq!((none.code, none.stdout.as_str(), none.stderr.as_str()), (0, "", "no such mail\n"));
    assert_eq!(bench.run(&["mail", "retry"]).code, 2);
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn whoever_may_only_read_the_file_reads_it() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    let config = "[ledger]\npath = \"ledger.db\"\n[upstream]\nuser_id = \"1\"\napi_key_file = \"key\"\n\
                  [api]\nlisten = [\"127.0.0.1:1\"]\ntoken_file = \"token\"\n";
    std::fs::write(bench.file("daemon.toml"), config).unwrap();
    for secret in ["key", "token"] {
        std::fs::write(bench.file(secret), "hunter2").unwrap();
        std::fs::set_permissions(bench.file(secret), PermissionsExt::from_mode(0o000)).unwrap();
    }
    let reads = || {
        for args in
            [&["list"][..], &["show", EXACT], &["verify"], &["export", "--format", "csv"], &["mail", "list"]]
        {
            let run = as_another(&bench, args).unwrap_or_else(|| bench.run(args));
            assert_eq!(run.code, 0, "{args:?}: {}{}", run.stdout, run.stderr);
        }
    };
    // While the daemon has it open, and once it has stopped; the folder itself cannot be written.
    std::fs::set_permissions(bench.path(), PermissionsExt::from_mode(0o555)).unwrap();
    reads();
    std::fs::set_permissions(bench.path(), PermissionsExt::from_mode(0o755)).unwrap();
    ledger.close().await.unwrap();
    std::fs::set_permissions(bench.path(), PermissionsExt::from_mode(0o555)).unwrap();
    reads();
    std::fs::set_permissions(bench.path(), PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn wrong_usage_and_configuration_end_with_2() {
    let bench = Bench::new();
    for args in [
        &[][..],
        &["pay"],
        &["show"],
        &["export"],
        &["export", "--format", "xml"],
        &["export", "--format", "hledger", "--what", "deposits"],
        &["export", "--format", "csv", "--from", "2026-06-01", "--to", "2026-05-01"],
        &["export", "--format", "csv", "--month", "2026-13"],
        &["export", "--format", "csv", "--month", "2026-05", "--from", "2026-05-02"],
        &["export", "--format", "csv", "--with", "spending"],
        &["export", "--format", "jsonl", "--no-opening"],
        &["export", "--format", "hledger", "--bom"],
        &["export", "--format", "jsonl", "--delimiter", ";"],
        &["export", "--format", "csv", "--delimiter", "x"],
        &["close", "2026-05", "--dry-run", "--yes"],
        &["--config", "nowhere.toml", "list"],
        &["review", "x", "--note", ""],
        &["run"],
    ] {
        let run = bench.run(args);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{args:?}: {}", run.stderr);
        assert!(!run.stderr.is_empty());
    }
    std::fs::write(bench.file("daemon.toml"), "[ledger]\npaht = \"x\"\n").unwrap();
    let run = bench.run(&["list"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("daemon.toml") && run.stderr.contains("paht"), "{}", run.stderr);
}

#[test]
fn a_missing_ledger_is_a_failure_and_is_never_made() {
    let bench = Bench::new();
    for args in [&["list"][..], &["verify"], &["backup", "x.db"], &["show", "x"]] {
        let run = bench.run(args);
        assert_eq!(run.code, 1, "{args:?}");
        assert!(run.stderr.contains("there is no ledger at"), "{}", run.stderr);
    }
    assert!(!bench.file("ledger.db").exists() && !bench.file("x.db").exists());
}

#[test]
fn help_and_version_go_to_standard_output() {
    let bench = Bench::new();
    let version = bench.run(&["--version"]);
    assert_eq!((version.code, version.stdout), (0, format!("depositd {}\n", env!("CARGO_PKG_VERSION"))));
    for command in
        ["request", "list", "show", "watch", "reconcile", "export", "verify", "backup", "check", "run"]
    {
        let help = bench.run(&[command, "--help"]);
        assert!(help.code == 0 && help.stdout.contains("Examples:"), "{command}: {}", help.stdout);
    }
}

#[tokio::test]
async fn a_reader_who_goes_away_early_is_no_error() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    for args in [&["list"][..], &["export", "--format", "jsonl"], &["verify"]] {
        let mut child = bench.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{args:?}");
    }
    ledger.close().await.unwrap();
}
