//! What the configuration tells of a fleet, and how its failures end a command.

use crate::cli::exit::{CommandFailure, ExitStatus};
use crate::config::Config;
use crate::fleet::{Error, FleetSettings, FollowedLedger};

/// What a follower is told by the configuration.
pub(super) fn settings(config: &Config) -> Result<FleetSettings, CommandFailure> {
    config.validate_for_fleet().map_err(CommandFailure::usage)?;
    let url = config.fleet.database_url.read().map_err(CommandFailure::usage)?;
    let database_url = url.ok_or_else(|| CommandFailure::usage("fleet.database_url is missing"))?;
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Ok(FleetSettings {
        database_url,
        called: format!("depositd fleet, {machine}, process {}", std::process::id()),
        ledgers: config
            .fleet
            .ledgers
            .iter()
            .map(|ledger| FollowedLedger { name: ledger.name.clone(), path: ledger.path.clone() })
            .collect(),
    })
}

/// A failure of the database, with its exit status: a URL that is none is the configuration's.
pub(super) fn failure(error: &Error) -> CommandFailure {
    let words = error.chain();
    let exit = if words.starts_with("fleet.database_url:") { ExitStatus::Usage } else { ExitStatus::Failed };
    CommandFailure::new(exit, words)
}
