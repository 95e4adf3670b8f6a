//! `fleet`: the books of many ledgers in one PostgreSQL database.

#[cfg(feature = "fleet")]
mod following;
#[cfg(feature = "fleet")]
mod shown;
#[cfg(feature = "fleet")]
mod told;

use super::args::FleetCommand;
use super::context::Context;
use super::exit::CommandResult;

/// Follows, or shows how the ledgers stand. One thread reads and proves while another writes.
#[cfg(feature = "fleet")]
pub(super) fn fleet(context: &mut Context, command: FleetCommand) -> CommandResult {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended = runtime.block_on(async {
        match command {
            FleetCommand::Follow(args) => following::follow(context, &args).await,
            FleetCommand::Status => shown::status(context).await,
        }
    });
    runtime.shutdown_background();
    ended
}

/// This build cannot.
#[cfg(not(feature = "fleet"))]
pub(super) fn fleet(_context: &mut Context, _command: FleetCommand) -> CommandResult {
    Err(super::exit::CommandFailure::usage(
        "this build of depositd has no fleet, since few need PostgreSQL: take the package, which has it, or build with \
         `cargo build --release --locked --features fleet`",
    ))
}
