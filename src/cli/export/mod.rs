//! `export`: the books for other programs, row by row to standard output or, whole or not at all, into a file.

mod account;
mod beancount;
mod hledger;
mod journal;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use self::account::AccountMoves;
use self::journal::{Extent, Journal, Style};
use super::args::{Edge, ExportArgs, ExportFormat, What};
use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::output::{hint, say};
use crate::domain::book_zone::BookZone;
use crate::domain::time::Timestamp;
use crate::export::{CsvStyle, csv_head, csv_row, json_line};
use crate::ledger::{DepositLine, Entries, EntryLine, Ledger, Period};

/// What is exported, and how.
struct Plan {
    format: ExportFormat,
    what: What,
    csv: CsvStyle,
    extent: Extent,
    account: AccountMoves,
}

/// Exports what `args` say.
pub(super) async fn export(context: &mut Context, args: ExportArgs) -> CommandResult {
    refuse_what_does_not_fit(&args)?;
    let ledger = context.ledger().await?;
    warn_of_other_books(context, &ledger).await?;
    let output = args.output.clone();
    let plan = plan(&ledger, args).await?;
    let Some(path) = output else {
        let bar = Bar::new(!io::stdout().is_terminal());
        let mut sink = Counted { inner: &mut context.out, rows: 0 };
        let written = write(&ledger, &plan, &bar, &mut sink).await;
        bar.clear();
        return match written {
            // A reader that goes away early is no error.
            Err(error) if is_broken_pipe(&error) => Ok(ExitStatus::Done),
            written => Ok(written.map(|()| ExitStatus::Done)?),
        };
    };
    let mut file = WholeFile::begin(&path)?;
    let bar = Bar::new(true);
    let mut sink = Counted { inner: &mut file, rows: 0 };
    let written = write(&ledger, &plan, &bar, &mut sink).await;
    bar.clear();
    written?;
    let rows = sink.rows;
    let bytes = file.commit()?;
    let file = path.display().to_string();
    context.out.answer(&json!({ "file": file, "rows": rows, "bytes": bytes }), |_| {
        say(format_args!("{file}: {rows} rows, {bytes} bytes"));
    })
}

fn refuse_what_does_not_fit(args: &ExportArgs) -> Result<(), CommandFailure> {
    match (&args.from, &args.to) {
        (Some(Edge::Day(from)), Some(Edge::Day(to))) if from > to => {
            return Err(CommandFailure::usage(format_args!("--from {from} is later than --to {to}")));
        }
        _ => {}
    }
    let is_journal = matches!(args.format, ExportFormat::Hledger | ExportFormat::Beancount);
    let is_csv = args.format == ExportFormat::Csv;
    let wrong = if is_journal && args.what == Some(What::Deposits) {
        "hledger and beancount take entries; deposits come as csv or jsonl"
    } else if !is_journal && !args.with.is_empty() {
        "--with is for hledger and beancount: csv and jsonl have the rows of the views as they are"
    } else if !is_journal && args.no_opening {
        "--no-opening is for hledger and beancount: csv and jsonl have no opening balances"
    } else if !is_csv && (args.delimiter.is_some() || args.bom) {
        "--delimiter and --bom are for csv"
    } else {
        return Ok(());
    };
    Err(CommandFailure::usage(wrong))
}

/// The daemon writes the books' zone and names into the ledger; until it has, they are not those of the configuration.
async fn warn_of_other_books(context: &Context, ledger: &Ledger) -> Result<(), CommandFailure> {
    let configured = context.config()?.books;
    let zone = BookZone::of(&configured.time_zone);
    if zone.name() != ledger.book_zone().name() || configured.accounts != ledger.book_accounts().await? {
        say(
            "depositd: warning: [books] of the configuration is not what the ledger says; it says so once the daemon was started \
             with it",
        );
    }
    Ok(())
}

async fn plan(ledger: &Ledger, args: ExportArgs) -> Result<Plan, CommandFailure> {
    let zone = ledger.book_zone();
    let instant = |edge: Edge| match edge {
        Edge::Instant(at) => at,
        Edge::Day(day) => zone.begin_of_day(&day).unwrap_or_default(),
    };
    let period = match &args.month {
        Some(month) => Period { from: Some(zone.start_of(month)), to: Some(zone.end_of(month)) },
        None => Period { from: args.from.map(instant), to: args.to.map(instant) },
    };
    if let (Some(from), Some(to)) = (period.from, period.to)
        && from > to
    {
        return Err(CommandFailure::usage(format_args!("--from {from} is later than --to {to}")));
    }
    let is_journal = matches!(args.format, ExportFormat::Hledger | ExportFormat::Beancount);
    let what = if is_journal { What::Entries } else { args.what.unwrap_or(What::Deposits) };
    let names: BTreeMap<String, String> = ledger.book_accounts().await?.into_iter().collect();
    let account = AccountMoves::read(ledger, args.with, names.clone()).await?;
    let csv = CsvStyle { delimiter: args.delimiter.unwrap_or(','), bom: args.bom };
    let extent = Extent { period, zone, names, balanced: !args.no_opening };
    Ok(Plan { format: args.format, what, csv, extent, account })
}

async fn write(ledger: &Ledger, plan: &Plan, bar: &Bar, sink: &mut Counted<'_>) -> anyhow::Result<()> {
    let progress = &mut |done, all| bar.show(done, all);
    let (period, csv) = (plan.extent.period, plan.csv);
    match (plan.format, plan.what) {
        (ExportFormat::Csv, What::Deposits) => {
            csv_head(sink, csv, DepositLine::COLUMNS)?;
            let row = &mut |line: DepositLine| sink.row(|out| csv_row(out, csv, line.values()));
            ledger.export_deposits(period, progress, row).await?;
        }
        (ExportFormat::Jsonl, What::Deposits) => {
            let row = &mut |line| sink.row(|out| json_line(out, &line));
            ledger.export_deposits(period, progress, row).await?;
        }
        (ExportFormat::Csv | ExportFormat::Jsonl, What::Entries) => {
            let is_csv = plan.format == ExportFormat::Csv;
            if is_csv {
                csv_head(sink, csv, EntryLine::COLUMNS)?;
            }
            let row = &mut |part| match part {
                Entries::Accounts(_) => Ok(()),
                Entries::Entry(line) if is_csv => sink.row(|out| csv_row(out, csv, line.values())),
                Entries::Entry(line) => sink.row(|out| json_line(out, &line)),
            };
            ledger.export_entries(period, progress, row).await?;
        }
        (ExportFormat::Hledger, _) => write_journal(ledger, plan, bar, sink, hledger::Hledger).await?,
        (ExportFormat::Beancount, _) => write_journal(ledger, plan, bar, sink, beancount::Beancount).await?,
    }
    sink.flush()?;
    Ok(())
}

async fn write_journal(
    ledger: &Ledger,
    plan: &Plan,
    bar: &Bar,
    sink: &mut Counted<'_>,
    style: impl Style,
) -> anyhow::Result<()> {
    let mut journal = Journal::new(style, plan.extent.clone());
    let period = plan.extent.period;
    let begin = period.from.unwrap_or(Timestamp::EPOCH);
    let end = period.to.unwrap_or_else(|| Timestamp::from_millis(i64::MAX));
    if period.from.is_some() {
        ledger.entries_before(begin, &mut |posting| anyhow::Ok(journal.earlier(&posting)?)).await?;
        let before = &mut |transaction| Ok(journal.earlier_transaction(&transaction)?);
        plan.account.transactions(ledger, (Timestamp::EPOCH, begin), before).await?;
    }
    let part = &mut |part| match part {
        Entries::Accounts(mut accounts) => {
            accounts.extend(plan.account.accounts());
            Ok(journal.head(sink, &accounts)?)
        }
        Entries::Entry(line) => sink.row(|out| journal.entry(out, &line)),
    };
    ledger.export_entries(period, &mut |done, all| bar.show(done, all), part).await?;
    let more = &mut |transaction| sink.row(|out| journal.transaction(out, transaction));
    plan.account.transactions(ledger, (begin, end), more).await?;
    Ok(journal.finish(sink)?)
}

/// A writer that counts rows.
struct Counted<'a> {
    inner: &'a mut dyn Write,
    rows: u64,
}

impl Counted<'_> {
    fn row(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
        write(self.inner)?;
        self.rows = self.rows.saturating_add(1);
        Ok(())
    }
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The progress, on a terminal's standard error only.
struct Bar {
    shows: bool,
}

impl Bar {
    const WIDTH: i64 = 30;

    /// Only where nothing else is written to that terminal.
    fn new(alone: bool) -> Self {
        Self { shows: alone && io::stderr().is_terminal() }
    }

    fn show(&self, done: i64, all: i64) {
        if self.shows {
            hint(Self::text(done, all));
        }
    }

    fn text(done: i64, all: i64) -> String {
        let share = |of: i64| done.saturating_mul(of).checked_div(all).unwrap_or(of);
        let full = usize::try_from(share(Self::WIDTH)).unwrap_or(0);
        let left = usize::try_from(Self::WIDTH).unwrap_or(0).saturating_sub(full);
        format!("\r[{}{}] {:>3} %", "#".repeat(full), "-".repeat(left), share(100))
    }

    fn clear(&self) {
        if self.shows {
            hint("\r\u{1b}[K");
        }
    }
}

/// A file that gets its name only when it is whole and on disk.
struct WholeFile {
    partial: PathBuf,
    path: PathBuf,
    file: BufWriter<File>,
    committed: bool,
}

impl WholeFile {
    fn begin(path: &Path) -> anyhow::Result<Self> {
        let mut name = path.file_name().context("-o needs the name of a file")?.to_owned();
        name.push(format!(".partial-{}", std::process::id()));
        let partial = path.with_file_name(name);
        let file = File::create(&partial).with_context(|| format!("cannot write {}", partial.display()))?;
        Ok(Self { partial, path: path.to_owned(), file: BufWriter::new(file), committed: false })
    }

    fn commit(mut self) -> anyhow::Result<u64> {
        self.file.flush()?;
        let file = self.file.get_ref();
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        std::fs::rename(&self.partial, &self.path)
            .with_context(|| format!("cannot name {}", self.path.display()))?;
        self.committed = true;
        Ok(bytes)
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if !self.committed {
            // The temporary file of a failed export is removed; where that fails, its name shows what it is.
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::Bar;

    #[test]
    fn the_bar_fills_from_nothing_to_all() {
        assert_eq!(Bar::text(0, 10), format!("\r[{}]   0 %", "-".repeat(30)));
        assert_eq!(Bar::text(5, 10), format!("\r[{}{}]  50 %", "#".repeat(15), "-".repeat(15)));
        assert_eq!(Bar::text(10, 10), format!("\r[{}] 100 %", "#".repeat(30)));
    }
}
