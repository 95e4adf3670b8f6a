//! Every owed letter leaves when it is due.

use crate::flow;
use crate::scheduler::task::{Task, TaskContext};

#[derive(Default)]
pub(in crate::scheduler) struct Deliver {
    /// How often in a row no letter could leave.
    failures: u32,
    /// What an earlier process had put off was made due.
    begun: bool,
}

impl Task for Deliver {
    const NAME: &'static str = "deliver";

    async fn round(&mut self, context: &TaskContext) {
        let flow = &context.flow;
        // Whoever has mended something starts the daemon anew, and wants to see it work.
        if !self.begun {
            match flow.ledger.hasten_mails(flow.clock.now()).await {
                Ok(_) => self.begun = true,
                Err(error) => {
                    context.failed(Self::NAME, &error).await;
                    return;
                }
            }
        }
        let run = flow::deliver(flow, self.failures, &context.stop);
        match context.with_heartbeat(Self::NAME, run).await {
            Ok(done) => {
                if let Some(why) = &done.unreachable {
                    if self.failures == 0 {
                        tracing::error!("mail cannot leave, it is kept and tried again: {why}");
                    }
                    self.failures = if done.sent > 0 { 1 } else { self.failures.saturating_add(1) };
                    let why = format!("mail cannot leave: {why}");
                    context.status.failed(Self::NAME, flow.clock.now(), why);
                } else {
                    if self.failures > 0 && done.sent > 0 {
                        tracing::info!("mail leaves again");
                    }
                    if self.failures == 0 || done.sent > 0 {
                        self.failures = 0;
                        context.done(Self::NAME, &done);
                    }
                }
                context.heartbeat(Self::NAME);
            }
            Err(error) => context.failed(Self::NAME, &error).await,
        }
    }

    async fn wait(&mut self, context: &TaskContext) -> bool {
        let flow = &context.flow;
        let due = match flow.replica.refusal() {
            // Nothing may leave: nothing is due before the replica confirms, which wakes this task.
            Some(_) => None,
            None => flow.ledger.next_mail().await.unwrap_or_default(),
        };
        context.wait(&flow.wakers.deliver, due).await && !context.stop.is_cancelled()
    }
}
