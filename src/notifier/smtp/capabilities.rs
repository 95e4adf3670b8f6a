//! What a mail server says that it can do, in its answer to EHLO.

use super::reply::{Reply, readable};

/// What the server offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// TLS can begin on this connection (RFC 3207).
    pub(super) starttls: bool,
    /// Addresses that are not ASCII (RFC 6531).
    pub(super) smtputf8: bool,
    /// Messages that are not ASCII (RFC 6152).
    pub(super) eight_bit: bool,
    /// The ways to log in, in capitals (RFC 4954).
    pub(super) logins: Vec<String>,
}

impl Capabilities {
    pub(super) fn read(reply: &Reply) -> Self {
        let mut found = Self::default();
        // The first line is the server's name.
        for line in reply.lines.iter().skip(1) {
            // `AUTH=LOGIN` is how servers of the nineties wrote it.
            let line = readable(line).to_ascii_uppercase().replacen("AUTH=", "AUTH ", 1);
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("STARTTLS") => found.starttls = true,
                Some("SMTPUTF8") => found.smtputf8 = true,
                Some("8BITMIME") => found.eight_bit = true,
                Some("AUTH") => {
                    for word in words.map(str::to_owned) {
                        if !found.logins.contains(&word) {
                            found.logins.push(word);
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// Whether this way to log in is offered.
    pub(super) fn offers_login(&self, name: &str) -> bool {
        self.logins.iter().any(|login| login == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn offers_are_read_in_any_letter_case_and_old_writing() {
        let bytes = b"250-mail.example.com Hello\xfc\r\n250-starttls\r\n250-SIZE 100\r\n250-AUTH=NTLM login\r\n250-auth PLAIN LOGIN\r\n250-8bitmime\r\n250 SMTPUTF8\r\n";
        let reply = Reply::read(&mut &bytes[..]).await.unwrap();
        let found = Capabilities::read(&reply);
        assert!(found.starttls && found.smtputf8 && found.eight_bit);
        assert_eq!(found.logins, ["NTLM", "LOGIN", "PLAIN"]);
        // A server that is called STARTTLS offers nothing by that.
        let reply = Reply::read(&mut &b"250 STARTTLS\r\n"[..]).await.unwrap();
        assert_eq!(Capabilities::read(&reply), Capabilities::default());
    }
}
