//! When each task last made progress.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::SharedClock;

/// When each task last made progress: the watchdog depends on it.
#[derive(Debug, Default)]
pub struct Heartbeats {
    beats: Mutex<BTreeMap<&'static str, Duration>>,
}

impl Heartbeats {
    /// `task` has made progress.
    pub fn record(&self, task: &'static str, clock: &SharedClock) {
        self.lock().insert(task, clock.monotonic());
    }

    /// `task` has ended; nothing more is expected of it.
    pub fn forget(&self, task: &'static str) {
        self.lock().remove(task);
    }

    /// The task whose last progress is the longest ago, and how long.
    #[must_use]
    pub fn stillest(&self, clock: &SharedClock) -> Option<(&'static str, Duration)> {
        let now = clock.monotonic();
        self.lock()
            .iter()
            .map(|(task, beat)| (*task, now.saturating_sub(*beat)))
            .max_by_key(|(_, still)| *still)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Duration>> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
