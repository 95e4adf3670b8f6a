//! The status of each task: when it last ran, what went wrong, and whether that makes the daemon unready.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::domain::time::Timestamp;

/// One task's last rounds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TaskStatus {
    /// Its rounds so far.
    pub rounds: u64,
    /// When its last round ended.
    pub last_round: Option<Timestamp>,
    /// What its last round did, as the task reports it.
    pub last_status: serde_json::Value,
    /// Its failed rounds in a row.
    pub failures: u32,
    /// Why its last round failed.
    pub last_error: Option<String>,
    /// False once it has ended before the daemon did.
    pub alive: bool,
}

/// Whether the daemon can do its work, and the reasons where it cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// The ledger can be written and every task is alive.
    pub ready: bool,
    /// What makes it unready.
    pub reasons: Vec<String>,
    /// What is out of order outside, and does not make it unready: the upstream, the mail.
    pub warnings: Vec<String>,
    /// The age in seconds of the last good reconciliation.
    pub last_reconciliation_age_seconds: Option<u64>,
    /// How many reconciliations in a row were void, up to now.
    pub void_reconciliations: i64,
}

/// The status of all tasks; shared.
#[derive(Debug, Default)]
pub struct ServiceStatus {
    tasks: Mutex<BTreeMap<&'static str, TaskStatus>>,
    progress: tokio::sync::watch::Sender<u64>,
}

impl ServiceStatus {
    /// A copy of every task's status.
    #[must_use]
    pub fn tasks(&self) -> BTreeMap<&'static str, TaskStatus> {
        self.lock().clone()
    }

    /// Follows the progress of the tasks: changes with every round that ends.
    pub fn progress(&self) -> tokio::sync::watch::Receiver<u64> {
        self.progress.subscribe()
    }

    /// Whether everything that the daemon needs of itself is in order.
    #[must_use]
    pub fn readiness(
        &self,
        health: &crate::upstream::Health,
        last_good: Option<Timestamp>,
        now: Timestamp,
    ) -> Readiness {
        let mut readiness = Readiness {
            last_reconciliation_age_seconds: last_good.map(|at| now.since(at).as_secs()),
            ..Readiness::default()
        };
        for (name, task) in self.lock().iter() {
            if !task.alive {
                readiness.reasons.push(format!("the task {name} has ended"));
            } else if let Some(error) = &task.last_error {
                let text = format!("{name}: {error}");
                match *name {
                    "deliver" | "webhooks" | "reconcile" | "backup" | "replica" | "drill" => {
                        readiness.warnings.push(text)
                    }
                    _ => readiness.reasons.push(text),
                }
            }
        }
        readiness.warnings.extend(health.words());
        readiness.ready = readiness.reasons.is_empty();
        readiness
    }

    pub(super) fn begin(&self, task: &'static str) {
        self.lock().entry(task).or_default().alive = true;
    }

    pub(super) fn end(&self, task: &'static str) {
        self.lock().entry(task).or_default().alive = false;
    }

    pub(super) fn succeeded(&self, task: &'static str, at: Timestamp, status: serde_json::Value) {
        self.with(task, at, |task| {
            task.last_status = status;
            task.failures = 0;
            task.last_error = None;
        });
    }

    pub(super) fn failed(&self, task: &'static str, at: Timestamp, error: String) -> u32 {
        self.with(task, at, |task| {
            task.failures = task.failures.saturating_add(1);
            task.last_error = Some(error);
            task.failures
        })
    }

    fn with<T>(&self, name: &'static str, at: Timestamp, change: impl FnOnce(&mut TaskStatus) -> T) -> T {
        let result = {
            let mut tasks = self.lock();
            let task = tasks.entry(name).or_default();
            task.rounds = task.rounds.saturating_add(1);
            task.last_round = Some(at);
            change(task)
        };
        self.progress.send_modify(|rounds| *rounds = rounds.wrapping_add(1));
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, TaskStatus>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wait after `failures` failed rounds in a row.
pub(super) fn pause_after(failures: u32) -> Duration {
    Duration::from_secs(2_u64.saturating_pow(failures.min(5)))
}
