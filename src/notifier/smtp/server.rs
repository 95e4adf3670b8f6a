//! How a mail server is spoken to, and what each of its refusals means.
//!
//! lettre's own pool takes a connection back even when a send was dropped half-way, and the next letter would then
//! read the answer to this one. So connections are kept here: one is put back only after a complete conversation, and
//! a dropped send closes its own.

use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Code;
use secrecy::{ExposeSecret, SecretString};

use super::transport::{Security, SendError, SettingsError, harmless};
use crate::secret::Secret;

/// Connections kept between letters, and those kept while there is nothing to send.
const MAX_IDLE: usize = 16;
pub(super) const RESTING: usize = 2;

/// Where a server is and how it is reached.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
}

/// A mail server and the connections to it that wait for the next letter.
pub(super) struct Server {
    place: Endpoint,
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    /// What the server was told at the login, and may say back at any time.
    password: Option<Secret>,
    hello: ClientId,
    deadline: Duration,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: AsyncSmtpConnection,
    /// A letter was refused on it: RSET comes first.
    needs_reset: bool,
}

/// How far a conversation has come: what a deadline that passes then means.
#[derive(Debug, Default)]
struct Progress(AtomicU8);

const CONNECTING: u8 = 0;
const ADDRESSING: u8 = 1;
const WRITING: u8 = 2;

/// How a conversation ended, other than well.
enum Failure {
    /// A kept connection had died meanwhile; nothing was said yet.
    Stale,
    Final(SendError),
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Server {
    pub(super) fn new(
        place: Endpoint,
        login: Option<(String, Option<SecretString>)>,
        ca_file: Option<&Path>,
        deadline: Duration,
    ) -> Result<Self, SettingsError> {
        if place.security == Security::None && !is_loopback(&place.host) {
            return Err(SettingsError::Unprotected(place.host));
        }
        let tls = match place.security {
            Security::None => None,
            Security::StartTls | Security::Tls => Some(tls_parameters(&place.host, ca_file)?),
        };
        let (credentials, password) = match login {
            None => (None, None),
            Some((_, None)) => return Err(SettingsError::Password),
            Some((name, Some(password))) => {
                let credentials = Credentials::new(name, password.expose_secret().to_owned());
                (Some(credentials), Some(Secret::new(password)))
            }
        };
        let hello = ClientId::default();
        Ok(Self { place, tls, credentials, password, hello, deadline, idle: Mutex::new(Vec::new()) })
    }

    /// Sends one message within the deadline; gives back the server's words.
    pub(super) async fn send(&self, envelope: &Envelope, bytes: &[u8]) -> Result<String, SendError> {
        let progress = Progress::default();
        match tokio::time::timeout(self.deadline, self.deliver(envelope, bytes, &progress)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(progress.timed_out(self.deadline)),
        }
    }

    /// Connects, greets, protects, logs in, and leaves.
    pub(super) async fn check(&self) -> Result<String, SendError> {
        let visit = async {
            let mut connection = self.connect().await?;
            connection.command(Noop).await.map_err(|error| self.unreachable("NOOP", &error))?;
            let encrypted = connection.is_encrypted();
            // The answer to QUIT matters to nobody.
            let _ = connection.quit().await;
            Ok(encrypted)
        };
        let encrypted = match tokio::time::timeout(self.deadline, visit).await {
            Ok(outcome) => outcome?,
            Err(_) => return Err(Progress::default().timed_out(self.deadline)),
        };
        let protection = match self.place.security {
            _ if !encrypted => "without TLS",
            Security::StartTls => "with STARTTLS",
            Security::Tls | Security::None => "with TLS",
        };
        let login = if self.credentials.is_some() { ", login accepted" } else { ", no login" };
        Ok(format!("{}:{} answers {protection}{login}", self.place.host, self.place.port))
    }

    /// Takes leave on all kept connections but `kept` of them.
    pub(super) async fn close_idle_but(&self, kept: usize) {
        let idle = {
            let mut idle = self.idle();
            let kept = kept.min(idle.len());
            idle.split_off(kept)
        };
        if idle.is_empty() {
            return;
        }
        let leave = async {
            for mut kept in idle {
                let _ = kept.connection.quit().await;
            }
        };
        // Whoever does not say goodbye in time is left without.
        let _ = tokio::time::timeout(Duration::from_secs(2), leave).await;
    }

    async fn deliver(
        &self,
        envelope: &Envelope,
        bytes: &[u8],
        progress: &Progress,
    ) -> Result<String, SendError> {
        let kept = self.idle().pop();
        if let Some(kept) = kept {
            match self.converse(kept, true, envelope, bytes, progress).await {
                Ok(response) => return Ok(response),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Stale) => {
                    progress.reach(CONNECTING);
                    // What closed one has closed the others too, most likely.
                    self.idle().clear();
                }
            }
        }
        let fresh = Idle { connection: self.connect().await?, needs_reset: false };
        match self.converse(fresh, false, envelope, bytes, progress).await {
            Ok(response) => Ok(response),
            Err(Failure::Final(error)) => Err(error),
            Err(Failure::Stale) => Err(SendError::unreachable("the server closed a new connection")),
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let place = (self.place.host.as_str(), self.place.port);
        let wrapper = self.tls.clone().filter(|_| self.place.security == Security::Tls);
        let mut connection = match wrapper {
            None => {
                let failed = |error: std::io::Error| SendError::unreachable(&format!("connection: {error}"));
                let stream = tokio::net::TcpStream::connect(place).await.map_err(failed)?;
                // Each command waits for its answer: none may wait for company on its way.
                stream.set_nodelay(true).map_err(failed)?;
                AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello).await
            }
            Some(tls) => {
                let limit = Some(self.deadline);
                AsyncSmtpConnection::connect_tokio1(place, limit, &self.hello, Some(tls), None).await
            }
        }
        .map_err(|error| self.unreachable("connection", &error))?;
        if let Some(tls) = self.tls.clone().filter(|_| self.place.security == Security::StartTls) {
            if !connection.can_starttls() {
                return Err(SendError::unreachable(
                    "the server does not offer STARTTLS; nothing is sent without it",
                ));
            }
            connection
                .starttls(tls, &self.hello)
                .await
                .map_err(|error| self.unreachable("STARTTLS", &error))?;
        }
        if let Some(credentials) = &self.credentials {
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], credentials)
                .await
                .map_err(|error| refused_login(&error))?;
        }
        Ok(connection)
    }

    async fn converse(
        &self,
        mut kept: Idle,
        reused: bool,
        envelope: &Envelope,
        bytes: &[u8],
        progress: &Progress,
    ) -> Result<String, Failure> {
        let connection = &mut kept.connection;
        let parameters = match mail_parameters(connection, envelope, bytes) {
            Ok(parameters) => parameters,
            Err(error) => {
                self.keep(kept);
                return Err(Failure::Final(error));
            }
        };
        if kept.needs_reset && connection.command(Rset).await.is_err() {
            return Err(Failure::Stale);
        }
        if let Err(error) = connection.command(Mail::new(envelope.from().cloned(), parameters)).await {
            // Every letter has the same sender, so a refusal here says nothing of this one.
            let gone = error.status().is_none_or(|code| number(code) == 421);
            if error.status().is_some_and(|code| number(code) == 555) {
                // What this letter asked for beside the address, which others may not ask for.
                return Err(self.refused(kept, "MAIL FROM", &error));
            }
            return Err(if reused && gone {
                Failure::Stale
            } else {
                Failure::Final(self.unreachable("MAIL FROM", &error))
            });
        }
        progress.reach(ADDRESSING);
        for to in envelope.to() {
            if let Err(error) = connection.command(Rcpt::new(to.clone(), Vec::new())).await {
                return Err(self.refused(kept, "recipient", &error));
            }
        }
        if let Err(error) = connection.command(Data).await {
            return Err(self.refused(kept, "DATA", &error));
        }
        progress.reach(WRITING);
        let answer = match in_one_piece(bytes) {
            Some(message) => connection.command(message).await,
            None => connection.message(bytes).await,
        };
        match answer {
            Ok(response) => {
                let said = response.message().collect::<Vec<_>>().join(" ");
                let words = format!("{} {}", response.code(), self.masked(&said));
                self.keep(Idle { needs_reset: false, ..kept });
                Ok(words)
            }
            Err(error) => Err(self.refused(kept, "message", &error)),
        }
    }

    /// What a refusal of this letter means; the connection is kept where the server is still talking.
    fn refused(&self, kept: Idle, what: &str, error: &Error) -> Failure {
        let words = self.words(what, error);
        let Some(code) = error.status() else {
            // Cut off or nonsense while this letter was being handed over: it may be this letter's doing, and it may
            // have been taken. Only this letter waits; the next one finds out whether the server is dead.
            return Failure::Final(SendError::temporary(&words));
        };
        match number(code) {
            421 | 530 | 535 | 538 => Failure::Final(SendError::unreachable(&words)),
            status => {
                self.keep(Idle { needs_reset: true, ..kept });
                Failure::Final(if status >= 500 {
                    SendError::permanent(&words)
                } else {
                    SendError::temporary(&words)
                })
            }
        }
    }

    fn unreachable(&self, what: &str, error: &Error) -> SendError {
        SendError::unreachable(&self.words(what, error))
    }

    /// The failure in words: the server's own where it spoke, else what broke.
    fn words(&self, what: &str, error: &Error) -> String {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            // Each layer repeats the one below it: the innermost says it once.
            cause = deeper;
        }
        match (error.status(), std::error::Error::source(error)) {
            (Some(code), None) => format!("{what}: {code}"),
            (Some(code), Some(_)) => format!("{what}: {code} {}", self.masked(&cause.to_string())),
            (None, _) => format!("{what}: {}", self.masked(&cause.to_string())),
        }
    }

    /// What the server says without the password, before anything else is done to it: a server can say it back long
    /// after the login.
    fn masked(&self, said: &str) -> String {
        self.password.as_ref().map_or_else(|| said.to_owned(), |password| password.redact_text(said))
    }

    fn keep(&self, kept: Idle) {
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE {
            idle.push(kept);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    fn reach(&self, stage: u8) {
        self.0.store(stage, Ordering::Relaxed);
    }

    /// A server that is slow with one recipient or one letter must not hold up the others.
    fn timed_out(&self, deadline: Duration) -> SendError {
        let limit = deadline.as_secs_f32();
        match self.0.load(Ordering::Relaxed) {
            CONNECTING => SendError::unreachable(&format!("no answer within {limit} s")),
            ADDRESSING => {
                SendError::temporary(&format!("the server did not take the recipient within {limit} s"))
            }
            _ => SendError::temporary(&format!(
                "the server did not confirm the message within {limit} s; it may have taken it"
            )),
        }
    }
}

/// The message with its dots doubled and its end, to be written at once: lettre writes the end by itself, and such a
/// small piece then waits for the other side's acknowledgement, which is late by 40 ms. `None` where it is no text.
fn in_one_piece(bytes: &[u8]) -> Option<String> {
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
fn mail_parameters(
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

fn tls_parameters(host: &str, ca_file: Option<&Path>) -> Result<TlsParameters, SettingsError> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = ca_file {
        let pem = std::fs::read(path).map_err(|error| SettingsError::CaFile(path.to_owned(), error))?;
        let certificate =
            Certificate::from_pem(&pem).map_err(|error| SettingsError::Tls(harmless(&error.to_string())))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|error| SettingsError::Tls(harmless(&error.to_string())))
}

/// True for a host that can only be this machine.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => {
            let host = host.to_ascii_lowercase();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

/// Only the code of a refused login: a server may say the password back in its words.
fn refused_login(error: &Error) -> SendError {
    match error.status() {
        Some(code) => SendError::unreachable(&format!("login: {code}")),
        None => SendError::unreachable("login: it broke off, or the answer is no SMTP"),
    }
}

/// The three digits as a number.
fn number(code: Code) -> u16 {
    u16::from(code)
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
