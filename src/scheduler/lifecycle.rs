//! The process: its signals, its messages to the service manager, and its watchdog.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::SharedClock;
use crate::flow::Heartbeats;

/// A task without progress for this long counts as stalled.
const STANDSTILL: Duration = Duration::from_secs(45);

/// The signals that end the daemon.
#[derive(Debug)]
pub struct Lifecycle {
    terminate: Signal,
    interrupt: Signal,
}

impl Lifecycle {
    /// Listens from now on.
    ///
    /// # Errors
    /// Where the system refuses to tell of signals.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Completes at the next SIGTERM or SIGINT: the first one asks to drain, a second one to abort.
    pub async fn asked_to_stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Tells the service manager that the daemon is ready.
pub fn notify_ready(status: &str) {
    tell(&[sd_notify::NotifyState::Status(status), sd_notify::NotifyState::Ready]);
}

/// Tells the service manager that the daemon is ending.
pub fn notify_stopping() {
    tell(&[sd_notify::NotifyState::Stopping]);
}

fn tell(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("the service manager was not told: {error}");
    }
}

/// Feeds the service manager's watchdog for as long as every task makes progress; never returns.
pub async fn feed_watchdog(pulse: &Heartbeats, clock: &SharedClock) {
    let Some(span) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    let every = span.checked_div(3).unwrap_or(span);
    loop {
        match pulse.stillest(clock) {
            Some((task, still)) if still > STANDSTILL => {
                tracing::error!(task, "the task {task} has come to a standstill; the watchdog is not fed");
            }
            _ => tell(&[sd_notify::NotifyState::Watchdog]),
        }
        clock.sleep(every).await;
    }
}
