//! The journal against the rows: what differs is polled at once, what the list states is booked, and what is left is on
//! its way or a difference.

use super::context::RunContext;
use crate::domain::ids::DepositId;
use crate::domain::observe::Observation;
use crate::domain::reconcile::{CaseKind, DepositRows, Difference, Verdict, compare as judge};
use crate::flow::follow::look_at_rows;
use crate::flow::poll_upstream::poll_now;
use crate::ledger::{self, DepositWrite, Recorded, Scope, UnreadRow};

/// The most deposits that one run polls.
const MOST_POLLS: usize = 256;

/// What the comparison came to.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// What does not agree.
    pub(super) found: Vec<Difference>,
    /// The deposits that do not agree, and that status, list and total may still bring together.
    pub(super) on_their_way: Vec<DepositId>,
    /// Booked here and not listed, in cents.
    pub(super) not_listed: i64,
    /// The same of what was booked within the lag.
    pub(super) not_listed_lately: i64,
    /// What acceptances of single deposits change in what their rows count, in cents.
    pub(super) accepted: i64,
    /// What people accepted rows of others for, as deposits of ours, in cents.
    pub(super) taken_from_others: i64,
    /// The rows show money that no poll of its deposit has shown yet.
    pub(super) unheard: bool,
}

/// Compares what has reason to be compared; everything where the `whole` is gone through. The list cannot show yet what
/// was booked after event `head_seq`.
pub(super) async fn compare(
    context: &RunContext<'_>,
    whole: bool,
    head_seq: i64,
) -> ledger::Result<Compared> {
    let ledger = &context.flow.ledger;
    let scope = match &context.last {
        Some(last) if !whole => ledger.touched_since(last.head_seq, last.id).await?,
        _ => Scope::Whole,
    };
    let mut pairs = ledger.pairs(&scope).await?;
    if poll_differing(context, &pairs).await? {
        pairs = ledger.pairs(&scope).await?;
    }
    if book_stated(context, &pairs).await? {
        pairs = ledger.pairs(&scope).await?;
    }
    let mut compared = Compared::default();
    for pair in &pairs {
        judge_pair(context, pair, head_seq, &mut compared);
    }
    Ok(compared)
}

fn judge_pair(context: &RunContext<'_>, pair: &DepositRows, head_seq: i64, compared: &mut Compared) {
    let lately = pair.moved_seq > head_seq || context.within_lag(pair.moved_at);
    if pair.is_not_listed() {
        compared.not_listed = compared.not_listed.saturating_add(pair.booked_cents());
        if lately {
            compared.not_listed_lately = compared.not_listed_lately.saturating_add(pair.booked_cents());
        }
    }
    let change = pair.counted_cents().saturating_sub(pair.listed_cents());
    compared.accepted = compared.accepted.saturating_add(change);
    compared.taken_from_others = compared.taken_from_others.saturating_add(pair.taken_from_others_cents());
    compared.unheard |= pair.is_unbooked();
    let Verdict::Differs(difference) = judge(pair, context.flow.settings.tolerance_cents) else { return };
    if lately || (pair.rows > 0 && context.within_lag(pair.rows_changed_at)) {
        compared.on_their_way.push(pair.deposit_id);
    } else {
        compared.found.push(*difference);
    }
}

/// Polls what differs at once, in the ordinary way; of what is followed by the list the rows are observed instead. True where
/// anything was polled or observed.
async fn poll_differing(context: &RunContext<'_>, pairs: &[DepositRows]) -> ledger::Result<bool> {
    let flow = context.flow;
    let differing = pairs.iter().filter(|pair| matches!(judge(pair, 0), Verdict::Differs(_)));
    let mut polled = false;
    for pair in differing.take(MOST_POLLS) {
        let Some(deposit) = flow.ledger.find(&pair.deposit_id.to_string()).await? else { continue };
        polled = true;
        if deposit.is_followed_by_list() {
            look_at_rows(flow, deposit).await?;
            continue;
        }
        if !poll_now(flow, deposit).await? && flow.upstream.health().failing_since.is_some() {
            // The upstream does not answer now: the next run polls what differs.
            break;
        }
    }
    Ok(polled)
}

/// Books what the list states of provisional and of finer figures. True where anything was booked.
async fn book_stated(context: &RunContext<'_>, pairs: &[DepositRows]) -> ledger::Result<bool> {
    let flow = context.flow;
    let mut writes = Vec::new();
    for pair in pairs {
        let Verdict::StatesFigure(credited) = judge(pair, 0) else { continue };
        let Some(deposit) = flow.ledger.find(&pair.deposit_id.to_string()).await? else { continue };
        let (now, theirs) = (flow.clock.now(), flow.upstream.upstream_now());
        let stated = Observation::FigureStated { credited };
        match deposit.observe_by(stated, now, theirs, &flow.policy()) {
            Ok(step) if !step.events.is_empty() => writes.push(DepositWrite::from(step)),
            Ok(_) => {}
            Err(error) => {
                tracing::error!(deposit.id = %pair.deposit_id, "a stated figure does not fit: {error}")
            }
        }
    }
    if writes.is_empty() {
        return Ok(false);
    }
    // One that has changed meanwhile is booked by the next run.
    let recorded = flow.record(writes).await?;
    Ok(recorded.contains(&Recorded::Written))
}

/// A row that could count and cannot be read, as a difference.
pub(super) fn unread(row: UnreadRow) -> Difference {
    Difference {
        kind: CaseKind::RowUnread,
        deposit_id: None,
        order_id: Some(row.called),
        row: Some(row.row),
        expected: "a row that can be read".to_owned(),
        found: row.flaw,
        expected_cents: None,
        found_cents: None,
        detail: row.status.map(|word| format!("its status is {word:?}")),
    }
}
