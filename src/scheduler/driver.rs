//! Starts every task, each under the driver, and ends the daemon where one has ended.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cron::{CronTasks, Schedule};
use super::status::ServiceStatus;
use super::task::{Task, TaskContext, drive};
use super::tasks::{
    Backup, BackupPlan, Create, Deliver, Digest, Drill, Follow, LedgerWatch, Poll, Reconcile, Replicate,
    Timetable, UpstreamWatch, Webhooks,
};
use crate::flow::Flow;

/// What runs when.
#[derive(Debug, Clone)]
pub struct TaskSettings {
    /// Reconciliation.
    pub reconcile: Schedule,
    /// The digest.
    pub digest: Option<Schedule>,
    /// Copies of the ledger.
    pub backup: Option<BackupPlan>,
    /// Whether there is a replica to be asked.
    pub has_replica: bool,
    /// Its restore for a trial.
    pub drill: Option<Schedule>,
}

/// The running loops.
pub struct Loops {
    stop: CancellationToken,
    tasks: TaskTracker,
    fatal: watch::Receiver<Option<String>>,
    cron: CronTasks,
}

impl std::fmt::Debug for Loops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loops").finish_non_exhaustive()
    }
}

impl Loops {
    /// Starts them all.
    ///
    /// # Errors
    /// Where cron cannot be started.
    pub async fn start(
        flow: Flow,
        status: Arc<ServiceStatus>,
        settings: TaskSettings,
    ) -> Result<Self, String> {
        let (fatal, heard) = watch::channel(None);
        let context = TaskContext { flow, stop: CancellationToken::new(), status, fatal: Arc::new(fatal) };
        let tasks = TaskTracker::new();
        spawn(&context, &tasks, Create::default());
        spawn(&context, &tasks, Poll);
        spawn(&context, &tasks, Deliver::default());
        spawn(&context, &tasks, Webhooks::default());
        spawn(&context, &tasks, UpstreamWatch::default());
        spawn(&context, &tasks, Follow::default());
        spawn(&context, &tasks, LedgerWatch::default());
        if settings.has_replica {
            spawn(&context, &tasks, Replicate::default());
        }
        let mut jobs = Vec::new();
        let mut wake = |schedule: &Schedule| {
            let waker = Arc::new(Notify::new());
            jobs.push((schedule.clone(), Arc::clone(&waker)));
            waker
        };
        let reconcile = Timetable::new(wake(&settings.reconcile), settings.reconcile);
        spawn(&context, &tasks, Reconcile(reconcile));
        if let Some(schedule) = settings.digest {
            spawn(&context, &tasks, Digest(Timetable::new(wake(&schedule), schedule)));
        }
        if let Some(plan) = settings.backup {
            let timetable = Timetable::new(wake(&plan.schedule), plan.schedule.clone());
            spawn(&context, &tasks, Backup { timetable, plan });
        }
        if let Some(schedule) = settings.drill.filter(|_| settings.has_replica) {
            spawn(&context, &tasks, Drill(Timetable::new(wake(&schedule), schedule)));
        }
        let cron =
            CronTasks::start(jobs).await.map_err(|error| format!("cron could not be started: {error}"))?;
        tasks.close();
        Ok(Self { stop: context.stop, tasks, fatal: heard, cron })
    }

    /// Completes when the daemon must not go on, with the reason.
    pub async fn fatal(&mut self) -> String {
        match self.fatal.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Asks all loops to finish what is under way, and waits until they have.
    pub async fn stop(self) {
        self.stop.cancel();
        self.cron.stop().await;
        self.tasks.wait().await;
    }
}

/// Runs `task` apart; the daemon must not go on without it, so that its end is the daemon's.
fn spawn<T: Task>(context: &TaskContext, tasks: &TaskTracker, task: T) {
    context.status.begin(T::NAME);
    tasks.spawn(watch_over(T::NAME, drive(task, context.clone()).boxed(), context.clone()));
}

async fn watch_over(name: &'static str, running: BoxFuture<'static, ()>, context: TaskContext) {
    // A task that panics ends alone.
    let ended = tokio::spawn(running).await;
    context.status.end(name);
    context.flow.heartbeats.forget(name);
    if !context.stop.is_cancelled() {
        let why = ended.err().map_or_else(String::new, |error| format!(": {error}"));
        context.fatal.send_replace(Some(format!("the task {name} has ended{why}")));
    }
}
