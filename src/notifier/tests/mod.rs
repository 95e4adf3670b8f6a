//! Letters read by an independent library, and a mail server that misbehaves.

mod letters;
mod links;
mod receiver;
mod smtp;

use std::time::Duration;

use serde_json::json;

use super::{DepositView, LetterInput, MailBackend, Mailer, MailerSettings};
use crate::domain::asset::Asset;
use crate::domain::deposit::{
    Booked, Facts, FigureSource, Outcome, Payment, Request, Review, ReviewKind, State, Wallet,
};
use crate::domain::event::EventName;
use crate::domain::money::{Amount, UsdMicros};
use crate::domain::time::Timestamp;

const ADDRESS: &str = "0x66b928a82377d75ced043e95738372e9e9607f1f";
const URL: &str = "https://pay.cryptomus.com/pay/35a4ee29-16ef-4b18-9960-b7812c836bb1";
const ROOT: &str = "0197.root@depositd.example";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_748_612_000_i64.saturating_add(seconds))
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

fn view(state: State) -> DepositView {
    DepositView {
        id: "01971f3a-7c00-7000-8000-000000000001".parse().unwrap(),
        request: Request {
            reference: Some("invoice-42".to_owned()),
            ..Request::new(Asset::parse("USDT", "BSC").unwrap(), amount("5.15"), at(0))
        },
        facts: Facts {
            state,
            since: at(700),
            wallet: Some(Wallet {
                order_id: Some("af161c5a-936c-4294-b656-6da12b77e232".to_owned()),
                address: Some(ADDRESS.to_owned()),
                url: Some(URL.to_owned()),
                amount_usd: Some(amount("5.00")),
                amount_crypto: Some(amount("4.99")),
                memo: None,
                expire_at: Some(at(3577)),
                withheld: None,
                unread: Vec::new(),
                shared: false,
                listed_only: false,
                created_at: at(2),
            }),
            upstream_status: Some("paid".to_owned()),
            txid: Some("0xabc123".to_owned()),
            payment: Payment {
                amount: Some(amount("3.00")),
                amount_usd: Some(amount("3.01")),
                ..Payment::default()
            },
            outcome: Some(Outcome::Exact),
            expired_at: None,
            settled_at: Some(at(725)),
            late: false,
            booked: Some(Booked {
                usd: UsdMicros::new(5_000_000),
                crypto: Some(amount("4.99")),
                source: FigureSource::AmountInUsd,
                credited: None,
                correction: UsdMicros::ZERO,
                said: false,
                expected: None,
            }),
            held: None,
            refunded_at: None,
            refund: None,
            review: None,
            acknowledged: None,
            named: false,
            matched: false,
            first_payment: Payment::default(),
            first_txid: None,
            chatter: None,
        },
    }
}

/// A view that knows nothing but the request.
fn bare(state: State) -> DepositView {
    let mut view = view(state);
    view.request.reference = None;
    view.facts = Facts {
        wallet: None,
        upstream_status: None,
        txid: None,
        payment: Payment::default(),
        outcome: None,
        settled_at: None,
        booked: None,
        ..view.facts
    };
    view
}

fn flagged(mut view: DepositView, reason: &str) -> DepositView {
    view.facts.review = Some(Review { reason: reason.to_owned(), kind: ReviewKind::Standing });
    view
}

fn letter(event: EventName, deposit: Option<DepositView>) -> LetterInput {
    LetterInput {
        event,
        at: at(730),
        reason: None,
        deposit,
        notice: None,
        message_id: format!("0197.{event}@depositd.example"),
        thread_id: Some(ROOT.to_owned()),
        to: "finance@example.com".to_owned(),
        payer: None,
    }
}

fn notice(event: EventName, notice: serde_json::Value) -> LetterInput {
    LetterInput { notice: Some(notice), ..letter(event, None) }
}

/// One letter of each event with everything that can be known.
fn full(event: EventName) -> LetterInput {
    match event {
        EventName::DiscrepancyOpened | EventName::DiscrepancyClosed => notice(
            event,
            json!({"id": 7, "kind": "amount_mismatch", "expected": "5.00", "found": "4.50",
                "order_id": "af161c5a-936c-4294-b656-6da12b77e232", "opened_at": "2025-05-30T14:32:57Z",
                "resolution": null}),
        ),
        EventName::Digest => notice(
            event,
            json!({"date": "2025-05-30", "settled_count": 3, "settled_usd": "15.00",
                "open": [{"id": "a", "state": "awaiting_payment", "amount": "5.00"}, "b"],
                "cases": [{"id": 7, "kind": "amount_mismatch"}], "unsent_mail": 1, "head_hash": "ab12"}),
        ),
        EventName::UpstreamDown | EventName::UpstreamBack => {
            notice(event, json!({"since": "2025-05-30T13:00:00Z", "error": "timed out", "failures": 12}))
        }
        EventName::ReconciliationVoid | EventName::ReconciliationBack => notice(
            event,
            json!({"since": "2025-05-30T13:00:00Z", "error": "not JSON", "runs": 2,
                "last_good_at": "2025-05-30T12:30:00Z"}),
        ),
        EventName::MailTest => letter(event, None),
        _ => letter(event, Some(view(State::Settled))),
    }
}

fn file_mailer(directory: &std::path::Path) -> Mailer {
    let settings = MailerSettings {
        transport: MailBackend::File { directory: directory.to_owned() },
        from: "Büro Deposits <deposits@example.com>".to_owned(),
        account: "12345".to_owned(),
        send_timeout: Duration::from_secs(5),
    };
    Mailer::new(settings, None).unwrap()
}
