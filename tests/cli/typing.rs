//! What people type, and how it looks: shortened names, dates, numbers, filters, narrow terminals, and what a program
//! reads of a failure.

use std::time::Duration;

use depositd::domain::asset::Asset;
use depositd::domain::deposit::{Deposit, Request};
use depositd::domain::ids::DepositId;
use depositd::domain::money::Amount;
use depositd::domain::time::Timestamp;
use depositd::ledger::{DepositWrite, Ledger, Opening};
use serde_json::Value;
use uuid::Uuid;

use super::bench::{Bench, Run};
use super::books::{self, EVM, EXACT, ORDER, WAITING};

/// The command on a terminal of this width: what is on it afterwards.
pub(crate) fn on_terminal(bench: &Bench, columns: u32, args: &[&str]) -> String {
    let binary = env!("CARGO_BIN_EXE_depositd");
    let quoted: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
    let line = format!("stty cols {columns} rows 50; exec {binary} {}", quoted.join(" "));
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).current_dir(bench.path());
    command.env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "xterm").env("NO_COLOR", "1");
    let output = command.output().unwrap_or_else(|error| panic!("script: {error}; `.ci/test` installs it"));
    String::from_utf8(output.stdout).unwrap().replace('\r', "")
}

pub(crate) fn widest(screen: &str) -> usize {
    screen.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

/// Deposits as a daemon names them, one a minute.
pub(crate) async fn asked_for(bench: &Bench, count: u32) -> Ledger {
    let ledger = books::open(bench).await;
    let start = Timestamp::parse("2026-06-01T08:00:00Z").unwrap();
    let step = |number: u32| {
        let at = start.plus(Duration::from_secs(60 * u64::from(number)));
        let seconds = u64::try_from(at.as_millis()).unwrap() / 1000;
        let id = Uuid::new_v7(uuid::Timestamp::from_unix_time(seconds, 0, 0, 0));
        let request = Request {
            reference: Some(format!("invoice {number} of a customer with a long name")),
            ..Request::new(Asset::parse("USDT", "POLYGON").unwrap(), Amount::parse("1234.50").unwrap(), at)
        };
        let opening = Opening { idempotency_key: None, request_digest: String::new() };
        DepositWrite {
            opening: Some(opening),
            ..DepositWrite::from(Deposit::open(DepositId::new(id), request))
        }
    };
    ledger.record((0..count).map(step).collect()).await.unwrap();
    ledger
}

#[tokio::test]
async fn tables_fit_the_terminal_and_become_cards_where_they_cannot() {
    let bench = Bench::new();
    let ledger = asked_for(&bench, 6).await;
    for columns in [200, 120, 80] {
        let screen = on_terminal(&bench, columns, &["list"]);
        assert!(widest(&screen) <= columns as usize, "{columns}\n{screen}");
        let rows: Vec<&str> = screen.lines().filter(|line| line.starts_with("2026-06-01")).collect();
        assert_eq!(rows.len(), 6, "a row a line\n{screen}");
        assert!(screen.contains("invoice 3"), "{screen}");
        // Each id that is shown names its deposit.
        for line in rows {
            let short = line.split_whitespace().nth(2).unwrap();
            assert_eq!((short.len(), bench.run(&["show", short]).code), (13, 0), "{short}");
        }
    }
    let narrow = on_terminal(&bench, 50, &["list", "--limit", "1"]);
    let card = narrow.split("there are more").next().unwrap();
    assert!(card.contains("requested (UTC)  2026-06-01 08:05") && widest(card) <= 50, "{narrow}");
    // Whoever reads no terminal gets the whole ids, and everything.
    let whole = bench.run(&["list"]).stdout;
    assert!(whole.contains("invoice 5 of a customer with a long name"), "{whole}");
    assert!(whole.lines().skip(1).all(|line| line.split_whitespace().nth(2).unwrap().len() == 36), "{whole}");
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn whatever_is_printed_fits_too() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    for (columns, args) in [
        (80, &["show", EXACT][..]),
        (60, &["show", EXACT]),
        (80, &["cases", "list"]),
        (60, &["cases", "list"]),
        (80, &["mail", "list", "--state", "owed", "--state", "sent"]),
        (60, &["mail", "list", "--state", "owed", "--state", "sent"]),
        (80, &["assets"]),
        (80, &["help", "request"]),
        (60, &["list", "--help"]),
    ] {
        let screen = on_terminal(&bench, columns, args);
        // What is there to be copied stays in one piece.
        let copied =
            |line: &&str| ["depositd ", "Deposit 0197", "https://"].iter().any(|part| line.contains(part));
        let lines: Vec<&str> = screen.lines().filter(|line| !copied(line)).collect();
        assert!(widest(&lines.join("\n")) <= columns as usize, "{columns} {args:?}\n{screen}");
    }
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn a_deposit_is_named_as_shortly_as_it_can_be() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    let whole = bench.run(&["show", WAITING]).stdout;
    for name in ["waits", &EVM.to_uppercase().replace("0X", "0x"), &WAITING.to_uppercase()] {
        let run = bench.run(&["show", name]);
        assert_eq!(run.code, 0, "{name}: {}", run.stderr);
    }
    assert_eq!(bench.run(&["show", "waits"]).stdout, whole);
    assert_eq!(bench.run(&["show", &ORDER[..8]]).code, 2, "all orders begin so");
    assert_eq!(bench.run(&["show", "TR7N"]).code, 2, "two addresses begin so");
    let several = bench.run(&["show", "0197213c"]);
    assert_eq!((several.code, several.stdout.as_str()), (2, ""));
    assert!(
        several.stderr.contains("may be any of these") && several.stderr.contains(EXACT),
        "{}",
        several.stderr
    );
    for (name, hint) in
        [("nobody", "there is no deposit"), ("019", "four characters"), ("", "there is no deposit")]
    {
        let run = bench.run(&["show", name]);
        assert_eq!(run.code, 3, "{name}: {}", run.stderr);
        assert!(run.stderr.contains(hint), "{}", run.stderr);
    }
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn lists_take_what_people_know_and_say_what_is_wrong() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    let count = |args: &[&str]| bench.json(&[&["list"], args].concat())["deposits"].as_array().unwrap().len();
    assert_eq!(count(&["--reference", "waits"]), 1);
    assert_eq!(count(&["--currency", "usdt"]), 3);
    assert_eq!(count(&["--currency", "usdt", "--network", "TRC20"]), 2);
    assert_eq!(count(&["--until", "2026-06-01"]) + count(&["--since", "2026-06-01"]), 8);
    assert_eq!(count(&["--since", "2026-06-01 00:00", "--until", "2026-06-01T00:00"]), 0);
    assert_eq!(count(&["--updated-since", "2026-05-01"]), 8);
    assert_eq!(count(&["--key", "nobody's"]), 0);
    for (args, words) in [
        (&["--since", "soon"][..], "write a date such as 2026-11-01"),
        (&["--until", "11/01/2026"], "7d"),
        (&["--limit", "many"], "no whole number; write digits alone, from 1 to 100000"),
        (&["--limit", "0"], "not from 1 to 100000"),
        (&["--cursor", "x"], "no whole number"),
        (&["--currency", "EUR"], "USDT, BTC"),
        (&["--network", "lightning"], "BSC, TRON"),
    ] {
        let run = bench.run(&[&["list"], args].concat());
        assert_eq!(run.code, 2, "{args:?}");
        assert!(run.stderr.contains(words) && run.stderr.contains(args[0]), "{args:?}: {}", run.stderr);
    }
    let run = bench.run(&["cases", "show", "three"]);
    assert!(run.code == 2 && run.stderr.contains("no whole number"), "{}", run.stderr);
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn a_program_reads_a_failure_as_a_problem_object() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    let problem = |run: &Run| -> Value {
        assert_eq!(run.stdout, "");
        serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap_or_else(|_| panic!("{}", run.stderr))
    };
    for (args, code, kind, part) in [
        (&["show", "nobody"][..], 3, "not-found", "nobody"),
        (&["list", "--limit", "0"], 2, "usage", "100000"),
        (&["lst"], 2, "usage", "list"),
        (&["review", EXACT, "--note", "x"], 5, "daemon-unreachable", "depositd run"),
        (&["review", EXACT, "--note", " "], 2, "usage", "note"),
        (&["--config", "/nowhere.toml", "list"], 2, "usage", "/nowhere.toml"),
    ] {
        let run = bench.run(&[&["--json"], args].concat());
        let said = problem(&run);
        assert_eq!(
            (run.code, &said["type"], &said["exit_status"]),
            (code, &kind.into(), &code.into()),
            "{args:?}"
        );
        assert!(said["title"].is_string(), "{said}");
        assert!(said["detail"].as_str().unwrap().contains(part), "{args:?}: {said}");
        assert_eq!(bench.run(args).code, code, "the same without --json");
    }
    ledger.close().await.unwrap();
}
