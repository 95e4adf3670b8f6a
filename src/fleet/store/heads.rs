//! What the database has of each ledger: how far it is, and whether it is refused.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::BooksStore;
use crate::fleet::error::{Error, FleetResult};
use crate::ledger::ChainPlace;

/// A ledger as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fleet) struct StoredLedger {
    /// Its id.
    pub(in crate::fleet) ledger_id: String,
    /// What it is called.
    pub(in crate::fleet) name: String,
    /// The last event that is here.
    pub(in crate::fleet) place: ChainPlace,
    /// What the copied rows were computed from; empty where they are of an earlier place.
    pub(in crate::fleet) mark: String,
    /// When something was last written.
    pub(in crate::fleet) followed_at: String,
}

fn stored(row: &PgRow) -> std::result::Result<StoredLedger, sqlx::Error> {
    Ok(StoredLedger {
        ledger_id: row.try_get("ledger_id")?,
        name: row.try_get("name")?,
        place: ChainPlace { seq: row.try_get("head_seq")?, hash: row.try_get("head_hash")? },
        mark: row.try_get("mark")?,
        followed_at: row.try_get("followed_at")?,
    })
}

impl BooksStore {
    /// All ledgers that are here.
    pub(in crate::fleet) async fn ledgers(&mut self) -> FleetResult<Vec<StoredLedger>> {
        let failed = || Error::database("read");
        let sql = "SELECT ledger_id, name, head_seq, head_hash, mark, followed_at FROM depositd.ledger";
        let rows = sqlx::query(sql).fetch_all(&mut self.connection).await.map_err(failed())?;
        rows.iter().map(stored).collect::<std::result::Result<_, _>>().map_err(failed())
    }

    /// The hash of an event that is here.
    pub(in crate::fleet) async fn hash_at(
        &mut self,
        ledger_id: &str,
        seq: i64,
    ) -> FleetResult<Option<String>> {
        sqlx::query_scalar("SELECT hash FROM depositd.event WHERE ledger_id = $1 AND seq = $2")
            .bind(ledger_id)
            .bind(seq)
            .fetch_optional(&mut self.connection)
            .await
            .map_err(Error::database("read"))
    }

    /// Writes down that a ledger is not followed, and why; nothing of its books changes.
    pub(in crate::fleet) async fn refuse(
        &mut self,
        ledger_id: Option<&str>,
        name: &str,
        why: &str,
    ) -> FleetResult<()> {
        let now = self.now();
        sqlx::query(
            "INSERT INTO depositd.refusal AS r (ledger_id, name, since, why) VALUES ($1, $2, $3, $4)
             ON CONFLICT (ledger_id, name) DO UPDATE SET why = excluded.why
             WHERE r.why <> excluded.why",
        )
        .bind(ledger_id.unwrap_or_default())
        .bind(name)
        .bind(now)
        .bind(why.replace('\0', "\u{2400}"))
        .execute(&mut self.connection)
        .await
        .map_err(Error::database("written"))
        .map(|_| ())
    }

    /// Takes back that the ledger of this name was refused.
    pub(in crate::fleet) async fn admit(&mut self, name: &str) -> FleetResult<()> {
        sqlx::query("DELETE FROM depositd.refusal WHERE name = $1")
            .bind(name)
            .execute(&mut self.connection)
            .await
            .map_err(Error::database("written"))
            .map(|_| ())
    }

    /// Why ledgers are refused, by their names.
    pub(in crate::fleet) async fn refusals(&mut self) -> FleetResult<Vec<(String, String, String)>> {
        sqlx::query_as("SELECT name, since, why FROM depositd.refusal ORDER BY name")
            .fetch_all(&mut self.connection)
            .await
            .map_err(Error::database("read"))
    }

    /// Writes down that these ledgers were looked at just now, and agree.
    pub(in crate::fleet) async fn looked_at(&mut self, ledger_ids: &[String]) -> FleetResult<()> {
        let now = self.now();
        sqlx::query("UPDATE depositd.ledger SET looked_at = $1 WHERE ledger_id = ANY ($2)")
            .bind(now)
            .bind(ledger_ids)
            .execute(&mut self.connection)
            .await
            .map_err(Error::database("written"))
            .map(|_| ())
    }
}
