//! `fleet follow`: a round over all ledgers, again and again, through whatever becomes of the database meanwhile.

use std::io::IsTerminal as _;
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::shown;
use super::told::{failure, settings};
use crate::cli::args::FollowArgs;
use crate::cli::context::Context;
use crate::cli::exit::{CommandFailure, CommandResult, ExitStatus};
use crate::cli::log::start_log;
use crate::cli::output::hint;
use crate::fleet::{Error, FleetSettings, Follower, LedgerReport};

/// The first wait after the database was lost, then doubling, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Follows once, or until it is told to stop.
pub(super) async fn follow(context: &mut Context, args: &FollowArgs) -> CommandResult {
    let config = context.config()?;
    if !args.once {
        start_log(args.log_format, config.log.level.as_deref())?;
    }
    let settings = settings(&config)?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // What is dropped in the midst of a transaction is undone by the server.
    tokio::select! {
        ended = follow_on(context, &settings, config.fleet.interval, args.once) => ended,
        _ = interrupt.recv() => stopped(args.once),
        _ = terminate.recv() => stopped(args.once),
    }
}

fn stopped(once: bool) -> CommandResult {
    if once {
        return Err(CommandFailure::new(ExitStatus::Failed, "stopped; the next time goes on from there"));
    }
    tracing::info!("stopped");
    Ok(ExitStatus::Done)
}

async fn follow_on(
    context: &mut Context,
    settings: &FleetSettings,
    interval: Duration,
    once: bool,
) -> CommandResult {
    let clock = context.clock.clone();
    let mut wait = FIRST_WAIT;
    loop {
        let lost = match Follower::start(settings, &clock).await {
            Ok(follower) if once => return follow_once(context, follower).await,
            Ok(follower) => {
                tracing::info!(ledgers = settings.ledgers.len(), "following");
                wait = FIRST_WAIT;
                rounds(context, follower, interval).await
            }
            Err(error) => error,
        };
        if once || !lost.is_passing() {
            return Err(failure(&lost));
        }
        tracing::warn!("{}; trying again in {} s", lost.chain(), wait.as_secs());
        clock.sleep(wait).await;
        wait = wait.saturating_mul(2).min(LONGEST_WAIT);
    }
}

/// Round after round, until the database is lost.
async fn rounds(context: &mut Context, mut follower: Follower, interval: Duration) -> Error {
    let clock = context.clock.clone();
    loop {
        match follower.round(&mut |_, _, _| {}).await {
            Ok(reports) => {
                if context.out.json {
                    for report in reports.iter().filter(|report| is_news(report)) {
                        let _ = context.out.document(report);
                    }
                    context.out.flush();
                }
            }
            Err(error) => return error,
        }
        clock.sleep(interval).await;
    }
}

fn is_news(report: &LedgerReport) -> bool {
    report.written > 0 || report.refused.is_some()
}

async fn follow_once(context: &mut Context, mut follower: Follower) -> CommandResult {
    let terminal = std::io::stderr().is_terminal();
    let mut shown = false;
    let round = follower
        .round(&mut |name, reached, head| {
            if terminal {
                shown = true;
                hint(format_args!("\r\u{1b}[K{name}: {reached} of {head} events"));
            }
        })
        .await;
    if shown {
        hint("\r\u{1b}[K");
    }
    let reports = round.map_err(|error| failure(&error))?;
    follower.close().await;
    let is_well = reports.iter().all(|report| report.refused.is_none());
    if context.out.json {
        context.out.document(&json!({ "ok": is_well, "ledgers": reports }))?;
    } else {
        shown::table(&mut context.out, &reports, true);
    }
    Ok(if is_well { ExitStatus::Done } else { ExitStatus::Wrong })
}
