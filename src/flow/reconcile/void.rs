//! Saying once that reconciliation has become void, and once that it is whole again; also across restarts.

use serde_json::json;

use crate::domain::event::EventName;
use crate::flow::Flow;
use crate::ledger;

/// Says that the last runs were void, once there have been as many in a row as a difference must stand for. While the
/// upstream is said to be down nothing is said: that has a letter of its own.
pub(super) async fn tell_void(flow: &Flow) -> ledger::Result<()> {
    if told(flow).await? || upstream_is_down(flow).await? {
        return Ok(());
    }
    let Some(void) = flow.ledger.void_runs().await? else { return Ok(()) };
    if void.runs < i64::from(flow.settings.tell_after_runs) {
        return Ok(());
    }
    let last_good = flow.ledger.last_good_run().await?.map(|run| run.at);
    let facts =
        json!({ "since": void.since, "runs": void.runs, "error": void.error, "last_good_at": last_good });
    flow.announce(EventName::ReconciliationVoid, Some(void.error), facts).await
}

/// Says that a run was whole, if it was said that they are void.
pub(super) async fn tell_good(flow: &Flow) -> ledger::Result<()> {
    let last = flow.ledger.last_of(&[EventName::ReconciliationVoid, EventName::ReconciliationBack]).await?;
    match last.filter(|event| event.event == EventName::ReconciliationVoid.as_str()) {
        Some(event) => {
            let facts = json!({ "since": event.at, "back_at": flow.clock.now() });
            flow.announce(EventName::ReconciliationBack, None, facts).await
        }
        None => Ok(()),
    }
}

async fn told(flow: &Flow) -> ledger::Result<bool> {
    let last = flow.ledger.last_of(&[EventName::ReconciliationVoid, EventName::ReconciliationBack]).await?;
    Ok(last.is_some_and(|event| event.event == EventName::ReconciliationVoid.as_str()))
}

async fn upstream_is_down(flow: &Flow) -> ledger::Result<bool> {
    let last = flow.ledger.last_of(&[EventName::UpstreamDown, EventName::UpstreamBack]).await?;
    Ok(last.is_some_and(|event| event.event == EventName::UpstreamDown.as_str()))
}
