//! What the daemon cannot do without, and what a person has to write to give it.

use std::path::Path;

use super::error::Error;
use super::keys::variable;
use super::settings::{Config, MailTransport};
use super::values::Listen;
use super::{locate, secret};

/// A unix socket's path is no longer on Linux.
const LONGEST_SOCKET_PATH: usize = 107;

impl Config {
    /// Checks that everything the daemon needs is there. Commands that only read do without, and need not ask.
    ///
    /// # Errors
    /// The first thing missing, and exactly what to write.
    pub fn validate_for_daemon(&self) -> Result<(), Error> {
        self.validate_with(secret::credentials_directory().as_deref())
    }

    /// Checks that what `depositd fleet` needs is there.
    ///
    /// # Errors
    /// The first thing missing, and exactly what to write.
    pub fn validate_for_fleet(&self) -> Result<(), Error> {
        let url = &self.fleet.database_url;
        if !url.is_configured_with(secret::credentials_directory().as_deref()) {
            let example = "database_url_file = \"/path/to/url\"";
            return Err(self.missing_secret("fleet.database_url", example, url.credential));
        }
        if self.fleet.ledgers.is_empty() {
            let problem = "missing; write [[fleet.ledgers]] with a name and a path, once for each ledger";
            return Err(Error::at(&self.origin(), "fleet.ledgers", problem));
        }
        Ok(())
    }

    pub(crate) fn validate_with(&self, credentials: Option<&Path>) -> Result<(), Error> {
        if self.upstream.user_id.is_none() {
            return Err(self.missing("upstream.user_id", "user_id = \"12345\""));
        }
        if !self.upstream.api_key.is_configured_with(credentials) {
            let example = "api_key_file = \"/path/to/key\"";
            return Err(self.missing_secret("upstream.api_key", example, self.upstream.api_key.credential));
        }
        self.validate_mail(credentials)?;
        self.validate_api(credentials)?;
        self.validate_page(credentials)?;
        let replica = &self.ledger.replica;
        if replica.socket.is_none() && replica.has_more() {
            let missing = self.missing("ledger.replica.socket", "socket = \"/run/litestream.sock\"");
            return Err(missing.because("it is how Litestream is asked whether the replica has everything"));
        }
        if self.ledger.backup_dir.is_some() && self.ledger.backup_schedule.is_none() {
            tracing::warn!(
                "ledger.backup_dir is set and ledger.backup_schedule is not: no backup is made by itself"
            );
        }
        Ok(())
    }

    fn validate_mail(&self, credentials: Option<&Path>) -> Result<(), Error> {
        let mail = &self.mail;
        if mail.from.is_none() {
            return Err(self.missing("mail.from", "from = \"Deposits <deposits@example.com>\""));
        }
        if mail.to.is_empty() {
            return Err(self.missing("mail.to", "to = [\"finance@example.com\"]"));
        }
        if mail.transport == MailTransport::File {
            return Ok(());
        }
        let Some((smtp, _)) = mail.smtp.as_ref().and_then(|smtp| smtp.host.as_ref().map(|host| (smtp, host)))
        else {
            let example = "host = \"smtp.example.com\"";
            return Err(self.missing("mail.smtp.host", example));
        };
        let has_password = smtp.password.is_configured_with(credentials);
        match (&smtp.username, has_password) {
            (Some(_), false) => {
                let example = "password_file = \"/path/to/password\"";
                Err(self.missing_secret("mail.smtp.password", example, smtp.password.credential))
            }
            (None, true) => Err(self.missing("mail.smtp.username", "username = \"deposits\"")),
            _ => Ok(()),
        }
    }

    fn validate_api(&self, credentials: Option<&Path>) -> Result<(), Error> {
        let api = &self.api;
        if api.listen.is_empty() {
            return Err(self.missing("api.listen", "listen = [\"unix:depositd.sock\"]"));
        }
        for place in &api.listen {
            match place {
                Listen::Tcp(_) if api.tokens.is_empty() && !api.token.is_configured_with(credentials) => {
                    let example = "token_file = \"/path/to/token\"";
                    let missing = self.missing_secret("api.token", example, api.token.credential);
                    return Err(missing.because(&format!("{place} is TCP, which needs a token")));
                }
                Listen::Unix(path) if path.as_os_str().len() > LONGEST_SOCKET_PATH => {
                    let problem = format!(
                        "expected a socket path of at most {LONGEST_SOCKET_PATH} bytes, found {}",
                        path.display()
                    );
                    return Err(Error::at(&self.origin(), "api.listen", problem));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whoever logs in shows a token, so there must be one.
    fn validate_page(&self, credentials: Option<&Path>) -> Result<(), Error> {
        let api = &self.api;
        if self.page.listen.is_none() || !api.tokens.is_empty() || api.token.is_configured_with(credentials) {
            return Ok(());
        }
        let example = "token_file = \"/path/to/token\"";
        let missing = self.missing_secret("api.token", example, api.token.credential);
        Err(missing.because("whoever logs in at page.listen shows a token"))
    }

    fn origin(&self) -> String {
        match &self.source {
            Some(path) => path.display().to_string(),
            None => format!("no configuration file ({})", locate::PLACES),
        }
    }

    fn missing(&self, key: &str, example: &str) -> Error {
        self.missing_or(key, example, "")
    }

    fn missing_secret(&self, key: &str, example: &str, credential: &str) -> Error {
        self.missing_or(key, example, &format!(", or pass the systemd credential {credential:?}"))
    }

    fn missing_or(&self, key: &str, example: &str, or: &str) -> Error {
        let section = key.rsplit_once('.').map_or("", |(section, _)| section);
        let problem = format!("missing; write {example} under [{section}], or set {}{or}", variable(key));
        Error::at(&self.origin(), key, problem)
    }
}
