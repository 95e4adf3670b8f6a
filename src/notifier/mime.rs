//! How a letter is written as an Internet message: its headers, its parts, and the same bytes at every attempt.

use std::time::{Duration, UNIX_EPOCH};

use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};

use super::address::{self, AddressError};
use super::letter::{Letter, LetterInput};
use super::render;
use crate::domain::ids::DepositId;

/// The longest message id that fits one header line with room to spare.
const MAX_ID: usize = 200;

/// Why a letter can be no message; trying again will not help.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    #[error("the recipient's address is unfit")]
    Recipient(#[source] AddressError),
    #[error("the message id is unfit")]
    MessageId,
    #[error("the message could not be built")]
    Build(#[from] lettre::error::Error),
    #[error("the picture's type is unknown")]
    Picture,
}

/// Builds the message of `letter`, from `from` to the one recipient.
pub(super) fn build(input: &LetterInput, letter: Letter, from: &Mailbox) -> Result<Message, MessageError> {
    let to = address::recipient(&input.to).map_err(MessageError::Recipient)?;
    let id = angled(&input.message_id)?;
    let millis = u64::try_from(input.at.as_millis()).unwrap_or(0);
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH);
    let mut builder = Message::builder()
        .date(at)
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(letter.subject)
        .raw_header(plain("Message-ID", id));
    if let Some(root) = input.thread_id.as_deref().filter(|root| *root != input.message_id) {
        let root = angled(root)?;
        builder =
            builder.raw_header(plain("In-Reply-To", root.clone())).raw_header(plain("References", root));
    }
    builder = builder
        .raw_header(plain("Auto-Submitted", "auto-generated".to_owned()))
        .raw_header(plain("X-Depositd-Event", input.event.as_str().to_owned()));
    // A case about a deposit is no event of it, and concerns it all the same.
    let named = || input.notice.as_ref()?.get("deposit_id")?.as_str()?.parse::<DepositId>().ok();
    if let Some(id) = input.deposit.as_ref().map(|view| view.id).or_else(named) {
        builder = builder.raw_header(plain("X-Depositd-Deposit", id.to_string()));
    }
    let name = render::digest(&input.message_id);
    let html = SinglePart::html(letter.html);
    let alternative =
        MultiPart::alternative().boundary(format!("=_a.{name}")).singlepart(SinglePart::plain(letter.text));
    let body = match letter.inline {
        None => alternative.singlepart(html),
        Some(image) => {
            let png = ContentType::parse("image/png").map_err(|_| MessageError::Picture)?;
            let picture = Attachment::new_inline(image.content_id).body(image.png, png);
            let related =
                MultiPart::related().boundary(format!("=_r.{name}")).singlepart(html).singlepart(picture);
            alternative.multipart(related)
        }
    };
    Ok(builder.multipart(body)?)
}

/// A header whose value is plain ASCII without line breaks already: it must not be encoded or folded.
fn plain(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}

/// `<id>`, for an id of RFC 5322's dot-atoms on either side of one `@`.
fn angled(id: &str) -> Result<String, MessageError> {
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
    let fit = |part: &str| !part.is_empty() && part.bytes().all(atom);
    match id.split_once('@') {
        Some((left, right)) if fit(left) && fit(right) && id.len() <= MAX_ID => Ok(format!("<{id}>")),
        _ => Err(MessageError::MessageId),
    }
}
