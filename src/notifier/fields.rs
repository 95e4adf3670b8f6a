//! Which facts of a deposit a letter lists, under which names and in which order.

use super::content::Field;
use super::letter::{DepositView, LetterInput};
use super::text::{instant, safe_link, span, token, untrusted, usd};
use crate::domain::asset::Network;
use crate::domain::deposit::{Facts, Outcome, Request, Wallet};
use crate::domain::event::EventName;
use crate::domain::money::Amount;

/// The facts of `view` for the letter about its event, and why it happened.
pub(super) fn of_deposit_letter(input: &LetterInput, view: &DepositView, doubtful: bool) -> Vec<Field> {
    let mut fields = of_deposit(input.event, view, doubtful);
    if input.event != EventName::NeedsReview
        && let Some(reason) = input.because()
    {
        let label = if input.reason.is_some() { "Reason" } else { "Needs review" };
        fields.push(Field::new(label, reason));
    }
    fields
}

/// The facts of `view` for a letter about `event`; `doubtful` says that nobody should pay to the address.
pub(super) fn of_deposit(event: EventName, view: &DepositView, doubtful: bool) -> Vec<Field> {
    let (request, facts) = (&view.request, &view.facts);
    let mut fields = vec![Field::new("Amount asked", usd(&request.amount))];
    if let Some(wallet) = &facts.wallet {
        wallet_fields(&mut fields, view, wallet, doubtful);
    } else {
        fields.push(paid_by(request));
        if let Some(asset) = request.asset() {
            fields.push(Field::new("Currency", asset.currency.as_str()));
        }
    }
    payment_fields(&mut fields, view);
    if let Some(reference) = &request.reference {
        fields.push(Field::new("Reference", untrusted(reference)));
    }
    if let Some(order_id) = facts.wallet.as_ref().and_then(|wallet| wallet.order_id.as_deref()) {
        fields.push(Field::mono("Order id", token(order_id)));
    }
    fields.push(Field::mono("Deposit id", view.id.to_string()));
    fields.push(Field::new("State", label_of(facts)));
    if let Some(word) = &facts.upstream_status {
        fields.push(Field::new("Upstream says", untrusted(word)));
    }
    fields.push(Field::new("Requested", instant(request.requested_at)));
    if event == EventName::Settled
        && let Some(settled) = facts.settled_at
    {
        fields.push(Field::new("Settled", instant(settled)));
        fields.push(Field::new("Time it took", span(settled.since(request.requested_at))));
    }
    if let Some(refunded) = facts.refunded_at {
        fields.push(Field::new("Refunded", instant(refunded)));
    }
    fields.retain(|field| !field.value.is_empty());
    fields
}

fn wallet_fields(fields: &mut Vec<Field>, view: &DepositView, wallet: &Wallet, doubtful: bool) {
    if let Some(counted) = wallet.amount_usd.as_ref().filter(|counted| **counted != view.request.amount) {
        fields.push(Field::new("Counted upstream", usd(counted)));
    }
    if let Some(due) = wallet.shown_amount() {
        fields.push(Field::mono("Exact amount", crypto(due, view)));
    }
    fields.push(paid_by(&view.request));
    if wallet.is_link() {
        // Nobody should follow a doubtful one by a mere touch.
        let shown = wallet.shown_url().map(|url| if doubtful { token(url) } else { untouched(url) });
        let shown = shown.unwrap_or_else(|| "not shown".to_owned());
        fields.push(Field::mono(if doubtful { "Link (do not pay)" } else { "Link" }, shown));
        fields.extend(wallet.expire_at.map(|deadline| Field::new("Deadline", instant(deadline))));
        return;
    }
    let label = if doubtful { "Address (do not pay)" } else { "Address" };
    match wallet.shown_address() {
        Some(address) => fields.push(Field::mono(label, token(address))),
        None => fields.push(Field::new("Address", "not shown")),
    }
    if let Some(memo) = wallet.memo.as_ref().filter(|_| wallet.withheld.is_none()) {
        fields.push(Field::mono("Memo (give it with the payment)", untrusted(memo)));
    }
    if let Some(deadline) = wallet.expire_at {
        fields.push(Field::new("Deadline", instant(deadline)));
    }
}

fn payment_fields(fields: &mut Vec<Field>, view: &DepositView) {
    let facts = &view.facts;
    if let Some(arrived) = facts.arrived_crypto().filter(|_| view.request.asset().is_some()) {
        fields.push(Field::new("Arrived", crypto(arrived, view)));
    }
    if let Some(amount) = facts.arrived_usd() {
        fields.push(Field::new("Arrived, in USD", usd(amount)));
    }
    if let Some(booked) = &facts.booked {
        fields.push(Field::new("Credited", format!("{} USD", booked.total())));
    }
    match facts.outcome {
        Some(Outcome::Over) => fields.push(Field::new("Outcome", "paid over")),
        Some(Outcome::Exact) => fields.push(Field::new("Outcome", "paid exactly")),
        None => {}
    }
    if let Some(txid) = &facts.txid {
        fields.push(Field::mono("Transaction", token(txid)));
    }
}

/// A link that leads to the processor, as it is; anything else is made harmless.
fn untouched(url: &str) -> String {
    safe_link(url).unwrap_or_else(|| token(url))
}

pub(super) fn crypto(amount: &Amount, view: &DepositView) -> String {
    match view.request.asset() {
        Some(asset) => format!("{amount} {}", asset.currency),
        None => amount.to_string(),
    }
}

/// The network that it is paid over, or the method where it is none of a network.
pub(super) fn paid_by(request: &Request) -> Field {
    match request.asset() {
        Some(asset) => Field::new("Network", network_name(asset.network)),
        None => Field::new("Paid by", request.paid_by.to_string()),
    }
}

fn label_of(facts: &Facts) -> String {
    let word = facts.state.as_str().replace('_', " ");
    if facts.late { format!("{word}, late") } else { word }
}

/// The network as its people call it, with the word that our commands take.
pub(super) fn network_name(network: Network) -> String {
    let long = match network {
        Network::Bsc => "BNB Smart Chain, BEP-20",
        Network::Tron => "TRC-20",
        Network::Eth => "Ethereum, ERC-20",
        Network::Polygon => "Polygon PoS",
        Network::Arbitrum => "Arbitrum One",
        Network::Avalanche => "Avalanche C-Chain",
        Network::Sol => "Solana",
        Network::Ton => "The Open Network",
        Network::Btc => "Bitcoin",
        Network::Ltc => "Litecoin",
        Network::Xmr => "Monero",
        Network::Dash => "Dash",
        Network::Doge => "Dogecoin",
        Network::Bch => "Bitcoin Cash",
    };
    format!("{network} ({long})")
}
