//! The generation of the ledger: 1 at first, one more with each promotion of a stand-by. Each generation has a place of
//! its own in the store, so that the machine that was left behind finds out, and writes into nobody's copy.

use std::fmt;

use crate::flow::Flow;
use crate::ledger::{self, Ledger, Reservation};
use crate::replica::Program;

/// Under which key the ledger remembers its generation; a ledger without it is of the first.
pub const GENERATION: &str = "generation";

/// A later generation of this ledger is in the store: a stand-by was promoted, and goes on with the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Superseded {
    /// This ledger's.
    pub own: u64,
    /// The one that was found.
    pub found: u64,
}

impl fmt::Display for Superseded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { own, found } = self;
        write!(
            f,
            "this ledger is generation {own}, and the store holds generation {found}: a stand-by was promoted and goes \
             on with the books. This machine must not; move its ledger away, and set it up as the new stand-by \
             (docs/replica.md, \"When the old machine comes back\")"
        )
    }
}

/// The generation of `ledger`.
///
/// # Errors
/// Whatever the ledger says.
pub async fn generation_of(ledger: &Ledger) -> ledger::Result<u64> {
    read(ledger.recall(GENERATION).await?.as_deref())
}

fn read(kept: Option<&str>) -> ledger::Result<u64> {
    let Some(kept) = kept else { return Ok(1) };
    kept.parse().map_err(|_| ledger::Error::Unreadable(format!("its generation is {kept:?}, and no number")))
}

/// Looks into the store for a later generation than that of a ledger which is held and not opened yet. What cannot be
/// asked now is asked again before anything leaves.
///
/// # Errors
/// Whatever the ledger says.
pub async fn refuse_superseded(
    reserved: &Reservation,
    program: &Program,
) -> ledger::Result<Option<Superseded>> {
    let own = read(reserved.recall(GENERATION).await?.as_deref())?;
    Ok(later_than(own, program).await.unwrap_or_default())
}

/// The same for a running daemon.
pub(super) async fn supersession(flow: &Flow) -> Result<Option<Superseded>, String> {
    let own = generation_of(&flow.ledger).await.map_err(|error| error.chain())?;
    let Some(program) = flow.replica.program().await? else { return Ok(None) };
    match program.holds(own).await {
        Ok(Some(false)) => Err(format!(
            "the store holds nothing of generation {own}, which this ledger is: Litestream runs with another \
             DEPOSITD_GENERATION"
        )),
        Ok(_) => later_than(own, &program).await,
        Err(error) => Err(error.to_string()),
    }
}

async fn later_than(own: u64, program: &Program) -> Result<Option<Superseded>, String> {
    let found = own.saturating_add(1);
    match program.holds(found).await {
        Ok(Some(true)) => Ok(Some(Superseded { own, found })),
        Ok(Some(false) | None) => Ok(None),
        Err(error) => Err(format!("it is not known whether a stand-by was promoted: {error}")),
    }
}
