//! How a letter is composed: its words, written by the templates, with a picture where there is something to pay.

use sha2::{Digest, Sha256};

use super::letter::{InlineImage, Letter, LetterInput};
use super::templates::{Part, Templates};
use super::values::{facts, with_words};
use super::{qr, text};

/// The longest subject, in characters.
const MAX_SUBJECT: usize = 200;

/// Why a letter could not be composed. It says nothing of the transport.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A template is at fault.
    #[error("the letter's template failed")]
    Template(#[from] minijinja::Error),
}

/// Composes the letter by `templates`; `account` is the upstream's name for the account, shown in the footer. The same
/// input gives the same letter.
pub fn compose(templates: &Templates, input: &LetterInput, account: &str) -> Result<Letter, ComposeError> {
    let facts = facts(input, account);
    let content = templates.content(input, &facts)?;
    let inline = content.qr.as_deref().and_then(|data| picture(data, &input.message_id));
    let values = with_words(&facts, &content, inline.as_ref().map(|image| image.content_id.as_str()));
    let subject = templates.write(input, Part::Subject, &values)?;
    let subject = text::one_line(subject.as_deref().unwrap_or(&content.subject), MAX_SUBJECT);
    let written = |part| templates.write(input, part, &values).map(Option::unwrap_or_default);
    Ok(Letter { subject, text: squeezed(&written(Part::Text)?), html: written(Part::Html)?, inline })
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
