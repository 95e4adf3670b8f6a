//! The connections that wait for the next letter, and are given up before the server tires of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;

use super::connection::SmtpConnection;
use super::refusals::SmtpStep;
use super::reply::Reply;
use crate::clock::{Clock as _, SystemClock};

/// So many are kept.
const MOST: usize = 16;
/// Servers end a connection on which nothing is said after 30 s to 5 min, and after 10 s when they are busy.
const IDLE: Duration = Duration::from_secs(8);
/// How often it is looked whether one has waited for too long.
const WATCH: Duration = Duration::from_secs(2);
/// Whoever does not say goodbye in time is left without.
const GOODBYE: Duration = Duration::from_secs(2);

/// A connection that waits.
pub(super) struct Idle {
    pub(super) connection: SmtpConnection,
    /// A letter was refused on it: RSET comes first.
    pub(super) needs_reset: bool,
    since: Duration,
}

/// All that wait.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Idle>>,
    clock: SystemClock,
    /// Somebody sees to it that none waits for too long.
    watched: AtomicBool,
}

impl Pool {
    /// The one that has waited for the shortest time, if it is fresh enough.
    pub(super) fn take(&self) -> Option<Idle> {
        let oldest = self.clock.monotonic().saturating_sub(IDLE);
        self.idle().pop().filter(|kept| kept.since > oldest)
    }

    /// Keeps a connection after a complete conversation.
    pub(super) fn keep(self: &Arc<Self>, connection: SmtpConnection, needs_reset: bool) {
        let mut idle = self.idle();
        if idle.len() < MOST {
            idle.push(Idle { connection, needs_reset, since: self.clock.monotonic() });
        }
        drop(idle);
        if !self.watched.swap(true, Ordering::AcqRel) {
            tokio::spawn(watch(Arc::downgrade(self), self.clock.sleep(IDLE)).boxed());
        }
    }

    /// Forgets all at once: what closed one has closed the others too, most likely.
    pub(super) fn clear(&self) {
        self.idle().clear();
    }

    /// Takes leave on all but `kept` of them.
    pub(super) async fn close_but(&self, kept: usize) {
        let leaving = {
            let mut idle = self.idle();
            // Those that have waited for longest go.
            let leave = idle.len().saturating_sub(kept);
            idle.drain(..leave).collect()
        };
        goodbye(leaving).await;
    }

    /// Takes leave on those that have waited for long; false when none waits any more.
    async fn close_tired(&self) -> bool {
        let oldest = self.clock.monotonic().saturating_sub(IDLE);
        let (tired, left) = {
            let mut idle = self.idle();
            let fresh = idle.iter().position(|kept| kept.since > oldest).unwrap_or(idle.len());
            let tired: Vec<Idle> = idle.drain(..fresh).collect();
            (tired, !idle.is_empty())
        };
        goodbye(tired).await;
        left
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn watch(pool: Weak<Pool>, mut rest: futures_util::future::BoxFuture<'static, ()>) {
    loop {
        rest.await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.close_tired().await {
            pool.watched.store(false, Ordering::Release);
            // One that was kept at this very moment is watched by whoever sees it first.
            if pool.idle().is_empty() || pool.watched.swap(true, Ordering::AcqRel) {
                return;
            }
        }
        rest = pool.clock.sleep(WATCH);
    }
}

async fn goodbye(leaving: Vec<Idle>) {
    if leaving.is_empty() {
        return;
    }
    let all = async {
        for mut kept in leaving {
            let _ = kept.connection.command(SmtpStep::Greeting, "QUIT", Reply::is_done).await;
        }
    };
    let _ = tokio::time::timeout(GOODBYE, all).await;
}
