//! Cron: the only file that knows tokio-cron-scheduler. Its jobs do nothing but wake our loops, because it has no
//! guard against overlap and its shutdown waits for nothing; a loop that is not woken wakes itself a little later.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::domain::time::Timestamp;

/// When a schedule comes true next after an instant.
type NextAfter = dyn Fn(Timestamp) -> Option<Timestamp> + Send + Sync;

/// How long after its moment a loop waits for cron before it goes by itself.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// A checked cron expression with seconds, in UTC.
#[derive(Clone)]
pub struct Schedule {
    text: String,
    next_after: Arc<NextAfter>,
}

impl Schedule {
    /// The expression, and how to find when it comes true next.
    pub fn new(
        text: &str,
        next_after: impl Fn(Timestamp) -> Option<Timestamp> + Send + Sync + 'static,
    ) -> Self {
        Self { text: text.to_owned(), next_after: Arc::new(next_after) }
    }

    /// When it comes true next after `after`.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        (self.next_after)(after)
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Wakes `whom` at the moments of each schedule, for as long as the value lives.
pub(super) struct CronTasks {
    scheduler: JobScheduler,
}

impl CronTasks {
    pub(super) async fn start(jobs: Vec<(Schedule, Arc<Notify>)>) -> Result<Self, JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        for (schedule, whom) in jobs {
            let job = Job::new(schedule.text.as_str(), move |_, _| whom.notify_one())?;
            scheduler.add(job).await?;
        }
        scheduler.start().await?;
        Ok(Self { scheduler })
    }

    pub(super) async fn stop(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::debug!("cron did not stop: {error}");
        }
    }
}
