//! The story of a deposit, one verb a file: open, create, advance, deliver, reconcile; and what they share.

mod cases;
mod claim;
mod close;
mod create;
mod deliver;
mod digest;
mod open;
mod outage;
mod ownership;
mod poll;
mod poll_troubles;
mod reconcile;
mod review;
mod sharing;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use cases::{
    CaseError, Correction, CorrectionRequest, accept_case, close_case, correct_all, correct_case,
    correct_deposit, explain_case, set_baseline, unaccept_case, uncorrect_case, uncorrect_deposit,
};
pub use claim::claim;
pub use close::{CloseError, close_month};
pub use create::{CreateOutcome, create, probe_account};
pub use deliver::{DeliveryRound, deliver, letter_of};
pub use digest::digest;
pub use open::{NewDeposit, OpenError, Opened, open};
pub use outage::watch_upstream;
pub use ownership::{OwnershipError, bind, notice_restore, rebind, restored};
pub use poll::{PollRound, poll_due};
pub use reconcile::{Flaw, ReconcileFailed, Report, reconcile};
pub use review::{ReviewError, review};
use tokio::sync::Notify;

use crate::clock::SharedClock;
use crate::domain::deposit::State;
use crate::domain::event::{EventName, Step};
use crate::domain::poll::{Due, Policy, Urgency};
use crate::domain::time::Timestamp;
use crate::ledger::{self, AccountEvent, DepositWrite, EvidenceNote, Ledger, Recorded};
use crate::notifier::{Mailer, Rules};
use crate::upstream::{Evidence, Upstream};

/// A log of this size, in MiB, is worth a word: ordinarily it stays below a third of it.
const LARGE_LOG_MIB: u64 = 128;
/// Clocks that are further apart than this are warned of.
const CLOCKS_APART_MS: u64 = 5 * 60 * 1000;
/// How long a step that the ledger forbids is put off.
const PUT_OFF: Duration = Duration::from_mins(5);

/// What the story is told with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowSettings {
    /// When to look again.
    pub policy: Policy,
    /// For one deposit, when the outcome of an attempt cannot be known.
    pub create_attempts: u32,
    /// One upstream call, connect to last byte.
    pub call_timeout: Duration,
    /// How many looks may be under way.
    pub max_in_flight: usize,
    /// How many due deposits are taken from the queue at once; small where the budget is small, so that urgent ones
    /// do not wait behind them.
    pub poll_batch: u32,
    /// Of nothing but failures, before the upstream is called down.
    pub down_after: Duration,
    /// Cents by which an invoice may differ.
    pub tolerance_cents: i64,
    /// A request without a wallet ends unresolved after this.
    pub request_limit: Duration,
    /// How far status, list and total may be apart; zero switches it off.
    pub lag: Duration,
    /// A difference is mailed once it has stood for this many runs.
    pub tell_after_runs: u32,
    /// The first wait after a failed delivery; then doubling.
    pub mail_retry_initial: Duration,
    /// The longest wait.
    pub mail_retry_max: Duration,
    /// When a mail is given up.
    pub mail_give_up_after: Duration,
}

impl FlowSettings {
    /// How many deposits are taken from the queue at once where no budget says less.
    pub const LOOK_BATCH: u32 = 2048;
}

/// Wakes the loops; a lost wake-up costs a moment, never a deposit.
#[derive(Debug, Default)]
pub struct Wakers {
    /// A deposit waits for a wallet.
    pub create: Notify,
    /// A deposit may be due for a look.
    pub poll: Notify,
    /// A mail is owed.
    pub deliver: Notify,
}

/// When each task last got anywhere: what the watchdog is fed by.
#[derive(Debug, Default)]
pub struct Heartbeats {
    beats: Mutex<BTreeMap<&'static str, Duration>>,
}

impl Heartbeats {
    /// `task` is alive and has got somewhere.
    pub fn record(&self, task: &'static str, clock: &SharedClock) {
        self.lock().insert(task, clock.monotonic());
    }

    /// `task` has ended; nothing more is expected of it.
    pub fn forget(&self, task: &'static str) {
        self.lock().remove(task);
    }

    /// The task that has been still the longest, and for how long.
    #[must_use]
    pub fn stillest(&self, clock: &SharedClock) -> Option<(&'static str, Duration)> {
        let now = clock.monotonic();
        self.lock()
            .iter()
            .map(|(task, beat)| (*task, now.saturating_sub(*beat)))
            .max_by_key(|(_, still)| *still)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Duration>> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the ledger stood when this program opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// The last event then.
    pub head_seq: i64,
    /// When that was.
    pub at: Timestamp,
}

/// Everything that the verbs work with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Flow {
    /// The books.
    pub ledger: Ledger,
    /// The other side.
    pub upstream: Upstream,
    /// The way letters leave.
    pub mailer: Mailer,
    /// Who gets which.
    pub rules: Arc<Rules>,
    /// How.
    pub settings: FlowSettings,
    /// When.
    pub clock: SharedClock,
    /// Who is woken.
    pub wakers: Arc<Wakers>,
    /// Held by the reconciliation that is under way: two never overlap.
    pub reconciling: Arc<tokio::sync::Mutex<()>>,
    /// Where the ledger stood when this program opened it.
    pub started: Started,
    /// Who has shown signs of life.
    pub heartbeats: Arc<Heartbeats>,
    delivery_state: Arc<deliver::DeliveryState>,
    /// Held while it is decided whose an order or an address is.
    deciding: Arc<tokio::sync::Mutex<()>>,
    poll_troubles: Arc<Mutex<poll_troubles::PollTroubles>>,
}

impl Flow {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        ledger: Ledger,
        upstream: Upstream,
        mailer: Mailer,
        rules: Rules,
        settings: FlowSettings,
        clock: SharedClock,
    ) -> Self {
        let started = Started { head_seq: *ledger.head().borrow(), at: clock.now() };
        Self {
            started,
            ledger,
            upstream,
            mailer,
            rules: Arc::new(rules),
            settings,
            clock,
            wakers: Arc::default(),
            reconciling: Arc::default(),
            heartbeats: Arc::default(),
            delivery_state: Arc::default(),
            deciding: Arc::default(),
            poll_troubles: Arc::default(),
        }
    }

    /// When a deposit is looked at, and from when on it may be booked.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy { books_open_from: self.ledger.books_open_from(), ..self.settings.policy }
    }

    /// Adds who is owed a mail to every event, and writes. Everything that changes a deposit goes through here.
    async fn record(&self, mut writes: Vec<DepositWrite>) -> ledger::Result<Vec<Recorded>> {
        let mut owed = false;
        for write in &mut writes {
            write.letters_due = Some(self.clock.now());
            let request = &write.step.deposit.request;
            for event in &mut write.step.events {
                event.mail_to = self.rules.recipients_of(event.name, request);
                owed |= !event.mail_to.is_empty();
                let deposit = &write.step.deposit;
                tracing::info!(
                    deposit.id = %deposit.id,
                    deposit.state = %event.facts.state,
                    upstream.status = event.upstream_status.as_deref(),
                    reason = event.reason.as_deref(),
                    "deposit {}: {}", deposit.id, event.name
                );
            }
        }
        let news = |write: &DepositWrite| !write.step.events.is_empty();
        let again: Vec<Option<DepositWrite>> =
            writes.iter().map(|write| news(write).then(|| self.put_off(write))).collect();
        let recorded = self.ledger.record(writes).await?;
        if owed {
            self.wakers.deliver.notify_one();
        }
        let mut put_off = Vec::new();
        for (outcome, again) in recorded.iter().zip(again) {
            if let (Recorded::Forbidden(why), Some(again)) = (outcome, again) {
                tracing::error!(deposit.id = %again.step.deposit.id, "a step was forbidden by the ledger: {why}");
                put_off.push(again);
            }
        }
        if !put_off.is_empty() {
            self.ledger.record(put_off).await?;
        }
        Ok(recorded)
    }

    /// The same deposit in the queue a while later, for a step that must not be taken: it is tried again, and logged
    /// again, without holding up anything else.
    fn put_off(&self, write: &DepositWrite) -> DepositWrite {
        let first = write.step.events.first();
        let unborn = first.is_some_and(|event| event.from == Some(State::Requested));
        let urgency = if unborn { Urgency::Create } else { Urgency::Watch };
        let at = self.clock.now().plus(PUT_OFF);
        let step = Step { due: Some(Due { at, urgency }), events: Vec::new(), ..write.step.clone() };
        DepositWrite { entry: write.entry, ..DepositWrite::from(step) }
    }

    /// Writes an event of the whole account and owes its mails.
    async fn announce(
        &self,
        name: EventName,
        reason: Option<String>,
        facts: serde_json::Value,
    ) -> ledger::Result<()> {
        let mail_to = self.rules.recipients(name);
        let notice = AccountEvent { name, at: self.clock.now(), reason, facts, mail_to };
        self.ledger.announce(vec![notice]).await?;
        self.wakers.deliver.notify_one();
        Ok(())
    }

    /// Sends again at once what waits or was given up: one mail, or all; gives how many.
    ///
    /// # Errors
    /// Whatever the ledger says.
    pub async fn retry_mails(&self, id: Option<i64>) -> ledger::Result<u64> {
        if let Some(id) = id {
            self.delivery_state.ask_for(id);
        }
        let retried = self.ledger.retry_mails(id, self.clock.now()).await?;
        self.delivery_state.reopen();
        self.wakers.deliver.notify_one();
        Ok(retried)
    }

    /// Owes a test message to `to`, or to everybody that an ordinary alert would go to.
    ///
    /// # Errors
    /// Whatever the ledger says.
    pub async fn mail_test(&self, to: Option<String>) -> ledger::Result<Vec<String>> {
        let mail_to = match to {
            Some(to) => vec![to],
            None => self.rules.recipients(EventName::UpstreamDown),
        };
        let notice = AccountEvent {
            name: EventName::MailTest,
            at: self.clock.now(),
            reason: None,
            facts: serde_json::json!({}),
            mail_to: mail_to.clone(),
        };
        self.ledger.announce(vec![notice]).await?;
        self.delivery_state.reopen();
        self.wakers.deliver.notify_one();
        Ok(mail_to)
    }

    /// Somebody holds up the ledger's log: in words, where it has grown large.
    #[must_use]
    pub fn log_warning(&self) -> Option<String> {
        let mib = self.ledger.log_bytes().div_euclid(1024 * 1024);
        (mib >= LARGE_LOG_MIB).then(|| {
            format!(
                "the ledger's log has grown to {mib} MiB: a program has been reading on one view of it all the while; \
                 it shrinks once that program ends its transaction"
            )
        })
    }

    fn troubles(&self) -> std::sync::MutexGuard<'_, poll_troubles::PollTroubles> {
        self.poll_troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What does not fit of the time: the clocks of both sides, and the zone of the upstream's list.
    ///
    /// # Errors
    /// [`ledger::Error::Database`] where the ledger cannot be read now.
    pub async fn time_warnings(&self) -> ledger::Result<Vec<String>> {
        let mut warnings: Vec<String> = Vec::new();
        if let Some(skew) = self.upstream.skew().filter(|skew| skew.unsigned_abs() > CLOCKS_APART_MS) {
            let minutes = skew.unsigned_abs().div_euclid(60_000);
            let which = if skew > 0 { "ahead of" } else { "behind" };
            warnings.push(format!(
                "clocks: the upstream's is {minutes} min {which} this machine's; bookings take the upstream's time"
            ));
        }
        let hint = self.ledger.recall(reconcile::ZONE_HINT).await?.filter(|hint| !hint.is_empty());
        warnings.extend(hint.map(|hint| format!("reconcile: {hint}")));
        Ok(warnings)
    }

    fn note(&self, evidence: &Evidence) -> EvidenceNote {
        EvidenceNote {
            at: self.clock.now(),
            call: evidence.call,
            http_status: evidence.http_status,
            body: evidence.text(),
        }
    }
}

/// A wait that starts at `first` and doubles with each of `times` failures, up to `most`.
fn backoff(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times.min(20))).min(most)
}
