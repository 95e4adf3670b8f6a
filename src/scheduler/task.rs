//! A task is data and two verbs: what it does in one round, and when the next one begins. One driver runs them all.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::status::{ServiceStatus, pause_after};
use crate::domain::time::Timestamp;
use crate::flow::Flow;
use crate::ledger;

/// Nothing waits longer than this, whatever wake-up was lost.
pub(super) const BACKSTOP: Duration = Duration::from_secs(15);
/// How often a task shows that it is alive while others hold it up, and for how long it may.
const BEAT: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_hours(1);

/// Something that the daemon does again and again.
pub(super) trait Task: Send + 'static {
    /// What it is called in readiness, metrics and the log.
    const NAME: &'static str;
    /// Whether its first round begins at once, or when [`Task::wait`] says so.
    const AT_START: bool = true;

    /// Does what there is to do now, and says how that went: [`TaskContext::done`] or [`TaskContext::failed`].
    fn round(&mut self, context: &TaskContext) -> impl Future<Output = ()> + Send;

    /// Waits until there may be more to do; false when the daemon ends.
    fn wait(&mut self, context: &TaskContext) -> impl Future<Output = bool> + Send;
}

/// Runs a task until the daemon ends.
pub(super) async fn drive<T: Task>(mut task: T, context: TaskContext) {
    if !T::AT_START && !task.wait(&context).await {
        return;
    }
    loop {
        task.round(&context).await;
        if !task.wait(&context).await {
            return;
        }
    }
}

/// What every task has.
#[derive(Clone)]
pub(super) struct TaskContext {
    pub(super) flow: Flow,
    pub(super) stop: CancellationToken,
    pub(super) status: Arc<ServiceStatus>,
    pub(super) fatal: Arc<watch::Sender<Option<String>>>,
}

impl TaskContext {
    pub(super) fn heartbeat(&self, task: &'static str) {
        self.flow.heartbeats.record(task, &self.flow.clock);
    }

    pub(super) fn done(&self, task: &'static str, status: &impl serde::Serialize) {
        let status = serde_json::to_value(status).unwrap_or_default();
        self.status.succeeded(task, self.flow.clock.now(), status);
        self.heartbeat(task);
    }

    /// Notes a failed round; an untrusted ledger ends the daemon. Waits a little, so that a fault is no storm.
    pub(super) async fn failed(&self, task: &'static str, error: &ledger::Error) {
        let text = error.chain();
        tracing::error!(task, "{task}: {text}");
        let failures = self.status.failed(task, self.flow.clock.now(), text.clone());
        self.heartbeat(task);
        if matches!(error, ledger::Error::Untrusted(_)) {
            self.fatal.send_replace(Some(text));
        }
        self.pause(pause_after(failures)).await;
    }

    /// Waits, or stops waiting when the daemon ends.
    pub(super) async fn pause(&self, span: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.flow.clock.sleep(span) => {}
        }
    }

    /// Does `work` that others may hold up, and lets the watchdog know meanwhile; not for ever.
    pub(super) async fn with_heartbeat<T>(&self, task: &'static str, work: impl Future<Output = T>) -> T {
        let clock = &self.flow.clock;
        let began = clock.monotonic();
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = clock.sleep(BEAT) => {
                    if clock.monotonic().saturating_sub(began) < PATIENCE {
                        self.heartbeat(task);
                    }
                }
            }
        }
    }

    /// Waits for a waker, for `due`, or for the backstop; false when the daemon ends.
    pub(super) async fn wait(&self, waker: &Notify, due: Option<Timestamp>) -> bool {
        let now = self.flow.clock.now();
        let span = due.map_or(BACKSTOP, |due| due.since(now).min(BACKSTOP));
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = waker.notified() => true,
            () = self.flow.clock.sleep(span) => true,
        }
    }
}
