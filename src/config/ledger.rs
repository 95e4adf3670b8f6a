//! `[ledger]` and `[ledger.replica]`: the books, and the second copy of them, which Litestream makes.

use std::path::PathBuf;
use std::time::Duration;

use super::cron::CronExpression;
use super::error::Error;
use super::layers::Layers;

/// A replica that takes longer has not confirmed.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Whoever asks must not wait for longer.
const LONGEST: Duration = Duration::from_secs(15);

/// `[ledger]`: the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerConfig {
    /// The SQLite file.
    pub path: PathBuf,
    /// Whether a ledger may be founded where there is none.
    pub create_if_missing: bool,
    /// Where scheduled backups go.
    pub backup_dir: Option<PathBuf>,
    /// When they are made.
    pub backup_schedule: Option<CronExpression>,
    /// How many are kept; `None` keeps all.
    pub backup_keep: Option<u32>,
    /// `[ledger.replica]`
    pub replica: ReplicaConfig,
}

/// `[ledger.replica]`, as it is written; without a socket there is no replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicaConfig {
    /// Litestream's control socket.
    pub socket: Option<PathBuf>,
    /// Nothing leaves before the replica has it; else its silence is warned of and counted.
    pub require: Option<bool>,
    /// How long one confirmation may take.
    pub timeout: Option<Duration>,
    /// Litestream's program, for drills; by default the one that listens at the socket.
    pub program: Option<PathBuf>,
    /// Litestream's configuration; by default that of the one that listens at the socket.
    pub config: Option<PathBuf>,
    /// When the replica is restored for a trial; `None` never.
    pub drill_schedule: Option<CronExpression>,
}

impl ReplicaConfig {
    /// Whether nothing may leave before the replica has it: so it is unless it is said otherwise.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.require.unwrap_or(true)
    }

    /// How long one confirmation may take.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }

    /// Whether anything but the socket is written.
    pub(super) fn has_more(&self) -> bool {
        *self != Self { socket: self.socket.clone(), ..Self::default() }
    }
}

pub(super) fn ledger(layers: &Layers) -> Result<LedgerConfig, Error> {
    let ledger = LedgerConfig {
        path: layers.path("ledger.path")?.unwrap_or_else(|| layers.default_path("ledger.db")),
        create_if_missing: layers.boolean("ledger.create_if_missing")?.unwrap_or(true),
        backup_dir: layers.path("ledger.backup_dir")?,
        backup_schedule: layers.cron("ledger.backup_schedule")?,
        backup_keep: layers.number("ledger.backup_keep", 1..=100_000)?,
        replica: replica(layers)?,
    };
    if ledger.backup_schedule.is_some() && ledger.backup_dir.is_none() {
        let problem = "expected ledger.backup_dir beside it: a schedule needs a place for the backups";
        return Err(layers.fault("ledger.backup_schedule", problem));
    }
    Ok(ledger)
}

fn replica(layers: &Layers) -> Result<ReplicaConfig, Error> {
    Ok(ReplicaConfig {
        socket: layers.path("ledger.replica.socket")?,
        require: layers.boolean("ledger.replica.require")?,
        timeout: layers.duration_within("ledger.replica.timeout", LONGEST)?,
        program: layers.path("ledger.replica.program")?,
        config: layers.path("ledger.replica.config")?,
        drill_schedule: layers.cron("ledger.replica.drill_schedule")?,
    })
}
