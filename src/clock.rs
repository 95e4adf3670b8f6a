//! The only place that reads the time or waits for it: real, quickened, or moved by hand.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::domain::time::Timestamp;

/// Tells the time and waits for it. Shared by everything that acts on time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// Time since some fixed instant; never goes back, whatever happens to the wall clock.
    fn monotonic(&self) -> Duration;
    /// Completes once `span` has passed on this clock.
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()>;
}

/// The clock as everybody shares it.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock, or one that runs `speed` times as fast from a given origin.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    origin: Origin,
    speed: u32,
}

#[derive(Debug)]
enum Origin {
    /// The wall clock as it is.
    Wall,
    /// Quickened: `shown` was shown when the wall clock said `wall`.
    At { shown: Timestamp, wall: Timestamp },
}

impl SystemClock {
    /// The machine's clock.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn new() -> Self {
        Self { started: Instant::now(), origin: Origin::Wall, speed: 1 }
    }

    /// A clock that has shown `origin` when the machine's said `origin`, and has run `speed` times as fast since.
    /// Two processes that know the same origin and speed agree on the time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn quickened(origin: Timestamp, speed: u32) -> Self {
        let speed = speed.max(1);
        Self { started: Instant::now(), origin: Origin::At { shown: origin, wall: origin }, speed }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    fn wall() -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        match self.origin {
            Origin::Wall => Self::wall(),
            Origin::At { shown, wall } => shown.plus(Self::wall().since(wall).saturating_mul(self.speed)),
        }
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed().saturating_mul(self.speed)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        let real = span.checked_div(self.speed).unwrap_or(span);
        Box::pin(tokio::time::sleep(real))
    }
}

/// A clock that runs `speed` times as fast as life, and only while somebody reads it: between two readings no more than
/// `MOST_GAP` counts. So a process that is stopped stops its time.
#[derive(Debug, Clone)]
pub struct StoryClock {
    origin: Timestamp,
    speed: u32,
    told: Arc<Mutex<Told>>,
}

#[derive(Debug)]
struct Told {
    passed: Duration,
    read: Instant,
    /// It goes no further than this.
    limit: Duration,
}

/// The most real time that counts between two readings; whoever sleeps reads more often.
const MOST_GAP: Duration = Duration::from_millis(500);
const READ_EVERY: Duration = Duration::from_millis(200);

impl StoryClock {
    /// Shows `origin` now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn new(origin: Timestamp, speed: u32) -> Self {
        let told = Told { passed: Duration::ZERO, read: Instant::now(), limit: Duration::MAX };
        Self { origin, speed: speed.max(1), told: Arc::new(Mutex::new(told)) }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    fn passed(&self) -> Duration {
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        let gap = now.saturating_duration_since(told.read).min(MOST_GAP);
        told.read = now;
        let passed = told.passed.saturating_add(gap.saturating_mul(self.speed));
        told.passed = passed.min(told.limit.max(told.passed));
        told.passed
    }

    /// From now on it stands once it shows `limit`, until it is given another.
    pub fn hold_at(&self, limit: Timestamp) {
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        told.limit = limit.since(self.origin);
    }
}

impl Clock for StoryClock {
    fn now(&self) -> Timestamp {
        self.origin.plus(self.passed())
    }

    fn monotonic(&self) -> Duration {
        self.passed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        Box::pin(async move {
            let end = clock.passed().saturating_add(span);
            loop {
                let left = end.saturating_sub(clock.passed());
                if left.is_zero() {
                    return;
                }
                let real = left.checked_div(clock.speed).unwrap_or(left);
                tokio::time::sleep(real.clamp(Duration::from_millis(1), READ_EVERY)).await;
            }
        })
    }
}

/// Measures how long work of this program takes, by the machine's clock whatever the shared one shows.
#[derive(Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// How long ago it was started.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A clock that stands still until it is moved; for tests.
#[derive(Debug)]
pub struct ManualClock {
    state: Mutex<ManualState>,
    moved: watch::Sender<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct ManualState {
    now: Timestamp,
    monotonic: Duration,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let state = Mutex::new(ManualState { now, monotonic: Duration::ZERO });
        Self { state, moved: watch::Sender::new(Duration::ZERO) }
    }

    /// Lets `span` pass: everybody who waited for less wakes up.
    pub fn advance(&self, span: Duration) {
        let monotonic = self.with(|state| {
            state.now = state.now.plus(span);
            state.monotonic = state.monotonic.saturating_add(span);
            state.monotonic
        });
        self.moved.send_replace(monotonic);
    }

    /// Sets the wall clock alone, as an operator or a time server would: no time passes.
    pub fn jump_to(&self, now: Timestamp) {
        self.with(|state| state.now = now);
    }

    fn with<T>(&self, change: impl FnOnce(&mut ManualState) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut state)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.with(|state| state.now)
    }

    fn monotonic(&self) -> Duration {
        self.with(|state| state.monotonic)
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        let until = self.monotonic().saturating_add(span);
        let mut moved = self.moved.subscribe();
        Box::pin(async move {
            // The sender lives as long as the clock. Without it nobody moves the time, so the wait never ends.
            if moved.wait_for(|now| *now >= until).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_those_whose_time_has_come() {
        let clock = ManualClock::new(Timestamp::from_seconds(1_700_000_000));
        let (short, long) = (clock.sleep(Duration::from_secs(5)), clock.sleep(Duration::from_secs(60)));
        clock.advance(Duration::from_secs(5));
        short.await;
        let mut long = std::pin::pin!(long);
        assert!(futures_util::poll!(long.as_mut()).is_pending());
        clock.jump_to(Timestamp::from_seconds(1_800_000_000));
        assert!(futures_util::poll!(long.as_mut()).is_pending(), "a jump of the wall clock passes no time");
        clock.advance(Duration::from_secs(55));
        long.await;
    }

    #[tokio::test]
    async fn a_story_clock_stands_while_nobody_reads_it() {
        let origin = Timestamp::from_seconds(1_000_000);
        let story = StoryClock::new(origin, 1000);
        // As long as a stopped process: nobody reads, and no more than the most that counts has passed.
        std::thread::sleep(MOST_GAP.saturating_mul(3));
        let passed = story.now().since(origin);
        assert!(passed >= Duration::from_secs(499) && passed <= Duration::from_secs(502), "{passed:?}");
        // It can be held, and goes on.
        let held = story.now();
        story.hold_at(held);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(story.now(), held);
        story.hold_at(held.plus(Duration::from_hours(99)));
        // Whoever sleeps reads by itself: nothing of a long sleep is lost.
        let (before, real) = (story.monotonic(), Stopwatch::start());
        story.sleep(Duration::from_secs(900)).await;
        let slept = story.monotonic() - before;
        assert!(slept >= Duration::from_secs(900), "{slept:?}");
        assert!(real.elapsed() >= Duration::from_millis(890), "{:?}", real.elapsed());
    }

    #[test]
    fn a_quickened_clock_runs_from_its_origin() {
        let origin = SystemClock::new().now().minus(Duration::from_secs(10));
        let quick = SystemClock::quickened(origin, 60);
        let passed = quick.now().since(origin);
        assert!(passed >= Duration::from_secs(600) && passed < Duration::from_secs(660), "{passed:?}");
    }
}
