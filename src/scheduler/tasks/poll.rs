//! Every deposit is polled when it is due.

use crate::flow;
use crate::scheduler::task::{Task, TaskContext};

pub(in crate::scheduler) struct Poll;

impl Task for Poll {
    /// The name that `/readyz` and the metrics have for it.
    const NAME: &'static str = "poll";

    async fn round(&mut self, context: &TaskContext) {
        match flow::poll_due(&context.flow, &context.stop).await {
            Ok(done) => context.done(Self::NAME, &done),
            Err(error) => context.failed(Self::NAME, &error).await,
        }
    }

    async fn wait(&mut self, context: &TaskContext) -> bool {
        let flow = &context.flow;
        let due = flow.ledger.next_due(false).await.unwrap_or_default();
        context.wait(&flow.wakers.poll, due).await && !context.stop.is_cancelled()
    }
}
