//! What a person looks at first: the open deposits by urgency, the balance day by day, and the books in a few rows.

use serde::Serialize;

use super::deposits::{DepositRow, deposits};
use crate::domain::deposit::{Deposit, State};
use crate::domain::ids::DepositId;
use crate::domain::period::Month;
use crate::domain::time::Timestamp;
use crate::ledger::error::{Error, Result};
use crate::ledger::request_row::query_with_request;
use crate::ledger::{Ledger, WebhookRow};

/// The most deposits that are counted of one state: more are called more.
pub const COUNTED: i64 = 10_000;

/// How many deposits are in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateCount {
    /// The state.
    pub state: String,
    /// How many, up to [`COUNTED`] and one more.
    pub count: i64,
}

/// What the last good run of a day read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DayBalance {
    /// When it ran.
    pub at: String,
    /// The upstream's balance, in cents.
    pub balance_cents: i64,
    /// The upstream's total of top-ups, in cents.
    pub total_charges_cents: i64,
}

/// A row of `accounting_trial_balance`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrialBalanceLine {
    /// Chart of accounts.
    pub account: String,
    /// What it is called in the books of their owner, where that is another name.
    pub account_mapped: Option<String>,
    /// USD or a ticker.
    pub commodity: String,
    /// Exact, as a decimal.
    pub balance: String,
    /// Its worth in millionths of a dollar.
    pub balance_usd_micros: i64,
}

/// A row of `accounting_monthly`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MonthLine {
    /// How it was paid.
    pub method: String,
    /// Ticker; `None` by payment page and by card.
    pub currency: Option<String>,
    /// Network; `None` likewise.
    pub network: Option<String>,
    /// First credited in this month.
    pub deposits: i64,
    /// What they were credited with, in millionths of a dollar.
    pub amount_usd_micros: i64,
    /// First refunded in this month.
    pub refunds: i64,
    /// What went back.
    pub refunded_usd_micros: i64,
    /// What entries of this month changed about deposits of closed ones.
    pub adjusted_usd_micros: i64,
}

/// What a month credited in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MonthSum {
    /// `YYYY-MM`.
    pub month: String,
    /// How many deposits were first credited.
    pub deposits: i64,
    /// What they were credited with, and what was adjusted, in millionths of a dollar.
    pub credited_usd_micros: i64,
    /// What went back.
    pub refunded_usd_micros: i64,
}

impl Ledger {
    /// The `limit` longest open deposits of this state.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn oldest_of(&self, state: State, limit: u32) -> Result<Vec<Deposit>> {
        let (state, limit) = (state.as_str(), i64::from(limit));
        let rows =
            deposits!("INDEXED BY deposit_state WHERE d.state = ? ORDER BY d.row_id LIMIT ?", state, limit);
        rows.fetch_all(&self.readers).await?.into_iter().map(Deposit::try_from).collect()
    }

    /// How many deposits there are in each of `states`, counted no further than [`COUNTED`].
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn counts_of(&self, states: &[State]) -> Result<Vec<StateCount>> {
        let (states, most) = (crate::ledger::sql::json(states)?, COUNTED.saturating_add(1));
        sqlx::query_as!(
            StateCount,
            r#"SELECT CAST(j.value AS TEXT) AS "state!: String",
                      (SELECT count(*) FROM (SELECT 1 FROM deposit d INDEXED BY deposit_state
                                             WHERE d.state = j.value LIMIT ?2)) AS "count!: i64"
               FROM json_each(?1) AS j ORDER BY j.key"#,
            states,
            most
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// The last good run of each day in UTC from `since` on, oldest first.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn day_balances(&self, since: Timestamp) -> Result<Vec<DayBalance>> {
        let since = since.to_string();
        sqlx::query_as!(
            DayBalance,
            r#"SELECT r.at AS "at!", r.balance_cents AS "balance_cents!: i64",
                      r.total_charges_cents AS "total_charges_cents!: i64"
               FROM (SELECT max(at) AS last FROM reconciliation INDEXED BY reconciliation_at
                     WHERE ok = 1 AND at >= ? GROUP BY substr(at, 1, 10)) m
               CROSS JOIN reconciliation r INDEXED BY reconciliation_at ON r.ok = 1 AND r.at = m.last
               ORDER BY r.at"#,
            since
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// What every account holds.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn trial_balance(&self) -> Result<Vec<TrialBalanceLine>> {
        sqlx::query_as!(
            TrialBalanceLine,
            r#"SELECT t.account, (SELECT b.mapped FROM books_account b WHERE b.account = t.account) AS "account_mapped?: String",
                      t.commodity, t.balance, t.balance_usd_micros AS "balance_usd_micros!: i64"
               FROM accounting_trial_balance t ORDER BY t.account, t.commodity"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// A month by currency and network.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn month_lines(&self, month: &Month) -> Result<Vec<MonthLine>> {
        let month = month.as_str();
        sqlx::query_as!(
            MonthLine,
            r#"SELECT method AS "method!: String", currency AS "currency?: String", network AS "network?: String", deposits AS "deposits!: i64",
                      amount_usd_micros AS "amount_usd_micros!: i64", refunds AS "refunds!: i64",
                      refunded_usd_micros AS "refunded_usd_micros!: i64", adjusted_usd_micros AS "adjusted_usd_micros!: i64"
               FROM accounting_monthly WHERE month = ? ORDER BY amount_usd_micros DESC, method, currency, network"#,
            month
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// The last `limit` months in which something was credited or went back, up to `until`, oldest first.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn month_sums(&self, until: &Month, limit: u32) -> Result<Vec<MonthSum>> {
        let (until, limit) = (until.as_str(), i64::from(limit));
        let mut sums = sqlx::query_as!(
            MonthSum,
            r#"SELECT month AS "month!: String", sum(deposits) AS "deposits!: i64",
                      sum(amount_usd_micros) + sum(adjusted_usd_micros) AS "credited_usd_micros!: i64",
                      sum(refunded_usd_micros) AS "refunded_usd_micros!: i64"
               FROM accounting_monthly WHERE month <= ? GROUP BY month ORDER BY month DESC LIMIT ?"#,
            until,
            limit
        )
        .fetch_all(&self.readers)
        .await?;
        sums.reverse();
        Ok(sums)
    }

    /// What was, or is, owed to webhooks about one deposit, oldest first.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn webhooks_of(&self, deposit: DepositId) -> Result<Vec<WebhookRow>> {
        let id = deposit.to_string();
        sqlx::query_as!(
            WebhookRow,
            r#"SELECT w.id AS "id!", w.webhook, e.name AS event, w.deposit_id, w.event_seq,
                      'evt_' || substr(e.hash, 1, 32) AS "webhook_id!: String", w.state, w.attempts, w.created_at, w.due_ms,
                      w.sent_at, w.last_error
               FROM event e CROSS JOIN webhook_delivery w ON w.event_seq = e.seq WHERE e.deposit_id = ? ORDER BY w.id"#,
            id
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }
}
