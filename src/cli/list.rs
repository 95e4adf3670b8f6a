//! `list`: deposits as a table, newest first.

use super::args::ListArgs;
use super::context::Context;
use super::exit::{CommandResult, ExitStatus};
use super::names::shown_ids;
use super::objects::paint_of;
use super::output::{Output, Paint, say};
use super::table::{Cell, Table, table_time};
use crate::api_types::{DepositObject, DepositPage};
use crate::domain::deposit::Outcome as Paid;
use crate::ledger::DepositFilter;

/// Lists deposits from the ledger.
pub(super) async fn list(context: &mut Context, args: ListArgs) -> CommandResult {
    let ledger = context.ledger().await?;
    let (deposits, cursor) = ledger.list(&filter_of(args)).await?;
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
    let ids = page.deposits.iter().map(|deposit| deposit.id.to_string()).collect();
    let ids = shown_ids(&context.out, &ledger, ids).await?;
    print(&mut context.out, &page.deposits, &ids);
    context.out.flush();
    if context.out.terminal && page.deposits.iter().any(|deposit| deposit.needs_review.is_some()) {
        say("! a person should look at it: depositd show ID says why");
    }
    if let Some(cursor) = page.next_cursor {
        say(format_args!("there are more: --limit N, or --cursor {cursor} for the next page"));
    }
    Ok(ExitStatus::Done)
}

/// What was asked for.
pub(super) fn filter_of(args: ListArgs) -> DepositFilter {
    DepositFilter {
        key: args.key,
        name: None,
        reference: args.reference,
        method: args.method,
        currency: args.currency,
        network: args.network,
        states: args.state,
        since: args.since,
        until: args.until,
        updated_since: args.updated_since,
        needs_review: args.needs_review,
        cursor: args.cursor,
        limit: args.limit,
    }
}

fn print(out: &mut Output, deposits: &[DepositObject], ids: &[String]) {
    let heads =
        ["requested (UTC)", "id", "state", ">asked USD", "?>to pay", "?", "paid by", "~reference", "!"];
    let mut table = Table::new(&heads);
    for (deposit, id) in deposits.iter().zip(ids) {
        table.row(cells(out, deposit, id));
    }
    table.print(out, "");
}

/// A deposit's row, under the headings of `print`.
pub(super) fn cells(out: &Output, deposit: &DepositObject, id: &str) -> [Cell; 9] {
    let mut state = deposit.state.to_string();
    for (word, holds) in [("over", deposit.outcome == Some(Paid::Over)), ("late", deposit.late)] {
        if holds {
            state = format!("{state}, {word}");
        }
    }
    let review = deposit.needs_review.as_deref().map_or("", |_| "!");
    [
        Cell::from(table_time(out, &deposit.created_at.to_string())),
        Cell::from(id),
        Cell::painted(&state, paint_of(deposit.state.as_str())),
        Cell::from(&deposit.amount_requested),
        Cell::from(deposit.amount_crypto.as_deref().unwrap_or("-")),
        Cell::from(deposit.currency.map_or("", |currency| currency.as_str())),
        Cell::from(deposit.network.map_or(deposit.method.as_str(), |network| network.as_str())),
        Cell::from(deposit.reference.as_deref().unwrap_or("")),
        Cell::painted(review, Paint::Bad),
    ]
}
