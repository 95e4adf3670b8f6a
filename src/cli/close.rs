//! `close`: a month closed for good by the daemon, or the reason why it stays open.

use std::time::Duration;

use serde::Deserialize as _;
use serde_json::json;

use super::client::{ApiCall, ClientError};
use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::table::{Cell, Table, facts, short_time};
use crate::api_types::{ClosedFigures, ClosedMonth, ProblemKind};
use crate::domain::money::UsdMicros;
use crate::domain::period::Month;

/// A run may poll hundreds of deposits, and the proof of a large ledger takes minutes.
const LIMIT: Duration = Duration::from_hours(1);

/// Has the daemon close `month`.
pub(super) async fn close(context: &mut Context, month: &str) -> CommandResult {
    let month = Month::parse(month).map_err(CommandFailure::usage)?;
    let call = ApiCall::post(format!("/v1/periods/{month}/close"), json!({})).within(LIMIT);
    let reply = match context.client()?.call(call).await {
        Ok(reply) => reply,
        Err(trouble) => {
            let not_clean =
                matches!(&trouble, ClientError::Refused(problem) if problem.is(ProblemKind::BooksNotClean));
            let failure = CommandFailure::from(trouble);
            return Err(if not_clean {
                CommandFailure { exit: ExitStatus::Wrong, ..failure }
            } else {
                failure
            });
        }
    };
    if context.out.json {
        context.out.document(&reply.value)?;
    } else {
        print(context, month.as_str(), &reply.read()?)?;
    }
    Ok(ExitStatus::Done)
}

fn print(context: &mut Context, asked: &str, closed: &ClosedMonth) -> Result<(), CommandFailure> {
    let figures = ClosedFigures::deserialize(&closed.figures)?;
    let out = &mut context.out;
    let month = super::table::plain(&closed.month);
    if month == asked {
        out.line(format_args!("{asked} is closed"));
    } else {
        out.line(format_args!("{asked} is closed: it lies before {month}, which is"));
    }
    let head = format!("event {} {}", figures.head_seq, figures.head_hash);
    facts(
        out,
        [
            ("closed at", Some(format!("{} UTC", short_time(&closed.closed_at)))),
            ("reconciled at", Some(format!("{} UTC", short_time(&figures.reconciled_at)))),
            ("proven up to", Some(head)),
            ("closed by", Some(format!("event {} {}", closed.event_seq, closed.hash))),
        ],
    );
    out.line("");
    let mut table = Table::new(&["account", "commodity", ">worth in USD"]);
    for balance in &figures.balances {
        let worth = UsdMicros::new(balance.usd_micros).to_string();
        table.row([Cell::from(&balance.account), Cell::from(&balance.commodity), Cell::from(worth)]);
    }
    table.print(out, "  ");
    Ok(())
}
