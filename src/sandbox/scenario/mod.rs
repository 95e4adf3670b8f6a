//! A scenario from the first request to the closed books: the simulated upstream, the real daemon against it, deposits
//! with every fate, and output for a person.
//!
//! Everything that determines the scenario is on disk before it begins (`workspace`); requests carry keys, fates follow
//! from the seed and the time, and the time from the saved origin. So a sandbox that was killed at any point can be
//! started again on the same folder, and ends in the same way.

mod audit;
mod closely;
mod context;
mod endings;
mod error;
mod instructions;
mod options;
mod printer;
mod progress;
mod runner;
mod script;
mod shell;
mod summary_view;
mod times;
mod webhook;
mod wording;
mod workspace;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use self::context::ScenarioContext;
pub use self::error::Error;
pub use self::options::Options;
use self::printer::{Printer, ShowFormat};
use self::script::Script;
pub(crate) use self::shell::quoted;
pub use self::summary_view::Summary;
use self::workspace::Workspace;
use crate::clock::{Clock as _, SharedClock, SystemClock};
use crate::daemon::{self, Daemon};
use crate::sandbox::upstream::{self, CardRowId, LinkShape, SimulatedUpstream};
use crate::scheduler::Lifecycle;

/// How it ended.
#[derive(Debug, Clone)]
pub enum SandboxOutcome {
    /// It ran to its end; without a fault where [`Summary::mismatches`] is empty.
    Told(Box<Summary>),
    /// It was asked to stop. The same folder resumes the same scenario.
    Interrupted {
        /// Where it can go on.
        folder: PathBuf,
    },
}

impl SandboxOutcome {
    /// False where something did not agree.
    #[must_use]
    pub fn is_good(&self) -> bool {
        match self {
            Self::Told(summary) => summary.mismatches.is_empty(),
            Self::Interrupted { .. } => true,
        }
    }
}

/// Runs the scenario until it ends, or until SIGINT or SIGTERM.
///
/// # Errors
/// [`Error`]; the same folder can go on once the cause is gone.
pub async fn run(options: Options, out: &mut (dyn Write + Send)) -> Result<SandboxOutcome, Error> {
    let mut signals = Lifecycle::new().map_err(Error::io("cannot listen to", Path::new("signals")))?;
    let stop = CancellationToken::new();
    let told = run_until(options, out, stop.clone());
    let mut told = std::pin::pin!(told);
    tokio::select! {
        told = &mut told => return told,
        () = signals.asked_to_stop() => stop.cancel(),
    }
    tokio::select! {
        told = &mut told => told,
        // A second signal: everything is on disk, and the next start goes on from there.
        () = signals.asked_to_stop() => Err(Error::Usage("aborted by a second signal".to_owned())),
    }
}

/// Runs the scenario until it ends or `stop` is cancelled.
///
/// # Errors
/// [`Error`]; the same folder can go on once the cause is gone.
pub async fn run_until(
    options: Options,
    out: &mut (dyn Write + Send),
    stop: CancellationToken,
) -> Result<SandboxOutcome, Error> {
    let folder = Workspace::open(&options)?;
    let real = SystemClock::new();
    let started = real.monotonic();
    let plan = folder.plan.clone();
    let (clock, _time) = folder.clock();
    let upstream = start_upstream(&folder, &clock).await?;
    let script = script::script(plan.seed, plan.deposits, plan.speed);
    set_scene(&upstream, &script, &folder)?;
    let config = folder.configure(&upstream.base_url())?;
    let program = options.program.clone().unwrap_or_else(|| "depositd".to_owned());
    let mut context = ScenarioContext {
        folder,
        script,
        clock: Arc::clone(&clock),
        upstream,
        stop,
        options,
        program,
        api: String::new(),
        page: String::new(),
        real,
        started,
    };
    let mut show = Printer::new(out, ShowFormat::of(&context.options), plan.origin, plan.speed);
    show.opening(&context)?;
    let mut daemon = Daemon::start(&config, clock).await?;
    let flow = daemon.flow().clone();
    let address = daemon.addresses().iter().find(|address| !address.starts_with("unix:"));
    context.api = address.map(|address| format!("http://{address}")).unwrap_or_default();
    context.page = daemon.page().unwrap_or_default().to_owned();
    let told = tokio::select! {
        told = runner::direct(&context, &flow, &mut show) => told,
        reason = daemon.fatal() => Err(Error::Daemon(daemon::Error::Fatal(reason))),
    };
    drop(flow);
    let stopped = daemon.stop().await;
    context.upstream.stop().await;
    let told = told?;
    stopped?;
    match told {
        Some(summary) => {
            show.page(&summary)?;
            Ok(SandboxOutcome::Told(Box::new(summary)))
        }
        None => {
            show.interrupted(&context)?;
            Ok(SandboxOutcome::Interrupted { folder: context.folder.path })
        }
    }
}

async fn start_upstream(folder: &Workspace, clock: &SharedClock) -> Result<SimulatedUpstream, Error> {
    let store = folder.file(workspace::STORE);
    let settings = |listen| upstream::SimulatorSettings {
        listen,
        user_id: workspace::USER.to_owned(),
        api_key: folder.api_key(),
        clock: Arc::clone(clock),
        seed: folder.plan.seed,
        store: Some(store.clone()),
    };
    let last = folder.last_address();
    match SimulatedUpstream::start(settings(last)).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let any = std::net::SocketAddr::from((last.ip(), 0));
            SimulatedUpstream::start(settings(any)).await
        }
        started => started,
    }
    .map_err(Error::io("cannot start the simulated upstream with", &store))
}

/// Plans are not remembered by the simulator: they are set at every start. What it does remember is not repeated.
fn set_scene(upstream: &SimulatedUpstream, script: &Script, folder: &Workspace) -> Result<(), Error> {
    let store = |source| Error::io("cannot write", &folder.file(workspace::STORE))(source);
    let origin = folder.plan.origin;
    // An answer that was cut off by a kill reached nobody.
    upstream.set_payers_wait(true);
    upstream.set_links(LinkShape { card_row_id: CardRowId::PaymentId, ..LinkShape::default() });
    let orders = upstream.orders();
    for member in &script.members {
        if let Some(cents) = member.credits_cents {
            upstream.plan_credit(&member.amount, cents);
        }
        let made = orders.iter().any(|order| order.asked.as_str() == member.amount);
        if member.fate == upstream::Fate::LostAnswer {
            // Its answer is lost once, also where it is asked for again.
            upstream.plan(&member.amount, upstream::Fate::Exact);
            if !made {
                upstream.plan_next(&member.amount, member.fate);
            }
        } else {
            upstream.plan(&member.amount, member.fate);
        }
    }
    if !script.members.is_empty() {
        let (from, to) = script.outage;
        upstream.plan_outage(origin.plus(from), origin.plus(to));
    }
    if orders.is_empty() && upstream.books().total_charges_cents == 0 {
        let (charged, left) = script::BEFORE;
        upstream.adjust(left, charged).map_err(store)?;
        upstream.add_coupon(script::GOOD_COUPON, 10, 36_500).map_err(store)?;
    }
    if folder.plan.deposits == 0 {
        upstream.set_default_fate(upstream::Fate::Manual);
    }
    Ok(())
}
