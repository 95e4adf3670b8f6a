//! Getting the wallet: the intent first, then one attempt; what an earlier one did is looked for before the next.

use std::time::Duration;

use super::adopt::{self, Search};
use super::{Flow, backoff};
use crate::domain::deposit::Deposit;
use crate::domain::event::Step;
use crate::domain::ids::DepositId;
use crate::domain::observe::Observation;
use crate::domain::poll::{CREATE_CEILING, Due, Urgency};
use crate::domain::time::Timestamp;
use crate::ledger::{self, AttemptEnd, AttemptOutcome, Turn, Write};
use crate::upstream::{self, NewOrder, Priority};

/// How one round for one deposit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It has a wallet, or was refused, or is given up for reconciliation to find.
    Decided,
    /// Not yet; it is in the queue again.
    Later,
}

/// The first wait before a deposit's next round; then doubling.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// How long an order that cannot be read holds up the next attempt.
const UNSURE_FOR: Duration = Duration::from_mins(1);

/// Makes, or finds, the wallet of one deposit; one attempt at most.
///
/// # Errors
/// Whatever the ledger says; the deposit stays in the queue.
pub async fn create(flow: &Flow, turn: Turn, deposit: Deposit) -> ledger::Result<Created> {
    let _busy = Busy::new(flow, deposit.id);
    let attempts = flow.ledger.attempts_of(deposit.id).await?;
    let tries = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
    if attempts.iter().any(ledger::Attempt::is_lost) {
        match adopt::search(flow, Some(deposit.id)).await? {
            Search::Found => return Ok(Created::Decided),
            Search::Nothing => {}
            Search::Inconclusive => return later(flow, turn, deposit, tries, None).await,
            Search::Unsure if flow.clock.now().since(last_try(&attempts)) < UNSURE_FOR => {
                return later(flow, turn, deposit, tries, None).await;
            }
            // A wallet that turns up later is named by reconciliation.
            Search::Unsure => {}
        }
    }
    let counted = attempts.iter().filter(|attempt| attempt.counts()).count();
    if counted >= usize::try_from(flow.settings.create_attempts).unwrap_or(usize::MAX) {
        let step = observe(flow, deposit, Observation::OutOfAttempts)?;
        return decided(flow, turn, Write::from(step)).await;
    }
    let permit = flow.upstream.admit(Priority::Create).await;
    // The intent is on disk before the upstream hears of it.
    let attempt = flow.ledger.begin_attempt(deposit.id, flow.clock.now()).await?;
    let request = &deposit.request;
    let order = NewOrder { asset: request.asset, amount: &request.amount, coupon: request.coupon.as_deref() };
    let answer = flow.upstream.create(permit, &order).await;
    let end = |outcome, order_id: Option<String>, detail: Option<String>| {
        Some(AttemptEnd { id: attempt, at: flow.clock.now(), outcome, order_id, detail })
    };
    match answer {
        Ok(answer) => {
            let evidence = Some(flow.note(&answer.evidence));
            let order_id = answer.value.order_id.clone();
            let taken = match order_id.as_deref() {
                Some(order) => flow.ledger.find(order).await?.filter(|other| other.id != deposit.id),
                None => None,
            };
            let observation = match taken {
                Some(other) => Observation::Contradiction(format!(
                    "the upstream answered with an order that belongs to deposit {}",
                    other.id
                )),
                None => Observation::Wallet(answer.value),
            };
            let step = observe(flow, deposit, observation)?;
            // A wallet that contradicts what was asked is ours all the same: reconciliation will name it.
            let made = step.deposit.facts.wallet.is_some();
            let outcome = if made { AttemptOutcome::Wallet } else { AttemptOutcome::Unknown };
            let write = Write { evidence, attempt: end(outcome, order_id, None), ..Write::from(step) };
            decided(flow, turn, write).await
        }
        Err(
            upstream::Error::Refused { words, evidence, .. } | upstream::Error::Denied { words, evidence },
        ) => {
            tracing::warn!(deposit.id = %deposit.id, "the upstream refused a wallet: {words}");
            let evidence = Some(flow.note(&evidence));
            let step = observe(flow, deposit, Observation::Refused(words.clone()))?;
            let attempt = end(AttemptOutcome::Refused, None, Some(words));
            decided(flow, turn, Write { evidence, attempt, ..Write::from(step) }).await
        }
        Err(error) => {
            let outcome = match error {
                upstream::Error::NotTaken { .. } => AttemptOutcome::NotTaken,
                _ => AttemptOutcome::Unknown,
            };
            tracing::warn!(deposit.id = %deposit.id, attempt = tries.saturating_add(1), "no wallet yet: {error}");
            let order_id = error.order_id().map(str::to_owned);
            let attempt = end(outcome, order_id, Some(error.to_string()));
            later(flow, turn, deposit, tries, attempt).await
        }
    }
}

fn last_try(attempts: &[ledger::Attempt]) -> Timestamp {
    attempts.last().map_or_else(Timestamp::default, |last| last.ended_at.unwrap_or(last.started_at))
}

fn observe(flow: &Flow, deposit: Deposit, observation: Observation) -> ledger::Result<Step> {
    deposit
        .observe(observation, flow.clock.now(), &flow.settings.policy)
        .map_err(|error| ledger::Error::Unreadable(error.to_string()))
}

async fn decided(flow: &Flow, turn: Turn, write: Write) -> ledger::Result<Created> {
    flow.record(vec![Write { turn: Some(turn), ..write }]).await?;
    flow.wakers.advance.notify_one();
    Ok(Created::Decided)
}

/// Back into the queue: nothing has changed, but time must pass.
async fn later(
    flow: &Flow,
    turn: Turn,
    deposit: Deposit,
    tries: u32,
    attempt: Option<AttemptEnd>,
) -> ledger::Result<Created> {
    let at = flow.clock.now().plus(backoff(FIRST_WAIT, tries, CREATE_CEILING));
    let due = Some(Due { at, urgency: Urgency::Create });
    let step = Step { expected_version: deposit.version, deposit, events: Vec::new(), due };
    flow.record(vec![Write { attempt, turn: Some(turn), ..Write::from(step) }]).await?;
    Ok(Created::Later)
}

/// Says for as long as it lives that a deposit is being worked on.
struct Busy<'a> {
    flow: &'a Flow,
    id: DepositId,
}

impl<'a> Busy<'a> {
    fn new(flow: &'a Flow, id: DepositId) -> Self {
        flow.creating().insert(id);
        Self { flow, id }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.flow.creating().remove(&self.id);
    }
}
