//! Whose ledger it is: the account that it belongs to, and what was lost with a machine.

use std::path::Path;

use serde_json::json;

use super::Flow;
use super::said::{CaseError, checked};
use crate::domain::event::EventName;
use crate::domain::time::Timestamp;
use crate::ledger::{self, AccountEvent, Decision, Ledger, RESTORED, Reservation, Restore};

/// Where the account is remembered.
const ACCOUNT: &str = "account";

/// The ledger belongs to another account: nothing has happened then.
#[derive(Debug, thiserror::Error)]
pub enum OwnershipError {
    /// Neither is changed: the books of two accounts are never one.
    #[error(
        "the ledger {path} belongs to the upstream account {held:?}, and the configuration names {asked:?}: name the right \
         ledger or account; if the account itself has a new name: depositd rebind --note TEXT"
    )]
    Foreign {
        /// The ledger.
        path: String,
        /// Its account.
        held: String,
        /// The configured one.
        asked: String,
    },
    /// It could not be read or written.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

/// Refuses a ledger that is another account's, before anything of it is changed.
///
/// # Errors
/// [`OwnershipError`]
pub async fn refuse_foreign(reserved: &Reservation, account: &str) -> Result<(), OwnershipError> {
    is_owned(reserved.recall(ACCOUNT).await?, reserved.path(), account).map(|_| ())
}

/// Proves that the ledger is `account`'s; one that is nobody's yet becomes so.
pub async fn bind(ledger: &Ledger, account: &str) -> Result<(), OwnershipError> {
    if is_owner(ledger, account).await? {
        return Ok(());
    }
    Ok(ledger.remember(ACCOUNT, account.to_owned()).await?)
}

/// True for a ledger of `account`, false for one that is nobody's yet.
///
/// # Errors
/// [`OwnershipError::Foreign`] for one of another account.
pub async fn is_owner(ledger: &Ledger, account: &str) -> Result<bool, OwnershipError> {
    is_owned(ledger.recall(ACCOUNT).await?, ledger.path(), account)
}

/// Whether it has an owner; that can only be `account`.
fn is_owned(held: Option<String>, path: &Path, account: &str) -> Result<bool, OwnershipError> {
    match held {
        Some(held) if held != account => {
            let (path, asked) = (path.display().to_string(), account.to_owned());
            Err(OwnershipError::Foreign { path, held, asked })
        }
        held => Ok(held.is_some()),
    }
}

/// Gives the ledger to `account`, because a person says so; an event of the chain. Gives the account that it had.
///
/// # Errors
/// [`CaseError`]: an empty note, or the account that it has already.
pub async fn rebind(
    ledger: &Ledger,
    account: &str,
    (who, note): (&str, &str),
    now: Timestamp,
) -> Result<Option<String>, CaseError> {
    let note = checked(note).map_err(CaseError::Note)?;
    let held = ledger.recall(ACCOUNT).await?;
    if held.as_deref() == Some(account) {
        return Err(CaseError::Refused(format!("the ledger belongs to account {account:?} already")));
    }
    let reason = format!("the ledger is given to account {account}, by {who}: {note}");
    let facts = json!({ "account": account, "before": held, "who": who, "note": note });
    let notice =
        AccountEvent { name: EventName::Rebound, at: now, reason: Some(reason), facts, mail_to: Vec::new() };
    let (accept, take_back, close) = (Vec::new(), Vec::new(), Vec::new());
    let memory = vec![(ACCOUNT, account.to_owned())];
    ledger.decide(Decision { notice, who: who.to_owned(), note, accept, take_back, close, memory }).await?;
    Ok(held)
}

/// A person says that the ledger was restored from a copy: the next run names the orders that were made after it. The copy
/// ended with the last event before this start, unless `since` says otherwise.
///
/// # Errors
/// [`CaseError`]: an empty note, or a restore that still stands.
pub async fn restored(
    flow: &Flow,
    who: &str,
    note: &str,
    since: Option<Timestamp>,
) -> Result<Restore, CaseError> {
    let note = checked(note).map_err(CaseError::Note)?;
    if flow.ledger.restored().await?.is_some() {
        return Err(CaseError::Refused(
            "a restore stands already: see `depositd cases list`, and close its case first".to_owned(),
        ));
    }
    let copied = match since {
        Some(since) => since,
        None => flow.ledger.time_of(flow.started.head_seq).await?.unwrap_or(flow.started.at),
    };
    let restore = Restore { since: copied, until: flow.started.at.max(copied) };
    note_restore(&flow.ledger, restore, who, note, flow.clock.now()).await?;
    Ok(restore)
}

/// Looks for a copy in the backup folder that knows more than the ledger: it was restored from an older one then, which is
/// said as if a person had.
///
/// # Errors
/// Whatever the ledger says; a copy that cannot be read tells nothing.
pub async fn notice_restore(flow: &Flow, backups: &Path) -> ledger::Result<()> {
    if flow.ledger.restored().await?.is_some() {
        return Ok(());
    }
    let Some(copy) = flow.ledger.newest_copy(backups).await else { return Ok(()) };
    let known = flow.ledger.recall("restored_head").await?;
    if copy.head_seq <= flow.started.head_seq || known.as_deref() == Some(copy.head_hash.as_str()) {
        return Ok(());
    }
    let since = flow.ledger.time_of(flow.started.head_seq).await?.unwrap_or(flow.started.at);
    let note = format!(
        "{} ends with event {}, this ledger with {}: it is older than its own backup",
        copy.path.display(),
        copy.head_seq,
        flow.started.head_seq
    );
    tracing::error!("the ledger was restored: {note}");
    // In this order: what is noted and not remembered is found again as `restored` above.
    let restore = Restore { since, until: flow.started.at.max(since) };
    note_restore(&flow.ledger, restore, "this start", note, flow.clock.now()).await?;
    flow.ledger.remember("restored_head", copy.head_hash).await
}

async fn note_restore(
    ledger: &Ledger,
    restore: Restore,
    who: &str,
    note: String,
    now: Timestamp,
) -> ledger::Result<()> {
    let kept =
        serde_json::to_string(&restore).map_err(|error| ledger::Error::Unreadable(error.to_string()))?;
    let notice = AccountEvent {
        name: EventName::Restored,
        at: now,
        reason: Some(format!("the ledger was restored, by {who}: {note}")),
        facts: json!({ "since": restore.since, "until": restore.until, "who": who, "note": note }),
        mail_to: Vec::new(),
    };
    let (accept, take_back, close) = (Vec::new(), Vec::new(), Vec::new());
    let memory = vec![(RESTORED, kept)];
    ledger.decide(Decision { notice, who: who.to_owned(), note, accept, take_back, close, memory }).await
}
