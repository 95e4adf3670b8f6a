//! Accepting a request: ruled out before any upstream call, or on disk before it is answered.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Flow;
use crate::domain::asset::Asset;
use crate::domain::deposit::{Deposit, Request};
use crate::domain::ids::DepositId;
use crate::domain::method::{AmountUnit, Method, PaidBy};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;
use crate::ledger::{self, DepositWrite, Opening, Recorded};
use crate::notifier;

/// A request as somebody made it, not yet judged; and the body of the API's `POST /v1/deposits`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewDeposit {
    /// How it is paid.
    #[serde(skip_serializing_if = "is_wallet")]
    pub method: Method,
    /// Ticker, in any case; of a wallet only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Network, in any case; of a wallet only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// US dollars, digit for digit.
    pub amount: String,
    /// A coupon to spend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupon: Option<String>,
    /// The customer's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Mail addresses that get this deposit's events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<String>,
    /// The caller's key: the same key, the same deposit. A header of the API.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
    /// Who asks: a user of this machine, or a token by its name. Known by how the caller came in.
    #[serde(skip)]
    pub asked_by: Option<String>,
}

impl NewDeposit {
    /// A request for this much of this, with nothing else said.
    pub fn new(currency: impl Into<String>, network: impl Into<String>, amount: impl Into<String>) -> Self {
        let (currency, network) = (Some(currency.into()), Some(network.into()));
        Self { currency, network, amount: amount.into(), ..Self::default() }
    }

    /// A request for a payment page, or for a card payment, of this much.
    pub fn by_link(method: Method, amount: impl Into<String>) -> Self {
        Self { method, amount: amount.into(), ..Self::default() }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_wallet(method: &Method) -> bool {
    *method == Method::Wallet
}

/// What became of a request.
#[derive(Debug, Clone)]
pub enum Opened {
    /// It is on disk.
    New(Deposit),
    /// The key had been used for the same request: this is its deposit.
    Same(Deposit),
}

/// Why a request was not accepted: nothing has happened then.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is ruled out; the text says what would be right.
    #[error("{field}: {why}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// The key was used for another request.
    #[error(
        "the idempotency key was used for another request, the deposit {0}; a new request needs a new key"
    )]
    KeyReused(DepositId),
    /// Payment pages and card payments are not asked for until a person has looked at this deposit.
    #[error(
        "no payment page or card payment is asked for: the upstream counted deposit {0} at another amount than was asked \
         for. Look at it, set upstream.page_amount right, and clear its review flag: depositd review {0}"
    )]
    Stopped(DepositId),
    /// It could not be stored; nothing has happened.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

/// The most characters of a reference (docs/interface.md).
const REFERENCE: usize = 200;
/// The most characters of a coupon or a key, and the most addresses.
const COUPON: usize = 64;
const KEY: usize = 255;
const NOTIFY: usize = 20;

/// Judges a request and writes it to disk.
pub async fn open(flow: &Flow, new: NewDeposit) -> Result<Opened, OpenError> {
    let (key, acted_by) = (new.idempotency_key.clone(), new.asked_by.clone());
    if let Some(key) = &key {
        plain("Idempotency-Key", key, KEY)?;
    }
    let now = flow.clock.now();
    let request = judge(new, now)?;
    let digest = digest_of(&request);
    if let Some(key) = &key
        && let Some((deposit, held)) = flow.ledger.find_key(key).await?
    {
        return same(deposit, &held, &digest);
    }
    if request.method() != Method::Wallet && flow.settings.page_amount.is_none() {
        let why = "a payment page or a card payment needs upstream.page_amount in the daemon's configuration: \
                   \"dollars\" or \"cents\", whichever the upstream counts in";
        return Err(OpenError::Invalid { field: "method", why: why.to_owned() });
    }
    if request.method() != Method::Wallet
        && let Some(stopping) = flow.ledger.stopping_link().await?
    {
        return Err(OpenError::Stopped(stopping));
    }
    let step = Deposit::open(fresh_id(now), request);
    let deposit = step.deposit.clone();
    let opening = Opening { idempotency_key: key.clone(), request_digest: digest.clone() };
    let write = DepositWrite { opening: Some(opening), acted_by, ..DepositWrite::from(step) };
    let recorded = flow.record(vec![write]).await?;
    if recorded.first() == Some(&Recorded::Written) {
        flow.wakers.create.notify_one();
        return Ok(Opened::New(deposit));
    }
    // Somebody else used the key a moment ago.
    let found = match &key {
        Some(key) => flow.ledger.find_key(key).await?,
        None => None,
    };
    let (deposit, held) = found.ok_or(ledger::Error::Closed)?;
    same(deposit, &held, &digest)
}

fn same(deposit: Deposit, held: &str, asked: &str) -> Result<Opened, OpenError> {
    if held == asked { Ok(Opened::Same(deposit)) } else { Err(OpenError::KeyReused(deposit.id)) }
}

fn judge(new: NewDeposit, now: Timestamp) -> Result<Request, OpenError> {
    let invalid = |field: &'static str, why: String| OpenError::Invalid { field, why };
    let paid_by = paid_by(&new)?;
    let amount = Amount::parse_request(&new.amount).map_err(|error| invalid("amount", error.to_string()))?;
    if new.method != Method::Wallet && AmountUnit::Dollars.count(&amount).is_none() {
        let why = format!("a {} takes whole dollars only, such as 5, not {amount}", named(new.method));
        return Err(invalid("amount", why));
    }
    let coupon = new.coupon.filter(|coupon| !coupon.is_empty());
    if coupon.is_some() && new.method == Method::Card {
        return Err(invalid("coupon", "a card payment takes no coupon: leave it out".to_owned()));
    }
    if let Some(coupon) = &coupon {
        plain("coupon", coupon, COUPON)?;
    }
    if let Some(reference) = &new.reference {
        plain("reference", reference, REFERENCE)?;
    }
    if new.notify.len() > NOTIFY {
        return Err(invalid("notify", format!("at most {NOTIFY} addresses, not {}", new.notify.len())));
    }
    let notify = new
        .notify
        .iter()
        .map(|address| notifier::parse_address(address).map_err(|error| invalid("notify", error.to_string())))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Request { coupon, reference: new.reference, notify, ..Request::new(paid_by, amount, now) })
}

/// How it is to be paid, and in what: a wallet needs its pair, the others have none.
fn paid_by(new: &NewDeposit) -> Result<PaidBy, OpenError> {
    let invalid = |field: &'static str, why: String| OpenError::Invalid { field, why };
    if new.method != Method::Wallet {
        for (field, given) in [("currency", &new.currency), ("network", &new.network)] {
            if given.is_some() {
                let why = format!("a {} has none: leave it out", named(new.method));
                return Err(invalid(field, why));
            }
        }
        return Ok(if new.method == Method::Card { PaidBy::Card } else { PaidBy::Page });
    }
    let needed = |field: &'static str, given: &Option<String>| {
        let why = "missing: a wallet needs one, a payment page or a card (\"method\") none";
        given.clone().ok_or_else(|| invalid(field, why.to_owned()))
    };
    let (currency, network) = (needed("currency", &new.currency)?, needed("network", &new.network)?);
    let asset = Asset::parse(&currency, &network).map_err(|error| {
        let of_currency = matches!(error, crate::domain::asset::AssetError::Currency(_));
        invalid(if of_currency { "currency" } else { "network" }, error.to_string())
    })?;
    Ok(PaidBy::Wallet(asset))
}

fn named(method: Method) -> &'static str {
    match method {
        Method::Wallet => "wallet",
        Method::Page => "payment page",
        Method::Card => "card payment",
    }
}

fn plain(field: &'static str, text: &str, most: usize) -> Result<(), OpenError> {
    let invalid = |why: String| Err(OpenError::Invalid { field, why });
    if text.chars().count() > most {
        return invalid(format!("at most {most} characters, not {}", text.chars().count()));
    }
    if text.chars().any(char::is_control) {
        return invalid("control characters such as line breaks are not allowed".to_owned());
    }
    Ok(())
}

/// A new id, which sorts by the time of the request.
pub(super) fn fresh_id(now: Timestamp) -> DepositId {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    let time = uuid::Timestamp::from_unix_time(
        millis.div_euclid(1000),
        u32::try_from(millis.rem_euclid(1000)).unwrap_or(0).saturating_mul(1_000_000),
        0,
        0,
    );
    DepositId::new(Uuid::new_v7(time))
}

/// Equal for requests that ask for the same: `5.10` and `5.1`, `usdt` and `USDT`.
pub(super) fn digest_of(request: &Request) -> String {
    // A wallet by its pair, as ever; a link by its method, which is no network.
    let (method, asset) = (request.method(), request.asset());
    let canonical = serde_json::json!([
        asset.map_or("", |asset| asset.currency.as_str()),
        asset.map_or(method.as_str(), |asset| asset.network.as_str()),
        request.amount.canonical(),
        request.coupon,
        request.reference,
        request.notify,
    ]);
    hex::encode(Sha256::digest(canonical.to_string()))
}
