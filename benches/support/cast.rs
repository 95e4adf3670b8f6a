//! Deposits by the thousand: made as the upstream and the flow would make them, and written through the ledger.

use depositd::domain::asset::Asset;
use depositd::domain::deposit::{Deposit, Request};
use depositd::domain::event::Step;
use depositd::domain::ids::DepositId;
use depositd::domain::money::Amount;
use depositd::domain::observe::Observation;
use depositd::domain::poll::Policy;
use depositd::domain::report::OrderReport;
use depositd::domain::time::Timestamp;
use depositd::ledger::{self, Access, DepositWrite, Ledger, Opening};
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// When the story begins.
pub const START: i64 = 1_748_611_977;
pub const PAY: &str = "https://pay.cryptomus.com/pay/";
/// The deadline: far away, so that nothing expires while it is measured, by the real clock either.
pub const EXPIRE_AT: i64 = START + 3650 * 86_400;

pub fn start() -> Timestamp {
    Timestamp::from_seconds(START)
}

/// The upstream's name for the order of deposit `n`: an ordinary UUID.
pub fn order_id(n: usize) -> String {
    let mut dice = super::Dice::new(n as u64);
    let bits = (u128::from(dice.next()) << 64) | u128::from(dice.next());
    Uuid::from_u128(bits).to_string()
}

/// The address of an order's wallet: each has its own, as a shared one would not be shown.
pub fn address(order_id: &str) -> String {
    format!("0x{}{ADDRESS_END}", order_id.replace('-', ""))
}

/// How every address ends: an order id alone is too short for one.
pub const ADDRESS_END: &str = "e9607f1f";

fn amount(text: &str) -> Option<Amount> {
    Some(Amount::parse(text).expect("an amount"))
}

/// What the upstream says of order `order_id`.
pub fn report(order_id: &str, status: Option<&str>) -> OrderReport {
    let paid = status == Some("paid");
    OrderReport {
        order_id: Some(order_id.to_owned()),
        address: Some(address(order_id)),
        currency: Some("USDT".to_owned()),
        network: Some("bsc".to_owned()),
        amount_usd: amount("25.00"),
        amount_crypto: amount("24.98"),
        memo: None,
        unreadable: Vec::new(),
        expire_at: Some(Timestamp::from_seconds(EXPIRE_AT)),
        url: Some(format!("{PAY}{order_id}")),
        status: status.map(str::to_owned),
        txid: paid.then(|| format!("0x{order_id}")),
        payment_amount: amount("24.98").filter(|_| paid),
        payment_amount_usd: amount("25.00").filter(|_| paid),
        payer_amount: None,
        refund_amount: None,
        refund_amount_usd: None,
        answered_at: None,
        listed: false,
    }
}

fn opened(n: usize) -> Step {
    let at = start().plus(Duration::from_millis(n as u64));
    let time = uuid::Timestamp::from_unix_time(
        u64::try_from(at.as_millis()).expect("a time") / 1000,
        u32::try_from(at.as_millis() % 1000).expect("a part") * 1_000_000,
        0,
        0,
    );
    let request = Request {
        reference: Some(format!("order {n}")),
        notify: vec!["payer@example.org".to_owned()],
        ..Request::new(
            Asset::parse("USDT", "BSC").expect("an asset"),
            Amount::parse("25").expect("an amount"),
            at,
        )
    };
    Deposit::open(DepositId::new(Uuid::new_v7(time)), request)
}

/// The ledger at `path`, for writing.
pub async fn open(path: &Path) -> Ledger {
    let settings = ledger::LedgerSettings {
        path: path.to_owned(),
        create_if_missing: true,
        mail_domain: "example.org".to_owned(),
    };
    Ledger::open(settings, Access::Write).await.expect("a ledger")
}

/// Writes `count` deposits that await their payment; gives them as they stand.
pub async fn fill(ledger: &Ledger, count: usize, policy: &Policy) -> Vec<Deposit> {
    let mut deposits = Vec::with_capacity(count);
    let numbers: Vec<usize> = (0..count).collect();
    for chunk in numbers.chunks(1000) {
        let steps: Vec<Step> = chunk.iter().map(|n| opened(*n)).collect();
        let wallets: Vec<Step> = chunk
            .iter()
            .zip(&steps)
            .map(|(n, step)| {
                let deposit = step.deposit.clone();
                let seen = Observation::Wallet(Box::new(report(&order_id(*n), None)));
                let at = deposit.updated_at;
                deposit.observe(seen, at, policy).expect("a wallet")
            })
            .collect();
        let opening = |step: Step| DepositWrite {
            opening: Some(Opening { idempotency_key: None, request_digest: "0".repeat(64) }),
            ..DepositWrite::from(step)
        };
        ledger.record(steps.into_iter().map(opening).collect()).await.expect("requests on disk");
        deposits.extend(wallets.iter().map(|step| step.deposit.clone()));
        ledger.record(wallets.into_iter().map(DepositWrite::from).collect()).await.expect("wallets on disk");
    }
    deposits
}
