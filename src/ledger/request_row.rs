//! The request of a deposit on disk: the one place that reads and writes all of its columns.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use crate::domain::asset::Asset;
use crate::domain::deposit::{Deposit, Request};
use crate::domain::ids::DepositId;
use crate::domain::method::{Method, PaidBy};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;
use crate::ledger::batch::{DepositWrite, RowWrite};
use crate::ledger::error::{Error, Result};
use crate::ledger::sql::json;

/// A request as [`query_with_request`] selects it. What it does not know is no request: a column that was changed by hand
/// is not read as something else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::ledger) struct RequestRow<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    currency: Option<String>,
    network: Option<String>,
    amount: Amount,
    coupon: Option<String>,
    reference: Option<String>,
    /// A list, as JSON.
    #[serde(borrow)]
    notify: Cow<'a, str>,
    requested_at: Timestamp,
}

/// A query whose statement has the request of the row `d` of `deposit` as one JSON text between its two parts. `as ROW`
/// makes it a `query_as!`, `scalar` a `query_scalar!`.
macro_rules! query_with_request {
    (as $row:ident, $($rest:tt)*) => { query_with_request!(@ query_as [$row,] $($rest)*) };
    (scalar, $($rest:tt)*) => { query_with_request!(@ query_scalar [] $($rest)*) };
    (@ $query:ident [$($row:tt)*] $before:tt, [$($after:tt)*] $(, $argument:expr)* $(,)?) => {
        sqlx::$query!(
            $($row)*
            $before + r#"format('{"method":%s,"currency":%s,"network":%s,"amount":%s,"coupon":%s,"reference":%s,"notify":%s,"requested_at":%s}',
                json_quote(d.method), json_quote(d.currency), json_quote(d.network), json_quote(d.amount_requested),
                json_quote(d.coupon), json_quote(d.reference), json_quote(d.notify), json_quote(d.requested_at))"# + $($after)*
            $(, $argument)*
        )
    };
}
pub(super) use query_with_request;

impl RequestRow<'_> {
    /// The request itself, or why there is none.
    pub(in crate::ledger) fn read(self) -> std::result::Result<Request, String> {
        let paid_by = paid_by(&self.method, self.currency.as_deref(), self.network.as_deref())?;
        let notify = serde_json::from_str(&self.notify).map_err(|error| format!("notify: {error}"))?;
        Ok(Request {
            coupon: self.coupon,
            reference: self.reference,
            notify,
            ..Request::new(paid_by, self.amount, self.requested_at)
        })
    }
}

/// How a deposit is paid, by its row's columns; or why they say nothing.
pub(in crate::ledger) fn paid_by(
    method: &str,
    currency: Option<&str>,
    network: Option<&str>,
) -> std::result::Result<PaidBy, String> {
    match (Method::parse(method), currency, network) {
        (Some(Method::Wallet), Some(currency), Some(network)) => {
            Asset::parse(currency, network).map(PaidBy::Wallet).map_err(|error| error.to_string())
        }
        (Some(Method::Page), None, None) => Ok(PaidBy::Page),
        (Some(Method::Card), None, None) => Ok(PaidBy::Card),
        _ => Err(format!("{method:?} with currency {currency:?} and network {network:?} is no way to pay")),
    }
}

/// Reads the request that [`query_with_request`] has selected for the deposit called `id`.
pub(in crate::ledger) fn read_request(id: &str, text: &str) -> Result<Request> {
    serde_json::from_str::<RequestRow<'_>>(text)
        .map_err(|error| error.to_string())
        .and_then(RequestRow::read)
        .map_err(|error| Error::Unreadable(format!("deposit {id}: {error}")))
}

/// A new deposit's row, as the statement below reads it by name.
#[derive(Serialize)]
struct NewRow<'a> {
    id: DepositId,
    version: i64,
    method: &'static str,
    currency: Option<&'static str>,
    network: Option<&'static str>,
    amount: &'a str,
    coupon: Option<&'a str>,
    reference: Option<&'a str>,
    notify: String,
    key: Option<&'a str>,
    digest: &'a str,
    requested_at: Timestamp,
    state: &'static str,
    facts: String,
    updated_at: Timestamp,
}

impl<'a> NewRow<'a> {
    fn of(write: &'a DepositWrite) -> Result<Self> {
        let Deposit { id, version, request, facts, updated_at } = &write.step.deposit;
        let opening = write.opening.as_ref();
        Ok(Self {
            id: *id,
            version: *version,
            method: request.method().as_str(),
            currency: request.asset().map(|asset| asset.currency.as_str()),
            network: request.asset().map(|asset| asset.network.as_str()),
            amount: request.amount.as_str(),
            coupon: request.coupon.as_deref(),
            reference: request.reference.as_deref(),
            notify: json(&request.notify)?,
            key: opening.and_then(|opening| opening.idempotency_key.as_deref()),
            digest: opening.map_or("", |opening| opening.request_digest.as_str()),
            requested_at: request.requested_at,
            state: facts.state.as_str(),
            facts: json(facts)?,
            updated_at: *updated_at,
        })
    }
}

/// Inserts new deposits, one statement for all of them, but for those whose idempotency key is taken.
pub(in crate::ledger) async fn insert_deposits<'a>(
    connection: &mut SqliteConnection,
    writes: &[&'a DepositWrite],
) -> Result<Vec<RowWrite<'a>>> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let rows = writes.iter().map(|write| NewRow::of(write)).collect::<Result<Vec<_>>>()?;
    let rows = json(&rows)?;
    let inserted = sqlx::query!(
        r#"INSERT INTO deposit (id, version, method, currency, network, amount_requested, coupon, reference, notify,
                                idempotency_key, request_digest, requested_at, state, late, facts, updated_at)
           SELECT j.value ->> 'id', j.value ->> 'version', j.value ->> 'method', j.value ->> 'currency', j.value ->> 'network',
                  j.value ->> 'amount', j.value ->> 'coupon', j.value ->> 'reference', j.value ->> 'notify',
                  j.value ->> 'key', j.value ->> 'digest', j.value ->> 'requested_at', j.value ->> 'state', 0,
                  j.value ->> 'facts', j.value ->> 'updated_at'
           FROM json_each(?) AS j WHERE true
           ON CONFLICT (idempotency_key) DO NOTHING
           RETURNING id, row_id"#,
        rows
    )
    .fetch_all(connection)
    .await
    .map_err(Error::database("written"))?;
    let places: HashMap<&str, i64> = inserted.iter().map(|row| (row.id.as_str(), row.row_id)).collect();
    let placed = |write: &&'a DepositWrite| {
        let row_id = *places.get(write.step.deposit.id.to_string().as_str())?;
        Some(RowWrite { row_id, deposit_write: write })
    };
    Ok(writes.iter().filter_map(placed).collect())
}
