//! The figures of a digest: what happened since the last one, and how everything stands.

use serde::Serialize;

use crate::domain::money::UsdMicros;
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::error::{Error, Result};

/// What happened in a period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PeriodTotals {
    /// Deposits that were asked for.
    pub requested: i64,
    /// What was credited, by currency and network.
    pub settled: Vec<Settled>,
    /// Deposits that were refunded.
    pub refunded: i64,
    /// What had been booked of them.
    pub refunded_usd: UsdMicros,
    /// Deposits that reached a state, by event.
    pub ended: Vec<Ended>,
}

/// What was credited in one currency on one network, by payment page, or by card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// How it was paid.
    pub method: String,
    /// Ticker; `None` by payment page and by card.
    pub currency: Option<String>,
    /// Network; `None` likewise.
    pub network: Option<String>,
    /// How many deposits.
    pub count: i64,
    /// What was booked.
    pub usd: UsdMicros,
}

/// How many times something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// What.
    pub event: String,
    /// How often.
    pub count: i64,
}

/// Deposits in one state that is not final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenState {
    /// The state.
    pub state: String,
    /// How many.
    pub count: i64,
    /// What their wallets ask for, as far as they have one.
    pub usd: UsdMicros,
    /// When the oldest was asked for.
    pub oldest: String,
}

/// An open difference and how long it has been open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseAge {
    /// Its number.
    pub id: i64,
    /// What kind.
    pub kind: String,
    /// Our figure.
    pub expected: String,
    /// The upstream's.
    pub found: String,
    /// When it was first seen.
    pub opened_at: String,
}

/// What is not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Unsent {
    /// Waiting for their turn or for another try.
    pub owed: i64,
    /// Given up.
    pub dead: i64,
    /// Since when the oldest of both is owed.
    pub oldest: Option<String>,
}

impl Ledger {
    /// What happened from `from` to `to`; `after` is the number of the last event before `from`.
    pub async fn period_totals(&self, from: Timestamp, to: Timestamp, after: i64) -> Result<PeriodTotals> {
        let (from, to) = (from.to_string(), to.to_string());
        let read = Error::database;
        let requested = sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!: i64" FROM deposit WHERE requested_at >= ? AND requested_at < ?"#,
            from,
            to
        )
        .fetch_one(&self.readers)
        .await
        .map_err(read("read"))?;
        let settled = sqlx::query!(
            r#"SELECT method AS "method!", currency, network, count(*) AS "n!: i64",
                      coalesce(sum(amount_booked_micros), 0) AS "micros!: i64"
               FROM deposit WHERE settled_at >= ? AND settled_at < ?
               GROUP BY method, currency, network ORDER BY 5 DESC, method, currency, network"#,
            from,
            to
        )
        .fetch_all(&self.readers)
        .await
        .map_err(read("read"))?;
        let refunded = sqlx::query!(
            r#"SELECT count(*) AS "n!: i64", coalesce(sum(amount_booked_micros), 0) AS "micros!: i64"
               FROM deposit WHERE refunded_at >= ? AND refunded_at < ?"#,
            from,
            to
        )
        .fetch_one(&self.readers)
        .await
        .map_err(read("read"))?;
        let ended = sqlx::query_as!(
            Ended,
            r#"SELECT name AS event, count(*) AS "count!: i64" FROM event
               WHERE seq > ? AND at >= ? AND deposit_id IS NOT NULL AND from_state IS NOT to_state
                 AND name NOT IN ('requested', 'wallet_created', 'confirming', 'settled', 'refunded')
               GROUP BY name ORDER BY 2 DESC, name"#,
            after,
            from
        )
        .fetch_all(&self.readers)
        .await
        .map_err(read("read"))?;
        let settled = settled
            .into_iter()
            .map(|row| Settled {
                method: row.method,
                currency: row.currency,
                network: row.network,
                count: row.n,
                usd: UsdMicros::new(row.micros),
            })
            .collect();
        let refunded_usd = UsdMicros::new(refunded.micros);
        Ok(PeriodTotals { requested, settled, refunded: refunded.n, refunded_usd, ended })
    }

    /// Deposits that have not reached a final state, by state, and how many are flagged for review.
    pub async fn open_states(&self) -> Result<(Vec<OpenState>, i64)> {
        let open: Vec<&str> = crate::domain::deposit::State::ALL
            .iter()
            .filter(|state| !state.is_final())
            .map(|state| state.as_str())
            .collect();
        let open = crate::ledger::sql::json(&open)?;
        let rows = sqlx::query!(
            r#"SELECT state AS "state!", count(*) AS "n!: i64", coalesce(sum(amount_usd_micros), 0) AS "micros!: i64",
                      min(requested_at) AS "oldest!: String"
               FROM deposit WHERE state IN (SELECT value FROM json_each(?)) GROUP BY state ORDER BY state"#,
            open
        )
        .fetch_all(&self.readers)
        .await?;
        let flagged = self.flagged().await?;
        let states = rows.into_iter().map(|row| OpenState {
            state: row.state,
            count: row.n,
            usd: UsdMicros::new(row.micros),
            oldest: row.oldest,
        });
        Ok((states.collect(), flagged))
    }

    /// Open differences, the oldest first.
    pub async fn case_ages(&self) -> Result<Vec<CaseAge>> {
        sqlx::query_as!(
            CaseAge,
            r#"SELECT id AS "id!", kind, expected, found, opened_at FROM discrepancy
               WHERE closed_at IS NULL ORDER BY opened_at, id"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// What is owed and not sent.
    pub async fn unsent_mails(&self) -> Result<Unsent> {
        sqlx::query_as!(
            Unsent,
            r#"SELECT count(*) FILTER (WHERE state = 'owed') AS "owed!: i64",
                      count(*) FILTER (WHERE state = 'dead') AS "dead!: i64", min(created_at) AS "oldest: String"
               FROM outbox WHERE state <> 'sent'"#
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// What the books hold as credited and not refunded, in all.
    pub async fn credited_in_all(&self) -> Result<UsdMicros> {
        let account = crate::domain::journal::PREPAID;
        let micros = sqlx::query_scalar!(
            r#"SELECT coalesce(sum(balance_micros), 0) AS "micros!: i64" FROM account_balance WHERE account = ?"#,
            account
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(UsdMicros::new(micros))
    }

    /// What the books ever credited to the prepaid account; what left it again is not taken off.
    ///
    /// # Errors
    /// [`Error::Database`] where the file cannot be read now.
    pub async fn credited_ever(&self) -> Result<UsdMicros> {
        let account = crate::domain::journal::PREPAID;
        let micros = sqlx::query_scalar!(
            r#"SELECT coalesce(sum(debit_micros), 0) AS "micros!: i64" FROM account_month WHERE account = ?"#,
            account
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(UsdMicros::new(micros))
    }
}
