//! `export`: the books for other programs, row by row to standard output or, whole or not at all, into a file.

mod beancount;
mod hledger;
mod journal;
mod rows;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use self::journal::{Journal, Style};
use super::args::{ExportArgs, ExportFormat, What};
use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::output::{hint, say};
use crate::ledger::{DepositLine, Entries, EntryLine, Ledger, Period};

/// Exports what `args` say.
pub(super) async fn export(context: &mut Context, args: ExportArgs) -> CommandResult {
    let is_journal = matches!(args.format, ExportFormat::Hledger | ExportFormat::Beancount);
    if is_journal && args.what == Some(What::Deposits) {
        return Err(CommandFailure::usage(
            "hledger and beancount take entries; deposits come as csv or jsonl",
        ));
    }
    let period = Period { from: args.from, to: args.to };
    if let (Some(from), Some(to)) = (period.from, period.to)
        && from > to
    {
        return Err(CommandFailure::usage(format_args!("--from {from} is later than --to {to}")));
    }
    let what = if is_journal { What::Entries } else { args.what.unwrap_or(What::Deposits) };
    let ledger = context.ledger().await?;
    let Some(path) = args.output else {
        let bar = Bar::new(!io::stdout().is_terminal());
        let mut sink = Counted { inner: &mut context.out, rows: 0 };
        let written = write(&ledger, args.format, what, period, &bar, &mut sink).await;
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
    let written = write(&ledger, args.format, what, period, &bar, &mut sink).await;
    bar.clear();
    written?;
    let rows = sink.rows;
    let bytes = file.commit()?;
    let file = path.display().to_string();
    context.out.answer(&json!({ "file": file, "rows": rows, "bytes": bytes }), |_| {
        say(format_args!("{file}: {rows} rows, {bytes} bytes"));
    })
}

async fn write<W: Write>(
    ledger: &Ledger,
    format: ExportFormat,
    what: What,
    period: Period,
    bar: &Bar,
    sink: &mut Counted<W>,
) -> anyhow::Result<()> {
    let progress = |done, all| bar.show(done, all);
    match (format, what) {
        (ExportFormat::Csv, What::Deposits) => {
            rows::csv_head(sink, DepositLine::COLUMNS)?;
            let row = |line: DepositLine| sink.row(|out| rows::csv_row(out, line.values()));
            ledger.export_deposits(period, progress, row).await?;
        }
        (ExportFormat::Jsonl, What::Deposits) => {
            let row = |line| sink.row(|out| rows::json(out, &line));
            ledger.export_deposits(period, progress, row).await?;
        }
        (ExportFormat::Csv | ExportFormat::Jsonl, What::Entries) => {
            let is_csv = format == ExportFormat::Csv;
            if is_csv {
                rows::csv_head(sink, EntryLine::COLUMNS)?;
            }
            let row = |part| match part {
                Entries::Accounts(_) => Ok(()),
                Entries::Entry(line) if is_csv => sink.row(|out| rows::csv_row(out, line.values())),
                Entries::Entry(line) => sink.row(|out| rows::json(out, &line)),
            };
            ledger.export_entries(period, progress, row).await?;
        }
        (ExportFormat::Hledger, _) => write_journal(ledger, period, bar, sink, hledger::Hledger).await?,
        (ExportFormat::Beancount, _) => {
            write_journal(ledger, period, bar, sink, beancount::Beancount).await?
        }
    }
    sink.flush()?;
    Ok(())
}

async fn write_journal<W: Write>(
    ledger: &Ledger,
    period: Period,
    bar: &Bar,
    sink: &mut Counted<W>,
    style: impl Style,
) -> anyhow::Result<()> {
    let mut journal = Journal::new(style, period);
    if let Some(from) = period.from {
        ledger.entries_before(from, |posting| anyhow::Ok(journal.earlier(&posting)?)).await?;
    }
    let part = |part| match part {
        Entries::Accounts(accounts) => Ok(journal.head(sink, &accounts)?),
        Entries::Entry(line) => sink.row(|out| journal.entry(out, &line)),
    };
    ledger.export_entries(period, |done, all| bar.show(done, all), part).await?;
    Ok(journal.finish(sink)?)
}

/// A writer that counts rows.
struct Counted<W> {
    inner: W,
    rows: u64,
}

impl<W: Write> Counted<W> {
    fn row(&mut self, write: impl FnOnce(&mut W) -> io::Result<()>) -> anyhow::Result<()> {
        write(&mut self.inner)?;
        self.rows = self.rows.saturating_add(1);
        Ok(())
    }
}

impl<W: Write> Write for Counted<W> {
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
