//! What can be configured: plain data, complete, with every default filled in.

use std::path::PathBuf;
use std::time::Duration;

use rust_decimal::Decimal;
use secrecy::{ExposeSecret as _, SecretString};

use super::cron::CronExpression;
use super::error::Error;
use super::fleet::FleetConfig;
use super::ledger::LedgerConfig;
use super::page::PageConfig;
use super::secret::{SecretFile, SecretSource};
use super::values::{DayHours, Listen};
use super::webhooks::WebhookConfig;
use crate::domain::event::EventName;
use crate::domain::method::AmountUnit;
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
    /// It is for `depositd fleet` alone: it has `[fleet]`, and neither `[upstream]` nor `[ledger]`.
    pub is_of_fleet_alone: bool,
    /// `[upstream]`
    pub upstream: UpstreamConfig,
    /// `[ledger]`
    pub ledger: LedgerConfig,
    /// `[polling]`
    pub polling: poll::Policy,
    /// `[reconcile]`
    pub reconcile: ReconcileConfig,
    /// `[books]`
    pub books: BooksConfig,
    /// `[balance]`
    pub balance: BalanceConfig,
    /// `[mail]`
    pub mail: MailConfig,
    /// `[[webhooks]]`
    pub webhooks: Vec<WebhookConfig>,
    /// `[api]`
    pub api: ApiConfig,
    /// `[page]`
    pub page: PageConfig,
    /// `[fleet]`
    pub fleet: FleetConfig,
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
    /// In what payment pages and card payments are counted; without it none can be asked for.
    pub page_amount: Option<AmountUnit>,
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

/// `[books]`: how the books' owner wants them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BooksConfig {
    /// Of days and months.
    pub time_zone: Zone,
    /// Accounts that are renamed in exports, each with its new name.
    pub accounts: Vec<(String, String)>,
}

/// `[balance]`: the prepaid balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalanceConfig {
    /// Below this many cents it is low; `None` never.
    pub low_cents: Option<i64>,
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

/// What somebody may do over the API; each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Look at everything.
    Read,
    /// Ask for deposits.
    Request,
    /// Everything.
    Operate,
}

impl Role {
    /// Every role, the smallest first.
    pub const ALL: &[Self] = &[Self::Read, Self::Request, Self::Operate];

    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Request => "request",
            Self::Operate => "operate",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.as_str() == word)
    }
}

/// The name of the token of `api.token`.
pub const PLAIN_TOKEN: &str = "api";

/// One `[[api.tokens]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenConfig {
    /// Who shows it.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The file that holds it.
    pub file: SecretFile,
}

/// One `[[api.groups]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// A group of this machine.
    pub name: String,
    /// What its members may do at the unix socket.
    pub role: Role,
}

/// A token that was read.
#[derive(Debug, Clone)]
pub struct NamedToken {
    /// Who shows it.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// What they show.
    pub secret: SecretString,
}

/// `[api]`: the local HTTP API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// The token called `api`, with which everything may be done.
    pub token: SecretSource,
    /// The others.
    pub tokens: Vec<TokenConfig>,
    /// Who may do what at the unix socket; everybody may do everything there where this is empty.
    pub groups: Vec<GroupConfig>,
}

impl ApiConfig {
    /// All that TCP callers may show.
    ///
    /// # Errors
    /// Where one cannot be read, is shorter than 16 characters, could not be sent in a header, or is another one, too:
    /// then nobody could say who shows it.
    pub fn read_tokens(&self) -> Result<Vec<NamedToken>, Error> {
        let mut tokens: Vec<NamedToken> = Vec::new();
        if let Some(secret) = self.read_token()? {
            tokens.push(NamedToken { name: PLAIN_TOKEN.to_owned(), role: Role::Operate, secret });
        }
        for token in &self.tokens {
            let key = &token.file.key;
            let token = NamedToken { name: token.name.clone(), role: token.role, secret: token.read()? };
            let same = |known: &&NamedToken| known.secret.expose_secret() == token.secret.expose_secret();
            if let Some(known) = tokens.iter().find(same) {
                let problem = format!(
                    "expected a token of its own, found that of {:?}: who shows it could be either",
                    known.name
                );
                return Err(Error::of(key, problem));
            }
            tokens.push(token);
        }
        Ok(tokens)
    }

    /// The token called `api`; `None` where none is configured.
    ///
    /// # Errors
    /// Where it cannot be read, is shorter than 16 characters, or could not be sent in a header.
    pub fn read_token(&self) -> Result<Option<SecretString>, Error> {
        let Some(token) = self.token.read()? else { return Ok(None) };
        checked_token(token, &self.token.given_by()).map(Some)
    }

    /// What the commands of whoever reads this configuration show over TCP: the token `api`, or the one of the others
    /// that may do most of those that can be read.
    ///
    /// # Errors
    /// Where none can be read, why not the first.
    pub fn own_token(&self) -> Result<Option<SecretString>, Error> {
        if let Some(token) = self.token.read()? {
            return Ok(Some(token));
        }
        let mut tokens: Vec<&TokenConfig> = self.tokens.iter().collect();
        tokens.sort_by_key(|token| std::cmp::Reverse(token.role));
        let mut why = None;
        for token in tokens {
            match token.file.read() {
                Ok(secret) => return Ok(Some(secret)),
                Err(error) => why = why.or(Some(error)),
            }
        }
        why.map_or(Ok(None), Err)
    }
}

impl TokenConfig {
    /// The token itself.
    ///
    /// # Errors
    /// As [`ApiConfig::read_token`].
    pub fn read(&self) -> Result<SecretString, Error> {
        checked_token(self.file.read()?, &self.file.key)
    }
}

fn checked_token(token: SecretString, key: &str) -> Result<SecretString, Error> {
    if !token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::of(key, "expected a token of visible ASCII characters, without spaces"));
    }
    if token.expose_secret().len() < SHORTEST_TOKEN {
        return Err(Error::of(key, TOO_SHORT));
    }
    Ok(token)
}

/// `[log]`: what is logged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogConfig {
    /// From which level on, for all or by part; `None` is the usual.
    pub level: Option<String>,
}
