//! Matches rows with deposits by the ids of ours that they bear, and finds probable matches, which are only shown.

use std::time::Duration;

use super::context::RunContext;
use crate::domain::reconcile::{MatchRule, decide, probable};
use crate::domain::time::Timestamp;
use crate::ledger;

/// Deposits older than this at the last good run are no longer brought together with rows by amount and time.
const PROBABLE_SPAN: Duration = Duration::from_hours(48);
/// The most deposits that amount and time are asked about.
const MOST_DEPOSITS: u32 = 100_000;
/// Rows that were new in one of so many runs before this one are asked about again: a wallet of ours may have been
/// written down after its row was seen.
const RECENT_RUNS: i64 = 8;

/// The `meta` key that makes the next run compare everything: an order was claimed, and its row may be old.
pub(in crate::flow) const WHOLE_DUE: &str = "whole_run_due";

/// Once a day everything is gone through, whether it has changed or not.
pub(super) async fn is_whole(context: &RunContext<'_>) -> ledger::Result<bool> {
    let daily = context.last.as_ref().is_none_or(|last| last.at.to_date_text() != context.at.to_date_text());
    Ok(daily || context.flow.ledger.recall(WHOLE_DUE).await?.as_deref() == Some("yes"))
}

/// Matches the rows that bear no id of ours as far as is known.
pub(super) async fn match_rows(context: &RunContext<'_>, whole: bool) -> ledger::Result<()> {
    let ledger = &context.flow.ledger;
    let since = match &context.last {
        Some(last) if !whole => last.id.saturating_sub(RECENT_RUNS),
        _ => 0,
    };
    let rows = ledger.unclaimed_rows(since).await?;
    let mut claims = Vec::new();
    for rule in MatchRule::CERTAIN {
        claims.extend(ledger.claims(*rule, &rows).await?);
    }
    let matches = decide(claims);
    ledger.store_matches(&matches, context.id).await?;
    // Of a wallet nothing is guessed once any row bears an id of ours, and matches of earlier runs are dropped. A card's
    // rows may bear none for ever.
    let of_wallets = ledger.no_row_bears_an_id().await?;
    ledger.forget_probable_matches(!of_wallets).await?;
    let rows = ledger.guessable_rows(&rows).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let since = context.last.as_ref().filter(|_| !whole).map(|last| last.at.minus(PROBABLE_SPAN));
    let since = since.unwrap_or(Timestamp::EPOCH);
    let mut deposits = ledger.links_without_rows(since, MOST_DEPOSITS).await?;
    if of_wallets {
        deposits.extend(ledger.wallets_without_rows(since, MOST_DEPOSITS).await?);
    }
    let guesses = probable(&rows, &deposits);
    if guesses.is_empty() { Ok(()) } else { ledger.store_probable_matches(&guesses).await }
}

/// A warning where the rows with our ids show another zone of the list's times than the configured one, with the line
/// to write. It is only shown.
pub(super) async fn zone_hint(context: &RunContext<'_>) -> ledger::Result<Option<String>> {
    let Some(quarters) = context.flow.ledger.zone_apart().await? else { return Ok(None) };
    let (sign, minutes) = (if quarters < 0 { '-' } else { '+' }, quarters.unsigned_abs().saturating_mul(15));
    let apart = format!("{sign}{:02}:{:02}", minutes.div_euclid(60), minutes.rem_euclid(60));
    Ok(Some(format!(
        "the times of the invoice list are {apart} from when its wallets were made: where UTC is set, write \
         upstream_utc_offset = \"{apart}\" under [reconcile], or the zone of that name; else move the offset by as much"
    )))
}
