//! Wallets for the requests that wait for one, many at a time.

use std::collections::HashSet;

use tokio::task::JoinSet;

use crate::domain::ids::DepositId;
use crate::flow::{self, Flow};
use crate::ledger::{self, LeasedDeposit};
use crate::scheduler::task::{Task, TaskContext};

/// The requests for which a wallet is asked at this moment.
#[derive(Default)]
pub(in crate::scheduler) struct Create {
    rounds: JoinSet<(DepositId, ledger::Result<flow::CreateOutcome>)>,
    busy: HashSet<DepositId>,
}

impl Task for Create {
    const NAME: &'static str = "create";

    async fn round(&mut self, context: &TaskContext) {
        let most = context.flow.settings.max_in_flight;
        let room = most.saturating_sub(self.rounds.len());
        if room == 0 || context.stop.is_cancelled() {
            return;
        }
        match waiting(&context.flow, room.saturating_add(self.busy.len())).await {
            Ok(waiting) => {
                for LeasedDeposit { entry, deposit, .. } in waiting {
                    if self.rounds.len() >= most || !self.busy.insert(deposit.id) {
                        continue;
                    }
                    let flow = context.flow.clone();
                    self.rounds
                        .spawn(async move { (deposit.id, flow::create(&flow, entry, *deposit).await) });
                }
                context.done(Self::NAME, &serde_json::json!({ "under_way": self.rounds.len() }));
            }
            Err(error) => context.failed(Self::NAME, &error).await,
        }
    }

    /// Until a round ends or another request waits. Once the daemon ends, until all rounds have.
    async fn wait(&mut self, context: &TaskContext) -> bool {
        let flow = &context.flow;
        let has_room = self.rounds.len() < flow.settings.max_in_flight;
        let due = match flow.ledger.next_due(true).await {
            Ok(due) if has_room => due.filter(|due| *due > flow.clock.now()),
            _ => None,
        };
        let stopping = context.stop.is_cancelled();
        tokio::select! {
            Some(joined) = self.rounds.join_next() => match joined {
                Ok((id, outcome)) => {
                    self.busy.remove(&id);
                    if let Err(error) = outcome {
                        context.failed(Self::NAME, &error).await;
                    }
                }
                Err(error) => {
                    tracing::error!("a round of create broke off: {error}");
                    // Which one is not known: all are read again from the ledger.
                    self.busy.clear();
                }
            },
            more = context.wait(&flow.wakers.create, due), if !stopping => {
                if !more && self.rounds.is_empty() {
                    return false;
                }
            }
            else => return false,
        }
        context.heartbeat(Self::NAME);
        true
    }
}

/// The deposits that wait for a wallet and are due.
async fn waiting(flow: &Flow, limit: usize) -> ledger::Result<Vec<LeasedDeposit>> {
    let entries = flow.ledger.entries_to_create(flow.clock.now(), &flow.policy(), limit).await?;
    flow.ledger.lease(&entries).await
}
