//! How a message is written to the connection, and what it needs the server to be able to do.

use lettre::address::Envelope;

use super::capabilities::Capabilities;
use crate::notifier::report::{Culprit, SendError};

/// The message with its dots doubled and its end (RFC 5321, 4.5.2), to be written at once: a small piece by itself would
/// wait for the other side's acknowledgement, which is late by 40 ms. Every line ends by the standard.
pub(super) fn in_one_piece(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len().saturating_add(64));
    let mut rest = message;
    let mut begins = true;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\r' | b'\n' => {
                if *byte == b'\r' {
                    rest = after.strip_prefix(b"\n").unwrap_or(after);
                }
                out.extend_from_slice(b"\r\n");
                begins = true;
                continue;
            }
            b'.' if begins => out.extend_from_slice(b".."),
            other => out.push(*other),
        }
        begins = false;
    }
    out.extend_from_slice(if begins { b".\r\n" } else { b"\r\n.\r\n" });
    out
}

/// What the message needs the server to be able to do, as MAIL asks for it.
pub(super) fn mail_parameters(
    server: &Capabilities,
    envelope: &Envelope,
    bytes: &[u8],
) -> Result<String, SendError> {
    let mut parameters = String::new();
    let ascii = |address: &lettre::Address| AsRef::<str>::as_ref(address).is_ascii();
    let (from, to) = (envelope.from().is_none_or(ascii), envelope.to().iter().all(ascii));
    if !(from && to) {
        if !server.smtputf8 {
            // The sender is everybody's: without it no letter goes, and none is at fault.
            return Err(if from {
                SendError::permanent(
                    Culprit::Message,
                    "the recipient's address is international (RFC 6531) and the server does not offer SMTPUTF8",
                )
            } else {
                SendError::unreachable(
                    "the sender's address (mail.from) is international (RFC 6531) and the server does not offer SMTPUTF8",
                )
            });
        }
        parameters.push_str(" SMTPUTF8");
    }
    if !bytes.is_ascii() {
        if !server.eight_bit {
            return Err(SendError::permanent(
                Culprit::Message,
                "the message is not ASCII and the server does not offer 8BITMIME",
            ));
        }
        parameters.push_str(" BODY=8BITMIME");
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::in_one_piece;

    #[test]
    fn a_message_ends_once_and_its_dots_are_doubled() {
        for (message, written) in [
            (&b"a\r\n.b\r\n"[..], &b"a\r\n..b\r\n.\r\n"[..]),
            (b".\r\n.\r\n..", b"..\r\n..\r\n...\r\n.\r\n"),
            ("ü".as_bytes(), "ü\r\n.\r\n".as_bytes()),
            (b"\r\n", b"\r\n.\r\n"),
            (b"", b".\r\n"),
            // Other ends of a line become the standard's, so that no server sees an end where there is none.
            (b"a\nb", b"a\r\nb\r\n.\r\n"),
            (b"a\rb", b"a\r\nb\r\n.\r\n"),
            (b"a\r\n\n.", b"a\r\n\r\n..\r\n.\r\n"),
            (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r\r\nb", b"a\r\n\r\nb\r\n.\r\n"),
            (b"\xff", b"\xff\r\n.\r\n"),
        ] {
            assert_eq!(in_one_piece(message), written, "{message:?}");
        }
    }
}
