//! The local HTTP API (docs/interface.md): who may ask, within which limits, and what each answer looks like.
//!
//! The only user of axum in the daemon. It keeps nothing: every answer is read from the ledger, every change goes
//! through the flow, and whatever changes something is carried out whole even if the caller goes away.

mod access;
mod admin;
mod assets;
mod auth;
mod cases;
mod deposits;
mod drills;
mod events;
mod health;
mod input;
mod listing;
mod matches;
mod metrics;
mod output_gate;
mod periods;
mod principal;
mod problem;
mod routes;
mod server;
mod settings;
mod state;
mod statement;
mod streams;
mod waiters;
mod webhooks;
mod wrong_tokens;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::access::LiveAccess;
pub(crate) use self::access::{KnownToken, digest};
pub(crate) use self::assets::listing as assets;
use self::auth::Authenticator;
pub(crate) use self::auth::is_local_name;
pub(crate) use self::deposits::decided;
pub(crate) use self::health::readiness;
pub(crate) use self::input::{Name, RawBody, clip};
pub(crate) use self::listing::filter;
pub(crate) use self::output_gate::through;
pub(crate) use self::principal::{Origin, Principal, unix_user};
pub(crate) use self::problem::{Problem, ProblemKind};
pub(crate) use self::server::Listener;
use self::server::ServerContext;
pub use self::server::{TriedPlace, try_place};
pub use self::settings::{ApiSettings, Error};
pub(crate) use self::state::{ApiState, SharedState, whole};
pub use crate::api_types::DepositObject;
use crate::clock::{Clock as _, SystemClock};
pub use crate::config::Listen;
use crate::flow::Flow;
use crate::scheduler::ServiceStatus;

/// How long answers under way may take once the daemon stops.
const DRAIN: Duration = Duration::from_secs(5);

/// The API of one daemon.
#[derive(Debug)]
pub struct Api;

/// An API whose addresses are taken; nobody is answered before [`Bound::serve`].
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<(Listener, Arc<Authenticator>)>,
    sites: Vec<Site>,
    access: LiveAccess,
    backup_dir: Option<PathBuf>,
}

/// Another listener, whose callers a router of its own answers, by the same state and within the same limits.
pub struct Site {
    listener: Listener,
    router: Box<dyn FnOnce(SharedState) -> axum::Router + Send>,
}

impl Site {
    pub(crate) fn new(
        listener: Listener,
        router: impl FnOnce(SharedState) -> axum::Router + Send + 'static,
    ) -> Self {
        Self { listener, router: Box::new(router) }
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl Api {
    /// Takes every address. A unix socket is guarded by its permissions (0660), a TCP address by the tokens.
    ///
    /// # Errors
    /// [`Error`]; whatever was taken is given back then.
    pub async fn bind(settings: ApiSettings) -> Result<Bound, Error> {
        let access = LiveAccess::new(&settings.tokens, &settings.groups);
        let nobody = settings.tokens.iter().all(|token| token.secret.expose_secret().is_empty());
        let mut listeners = Vec::with_capacity(settings.listen.len());
        for place in settings.listen {
            listeners.push(match place {
                Listen::Unix(path) => {
                    (Listener::unix(&path).await?, Arc::new(Authenticator::Permissions(access.clone())))
                }
                Listen::Tcp(address) => {
                    if nobody {
                        return Err(Error::NoToken { address });
                    }
                    if !address.ip().is_loopback() {
                        tracing::warn!("the API listens on {address}: the token travels there in clear");
                    }
                    (Listener::tcp(address).await?, Arc::new(Authenticator::Tokens(access.clone())))
                }
            });
        }
        Ok(Bound { listeners, sites: Vec::new(), access, backup_dir: settings.backup_dir })
    }
}

impl Bound {
    /// Where it really listens: `unix:PATH`, `ADDRESS:PORT`.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.listeners.iter().map(|(listener, _)| listener.address()).collect()
    }

    /// Who may do what, to be replaced.
    #[must_use]
    pub fn access(&self) -> LiveAccess {
        self.access.clone()
    }

    /// Answers at this listener as well.
    #[must_use]
    pub fn with(mut self, site: Site) -> Self {
        self.sites.push(site);
        self
    }

    /// Answers until `stop`; then finishes what is under way, for at most five seconds, event streams and callers
    /// that wait for a wallet included.
    pub async fn serve(self, flow: Flow, status: Arc<ServiceStatus>, stop: CancellationToken) {
        let Self { listeners, sites, access, backup_dir } = self;
        let api = Arc::new(ApiState::new(flow, status, backup_dir, stop.clone()));
        let (kill, tasks) = (CancellationToken::new(), TaskTracker::new());
        let router = routes::router(Arc::clone(&api));
        let context = |authenticator, router| ServerContext {
            authenticator,
            wrong_tokens: Arc::clone(&api.wrong_tokens),
            router,
            stop: stop.clone(),
            kill: kill.clone(),
            tasks: tasks.clone(),
        };
        let own = listeners.into_iter().map(|(listener, authenticator)| {
            tracing::info!("the API listens on {}", listener.address());
            server::serve(listener, context(authenticator, router.clone()))
        });
        let sites = sites.into_iter().map(|Site { listener, router }| {
            let everybody = Arc::new(Authenticator::Router(access.clone()));
            server::serve(listener, context(everybody, router(Arc::clone(&api))))
        });
        let serving = futures_util::future::join_all(own.chain(sites).collect::<Vec<_>>());
        let follow = api.waiters.follow(&api.flow.ledger, &stop);
        let tell = stop.run_until_cancelled(api.wrong_tokens.keep_telling());
        tokio::join!(serving, follow, tell, stop.cancelled());
        api.wrong_tokens.tell_the_rest();
        tasks.close();
        tokio::select! {
            () = tasks.wait() => {}
            () = SystemClock::new().sleep(DRAIN) => {
                tracing::warn!("{} API connections had to be cut off", tasks.len());
                kill.cancel();
                tasks.wait().await;
            }
        }
    }
}
