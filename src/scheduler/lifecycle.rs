//! The process: its signals, its messages to the service manager, and its watchdog.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::SharedClock;
use crate::flow::Heartbeats;

/// A task without progress for this long counts as stalled.
const STANDSTILL: Duration = Duration::from_secs(45);

/// The signals that the daemon heeds. Those that would end a program unasked are heard, too.
#[derive(Debug)]
pub struct Lifecycle {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
    user: [Signal; 2],
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signalled {
    /// SIGTERM, SIGINT, SIGQUIT: to finish what is under way and end.
    Stop,
    /// SIGHUP: to read the configuration again.
    Reload,
    /// Nothing: SIGUSR1 and SIGUSR2, by name.
    Nothing(&'static str),
}

impl Lifecycle {
    /// Listens from now on.
    ///
    /// # Errors
    /// Where the system refuses to tell of signals.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hang_up: signal(SignalKind::hangup())?,
            user: [signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?],
        })
    }

    /// The next signal; several of one kind that come before anybody asks are one.
    pub async fn next(&mut self) -> Signalled {
        let [first, second] = &mut self.user;
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Signalled::Stop,
            _ = self.interrupt.recv() => Signalled::Stop,
            _ = self.quit.recv() => Signalled::Stop,
            _ = self.hang_up.recv() => Signalled::Reload,
            _ = first.recv() => Signalled::Nothing("SIGUSR1"),
            _ = second.recv() => Signalled::Nothing("SIGUSR2"),
        }
    }

    /// Completes at the next signal that asks to stop: the first one asks to drain, a second one to abort.
    pub async fn asked_to_stop(&mut self) {
        while self.next().await != Signalled::Stop {}
    }
}

/// Tells the service manager that the daemon is ready.
pub fn notify_ready(status: &str) {
    tell(&[sd_notify::NotifyState::Status(status), sd_notify::NotifyState::Ready]);
}

/// Tells the service manager that the configuration is being read again; [`notify_ready`] says when it has been.
pub fn notify_reloading() {
    match sd_notify::NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[sd_notify::NotifyState::Reloading, now]),
        Err(error) => tracing::debug!("the service manager was not told: {error}"),
    }
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
