//! How a letter leaves this machine, and what a failure says: of the letter, of the moment, or of the whole way out.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lettre::message::Mailbox;
use secrecy::SecretString;

use super::address::{self, AddressError};
use super::templates::{TemplateError, Templates};
use super::text::one_line;
use super::{Letter, LetterInput, file, message, render, smtp};

/// The longest explanation that is kept of a failure.
const MAX_WHY: usize = 300;

/// `[mail]` as far as the transport needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailerSettings {
    /// Where letters go.
    pub transport: MailBackend,
    /// The sender: an address, or `Name <address>`.
    pub from: String,
    /// The upstream's name for the account, shown in every footer.
    pub account: String,
    /// For one letter, from the connection to the server's last word.
    pub send_timeout: Duration,
}

impl MailerSettings {
    /// The usual limit for one letter.
    pub const SEND_TIMEOUT: Duration = Duration::from_secs(60);
}

/// Where letters go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailBackend {
    /// A mail server.
    Smtp {
        /// Its name; certificates are checked against it.
        host: String,
        /// Its port.
        port: u16,
        /// How the connection is protected.
        security: Security,
        /// For AUTH; with a password.
        username: Option<String>,
        /// One or more certificates (PEM) to trust beside the system's.
        ca_file: Option<PathBuf>,
    },
    /// A folder: one `.eml` a message.
    File {
        /// Made when missing.
        directory: PathBuf,
    },
}

/// How a connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Plain at first, then TLS before anything is said; never without.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None: for this machine only.
    None,
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The sender is no address.
    #[error("`from` is no sender; write an address or \"Name <address>\"")]
    From(#[source] AddressError),
    /// Passwords and letters would travel in the clear.
    #[error(
        "security = \"none\" is for a mail server on this machine only; {0} needs \"starttls\" or \"tls\""
    )]
    Unprotected(String),
    /// A user name without its password.
    #[error("a mail user name needs a password")]
    Password,
    /// The authority's file cannot be read.
    #[error("the certificate file {path} cannot be read", path = .0.display())]
    CaFile(PathBuf, #[source] std::io::Error),
    /// The authority's file holds no certificate, or the host's name cannot be checked against one.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// A template is unfit.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// A letter that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryReport {
    /// The server's words, or the file: one line.
    pub response: String,
}

/// Why a letter was not taken. No text holds a mail address or a secret; each is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Not now: this letter should be tried again later; others may go on.
    #[error("not now: {why}")]
    Temporary {
        /// In words.
        why: String,
    },
    /// Never: this letter will be refused each time.
    #[error("refused: {why}")]
    Permanent {
        /// In words.
        why: String,
    },
    /// The way out is closed; this says nothing of the letter. Pause the whole transport.
    #[error("the mail transport is out of order: {why}")]
    Unreachable {
        /// In words.
        why: String,
    },
}

impl SendError {
    pub(super) fn temporary(why: &str) -> Self {
        Self::Temporary { why: harmless(why) }
    }

    pub(super) fn permanent(why: &str) -> Self {
        Self::Permanent { why: harmless(why) }
    }

    pub(super) fn unreachable(why: &str) -> Self {
        Self::Unreachable { why: harmless(why) }
    }

    /// The explanation alone.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Temporary { why } | Self::Permanent { why } | Self::Unreachable { why } => why,
        }
    }
}

/// One short line, every mail address in it left out: servers like to repeat them.
pub(super) fn harmless(text: &str) -> String {
    let words: Vec<&str> = text
        .split_whitespace()
        .map(|word| if word.trim_matches('@').contains('@') { "(address)" } else { word })
        .collect();
    one_line(&words.join(" "), MAX_WHY.saturating_sub(1))
}

/// Sends letters; shared freely, keeps its connections.
#[derive(Debug, Clone)]
pub struct Mailer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    from: Mailbox,
    account: String,
    templates: Templates,
    exit: OpenBackend,
}

#[derive(Debug)]
enum OpenBackend {
    Smtp(Box<smtp::Server>),
    File(PathBuf),
}

impl Mailer {
    /// A mailer for `settings` with the built-in templates; opens nothing yet but the certificate file.
    ///
    /// # Errors
    /// [`SettingsError`]
    pub fn new(settings: MailerSettings, password: Option<SecretString>) -> Result<Self, SettingsError> {
        Self::with_templates(settings, password, Templates::builtin()?)
    }

    /// The same, with these templates.
    ///
    /// # Errors
    /// [`SettingsError`]
    pub fn with_templates(
        settings: MailerSettings,
        password: Option<SecretString>,
        templates: Templates,
    ) -> Result<Self, SettingsError> {
        let mut from = address::mailbox(&settings.from).map_err(SettingsError::From)?;
        from.email = address::in_transport(&from.email).map_err(SettingsError::From)?;
        let exit = match settings.transport {
            MailBackend::File { directory } => OpenBackend::File(directory),
            MailBackend::Smtp { host, port, security, username, ca_file } => {
                OpenBackend::Smtp(Box::new(smtp::Server::new(
                    smtp::Endpoint { host, port, security },
                    username.map(|name| (name, password)),
                    ca_file.as_deref(),
                    settings.send_timeout,
                )?))
            }
        };
        let account = settings.account;
        Ok(Self { shared: Arc::new(Shared { from, account, templates, exit }) })
    }

    /// Composes the letter and sends it to its one recipient. To call it again with the same input is to send the
    /// same message again.
    ///
    /// # Errors
    /// [`SendError`], which says whether to try again, to give up, or to pause everything.
    pub async fn send(&self, input: &LetterInput) -> Result<DeliveryReport, SendError> {
        let letter = self.letter(input)?;
        let message = message::build(input, letter, &self.shared.from).map_err(|error| permanent(&error))?;
        let bytes = message.formatted();
        let response = match &self.shared.exit {
            OpenBackend::Smtp(server) => server.send(message.envelope(), &bytes).await?,
            OpenBackend::File(directory) => {
                let (directory, id) = (directory.clone(), input.message_id.clone());
                blocking(move || file::write(&directory, &id, &bytes)).await?.display().to_string()
            }
        };
        Ok(DeliveryReport { response: harmless_path(&response) })
    }

    /// Tries the way out without sending anything: a connection with everything up to and with the login, or a file
    /// in the folder. Says what was found.
    ///
    /// # Errors
    /// [`SendError::Unreachable`]
    pub async fn check(&self) -> Result<String, SendError> {
        match &self.shared.exit {
            OpenBackend::Smtp(server) => server.check().await,
            OpenBackend::File(directory) => {
                let place = directory.clone();
                blocking(move || file::check(&place)).await?;
                Ok(format!("{} can be written", directory.display()))
            }
        }
    }

    /// Takes leave of most of the servers' connections that are kept: for idle times.
    pub async fn rest(&self) {
        if let OpenBackend::Smtp(server) = &self.shared.exit {
            server.close_idle_but(smtp::RESTING).await;
        }
    }

    /// Takes leave of the servers whose connections are kept; the next letter opens a new one. For the end.
    pub async fn close_idle(&self) {
        if let OpenBackend::Smtp(server) = &self.shared.exit {
            server.close_idle_but(0).await;
        }
    }

    /// The message as it would be sent now, for previews.
    ///
    /// # Errors
    /// [`SendError::Permanent`]
    pub fn preview(&self, input: &LetterInput) -> Result<Vec<u8>, SendError> {
        let letter = self.letter(input)?;
        let message = message::build(input, letter, &self.shared.from).map_err(|error| permanent(&error))?;
        Ok(message.formatted())
    }

    /// The letter in words, before it becomes a message.
    ///
    /// # Errors
    /// [`SendError::Permanent`]
    pub fn letter(&self, input: &LetterInput) -> Result<Letter, SendError> {
        let Shared { templates, account, .. } = &*self.shared;
        render::compose(templates, input, account).map_err(|error| permanent(&error))
    }
}

/// The server's words without addresses; a file's path is shown as it is.
fn harmless_path(response: &str) -> String {
    if response.ends_with(".eml") { one_line(response, MAX_WHY) } else { harmless(response) }
}

fn permanent(error: &dyn std::error::Error) -> SendError {
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        why = format!("{why}: {cause}");
        source = cause.source();
    }
    SendError::permanent(&why)
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
