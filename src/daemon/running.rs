//! The daemon's life: started in an order in which a refusal changes nothing, told things by signals, drained, closed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::reload::{Reloader, SetLogLevel};
use super::{
    Error, book_settings, flow_settings, gate, ledger_settings, litestream_program, mailer, pages, rules,
    timetable, upstream_client, webhooks,
};
use crate::api::{Api, ApiSettings, Bound, LiveAccess};
use crate::clock::{SharedClock, SystemClock};
use crate::config::Config;
use crate::domain::causes::chain;
use crate::flow::{self, Flow, OwnershipError};
use crate::ledger::{self, BookSettings, Ledger, Reservation};
use crate::notifier::{Mailer, Rules, WebhookEndpoint};
use crate::page::{PageServer, PageSettings, PageTemplates};
use crate::scheduler::{self, Lifecycle, Loops, ServiceStatus, Signalled};
use crate::upstream::Upstream;

/// How long a drain may take before the daemon goes all the same; everything it leaves is on disk.
const DRAIN: Duration = Duration::from_secs(24);
/// How long the ledger may take to be closed after that.
const CLOSE: Duration = Duration::from_secs(4);

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    flow: Flow,
    loops: Loops,
    addresses: Vec<String>,
    page: Option<String>,
    access: LiveAccess,
    stop_api: CancellationToken,
    api: JoinHandle<()>,
}

/// What is made of the configuration before anything is touched.
struct Parts {
    upstream: Upstream,
    mailer: Mailer,
    rules: Rules,
    webhooks: Vec<WebhookEndpoint>,
    clock: SharedClock,
}

impl Daemon {
    /// Opens the ledger, and starts everything that `config` asks for.
    ///
    /// Whatever may refuse comes first: the configuration, the secrets and templates, the ledger's lock and what the ledger
    /// says of itself, the addresses. Only then is the ledger opened for writing. So a start that is refused, however often,
    /// leaves the ledger as it was.
    ///
    /// # Errors
    /// [`Error`]; nothing runs then.
    pub async fn start(config: &Config, clock: SharedClock) -> Result<Self, Error> {
        config.validate_for_daemon()?;
        let parts = Parts {
            upstream: upstream_client(config, clock.clone())?,
            mailer: mailer(config)?,
            rules: rules(config),
            webhooks: webhooks(config)?,
            clock,
        };
        let templates = config.page.listen.map(|_| pages(config)).transpose()?;
        let settings = ApiSettings {
            listen: config.api.listen.clone(),
            tokens: config.api.read_tokens()?,
            groups: config.api.groups.clone(),
            backup_dir: config.ledger.backup_dir.clone(),
        };
        let reserved = Reservation::take(ledger_settings(config)).await?;
        if let Some(account) = &config.upstream.user_id {
            flow::refuse_foreign(&reserved, account).await.map_err(not_ours)?;
        }
        if config.ledger.replica.socket.is_some() {
            let program = litestream_program(config).await;
            if let Some(superseded) = flow::refuse_superseded(&reserved, &program).await? {
                return Err(Error::Configuration(superseded.to_string()));
            }
        }
        let books = book_settings(config);
        reserved.refuse_other_zone(books.zone.name()).await.map_err(not_those_books)?;
        let mut door = Api::bind(settings).await.map_err(|error| Error::Start(chain(&error)))?;
        let page = page(config, templates, door.access()).await?;
        let address = page.as_ref().map(|page| page.address().to_owned());
        if let Some(page) = page {
            door = door.with(page.site());
        }
        let ledger = Ledger::open_reserved(reserved).await?;
        match Self::start_on(ledger.clone(), config, (parts, books), door).await {
            Ok(daemon) => Ok(Self { page: address, ..daemon }),
            Err(error) => {
                // Whoever may only read can read it again.
                if let Err(left) = ledger.close().await {
                    tracing::warn!("the ledger could not be closed in order: {}", left.chain());
                }
                Err(error)
            }
        }
    }

    async fn start_on(
        ledger: Ledger,
        config: &Config,
        (parts, books): (Parts, BookSettings),
        door: Bound,
    ) -> Result<Self, Error> {
        if let Some(account) = &config.upstream.user_id {
            flow::bind(&ledger, account).await.map_err(not_ours)?;
        }
        let Parts { upstream, mailer, rules, webhooks, clock } = parts;
        ledger.keep_books(books, clock.now()).await.map_err(not_those_books)?;
        let gate = gate(config, &ledger, clock.now());
        let flow = Flow::new(ledger, upstream, mailer, rules, flow_settings(config), clock).behind(gate);
        flow.webhooks.replace(webhooks);
        if let Some(backups) = &config.ledger.backup_dir {
            flow::notice_restore(&flow, backups).await?;
        }
        let status = Arc::new(ServiceStatus::default());
        let loops = Loops::start(flow.clone(), Arc::clone(&status), timetable(config));
        let loops = loops.await.map_err(Error::Start)?;
        let (addresses, access, stop_api) = (door.addresses(), door.access(), CancellationToken::new());
        // A refused account is known from here on; nothing waits for it.
        let (own, stop) = (flow.clone(), stop_api.clone());
        let probe = async move {
            let _ = stop.run_until_cancelled(flow::probe_account(&own)).await;
        };
        tokio::spawn(probe.boxed());
        let api = tokio::spawn(door.serve(flow.clone(), status, stop_api.clone()).boxed());
        Ok(Self { flow, loops, addresses, page: None, access, stop_api, api })
    }

    /// Where the API listens: `unix:PATH`, `ADDRESS:PORT`.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// What a person types into a browser, where there are pages.
    #[must_use]
    pub fn page(&self) -> Option<&str> {
        self.page.as_deref()
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
        Ok(self.drain().await.close().await?)
    }

    /// Finishes what is under way; gives the ledger, to be closed.
    async fn drain(self) -> Ledger {
        self.stop_api.cancel();
        if let Err(error) = self.api.await {
            tracing::error!("the API broke off: {error}");
        }
        self.loops.stop().await;
        self.flow.mailer.close_idle().await;
        self.flow.ledger
    }
}

/// The pages for browsers, where they are configured: their address is taken.
async fn page(
    config: &Config,
    pages: Option<PageTemplates>,
    access: LiveAccess,
) -> Result<Option<PageServer>, Error> {
    let (Some(listen), Some(pages)) = (config.page.listen, pages) else { return Ok(None) };
    let page =
        PageServer::bind(PageSettings { listen, public_url: config.page.public_url.clone() }, pages, access)
            .await;
    page.map(Some).map_err(|error| Error::Start(chain(&error)))
}

fn not_those_books(error: ledger::Error) -> Error {
    match error {
        fixed @ ledger::Error::ZoneFixed { .. } => Error::Configuration(fixed.to_string()),
        error => Error::Ledger(error),
    }
}

fn not_ours(error: OwnershipError) -> Error {
    match error {
        OwnershipError::Ledger(error) => Error::Ledger(error),
        foreign @ OwnershipError::Foreign { .. } => Error::Configuration(foreign.to_string()),
    }
}

/// The daemon in the foreground, until a signal or a fault ends it.
///
/// After [`Error::Fatal`] the process should end without dropping the runtime: then the ledger is left as by a kill, its log
/// beside it, and readers go on.
///
/// # Errors
/// [`Error`]
pub async fn run(config: &Config, set_log_level: SetLogLevel) -> Result<(), Error> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let mut signals = Lifecycle::new().map_err(|error| Error::Start(format!("signals: {error}")))?;
    let mut reloader = Reloader::new(config, set_log_level)?;
    let mut daemon = Daemon::start(config, clock.clone()).await?;
    tracing::info!(
        ledger = %config.ledger.path.display(),
        "depositd {} is ready; its API listens on {}",
        env!("CARGO_PKG_VERSION"),
        daemon.addresses.join(" and ")
    );
    scheduler::notify_ready("watching deposits");
    let pulse = Arc::clone(&daemon.flow.heartbeats);
    let mut feeding = std::pin::pin!(scheduler::feed_watchdog(&pulse, &clock));
    let fatal = loop {
        let signalled = tokio::select! {
            signalled = signals.next() => signalled,
            reason = daemon.fatal() => break Some(reason),
            () = &mut feeding => continue,
        };
        match signalled {
            Signalled::Stop => break None,
            Signalled::Reload => {
                scheduler::notify_reloading();
                tokio::select! {
                    () = reloader.reload(&daemon.flow, &daemon.access) => {}
                    () = &mut feeding => {}
                }
                scheduler::notify_ready("watching deposits");
            }
            Signalled::Nothing(name) => {
                tracing::info!("{name} means nothing here; SIGHUP reloads, SIGTERM stops")
            }
        }
    };
    scheduler::notify_stopping();
    if let Some(reason) = fatal {
        tracing::error!("the daemon must not go on: {reason}");
        return Err(Error::Fatal(reason));
    }
    tracing::info!("stopping: what is under way is finished; a second signal aborts");
    let ledger = tokio::select! {
        ledger = daemon.drain() => ledger,
        () = signals.asked_to_stop() => return Err(Error::Fatal("aborted by a second signal".to_owned())),
        () = clock.sleep(DRAIN) => return Err(Error::Fatal("the drain took too long".to_owned())),
    };
    // Not to be aborted: for a moment in the midst of this nobody could read the file.
    tokio::select! {
        closed = ledger.close() => Ok(closed?),
        () = clock.sleep(CLOSE) => Err(Error::Fatal("the ledger could not be closed in time".to_owned())),
    }
}
