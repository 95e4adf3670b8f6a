//! How TLS to a mail server is set up: whom it trusts, and in plain words why it does not.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::notifier::certificate::{AUTHORITY, CertificateKeys, certificate_in_words};
use crate::notifier::report::harmless;
use crate::notifier::settings::SettingsError;

/// What a person sets for the mail server.
const KEYS: CertificateKeys = CertificateKeys { ca_file: "mail.smtp.ca_file", host: "mail.smtp.host" };

/// TLS as one server's settings want it.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Trusts the system's authorities, and the certificates in `ca_file`: authorities, or a server's own.
    pub(super) fn new(host: &str, ca_file: Option<&Path>) -> Result<Self, SettingsError> {
        let own = match ca_file {
            Some(path) => certificates(path)?,
            None => Vec::new(),
        };
        let unfit = |error: &dyn std::fmt::Display| SettingsError::Tls(harmless(&error.to_string()));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let system =
            rustls_platform_verifier::Verifier::new_with_extra_roots(own.clone(), Arc::clone(&provider))
                .map_err(|error| unfit(&error))?;
        let verifier = Verifier { system, own };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unfit(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            SettingsError::Tls(format!(
                "no certificate can bear the name {host:?}; set mail.smtp.host to the server's name"
            ))
        })?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    /// Begins TLS on a connection; else why not, in words.
    pub(super) async fn begin<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<TlsStream<S>, String> {
        let begun = self.connector.connect(self.name.clone(), stream).await;
        begun.map_err(|error| format!("TLS: {}", in_words(&error)))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let text = std::fs::read(path).map_err(|error| SettingsError::CaFile(path.to_owned(), error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(SettingsError::NoCertificate(path.to_owned())),
    }
}

/// The system's judgement, and beside it the certificates that a person has named.
#[derive(Debug)]
struct Verifier {
    system: rustls_platform_verifier::Verifier,
    own: Vec<CertificateDer<'static>>,
}

impl Verifier {
    /// What is held against a certificate is looked at again where that very certificate was named.
    fn reconsider(
        &self,
        error: Error,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
    ) -> Result<(), Error> {
        if !self.own.iter().any(|own| own.as_ref() == certificate.as_ref()) {
            return Err(error);
        }
        let judged = match &error {
            // Its dates were looked at before that, its name was not.
            Error::InvalidCertificate(CertificateError::Other(other)) if other.to_string() == AUTHORITY => {
                ParsedCertificate::try_from(certificate).and_then(|parsed| verify_server_name(&parsed, name))
            }
            _ => Err(error),
        };
        match judged {
            Err(error) if is_nameless(&error) => Ok(()),
            judged => judged,
        }
    }
}

/// A certificate that bears no name at all can belong to any.
fn is_nameless(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) if presented.is_empty())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.system.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now).or_else(
            |error| self.reconsider(error, end_entity, server_name).map(|()| ServerCertVerified::assertion()),
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.system.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.system.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.system.supported_verify_schemes()
    }
}

/// Why TLS did not begin, and what to do.
fn in_words(error: &io::Error) -> String {
    let Some(cause) = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                "the server hung up when TLS was to begin; is mail.smtp.security right for this port?"
                    .to_owned()
            }
            _ => error.to_string(),
        };
    };
    match cause {
        Error::InvalidCertificate(certificate) => certificate_in_words(certificate, KEYS),
        Error::InvalidMessage(_) => {
            "the server does not speak TLS there; a port for STARTTLS (587) wants mail.smtp.security = \"starttls\"".to_owned()
        }
        Error::NoCertificatesPresented => "the server shows no certificate".to_owned(),
        Error::PeerIncompatible(_) | Error::AlertReceived(rustls::AlertDescription::ProtocolVersion) => {
            format!("the server speaks no TLS that is safe today (1.2 or 1.3): {cause}")
        }
        other => other.to_string(),
    }
}
