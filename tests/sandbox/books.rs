//! The sandbox's ledger for an accountant: every query of the page answers, statements join, and every program reads the
//! same totals out of the exports.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rust_decimal::Decimal;
use serde_json::Value;

use super::{options, told};

const PAGE: &str = include_str!("../../docs/accounting.md");
const PREPAID: &str = "assets:prepaid:smsonline";

/// What no ledger should have: transactions that do not sum up, bookings without an invoice. And what nobody did in the story:
/// accept a difference, be locked at its end, correct a closed month.
const NOTHING_OF: &[&str] = &[
    "HAVING sum(amount_usd_micros) <> 0",
    "reconciled IS NOT 'matched'",
    "taken_back_at IS NULL",
    "equity:held%",
    "e.refers_to",
];

/// A sandbox's folder, and the program.
struct Sandbox {
    folder: PathBuf,
    serving: Option<Child>,
}

impl Sandbox {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_depositd"));
        command.args(args).current_dir(&self.folder).env("DEPOSITD_CONFIG", self.folder.join("daemon.toml"));
        command
    }

    fn says(&self, args: &[&str]) -> String {
        said(&self.command(args).output().unwrap())
    }

    fn program(&self, program: &str, args: &[&str]) -> String {
        let output = Command::new(program).args(args).current_dir(&self.folder).output();
        said(&output.unwrap_or_else(|error| panic!("{program}: {error}; `.ci/test` installs it")))
    }

    fn sql(&self, query: &str) -> String {
        self.program("sqlite3", &["-readonly", "ledger.db", query])
    }

    /// Has it stay up, until it answers.
    fn serve(&mut self) {
        let folder = self.folder.display().to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_depositd"));
        command.args(["sandbox", "--serve", "--quiet", "--dir", &folder]).stdout(Stdio::null());
        self.serving = Some(command.spawn().unwrap());
        let reconciled = || self.command(&["reconcile"]).output().unwrap().status.code();
        while ![Some(0), Some(6)].contains(&reconciled()) {
            std::thread::yield_now();
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(mut child) = self.serving.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}: {out}\n{err}", output.status);
    out
}

fn python(name: &str) -> String {
    format!("{}/target/python/bin/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn queries() -> impl Iterator<Item = &'static str> {
    let blocks = PAGE.split("```sql\n").skip(1).filter_map(|block| block.split("```").next());
    blocks.flat_map(|block| block.split(';')).map(str::trim).filter(|query| !query.is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accountant_can_try_everything_on_the_sandbox_s_books() {
    let dir = tempfile::tempdir().unwrap();
    let (summary, text) = told(options(dir.path(), 24)).await;
    let mut sandbox = Sandbox { folder: dir.path().join("box"), serving: None };
    // As the story left it: a case is open, the first month is not closed.
    let mut unanswered: Vec<&str> = queries().filter(|query| sandbox.sql(query).is_empty()).collect();
    // As its last page says: the case is decided, and the month closed; meanwhile somebody asks for a deposit.
    sandbox.serve();
    let case = summary.waiting.unwrap().case.to_string();
    assert!(text.contains(&format!("cases correct {case} --note")), "{text}");
    sandbox.says(&["cases", "correct", &case, "--note", "support: a fee"]);
    // In the story's time its deadline is seconds away: what is open is asked meanwhile.
    let mut asking = sandbox.command(&["request", "USDT", "BSC", "26.13"]);
    let mut asking = asking.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while asking.try_wait().unwrap().is_none() {
        unanswered.retain(|query| sandbox.sql(query).is_empty());
    }
    let month = summary.month.unwrap();
    let closed = loop {
        // A correction counts once a run has seen it.
        let closed = sandbox.command(&["close", &month, "--yes"]).output().unwrap();
        if closed.status.code() != Some(6) {
            break said(&closed);
        }
    };
    assert!(closed.starts_with(&format!("{month} is closed")), "{closed}");
    unanswered.retain(|query| sandbox.sql(query).is_empty());
    drop(sandbox.serving.take().map(|mut child| (child.kill(), child.wait())));
    unanswered.retain(|query| !NOTHING_OF.iter().any(|part| query.contains(part)));
    assert_eq!(unanswered, Vec::<&str>::new());
    assert!(queries().count() >= 35);
    statements_join(&sandbox);
    programs_agree(&sandbox);
}

/// The months join, and the last one ends with the upstream's balance.
fn statements_join(sandbox: &Sandbox) {
    let months = sandbox.sql("SELECT month FROM accounting_statement ORDER BY month");
    assert_eq!(months.lines().count(), 2, "{months}");
    let page = |month: &str| -> Value {
        assert!(sandbox.says(&["statement", "--month", month]).contains("= closing balance"));
        serde_json::from_str(&sandbox.says(&["--json", "statement", "--month", month])).unwrap()
    };
    let pages: Vec<Value> = months.lines().map(page).collect();
    assert_eq!(pages[0]["closing_usd"], pages[1]["opening_usd"]);
    assert_eq!(number(pages[1]["closing_usd"].as_str().unwrap()), number(&balance(sandbox)));
}

/// The upstream's balance at the last run.
fn balance(sandbox: &Sandbox) -> String {
    sandbox.sql("SELECT printf('%.2f', balance_cents / 100.0) FROM accounting_balance_history ORDER BY at DESC LIMIT 1")
}

fn number(text: &str) -> Decimal {
    text.trim().split(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{text}"))
}

/// hledger, ledger, beancount, pandas and the like: what deposits of ours put on the prepaid account, and with others'
/// top-ups and what was spent, the upstream's balance.
fn programs_agree(sandbox: &Sandbox) {
    let ours = sandbox.sql(&format!(
        "SELECT printf('%.2f', balance_usd_micros / 1000000.0) FROM accounting_trial_balance WHERE account = '{PREPAID}'"
    ));
    for (more, total) in [(&[][..], ours.clone()), (&["--with", "elsewhere,spending"][..], balance(sandbox))]
    {
        for (format, file) in [("hledger", "books.journal"), ("beancount", "books.beancount")] {
            sandbox.says(&[&["export", "--format", format, "-o", file][..], more].concat());
        }
        sandbox.program("hledger", &["-f", "books.journal", "check", "--strict"]);
        let shown = sandbox
            .program("hledger", &["-f", "books.journal", "balance", PREPAID, "-N", "--format", "%(total)"]);
        assert_eq!(number(&shown), number(&total), "hledger {more:?}");
        let format = "%(quantity(display_total))\n";
        let args = ["-f", "books.journal", "--pedantic", "balance", PREPAID, "--balance-format", format];
        let shown = sandbox.program("ledger", &args);
        assert_eq!(number(shown.lines().next().unwrap()), number(&total), "ledger {more:?}");
        assert_eq!(sandbox.program(&python("bean-check"), &["books.beancount"]), "");
        let query = "SELECT sum(number) WHERE account = 'Assets:Prepaid:Smsonline'";
        let shown = sandbox.program(&python("bean-query"), &["--format", "csv", "books.beancount", query]);
        assert_eq!(number(shown.lines().last().unwrap()), number(&total), "beancount {more:?}");
    }
    sandbox.says(&["export", "--format", "csv", "-o", "deposits.csv"]);
    sandbox.says(&["export", "--format", "csv", "--what", "entries", "-o", "entries.csv"]);
    sandbox.says(&["export", "--format", "jsonl", "--what", "entries", "-o", "entries.jsonl"]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/books/read_back.py").display().to_string();
    let files = ["ledger.db", "deposits.csv", "entries.csv", "entries.jsonl"];
    let told = sandbox.program(&python("python"), &[&[script.as_str()][..], &files].concat());
    assert_eq!(told.lines().count(), 9, "{told}");
    for line in told.lines() {
        let (program, says) = line.rsplit_once(' ').unwrap();
        assert_eq!(number(says), number(&ours), "{program}");
    }
}
