//! Where the upstream is and how hard it may be asked, and which such settings are refused.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;
use rust_decimal::Decimal;

use super::error::Error;
use super::secret::push_percent_encoded;
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
}

impl UpstreamSettings {
    /// `{base_url}/v3/customers/{user_id}`, once everything has been found right.
    pub(super) fn customer_url(&self) -> Result<String, Error> {
        let refuse = |why: &str| Err(Error::Settings(why.to_owned()));
        let Ok(url) = Url::parse(&self.base_url) else {
            return refuse("the upstream's base_url is not a URL such as https://api.example.com");
        };
        // The text itself stays out of the words: a password may stand in it.
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("the upstream's base_url must not hold a user or a password");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refuse("the upstream's base_url must end with its path: no ? and no #");
        }
        match url.scheme() {
            "https" if url.has_host() => {}
            "http" if is_loopback(&url) => {}
            "http" => {
                return refuse(
                    "the upstream's base_url must begin with https://: the key would travel in clear",
                );
            }
            _ => return refuse("the upstream's base_url must begin with https://"),
        }
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

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
