//! Reading a ledger for whoever keeps a copy of its books elsewhere: the chain, link by link and each one proven, and the
//! rows of the accountants' views beside it, all on one view of the file.

use futures_util::TryStreamExt as _;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, Sqlite, SqliteConnection, Transaction, TypeInfo as _, ValueRef as _};

use crate::ledger::Ledger;
use crate::ledger::commit::chain::{GENESIS, digest};
use crate::ledger::error::{Error, Result};
use crate::ledger::read::book_sources::{BookSource, DEPOSIT_COLUMNS, ENTRY_COLUMNS};
use crate::ledger::request_row::query_with_request;
use crate::ledger::verify::chain_row::{ChainRow, chain_rows, read_postings};

/// A place in the chain: the number of an event, and its hash.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ChainPlace {
    /// 0 before the first event.
    pub seq: i64,
    /// SHA-256 in lower-case hex.
    pub hash: String,
}

impl ChainPlace {
    /// Before the first event.
    #[must_use]
    pub fn beginning() -> Self {
        Self { seq: 0, hash: GENESIS.to_owned() }
    }
}

/// An event whose hash was derived again and fits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns of the table `event`; the schema comments on each")]
pub struct ChainedEvent {
    pub seq: i64,
    pub deposit_id: Option<String>,
    pub version: Option<i64>,
    pub at: String,
    pub name: String,
    pub from_state: Option<String>,
    pub to_state: Option<String>,
    pub upstream_status: Option<String>,
    pub reason: Option<String>,
    pub facts: String,
    pub mail_to: String,
    pub evidence_id: Option<i64>,
    pub acted_by: Option<String>,
    pub hash: String,
}

impl From<ChainRow> for ChainedEvent {
    fn from(row: ChainRow) -> Self {
        Self {
            seq: row.seq,
            deposit_id: row.deposit_id,
            version: row.version,
            at: row.at,
            name: row.name,
            from_state: row.from_state,
            to_state: row.to_state,
            upstream_status: row.upstream_status,
            reason: row.reason,
            facts: row.facts,
            mail_to: row.mail_to,
            evidence_id: row.evidence_id,
            acted_by: row.acted_by,
            hash: row.hash,
        }
    }
}

/// A value of a row that is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BookValue {
    /// Nothing.
    Nothing,
    /// A whole number.
    Whole(i64),
    /// A text.
    Text(String),
}

/// A row that is copied: its values in the order of the columns.
pub type BookRow = Vec<BookValue>;

/// What the copied views are computed from beside the events: where it is the same, only events have changed them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookMark {
    /// The last run, and the books' zone and names of accounts.
    pub mark: String,
    /// When the last good run was; the empty text before the first.
    pub reconciled_at: String,
}

/// A ledger as it stood when this was made: whatever is read fits together. It holds back the writing back of the log, so it
/// is to be let go of soon.
#[derive(Debug)]
pub struct ChainView {
    view: Transaction<'static, Sqlite>,
}

impl Ledger {
    /// A view of the ledger as it stands now.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn chain_view(&self) -> Result<ChainView> {
        Ok(ChainView { view: self.readers.begin().await? })
    }
}

impl ChainView {
    /// The last event.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn head(&mut self) -> Result<ChainPlace> {
        let row = sqlx::query!(r#"SELECT seq AS "seq!", hash FROM event ORDER BY seq DESC LIMIT 1"#)
            .fetch_optional(&mut *self.view)
            .await?;
        Ok(row.map_or_else(ChainPlace::beginning, |row| ChainPlace { seq: row.seq, hash: row.hash }))
    }

    /// The event with this number, as it stands in the file.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn place_at(&mut self, seq: i64) -> Result<Option<ChainPlace>> {
        if seq == 0 {
            return Ok(Some(ChainPlace::beginning()));
        }
        let hash = sqlx::query_scalar!("SELECT hash FROM event WHERE seq = ?", seq)
            .fetch_optional(&mut *self.view)
            .await?;
        Ok(hash.map(|hash| ChainPlace { seq, hash }))
    }

    /// The events that follow `place`, at most `most` of them, each proven to follow the one before it.
    ///
    /// # Errors
    /// [`Error::Untrusted`] with the first event that does not follow; whatever the disk says.
    pub async fn links_after(&mut self, place: &ChainPlace, most: u32) -> Result<Vec<ChainedEvent>> {
        let mut previous = place.clone();
        let mut links = Vec::new();
        let mut rows =
            chain_rows!("WHERE e.seq > ? ORDER BY e.seq LIMIT ?", place.seq, most).fetch(&mut *self.view);
        while let Some(row) = rows.try_next().await? {
            refuse_unchained(&row, &previous)?;
            previous = ChainPlace { seq: row.seq, hash: row.hash.clone() };
            links.push(row.into());
        }
        Ok(links)
    }

    /// The postings of the events after `after` up to `to`, by the columns of [`ENTRY_COLUMNS`].
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn entries_between(&mut self, after: i64, to: i64) -> Result<Vec<BookRow>> {
        let sql = format!(
            "SELECT {} FROM accounting_entries WHERE transaction_id > ?1 AND transaction_id <= ?2 ORDER BY entry_id",
            ENTRY_COLUMNS.join(", ")
        );
        rows(&mut self.view, sql, after, to).await
    }

    /// The deposits whose last event is after `after` and not after `to`, each as it stands now, by [`DEPOSIT_COLUMNS`]: one
    /// with a later event comes with that.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn deposits_last_changed_between(&mut self, after: i64, to: i64) -> Result<Vec<BookRow>> {
        let sql = format!(
            "SELECT {} FROM accounting_deposits
             WHERE id IN (SELECT e.deposit_id FROM event e WHERE e.seq > ?1 AND e.seq <= ?2 AND e.deposit_id IS NOT NULL
                          AND NOT EXISTS (SELECT 1 FROM event l WHERE l.deposit_id = e.deposit_id AND l.seq > ?2))",
            DEPOSIT_COLUMNS.join(", ")
        );
        rows(&mut self.view, sql, after, to).await
    }

    /// How many parts a source has; the first is 0.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn parts_of(&mut self, source: &BookSource) -> Result<i64> {
        let Some(last) = source.last_key_sql() else { return Ok(1) };
        let last: i64 =
            sqlx::query_scalar(AssertSqlSafe(last)).fetch_one(&mut *self.view).await.map_err(Error::from)?;
        Ok(source.part_of(last).saturating_add(1))
    }

    /// The rows of one part of a source, by its columns.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn part(&mut self, source: &BookSource, part: i64) -> Result<Vec<BookRow>> {
        let (from, to) = source.keys_of(part);
        rows(&mut self.view, source.rows_sql(), from, to).await
    }

    /// What the sources are computed from beside the events.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn mark(&mut self) -> Result<BookMark> {
        let row = sqlx::query!(
            r#"SELECT (SELECT coalesce(max(id), 0) FROM reconciliation) AS "run!: i64",
                      coalesce((SELECT max(at) FROM reconciliation WHERE ok = 1), '') AS "reconciled_at!: String",
                      coalesce((SELECT group_concat(from_at || '=' || seconds) FROM books_offset), '')
                          || coalesce((SELECT group_concat(account || '=' || mapped) FROM books_account), '') AS "books!: String""#
        )
        .fetch_one(&mut *self.view)
        .await?;
        let mark = format!("{} {}", row.run, digest(row.books.as_bytes()));
        Ok(BookMark { mark, reconciled_at: row.reconciled_at })
    }
}

/// Refuses an event that does not follow `previous`, or whose postings do not balance.
fn refuse_unchained(row: &ChainRow, previous: &ChainPlace) -> Result<()> {
    let seq = row.seq;
    let expected = previous.seq.saturating_add(1);
    if seq != expected {
        return Err(Error::Untrusted(format!("event {expected} is missing: the next one is {seq}")));
    }
    let (Some(postings), Ok(request)) = (read_postings(&row.postings), row.request()) else {
        return Err(Error::Untrusted(format!(
            "the request, facts or postings of event {seq} cannot be read"
        )));
    };
    let derived = row.hash_behind(&previous.hash, request.as_ref(), &postings).unwrap_or_default();
    if derived != row.hash {
        return Err(Error::Untrusted(format!(
            "the chain does not continue at event {seq}: its hash is {}, and what it says behind event {} with the hash {} \
             gives {derived}",
            row.hash, previous.seq, previous.hash
        )));
    }
    let sum = postings.iter().try_fold(0_i64, |sum, line| sum.checked_add(line.amount_usd_micros.get()));
    if sum != Some(0) {
        return Err(Error::Untrusted(format!("the postings of event {seq} do not balance")));
    }
    Ok(())
}

/// The rows of a statement that takes two numbers.
async fn rows(view: &mut SqliteConnection, sql: String, from: i64, to: i64) -> Result<Vec<BookRow>> {
    let mut found = Vec::new();
    let mut rows = sqlx::query(AssertSqlSafe(sql)).bind(from).bind(to).fetch(view);
    while let Some(row) = rows.try_next().await? {
        found.push(values(&row)?);
    }
    Ok(found)
}

fn values(row: &SqliteRow) -> Result<BookRow> {
    (0..row.len())
        .map(|column| {
            let value = row.try_get_raw(column)?;
            if value.is_null() {
                return Ok(BookValue::Nothing);
            }
            if value.type_info().name() == "INTEGER" {
                return Ok(BookValue::Whole(row.try_get_unchecked(column)?));
            }
            Ok(BookValue::Text(row.try_get_unchecked(column)?))
        })
        .collect()
}
