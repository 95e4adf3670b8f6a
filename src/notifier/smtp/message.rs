//! How a message is written to the connection, and what it needs the server to be able to do.

use lettre::address::Envelope;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};

use crate::notifier::report::SendError;

/// The message with its dots doubled and its end, to be written at once: lettre writes the end by itself, and such a
/// small piece then waits for the other side's acknowledgement, which is late by 40 ms. `None` where it is no text.
pub(super) fn in_one_piece(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    // A line that ends otherwise than by the standard is lettre's to mend.
    if text.replace("\r\n", "").contains(['\r', '\n']) {
        return None;
    }
    let mut out = text.replace("\r\n.", "\r\n..");
    if out.starts_with('.') {
        out.insert(0, '.');
    }
    out.push_str(if out.ends_with("\r\n") { ".\r\n" } else { "\r\n.\r\n" });
    Some(out)
}

/// What the message needs the server to be able to do.
pub(super) fn mail_parameters(
    connection: &AsyncSmtpConnection,
    envelope: &Envelope,
    bytes: &[u8],
) -> Result<Vec<MailParameter>, SendError> {
    let mut parameters = Vec::new();
    let server = connection.server_info();
    let ascii = |address: &lettre::Address| AsRef::<str>::as_ref(address).is_ascii();
    let (from, to) = (envelope.from().is_none_or(ascii), envelope.to().iter().all(ascii));
    if !(from && to) {
        if !server.supports_feature(Extension::SmtpUtfEight) {
            // The sender is everybody's: without it no letter goes, and none is at fault.
            return Err(if from {
                SendError::permanent(
                    "the recipient's address is international (RFC 6531) and the server does not offer SMTPUTF8",
                )
            } else {
                SendError::unreachable(
                    "the sender's address (mail.from) is international (RFC 6531) and the server does not offer SMTPUTF8",
                )
            });
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !bytes.is_ascii() {
        if !server.supports_feature(Extension::EightBitMime) {
            return Err(SendError::permanent(
                "the message is not ASCII and the server does not offer 8BITMIME",
            ));
        }
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::in_one_piece;

    #[test]
    fn a_message_ends_once_and_its_dots_are_doubled() {
        for (message, written) in [
            ("a\r\n.b\r\n", "a\r\n..b\r\n.\r\n"),
            (".\r\n.\r\n..", "..\r\n..\r\n...\r\n.\r\n"),
            ("ü", "ü\r\n.\r\n"),
            ("\r\n", "\r\n.\r\n"),
        ] {
            assert_eq!(in_one_piece(message.as_bytes()).as_deref(), Some(written));
        }
        for bare in [&b"a\nb"[..], b"a\rb", b"a\r\n\n.", b"\xff"] {
            assert_eq!(in_one_piece(bare), None);
        }
    }
}
