//! Deposits and their rows side by side, of those that a run has reason to compare; and the sums over all rows.

use crate::domain::deposit::{Booked, Facts, FigureSource, State};
use crate::domain::money::UsdMicros;
use crate::domain::reconcile::{Accepted, DepositRows};
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::error::{Error, Result};
use crate::ledger::sql::from_json;
use crate::ledger::sql::json;

/// The most rows of one deposit that are described, and the most orders and words that are named.
const NAMED: i64 = 20;

/// The most unread rows that are named.
pub const NAMED_ROWS: usize = 50;

/// Which deposits a run has reason to compare.
#[derive(Debug, Clone)]
pub enum Scope {
    /// All of them.
    Whole,
    /// Only those with these numbers.
    These(Vec<i64>),
}

/// The sums over all rows, in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// What the rows of our deposits count, before what was accepted of single deposits.
    pub here: i64,
    /// What all others count.
    pub elsewhere: i64,
    /// The part of both that was counted longer ago than the lag, or took part in a clean run.
    pub before: i64,
    /// How many rows stand although they are no longer listed, and what they count.
    pub standing_rows: i64,
    /// The same in cents.
    pub standing_cents: i64,
}

/// A row that could count and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadRow {
    /// The ledger's number for it.
    pub row: i64,
    /// Its identifiers, as far as it has any.
    pub called: String,
    /// Why.
    pub flaw: String,
    /// Its raw word.
    pub status: Option<String>,
}

/// An unknown status word, on rows that could count.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct UnknownWord {
    /// As it was written.
    pub word: String,
    /// On how many rows.
    pub rows: i64,
    /// What those amount to.
    pub cents: i64,
}

/// Attempts whose answer was lost, and the orders of the list that may be their work: they were shown to nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForeignOrders {
    /// How many attempts.
    pub attempts: i64,
    /// The first of the orders.
    pub orders: Vec<String>,
}

/// What SQL gives of a pair.
struct PairRow {
    id: String,
    order_id: Option<String>,
    state: String,
    amount_booked_micros: Option<i64>,
    facts: String,
    moved: Option<String>,
    rows: i64,
    paid: i64,
    probable: i64,
    follows: i64,
    unread: i64,
    changed_ms: i64,
    words: Option<String>,
    described: Option<String>,
    accepted: Option<String>,
}

impl TryFrom<PairRow> for DepositRows {
    type Error = Error;
    fn try_from(row: PairRow) -> Result<Self> {
        let unreadable =
            |what: &dyn std::fmt::Display| Error::Unreadable(format!("deposit {}: {what}", row.id));
        let facts: Facts = serde_json::from_str(&row.facts).map_err(|error| unreadable(&error))?;
        let booked: Option<&Booked> = facts.booked.as_ref().filter(|booked| !booked.is_said());
        let figure = booked.filter(|booked| booked.credited.is_some()).map(|booked| booked.usd);
        let (moved_seq, moved_at): (i64, String) = match &row.moved {
            Some(moved) => from_json(moved)?,
            None => (0, facts.since.to_string()),
        };
        let moved_at = Timestamp::parse(&moved_at).map_err(|error| unreadable(&error))?;
        let accepted: Option<(i64, i64)> = row.accepted.as_deref().map(from_json).transpose()?;
        Ok(Self {
            deposit_id: row.id.parse().map_err(|error: uuid::Error| unreadable(&error))?,
            state: State::parse(&row.state).ok_or_else(|| unreadable(&"its state"))?,
            booked: row.amount_booked_micros.map(UsdMicros::new),
            figure,
            provisional: booked.is_some_and(|booked| booked.source == FigureSource::AmountInUsd),
            moved_at: moved_at.max(facts.since),
            moved_seq,
            rows: row.rows,
            paid_cents: row.paid,
            probable_cents: row.probable,
            follows: row.follows != 0,
            unread: row.unread != 0,
            words: row.words.as_deref().map(from_json).transpose()?.unwrap_or_default(),
            described: row.described,
            rows_changed_at: Timestamp::from_millis(row.changed_ms),
            accepted: accepted.map(|(listed_cents, counted_cents)| Accepted { listed_cents, counted_cents }),
            order_id: row.order_id,
        })
    }
}

impl Ledger {
    /// What a run has reason to compare: deposits with events after number `seq`, those whose rows were new, changed or
    /// gone in a run after number `run`, those that were left over, those of open cases, and those of which a person
    /// accepted something.
    pub async fn touched_since(&self, seq: i64, run: i64) -> Result<Scope> {
        let rows = sqlx::query_scalar!(
            r#"SELECT json_group_array(deposit) AS "rows!: String" FROM (
                   SELECT d.row_id AS deposit FROM event e JOIN deposit d ON d.id = e.deposit_id WHERE e.seq > ?
                   UNION SELECT deposit_row FROM invoice WHERE changed_run > ? AND deposit_row IS NOT NULL
                   UNION SELECT deposit_row FROM comparison_due
                   UNION SELECT d.row_id FROM discrepancy c JOIN deposit d ON d.id = c.deposit_id WHERE c.closed_at IS NULL
                   UNION SELECT deposit_row FROM acceptance WHERE ended_seq IS NULL AND deposit_row IS NOT NULL)"#,
            seq,
            run
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(Scope::These(from_json(&rows)?))
    }

    /// The deposits of `scope` that may not agree with their rows; and those of which a person accepted something.
    pub async fn pairs(&self, scope: &Scope) -> Result<Vec<DepositRows>> {
        match scope {
            Scope::These(rows) => self.pairs_of(rows).await,
            Scope::Whole => {
                let rows = self.suspects().await?;
                self.pairs_of(&rows).await
            }
        }
    }

    /// Of all deposits, those whose rows and bookings differ at first sight.
    async fn suspects(&self) -> Result<Vec<i64>> {
        let rows = sqlx::query_scalar!(
            r#"SELECT json_group_array(deposit) AS "rows!: String" FROM (
                   SELECT d.row_id AS deposit
                   FROM (SELECT deposit_row, sum(iif(weight = 1, counted_cents, 0)) AS paid, max(weight) AS weight,
                                count(flaw) AS unread
                         FROM invoice WHERE deposit_row IS NOT NULL GROUP BY deposit_row) i
                        CROSS JOIN deposit d ON d.row_id = i.deposit_row
                   WHERE i.weight = 2 OR i.unread > 0 OR coalesce(d.amount_booked_micros, 0) <> i.paid * 10000
                   UNION
                   SELECT d.row_id FROM deposit d
                   WHERE d.settled_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM invoice i WHERE i.deposit_row = d.row_id)
                   UNION SELECT deposit_row FROM acceptance WHERE ended_seq IS NULL AND deposit_row IS NOT NULL)"#
        )
        .fetch_one(&self.readers)
        .await?;
        from_json(&rows)
    }

    async fn pairs_of(&self, rows: &[i64]) -> Result<Vec<DepositRows>> {
        let mut pairs = Vec::with_capacity(rows.len());
        for page in rows.chunks(super::PAGE) {
            let rows = json(page)?;
            let found = sqlx::query_as!(
                PairRow,
                r#"SELECT d.id AS "id!", d.order_id AS "order_id?", d.state AS "state!", d.amount_booked_micros, d.facts AS "facts!",
                          (SELECT json_array(e.seq, e.at) FROM event e
                           WHERE e.deposit_id = d.id AND EXISTS (SELECT 1 FROM posting p WHERE p.transaction_id = e.seq)
                           ORDER BY e.version DESC LIMIT 1) AS "moved: String",
                          count(i.row_id) AS "rows!: i64",
                          coalesce(sum(iif(i.weight = 1, i.counted_cents, 0)), 0) AS "paid!: i64",
                          coalesce((SELECT sum(p.counted_cents) FROM invoice p WHERE p.probable_row = d.row_id), 0) AS "probable!: i64",
                          coalesce(max(i.weight = 2), 0) AS "follows!: i64", count(iif(i.said_cents IS NULL, i.flaw, NULL)) AS "unread!: i64",
                          coalesce(max(i.changed_ms), 0) AS "changed_ms!: i64",
                          (SELECT json_group_array(status) FROM
                              (SELECT status FROM invoice w WHERE w.deposit_row = d.row_id AND status IS NOT NULL
                               ORDER BY weight, changed_run, row_id LIMIT 20)) AS "words: String",
                          (SELECT group_concat(printf('%d.%02d %s (%s)', abs(amount_cents) / 100, abs(amount_cents) % 100,
                                                      coalesce(status, 'no status'),
                                                      iif(listed = 1, 'listed', 'no longer listed')), ', ')
                           FROM (SELECT amount_cents, status, listed FROM invoice w WHERE w.deposit_row = d.row_id
                                 ORDER BY row_id LIMIT 20)) AS "described: String",
                          (SELECT json_array(listed_cents, counted_cents) FROM acceptance a
                           WHERE a.deposit_row = d.row_id AND a.ended_seq IS NULL ORDER BY a.id DESC LIMIT 1) AS "accepted: String"
                   FROM json_each(?) j CROSS JOIN deposit d ON d.row_id = j.value
                        LEFT JOIN invoice i ON i.deposit_row = d.row_id
                   WHERE d.wallet_created_at IS NOT NULL
                   GROUP BY d.row_id"#,
                rows
            )
            .fetch_all(&self.readers)
            .await?;
            for row in found {
                pairs.push(DepositRows::try_from(row)?);
            }
        }
        Ok(pairs)
    }

    /// One deposit and its rows.
    pub async fn pair(&self, deposit: crate::domain::ids::DepositId) -> Result<Option<DepositRows>> {
        let id = deposit.to_string();
        let row = sqlx::query_scalar!(r#"SELECT row_id AS "row!" FROM deposit WHERE id = ?"#, id)
            .fetch_optional(&self.readers)
            .await?;
        match row {
            Some(row) => Ok(self.pairs_of(&[row]).await?.pop()),
            None => Ok(None),
        }
    }

    /// The sums over all rows. `before` is the lag ago, `clean` the number of the last clean run: what is older than
    /// the one, or took part in the other, the total must hold by now. A change that stands in the future was made under
    /// a clock that was wrong: it is old.
    pub async fn sums(&self, now: Timestamp, before: Timestamp, clean: i64) -> Result<Sums> {
        let (now, before) = (now.as_millis(), before.as_millis());
        let row = sqlx::query!(
            r#"WITH row AS MATERIALIZED (
                   SELECT deposit_row IS NOT NULL AS ours, listed,
                          sum(iif(deposit_row IS NOT NULL AND weight = 2, 0, counted_cents)) AS counted,
                          sum(CASE WHEN deposit_row IS NOT NULL AND weight = 2 THEN 0
                                   WHEN changed_ms <= ?1 OR changed_ms > ?2 OR changed_run <= ?3 THEN counted_cents
                                   ELSE min(coalesce(clean_cents, 0), counted_cents) END) AS before,
                          count(*) AS n
                   FROM invoice GROUP BY 1, 2)
               SELECT (SELECT coalesce(sum(counted), 0) FROM row WHERE ours = 1) AS "here!: i64",
                      (SELECT coalesce(sum(counted), 0) FROM row WHERE ours = 0) AS "elsewhere!: i64",
                      (SELECT coalesce(sum(before), 0) FROM row) AS "before!: i64",
                      (SELECT coalesce(sum(n), 0) FROM row WHERE listed = 0) AS "standing_rows!: i64",
                      (SELECT coalesce(sum(counted), 0) FROM row WHERE listed = 0) AS "standing_cents!: i64",
                      (SELECT coalesce(sum(max(0, d.amount_booked_micros / 10000
                                               - (SELECT coalesce(sum(p.counted_cents), 0) FROM invoice p
                                                  WHERE p.deposit_row = d.row_id AND p.weight = 1))), 0)
                       FROM (SELECT DISTINCT deposit_row FROM invoice WHERE weight = 2 AND deposit_row IS NOT NULL) f
                            CROSS JOIN deposit d ON d.row_id = f.deposit_row
                       WHERE d.amount_booked_micros IS NOT NULL) AS "followed!: i64",
                      (SELECT coalesce(sum(max(0, d.amount_booked_micros / 10000
                                               - (SELECT coalesce(sum(p.counted_cents), 0) FROM invoice p
                                                  WHERE p.deposit_row = d.row_id AND p.weight = 1))), 0)
                       FROM (SELECT DISTINCT deposit_row FROM invoice
                             WHERE weight = 2 AND deposit_row IS NOT NULL
                                   AND (changed_ms <= ?1 OR changed_ms > ?2 OR changed_run <= ?3)) f
                            CROSS JOIN deposit d ON d.row_id = f.deposit_row
                       WHERE d.amount_booked_micros IS NOT NULL) AS "followed_before!: i64""#,
            before,
            now,
            clean
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(Sums {
            here: row.here.saturating_add(row.followed),
            elsewhere: row.elsewhere,
            before: row.before.saturating_add(row.followed_before),
            standing_rows: row.standing_rows,
            standing_cents: row.standing_cents,
        })
    }

    /// The rows that could count and cannot be read, the first of them.
    pub async fn unread_rows(&self) -> Result<Vec<UnreadRow>> {
        let rows = sqlx::query!(
            r#"SELECT row_id AS "row!", coalesce(pay_id, sesid, 'a row without an id') AS "called!: String", flaw AS "flaw!", status
               FROM invoice WHERE flaw IS NOT NULL AND said_cents IS NULL AND listed = 1 ORDER BY row_id LIMIT 50"#
        )
        .fetch_all(&self.readers)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| UnreadRow { row: row.row, called: row.called, flaw: row.flaw, status: row.status })
            .collect())
    }

    /// The words that are not known, on rows with an amount, as they were written. `known` are those that are.
    pub async fn unknown_words(&self, known: &[&str]) -> Result<Vec<UnknownWord>> {
        let known = json(known)?;
        sqlx::query_as!(
            UnknownWord,
            r#"SELECT status AS "word!", count(*) AS "rows!: i64", coalesce(sum(amount_cents), 0) AS "cents!: i64"
               FROM invoice
               WHERE listed = 1 AND weight = 0 AND coalesce(amount_cents, 0) <> 0
                 AND lower(trim(status)) NOT IN (SELECT value FROM json_each(?))
               GROUP BY status ORDER BY status LIMIT ?"#,
            known,
            NAMED
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// How many attempts were lost, and the orders of the list that may be their work: none of ours, of the processor, and
    /// made while such an attempt was under way. For information only.
    pub async fn lost_orders(&self) -> Result<ForeignOrders> {
        let attempts = sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!: i64" FROM attempt WHERE outcome IS NULL OR outcome = 'unknown'"#
        )
        .fetch_one(&self.readers)
        .await?;
        if attempts == 0 {
            return Ok(ForeignOrders::default());
        }
        let orders = sqlx::query_scalar!(
            r#"SELECT DISTINCT coalesce(i.pay_id, i.sesid) AS "order!: String"
               FROM (SELECT unixepoch(started_at) * 1000 - 120000 AS since,
                            unixepoch(coalesce(ended_at, started_at)) * 1000 + 180000 AS until
                     FROM attempt WHERE outcome IS NULL OR outcome = 'unknown' ORDER BY id DESC LIMIT 100) a
                    JOIN invoice i ON i.created_ms BETWEEN a.since AND a.until
               WHERE i.deposit_row IS NULL AND coalesce(i.pay_id, i.sesid) IS NOT NULL
                 AND (i.method IS NULL OR lower(i.method) LIKE '%cryptomus%' OR lower(i.method) LIKE '%pay4bit%')
               LIMIT ?"#,
            NAMED
        )
        .fetch_all(&self.readers)
        .await?;
        Ok(ForeignOrders { attempts, orders })
    }

    /// By how many quarters of an hour the latest rows with our ids say that they were made after their wallets, where
    /// five of them agree and no other figure has more: the zone of the list is another one then. `None` where they agree
    /// with the zone as it is set.
    pub async fn zone_apart(&self) -> Result<Option<i64>> {
        let most = sqlx::query!(
            r#"SELECT quarter AS "quarter!: i64", count(*) AS "rows!: i64" FROM (
                   SELECT (i.created_ms - unixepoch(d.wallet_created_at) * 1000 + 450000 + 90000000) / 900000 - 100 AS quarter
                   FROM (SELECT created_ms, deposit_row FROM invoice
                         WHERE deposit_row IS NOT NULL AND created_ms IS NOT NULL ORDER BY row_id DESC LIMIT 50) i
                        JOIN deposit d ON d.row_id = i.deposit_row
                   WHERE d.wallet_created_at IS NOT NULL)
               GROUP BY quarter ORDER BY count(*) DESC, quarter LIMIT 1"#
        )
        .fetch_optional(&self.readers)
        .await?;
        Ok(most.filter(|most| most.rows >= 5 && most.quarter != 0).map(|most| most.quarter))
    }
}
