//! What can be written to the ledger, and the one transaction that writes it: all of it, or nothing.

use std::collections::HashSet;

use serde::Serialize;
use sqlx::SqliteConnection;

use super::writer::{begin, commit};
use super::{Error, Ledger, QueueEntry, Requeue, Result, Shared, append, deposit_rows, poll_queue};
use crate::domain::event::{EventName, Step};
use crate::domain::time::Timestamp;

/// An upstream answer, kept behind the change that it brought.
#[derive(Debug, Clone)]
pub struct EvidenceNote {
    /// When it came.
    pub at: Timestamp,
    /// Which call.
    pub call: &'static str,
    /// Its HTTP status; `None` when no answer came.
    pub http_status: Option<u16>,
    /// The raw answer without secrets, capped; or the error.
    pub body: String,
}

/// What is known of an attempt to make a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// It made the deposit's wallet.
    Wallet,
    /// It was refused for good.
    Refused,
    /// It never reached the upstream; does not count.
    NotTaken,
    /// It cannot be known.
    Unknown,
}

impl AttemptOutcome {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Wallet => "wallet",
            Self::Refused => "refused",
            Self::NotTaken => "not_taken",
            Self::Unknown => "unknown",
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub struct AttemptEnd {
    /// Which attempt.
    pub id: i64,
    /// When it ended.
    pub at: Timestamp,
    /// What is known of it.
    pub outcome: AttemptOutcome,
    /// The order it made, where we learnt of it.
    pub order_id: Option<String>,
    /// The error in words.
    pub detail: Option<String>,
}

/// What the first step of a deposit brings with it.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The caller's key.
    pub idempotency_key: Option<String>,
    /// SHA-256 of the canonical request.
    pub request_digest: String,
}

/// One step and what commits with it.
#[derive(Debug, Clone)]
pub struct DepositWrite {
    /// What happened.
    pub step: Step,
    /// The answer that brought it.
    pub evidence: Option<EvidenceNote>,
    /// With a deposit's first step.
    pub opening: Option<Opening>,
    /// The attempt that it ends.
    pub attempt: Option<AttemptEnd>,
    /// The turn that it had, where it was taken from the queue.
    pub entry: Option<QueueEntry>,
    /// From when on its letters are due, by the clock that they are sent by: an event may bear the upstream's time. When
    /// they happened, unless said.
    pub letters_due: Option<Timestamp>,
}

impl From<Step> for DepositWrite {
    fn from(step: Step) -> Self {
        Self { step, evidence: None, opening: None, attempt: None, entry: None, letters_due: None }
    }
}

/// A write and the row of its deposit.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowWrite<'a> {
    pub(super) row_id: i64,
    pub(super) deposit_write: &'a DepositWrite,
}

/// An event of the whole account, or one about a deposit that does not change it.
#[derive(Debug, Clone)]
pub struct AccountEvent {
    /// What happened.
    pub name: EventName,
    /// When.
    pub at: Timestamp,
    /// In words.
    pub reason: Option<String>,
    /// Its figures.
    pub facts: serde_json::Value,
    /// Who is owed a mail about it.
    pub mail_to: Vec<String>,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It is on disk.
    Written,
    /// The deposit had changed meanwhile; nothing was written. Look again.
    Conflict,
    /// A rule of the ledger forbids it, in these words; nothing was written. A fault of ours: a person must look.
    Forbidden(String),
}

impl Ledger {
    /// Writes steps and what belongs to them: all of each, or nothing of it. On disk when this returns.
    ///
    /// # Errors
    /// Whatever the disk says; nothing is written then.
    pub async fn record(&self, writes: Vec<DepositWrite>) -> Result<Vec<Recorded>> {
        self.writer()?.record(writes, Vec::new()).await
    }

    /// Writes events of the whole account.
    ///
    /// # Errors
    /// Whatever the disk says; nothing is written then.
    pub async fn announce(&self, notices: Vec<AccountEvent>) -> Result<()> {
        self.writer()?.record(Vec::new(), notices).await.map(|_| ())
    }

    /// Proves that the file is still the one that was opened, can be written, and ends where this program left it.
    ///
    /// # Errors
    /// [`Error::Untrusted`] where it is not; whatever the disk says where it cannot be written now.
    pub async fn check(&self) -> Result<()> {
        self.writer()?.check().await
    }

    pub(super) fn writer(&self) -> Result<&super::writer::Writer> {
        self.writer.as_ref().ok_or(Error::Closed)
    }
}

/// The whole batch in one transaction.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    shared: &Shared,
    writes: &[&DepositWrite],
    notices: &[&AccountEvent],
    again: &[&Requeue],
) -> Result<Vec<Recorded>> {
    let mut changed = Vec::new();
    let outcome = write_all(connection, shared, (writes, notices, again), &mut changed).await;
    // Also where it failed: a commit that says so may have reached the disk all the same.
    shared.poll_cache.forget(changed);
    outcome
}

async fn write_all(
    connection: &mut SqliteConnection,
    shared: &Shared,
    (writes, notices, again): (&[&DepositWrite], &[&AccountEvent], &[&Requeue]),
    changed: &mut Vec<i64>,
) -> Result<Vec<Recorded>> {
    begin(connection).await?;
    if writes.is_empty() && notices.is_empty() {
        append::check_head(connection, shared).await?;
    }
    let (outcome, head) = write_in(connection, shared, (writes, notices), changed).await?;
    poll_queue::move_entries(connection, again.iter().map(|again| (again.entry, again.due))).await?;
    commit(connection).await?;
    if let Some(head) = head {
        shared.head.send_replace(head);
    }
    Ok(outcome)
}

/// Events of the whole account inside a transaction of the caller's; gives the new head.
pub(super) async fn announce_in(
    connection: &mut SqliteConnection,
    shared: &Shared,
    notices: &[&AccountEvent],
) -> Result<Option<i64>> {
    append::append_events(connection, shared, &[], notices).await
}

async fn write_in(
    connection: &mut SqliteConnection,
    shared: &Shared,
    (writes, notices): (&[&DepositWrite], &[&AccountEvent]),
    changed: &mut Vec<i64>,
) -> Result<(Vec<Recorded>, Option<i64>)> {
    let (opened, rest): (Vec<_>, Vec<_>) = once_each(writes).into_iter().partition(|w| w.opening.is_some());
    let (quiet, moved): (Vec<_>, Vec<_>) = rest.into_iter().partition(|w| w.step.events.is_empty());
    let mut news = deposit_rows::insert_deposits(connection, &opened).await?;
    news.extend(deposit_rows::update_deposits(connection, &moved).await?);
    changed.extend(news.iter().map(|placed| placed.row_id));
    let mut written: Vec<&DepositWrite> = news.iter().map(|placed| placed.deposit_write).collect();
    let head = append::append_events(connection, shared, &written, notices).await?;
    poll_queue::put(connection, &news).await?;
    poll_queue::requeue_unchanged(connection, &quiet).await?;
    written.extend(quiet);
    end_attempts(connection, &written).await?;
    // Told apart by where they stand: two steps from one version leave the same deposit at the same version.
    let applied: HashSet<*const DepositWrite> =
        written.iter().map(|write| std::ptr::from_ref(*write)).collect();
    let outcome = writes.iter().map(|write| {
        if applied.contains(&std::ptr::from_ref(*write)) { Recorded::Written } else { Recorded::Conflict }
    });
    Ok((outcome.collect(), head))
}

/// At most one step a deposit: a second one was made against a value that the first replaces.
fn once_each<'a>(writes: &[&'a DepositWrite]) -> Vec<&'a DepositWrite> {
    let mut seen = HashSet::with_capacity(writes.len());
    writes.iter().filter(|write| seen.insert(write.step.deposit.id)).copied().collect()
}

async fn end_attempts(connection: &mut SqliteConnection, writes: &[&DepositWrite]) -> Result<()> {
    for end in writes.iter().filter_map(|write| write.attempt.as_ref()) {
        let (at, outcome) = (end.at.to_string(), end.outcome.as_str());
        sqlx::query!(
            r#"UPDATE attempt SET ended_at = coalesce(ended_at, ?), outcome = ?, order_id = coalesce(?, order_id),
                   detail = coalesce(?, detail)
               WHERE id = ?"#,
            at,
            outcome,
            end.order_id,
            end.detail,
            end.id
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::database("written"))?;
    }
    Ok(())
}

pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Unreadable(error.to_string()))
}
