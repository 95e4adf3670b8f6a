//! How a mail server is spoken to, and what each of its refusals means.
//!
//! lettre's own pool takes a connection back even when a send was dropped half-way, and the next letter would then
//! read the answer to this one. So connections are kept here: one is put back only after a complete conversation, and
//! a dropped send closes its own.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Code;
use secrecy::{ExposeSecret, SecretString};

use super::endpoint::{Endpoint, is_loopback, tls_parameters};
use super::message::{in_one_piece, mail_parameters};
use super::progress::{ADDRESSING, CONNECTING, Progress, WRITING};
use crate::notifier::report::SendError;
use crate::notifier::settings::{Security, SettingsError};
use crate::secret::Secret;

/// Connections kept between letters, and those kept while there is nothing to send.
const MAX_IDLE: usize = 16;
pub(in crate::notifier) const RESTING: usize = 2;

/// A mail server and the connections to it that wait for the next letter.
pub(in crate::notifier) struct Server {
    endpoint: Endpoint,
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

/// How a conversation ended, other than well.
enum Failure {
    /// A kept connection had died meanwhile; nothing was said yet.
    Stale,
    Final(SendError),
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Server {
    pub(in crate::notifier) fn new(
        endpoint: Endpoint,
        login: Option<(String, Option<SecretString>)>,
        ca_file: Option<&Path>,
        deadline: Duration,
    ) -> Result<Self, SettingsError> {
        if endpoint.security == Security::None && !is_loopback(&endpoint.host) {
            return Err(SettingsError::Unprotected(endpoint.host));
        }
        let tls = match endpoint.security {
            Security::None => None,
            Security::StartTls | Security::Tls => Some(tls_parameters(&endpoint.host, ca_file)?),
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
        Ok(Self { endpoint, tls, credentials, password, hello, deadline, idle: Mutex::new(Vec::new()) })
    }

    /// Sends one message within the deadline; gives back the server's words.
    pub(in crate::notifier) async fn send(
        &self,
        envelope: &Envelope,
        bytes: &[u8],
    ) -> Result<String, SendError> {
        let progress = Progress::default();
        match tokio::time::timeout(self.deadline, self.deliver(envelope, bytes, &progress)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(progress.timed_out(self.deadline)),
        }
    }

    /// Connects, greets, protects, logs in, and leaves.
    pub(in crate::notifier) async fn check(&self) -> Result<String, SendError> {
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
        let protection = match self.endpoint.security {
            _ if !encrypted => "without TLS",
            Security::StartTls => "with STARTTLS",
            Security::Tls | Security::None => "with TLS",
        };
        let login = if self.credentials.is_some() { ", login accepted" } else { ", no login" };
        Ok(format!("{}:{} answers {protection}{login}", self.endpoint.host, self.endpoint.port))
    }

    /// Takes leave on all kept connections but `kept` of them.
    pub(in crate::notifier) async fn close_idle_but(&self, kept: usize) {
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
        let address = (self.endpoint.host.as_str(), self.endpoint.port);
        let wrapper = self.tls.clone().filter(|_| self.endpoint.security == Security::Tls);
        let mut connection = match wrapper {
            None => {
                let failed = |error: std::io::Error| SendError::unreachable(&format!("connection: {error}"));
                let stream = tokio::net::TcpStream::connect(address).await.map_err(failed)?;
                // Each command waits for its answer: none may wait for company on its way.
                stream.set_nodelay(true).map_err(failed)?;
                AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello).await
            }
            Some(tls) => {
                let limit = Some(self.deadline);
                AsyncSmtpConnection::connect_tokio1(address, limit, &self.hello, Some(tls), None).await
            }
        }
        .map_err(|error| self.unreachable("connection", &error))?;
        if let Some(tls) = self.tls.clone().filter(|_| self.endpoint.security == Security::StartTls) {
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
