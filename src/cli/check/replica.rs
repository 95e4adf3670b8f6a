//! The second copy of the ledger: whether Litestream confirms, whether a machine that is left behind would find out, and
//! whether one was.

use std::path::PathBuf;

use super::finding::{Check, Findings};
use crate::cli::context;
use crate::config::Config;
use crate::daemon;
use crate::flow;

/// Asks as the daemon does; nothing is restored. On a stand-by, which has no ledger, it is the store that is asked.
pub(super) async fn replica(config: &Config, socket: PathBuf) -> Check {
    let mut found = Findings::default();
    let ledger = match config.ledger.path.exists() {
        true => context::open(config).await.ok(),
        false => None,
    };
    if ledger.is_some() {
        match daemon::litestream(config, socket).sync().await {
            Ok(()) => found.good("it has everything"),
            Err(error) => found.wrong(error.to_string()),
        }
    }
    let program = daemon::litestream_program(config).await;
    match program.tells_generations_apart() {
        Ok(true) => {}
        Ok(false) => {
            found.warn(
                "Litestream's configuration has no ${DEPOSITD_GENERATION} in the replica's path, or is not named: a \
                 machine that was left behind by a promotion would not find out (docs/replica.md)",
            );
            return found.check("replica");
        }
        Err(error) => found.wrong(error.to_string()),
    }
    let own = match &ledger {
        Some(ledger) => flow::generation_of(ledger).await.unwrap_or(1),
        None => 0,
    };
    let next = own.saturating_add(1);
    match (ledger, program.holds(next).await) {
        (_, Err(error)) => found.wrong(format!("the store cannot be asked: {error}")),
        (Some(_), Ok(Some(true))) => found.wrong(flow::Superseded { own, found: next }.to_string()),
        (Some(_), Ok(_)) => found.good(format!("generation {own} is the newest")),
        (None, Ok(Some(true))) => found.good("no ledger is here, and the store has one: this is a stand-by"),
        (None, Ok(_)) => found.good("neither this machine nor the store has a ledger yet"),
    }
    found.check("replica")
}
