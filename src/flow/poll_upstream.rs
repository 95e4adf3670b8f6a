//! One poll of one deposit, and the step that its answer leads to.

use std::time::Duration;

use super::Flow;
use crate::domain::deposit::Deposit;
use crate::domain::method::Method;
use crate::domain::observe::Observation;
use crate::domain::poll::{self, Due, Policy, Urgency};
use crate::domain::report::OrderReport;
use crate::domain::time::Timestamp;
use crate::ledger::{self, DepositWrite, ResponseFingerprint};
use crate::upstream::{self, Priority};

/// How long a final state that got no answer at the end of its watch waits for the next.
const RARELY: Duration = Duration::from_hours(12);
/// What a poll has brought.
pub(super) enum Observed {
    /// Nothing new, or no readable answer at all; when to poll again.
    Unchanged { due: Option<Due>, fingerprint: Option<ResponseFingerprint>, answered: bool },
    /// Something that has to be worked out.
    Polled(Observation, upstream::Evidence),
}

/// Polls one deposit; `fingerprint` is that of its last response. `None` for a deposit without an order.
#[tracing::instrument(name = "deposit.poll", level = "debug", skip_all, fields(deposit.id = %deposit.id))]
pub(super) async fn poll_upstream(
    flow: &Flow,
    deposit: &Deposit,
    fingerprint: Option<ResponseFingerprint>,
    permit: upstream::Permit,
) -> Option<Observed> {
    let order_id = deposit.facts.wallet.as_ref()?.asked_by()?;
    let policy = &flow.policy();
    let mut due = None;
    let spared = |body: &[u8], answered_at| {
        if fingerprint.as_ref().is_some_and(|fingerprint| fingerprint.is(body)) {
            due = deposit.next_after_same_response(answered_at, flow.clock.now(), policy);
        }
        due.is_some()
    };
    let answer = flow.upstream.poll_unless(permit, order_id, spared).await;
    let now = flow.clock.now();
    let (observation, evidence) = match answer {
        Ok(upstream::Answer { value: None, .. }) => {
            flow.troubles().read(deposit.id);
            return Some(Observed::Unchanged { due: due.flatten(), fingerprint, answered: true });
        }
        Ok(upstream::Answer { value: Some(report), evidence, .. }) => {
            if let Some(why) = deposit.unnamed_answer(&report) {
                return Some(flow.trouble_of(
                    deposit,
                    why.to_owned(),
                    evidence,
                    fingerprint,
                    Observation::Unreadable,
                ));
            }
            flow.troubles().read(deposit.id);
            if let Some(due) = deposit.next_after_unchanged_poll(&report, now, policy) {
                return Some(Observed::Unchanged {
                    due,
                    fingerprint: evidence.whole().map(ResponseFingerprint::new),
                    answered: true,
                });
            }
            (own_or_contradiction(flow, deposit, report).await, evidence)
        }
        Err(upstream::Error::UnknownOrder { words, evidence }) => {
            tracing::debug!("the upstream does not know this order: {words}");
            // It need not know payment pages at all: that is nobody's trouble (docs/contract.md, section 6).
            if deposit.request.method() == Method::Page && !deposit.facts.named {
                return Some(Observed::Polled(Observation::UnknownOrder(words), evidence));
            }
            return Some(flow.trouble_of(deposit, words, evidence, fingerprint, Observation::UnknownOrder));
        }
        Err(
            upstream::Error::Unknown { words, evidence, .. }
            | upstream::Error::Unreadable { words, evidence, .. },
        ) if is_about_the_order(&evidence) => {
            tracing::debug!("an answer cannot be read: {words}");
            return Some(flow.trouble_of(deposit, words, evidence, fingerprint, Observation::Unreadable));
        }
        Err(error) => {
            // Silence never moves money: it is polled again when it is due.
            tracing::debug!("no readable answer: {error}");
            return Some(Observed::Unchanged {
                due: due_in_silence(deposit, now, policy),
                fingerprint,
                answered: false,
            });
        }
    };
    Some(Observed::Polled(observation, evidence))
}

/// The answer; of a payment page that it names an order for, only where no other deposit has that order.
async fn own_or_contradiction(flow: &Flow, deposit: &Deposit, report: Box<OrderReport>) -> Observation {
    let unnamed = deposit.facts.wallet.as_ref().is_some_and(|wallet| wallet.order_id.is_none());
    let order = report.order_id.as_deref().filter(|_| unnamed);
    let other = match order {
        Some(order) => flow.ledger.find_order(order).await.ok().flatten(),
        None => None,
    };
    match other {
        Some(other) => {
            let why = format!("the upstream says that its order is that of deposit {}", other.id);
            Observation::Contradiction(why)
        }
        None => Observation::Polled(report),
    }
}

/// When to poll again after no answer: the watch of a final state does not end without one.
fn due_in_silence(deposit: &Deposit, now: Timestamp, policy: &Policy) -> Option<Due> {
    let rarely =
        || deposit.facts.wallet.is_some().then(|| Due { at: now.plus(RARELY), urgency: Urgency::Watch });
    poll::next_poll(deposit, now, None, policy).or_else(rarely)
}

impl Flow {
    /// An answer that cannot be read is this deposit's own trouble where other polls could be read since it began. Else
    /// it is the upstream's trouble, and flags no deposit.
    fn trouble_of(
        &self,
        deposit: &Deposit,
        words: String,
        evidence: upstream::Evidence,
        fingerprint: Option<ResponseFingerprint>,
        observation: impl FnOnce(String) -> Observation,
    ) -> Observed {
        if self.troubles().is_its_own(deposit.id) {
            return Observed::Polled(observation(words), evidence);
        }
        tracing::debug!("no readable answer: {words}");
        let due = poll::next_poll(deposit, self.clock.now(), None, &self.policy());
        Observed::Unchanged { due, fingerprint, answered: false }
    }
}

/// What `observation` makes of the deposit, ready to be written.
pub(super) fn work_out(
    flow: &Flow,
    deposit: Deposit,
    observation: Observation,
    evidence: &upstream::Evidence,
) -> Option<DepositWrite> {
    match deposit.observe(observation, flow.clock.now(), &flow.policy()) {
        Ok(step) => {
            let evidence = (!step.events.is_empty()).then(|| flow.note(evidence));
            Some(DepositWrite { evidence, ..DepositWrite::from(step) })
        }
        Err(error) => {
            tracing::error!("a poll could not be observed: {error}");
            None
        }
    }
}

/// True for an answer in the upstream's own envelope that says ok: it is about this order, and no outage. Whatever else
/// is in it may be any JSON at all, numbers and depths that cannot be read included.
fn is_about_the_order(evidence: &upstream::Evidence) -> bool {
    #[derive(serde::Deserialize)]
    struct Envelope {
        ok: bool,
    }
    let ok = |text: String| serde_json::from_str::<Envelope>(&text).is_ok_and(|envelope| envelope.ok);
    evidence.http_status == Some(200) && ok(evidence.text())
}

/// Polls one deposit now, whenever it is due; gives whether the upstream answered about it.
pub(super) async fn poll_now(flow: &Flow, deposit: Deposit) -> ledger::Result<bool> {
    let permit = flow.upstream.admit(Priority::Reconcile).await;
    match poll_upstream(flow, &deposit, None, permit).await {
        Some(Observed::Polled(observation, evidence)) => {
            if let Some(write) = work_out(flow, deposit, observation, &evidence) {
                flow.record(vec![write]).await?;
            }
            Ok(true)
        }
        Some(Observed::Unchanged { answered, .. }) => Ok(answered),
        None => Ok(false),
    }
}
