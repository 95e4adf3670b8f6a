//! What templates are given: the facts of a letter by name, each one harmless line, and the words made of them.

use minijinja::{Value, context};

use super::content::{Content, Field, Link, Section};
use super::doubt::is_doubtful;
use super::letter::{DepositView, LetterInput};
use super::notice::Notice;
use super::payer::PayerFacts;
use super::{fields, text};
use crate::domain::deposit::{Booked, Outcome};

/// The longest reference in a subject.
const SUBJECT_REFERENCE: usize = 60;

/// The facts that the words of the letter about `input` are made of.
pub(super) fn facts(input: &LetterInput, account: &str) -> Value {
    let reference = input.deposit.as_ref().and_then(|view| view.request.reference.as_deref());
    let in_subject = |reference| format!(" – {}", text::untrusted_within(reference, SUBJECT_REFERENCE));
    let and_reference = reference.map(in_subject).unwrap_or_default();
    if let (Some(payer), Some(view)) = (&input.payer, &input.deposit) {
        let payment = PayerFacts::of(input, view, payer);
        return context! {
            event => input.event.as_str(),
            at => text::instant(input.at),
            payment => payment.values(),
            payable => payment.payable,
            doubtful => payment.doubtful,
            and_reference => and_reference,
        };
    }
    let notice = Notice::of(input);
    context! {
        account => text::one_line(account, 80),
        event => input.event.as_str(),
        at => text::instant(input.at),
        reason => input.reason.as_deref().map(text::untrusted),
        because => input.because(),
        deposit => input.deposit.as_ref().map(|view| deposit_of(view, is_doubtful(input))),
        and_reference => and_reference,
        notice => notice.named(),
        rows => notice.rows(),
        lists => notice.lists(),
        counts => notice.counts(),
        case_id => notice.case_id(),
        lasted => notice.lasted(),
    }
}

/// The same with the words; `cid` is the name of the letter's picture.
pub(super) fn with_words(facts: &Value, content: &Content, cid: Option<&str>) -> Value {
    let width = content.fields.iter().map(|field| field.label.chars().count()).max().unwrap_or(0);
    context! {
        content => content_values(content),
        color => content.tone.color(),
        label_width => width,
        cid => cid,
        ..facts.clone()
    }
}

/// As the templates see it: the names of the fields, whoever writes them.
fn content_values(content: &Content) -> Value {
    let field =
        |field: &Field| context! { label => &*field.label, value => &*field.value, mono => field.mono };
    let section = |section: &Section| context! { title => &*section.title, items => section.items.clone() };
    let link = |link: &Link| context! { label => &*link.label, url => &*link.url };
    context! {
        subject => &*content.subject,
        lead => &*content.lead,
        warning => content.warning.as_deref(),
        fields => content.fields.iter().map(field).collect::<Vec<_>>(),
        next => content.next.clone(),
        commands => content.commands.clone(),
        link => content.link.as_ref().map(link),
        qr_label => qr_label(content),
        sections => content.sections.iter().map(section).collect::<Vec<_>>(),
    }
}

/// What the picture is, for those who do not see it.
fn qr_label(content: &Content) -> &'static str {
    match &content.qr {
        Some(text) if text.starts_with("https:") => "QR code of the payment link",
        _ => "QR code of the payment address",
    }
}

/// By what the upstream's support finds a deposit.
const fn called_by(link: bool) -> &'static str {
    if link { "the link and the time of the payment" } else { "the order id and the transaction" }
}

/// A deposit's facts by name, for templates that lay them out by themselves; what is not known is none.
fn deposit_of(view: &DepositView, doubtful: bool) -> Value {
    let (request, facts) = (&view.request, &view.facts);
    let wallet = facts.wallet.as_ref();
    let credited = facts.booked.as_ref().map(Booked::total);
    context! {
        id => view.id.to_string(),
        asked => text::usd(&request.amount),
        asset => request.paid_by.to_string(),
        method => request.method().as_str(),
        called_by => called_by(request.asset().is_none()),
        by_link => request.asset().is_none(),
        doubtful => doubtful,
        coupon => request.coupon.is_some(),
        state => facts.state.as_str(),
        outcome => facts.outcome.map(Outcome::as_str),
        late => facts.late,
        currency => request.asset().map(|asset| asset.currency.as_str()),
        network => request.asset().map(|asset| asset.network.as_str()),
        network_name => request.asset().map(|asset| fields::network_name(asset.network)),
        amount_requested => request.amount.to_string(),
        amount_usd => wallet.and_then(|wallet| wallet.amount_usd.as_ref()).map(ToString::to_string),
        amount_crypto => wallet.and_then(|wallet| wallet.shown_amount()).map(ToString::to_string),
        address => wallet.and_then(|wallet| wallet.shown_address()).map(text::token),
        memo => wallet.and_then(|wallet| wallet.memo.as_deref()).map(text::untrusted),
        url => wallet.and_then(|wallet| wallet.shown_url()).and_then(text::safe_link),
        made => wallet.is_some(),
        order_id => wallet.and_then(|wallet| wallet.order_id.as_deref()).map(text::token),
        expire_at => wallet.and_then(|wallet| wallet.expire_at).map(text::instant),
        arrived => request.asset().and_then(|_| facts.arrived_crypto()).map(ToString::to_string),
        missing => request.asset().and_then(|_| facts.missing_crypto()),
        credited_usd => credited.map(|total| total.to_string()),
        credited_otherwise => credited.is_some_and(|total| Some(total) != request.amount.to_usd_micros()),
        txid => facts.txid.as_deref().map(text::token),
        reference => request.reference.as_deref().map(text::untrusted),
        upstream_status => facts.upstream_status.as_deref().map(text::untrusted),
        needs_review => facts.review.as_ref().map(|review| text::untrusted(&review.reason)),
        requested_at => text::instant(request.requested_at),
        settled_at => facts.settled_at.map(text::instant),
        took => facts.settled_at.map(|at| text::span(at.since(request.requested_at))),
        refunded_at => facts.refunded_at.map(text::instant),
    }
}
