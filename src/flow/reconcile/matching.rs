//! Which invoices are whose: the pages of the ledger that matching hears, and what it decides written down.

use std::time::Duration;

use crate::domain::reconcile::{Matcher, Rule};
use crate::domain::time::Timestamp;
use crate::flow::Flow;
use crate::ledger::{self, Tally};

/// Invoices and deposits older than this at the last good run are no longer brought together by amount and time.
const PROBABLE_SPAN: Duration = Duration::from_hours(48);
/// The most deposits that amount and time are asked about.
const MOST_FREE: u32 = 100_000;

/// From when on invoices, and deposits without one, are matched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since {
    pub(super) invoices: Timestamp,
    pub(super) deposits: Timestamp,
}

impl Since {
    /// What has changed since `last`, the last good run; every invoice where the `whole` is gone through.
    pub(super) fn last(last: Option<Timestamp>, whole: bool) -> Self {
        let deposits = last.map_or_else(|| Timestamp::from_millis(0), |last| last.minus(PROBABLE_SPAN));
        Self { invoices: if whole { Timestamp::from_millis(0) } else { deposits }, deposits }
    }
}

/// Matches what is not matched for certain yet.
pub(super) async fn match_invoices(flow: &Flow, since: Since, learnt: Option<Rule>) -> ledger::Result<()> {
    let mut matcher = Matcher::default();
    let mut left = flow.ledger.unmatched(since.invoices).await?;
    for rule in Matcher::rules(learnt) {
        matcher.hear(flow.ledger.claims(rule, &left).await?);
        let decided = matcher.decide(rule);
        flow.ledger.keep_matches(&decided).await?;
        // Both are in the order of the invoices.
        let mut found = decided.iter().map(|one| one.row).peekable();
        left.retain(|row| found.next_if(|found| found == row).is_none());
        if left.is_empty() {
            return Ok(());
        }
    }
    let loose = flow.ledger.loose(&left).await?;
    if !loose.is_empty() {
        let free = flow.ledger.uninvoiced(since.deposits, MOST_FREE).await?;
        flow.ledger.keep_matches(&matcher.probable(&loose, &free)).await?;
    }
    Ok(())
}

/// The identifier that the upstream's lists have borne out most often.
pub(super) fn learnt(tally: &[Tally]) -> Option<Rule> {
    Rule::learnt(|rule| tally.iter().find(|one| one.rule == rule.as_str()).map_or(0, |one| one.invoices))
}
