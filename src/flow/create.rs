//! Creates wallets, and links to pay by: first the intent is stored, then one attempt is made. A lost answer is followed by
//! another attempt; the order that the first one may have made was shown to nobody, and belongs to no deposit.

use std::time::Duration;

use super::context::backoff;
use super::sharing::observe;
use super::{Flow, sharing};
use crate::domain::deposit::Deposit;
use crate::domain::event::Step;
use crate::domain::method::Method;
use crate::domain::observe::Observation;
use crate::domain::poll::{CREATE_CEILING, Due, Urgency};
use crate::domain::report::OrderReport;
use crate::ledger::{self, AttemptEnd, AttemptOutcome, DepositWrite, EvidenceNote, QueueEntry};
use crate::upstream::{self, NewOrder, Permit, Priority};

/// How one round for one deposit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateOutcome {
    /// It has a wallet, or was refused, or is given up.
    Decided,
    /// Not yet; it is in the queue again.
    Later,
}

/// The first wait before a deposit's next round; then doubling.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// One round for one deposit: one attempt at most.
///
/// # Errors
/// Whatever the ledger says; the deposit stays in the queue.
#[tracing::instrument(name = "deposit.create", skip_all, fields(deposit.id = %deposit.id))]
pub async fn create(flow: &Flow, entry: QueueEntry, deposit: Deposit) -> ledger::Result<CreateOutcome> {
    let attempts = flow.ledger.attempts_of(deposit.id).await?;
    let tries = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
    let waited = flow.clock.now().since(deposit.request.requested_at);
    let left = flow.settings.request_limit.saturating_sub(waited);
    if left.is_zero() {
        return give_up(flow, entry, deposit).await;
    }
    let counted = attempts.iter().filter(|attempt| attempt.counts()).count();
    if counted >= usize::try_from(flow.settings.create_attempts).unwrap_or(usize::MAX) {
        let step = observe(flow, deposit, Observation::OutOfAttempts)?;
        return decided(flow, entry, DepositWrite::from(step)).await;
    }
    if !may_be_asked_for(flow, deposit.request.method()).await? {
        return later(flow, entry, deposit, tries, None).await;
    }
    // The request waits while the upstream is down, up to its limit, and no attempt is used up meanwhile.
    let permit = tokio::select! {
        biased;
        permit = admitted(flow) => permit,
        () = flow.clock.sleep(left) => return give_up(flow, entry, deposit).await,
    };
    let Some(permit) = permit else { return later(flow, entry, deposit, tries, None).await };
    // The intent is on disk, and in the replica, before the upstream is called.
    let attempt = flow.ledger.begin_attempt(deposit.id, flow.clock.now()).await?;
    if let Err(silent) = flow.replica.pass(flow.replica.mark()).await {
        tracing::warn!("a wallet is not asked for yet: {silent}");
        let (at, outcome) = (flow.clock.now(), AttemptOutcome::NotTaken);
        let end = AttemptEnd { id: attempt, at, outcome, order_id: None, detail: Some(silent.to_string()) };
        return later(flow, entry, deposit, tries, Some(end)).await;
    }
    let request = &deposit.request;
    let order =
        NewOrder { paid_by: request.paid_by, amount: &request.amount, coupon: request.coupon.as_deref() };
    let answer = flow.upstream.create(permit, &order).await;
    let end = |outcome, order_id: Option<String>, detail: Option<String>| {
        Some(AttemptEnd { id: attempt, at: flow.clock.now(), outcome, order_id, detail })
    };
    match answer {
        Ok(answer) => {
            let evidence = flow.note(&answer.evidence);
            take_answer(flow, entry, deposit, answer.value, evidence, attempt).await
        }
        Err(error) if is_denied(&error) && !account_answers(flow).await => {
            tracing::warn!("the upstream refuses the account, the request waits: {error}");
            let attempt = end(AttemptOutcome::NotTaken, None, Some(error.to_string()));
            later(flow, entry, deposit, tries, attempt).await
        }
        Err(
            upstream::Error::Refused { words, evidence, .. } | upstream::Error::Denied { words, evidence },
        ) => {
            tracing::warn!("the upstream refused a wallet: {words}");
            let evidence = Some(flow.note(&evidence));
            let step = observe(flow, deposit, Observation::Refused(words.clone()))?;
            let attempt = end(AttemptOutcome::Refused, None, Some(words));
            decided(flow, entry, DepositWrite { evidence, attempt, ..DepositWrite::from(step) }).await
        }
        Err(error) => {
            let outcome = match error {
                upstream::Error::NotTaken { .. } => AttemptOutcome::NotTaken,
                _ => AttemptOutcome::Unknown,
            };
            tracing::warn!(attempt = tries.saturating_add(1), "no wallet yet: {error}");
            // An order that a broken answer named is stored as information, and shown to nobody.
            let order_id = error.order_id().map(str::to_owned);
            let attempt = end(outcome, order_id, Some(error.to_string()));
            later(flow, entry, deposit, tries, attempt).await
        }
    }
}

/// False while the replica is silent, and for links while a person should look.
async fn may_be_asked_for(flow: &Flow, method: Method) -> ledger::Result<bool> {
    if let Some(silent) = flow.replica.refusal() {
        tracing::debug!("a wallet is not asked for yet: {silent}");
        return Ok(false);
    }
    Ok(method == Method::Wallet || links_may_be_asked_for(flow).await?)
}

/// False while a person should look at what the upstream counts links in, or where that is not set any more.
async fn links_may_be_asked_for(flow: &Flow) -> ledger::Result<bool> {
    if flow.settings.page_amount.is_none() {
        tracing::warn!("a payment page or a card payment waits: upstream.page_amount is not set");
        return Ok(false);
    }
    let stopping = flow.ledger.stopping_link().await?;
    if let Some(stopping) = &stopping {
        tracing::warn!(
            "a payment page or a card payment waits: a person must look at deposit {stopping} first"
        );
    }
    Ok(stopping.is_none())
}

/// Asks for the balance once, so that a refused account is known at the start and not at the first request.
pub async fn probe_account(flow: &Flow) {
    if let Err(error) = ask_balance(flow).await {
        tracing::warn!("the upstream does not give this account's balance: {error}");
    }
}

/// The permit to create a wallet; `None` while the upstream does not answer. A request during an outage could be
/// carried out although its answer is lost, so the balance is asked for first.
async fn admitted(flow: &Flow) -> Option<Permit> {
    if flow.upstream.health().failing_since.is_some() && ask_balance(flow).await.is_err() {
        return None;
    }
    Some(flow.upstream.admit(Priority::Create).await)
}

async fn ask_balance(flow: &Flow) -> Result<(), upstream::Error> {
    let permit = flow.upstream.admit(Priority::Create).await;
    flow.upstream.balance(permit).await.map(|_| ())
}

/// True where the answer may be about the account and not about this request.
fn is_denied(error: &upstream::Error) -> bool {
    matches!(error, upstream::Error::Denied { .. } | upstream::Error::Refused { http_status: 401 | 403, .. })
}

/// True where other calls of the account are accepted. Where that is not known now, the request waits as well.
async fn account_answers(flow: &Flow) -> bool {
    ask_balance(flow).await.is_ok()
}

/// An answer with an order and an address, or with a link: whatever else it says, nothing more is asked for.
async fn take_answer(
    flow: &Flow,
    entry: QueueEntry,
    deposit: Deposit,
    report: Box<OrderReport>,
    evidence: EvidenceNote,
    attempt: i64,
) -> ledger::Result<CreateOutcome> {
    // Two answers that bear one order or one address are decided one after the other.
    let _alone = flow.deciding.lock().await;
    let order_id = report.order_id.clone();
    let doubts = sharing::doubts(flow, &deposit, report).await?;
    let step = observe(flow, deposit, doubts.observation)?;
    let made = step.deposit.facts.wallet.is_some();
    let outcome = if made { AttemptOutcome::Wallet } else { AttemptOutcome::Unknown };
    let end = AttemptEnd { id: attempt, at: flow.clock.now(), outcome, order_id, detail: None };
    let write = DepositWrite {
        evidence: Some(evidence),
        attempt: Some(end),
        entry: Some(entry),
        ..DepositWrite::from(step)
    };
    sharing::record(flow, write, doubts.others).await?;
    flow.wakers.poll.notify_one();
    Ok(CreateOutcome::Decided)
}

/// The request has reached its time limit: no address was shown to anybody.
async fn give_up(flow: &Flow, entry: QueueEntry, deposit: Deposit) -> ledger::Result<CreateOutcome> {
    let minutes = flow.settings.request_limit.as_secs().div_euclid(60);
    let why = format!("there was no wallet within {minutes} min, and nobody was shown an address; ask anew");
    let step = observe(flow, deposit, Observation::GivenUp(why))?;
    decided(flow, entry, DepositWrite::from(step)).await
}

async fn decided(flow: &Flow, entry: QueueEntry, write: DepositWrite) -> ledger::Result<CreateOutcome> {
    flow.record(vec![DepositWrite { entry: Some(entry), ..write }]).await?;
    flow.wakers.poll.notify_one();
    Ok(CreateOutcome::Decided)
}

/// Back into the queue: nothing has changed, but time must pass.
async fn later(
    flow: &Flow,
    entry: QueueEntry,
    deposit: Deposit,
    tries: u32,
    attempt: Option<AttemptEnd>,
) -> ledger::Result<CreateOutcome> {
    let end = deposit.request.requested_at.plus(flow.settings.request_limit);
    let next = flow.clock.now().plus(backoff(FIRST_WAIT, tries, CREATE_CEILING));
    let due = Some(Due { at: next.min(end.max(flow.clock.now())), urgency: Urgency::Create });
    let step = Step { expected_version: deposit.version, deposit, events: Vec::new(), due };
    flow.record(vec![DepositWrite { attempt, entry: Some(entry), ..DepositWrite::from(step) }]).await?;
    Ok(CreateOutcome::Later)
}
