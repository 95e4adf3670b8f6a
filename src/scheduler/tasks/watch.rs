//! Whether the upstream is down, and whether the ledger is still the file that was opened.

use std::time::Duration;

use crate::flow;
use crate::scheduler::task::{Task, TaskContext};

/// How often the upstream's health is checked.
const UPSTREAM_EVERY: Duration = Duration::from_secs(1);
/// How often the ledger is proven to be the one that was opened.
const LEDGER_EVERY: Duration = Duration::from_secs(5);

/// Reports that the upstream is down, and that it is back.
pub(in crate::scheduler) struct UpstreamWatch {
    said_down: bool,
}

impl Default for UpstreamWatch {
    /// An earlier run of the daemon may have reported it.
    fn default() -> Self {
        Self { said_down: true }
    }
}

impl Task for UpstreamWatch {
    const NAME: &'static str = "upstream_watch";

    async fn round(&mut self, context: &TaskContext) {
        let failing = context.flow.upstream.health().failing_since.is_some();
        if failing || self.said_down {
            match flow::watch_upstream(&context.flow).await {
                Ok(down) => {
                    self.said_down = down;
                    context.done(Self::NAME, &serde_json::json!({ "down": down }));
                }
                Err(error) => context.failed(Self::NAME, &error).await,
            }
        }
        context.heartbeat(Self::NAME);
    }

    async fn wait(&mut self, context: &TaskContext) -> bool {
        context.pause(UPSTREAM_EVERY).await;
        !context.stop.is_cancelled()
    }
}

/// Proves the ledger, and warns of a log that has grown.
#[derive(Default)]
pub(in crate::scheduler) struct LedgerWatch {
    warned: bool,
}

impl Task for LedgerWatch {
    const NAME: &'static str = "ledger_watch";

    async fn round(&mut self, context: &TaskContext) {
        match context.flow.ledger.check().await {
            Ok(()) => context.done(Self::NAME, &serde_json::json!({})),
            Err(error) => context.failed(Self::NAME, &error).await,
        }
        let warning = context.flow.log_warning();
        if let Some(warning) = warning.as_ref().filter(|_| !self.warned) {
            tracing::warn!("{warning}");
        }
        self.warned = warning.is_some();
    }

    async fn wait(&mut self, context: &TaskContext) -> bool {
        context.pause(LEDGER_EVERY).await;
        !context.stop.is_cancelled()
    }
}
