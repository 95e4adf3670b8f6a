//! How the parts become one running daemon: built from the configuration, started, drained, closed.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Api};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{self, Config};
use crate::domain::causes::chain;
use crate::flow::{self, Flow, OwnershipError};
use crate::ledger::{self, Access, Ledger};
use crate::notifier::{self, Mailer, Rules};
use crate::scheduler::{self, BackupPlan, Lifecycle, Loops, Schedule, ServiceStatus};
use crate::upstream::{self, Upstream};

/// How long a drain may take before the daemon goes all the same; everything it leaves is on disk.
const DRAIN: Duration = Duration::from_secs(25);

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

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    flow: Flow,
    loops: Loops,
    addresses: Vec<String>,
    stop_api: CancellationToken,
    api: JoinHandle<()>,
}

impl Daemon {
    /// Opens the ledger, and starts everything that `config` asks for.
    ///
    /// # Errors
    /// [`Error`]; nothing runs then.
    pub async fn start(config: &Config, clock: SharedClock) -> Result<Self, Error> {
        config.validate_for_daemon()?;
        let token = config.api.read_token()?;
        let flow = build(config, clock).await?;
        let status = Arc::new(ServiceStatus::default());
        let settings = api::ApiSettings { listen: config.api.listen.clone(), token };
        let door = Api::bind(settings, flow.clone(), Arc::clone(&status))
            .await
            .map_err(|error| Error::Start(chain(&error)))?;
        let loops = Loops::start(flow.clone(), status, timetable(config)).await.map_err(Error::Start)?;
        let (addresses, stop_api) = (door.addresses(), CancellationToken::new());
        // A refused account is known from here on; nothing waits for it.
        let (own, stop) = (flow.clone(), stop_api.clone());
        tokio::spawn(async move { stop.run_until_cancelled(flow::probe_account(&own)).await });
        let api = tokio::spawn(door.serve(stop_api.clone()));
        Ok(Self { flow, loops, addresses, stop_api, api })
    }

    /// Where the API listens: `unix:PATH`, `ADDRESS:PORT`.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// What it works with.
    #[must_use]
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Completes when it must not go on, with the reason.
    pub async fn fatal(&mut self) -> String {
        tokio::select! {
            reason = self.loops.fatal() => reason,
            ended = &mut self.api => match ended {
                Ok(()) => "the API has ended".to_owned(),
                Err(error) => format!("the API broke off: {error}"),
            },
        }
    }

    /// Finishes what is under way, and closes the ledger.
    ///
    /// # Errors
    /// Where the ledger could not be closed in order; it is safe even then.
    pub async fn stop(self) -> Result<(), Error> {
        self.stop_api.cancel();
        if let Err(error) = self.api.await {
            tracing::error!("the API broke off: {error}");
        }
        self.loops.stop().await;
        self.flow.mailer.close_idle().await;
        self.flow.ledger.close().await?;
        Ok(())
    }
}

/// The daemon in the foreground, until a signal or a fault ends it.
pub async fn run(config: &Config) -> Result<(), Error> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let mut signals = Lifecycle::new().map_err(|error| Error::Start(format!("signals: {error}")))?;
    let mut daemon = Daemon::start(config, clock.clone()).await?;
    let pulse = Arc::clone(&daemon.flow.heartbeats);
    tracing::info!(
        ledger = %config.ledger.path.display(),
        "depositd {} is ready; its API listens on {}",
        env!("CARGO_PKG_VERSION"),
        daemon.addresses.join(" and ")
    );
    scheduler::notify_ready("watching deposits");
    let fatal = tokio::select! {
        () = signals.asked_to_stop() => None,
        reason = daemon.fatal() => Some(reason),
        () = scheduler::feed_watchdog(&pulse, &clock) => None,
    };
    scheduler::notify_stopping();
    if let Some(reason) = fatal {
        tracing::error!("the daemon must not go on: {reason}");
        return Err(Error::Fatal(reason));
    }
    tracing::info!("stopping: what is under way is finished; a second signal aborts");
    tokio::select! {
        stopped = daemon.stop() => stopped,
        () = signals.asked_to_stop() => Err(Error::Fatal("aborted by a second signal".to_owned())),
        () = clock.sleep(DRAIN) => Err(Error::Fatal("the drain took too long".to_owned())),
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
            }
        }
        (config::MailTransport::Smtp, None) => {
            return Err(Error::Configuration("mail.smtp.host: missing".to_owned()));
        }
    };
    Mailer::with_templates(mail_settings(config, transport), password, templates(config)?).map_err(|error| {
        let key = match error {
            notifier::SettingsError::CaFile(..) => "mail.smtp.ca_file",
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

async fn build(config: &Config, clock: SharedClock) -> Result<Flow, Error> {
    let upstream = upstream_client(config, clock.clone())?;
    let mailer = mailer(config)?;
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
    let rules = Rules::new(config.mail.to.clone(), rules).with_pace(pace(config));
    let ledger = Ledger::open(ledger_settings(config), Access::Write).await?;
    if let Some(account) = &config.upstream.user_id
        && let Err(error) = flow::bind(&ledger, account).await
    {
        ledger.close().await?;
        return Err(match error {
            OwnershipError::Ledger(error) => Error::Ledger(error),
            foreign @ OwnershipError::Foreign { .. } => Error::Configuration(foreign.to_string()),
        });
    }
    let flow = Flow::new(ledger, upstream, mailer, rules, flow_settings(config), clock);
    if let Some(backups) = &config.ledger.backup_dir {
        flow::notice_restore(&flow, backups).await?;
    }
    Ok(flow)
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
        request_limit: config.upstream.request_limit,
        mail_retry_initial: config.mail.retry_initial,
        mail_retry_max: config.mail.retry_max,
        mail_give_up_after: config.mail.give_up_after,
    }
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
    }
}
