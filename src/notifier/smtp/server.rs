//! How letters are handed to a mail server, and what each of its refusals means to them.
//!
//! A connection is kept only after a complete conversation, and a dropped send closes its own: the next letter can
//! never read the answer to this one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lettre::address::Envelope;
use secrecy::SecretString;

use super::connection::{Cause, Login, SmtpConnection, Trouble};
use super::endpoint::Endpoint;
use super::hello::own_name;
use super::message::{in_one_piece, mail_parameters};
use super::pool::Pool;
use super::progress::{ADDRESSING, CONNECTING, Progress, WRITING};
use super::refusals::{About, SmtpStep, row_of};
use super::reply::{NoReply, Reply, readable};
use super::tls::Tls;
use crate::domain::host::is_loopback;
use crate::notifier::report::{Culprit, SendError, harmless};
use crate::notifier::settings::{Security, SettingsError};
use crate::notifier::text::one_line;
use crate::secret::Secret;

/// Connections kept while there is nothing to send.
pub(in crate::notifier) const RESTING: usize = 2;
/// So much of a server's words is shown where ours follow.
const MAX_QUOTE: usize = 160;

/// A mail server and the connections to it that wait for the next letter.
pub(in crate::notifier) struct Server {
    endpoint: Endpoint,
    tls: Option<Tls>,
    login: Option<Login>,
    /// What the server was told at the login, and may say back at any time.
    password: Option<Secret>,
    /// How we greet; by our address where there is no name.
    hello: Option<String>,
    deadline: Duration,
    pool: Arc<Pool>,
}

/// How a conversation ended, other than well.
enum Failure {
    /// A kept connection had ended meanwhile; nothing of the letter was taken.
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
        hello: Option<String>,
        deadline: Duration,
    ) -> Result<Self, SettingsError> {
        if endpoint.security == Security::None && !is_loopback(&endpoint.host) {
            return Err(SettingsError::Unprotected(endpoint.host));
        }
        let tls = match endpoint.security {
            Security::None => None,
            Security::StartTls | Security::Tls => Some(Tls::new(endpoint.bare_host(), ca_file)?),
        };
        let (login, password) = match login {
            None => (None, None),
            Some((_, None)) => return Err(SettingsError::Password),
            Some((name, Some(password))) => {
                (Some(Login { name, password: password.clone() }), Some(Secret::new(password)))
            }
        };
        let hello = match hello {
            Some(name) => Some(super::hello::parse_hello(&name).map_err(SettingsError::Hello)?),
            None => own_name(),
        };
        Ok(Self { endpoint, tls, login, password, hello, deadline, pool: Arc::default() })
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

    /// Connects, greets, protects, logs in, asks whether each recipient would be taken from this sender, and leaves.
    pub(in crate::notifier) async fn check(
        &self,
        envelopes: &[Envelope],
    ) -> Result<(String, Vec<Result<(), SendError>>), SendError> {
        let visit = async {
            let mut connection = self.open().await?;
            self.said(connection.command(SmtpStep::Hello, "NOOP", Reply::is_done).await)?;
            let mut answers = Vec::new();
            for envelope in envelopes {
                answers.push(self.rehearse(&mut connection, envelope).await?);
            }
            // The answer to QUIT matters to nobody.
            let _ = connection.command(SmtpStep::Hello, "QUIT", Reply::is_done).await;
            Ok((connection.encrypted, answers))
        };
        let (encrypted, answers) = match tokio::time::timeout(self.deadline, visit).await {
            Ok(outcome) => outcome?,
            Err(_) => return Err(Progress::default().timed_out(self.deadline)),
        };
        let protection = match self.endpoint.security {
            _ if !encrypted => "without TLS",
            Security::StartTls => "with STARTTLS",
            Security::Tls | Security::None => "with TLS",
        };
        let login = if self.login.is_some() { ", login accepted" } else { ", no login" };
        let found = format!("{}:{} answers {protection}{login}", self.endpoint.host, self.endpoint.port);
        Ok((found, answers))
    }

    /// A letter as far as its recipient, and no further. What is about us, or broke, ends the visit.
    async fn rehearse(
        &self,
        connection: &mut SmtpConnection,
        envelope: &Envelope,
    ) -> Result<Result<(), SendError>, SendError> {
        let parameters = match mail_parameters(&connection.capabilities, envelope, b"") {
            Ok(parameters) => parameters,
            Err(error @ SendError::Unreachable { .. }) => return Err(error),
            Err(error) => return Ok(Err(error)),
        };
        let mut answer = Ok(());
        for (step, command) in commands(envelope, &parameters) {
            let said = connection.command(step, &command, Reply::is_done).await;
            let Err(trouble) = said else { continue };
            let talks = trouble.code().is_some_and(|code| code != 421);
            let error = self.meaning(&trouble);
            if !talks || matches!(error, SendError::Unreachable { .. }) {
                return Err(error);
            }
            answer = Err(error);
            break;
        }
        self.said(connection.command(SmtpStep::Hello, "RSET", Reply::is_done).await)?;
        Ok(answer)
    }

    /// Takes leave on all kept connections but `kept` of them.
    pub(in crate::notifier) async fn close_idle_but(&self, kept: usize) {
        self.pool.close_but(kept).await;
    }

    async fn deliver(
        &self,
        envelope: &Envelope,
        bytes: &[u8],
        progress: &Progress,
    ) -> Result<String, SendError> {
        if let Some(mut kept) = self.pool.take() {
            let reset = !kept.needs_reset
                || kept.connection.command(SmtpStep::Sender, "RSET", Reply::is_done).await.is_ok();
            let outcome = if reset {
                self.converse(kept.connection, true, envelope, bytes, progress).await
            } else {
                Err(Failure::Stale)
            };
            match outcome {
                Ok(response) => return Ok(response),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Stale) => {
                    progress.reach(CONNECTING);
                    self.pool.clear();
                }
            }
        }
        let fresh = self.open().await?;
        match self.converse(fresh, false, envelope, bytes, progress).await {
            Ok(response) => Ok(response),
            Err(Failure::Final(error)) => Err(error),
            Err(Failure::Stale) => Err(SendError::unreachable("the server closed a new connection")),
        }
    }

    async fn open(&self) -> Result<SmtpConnection, SendError> {
        self.said(
            SmtpConnection::open(
                &self.endpoint,
                self.tls.as_ref(),
                self.hello.as_deref(),
                self.login.as_ref(),
            )
            .await,
        )
    }

    async fn converse(
        &self,
        mut connection: SmtpConnection,
        reused: bool,
        envelope: &Envelope,
        bytes: &[u8],
        progress: &Progress,
    ) -> Result<String, Failure> {
        let parameters = match mail_parameters(&connection.capabilities, envelope, bytes) {
            Ok(parameters) => parameters,
            Err(error) => {
                self.pool.keep(connection, false);
                return Err(Failure::Final(error));
            }
        };
        for (step, command) in commands(envelope, &parameters) {
            if let Err(trouble) = connection.command(step, &command, Reply::is_done).await {
                return Err(self.refused(connection, reused, &trouble));
            }
            progress.reach(ADDRESSING);
        }
        if let Err(trouble) = connection.command(SmtpStep::Data, "DATA", Reply::wants_more).await {
            return Err(self.refused(connection, reused, &trouble));
        }
        progress.reach(WRITING);
        match connection.message(&in_one_piece(bytes)).await {
            Ok(reply) => {
                let words = format!("{} {}", reply.code, self.readable(&reply.text()));
                self.pool.keep(connection, false);
                Ok(words)
            }
            Err(trouble) => Err(self.refused(connection, reused, &trouble)),
        }
    }

    /// What a refusal of this letter means; the connection is kept where the server is still talking.
    fn refused(&self, connection: SmtpConnection, reused: bool, trouble: &Trouble) -> Failure {
        let gone = trouble.code().is_none_or(|code| code == 421);
        // A notice that a kept connection was idle for too long, or has carried enough, is read as the answer to the
        // first command on it; another connection will do. A message may have been taken before a connection broke.
        let untouched = match trouble.step {
            SmtpStep::Sender => true,
            SmtpStep::Recipient | SmtpStep::Data => trouble.code().is_some(),
            _ => false,
        };
        if reused && gone && untouched {
            return Failure::Stale;
        }
        if !gone {
            self.pool.keep(connection, true);
        }
        Failure::Final(self.meaning(trouble))
    }

    fn said<T>(&self, outcome: Result<T, Trouble>) -> Result<T, SendError> {
        outcome.map_err(|trouble| self.meaning(&trouble))
    }

    /// What it means to the letter and to the others.
    fn meaning(&self, trouble: &Trouble) -> SendError {
        let letters_own = matches!(trouble.step, SmtpStep::Recipient | SmtpStep::Data | SmtpStep::Message);
        let reply = match &trouble.cause {
            Cause::Refused(reply) => reply,
            Cause::Said(words) => return SendError::unreachable(words),
            // Cut off or nonsense while this letter was being handed over: it may be this letter's doing, and it may
            // have been taken. Only this letter waits; the next one finds out whether the server is dead.
            Cause::NoReply(none) if letters_own => {
                return SendError::temporary(&self.without_reply(trouble.step, none));
            }
            Cause::NoReply(none) => return SendError::unreachable(&self.without_reply(trouble.step, none)),
        };
        let said = format!("{}: {} {}", trouble.step, reply.code, self.readable(&reply.text()));
        let Some(row) = row_of(trouble.step, reply) else {
            return if letters_own { SendError::temporary(&said) } else { SendError::unreachable(&said) };
        };
        let why = if row.advice.is_empty() {
            said
        } else {
            format!("{} ({})", one_line(&harmless(&said), MAX_QUOTE), row.advice)
        };
        match row.about {
            About::Us => SendError::unreachable(&why),
            About::Load => SendError::busy(&why),
            About::Later => SendError::temporary(&why),
            About::Recipient => SendError::permanent(Culprit::Recipient, &why),
            About::PerhapsRecipient => SendError::permanent(Culprit::PerhapsRecipient, &why),
            About::Message => SendError::permanent(Culprit::Message, &why),
            About::Unclear => SendError::permanent(Culprit::Unclear, &why),
        }
    }

    fn without_reply(&self, step: SmtpStep, none: &NoReply) -> String {
        match none {
            NoReply::Closed => format!("{step}: the server closed the connection without an answer"),
            NoReply::Broken(error) => format!("{step}: {error}"),
            NoReply::Strange(line) => format!("{step}: the answer is no SMTP: {}", self.readable(line)),
            NoReply::Endless => format!("{step}: the answer does not end"),
        }
    }

    /// What the server says without the password, before anything else is done to it: a server can say it back long
    /// after the login.
    fn readable(&self, said: &[u8]) -> String {
        match &self.password {
            Some(password) => readable(&password.redact(said)),
            None => readable(said),
        }
    }
}

/// What is said before DATA.
fn commands(envelope: &Envelope, parameters: &str) -> Vec<(SmtpStep, String)> {
    let from = envelope.from().map(ToString::to_string).unwrap_or_default();
    let mut commands = vec![(SmtpStep::Sender, format!("MAIL FROM:<{from}>{parameters}"))];
    commands.extend(envelope.to().iter().map(|to| (SmtpStep::Recipient, format!("RCPT TO:<{to}>"))));
    commands
}
