//! Accepting a request: ruled out before any upstream call, or on disk before it is answered.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Flow;
use crate::domain::asset::Asset;
use crate::domain::deposit::{Deposit, Request};
use crate::domain::ids::DepositId;
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;
use crate::ledger::{self, DepositWrite, Opening, Recorded};
use crate::notifier;

/// A request as somebody made it, not yet judged; and the body of the API's `POST /v1/deposits`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewDeposit {
    /// Ticker, in any case.
    pub currency: String,
    /// Network, in any case.
    pub network: String,
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
        Self { currency: currency.into(), network: network.into(), amount: amount.into(), ..Self::default() }
    }
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
    let asset = Asset::parse(&new.currency, &new.network).map_err(|error| {
        let field = if matches!(error, crate::domain::asset::AssetError::Currency(_)) {
            "currency"
        } else {
            "network"
        };
        invalid(field, error.to_string())
    })?;
    let amount = Amount::parse_request(&new.amount).map_err(|error| invalid("amount", error.to_string()))?;
    let coupon = new.coupon.filter(|coupon| !coupon.is_empty());
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
    Ok(Request { coupon, reference: new.reference, notify, ..Request::new(asset, amount, now) })
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
    let canonical = serde_json::json!([
        request.asset.currency.as_str(),
        request.asset.network.as_str(),
        request.amount.canonical(),
        request.coupon,
        request.reference,
        request.notify,
    ]);
    hex::encode(Sha256::digest(canonical.to_string()))
}
