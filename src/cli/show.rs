//! `show`: one deposit's whole story on one page: intent, calls and answers, states, postings, mails, differences.

use serde_json::{Value, json};

use super::cases;
use super::context::Context;
use super::exit::{CommandResult, ExitStatus};
use super::names::deposit_of;
use super::objects::{paint_of, shown};
use super::output::{Output, Paint};
use super::request::{deadline, paid_by};
use super::table::{Cell, Table, cut, facts, plain, short_time, table_time};
use crate::api_types::DepositObject;
use crate::domain::deposit::{State, Wallet};
use crate::domain::method::Method;
use crate::domain::money::UsdMicros;
use crate::domain::report::Invoice;
use crate::domain::time::Timestamp;
use crate::ledger::DepositHistory;

/// Of a raw answer so much is shown; `--json` has all of it.
const ANSWER: usize = 160;

/// Prints the story of the deposit named `name`: our id, the order, the address, the key or the reference.
pub(super) async fn show(context: &mut Context, name: &str) -> CommandResult {
    let ledger = context.ledger().await?;
    let deposit = deposit_of(&ledger, name).await?;
    let story = ledger.story(deposit).await?;
    let probable = ledger.probable_rows(story.deposit.id).await?;
    if context.out.json {
        context.out.document(&document(&story, &probable)?)?;
    } else {
        print(&mut context.out, &story, context.clock.now());
        print_probable(&mut context.out, &story, &probable);
    }
    Ok(ExitStatus::Done)
}

/// The deposit object with its history beside it.
fn document(story: &DepositHistory, probable: &[(i64, Invoice)]) -> Result<Value, serde_json::Error> {
    let mut document = serde_json::to_value(DepositObject::from(&story.deposit))?;
    let request = &story.deposit.request;
    let beside = json!({
        "coupon": request.coupon,
        "notify": request.notify,
        "calls": story.calls,
        "events": story.events,
        "postings": story.postings,
        "mails": story.mails,
        "cases": shown(&story.cases),
        "probable_rows": probable.iter().map(|(number, row)| probable_row(*number, row)).collect::<Vec<_>>(),
    });
    if let (Some(members), Value::Object(beside)) = (document.as_object_mut(), beside) {
        members.extend(beside);
    }
    Ok(document)
}

fn print(out: &mut Output, story: &DepositHistory, now: Timestamp) {
    let deposit = DepositObject::from(&story.deposit);
    let state = out.paint(paint_of(deposit.state.as_str()), deposit.state.as_str());
    let notes: Vec<&str> = deposit
        .outcome
        .map(|outcome| outcome.as_str())
        .into_iter()
        .chain(deposit.late.then_some("late"))
        .collect();
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    let head = out.paint(Paint::Head, &format!("Deposit {}", deposit.id));
    out.line(format_args!("{head}  {state}{notes}"));
    if let Some(reason) = &deposit.needs_review {
        let line = format!("a person should look: {}", plain(reason));
        out.line(out.paint(Paint::Bad, &line));
    }
    request(out, story, &deposit);
    wallet(out, story, &deposit, now);
    calls(out, story);
    history(out, story);
    postings(out, story);
    mails(out, story);
    if !story.cases.is_empty() {
        heading(out, "Differences");
        cases::table(out, &story.cases, "  ");
    }
}

/// A row of the list that may be the deposit's.
fn probable_row(number: i64, row: &Invoice) -> Value {
    json!({
        "row": number, "amount_cents": row.amount_cents, "status": row.status, "created": row.created,
        "method": row.method, "pay_id": row.pay_id, "sesid": row.sesid,
    })
}

/// The rows of the list that may be the deposit's: they count nothing until a person says so.
fn print_probable(out: &mut Output, story: &DepositHistory, probable: &[(i64, Invoice)]) {
    if probable.is_empty() {
        return;
    }
    heading(out, "Rows of the invoice list that may be its own, by amount and time; none is booked for it");
    let mut table = Table::new(&[">row", "made (UTC)", ">USD", "status", "method", "called"]);
    for (number, row) in probable {
        let usd = row.amount_cents.and_then(UsdMicros::from_cents).map(|usd| usd.to_string());
        table.row([
            Cell::from(number.to_string()),
            Cell::from(row.created.map_or_else(String::new, |at| table_time(out, &at.to_string()))),
            Cell::from(usd.unwrap_or_default()),
            Cell::from(plain(row.status.as_deref().unwrap_or_default())),
            Cell::from(plain(row.method.as_deref().unwrap_or_default())),
            Cell::from(plain(row.pay_id.as_deref().or(row.sesid.as_deref()).unwrap_or_default())),
        ]);
    }
    table.print(out, "  ");
    if story.deposit.facts.wallet.as_ref().is_some_and(Wallet::is_link) {
        let id = story.deposit.id;
        out.line("  Where it is known which one is its own:");
        out.line(format_args!("    depositd cases match ROW {id} --note TEXT"));
    }
}

fn heading(out: &mut Output, text: &str) {
    out.line("");
    out.line(out.paint(Paint::Head, text));
}

fn utc(at: &str) -> String {
    format!("{} UTC", short_time(at))
}

fn request(out: &mut Output, story: &DepositHistory, deposit: &DepositObject) {
    let notify = &story.deposit.request.notify;
    heading(out, "Request");
    facts(
        out,
        [
            (
                "asked for",
                Some(match deposit.method {
                    Method::Wallet => format!("{} USD in {}", deposit.amount_requested, paid_by(deposit)),
                    _ => format!("{} USD by {}", deposit.amount_requested, paid_by(deposit)),
                }),
            ),
            ("at", Some(utc(&deposit.created_at.to_string()))),
            ("coupon", story.deposit.request.coupon.clone()),
            ("reference", deposit.reference.clone()),
            ("notify", (!notify.is_empty()).then(|| notify.join(", "))),
        ],
    );
}

fn wallet(out: &mut Output, story: &DepositHistory, deposit: &DepositObject, now: Timestamp) {
    let known = &story.deposit.facts;
    let Some(wallet) = &known.wallet else { return };
    let is_open = matches!(known.state, State::AwaitingPayment | State::Underpaid);
    let end = wallet.expire_at;
    let end = end.map(|end| if is_open { deadline(end, now) } else { utc(&end.to_seconds_text()) });
    let shown = if wallet.is_link() { deposit.url.clone() } else { deposit.address.clone() };
    heading(out, if wallet.is_link() { "Link" } else { "Wallet" });
    facts(
        out,
        [
            (
                match wallet.is_link() {
                    true if is_open => "pay at",
                    true => "url",
                    false => "address",
                },
                Some(shown.unwrap_or_else(|| "not shown".to_owned())),
            ),
            ("memo", deposit.memo.clone()),
            (
                "pay exactly",
                deposit
                    .amount_crypto
                    .as_deref()
                    .filter(|_| deposit.address.is_some())
                    .zip(deposit.currency)
                    .map(|(amount, currency)| format!("{amount} {currency}")),
            ),
            ("counts for", deposit.amount_usd.as_deref().map(|usd| format!("{usd} USD"))),
            ("made", Some(utc(&wallet.created_at.to_string()))),
            ("deadline", end),
            ("order", deposit.order_id.clone()),
            ("link", deposit.url.clone().filter(|_| !wallet.is_link())),
        ],
    );
    let payment = &known.payment;
    let currency = deposit.currency.map(|currency| format!(" {currency}")).unwrap_or_default();
    let crypto = |amount: &crate::domain::money::Amount| format!("{amount}{currency}");
    heading(out, "Payment");
    facts(
        out,
        [
            ("upstream says", Some(deposit.upstream_status.clone().unwrap_or_else(|| "nothing".to_owned()))),
            ("sent", payment.payer_amount.as_ref().map(crypto)),
            ("arrived", payment.amount.as_ref().map(crypto)),
            ("missing", deposit.missing_crypto.as_deref().map(|rest| format!("{rest}{currency}"))),
            ("worth", payment.amount_usd.as_ref().map(|usd| format!("{usd} USD"))),
            ("transaction", deposit.txid.clone()),
            ("called expired", known.expired_at.map(|at| utc(&at.to_string()))),
            ("booked", deposit.amount_booked.as_deref().map(|usd| format!("{usd} USD"))),
            ("settled", known.settled_at.map(|at| utc(&at.to_string()))),
            ("refunded", known.refunded_at.map(|at| utc(&at.to_string()))),
        ],
    );
}

fn calls(out: &mut Output, story: &DepositHistory) {
    if story.calls.is_empty() {
        return;
    }
    heading(out, "Calls and answers");
    let mut table = Table::new(&["time (UTC)", "call", "outcome", "answer"]);
    let is_link = story.deposit.request.method() != Method::Wallet;
    for call in &story.calls {
        let outcome = match call.outcome.as_deref().unwrap_or("-") {
            "wallet" if is_link => "link",
            outcome => outcome,
        };
        table.row([
            Cell::from(table_time(out, &call.at)),
            Cell::from(&call.call),
            Cell::from(outcome),
            Cell::from(cut(call.detail.as_deref().unwrap_or(""), ANSWER)),
        ]);
    }
    table.print(out, "  ");
}

fn history(out: &mut Output, story: &DepositHistory) {
    heading(out, "History");
    let mut table = Table::new(&["time (UTC)", ">event", "what", "state", "?upstream", "why"]);
    for event in &story.events {
        let state = event.to_state.as_deref().unwrap_or("");
        let moved = if event.from_state.as_deref() == Some(state) { "" } else { state };
        table.row([
            Cell::from(table_time(out, &event.at)),
            Cell::from(event.seq.to_string()),
            Cell::from(&event.event),
            Cell::painted(moved, paint_of(moved)),
            Cell::from(event.upstream_status.as_deref().unwrap_or("")),
            Cell::from(event.reason.as_deref().unwrap_or("")),
        ]);
    }
    table.print(out, "  ");
}

fn postings(out: &mut Output, story: &DepositHistory) {
    if story.postings.is_empty() {
        return;
    }
    heading(out, "Postings");
    let mut table = Table::new(&["?time (UTC)", "~account", ">amount", "", ">worth USD"]);
    for posting in &story.postings {
        table.row([
            Cell::from(table_time(out, &posting.at)),
            Cell::from(&posting.account),
            Cell::from(&posting.amount),
            Cell::from(&posting.commodity),
            Cell::from(UsdMicros::new(posting.amount_usd_micros).to_string()),
        ]);
    }
    table.print(out, "  ");
}

fn mails(out: &mut Output, story: &DepositHistory) {
    if story.mails.is_empty() {
        return;
    }
    heading(out, "Mails");
    let mut table = Table::new(&["event", "~to", "state", "?sent (UTC)", "why not"]);
    for mail in &story.mails {
        let paint = match mail.state.as_str() {
            "sent" => Paint::Good,
            "dead" => Paint::Bad,
            _ => Paint::Open,
        };
        table.row([
            Cell::from(&mail.event),
            Cell::from(&mail.recipient),
            Cell::painted(&mail.state, paint),
            Cell::from(mail.sent_at.as_deref().map(|at| table_time(out, at)).unwrap_or_default()),
            Cell::from(cut(mail.last_error.as_deref().unwrap_or(""), 100)),
        ]);
    }
    table.print(out, "  ");
}
