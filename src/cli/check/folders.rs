//! The folders that the daemon writes to: there, or to be made, and writable by whoever runs it. Nothing is written.

use std::path::Path;

use super::account::{Account, Want};
use super::credentials::readable;
use super::finding::{Check, Findings};
use super::unit::Unit;
use crate::config::{Config, MailTransport};

/// Each folder, and the files that are read.
pub(super) fn folders(config: &Config, unit: Option<&Unit>, daemon: &Account) -> Check {
    let mut found = Findings::default();
    let ledger = config.ledger.path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = ledger {
        look(&mut found, "ledger.path", folder, false, unit, daemon);
        for file in [&config.ledger.path, &with_suffix(&config.ledger.path, ".lock")] {
            if file.is_file()
                && let Err(why) = daemon.may(file, Want::Write)
            {
                found.wrong(format!("ledger.path: {why}"));
            }
        }
    }
    if let Some(folder) = &config.ledger.backup_dir {
        look(&mut found, "ledger.backup_dir", folder, true, unit, daemon);
        if config.ledger.backup_schedule.is_none() {
            found.warn(
                "ledger.backup_dir is set and ledger.backup_schedule is not: no backup is made by itself",
            );
        }
    }
    if config.mail.transport == MailTransport::File {
        look(&mut found, "mail.directory", &config.mail.directory, true, unit, daemon);
    }
    readable(&mut found, config, daemon);
    found.check("folders")
}

/// One folder; `is_made` where the daemon makes it if need be.
fn look(
    found: &mut Findings,
    key: &str,
    folder: &Path,
    is_made: bool,
    unit: Option<&Unit>,
    daemon: &Account,
) {
    let shown = folder.display();
    if let Some(unit) = unit.filter(|unit| !unit.lets_write(folder)) {
        let name = &unit.name;
        found.wrong(format!(
            "{key}: {name} lets the daemon write nothing to {shown}: use a folder of StateDirectory=, or add ReadWritePaths={shown}"
        ));
        return;
    }
    let met = match folder.metadata() {
        Ok(met) if !met.is_dir() => {
            found.wrong(format!("{key}: {shown} is no folder"));
            return;
        }
        Ok(_) => folder,
        Err(_) if unit.is_some_and(|unit| unit.makes(folder)) => {
            found.good(format!("{shown} is made by systemd"));
            return;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_made => {
            folder.ancestors().find(|above| above.is_dir()).unwrap_or(folder)
        }
        Err(error) => {
            found.wrong(format!("{key}: {shown}: {error}"));
            return;
        }
    };
    match daemon.may(met, Want::Write) {
        Ok(()) if met == folder => found.good(format!("{shown} can be written")),
        Ok(()) => found.good(format!("{shown} can be made")),
        Err(why) => found.wrong(format!("{key}: {why}")),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
