//! One configured webhook: where it goes, what it trusts, and how long it may take.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use url::Url;

use super::secret::Secrets;
use super::url::origin_of;

/// Connections that stay open while nothing is sent, and for how long.
const IDLE_CONNECTIONS: usize = 32;
const IDLE: Duration = Duration::from_secs(60);
/// A file of certificates is not larger.
const LARGEST_CA_FILE: u64 = 1024 * 1024;

/// One webhook as it is configured.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// What it is called.
    pub name: String,
    /// Where it goes; `parse_webhook_url` has read it.
    pub url: Url,
    /// What signs it.
    pub secrets: Secrets,
    /// How long one delivery may take, from connecting to the answer.
    pub timeout: Duration,
    /// The wait after a first failure.
    pub retry_initial: Duration,
    /// The longest wait.
    pub retry_max: Duration,
    /// After that it is given up.
    pub give_up_after: Duration,
    /// A private authority, to trust besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// Why a webhook cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The file of a private authority cannot be used.
    #[error("ca_file: {0}: {1}")]
    CaFile(PathBuf, String),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot start: {0}")]
    Client(String),
}

/// A webhook that can be sent to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WebhookEndpoint {
    pub(super) client: Client,
    settings: WebhookSettings,
}

impl WebhookEndpoint {
    /// Makes ready what is needed. No redirect is followed, no proxy of the environment is used, nothing is repeated.
    ///
    /// # Errors
    /// [`WebhookError`]
    pub fn new(settings: WebhookSettings) -> Result<Self, WebhookError> {
        let mut builder = Client::builder()
            .user_agent(concat!("depositd/", env!("CARGO_PKG_VERSION")))
            .timeout(settings.timeout)
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .no_proxy()
            .tcp_nodelay(true)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS);
        if let Some(file) = &settings.ca_file {
            builder = builder.tls_certs_merge(certificates(file)?);
        }
        let client =
            builder.build().map_err(|error| WebhookError::Client(error.without_url().to_string()))?;
        Ok(Self { client, settings })
    }

    /// As it is configured.
    #[must_use]
    pub const fn settings(&self) -> &WebhookSettings {
        &self.settings
    }

    /// What is shown of where it goes: scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> String {
        origin_of(&self.settings.url)
    }
}

fn certificates(file: &Path) -> Result<Vec<Certificate>, WebhookError> {
    let fault = |why: String| WebhookError::CaFile(file.to_path_buf(), why);
    let found = std::fs::metadata(file).map_err(|error| fault(error.to_string()))?;
    if !found.is_file() || found.len() > LARGEST_CA_FILE {
        return Err(fault("expected a file of certificates in PEM".to_owned()));
    }
    let bytes = std::fs::read(file).map_err(|error| fault(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&bytes)
        .map_err(|_| fault("expected certificates in PEM (-----BEGIN CERTIFICATE-----)".to_owned()))?;
    if found.is_empty() {
        return Err(fault("found no certificate (-----BEGIN CERTIFICATE-----)".to_owned()));
    }
    Ok(found)
}
