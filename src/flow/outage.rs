//! Saying once that the upstream is of no use, and once that it is again; also across restarts.

use std::time::Duration;

use super::Flow;
use crate::domain::event::EventName;
use crate::ledger;
use crate::upstream::{CallTrouble, Health};

/// Where no look is tried any more for so long, a list that can be read is sign enough of recovery.
const NO_MORE_LOOKS: Duration = Duration::from_hours(1);

/// Compares the upstream's health with what was last said of it, and says what has changed. True where it is down
/// by what has been said.
///
/// # Errors
/// Whatever the ledger says; it is said the next time then.
pub async fn watch_upstream(flow: &Flow) -> ledger::Result<bool> {
    let health = flow.upstream.health();
    let last = flow.ledger.last_of(&[EventName::UpstreamDown, EventName::UpstreamBack]).await?;
    let said_down = last.as_ref().is_some_and(|event| event.event == EventName::UpstreamDown.as_str());
    match health.failing_since {
        Some(since) if !said_down && is_down(flow, &health) => {
            let error = health.last_error.clone().unwrap_or_default();
            tracing::error!("{}", health.words().unwrap_or_default());
            let trouble = health.trouble.unwrap_or(CallTrouble::NoAnswer);
            let facts = serde_json::json!({
                "since": since, "failures": health.failures, "error": error, "trouble": trouble.as_str(),
            });
            flow.announce(EventName::UpstreamDown, Some(error), facts).await.map(|()| true)
        }
        None if said_down && health.last_success.is_some() && !is_idle(flow, &health) => {
            let since = last.map(|event| event.at).unwrap_or_default();
            tracing::info!("the upstream answers again; it was called down at {since}");
            let facts = serde_json::json!({ "since": since, "back_at": flow.clock.now() });
            flow.announce(EventName::UpstreamBack, None, facts).await.map(|()| false)
        }
        _ => Ok(said_down),
    }
}

/// True for what has lasted, and at once for a denial that was confirmed: waiting heals none.
fn is_down(flow: &Flow, health: &Health) -> bool {
    health.is_denied() || health.failing_for() >= flow.settings.down_after
}

/// True while looks go on and say nothing. A list that is read between them would else be a recovery, and the next
/// look an outage, four times an hour.
fn is_idle(flow: &Flow, health: &Health) -> bool {
    let lately = |last| flow.clock.now().since(last) < NO_MORE_LOOKS;
    health.looks_idle_since.is_some() && health.last_failure.is_some_and(lately)
}
