//! How the parts become one running daemon: built from the configuration, started, drained, closed.

mod reload;
mod running;

use std::path::{Path, PathBuf};

use crate::clock::SharedClock;
use crate::config::{self, Config};
use crate::domain::book_zone::BookZone;
use crate::domain::causes::chain;
use crate::domain::event::EventName;
use crate::domain::time::Timestamp;
use crate::flow;
use crate::ledger;
use crate::notifier::{self, Mailer, Rules, WebhookEndpoint};
use crate::page::PageTemplates;
use crate::replica::{self, Litestream};
use crate::scheduler::{self, BackupPlan, Schedule};
use crate::upstream::{self, Upstream};

pub use reload::SetLogLevel;
pub use running::{Daemon, run};

/// Why the daemon did not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration does not fit; nothing was touched.
    #[error("{0}")]
    Configuration(String),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// Another part.
    #[error("{0}")]
    Start(String),
    /// It ran, and must not go on.
    #[error("stopped: {0}")]
    Fatal(String),
}

impl From<config::Error> for Error {
    fn from(error: config::Error) -> Self {
        Self::Configuration(error.to_string())
    }
}

/// The mail's domain for Message-IDs: the sender's.
fn mail_domain(config: &Config) -> String {
    let from = config.mail.from.as_deref().unwrap_or_default();
    let domain = from.rsplit('@').next().unwrap_or_default().trim_end_matches('>').trim();
    if domain.is_empty() { "localhost".to_owned() } else { notifier::ascii_domain(domain) }
}

/// How the ledger is opened by `config`, for whoever opens it.
#[must_use]
pub fn ledger_settings(config: &Config) -> ledger::LedgerSettings {
    ledger::LedgerSettings {
        path: config.ledger.path.clone(),
        create_if_missing: config.ledger.create_if_missing,
        mail_domain: mail_domain(config),
    }
}

/// How the books are kept, by `config`.
fn book_settings(config: &Config) -> ledger::BookSettings {
    let config::BooksConfig { time_zone, accounts } = &config.books;
    ledger::BookSettings { zone: BookZone::of(time_zone), accounts: accounts.clone() }
}

/// The upstream's client by `config`.
///
/// # Errors
/// Where the key cannot be read, or the settings do not fit.
pub fn upstream_client(config: &Config, clock: SharedClock) -> Result<Upstream, Error> {
    let missing = |what: &str| Error::Configuration(format!("upstream.{what}: missing"));
    let key = config.upstream.api_key.read()?.ok_or_else(|| missing("api_key_file"))?;
    let rate = config.upstream.requests_per_second;
    let settings = upstream::UpstreamSettings {
        base_url: config.upstream.base_url.clone(),
        user_id: config.upstream.user_id.clone().ok_or_else(|| missing("user_id"))?,
        requests_per_second: (!rate.is_zero()).then_some(rate),
        max_in_flight: config.upstream.max_in_flight,
        timeout: config.upstream.timeout,
        zone: config.reconcile.upstream_zone.clone(),
        page_amount: config.upstream.page_amount,
    };
    Upstream::new(settings, key, clock).map_err(|error| Error::Configuration(error.to_string()))
}

/// The way out for letters by `config`.
///
/// # Errors
/// Where a password cannot be read, or the settings do not fit.
pub fn mailer(config: &Config) -> Result<Mailer, Error> {
    let mail = &config.mail;
    let mut password = None;
    let transport = match (mail.transport, &mail.smtp) {
        (config::MailTransport::File, _) => notifier::MailBackend::File { directory: mail.directory.clone() },
        (config::MailTransport::Smtp, Some(smtp)) => {
            password = smtp.password.read()?;
            notifier::MailBackend::Smtp {
                host: smtp.host.clone().unwrap_or_default(),
                port: smtp.port,
                security: match smtp.security {
                    config::SmtpEncryption::StartTls => notifier::Security::StartTls,
                    config::SmtpEncryption::Tls => notifier::Security::Tls,
                    config::SmtpEncryption::None => notifier::Security::None,
                },
                username: smtp.username.clone(),
                ca_file: smtp.ca_file.clone(),
                hello: smtp.hello.clone(),
            }
        }
        (config::MailTransport::Smtp, None) => {
            return Err(Error::Configuration("mail.smtp.host: missing".to_owned()));
        }
    };
    Mailer::with_templates(mail_settings(config, transport), password, templates(config)?).map_err(|error| {
        let key = match error {
            notifier::SettingsError::CaFile(..) | notifier::SettingsError::NoCertificate(_) => {
                "mail.smtp.ca_file"
            }
            notifier::SettingsError::From(_) => "mail.from",
            _ => "mail",
        };
        Error::Configuration(format!("{key}: {}", chain(&error)))
    })
}

/// Letters by `config` that are not sent: for previews, without any secret.
///
/// # Errors
/// Where a template or the sender does not fit.
pub fn previewer(config: &Config) -> Result<Mailer, Error> {
    let transport = notifier::MailBackend::File { directory: config.mail.directory.clone() };
    let mut settings = mail_settings(config, transport);
    if settings.from.is_empty() {
        "depositd@localhost".clone_into(&mut settings.from);
    }
    Mailer::with_templates(settings, None, templates(config)?)
        .map_err(|error| Error::Configuration(format!("mail: {error}")))
}

/// The letters' templates by `config`: each is tried.
///
/// # Errors
/// The file, the line and what is wrong.
pub fn templates(config: &Config) -> Result<notifier::Templates, Error> {
    let templates = match &config.mail.templates {
        Some(folder) => notifier::Templates::load(folder),
        None => notifier::Templates::builtin(),
    };
    templates.map_err(|error| Error::Configuration(format!("mail.templates: {error}")))
}

/// The templates of the pages for browsers by `config`: each is tried.
///
/// # Errors
/// The file, the line and what is wrong.
pub fn pages(config: &Config) -> Result<PageTemplates, Error> {
    let pages = config.page.templates.as_deref().map_or_else(PageTemplates::builtin, PageTemplates::load);
    pages.map_err(|error| Error::Configuration(format!("page.templates: {error}")))
}

fn mail_settings(config: &Config, transport: notifier::MailBackend) -> notifier::MailerSettings {
    notifier::MailerSettings {
        transport,
        from: config.mail.from.clone().unwrap_or_default(),
        account: config.upstream.user_id.clone().unwrap_or_default(),
        send_timeout: notifier::MailerSettings::SEND_TIMEOUT,
    }
}

/// When letters go and how many at once, by `config`.
fn pace(config: &Config) -> notifier::RetrySchedule {
    let mail = &config.mail;
    notifier::RetrySchedule {
        quiet_hours: mail.quiet_hours.map(|hours| notifier::QuietHours {
            from: hours.from,
            to: hours.to,
            utc_offset_seconds: mail.quiet_utc_offset_seconds,
        }),
        urgent: mail.urgent.clone(),
        flood: (mail.flood_above > 0)
            .then_some(notifier::Digesting { above: mail.flood_above, wait: mail.flood_wait }),
        per_second: (mail.messages_per_second > 0).then_some(mail.messages_per_second),
    }
}

/// Who gets which letter, and when, by `config`.
fn rules(config: &Config) -> Rules {
    let rules = config
        .mail
        .rules
        .iter()
        .map(|rule| notifier::RecipientRule {
            events: rule.events.iter().map(|event| event.as_str().to_owned()).collect(),
            currency: rule.currency.clone(),
            network: rule.network.clone(),
            reference: rule.reference.clone(),
            to: rule.to.clone(),
        })
        .collect();
    let webhooks = config.webhooks.iter().map(|webhook| notifier::RecipientRule {
        events: webhook.events.iter().map(|event| event.as_str().to_owned()).collect(),
        currency: webhook.currency.clone(),
        network: webhook.network.clone(),
        reference: webhook.reference.clone(),
        to: vec![webhook.name.clone()],
    });
    Rules::new(config.mail.to.clone(), rules).with_webhooks(webhooks.collect()).with_pace(pace(config))
}

/// The webhooks by `config`.
///
/// # Errors
/// Where a secret or a file of certificates cannot be used.
pub fn webhooks(config: &Config) -> Result<Vec<WebhookEndpoint>, Error> {
    config.webhooks.iter().map(webhook).collect()
}

/// One webhook by its configuration.
///
/// # Errors
/// As [`webhooks`].
pub fn webhook(webhook: &config::WebhookConfig) -> Result<WebhookEndpoint, Error> {
    let settings = notifier::WebhookSettings {
        name: webhook.name.clone(),
        url: webhook.url.clone(),
        secrets: webhook.secrets()?,
        timeout: webhook.timeout,
        retry_initial: webhook.retry_initial,
        retry_max: webhook.retry_max,
        give_up_after: webhook.give_up_after,
        ca_file: webhook.ca_file.clone(),
    };
    WebhookEndpoint::new(settings)
        .map_err(|error| Error::Configuration(format!("webhooks {:?}: {error}", webhook.name)))
}

fn flow_settings(config: &Config) -> flow::FlowSettings {
    // With a small budget only a few deposits are taken from the queue at once, so that the order stays fresh.
    let rate = config.upstream.requests_per_second;
    let per_second = u32::try_from(rate.ceil()).unwrap_or(u32::MAX);
    let in_flight = config.upstream.max_in_flight;
    let poll_batch = match per_second {
        0 => flow::FlowSettings::POLL_BATCH,
        rate => rate.saturating_mul(2).clamp(1, 256).max(u32::try_from(in_flight).unwrap_or(256).min(16)),
    };
    flow::FlowSettings {
        policy: config.polling,
        create_attempts: config.upstream.create_attempts,
        call_timeout: config.upstream.timeout,
        max_in_flight: in_flight,
        poll_batch,
        down_after: config.upstream.down_after,
        tolerance_cents: config.reconcile.tolerance_cents,
        tell_after_runs: config.reconcile.tell_after_runs,
        lag: config.reconcile.lag,
        low_balance_cents: config.balance.low_cents,
        request_limit: config.upstream.request_limit,
        page_amount: config.upstream.page_amount,
        mail_retry_initial: config.mail.retry_initial,
        mail_retry_max: config.mail.retry_max,
        mail_give_up_after: config.mail.give_up_after,
    }
}

/// What everything that leaves passes, by `config`.
fn gate(config: &Config, ledger: &ledger::Ledger, now: Timestamp) -> flow::ReplicaGate {
    let replica = &config.ledger.replica;
    let Some(socket) = replica.socket.clone() else { return flow::ReplicaGate::default() };
    let settings = flow::ReplicaSettings {
        litestream: litestream(config, socket),
        is_required: replica.is_required(),
        program: replica.program.clone(),
        config: replica.config.clone(),
    };
    flow::ReplicaGate::new(settings, ledger.clone(), now)
}

/// Litestream at `socket`, for the ledger of `config`.
#[must_use]
pub fn litestream(config: &Config, socket: PathBuf) -> Litestream {
    Litestream::new(socket, &config.ledger.path, config.ledger.replica.limit())
}

/// Makes the newest state in the store, or the backup at `from`, this machine's ledger, because `who` says so.
///
/// # Errors
/// [`flow::PromoteError`]; nothing has changed then.
pub async fn promote(
    config: &Config,
    from: Option<&Path>,
    (who, note): (&str, &str),
    now: Timestamp,
) -> Result<flow::Promoted, flow::PromoteError> {
    let program = litestream_program(config).await;
    let running = config.ledger.replica.socket.clone().map(|socket| litestream(config, socket));
    let mail_to = rules(config).recipients(EventName::Decided);
    let settings = ledger_settings(config);
    let (program, litestream) = (&program, running.as_ref());
    flow::promote(flow::Promotion { settings, program, litestream, from, mail_to, who, note, now }).await
}

/// Litestream's program by `config`, or as the one at the configured socket was started.
pub async fn litestream_program(config: &Config) -> replica::Program {
    let settings = &config.ledger.replica;
    let pid = match settings.socket.clone() {
        Some(socket) => litestream(config, socket).pid().await.ok().flatten(),
        None => None,
    };
    let (program, file) = (settings.program.clone(), settings.config.clone());
    replica::Program::find(program, file, &config.ledger.path, pid)
}

fn timetable(config: &Config) -> scheduler::TaskSettings {
    let schedule = |cron: &config::CronExpression| {
        let own = cron.clone();
        Schedule::new(cron.as_str(), move |after| own.next_after(after))
    };
    let backup = match (&config.ledger.backup_dir, &config.ledger.backup_schedule) {
        (Some(directory), Some(cron)) => Some(BackupPlan {
            directory: directory.clone(),
            schedule: schedule(cron),
            keep: usize::try_from(config.ledger.backup_keep.unwrap_or(14)).unwrap_or(usize::MAX),
        }),
        _ => None,
    };
    scheduler::TaskSettings {
        reconcile: schedule(&config.reconcile.schedule),
        digest: config.mail.digest_schedule.as_ref().map(schedule),
        backup,
        has_replica: config.ledger.replica.socket.is_some(),
        drill: config.ledger.replica.drill_schedule.as_ref().map(schedule),
    }
}
