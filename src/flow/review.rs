//! A person clears the review flag of a deposit.

use super::Flow;
use super::said::checked;
use crate::domain::deposit::Deposit;
use crate::domain::observe::{InvalidTransition, Observation};
use crate::ledger::{self, DepositWrite, Recorded};

/// Why a review was not recorded: nothing has happened then.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// No such deposit.
    #[error("there is no deposit {0:?}")]
    Unknown(String),
    /// Nothing to review, or an empty note.
    #[error("{0}")]
    Refused(String),
    /// It could not be written.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

/// Clears the review flag of the deposit named `name` (ours, the order, or the address), and keeps the note and who left it.
pub async fn review(flow: &Flow, name: &str, who: &str, note: &str) -> Result<Deposit, ReviewError> {
    let note = checked(note).map_err(ReviewError::Refused)?;
    loop {
        let deposit = flow.ledger.find(name).await?.ok_or_else(|| ReviewError::Unknown(name.to_owned()))?;
        let step = deposit
            .observe(Observation::Reviewed(note.clone()), flow.clock.now(), &flow.policy())
            .map_err(|error: InvalidTransition| ReviewError::Refused(error.to_string()))?;
        let after = step.deposit.clone();
        let write = DepositWrite { acted_by: Some(who.to_owned()), ..DepositWrite::from(step) };
        if flow.record(vec![write]).await?.first() == Some(&Recorded::Written) {
            return Ok(after);
        }
    }
}
