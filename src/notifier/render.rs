//! How the words of a letter become text and page: one layout for all, every value escaped by it.

use std::collections::BTreeMap;

use minijinja::{Value, context};
use sha2::{Digest, Sha256};

use super::fields::{self, Field};
use super::templates::{Part, Templates};
use super::{DepositView, InlineImage, Letter, LetterInput, account_emails, deposit_emails, qr, text};
use crate::domain::event::EventName;

/// The longest subject, in characters.
const MAX_SUBJECT: usize = 200;

/// Why a letter could not be composed. It says nothing of the transport.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A template is at fault.
    #[error("the letter's template failed")]
    Template(#[from] minijinja::Error),
}

/// How serious a letter looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Calm,
    Act,
    Warn,
    Bad,
}

impl Tone {
    /// The stripe's colour: dark enough on white, light enough on black.
    const fn color(self) -> &'static str {
        match self {
            Self::Good => "#2e8b57",
            Self::Calm => "#7a8594",
            Self::Act => "#2f7de1",
            Self::Warn => "#c98a00",
            Self::Bad => "#d64545",
        }
    }
}

/// A link that has passed [`text::safe_link`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) label: String,
    pub(super) url: String,
}

/// A list under a title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) items: Vec<String>,
}

/// A letter's words, before any layout. Every text in it is one harmless line already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) tone: Tone,
    pub(super) subject: String,
    /// The important fact in one sentence.
    pub(super) lead: String,
    /// Said before everything else.
    pub(super) warning: Option<String>,
    pub(super) fields: Vec<Field>,
    /// What it means and what to do.
    pub(super) next: Vec<String>,
    /// What to type for it: shown whole, to be copied.
    pub(super) commands: Vec<String>,
    pub(super) link: Option<Link>,
    /// What the QR code says.
    pub(super) qr: Option<String>,
    pub(super) sections: Vec<Section>,
}

impl Content {
    pub(super) fn new(tone: Tone, subject: impl Into<String>, lead: impl Into<String>) -> Self {
        Self {
            tone,
            subject: subject.into(),
            lead: lead.into(),
            warning: None,
            fields: Vec::new(),
            next: Vec::new(),
            commands: Vec::new(),
            link: None,
            qr: None,
            sections: Vec::new(),
        }
    }

    /// As the templates see it: the names of the fields, whoever writes them.
    fn to_value(&self) -> Value {
        let field =
            |field: &Field| context! { label => &*field.label, value => &*field.value, mono => field.mono };
        let section =
            |section: &Section| context! { title => &*section.title, items => section.items.clone() };
        let link = |link: &Link| context! { label => &*link.label, url => &*link.url };
        context! {
            subject => &*self.subject,
            lead => &*self.lead,
            warning => self.warning.as_deref(),
            fields => self.fields.iter().map(field).collect::<Vec<_>>(),
            next => self.next.clone(),
            commands => self.commands.clone(),
            link => self.link.as_ref().map(link),
            sections => self.sections.iter().map(section).collect::<Vec<_>>(),
        }
    }
}

/// Composes the letter by `templates`; `account` is the upstream's name for the account, shown in the footer. The same
/// input gives the same letter.
///
/// # Errors
/// [`ComposeError`]
pub fn compose(templates: &Templates, input: &LetterInput, account: &str) -> Result<Letter, ComposeError> {
    let content = content_of(input);
    let inline = content.qr.as_deref().and_then(|data| picture(data, &input.message_id));
    let values = values_of(input, &content, account, inline.as_ref().map(|image| image.content_id.as_str()));
    let subject = templates.write(input, Part::Subject, &values)?;
    let subject = text::one_line(subject.as_deref().unwrap_or(&content.subject), MAX_SUBJECT);
    let written = |part| templates.write(input, part, &values).map(Option::unwrap_or_default);
    Ok(Letter { subject, text: squeezed(&written(Part::Text)?), html: written(Part::Html)?, inline })
}

fn content_of(input: &LetterInput) -> Content {
    match &input.deposit {
        Some(view) if !is_a_notice(input.event) => deposit_emails::of_deposit(input, view),
        _ => account_emails::of_notice(input),
    }
}

/// What templates are given for the letter about `input`; every text in it is one harmless line.
pub(super) fn values(input: &LetterInput, account: &str, cid: Option<&str>) -> Value {
    values_of(input, &content_of(input), account, cid)
}

fn values_of(input: &LetterInput, content: &Content, account: &str, cid: Option<&str>) -> Value {
    let width = content.fields.iter().map(|field| field.label.chars().count()).max().unwrap_or(0);
    let notice = match &input.notice {
        Some(serde_json::Value::Object(members)) => members
            .iter()
            .filter_map(|(key, value)| Some((text::untrusted(key), Value::from(text::scalar(value)?))))
            .collect(),
        _ => BTreeMap::new(),
    };
    context! {
        content => content.to_value(),
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

/// True for the events that are told from their notice even where a deposit is named beside it.
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

/// The QR code; a letter without one is still a letter.
fn picture(data: &str, message_id: &str) -> Option<InlineImage> {
    match qr::to_png(data) {
        Ok(png) => Some(InlineImage { content_id: format!("qr.{}@depositd", digest(message_id)), png }),
        Err(error) => {
            tracing::debug!(%error, "a letter goes without its QR code");
            None
        }
    }
}

/// A short name made of a message's id, for what must be unique in it and the same at every attempt.
pub(super) fn digest(message_id: &str) -> String {
    let mut name = hex::encode(Sha256::digest(message_id.as_bytes()));
    name.truncate(24);
    name
}

/// At most one empty line in a row, and none at the start: parts that a letter lacks leave no holes.
fn squeezed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = true;
    for line in text.lines() {
        // The dashes of a signature end in a space.
        let blank = line.trim().is_empty();
        if !(blank && empty) {
            out.push_str(line);
            out.push('\n');
        }
        empty = blank;
    }
    out
}

/// Breaks at spaces, so that plain text reads well; a word longer than a line stays whole, to be copied.
pub(super) fn folded(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0_usize;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 {
            let next = column.saturating_add(1).saturating_add(length);
            out.push(if next > width { '\n' } else { ' ' });
            column = if next > width { length } else { next };
        } else {
            column = length;
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_folded_at_spaces_only() {
        assert_eq!(folded("aa bb cc", 5), "aa bb\ncc");
        assert_eq!(folded("a 0123456789 b", 5), "a\n0123456789\nb");
        assert_eq!(folded("", 5), "");
    }
}
