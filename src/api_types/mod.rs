//! What goes over the local API, as types: the daemon writes them, the command line reads the same ones.
//!
//! An answer that is a thing of the ledger or of the flow as it stands is that type; what is only a shape of the API is
//! here. A field that an older daemon does not send is read as nothing, and one that is not known is left alone.

mod answers;
mod problem;
mod webhooks;

pub use self::answers::{
    AccountBalance, Baseline, CaseAfter, CaseList, CloseAnswer, ClosedFigures, CorrectionList, DepositPage,
    EventList, ListEvidence, Liveness, MailList, MailRecipients, MailsRetried, MonthList, ReplicaReadiness,
    RestoredSpan, RunEvidence, ServiceReadiness, Story, UpstreamReadiness,
};
pub use self::problem::{ProblemBody, ProblemKind};
pub use self::webhooks::{WebhookDelivery, WebhookDeliveryList, WebhookList, WebhookState, WebhooksRetried};
pub use crate::flow::{ClosePlan, Correction, Matched, NewDeposit, Report};
pub use crate::ledger::{BackupReport, Case, ClosedMonth, EventRow, MailRow, Statement, WebhookRow};
#[cfg(test)]
pub(crate) use crate::notifier::deposit_keys as keys;
pub use crate::notifier::{DepositObject, PayWith};
