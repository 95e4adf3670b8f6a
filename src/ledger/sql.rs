//! What every statement of the ledger needs: a transaction, and texts of JSON in and out.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::error::{Error, Result};

/// Begins a transaction on the writing connection. Plain statements: the library counts transactions by itself, and
/// loses count where SQLite has already rolled one back, as it does when the disk is full.
pub(super) async fn begin(connection: &mut SqliteConnection) -> Result<()> {
    sqlx::query("BEGIN IMMEDIATE")
        .execute(connection)
        .await
        .map_err(Error::database("locked for writing"))
        .map(|_| ())
}

/// Makes what was written since [`begin`] durable.
pub(super) async fn commit(connection: &mut SqliteConnection) -> Result<()> {
    sqlx::query("COMMIT").execute(connection).await.map_err(Error::database("committed")).map(|_| ())
}

/// After whatever failed: nothing of it stays, and the next one begins afresh.
pub(super) async fn rollback(connection: &mut SqliteConnection) {
    // An error says that there is nothing left to undo.
    let _ = sqlx::query("ROLLBACK").execute(connection).await;
}

pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Unreadable(error.to_string()))
}

/// Reads what SQL has put together as JSON.
pub(super) fn from_json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Unreadable(error.to_string()))
}
