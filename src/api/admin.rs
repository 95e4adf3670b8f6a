//! What an operator asks for: the mails that wait, sending them again, a test message, a copy of the ledger.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::{Extension, Json};

use super::auth::Principal;
use super::input::{Params, RawBody, clip};
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
    if to.is_none() && api.flow.rules.recipients(EventName::UpstreamDown).is_empty() {
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
    if !path.is_absolute() || path.file_name().is_none() {
        return Err(Problem::invalid("path", "expected an absolute path of a file"));
    }
    if !path.parent().is_some_and(std::path::Path::is_dir) {
        return Err(Problem::invalid(
            "path",
            "its folder does not exist, or the daemon may not look into it",
        ));
    }
    let _place = api.backups.try_acquire().map_err(|_| Problem::busy("a copy is being made already", 5))?;
    let own = Arc::clone(&api);
    match whole(&api, caller.origin(), async move { own.flow.ledger.backup(&path).await }).await? {
        Ok(report) => Ok(Json(report)),
        Err(ledger::Error::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
            Err(Problem::invalid("path", "exists already; nothing is overwritten"))
        }
        Err(error) => {
            tracing::error!("a backup failed: {}", error.chain());
            Err(Problem::new(ProblemKind::BackupFailed, error.chain()))
        }
    }
}
