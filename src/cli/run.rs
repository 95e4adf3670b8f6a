//! How the daemon is started from the command line: its configuration, its log, its runtime.

use super::args::RunArgs;
use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::log::{LogControl, start_log};
use crate::config::Config;
use crate::daemon;

/// Runs the daemon until it is told to stop.
pub(super) fn run(context: &mut Context, args: &RunArgs) -> CommandResult {
    let config = context.config()?;
    let log = start_log(args.log_format, config.log.level.as_deref())?;
    config.validate_for_daemon().map_err(CommandFailure::usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(until_stopped(config, log));
    if ended.is_err() {
        // As after a kill: nobody closes a ledger that is not trusted, or takes its log from those who read.
        std::mem::forget(runtime);
    }
    ended
}

async fn until_stopped(config: Config, log: LogControl) -> CommandResult {
    let ended = daemon::run(&config, Box::new(move |level| log.set(level))).await;
    ended.map(|()| ExitStatus::Done).map_err(|error| match error {
        daemon::Error::Configuration(why) => CommandFailure::usage(why),
        daemon::Error::Ledger(error) => CommandFailure::new(ExitStatus::Failed, error.chain()),
        error => CommandFailure::new(ExitStatus::Failed, error),
    })
}
