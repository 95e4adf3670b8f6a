//! Output commit: nothing leaves the process before the replica has what it rests on. An answer, an event, a letter, a
//! webhook and the call that makes a wallet all pass one gate; polling and booking do not wait for it.

mod confirm;
mod drill;
mod generation;
mod promote;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use self::confirm::{Confirmation, confirm_replica};
pub use self::drill::{DrillReport, Drilled, drill, drilled, run_drill, temporary_place};
pub use self::generation::{GENERATION, Superseded, generation_of, refuse_superseded};
pub use self::promote::{PromoteError, Promoted, Promotion, promote};
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::replica::{Litestream, Program};

/// How the replica is asked, and what depends on it.
#[derive(Debug)]
pub struct ReplicaSettings {
    /// Litestream's socket.
    pub litestream: Litestream,
    /// Nothing leaves before the replica has it; else its silence is only warned of.
    pub is_required: bool,
    /// Litestream's program, where it is named.
    pub program: Option<std::path::PathBuf>,
    /// Litestream's configuration, where it is named.
    pub config: Option<std::path::PathBuf>,
}

/// The gate. Without a replica it is always open.
#[derive(Debug, Default)]
pub struct ReplicaGate(Option<Replicated>);

#[derive(Debug)]
struct Replicated {
    settings: ReplicaSettings,
    ledger: Ledger,
    /// When this began.
    since: Timestamp,
    standing: watch::Sender<ReplicaStanding>,
    /// The latest mark that anybody waits for.
    awaited: watch::Sender<u64>,
}

/// Where the replica stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicaStanding {
    /// It has all transactions up to this one.
    confirmed: u64,
    /// When it last confirmed.
    pub confirmed_at: Option<Timestamp>,
    /// Since when it has not, and why not, where the last try failed.
    pub silent: Option<(Timestamp, String)>,
    /// Tries that failed since the start.
    pub failures: u64,
    /// Nothing is confirmed any more: the daemon stops.
    is_closed: bool,
}

/// What something that is to leave rests on: all transactions that had begun when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u64);

/// The replica does not confirm: what was to leave must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotConfirmed(pub String);

impl std::fmt::Display for NotConfirmed {
    /// For whoever asks: what Litestream says, with the store's name, is for the operator.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the replica does not confirm; GET /readyz says why")
    }
}

impl ReplicaGate {
    /// A gate of `ledger`, by these settings; nothing is confirmed before `now`.
    #[must_use]
    pub fn new(settings: ReplicaSettings, ledger: Ledger, now: Timestamp) -> Self {
        let (standing, awaited) = (watch::Sender::default(), watch::Sender::default());
        Self(Some(Replicated { settings, ledger, since: now, standing, awaited }))
    }

    /// Where the replica stands; `None` without one.
    #[must_use]
    pub fn standing(&self) -> Option<ReplicaStanding> {
        Some(self.0.as_ref()?.standing.borrow().clone())
    }

    /// Whether nothing may leave before the replica has it.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.0.as_ref().is_some_and(|replica| replica.settings.is_required)
    }

    /// What has been read by now rests on this.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.0.as_ref().map_or(0, |replica| replica.ledger.commits_begun()))
    }

    /// Why nothing new may be begun now, where that is so: the replica is required, and did not answer last time.
    #[must_use]
    pub fn refusal(&self) -> Option<NotConfirmed> {
        let replica = self.0.as_ref().filter(|replica| replica.settings.is_required)?;
        replica.standing.borrow().trouble()
    }

    /// Completes once what rests on `mark` may leave.
    ///
    /// # Errors
    /// [`NotConfirmed`] as soon as the replica is known not to answer. It may be tried again later.
    pub async fn pass(&self, mark: Mark) -> Result<(), NotConfirmed> {
        let Some(replica) = self.0.as_ref().filter(|replica| replica.settings.is_required) else {
            return Ok(());
        };
        let mut standing = replica.wait_for(mark);
        let settled =
            |standing: &ReplicaStanding| standing.confirmed >= mark.0 || standing.trouble().is_some();
        match standing.wait_for(settled).await {
            Ok(standing) if standing.confirmed >= mark.0 => Ok(()),
            Ok(standing) => Err(standing.trouble().unwrap_or_else(|| NotConfirmed(String::new()))),
            Err(_) => Err(NotConfirmed("the daemon stops".to_owned())),
        }
    }

    /// Completes once what rests on `mark` may leave, however long that takes.
    pub async fn pass_at_last(&self, mark: Mark) {
        let Some(replica) = self.0.as_ref().filter(|replica| replica.settings.is_required) else { return };
        let mut standing = replica.wait_for(mark);
        if standing.wait_for(|standing| standing.confirmed >= mark.0).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Completes once somebody waits for what is later than `asked`, the last transaction that the replica was asked for.
    pub async fn awaited_after(&self, asked: u64) {
        let Some(replica) = &self.0 else { return std::future::pending().await };
        // Neither sender is dropped before the gate is.
        let _ = replica.awaited.subscribe().wait_for(|awaited| *awaited > asked).await;
        let _ = replica.ledger.commits_ended().wait_for(|ended| *ended > asked).await;
    }

    /// Why the daemon is not ready, where the replica is required: it is silent, or has not confirmed yet.
    #[must_use]
    pub fn unready(&self) -> Option<NotConfirmed> {
        let is_new = self.is_required() && self.standing()?.confirmed_at.is_none();
        self.refusal().or_else(|| is_new.then(|| NotConfirmed("it was not heard yet".to_owned())))
    }

    /// How old what the replica has can be: 0 where it has everything; `None` without a replica.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        let replica = self.0.as_ref()?;
        let standing = replica.standing.borrow().clone();
        if standing.silent.is_none() && standing.confirmed >= replica.ledger.commits_begun() {
            return Some(Duration::ZERO);
        }
        Some(now.since(standing.confirmed_at.unwrap_or(replica.since)))
    }

    /// Nothing is confirmed from now on; whoever waits is told.
    pub fn close(&self) {
        if let Some(replica) = &self.0 {
            replica.standing.send_modify(|standing| standing.is_closed = true);
        }
    }

    /// Litestream's program, as it is configured or as it runs; `None` without a replica.
    ///
    /// # Errors
    /// In words, where nobody answers at the socket.
    pub async fn program(&self) -> Result<Option<Program>, String> {
        let Some(replica) = &self.0 else { return Ok(None) };
        let ReplicaSettings { litestream, program, config, .. } = &replica.settings;
        let pid = litestream.pid().await.map_err(|error| error.to_string())?;
        Ok(Some(Program::find(program.clone(), config.clone(), litestream.ledger(), pid)))
    }
}

impl Replicated {
    /// Has the replica be asked for `mark`; gives how it stands, from now on.
    fn wait_for(&self, mark: Mark) -> watch::Receiver<ReplicaStanding> {
        self.awaited.send_if_modified(|awaited| {
            let is_later = *awaited < mark.0;
            *awaited = mark.0.max(*awaited);
            is_later
        });
        self.standing.subscribe()
    }
}

impl ReplicaStanding {
    fn trouble(&self) -> Option<NotConfirmed> {
        if self.is_closed {
            return Some(NotConfirmed("the daemon stops".to_owned()));
        }
        self.silent.as_ref().map(|(_, why)| NotConfirmed(why.clone()))
    }
}

/// The gate as everybody shares it.
pub type SharedGate = Arc<ReplicaGate>;
