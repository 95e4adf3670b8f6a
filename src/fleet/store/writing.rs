//! Writes a batch: all of it in one transaction, or nothing.

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::{BooksStore, LONGEST_WRITE, within};
use crate::fleet::batch::{Batch, BatchEnd, EVENT_COLUMNS};
use crate::fleet::copy_text::CopyText;
use crate::fleet::error::{Error, FleetResult};
use crate::ledger::{
    self, BOOK_SOURCES, BookSource, ChainPlace, DEPOSIT_COLUMNS, ENTRY_COLUMNS, SourceChanges,
};

/// Why a batch was not written.
#[derive(Debug)]
pub(in crate::fleet) enum NotWritten {
    /// The database.
    Store(Error),
    /// The ledger could not be read to its end.
    Ledger(ledger::Error),
}

impl From<Error> for NotWritten {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<ledger::Error> for NotWritten {
    fn from(error: ledger::Error) -> Self {
        Self::Ledger(error)
    }
}

/// Of which ledger a batch is.
#[derive(Debug, Clone, Copy)]
pub(in crate::fleet) struct Whose<'a> {
    pub(in crate::fleet) ledger_id: &'a str,
    pub(in crate::fleet) name: &'a str,
    /// What only runs change is to be compared as well.
    pub(in crate::fleet) with_runs: bool,
}

impl BooksStore {
    /// Writes a batch behind the place that it follows; gives the mark that the ledger has now.
    pub(in crate::fleet) async fn write(
        &mut self,
        whose: Whose<'_>,
        batch: Batch,
    ) -> std::result::Result<String, NotWritten> {
        let now = self.now();
        let Self { connection, clock } = self;
        within(clock, LONGEST_WRITE, write(connection, whose, batch, &now)).await?
    }
}

fn failed() -> impl FnOnce(sqlx::Error) -> Error {
    Error::database("written")
}

async fn write(
    connection: &mut PgConnection,
    whose: Whose<'_>,
    mut batch: Batch,
    now: &str,
) -> std::result::Result<String, NotWritten> {
    let mut change = connection.begin().await.map_err(failed())?;
    refuse_other_place(&mut change, whose.ledger_id, &batch.after).await?;
    copy_in(&mut change, "event", EVENT_COLUMNS, &batch.events).await?;
    let columns = format!("ledger_id, {}", ENTRY_COLUMNS.join(", "));
    copy_in(&mut change, "posting", &columns, &batch.postings).await?;
    if !batch.deposits.is_empty() {
        sqlx::query("DELETE FROM depositd.deposit WHERE ledger_id = $1 AND id = ANY ($2)")
            .bind(whose.ledger_id)
            .bind(&batch.deposit_ids)
            .execute(&mut *change)
            .await
            .map_err(failed())?;
        let columns = format!("ledger_id, {}", DEPOSIT_COLUMNS.join(", "));
        copy_in(&mut change, "deposit", &columns, &batch.deposits).await?;
    }
    let (mark, reconciled_at) = match batch.end.take() {
        Some(mut end) => {
            copy_sources(&mut change, whose, &mut end).await?;
            (end.mark.mark, Some(end.mark.reconciled_at))
        }
        // Until the end is reached, the rows that are copied beside events are those of before.
        None => (String::new(), None),
    };
    sqlx::query(
        "INSERT INTO depositd.ledger AS l (ledger_id, name, head_seq, head_hash, reconciled_at, mark, followed_at, looked_at)
         VALUES ($1, $2, $3, $4, coalesce($5, ''), $6, $7, $7)
         ON CONFLICT (ledger_id) DO UPDATE SET name = $2, head_seq = $3, head_hash = $4,
             reconciled_at = coalesce($5, l.reconciled_at), mark = $6, followed_at = $7, looked_at = $7",
    )
    .bind(whose.ledger_id)
    .bind(whose.name)
    .bind(batch.to.seq)
    .bind(&batch.to.hash)
    .bind(reconciled_at)
    .bind(&mark)
    .bind(now)
    .execute(&mut *change)
    .await
    .map_err(failed())?;
    change.commit().await.map_err(failed())?;
    Ok(mark)
}

/// The batch must follow what is here, whoever wrote it.
async fn refuse_other_place(
    change: &mut PgConnection,
    ledger_id: &str,
    after: &ChainPlace,
) -> FleetResult<()> {
    let sql = "SELECT head_seq, head_hash FROM depositd.ledger WHERE ledger_id = $1 FOR UPDATE";
    let stored: Option<(i64, String)> =
        sqlx::query_as(sql).bind(ledger_id).fetch_optional(change).await.map_err(failed())?;
    let stored = stored.map_or_else(ChainPlace::beginning, |(seq, hash)| ChainPlace { seq, hash });
    if stored == *after {
        return Ok(());
    }
    Err(Error::Unusable(format!(
        "somebody else has written the ledger {ledger_id} meanwhile: it is at event {} with the hash {}, and was at event \
         {} with the hash {}; nothing was written",
        stored.seq, stored.hash, after.seq, after.hash
    )))
}

/// Compares the copied rows part by part, and replaces the parts that have changed.
async fn copy_sources(
    change: &mut PgConnection,
    whose: Whose<'_>,
    end: &mut BatchEnd,
) -> std::result::Result<(), NotWritten> {
    for source in BOOK_SOURCES {
        if source.changes == SourceChanges::WithRuns && !whose.with_runs {
            continue;
        }
        let sql = "SELECT part, digest FROM depositd.part WHERE ledger_id = $1 AND source = $2";
        let known: Vec<(i64, String)> = sqlx::query_as(sql)
            .bind(whose.ledger_id)
            .bind(source.name)
            .fetch_all(&mut *change)
            .await
            .map_err(failed())?;
        let count = end.view.parts_of(source).await?;
        for part in 0..count {
            let mut rows = CopyText::default();
            let number = part.to_string();
            for row in end.view.part(source, part).await? {
                rows.book_row(&[whose.ledger_id, &number], &row);
            }
            let digest = rows.digest();
            let is_known =
                known.iter().any(|(known, known_digest)| *known == part && *known_digest == digest);
            if !is_known {
                replace(change, whose.ledger_id, source, part, &rows, &digest).await?;
            }
        }
        for (part, _) in known.iter().filter(|(part, _)| *part >= count) {
            let rows = CopyText::default();
            replace(change, whose.ledger_id, source, *part, &rows, &rows.digest()).await?;
        }
    }
    Ok(())
}

async fn replace(
    change: &mut PgConnection,
    ledger_id: &str,
    source: &BookSource,
    part: i64,
    rows: &CopyText,
    digest: &str,
) -> FleetResult<()> {
    let delete = format!("DELETE FROM depositd.{} WHERE ledger_id = $1 AND part = $2", source.name);
    sqlx::query(sqlx::AssertSqlSafe(delete))
        .bind(ledger_id)
        .bind(part)
        .execute(&mut *change)
        .await
        .map_err(failed())?;
    let columns = format!("ledger_id, part, {}", source.columns.join(", "));
    copy_in(change, source.name, &columns, rows).await?;
    sqlx::query(
        "INSERT INTO depositd.part (ledger_id, source, part, digest) VALUES ($1, $2, $3, $4)
         ON CONFLICT (ledger_id, source, part) DO UPDATE SET digest = excluded.digest",
    )
    .bind(ledger_id)
    .bind(source.name)
    .bind(part)
    .bind(digest)
    .execute(change)
    .await
    .map_err(failed())
    .map(|_| ())
}

async fn copy_in(change: &mut PgConnection, table: &str, columns: &str, rows: &CopyText) -> FleetResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = format!("COPY depositd.{table} ({columns}) FROM STDIN");
    let mut copy = change.copy_in_raw(&sql).await.map_err(failed())?;
    if let Err(error) = copy.send(rows.bytes()).await {
        let _ = copy.abort("the rows could not be sent").await;
        return Err(failed()(error));
    }
    let written = copy.finish().await.map_err(failed())?;
    if written == rows.rows() {
        return Ok(());
    }
    Err(Error::Unusable(format!("of {} rows for the table {table}, {written} were written", rows.rows())))
}
