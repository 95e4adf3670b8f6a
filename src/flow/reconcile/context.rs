//! What every stage of a run knows.

use crate::domain::time::Timestamp;
use crate::flow::Flow;
use crate::ledger::GoodRun;

/// What every stage of a run knows.
pub(super) struct RunContext<'a> {
    pub(super) flow: &'a Flow,
    /// This run's number.
    pub(super) id: i64,
    pub(super) at: Timestamp,
    /// The last good run.
    pub(super) last: Option<GoodRun>,
    /// The number of the last clean run; 0 where there was none.
    pub(super) clean: i64,
}

impl RunContext<'_> {
    /// True where `then` is no longer ago than status, list and total may be apart. What stands in the future was written
    /// under a clock that was wrong, and is old.
    pub(super) fn within_lag(&self, then: Timestamp) -> bool {
        then <= self.at && self.at.since(then) < self.flow.settings.lag
    }
}
