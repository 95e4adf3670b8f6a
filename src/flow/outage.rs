//! Reports once that the upstream is down, and once that it is back; also across restarts.

use std::time::Duration;

use super::Flow;
use crate::domain::event::EventName;
use crate::ledger;
use crate::upstream::{CallTrouble, Health};

/// When no poll was made for this long, a list that can be read counts as recovery.
const NO_MORE_POLLS: Duration = Duration::from_hours(1);

/// Compares the upstream's health with the last event about it, and writes an event where it has changed. True where
/// the last event says that it is down.
///
/// # Errors
/// Whatever the ledger says; it is said the next time then.
pub async fn watch_upstream(flow: &Flow) -> ledger::Result<bool> {
    let health = flow.upstream.health();
    let outage = standing(flow, EventName::UpstreamDown, EventName::UpstreamBack).await?;
    match health.failing_since {
        Some(since) if outage.is_none() && is_down(flow, &health) => {
            let error = health.last_error.clone().unwrap_or_default();
            tracing::error!("{}", health.words().unwrap_or_default());
            let trouble = health.trouble.unwrap_or(CallTrouble::NoAnswer);
            let facts = serde_json::json!({
                "since": since, "failures": health.failures, "error": error, "trouble": trouble.as_str(),
            });
            flow.announce(EventName::UpstreamDown, Some(error), facts).await.map(|()| true)
        }
        None if outage.is_some() && health.last_success.is_some() && !is_idle(flow, &health) => {
            let since = outage.map(|event| event.at).unwrap_or_default();
            tracing::info!("the upstream answers again; it was called down at {since}");
            let facts = serde_json::json!({ "since": since, "back_at": flow.clock.now() });
            flow.announce(EventName::UpstreamBack, None, facts).await.map(|()| false)
        }
        _ => Ok(outage.is_some()),
    }
}

/// The last event named `bad` of the whole account, unless one named `good` came after it.
pub(super) async fn standing(
    flow: &Flow,
    bad: EventName,
    good: EventName,
) -> ledger::Result<Option<ledger::EventRow>> {
    let last = flow.ledger.last_of(&[bad, good]).await?;
    Ok(last.filter(|event| event.event == bad.as_str()))
}

/// True for a failure that has lasted, and at once for a confirmed denial, which does not end by itself.
fn is_down(flow: &Flow, health: &Health) -> bool {
    health.is_denied() || health.failing_for() >= flow.settings.down_after
}

/// True while polls go on and none can be read. Without this, each list that is read between them would be a recovery
/// and the next poll an outage, four times an hour.
fn is_idle(flow: &Flow, health: &Health) -> bool {
    let lately = |last| flow.clock.now().since(last) < NO_MORE_POLLS;
    health.polls_idle_since.is_some() && health.last_failure.is_some_and(lately)
}
