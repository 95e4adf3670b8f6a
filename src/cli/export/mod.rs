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

use super::args::{ExportArgs, Format, What};
use super::context::Context;
use super::exit::{Exit, Failure, Outcome};
use super::out::{Out, hint, say};
use crate::ledger::{Entries, Ledger, Period};
use journal::{Journal, Style};

/// Exports what `args` say.
pub(super) async fn export(context: &mut Context, args: ExportArgs) -> Outcome {
    let is_journal = matches!(args.format, Format::Hledger | Format::Beancount);
    if is_journal && args.what == Some(What::Deposits) {
        return Err(Failure::usage("hledger and beancount take entries; deposits come as csv or jsonl"));
    }
    let period = Period { from: args.from, to: args.to };
    if let (Some(from), Some(to)) = (period.from, period.to)
        && from > to
    {
        return Err(Failure::usage(format_args!("--from {from} is later than --to {to}")));
    }
    let what = if is_journal { What::Entries } else { args.what.unwrap_or(What::Deposits) };
    let ledger = context.ledger().await?;
    let Some(path) = args.output else {
        let mut sink = Counted::new(&mut context.out);
        let written = write(&ledger, args.format, what, period, &mut sink).await;
        return match written {
            // Who goes away early has seen enough.
            Err(error) if is_broken_pipe(&error) => Ok(Exit::Done),
            written => Ok(written.map(|()| Exit::Done)?),
        };
    };
    let mut file = WholeFile::begin(&path)?;
    let mut sink = Counted::new(&mut file);
    write(&ledger, args.format, what, period, &mut sink).await?;
    let rows = sink.done();
    let bytes = file.commit()?;
    tell(&mut context.out, &path, rows, bytes)?;
    Ok(Exit::Done)
}

async fn write<W: Write>(
    ledger: &Ledger,
    format: Format,
    what: What,
    period: Period,
    sink: &mut Counted<W>,
) -> anyhow::Result<()> {
    match (format, what) {
        (Format::Csv, What::Deposits) => {
            rows::csv_head(sink, rows::DEPOSITS)?;
            ledger.export_deposits(period, |line| sink.row(|out| rows::csv_deposit(out, &line))).await?;
        }
        (Format::Csv, What::Entries) => {
            rows::csv_head(sink, rows::ENTRIES)?;
            ledger
                .export_entries(period, |part| match part {
                    Entries::Accounts(_) => Ok(()),
                    Entries::Entry(line) => sink.row(|out| rows::csv_entry(out, &line)),
                })
                .await?;
        }
        (Format::Jsonl, What::Deposits) => {
            ledger.export_deposits(period, |line| sink.row(|out| rows::json(out, &line))).await?;
        }
        (Format::Jsonl, What::Entries) => {
            ledger
                .export_entries(period, |part| match part {
                    Entries::Accounts(_) => Ok(()),
                    Entries::Entry(line) => sink.row(|out| rows::json(out, &line)),
                })
                .await?;
        }
        (Format::Hledger, _) => write_journal(ledger, period, sink, hledger::Hledger).await?,
        (Format::Beancount, _) => write_journal(ledger, period, sink, beancount::Beancount).await?,
    }
    sink.flush()?;
    Ok(())
}

async fn write_journal<W: Write>(
    ledger: &Ledger,
    period: Period,
    sink: &mut Counted<W>,
    style: impl Style,
) -> anyhow::Result<()> {
    let mut journal = Journal::new(style, period.from.is_none());
    ledger
        .export_entries(period, |part| match part {
            Entries::Accounts(accounts) => Ok(journal.head(sink, &accounts)?),
            Entries::Entry(line) => sink.row(|out| journal.entry(out, line)),
        })
        .await?;
    Ok(journal.finish(sink)?)
}

/// A writer that counts rows and shows a person that it works.
struct Counted<W> {
    inner: W,
    rows: u64,
    shows: bool,
}

impl<W: Write> Counted<W> {
    fn new(inner: W) -> Self {
        let shows = io::stderr().is_terminal() && !io::stdout().is_terminal();
        Self { inner, rows: 0, shows }
    }

    fn row(&mut self, write: impl FnOnce(&mut W) -> io::Result<()>) -> anyhow::Result<()> {
        write(&mut self.inner)?;
        self.rows = self.rows.saturating_add(1);
        if self.shows && self.rows.is_multiple_of(10_000) {
            hint(format_args!("\r{} rows", self.rows));
        }
        Ok(())
    }

    fn done(self) -> u64 {
        if self.shows && self.rows >= 10_000 {
            hint("\r\u{1b}[K");
        }
        self.rows
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
            // What is left of a failed export helps nobody; that it cannot be removed is said by its name.
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}

fn tell(out: &mut Out, path: &Path, rows: u64, bytes: u64) -> Result<(), Failure> {
    if out.json {
        out.document(&json!({ "file": path, "rows": rows, "bytes": bytes }))?;
    } else {
        say(format_args!("{}: {rows} rows, {bytes} bytes", path.display()));
    }
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
