//! How deposits are listed: newest first, page by page, by whatever they are looked for, each search by an index of its
//! own.
//!
//! A page is found in the order of the rows, which never changes, so that a cursor stays right whatever is written
//! meanwhile. What is rare is gathered by its index first; what is common is met soon in that order.

use super::deposits::{DepositRow, deposits};
use crate::domain::asset::{Asset, Currency, Network};
use crate::domain::deposit::{Deposit, State};
use crate::domain::method::Method;
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::error::Result;
use crate::ledger::request_row::query_with_request;
use crate::ledger::sql::json;

/// Which deposits to list.
#[derive(Debug, Clone, Default)]
pub struct DepositFilter {
    /// Only the one with this idempotency key.
    pub key: Option<String>,
    /// Only those that this may mean: `Ledger::named`.
    pub name: Option<String>,
    /// Only those with this reference.
    pub reference: Option<String>,
    /// Only those paid in this way.
    pub method: Option<Method>,
    /// Only those paid in this currency.
    pub currency: Option<Currency>,
    /// Only those paid over this network.
    pub network: Option<Network>,
    /// Only these states; all when empty.
    pub states: Vec<State>,
    /// Only those asked for at or after this instant.
    pub since: Option<Timestamp>,
    /// Only those asked for before this instant.
    pub until: Option<Timestamp>,
    /// Only those that an event changed at or after this instant.
    pub updated_since: Option<Timestamp>,
    /// Only those flagged for review.
    pub needs_review: bool,
    /// Only those after this cursor, which an earlier page gave.
    pub cursor: Option<i64>,
    /// At most this many.
    pub limit: u32,
}

/// The filter as the statements take it.
struct Bound {
    before: i64,
    any_state: bool,
    states: String,
    state: Option<&'static str>,
    needs_review: bool,
    since: String,
    until: String,
    updated_since: String,
    currency: Option<&'static str>,
    network: Option<&'static str>,
    reference: Option<String>,
    method: Option<&'static str>,
    /// One more than the page, which tells whether there is another.
    limit: i64,
}

impl Bound {
    fn new(filter: &DepositFilter) -> Result<Self> {
        // Every time is a text that begins with a digit.
        let text =
            |at: Option<Timestamp>, open: &str| at.map_or_else(|| open.to_owned(), |at| at.to_string());
        Ok(Self {
            before: filter.cursor.unwrap_or(i64::MAX),
            any_state: filter.states.is_empty(),
            states: json(&filter.states)?,
            state: filter.states.first().filter(|_| filter.states.len() == 1).map(|state| state.as_str()),
            needs_review: filter.needs_review,
            since: text(filter.since, ""),
            until: text(filter.until, "~"),
            updated_since: text(filter.updated_since, ""),
            currency: filter.currency.map(Currency::as_str),
            network: filter.network.map(Network::as_str),
            reference: filter.reference.clone(),
            method: filter.method.map(Method::as_str),
            limit: i64::from(filter.limit).saturating_add(1),
        })
    }
}

/// The page of `$bound` in `$ledger`, by an index and the condition that it serves; `$few` are the rows to look at.
macro_rules! page {
    ($ledger:ident, $bound:ident, $few:expr, $index:tt, $condition:tt) => {
        deposits!(
            [$index + " WHERE (" + $condition + r#") AND d.row_id < ?1 AND (?2 OR d.state IN (SELECT value FROM json_each(?3)))
                AND (d.needs_review IS NOT NULL OR NOT ?4) AND d.requested_at >= ?5 AND d.requested_at < ?6
                AND (?7 = '' OR d.updated_at >= ?7) AND (?8 IS NULL OR d.currency = ?8) AND (?9 IS NULL OR d.network = ?9)
                AND (?10 IS NULL OR d.reference = ?10) AND (?11 IS NULL OR ?11 IS NOT NULL) AND (?12 IS NULL OR ?12 IS NOT NULL)
                AND (?14 IS NULL OR d.method = ?14)
                ORDER BY d.row_id DESC LIMIT ?13"#],
            $bound.before,
            $bound.any_state,
            $bound.states,
            $bound.needs_review,
            $bound.since,
            $bound.until,
            $bound.updated_since,
            $bound.currency,
            $bound.network,
            $bound.reference,
            $bound.state,
            $few,
            $bound.limit,
            $bound.method,
        )
        .fetch_all(&$ledger.readers)
        .await?
    };
}

/// The rows that `$from` names, as JSON. Up to 2000 are gathered by an index and put in order; where there are
/// more it is NULL, and the rows are gone through in their order.
macro_rules! gather {
    ($from:tt, $($argument:expr),+ $(,)?) => {
        sqlx::query_scalar!(
            r#"SELECT iif(count(*) > 2000, NULL, json_group_array(row_id)) AS "rows?: String" FROM (SELECT d.row_id FROM "# + $from + " LIMIT 2001)",
            $($argument),+
        )
    };
}

impl Ledger {
    /// Deposits, newest first, and the cursor of the next page if there is one.
    pub async fn list(&self, filter: &DepositFilter) -> Result<(Vec<Deposit>, Option<i64>)> {
        let rows = self.rows_of(filter).await?;
        let more = u32::try_from(rows.len()).unwrap_or(u32::MAX) > filter.limit;
        let mut cursor = None;
        let mut deposits = Vec::with_capacity(rows.len());
        for row in rows.into_iter().take(usize::try_from(filter.limit).unwrap_or(usize::MAX)) {
            cursor = Some(row.row_id);
            deposits.push(Deposit::try_from(row)?);
        }
        Ok((deposits, cursor.filter(|_| more)))
    }

    async fn rows_of(&self, filter: &DepositFilter) -> Result<Vec<DepositRow>> {
        let mut bound = Bound::new(filter)?;
        let none: Option<&str> = None;
        if let Some(few) = self.few(filter, &bound).await? {
            return Ok(page!(
                self,
                bound,
                few,
                "NOT INDEXED",
                "d.row_id IN (SELECT value FROM json_each(?12))"
            ));
        }
        if bound.reference.is_some() {
            return Ok(page!(self, bound, none, "INDEXED BY deposit_reference", "d.reference = ?10"));
        }
        if filter.method.is_some_and(|method| method != Method::Wallet) {
            return Ok(page!(
                self,
                bound,
                none,
                "INDEXED BY deposit_method",
                "d.method = ?14 AND d.method <> 'wallet'"
            ));
        }
        if filter.needs_review {
            return Ok(page!(self, bound, none, "INDEXED BY deposit_review", "d.needs_review IS NOT NULL"));
        }
        if filter.cursor.is_none() && filter.until.is_some() {
            bound.before = self.row_after(&bound).await?;
        }
        if bound.currency.is_some() && bound.network.is_some() {
            return Ok(page!(
                self,
                bound,
                none,
                "INDEXED BY deposit_asset",
                "d.currency = ?8 AND d.network = ?9"
            ));
        }
        if bound.state.is_some() {
            return Ok(page!(self, bound, none, "INDEXED BY deposit_state", "d.state = ?11"));
        }
        Ok(page!(self, bound, none, "NOT INDEXED", "true"))
    }

    /// The rows to look at as JSON, where an index says that there are only a few of them; `None` where there are many.
    async fn few(&self, filter: &DepositFilter, bound: &Bound) -> Result<Option<String>> {
        if let Some(key) = &filter.key {
            let row = sqlx::query_scalar!("SELECT row_id FROM deposit WHERE idempotency_key = ?", key);
            let row: Vec<i64> = row.fetch_optional(&self.readers).await?.into_iter().collect();
            return json(&row).map(Some);
        }
        if let Some(name) = &filter.name {
            return json(&self.named(name).await?).map(Some);
        }
        if filter.updated_since.is_some() {
            let rows =
                gather!("deposit d INDEXED BY deposit_updated WHERE d.updated_at >= ?1", bound.updated_since);
            if let Some(rows) = rows.fetch_one(&self.readers).await? {
                return Ok(Some(rows));
            }
        }
        if filter.since.is_some() || filter.until.is_some() {
            let rows = gather!(
                "deposit d INDEXED BY deposit_requested_at WHERE d.requested_at >= ?1 AND d.requested_at < ?2",
                bound.since,
                bound.until
            );
            if let Some(rows) = rows.fetch_one(&self.readers).await? {
                return Ok(Some(rows));
            }
        }
        if filter.currency.is_some() != filter.network.is_some() {
            let fits = |asset: &Asset| {
                filter.currency.is_none_or(|currency| asset.currency == currency)
                    && filter.network.is_none_or(|network| asset.network == network)
            };
            let pairs =
                Asset::all().filter(fits).map(|asset| (asset.currency.as_str(), asset.network.as_str()));
            let pairs = json(&pairs.collect::<Vec<_>>())?;
            let rows = gather!(
                "json_each(?1) AS j CROSS JOIN deposit d INDEXED BY deposit_asset
                 ON d.currency = j.value ->> 0 AND d.network = j.value ->> 1",
                pairs
            );
            if let Some(rows) = rows.fetch_one(&self.readers).await? {
                return Ok(Some(rows));
            }
        }
        if filter.states.len() > 1 {
            let rows = gather!(
                "json_each(?1) AS j CROSS JOIN deposit d INDEXED BY deposit_state ON d.state = j.value",
                bound.states
            );
            return Ok(rows.fetch_one(&self.readers).await?);
        }
        Ok(None)
    }

    /// The row after the last that was asked for before `bound.until`; nothing is looked for where few came later.
    async fn row_after(&self, bound: &Bound) -> Result<i64> {
        let later =
            gather!("deposit d INDEXED BY deposit_requested_at WHERE d.requested_at >= ?1", bound.until);
        if later.fetch_one(&self.readers).await?.is_some() {
            return Ok(i64::MAX);
        }
        let last = sqlx::query_scalar!(
            r#"SELECT max(row_id) AS "row?: i64" FROM deposit INDEXED BY deposit_requested_at WHERE requested_at < ?"#,
            bound.until
        );
        Ok(last.fetch_one(&self.readers).await?.unwrap_or(0).saturating_add(1))
    }
}
