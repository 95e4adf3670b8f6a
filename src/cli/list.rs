//! `list`: deposits as a table, newest first.

use super::args::ListArgs;
use super::context::Context;
use super::exit::{Exit, Outcome};
use super::objects::{DepositObject, paint_of};
use super::out::{Out, Paint, say};
use super::table::{Cell, Table, cut, short_time};
use crate::ledger::Listing;

/// Lists deposits from the ledger.
pub(super) async fn list(context: &mut Context, args: ListArgs) -> Outcome {
    let ledger = context.ledger().await?;
    let listing = Listing {
        states: args.state,
        since: args.since,
        needs_review: args.needs_review,
        cursor: args.cursor,
        limit: args.limit,
    };
    let (deposits, cursor) = ledger.list(&listing).await?;
    let deposits: Vec<DepositObject> = deposits.iter().map(DepositObject::from).collect();
    if context.out.json {
        let cursor = cursor.map(|cursor| cursor.to_string());
        context.out.document(&serde_json::json!({ "deposits": deposits, "next_cursor": cursor }))?;
        return Ok(Exit::Done);
    }
    if deposits.is_empty() {
        say("no deposits");
        return Ok(Exit::Done);
    }
    print(&mut context.out, &deposits);
    if let Some(cursor) = cursor {
        say(format_args!("there are more: --limit N, or --cursor {cursor} for the next page"));
    }
    Ok(Exit::Done)
}

fn print(out: &mut Out, deposits: &[DepositObject]) {
    let heads =
        ["requested (UTC)", "id", "state", ">asked USD", ">to pay", "", "network", "reference", "review"];
    let mut table = Table::new(&heads);
    for deposit in deposits {
        let mut state = deposit.state.clone();
        for (word, holds) in [("over", deposit.outcome.as_deref() == Some("over")), ("late", deposit.late)] {
            if holds {
                state = format!("{state}, {word}");
            }
        }
        let review = deposit.needs_review.as_deref().map_or("", |_| "!");
        table.row([
            Cell::from(short_time(&deposit.created_at)),
            Cell::from(&deposit.id),
            Cell::painted(&state, paint_of(&deposit.state)),
            Cell::from(&deposit.amount_requested),
            Cell::from(deposit.amount_crypto.as_deref().unwrap_or("-")),
            Cell::from(&deposit.currency),
            Cell::from(&deposit.network),
            Cell::from(cut(deposit.reference.as_deref().unwrap_or(""), 30)),
            Cell::painted(review, Paint::Bad),
        ]);
    }
    table.print(out, "");
}
