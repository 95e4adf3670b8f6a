//! Where the upstream is and how hard it may be asked, and which such settings are refused.

use std::time::Duration;

use reqwest::Url;
use rust_decimal::Decimal;

use super::error::Error;
use super::secret::push_percent_encoded;
use crate::domain::host::is_loopback;
use crate::domain::method::AmountUnit;
use crate::domain::time::Zone;

/// How to reach the upstream.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// The base address; plain http only to this machine.
    pub base_url: String,
    /// The customer's id, as it stands in every path.
    pub user_id: String,
    /// Calls a second over everything, whole or fractional; `None` or zero is no limit.
    pub requests_per_second: Option<Decimal>,
    /// Calls under way at a time.
    pub max_in_flight: usize,
    /// One call, from connecting to the last byte.
    pub timeout: Duration,
    /// How to read the invoices' times, which carry no zone.
    pub zone: Zone,
    /// In what payment pages and card payments are counted; `None`: none can be asked for.
    pub page_amount: Option<AmountUnit>,
}

impl UpstreamSettings {
    /// `{base_url}/v3/customers/{user_id}`, once everything has been found right.
    pub(super) fn customer_url(&self) -> Result<String, Error> {
        let refuse = |why: &str| Err(Error::Settings(why.to_owned()));
        let url = parse_base_url(&self.base_url)
            .map_err(|error| Error::Settings(format!("the upstream's base_url: {error}")))?;
        let user = self.user_id.as_str();
        if user.is_empty() || user.len() > 128 || user.chars().any(char::is_control) || is_dots(user) {
            return refuse("the upstream's user_id must be 1 to 128 visible characters");
        }
        if self.timeout.is_zero() {
            return refuse("the upstream's timeout must be more than nothing");
        }
        let mut base = url.as_str().trim_end_matches('/').to_owned();
        base.push_str("/v3/customers/");
        push_percent_encoded(&mut base, user);
        Ok(base)
    }
}

/// True for `.` and `..`, which would climb in a path even when they are percent-encoded.
pub(super) fn is_dots(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

/// Why a text is no base URL. The text itself is not repeated: a password may stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// No URL, or one that says more than a host, a port and a path.
    #[error(
        "expected an https:// URL without user, query or fragment, such as \"https://api-x.smsonline.cloud\""
    )]
    Form,
    /// Plain http to another machine.
    #[error(
        "expected https://; plain http:// is for this machine only (127.0.0.1, localhost), because the API key travels in it"
    )]
    PlainHttp,
}

/// Reads a base URL with the HTTP client's own parser: no other one decides where the key goes.
///
/// # Errors
/// [`BaseUrlError`], which says what was expected.
pub fn parse_base_url(text: &str) -> Result<Url, BaseUrlError> {
    // The parser mends these silently; whoever wrote them meant something else. Only a user's name needs an `@`.
    let slip = |c: char| matches!(c, '\\' | '@') || c.is_control() || c.is_whitespace();
    let url = Url::parse(text).map_err(|_| BaseUrlError::Form)?;
    let written_out = text.to_ascii_lowercase().starts_with(&format!("{}://", url.scheme()));
    let more = url.query().is_some() || url.fragment().is_some() || url.port() == Some(0);
    match url.scheme() {
        _ if text.contains(slip) || more || !written_out => Err(BaseUrlError::Form),
        "https" => Ok(url),
        "http" if url.host_str().is_some_and(is_loopback) => Ok(url),
        "http" => Err(BaseUrlError::PlainHttp),
        _ => Err(BaseUrlError::Form),
    }
}
