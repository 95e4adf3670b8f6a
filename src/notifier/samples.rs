//! One believable letter of each event, for previews and for trying templates: much that can be known, and little.

use serde::Deserialize;
use serde_json::json;

use super::emails;
use super::letter::{DepositView, LetterInput, PayerView};
use crate::domain::asset::Asset;
use crate::domain::deposit::{
    Booked, Facts, FigureSource, Outcome, Payment, Request, Review, ReviewKind, State, Wallet,
};
use crate::domain::event::EventName;
use crate::domain::method::{Method, PaidBy};
use crate::domain::money::{Amount, UsdMicros};
use crate::domain::time::Timestamp;

/// When the sample's deposit was asked for: 2026-03-02 09:00 UTC.
const START: i64 = 1_772_442_000;
const PAGE: &str = "https://pay.cryptomus.com/pay/991d9a35-1c2e-4b5c-8f1a-0123456789ab";
const CARD: &str =
    "https://api.pay4bit.net/pay?public_key=48521-9d0c1&sum=5.00&currency=USD&desc=Top-up&sign=0a1b2c3d4e5f";
const ID: &str = "019cad21-1a80-7a1b-8c2d-3e4f5a6b7c8d";

/// What `sample.json` of an event's folder says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    reason: Option<String>,
    deposit: Option<SampleDeposit>,
    notice: Option<serde_json::Value>,
}

/// What has become of the sample's deposit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleDeposit {
    state: State,
    /// There is a wallet where there is one.
    upstream_status: Option<String>,
    arrived: Option<Amount>,
    needs_review: Option<String>,
}

/// The events that can be mailed.
pub fn mailed_events() -> impl Iterator<Item = EventName> {
    EventName::ALL.iter().copied().filter(|event| event.has_letter())
}

/// A letter about `event` as it might be, for previews.
#[must_use]
pub fn sample(event: EventName) -> LetterInput {
    let Sample { reason, deposit, notice } = read(event).unwrap_or_default();
    let at = Timestamp::from_seconds(START.saturating_add(725));
    let id = |word: &str| format!("{word}.sample@depositd.invalid");
    LetterInput {
        event,
        at,
        reason,
        deposit: deposit.and_then(view),
        notice,
        message_id: id(event.as_str()),
        thread_id: Some(id("thread")),
        to: "finance@example.com".to_owned(),
        payer: None,
    }
}

/// The letter about `event` to a payer as it might be; `None` where payers are not told.
#[must_use]
pub fn payer_sample(event: EventName) -> Option<LetterInput> {
    let input = LetterInput { to: "payer@example.com".to_owned(), ..sample(event) };
    let view = input.deposit.as_ref().filter(|_| event.is_told_to_payers())?;
    let payer = Some(PayerView { latest: view.facts.clone(), now: input.at });
    Some(LetterInput { payer, ..input })
}

/// The same letter about a deposit that is paid by `method`; unchanged where it is about none.
#[must_use]
pub fn sample_paid_by(method: Method, mut input: LetterInput) -> LetterInput {
    let (paid_by, url) = match method {
        Method::Wallet => return input,
        Method::Page => (PaidBy::Page, PAGE),
        Method::Card => (PaidBy::Card, CARD),
    };
    let Some(view) = &mut input.deposit else { return input };
    view.request.paid_by = paid_by;
    if let Ok(dollars) = Amount::parse("5") {
        view.request.amount = dollars;
    }
    linked(&mut view.facts, url);
    if let Some(payer) = &mut input.payer {
        linked(&mut payer.latest, url);
    }
    input
}

/// What is known of a deposit that is paid at `url`.
fn linked(facts: &mut Facts, url: &str) {
    let arrived = facts.payment.amount.take().and_then(|_| Amount::parse("3").ok());
    facts.payment = Payment { amount_usd: arrived, ..Payment::default() };
    facts.txid = None;
    if let Some(wallet) = &mut facts.wallet {
        (wallet.order_id, wallet.address) = (None, None);
        (wallet.amount_usd, wallet.amount_crypto) = (None, None);
        wallet.url = Some(url.to_owned());
    }
}

fn read(event: EventName) -> serde_json::Result<Sample> {
    serde_json::from_str(emails::sample(event))
}

/// The same with much and with little known, and to payers with nothing to pay any more, paid in each way: what a template
/// must cope with.
pub(super) fn samples(event: EventName, to_payer: bool) -> Vec<LetterInput> {
    let full = if to_payer { payer_sample(event) } else { Some(sample(event)) };
    let Some(full) = full else { return Vec::new() };
    let mut poor = LetterInput { reason: None, ..full.clone() };
    if let Some(view) = &mut poor.deposit {
        view.request.reference = None;
        view.facts = Facts { state: view.facts.state, ..Facts::new(view.facts.since) };
    }
    if poor.notice.is_some() {
        poor.notice = Some(json!({}));
    }
    let late = full.payer.clone().map(|payer| {
        let payer = PayerView { now: Timestamp::from_seconds(START.saturating_add(100_000)), ..payer };
        LetterInput { payer: Some(payer), ..full.clone() }
    });
    let mut all: Vec<LetterInput> = vec![full, poor].into_iter().chain(late).collect();
    let of_deposits: Vec<LetterInput> = all.iter().filter(|input| input.deposit.is_some()).cloned().collect();
    for method in [Method::Page, Method::Card] {
        all.extend(of_deposits.iter().cloned().map(|input| sample_paid_by(method, input)));
    }
    all
}

/// The deposit that a deposit's event is about.
fn view(sample: SampleDeposit) -> Option<DepositView> {
    let state = sample.state;
    let at = |seconds: i64| Timestamp::from_seconds(START.saturating_add(seconds));
    let amount = |text: &str| Amount::parse(text).ok();
    let booked = matches!(state, State::Settled | State::Refunded).then(|| Booked {
        usd: UsdMicros::new(5_000_000),
        crypto: amount("4.99"),
        source: FigureSource::PaymentAmountUsd,
        credited: None,
        correction: UsdMicros::ZERO,
        said: false,
        expected: None,
    });
    let wallet = Wallet {
        order_id: Some("af161c5a-936c-4294-b656-6da12b77e232".to_owned()),
        address: Some("0x66b928a82377d75ced043e95738372e9e9607f1f".to_owned()),
        url: Some("https://pay.cryptomus.com/pay/35a4ee29-16ef-4b18-9960-b7812c836bb1".to_owned()),
        amount_usd: amount("5.00"),
        amount_crypto: amount("4.99"),
        memo: None,
        expire_at: Some(at(3600)),
        created_at: at(2),
        withheld: None,
        unread: Vec::new(),
        shared: false,
        listed_only: false,
    };
    let txid = "0x5c504ed432cb51138bcf09aa5e8a410dd4a1e204ef84bfed1be16dfba1b22060";
    Some(DepositView {
        id: ID.parse().ok()?,
        request: Request {
            reference: Some("invoice 42".to_owned()),
            ..Request::new(Asset::parse("USDT", "BSC").ok()?, amount("5.15")?, at(0))
        },
        facts: Facts {
            state,
            wallet: sample.upstream_status.is_some().then_some(wallet),
            upstream_status: sample.upstream_status,
            txid: sample.arrived.is_some().then(|| txid.to_owned()),
            payment: Payment { amount: sample.arrived, ..Payment::default() },
            outcome: booked.is_some().then_some(Outcome::Exact),
            settled_at: booked.is_some().then(|| at(725)),
            refunded_at: (state == State::Refunded).then(|| at(90_000)),
            booked,
            review: sample.needs_review.map(|reason| Review { reason, kind: ReviewKind::Passing }),
            ..Facts::new(at(725))
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_that_is_told_has_a_sample() {
        for event in mailed_events() {
            read(event).unwrap();
            let sample = sample(event);
            let bare = event == EventName::MailTest;
            assert!(bare || sample.deposit.is_some() != sample.notice.is_some(), "{event}");
        }
    }
}
