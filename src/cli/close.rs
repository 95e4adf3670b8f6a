//! `close`: a month closed for good by the daemon, or the reason why it stays open.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::json;

use super::args::CloseArgs;
use super::client::{ApiCall, ApiReply, ClientError};
use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::output::{Output, hint, say};
use super::statement::page;
use super::table::{Cell, Table, facts, plain, short_time};
use crate::api_types::{ClosePlan, ClosedFigures, ClosedMonth, MonthList, ProblemKind, Statement};
use crate::domain::money::UsdMicros;
use crate::domain::period::Month;

/// A run may poll hundreds of deposits, and the proof of a large ledger takes minutes.
const LIMIT: Duration = Duration::from_hours(1);

/// Has the daemon close a month. On a terminal a person is asked first.
pub(super) async fn close(context: &mut Context, args: CloseArgs) -> CommandResult {
    let month = Month::parse(&args.month).map_err(CommandFailure::usage)?;
    if args.dry_run {
        let reply = call(context, &month, true).await?;
        return reply.answer(&mut context.out, |out, plan: ClosePlan| print_plan(out, &plan));
    }
    if !args.yes && io::stdin().is_terminal() && io::stderr().is_terminal() && !ask(context, &month).await? {
        return Err(CommandFailure::new(ExitStatus::Failed, format_args!("{month} stays open")));
    }
    let reply = call(context, &month, false).await?;
    if context.out.json {
        context.out.document(&reply.value)?;
    } else {
        print(context, month.as_str(), &reply.read()?)?;
    }
    Ok(ExitStatus::Done)
}

async fn call(context: &mut Context, month: &Month, dry_run: bool) -> Result<ApiReply, CommandFailure> {
    let body = if dry_run { json!({ "dry_run": true }) } else { json!({}) };
    let call = ApiCall::post(format!("/v1/periods/{month}/close"), body).within(LIMIT);
    context.client()?.call(call).await.map_err(|trouble| {
        let not_clean =
            matches!(&trouble, ClientError::Refused(problem) if problem.is(ProblemKind::BooksNotClean));
        let failure = CommandFailure::from(trouble);
        if not_clean { CommandFailure { exit: ExitStatus::Wrong, ..failure } } else { failure }
    })
}

/// Says what a close would do, and asks for it. True for a yes; also where there is nothing to ask.
async fn ask(context: &mut Context, month: &Month) -> Result<bool, CommandFailure> {
    let client = context.client()?;
    let closed: MonthList = client.call(ApiCall::get("/v1/periods")).await?.read()?;
    if closed.periods.iter().any(|period| period.month.as_str() >= month.as_str()) {
        return Ok(true);
    }
    let statement: Statement =
        client.call(ApiCall::get(format!("/v1/statement?month={month}"))).await?.read()?;
    if !statement.ended {
        // The daemon refuses it, with the reason.
        return Ok(true);
    }
    if !context.out.json {
        page(&mut context.out, &statement);
        context.out.line("");
        context.out.flush();
    }
    let since = closed.periods.last().map_or_else(
        || "all months before it".to_owned(),
        |last| format!("the months after {} before it", plain(&last.month)),
    );
    say(format_args!(
        "Closing {month} ({zone}) closes it and {since}, for good: the daemon reconciles and proves the ledger first; then \
         nothing can be booked before {end} UTC any more, and later corrections are entries of the open month. There is no way back.",
        zone = plain(&statement.time_zone),
        end = short_time(&statement.ends_at),
    ));
    hint(format_args!("Close {month}? Type yes: "));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

fn print_plan(out: &mut Output, plan: &ClosePlan) {
    let month = plain(&plan.month);
    if let Some(at) = &plan.closed_at {
        out.line(format_args!("{month} is closed already, since {} UTC; nothing was done", short_time(at)));
    } else {
        let months: Vec<String> = plan.would_close.iter().map(|month| plain(month)).collect();
        out.line(format_args!("{month} can be closed; nothing was done"));
        facts(
            out,
            [
                ("would close", Some(months.join(", "))),
                (
                    "reconciled at",
                    plan.reconciled_at.map(|at| format!("{} UTC", short_time(&at.to_string()))),
                ),
                ("proven up to", Some(format!("event {}", plan.head_seq))),
            ],
        );
    }
    out.line("");
    page(out, &plan.statement);
}

/// The page to keep.
fn print(context: &mut Context, asked: &str, closed: &ClosedMonth) -> Result<(), CommandFailure> {
    let figures = ClosedFigures::deserialize(&closed.figures)?;
    let out = &mut context.out;
    let month = plain(&closed.month);
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
            ("closed by", closed.closed_by.clone()),
            ("reconciled at", Some(format!("{} UTC", short_time(&figures.reconciled_at)))),
            ("proven up to", Some(head)),
            ("kept as", Some(format!("event {} {}", closed.event_seq, closed.hash))),
        ],
    );
    out.line("");
    if !figures.statement.month.is_empty() {
        page(out, &Statement { closed_at: Some(closed.closed_at.clone()), ..figures.statement });
        out.line("");
    }
    let mut table = Table::new(&["account", "commodity", ">worth in USD"]);
    for balance in &figures.balances {
        let worth = UsdMicros::new(balance.usd_micros).to_string();
        let account = balance.account_mapped.as_ref().unwrap_or(&balance.account);
        table.row([Cell::from(account), Cell::from(&balance.commodity), Cell::from(worth)]);
    }
    table.print(out, "  ");
    out.line("");
    out.line("  signed ______________________   date ______________");
    Ok(())
}
