//! The configuration: what `daemon.toml` and the environment say, checked, with every default filled in.
//!
//! Secrets are not read here but found: [`SecretSource`] says where one is, and reads it when somebody needs it.
//! They never pass through the configuration library, whose errors print values.

mod cron;
mod differences;
mod error;
mod fleet;
mod keys;
mod layers;
mod ledger;
mod locate;
mod page;
mod reader;
mod secret;
mod sections;
mod settings;
mod suspects;
mod tables;
mod validate;
mod values;
mod webhooks;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use layers::{Layers, Surroundings};

pub use cron::CronExpression;
pub use differences::differences;
pub use error::Error;
pub use fleet::{FleetConfig, FleetLedger};
#[cfg(test)]
pub(crate) use keys::{KEYS, SECRETS};
pub use ledger::{LedgerConfig, ReplicaConfig};
pub use page::PageConfig;

pub(crate) use secret::{LONGEST as LONGEST_SECRET, checked as checked_secret, is_open_to_others};
pub use secret::{SecretFile, SecretSource};
pub use settings::{
    ApiConfig, BalanceConfig, BooksConfig, Config, GroupConfig, LogConfig, MailConfig, MailRule,
    MailTransport, NamedToken, PLAIN_TOKEN, ReconcileConfig, Role, SmtpConfig, SmtpEncryption, TokenConfig,
    UpstreamConfig,
};
pub(crate) use suspects::{suspect_argument, suspect_path};
pub(crate) use values::duration;
pub use values::{DayHours, Listen};
pub use webhooks::WebhookConfig;

/// The configuration file: `explicit` (`--config`), else `$DEPOSITD_CONFIG`, else `./daemon.toml`, else
/// `/etc/depositd/daemon.toml`; `None` where there is none.
///
/// # Errors
/// When a file that was asked for is not there.
pub fn locate(explicit: Option<&Path>) -> Result<Option<PathBuf>, Error> {
    locate::locate_in(&Surroundings::of_process()?, explicit)
}

/// Loads the configuration: the file that [`locate`] finds, and over it the environment (`DEPOSITD_<SECTION>__<KEY>`),
/// which may also stand alone.
///
/// # Errors
/// The file or the variable, the key, and what was expected.
pub fn load(explicit: Option<&Path>) -> Result<Config, Error> {
    load_in(&Surroundings::of_process()?, explicit)
}

/// Loads the configuration of `file` as a daemon reads it that was started elsewhere: nothing of this process's environment
/// lies over it.
///
/// # Errors
/// The file, the key, and what was expected.
pub(crate) fn load_file(file: &Path) -> Result<Config, Error> {
    let around = Surroundings { variables: Vec::new(), ..Surroundings::of_process()? };
    let file = around.folder.join(file);
    Config::from_layers(&Layers::gather(&around, Some(&file))?, Some(&file))
}

/// Reads `text` as what would stand in `file`, with no environment over it.
///
/// # Errors
/// The key, and what was expected.
pub(crate) fn read_text(text: &str, file: &Path) -> Result<Config, Error> {
    Config::from_layers(&Layers::of_text(text, file)?, Some(file))
}

/// Checks levels of the log that are said elsewhere than under `log.level`, by the same rules.
///
/// # Errors
/// What was expected.
pub fn check_log_levels(text: &str) -> Result<(), String> {
    values::log_levels(text).map(drop)
}

fn load_in(around: &Surroundings, explicit: Option<&Path>) -> Result<Config, Error> {
    let source = locate::locate_in(around, explicit)?;
    let layers = Layers::gather(around, source.as_deref())?;
    Config::from_layers(&layers, source.as_deref())
}
