//! The prepaid balance against what is set: told once when it falls below, and once when it is above again.

use serde_json::json;

use super::context::RunContext;
use crate::domain::event::EventName;
use crate::domain::money::dollars;
use crate::flow::outage::standing;
use crate::ledger::{self, AccountEvent};

/// What the run owes about a balance of so many cents. What was told last is read from the events, so that a restart
/// repeats nothing.
pub(super) async fn notices(
    context: &RunContext<'_>,
    balance_cents: i64,
) -> ledger::Result<Vec<AccountEvent>> {
    let (flow, at) = (context.flow, context.at);
    let Some(low_cents) = flow.settings.low_balance_cents else { return Ok(Vec::new()) };
    let low = standing(flow, EventName::BalanceLow, EventName::BalanceBack).await?;
    let name = match (balance_cents < low_cents, &low) {
        (true, None) => EventName::BalanceLow,
        (false, Some(_)) => EventName::BalanceBack,
        _ => return Ok(Vec::new()),
    };
    tracing::info!(balance_cents, low_cents, "the prepaid balance is {} USD: {name}", dollars(balance_cents));
    let facts = json!({
        "balance_cents": balance_cents,
        "balance_usd": dollars(balance_cents),
        "low_cents": low_cents,
        "low_usd": dollars(low_cents),
        "reconciled_at": at,
        "run": context.id,
        "since": low.map(|event| event.at),
    });
    let mail_to = flow.rules.current().recipients(name);
    Ok(vec![AccountEvent { name, at, reason: None, facts, mail_to }])
}
