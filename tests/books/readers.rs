//! Reading is always possible, holds up nobody, and keeps the log from growing without limit.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use depositd::domain::observe::Observation;
use depositd::domain::report::OrderReport;
use depositd::ledger::{DepositWrite, EvidenceNote, Recorded};

use crate::support::house::House;

const MIB: u64 = 1024 * 1024;

/// So many MiB through the log; 32 gather in it before it is written back.
async fn churn(house: &House, rounds: u32) {
    let mut deposit = house.wallet(&format!("25.{rounds}")).await;
    let policy = house.flow.settings.policy;
    for round in 0..rounds {
        house.clock.advance(Duration::from_secs(1));
        let now = house.flow.clock.now();
        // What a payer is shown is always written, however often it moves.
        let expire_at = Some(now.plus(Duration::from_secs(3600 + u64::from(round))));
        let report = OrderReport { status: Some("check".to_owned()), expire_at, ..OrderReport::default() };
        let step = deposit.observe(Observation::Polled(Box::new(report)), now, &policy).unwrap();
        deposit = step.deposit.clone();
        let body = "x".repeat(1024 * 1024);
        let evidence = Some(EvidenceNote { at: now, call: "look", http_status: Some(200), body });
        let written = house
            .flow
            .ledger
            .record(vec![DepositWrite { evidence, ..DepositWrite::from(step) }])
            .await
            .unwrap();
        assert_eq!(written, [Recorded::Written]);
    }
}

/// An accountant's shell, left open.
struct Shell(Child, BufReader<std::process::ChildStdout>);

impl Shell {
    fn open(house: &House) -> Self {
        let mut child = Command::new("sqlite3")
            .arg("-readonly")
            .arg(house.ledger_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self(child, out)
    }

    fn ask(&mut self, statement: &str) -> String {
        writeln!(self.0.stdin.as_mut().unwrap(), "{statement}").unwrap();
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const COUNT: &str = "SELECT count(*) FROM accounting_history;";

#[tokio::test]
async fn a_reader_that_is_left_open_holds_up_nobody_and_the_log_stays_small() {
    let house = House::new().await;
    house.wallet("5").await;
    let mut shell = Shell::open(&house);
    let before: u64 = shell.ask(COUNT).parse().unwrap();
    churn(&house, 60).await;
    let log = house.flow.ledger.log_bytes();
    assert!(log < 48 * MIB, "the log has {log} bytes while a shell stands open");
    assert!(shell.ask(COUNT).parse::<u64>().unwrap() >= before + 60, "the shell sees what was written");

    // One view kept open for hours: it stays what it was, the daemon writes on, the log grows and is told of, and
    // shrinks when the view is given up.
    assert!(house.flow.log_warning().is_none());
    let seen = shell.ask(&format!("BEGIN; {COUNT}"));
    churn(&house, 140).await;
    assert_eq!(shell.ask(COUNT), seen);
    let log = house.flow.ledger.log_bytes();
    let warning = house.flow.log_warning().unwrap();
    assert!(log > 128 * MIB && warning.contains("reading on one view"), "{log}: {warning}");
    assert_ne!(shell.ask(&format!("COMMIT; {COUNT}")), seen);
    churn(&house, 4).await;
    let log = house.flow.ledger.log_bytes();
    assert!(log <= 65 * MIB, "the log has {log} bytes after the view was given up");
    assert!(house.flow.log_warning().is_none());
}

/// Our own export into a program that has stopped reading: hours later it holds nothing.
#[tokio::test]
async fn an_export_that_nobody_reads_on_keeps_no_view_open() {
    let house = House::new().await;
    churn(&house, 10).await;
    for amount in 100..400 {
        house.request("USDT", "TRON", &amount.to_string()).await;
    }
    let mut stuck = house.command(&["export", "--format", "jsonl"]).stdout(Stdio::piped()).spawn().unwrap();
    // It has begun to write, and can write no more than a pipe holds.
    let mut out = BufReader::new(stuck.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"id\":"), "{line}");
    churn(&house, 80).await;
    let log = house.flow.ledger.log_bytes();
    assert!(log < 60 * MIB, "the log has {log} bytes while an export stands still");
    let _ = stuck.kill();
    let _ = stuck.wait();
}
