//! The final page: the result of the scenario, and what to try next.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::shell::quoted;
use crate::domain::money::UsdMicros;
use crate::ledger::RunFigures;

/// The result of a scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Where everything is kept.
    pub folder: PathBuf,
    /// What the program is called in commands.
    #[serde(skip)]
    pub program: String,
    /// What every chance was thrown from.
    pub seed: u64,
    /// How many times as fast as life.
    pub speed: u32,
    /// The month in which it began, where it has ended meanwhile and can be closed.
    pub month: Option<String>,
    /// It had begun in an earlier run.
    pub resumed: bool,
    /// How many deposits there are.
    pub deposits: usize,
    /// How long it took in its own time.
    pub story_minutes: u64,
    /// How long this run took.
    pub seconds: f64,
    /// The deposits by fate and outcome.
    pub fates: Vec<FateRow>,
    /// Every account of the journal.
    pub trial_balance: Vec<BalanceLine>,
    /// Total charges = credited here + credited elsewhere + difference.
    pub identity: Option<RunFigures>,
    /// What went back of what was credited here, in millionths of a dollar.
    pub refunded_micros: i64,
    /// How many invoices the upstream lists.
    pub invoices: usize,
    /// Letters by event.
    pub letters: BTreeMap<String, u64>,
    /// Events in the chain.
    pub events: u64,
    /// Transactions in the journal.
    pub transactions: u64,
    /// The number of the last event.
    pub head_seq: i64,
    /// Its hash.
    pub head_hash: String,
    /// Deposits that are flagged for review.
    pub for_review: usize,
    /// The most instructive deposit, for `show`.
    pub example: Option<String>,
    /// The case that waits for a person; the scenario leaves one.
    pub waiting: Option<WaitingDeposit>,
    /// What does not agree besides that; empty where all is right.
    pub mismatches: Vec<String>,
}

/// A case that a person must decide.
#[derive(Debug, Clone, Serialize)]
pub struct WaitingDeposit {
    /// Its number.
    pub case: i64,
    /// The deposit that it is about.
    pub deposit: String,
    /// How the story calls that deposit.
    pub called: String,
    /// What was booked, in dollars: what the polls of the order say was paid.
    pub looks_say: String,
    /// What the list credits in its place, in dollars.
    pub list_credits: String,
}

/// Deposits that had the same fate and ended alike.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FateRow {
    /// What the simulator did.
    pub fate: String,
    /// Where the ledger has them.
    pub ended: String,
    /// How many.
    pub deposits: u32,
    /// Credited upstream less what was refunded.
    pub upstream_micros: i64,
    /// The same in the journal.
    pub booked_micros: i64,
}

/// One account.
#[derive(Debug, Clone, Serialize)]
pub struct BalanceLine {
    /// Its name.
    pub account: String,
    /// What it holds.
    pub commodity: String,
    /// In the commodity.
    pub balance: String,
    /// Its worth in the books.
    pub usd_micros: i64,
}

impl Summary {
    /// The page in words.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = String::new();
        // Writing to a text cannot fail.
        let _ = self.write(&mut page);
        page
    }

    fn write(&self, page: &mut String) -> std::fmt::Result {
        let (minutes, seconds) = (self.story_minutes, self.seconds);
        let (hours, minutes) = (minutes.div_euclid(60), minutes.rem_euclid(60));
        writeln!(
            page,
            "\n{} deposits, {hours} h {minutes:02} min of story in {seconds:.1} s.",
            self.deposits
        )?;
        self.write_fates(page)?;
        self.write_books(page)?;
        self.write_letters(page)?;
        self.write_waiting(page)?;
        self.write_next(page)?;
        if self.mismatches.is_empty() {
            let but =
                if self.waiting.is_some() { ", but for the one case that waits for a person" } else { "" };
            return writeln!(page, "\nBoth sides agree to the cent{but}.");
        }
        writeln!(page, "\nNOT IN ORDER:")?;
        self.mismatches.iter().try_for_each(|mismatch| writeln!(page, "  {mismatch}"))
    }

    fn write_fates(&self, page: &mut String) -> std::fmt::Result {
        writeln!(
            page,
            "\n{:<26}{:>5}  {:<22}{:>12}{:>12}",
            "Fate", "count", "ended as", "USD there", "USD here"
        )?;
        let (mut count, mut there, mut here) = (0_u32, 0_i64, 0_i64);
        for row in &self.fates {
            let fate = words(&row.fate);
            let (theirs, ours) = (dollars(row.upstream_micros), dollars(row.booked_micros));
            writeln!(page, "  {fate:<24}{:>5}  {:<22}{theirs:>12}{ours:>12}", row.deposits, row.ended)?;
            count = count.saturating_add(row.deposits);
            there = there.saturating_add(row.upstream_micros);
            here = here.saturating_add(row.booked_micros);
        }
        writeln!(page, "  {:<24}{count:>5}  {:<22}{:>12}{:>12}", "all", "", dollars(there), dollars(here))
    }

    fn write_books(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "\n{:<32}{:>10}{:>20}{:>14}", "The books", "", "balance", "USD")?;
        let mut sum = 0_i64;
        for row in &self.trial_balance {
            let usd = dollars(row.usd_micros);
            writeln!(page, "  {:<30}{:>10}{:>20}{usd:>14}", row.account, row.commodity, row.balance)?;
            sum = sum.saturating_add(row.usd_micros);
        }
        writeln!(page, "  {:<30}{:>10}{:>20}{:>14}", "the sum", "", "", dollars(sum))?;
        let Some(figures) = &self.identity else { return Ok(()) };
        let usd = |cents: i64| dollars(cents.saturating_mul(10_000));
        writeln!(page, "\nThe identity, over {} invoices", self.invoices)?;
        let lines = [
            ("credited here", figures.credited_here_cents),
            ("credited elsewhere", figures.credited_elsewhere_cents),
            ("difference", figures.difference_cents.unwrap_or(0)),
            ("total charges upstream", figures.total_charges_cents),
        ];
        for (name, cents) in lines {
            let note = match name {
                "credited here" if self.refunded_micros > 0 => {
                    format!("  (of it {} refunded since)", dollars(self.refunded_micros))
                }
                "credited elsewhere" => {
                    format!("  (of it {} from before the story)", usd(figures.baseline_cents.unwrap_or(0)))
                }
                _ => String::new(),
            };
            writeln!(page, "  {name:<24}{:>12}{note}", usd(cents))?;
        }
        Ok(())
    }

    fn write_letters(&self, page: &mut String) -> std::fmt::Result {
        let all = self.letters.values().copied().fold(0_u64, u64::saturating_add);
        writeln!(page, "\nLetters: {all}, each once")?;
        let each: Vec<String> =
            self.letters.iter().map(|(event, count)| format!("{event} {count}")).collect();
        for line in each.chunks(4) {
            writeln!(page, "  {}", line.join(", "))?;
        }
        if self.for_review > 0 {
            writeln!(page, "Deposits for a person to look at: {} (list --needs-review)", self.for_review)?;
        }
        writeln!(page, "\nThe chain: {} events, {} transactions, verified", self.events, self.transactions)?;
        writeln!(page, "  head {} {}", self.head_seq, self.head_hash)
    }

    fn write_waiting(&self, page: &mut String) -> std::fmt::Result {
        let Some(WaitingDeposit { case, called, looks_say, list_credits, .. }) = &self.waiting else {
            return Ok(());
        };
        writeln!(page, "\nFor a person to decide: case {case}, about deposit {called}")?;
        writeln!(page, "  The looks at its order say that {looks_say} USD were paid, and so it is booked;")?;
        writeln!(
            page,
            "  the invoice list and the total credit {list_credits}. No figure of money is changed"
        )?;
        writeln!(page, "  by a guess, so somebody asks the upstream, and says which of the two it is.")
    }

    fn write_next(&self, page: &mut String) -> std::fmt::Result {
        let folder = self.folder.display();
        writeln!(page, "\n{folder}")?;
        for (name, what) in [
            ("ledger.db", "the ledger"),
            ("mail/", "every letter, as .eml"),
            ("daemon.toml", "the configuration"),
            ("upstream.jsonl", "what the simulated upstream remembers"),
            ("sandbox.json", "seed and speed, beside `time`: what a restart goes on from"),
        ] {
            writeln!(page, "  {name:<16}{what}")?;
        }
        let config = quoted(&self.folder.join("daemon.toml").display().to_string());
        let ledger = quoted(&self.folder.join("ledger.db").display().to_string());
        let depositd = &self.program;
        writeln!(page, "\nTry next")?;
        writeln!(page, "  export DEPOSITD_CONFIG={config}")?;
        writeln!(page, "  {depositd} list")?;
        if let Some(id) = &self.example {
            writeln!(page, "  {depositd} show {id}")?;
        }
        if let Some(month) = &self.month {
            writeln!(page, "  {depositd} statement --month {month}")?;
        }
        writeln!(page, "  {depositd} mail list --state sent")?;
        writeln!(page, "  {depositd} verify")?;
        writeln!(page, "  {depositd} export --format hledger")?;
        writeln!(page, "  sqlite3 -readonly {ledger} \\\n    'SELECT * FROM accounting_monthly'")?;
        let folder = quoted(&folder.to_string());
        writeln!(page, "What changes something wants the sandbox up, in another terminal:")?;
        writeln!(page, "  {depositd} sandbox --dir {folder} --serve")?;
        writeln!(page, "and then, in the first one,")?;
        writeln!(page, "  {depositd} request USDT BSC 25")?;
        if let Some(WaitingDeposit { case, looks_say, list_credits, .. }) = &self.waiting {
            writeln!(page, "  {depositd} cases show {case}")?;
            writeln!(page, "  {depositd} cases correct {case} --note 'support: a fee'")?;
            writeln!(page, "    # books {list_credits}; or, to keep {looks_say} and have a drift instead,")?;
            writeln!(page, "  {depositd} cases accept {case} --note 'support: theirs'")?;
        }
        match &self.month {
            Some(month) => writeln!(
                page,
                "  {depositd} close {month}\n    # the first of two months, once no case is open"
            ),
            None => Ok(()),
        }
    }
}

fn dollars(micros: i64) -> String {
    UsdMicros::new(micros).to_string()
}

/// `HeldThenReleased` as `held then released`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
    }
    words
}
