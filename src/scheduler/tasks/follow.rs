//! The invoice list, while an open payment page or card payment is followed by it.

use std::time::Duration;

use crate::flow;
use crate::scheduler::task::{BACKSTOP, Task, TaskContext};

/// Reads the list every `polling.list_interval`.
#[derive(Default)]
pub(in crate::scheduler) struct Follow {
    /// When, by the monotonic clock, it is read next.
    next: Duration,
}

impl Task for Follow {
    const NAME: &'static str = "follow";
    const AT_START: bool = false;

    async fn round(&mut self, context: &TaskContext) {
        let flow = &context.flow;
        if flow.clock.monotonic() < self.next {
            return;
        }
        self.next = flow.clock.monotonic().saturating_add(flow.settings.policy.list_interval);
        match context.with_heartbeat(Self::NAME, flow::follow_list(flow)).await {
            Ok(round) => context.done(Self::NAME, &round),
            Err(error) => context.failed(Self::NAME, &error).await,
        }
    }

    async fn wait(&mut self, context: &TaskContext) -> bool {
        context.heartbeat(Self::NAME);
        let now = context.flow.clock.monotonic();
        let span = if self.next > now {
            self.next.saturating_sub(now)
        } else {
            context.flow.settings.policy.list_interval
        };
        context.pause(span.min(BACKSTOP)).await;
        !context.stop.is_cancelled()
    }
}
