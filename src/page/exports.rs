//! The books for other programs, row by row: however many there are, a browser that reads slowly is waited for, and only so
//! much is in memory.

use std::future::ready;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::net::UnixStream;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use tokio::sync::oneshot;
use tokio_util::io::ReaderStream;

use super::books::asked_month;
use super::refusal::PageRefusal;
use super::state::SharedPage;
use crate::api::{Problem, ProblemKind, clip};
use crate::export::{CsvStyle, csv_head, csv_row, json_line};
use crate::ledger::{self, DepositLine, Entries, EntryLine, Ledger, Period};

/// What is gathered before it is sent.
const BUFFER: usize = 32 * 1024;

/// Which rows, and how they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Deposits,
    Entries,
}

/// Why an export ends early.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    #[error(transparent)]
    Gone(#[from] io::Error),
}

/// `GET /books/export`
pub(super) async fn export(State(page): State<SharedPage>, uri: Uri) -> Result<Response, PageRefusal> {
    let month = asked_month(&page, uri.query())?;
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let word =
        |name: &str| pairs.iter().rfind(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let what = match word("what") {
        "deposits" => What::Deposits,
        "entries" => What::Entries,
        other => return Err(unknown("what", other, "deposits or entries")),
    };
    let is_csv = match word("format") {
        "csv" => true,
        "jsonl" => false,
        other => return Err(unknown("format", other, "csv or jsonl")),
    };
    let busy = || Problem::busy("several exports are being read already", 10);
    let place = page.exports.clone().try_acquire_owned().map_err(|_| busy())?;
    let ledger = page.api.flow.ledger.clone();
    let zone = ledger.book_zone();
    let period = Period { from: Some(zone.start_of(&month)), to: Some(zone.end_of(&month)) };
    let (ours, theirs) = pipe().map_err(|error| PageRefusal::of(ProblemKind::Internal, error.to_string()))?;
    let runtime = tokio::runtime::Handle::current();
    let (whole, ended) = oneshot::channel();
    // Writing waits for the reader, so it has a thread of its own.
    tokio::task::spawn_blocking(move || {
        let _place = place;
        match runtime.block_on(write(&ledger, period, what, is_csv, BufWriter::with_capacity(BUFFER, ours))) {
            Err(Ended::Ledger(error)) => tracing::error!("an export broke off: {}", error.chain()),
            // A reader that goes away early is no fault.
            Err(Ended::Gone(_)) => {}
            Ok(()) => drop(whole.send(())),
        }
    });
    // Half of the books must not look like all of them: without that word the download fails.
    let broken =
        stream::once(ended).filter_map(|end| ready(end.err().map(|gone| Err(io::Error::other(gone)))));
    let rows = ReaderStream::with_capacity(theirs, BUFFER).chain(broken);
    let (kind, ending) =
        if is_csv { ("text/csv; charset=utf-8", "csv") } else { ("application/jsonl", "jsonl") };
    let name = if what == What::Deposits { "deposits" } else { "entries" };
    let disposition = format!("attachment; filename=\"{name}-{month}.{ending}\"");
    let disposition = HeaderValue::try_from(disposition).unwrap_or(HeaderValue::from_static("attachment"));
    let head = [(CONTENT_TYPE, HeaderValue::from_static(kind)), (CONTENT_DISPOSITION, disposition)];
    Ok((head, Body::from_stream(rows)).into_response())
}

fn unknown(field: &str, found: &str, known: &str) -> PageRefusal {
    PageRefusal::invalid(field, format!("expected {known}, found {:?}", clip(found)))
}

fn pipe() -> io::Result<(UnixStream, tokio::net::UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    theirs.set_nonblocking(true)?;
    Ok((ours, tokio::net::UnixStream::from_std(theirs)?))
}

async fn write(
    ledger: &Ledger,
    period: Period,
    what: What,
    is_csv: bool,
    mut out: BufWriter<UnixStream>,
) -> Result<(), Ended> {
    let style = CsvStyle { delimiter: ',', bom: false };
    let silent = &mut |_, _| {};
    match what {
        What::Deposits => {
            if is_csv {
                csv_head(&mut out, style, DepositLine::COLUMNS)?;
            }
            let row = &mut |line: DepositLine| match is_csv {
                true => Ok::<_, Ended>(csv_row(&mut out, style, line.values())?),
                false => Ok(json_line(&mut out, &line)?),
            };
            ledger.export_deposits(period, silent, row).await?;
        }
        What::Entries => {
            if is_csv {
                csv_head(&mut out, style, EntryLine::COLUMNS)?;
            }
            let row = &mut |part| match part {
                Entries::Accounts(_) => Ok::<_, Ended>(()),
                Entries::Entry(line) if is_csv => Ok(csv_row(&mut out, style, line.values())?),
                Entries::Entry(line) => Ok(json_line(&mut out, &line)?),
            };
            ledger.export_entries(period, silent, row).await?;
        }
    }
    Ok(out.flush()?)
}
