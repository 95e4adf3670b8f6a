//! The request of a deposit on disk: the one place that reads and writes all of its columns.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use crate::domain::asset::Asset;
use crate::domain::deposit::{Deposit, Request};
use crate::domain::ids::DepositId;
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
    currency: Cow<'a, str>,
    #[serde(borrow)]
    network: Cow<'a, str>,
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
            $before + r#"format('{"currency":%s,"network":%s,"amount":%s,"coupon":%s,"reference":%s,"notify":%s,"requested_at":%s}',
                json_quote(d.currency), json_quote(d.network), json_quote(d.amount_requested), json_quote(d.coupon),
                json_quote(d.reference), json_quote(d.notify), json_quote(d.requested_at))"# + $($after)*
            $(, $argument)*
        )
    };
}
pub(super) use query_with_request;

impl RequestRow<'_> {
    /// The request itself, or why there is none.
    pub(in crate::ledger) fn read(self) -> std::result::Result<Request, String> {
        let asset = Asset::parse(&self.currency, &self.network).map_err(|error| error.to_string())?;
        let notify = serde_json::from_str(&self.notify).map_err(|error| format!("notify: {error}"))?;
        Ok(Request {
            coupon: self.coupon,
            reference: self.reference,
            notify,
            ..Request::new(asset, self.amount, self.requested_at)
        })
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
    currency: &'static str,
    network: &'static str,
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
            currency: request.asset.currency.as_str(),
            network: request.asset.network.as_str(),
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
        r#"INSERT INTO deposit (id, version, currency, network, amount_requested, coupon, reference, notify,
                                idempotency_key, request_digest, requested_at, state, late, facts, updated_at)
           SELECT j.value ->> 'id', j.value ->> 'version', j.value ->> 'currency', j.value ->> 'network',
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
