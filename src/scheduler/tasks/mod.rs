//! The tasks of the daemon, one file for those that belong together.

mod create;
mod deliver;
mod follow;
mod poll;
mod replicate;
mod scheduled;
mod watch;
mod webhooks;

pub(super) use self::create::Create;
pub(super) use self::deliver::Deliver;
pub(super) use self::follow::Follow;
pub(super) use self::poll::Poll;
pub(super) use self::replicate::Replicate;
pub use self::scheduled::BackupPlan;
pub(super) use self::scheduled::{Backup, Digest, Drill, Reconcile, Timetable};
pub(super) use self::watch::{LedgerWatch, UpstreamWatch};
pub(super) use self::webhooks::Webhooks;
