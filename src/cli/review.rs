//! `review`: a person clears a review flag, through the daemon.

use serde_json::json;

use super::client::{ApiCall, segment};
use super::context::Context;
use super::exit::{CommandFailure, CommandResult};
use super::names::id_of;

/// Clears the flag of the deposit named `id`.
pub(super) async fn review(context: &mut Context, id: &str, note: &str) -> CommandResult {
    let note = said(note)?;
    let client = context.client()?;
    let id = &id_of(&client, id).await?;
    let path = format!("/v1/deposits/{}/review", segment(id));
    let reply = client.call(ApiCall::post(path, json!({ "note": note }))).await?;
    context.out.answer(&reply.value, |out| {
        out.line(format_args!(
            "the review flag of {} is cleared; the note is recorded",
            super::table::plain(id)
        ));
    })
}

/// A note that says something; the daemon refuses an empty one too.
pub(super) fn said(note: &str) -> Result<&str, CommandFailure> {
    if note.trim().is_empty() {
        Err(CommandFailure::usage("the note is empty; say what was found"))
    } else {
        Ok(note)
    }
}
