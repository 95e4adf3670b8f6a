//! The second copy of the ledger, made by Litestream: how it is asked whether it has everything, and how its program is
//! run. The only module that knows Litestream.

mod program;
mod socket;

pub use self::program::{Program, ProgramError, Restored};
pub use self::socket::{Litestream, SyncError};
