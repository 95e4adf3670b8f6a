//! The exports: the same bytes every time, and accepted by the programs that they are for.

use std::process::Command;

use super::bench::{Bench, Run};
use super::books::{self, EXACT};

/// Reads one CSV text as RFC 4180 has it.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted => {
                assert_eq!(letters.next(), Some('\n'));
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            c => field.push(c),
        }
    }
    assert!(row.is_empty() && field.is_empty() && !quoted, "the last line ends too");
    rows
}

fn columns(bench: &Bench, view: &str) -> Vec<String> {
    let sql = format!("SELECT group_concat(name) FROM pragma_table_info('{view}')");
    let output =
        Command::new("sqlite3").arg("-readonly").arg(bench.file("ledger.db")).arg(sql).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().split(',').map(str::to_owned).collect()
}

#[tokio::test]
async fn csv_and_jsonl_carry_the_views_whole() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    for (what, view, count) in [("deposits", "accounting_deposits", 8), ("entries", "accounting_entries", 23)]
    {
        let text = bench.run(&["export", "--format", "csv", "--what", what]).stdout;
        let rows = csv(&text);
        assert_eq!(rows[0], columns(&bench, view));
        assert!(rows.iter().all(|row| row.len() == rows[0].len()));
        let jsonl = bench.run(&["export", "--format", "jsonl", "--what", what]).stdout;
        let lines: Vec<serde_json::Value> =
            jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((rows.len() - 1, lines.len()), (count, count), "{text}");
        for (row, line) in rows[1..].iter().zip(&lines) {
            for (name, value) in rows[0].iter().zip(row) {
                let told = match &line[name] {
                    serde_json::Value::Null => String::new(),
                    serde_json::Value::Bool(yes) => u8::from(*yes).to_string(),
                    // Dollars that somebody wrote: with at least two decimals in a table.
                    serde_json::Value::String(text)
                        if ["amount_requested", "amount_usd"].contains(&name.as_str()) =>
                    {
                        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
                        format!("{text}{}", [".00", "0"].get(decimals).unwrap_or(&""))
                    }
                    serde_json::Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let guarded = value.strip_prefix('\'').unwrap_or(value);
                assert_eq!(guarded, told, "{name}");
            }
        }
        assert_eq!(bench.run(&["export", "--format", "csv", "--what", what]).stdout, text, "byte for byte");
    }
    let text = bench.run(&["export", "--format", "csv"]).stdout;
    let rows = csv(&text);
    let exact = rows.iter().find(|row| row[0] == EXACT).unwrap();
    assert_eq!(exact[2], format!("'{}", books::NASTY), "a formula is defused");
    let negative = bench.run(&["export", "--format", "csv", "--what", "entries"]).stdout;
    assert!(negative.contains(",-24.97000000,") && !negative.contains("'-24.97"), "{negative}");
    // Every amount has its commodity's decimals: none more, none fewer, whatever was written upstream.
    for row in &csv(&negative)[1..] {
        let decimals = row[5].split_once('.').unwrap().1.len();
        assert_eq!(decimals, if row[4] == "USD" { 6 } else { 8 }, "{row:?}");
    }
    ledger.close().await.unwrap();
}

/// What others have built on: a column that is added comes last, and none ever moves.
#[tokio::test]
async fn the_headers_never_move() {
    let bench = Bench::new();
    books::open(&bench).await.close().await.unwrap();
    let deposits = "id,order_id,reference,currency,network,address,amount_requested,amount_usd,amount_usd_micros,\
                    amount_crypto,state,outcome,late,txid,requested_at,wallet_created_at,expire_at,settled_at,reconciled,\
                    amount_booked,amount_booked_micros,refunded_at,needs_review,upstream_status,updated_at,\
                    amount_refunded_micros,memo,method,arrived_crypto,arrived_usd_micros,url\r\n";
    let entries = "entry_id,transaction_id,posted_at,account,commodity,amount,amount_usd_micros,deposit_id,order_id,\
                   description,refers_to,figure,evidence_id,flag,date,account_mapped,debit_usd,credit_usd\r\n";
    for (what, header) in [("deposits", deposits), ("entries", entries)] {
        assert_eq!(bench.run(&["export", "--format", "csv", "--what", what]).stdout, header);
    }
}

#[tokio::test]
async fn periods_begin_inclusive_and_end_exclusive() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    let ids = |args: &[&str]| {
        let mut all = vec!["export", "--format", "csv"];
        all.extend(args);
        csv(&bench.run(&all).stdout).len() - 1
    };
    let asked = "2026-05-31T11:00:00Z";
    assert_eq!(ids(&["--from", asked, "--to", "2026-05-31T11:00:00.001Z"]), 1);
    assert_eq!(ids(&["--from", "2026-05-31T13:00:00.001+02:00", "--to", "2026-06-01"]), 0);
    assert_eq!(ids(&["--to", asked]), 0);
    assert_eq!(ids(&["--what", "entries", "--to", "2026-06-01"]), 2);
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn a_file_is_written_whole_or_not_at_all() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    std::fs::write(bench.file("out.csv"), "old").unwrap();
    let run = bench.run(&["export", "--format", "csv", "-o", "out.csv"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.stderr);
    let written = std::fs::read_to_string(bench.file("out.csv")).unwrap();
    assert_eq!(written, bench.run(&["export", "--format", "csv"]).stdout);
    assert_eq!(bench.json(&["export", "--format", "csv", "-o", "out.csv"])["rows"], 8);
    assert_eq!(bench.run(&["export", "--format", "csv", "-o", "nowhere/out.csv"]).code, 1);
    let left = std::fs::read_dir(bench.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("partial"));
    assert_eq!(left.count(), 0);
    ledger.close().await.unwrap();
}

/// `--json` is in many a program's habit, and `--format` is always said: what is named is what comes.
#[tokio::test]
async fn the_format_that_is_named_is_written_with_json_too() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    for format in ["csv", "jsonl", "hledger", "beancount"] {
        let plain = bench.run(&["export", "--format", format]);
        let with_json = bench.run(&["--json", "export", "--format", format]);
        assert_eq!((with_json.code, &with_json.stdout), (0, &plain.stdout), "{format}: {}", with_json.stderr);
    }
    let failed = bench.run(&["--json", "export", "--format", "csv", "--no-opening"]);
    assert_eq!((failed.code, failed.stdout.as_str()), (2, ""));
    let problem: serde_json::Value = serde_json::from_str(&failed.stderr).unwrap();
    assert_eq!(problem["type"], "usage");
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn hledger_accepts_the_journal_strictly_and_agrees_with_the_ledger() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    let run = bench.run(&["export", "--format", "hledger", "-o", "books.journal"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let hledger = |args: &[&str]| {
        let output = Command::new("hledger")
            .args(["-f", "books.journal"])
            .args(args)
            .current_dir(bench.path())
            .output();
        Run::of(&output.unwrap())
    };
    let check = hledger(&["check", "--strict"]);
    assert_eq!(check.code, 0, "{}", check.stderr);
    let sql = "SELECT printf('%d.%06d', balance_usd_micros / 1000000, balance_usd_micros % 1000000) \
               FROM accounting_trial_balance WHERE account = 'assets:prepaid:smsonline' AND commodity = 'USD'";
    let ours =
        Command::new("sqlite3").arg("-readonly").arg(bench.file("ledger.db")).arg(sql).output().unwrap();
    let ours = String::from_utf8(ours.stdout).unwrap();
    let theirs = hledger(&["balance", "assets:prepaid", "--no-total", "--format", "%(total)"]);
    assert_eq!(theirs.stdout.trim(), format!("{} USD", ours.trim()));
    let cost = hledger(&["balance", "--cost", "--flat"]);
    assert_eq!(cost.stdout.lines().last().map(str::trim), Some("0"), "{}", cost.stdout);
    let part = bench.run(&["export", "--format", "hledger", "--from", "2026-06-01", "-o", "books.journal"]);
    assert_eq!(part.code, 0);
    assert_eq!(hledger(&["check", "--strict"]).code, 0);
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn beancount_text_is_what_bean_check_was_seen_to_accept() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    let text = bench.run(&["export", "--format", "beancount"]).stdout;
    for line in [
        "1970-01-01 commodity USDT",
        "1970-01-01 open Assets:Prepaid:Smsonline",
        "1970-01-01 open Equity:Crypto:Usdt",
        "  Equity:Crypto:Usdt                        -24.97000000 USDT @@ 25.000000 USD",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    assert!(text.contains("2026-06-06 balance Assets:Prepaid:Smsonline"), "{text}");
    let empty = Bench::new();
    books::open(&empty).await.close().await.unwrap();
    for format in ["hledger", "beancount", "jsonl", "csv"] {
        assert_eq!(empty.run(&["export", "--format", format]).code, 0);
    }
    ledger.close().await.unwrap();
}
