//! The tasks with a schedule: reconciliation, the digest, backups of the ledger.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::domain::event::EventName;
use crate::domain::time::Timestamp;
use crate::flow;
use crate::scheduler::cron::{GRACE, Schedule};
use crate::scheduler::task::{BACKSTOP, Task, TaskContext};

/// Scheduled copies.
#[derive(Debug, Clone)]
pub struct BackupPlan {
    /// Where to.
    pub directory: PathBuf,
    /// When.
    pub schedule: Schedule,
    /// How many are kept.
    pub keep: usize,
}

/// A schedule and the waker that cron notifies.
pub(in crate::scheduler) struct Timetable {
    schedule: Schedule,
    waker: Arc<Notify>,
    /// The last run, or the start of the daemon where none was missed.
    since: Option<Timestamp>,
}

impl Timetable {
    /// A schedule, with `waker` to wake it as well.
    pub(in crate::scheduler) const fn new(waker: Arc<Notify>, schedule: Schedule) -> Self {
        Self { schedule, waker, since: None }
    }

    /// Waits for the schedule's next moment after `since`, cron or no cron; false when the daemon ends.
    async fn next(&self, context: &TaskContext, task: &'static str, since: Timestamp) -> bool {
        loop {
            context.heartbeat(task);
            let clock = &context.flow.clock;
            let due = self.schedule.next_after(since).map(|due| due.plus(GRACE));
            let now = clock.now();
            if due.is_some_and(|due| due <= now) {
                return !context.stop.is_cancelled();
            }
            let span = due.map_or(BACKSTOP, |due| due.since(now).min(BACKSTOP));
            tokio::select! {
                biased;
                () = context.stop.cancelled() => return false,
                () = self.waker.notified() => return true,
                () = clock.sleep(span) => {}
            }
        }
    }
}

/// The reconciliation.
pub(in crate::scheduler) struct Reconcile(pub(in crate::scheduler) Timetable);

impl Task for Reconcile {
    const NAME: &'static str = "reconcile";
    const AT_START: bool = false;

    async fn round(&mut self, context: &TaskContext) {
        let flow = &context.flow;
        self.0.since = Some(flow.clock.now());
        match context.with_heartbeat(Self::NAME, flow::reconcile(flow)).await {
            Ok(report) => {
                let cases = report.cases.len();
                context.done(Self::NAME, &serde_json::json!({ "open_cases": cases }));
            }
            Err(flow::ReconcileFailed::Incomplete(why)) => {
                context.status.failed(Self::NAME, flow.clock.now(), why);
            }
            Err(flow::ReconcileFailed::Ledger(error)) => context.failed(Self::NAME, &error).await,
        }
    }

    /// A run that was missed while the daemon was down is made up for; before the first one nothing was missed.
    async fn wait(&mut self, context: &TaskContext) -> bool {
        let since = match self.0.since {
            Some(since) => since,
            None => match context.flow.ledger.last_good_run().await {
                Ok(Some(run)) => run.at,
                _ => context.flow.clock.now(),
            },
        };
        self.0.next(context, Self::NAME, since).await
    }
}

/// The digest.
pub(in crate::scheduler) struct Digest(pub(in crate::scheduler) Timetable);

impl Task for Digest {
    const NAME: &'static str = "digest";
    const AT_START: bool = false;

    async fn round(&mut self, context: &TaskContext) {
        self.0.since = Some(context.flow.clock.now());
        match flow::digest(&context.flow).await {
            Ok(()) => context.done(Self::NAME, &serde_json::json!({})),
            Err(error) => context.failed(Self::NAME, &error).await,
        }
    }

    /// A digest that was missed while the daemon was down is made up for: a missing one is an alarm.
    async fn wait(&mut self, context: &TaskContext) -> bool {
        let since = match self.0.since {
            Some(since) => since,
            None => match context.flow.ledger.last_of(&[EventName::Digest]).await {
                Ok(Some(last)) => Timestamp::parse(&last.at).unwrap_or_else(|_| context.flow.clock.now()),
                _ => context.flow.clock.now(),
            },
        };
        self.0.next(context, Self::NAME, since).await
    }
}

/// The replica, restored for a trial.
pub(in crate::scheduler) struct Drill(pub(in crate::scheduler) Timetable);

impl Task for Drill {
    const NAME: &'static str = "drill";
    const AT_START: bool = false;

    async fn round(&mut self, context: &TaskContext) {
        self.0.since = Some(context.flow.clock.now());
        let trial = context.with_heartbeat(Self::NAME, flow::run_drill(&context.flow));
        let Some(ended) = context.stop.run_until_cancelled(trial).await else { return };
        match ended {
            Ok(Some(report)) if !report.ok => {
                context.status.failed(Self::NAME, context.flow.clock.now(), report.findings.join("; "));
            }
            Ok(report) => context.done(Self::NAME, &report),
            Err(error) => context.failed(Self::NAME, &error).await,
        }
    }

    /// A drill that was missed while the daemon was down is made up for.
    async fn wait(&mut self, context: &TaskContext) -> bool {
        let since = match self.0.since {
            Some(since) => since,
            None => match flow::drilled(&context.flow).await {
                Ok(Some(last)) => last.report.at,
                _ => context.flow.clock.now(),
            },
        };
        self.0.next(context, Self::NAME, since).await
    }
}

/// Copies of the ledger.
pub(in crate::scheduler) struct Backup {
    pub(in crate::scheduler) timetable: Timetable,
    pub(in crate::scheduler) plan: BackupPlan,
}

impl Task for Backup {
    const NAME: &'static str = "backup";
    const AT_START: bool = false;

    async fn round(&mut self, context: &TaskContext) {
        let flow = &context.flow;
        let now = flow.clock.now();
        self.timetable.since = Some(now);
        let copy = flow.ledger.scheduled_backup(&self.plan.directory, self.plan.keep, now);
        match context.with_heartbeat(Self::NAME, copy).await {
            Ok(report) => {
                tracing::info!(bytes = report.bytes, "the ledger was copied to {}", report.path.display());
                context.done(Self::NAME, &serde_json::json!({ "path": report.path, "bytes": report.bytes }));
            }
            Err(error) => {
                tracing::error!("no backup: {}", error.chain());
                context.status.failed(Self::NAME, flow.clock.now(), error.chain());
            }
        }
    }

    async fn wait(&mut self, context: &TaskContext) -> bool {
        let since = *self.timetable.since.get_or_insert_with(|| context.flow.clock.now());
        self.timetable.next(context, Self::NAME, since).await
    }
}
