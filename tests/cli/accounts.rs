//! `list --all`: the deposits of all accounts of a machine, and what is said of an account that cannot be read.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use serde_json::Value;

use super::bench::{Bench, Run, as_another};
use super::books::{self, EXACT};
use super::typing::{asked_for, on_terminal, widest};

const ALL: [&str; 4] = ["list", "--all", "--config-dir", "accounts"];

/// A folder of configurations: `alpha` with eight deposits of a week, `beta` with six of one morning in the midst of it.
async fn machine() -> Bench {
    let machine = Bench::new();
    std::fs::create_dir(machine.file("accounts")).unwrap();
    let (alpha, beta) = (Bench::new(), Bench::new());
    books::fill(&alpha).await.close().await.unwrap();
    asked_for(&beta, 6).await.close().await.unwrap();
    for (name, bench) in [("alpha", alpha), ("beta", beta)] {
        std::fs::create_dir(machine.file(name)).unwrap();
        std::fs::copy(bench.file("ledger.db"), machine.file(name).join("ledger.db")).unwrap();
        configure(&machine, name, &format!("../{name}/ledger.db"));
    }
    machine
}

fn configure(machine: &Bench, name: &str, ledger: &str) {
    let file = machine.file("accounts").join(format!("{name}.toml"));
    std::fs::write(file, format!("[ledger]\npath = \"{ledger}\"\n")).unwrap();
}

fn all_and<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ALL.into_iter().chain(more.iter().copied()).collect()
}

fn texts<'a>(rows: &'a Value, key: &str) -> Vec<&'a str> {
    rows.as_array().unwrap().iter().map(|row| row[key].as_str().unwrap()).collect()
}

#[tokio::test]
async fn deposits_of_all_accounts_are_one_list_newest_first() {
    let machine = machine().await;
    let run = machine.run(&ALL);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 15, "{}", run.stdout);
    assert!(lines[0].starts_with("account  requested (UTC)"), "{}", run.stdout);
    assert!(lines[14].starts_with("alpha") && lines[14].contains(EXACT), "{}", run.stdout);

    let json = machine.json(&ALL);
    let times = texts(&json["deposits"], "created_at");
    assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
    let names = texts(&json["deposits"], "account");
    assert_eq!(names.iter().filter(|name| **name == "beta").count(), 6);
    assert_eq!((names[0], names[13]), ("alpha", "alpha"), "those of beta are in the midst");
    assert_eq!(json["accounts"], serde_json::json!(["alpha", "beta"]));
    assert_eq!((&json["more"], &json["unread"]), (&Value::from(false), &serde_json::json!([])));

    // Filters and limits are those of `list`, over all accounts together.
    let few = machine.json(&all_and(&["--limit", "9"]));
    assert_eq!(texts(&few["deposits"], "id"), texts(&json["deposits"], "id")[..9]);
    assert_eq!(few["more"], true);
    let told = machine.run(&all_and(&["--limit", "13"]));
    assert_eq!((told.code, told.stderr.as_str()), (0, "there are more: --limit N\n"));
    assert_eq!(machine.run(&all_and(&["--limit", "14"])).stderr, "");
    let polygon = machine.json(&all_and(&["--currency", "USDT", "--network", "POLYGON"]));
    assert_eq!(texts(&polygon["deposits"], "account"), ["beta"; 6]);
    let flagged = machine.json(&all_and(&["--needs-review"]));
    assert_eq!(texts(&flagged["deposits"], "account"), ["alpha"]);
    let none = machine.run(&all_and(&["--since", "2030-01-01"]));
    assert_eq!((none.code, none.stdout.as_str(), none.stderr.as_str()), (0, "", "no deposits\n"));
}

#[tokio::test]
async fn all_accounts_fit_a_terminal() {
    let machine = machine().await;
    for columns in [160, 100, 80, 50] {
        let screen = on_terminal(&machine, columns, &ALL);
        let table = screen.split("\n! ").next().unwrap();
        assert!(widest(table) <= usize::try_from(columns).unwrap(), "{columns}: {screen}");
        let has = |name: &str| screen.lines().any(|line| line.contains(name));
        assert!(has("alpha") && has("beta"), "{columns}: {screen}");
        // The names of these deposits can only be told apart whole.
        if columns >= 100 {
            assert!(screen.starts_with("account"), "a table: {screen}");
        }
    }
    let screen = on_terminal(&machine, 100, &all_and(&["--needs-review"]));
    assert!(screen.contains("depositd --config accounts/ACCOUNT.toml show ID"), "{screen}");
}

#[tokio::test]
async fn the_folder_is_said_or_in_the_environment_which_speaks_for_no_single_account() {
    let machine = machine().await;
    let mut command = machine.command(&["list", "--all"]);
    command.env("DEPOSITD_CONFIG_DIR", "accounts").env("DEPOSITD_LEDGER__PATH", "/nowhere/ledger.db");
    let run = Run::of(&command.env("DEPOSITD_CONFIG", "/nowhere/daemon.toml").output().unwrap());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(run.stdout, machine.run(&ALL).stdout);

    std::fs::create_dir(machine.file("empty")).unwrap();
    std::fs::write(machine.file("empty/daemon.toml.example"), "[ledger]").unwrap();
    for (args, words) in [
        (&["list", "--config-dir", "accounts"][..], "--all"),
        (&["list", "--all", "--config-dir", "accounts", "--cursor", "3"], "--cursor"),
        (&["--config", "daemon.toml", "list", "--all"], "either --config"),
        (&["list", "--all", "--config-dir", "empty"], "no configuration in empty"),
        (&["list", "--all", "--config-dir", "nowhere"], "folder of configurations nowhere"),
        (&["list", "--all", "--config-dir", "daemon.toml"], "folder of configurations daemon.toml"),
    ] {
        let run = machine.run(args);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{args:?}: {}", run.stderr);
    }
}

#[tokio::test]
async fn an_account_that_cannot_be_read_is_named_and_the_others_are_listed() {
    let machine = machine().await;
    let accounts = machine.file("accounts");
    configure(&machine, "not-yet", "../not-yet/ledger.db");
    std::fs::write(accounts.join("typo.toml"), "[ledger]\npaht = \"x\"\n").unwrap();
    std::fs::write(accounts.join("words.toml"), "these are words\n").unwrap();
    std::fs::create_dir(accounts.join("folder.toml")).unwrap();
    symlink("loop.toml", accounts.join("loop.toml")).unwrap();
    assert!(Command::new("mkfifo").arg(accounts.join("pipe.toml")).status().unwrap().success());
    std::fs::copy(machine.file("beta/ledger.db"), machine.file("newer.db")).unwrap();
    let sql = "INSERT INTO _sqlx_migrations VALUES (9999, 'later', '2030-01-01', 1, x'00', 0)";
    assert!(Command::new("sqlite3").arg(machine.file("newer.db")).arg(sql).status().unwrap().success());
    configure(&machine, "newer", "../newer.db");
    std::fs::write(accounts.join("odd\u{1b}[31m\n name.toml"), "[ledger]\npath = \"none.db\"\n").unwrap();
    // These are no accounts.
    for other in [".hidden.toml", "daemon.toml.example", "alpha.toml~", "litestream.yml"] {
        std::fs::write(accounts.join(other), "nothing").unwrap();
    }
    let fleet = "[fleet]\ndatabase_url_file = \"none\"\n[[fleet.ledgers]]\nname = \"alpha\"\npath = \"../alpha/ledger.db\"\n";
    std::fs::write(accounts.join("fleet.toml"), fleet).unwrap();
    // An account's file may have the follower's lines as well.
    let alpha = std::fs::read_to_string(accounts.join("alpha.toml")).unwrap();
    std::fs::write(accounts.join("alpha.toml"), alpha + fleet).unwrap();
    symlink("nobody@host.1", accounts.join(".#alpha.toml")).unwrap();

    let run = machine.run(&ALL);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert_eq!(run.stdout.lines().count(), 15, "{}", run.stdout);
    for words in [
        "depositd: not-yet: there is no ledger at",
        "typo.toml: ledger.paht: unknown key",
        "depositd: words: ",
        "folder.toml: expected a configuration file, found something else",
        "pipe.toml: expected a configuration file, found something else",
        "depositd: loop: ",
        "depositd: newer: the ledger",
        "was written by a newer depositd",
        "depositd: 8 of 10 accounts could not be read",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    assert_eq!(run.stderr.lines().count(), 9, "{}", run.stderr);
    assert!(!run.stderr.contains('\u{1b}') && !run.stderr.contains("hidden"), "{}", run.stderr);

    let run = machine.run(&[&["--json"], &ALL[..]].concat());
    assert_eq!(run.code, 1);
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["deposits"].as_array().unwrap().len(), 14);
    let unread = texts(&json["unread"], "account");
    assert_eq!(
        unread,
        ["folder", "loop", "newer", "not-yet", "odd\u{1b}[31m\n name", "pipe", "typo", "words"]
    );
    let problem: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((&problem["type"], &problem["exit_status"]), (&Value::from("failed"), &Value::from(1)));
}

#[tokio::test]
async fn a_ledger_of_two_accounts_is_listed_once_and_one_that_may_not_be_read_is_said() {
    let machine = machine().await;
    symlink("alpha", machine.file("again")).unwrap();
    configure(&machine, "second", "../again/ledger.db");
    let run = machine.run(&ALL);
    assert_eq!((run.code, run.stdout.lines().count()), (0, 15), "{}", run.stderr);
    let warned = run.stderr.contains("second: its ledger") && run.stderr.contains("is that of alpha too");
    assert!(warned, "{}", run.stderr);

    std::fs::remove_file(machine.file("accounts/second.toml")).unwrap();
    std::fs::set_permissions(machine.file("beta"), PermissionsExt::from_mode(0o700)).unwrap();
    if let Some(run) = as_another(&machine, &ALL) {
        assert_eq!((run.code, run.stdout.lines().count()), (1, 9), "{}", run.stderr);
        assert!(run.stderr.contains("depositd: beta: you may not"), "{}", run.stderr);
        assert!(run.stderr.contains("1 of 2 accounts could not be read"), "{}", run.stderr);
    }
}
