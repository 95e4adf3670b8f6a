//! How the ledger is proven whole: everything that can be derived from the events is derived again and compared.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use rust_decimal::Decimal;
use sqlx::SqliteConnection;

use super::append::{add_to, message_id};
use super::chain::{self, Link};
use super::deposits::Row as DepositRow;
use super::{Error, Ledger, Result};
use crate::domain::deposit::{Deposit, Facts, Request};
use crate::domain::journal::{self, Posting};
use crate::domain::money::UsdMicros;
use crate::domain::time::Timestamp;

/// The most findings that are named; the first is what matters.
const MOST_FINDINGS: usize = 50;

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// In which table.
    pub table: &'static str,
    /// Which row.
    pub row: String,
    /// What is wrong with it.
    pub what: String,
}

/// What was proven.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Verification {
    /// Events in the chain.
    pub events: u64,
    /// Deposits held against their events.
    pub deposits: u64,
    /// Transactions of the journal.
    pub transactions: u64,
    /// Owed mails held against their events.
    pub mails: u64,
    /// The number of the last event.
    pub head_seq: i64,
    /// Its hash: an outsider who holds it can tell later whether the past was changed.
    pub head_hash: String,
    /// What does not fit; empty when the ledger is whole.
    pub findings: Vec<Finding>,
}

impl Verification {
    fn find(&mut self, table: &'static str, row: impl ToString, what: impl Into<String>) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding { table, row: row.to_string(), what: what.into() });
        }
    }
}

type Balances = BTreeMap<(String, String), (Decimal, i64)>;

impl Ledger {
    /// Proves the ledger whole, on one consistent view of it; `progress` hears of done and total events.
    ///
    /// # Errors
    /// Where it cannot be read at all; what does not fit is in the answer.
    pub fn verify<'a>(
        &'a self,
        progress: impl FnMut(u64, u64) + Send + 'a,
    ) -> futures_util::future::BoxFuture<'a, Result<Verification>> {
        Box::pin(self.prove(progress))
    }

    async fn prove(&self, mut progress: impl FnMut(u64, u64) + Send) -> Result<Verification> {
        let mut view = self.readers.begin().await.map_err(Error::database("read"))?;
        let mut verification = Verification::default();
        self.verify_pages(&mut view, &mut verification).await?;
        let balances = verify_chain(&mut view, &mut verification, &mut progress).await?;
        verify_balances(&mut view, &mut verification, balances).await?;
        verify_deposits(&mut view, &mut verification).await?;
        self.verify_outbox(&mut view, &mut verification).await?;
        Ok(verification)
    }

    async fn verify_pages(&self, view: &mut SqliteConnection, found: &mut Verification) -> Result<()> {
        let problems = sqlx::query_scalar::<_, String>("PRAGMA integrity_check(5)")
            .fetch_all(&mut *view)
            .await
            .map_err(Error::database("checked"))?;
        for problem in problems.into_iter().filter(|problem| problem != "ok") {
            found.find("file", self.shared.path.display(), problem);
        }
        let orphans = sqlx::query_as::<_, (String, Option<i64>, String, i64)>("PRAGMA foreign_key_check")
            .fetch_all(view)
            .await
            .map_err(Error::database("checked"))?;
        for (table, row, parent, _) in orphans {
            found.find(
                "file",
                row.unwrap_or_default(),
                format!("{table} points to a missing row of {parent}"),
            );
        }
        Ok(())
    }

    async fn verify_outbox(&self, view: &mut SqliteConnection, found: &mut Verification) -> Result<()> {
        let missing = sqlx::query!(
            r#"SELECT e.seq AS "seq!", CAST(r.value AS TEXT) AS "recipient!: String" FROM event e, json_each(e.mail_to) AS r
               WHERE NOT EXISTS (SELECT 1 FROM outbox o WHERE o.event_seq = e.seq AND o.recipient = r.value)"#
        )
        .fetch_all(&mut *view)
        .await
        .map_err(Error::database("read"))?;
        for row in missing {
            found.find("outbox", format!("event {}", row.seq), "a mail that is owed is not there");
        }
        let mut rows = sqlx::query!(
            r#"SELECT o.id AS "id!", o.event_seq, o.recipient, o.message_id, o.state, o.sent_at, o.created_at, e.at, e.hash,
                      EXISTS (SELECT 1 FROM json_each(e.mail_to) r WHERE r.value = o.recipient) AS "owed!: bool"
               FROM outbox o JOIN event e ON e.seq = o.event_seq"#
        )
        .fetch(view);
        while let Some(row) = rows.try_next().await.map_err(Error::database("read"))? {
            found.mails = found.mails.saturating_add(1);
            if !row.owed {
                found.find("outbox", row.id, "a mail that no event owes");
            }
            // The part behind the @ follows the configured sender of its day.
            let ours = message_id(&self.shared, row.event_seq, &row.hash, &row.recipient);
            let local = |id: &str| id.split('@').next().map(str::to_owned);
            if local(&row.message_id) != local(&ours) {
                found.find("outbox", row.id, "its Message-ID is not the one of its event and recipient");
            }
            let readable = row.sent_at.as_deref().is_none_or(|at| Timestamp::parse(at).is_ok());
            if (row.state == "sent") != row.sent_at.is_some() || !readable {
                found.find("outbox", row.id, format!("it is {} but sent_at is {:?}", row.state, row.sent_at));
            }
            if row.created_at != row.at {
                found.find("outbox", row.id, "created_at is not the time of its event");
            }
        }
        Ok(())
    }
}

/// Walks the chain from the first event: numbers, hashes, the journal's balance.
async fn verify_chain(
    view: &mut SqliteConnection,
    found: &mut Verification,
    progress: &mut (impl FnMut(u64, u64) + Send),
) -> Result<Balances> {
    let total = sqlx::query_scalar!(r#"SELECT count(*) AS "n!: i64" FROM event"#)
        .fetch_one(&mut *view)
        .await
        .map_err(Error::database("read"))?;
    let total = u64::try_from(total).unwrap_or(0);
    let mut previous = chain::GENESIS.to_owned();
    let mut expected_seq: i64 = 1;
    let mut balances = Balances::new();
    let mut rows = sqlx::query!(
        r#"SELECT e.seq AS "seq!", e.deposit_id, e.version, e.at, e.name, e.from_state, e.to_state, e.upstream_status,
                  e.reason, e.facts, e.mail_to, e.hash, v.body AS "body?",
                  d.currency AS "currency?", d.network AS "network?", d.amount_requested AS "amount_requested?", d.coupon,
                  d.reference, d.notify AS "notify?", d.requested_at AS "requested_at?", d.id AS "id?",
                  (SELECT json_group_array(json_array(account, commodity, amount, amount_usd_micros))
                   FROM (SELECT * FROM posting WHERE transaction_id = e.seq ORDER BY entry_id)) AS "postings!: String"
           FROM event e LEFT JOIN evidence v ON v.id = e.evidence_id
               LEFT JOIN deposit d ON d.id = e.deposit_id AND e.version = 1
           ORDER BY e.seq"#
    )
    .fetch(view);
    while let Some(row) = rows.try_next().await.map_err(Error::database("read"))? {
        found.events = found.events.saturating_add(1);
        if found.events.is_multiple_of(10_000) {
            progress(found.events, total);
        }
        if row.seq != expected_seq {
            found.find("event", row.seq, format!("the event before it, {expected_seq}, is missing"));
        }
        let postings = read_postings(&row.postings);
        let request = match (row.id, row.currency, row.network, row.amount_requested) {
            (Some(id), Some(currency), Some(network), Some(amount_requested)) => {
                Deposit::try_from(DepositRow {
                    id,
                    version: 1,
                    currency,
                    network,
                    amount_requested,
                    coupon: row.coupon,
                    reference: row.reference,
                    notify: row.notify.unwrap_or_default(),
                    requested_at: row.requested_at.unwrap_or_default(),
                    facts: row.facts.clone(),
                    updated_at: row.at.clone(),
                })
                .map(|deposit| Some(deposit.request))
            }
            _ => Ok(None),
        };
        let (Some(postings), Ok(request)) = (postings, request) else {
            found.find("event", row.seq, "its request, facts or postings cannot be read");
            previous = row.hash;
            expected_seq = row.seq.saturating_add(1);
            continue;
        };
        let evidence = row.body.map(|body| chain::digest(body.as_bytes()));
        let link = Link {
            previous: &previous,
            seq: row.seq,
            deposit_id: row.deposit_id.as_deref(),
            version: row.version,
            at: &row.at,
            name: &row.name,
            from_state: row.from_state.as_deref(),
            to_state: row.to_state.as_deref(),
            upstream_status: row.upstream_status.as_deref(),
            reason: row.reason.as_deref(),
            facts: &row.facts,
            mail_to: &row.mail_to,
            evidence: evidence.as_deref(),
            request: request.as_ref(),
            postings: &postings,
        };
        if link.hash().ok().as_ref() != Some(&row.hash) {
            let what = "its hash does not fit: it, its postings, its evidence or its request was changed";
            found.find("event", row.seq, what);
        }
        if !postings.is_empty() {
            found.transactions = found.transactions.saturating_add(1);
            add_postings(&mut balances, &postings, row.seq, found)?;
        }
        previous = row.hash;
        expected_seq = row.seq.saturating_add(1);
    }
    found.head_seq = expected_seq.saturating_sub(1);
    found.head_hash = previous;
    progress(found.events, total);
    Ok(balances)
}

fn read_postings(text: &str) -> Option<Vec<Posting>> {
    let lines: Vec<(String, String, String, i64)> = serde_json::from_str(text).ok()?;
    lines
        .into_iter()
        .map(|(account, commodity, amount, micros)| {
            let amount = Decimal::from_str_exact(&amount).ok()?;
            Some(Posting { account, commodity, amount, amount_usd_micros: UsdMicros::new(micros) })
        })
        .collect()
}

fn add_postings(
    balances: &mut Balances,
    postings: &[Posting],
    seq: i64,
    found: &mut Verification,
) -> Result<()> {
    let mut sum = (Decimal::ZERO, 0);
    for line in postings {
        add_to(&mut sum, Decimal::ZERO, line.amount_usd_micros.get())?;
        let balance = balances.entry((line.account.clone(), line.commodity.clone())).or_default();
        add_to(balance, line.amount, line.amount_usd_micros.get())?;
    }
    if sum.1 != 0 {
        found.find("posting", format!("transaction {seq}"), format!("it is off balance by {} micros", sum.1));
    }
    Ok(())
}

async fn verify_balances(
    view: &mut SqliteConnection,
    found: &mut Verification,
    mut sums: Balances,
) -> Result<()> {
    let held = sqlx::query!("SELECT account, commodity, balance, balance_micros FROM account_balance")
        .fetch_all(&mut *view)
        .await
        .map_err(Error::database("read"))?;
    for row in held {
        let sum = sums.remove(&(row.account.clone(), row.commodity.clone())).unwrap_or_default();
        let held = Decimal::from_str_exact(&row.balance).ok();
        if held != Some(sum.0) || row.balance_micros != sum.1 {
            let what = format!(
                "it says {} ({} micros), its postings add up to {} ({} micros)",
                row.balance,
                row.balance_micros,
                sum.0.normalize(),
                sum.1
            );
            found.find("account_balance", format!("{} {}", row.account, row.commodity), what);
        }
    }
    for (account, commodity) in sums.into_keys() {
        found.find("account_balance", format!("{account} {commodity}"), "it is missing");
    }
    let strays = sqlx::query_scalar!(
        r#"SELECT entry_id AS "id!" FROM posting p WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.seq = p.transaction_id)"#
    )
    .fetch_all(view)
    .await
    .map_err(Error::database("read"))?;
    for entry in strays {
        found.find("posting", entry, "no event books it");
    }
    Ok(())
}

/// Tells each deposit's life again from its events: states, postings, and the row that stands for its end.
async fn verify_deposits(view: &mut SqliteConnection, found: &mut Verification) -> Result<()> {
    let mut rows = sqlx::query!(
        r#"SELECT e.seq AS "seq!", e.version AS "version!", e.from_state, e.to_state, e.facts, e.at, e.name, d.id AS "id!",
                  d.version AS "row_version!", d.currency AS "currency!", d.network AS "network!",
                  d.amount_requested AS "amount_requested!", d.coupon, d.reference, d.notify AS "notify!",
                  d.requested_at AS "requested_at!", d.facts AS "row_facts!", d.updated_at AS "updated_at!",
                  (SELECT json_group_array(json_array(account, commodity, amount, amount_usd_micros))
                   FROM (SELECT * FROM posting WHERE transaction_id = e.seq ORDER BY entry_id)) AS "postings!: String"
           FROM event e JOIN deposit d ON d.id = e.deposit_id ORDER BY e.deposit_id, e.version"#
    )
    .fetch(&mut *view);
    let mut life: Option<(String, Facts)> = None;
    while let Some(row) = rows.try_next().await.map_err(Error::database("read"))? {
        let before = life.take().filter(|(id, _)| *id == row.id).map(|(_, facts)| facts);
        if before.is_none() {
            found.deposits = found.deposits.saturating_add(1);
        }
        let (Ok(facts), Ok(request)) = (
            serde_json::from_str::<Facts>(&row.facts),
            request_of(&row.currency, &row.network, &row.amount_requested, &row.requested_at),
        ) else {
            found.find("event", row.seq, "its facts or its deposit's request cannot be read");
            continue;
        };
        if row.from_state.as_deref() != before.as_ref().map(|facts| facts.state.as_str()) {
            found.find("event", row.seq, "from_state is not the state that the event before it left");
        }
        if row.to_state.as_deref() != Some(facts.state.as_str()) {
            found.find("event", row.seq, "to_state is not the state of its facts");
        }
        let booked = journal::postings(&request, before.as_ref(), &facts);
        if read_postings(&row.postings).as_ref() != Some(&booked) {
            found.find("posting", format!("transaction {}", row.seq), "it is not what its event books");
        }
        if row.version == row.row_version && (row.facts != row.row_facts || row.at != row.updated_at) {
            found.find("deposit", &row.id, "its facts are not those of its last event");
        }
        life = Some((row.id, facts));
    }
    drop(rows);
    let odd = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM deposit d
           WHERE version <> (SELECT coalesce(max(version), 0) FROM event e WHERE e.deposit_id = d.id)
              OR version <> (SELECT count(*) FROM event e WHERE e.deposit_id = d.id)"#
    )
    .fetch_all(&mut *view)
    .await
    .map_err(Error::database("read"))?;
    for id in odd {
        found.find("deposit", id, "its version is not the number of its events");
    }
    let lost = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM deposit d LEFT JOIN queue q ON q.deposit = d.row_id AND q.version = d.version
           WHERE q.deposit IS NULL"#
    )
    .fetch_all(&mut *view)
    .await
    .map_err(Error::database("read"))?;
    for id in lost {
        found.find("queue", id, "its place in the queue is missing, or was decided on another version");
    }
    let odd = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM deposit
           WHERE state IS NOT facts ->> '$.state' OR order_id IS NOT facts ->> '$.wallet.order_id'
              OR address IS NOT facts ->> '$.wallet.address' OR amount_usd IS NOT facts ->> '$.wallet.amount_usd'
              OR amount_crypto IS NOT facts ->> '$.wallet.amount_crypto'
              OR expire_at IS NOT replace(facts ->> '$.wallet.expire_at', '.000Z', 'Z')
              OR wallet_created_at IS NOT facts ->> '$.wallet.created_at'
              OR upstream_status IS NOT facts ->> '$.upstream_status' OR txid IS NOT facts ->> '$.txid'
              OR outcome IS NOT facts ->> '$.outcome' OR late IS NOT facts ->> '$.late'
              OR settled_at IS NOT facts ->> '$.settled_at' OR refunded_at IS NOT facts ->> '$.refunded_at'
              OR amount_booked_micros IS NOT (facts ->> '$.booked.usd') + coalesce(facts ->> '$.booked.correction', 0)
              OR needs_review IS NOT facts ->> '$.review.reason'"#
    )
    .fetch_all(&mut *view)
    .await
    .map_err(Error::database("read"))?;
    for id in odd {
        found.find("deposit", id, "a column does not say what its facts say");
    }
    verify_dollars(view, found).await
}

/// The dollars' integers against their text; SQL cannot read decimals exactly.
async fn verify_dollars(view: &mut SqliteConnection, found: &mut Verification) -> Result<()> {
    let mut rows = sqlx::query!(
        r#"SELECT id AS "id!", amount_usd AS "amount_usd!", amount_usd_micros FROM deposit WHERE amount_usd IS NOT NULL"#
    )
    .fetch(view);
    while let Some(row) = rows.try_next().await.map_err(Error::database("read"))? {
        let amount = crate::domain::money::Amount::parse(&row.amount_usd).ok();
        let micros = amount.and_then(|amount| amount.to_usd_micros_floor()).map(UsdMicros::get);
        if micros != row.amount_usd_micros {
            found.find("deposit", row.id, "amount_usd_micros is not amount_usd");
        }
    }
    Ok(())
}

fn request_of(currency: &str, network: &str, amount: &str, at: &str) -> Result<Request> {
    let unreadable = |error: &dyn std::fmt::Display| Error::Unreadable(error.to_string());
    Ok(Request {
        asset: crate::domain::asset::Asset::parse(currency, network).map_err(|error| unreadable(&error))?,
        amount: crate::domain::money::Amount::parse(amount).map_err(|error| unreadable(&error))?,
        coupon: None,
        reference: None,
        notify: Vec::new(),
        requested_at: Timestamp::parse(at).map_err(|error| unreadable(&error))?,
    })
}
