//! Warnings that stop nothing: a large write-ahead log, clocks that differ, the zone of the list.

use super::Flow;
use crate::ledger;

/// A write-ahead log of this size, in MiB, is warned of: ordinarily it stays below a third of it.
const LARGE_LOG_MIB: u64 = 128;
/// Clocks that are further apart than this are warned of.
const CLOCKS_APART_MS: u64 = 5 * 60 * 1000;
/// The `meta` key of what a run's rows show of the list's zone.
pub(super) const ZONE_HINT: &str = "zone_hint";

impl Flow {
    /// A warning that a reader holds up the ledger's log, where it has grown large.
    #[must_use]
    pub fn log_warning(&self) -> Option<String> {
        let mib = self.ledger.log_bytes().div_euclid(1024 * 1024);
        (mib >= LARGE_LOG_MIB).then(|| {
            format!(
                "the ledger's log has grown to {mib} MiB: a program has been reading on one view of it all the while; \
                 it shrinks once that program ends its transaction"
            )
        })
    }

    /// The warnings about time: the clocks of both sides, and the zone of the upstream's list.
    pub async fn time_warnings(&self) -> ledger::Result<Vec<String>> {
        let mut warnings: Vec<String> = Vec::new();
        warnings.extend(self.upstream.skew().and_then(clocks_apart));
        let hint = self.ledger.recall(ZONE_HINT).await?.filter(|hint| !hint.is_empty());
        warnings.extend(hint.map(|hint| format!("reconcile: {hint}")));
        Ok(warnings)
    }
}

/// What is said of clocks where the upstream's is `skew_ms` ahead of ours; `None` where they agree.
#[must_use]
pub fn clocks_apart(skew_ms: i64) -> Option<String> {
    let minutes = skew_ms.unsigned_abs().div_euclid(60_000);
    let which = if skew_ms > 0 { "ahead of" } else { "behind" };
    (skew_ms.unsigned_abs() > CLOCKS_APART_MS).then(|| {
        format!("clocks: the upstream's is {minutes} min {which} this machine's; bookings take the upstream's time")
    })
}
