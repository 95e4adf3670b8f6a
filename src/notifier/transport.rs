//! How a letter leaves this machine: composed, made a message, and handed to a mail server or a folder.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use lettre::Message;
use lettre::address::Envelope;
use lettre::message::Mailbox;
use secrecy::SecretString;

use super::letter::{Letter, LetterInput};
use super::report::{Culprit, DeliveryReport, MAX_WHY, SendError, harmless};
use super::settings::{MailBackend, MailerSettings, SettingsError};
use super::templates::Templates;
use super::text::one_line;
use super::{address, file, mime, render, smtp};
use crate::domain::causes::chain;

/// Sends letters; shared freely, keeps its connections.
#[derive(Debug, Clone)]
pub struct Mailer {
    current: Arc<RwLock<Arc<Shared>>>,
}

#[derive(Debug)]
struct Shared {
    from: Mailbox,
    account: String,
    templates: Templates,
    backend: OpenBackend,
}

#[derive(Debug)]
enum OpenBackend {
    Smtp(Box<smtp::Server>),
    File(PathBuf),
}

impl Mailer {
    /// A mailer for `settings` with the built-in templates; opens nothing yet but the certificate file.
    pub fn new(settings: MailerSettings, password: Option<SecretString>) -> Result<Self, SettingsError> {
        Self::with_templates(settings, password, Templates::builtin()?)
    }

    /// The same, with these templates.
    pub fn with_templates(
        settings: MailerSettings,
        password: Option<SecretString>,
        templates: Templates,
    ) -> Result<Self, SettingsError> {
        let mut from = address::mailbox(&settings.from).map_err(SettingsError::From)?;
        from.email = address::in_transport(&from.email).map_err(SettingsError::From)?;
        let backend = match settings.transport {
            MailBackend::File { directory } => OpenBackend::File(directory),
            MailBackend::Smtp { host, port, security, username, ca_file, hello } => {
                OpenBackend::Smtp(Box::new(smtp::Server::new(
                    smtp::Endpoint { host, port, security },
                    username.map(|name| (name, password)),
                    ca_file.as_deref(),
                    hello,
                    settings.send_timeout,
                )?))
            }
        };
        let account = settings.account;
        let shared = Arc::new(Shared { from, account, templates, backend });
        Ok(Self { current: Arc::new(RwLock::new(shared)) })
    }

    /// From now on, everywhere that this mailer is shared, letters leave as by `new`. Those under way leave as they
    /// began; connections that nobody uses are given up.
    pub async fn replace(&self, new: Self) {
        let new = new.shared();
        let old = std::mem::replace(&mut *self.current.write().unwrap_or_else(PoisonError::into_inner), new);
        if let OpenBackend::Smtp(server) = &old.backend {
            server.close_idle_but(0).await;
        }
    }

    fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Composes the letter and sends it to its one recipient. To call it again with the same input is to send the
    /// same message again.
    ///
    /// # Errors
    /// [`SendError`], which says whether to try again, to give up, or to pause everything.
    pub async fn send(&self, input: &LetterInput) -> Result<DeliveryReport, SendError> {
        let shared = self.shared();
        let message = shared.message(input)?;
        let bytes = message.formatted();
        let response = match &shared.backend {
            OpenBackend::Smtp(server) => server.send(message.envelope(), &bytes).await?,
            OpenBackend::File(directory) => {
                let (directory, id) = (directory.clone(), input.message_id.clone());
                blocking(move || file::write(&directory, &id, &bytes)).await?.display().to_string()
            }
        };
        Ok(DeliveryReport { response: harmless_path(&response) })
    }

    /// Tries the transport without sending anything: a connection up to and with the login, or a file in the folder.
    /// Returns what was found, in words.
    pub async fn check(&self) -> Result<String, SendError> {
        self.check_recipients(&[]).await.map(|(found, _)| found)
    }

    /// The same, and whether each of these recipients would be taken from this sender: as far as RCPT, and no letter.
    /// A file takes everybody.
    ///
    /// # Errors
    /// [`SendError::Unreachable`]; what is said of one recipient stands in the list, in the order of `recipients`.
    pub async fn check_recipients(
        &self,
        recipients: &[String],
    ) -> Result<(String, Vec<Result<(), SendError>>), SendError> {
        match &self.shared().backend {
            OpenBackend::Smtp(server) => {
                let envelopes: Result<Vec<Envelope>, SendError> =
                    recipients.iter().map(|to| self.envelope(to)).collect();
                server.check(&envelopes?).await
            }
            OpenBackend::File(directory) => {
                let place = directory.clone();
                blocking(move || file::check(&place)).await?;
                Ok((format!("{} can be written", directory.display()), vec![Ok(()); recipients.len()]))
            }
        }
    }

    fn envelope(&self, to: &str) -> Result<Envelope, SendError> {
        let to = address::recipient(to).map_err(|error| permanent(&error))?;
        let from = Some(self.shared().from.email.clone());
        Envelope::new(from, vec![to]).map_err(|error| permanent(&error))
    }

    /// Closes most of the idle connections to the server, for times without letters.
    pub async fn rest(&self) {
        if let OpenBackend::Smtp(server) = &self.shared().backend {
            server.close_idle_but(smtp::RESTING).await;
        }
    }

    /// Closes all idle connections to the server, for the end of the daemon.
    pub async fn close_idle(&self) {
        if let OpenBackend::Smtp(server) = &self.shared().backend {
            server.close_idle_but(0).await;
        }
    }

    /// The message as it would be sent now, for previews.
    pub fn preview(&self, input: &LetterInput) -> Result<Vec<u8>, SendError> {
        Ok(self.shared().message(input)?.formatted())
    }

    /// The letter in words, before it becomes a message.
    pub fn letter(&self, input: &LetterInput) -> Result<Letter, SendError> {
        self.shared().letter(input)
    }
}

impl Shared {
    fn letter(&self, input: &LetterInput) -> Result<Letter, SendError> {
        render::compose(&self.templates, input, &self.account).map_err(|error| permanent(&error))
    }

    fn message(&self, input: &LetterInput) -> Result<Message, SendError> {
        mime::build(input, self.letter(input)?, &self.from).map_err(|error| permanent(&error))
    }
}

/// The server's words without addresses; a file's path is shown as it is.
fn harmless_path(response: &str) -> String {
    if response.ends_with(".eml") { one_line(response, MAX_WHY) } else { harmless(response) }
}

fn permanent(error: &dyn std::error::Error) -> SendError {
    SendError::permanent(Culprit::Message, &chain(error))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, SendError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(SendError::unreachable(&format!("the mail folder cannot be written: {error}"))),
        Err(_) => Err(SendError::temporary("the write was interrupted")),
    }
}
