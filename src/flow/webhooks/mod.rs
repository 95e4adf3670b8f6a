//! Telling programs what they are owed: at least once, in the order of each deposit, none held up by another.

mod lane;
mod live;
mod message;
mod requests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::lane::{BATCH, BEAT, Lane, LaneVerdict, judge};
pub use self::live::LiveWebhooks;
pub use self::message::message_of;
pub use self::requests::{WebhookRequestError, WebhookStanding, next_webhook};
use super::Flow;
use super::marking::Marking;
use crate::clock::{Clock as _, SystemClock};
use crate::domain::time::Timestamp;
use crate::ledger::{self, Delivery, OwedWebhook};
use crate::notifier::{Posted, WebhookEndpoint};

/// How many are under way to all webhooks at once.
const AT_ONCE: usize = 256;
/// How long those under way may take once the daemon stops; what is cut off then is sent again.
const LAST_MOMENT: Duration = Duration::from_secs(10);

/// What a run over the webhooks did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct WebhookRound {
    /// Taken by their receivers.
    pub sent: u64,
    /// To be tried again.
    pub waiting: u64,
    /// Given up.
    pub dead: u64,
    /// Webhooks to which nothing is sent for now, and why.
    pub closed: Vec<String>,
}

/// Sends everything that is due to every webhook, until nothing is or `stop` is asked for. A receiver that is slow or gone
/// holds up nobody but itself.
///
/// # Errors
/// Whatever the ledger says; a webhook may then be sent again, under the same id.
pub async fn deliver_webhooks(flow: &Flow, stop: &CancellationToken) -> ledger::Result<WebhookRound> {
    let endpoints = flow.webhooks.current();
    if endpoints.is_empty() {
        return Ok(WebhookRound::default());
    }
    let ended = flow.ledger.ended_webhooks().await?;
    let is_ended = |name: &str| ended.iter().any(|ended| ended.webhook == name);
    let lanes = endpoints
        .iter()
        .map(|endpoint| Lane::new(endpoint.clone(), is_ended(&endpoint.settings().name)))
        .collect();
    let mut run = Run {
        flow,
        endpoints: endpoints.clone(),
        lanes,
        under_way: JoinSet::new(),
        tasks: HashMap::new(),
        marking: Marking::new(&flow.ledger, |ledger, outcomes| Box::pin(ledger.webhooks_delivered(outcomes))),
        closing: Vec::new(),
        done: WebhookRound::default(),
    };
    let gone = run.go(stop).await;
    // What was taken must be written down, whatever went wrong meanwhile.
    run.settle().await?;
    gone?;
    run.give_up().await?;
    let now = flow.clock.now();
    run.done.closed = endpoints
        .iter()
        .filter_map(|endpoint| {
            let name = &endpoint.settings().name;
            flow.webhooks.closed(name, now).map(|(_, why)| format!("{name}: {why}"))
        })
        .collect();
    Ok(run.done)
}

/// One that was tried: to which lane, which, since when it is owed, and how often it was tried.
struct Tried {
    lane: usize,
    id: i64,
    created_at: Timestamp,
    tries: u32,
}

/// A run: what is under way, and what has ended.
struct Run<'a> {
    flow: &'a Flow,
    /// The webhooks of its beginning. Where others hold by now, nothing more is started, and the next run has those.
    endpoints: Arc<Vec<Arc<WebhookEndpoint>>>,
    lanes: Vec<Lane>,
    /// `None`: the replica does not confirm, and nothing was sent.
    under_way: JoinSet<Option<Posted>>,
    tasks: HashMap<tokio::task::Id, Tried>,
    marking: Marking<'a>,
    /// Lanes that were closed, and why: what is too old there is given up.
    closing: Vec<(usize, String)>,
    done: WebhookRound,
}

impl Run<'_> {
    async fn go(&mut self, stop: &CancellationToken) -> ledger::Result<()> {
        let flow = self.flow;
        let mut last_moment: Option<Duration> = None;
        loop {
            if stop.is_cancelled() && last_moment.is_none() {
                last_moment = Some(flow.clock.monotonic().saturating_add(LAST_MOMENT));
            }
            if last_moment.is_none() && Arc::ptr_eq(&self.endpoints, &flow.webhooks.current()) {
                self.read().await?;
                self.start();
            }
            self.marking.begin();
            self.give_up().await?;
            if self.under_way.is_empty() && !self.marking.is_writing() {
                return Ok(());
            }
            let span = match last_moment {
                Some(end) => end.saturating_sub(flow.clock.monotonic()),
                None => BEAT,
            };
            tokio::select! {
                biased;
                () = stop.cancelled(), if last_moment.is_none() => {}
                written = self.marking.written() => {
                    for (id, _) in written? {
                        self.lanes.iter_mut().for_each(|lane| lane.settle(id));
                    }
                    flow.heartbeats.record("webhooks", &flow.clock);
                }
                Some(ended) = self.under_way.join_next_with_id(), if !self.under_way.is_empty() => {
                    self.landed(ended).await?;
                    while let Some(ended) = self.under_way.try_join_next_with_id() {
                        self.landed(ended).await?;
                    }
                }
                () = flow.wakers.webhooks.notified() => self.look_again(),
                () = flow.clock.sleep(span) => match last_moment {
                    Some(_) => {
                        self.under_way.abort_all();
                        // What is aborted may wait for this very thread.
                        tokio::task::yield_now().await;
                    }
                    None => {
                        // A slow receiver is no standstill of ours.
                        flow.heartbeats.record("webhooks", &flow.clock);
                        self.look_again();
                    }
                },
            }
        }
    }

    fn look_again(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.look = true);
    }

    /// Reads what is due to the lanes that have room.
    async fn read(&mut self) -> ledger::Result<()> {
        let (flow, now) = (self.flow, self.flow.clock.now());
        let mut unreadable = Vec::new();
        for lane in &mut self.lanes {
            if !lane.is_open(&flow.webhooks, now) {
                lane.drop_queue();
                continue;
            }
            if !lane.wants_more() {
                continue;
            }
            let due = flow.ledger.due_webhooks(lane.name(), now, &lane.held(), BATCH).await?;
            let read = due.webhooks.len().saturating_add(due.unreadable.len());
            lane.look = read >= usize::try_from(BATCH).unwrap_or(usize::MAX);
            for (id, why) in due.unreadable {
                tracing::error!(webhook.id = id, "an owed webhook makes no body: {why}");
                lane.hold(id);
                unreadable.push((id, why));
            }
            due.webhooks.into_iter().for_each(|owed| lane.queue(owed));
        }
        for (id, why) in unreadable {
            self.end(id, Delivery::Dead(why));
        }
        Ok(())
    }

    /// Starts what may start now.
    fn start(&mut self) {
        let flow = self.flow;
        // What was read waits until the replica has it.
        if flow.replica.refusal().is_some() {
            return;
        }
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            while self.under_way.len() < AT_ONCE {
                let Some(owed) = lane.next(&flow.webhooks) else { break };
                let tried = Tried {
                    lane: number,
                    id: owed.id,
                    created_at: owed.created_at,
                    tries: u32::try_from(owed.attempts).unwrap_or(u32::MAX),
                };
                let (endpoint, gate, mark) =
                    (lane.endpoint.clone(), flow.replica.clone(), flow.replica.mark());
                let task = self.under_way.spawn(async move {
                    gate.pass(mark).await.ok()?;
                    Some(send(&endpoint, owed).await)
                });
                self.tasks.insert(task.id(), tried);
            }
        }
    }

    async fn landed(
        &mut self,
        ended: Result<(tokio::task::Id, Option<Posted>), tokio::task::JoinError>,
    ) -> ledger::Result<()> {
        let (flow, now) = (self.flow, self.flow.clock.now());
        let task = ended.as_ref().map_or_else(tokio::task::JoinError::id, |(task, _)| *task);
        let Some(tried) = self.tasks.remove(&task) else { return Ok(()) };
        let Some(lane) = self.lanes.get_mut(tried.lane) else { return Ok(()) };
        lane.landed();
        let posted = match ended {
            Ok((_, Some(posted))) => posted,
            Ok((_, None)) => {
                let why = "the replica does not confirm".to_owned();
                self.end(tried.id, Delivery::Again { due: now, why, counted: false });
                return Ok(());
            }
            Err(error) if error.is_panic() => {
                tracing::error!(webhook.id = tried.id, "a delivery broke off: {error}");
                Posted::Refused("the delivery broke off".to_owned())
            }
            Err(_) => {
                // Cut off by the end of a run: no fault of the receiver's, and owed as before.
                let why = "the daemon stopped before the answer came".to_owned();
                self.end(tried.id, Delivery::Again { due: now, why, counted: false });
                return Ok(());
            }
        };
        let key = (tried.id, tried.created_at, tried.tries);
        let LaneVerdict { delivery, closed, gone } = judge(&lane.endpoint, &flow.webhooks, key, posted, now);
        let name = lane.name().to_owned();
        if let Some(why) = gone.filter(|_| !lane.ended) {
            tracing::error!(
                webhook = name,
                "nothing is sent to {name} any more: it answered {why}; \
                `depositd webhooks enable {name}` sends again"
            );
            lane.ended = true;
            flow.ledger.end_webhook(&name, now, &why).await?;
        }
        if let Some((until, why)) = closed {
            tracing::warn!(
                webhook = name,
                "nothing is sent to {name} until {}: {why}",
                until.to_seconds_text()
            );
            self.closing.push((tried.lane, why));
        }
        self.end(tried.id, delivery);
        Ok(())
    }

    fn end(&mut self, id: i64, delivery: Delivery) {
        let slot = match &delivery {
            Delivery::Sent(_) => &mut self.done.sent,
            Delivery::Again { .. } => &mut self.done.waiting,
            Delivery::Dead(_) => &mut self.done.dead,
        };
        *slot = slot.saturating_add(1);
        self.marking.add(id, delivery);
    }

    /// Writes down everything that is not yet.
    async fn settle(&mut self) -> ledger::Result<()> {
        self.under_way.abort_all();
        while let Some(ended) = self.under_way.join_next_with_id().await {
            self.landed(ended).await?;
        }
        self.marking.settle().await
    }

    /// What has waited for too long at a receiver that takes nothing is given up, once nothing is under way there.
    async fn give_up(&mut self) -> ledger::Result<()> {
        let now = self.flow.clock.now();
        let is_settled =
            |&mut (lane, _): &mut (usize, String)| self.lanes.get(lane).is_none_or(Lane::is_settled);
        for (lane, why) in self.closing.extract_if(.., is_settled) {
            let Some(lane) = self.lanes.get(lane) else { continue };
            let (name, limit) = (lane.name(), now.minus(lane.endpoint.settings().give_up_after));
            let dead = self.flow.ledger.give_up_webhooks(name, limit, &why).await?;
            if dead > 0 {
                tracing::error!(webhook = name, "{dead} webhooks to {name} were given up: {why}");
            }
            self.done.dead = self.done.dead.saturating_add(dead);
        }
        Ok(())
    }
}

/// One delivery.
#[tracing::instrument(name = "webhook.deliver", skip_all, fields(webhook = owed.webhook, webhook.id = owed.id, event = %owed.name))]
async fn send(endpoint: &WebhookEndpoint, owed: OwedWebhook) -> Posted {
    // The time that is signed is the receiver's, by whose clock it is judged: never that of a sandbox's story.
    let posted = endpoint.post(&message_of(&owed), SystemClock::new().now()).await;
    match &posted {
        Posted::Taken => tracing::debug!("webhook sent"),
        Posted::Gone(why) | Posted::Refused(why) | Posted::Busy { why, .. } | Posted::Unreachable(why) => {
            tracing::debug!("webhook not taken: {why}");
        }
    }
    posted
}
