//! Which refusal is about whom: the table, with the servers that say so.
//!
//! The digits decide and the text never does. The first row that fits holds. `docs/mail.md` shows the same table to
//! people; a test holds the two together, and another gives each answer as a server would.

use std::fmt;

use super::reply::{EnhancedStatus, Reply};

/// What a mail server was asked when it refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SmtpStep {
    Greeting,
    Hello,
    StartTls,
    Login,
    Sender,
    Recipient,
    Data,
    Message,
}

impl fmt::Display for SmtpStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "connection",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Login => "login",
            Self::Sender => "MAIL FROM",
            Self::Recipient => "recipient",
            Self::Data => "DATA",
            Self::Message => "message",
        })
    }
}

/// Whom a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// Us: name, sender, login, quota, policy. No letter can go, and none is at fault.
    Us,
    /// How much we want at a time, or in a while.
    Load,
    /// This recipient alone.
    Recipient,
    /// This recipient, most likely: the digits do not say so.
    PerhapsRecipient,
    /// This message alone.
    Message,
    /// Us, or this letter: what becomes of the next one will tell.
    Unclear,
    /// This letter, for now.
    Later,
}

/// A row of the table. `code` and `status` are patterns: `x` is any digit, `*` any number; an empty status is none at
/// all, and `*` alone is any or none.
pub(super) struct Row {
    steps: &'static [SmtpStep],
    code: &'static str,
    status: &'static str,
    pub(super) about: About,
    /// Who says so.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "docs/mail.md shows it; a test holds the two together")
    )]
    pub(super) server: &'static str,
    /// As it says it.
    #[cfg_attr(not(test), expect(dead_code, reason = "the test gives it as a server would"))]
    pub(super) reply: &'static str,
    /// What to do, where a person can do something.
    pub(super) advice: &'static str,
}

use About::{Later, Load, Message, PerhapsRecipient, Recipient, Unclear, Us};

const ANY: &[SmtpStep] = &[
    SmtpStep::Greeting,
    SmtpStep::Hello,
    SmtpStep::StartTls,
    SmtpStep::Login,
    SmtpStep::Sender,
    SmtpStep::Recipient,
    SmtpStep::Data,
    SmtpStep::Message,
];
const LETTER: &[SmtpStep] = &[SmtpStep::Sender, SmtpStep::Recipient, SmtpStep::Data, SmtpStep::Message];
const LOGIN: &[SmtpStep] = &[SmtpStep::Login];
const HELLO: &[SmtpStep] = &[SmtpStep::Hello];
const DOOR: &[SmtpStep] = &[SmtpStep::Greeting, SmtpStep::Hello, SmtpStep::StartTls, SmtpStep::Login];
const SENDER: &[SmtpStep] = &[SmtpStep::Sender];
const RCPT: &[SmtpStep] = &[SmtpStep::Recipient, SmtpStep::Data];
const MESSAGE: &[SmtpStep] = &[SmtpStep::Message];

const OUR_NAME: &str = "set mail.smtp.hello to this machine's full name";
const OUR_SENDER: &str = "the login may not send as mail.from";
const OUR_LOGIN: &str = "is the user name or the password wrong?";
const NO_BASIC: &str =
    "logins by password are switched off there: allow SMTP AUTH for this mailbox, or use another server";
const APP_PASSWORD: &str = "Google wants an app password here, not the account's own";
const WANTS_LOGIN: &str = "the server wants a login: mail.smtp.username and a password";
const QUOTA: &str = "the server's quota for this sender is used up";
const POLICY: &str = "the server's policy is against this sender or this machine";
const RELAY: &str = "does the server know us, and may it pass letters on for us?";

const fn row(
    steps: &'static [SmtpStep],
    code: &'static str,
    status: &'static str,
    about: About,
    server: &'static str,
    reply: &'static str,
    advice: &'static str,
) -> Row {
    Row { steps, code, status, about, server, reply, advice }
}

/// Sources: RFC 5321 (codes), RFC 3463, 4954, 5248 and 7372 (enhanced codes); Postfix `postconf(5)` (`*_reject_code`)
/// and its source `smtpd_check.c`; Exim's specification, chapter 44; "Email non-delivery reports in Exchange Online";
/// "Gmail SMTP errors and codes"; "Amazon SES SMTP response codes"; qmail `qmail-smtpd.c`; OpenSMTPD `smtp_session.c`.
#[rustfmt::skip]
pub(super) static TABLE: &[Row] = &[
    // How much at a time.
    row(ANY, "421", "*", Load, "Gmail", "421 4.7.0 Try again later, closing connection.", ""),
    row(LETTER, "432", "*", Load, "Exchange Online", "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", ""),
    row(LETTER, "4xx", "4.3.2", Load, "Exchange", "452 4.3.2 System not accepting network messages", ""),
    row(LETTER, "451", "4.7.5*", Load, "Exchange Online", "451 4.7.500 Server busy. Please try again later", ""),
    row(RCPT, "454", "4.7.1", Us, "Postfix", "454 4.7.1 <a@example.com>: Relay access denied", RELAY),
    row(LETTER, "454", "*", Load, "Amazon SES", "454 Throttling failure: Maximum sending rate exceeded", ""),
    row(SENDER, "450", "*", Load, "Postfix", "450 4.7.1 Error: too much mail from 192.0.2.1", ""),
    // Who we are, wherever it is said.
    row(LOGIN, "535", "5.7.139", Us, "Exchange Online", "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.", NO_BASIC),
    row(LOGIN, "534", "5.7.9", Us, "Gmail", "534-5.7.9 Application-specific password required.", APP_PASSWORD),
    row(LOGIN, "535", "5.7.8", Us, "Gmail", "535-5.7.8 Username and Password not accepted.", OUR_LOGIN),
    row(LOGIN, "535", "*", Us, "OpenSMTPD", "535 Authentication failed", OUR_LOGIN),
    row(HELLO, "5xx", "*", Us, "Exim", "501 Syntactically invalid EHLO argument(s)", OUR_NAME),
    row(DOOR, "xxx", "*", Us, "RFC 5321", "554 5.3.2 No SMTP service here", ""),
    row(LETTER, "530", "*", Us, "OpenSMTPD", "530 5.5.1 Invalid command: Must issue an AUTH command first", WANTS_LOGIN),
    row(LETTER, "535", "*", Us, "RFC 4954", "535 5.7.8 Authentication credentials invalid", OUR_LOGIN),
    row(LETTER, "534", "*", Us, "RFC 4954", "534 5.7.9 Authentication mechanism is too weak", OUR_LOGIN),
    row(LETTER, "538", "*", Us, "RFC 4954", "538 5.7.11 Encryption required for requested authentication mechanism", WANTS_LOGIN),
    row(LETTER, "504", "*", Us, "Postfix", "504 5.5.2 <host>: Helo command rejected: need fully-qualified hostname", OUR_NAME),
    row(LETTER, "50x", "5.5.2", Us, "Postfix", "501 5.5.2 <host>: Helo command rejected: Invalid name", OUR_NAME),
    row(LETTER, "503", "*", Us, "Exim", "503 AUTH command used when not advertised", WANTS_LOGIN),
    row(LETTER, "500", "*", Us, "RFC 5321", "500 5.5.1 Command unrecognized", ""),
    row(LETTER, "502", "*", Us, "RFC 5321", "502 5.5.1 Command not implemented", ""),
    row(LETTER, "5xx", "5.4.5", Us, "Gmail", "550-5.4.5 Daily user sending limit exceeded.", QUOTA),
    row(LETTER, "5xx", "5.1.90", Us, "Exchange Online", "554 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients", QUOTA),
    row(LETTER, "xxx", "*.1.7", Us, "Sendmail", "553 5.1.7 Domain name required for sender address", OUR_SENDER),
    row(LETTER, "xxx", "*.1.8", Us, "Postfix", "450 4.1.8 <a@example.com>: Sender address rejected: Domain not found", OUR_SENDER),
    row(LETTER, "5xx", "5.2.252", Us, "Exchange Online", "554 5.2.252 SendAsDenied; d@example.com not allowed to send as f@example.com", OUR_SENDER),
    row(LETTER, "5xx", "5.7.60", Us, "Exchange Online", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", OUR_SENDER),
    row(LETTER, "5xx", "5.7.57", Us, "Exchange Online", "550 5.7.57 SMTP; Client was not authenticated to send anonymous mail", WANTS_LOGIN),
    row(LETTER, "5xx", "5.7.54", Us, "Exchange", "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", RELAY),
    // What comes with the sender's address.
    row(SENDER, "555", "*", Message, "RFC 5321", "555 5.5.4 Unsupported option: SMTPUTF8", ""),
    row(SENDER, "552", "*", Message, "Postfix", "552 5.3.4 Message size exceeds fixed limit", ""),
    row(SENDER, "xxx", "*", Us, "Exim", "550 Sender verify failed", OUR_SENDER),
    // What is said of the recipient.
    row(RCPT, "553", "5.7.1", Us, "Postfix, qmail", "553 5.7.1 <a@example.com>: Sender address rejected: not owned by user d", OUR_SENDER),
    row(RCPT, "5xx", "5.7.124", Recipient, "Exchange Online", "550 5.7.124 RESOLVER.RST.SenderNotInAllowedList", ""),
    row(RCPT, "5xx", "5.7.13x", Recipient, "Exchange Online", "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup", ""),
    row(RCPT, "5xx", "5.7.0", Unclear, "Gmail", "550 5.7.0 Mail relay denied", POLICY),
    row(RCPT, "5xx", "5.7.1", Unclear, "Postfix", "554 5.7.1 <a@example.com>: Relay access denied", RELAY),
    row(RCPT, "5xx", "5.7.*", Us, "Exchange Online", "550 5.7.64 TenantAttribution; Relay Access Denied", POLICY),
    row(RCPT, "5xx", "5.1.*", Recipient, "Postfix, Gmail", "550 5.1.1 <a@example.com>: Recipient address rejected: User unknown", ""),
    row(RCPT, "5xx", "5.2.*", Recipient, "Dovecot", "552 5.2.2 <a@example.com> Quota exceeded (mailbox for user is full)", ""),
    row(RCPT, "5xx", "5.4.*", Recipient, "Exchange Online", "550 5.4.1 Recipient address rejected: Access denied", ""),
    row(RCPT, "55x", "5.3.*", Unclear, "Sendmail", "550 5.3.0 REJECT", POLICY),
    row(RCPT, "554", "*", Unclear, "Postfix", "554 Service unavailable; client blocked", POLICY),
    row(RCPT, "5xx", "5.5.*", Unclear, "Exchange", "550 5.5.4 Invalid arguments", ""),
    row(RCPT, "5xx", "*", PerhapsRecipient, "Exim, OpenSMTPD", "550 Unrouteable address", ""),
    // What is said of the message.
    row(MESSAGE, "5xx", "5.2.0", Us, "Exchange Online", "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", QUOTA),
    row(MESSAGE, "5xx", "5.2.2", Unclear, "Exchange Online", "554 5.2.2 mailbox full", QUOTA),
    row(MESSAGE, "5xx", "5.2.3", Message, "Gmail", "552 5.2.3 Your message exceeded Google's message size limits", ""),
    row(MESSAGE, "552", "*", Message, "Gmail, qmail", "552 sorry, that message size exceeds my databytes limit (#5.3.4)", ""),
    row(MESSAGE, "5xx", "5.3.4", Message, "Postfix", "554 5.3.4 Message too big", ""),
    row(MESSAGE, "5xx", "5.4.6", Message, "Postfix, qmail", "554 5.4.6 Error: too many hops", ""),
    row(MESSAGE, "5xx", "5.6.*", Message, "Exchange", "550 5.6.0 CAT.InvalidContent.Exception", ""),
    row(MESSAGE, "5xx", "5.1.*", Recipient, "Exchange", "550 5.1.1 RESOLVER.ADR.RecipNotFound; not found", ""),
    row(MESSAGE, "5xx", "5.2.*", Recipient, "Dovecot", "550 5.2.1 Mailbox is disabled", ""),
    row(MESSAGE, "5xx", "5.4.*", Recipient, "Exchange Online", "550 5.4.4 Invalid arguments, host not found", ""),
    row(MESSAGE, "5xx", "5.7.0", Unclear, "Amavis", "554 5.7.0 Reject, id=1 - spam", POLICY),
    row(MESSAGE, "5xx", "5.7.1", Unclear, "Postfix, Exim", "550 5.7.1 Message rejected as spam", POLICY),
    row(MESSAGE, "5xx", "5.7.*", Us, "Gmail", "550-5.7.26 This mail has been blocked because the sender is unauthenticated.", POLICY),
    row(MESSAGE, "5xx", "*", Unclear, "Amazon SES", "554 Message rejected: Email address is not verified.", POLICY),
    // For now.
    row(LETTER, "4xx", "*", Later, "Postfix, Exim", "451 4.7.1 Greylisted, please come back", ""),
];

/// The row that says whom a refusal is about; none for an answer that is no refusal and was not to be expected.
pub(super) fn row_of(step: SmtpStep, reply: &Reply) -> Option<&'static Row> {
    let code = reply.code.to_string();
    TABLE.iter().find(|row| {
        row.steps.contains(&step) && fits(row.code, &code) && status_fits(row.status, reply.status)
    })
}

/// `x` stands for any one character.
fn fits(pattern: &str, text: &str) -> bool {
    pattern.len() == text.len() && pattern.bytes().zip(text.bytes()).all(|(p, b)| p == b'x' || p == b)
}

fn status_fits(pattern: &str, status: Option<EnhancedStatus>) -> bool {
    match (pattern, status) {
        ("*", _) => true,
        ("", status) => status.is_none(),
        (_, None) => false,
        (pattern, Some(status)) => {
            let text = status.to_string();
            let part = |(p, t): (&str, &str)| {
                p.strip_suffix('*').map_or_else(|| fits(p, t), |head| t.starts_with(head))
            };
            pattern.split('.').zip(text.split('.')).all(part)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn reply(text: &str) -> Reply {
        // A server that begins with `534-` goes on; here it ends.
        let text = format!("{} {}\r\n", &text[..3], &text[4..]);
        Reply::read(&mut text.as_bytes()).await.unwrap()
    }

    #[tokio::test]
    async fn each_row_is_reached_by_its_own_answer() {
        for (number, row) in TABLE.iter().enumerate() {
            let reply = reply(row.reply).await;
            for step in row.steps {
                let found = row_of(*step, &reply).unwrap();
                let place = TABLE.iter().position(|one| std::ptr::eq(one, found)).unwrap();
                // A general row may stand behind a special one, for some of its steps.
                assert!(place <= number, "{step}: {}", row.reply);
            }
            let own = row.steps.iter().any(|step| std::ptr::eq(row_of(*step, &reply).unwrap(), row));
            assert!(own, "no step reaches {:?}: {}", row.status, row.reply);
        }
    }

    #[tokio::test]
    async fn whatever_a_server_refuses_somebody_is_meant() {
        for step in ANY {
            for code in 400..600 {
                for status in ["", "x.0.0 ", "x.1.1 ", "x.2.252 ", "x.7.509 ", "x.9.999 "] {
                    let status = status.replace('x', &(code / 100).to_string());
                    let text = format!("{code} {status}no");
                    let found = row_of(*step, &reply(&text).await).map(|row| row.about);
                    assert!(found.is_some(), "{step}: {text}");
                    let passing = matches!(found, Some(Us | Load | Later));
                    assert!(
                        code >= 500 || passing,
                        "{step}: {text} kills a letter for a refusal that passes"
                    );
                }
            }
        }
    }

    #[test]
    fn the_table_is_the_one_that_people_read() {
        let page = include_str!("../../../docs/mail.md");
        for row in TABLE {
            let line = format!("| {} | `{}` |", row.server, row.reply);
            assert!(page.contains(&line), "docs/mail.md lacks\n{line}");
        }
    }
}
