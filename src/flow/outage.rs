//! Saying once that the upstream is down, and once that it is back; also across restarts.

use super::Flow;
use crate::domain::event::EventName;
use crate::ledger;

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
        Some(since) if !said_down && health.failing_for() >= flow.settings.down_after => {
            let error = health.last_error.clone().unwrap_or_default();
            tracing::error!("the upstream has not answered since {since}: {error}");
            let facts = serde_json::json!({
                "since": since, "failures": health.failures, "error": error,
            });
            flow.announce(EventName::UpstreamDown, Some(error), facts).await.map(|()| true)
        }
        None if said_down && health.last_success.is_some() => {
            let since = last.map(|event| event.at).unwrap_or_default();
            tracing::info!("the upstream answers again; it was called down at {since}");
            let facts = serde_json::json!({ "since": since, "back_at": flow.clock.now() });
            flow.announce(EventName::UpstreamBack, None, facts).await.map(|()| false)
        }
        _ => Ok(said_down),
    }
}
