//! Where a mail server is, and how the way to it is protected.

use std::path::Path;

use lettre::transport::smtp::client::{Certificate, TlsParameters};

use crate::notifier::report::harmless;
use crate::notifier::settings::{Security, SettingsError};

/// Where a server is and how it is reached.
#[derive(Debug)]
pub(in crate::notifier) struct Endpoint {
    pub(in crate::notifier) host: String,
    pub(in crate::notifier) port: u16,
    pub(in crate::notifier) security: Security,
}

/// How TLS is set up for `host`: by the system's authorities, and by those in `ca_file`.
pub(super) fn tls_parameters(host: &str, ca_file: Option<&Path>) -> Result<TlsParameters, SettingsError> {
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
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => {
            let host = host.to_ascii_lowercase();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}
