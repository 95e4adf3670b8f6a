//! Derives each deposit again from its events: states, postings, totals, and its row.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use sqlx::SqliteConnection;

use crate::domain::book_zone::BookZone;
use crate::domain::deposit::{Facts, Request, Wallet};
use crate::domain::journal;
use crate::domain::link;
use crate::domain::method::{Method, PaidBy};
use crate::domain::money::UsdMicros;
use crate::domain::time::Timestamp;
use crate::ledger::commit::month_totals::Rollup;
use crate::ledger::error::{Error, Result};
use crate::ledger::request_row::paid_by;
use crate::ledger::verify::chain_row::read_postings;
use crate::ledger::verify::finding::Verification;
use crate::ledger::verify::totals::CloseEvents;

/// Derives each deposit again from its events: states, postings, and its row.
pub(super) async fn verify(
    view: &mut SqliteConnection,
    found: &mut Verification,
    closes: &CloseEvents,
    zone: Arc<BookZone>,
) -> Result<Rollup> {
    let mut rows = sqlx::query!(
        r#"SELECT e.seq AS "seq!", e.version AS "version!", e.from_state, e.to_state, e.facts, e.at, e.name, d.id AS "id!",
                  d.version AS "row_version!", d.method AS "method!", d.currency, d.network, d.link_id,
                  d.amount_requested AS "amount_requested!", d.coupon,
                  d.requested_at AS "requested_at!", d.facts AS "row_facts!", d.updated_at AS "updated_at!",
                  (SELECT json_group_array(json_array(account, commodity, amount, amount_usd_micros))
                   FROM (SELECT * FROM posting WHERE transaction_id = e.seq ORDER BY entry_id)) AS "postings!: String"
           FROM event e JOIN deposit d ON d.id = e.deposit_id ORDER BY e.deposit_id, e.version"#
    )
    .fetch(&mut *view);
    let mut life: Option<(String, Facts)> = None;
    let mut names = BTreeSet::new();
    let mut rollup = Rollup::new(zone);
    while let Some(row) = rows.try_next().await? {
        let before = life.take().filter(|(id, _)| *id == row.id).map(|(_, facts)| facts);
        if before.is_none() {
            found.deposits = found.deposits.saturating_add(1);
        }
        let (Ok(facts), Ok(request)) = (
            serde_json::from_str::<Facts>(&row.facts),
            request_of(
                paid_by(&row.method, row.currency.as_deref(), row.network.as_deref()),
                &row.amount_requested,
                row.coupon,
                &row.requested_at,
            ),
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
        rollup.post(&row.at, &row.name, &facts, &booked)?;
        let moved = journal::turnover(before.as_ref(), &facts);
        rollup.turn(closes.open_from(row.seq), &row.at, request.paid_by, &facts, moved)?;
        if row.version == row.row_version {
            let link_id = facts.wallet.as_ref().and_then(Wallet::link_id);
            if row.link_id.as_deref() != link_id {
                found.find("deposit", &row.id, "link_id is not the id at the end of its link");
            }
            names.extend(names_of(&row.id, &request, &facts));
        }
        if row.version == row.row_version && (row.facts != row.row_facts || row.at != row.updated_at) {
            found.find("deposit", &row.id, "its facts are not those of its last event");
        }
        life = Some((row.id, facts));
    }
    drop(rows);
    verify_link_names(view, found, names).await?;
    verify_rows(view, found).await?;
    verify_dollars(view, found).await?;
    Ok(rollup)
}

/// What the link of a card bears, with the deposit's id.
fn names_of(id: &str, request: &Request, facts: &Facts) -> Vec<(String, String, String)> {
    let link = facts.wallet.as_ref().and_then(|wallet| wallet.url.as_deref());
    let Some(link) = link.filter(|_| request.method() == Method::Card) else { return Vec::new() };
    let named = |(name, value): (&str, String)| (id.to_owned(), name.to_owned(), value);
    link::names(link).into_iter().map(named).collect()
}

/// What cards' links bear, against the links. What every link bears, the account's own name, is left out.
async fn verify_link_names(
    view: &mut SqliteConnection,
    found: &mut Verification,
    mut made: BTreeSet<(String, String, String)>,
) -> Result<()> {
    let rows = sqlx::query!(
        r#"SELECT d.id AS "id!", n.name AS "name!", n.value AS "value!"
           FROM link_name n JOIN deposit d ON d.row_id = n.deposit_row"#
    )
    .fetch_all(&mut *view)
    .await?;
    for row in rows {
        let name = format!("{} {}", row.id, row.name);
        if !made.remove(&(row.id, row.name, row.value)) {
            found.find("link_name", name, "its deposit's link does not bear it");
        }
    }
    let account = sqlx::query_scalar!(r#"SELECT value FROM meta WHERE key = 'account'"#);
    let account = account.fetch_optional(&mut *view).await?.unwrap_or_default();
    for (id, name, value) in made {
        if !value.eq_ignore_ascii_case(&account) {
            found.find("link_name", format!("{id} {name}"), "it is missing");
        }
    }
    Ok(())
}

/// The deposits' rows against their events and their own facts.
async fn verify_rows(view: &mut SqliteConnection, found: &mut Verification) -> Result<()> {
    let odd = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM deposit d
           WHERE version <> (SELECT coalesce(max(version), 0) FROM event e WHERE e.deposit_id = d.id)
              OR version <> (SELECT count(*) FROM event e WHERE e.deposit_id = d.id)"#
    )
    .fetch_all(&mut *view)
    .await?;
    for id in odd {
        found.find("deposit", id, "its version is not the number of its events");
    }
    let lost = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM deposit d LEFT JOIN queue q ON q.deposit = d.row_id AND q.version = d.version
           WHERE q.deposit IS NULL"#
    )
    .fetch_all(&mut *view)
    .await?;
    for id in lost {
        found.find("queue", id, "its place in the queue is missing, or was decided on another version");
    }
    let odd = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM deposit
           WHERE state IS NOT facts ->> '$.state' OR order_id IS NOT facts ->> '$.wallet.order_id'
              OR address IS NOT iif(facts ->> '$.wallet.withheld' IS NULL OR method <> 'wallet', facts ->> '$.wallet.address', '')
              OR memo IS NOT facts ->> '$.wallet.memo' OR amount_usd IS NOT facts ->> '$.wallet.amount_usd'
              OR amount_crypto IS NOT facts ->> '$.wallet.amount_crypto'
              OR expire_at IS NOT replace(facts ->> '$.wallet.expire_at', '.000Z', 'Z')
              OR wallet_created_at IS NOT facts ->> '$.wallet.created_at'
              OR upstream_status IS NOT facts ->> '$.upstream_status' OR txid IS NOT facts ->> '$.txid'
              OR outcome IS NOT facts ->> '$.outcome' OR late IS NOT facts ->> '$.late'
              OR settled_at IS NOT facts ->> '$.settled_at' OR refunded_at IS NOT facts ->> '$.refunded_at'
              OR amount_booked_micros IS NOT coalesce(facts ->> '$.booked.credited', facts ->> '$.booked.usd')
                  + coalesce(facts ->> '$.booked.correction', 0)
              OR needs_review IS NOT facts ->> '$.review.reason'"#
    )
    .fetch_all(&mut *view)
    .await?;
    for id in odd {
        found.find("deposit", id, "a column does not say what its facts say");
    }
    Ok(())
}

/// The dollars' integers against their text; SQL cannot read decimals exactly.
async fn verify_dollars(view: &mut SqliteConnection, found: &mut Verification) -> Result<()> {
    let mut rows = sqlx::query!(
        r#"SELECT id AS "id!", amount_usd AS "amount_usd!", amount_usd_micros FROM deposit WHERE amount_usd IS NOT NULL"#
    )
    .fetch(view);
    while let Some(row) = rows.try_next().await? {
        let amount = crate::domain::money::Amount::parse(&row.amount_usd).ok();
        let micros = amount.and_then(|amount| amount.to_usd_micros_floor()).map(UsdMicros::get);
        if micros != row.amount_usd_micros {
            found.find("deposit", row.id, "amount_usd_micros is not amount_usd");
        }
    }
    Ok(())
}

/// The part of the request that the books depend on: a coupon explains a difference.
fn request_of(
    paid_by: std::result::Result<PaidBy, String>,
    amount: &str,
    coupon: Option<String>,
    at: &str,
) -> Result<Request> {
    let unreadable = |error: &dyn std::fmt::Display| Error::Unreadable(error.to_string());
    let paid_by = paid_by.map_err(|error| unreadable(&error))?;
    let amount = crate::domain::money::Amount::parse(amount).map_err(|error| unreadable(&error))?;
    let at = Timestamp::parse(at).map_err(|error| unreadable(&error))?;
    Ok(Request { coupon, ..Request::new(paid_by, amount, at) })
}
