//! One believable letter of each event, for previews and for trying templates: much that can be known, and little.

use serde_json::json;

use super::letter::{DepositView, LetterInput};
use crate::domain::asset::Asset;
use crate::domain::deposit::{
    Booked, Facts, FigureSource, Outcome, Payment, Request, Review, ReviewKind, State, Wallet,
};
use crate::domain::event::EventName;
use crate::domain::money::{Amount, UsdMicros};
use crate::domain::time::Timestamp;

/// When the sample's deposit was asked for: 2026-03-02 09:00 UTC.
const START: i64 = 1_772_442_000;
const ID: &str = "019cad21-1a80-7a1b-8c2d-3e4f5a6b7c8d";

/// True for the events that are ever told in a letter.
pub(super) fn is_mailed(event: EventName) -> bool {
    event.is_mailable() || matches!(event, EventName::MailTest | EventName::Summary)
}

/// The events that are ever told in a letter.
pub fn mailed_events() -> impl Iterator<Item = EventName> {
    EventName::ALL.iter().copied().filter(|event| is_mailed(*event))
}

/// A letter about `event` as it might be, for previews.
#[must_use]
pub fn sample(event: EventName) -> LetterInput {
    let at = Timestamp::from_seconds(START.saturating_add(725));
    let id = |word: &str| format!("{word}.sample@depositd.invalid");
    LetterInput {
        event,
        at,
        reason: reason_of(event).map(str::to_owned),
        deposit: view(event),
        notice: notice(event),
        message_id: id(event.as_str()),
        thread_id: Some(id("thread")),
        to: "finance@example.com".to_owned(),
    }
}

/// The same with much and with little known: what a template must cope with.
pub(super) fn samples(event: EventName) -> Vec<LetterInput> {
    let full = sample(event);
    let mut poor = LetterInput { reason: None, ..full.clone() };
    if let Some(view) = &mut poor.deposit {
        view.request.reference = None;
        let (state, since) = (view.facts.state, view.facts.since);
        view.facts = empty_facts(state, since);
    }
    if poor.notice.is_some() {
        poor.notice = Some(json!({}));
    }
    vec![full, poor]
}

fn reason_of(event: EventName) -> Option<&'static str> {
    match event {
        EventName::NeedsReview => Some("confirming for longer than 24h"),
        EventName::Rejected => Some("Invalid, or expired Coupon"),
        EventName::UpstreamDown => Some("no answer within 30 s"),
        EventName::ReconciliationVoid => Some("no readable answer: it is not JSON"),
        EventName::Decided => Some("corrected to 4.50 USD, by unix user alice: ticket 4711"),
        EventName::BaselineSet => Some("the baseline is set to 123.45 USD, by unix user alice: ticket 4711"),
        _ => None,
    }
}

fn empty_facts(state: State, since: Timestamp) -> Facts {
    Facts {
        state,
        since,
        wallet: None,
        upstream_status: None,
        txid: None,
        payment: Payment::default(),
        outcome: None,
        expired_at: None,
        settled_at: None,
        late: false,
        booked: None,
        held: None,
        refund: None,
        refunded_at: None,
        review: None,
        acknowledged: None,
        named: false,
        first_payment: Payment::default(),
        first_txid: None,
        chatter: None,
    }
}

/// The deposit that a deposit's event is about.
fn view(event: EventName) -> Option<DepositView> {
    let (state, word, arrived) = match event {
        EventName::WalletCreated => (State::AwaitingPayment, "check", None),
        EventName::Confirming => (State::Confirming, "confirm_check", Some("4.99")),
        EventName::Underpaid => (State::Underpaid, "wrong_amount_waiting", Some("3.00")),
        EventName::Settled => (State::Settled, "paid", Some("4.99")),
        EventName::Short => (State::Short, "wrong_amount", Some("3.00")),
        EventName::Expired => (State::Expired, "cancel", None),
        EventName::Failed => (State::Failed, "fail", None),
        EventName::Held => (State::Held, "locked", Some("4.99")),
        EventName::Refunded => (State::Refunded, "refund_paid", Some("4.99")),
        EventName::Rejected => (State::Rejected, "", None),
        EventName::Unresolved => (State::Unresolved, "", None),
        EventName::NeedsReview => (State::Confirming, "confirm_check", Some("4.99")),
        _ => return None,
    };
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
        order_id: "af161c5a-936c-4294-b656-6da12b77e232".to_owned(),
        address: "0x66b928a82377d75ced043e95738372e9e9607f1f".to_owned(),
        url: Some("https://pay.cryptomus.com/pay/35a4ee29-16ef-4b18-9960-b7812c836bb1".to_owned()),
        amount_usd: amount("5.00"),
        amount_crypto: amount("4.99"),
        memo: None,
        expire_at: Some(at(3600)),
        created_at: at(2),
        withheld: None,
        unread: Vec::new(),
        shared: false,
    };
    let seen = arrived.is_some();
    Some(DepositView {
        id: ID.parse().ok()?,
        request: Request {
            asset: Asset::parse("USDT", "BSC").ok()?,
            amount: amount("5.15")?,
            coupon: None,
            reference: Some("invoice 42".to_owned()),
            notify: Vec::new(),
            requested_at: at(0),
        },
        facts: Facts {
            wallet: (!word.is_empty()).then_some(wallet),
            upstream_status: (!word.is_empty()).then(|| word.to_owned()),
            txid: seen
                .then(|| "0x5c504ed432cb51138bcf09aa5e8a410dd4a1e204ef84bfed1be16dfba1b22060".to_owned()),
            payment: Payment { amount: arrived.and_then(amount), ..Payment::default() },
            outcome: booked.is_some().then_some(Outcome::Exact),
            settled_at: booked.is_some().then(|| at(725)),
            refunded_at: (state == State::Refunded).then(|| at(90_000)),
            booked,
            review: (event == EventName::NeedsReview).then(|| Review {
                reason: "confirming for longer than 24h".to_owned(),
                kind: ReviewKind::Passing,
            }),
            ..empty_facts(state, at(725))
        },
    })
}

/// The figures that an event of the whole account is about.
fn notice(event: EventName) -> Option<serde_json::Value> {
    let case = |closed: bool| {
        json!({
            "id": 7, "kind": "amount_mismatch", "expected": "5.00", "found": "4.50",
            "order_id": "af161c5a-936c-4294-b656-6da12b77e232", "deposit_id": ID,
            "opened_at": "2026-03-02T09:15:00.000Z",
            "closed_at": closed.then_some("2026-03-02T10:15:00.000Z"),
            "resolution": closed.then_some("the figures agree again"),
        })
    };
    let told = json!([
        { "event": "expired", "reference": "invoice 42", "amount": "5.15", "currency": "USDT", "network": "BSC",
          "deposit_id": ID, "at": "2026-03-02T09:00:00.000Z" },
        { "event": "settled", "reference": null, "amount": "25.00", "currency": "BTC", "network": "BTC",
          "deposit_id": ID, "at": "2026-03-02T09:00:01.000Z" },
    ]);
    Some(match event {
        EventName::DiscrepancyOpened => case(false),
        EventName::DiscrepancyClosed => case(true),
        EventName::UpstreamDown => {
            json!({ "since": "2026-03-02T08:58:00.000Z", "failures": 12, "error": "no answer within 30 s",
                "trouble": "no_answer" })
        }
        EventName::UpstreamBack => {
            json!({ "since": "2026-03-02T08:58:00.000Z", "back_at": "2026-03-02T09:12:05.000Z" })
        }
        EventName::ReconciliationVoid => json!({
            "since": "2026-03-02T08:45:00.000Z", "runs": 2, "last_good_at": "2026-03-02T08:30:00.000Z",
            "error": "no readable answer: it is not JSON",
        }),
        EventName::ReconciliationBack => {
            json!({ "since": "2026-03-02T09:00:00.000Z", "back_at": "2026-03-02T09:15:00.000Z" })
        }
        EventName::Digest => json!({
            "date": "2026-03-02", "since": "2026-03-01T07:00:00.000Z", "until": "2026-03-02T07:00:00.000Z",
            "requested": 40, "settled_count": 31, "settled_usd": "1240.50", "credited_in_all_usd": "48210.75",
            "refunded_count": 1, "refunded_usd": "25.00", "needs_review": 1,
            "settled": [
                { "currency": "USDT", "network": "TRON", "count": 28, "usd": "1140.50" },
                { "currency": "BTC", "network": "BTC", "count": 3, "usd": "100.00" },
            ],
            "ended": [{ "event": "expired", "count": 6 }, { "event": "underpaid", "count": 2 }],
            "open": [{ "state": "awaiting_payment", "count": 2, "usd": "50.00", "oldest": "2026-03-02T06:40:00.000Z" }],
            "open_count": 2,
            "cases": [{ "id": 7, "kind": "amount_mismatch", "expected": "5.00", "found": "4.50", "days": 3 }],
            "cases_count": 1,
            "cases_by_age": { "today": 0, "this_week": 1, "older": 0 },
            "unsent_mail": 1, "unsent_dead": 1, "unsent_since": "2026-02-28T10:00:00.000Z",
            "head_seq": 4711, "head_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        }),
        EventName::Decided => json!({
            "act": "correct", "who": "unix user alice", "note": "ticket 4711",
            "corrections": [{ "deposit_id": ID, "order_id": "af161c5a-936c-4294-b656-6da12b77e232", "booked": "5.00",
                              "corrected": "4.50", "done": true }],
        }),
        EventName::BaselineSet => {
            json!({ "baseline_cents": 12_345, "taken": true, "before_cents": null, "by": "unix user alice", "note": "ticket 4711" })
        }
        EventName::Summary => json!({
            "count": 8412, "since": "2026-03-02T09:00:00.000Z", "until": "2026-03-02T09:04:10.000Z",
            "events": [{ "event": "expired", "count": 8400 }, { "event": "settled", "count": 12 }],
            "items": told,
        }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_that_is_told_has_a_sample() {
        for event in mailed_events() {
            let sample = sample(event);
            let bare = event == EventName::MailTest;
            assert!(bare || sample.deposit.is_some() != sample.notice.is_some(), "{event}");
        }
    }
}
