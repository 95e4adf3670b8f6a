//! The first deposit of the scenario, followed closely: what its payer gets, what the letters say, how it is booked.

use std::fmt::Write as _;

use super::error::Error;
use crate::domain::deposit::Deposit;
use crate::domain::money::UsdMicros;
use crate::flow::{self, Flow};
use crate::ledger::EventRow;
use crate::notifier::qr;

/// The number of the deposit that is followed.
pub(super) const FOLLOWED: u32 = 1;
/// Of a letter so many lines are shown.
const LINES: usize = 9;
/// And of a line so many characters.
const WIDTH: usize = 74;

/// What is said of an event of that deposit; `None` where the usual line says it all.
pub(super) async fn told(flow: &Flow, event: &EventRow, deposit: &Deposit) -> Result<Option<String>, Error> {
    let text = match event.event.as_str() {
        "requested" => requested(deposit),
        "wallet_created" => wallet(flow, event, deposit).await?,
        "confirming" => {
            "\n3. The payment is on the chain. Nothing is booked before it is confirmed.\n".to_owned()
        }
        "settled" => settled(flow, event, deposit).await?,
        _ => return Ok(None),
    };
    Ok(Some(text))
}

fn requested(deposit: &Deposit) -> String {
    let (request, id) = (&deposit.request, deposit.id);
    format!(
        "1. A shop asks for {} USD in {}.\n   The request is on disk before anything else happens, as deposit\n   {id}.\n",
        request.amount, request.paid_by
    )
}

async fn wallet(flow: &Flow, event: &EventRow, deposit: &Deposit) -> Result<String, Error> {
    let Some(wallet) = &deposit.facts.wallet else { return Ok(String::new()) };
    let Some(asset) = deposit.request.asset() else { return Ok(String::new()) };
    let (address, amount) = (wallet.shown_address().unwrap_or("-"), wallet.shown_amount());
    let amount = amount.map(ToString::to_string).unwrap_or_default();
    let mut text = "\n2. The upstream has made a wallet. This is what the payer gets:\n\n".to_owned();
    let deadline = wallet.expire_at.map(|at| at.to_seconds_text()).unwrap_or_default();
    for (name, value) in [
        ("pay exactly", format!("{amount} {}", asset.currency)),
        ("on", asset.network.to_string()),
        ("to", address.to_owned()),
        ("before", deadline.replace('T', " ").replace('Z', " UTC")),
    ] {
        let _ = writeln!(text, "   {name:<13}{value}");
    }
    if let Ok(code) = qr::to_terminal(&qr::payment_uri(asset, address, &amount)) {
        text.push('\n');
        code.lines().for_each(|line| {
            let _ = writeln!(text, "   {line}");
        });
    }
    text.push_str(&letters(flow, event, deposit).await?);
    Ok(text)
}

async fn settled(flow: &Flow, event: &EventRow, deposit: &Deposit) -> Result<String, Error> {
    let booked = deposit.facts.booked.as_ref().map_or_else(String::new, |booked| booked.total().to_string());
    let mut text = format!(
        "\n4. The upstream says that it was paid: {booked} USD are credited. The entry in the\n   books, which balances, as every entry does:\n\n"
    );
    for posting in flow.ledger.story(deposit.clone()).await?.postings {
        let (amount, usd) = (&posting.amount, UsdMicros::new(posting.amount_usd_micros).to_string());
        let _ =
            writeln!(text, "   {:<26}{amount:>16} {:<5}{usd:>10} USD", posting.account, posting.commodity);
    }
    text.push_str(&letters(flow, event, deposit).await?);
    Ok(text)
}

/// The letters that the event owes: to whom, the subject, and how each begins.
async fn letters(flow: &Flow, event: &EventRow, deposit: &Deposit) -> Result<String, Error> {
    let mut text = String::new();
    let id = deposit.id.to_string();
    let mut mails = flow.ledger.mails(&["owed", "sent"], 50).await?;
    mails.retain(|mail| mail.deposit_id.as_ref() == Some(&id) && mail.event == event.event);
    mails.sort_by_key(|mail| (mail.audience != "payer", mail.id));
    // One in each kind of words.
    mails.dedup_by(|one, other| one.audience == other.audience);
    for mail in mails {
        let Some((_, owed)) = flow.ledger.mail(mail.id).await? else { continue };
        let Ok(letter) = flow.mailer.letter(&flow::letter_of(&flow.ledger, &owed, flow.clock.now())) else {
            continue;
        };
        let whom = if mail.audience == "payer" { "the payer" } else { "the office" };
        let _ = writeln!(text, "\n   The letter to {whom}, {}:\n", mail.recipient);
        let _ = writeln!(text, "   | {}", fitting(&format!("Subject: {}", letter.subject)));
        let body: Vec<&str> = letter.text.lines().collect();
        for line in body.iter().take(LINES) {
            let _ = writeln!(text, "   | {}", fitting(line).trim_end());
        }
        if body.len() > LINES {
            let _ = writeln!(text, "   | ..");
        }
    }
    Ok(text)
}

/// The line as far as it fits; what is missing of it is marked.
fn fitting(line: &str) -> String {
    if line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    line.chars().take(WIDTH.saturating_sub(1)).chain(['…']).collect()
}
