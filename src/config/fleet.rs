//! `[fleet]`: the ledgers whose books are written into one PostgreSQL database, for `depositd fleet` alone.

use std::path::PathBuf;
use std::time::Duration;

use super::error::Error;
use super::layers::Layers;
use super::secret::SecretSource;
use super::tables::{ConfigTable, TableKind, tables};

const INTERVAL: Duration = Duration::from_secs(5);
const LEDGERS: TableKind = TableKind {
    section: "fleet.ledgers",
    noun: "ledger",
    needed: &["name", "path"],
    optional: &[],
    most: 1000,
};

/// `[fleet]`
#[derive(Debug, Clone)]
pub struct FleetConfig {
    /// The database, with the user and perhaps the password.
    pub database_url: SecretSource,
    /// How often the files are looked at.
    pub interval: Duration,
    /// `[[fleet.ledgers]]`
    pub ledgers: Vec<FleetLedger>,
}

/// One `[[fleet.ledgers]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetLedger {
    /// What it is called in the database.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
}

pub(super) fn fleet(layers: &Layers) -> Result<FleetConfig, Error> {
    let mut ledgers: Vec<FleetLedger> = Vec::new();
    for table in tables(layers, LEDGERS)? {
        let ledger = ledger(&table)?;
        if ledgers.iter().any(|known| known.name.eq_ignore_ascii_case(&ledger.name)) {
            return Err(table.fault(format!("expected each name once, found {:?} twice", ledger.name)));
        }
        if let Some(known) = ledgers.iter().find(|known| known.path == ledger.path) {
            return Err(table.fault(format!("expected each path once; {:?} has the same", known.name)));
        }
        ledgers.push(ledger);
    }
    Ok(FleetConfig {
        database_url: layers.secret_source(
            "fleet.database_url",
            "fleet.database_url_file",
            "fleet-database-url",
        )?,
        interval: layers.duration("fleet.interval")?.unwrap_or(INTERVAL),
        ledgers,
    })
}

fn ledger(table: &ConfigTable<'_>) -> Result<FleetLedger, Error> {
    let name = table.name()?;
    table.needed("path", "/replicas/shop/ledger.db")?;
    Ok(FleetLedger { name, path: table.path("path")?.unwrap_or_default() })
}
