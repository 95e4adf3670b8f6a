//! What goes over the local API, as types: the daemon writes them, the command line reads the same ones.
//!
//! An answer that is a thing of the ledger or of the flow as it stands is that type; what is only a shape of the API is
//! here. A field that an older daemon does not send is read as nothing, and one that is not known is left alone.

mod answers;
mod deposit;
mod problem;

pub use self::answers::{
    AccountBalance, Baseline, CaseAfter, CaseList, ClosedFigures, CorrectionList, DepositPage, EventList,
    ListEvidence, Liveness, MailList, MailRecipients, MailsRetried, MonthList, RestoredSpan, RunEvidence,
    ServiceReadiness, Story, UpstreamReadiness,
};
#[cfg(test)]
pub(crate) use self::deposit::keys;
pub use self::deposit::{DepositObject, PayWith};
pub use self::problem::{ProblemBody, ProblemKind};
pub use crate::flow::{Correction, NewDeposit, Report};
pub use crate::ledger::{BackupReport, Case, ClosedMonth, EventRow, MailRow};
