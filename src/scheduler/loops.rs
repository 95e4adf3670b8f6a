//! The loops: each runs one verb of the flow whenever it is woken or due, never beside itself, until it is stopped.

use std::collections::HashSet;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cron::{CronTasks, GRACE, Schedule};
use super::status::{ServiceStatus, pause_after};
use crate::domain::event::EventName;
use crate::domain::ids::DepositId;
use crate::domain::time::Timestamp;
use crate::flow::{self, Flow};
use crate::ledger;

/// A loop that nothing wakes looks by itself after this long.
const BACKSTOP: Duration = Duration::from_secs(15);
/// How often the upstream's health is compared with what was said of it, and the ledger proven to be ours still.
const WATCH: Duration = Duration::from_secs(1);
const PROVE: Duration = Duration::from_secs(5);
/// A slow upstream, a slow mail server, a large copy are no standstill of ours: so often is that said, and so long.
const BEAT: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_hours(1);

/// Scheduled copies.
#[derive(Debug, Clone)]
pub struct BackupPlan {
    /// Where to.
    pub directory: PathBuf,
    /// When.
    pub schedule: Schedule,
    /// How many are kept.
    pub keep: usize,
}

/// What runs when.
#[derive(Debug, Clone)]
pub struct TaskSettings {
    /// Reconciliation.
    pub reconcile: Schedule,
    /// The digest.
    pub digest: Option<Schedule>,
    /// Copies of the ledger.
    pub backup: Option<BackupPlan>,
}

/// The running loops.
pub struct Loops {
    stop: CancellationToken,
    tasks: TaskTracker,
    fatal: watch::Receiver<Option<String>>,
    cron: CronTasks,
}

impl std::fmt::Debug for Loops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loops").finish_non_exhaustive()
    }
}

/// What every loop has.
#[derive(Clone)]
struct TaskContext {
    flow: Flow,
    stop: CancellationToken,
    status: Arc<ServiceStatus>,
    fatal: Arc<watch::Sender<Option<String>>>,
}

impl Loops {
    /// Starts them all.
    ///
    /// # Errors
    /// Where cron cannot be started.
    pub async fn start(
        flow: Flow,
        status: Arc<ServiceStatus>,
        settings: TaskSettings,
    ) -> Result<Self, String> {
        let (fatal, heard) = watch::channel(None);
        let context = TaskContext { flow, stop: CancellationToken::new(), status, fatal: Arc::new(fatal) };
        let tasks = TaskTracker::new();
        context.spawn(&tasks, "create", create_loop);
        context.spawn(&tasks, "advance", poll_loop);
        context.spawn(&tasks, "deliver", deliver_loop);
        context.spawn(&tasks, "upstream_watch", upstream_watch);
        context.spawn(&tasks, "ledger_watch", ledger_watch);
        let mut jobs = Vec::new();
        let mut wake = |schedule: &Schedule| {
            let waker = Arc::new(Notify::new());
            jobs.push((schedule.clone(), Arc::clone(&waker)));
            waker
        };
        let reconcile = Timetable { waker: wake(&settings.reconcile), schedule: settings.reconcile };
        context.spawn(&tasks, "reconcile", |context| reconcile_loop(context, reconcile));
        if let Some(schedule) = settings.digest {
            let digest = Timetable { waker: wake(&schedule), schedule };
            context.spawn(&tasks, "digest", |context| digest_loop(context, digest));
        }
        if let Some(plan) = settings.backup {
            let backup = Timetable { waker: wake(&plan.schedule), schedule: plan.schedule.clone() };
            context.spawn(&tasks, "backup", |context| backup_loop(context, backup, plan));
        }
        let cron =
            CronTasks::start(jobs).await.map_err(|error| format!("cron could not be started: {error}"))?;
        tasks.close();
        Ok(Self { stop: context.stop, tasks, fatal: heard, cron })
    }

    /// Completes when the daemon must not go on, with the reason.
    pub async fn fatal(&mut self) -> String {
        match self.fatal.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Asks all loops to finish what is under way, and waits until they have.
    pub async fn stop(self) {
        self.stop.cancel();
        self.cron.stop().await;
        self.tasks.wait().await;
    }
}

impl TaskContext {
    fn spawn<F, T>(&self, tasks: &TaskTracker, name: &'static str, run: F)
    where
        F: FnOnce(Self) -> T,
        T: Future<Output = ()> + Send + 'static,
    {
        self.status.begin(name);
        let running = run(self.clone());
        let context = self.clone();
        tasks.spawn(async move {
            // A loop that panics ends alone; the daemon must not go on without it.
            let ended = tokio::spawn(running).await;
            context.status.end(name);
            context.flow.heartbeats.forget(name);
            if !context.stop.is_cancelled() {
                let why = ended.err().map_or_else(String::new, |error| format!(": {error}"));
                context.fatal.send_replace(Some(format!("the task {name} has ended{why}")));
            }
        });
    }

    fn heartbeat(&self, task: &'static str) {
        self.flow.heartbeats.record(task, &self.flow.clock);
    }

    fn done(&self, task: &'static str, status: &impl serde::Serialize) {
        let status = serde_json::to_value(status).unwrap_or_default();
        self.status.succeeded(task, self.flow.clock.now(), status);
        self.heartbeat(task);
    }

    /// Notes a failed round; an untrusted ledger ends the daemon. Waits a little, so that a fault is no storm.
    async fn failed(&self, task: &'static str, error: &ledger::Error) {
        let text = error.chain();
        tracing::error!(task, "{task}: {text}");
        let failures = self.status.failed(task, self.flow.clock.now(), text.clone());
        self.heartbeat(task);
        if matches!(error, ledger::Error::Untrusted(_)) {
            self.fatal.send_replace(Some(text));
        }
        self.pause(pause_after(failures)).await;
    }

    /// Waits, or stops waiting when the daemon ends.
    async fn pause(&self, span: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.flow.clock.sleep(span) => {}
        }
    }

    /// Does `work` that others may hold up, and lets the watchdog know meanwhile; not for ever.
    async fn with_heartbeat<T>(&self, task: &'static str, work: impl Future<Output = T>) -> T {
        let clock = &self.flow.clock;
        let began = clock.monotonic();
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = clock.sleep(BEAT) => {
                    if clock.monotonic().saturating_sub(began) < PATIENCE {
                        self.heartbeat(task);
                    }
                }
            }
        }
    }

    /// Waits for a waker, for `due`, or for the backstop; false when the daemon ends.
    async fn wait(&self, waker: &Notify, due: Option<Timestamp>) -> bool {
        let now = self.flow.clock.now();
        let span = due.map_or(BACKSTOP, |due| due.since(now).min(BACKSTOP));
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = waker.notified() => true,
            () = self.flow.clock.sleep(span) => true,
        }
    }
}

async fn create_loop(context: TaskContext) {
    let flow = context.flow.clone();
    let most = flow.settings.max_in_flight;
    let mut rounds: JoinSet<(DepositId, ledger::Result<flow::CreateOutcome>)> = JoinSet::new();
    let mut busy: HashSet<DepositId> = HashSet::new();
    loop {
        let room = most.saturating_sub(rounds.len());
        if room > 0 && !context.stop.is_cancelled() {
            match waiting(&flow, room.saturating_add(busy.len())).await {
                Ok(waiting) => {
                    for ledger::LeasedDeposit { turn, deposit, .. } in waiting {
                        if rounds.len() >= most || !busy.insert(deposit.id) {
                            continue;
                        }
                        let flow = flow.clone();
                        rounds.spawn(async move { (deposit.id, flow::create(&flow, turn, *deposit).await) });
                    }
                    context.done("create", &serde_json::json!({ "under_way": rounds.len() }));
                }
                Err(error) => context.failed("create", &error).await,
            }
        }
        let due = match flow.ledger.next_due(true).await {
            Ok(due) if rounds.len() < most => due.filter(|due| *due > flow.clock.now()),
            _ => None,
        };
        let stopping = context.stop.is_cancelled();
        tokio::select! {
            Some(joined) = rounds.join_next() => match joined {
                Ok((id, outcome)) => {
                    busy.remove(&id);
                    if let Err(error) = outcome {
                        context.failed("create", &error).await;
                    }
                }
                Err(error) => {
                    tracing::error!("a round of create broke off: {error}");
                    // Which one is not known: all are read again from the ledger.
                    busy.clear();
                }
            },
            more = context.wait(&flow.wakers.create, due), if !stopping => {
                if !more && rounds.is_empty() {
                    return;
                }
            }
            else => return,
        }
        context.heartbeat("create");
    }
}

/// The deposits that wait for a wallet, and whose turn has come.
async fn waiting(flow: &Flow, limit: usize) -> ledger::Result<Vec<ledger::LeasedDeposit>> {
    let turns = flow.ledger.entries_to_create(flow.clock.now(), &flow.policy(), limit).await?;
    flow.ledger.lease(&turns).await
}

async fn poll_loop(context: TaskContext) {
    let flow = &context.flow;
    while !context.stop.is_cancelled() {
        match flow::poll_due(flow, &context.stop).await {
            Ok(done) => context.done("advance", &done),
            Err(error) => context.failed("advance", &error).await,
        }
        let due = flow.ledger.next_due(false).await.unwrap_or_default();
        if !context.wait(&flow.wakers.poll, due).await {
            return;
        }
    }
}

async fn deliver_loop(context: TaskContext) {
    let flow = &context.flow;
    let mut failures: u32 = 0;
    while !context.stop.is_cancelled() {
        match context.with_heartbeat("deliver", flow::deliver(flow, failures, &context.stop)).await {
            Ok(done) => {
                if let Some(why) = &done.unreachable {
                    if failures == 0 {
                        tracing::error!("mail cannot leave, it is kept and tried again: {why}");
                    }
                    failures = failures.saturating_add(1);
                    let why = format!("mail cannot leave: {why}");
                    context.status.failed("deliver", flow.clock.now(), why);
                    context.heartbeat("deliver");
                } else {
                    if failures > 0 && done.sent > 0 {
                        tracing::info!("mail leaves again");
                    }
                    if failures == 0 || done.sent > 0 {
                        failures = 0;
                        context.done("deliver", &done);
                    }
                    context.heartbeat("deliver");
                }
            }
            Err(error) => context.failed("deliver", &error).await,
        }
        let due = flow.ledger.next_mail().await.unwrap_or_default();
        if !context.wait(&flow.wakers.deliver, due).await {
            return;
        }
    }
}

async fn upstream_watch(context: TaskContext) {
    let flow = &context.flow;
    let mut said_down = true;
    while !context.stop.is_cancelled() {
        let failing = flow.upstream.health().failing_since.is_some();
        if failing || said_down {
            match flow::watch_upstream(flow).await {
                Ok(down) => {
                    said_down = down;
                    context.done("upstream_watch", &serde_json::json!({ "down": down }));
                }
                Err(error) => context.failed("upstream_watch", &error).await,
            }
        }
        context.heartbeat("upstream_watch");
        context.pause(WATCH).await;
    }
}

async fn ledger_watch(context: TaskContext) {
    let mut warned = false;
    while !context.stop.is_cancelled() {
        match context.flow.ledger.check().await {
            Ok(()) => context.done("ledger_watch", &serde_json::json!({})),
            Err(error) => context.failed("ledger_watch", &error).await,
        }
        let warning = context.flow.log_warning();
        if let Some(warning) = warning.as_ref().filter(|_| !warned) {
            tracing::warn!("{warning}");
        }
        warned = warning.is_some();
        context.pause(PROVE).await;
    }
}

/// A schedule and the waker that cron rings.
struct Timetable {
    schedule: Schedule,
    waker: Arc<Notify>,
}

impl Timetable {
    /// Waits for the schedule's next moment after `since`, cron or no cron; false when the daemon ends.
    async fn next(&self, context: &TaskContext, task: &'static str, since: Timestamp) -> bool {
        loop {
            context.heartbeat(task);
            let clock = &context.flow.clock;
            let due = self.schedule.next_after(since).map(|due| due.plus(GRACE));
            let now = clock.now();
            if due.is_some_and(|due| due <= now) {
                return !context.stop.is_cancelled();
            }
            let span = due.map_or(BACKSTOP, |due| due.since(now).min(BACKSTOP));
            tokio::select! {
                biased;
                () = context.stop.cancelled() => return false,
                () = self.waker.notified() => return true,
                () = clock.sleep(span) => {}
            }
        }
    }
}

async fn reconcile_loop(context: TaskContext, timetable: Timetable) {
    let flow = &context.flow;
    // A run that was missed while the daemon was down is made up for; before the first one nothing was missed.
    let mut since = match flow.ledger.last_good_run().await {
        Ok(Some(run)) => run.at,
        _ => flow.clock.now(),
    };
    while timetable.next(&context, "reconcile", since).await {
        since = flow.clock.now();
        match context.with_heartbeat("reconcile", flow::reconcile(flow)).await {
            Ok(report) => {
                let cases = report.cases.len();
                context.done("reconcile", &serde_json::json!({ "open_cases": cases }));
            }
            Err(flow::ReconcileFailed::Incomplete(why)) => {
                context.status.failed("reconcile", flow.clock.now(), why);
            }
            Err(flow::ReconcileFailed::Ledger(error)) => context.failed("reconcile", &error).await,
        }
    }
}

async fn digest_loop(context: TaskContext, timetable: Timetable) {
    let flow = &context.flow;
    // A digest that was missed while the daemon was down is made up for: a missing one is an alarm.
    let mut since = match flow.ledger.last_of(&[EventName::Digest]).await {
        Ok(Some(last)) => Timestamp::parse(&last.at).unwrap_or_else(|_| flow.clock.now()),
        _ => flow.clock.now(),
    };
    while timetable.next(&context, "digest", since).await {
        since = flow.clock.now();
        match flow::digest(flow).await {
            Ok(()) => context.done("digest", &serde_json::json!({})),
            Err(error) => context.failed("digest", &error).await,
        }
    }
}

async fn backup_loop(context: TaskContext, timetable: Timetable, plan: BackupPlan) {
    let flow = &context.flow;
    let mut since = flow.clock.now();
    while timetable.next(&context, "backup", since).await {
        since = flow.clock.now();
        let copy = flow.ledger.scheduled_backup(&plan.directory, plan.keep, since);
        match context.with_heartbeat("backup", copy).await {
            Ok(report) => {
                tracing::info!(bytes = report.bytes, "the ledger was copied to {}", report.path.display());
                context.done("backup", &serde_json::json!({ "path": report.path, "bytes": report.bytes }));
            }
            Err(error) => {
                tracing::error!("no backup: {}", error.chain());
                context.status.failed("backup", flow.clock.now(), error.chain());
            }
        }
    }
}
