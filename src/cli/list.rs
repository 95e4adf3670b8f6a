//! `list`: deposits as a table, newest first.

use super::args::ListArgs;
use super::context::Context;
use super::exit::{CommandResult, ExitStatus};
use super::objects::paint_of;
use super::output::{Output, Paint, say};
use super::table::{Cell, Table, cut, short_time};
use crate::api_types::{DepositObject, DepositPage};
use crate::domain::deposit::Outcome as Paid;
use crate::ledger::DepositFilter;

/// Lists deposits from the ledger.
pub(super) async fn list(context: &mut Context, args: ListArgs) -> CommandResult {
    let ledger = context.ledger().await?;
    let listing = DepositFilter {
        states: args.state,
        since: args.since,
        needs_review: args.needs_review,
        cursor: args.cursor,
        limit: args.limit,
        ..DepositFilter::default()
    };
    let (deposits, cursor) = ledger.list(&listing).await?;
    let next_cursor = cursor.map(|cursor| cursor.to_string());
    let page = DepositPage { deposits: deposits.iter().map(DepositObject::from).collect(), next_cursor };
    if context.out.json {
        context.out.document(&serde_json::json!(page))?;
        return Ok(ExitStatus::Done);
    }
    if page.deposits.is_empty() {
        say("no deposits");
        return Ok(ExitStatus::Done);
    }
    print(&mut context.out, &page.deposits);
    if let Some(cursor) = page.next_cursor {
        say(format_args!("there are more: --limit N, or --cursor {cursor} for the next page"));
    }
    Ok(ExitStatus::Done)
}

fn print(out: &mut Output, deposits: &[DepositObject]) {
    let heads =
        ["requested (UTC)", "id", "state", ">asked USD", ">to pay", "", "network", "reference", "review"];
    let mut table = Table::new(&heads);
    for deposit in deposits {
        let mut state = deposit.state.to_string();
        for (word, holds) in [("over", deposit.outcome == Some(Paid::Over)), ("late", deposit.late)] {
            if holds {
                state = format!("{state}, {word}");
            }
        }
        let review = deposit.needs_review.as_deref().map_or("", |_| "!");
        table.row([
            Cell::from(short_time(&deposit.created_at.to_string())),
            Cell::from(deposit.id.to_string()),
            Cell::painted(&state, paint_of(deposit.state.as_str())),
            Cell::from(&deposit.amount_requested),
            Cell::from(deposit.amount_crypto.as_deref().unwrap_or("-")),
            Cell::from(deposit.currency.as_str()),
            Cell::from(deposit.network.as_str()),
            Cell::from(cut(deposit.reference.as_deref().unwrap_or(""), 30)),
            Cell::painted(review, Paint::Bad),
        ]);
    }
    table.print(out, "");
}
