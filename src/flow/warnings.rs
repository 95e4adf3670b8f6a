//! Warnings that stop nothing: a large write-ahead log, clocks that differ, the zone of the list.

use std::time::Duration;

use super::Flow;
use crate::ledger::{self, MailTroubles};

/// A write-ahead log of this size, in MiB, is warned of: ordinarily it stays below a third of it.
const LARGE_LOG_MIB: u64 = 128;
/// Clocks that are further apart than this are warned of.
const CLOCKS_APART_MS: u64 = 5 * 60 * 1000;
/// A letter that was tried and is owed for longer is worth a word: a server that greylists takes it by then.
const LATE_MAIL: Duration = Duration::from_mins(15);
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

    /// Letters that were given up, or that nobody takes.
    pub async fn mail_warnings(&self) -> ledger::Result<Vec<String>> {
        let long_ago = self.clock.now().minus(LATE_MAIL);
        Ok(mail_warnings(&self.ledger.mail_troubles(long_ago).await?))
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

/// Letters that were given up, or that nobody takes, in words.
#[must_use]
pub fn mail_warnings(troubles: &MailTroubles) -> Vec<String> {
    let letters = |count: u64| if count == 1 { "1 letter".to_owned() } else { format!("{count} letters") };
    let mut warnings = Vec::new();
    if troubles.dead > 0 {
        let why = troubles.why_dead.as_deref().unwrap_or("not said");
        warnings.push(format!(
            "mail: {} given up, the last: {why} (`depositd mail list --state dead`; once it is mended, `depositd mail retry --all`)",
            letters(troubles.dead)
        ));
    }
    if troubles.late > 0 {
        let why = troubles.why_late.as_deref().unwrap_or("not said");
        warnings.push(format!(
            "mail: {} tried and not taken for more than 15 min, the oldest: {why}",
            letters(troubles.late)
        ));
    }
    warnings
}
