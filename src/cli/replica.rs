//! `drill` and `promote`: whether the replica could take over, and having it take over.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::client::{ApiCall, ClientError};
use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::output::{Output, Paint, hint, say};
use super::review::said;
use super::table::{facts, plain};
use crate::api;
use crate::api_types::ProblemKind;
use crate::daemon;
use crate::flow::{self, DrillReport, PromoteError};

/// A large ledger takes a while to be restored.
const LIMIT: Duration = Duration::from_hours(1);

/// Restores the replica for a trial and prints what was found. The daemon does it, and remembers it; where none runs, this
/// does it by itself.
pub(super) async fn drill(context: &mut Context) -> CommandResult {
    let config = context.config()?;
    if config.ledger.replica.socket.is_none() && config.ledger.replica.config.is_none() {
        return Err(CommandFailure::usage("ledger.replica.socket: missing: there is no replica"));
    }
    let call = ApiCall::post("/v1/drills", json!({})).within(LIMIT);
    let report = match context.client()?.call(call).await {
        Ok(reply) => reply.read::<DrillReport>()?,
        Err(ClientError::Unreachable(_)) => by_itself(context).await?,
        // A daemon that was started without a replica, or by an earlier version.
        Err(ClientError::Refused(problem)) if problem.is(ProblemKind::NoReplica) || problem.status == 404 => {
            by_itself(context).await?
        }
        Err(error) => return Err(error.into()),
    };
    if context.out.json {
        context.out.document(&report)?;
    } else {
        print(&mut context.out, &report);
    }
    Ok(if report.ok { ExitStatus::Done } else { ExitStatus::Wrong })
}

async fn by_itself(context: &mut Context) -> Result<DrillReport, CommandFailure> {
    let config = context.config()?;
    let ledger = context.ledger().await?;
    let program = daemon::litestream_program(&config).await;
    let litestream = config.ledger.replica.socket.clone().map(|socket| daemon::litestream(&config, socket));
    say("no daemon with a replica runs: this drill is not remembered");
    Ok(flow::drill(&ledger, &program, litestream.as_ref(), &flow::temporary_place()).await?)
}

fn print(out: &mut Output, report: &DrillReport) {
    let head = match report.ok {
        true => out.paint(Paint::Good, "the replica is whole, and continues this ledger"),
        false => out.paint(Paint::Bad, "the replica could NOT take over"),
    };
    out.line(head);
    for finding in &report.findings {
        out.line(format_args!("- {}", plain(finding)));
    }
    let seconds = report.restore_ms.map(|ms| format!("{}.{:03} s", ms.div_euclid(1000), ms.rem_euclid(1000)));
    facts(
        out,
        [
            ("generation", Some(report.generation.to_string())),
            ("restored in", seconds),
            ("bytes", report.bytes.map(|bytes| bytes.to_string())),
            ("replica's head", report.replica_head_seq.map(|seq| format!("event {seq}"))),
            ("ledger's head", Some(format!("event {}", report.ledger_head_seq))),
            ("hash", report.replica_head_hash.clone()),
        ],
    );
}

/// Makes the newest state in the store this machine's ledger.
pub(super) async fn promote(context: &mut Context, from: Option<&Path>, note: &str) -> CommandResult {
    let note = said(note)?;
    let config = context.config()?;
    let who = api::unix_user(rustix::process::getuid().as_raw());
    hint("restoring, and proving what was restored\n");
    match daemon::promote(&config, from, (&who, note), context.clock.now()).await {
        Ok(promoted) => context.out.answer(&promoted, |out| {
            out.line(format_args!(
                "generation {} is in place at {}",
                promoted.generation,
                promoted.path.display()
            ));
            out.line(format_args!("it continues event {} {}", promoted.head_seq, promoted.head_hash));
            out.line(format_args!(
                "now start Litestream ({} names the generation for it), then the daemon",
                promoted.environment.display()
            ));
        }),
        Err(PromoteError::NotWhole(words)) => Err(CommandFailure::new(ExitStatus::Wrong, words)),
        Err(error @ (PromoteError::Note(_) | PromoteError::Refused(_))) => Err(CommandFailure::usage(error)),
        Err(error) => Err(error.into()),
    }
}
