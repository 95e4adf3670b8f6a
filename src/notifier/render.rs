//! How the words of a letter become text and page: one layout for all, every value escaped by it.

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Value, context};
use sha2::{Digest, Sha256};

use super::fields::Field;
use super::{InlineImage, Letter, LetterInput, letters, notices, qr, text};
use crate::domain::event::EventName;

/// The longest subject, in characters.
const MAX_SUBJECT: usize = 200;
const TEXT: &str = include_str!("letters/letter.txt");
const HTML: &str = include_str!("letters/letter.html");

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

/// Composes the letter; `account` is the upstream's name for the account, shown in the footer. The same input gives
/// the same letter.
///
/// # Errors
/// [`ComposeError`]
pub fn compose(input: &LetterInput, account: &str) -> Result<Letter, ComposeError> {
    let content = match &input.deposit {
        Some(view) if !is_a_notice(input.event) => letters::of_deposit(input, view),
        _ => notices::of_notice(input),
    };
    let inline = content.qr.as_deref().and_then(|data| picture(data, &input.message_id));
    let environment = environment()?;
    let width = content.fields.iter().map(|field| field.label.chars().count()).max().unwrap_or(0);
    let values = context! {
        content => content.to_value(),
        color => content.tone.color(),
        label_width => width,
        cid => inline.as_ref().map(|image| image.content_id.as_str()),
        account => text::one_line(account, 80),
        event => input.event.as_str(),
        at => text::instant(input.at),
    };
    Ok(Letter {
        subject: text::one_line(&content.subject, MAX_SUBJECT),
        text: squeezed(&environment.get_template("letter.txt")?.render(&values)?),
        html: environment.get_template("letter.html")?.render(&values)?,
        inline,
    })
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
            | EventName::MailTest
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

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?;
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
    });
    environment.add_filter("padded", |text: &str, width: usize| {
        let missing = width.saturating_sub(text.chars().count());
        format!("{text}{}", " ".repeat(missing))
    });
    environment.add_filter("folded", |text: &str| folded(text, 76));
    environment.add_template("letter.txt", TEXT)?;
    environment.add_template("letter.html", HTML)?;
    Ok(environment)
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
fn folded(text: &str, width: usize) -> String {
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
