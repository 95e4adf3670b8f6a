//! What the URL of the database may say. No error repeats any of it but the names of its parameters.

use std::str::FromStr as _;

use secrecy::ExposeSecret as _;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::{Host, Url};

use crate::domain::host::is_loopback;
use crate::fleet::FleetSettings;
use crate::fleet::error::{Error, FleetResult};
use crate::secret::suspect;

/// What the part behind `?` may have.
const KNOWN: &[&str] =
    &["host", "port", "dbname", "user", "password", "sslmode", "sslrootcert", "sslcert", "sslkey"];
const EXPECTED: &str = "expected a URL such as postgres://depositd@db.example.com/books";

/// How the connection is made. Beyond this machine it is encrypted, and the server proves who it is, unless the URL says
/// another `sslmode`.
pub(super) fn options(settings: &FleetSettings) -> FleetResult<PgConnectOptions> {
    let wrong = |what: &str| Error::Unusable(format!("fleet.database_url: {what}"));
    let text = settings.database_url.expose_secret().trim();
    let url = Url::parse(text).map_err(|_| wrong(EXPECTED))?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(wrong(EXPECTED));
    }
    url.password().inspect(|password| suspect(password));
    let mut says_mode = false;
    let mut socket = false;
    for (key, value) in url.query_pairs() {
        if !KNOWN.contains(&&*key) {
            let known = KNOWN.join(", ");
            return Err(wrong(&format!("its part behind ? has a name that is not known; known are {known}")));
        }
        match &*key {
            "password" => suspect(&value),
            "sslmode" => says_mode = true,
            "host" => socket = value.starts_with('/'),
            _ => {}
        }
    }
    let options = PgConnectOptions::from_str(text).map_err(|_| wrong(EXPECTED))?;
    let options =
        if says_mode || socket || is_near(&url) { options } else { options.ssl_mode(PgSslMode::VerifyFull) };
    Ok(options
        .application_name(&settings.called)
        .options([("statement_timeout", "4min"), ("lock_timeout", "1min")])
        .disable_statement_logging())
}

/// True for a server on this machine.
fn is_near(url: &Url) -> bool {
    match url.host() {
        None => true,
        // A socket's folder, as in postgres://%2Frun%2Fpostgresql/books.
        Some(Host::Domain(name)) => {
            name.is_empty() || name.to_ascii_lowercase().starts_with("%2f") || is_loopback(name)
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> FleetResult<PgConnectOptions> {
        let database_url = text.to_owned().into();
        options(&FleetSettings { database_url, called: "a test".to_owned(), ledgers: Vec::new() })
    }

    #[test]
    fn beyond_this_machine_the_server_proves_who_it_is() {
        let mode = |text: &str| format!("{:?}", read(text).unwrap().get_ssl_mode());
        assert_eq!(mode("postgres://depositd@db.example.com/books"), "VerifyFull");
        assert_eq!(mode("postgresql://depositd@192.0.2.7:5433/books"), "VerifyFull");
        assert_eq!(mode("postgres://depositd@db.example.com/books?sslmode=require"), "Require");
        for near in [
            "postgres://localhost/books",
            "postgres://[::1]/books",
            "postgres://%2Frun%2Fpostgresql/books",
            "postgres:///books?host=/run/postgresql",
        ] {
            assert_eq!(mode(near), "Prefer", "{near}");
        }
    }

    #[test]
    fn what_is_no_such_url_is_refused_without_a_word_of_it() {
        for text in [
            "nonsense k3y9zq",
            "mysql://k3y9zq@db.example.com/books",
            "postgres://a:k3y9zq@db.example.com/books?k3y9zq=1",
            "postgres://a:k3y9zq@db.example.com/books?sslmode=k3y9zq",
            "postgres://a:k3y9zq@db.example.com:99999999/books",
        ] {
            let said = read(text).unwrap_err().chain();
            assert!(said.starts_with("fleet.database_url: ") && !said.contains("k3y9zq"), "{said}");
        }
    }
}
