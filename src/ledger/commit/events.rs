//! How events are appended: numbered, chained, and written as sets with their evidence, postings and owed mails.

use std::collections::{BTreeMap, HashMap};

use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::SqliteConnection;

use crate::domain::deposit::Request;
use crate::domain::event::Recipient;
use crate::domain::journal::Posting;
use crate::domain::money::UsdMicros;
use crate::domain::time::Timestamp;
use crate::ledger::batch::{AccountEvent, DepositWrite};
use crate::ledger::commit::chain::{self, ChainLink};
use crate::ledger::error::{Error, Result};
use crate::ledger::shared::LedgerState;
use crate::ledger::sql::json;

/// An event, its evidence, its postings and its mails, numbered and chained; ready to be written as sets.
#[derive(Default)]
struct Appended {
    events: Vec<EventRecord>,
    postings: Vec<PostingRecord>,
    evidence: Vec<EvidenceRecord>,
    mails: Vec<MailRecord>,
    webhooks: Vec<WebhookRecord>,
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
    acted_by: Option<String>,
}

#[derive(Serialize)]
struct PostingRecord(i64, String, String, String, UsdMicros);

#[derive(Serialize)]
struct EvidenceRecord(i64, Option<String>, String, &'static str, Option<u16>, String);

#[derive(Serialize)]
struct MailRecord(i64, String, String, i64, String, &'static str);

#[derive(Serialize)]
struct WebhookRecord(i64, String, Option<String>, i64, String);

/// Where the chain stands while it grows.
struct Chain<'a> {
    shared: &'a LedgerState,
    seq: i64,
    hash: String,
    evidence_id: i64,
    appended: Appended,
}

pub(in crate::ledger) async fn append_events(
    connection: &mut SqliteConnection,
    shared: &LedgerState,
    writes: &[&DepositWrite],
    notices: &[&AccountEvent],
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
    crate::ledger::commit::month_totals::add_writes(connection, shared, writes).await?;
    Ok(Some(chain.seq))
}

/// Number and hash of the last event, and the number of the last evidence; they must be those that this process wrote.
pub(in crate::ledger) async fn check_head(
    connection: &mut SqliteConnection,
    shared: &LedgerState,
) -> Result<(i64, String, i64)> {
    let head = sqlx::query!(
        r#"SELECT seq AS "seq!", hash, (SELECT coalesce(max(id), 0) FROM evidence) AS "evidence_id!: i64"
           FROM event ORDER BY seq DESC LIMIT 1"#
    )
    .fetch_optional(connection)
    .await?;
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
    fn append_step(&mut self, write: &DepositWrite) -> Result<()> {
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
                acted_by: write.acted_by.clone(),
            };
            let request = (version == 1).then_some(&deposit.request);
            let digest = evidence.as_ref().map(|(_, digest)| digest.as_str());
            let owed = (event.mail_to.as_slice(), write.letters_due.unwrap_or(event.at));
            self.append(record, owed, &event.postings, request, digest)?;
        }
        Ok(())
    }

    fn append_notice(&mut self, notice: &AccountEvent) -> Result<()> {
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
            acted_by: None,
        };
        self.append(record, (&notice.mail_to, notice.at), &[], None, None)
    }

    fn append(
        &mut self,
        mut record: EventRecord,
        (mail_to, due): (&[Recipient], Timestamp),
        postings: &[Posting],
        request: Option<&Request>,
        evidence: Option<&str>,
    ) -> Result<()> {
        let link = ChainLink {
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
            acted_by: record.acted_by.as_deref(),
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
        for recipient in mail_to {
            self.owe(&record, recipient, due);
        }
        self.seq = record.seq;
        self.hash.clone_from(&record.hash);
        self.appended.events.push(record);
        Ok(())
    }

    /// Owes `recipient` word of an event, by its transport.
    fn owe(&mut self, event: &EventRecord, recipient: &Recipient, due: Timestamp) {
        let (due, at) = (due.as_millis(), event.at.clone());
        match recipient {
            Recipient::Operator(address) | Recipient::Payer { payer: address } => {
                let message_id = message_id(self.shared, event.seq, &event.hash, address);
                let (to, audience) = (address.clone(), recipient.audience());
                self.appended.mails.push(MailRecord(event.seq, to, message_id, due, at, audience));
            }
            Recipient::Webhook { webhook } => {
                let (name, deposit) = (webhook.clone(), event.deposit_id.clone());
                self.appended.webhooks.push(WebhookRecord(event.seq, name, deposit, due, at));
            }
        }
    }
}

/// The same event and recipient have the same Message-ID for ever; so has no other event, not even one that gets the
/// same number after an older copy of the ledger was restored.
pub(in crate::ledger) fn message_id(shared: &LedgerState, seq: i64, hash: &str, recipient: &str) -> String {
    let which: String = chain::digest(format!("{hash} {recipient}").as_bytes()).chars().take(16).collect();
    format!("{seq}.{which}.{}@{}", shared.ledger_id, shared.mail_domain)
}

async fn insert_appended(connection: &mut SqliteConnection, appended: &Appended) -> Result<()> {
    let Appended { events, postings, evidence, mails, webhooks } = appended;
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
                              mail_to, evidence_id, hash, acted_by)
           SELECT j.value ->> 'seq', j.value ->> 'deposit_id', j.value ->> 'version', j.value ->> 'at', j.value ->> 'name',
                  j.value ->> 'from_state', j.value ->> 'to_state', j.value ->> 'upstream_status', j.value ->> 'reason',
                  j.value ->> 'facts', j.value ->> 'mail_to', j.value ->> 'evidence_id', j.value ->> 'hash',
                  j.value ->> 'acted_by'
           FROM json_each(?) AS j"#,
        rows
    )
    .execute(&mut *connection)
    .await
    .map_err(Error::database("written"))?;
    if !mails.is_empty() {
        let rows = json(mails)?;
        sqlx::query!(
            r#"INSERT INTO outbox (event_seq, recipient, message_id, state, attempts, due_ms, created_at, audience)
               SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, 'owed', 0, j.value ->> 3, j.value ->> 4, j.value ->> 5
               FROM json_each(?) AS j"#,
            rows
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::database("written"))?;
    }
    if !webhooks.is_empty() {
        let rows = json(webhooks)?;
        sqlx::query!(
            r#"INSERT INTO webhook_delivery (event_seq, webhook, deposit_id, state, attempts, due_ms, created_at)
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
async fn add_balances(connection: &mut SqliteConnection, writes: &[&DepositWrite]) -> Result<()> {
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
        .await?;
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

pub(in crate::ledger) fn add_to(sum: &mut (Decimal, i64), amount: Decimal, micros: i64) -> Result<()> {
    let too_large = || Error::Unreadable("an account's balance is too large to be exact".to_owned());
    sum.0 = sum.0.checked_add(amount).ok_or_else(too_large)?;
    sum.1 = sum.1.checked_add(micros).ok_or_else(too_large)?;
    Ok(())
}
