//! The JSON objects of the API as the command line reads and writes them.

use serde::{Deserialize, Serialize};

use super::out::Paint;
use crate::domain::deposit::{Booked, Deposit, State};
use crate::domain::money::UsdMicros;
use crate::ledger::Case;

/// The deposit object (INTERFACE.md, "Local HTTP API").
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct DepositObject {
    /// Our name for it, a UUIDv7.
    pub(super) id: String,
    /// Where it stands.
    pub(super) state: String,
    /// `exact` or `over` once settled.
    pub(super) outcome: Option<String>,
    /// It had been called expired before it settled.
    pub(super) late: bool,
    /// Ticker.
    pub(super) currency: String,
    /// Network.
    pub(super) network: String,
    /// US dollars asked for.
    pub(super) amount_requested: String,
    /// The upstream's latest figure in US dollars.
    pub(super) amount_usd: Option<String>,
    /// The same in millionths.
    pub(super) amount_usd_micros: Option<i64>,
    /// Exactly what is to be paid.
    pub(super) amount_crypto: Option<String>,
    /// What the journal holds.
    pub(super) amount_booked: Option<String>,
    /// The same in millionths.
    pub(super) amount_booked_micros: Option<i64>,
    /// Where to pay.
    pub(super) address: Option<String>,
    /// The upstream's payment page.
    pub(super) url: Option<String>,
    /// The upstream's name for the order.
    pub(super) order_id: Option<String>,
    /// The deadline.
    pub(super) expire_at: Option<String>,
    /// The upstream's raw word.
    pub(super) upstream_status: Option<String>,
    /// The transaction on the chain.
    pub(super) txid: Option<String>,
    /// The customer's own words.
    pub(super) reference: Option<String>,
    /// Why a person should look.
    pub(super) needs_review: Option<String>,
    /// When it was asked for.
    pub(super) created_at: String,
    /// When an event last changed it.
    pub(super) updated_at: String,
    /// When the credit was first booked.
    pub(super) settled_at: Option<String>,
    /// When the refund was booked.
    pub(super) refunded_at: Option<String>,
}

impl From<&Deposit> for DepositObject {
    fn from(deposit: &Deposit) -> Self {
        let (request, facts) = (&deposit.request, &deposit.facts);
        let wallet = facts.wallet.as_ref();
        let booked = facts.booked.as_ref().map(Booked::total);
        Self {
            id: deposit.id.to_string(),
            state: facts.state.to_string(),
            outcome: facts.outcome.map(|outcome| outcome.as_str().to_owned()),
            late: facts.late,
            currency: request.asset.currency.to_string(),
            network: request.asset.network.to_string(),
            amount_requested: request.amount.to_string(),
            amount_usd: wallet.map(|wallet| wallet.amount_usd.to_string()),
            amount_usd_micros: wallet
                .and_then(|wallet| wallet.amount_usd.to_usd_micros())
                .map(UsdMicros::get),
            amount_crypto: wallet.map(|wallet| wallet.amount_crypto.to_string()),
            amount_booked: booked.map(|booked| booked.to_string()),
            amount_booked_micros: booked.map(UsdMicros::get),
            address: wallet.map(|wallet| wallet.address.clone()),
            url: wallet.and_then(|wallet| wallet.url.clone()),
            order_id: wallet.map(|wallet| wallet.order_id.clone()),
            expire_at: wallet.map(|wallet| wallet.expire_at.to_seconds_text()),
            upstream_status: facts.upstream_status.clone(),
            txid: facts.txid.clone(),
            reference: request.reference.clone(),
            needs_review: facts.review.as_ref().map(|review| review.reason.clone()),
            created_at: request.requested_at.to_string(),
            updated_at: deposit.updated_at.to_string(),
            settled_at: facts.settled_at.map(|at| at.to_string()),
            refunded_at: facts.refunded_at.map(|at| at.to_string()),
        }
    }
}

/// A difference with a life.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CaseObject {
    /// Its number.
    pub(super) id: i64,
    /// What kind.
    pub(super) kind: String,
    /// About which deposit.
    pub(super) deposit_id: Option<String>,
    /// About which order.
    pub(super) order_id: Option<String>,
    /// Our figure.
    pub(super) expected: String,
    /// The upstream's.
    pub(super) found: String,
    /// When it was first seen.
    pub(super) opened_at: String,
    /// In how many runs in a row.
    pub(super) seen_runs: i64,
    /// When it was mailed.
    pub(super) told_at: Option<String>,
    /// What a person said of it.
    pub(super) explained: Option<String>,
    /// When it ended.
    pub(super) closed_at: Option<String>,
    /// Who ended it: `run` or `person`.
    pub(super) closed_by: Option<String>,
    /// Why it ended.
    pub(super) resolution: Option<String>,
}

impl From<Case> for CaseObject {
    fn from(case: Case) -> Self {
        Self {
            id: case.id,
            kind: case.kind,
            deposit_id: case.deposit_id,
            order_id: case.order_id,
            expected: case.expected,
            found: case.found,
            opened_at: case.opened_at,
            seen_runs: case.seen_runs,
            told_at: case.told_at,
            explained: case.explained,
            closed_at: case.closed_at,
            closed_by: case.closed_by,
            resolution: case.resolution,
        }
    }
}

/// How a state is set off.
pub(super) fn paint_of(state: &str) -> Paint {
    match State::parse(state) {
        Some(State::Settled) => Paint::Good,
        Some(State::Short | State::Failed | State::Rejected | State::Unresolved | State::Held) => Paint::Bad,
        Some(State::Expired | State::Refunded) => Paint::Faint,
        _ => Paint::Open,
    }
}
