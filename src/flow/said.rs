//! The note of a person's decision, or why nothing was recorded.

use crate::ledger;

/// How the resolution begins of a case that ended because it was accepted.
pub(super) const ACCEPTED: &str = "accepted: ";
/// The same of one that was corrected.
pub(super) const CORRECTED: &str = "corrected: ";

/// The most characters of a note.
const NOTE: usize = 1000;

/// Why nothing was recorded: nothing has happened then.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// No such case, or no such deposit.
    #[error("there is no {0}")]
    Unknown(String),
    /// An empty note, or one that cannot be kept: in words.
    #[error("{0}")]
    Note(String),
    /// A case that is closed already, a figure that is right already: in words.
    #[error("{0}")]
    Refused(String),
    /// It could not be written.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

/// A note that says something, on one line.
pub(super) fn checked(note: &str) -> Result<String, String> {
    let note = note.trim();
    if note.is_empty() {
        return Err("the note is empty; say what was found".to_owned());
    }
    if note.chars().count() > NOTE {
        return Err(format!("the note has more than {NOTE} characters"));
    }
    if note.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err("the note holds control characters".to_owned());
    }
    Ok(note.to_owned())
}
