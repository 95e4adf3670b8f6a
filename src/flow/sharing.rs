//! Orders and addresses that two deposits have: they belong to the deposit that was shown them first. Both are flagged.

use super::Flow;
use crate::domain::deposit::Deposit;
use crate::domain::event::Step;
use crate::domain::observe::Observation;
use crate::domain::poll;
use crate::domain::report::OrderReport;
use crate::ledger::{self, DepositWrite, Recorded};

/// The observation of a new wallet for its deposit, and those for other deposits that it casts doubt on.
pub(super) struct Doubts {
    /// For the deposit whose wallet it is.
    pub observation: Observation,
    /// For those that have its order or its address already.
    pub others: Vec<(Deposit, Observation)>,
}

/// Judges the answer with the wallet of `deposit`. The caller holds `flow.deciding`.
pub(super) async fn doubts(
    flow: &Flow,
    deposit: &Deposit,
    report: Box<OrderReport>,
) -> ledger::Result<Doubts> {
    let id = deposit.id;
    let holder = match report.order_id.as_deref() {
        Some(order) => flow.ledger.find_order(order).await?.filter(|other| other.id != id),
        None => None,
    };
    if let Some(other) = holder {
        let why = format!("the upstream answered with an order that belongs to deposit {}", other.id);
        let reason = format!("the upstream gave the order of this deposit to deposit {id}, too");
        let others = vec![(other, Observation::Contradiction(reason))];
        return Ok(Doubts { observation: Observation::Contradiction(why), others });
    }
    let linked = match report.url.as_deref().filter(|_| deposit.request.asset().is_none()) {
        Some(url) => flow.ledger.find_link(url).await?.filter(|other| other.id != id),
        None => None,
    };
    if let Some(other) = linked {
        let why = format!("the upstream answered with a link that belongs to deposit {}", other.id);
        let reason = format!("do not pay: the upstream gave the link of this deposit to deposit {id}, too");
        let others = vec![(other, Observation::Contradiction(reason))];
        return Ok(Doubts { observation: Observation::Contradiction(why), others });
    }
    let others = sharing(flow, deposit, &report).await?;
    let Some(first) = others.last() else {
        return Ok(Doubts { observation: Observation::Wallet(report), others: Vec::new() });
    };
    let reason = format!("the address is not shown, do not pay: deposit {} has the same address", first.id);
    let shared = format!("the upstream gave the address of this deposit to deposit {id}, too");
    let flag = |other| (other, Observation::AddressShared(shared.clone()));
    let others = others.into_iter().map(flag).collect();
    Ok(Doubts { observation: Observation::SharedWallet { report, reason }, others })
}

/// The open or watched deposits that have this answer's address, the oldest last.
async fn sharing(flow: &Flow, deposit: &Deposit, report: &OrderReport) -> ledger::Result<Vec<Deposit>> {
    let Some(address) = report.address.as_deref() else { return Ok(Vec::new()) };
    let (now, policy) = (flow.clock.now(), flow.policy());
    let mut others = flow.ledger.holders_of(address).await?;
    others.retain(|other| {
        other.id != deposit.id
            && other.shares_address(address, report.memo.as_deref())
            && poll::next_poll(other, now, report.answered_at, &policy).is_some()
    });
    Ok(others)
}

/// Writes what the answer makes of its deposit, and of others that it casts doubt on: all in one transaction, as far as
/// nobody else changed the others meanwhile.
pub(super) async fn record(
    flow: &Flow,
    write: DepositWrite,
    others: Vec<(Deposit, Observation)>,
) -> ledger::Result<Recorded> {
    let mut writes = vec![write];
    for (other, observation) in &others {
        writes.push(DepositWrite::from(observe(flow, other.clone(), observation.clone())?));
    }
    let mut recorded = flow.record(writes).await?.into_iter();
    let first = recorded.next().unwrap_or(Recorded::Conflict);
    for ((other, observation), mut written) in others.into_iter().zip(recorded) {
        while written == Recorded::Conflict {
            let Some(now) = flow.ledger.find(&other.id.to_string()).await? else { break };
            let step = observe(flow, now, observation.clone())?;
            let recorded = flow.record(vec![DepositWrite::from(step)]).await?;
            written = recorded.into_iter().next().unwrap_or(Recorded::Written);
        }
    }
    Ok(first)
}

/// The step that `observation` makes of `deposit` now.
pub(super) fn observe(flow: &Flow, deposit: Deposit, observation: Observation) -> ledger::Result<Step> {
    deposit
        .observe(observation, flow.clock.now(), &flow.policy())
        .map_err(|error| ledger::Error::Unreadable(error.to_string()))
}
