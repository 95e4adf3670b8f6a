//! What every verb works with, and the one function that writes changes of deposits.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;

use super::deliver::DeliveryState;
use super::heartbeats::Heartbeats;
use super::poll_troubles::PollTroubles;
use super::replica::{ReplicaGate, SharedGate};
use super::webhooks::LiveWebhooks;
use crate::clock::SharedClock;
use crate::domain::deposit::State;
use crate::domain::event::{EventName, Step};
use crate::domain::method::AmountUnit;
use crate::domain::poll::{Due, Policy, Urgency};
use crate::domain::time::Timestamp;
use crate::ledger::{self, AccountEvent, DepositWrite, EvidenceNote, Ledger, Recorded};
use crate::notifier::{Mailer, Rules};
use crate::upstream::{Evidence, Upstream};

/// How long a step that the ledger forbids is put off.
const PUT_OFF: Duration = Duration::from_mins(5);

/// The settings of the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowSettings {
    /// When to poll again.
    pub policy: Policy,
    /// For one deposit, when the outcome of an attempt cannot be known.
    pub create_attempts: u32,
    /// One upstream call, connect to last byte.
    pub call_timeout: Duration,
    /// How many polls may be under way.
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
    /// In what payment pages and card payments are counted; without it none can be asked for.
    pub page_amount: Option<AmountUnit>,
    /// How far status, list and total may be apart; zero switches it off.
    pub lag: Duration,
    /// Below this many cents the balance is low; `None` never.
    pub low_balance_cents: Option<i64>,
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
    pub const POLL_BATCH: u32 = 2048;
}

/// Wakes the loops; a lost wake-up costs a moment, never a deposit.
#[derive(Debug, Default)]
pub struct Wakers {
    /// A deposit waits for a wallet.
    pub create: Notify,
    /// A deposit may be due for a poll.
    pub poll: Notify,
    /// A mail is owed.
    pub deliver: Notify,
    /// A webhook is owed.
    pub webhooks: Notify,
}

impl Wakers {
    /// Somebody may be owed word of an event, by mail or by a webhook.
    pub fn owed(&self) {
        self.deliver.notify_one();
        self.webhooks.notify_one();
    }
}

/// Who gets which letter, and when; may be replaced while letters are owed and sent.
#[derive(Debug, Default)]
pub struct LiveRules(RwLock<Arc<Rules>>);

impl LiveRules {
    /// The rules of this moment.
    #[must_use]
    pub fn current(&self) -> Arc<Rules> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// These hold from now on; letters that are owed already keep their recipients.
    pub fn replace(&self, rules: Rules) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }
}

impl From<Rules> for LiveRules {
    fn from(rules: Rules) -> Self {
        Self(RwLock::new(Arc::new(rules)))
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
    pub rules: Arc<LiveRules>,
    /// The programs that are told.
    pub webhooks: Arc<LiveWebhooks>,
    /// How.
    pub settings: FlowSettings,
    /// When.
    pub clock: SharedClock,
    /// Who is woken.
    pub wakers: Arc<Wakers>,
    /// Held by the reconciliation that is under way: two never overlap.
    pub reconciling: Arc<tokio::sync::Mutex<()>>,
    /// What everything that leaves passes.
    pub replica: SharedGate,
    /// Where the ledger stood when this program opened it.
    pub started: Started,
    /// The heartbeats of the tasks.
    pub heartbeats: Arc<Heartbeats>,
    pub(super) delivery_state: Arc<DeliveryState>,
    /// Held while it is decided to which deposit an order or an address belongs.
    pub(super) deciding: Arc<tokio::sync::Mutex<()>>,
    pub(super) poll_troubles: Arc<Mutex<PollTroubles>>,
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
            rules: Arc::new(LiveRules::from(rules)),
            webhooks: Arc::default(),
            settings,
            clock,
            wakers: Arc::default(),
            reconciling: Arc::default(),
            replica: Arc::default(),
            heartbeats: Arc::default(),
            delivery_state: Arc::default(),
            deciding: Arc::default(),
            poll_troubles: Arc::default(),
        }
    }

    /// The same flow, of which nothing leaves but through `gate`.
    #[must_use]
    pub fn behind(self, gate: ReplicaGate) -> Self {
        Self { replica: Arc::new(gate), ..self }
    }

    /// When a deposit is polled, and from when on it may be booked.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy { books_open_from: self.ledger.books_open_from(), ..self.settings.policy }
    }

    /// Adds who is owed a mail to every event, and writes. Everything that changes a deposit goes through here.
    pub(super) async fn record(&self, mut writes: Vec<DepositWrite>) -> ledger::Result<Vec<Recorded>> {
        let mut owed = false;
        let rules = self.rules.current();
        for write in &mut writes {
            write.letters_due = Some(self.clock.now());
            let request = &write.step.deposit.request;
            for event in &mut write.step.events {
                event.mail_to = rules.recipients_of(event.name, request);
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
            self.wakers.owed();
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
    pub(super) async fn announce(
        &self,
        name: EventName,
        reason: Option<String>,
        facts: serde_json::Value,
    ) -> ledger::Result<()> {
        let mail_to = self.rules.current().recipients(name);
        let notice = AccountEvent { name, at: self.clock.now(), reason, facts, mail_to };
        self.ledger.announce(vec![notice]).await?;
        self.wakers.owed();
        Ok(())
    }

    pub(super) fn troubles(&self) -> std::sync::MutexGuard<'_, PollTroubles> {
        self.poll_troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, evidence: &Evidence) -> EvidenceNote {
        EvidenceNote {
            at: self.clock.now(),
            call: evidence.call,
            http_status: evidence.http_status,
            body: evidence.text(),
        }
    }
}

/// A wait that starts at `first` and doubles with each of `times` failures, up to `most`.
pub(super) fn backoff(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times.min(20))).min(most)
}
