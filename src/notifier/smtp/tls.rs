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

use crate::domain::time::Timestamp;
use crate::notifier::report::harmless;
use crate::notifier::settings::SettingsError;

/// How a certificate of an authority, used as a server's own, is called by the verifier.
const AUTHORITY: &str = "CaUsedAsEndEntity";
/// How one of the first form (X.509 version 1) is called.
const VERSION_1: &str = "UnsupportedCertVersion";
/// How one for another purpose is called (`EkuError` of the platform's verifier).
const PURPOSE: &str = "certificate had invalid extensions";

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
        Error::InvalidCertificate(certificate) => of_certificate(certificate),
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

/// What is wrong with a certificate, and what to do about it.
#[expect(deprecated, reason = "the older names are matched too, so that no word is left out")]
fn of_certificate(error: &CertificateError) -> String {
    use CertificateError as C;
    match error {
        C::Expired => "the server's certificate has expired; it must be renewed there".to_owned(),
        C::ExpiredContext { not_after, .. } => {
            format!("the server's certificate has expired, at {}; it must be renewed there", at(*not_after))
        }
        C::NotValidYet => "the server's certificate is not valid yet; is this machine's clock right?".to_owned(),
        C::NotValidYetContext { not_before, .. } => format!(
            "the server's certificate is not valid yet, before {}; is this machine's clock right?",
            at(*not_before)
        ),
        C::UnknownIssuer => "the server's certificate is of an authority that is not trusted here; put that authority's certificate, or the server's own, into a file and name it in mail.smtp.ca_file".to_owned(),
        C::NotValidForName => "the server's certificate bears another name than mail.smtp.host".to_owned(),
        C::NotValidForNameContext { expected, presented } => {
            let bears = if presented.is_empty() { "no name".to_owned() } else { names(presented) };
            format!(
                "the server's certificate bears {bears}, and not {}; set mail.smtp.host to a name that it bears",
                expected.to_str()
            )
        }
        C::BadEncoding => "the server's certificate cannot be read; a new one must be made there".to_owned(),
        C::Revoked => "the server's certificate was revoked; a new one must be made there".to_owned(),
        C::BadSignature => "the server's certificate, or its proof that it holds its key, is not signed rightly; the certificate in mail.smtp.ca_file may be an older one of the same name".to_owned(),
        C::UnhandledCriticalExtension => "the server's certificate asks for a check that is not known here; a new one must be made there".to_owned(),
        C::UnsupportedSignatureAlgorithm
        | C::UnsupportedSignatureAlgorithmContext { .. }
        | C::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => "the server's certificate is signed in a way that is not safe today (such as SHA-1), or not known here; a new one must be made there".to_owned(),
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => "the server's certificate is not meant for servers (extended key usage); a new one must be made there".to_owned(),
        C::Other(other) => of_other(&other.to_string()),
        other => format!("the server's certificate is not trusted: {other}"),
    }
}

fn of_other(name: &str) -> String {
    match name {
        AUTHORITY => "the server's certificate is an authority's (CA:TRUE), self-signed as a rule; put that very certificate into a file and name it in mail.smtp.ca_file, or have one made without CA:TRUE".to_owned(),
        VERSION_1 => "the server's certificate has an old form (X.509 version 1) that cannot be checked; one of version 3 with the server's name must be made there".to_owned(),
        PURPOSE => of_certificate(&CertificateError::InvalidPurpose),
        name => format!("the server's certificate is not trusted: {name}"),
    }
}

fn at(time: UnixTime) -> String {
    Timestamp::from_seconds(i64::try_from(time.as_secs()).unwrap_or(i64::MAX)).to_seconds_text()
}

/// The names of a certificate, as the verifier writes them: `DnsName("a.example")`.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| name.split('"').nth(1).unwrap_or(name).to_owned();
    presented.iter().take(5).map(bare).collect::<Vec<_>>().join(", ")
}
