//! The ledger by itself on a real file: what each of its verbs writes, what it gives back, what the file then shows.

#![allow(clippy::arithmetic_side_effects, reason = "test code: small numbers")]

mod books;
mod exports;
mod file;
mod invoices;
mod lookups;
mod mails;
mod months;
mod poll_queue;
mod proof;
mod runs;
mod withheld;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::domain::asset::Asset;
use crate::domain::deposit::{Deposit, Request};
use crate::domain::event::{Recipient, Step};
use crate::domain::ids::DepositId;
use crate::domain::observe::Observation;
use crate::domain::poll::Policy;
use crate::domain::report::OrderReport;
use crate::domain::time::Timestamp;

const FINANCE: &str = "finance@example.com";

/// A ledger on a real file, and the instant at which the next thing happens.
struct Bench {
    folder: TempDir,
    ledger: Ledger,
    now: Timestamp,
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn id(number: u128) -> DepositId {
    DepositId::new(Uuid::from_u128(number))
}

fn order(number: u128) -> String {
    format!("order-{number}")
}

fn settings(path: &Path) -> LedgerSettings {
    LedgerSettings { path: path.to_owned(), create_if_missing: true, mail_domain: "example.com".to_owned() }
}

/// What the upstream says with this word; figures as `usd=5.00 crypto=4.99 back=1`.
fn polled(status: &str, figures: &str) -> Observation {
    let mut report = OrderReport { status: Some(status.to_owned()), ..OrderReport::default() };
    for figure in figures.split_whitespace() {
        let (name, value) = figure.split_once('=').unwrap();
        match name {
            "usd" => report.payment_amount_usd = Some(value.parse().unwrap()),
            "crypto" => report.payment_amount = Some(value.parse().unwrap()),
            "back" => report.refund_amount_usd = Some(value.parse().unwrap()),
            "txid" => report.txid = Some(value.to_owned()),
            other => panic!("{other}"),
        }
    }
    Observation::Polled(Box::new(report))
}

/// The wallet that the upstream makes for deposit `number`: 5.00 dollars where 5 were asked for.
fn wallet_report(number: u128, amount: &str, now: Timestamp) -> OrderReport {
    OrderReport {
        order_id: Some(order(number)),
        address: Some(format!("0x{number:040x}")),
        currency: Some("usdt".to_owned()),
        network: Some("bsc".to_owned()),
        amount_usd: Some(amount.parse().unwrap()),
        amount_crypto: Some("4.99".parse().unwrap()),
        expire_at: Some(now.plus(Duration::from_hours(1))),
        url: Some(format!("https://pay.example.com/pay/{}", Uuid::from_u128(number + 1000))),
        ..OrderReport::default()
    }
}

/// The step's last event is owed to these.
fn owed_to(step: Step, recipients: &[&str]) -> DepositWrite {
    let mut write = DepositWrite::from(step);
    if let Some(event) = write.step.events.last_mut() {
        event.mail_to = recipients.iter().map(|name| Recipient::Operator((*name).to_owned())).collect();
    }
    write
}

impl Bench {
    async fn new() -> Self {
        Self::at("2026-01-10T09:00:00Z").await
    }

    async fn at(now: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(settings(&folder.path().join("ledger.db")), Access::Write).await.unwrap();
        Self { folder, ledger, now: at(now) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn wait(&mut self, minutes: u64) {
        self.now = self.now.plus(Duration::from_mins(minutes));
    }

    async fn write(&self, write: impl Into<DepositWrite>) {
        let recorded = self.ledger.record(vec![write.into()]).await.unwrap();
        assert_eq!(recorded, [Recorded::Written]);
    }

    fn request(&self, number: u128, amount: &str) -> DepositWrite {
        let request = Request {
            reference: Some(format!("invoice {number}")),
            notify: vec!["buyer@example.com".to_owned()],
            ..Request::new(Asset::parse("USDT", "BSC").unwrap(), amount.parse().unwrap(), self.now)
        };
        let opening = Opening {
            idempotency_key: Some(format!("key-{number}")),
            request_digest: format!("digest-{number}"),
        };
        DepositWrite { opening: Some(opening), ..Deposit::open(id(number), request).into() }
    }

    /// Asks for a deposit.
    async fn ask(&self, number: u128, amount: &str) -> Deposit {
        let write = self.request(number, amount);
        let deposit = write.step.deposit.clone();
        self.write(write).await;
        deposit
    }

    /// Asks for one, and gets a wallet for it at once, by its turn.
    async fn wallet(&self, number: u128, amount: &str) -> Deposit {
        let asked = self.ask(number, amount).await;
        let turns = self.ledger.entries_to_create(self.now, &Policy::default(), 1000).await.unwrap();
        let taken = self.ledger.lease(&turns).await.unwrap();
        let turn = taken.iter().find(|taken| *taken.deposit == asked).map(|taken| taken.entry);
        let report = wallet_report(number, amount, self.now);
        let step = self.step(&asked, Observation::Wallet(Box::new(report)));
        let deposit = step.deposit.clone();
        self.write(DepositWrite { entry: turn, ..owed_to(step, &[FINANCE]) }).await;
        deposit
    }

    fn step(&self, deposit: &Deposit, observation: Observation) -> Step {
        deposit.clone().observe(observation, self.now, &Policy::default()).unwrap()
    }

    /// Five minutes later this is observed, and written with a mail to finance.
    async fn observe(&self, deposit: Deposit, observation: Observation) -> Deposit {
        let step = self.step(&deposit, observation);
        let deposit = step.deposit.clone();
        self.write(owed_to(step, &[FINANCE])).await;
        deposit
    }

    async fn poll(&mut self, deposit: Deposit, status: &str, figures: &str) -> Deposit {
        self.wait(5);
        self.observe(deposit, polled(status, figures)).await
    }

    /// A deposit that was asked for and paid in full.
    async fn paid(&mut self, number: u128, amount: &str) -> Deposit {
        let deposit = self.wallet(number, amount).await;
        self.poll(deposit, "paid", "").await
    }

    /// The ledger as another program sees it.
    async fn aside(&self) -> SqliteConnection {
        connect(&self.path()).await
    }

    /// One text a row.
    async fn rows(&self, query: &'static str) -> Vec<String> {
        let mut aside = self.aside().await;
        let rows = sqlx::query_scalar::<_, String>(query).fetch_all(&mut aside).await.unwrap();
        // Whoever has the file open keeps its log beside it.
        aside.close().await.unwrap();
        rows
    }

    async fn row(&self, query: &'static str) -> String {
        self.rows(query).await.join("\n")
    }

    /// What the proof finds: nothing, where all is well.
    async fn findings(&self) -> Vec<Finding> {
        self.ledger.verify(|_, _| {}).await.unwrap().findings
    }

    async fn reopened(self) -> Self {
        let Self { folder, ledger, now } = self;
        ledger.close().await.unwrap();
        let ledger = Ledger::open(settings(&folder.path().join("ledger.db")), Access::Write).await.unwrap();
        Self { folder, ledger, now }
    }
}

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(false)
        .busy_timeout(Duration::from_secs(10))
        .connect()
        .await
        .unwrap()
}
