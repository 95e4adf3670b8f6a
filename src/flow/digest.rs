//! The daily summary: what settled, what is open, what differs, and the head hash for an outsider to hold.

use std::time::Duration;

use super::Flow;
use crate::domain::event::EventName;
use crate::ledger;

/// Owes the digest of the last 24 hours.
///
/// # Errors
/// Whatever the ledger says.
pub async fn digest(flow: &Flow) -> ledger::Result<()> {
    let now = flow.clock.now();
    let since = now.minus(Duration::from_hours(24));
    let (settled_count, settled) = flow.ledger.settled_between(since, now).await?;
    let counts = flow.ledger.counts().await?;
    let open: Vec<_> = counts
        .iter()
        .filter(|(state, _)| {
            crate::domain::deposit::State::parse(state).is_some_and(|state| !state.is_final())
        })
        .map(|(state, count)| serde_json::json!({ "state": state, "count": count }))
        .collect();
    let cases = flow.ledger.cases(false).await?;
    let mails = flow.ledger.mail_counts().await?;
    let unsent: i64 =
        mails.iter().filter(|(state, _)| state != "sent").fold(0, |sum, (_, n)| sum.saturating_add(*n));
    let head = flow.ledger.head_hash().await?;
    let facts = serde_json::json!({
        "date": now.to_date_text(),
        "settled_count": settled_count,
        "settled_usd": settled.to_string(),
        "open": open,
        "cases": cases,
        "unsent_mail": unsent,
        "head_seq": head.as_ref().map(|(seq, _)| *seq),
        "head_hash": head.map(|(_, hash)| hash),
    });
    flow.announce(EventName::Digest, None, facts).await
}
