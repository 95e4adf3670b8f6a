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

/// Follows, or shows how the ledgers stand.
#[cfg(feature = "fleet")]
pub(super) async fn fleet(context: &mut Context, command: FleetCommand) -> CommandResult {
    match command {
        FleetCommand::Follow(args) => following::follow(context, &args).await,
        FleetCommand::Status => shown::status(context).await,
    }
}

/// This build cannot.
#[cfg(not(feature = "fleet"))]
#[expect(clippy::unused_async, reason = "with the feature it waits")]
pub(super) async fn fleet(_context: &mut Context, _command: FleetCommand) -> CommandResult {
    Err(super::exit::CommandFailure::usage(
        "this build of depositd has no fleet, since few need PostgreSQL: take the package, which has it, or build with \
         `cargo build --release --locked --features fleet`",
    ))
}
