//! The upstream's list as the ledger keeps it, and what became of it run by run.
//!
//! In the order in which a run goes through it: [`staging`] (the list while it is still being read), [`import`] (what of
//! it is new, changed or gone), [`matching`] (whose id each row bears), [`comparison`] (deposits and their rows side by
//! side, and the sums), [`runs`] (what a run came to). Rows have no identity of their own: a run groups those of a
//! deposit by the id that they bear, and sums them.

mod card_names;
mod comparison;
mod import;
mod matching;
mod runs;
mod staging;

pub use comparison::{ForeignOrders, NAMED_ROWS, Scope, Sums, UnknownWord, UnreadRow};
pub use import::{Known, KnownRow};
pub use runs::{GoodRun, IncompleteRuns, Run, RunFigures, Tally, Total};
pub use staging::{Pages, RowChange, RowStaging, StagedRow};

/// So many rows are read from the ledger, or written to it, in one statement.
const PAGE: usize = 5000;
