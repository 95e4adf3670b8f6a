//! How the ledgers of a fleet stand, as a page and as an exit status.

use serde_json::json;

use super::told::{failure, settings};
use crate::cli::context::Context;
use crate::cli::exit::{CommandResult, ExitStatus};
use crate::cli::output::{Output, Paint};
use crate::cli::table::{Cell, Table, plain, short_time};
use crate::fleet::{self, LedgerReport};

/// `fleet status`
pub(super) async fn status(context: &mut Context) -> CommandResult {
    let settings = settings(&context.config()?)?;
    let (reports, follower) =
        fleet::status(&settings, &context.clock).await.map_err(|error| failure(&error))?;
    let is_well = reports.iter().all(|report| report.refused.is_none());
    if context.out.json {
        context.out.document(&json!({ "ok": is_well, "follower": follower, "ledgers": reports }))?;
    } else {
        let out = &mut context.out;
        out.line(match &follower {
            Some(follower) => format!("followed by {}", plain(follower)),
            None => "nobody follows at the moment".to_owned(),
        });
        table(out, &reports, false);
    }
    Ok(if is_well { ExitStatus::Done } else { ExitStatus::Wrong })
}

/// One row a ledger, then why some are refused.
pub(super) fn table(out: &mut Output, reports: &[LedgerReport], written: bool) {
    let news = if written { ">written" } else { ">behind" };
    let mut table =
        Table::new(&["ledger", "?id", ">in the file", ">in the database", news, "followed", "state"]);
    for report in reports {
        let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let state = match (&report.refused, report.behind) {
            (Some(_), _) => Cell::painted("refused", Paint::Bad),
            (None, Some(0)) => Cell::painted("up to date", Paint::Good),
            (None, _) => Cell::painted("behind", Paint::Open),
        };
        let id: String = report.ledger_id.as_deref().unwrap_or("-").chars().take(8).collect();
        let at = report.followed_at.map_or_else(|| "never".to_owned(), |at| short_time(&at.to_string()));
        table.row([
            Cell::from(&report.name),
            Cell::from(id),
            Cell::from(number(report.file.as_ref().map(|place| place.seq))),
            Cell::from(number(report.database.as_ref().map(|place| place.seq))),
            Cell::from(number(if written { Some(report.written) } else { report.behind })),
            Cell::from(at),
            state,
        ]);
    }
    table.print(out, "");
    for report in reports {
        if let Some(why) = &report.refused {
            out.line("");
            out.line(format_args!("{}: {}", plain(&report.name), plain(why)));
        }
    }
}
