//! Who watches: a bounded number of streams, and how far apart their nudges are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The most browsers that watch at a time; further ones ask from time to time.
const MOST: usize = 256;
/// Nudges are at least so far apart, and by so much further for each who watches: a browser that is nudged asks for a whole
/// page, and all of them together must not keep the polls waiting.
const APART: Duration = Duration::from_secs(1);
const APART_EACH: Duration = Duration::from_millis(50);

/// How many watch.
#[derive(Debug, Default)]
pub(super) struct Watchers(AtomicUsize);

/// One who watches.
#[derive(Debug)]
pub(super) struct Watcher(Arc<Watchers>);

impl Watchers {
    /// One more, unless there are enough.
    pub(super) fn join(self: &Arc<Self>) -> Option<Watcher> {
        let more = |count: usize| (count < MOST).then(|| count.saturating_add(1));
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Watcher(Arc::clone(self)))
    }
}

impl Watcher {
    /// How far apart nudges are now.
    pub(super) fn pause(&self) -> Duration {
        let count = u32::try_from(self.0.0.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        APART.max(APART_EACH.saturating_mul(count))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_watch_the_rarer_are_the_nudges() {
        let watchers = Arc::<Watchers>::default();
        let first = watchers.join().unwrap();
        assert_eq!(first.pause(), APART);
        let others: Vec<_> = (1..MOST).map(|_| watchers.join().unwrap()).collect();
        assert!(watchers.join().is_none());
        assert_eq!(first.pause(), APART_EACH * 256);
        drop(others);
        assert_eq!(first.pause(), APART);
        assert!(watchers.join().is_some());
    }
}
