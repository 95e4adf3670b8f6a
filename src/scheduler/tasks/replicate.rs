//! The replica is asked as soon as anything waits for it, soon after every other change, and from time to time where there
//! are none.

use std::time::Duration;

use crate::clock::{Clock as _, SystemClock};
use crate::flow::{self, Confirmation};
use crate::scheduler::task::{Task, TaskContext};

/// How soon it is asked for changes that nothing waits for: real time, as all of these, whatever clock the books have.
const SOON: Duration = Duration::from_secs(1);
/// How often the replica is asked where nothing has changed.
const IDLE: Duration = Duration::from_secs(15);
/// How long it is left alone after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is looked whether a stand-by was promoted, while the replica confirms.
const SUCCESSOR: Duration = Duration::from_mins(1);

#[derive(Default)]
pub(in crate::scheduler) struct Replicate {
    /// What the replica has.
    asked: u64,
    /// When it was last looked for a promoted stand-by, on a clock of our own.
    looked_at: Option<Duration>,
    clock: SystemClock,
    silent: bool,
}

impl Task for Replicate {
    const NAME: &'static str = "replica";

    async fn round(&mut self, context: &TaskContext) {
        let flow = &context.flow;
        let ended = *flow.ledger.commits_ended().borrow();
        let now = self.clock.monotonic();
        let look = self.silent || self.looked_at.is_none_or(|at| now.saturating_sub(at) >= SUCCESSOR);
        let asking = context.with_heartbeat(Self::NAME, flow::confirm_replica(flow, look));
        // A daemon that stops does not wait for a store that hangs.
        let Some(found) = context.stop.run_until_cancelled(asking).await else { return };
        match found {
            Confirmation::Confirmed => {
                if look {
                    self.looked_at = Some(now);
                }
                (self.asked, self.silent) = (ended, false);
                context.done(Self::NAME, &serde_json::json!({ "confirmed": ended }));
            }
            Confirmation::Silent(why) => {
                if !self.silent && flow.replica.is_required() {
                    tracing::error!("nothing leaves until the replica confirms: {why}");
                } else if !self.silent {
                    tracing::warn!("the replica does not confirm: {why}");
                }
                self.silent = true;
                context.status.failed(Self::NAME, flow.clock.now(), why);
                context.heartbeat(Self::NAME);
            }
            Confirmation::Superseded(superseded) => {
                context.status.failed(Self::NAME, flow.clock.now(), superseded.to_string());
                context.fatal.send_replace(Some(superseded.to_string()));
                self.silent = true;
            }
        }
    }

    async fn wait(&mut self, context: &TaskContext) -> bool {
        let mut ended = context.flow.ledger.commits_ended();
        let asked = self.asked;
        let changed = async {
            // The sender lives as long as the ledger.
            let _ = ended.wait_for(|ended| *ended > asked).await;
            self.clock.sleep(SOON).await;
        };
        let more = async {
            if self.silent {
                self.clock.sleep(PAUSE).await;
                return;
            }
            tokio::select! {
                () = context.flow.replica.awaited_after(asked) => {}
                () = changed => {}
                () = self.clock.sleep(IDLE) => {}
            }
        };
        tokio::select! {
            biased;
            () = context.stop.cancelled() => {
                context.flow.replica.close();
                false
            }
            () = more => true,
        }
    }
}
