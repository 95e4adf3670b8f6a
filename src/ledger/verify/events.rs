//! The chain from the first event on: numbers, hashes, evidence, and transactions that balance.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use rust_decimal::Decimal;
use sqlx::SqliteConnection;

use crate::domain::journal::Posting;
use crate::ledger::commit::chain;
use crate::ledger::commit::events::add_to;
use crate::ledger::error::Result;
use crate::ledger::request_row::query_with_request;
use crate::ledger::verify::chain_row::{ChainRow, chain_rows, read_postings};
use crate::ledger::verify::finding::Verification;

/// What the postings of each account and commodity add up to: exactly, and by their worth.
pub(super) type AccountBalances = BTreeMap<(String, String), (Decimal, i64)>;

/// Walks the chain from the first event: numbers, hashes, the journal's balance.
pub(super) async fn verify(
    view: &mut SqliteConnection,
    found: &mut Verification,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<AccountBalances> {
    let total =
        sqlx::query_scalar!(r#"SELECT count(*) AS "n!: i64" FROM event"#).fetch_one(&mut *view).await?;
    let total = u64::try_from(total).unwrap_or(0);
    let mut previous = chain::GENESIS.to_owned();
    let mut expected_seq: i64 = 1;
    let mut balances = AccountBalances::new();
    let mut evidence_id = 0;
    let mut rows = chain_rows!("ORDER BY e.seq").fetch(&mut *view);
    while let Some(row) = rows.try_next().await? {
        found.events = found.events.saturating_add(1);
        if found.events.is_multiple_of(10_000) {
            progress(found.events, total);
        }
        if row.seq != expected_seq {
            found.find("event", row.seq, format!("the event before it, {expected_seq}, is missing"));
        }
        if let Some(id) = row.evidence_id {
            // Each answer is stored once, in the order of its events.
            if (id != evidence_id && Some(id) != evidence_id.checked_add(1)) || !row.same_deposit {
                found.find("evidence", id, format!("it is not the answer that event {} came of", row.seq));
            }
            evidence_id = id;
        }
        let postings = read_postings(&row.postings);
        let (Some(postings), Ok(request)) = (postings, row.request()) else {
            found.find("event", row.seq, "its request, facts or postings cannot be read");
            previous = row.hash;
            expected_seq = row.seq.saturating_add(1);
            continue;
        };
        if !row.is_sealed(&previous, request.as_ref(), &postings) {
            let what = "its hash does not fit: it, its postings, its evidence or its request was changed";
            found.find("event", row.seq, what);
        }
        if !postings.is_empty() {
            found.transactions = found.transactions.saturating_add(1);
            add_postings(&mut balances, &postings, row.seq, found)?;
        }
        previous = row.hash;
        expected_seq = row.seq.saturating_add(1);
    }
    drop(rows);
    verify_answers(view, evidence_id, found).await?;
    found.head_seq = expected_seq.saturating_sub(1);
    found.head_hash = previous;
    progress(found.events, total);
    Ok(balances)
}

/// Each stored answer belongs to an event.
async fn verify_answers(
    view: &mut SqliteConnection,
    evidence_id: i64,
    found: &mut Verification,
) -> Result<()> {
    let kept = sqlx::query!(
        r#"SELECT coalesce(max(id), 0) AS "last!: i64", count(*) AS "count!: i64" FROM evidence"#
    )
    .fetch_one(view)
    .await?;
    if (kept.last, kept.count) != (evidence_id, evidence_id) {
        let what = format!("there are {} answers, the events came of {evidence_id}", kept.count);
        found.find("evidence", kept.last, what);
    }
    Ok(())
}

fn add_postings(
    balances: &mut AccountBalances,
    postings: &[Posting],
    seq: i64,
    found: &mut Verification,
) -> Result<()> {
    let mut sum = (Decimal::ZERO, 0);
    for line in postings {
        add_to(&mut sum, Decimal::ZERO, line.amount_usd_micros.get())?;
        let balance = balances.entry((line.account.clone(), line.commodity.clone())).or_default();
        add_to(balance, line.amount, line.amount_usd_micros.get())?;
    }
    if sum.1 != 0 {
        found.find("posting", format!("transaction {seq}"), format!("it is off balance by {} micros", sum.1));
    }
    Ok(())
}
