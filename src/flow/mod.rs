//! The story of a deposit, one verb a file: open, create, poll, deliver, reconcile; and what they share.

mod cases;
mod claim;
mod close;
mod context;
mod corrections;
mod create;
mod decisions;
mod deliver;
mod digest;
mod follow;
mod heartbeats;
mod mail;
mod marking;
mod match_row;
mod open;
mod outage;
mod ownership;
mod poll;
mod poll_troubles;
mod poll_upstream;
mod reconcile;
mod replica;
mod review;
mod said;
mod sharing;
mod warnings;
mod webhooks;

pub use cases::{accept_case, close_case, explain_case, set_baseline, unaccept_case};
pub use claim::claim;
pub use close::{CloseError, ClosePlan, close_month, plan_close};
pub use context::{Flow, FlowSettings, LiveRules, Started, Wakers};
pub use corrections::{
    Correction, CorrectionRequest, correct_all, correct_case, correct_deposit, uncorrect_case,
    uncorrect_deposit,
};
pub use create::{CreateOutcome, create, probe_account};
pub use deliver::{DeliveryRound, deliver, letter_of};
pub use digest::digest;
pub use follow::{FollowRound, follow_list};
pub use heartbeats::Heartbeats;
pub use match_row::{Matched, match_row, unmatch_row};
pub use open::{NewDeposit, OpenError, Opened, open};
pub use outage::watch_upstream;
pub use ownership::{OwnershipError, bind, is_owner, notice_restore, rebind, refuse_foreign, restored};
pub use poll::{PollRound, poll_due};
pub use reconcile::{Flaw, ReconcileFailed, Report, reconcile};
pub use replica::{
    Confirmation, DrillReport, Drilled, GENERATION, Mark, NotConfirmed, PromoteError, Promoted, Promotion,
    ReplicaGate, ReplicaSettings, ReplicaStanding, SharedGate, Superseded, confirm_replica, drill, drilled,
    generation_of, promote, refuse_superseded, run_drill, temporary_place,
};
pub use review::{ReviewError, review};
pub use said::CaseError;
pub use warnings::{clocks_apart, mail_warnings};
pub use webhooks::{
    LiveWebhooks, WebhookRequestError, WebhookRound, WebhookStanding, deliver_webhooks, message_of,
    next_webhook,
};
