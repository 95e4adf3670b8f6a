//! Every owed webhook leaves when it is due.

use std::time::Duration;

use crate::flow;
use crate::ledger;
use crate::scheduler::task::{Task, TaskContext};

/// How often it is looked for what is owed to webhooks that are not configured any more.
const SWEEP: Duration = Duration::from_hours(1);

#[derive(Default)]
pub(in crate::scheduler) struct Webhooks {
    /// What an earlier process had put off was made due.
    begun: bool,
    swept: Option<Duration>,
}

impl Webhooks {
    /// What comes before the first delivery, and once an hour.
    async fn prepare(&mut self, context: &TaskContext) -> ledger::Result<()> {
        let flow = &context.flow;
        if !self.begun {
            // Whoever has mended something starts the daemon anew, and wants to see it work.
            flow.ledger.hasten_webhooks(None, flow.clock.now()).await?;
            self.begun = true;
        }
        let now = flow.clock.monotonic();
        if self.swept.is_none_or(|at| now.saturating_sub(at) >= SWEEP) {
            flow.give_up_unknown_webhooks().await?;
            self.swept = Some(now);
        }
        Ok(())
    }
}

impl Task for Webhooks {
    const NAME: &'static str = "webhooks";

    async fn round(&mut self, context: &TaskContext) {
        if let Err(error) = self.prepare(context).await {
            context.failed(Self::NAME, &error).await;
            return;
        }
        let run = flow::deliver_webhooks(&context.flow, &context.stop);
        match context.with_heartbeat(Self::NAME, run).await {
            Ok(done) => context.done(Self::NAME, &done),
            Err(error) => context.failed(Self::NAME, &error).await,
        }
    }

    async fn wait(&mut self, context: &TaskContext) -> bool {
        let due = match context.flow.replica.refusal() {
            // Nothing may leave: nothing is due before the replica confirms, which wakes this task.
            Some(_) => None,
            None => flow::next_webhook(&context.flow).await.unwrap_or_default(),
        };
        context.wait(&context.flow.wakers.webhooks, due).await && !context.stop.is_cancelled()
    }
}
