//! Why a server's certificate is not trusted, in plain words: of the mail server, and of a webhook's receiver.

use std::error::Error;
use std::io;

use rustls::CertificateError;
use rustls::pki_types::UnixTime;

use crate::domain::time::Timestamp;

/// How a certificate of an authority, used as a server's own, is called by the verifier.
pub(super) const AUTHORITY: &str = "CaUsedAsEndEntity";
/// How one of the first form (X.509 version 1) is called.
const VERSION_1: &str = "UnsupportedCertVersion";
/// How one for another purpose is called (`EkuError` of the platform's verifier).
const PURPOSE: &str = "certificate had invalid extensions";

/// What a person sets: the file of a private authority, and the name of the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct CertificateKeys {
    pub(super) ca_file: &'static str,
    pub(super) host: &'static str,
}

/// What was wrong with the certificate, where that is among the causes of `error`.
pub(super) fn certificate_fault<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CertificateError> {
    let mut cause = Some(error);
    while let Some(one) = cause {
        // An error of input and output shows the cause of what is in it, and not what is in it.
        let inner = one.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = match inner {
            Some(inner) => inner.downcast_ref::<rustls::Error>(),
            None => one.downcast_ref::<rustls::Error>(),
        };
        if let Some(rustls::Error::InvalidCertificate(fault)) = found {
            return Some(fault);
        }
        cause = match inner {
            Some(inner) => Some(inner),
            None => one.source(),
        };
    }
    None
}

/// What is wrong with a certificate, and what to do about it.
#[expect(deprecated, reason = "the older names are matched too, so that no word is left out")]
pub(super) fn certificate_in_words(error: &CertificateError, keys: CertificateKeys) -> String {
    let CertificateKeys { ca_file, host } = keys;
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
        C::UnknownIssuer => format!("the server's certificate is of an authority that is not trusted here; put that authority's certificate, or the server's own, into a file and name it in {ca_file}"),
        C::NotValidForName => format!("the server's certificate bears another name than {host}"),
        C::NotValidForNameContext { expected, presented } => {
            let bears = if presented.is_empty() { "no name".to_owned() } else { names(presented) };
            format!(
                "the server's certificate bears {bears}, and not {}; set {host} to a name that it bears",
                expected.to_str()
            )
        }
        C::BadEncoding => "the server's certificate cannot be read; a new one must be made there".to_owned(),
        C::Revoked => "the server's certificate was revoked; a new one must be made there".to_owned(),
        C::BadSignature => format!("the server's certificate, or its proof that it holds its key, is not signed rightly; the certificate in {ca_file} may be an older one of the same name"),
        C::UnhandledCriticalExtension => "the server's certificate asks for a check that is not known here; a new one must be made there".to_owned(),
        C::UnsupportedSignatureAlgorithm
        | C::UnsupportedSignatureAlgorithmContext { .. }
        | C::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => "the server's certificate is signed in a way that is not safe today (such as SHA-1), or not known here; a new one must be made there".to_owned(),
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => "the server's certificate is not meant for servers (extended key usage); a new one must be made there".to_owned(),
        C::Other(other) => of_other(&other.to_string(), keys),
        other => format!("the server's certificate is not trusted: {other}"),
    }
}

fn of_other(name: &str, keys: CertificateKeys) -> String {
    let ca_file = keys.ca_file;
    match name {
        AUTHORITY => format!("the server's certificate is an authority's (CA:TRUE), self-signed as a rule; put that very certificate into a file and name it in {ca_file}, or have one made without CA:TRUE"),
        VERSION_1 => "the server's certificate has an old form (X.509 version 1) that cannot be checked; one of version 3 with the server's name must be made there".to_owned(),
        PURPOSE => certificate_in_words(&CertificateError::InvalidPurpose, keys),
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
