//! A ledger filled through the library: one deposit for each fate that the command line has to show.

use std::time::Duration;

use depositd::domain::asset::Asset;
use depositd::domain::deposit::{Deposit, Request};
use depositd::domain::event::{EventName, Recipient, Step};
use depositd::domain::ids::DepositId;
use depositd::domain::money::{Amount, UsdMicros};
use depositd::domain::observe::Observation;
use depositd::domain::poll::Policy;
use depositd::domain::reconcile::{CaseKind, Difference};
use depositd::domain::report::OrderReport;
use depositd::domain::time::Timestamp;
use depositd::ledger::{
    Access, AttemptEnd, AttemptOutcome, CaseChange, DepositWrite, EvidenceNote, Ledger, LedgerSettings,
    NewCase, Opening,
};

use super::bench::Bench;

/// What the tests know of the ledger.
pub(crate) const EXACT: &str = "0197213c-0000-7000-8000-000000000001";
pub(crate) const WAITING: &str = "0197213c-0000-7000-8000-000000000003";
pub(crate) const REJECTED: &str = "0197213c-0000-7000-8000-000000000004";
pub(crate) const ORDER: &str = "26109ba0-b05b-4ee0-93d1-000000000001";
pub(crate) const EVM: &str = "0x66b928a82377d75ced043e95738372e9e9607f1f";
const TRON: &str = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t";
const BTC: &str = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq";

/// Words that a terminal, a spreadsheet and a journal must all survive.
pub(crate) const NASTY: &str = "=HYPERLINK(\"x\"); a|b, \u{202e}end";

struct Filling {
    ledger: Ledger,
    now: Timestamp,
}

/// The figures of one poll.
#[derive(Default)]
struct Seen {
    status: &'static str,
    crypto: Option<&'static str>,
    usd: Option<&'static str>,
}

fn seen(status: &'static str, crypto: &'static str, usd: &'static str) -> Seen {
    Seen { status, crypto: Some(crypto), usd: Some(usd) }
}

/// Opens the bench's ledger as the daemon does.
pub(crate) async fn open(bench: &Bench) -> Ledger {
    let settings = LedgerSettings {
        path: bench.file("ledger.db"),
        create_if_missing: true,
        mail_domain: "example.com".to_owned(),
    };
    Ledger::open(settings, Access::Write).await.unwrap()
}

/// Fills it; the ledger is still open, as while the daemon runs.
pub(crate) async fn fill(bench: &Bench) -> Ledger {
    let mut books =
        Filling { ledger: open(bench).await, now: Timestamp::parse("2026-05-30T15:00:00Z").unwrap() };
    let exact = books.wallet(1, ("USDT", "TRON", "25"), TRON, "24.97", Some(NASTY)).await;
    let exact = books.poll(exact, seen("confirm_check", "24.97", "25.00")).await;
    books.poll(exact, seen("paid", "24.97", "25.00")).await;

    let over = books.wallet(2, ("BTC", "BTC", "100.50"), BTC, "0.00105012", None).await;
    let over = books.poll(over, seen("paid", "0.00105012", "100.50")).await;
    books.poll(over, seen("paid_over", "0.00110000", "105.123456")).await;

    books.wallet(3, ("USDT", "BSC", "5.10"), EVM, "5.15", Some("waits")).await;

    let refused = books.asked(4, ("ETH", "ETH", "7"), None).await;
    books.observe(refused, Observation::Refused("\u{1b}[31mcoupon expired".to_owned())).await;

    let refunded = books.wallet(5, ("USDC", "POLYGON", "40"), EVM, "40.01", None).await;
    let refunded = books.poll(refunded, seen("paid", "40.01", "40.00")).await;
    let refunded = books.poll(refunded, Seen { status: "refund_process", ..Seen::default() }).await;
    books.poll(refunded, Seen { status: "refund_paid", ..Seen::default() }).await;

    // The dollars change and the crypto does not, then reconciliation corrects what is left.
    let grown =
        books.wallet(6, ("LTC", "LTC", "30"), "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1", "0.31", None).await;
    let grown = books.poll(grown, seen("paid", "0.31", "30.00")).await;
    let grown = books.poll(grown, seen("paid_over", "0.31", "30.50")).await;
    let reason = "the invoice says so".to_owned();
    books.observe(grown, Observation::Corrected { credited: UsdMicros::new(30_100_000), reason }).await;

    let unstated =
        books.wallet(7, ("DOGE", "DOGE", "9"), "DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L", "55", None).await;
    books.poll(unstated, Seen { status: "paid", ..Seen::default() }).await;

    books.wallet(8, ("USDT", "TRON", "11"), "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6X", "11.01", None).await;
    books.case().await;
    books.ledger
}

impl Filling {
    async fn asked(&mut self, number: u64, asked: (&str, &str, &str), reference: Option<&str>) -> Deposit {
        self.now = self.now.plus(Duration::from_hours(20));
        let (currency, network, amount) = asked;
        let request = Request {
            reference: reference.map(str::to_owned),
            notify: vec!["payer@example.com".to_owned()],
            ..Request::new(
                Asset::parse(currency, network).unwrap(),
                Amount::parse_request(amount).unwrap(),
                self.now,
            )
        };
        let id: DepositId = format!("0197213c-0000-7000-8000-{number:012}").parse().unwrap();
        let step = Deposit::open(id, request);
        let opening = Opening { idempotency_key: None, request_digest: number.to_string() };
        self.write(DepositWrite { opening: Some(opening), ..DepositWrite::from(step.clone()) }).await;
        step.deposit
    }

    async fn wallet(
        &mut self,
        number: u64,
        asked: (&str, &str, &str),
        address: &str,
        crypto: &str,
        reference: Option<&str>,
    ) -> Deposit {
        let deposit = self.asked(number, asked, reference).await;
        let attempt = self.ledger.begin_attempt(deposit.id, self.now).await.unwrap();
        self.now = self.now.plus(Duration::from_millis(350));
        let order_id = format!("26109ba0-b05b-4ee0-93d1-{number:012}");
        let report = OrderReport {
            order_id: Some(order_id.clone()),
            address: Some(address.to_owned()),
            currency: Some(asked.0.to_owned()),
            network: Some(asked.1.to_owned()),
            amount_usd: Some(Amount::parse(asked.2).unwrap()),
            amount_crypto: Some(Amount::parse(crypto).unwrap()),
            expire_at: Some(
                Timestamp::parse(&self.now.plus(Duration::from_hours(1)).to_seconds_text()).unwrap(),
            ),
            url: Some(format!("https://pay.example/{order_id}")),
            ..OrderReport::default()
        };
        let observation = Observation::Wallet(Box::new(report));
        let step = deposit.observe(observation, self.now, &Policy::default()).unwrap();
        let after = step.deposit.clone();
        let evidence = self.evidence("create", &format!("{{\"order_id\":\"{order_id}\"}}"));
        let attempt = AttemptEnd {
            id: attempt,
            at: self.now,
            outcome: AttemptOutcome::Wallet,
            order_id: Some(order_id),
            detail: None,
        };
        self.write(DepositWrite {
            evidence: Some(evidence),
            attempt: Some(attempt),
            ..DepositWrite::from(step)
        })
        .await;
        after
    }

    async fn poll(&mut self, deposit: Deposit, seen: Seen) -> Deposit {
        let wallet = deposit.facts.wallet.clone().unwrap();
        let report = OrderReport {
            order_id: wallet.order_id,
            address: wallet.address,
            status: Some(seen.status.to_owned()),
            txid: Some("a1b2c3".to_owned()),
            payment_amount: seen.crypto.map(|text| Amount::parse(text).unwrap()),
            payment_amount_usd: seen.usd.map(|text| Amount::parse(text).unwrap()),
            ..OrderReport::default()
        };
        self.observe(deposit, Observation::Polled(Box::new(report))).await
    }

    async fn observe(&mut self, deposit: Deposit, observation: Observation) -> Deposit {
        self.now = self.now.plus(Duration::from_mins(5));
        let step: Step = deposit.observe(observation, self.now, &Policy::default()).unwrap();
        let after = step.deposit.clone();
        let evidence = self.evidence("look", "{\"status\":\"as it was\"}");
        self.write(DepositWrite { evidence: Some(evidence), ..DepositWrite::from(step) }).await;
        after
    }

    fn evidence(&self, call: &'static str, body: &str) -> EvidenceNote {
        EvidenceNote { at: self.now, call, http_status: Some(200), body: body.to_owned() }
    }

    async fn write(&self, mut write: DepositWrite) {
        for event in &mut write.step.events {
            if event.name == EventName::Settled {
                event.mail_to = vec![Recipient::Operator("finance@example.com".to_owned())];
            }
        }
        self.ledger.record(vec![write]).await.unwrap();
    }

    async fn case(&self) {
        let difference =
            Difference::of_account(CaseKind::TotalChargesDrift, "170.00".to_owned(), "165.00".to_owned());
        let act = CaseChange::Open(NewCase { difference, notified: false });
        self.ledger.change_cases(vec![act], self.now, |_, _| None).await.unwrap();
    }
}
