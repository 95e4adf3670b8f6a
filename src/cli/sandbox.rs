//! The whole system on this machine, from the command line.

use std::io::{IsTerminal as _, Write as _};

use super::args::SandboxArgs;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::log::{LogFormat, start_log};
use crate::sandbox::scenario::{self, Error, Options};

/// Tells a story in the sandbox, and says whether everything agreed in the end.
pub(super) fn sandbox(args: SandboxArgs, json: bool) -> CommandResult {
    // The story is what a person came for; the daemon's own log only on demand.
    if ["DEPOSITD_LOG", "RUST_LOG"].iter().any(|name| std::env::var_os(name).is_some()) {
        start_log(LogFormat::Text, None)?;
    }
    let terminal = std::io::stdout().is_terminal();
    let options = Options {
        dir: args.dir,
        speed: args.speed,
        deposits: args.deposits,
        seed: args.seed,
        serve: args.serve,
        webhook: args.webhook,
        json,
        quiet: args.quiet,
        live: terminal,
        colour: terminal && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty()),
        program: std::env::args().next(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut out = std::io::stdout();
    let outcome = runtime.block_on(scenario::run(options, &mut out)).map_err(|error| match error {
        Error::Usage(_) | Error::Config(_) => CommandFailure::usage(error),
        error => CommandFailure::from(error),
    })?;
    out.flush()?;
    Ok(if outcome.is_good() { ExitStatus::Done } else { ExitStatus::Failed })
}
