//! `cases`: the differences with the upstream, and what a person says of them.

use serde_json::json;

use super::args::{AcceptArgs, CasesCommand, NoteArgs};
use super::client::ApiCall;
use super::context::Context;
use super::corrections;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::names::short_of;
use super::objects::{ShownCase, shown};
use super::output::{Output, Paint, say};
use super::review::said;
use super::table::{Cell, Table, cut, facts, short_time, span, table_time};
use crate::api_types::Case;
use crate::domain::time::Timestamp;

/// Lists, shows, explains, closes or corrects.
pub(super) async fn cases(context: &mut Context, command: CasesCommand) -> CommandResult {
    match command {
        CasesCommand::List { all } => list(context, all).await,
        CasesCommand::Show { id } => show(context, id).await,
        CasesCommand::Explain(args) => act(context, args, "explain", "explained; it stays open").await,
        CasesCommand::Close(args) => act(context, args, "close", "closed").await,
        CasesCommand::Accept(args) => accept(context, args).await,
        CasesCommand::Unaccept(args) => {
            act(context, args, "unaccept", "no longer accepted; the next run finds what differs").await
        }
        CasesCommand::Correct(args) => corrections::correct(context, args).await,
        CasesCommand::Uncorrect(args) => corrections::uncorrect(context, args).await,
        CasesCommand::Match(args) => corrections::match_row(context, args).await,
        CasesCommand::Unmatch(args) => corrections::unmatch(context, args).await,
    }
}

async fn list(context: &mut Context, all: bool) -> CommandResult {
    let ledger = context.ledger().await?;
    let cases = ledger.cases(all).await?;
    if context.out.json {
        context.out.document(&json!({ "cases": shown(&cases) }))?;
    } else if cases.is_empty() {
        say(if all { "no cases" } else { "no open cases" });
    } else {
        table(&mut context.out, &cases, "");
    }
    Ok(ExitStatus::Done)
}

async fn show(context: &mut Context, id: i64) -> CommandResult {
    let ledger = context.ledger().await?;
    let Some(case) = ledger.case(id).await? else {
        return Err(CommandFailure::new(ExitStatus::Unknown, format_args!("there is no case {id}")));
    };
    context.out.answer(&ShownCase(&case), |out| {
        let now = context.clock.now();
        page(out, &case, now);
    })
}

async fn act(context: &mut Context, args: NoteArgs, verb: &str, done: &str) -> CommandResult {
    let note = said(&args.note)?;
    let call = ApiCall::post(format!("/v1/cases/{}/{verb}", args.id), json!({ "note": note }));
    let reply = context.client()?.call(call).await?;
    context.out.answer(&reply.value, |out| {
        out.line(format_args!("case {} is {done}", args.id));
    })
}

async fn accept(context: &mut Context, args: AcceptArgs) -> CommandResult {
    let note = said(&args.note)?;
    let mut body = json!({ "note": note });
    if let (Some(cents), Some(body)) = (args.amount, body.as_object_mut()) {
        body.insert("amount_cents".to_owned(), json!(cents));
    }
    let reply = context.client()?.call(ApiCall::post(format!("/v1/cases/{}/accept", args.id), body)).await?;
    context.out.answer(&reply.value, |out| {
        out.line(format_args!("case {} is accepted and closed", args.id));
    })
}

/// Cases, one a line.
pub(super) fn table(out: &mut Output, cases: &[Case], indent: &str) {
    let heads = [">case", "kind", "?opened (UTC)", ">~expected", ">~found", "state", "~about", "said"];
    let mut table = Table::new(&heads);
    for case in cases {
        let (state, paint) = match (&case.closed_at, &case.explained) {
            (Some(_), _) => ("closed", Paint::Faint),
            (None, Some(_)) => ("explained", Paint::Open),
            (None, None) => ("open", Paint::Bad),
        };
        let deposit = case.deposit_id.as_deref().map(|id| short_of(out, id));
        let about = deposit.or(case.order_id.as_deref()).unwrap_or("the account");
        let words = case.resolution.as_deref().or(case.explained.as_deref()).unwrap_or("");
        table.row([
            Cell::from(case.id.to_string()),
            Cell::from(&case.kind),
            Cell::from(table_time(out, &case.opened_at)),
            Cell::from(cut(&case.expected, 40)),
            Cell::from(cut(&case.found, 40)),
            Cell::painted(state, paint),
            Cell::from(about),
            Cell::from(words),
        ]);
    }
    table.print(out, indent);
}

fn page(out: &mut Output, case: &Case, now: Timestamp) {
    let head = out.paint(Paint::Head, &format!("Case {}: {}", case.id, super::table::plain(&case.kind)));
    out.line(head);
    let time = |at: &Option<String>| at.as_deref().map(|at| format!("{} UTC", short_time(at)));
    let by = match (case.closed_by.as_deref(), case.closed_who.as_deref()) {
        (Some("person"), Some(who)) => format!(" by a person ({})", super::table::plain(who)),
        (Some("person"), None) => " by a person".to_owned(),
        (Some(_), _) => " by a run".to_owned(),
        (None, _) => String::new(),
    };
    let explained = case.explained.as_ref().map(|note| {
        let at = time(&case.explained_at).unwrap_or_default();
        format!("{note} ({at}, {})", case.explained_by.as_deref().unwrap_or("a person"))
    });
    // Until it closed, or until now.
    let until = case.closed_at.as_deref().and_then(|at| Timestamp::parse(at).ok()).unwrap_or(now);
    let age = Timestamp::parse(&case.opened_at).ok().map(|opened| span(until.since(opened)));
    facts(
        out,
        [
            ("deposit", case.deposit_id.clone()),
            ("order", case.order_id.clone()),
            ("expected (ours)", Some(case.expected.clone())),
            ("found (upstream)", Some(case.found.clone())),
            ("rows and figures", case.detail.clone()),
            ("opened", time(&Some(case.opened_at.clone()))),
            ("age", age),
            ("seen in", Some(format!("{} runs in a row, each `reconcile.lag` apart", case.seen_runs))),
            ("mailed", time(&case.told_at)),
            ("explained", explained),
            ("closed", time(&case.closed_at).map(|at| format!("{at}{by}"))),
            ("resolution", case.resolution.clone()),
        ],
    );
}
