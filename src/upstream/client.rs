//! The calls: what is asked in each, and how its answer becomes a value or an error.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use serde::Serialize;
use tokio::sync::mpsc;

use super::answer::CallKind;
use super::breaker::{CallOutcome, Health};
use super::budget::Budget;
use super::error::Error;
use super::evidence::{Answer, Evidence, KEPT};
use super::list::{InvoiceSink, Listed, Pieces};
use super::pace::{Pacer, Permit, Priority};
use super::reading::{outcome_of, read_answer, read_link, read_order};
use super::secret::{ApiKey, is_unreserved, percent_encoded};
use super::settings::{UpstreamSettings, is_dots};
use super::transport::{Digested, HttpReply, HttpTransport, Limits, TransportFailure};
use super::upstream_clock::{ClockReading, UpstreamClock};
use super::wire::{self, Decoded, Undecodable};
use crate::clock::SharedClock;
use crate::domain::method::{AmountUnit, PaidBy};
use crate::domain::money::Amount;
use crate::domain::report::{Balance, Coupon, OrderReport};
use crate::domain::time::{Timestamp, Zone};
use crate::metrics::CallMetrics;

/// No answer about one order, the balance or the coupons is larger.
const SMALL: usize = 64 * 1024;
/// The whole history of top-ups in one answer: there is no paging.
const LARGE: usize = 256 * 1024 * 1024;
/// So many pieces of a long answer may have arrived and not be read yet.
const PIECES: usize = 16;

/// The upstream account. Cheap to clone; all clones share one budget, one breaker and the connections.
#[derive(Clone)]
pub struct Upstream {
    inner: Arc<Inner>,
}

struct Inner {
    transport: HttpTransport,
    pacer: Arc<Pacer>,
    clock: SharedClock,
    key: Arc<ApiKey>,
    customer_url: String,
    /// The address of polls, with the key in its query; only the order is missing at the end of its path.
    poll_url: Url,
    user_id: Arc<str>,
    zone: Arc<Zone>,
    page_amount: Option<AmountUnit>,
    theirs: UpstreamClock,
    metrics: CallMetrics,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("customer_url", &self.inner.customer_url).finish_non_exhaustive()
    }
}

/// A wallet, or a link to pay by, to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewOrder<'a> {
    /// How it is paid, and in what.
    pub paid_by: PaidBy,
    /// US dollars: for a wallet sent digit for digit.
    pub amount: &'a Amount,
    /// A coupon to spend on it; an empty one is none.
    pub coupon: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreateWire<'a> {
    api_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    coupon_code: Option<&'a str>,
}

impl Upstream {
    /// The account under `settings`, opened with `api_key`. Nothing is asked yet.
    ///
    /// # Errors
    /// [`Error::Settings`] for a base address that is no URL, holds a user or would send the key in clear to another
    /// machine, for a key with anything but visible ASCII, and for figures that cannot work.
    pub fn new(settings: UpstreamSettings, api_key: SecretString, clock: SharedClock) -> Result<Self, Error> {
        let customer_url = settings.customer_url()?;
        let key = ApiKey::new(api_key).ok_or_else(|| {
            Error::Settings(
                "the upstream's API key must be visible ASCII characters, without a line break".to_owned(),
            )
        })?;
        let budget = Budget::new(settings.requests_per_second).ok_or_else(|| {
            Error::Settings("the upstream's requests_per_second must not be negative".to_owned())
        })?;
        let pacer = Arc::new(Pacer::new(Arc::clone(&clock), budget, settings.max_in_flight));
        let transport = HttpTransport::new(settings.timeout, settings.max_in_flight)?;
        let poll_url = parsed(&format!("{customer_url}/cryptomus/transaction{}", key.expose_query()))?;
        let inner = Inner {
            transport,
            pacer,
            clock,
            key: Arc::new(key),
            poll_url,
            customer_url,
            user_id: Arc::from(settings.user_id),
            zone: Arc::new(settings.zone),
            page_amount: settings.page_amount,
            theirs: UpstreamClock::default(),
            metrics: CallMetrics::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Waits for the right to make one call: the budget, a place among the calls under way, the pause that the upstream
    /// asked for, and the breaker. The future may be dropped at any time.
    pub async fn admit(&self, priority: Priority) -> Permit {
        self.inner.pacer.admit(priority).await
    }

    /// The same, for at most `limit`; then its place in the queue is given back.
    ///
    /// # Errors
    /// In words, what was waited for.
    pub async fn admit_within(&self, priority: Priority, limit: Duration) -> Result<Permit, String> {
        self.inner.pacer.admit_within(priority, limit).await
    }

    /// What is known of the upstream's health.
    #[must_use]
    pub fn health(&self) -> Health {
        Health { skew_ms: self.skew(), ..self.inner.pacer.health() }
    }

    /// How the calls of this process ended, and how long they took.
    #[must_use]
    pub fn metrics(&self) -> &CallMetrics {
        &self.inner.metrics
    }

    /// The upstream's clock minus ours in milliseconds, at its latest answer with a date, which has whole seconds.
    #[must_use]
    pub fn skew(&self) -> Option<i64> {
        self.inner.theirs.skew()
    }

    /// The upstream's clock now: its last date and the time since then by the monotonic clock.
    #[must_use]
    pub fn upstream_now(&self) -> Option<Timestamp> {
        self.inner.theirs.now(self.inner.clock.monotonic())
    }

    /// Orders a direct wallet, a payment page or a card payment. Not idempotent: record the intent first.
    ///
    /// # Errors
    /// [`Error::Settings`] for a link while the unit of its amount is not set; [`Error::NotTaken`], [`Error::Refused`], or
    /// [`Error::Unknown`] and [`Error::Unreadable`], where one may have been made.
    pub async fn create(
        &self,
        permit: Permit,
        order: &NewOrder<'_>,
    ) -> Result<Answer<Box<OrderReport>>, Error> {
        let coupon = order.coupon.filter(|coupon| !coupon.is_empty());
        let path = match order.paid_by {
            PaidBy::Wallet(asset) => {
                format!("cryptomus/direct/{}/{}/{}", asset.currency, asset.network, order.amount)
            }
            PaidBy::Page => format!("cryptomus/invoice/{}", self.link_amount(order.amount)?),
            PaidBy::Card => format!("pay4bit/invoice/{}", self.link_amount(order.amount)?),
        };
        let url = format!("{}/{path}", self.inner.customer_url);
        let coupon = coupon.filter(|_| order.paid_by != PaidBy::Card);
        let wire = CreateWire { api_key: self.inner.key.expose(), coupon_code: coupon };
        let body = serde_json::to_vec(&wire).unwrap_or_default();
        let request = self.inner.transport.put(&url, body, SMALL, self.inner.clock.now());
        let call = CallKind::Create { with_coupon: coupon.is_some() };
        let is_link = order.paid_by.asset().is_none();
        let key = Arc::clone(&self.inner.key);
        let read = move |reply: &HttpReply| {
            if is_link { read_link(reply, &key) } else { wire::created(&reply.body) }
        };
        self.finish(permit, call, request, read).await
    }

    /// The amount of a link as its path takes it: a whole number, of what is set.
    fn link_amount(&self, amount: &Amount) -> Result<i64, Error> {
        let not_set = || Error::Settings("upstream.page_amount is not set".to_owned());
        let unit = self.inner.page_amount.ok_or_else(not_set)?;
        let odd = || Error::Settings(format!("{amount} USD is no whole number of dollars"));
        unit.count(amount).ok_or_else(odd)
    }

    /// Polls one order.
    ///
    /// # Errors
    /// [`Error::NotTaken`], [`Error::Unknown`], [`Error::Unreadable`], [`Error::UnknownOrder`], or [`Error::Denied`].
    pub async fn poll(&self, permit: Permit, order_id: &str) -> Result<Answer<Box<OrderReport>>, Error> {
        self.ask(permit, order_id, read_order).await
    }

    /// Polls one order. Where `spared` returns true for an answer's body and date, the answer is not parsed, and the
    /// value is `None`.
    ///
    /// # Errors
    /// As [`Upstream::poll`].
    pub async fn poll_unless(
        &self,
        permit: Permit,
        order_id: &str,
        spared: impl FnOnce(&[u8], Option<Timestamp>) -> bool,
    ) -> Result<Answer<Option<Box<OrderReport>>>, Error> {
        let read = |reply: &HttpReply| {
            let spared = spared(&reply.body, reply.date);
            if spared { Ok(Decoded::Yes(None)) } else { Ok(read_order(reply)?.map(Some)) }
        };
        self.ask(permit, order_id, read).await
    }

    async fn ask<T>(
        &self,
        permit: Permit,
        order_id: &str,
        read: impl FnOnce(&HttpReply) -> Result<Decoded<T>, Undecodable>,
    ) -> Result<Answer<T>, Error> {
        if order_id.is_empty() || order_id.len() > 128 || is_dots(order_id) {
            let evidence = self.evidence(CallKind::Poll, None, Duration::ZERO, Vec::new());
            return Err(Error::UnknownOrder { words: "it is no order id at all".to_owned(), evidence });
        }
        let url = self.transaction_url(order_id)?;
        let request = self.inner.transport.get(url, SMALL, self.inner.clock.now());
        self.finish(permit, CallKind::Poll, request, read).await
    }

    /// The whole history of top-ups, ours and others': each goes to `sink` as it arrives, and the sink comes back once
    /// the answer was read to its end. Memory does not grow with the list.
    ///
    /// # Errors
    /// [`Error::NotTaken`], [`Error::Unknown`], [`Error::Unreadable`], or [`Error::Denied`]; what the sink was given is
    /// worth nothing then.
    pub async fn invoices<S: InvoiceSink>(
        &self,
        permit: Permit,
        mut sink: S,
    ) -> Result<Answer<Listed<S>>, Error> {
        let started = self.reading();
        let (user, zone) = (Arc::clone(&self.inner.user_id), Arc::clone(&self.inner.zone));
        let (pieces, arriving) = mpsc::channel(PIECES);
        // On a thread of its own, because it blocks.
        let reading = tokio::task::spawn_blocking(move || {
            let read = wire::invoices(Pieces::new(arriving), &user, &zone, &mut |invoice| sink.take(invoice));
            (read, sink)
        });
        let url = self.url("/payments");
        let limits = Limits { whole: LARGE, keep: KEPT };
        let reply = self.inner.transport.stream(&url, limits, self.inner.clock.now(), pieces).await;
        let read = reading.await;
        let ended = self.reading();
        let took = ended.monotonic.saturating_sub(started.monotonic);
        let http_status = reply.as_ref().ok().map(|(reply, _)| reply.status);
        self.inner.theirs.record(reply.as_ref().ok().and_then(|(reply, _)| reply.date), started, ended);
        let result = match reply {
            Ok((mut reply, Digested { bytes, sha256 })) => {
                let interrupted = "reading the answer was interrupted";
                if read.is_err() {
                    reply.broken.get_or_insert_with(|| interrupted.to_owned());
                }
                let (read, sink) = read.map_or_else(
                    |_| (Err(Undecodable::new(interrupted)), None),
                    |(read, sink)| (read, Some(sink)),
                );
                let answer = read_answer(&self.inner.key, CallKind::Invoices, reply, took, |_| read);
                answer.and_then(|Answer { value: rows, evidence, date }| match sink {
                    Some(sink) => Ok(Answer { value: Listed { sink, rows, bytes, sha256 }, evidence, date }),
                    None => Err(Error::Unknown { words: "no list".to_owned(), order_id: None, evidence }),
                })
            }
            Err(failure) => Err(self.no_answer(CallKind::Invoices, failure, took)),
        };
        self.settle(permit, CallKind::Invoices, http_status, took, &result);
        result
    }

    /// The account's figures.
    ///
    /// # Errors
    /// [`Error::NotTaken`], [`Error::Unknown`], [`Error::Unreadable`], or [`Error::Denied`].
    pub async fn balance(&self, permit: Permit) -> Result<Answer<Balance>, Error> {
        let user = Arc::clone(&self.inner.user_id);
        let url = parsed(&self.url("/balance"))?;
        let request = self.inner.transport.get(url, SMALL, self.inner.clock.now());
        self.finish(permit, CallKind::Balance, request, move |reply| wire::balance(&reply.body, &user)).await
    }

    /// The account's coupons.
    ///
    /// # Errors
    /// [`Error::NotTaken`], [`Error::Unknown`], [`Error::Unreadable`], or [`Error::Denied`].
    pub async fn coupons(&self, permit: Permit) -> Result<Answer<Vec<Coupon>>, Error> {
        let zone = Arc::clone(&self.inner.zone);
        let url = parsed(&self.url("/coupons"))?;
        let request = self.inner.transport.get(url, SMALL, self.inner.clock.now());
        self.finish(permit, CallKind::Coupons, request, move |reply| wire::coupons(&reply.body, &zone)).await
    }

    /// The one address that is made thousands of times a second: from parts that are parsed already.
    fn transaction_url(&self, order_id: &str) -> Result<Url, Error> {
        if is_unreserved(order_id) {
            let mut url = self.inner.poll_url.clone();
            if let Ok(mut path) = url.path_segments_mut() {
                path.push(order_id);
            }
            return Ok(url);
        }
        parsed(&self.url(&format!("/cryptomus/transaction/{}", percent_encoded(order_id))))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}{}", self.inner.customer_url, self.inner.key.expose_query())
    }

    fn reading(&self) -> ClockReading {
        ClockReading { wall: self.inner.clock.now(), monotonic: self.inner.clock.monotonic() }
    }

    fn evidence(&self, call: CallKind, http_status: Option<u16>, took: Duration, body: Vec<u8>) -> Evidence {
        Evidence::new(call.name(), http_status, took, body, Arc::clone(&self.inner.key))
    }

    /// Awaits the exchange, reads the answer, and settles the permit by what it was.
    async fn finish<T>(
        &self,
        permit: Permit,
        call: CallKind,
        request: impl Future<Output = Result<HttpReply, TransportFailure>>,
        decode: impl FnOnce(&HttpReply) -> Result<Decoded<T>, Undecodable>,
    ) -> Result<Answer<T>, Error> {
        let started = self.reading();
        let reply = request.await;
        let ended = self.reading();
        let took = ended.monotonic.saturating_sub(started.monotonic);
        let http_status = reply.as_ref().ok().map(|reply| reply.status);
        self.inner.theirs.record(reply.as_ref().ok().and_then(|reply| reply.date), started, ended);
        let result = match reply {
            Ok(reply) => read_answer(&self.inner.key, call, reply, took, decode),
            Err(failure) => Err(self.no_answer(call, failure, took)),
        };
        self.settle(permit, call, http_status, took, &result);
        result
    }

    /// Settles the permit by what the answer was, and says in the log that the call has ended.
    fn settle<T>(
        &self,
        permit: Permit,
        call: CallKind,
        http_status: Option<u16>,
        took: Duration,
        result: &Result<Answer<T>, Error>,
    ) {
        let outcome = outcome_of(http_status, result.as_ref().err());
        let word = match (&outcome, result) {
            (CallOutcome::Answered, Ok(_)) => "answered",
            (CallOutcome::Answered, Err(_)) => "refused",
            (CallOutcome::Missed(trouble, _), _) => trouble.as_str(),
        };
        self.inner.metrics.ended(call.label(), word, took);
        let pause = result.as_ref().err().and_then(Error::retry_after);
        permit.settle(outcome, call == CallKind::Poll, pause);
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(
            call = call.name(),
            http.status = http_status,
            duration_ms,
            ok = result.is_ok(),
            "a call to the upstream ended"
        );
    }

    fn no_answer(&self, call: CallKind, failure: TransportFailure, took: Duration) -> Error {
        let words = self.inner.key.redact_text(&failure.words);
        let evidence = self.evidence(call, None, took, Vec::new());
        if failure.sent {
            Error::Unknown { words, order_id: None, evidence }
        } else {
            Error::NotTaken { words, retry_after: None, evidence }
        }
    }
}

/// The address, without a word of it in the error: it holds the key.
fn parsed(url: &str) -> Result<Url, Error> {
    Url::parse(url)
        .map_err(|error| Error::Settings(format!("the upstream's base_url makes no address: {error}")))
}
