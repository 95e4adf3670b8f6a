//! How steps are written: sets, one statement a table, all in one durable transaction.

use std::collections::{BTreeMap, HashMap, HashSet};

use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::{Connection as _, SqliteConnection};

use super::chain::{self, Link};
use super::{Error, Ledger, Result, Shared};
use crate::domain::deposit::{Deposit, Request};
use crate::domain::event::{EventName, Step};
use crate::domain::ids::DepositId;
use crate::domain::journal::Posting;
use crate::domain::money::UsdMicros;
use crate::domain::time::Timestamp;

/// An upstream answer, kept behind the change that it brought.
#[derive(Debug, Clone)]
pub struct EvidenceNote {
    /// When it came.
    pub at: Timestamp,
    /// Which call.
    pub call: &'static str,
    /// Its HTTP status; `None` when no answer came.
    pub http_status: Option<u16>,
    /// The raw answer without secrets, capped; or the error.
    pub body: String,
}

/// What is known of an attempt to make a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// It made the deposit's wallet.
    Wallet,
    /// It was refused for good.
    Refused,
    /// It never reached the upstream; does not count.
    NotTaken,
    /// It cannot be known.
    Unknown,
    /// Its answer was lost, and the wallet was found and adopted.
    Adopted,
    /// Its wallet was found, and the deposit has another.
    Abandoned,
}

impl AttemptOutcome {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Wallet => "wallet",
            Self::Refused => "refused",
            Self::NotTaken => "not_taken",
            Self::Unknown => "unknown",
            Self::Adopted => "adopted",
            Self::Abandoned => "abandoned",
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub struct AttemptEnd {
    /// Which attempt.
    pub id: i64,
    /// When it ended.
    pub at: Timestamp,
    /// What is known of it.
    pub outcome: AttemptOutcome,
    /// The order it made, where we learnt of it.
    pub order_id: Option<String>,
    /// The error in words.
    pub detail: Option<String>,
}

/// What the first step of a deposit brings with it.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The caller's key.
    pub idempotency_key: Option<String>,
    /// SHA-256 of the canonical request.
    pub request_digest: String,
}

/// One step and what commits with it.
#[derive(Debug, Clone)]
pub struct Write {
    /// What happened.
    pub step: Step,
    /// The answer that brought it.
    pub evidence: Option<EvidenceNote>,
    /// With a deposit's first step.
    pub opening: Option<Opening>,
    /// The attempt that it ends.
    pub attempt: Option<AttemptEnd>,
}

impl From<Step> for Write {
    fn from(step: Step) -> Self {
        Self { step, evidence: None, opening: None, attempt: None }
    }
}

/// An event of the whole account, or one about a deposit that does not change it.
#[derive(Debug, Clone)]
pub struct Notice {
    /// What happened.
    pub name: EventName,
    /// When.
    pub at: Timestamp,
    /// In words.
    pub reason: Option<String>,
    /// Its figures.
    pub facts: serde_json::Value,
    /// Who is owed a mail about it.
    pub mail_to: Vec<String>,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It is on disk.
    Written,
    /// The deposit had changed meanwhile; nothing was written. Look again.
    Conflict,
    /// A rule of the ledger forbids it, in these words; nothing was written. A fault of ours: a person must look.
    Forbidden(String),
}

impl Ledger {
    /// Writes steps and what belongs to them: all of each, or nothing of it. On disk when this returns.
    ///
    /// # Errors
    /// Whatever the disk says; nothing is written then.
    pub async fn record(&self, writes: Vec<Write>) -> Result<Vec<Recorded>> {
        self.writer()?.record(writes, Vec::new()).await
    }

    /// Writes events of the whole account.
    ///
    /// # Errors
    /// Whatever the disk says; nothing is written then.
    pub async fn announce(&self, notices: Vec<Notice>) -> Result<()> {
        self.writer()?.record(Vec::new(), notices).await.map(|_| ())
    }

    /// Proves that the file is still the one that was opened, can be written, and ends where this program left it.
    ///
    /// # Errors
    /// [`Error::Untrusted`] where it is not; whatever the disk says where it cannot be written now.
    pub async fn check(&self) -> Result<()> {
        self.writer()?.check().await
    }

    pub(super) fn writer(&self) -> Result<&super::writer::Writer> {
        self.writer.as_ref().ok_or(Error::Closed)
    }
}

/// The whole batch in one transaction.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    shared: &Shared,
    writes: &[&Write],
    notices: &[&Notice],
) -> Result<Vec<Recorded>> {
    let mut transaction =
        connection.begin_with("BEGIN IMMEDIATE").await.map_err(Error::database("locked for writing"))?;
    if writes.is_empty() && notices.is_empty() {
        check_head(&mut transaction, shared).await?;
    }
    let (outcome, head) = write_in(&mut transaction, shared, writes, notices).await?;
    transaction.commit().await.map_err(Error::database("committed"))?;
    if let Some(head) = head {
        shared.head.send_replace(head);
    }
    Ok(outcome)
}

/// The same inside a transaction of the caller's; gives the new head if there is one.
pub(super) async fn write_in(
    connection: &mut SqliteConnection,
    shared: &Shared,
    writes: &[&Write],
    notices: &[&Notice],
) -> Result<(Vec<Recorded>, Option<i64>)> {
    let (first, rest): (Vec<_>, Vec<_>) = once_each(writes).into_iter().partition(|w| w.opening.is_some());
    let mut applied = insert_deposits(connection, &first).await?;
    applied.extend(update_deposits(connection, &rest).await?);
    let fits = |write: &&&Write| applied.contains(&key_of(write));
    let written: Vec<&Write> = first.iter().chain(&rest).filter(fits).copied().collect();
    reschedule(connection, &written).await?;
    end_attempts(connection, &written).await?;
    let head = append_events(connection, shared, &written, notices).await?;
    let outcome = writes
        .iter()
        .map(|write| if applied.contains(&key_of(write)) { Recorded::Written } else { Recorded::Conflict })
        .collect();
    Ok((outcome, head))
}

fn key_of(write: &Write) -> (DepositId, i64) {
    (write.step.deposit.id, write.step.deposit.version)
}

/// At most one step a deposit: a second one was made against a value that the first replaces.
fn once_each<'a>(writes: &[&'a Write]) -> Vec<&'a Write> {
    let mut seen = HashSet::with_capacity(writes.len());
    writes.iter().filter(|write| seen.insert(write.step.deposit.id)).copied().collect()
}

/// A deposit as its row holds it, for the sets below.
#[derive(Serialize)]
struct DepositRow<'a> {
    id: DepositId,
    expected: i64,
    version: i64,
    currency: &'a str,
    network: &'a str,
    amount_requested: &'a str,
    coupon: Option<&'a str>,
    reference: Option<&'a str>,
    notify: String,
    idempotency_key: Option<&'a str>,
    request_digest: &'a str,
    requested_at: Timestamp,
    state: &'a str,
    order_id: Option<&'a str>,
    address: Option<&'a str>,
    link_id: Option<&'a str>,
    amount_usd: Option<&'a str>,
    amount_usd_micros: Option<UsdMicros>,
    amount_crypto: Option<&'a str>,
    expire_at: Option<String>,
    wallet_created_at: Option<Timestamp>,
    upstream_status: Option<&'a str>,
    txid: Option<&'a str>,
    outcome: Option<&'a str>,
    late: bool,
    settled_at: Option<Timestamp>,
    refunded_at: Option<Timestamp>,
    booked: Option<UsdMicros>,
    needs_review: Option<&'a str>,
    facts: String,
    updated_at: Timestamp,
    due_ms: Option<i64>,
    urgency: i64,
}

fn row_of(write: &Write) -> Result<DepositRow<'_>> {
    let Deposit { id, version, request, facts, updated_at } = &write.step.deposit;
    let wallet = facts.wallet.as_ref();
    Ok(DepositRow {
        id: *id,
        expected: write.step.expected_version,
        version: *version,
        currency: request.asset.currency.as_str(),
        network: request.asset.network.as_str(),
        amount_requested: request.amount.as_str(),
        coupon: request.coupon.as_deref(),
        reference: request.reference.as_deref(),
        notify: json(&request.notify)?,
        idempotency_key: write.opening.as_ref().and_then(|opening| opening.idempotency_key.as_deref()),
        request_digest: write.opening.as_ref().map_or("", |opening| opening.request_digest.as_str()),
        requested_at: request.requested_at,
        state: facts.state.as_str(),
        order_id: wallet.map(|wallet| wallet.order_id.as_str()),
        address: wallet.map(|wallet| wallet.address.as_str()),
        link_id: wallet.and_then(|wallet| wallet.link_id()),
        amount_usd: wallet.map(|wallet| wallet.amount_usd.as_str()),
        amount_usd_micros: wallet.and_then(|wallet| wallet.amount_usd.to_usd_micros_floor()),
        amount_crypto: wallet.map(|wallet| wallet.amount_crypto.as_str()),
        expire_at: wallet.map(|wallet| wallet.expire_at.to_seconds_text()),
        wallet_created_at: wallet.map(|wallet| wallet.created_at),
        upstream_status: facts.upstream_status.as_deref(),
        txid: facts.txid.as_deref(),
        outcome: facts.outcome.map(crate::domain::deposit::Outcome::as_str),
        late: facts.late,
        settled_at: facts.settled_at,
        refunded_at: facts.refunded_at,
        booked: facts.booked.as_ref().map(crate::domain::deposit::Booked::total),
        needs_review: facts.review.as_ref().map(|review| review.reason.as_str()),
        facts: json(facts)?,
        updated_at: *updated_at,
        due_ms: write.step.due.map(|due| due.at.as_millis()),
        urgency: write.step.due.map_or(0, |due| urgency_number(due.urgency)),
    })
}

pub(super) const fn urgency_number(urgency: crate::domain::poll::Urgency) -> i64 {
    use crate::domain::poll::Urgency;
    match urgency {
        Urgency::Confirming => 0,
        Urgency::NearDeadline => 1,
        Urgency::Awaiting => 2,
        Urgency::Watch => 3,
        Urgency::Create => 4,
    }
}

pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Unreadable(error.to_string()))
}

async fn insert_deposits(
    connection: &mut SqliteConnection,
    writes: &[&Write],
) -> Result<HashSet<(DepositId, i64)>> {
    if writes.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = json(&writes.iter().map(|write| row_of(write)).collect::<Result<Vec<_>>>()?)?;
    let inserted = sqlx::query_scalar!(
        r#"INSERT INTO deposit (id, version, currency, network, amount_requested, coupon, reference, notify,
                                idempotency_key, request_digest, requested_at, state, late, facts, updated_at, due_ms, urgency)
           SELECT j.value ->> 'id', j.value ->> 'version', j.value ->> 'currency', j.value ->> 'network',
                  j.value ->> 'amount_requested', j.value ->> 'coupon', j.value ->> 'reference', j.value ->> 'notify',
                  j.value ->> 'idempotency_key', j.value ->> 'request_digest', j.value ->> 'requested_at',
                  j.value ->> 'state', 0, j.value ->> 'facts', j.value ->> 'updated_at', j.value ->> 'due_ms',
                  j.value ->> 'urgency'
           FROM json_each(?) AS j WHERE true
           ON CONFLICT (idempotency_key) DO NOTHING
           RETURNING id"#,
        rows
    )
    .fetch_all(connection)
    .await
    .map_err(Error::database("written"))?;
    Ok(matching(writes, inserted))
}

/// Compare-and-set: only rows that still have the version that the step was made against.
async fn update_deposits(
    connection: &mut SqliteConnection,
    writes: &[&Write],
) -> Result<HashSet<(DepositId, i64)>> {
    let (quiet, moved): (Vec<&&Write>, Vec<&&Write>) = writes.iter().partition(|w| w.step.events.is_empty());
    let mut applied: HashSet<_> = quiet.iter().map(|write| key_of(write)).collect();
    if moved.is_empty() {
        return Ok(applied);
    }
    let rows = json(&moved.iter().map(|write| row_of(write)).collect::<Result<Vec<_>>>()?)?;
    let updated = sqlx::query_scalar!(
        r#"UPDATE deposit SET
               version = j.value ->> 'version', state = j.value ->> 'state', order_id = j.value ->> 'order_id',
               address = j.value ->> 'address', link_id = j.value ->> 'link_id', amount_usd = j.value ->> 'amount_usd',
               amount_usd_micros = j.value ->> 'amount_usd_micros', amount_crypto = j.value ->> 'amount_crypto',
               expire_at = j.value ->> 'expire_at', wallet_created_at = j.value ->> 'wallet_created_at',
               upstream_status = j.value ->> 'upstream_status', txid = j.value ->> 'txid',
               outcome = j.value ->> 'outcome', late = j.value ->> 'late', settled_at = j.value ->> 'settled_at',
               refunded_at = j.value ->> 'refunded_at', amount_booked_micros = j.value ->> 'booked',
               needs_review = j.value ->> 'needs_review', facts = j.value ->> 'facts',
               updated_at = j.value ->> 'updated_at', due_ms = j.value ->> 'due_ms', urgency = j.value ->> 'urgency'
           FROM json_each(?) AS j
           WHERE deposit.id = j.value ->> 'id' AND deposit.version = j.value ->> 'expected'
           RETURNING id"#,
        rows
    )
    .fetch_all(connection)
    .await
    .map_err(Error::database("written"))?;
    let moved: Vec<&Write> = moved.into_iter().copied().collect();
    applied.extend(matching(&moved, updated));
    Ok(applied)
}

fn matching(writes: &[&Write], ids: Vec<String>) -> HashSet<(DepositId, i64)> {
    let ids: HashSet<String> = ids.into_iter().collect();
    writes.iter().map(|write| key_of(write)).filter(|(id, _)| ids.contains(&id.to_string())).collect()
}

/// Steps that changed nothing are only put back into the queue.
async fn reschedule(connection: &mut SqliteConnection, writes: &[&Write]) -> Result<()> {
    #[derive(Serialize)]
    struct Again(DepositId, i64, Option<i64>, i64);
    let rows: Vec<Again> = writes
        .iter()
        .filter(|write| write.step.events.is_empty())
        .map(|write| {
            let due = write.step.due;
            let urgency = due.map_or(0, |due| urgency_number(due.urgency));
            Again(
                write.step.deposit.id,
                write.step.expected_version,
                due.map(|due| due.at.as_millis()),
                urgency,
            )
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let rows = json(&rows)?;
    sqlx::query!(
        r#"UPDATE deposit SET due_ms = j.value ->> 2, urgency = j.value ->> 3
           FROM json_each(?) AS j WHERE deposit.id = j.value ->> 0 AND deposit.version = j.value ->> 1"#,
        rows
    )
    .execute(connection)
    .await
    .map_err(Error::database("written"))?;
    Ok(())
}

async fn end_attempts(connection: &mut SqliteConnection, writes: &[&Write]) -> Result<()> {
    for end in writes.iter().filter_map(|write| write.attempt.as_ref()) {
        let (at, outcome) = (end.at.to_string(), end.outcome.as_str());
        sqlx::query!(
            r#"UPDATE attempt SET ended_at = coalesce(ended_at, ?), outcome = ?, order_id = coalesce(?, order_id),
                   detail = coalesce(?, detail)
               WHERE id = ?"#,
            at,
            outcome,
            end.order_id,
            end.detail,
            end.id
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::database("written"))?;
    }
    Ok(())
}

/// An event, its evidence, its postings and its mails, numbered and chained; ready to be written as sets.
#[derive(Default)]
struct Appended {
    events: Vec<EventRecord>,
    postings: Vec<PostingRecord>,
    evidence: Vec<EvidenceRecord>,
    mails: Vec<MailRecord>,
}

#[derive(Serialize)]
struct EventRecord {
    seq: i64,
    deposit_id: Option<String>,
    version: Option<i64>,
    at: String,
    name: &'static str,
    from_state: Option<&'static str>,
    to_state: Option<&'static str>,
    upstream_status: Option<String>,
    reason: Option<String>,
    facts: String,
    mail_to: String,
    evidence_id: Option<i64>,
    hash: String,
}

#[derive(Serialize)]
struct PostingRecord(i64, String, String, String, UsdMicros);

#[derive(Serialize)]
struct EvidenceRecord(i64, Option<String>, String, &'static str, Option<u16>, String);

#[derive(Serialize)]
struct MailRecord(i64, String, String, i64, String);

/// Where the chain stands while it grows.
struct Chain<'a> {
    shared: &'a Shared,
    seq: i64,
    hash: String,
    evidence_id: i64,
    appended: Appended,
}

async fn append_events(
    connection: &mut SqliteConnection,
    shared: &Shared,
    writes: &[&Write],
    notices: &[&Notice],
) -> Result<Option<i64>> {
    if notices.is_empty() && writes.iter().all(|write| write.step.events.is_empty()) {
        return Ok(None);
    }
    let (seq, hash, evidence_id) = check_head(connection, shared).await?;
    let mut chain = Chain { shared, seq, hash, evidence_id, appended: Appended::default() };
    for write in writes {
        chain.append_step(write)?;
    }
    for notice in notices {
        chain.append_notice(notice)?;
    }
    insert_appended(connection, &chain.appended).await?;
    add_balances(connection, writes).await?;
    Ok(Some(chain.seq))
}

/// Number and hash of the last event, and the number of the last evidence; they must be those that we left.
async fn check_head(connection: &mut SqliteConnection, shared: &Shared) -> Result<(i64, String, i64)> {
    let head = sqlx::query!(
        r#"SELECT seq AS "seq!", hash, (SELECT coalesce(max(id), 0) FROM evidence) AS "evidence_id!: i64"
           FROM event ORDER BY seq DESC LIMIT 1"#
    )
    .fetch_optional(connection)
    .await
    .map_err(Error::database("read"))?;
    let head = head.map_or((0, chain::GENESIS.to_owned(), 0), |row| (row.seq, row.hash, row.evidence_id));
    let known = *shared.head.borrow();
    if head.0 != known {
        return Err(Error::Untrusted(format!(
            "its last event is {}, this program wrote {known}: another program changed it or rolled it back",
            head.0
        )));
    }
    Ok(head)
}

impl Chain<'_> {
    fn append_step(&mut self, write: &Write) -> Result<()> {
        if write.step.events.is_empty() {
            return Ok(());
        }
        let deposit = &write.step.deposit;
        let id = deposit.id.to_string();
        let evidence = write.evidence.as_ref().map(|note| {
            self.evidence_id = self.evidence_id.saturating_add(1);
            let record = EvidenceRecord(
                self.evidence_id,
                Some(id.clone()),
                note.at.to_string(),
                note.call,
                note.http_status,
                note.body.clone(),
            );
            self.appended.evidence.push(record);
            (self.evidence_id, chain::digest(note.body.as_bytes()))
        });
        let mut version = write.step.expected_version;
        for event in &write.step.events {
            version = version.saturating_add(1);
            let record = EventRecord {
                seq: self.seq.saturating_add(1),
                deposit_id: Some(id.clone()),
                version: Some(version),
                at: event.at.to_string(),
                name: event.name.as_str(),
                from_state: event.from.map(crate::domain::deposit::State::as_str),
                to_state: Some(event.facts.state.as_str()),
                upstream_status: event.upstream_status.clone(),
                reason: event.reason.clone(),
                facts: json(&event.facts)?,
                mail_to: json(&event.mail_to)?,
                evidence_id: evidence.as_ref().map(|(id, _)| *id),
                hash: String::new(),
            };
            let request = (version == 1).then_some(&deposit.request);
            let digest = evidence.as_ref().map(|(_, digest)| digest.as_str());
            self.append(record, &event.mail_to, &event.postings, request, digest)?;
        }
        Ok(())
    }

    fn append_notice(&mut self, notice: &Notice) -> Result<()> {
        let record = EventRecord {
            seq: self.seq.saturating_add(1),
            deposit_id: None,
            version: None,
            at: notice.at.to_string(),
            name: notice.name.as_str(),
            from_state: None,
            to_state: None,
            upstream_status: None,
            reason: notice.reason.clone(),
            facts: json(&notice.facts)?,
            mail_to: json(&notice.mail_to)?,
            evidence_id: None,
            hash: String::new(),
        };
        self.append(record, &notice.mail_to, &[], None, None)
    }

    fn append(
        &mut self,
        mut record: EventRecord,
        mail_to: &[String],
        postings: &[Posting],
        request: Option<&Request>,
        evidence: Option<&str>,
    ) -> Result<()> {
        let link = Link {
            previous: &self.hash,
            seq: record.seq,
            deposit_id: record.deposit_id.as_deref(),
            version: record.version,
            at: &record.at,
            name: record.name,
            from_state: record.from_state,
            to_state: record.to_state,
            upstream_status: record.upstream_status.as_deref(),
            reason: record.reason.as_deref(),
            facts: &record.facts,
            mail_to: &record.mail_to,
            evidence,
            request,
            postings,
        };
        record.hash = link.hash().map_err(|error| Error::Unreadable(error.to_string()))?;
        for line in postings {
            self.appended.postings.push(PostingRecord(
                record.seq,
                line.account.clone(),
                line.commodity.clone(),
                line.amount.to_string(),
                line.amount_usd_micros,
            ));
        }
        let at = Timestamp::parse(&record.at).map_err(|error| Error::Unreadable(error.to_string()))?;
        for recipient in mail_to {
            let message_id = message_id(self.shared, record.seq, recipient);
            self.appended.mails.push(MailRecord(
                record.seq,
                recipient.clone(),
                message_id,
                at.as_millis(),
                record.at.clone(),
            ));
        }
        self.seq = record.seq;
        self.hash.clone_from(&record.hash);
        self.appended.events.push(record);
        Ok(())
    }
}

/// The same event and recipient have the same Message-ID for ever.
pub(super) fn message_id(shared: &Shared, seq: i64, recipient: &str) -> String {
    let whom: String = chain::digest(recipient.as_bytes()).chars().take(12).collect();
    format!("{seq}.{whom}.{}@{}", shared.ledger_id, shared.mail_domain)
}

async fn insert_appended(connection: &mut SqliteConnection, appended: &Appended) -> Result<()> {
    let Appended { events, postings, evidence, mails } = appended;
    if !evidence.is_empty() {
        let rows = json(evidence)?;
        sqlx::query!(
            r#"INSERT INTO evidence (id, deposit_id, at, call, http_status, body)
               SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5
               FROM json_each(?) AS j"#,
            rows
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::database("written"))?;
    }
    if !postings.is_empty() {
        let rows = json(postings)?;
        sqlx::query!(
            r#"INSERT INTO posting (transaction_id, account, commodity, amount, amount_usd_micros)
               SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4
               FROM json_each(?) AS j"#,
            rows
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::database("written"))?;
    }
    let rows = json(events)?;
    sqlx::query!(
        r#"INSERT INTO event (seq, deposit_id, version, at, name, from_state, to_state, upstream_status, reason, facts,
                              mail_to, evidence_id, hash)
           SELECT j.value ->> 'seq', j.value ->> 'deposit_id', j.value ->> 'version', j.value ->> 'at', j.value ->> 'name',
                  j.value ->> 'from_state', j.value ->> 'to_state', j.value ->> 'upstream_status', j.value ->> 'reason',
                  j.value ->> 'facts', j.value ->> 'mail_to', j.value ->> 'evidence_id', j.value ->> 'hash'
           FROM json_each(?) AS j"#,
        rows
    )
    .execute(&mut *connection)
    .await
    .map_err(Error::database("written"))?;
    if !mails.is_empty() {
        let rows = json(mails)?;
        sqlx::query!(
            r#"INSERT INTO outbox (event_seq, recipient, message_id, state, attempts, due_ms, created_at)
               SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, 'owed', 0, j.value ->> 3, j.value ->> 4
               FROM json_each(?) AS j"#,
            rows
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::database("written"))?;
    }
    Ok(())
}

/// Keeps each account's exact balance beside its postings: decimals cannot be summed in SQL.
async fn add_balances(connection: &mut SqliteConnection, writes: &[&Write]) -> Result<()> {
    let mut sums: BTreeMap<(&str, &str), (Decimal, i64)> = BTreeMap::new();
    let lines = writes.iter().flat_map(|write| &write.step.events).flat_map(|event| &event.postings);
    for line in lines {
        let sum = sums.entry((line.account.as_str(), line.commodity.as_str())).or_default();
        add_to(sum, line.amount, line.amount_usd_micros.get())?;
    }
    if sums.is_empty() {
        return Ok(());
    }
    let held = sqlx::query!("SELECT account, commodity, balance, balance_micros FROM account_balance")
        .fetch_all(&mut *connection)
        .await
        .map_err(Error::database("read"))?;
    let held: HashMap<(String, String), (String, i64)> = held
        .into_iter()
        .map(|row| ((row.account, row.commodity), (row.balance, row.balance_micros)))
        .collect();
    for ((account, commodity), mut sum) in sums {
        if let Some((balance, micros)) = held.get(&(account.to_owned(), commodity.to_owned())) {
            let balance = Decimal::from_str_exact(balance)
                .map_err(|_| Error::Unreadable(format!("the balance of {account} in {commodity}")))?;
            add_to(&mut sum, balance, *micros)?;
        }
        let (balance, micros) = (sum.0.normalize().to_string(), sum.1);
        sqlx::query!(
            r#"INSERT INTO account_balance (account, commodity, balance, balance_micros) VALUES (?, ?, ?, ?)
               ON CONFLICT (account, commodity)
               DO UPDATE SET balance = excluded.balance, balance_micros = excluded.balance_micros"#,
            account,
            commodity,
            balance,
            micros
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::database("written"))?;
    }
    Ok(())
}

pub(super) fn add_to(sum: &mut (Decimal, i64), amount: Decimal, micros: i64) -> Result<()> {
    let too_large = || Error::Unreadable("an account's balance is too large to be exact".to_owned());
    sum.0 = sum.0.checked_add(amount).ok_or_else(too_large)?;
    sum.1 = sum.1.checked_add(micros).ok_or_else(too_large)?;
    Ok(())
}
