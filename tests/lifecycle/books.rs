//! The books' own zone and names by the real program: kept from the start on, refused where they cannot be; a month that is
//! closed by a person at a terminal.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use depositd::clock::{Clock as _, SystemClock};

use super::program::Program;
use super::{prepared, request, said, with};

/// As the operator writes it, with a lag of nothing: a baseline needs two runs that are so far apart.
fn configure(program: &Program, books: &str) {
    let path = program.secrets().join("daemon.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.split("[books]").next().unwrap().trim_end();
    let lag = if text.contains("[reconcile]") {
        ""
    } else {
        "[reconcile]\nlag = \"0s\"\nschedule = \"0 0 0 1 1 *\"\n"
    };
    fs::write(&path, format!("{text}\n{lag}[books]\n{books}\n")).unwrap();
}

/// What a person sees on a terminal who types `answer`, and how it ended.
fn at_a_terminal(program: &Program, command: &str, answer: &str) -> (String, bool) {
    let typed = format!("{} {command}", env!("CARGO_BIN_EXE_depositd"));
    let mut terminal = Command::new("script");
    terminal.args(["-qefc", &typed, "/dev/null"]).current_dir(program.out());
    terminal.env("DEPOSITD_CONFIG", program.secrets().join("daemon.toml")).env("TERM", "dumb");
    let mut child = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{answer}").unwrap();
    let output = child.wait_with_output().unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story of one configuration")]
async fn a_month_is_closed_by_who_says_yes_and_holds_the_books_zone() {
    let mut program = prepared().await;
    configure(
        &program,
        "time_zone = \"Europe/Berlin\"\naccounts = { \"assets:prepaid:smsonline\" = \"Assets:SMS\" }",
    );
    program.start();
    request(&program, "5");
    for _ in 0..2 {
        assert!(program.run(&["reconcile"]).status.code().is_some());
    }
    let zone = "SELECT value FROM meta WHERE key = 'books_time_zone'";
    assert_eq!(program.sql(zone), "Europe/Berlin");
    assert_eq!(
        program.sql("SELECT account || ' ' || mapped FROM books_account"),
        "assets:prepaid:smsonline Assets:SMS"
    );
    let today = SystemClock::new().now().to_string();
    let (year, number): (u16, u16) = (today[..4].parse().unwrap(), today[5..7].parse().unwrap());
    let (year, number) = if number == 1 { (year - 1, 12) } else { (year, number - 1) };
    let month = format!("{year}-{number:02}");
    // Only tried.
    let tried = program.run(&["close", &month, "--dry-run"]);
    let shown = String::from_utf8_lossy(&tried.stdout).into_owned();
    assert!(tried.status.success(), "{shown}{}", said(&tried));
    for part in
        [&format!("{month} can be closed; nothing was done"), "would close", "(Europe/Berlin)", "Not closed."]
    {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert_eq!(program.sql("SELECT count(*) FROM period"), "0");
    // A person who hesitates.
    let (shown, done) = at_a_terminal(&program, &format!("close {month}"), "no");
    for part in ["Statement of the prepaid account", "There is no way back", "Type yes", "stays open"] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert!(!done && program.sql("SELECT count(*) FROM period") == "0", "{shown}");
    let (shown, done) = at_a_terminal(&program, &format!("close {month}"), "yes");
    assert!(done && shown.contains(&format!("{month} is closed")) && shown.contains("signed ___"), "{shown}");
    let who = program.sql("SELECT closed_by FROM accounting_periods");
    assert!(who.starts_with("unix user "), "{who}");
    assert!(shown.contains(&who), "{shown}");
    let event = "SELECT facts ->> '$.closed_by', facts ->> '$.statement.month' FROM event WHERE name = 'period_closed'";
    assert_eq!(program.sql(event), format!("{who}|{month}"));
    // Closed already: nothing is asked.
    let (shown, done) = at_a_terminal(&program, &format!("close {month}"), "");
    assert!(done && !shown.contains("Type yes"), "{shown}");
    program.verify();
    program.stop();

    // The zone is fixed from now on: for the start, which changes nothing, and for `check`.
    configure(&program, "time_zone = \"America/New_York\"");
    let before = fs::read(program.out().join("ledger.db")).unwrap();
    let refused =
        with(program.command(&["run"]), "log.level", "info").env("RUST_LOG", "info").output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    let why = format!("books.time_zone: the books are kept in Europe/Berlin, and {month} is closed");
    assert!(said(&refused).contains(&why), "{}", said(&refused));
    assert_eq!(fs::read(program.out().join("ledger.db")).unwrap(), before);
    let checked = program.run(&["check"]);
    let shown = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(!checked.status.success() && shown.contains(&why), "{shown}");
    // Names may change; a zone of another spelling is the same.
    configure(
        &program,
        "time_zone = \"europe/berlin\"\naccounts = { \"equity:crypto\" = \"Assets:Wallet\" }",
    );
    program.start();
    assert_eq!(program.sql("SELECT count(*) FROM books_account WHERE mapped LIKE 'Assets:Wallet:%'"), "16");
    assert_eq!(program.sql("SELECT count(*) FROM books_account WHERE mapped = 'Assets:SMS'"), "0");
    program.verify();
    program.stop();
    for (books, key) in [
        ("time_zone = \"Europe/Atlantis\"", "books.time_zone"),
        ("accounts = { \"equity:asked\" = \"Bank\" }", "books.accounts"),
    ] {
        configure(&program, books);
        for command in ["run", "check"] {
            let refused = program.command(&[command]).output().unwrap();
            assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
            assert!(said(&refused).contains(key), "{}", said(&refused));
        }
    }
}
