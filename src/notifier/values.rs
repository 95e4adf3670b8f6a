//! What templates are given: the words of a letter, and the facts they come from by name, each one harmless line.

use std::collections::BTreeMap;

use minijinja::{Value, context};

use super::content::{Content, Field, Link, Section};
use super::letter::{DepositView, LetterInput};
use super::{account_emails, deposit_emails, fields, text};
use crate::domain::event::EventName;

/// The words of the letter about `input`.
pub(super) fn content_of(input: &LetterInput) -> Content {
    match &input.deposit {
        Some(view) if !is_a_notice(input.event) => deposit_emails::of_deposit(input, view),
        _ => account_emails::of_notice(input),
    }
}

/// What templates are given for the letter about `input`; every text in it is one harmless line.
pub(super) fn values(input: &LetterInput, account: &str, cid: Option<&str>) -> Value {
    values_of(input, &content_of(input), account, cid)
}

/// What templates are given for the letter with these words; `cid` is the name of its picture.
pub(super) fn values_of(input: &LetterInput, content: &Content, account: &str, cid: Option<&str>) -> Value {
    let width = content.fields.iter().map(|field| field.label.chars().count()).max().unwrap_or(0);
    let notice = match &input.notice {
        Some(serde_json::Value::Object(members)) => members
            .iter()
            .filter_map(|(key, value)| Some((text::untrusted(key), Value::from(text::scalar(value)?))))
            .collect(),
        _ => BTreeMap::new(),
    };
    context! {
        content => content_values(content),
        color => content.tone.color(),
        label_width => width,
        cid => cid,
        account => text::one_line(account, 80),
        event => input.event.as_str(),
        at => text::instant(input.at),
        reason => input.reason.as_deref().map(text::untrusted),
        deposit => input.deposit.as_ref().map(deposit_of),
        notice => Value::from(notice),
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
        sections => content.sections.iter().map(section).collect::<Vec<_>>(),
    }
}

/// A deposit's facts by name, for templates that lay them out by themselves; what is not known is none.
fn deposit_of(view: &DepositView) -> Value {
    let (request, facts) = (&view.request, &view.facts);
    let wallet = facts.wallet.as_ref();
    context! {
        id => view.id.to_string(),
        state => facts.state.as_str(),
        outcome => facts.outcome.map(crate::domain::deposit::Outcome::as_str),
        late => facts.late,
        currency => request.asset.currency.as_str(),
        network => request.asset.network.as_str(),
        network_name => fields::network_name(request.asset.network),
        amount_requested => request.amount.to_string(),
        amount_usd => wallet.and_then(|wallet| wallet.amount_usd.as_ref()).map(ToString::to_string),
        amount_crypto => wallet.and_then(|wallet| wallet.shown_amount()).map(ToString::to_string),
        address => wallet.and_then(|wallet| wallet.shown_address()).map(text::token),
        memo => wallet.and_then(|wallet| wallet.memo.as_deref()).map(text::untrusted),
        url => wallet.and_then(|wallet| wallet.url.as_deref()).and_then(text::safe_link),
        order_id => wallet.map(|wallet| text::token(&wallet.order_id)),
        expire_at => wallet.and_then(|wallet| wallet.expire_at).map(text::instant),
        arrived => fields::arrived(facts).map(ToString::to_string),
        missing => fields::missing(facts),
        credited_usd => facts.booked.as_ref().map(|booked| booked.total().to_string()),
        txid => facts.txid.as_deref().map(text::token),
        reference => request.reference.as_deref().map(text::untrusted),
        upstream_status => facts.upstream_status.as_deref().map(text::untrusted),
        needs_review => facts.review.as_ref().map(|review| text::untrusted(&review.reason)),
        requested_at => text::instant(request.requested_at),
        settled_at => facts.settled_at.map(text::instant),
        refunded_at => facts.refunded_at.map(text::instant),
    }
}

/// True for the events whose letter is made from their notice, even where a deposit is named as well.
fn is_a_notice(event: EventName) -> bool {
    matches!(
        event,
        EventName::DiscrepancyOpened
            | EventName::DiscrepancyClosed
            | EventName::Digest
            | EventName::UpstreamDown
            | EventName::UpstreamBack
            | EventName::ReconciliationVoid
            | EventName::ReconciliationBack
            | EventName::MailTest
            | EventName::Summary
    )
}
