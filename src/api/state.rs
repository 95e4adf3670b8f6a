//! What every answer is made with: the flow, the daemon's status, and the limits on what is under way.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use super::principal::Origin;
use super::problem::{Problem, ProblemKind};
use super::server::ConcurrencyLimit;
use super::streams::StreamSlots;
use super::waiters::Waiters;
use super::wrong_tokens::WrongTokens;
use crate::flow::Flow;
use crate::scheduler::ServiceStatus;

/// The most reconciliations that are asked for at a time, the one under way included.
const RECONCILIATIONS: usize = 4;

/// What every answer is made with.
#[derive(Debug)]
pub(crate) struct ApiState {
    pub(crate) flow: Flow,
    pub(crate) status: Arc<ServiceStatus>,
    /// The callers that wait for a wallet.
    pub(super) waiters: Waiters,
    /// The places for event streams.
    pub(super) streams: Arc<StreamSlots>,
    /// Who shows wrong tokens.
    pub(crate) wrong_tokens: Arc<WrongTokens>,
    /// The places for reconciliations.
    pub(crate) reconciliations: Semaphore,
    /// Where copies of the ledger may be asked for.
    pub(super) backup_dir: Option<PathBuf>,
    /// The one place for a backup.
    pub(super) backups: Semaphore,
    /// Cancelled when the daemon stops.
    pub(crate) stop: CancellationToken,
    changes: Arc<ConcurrencyLimit>,
}

/// One state for all answers.
pub(crate) type SharedState = Arc<ApiState>;

impl ApiState {
    pub(super) fn new(
        flow: Flow,
        status: Arc<ServiceStatus>,
        backup_dir: Option<PathBuf>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            flow,
            status,
            waiters: Waiters::default(),
            streams: Arc::default(),
            wrong_tokens: Arc::default(),
            reconciliations: Semaphore::new(RECONCILIATIONS),
            backup_dir,
            backups: Semaphore::new(1),
            stop,
            changes: Arc::default(),
        }
    }
}

/// Carries `work` out to its end, whether the caller stays or goes; refuses it where too much is under way.
pub(crate) async fn whole<T: Send + 'static>(
    api: &ApiState,
    origin: Origin,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Problem> {
    let permit = api.changes.acquire(origin)?;
    carried_out(async move {
        let answer = work.await;
        // Its place is free before anybody has the answer.
        drop(permit);
        answer
    })
    .await
}

async fn carried_out<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Problem> {
    let (done, answer) = oneshot::channel();
    let work = async move {
        // The caller may be gone.
        let _ = done.send(work.await);
    };
    let task = tokio::spawn(work.boxed());
    match answer.await {
        Ok(answer) => Ok(answer),
        Err(_) => Err(broken_off(task.await)),
    }
}

fn broken_off(ended: Result<(), JoinError>) -> Problem {
    let why = ended.err().map_or_else(String::new, |error| format!(": {error}"));
    tracing::error!("a request broke off{why}");
    Problem::new(ProblemKind::Internal, "the request broke off; whether it was carried out is not known")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_is_a_refusal_and_work_whose_caller_goes_is_done() {
        assert_eq!(carried_out(async { 7 }).await.unwrap(), 7);
        let refused = carried_out::<()>(async { panic!("a fault of ours") }).await.unwrap_err();
        assert!(format!("{refused:?}").contains("whether it was carried out is not known"), "{refused:?}");
        let (done, seen) = oneshot::channel();
        let (begin, begun) = oneshot::channel();
        let work = carried_out(async move {
            begun.await.unwrap();
            done.send(()).unwrap();
        });
        assert!(work.now_or_never().is_none(), "its caller goes");
        begin.send(()).unwrap();
        seen.await.unwrap();
    }
}
