//! The statement of the prepaid account: a month of it, between two good runs.

use serde::{Deserialize, Serialize};

use crate::domain::journal::PREPAID;
use crate::domain::period::Month;
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::error::{Error, Result};

/// The most rows and rises that a statement has one by one.
const MOST_LINES: i64 = 500;

/// A month of the prepaid account. Always, where there is a run at or before the month's end: since + ours + elsewhere +
/// rises + in transit + unexplained - refunds - spent = closing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Statement {
    /// `YYYY-MM`.
    pub month: String,
    /// What the prepaid account is called in the books of their owner.
    pub account: String,
    /// The zone of the books.
    pub time_zone: String,
    /// The month's first instant.
    pub starts_at: String,
    /// The first instant after it.
    pub ends_at: String,
    /// The month is over.
    pub ended: bool,
    /// When it, or a later one, was closed.
    pub closed_at: Option<String>,
    /// The run that tells the opening balance: the last good one at or before the month's beginning.
    pub opening_at: Option<String>,
    /// The run from which on is counted: that one, else the first good one in the month.
    pub since_at: Option<String>,
    /// The run that tells the closing balance: the last good one at or before the month's end.
    pub closing_at: Option<String>,
    /// What the account held at the month's beginning; `None` where no good run tells.
    pub opening_usd: Option<String>,
    /// The same in millionths.
    pub opening_usd_micros: Option<i64>,
    /// What the account held at `since_at`: what follows is counted from there.
    pub since_usd: Option<String>,
    /// The same in millionths.
    pub since_usd_micros: Option<i64>,
    /// Credited by deposits of ours, corrections included, by the date of the entry.
    pub ours_usd: String,
    /// The same in millionths.
    pub ours_usd_micros: i64,
    /// Credited by others' top-ups.
    pub elsewhere_usd: Option<String>,
    /// The same in millionths.
    pub elsewhere_usd_micros: Option<i64>,
    /// Went back to payers, by the date of the entry.
    pub refunds_usd: String,
    /// The same in millionths.
    pub refunds_usd_micros: i64,
    /// Spent: what the balance fell by beyond refunds.
    pub spent_usd: Option<String>,
    /// The same in millionths.
    pub spent_usd_micros: Option<i64>,
    /// What the balance rose by beyond all top-ups.
    pub rises_usd: Option<String>,
    /// The same in millionths.
    pub rises_usd_micros: Option<i64>,
    /// On its way between journal, list and balance at the two ends, or a case that is open.
    pub in_transit_usd: Option<String>,
    /// The same in millionths.
    pub in_transit_usd_micros: Option<i64>,
    /// What the total grew by beyond all rows of the list.
    pub unexplained_usd: Option<String>,
    /// The same in millionths.
    pub unexplained_usd_micros: Option<i64>,
    /// What the account held at the month's end.
    pub closing_usd: Option<String>,
    /// The same in millionths.
    pub closing_usd_micros: Option<i64>,
    /// How many rows of the list `elsewhere` is made of.
    pub elsewhere_rows: i64,
    /// Those rows, oldest first; the first 500 of them.
    pub elsewhere: Vec<ElsewhereLine>,
    /// When the balance rose by more than the total, oldest first; the first 500 times.
    pub balance_rises: Vec<BalanceRise>,
}

/// A top-up by others: a row of `accounting_elsewhere`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ElsewhereLine {
    /// The row's number.
    pub id: i64,
    /// The day in the books' zone on which it was first seen.
    pub date: String,
    /// The run that saw it credited first.
    pub seen_at: String,
    /// When it was made, as the list says.
    pub created_at: Option<String>,
    /// The processor.
    pub method: Option<String>,
    /// What the list calls it.
    pub pay_id: Option<String>,
    /// What else the list calls it.
    pub sesid: Option<String>,
    /// What it credits.
    pub amount_usd: String,
    /// The same in millionths.
    pub amount_usd_micros: i64,
}

/// The balance rose by more than the total did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BalanceRise {
    /// The run that saw it.
    pub at: String,
    /// By how much, in cents.
    pub cents: i64,
}

/// The figures of a month; a row of the view.
struct Figures {
    opening_at: Option<String>,
    since_at: Option<String>,
    closing_at: Option<String>,
    opening_usd: Option<String>,
    opening_usd_micros: Option<i64>,
    since_usd: Option<String>,
    since_usd_micros: Option<i64>,
    ours_usd: String,
    ours_usd_micros: i64,
    elsewhere_usd: Option<String>,
    elsewhere_usd_micros: Option<i64>,
    refunds_usd: String,
    refunds_usd_micros: i64,
    spent_usd: Option<String>,
    spent_usd_micros: Option<i64>,
    rises_usd: Option<String>,
    rises_usd_micros: Option<i64>,
    in_transit_usd: Option<String>,
    in_transit_usd_micros: Option<i64>,
    unexplained_usd: Option<String>,
    unexplained_usd_micros: Option<i64>,
    closing_usd: Option<String>,
    closing_usd_micros: Option<i64>,
}

impl Figures {
    /// Those of a month after this one in which nothing was booked and no run was made: it ends as this one did.
    fn carried(self) -> Self {
        let nothing =
            || (self.closing_usd_micros.map(|_| "0.00".to_owned()), self.closing_usd_micros.map(|_| 0));
        let (elsewhere_usd, elsewhere_usd_micros) = nothing();
        let (spent_usd, spent_usd_micros) = nothing();
        let (rises_usd, rises_usd_micros) = nothing();
        let (in_transit_usd, in_transit_usd_micros) = nothing();
        let (unexplained_usd, unexplained_usd_micros) = nothing();
        Self {
            opening_at: self.closing_at.clone(),
            since_at: self.closing_at.clone(),
            opening_usd: self.closing_usd.clone(),
            opening_usd_micros: self.closing_usd_micros,
            since_usd: self.closing_usd.clone(),
            since_usd_micros: self.closing_usd_micros,
            ours_usd: "0.00".to_owned(),
            ours_usd_micros: 0,
            refunds_usd: "0.00".to_owned(),
            refunds_usd_micros: 0,
            elsewhere_usd,
            elsewhere_usd_micros,
            spent_usd,
            spent_usd_micros,
            rises_usd,
            rises_usd_micros,
            in_transit_usd,
            in_transit_usd_micros,
            unexplained_usd,
            unexplained_usd_micros,
            ..self
        }
    }
}

impl Ledger {
    /// The statement of `month`, as of `now`.
    pub async fn statement(&self, month: &Month, now: Timestamp) -> Result<Statement> {
        let (zone, name) = (self.book_zone(), month.as_str());
        let (starts, ends) = (zone.start_of(month), zone.end_of(month));
        let covered = sqlx::query_scalar!("SELECT min(closed_at) FROM period WHERE month >= ?", name)
            .fetch_one(&self.readers)
            .await?;
        let account = PREPAID;
        let mapped = sqlx::query_scalar!("SELECT mapped FROM books_account WHERE account = ?", account)
            .fetch_optional(&self.readers)
            .await?;
        let frame = Statement {
            month: name.to_owned(),
            account: mapped.unwrap_or_else(|| account.to_owned()),
            time_zone: zone.name().to_owned(),
            starts_at: starts.to_string(),
            ends_at: ends.to_string(),
            ended: ends <= now,
            closed_at: covered,
            ours_usd: "0.00".to_owned(),
            refunds_usd: "0.00".to_owned(),
            ..Statement::default()
        };
        let figures = match self.statement_figures(name).await? {
            Some(figures) => figures,
            None => match self.figures_before(name).await? {
                Some(before) => before.carried(),
                None => return Ok(frame),
            },
        };
        let mut whole = Statement {
            opening_at: figures.opening_at,
            since_at: figures.since_at,
            closing_at: figures.closing_at,
            opening_usd: figures.opening_usd,
            opening_usd_micros: figures.opening_usd_micros,
            since_usd: figures.since_usd,
            since_usd_micros: figures.since_usd_micros,
            ours_usd: figures.ours_usd,
            ours_usd_micros: figures.ours_usd_micros,
            elsewhere_usd: figures.elsewhere_usd,
            elsewhere_usd_micros: figures.elsewhere_usd_micros,
            refunds_usd: figures.refunds_usd,
            refunds_usd_micros: figures.refunds_usd_micros,
            spent_usd: figures.spent_usd,
            spent_usd_micros: figures.spent_usd_micros,
            rises_usd: figures.rises_usd,
            rises_usd_micros: figures.rises_usd_micros,
            in_transit_usd: figures.in_transit_usd,
            in_transit_usd_micros: figures.in_transit_usd_micros,
            unexplained_usd: figures.unexplained_usd,
            unexplained_usd_micros: figures.unexplained_usd_micros,
            closing_usd: figures.closing_usd,
            closing_usd_micros: figures.closing_usd_micros,
            ..frame
        };
        if let (Some(since), Some(closing)) = (&whole.since_at, &whole.closing_at) {
            let (since, closing) = (since.clone(), closing.clone());
            (whole.elsewhere_rows, whole.elsewhere) = self.elsewhere(&since, &closing).await?;
            whole.balance_rises = self.balance_rises(&since, &closing).await?;
        }
        Ok(whole)
    }

    async fn statement_figures(&self, month: &str) -> Result<Option<Figures>> {
        sqlx::query_as!(
            Figures,
            r#"SELECT opening_at AS "opening_at: String", since_at AS "since_at: String", closing_at AS "closing_at: String",
                      opening_usd AS "opening_usd?: String", opening_usd_micros AS "opening_usd_micros?: i64",
                      since_usd AS "since_usd?: String", since_usd_micros AS "since_usd_micros?: i64",
                      ours_usd AS "ours_usd!: String", ours_usd_micros AS "ours_usd_micros!: i64",
                      elsewhere_usd AS "elsewhere_usd?: String", elsewhere_usd_micros AS "elsewhere_usd_micros?: i64",
                      refunds_usd AS "refunds_usd!: String", refunds_usd_micros AS "refunds_usd_micros!: i64",
                      spent_usd AS "spent_usd?: String", spent_usd_micros AS "spent_usd_micros?: i64",
                      rises_usd AS "rises_usd?: String", rises_usd_micros AS "rises_usd_micros?: i64",
                      in_transit_usd AS "in_transit_usd?: String", in_transit_usd_micros AS "in_transit_usd_micros?: i64",
                      unexplained_usd AS "unexplained_usd?: String", unexplained_usd_micros AS "unexplained_usd_micros?: i64",
                      closing_usd AS "closing_usd?: String", closing_usd_micros AS "closing_usd_micros?: i64"
               FROM accounting_statement WHERE month = ?"#,
            month
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// Those of the last month before `month` of which there are any.
    async fn figures_before(&self, month: &str) -> Result<Option<Figures>> {
        sqlx::query_as!(
            Figures,
            r#"SELECT opening_at AS "opening_at: String", since_at AS "since_at: String", closing_at AS "closing_at: String",
                      opening_usd AS "opening_usd?: String", opening_usd_micros AS "opening_usd_micros?: i64",
                      since_usd AS "since_usd?: String", since_usd_micros AS "since_usd_micros?: i64",
                      ours_usd AS "ours_usd!: String", ours_usd_micros AS "ours_usd_micros!: i64",
                      elsewhere_usd AS "elsewhere_usd?: String", elsewhere_usd_micros AS "elsewhere_usd_micros?: i64",
                      refunds_usd AS "refunds_usd!: String", refunds_usd_micros AS "refunds_usd_micros!: i64",
                      spent_usd AS "spent_usd?: String", spent_usd_micros AS "spent_usd_micros?: i64",
                      rises_usd AS "rises_usd?: String", rises_usd_micros AS "rises_usd_micros?: i64",
                      in_transit_usd AS "in_transit_usd?: String", in_transit_usd_micros AS "in_transit_usd_micros?: i64",
                      unexplained_usd AS "unexplained_usd?: String", unexplained_usd_micros AS "unexplained_usd_micros?: i64",
                      closing_usd AS "closing_usd?: String", closing_usd_micros AS "closing_usd_micros?: i64"
               FROM accounting_statement WHERE month < ? ORDER BY month DESC LIMIT 1"#,
            month
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// How many top-ups by others were first seen after `since` and up to `closing`, and the first of them.
    async fn elsewhere(&self, since: &str, closing: &str) -> Result<(i64, Vec<ElsewhereLine>)> {
        let millis = |text: &str| {
            let at = Timestamp::parse(text).map_err(|error| Error::Unreadable(error.to_string()))?;
            Ok::<_, Error>(at.as_millis())
        };
        let (since, closing) = (millis(since)?, millis(closing)?);
        let lines = sqlx::query_as!(
            ElsewhereLine,
            r#"SELECT v.id AS "id!", v.date AS "date!: String", v.seen_at AS "seen_at!: String",
                      v.created_at AS "created_at?: String", v.method, v.pay_id, v.sesid,
                      v.amount_usd AS "amount_usd!: String", v.amount_usd_micros AS "amount_usd_micros!: i64"
               FROM invoice i CROSS JOIN accounting_elsewhere v ON v.id = i.row_id
               WHERE i.deposit_row IS NULL AND i.counted_cents <> 0 AND i.changed_run <> 1 AND coalesce(i.credited_ms, i.changed_ms) > ?
                     AND coalesce(i.credited_ms, i.changed_ms) <= ?
               ORDER BY coalesce(i.credited_ms, i.changed_ms), i.row_id LIMIT ?"#,
            since,
            closing,
            MOST_LINES
        )
        .fetch_all(&self.readers)
        .await?;
        let rows = sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!: i64" FROM invoice i CROSS JOIN accounting_elsewhere v ON v.id = i.row_id
               WHERE i.deposit_row IS NULL AND i.counted_cents <> 0 AND i.changed_run <> 1 AND coalesce(i.credited_ms, i.changed_ms) > ?
                     AND coalesce(i.credited_ms, i.changed_ms) <= ?"#,
            since,
            closing
        )
        .fetch_one(&self.readers)
        .await?;
        Ok((rows, lines))
    }

    async fn balance_rises(&self, since: &str, closing: &str) -> Result<Vec<BalanceRise>> {
        sqlx::query_as!(
            BalanceRise,
            r#"SELECT at AS "at!: String", rise AS "cents!: i64"
               FROM (SELECT at, risen_cents - lag(risen_cents) OVER (ORDER BY at, id) AS rise
                     FROM reconciliation WHERE ok = 1 AND at >= ? AND at <= ?)
               WHERE rise > 0 ORDER BY at LIMIT ?"#,
            since,
            closing,
            MOST_LINES
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }
}
