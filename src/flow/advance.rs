//! Looking at what is due: most urgent first, a bounded number at once, quiet looks written back in groups.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Flow;
use crate::domain::deposit::Deposit;
use crate::domain::event::Step;
use crate::domain::ids::DepositId;
use crate::domain::observe::Observation;
use crate::domain::poll;
use crate::ledger::{self, Recorded, Write};
use crate::upstream::{self, Priority};

/// The most looks that are written in one transaction.
const GROUP: usize = 256;

/// How often a run that waits for the upstream shows that it is alive.
const BEAT: Duration = Duration::from_secs(5);

/// What a run over the queue did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Advanced {
    /// Successful looks.
    pub looked: u64,
    /// Looks that changed a deposit.
    pub moved: u64,
    /// Looks without a readable answer.
    pub failed: u64,
    /// Looks at a deposit that had changed meanwhile.
    pub conflicts: u64,
}

/// A look that is done: what to write, and whether the upstream answered.
struct Look {
    write: Write,
    answered: bool,
}

/// Looks at everything that is due, until nothing is or `stop` is asked for. Looks under way are finished first.
///
/// # Errors
/// Whatever the ledger says; what was not written is due still.
pub async fn advance(flow: &Flow, stop: &CancellationToken) -> ledger::Result<Advanced> {
    let mut done = Advanced::default();
    let mut looks: JoinSet<Option<Look>> = JoinSet::new();
    let mut busy: HashSet<DepositId> = HashSet::new();
    let mut ready: VecDeque<Deposit> = VecDeque::new();
    loop {
        if ready.is_empty() && !stop.is_cancelled() {
            let already = u32::try_from(busy.len()).unwrap_or(u32::MAX);
            let limit = flow.settings.look_batch.saturating_add(already);
            let due = flow.ledger.due(flow.clock.now(), limit).await?;
            ready.extend(due.into_iter().filter(|deposit| !busy.contains(&deposit.id)));
        }
        while looks.len() < flow.settings.max_in_flight && !stop.is_cancelled() {
            let Some(deposit) = ready.pop_front() else { break };
            busy.insert(deposit.id);
            looks.spawn(look(flow.clone(), deposit, stop.clone()));
        }
        let first = tokio::select! {
            joined = looks.join_next() => joined,
            // A slow upstream is no standstill of ours.
            () = flow.clock.sleep(BEAT) => {
                flow.pulse.beat("advance", &flow.clock);
                continue;
            }
        };
        flow.pulse.beat("advance", &flow.clock);
        let Some(first) = first else { return Ok(done) };
        let mut writes = Vec::with_capacity(GROUP);
        let mut next = Some(first);
        while let Some(joined) = next {
            // A look that panicked or was given up wrote nothing: it is due still.
            if let Ok(Some(look)) = joined {
                count(&mut done, &look);
                writes.push(look.write);
            }
            next = if writes.len() < GROUP { looks.try_join_next() } else { None };
        }
        let ids: Vec<DepositId> = writes.iter().map(|write| write.step.deposit.id).collect();
        let recorded = flow.record(writes).await?;
        let conflicts = recorded.iter().filter(|outcome| **outcome == Recorded::Conflict).count();
        done.conflicts = done.conflicts.saturating_add(u64::try_from(conflicts).unwrap_or(0));
        for id in ids {
            busy.remove(&id);
        }
    }
}

fn count(done: &mut Advanced, look: &Look) {
    if look.answered {
        done.looked = done.looked.saturating_add(1);
    } else {
        done.failed = done.failed.saturating_add(1);
    }
    if !look.write.step.events.is_empty() {
        done.moved = done.moved.saturating_add(1);
    }
}

/// One look; `None` where it was given up before anything was asked.
async fn look(flow: Flow, deposit: Deposit, stop: CancellationToken) -> Option<Look> {
    let permit = tokio::select! {
        biased;
        () = stop.cancelled() => return None,
        permit = flow.upstream.admit(Priority::Look) => permit,
    };
    observe(&flow, deposit, permit).await
}

async fn observe(flow: &Flow, deposit: Deposit, permit: upstream::Permit) -> Option<Look> {
    let order_id = deposit.facts.wallet.as_ref().map(|wallet| wallet.order_id.clone())?;
    let answer = flow.upstream.look(permit, &order_id).await;
    let now = flow.clock.now();
    let (observation, evidence) = match answer {
        Ok(answer) => (Observation::Looked(Box::new(answer.value)), answer.evidence),
        Err(upstream::Error::UnknownOrder { words, evidence }) => {
            tracing::warn!(deposit.id = %deposit.id, "the upstream does not know this order: {words}");
            (Observation::UnknownOrder(words), evidence)
        }
        Err(error) => {
            // Silence never moves money: it is looked at again in its turn.
            tracing::debug!(deposit.id = %deposit.id, "no readable answer: {error}");
            let due = poll::next_look(&deposit, now, &flow.settings.policy);
            let step = Step { expected_version: deposit.version, deposit, events: Vec::new(), due };
            return Some(Look { write: Write::from(step), answered: false });
        }
    };
    match deposit.observe(observation, now, &flow.settings.policy) {
        Ok(step) => {
            let evidence = (!step.events.is_empty()).then(|| flow.note(&evidence));
            Some(Look { write: Write { evidence, ..Write::from(step) }, answered: true })
        }
        Err(error) => {
            tracing::error!("a look could not be observed: {error}");
            None
        }
    }
}

/// Looks at one deposit now, outside its turn; gives what it is afterwards.
pub(super) async fn look_now(flow: &Flow, deposit: Deposit) -> ledger::Result<()> {
    let permit = flow.upstream.admit(Priority::Reconcile).await;
    if let Some(look) = observe(flow, deposit, permit).await {
        flow.record(vec![look.write]).await?;
    }
    Ok(())
}
