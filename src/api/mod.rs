//! The local HTTP API (docs/interface.md): who may ask, within which limits, and what each answer looks like.
//!
//! The only user of axum in the daemon. It keeps nothing: every answer is read from the ledger, every change goes
//! through the flow, and whatever changes something is carried out whole even if the caller goes away.

mod admin;
mod auth;
mod cases;
mod concurrency_limit;
mod connection_slots;
mod deposits;
mod events;
mod health;
mod input;
mod listener;
mod metrics;
mod objects;
mod periods;
mod problem;
mod routes;
mod waiters;
mod write_timeout;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::auth::{Authenticator, Origin};
use self::concurrency_limit::ConcurrencyLimit;
use self::listener::{Listener, ServerContext};
pub use self::objects::DepositObject;
use self::problem::{Problem, ProblemKind};
use self::waiters::Waiters;
use crate::clock::{Clock as _, SystemClock};
pub use crate::config::Listen;
use crate::flow::Flow;
use crate::scheduler::ServiceStatus;

/// How long answers that are under way may take once the daemon stops.
const DRAIN: Duration = Duration::from_secs(5);
/// The most event streams at a time.
const STREAMS: usize = 64;
/// The most reconciliations that are asked for at a time, the one under way included.
const RECONCILIATIONS: usize = 4;

/// `[api]`
#[derive(Debug, Clone, Default)]
pub struct ApiSettings {
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// What TCP callers must show.
    pub token: Option<SecretString>,
}

/// Why the API cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Anybody on the machine, or the network, could ask for anything.
    #[error("the API listens on {address} and has no token; set api.token_file")]
    NoToken {
        /// The TCP address.
        address: SocketAddr,
    },
    /// The address cannot be used.
    #[error("the API cannot listen on {address}")]
    Bind {
        /// As it was configured.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another daemon answers there.
    #[error("the API cannot listen on unix:{path}: another program answers there", path = .path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket stands in the way, and is not removed.
    #[error("the API cannot listen on unix:{path}: that is a file, and no socket", path = .path.display())]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
}

/// The API of one daemon.
#[derive(Debug)]
pub struct Api;

/// An API whose addresses are taken; nobody is answered before [`Bound::serve`].
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<(Listener, Arc<Authenticator>)>,
    flow: Flow,
    status: Arc<ServiceStatus>,
}

/// What every answer is made with.
#[derive(Debug)]
struct ApiState {
    flow: Flow,
    status: Arc<ServiceStatus>,
    waiting: Waiters,
    intake: Arc<ConcurrencyLimit>,
    streams: Arc<Semaphore>,
    reconciliations: Semaphore,
    backups: Semaphore,
    stop: CancellationToken,
}

type SharedDesk = Arc<ApiState>;

impl Api {
    /// Takes every address. A unix socket is guarded by its permissions (0660), a TCP address by the token.
    ///
    /// # Errors
    /// [`Error`]; whatever was taken is given back then.
    pub async fn bind(settings: ApiSettings, flow: Flow, status: Arc<ServiceStatus>) -> Result<Bound, Error> {
        let token = settings.token.filter(|token| !token.expose_secret().is_empty());
        let mut listeners = Vec::with_capacity(settings.listen.len());
        for place in settings.listen {
            listeners.push(match place {
                Listen::Unix(path) => (Listener::unix(&path).await?, Arc::new(Authenticator::Permissions)),
                Listen::Tcp(address) => {
                    let token = token.as_ref().ok_or(Error::NoToken { address })?;
                    if !address.ip().is_loopback() {
                        tracing::warn!("the API listens on {address}: the token travels there in clear");
                    }
                    (Listener::tcp(address).await?, Arc::new(Authenticator::with_token(token)))
                }
            });
        }
        Ok(Bound { listeners, flow, status })
    }
}

impl Bound {
    /// Where it really listens: `unix:PATH`, `ADDRESS:PORT`.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.listeners.iter().map(|(listener, _)| listener.address()).collect()
    }

    /// Answers until `stop`; then finishes what is under way, for at most five seconds, event streams and callers
    /// that wait for a wallet included.
    pub async fn serve(self, stop: CancellationToken) {
        let Self { listeners, flow, status } = self;
        let desk = Arc::new(ApiState {
            flow,
            status,
            waiting: Waiters::default(),
            intake: Arc::default(),
            streams: Arc::new(Semaphore::new(STREAMS)),
            reconciliations: Semaphore::new(RECONCILIATIONS),
            backups: Semaphore::new(1),
            stop: stop.clone(),
        });
        let (kill, tasks) = (CancellationToken::new(), TaskTracker::new());
        let router = routes::router(Arc::clone(&desk));
        let doors = futures_util::future::join_all(listeners.into_iter().map(|(listener, door)| {
            tracing::info!("the API listens on {}", listener.address());
            let (router, stop) = (router.clone(), stop.clone());
            listener::open(
                listener,
                ServerContext { door, router, stop, kill: kill.clone(), tasks: tasks.clone() },
            )
        }));
        let follow = desk.waiting.follow(&desk.flow.ledger, &stop);
        tokio::join!(doors, follow, stop.cancelled());
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

/// Carries `work` out to its end, whether the caller stays or goes; refuses it where too much is under way.
async fn whole<T: Send + 'static>(
    desk: &ApiState,
    origin: Origin,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Problem> {
    let turn = desk.intake.acquire(origin)?;
    let work = async move {
        let _turn = turn;
        work.await
    };
    tokio::spawn(work).await.map_err(|error| {
        tracing::error!("a request broke off: {error}");
        Problem::new(ProblemKind::Internal, "the request broke off; whether it was carried out is not known")
    })
}
