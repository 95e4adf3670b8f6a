//! What every page is made with: the API's state, who is logged in, the templates, and the limits.

use std::sync::Arc;
use std::time::Duration;

use minijinja::Value;
use tokio::sync::{Mutex, Semaphore};

use super::pages::PageTemplates;
use super::sessions::Sessions;
use super::watchers::Watchers;
use crate::api::{LiveAccess, SharedState};
use crate::clock::SystemClock;

/// The most exports at a time, and the most wrong logins that are made to wait.
const EXPORTS: usize = 4;
const WAITING: usize = 64;

/// What the first page showed, and when that was read.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) read: Duration,
    pub(super) values: Value,
}

/// What every page is made with.
#[derive(Debug)]
pub(super) struct PageState {
    pub(super) api: SharedState,
    pub(super) sessions: Sessions,
    pub(super) pages: PageTemplates,
    /// Scheme, host and port that people type, where they are not those of the listener.
    pub(super) public: Option<String>,
    /// The time of sessions, which nobody sets.
    pub(super) clock: SystemClock,
    pub(super) watchers: Arc<Watchers>,
    pub(super) exports: Arc<Semaphore>,
    pub(super) waiting: Semaphore,
    /// The first page as it was made last: many look at the same.
    pub(super) snapshot: Mutex<Option<Snapshot>>,
}

/// One state for all pages.
pub(super) type SharedPage = Arc<PageState>;

impl PageState {
    pub(super) fn new(
        api: SharedState,
        access: LiveAccess,
        pages: PageTemplates,
        public: Option<String>,
    ) -> Self {
        Self {
            api,
            sessions: Sessions::new(access),
            pages,
            public,
            clock: SystemClock::new(),
            watchers: Arc::default(),
            exports: Arc::new(Semaphore::new(EXPORTS)),
            waiting: Semaphore::new(WAITING),
            snapshot: Mutex::default(),
        }
    }
}
