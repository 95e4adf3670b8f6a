//! The daily digest: what settled, what is open, what differs, what was not sent, and the head hash to compare with.

use std::time::Duration;

use serde_json::json;

use super::{Flow, drilled};
use crate::domain::event::EventName;
use crate::domain::money::{UsdMicros, dollars};
use crate::domain::time::Timestamp;
use crate::ledger;

/// How many open cases are named.
const CASES: usize = 40;
const DAY: Duration = Duration::from_hours(24);

/// Owes the digest of the time since the last one, or of 24 hours where there was none.
pub async fn digest(flow: &Flow) -> ledger::Result<()> {
    let ledger = &flow.ledger;
    let now = flow.clock.now();
    let last = ledger.last_of(&[EventName::Digest]).await?;
    let after = last.as_ref().map_or(0, |event| event.seq);
    let since = last.and_then(|event| Timestamp::parse(&event.at).ok()).unwrap_or_else(|| now.minus(DAY));
    let totals = ledger.period_totals(since, now, after).await?;
    let sum = |micros: i64, more: UsdMicros| micros.saturating_add(more.get());
    let settled_usd = UsdMicros::new(totals.settled.iter().fold(0, |total, row| sum(total, row.usd)));
    let settled_count = totals.settled.iter().fold(0_i64, |total, row| total.saturating_add(row.count));
    let settled: Vec<_> = totals
        .settled
        .iter()
        .map(|row| {
            let usd = row.usd.to_string();
            match (&row.currency, &row.network) {
                (Some(currency), Some(network)) => {
                    json!({ "currency": currency, "network": network, "count": row.count, "usd": usd })
                }
                _ => json!({ "method": row.method, "count": row.count, "usd": usd }),
            }
        })
        .collect();
    let (open, needs_review) = ledger.open_states().await?;
    let open_count = open.iter().fold(0_i64, |total, row| total.saturating_add(row.count));
    let open: Vec<_> = open
        .iter()
        .map(|row| {
            let usd = row.usd.to_string();
            json!({ "state": row.state, "count": row.count, "usd": usd, "oldest": row.oldest })
        })
        .collect();
    let (cases, cases_count, cases_by_age) = cases(flow, now).await?;
    let unsent = ledger.unsent_mails().await?;
    let head = ledger.head_hash().await?;
    let run = ledger.last_good_run().await?;
    let facts = json!({
        "date": now.to_date_text(),
        "since": since,
        "until": now,
        "requested": totals.requested,
        "settled_count": settled_count,
        "settled_usd": settled_usd.to_string(),
        "settled": settled,
        "ended": totals.ended,
        "refunded_count": totals.refunded,
        "refunded_usd": totals.refunded_usd.to_string(),
        "credited_in_all_usd": ledger.credited_in_all().await?.to_string(),
        "balance_usd": run.as_ref().map(|run| dollars(run.figures.balance_cents)),
        "balance_at": run.as_ref().map(|run| run.at),
        "low_usd": flow.settings.low_balance_cents.map(dollars),
        "open": open,
        "open_count": open_count,
        "needs_review": needs_review,
        "cases": cases,
        "cases_count": cases_count,
        "cases_by_age": cases_by_age,
        "unsent_mail": unsent.owed.saturating_add(unsent.dead),
        "unsent_dead": unsent.dead,
        "unsent_since": unsent.oldest,
        "replica": replica(flow, now).await?,
        "head_seq": head.as_ref().map(|(seq, _)| *seq),
        "head_hash": head.map(|(_, hash)| hash),
    });
    flow.announce(EventName::Digest, None, facts).await
}

/// How the replica stands, in words; `None` where there is none.
async fn replica(flow: &Flow, now: Timestamp) -> ledger::Result<Option<String>> {
    let Some(standing) = flow.replica.standing() else { return Ok(None) };
    let stands = match standing.silent {
        None => "confirms".to_owned(),
        Some((since, why)) => format!("silent since {}: {why}", since.to_seconds_text()),
    };
    let tried = match drilled(flow).await? {
        None => "never restored for a trial".to_owned(),
        Some(last) => {
            let days = now.since(last.report.at).as_secs().div_euclid(DAY.as_secs());
            let outcome = if last.report.ok { "whole" } else { "NOT whole" };
            format!("restored for a trial {days} day(s) ago: {outcome}")
        }
    };
    Ok(Some(format!("{stands}; {tried}")))
}

/// The open cases, the oldest first; how many there are; and how old they are.
async fn cases(
    flow: &Flow,
    now: Timestamp,
) -> ledger::Result<(Vec<serde_json::Value>, usize, serde_json::Value)> {
    let cases = flow.ledger.case_ages().await?;
    let (mut today, mut this_week, mut older) = (0_u64, 0_u64, 0_u64);
    let mut named = Vec::new();
    for case in &cases {
        let age = Timestamp::parse(&case.opened_at).map(|at| now.since(at)).unwrap_or_default();
        let slot = match age {
            age if age < DAY => &mut today,
            age if age < DAY.saturating_mul(7) => &mut this_week,
            _ => &mut older,
        };
        *slot = slot.saturating_add(1);
        if named.len() < CASES {
            let days = age.as_secs().checked_div(DAY.as_secs());
            named.push(json!({
                "id": case.id, "kind": case.kind, "expected": case.expected, "found": case.found, "days": days,
            }));
        }
    }
    Ok((named, cases.len(), json!({ "today": today, "this_week": this_week, "older": older })))
}
