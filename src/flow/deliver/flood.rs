//! When many letters to one recipient become one summary: nothing owed is dropped, and each says where it is told.

use std::collections::HashMap;

use crate::flow::Flow;
use crate::ledger;
use crate::notifier::Digesting;

/// Tells floods that have been still for a moment, or have waited long enough, in one summary for each recipient;
/// the others are gathered. `under_way` are letters that go by themselves. Gives how many were folded.
pub(super) async fn fold(flow: &Flow, under_way: &[i64]) -> ledger::Result<u64> {
    let rules = flow.rules.current();
    let Some(flood) = rules.pace().flood else { return Ok(0) };
    let now = flow.clock.now();
    let quiet = rules.pace().quiet_hours.is_some_and(|hours| hours.end(now).is_some());
    // Who got little and has little waiting cannot be in a flood.
    let least = flood.above.saturating_sub(flow.delivery_state.busiest(now)).max(1);
    let (mut folded, mut gathering) = (0_u64, HashMap::new());
    for waiting in flow.ledger.waiting_mails(least).await? {
        let told = flow.delivery_state.notified_within_hour(&waiting.recipient, now);
        // What the quiet hours hold back is no flood yet; it may be one when they end.
        if waiting.letters.saturating_add(told) <= flood.above || (quiet && told <= flood.above) {
            continue;
        }
        let still = now.since(waiting.newest) >= Digesting::STILL;
        if still || now.since(waiting.oldest) >= flood.wait {
            let count = flow.ledger.fold_mails(&waiting.recipient, under_way, now).await?;
            if count > 0 {
                tracing::warn!("{count} mails to one recipient are told in one summary");
            }
            flow.delivery_state.note(&waiting.recipient, count, now);
            folded = folded.saturating_add(count);
        } else {
            let end = waiting.oldest.plus(flood.wait).min(waiting.newest.plus(Digesting::STILL));
            gathering.insert(waiting.recipient, end.max(now));
        }
    }
    flow.delivery_state.gather(gathering);
    Ok(folded)
}
