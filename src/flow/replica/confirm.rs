//! Asking the replica: one confirmation for all transactions that have ended since the last one.

use std::time::Duration;

use super::Superseded;
use super::generation::supersession;
use crate::clock::{Clock as _, SystemClock};
use crate::flow::Flow;

/// What a round of asking has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmation {
    /// The replica has everything that had ended when it was asked.
    Confirmed,
    /// It has not said so, and why.
    Silent(String),
    /// A later generation of the ledger is in use elsewhere: this daemon must not go on.
    Superseded(Superseded),
}

/// A confirmation that took as long may be older than a promotion.
const SLOW: Duration = Duration::from_secs(1);

/// Asks the replica once, and opens the gate for what it has. With `look`, or where the answer was long in coming, it is
/// looked after that whether a stand-by was promoted meanwhile: what the replica confirms counts only where none was.
pub async fn confirm_replica(flow: &Flow, look: bool) -> Confirmation {
    let Some(replica) = &flow.replica.0 else { return Confirmation::Confirmed };
    let clock = SystemClock::new();
    let (ended, begun) = (*replica.ledger.commits_ended().borrow(), clock.monotonic());
    if let Err(error) = replica.settings.litestream.sync().await {
        return fail(flow, error.to_string());
    }
    if look || clock.monotonic().saturating_sub(begun) >= SLOW {
        match supersession(flow).await {
            Ok(None) => {}
            Ok(Some(superseded)) => {
                fail(flow, superseded.to_string());
                return Confirmation::Superseded(superseded);
            }
            Err(why) => return fail(flow, why),
        }
    }
    let now = flow.clock.now();
    let was_silent = replica.standing.borrow().silent.is_some();
    replica.standing.send_modify(|standing| {
        standing.confirmed = standing.confirmed.max(ended);
        standing.confirmed_at = Some(now);
        standing.silent = None;
    });
    if was_silent {
        tracing::info!("the replica confirms again");
        // What waited for it may leave.
        flow.wakers.owed();
        flow.wakers.create.notify_one();
    }
    Confirmation::Confirmed
}

fn fail(flow: &Flow, why: String) -> Confirmation {
    let Some(replica) = &flow.replica.0 else { return Confirmation::Silent(why) };
    let now = flow.clock.now();
    replica.standing.send_modify(|standing| {
        standing.failures = standing.failures.saturating_add(1);
        let since = standing.silent.as_ref().map_or(now, |(since, _)| *since);
        standing.silent = Some((since, why.clone()));
    });
    Confirmation::Silent(why)
}
