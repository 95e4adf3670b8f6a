//! What an answer says of our order, what it contradicts, and what in it states nothing.

use rust_decimal::Decimal;

use crate::domain::arrival::stated;
use crate::domain::asset::Asset;
use crate::domain::deposit::{Deposit, Facts, Request, Wallet};
use crate::domain::ids::same_id;
use crate::domain::money::{Amount, UsdMicros};
use crate::domain::report::OrderReport;
use crate::domain::status::{Status, StatusMeaning};
use crate::domain::time::Timestamp;

/// The fields in which an upstream may name what else a payer must give.
const MEMO_FIELDS: &[&str] = &["memo", "tag", "dest_tag", "payment_id", "comment"];
const MEMO: &str = "memo";
const AMOUNT_IN_CRYPTO: &str = "amountInCrypto";
const EXPIRE_AT: &str = "expire_at";
const CURRENCY: &str = "currency";
const NETWORK: &str = "network";

/// Why the report speaks of another order than ours.
pub(super) fn contradiction(asset: Option<Asset>, facts: &Facts, report: &OrderReport) -> Option<String> {
    let wallet = facts.wallet.as_ref()?;
    let (order_id, address) = (wallet.order_id.as_deref(), wallet.address.as_deref());
    let differs = |what: &str, ours: &str, theirs: Option<&String>, same: bool| {
        theirs
            .filter(|_| !same)
            .map(|theirs| format!("the upstream's answer names another {what}: {theirs:?}, not {ours:?}"))
    };
    // What a payer picks at a payment page, and the order that becomes of it, contradict nothing.
    let same_address = report.address.as_ref().is_none_or(|theirs| {
        address.zip(asset).is_none_or(|(ours, asset)| is_same_address(asset, theirs, ours))
    });
    let same_order =
        report.order_id.as_ref().is_none_or(|theirs| order_id.is_none_or(|ours| same_id(theirs, ours)));
    let memo = wallet.memo.as_deref();
    let same_memo = memo.is_none() || report.memo.is_none() || report.memo.as_deref() == memo;
    differs("order_id", order_id.unwrap_or_default(), report.order_id.as_ref(), same_order)
        .or_else(|| differs("address", address.unwrap_or_default(), report.address.as_ref(), same_address))
        .or_else(|| {
            differs("memo for the address", memo.unwrap_or_default(), report.memo.as_ref(), same_memo)
        })
        .or_else(|| asset_contradiction(report, asset?))
}

/// Addresses of EVM networks compare without case.
pub(super) fn is_same_address(asset: Asset, theirs: &str, ours: &str) -> bool {
    theirs == ours || (asset.network.is_evm() && theirs.eq_ignore_ascii_case(ours))
}

fn asset_contradiction(report: &OrderReport, asset: Asset) -> Option<String> {
    let pairs = [
        (CURRENCY, asset.currency.as_str(), report.currency.as_ref()),
        (NETWORK, asset.network.as_str(), report.network.as_ref()),
    ];
    pairs.into_iter().find_map(|(what, ours, theirs)| {
        theirs
            .filter(|theirs| !theirs.eq_ignore_ascii_case(ours))
            .map(|theirs| format!("the upstream's answer names another {what}: {theirs:?}, not {ours:?}"))
    })
}

/// True where the answer names our order: by its id, or by the address where no other deposit has it.
pub(super) fn names_order(deposit: &Deposit, report: &OrderReport) -> bool {
    let Some(wallet) = &deposit.facts.wallet else { return false };
    let is_order = |theirs: &String| wallet.order_id.as_deref().is_some_and(|ours| same_id(theirs, ours));
    let is_address = |theirs: &String| {
        let ours = wallet.address.as_deref().zip(deposit.request.asset());
        !wallet.shared && ours.is_some_and(|(ours, asset)| is_same_address(asset, theirs, ours))
    };
    report.order_id.as_ref().is_some_and(is_order) || report.address.as_ref().is_some_and(is_address)
}

/// Why an answer that names no order is none: others named it, or it has not even a status word.
pub(super) fn names_nothing(deposit: &Deposit, report: &OrderReport) -> Option<&'static str> {
    if names_order(deposit, report) {
        None
    } else if deposit.facts.named {
        Some("it names neither the order nor its address, as earlier ones did")
    } else if report.status.is_none() {
        Some("it names neither the order nor its address, and has no status")
    } else {
        None
    }
}

/// True where a figure in dollars is more than the books can hold.
pub(super) fn is_too_large(report: &OrderReport) -> bool {
    let figures = [&report.payment_amount_usd, &report.amount_usd, &report.refund_amount_usd];
    figures.into_iter().flatten().any(|figure| figure.to_usd_micros_floor().is_none())
}

/// Why the figures of an answer contradict its word or what was asked for: then it is evidence, and moves nothing.
pub(super) fn contradicting_figures(
    deposit: &Deposit,
    report: &OrderReport,
    status: Status,
) -> Option<String> {
    let first = &deposit.facts.first_payment;
    let paid = stated(report.payment_amount_usd.as_ref(), first.amount_usd.as_ref());
    // What was paid over, as far as a figure says so, now or when it was booked.
    let over = paid.filter(|_| status.meaning() == StatusMeaning::PaidOver).map(Amount::value);
    let booked = deposit.facts.booked.as_ref().map(|booked| Decimal::new(booked.usd.get(), 6));
    let most = over.max(booked).unwrap_or_default().max(deposit.request.amount.value());
    if let Some(reason) = beyond(&deposit.request, most, "amountInUSD", report.amount_usd.as_ref()) {
        return Some(reason);
    }
    if status.meaning().is_within_required()
        && let Some(reason) = beyond(&deposit.request, most, "payment_amount_usd", paid)
    {
        return Some(reason);
    }
    let back = stated(report.refund_amount_usd.as_ref(), first.refund_amount_usd.as_ref())
        .or_else(|| stated(report.refund_amount.as_ref(), first.refund_amount.as_ref()));
    match back {
        Some(back) if status.is_credited() => {
            Some(format!("the upstream counts {back} as refunded, and still says {:?}", word_of(report)))
        }
        _ => None,
    }
}

/// Why a figure is more than twice `most`, which is what was asked for, or more that was paid over.
fn beyond(request: &Request, most: Decimal, what: &str, figure: Option<&Amount>) -> Option<String> {
    let (figure, asked) = (figure?, &request.amount);
    let twice = most.checked_add(most)?;
    (figure.value() > twice).then(|| format!("{what} is {figure}, more than twice the {asked} USD asked for"))
}

fn word_of(report: &OrderReport) -> &str {
    report.status.as_deref().unwrap_or_default()
}

/// Why an order that ended without money speaks of some: an amount paid, or a transaction of its own.
pub(super) fn money_in_an_end(facts: &Facts, report: &OrderReport, status: Status) -> Option<String> {
    if !status.meaning().ends_unpaid() {
        return None;
    }
    let first = &facts.first_payment;
    let figure = stated(report.payment_amount_usd.as_ref(), first.amount_usd.as_ref())
        .or_else(|| stated(report.payment_amount.as_ref(), first.amount.as_ref()))
        .or_else(|| stated(report.payer_amount.as_ref(), first.payer_amount.as_ref()));
    // One that was seen on the chain before is the payment that failed, and no news.
    let known = [facts.first_txid.as_ref(), facts.txid.as_ref()];
    let txid = report.txid.as_ref().filter(|txid| !txid.is_empty() && !known.contains(&Some(txid)));
    let word = word_of(report);
    match (figure, txid) {
        (Some(figure), _) => Some(format!("the upstream says {word:?}, and that {figure} was paid")),
        (None, Some(_)) => Some(format!("the upstream says {word:?}, and names a transaction")),
        (None, None) => None,
    }
}

/// The answer without what it says of a payment.
pub(super) fn without_payment(report: &OrderReport) -> OrderReport {
    OrderReport {
        txid: None,
        payment_amount: None,
        payment_amount_usd: None,
        payer_amount: None,
        ..report.clone()
    }
}

/// True where the answer states this field of a wallet, which earlier ones did not.
pub(super) fn states(report: &OrderReport, field: &str) -> bool {
    match field {
        AMOUNT_IN_CRYPTO => report.amount_crypto.as_ref().is_some_and(|amount| !amount.is_zero()),
        EXPIRE_AT => report.expire_at.is_some(),
        CURRENCY => report.currency.is_some(),
        NETWORK => report.network.is_some(),
        MEMO => report.memo.is_some(),
        _ => false,
    }
}

/// Takes the latest figures of the wallet. A zero states nothing.
pub(super) fn take_wallet(wallet: &mut Wallet, report: &OrderReport) {
    let newer = |slot: &mut Option<Amount>, value: Option<&Amount>| {
        if let Some(value) = value.filter(|value| !value.is_zero() && slot.as_ref() != Some(value)) {
            *slot = Some(value.clone());
        }
    };
    newer(&mut wallet.amount_usd, report.amount_usd.as_ref());
    // In which coin a payment page counts is not known.
    if !wallet.is_link() {
        newer(&mut wallet.amount_crypto, report.amount_crypto.as_ref());
    }
    wallet.expire_at = report.expire_at.or(wallet.expire_at);
    if wallet.memo.is_none() && !wallet.is_link() {
        wallet.memo.clone_from(&report.memo);
    }
}

/// The wallet that the report describes, made from whatever is there. The address is withheld where a payer could pay
/// wrongly.
///
/// # Errors
/// Why there is none: it has no order, or no address.
pub(super) fn wallet_of(report: &OrderReport, request: &Request, now: Timestamp) -> Result<Wallet, String> {
    let Some(asset) = request.asset() else { return link_of(report, now) };
    let missing = |what: &str| format!("the upstream's answer has no {what}");
    let order_id = report.order_id.clone().ok_or_else(|| missing("order_id"))?;
    let address = report.address.clone().ok_or_else(|| missing("to_address"))?;
    let too_large = report.amount_usd.as_ref().is_some_and(|figure| figure.to_usd_micros_floor().is_none());
    let wrong = asset_contradiction(report, asset)
        .or_else(|| too_large.then(|| "the upstream's amountInUSD is too large for the books".to_owned()))
        .or_else(|| beyond(request, request.amount.value(), "amountInUSD", report.amount_usd.as_ref()));
    let mut unread: Vec<&str> = [AMOUNT_IN_CRYPTO, EXPIRE_AT, CURRENCY, NETWORK]
        .into_iter()
        .filter(|field| !states(report, field))
        .collect();
    if report.memo.is_none() && MEMO_FIELDS.iter().any(|field| flaw_of(report, field).is_some()) {
        unread.push(MEMO);
    }
    let withheld = match &wrong {
        Some(reason) => Some(reason.clone()),
        None => unread.first().map(|field| {
            let why = match *field {
                MEMO => MEMO_FIELDS.iter().find_map(|field| flaw_of(report, field)).map(str::to_owned),
                field => flaw_of(report, field).map(str::to_owned),
            };
            why.unwrap_or_else(|| format!("{field} is missing"))
        }),
    };
    let usable = |amount: &&Amount| !amount.is_zero();
    Ok(Wallet {
        order_id: Some(order_id),
        address: Some(address),
        url: report.url.clone(),
        amount_usd: report.amount_usd.as_ref().filter(usable).filter(|_| wrong.is_none()).cloned(),
        amount_crypto: report.amount_crypto.as_ref().filter(usable).cloned(),
        memo: report.memo.clone(),
        expire_at: report.expire_at,
        created_at: now,
        withheld: withheld.map(|why| format!("the address is not shown, do not pay: {why}")),
        unread: if wrong.is_some() { Vec::new() } else { unread.into_iter().map(str::to_owned).collect() },
        shared: false,
        listed_only: false,
    })
}

/// The link that the report bears, byte for byte.
fn link_of(report: &OrderReport, now: Timestamp) -> Result<Wallet, String> {
    let url = report.url.clone().ok_or_else(|| "the upstream's answer has no link".to_owned())?;
    Ok(Wallet {
        order_id: None,
        address: None,
        url: Some(url),
        amount_usd: None,
        amount_crypto: None,
        memo: None,
        expire_at: None,
        created_at: now,
        withheld: None,
        unread: Vec::new(),
        shared: false,
        listed_only: false,
    })
}

/// What is wrong with a field of the answer that could not be read.
fn flaw_of<'a>(report: &'a OrderReport, field: &str) -> Option<&'a str> {
    let is_it = |text: &&String| {
        let rest = text.strip_prefix(field);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    report.unreadable.iter().find(is_it).map(String::as_str)
}

/// Dollars of a figure that states something.
pub(super) fn dollars(figure: Option<&Amount>, first: Option<&Amount>) -> Option<UsdMicros> {
    stated(figure, first)?.to_usd_micros_floor().filter(|usd| *usd > UsdMicros::ZERO)
}
