//! When things are done: the tasks under one driver, cron, and the life of the process.

mod cron;
mod driver;
mod lifecycle;
mod status;
mod task;
mod tasks;

pub use cron::Schedule;
pub use driver::{Loops, TaskSettings};
pub use lifecycle::{Lifecycle, Signalled, feed_watchdog, notify_ready, notify_reloading, notify_stopping};
pub use status::{Readiness, ServiceStatus, TaskStatus};
pub use tasks::BackupPlan;
