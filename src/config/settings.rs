//! What can be configured: plain data, complete, with every default filled in.

use std::path::PathBuf;
use std::time::Duration;

use rust_decimal::Decimal;
use secrecy::{ExposeSecret as _, SecretString};

use super::cron::CronExpression;
use super::error::Error;
use super::secret::SecretSource;
use super::values::{DayHours, Listen};
use crate::domain::event::EventName;
use crate::domain::poll;
use crate::domain::time::Zone;

/// A shorter token could be guessed.
const SHORTEST_TOKEN: usize = 16;
const TOO_SHORT: &str = "expected a token of at least 16 characters, found fewer: a short one could be guessed; make one with `openssl rand -hex 24`";

/// The whole configuration. Showing it with `{:?}` shows no secret.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from; `None` when the environment alone says it all.
    pub source: Option<PathBuf>,
    /// `[upstream]`
    pub upstream: UpstreamConfig,
    /// `[ledger]`
    pub ledger: LedgerConfig,
    /// `[polling]`
    pub polling: poll::Policy,
    /// `[reconcile]`
    pub reconcile: ReconcileConfig,
    /// `[mail]`
    pub mail: MailConfig,
    /// `[api]`
    pub api: ApiConfig,
    /// `[log]`
    pub log: LogConfig,
}

/// `[upstream]`: the account and how hard it may be asked.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// Without a slash at its end; `https`, or `http` on this machine.
    pub base_url: String,
    /// The account; needed by the daemon.
    pub user_id: Option<String>,
    /// Needed by the daemon.
    pub api_key: SecretSource,
    /// Over all calls; 0 is no limit.
    pub requests_per_second: Decimal,
    /// 1 to 1024.
    pub max_in_flight: usize,
    /// For one call, from connect to the last byte.
    pub timeout: Duration,
    /// For one deposit: attempts of unknown outcome, 1 to 10.
    pub create_attempts: u32,
    /// Nothing but failures for so long is an outage.
    pub down_after: Duration,
    /// A request without a wallet ends after this.
    pub request_limit: Duration,
}

/// `[ledger]`: the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerConfig {
    /// The SQLite file.
    pub path: PathBuf,
    /// Whether a ledger may be founded where there is none.
    pub create_if_missing: bool,
    /// Where scheduled backups go.
    pub backup_dir: Option<PathBuf>,
    /// When they are made.
    pub backup_schedule: Option<CronExpression>,
    /// How many are kept; `None` keeps all.
    pub backup_keep: Option<u32>,
}

/// `[reconcile]`: comparing the books with the upstream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconcileConfig {
    /// When.
    pub schedule: CronExpression,
    /// Where the clock of the upstream's invoice times hangs.
    pub upstream_zone: Zone,
    /// A difference up to this many cents is none.
    pub tolerance_cents: i64,
    /// A difference is told when so many runs in a row have found it.
    pub tell_after_runs: u32,
    /// For so long status, list and total may be apart; zero is off.
    pub lag: Duration,
}

/// How mail leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTransport {
    /// Through the server of `[mail.smtp]`.
    Smtp,
    /// As one `.eml` file a message.
    File,
}

/// `[mail]`: who is told.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// How it leaves.
    pub transport: MailTransport,
    /// The sender; needed by the daemon.
    pub from: Option<String>,
    /// Who gets what no rule sends elsewhere; needed by the daemon.
    pub to: Vec<String>,
    /// Where the file transport writes.
    pub directory: PathBuf,
    /// The wait after a first failure.
    pub retry_initial: Duration,
    /// The longest wait.
    pub retry_max: Duration,
    /// After that it is a dead letter.
    pub give_up_after: Duration,
    /// When the digest is sent; `None` never.
    pub digest_schedule: Option<CronExpression>,
    /// A folder of templates that replace the built-in ones.
    pub templates: Option<PathBuf>,
    /// When nothing is sent that can wait.
    pub quiet_hours: Option<DayHours>,
    /// How far east of UTC the quiet hours are told.
    pub quiet_utc_offset_seconds: i32,
    /// What is sent in quiet hours all the same.
    pub urgent: Vec<EventName>,
    /// More letters than this to one recipient within an hour become one summary; 0 never.
    pub flood_above: u64,
    /// For so long a flood is gathered at most.
    pub flood_wait: Duration,
    /// How many letters may leave in a second; 0 is no limit.
    pub messages_per_second: u32,
    /// `[mail.smtp]`, when anything of it is written.
    pub smtp: Option<SmtpConfig>,
    /// `[[mail.rules]]`
    pub rules: Vec<MailRule>,
}

/// How the line to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpEncryption {
    /// In clear first, then STARTTLS, required.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Not at all; on this machine only.
    None,
}

/// `[mail.smtp]`: the mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpConfig {
    /// Its name; needed by the daemon.
    pub host: Option<String>,
    /// 587 for STARTTLS, 465 for TLS, 25 for neither, unless said otherwise.
    pub port: u16,
    /// How the line is protected.
    pub security: SmtpEncryption,
    /// Who we are there; `None` for a server that wants no login.
    pub username: Option<String>,
    /// Needed with a user name.
    pub password: SecretSource,
    /// A private authority, or the server's own certificate, to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The name for EHLO; `None` for the machine's full one.
    pub hello: Option<String>,
}

/// One `[[mail.rules]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailRule {
    /// The events it is for, globs already resolved.
    pub events: Vec<EventName>,
    /// Globs of tickers; empty means any.
    pub currency: Vec<String>,
    /// Globs of networks; empty means any.
    pub network: Vec<String>,
    /// Globs of references; empty means any.
    pub reference: Vec<String>,
    /// Who gets them; an empty list means nobody.
    pub to: Vec<String>,
}

/// `[api]`: the local HTTP API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// What TCP callers must show.
    pub token: SecretSource,
}

impl ApiConfig {
    /// What TCP callers must show; `None` where nothing is configured.
    ///
    /// # Errors
    /// Where it cannot be read, is shorter than 16 characters, or could not be sent in a header.
    pub fn read_token(&self) -> Result<Option<SecretString>, Error> {
        let Some(token) = self.token.read()? else { return Ok(None) };
        let fault = |problem: &str| Err(Error::of(&self.token.given_by(), problem));
        if !token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) {
            return fault("expected a token of visible ASCII characters, without spaces");
        }
        if token.expose_secret().len() < SHORTEST_TOKEN {
            return fault(TOO_SHORT);
        }
        Ok(Some(token))
    }
}

/// `[log]`: what is logged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogConfig {
    /// From which level on, for all or by part; `None` is the usual.
    pub level: Option<String>,
}
