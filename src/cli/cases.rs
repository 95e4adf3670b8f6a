//! `cases`: the differences with the upstream, and what a person says of them.

use serde_json::json;

use super::args::{CasesCommand, NoteArgs};
use super::client::Call;
use super::context::Context;
use super::exit::{Exit, Failure, Outcome};
use super::objects::CaseObject;
use super::out::{Out, Paint, say};
use super::review::said;
use super::table::{Cell, Table, cut, facts, short_time};

/// Lists, shows, explains, closes or corrects.
pub(super) async fn cases(context: &mut Context, command: CasesCommand) -> Outcome {
    match command {
        CasesCommand::List { all } => list(context, all).await,
        CasesCommand::Show { id } => show(context, id).await,
        CasesCommand::Explain(args) => act(context, args, "explain", "explained; it stays open").await,
        CasesCommand::Close(args) => act(context, args, "close", "closed").await,
        CasesCommand::Correct(args) => act(context, args, "correct", "corrected and closed").await,
    }
}

async fn list(context: &mut Context, all: bool) -> Outcome {
    let ledger = context.ledger().await?;
    let cases: Vec<CaseObject> = ledger.cases(all).await?.into_iter().map(CaseObject::from).collect();
    if context.out.json {
        context.out.document(&json!({ "cases": cases }))?;
    } else if cases.is_empty() {
        say(if all { "no cases" } else { "no open cases" });
    } else {
        table(&mut context.out, &cases, "");
    }
    Ok(Exit::Done)
}

async fn show(context: &mut Context, id: i64) -> Outcome {
    let ledger = context.ledger().await?;
    let Some(case) = ledger.case(id).await? else {
        return Err(Failure::new(Exit::Unknown, format_args!("there is no case {id}")));
    };
    let case = CaseObject::from(case);
    if context.out.json {
        context.out.document(&case)?;
    } else {
        page(&mut context.out, &case);
    }
    Ok(Exit::Done)
}

async fn act(context: &mut Context, args: NoteArgs, verb: &str, done: &str) -> Outcome {
    let note = said(&args.note)?;
    let call = Call::post(format!("/v1/cases/{}/{verb}", args.id), json!({ "note": note }));
    let reply = context.client()?.call(call).await?;
    if context.out.json {
        context.out.document(&reply.value)?;
    } else {
        context.out.line(format_args!("case {} is {done}", args.id));
    }
    Ok(Exit::Done)
}

/// Cases, one a line.
pub(super) fn table(out: &mut Out, cases: &[CaseObject], indent: &str) {
    let heads = [">case", "kind", "opened (UTC)", ">expected", ">found", "state", "about", "said"];
    let mut table = Table::new(&heads);
    for case in cases {
        let (state, paint) = match (&case.closed_at, &case.explained) {
            (Some(_), _) => ("closed", Paint::Faint),
            (None, Some(_)) => ("explained", Paint::Open),
            (None, None) => ("open", Paint::Bad),
        };
        let about = case.deposit_id.as_deref().or(case.order_id.as_deref()).unwrap_or("the account");
        let words = case.resolution.as_deref().or(case.explained.as_deref()).unwrap_or("");
        table.row([
            Cell::from(case.id.to_string()),
            Cell::from(&case.kind),
            Cell::from(short_time(&case.opened_at)),
            Cell::from(cut(&case.expected, 40)),
            Cell::from(cut(&case.found, 40)),
            Cell::painted(state, paint),
            Cell::from(about),
            Cell::from(cut(words, 60)),
        ]);
    }
    table.print(out, indent);
}

fn page(out: &mut Out, case: &CaseObject) {
    let head = out.paint(Paint::Head, &format!("Case {}: {}", case.id, super::table::plain(&case.kind)));
    out.line(head);
    let time = |at: &Option<String>| at.as_deref().map(|at| format!("{} UTC", short_time(at)));
    let by =
        case.closed_by.as_deref().map_or("", |by| if by == "person" { " by a person" } else { " by a run" });
    facts(
        out,
        [
            ("deposit", case.deposit_id.clone()),
            ("order", case.order_id.clone()),
            ("expected (ours)", Some(case.expected.clone())),
            ("found (upstream)", Some(case.found.clone())),
            ("opened", time(&Some(case.opened_at.clone()))),
            ("seen in", Some(format!("{} runs in a row", case.seen_runs))),
            ("mailed", time(&case.told_at)),
            ("explained", case.explained.clone()),
            ("closed", time(&case.closed_at).map(|at| format!("{at}{by}"))),
            ("resolution", case.resolution.clone()),
        ],
    );
}
