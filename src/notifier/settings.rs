//! Where letters go and who sends them, and what can be wrong with that.

use std::path::PathBuf;
use std::time::Duration;

use super::address::AddressError;
use super::templates::TemplateError;

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
        /// One or more certificates (PEM) to trust beside the system's: of authorities, or of the server itself.
        ca_file: Option<PathBuf>,
        /// How this machine names itself there (EHLO); its full name where that is not said.
        hello: Option<String>,
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
    /// The name for EHLO is none.
    #[error("hello: {0}")]
    Hello(String),
    /// The authority's file holds no certificate.
    #[error("{path} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", path = .0.display())]
    NoCertificate(PathBuf),
    /// The host's name cannot be checked against a certificate, or one in the authority's file is unfit.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// A template is unfit.
    #[error(transparent)]
    Template(#[from] TemplateError),
}
