//! `baseline`, `claim`, `restored` and `rebind`: what only a person can say of the whole account.

use serde_json::json;

use super::args::BaselineCommand;
use super::client::ApiCall;
use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::review::said;
use super::table::plain;
use crate::api;
use crate::api_types::{Baseline, DepositObject, RestoredSpan};
use crate::domain::money::dollars;
use crate::domain::time::Timestamp;
use crate::flow::{self, CaseError};
use crate::ledger::{Access, Ledger};

/// Shows the baseline, or sets it.
pub(super) async fn baseline(context: &mut Context, command: Option<BaselineCommand>) -> CommandResult {
    let Some(BaselineCommand::Set { cents, note }) = command else { return show_baseline(context).await };
    let note = said(&note)?;
    let call = ApiCall::post("/v1/baseline", json!({ "cents": cents, "note": note }));
    let reply = context.client()?.call(call).await?;
    context.out.answer(&reply.value, |out| {
        out.line(format_args!("the baseline is {} USD", dollars(cents)));
    })
}

async fn show_baseline(context: &mut Context) -> CommandResult {
    let kept = context.ledger().await?.recall("baseline_cents").await?;
    let baseline = Baseline { baseline_cents: kept.and_then(|kept| kept.parse().ok()) };
    context.out.answer(&baseline, |out| match baseline.baseline_cents {
        Some(cents) => out.line(format_args!("{} USD", dollars(cents))),
        None => out.line("not yet: it is taken once two reconciliations agree on it"),
    })
}

/// Makes a deposit of an order.
pub(super) async fn claim(
    context: &mut Context,
    order: &str,
    reference: Option<String>,
    note: &str,
) -> CommandResult {
    let note = said(note)?;
    let body = json!({ "order": order, "reference": reference, "note": note });
    let reply = context.client()?.call(ApiCall::post("/v1/claims", body)).await?;
    reply.answer(&mut context.out, |out, deposit: DepositObject| {
        out.line(format_args!("order {} is deposit {}", plain(order), deposit.id));
    })
}

/// Says that the ledger was restored.
pub(super) async fn restored(context: &mut Context, since: Option<Timestamp>, note: &str) -> CommandResult {
    let note = said(note)?;
    let body = match since {
        Some(since) => json!({ "note": note, "since": since }),
        None => json!({ "note": note }),
    };
    let reply = context.client()?.call(ApiCall::post("/v1/restored", body)).await?;
    reply.answer(&mut context.out, |out, RestoredSpan { since, until }| {
        out.line(format_args!(
            "recorded: the next reconciliation names the orders made between {since} and {until}"
        ));
    })
}

/// Gives the ledger to the configured account. The daemon refuses to start on a foreign one, so this opens the file itself.
pub(super) async fn rebind(context: &mut Context, note: &str) -> CommandResult {
    let note = said(note)?;
    let config = context.config()?;
    let account = config.upstream.user_id.clone();
    let account =
        account.ok_or_else(|| CommandFailure::usage("upstream.user_id: missing: which account?"))?;
    let mut settings = crate::daemon::ledger_settings(&config);
    settings.create_if_missing = false;
    let now = context.clock.now();
    let ledger = Ledger::open(settings, Access::Write).await?;
    let who = api::unix_user(rustix::process::getuid().as_raw());
    let done = flow::rebind(&ledger, &account, (&who, note), now).await;
    ledger.close().await?;
    match done {
        Ok(before) if context.out.json => {
            context.out.document(&json!({ "account": account, "before": before }))?;
        }
        Ok(before) => context.out.line(format_args!(
            "the ledger belongs to account {} now; it was {}'s",
            plain(&account),
            plain(before.as_deref().unwrap_or("nobody"))
        )),
        Err(CaseError::Ledger(error)) => return Err(error.into()),
        Err(error) => return Err(CommandFailure::usage(error)),
    }
    Ok(ExitStatus::Done)
}
