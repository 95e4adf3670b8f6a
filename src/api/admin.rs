//! What an operator asks for: the mails that wait, sending them again, a test message, a copy of the ledger.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::{Extension, Json};

use super::input::{Params, RawBody, clip};
use super::principal::Principal;
use super::problem::{Problem, ProblemKind};
use super::state::{SharedState, whole};
use crate::api_types::{BackupReport, MailList, MailRecipients, MailsRetried};
use crate::domain::event::EventName;
use crate::ledger;
use crate::notifier;

const STATES: &[&str] = &["owed", "sent", "dead", "told"];

/// `GET /v1/mails`
pub(super) async fn mails(State(api): State<SharedState>, uri: Uri) -> Result<Json<MailList>, Problem> {
    let params = Params::read(&uri, &["state", "limit"])?;
    let states = params.all("state");
    if let Some(unknown) = states.iter().find(|state| !STATES.contains(state)) {
        let why = format!("{:?} is none of {}", clip(unknown), STATES.join(", "));
        return Err(Problem::invalid("state", why));
    }
    let mails = api.flow.ledger.mails(&states, params.limit(50, 500)?).await?;
    Ok(Json(MailList { mails }))
}

/// `POST /v1/mails/retry`
pub(super) async fn retry(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    body: RawBody,
) -> Result<Json<MailsRetried>, Problem> {
    let id = body.fields(&["id"])?.integer("id")?;
    let own = Arc::clone(&api);
    let retried = whole(&api, caller.origin(), async move { own.flow.retry_mails(id).await }).await??;
    match id {
        Some(id) if retried == 0 => Err(Problem::not_found(format!("there is no unsent mail {id}"))),
        _ => Ok(Json(MailsRetried { retried })),
    }
}

/// `POST /v1/mails/test`
pub(super) async fn test(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    body: RawBody,
) -> Result<(StatusCode, Json<MailRecipients>), Problem> {
    let to = body.fields(&["to"])?.text("to")?;
    let to = to
        .map(|to| notifier::parse_address(&to).map_err(|error| Problem::invalid("to", error)))
        .transpose()?;
    if to.is_none() && api.flow.rules.current().mailed(EventName::UpstreamDown).is_empty() {
        return Err(Problem::invalid("to", "nobody is configured to get alerts; name an address"));
    }
    let own = Arc::clone(&api);
    let recipients = whole(&api, caller.origin(), async move { own.flow.mail_test(to).await }).await??;
    Ok((StatusCode::ACCEPTED, Json(MailRecipients { recipients })))
}

/// `POST /v1/backups`
pub(super) async fn backup(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    body: RawBody,
) -> Result<Json<BackupReport>, Problem> {
    let path = PathBuf::from(body.fields(&["path"])?.needed_text("path")?);
    let path = allowed(path, api.backup_dir.as_deref())?;
    let _place = api.backups.try_acquire().map_err(|_| Problem::busy("a copy is being made already", 5))?;
    let own = Arc::clone(&api);
    match whole(&api, caller.origin(), async move { own.flow.ledger.backup(&path).await }).await? {
        Ok(report) => Ok(Json(report)),
        Err(ledger::Error::Io { doing, source, .. })
            if matches!(source.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::InvalidInput) =>
        {
            Err(Problem::invalid("path", format!("the daemon {doing} this: {source}")))
        }
        Err(error) => {
            tracing::error!("a backup failed: {}", error.chain());
            Err(Problem::new(ProblemKind::BackupFailed, error.chain()))
        }
    }
}

/// The daemon writes copies where its configuration says, and nowhere else: who may call it need not be one who may write
/// to everything that it may.
fn allowed(path: PathBuf, backup_dir: Option<&Path>) -> Result<PathBuf, Problem> {
    let refused = |why: String| Err(Problem::invalid("path", why));
    let (Some(name), Some(folder), true) = (path.file_name(), path.parent(), path.is_absolute()) else {
        return refused("expected an absolute path of a file".to_owned());
    };
    let Some(backup_dir) = backup_dir else {
        return refused(
            "the daemon writes copies into ledger.backup_dir only, and that is not set; `depositd backup FILE` writes where \
             you may"
                .to_owned(),
        );
    };
    if let Err(error) = std::fs::create_dir_all(backup_dir) {
        return refused(format!(
            "the folder {} (ledger.backup_dir) cannot be made: {error}",
            backup_dir.display()
        ));
    }
    let (Ok(folder), Ok(allowed)) = (folder.canonicalize(), backup_dir.canonicalize()) else {
        return refused("its folder does not exist, or the daemon may not look into it".to_owned());
    };
    if !folder.starts_with(&allowed) {
        return refused(format!(
            "the daemon writes copies into {} (ledger.backup_dir) only; `depositd backup FILE` writes where you may",
            backup_dir.display()
        ));
    }
    Ok(folder.join(name))
}
