//! When things are done: the loops and their wakers, cron, and the life of the process.

mod cron;
mod lifecycle;
mod loops;
mod status;

pub use cron::Schedule;
pub use lifecycle::{Lifecycle, feed_watchdog, notify_ready, notify_stopping};
pub use loops::{BackupPlan, Loops, TaskSettings};
pub use status::{Readiness, ServiceStatus, TaskStatus};
