//! The webhooks that are configured, and what is remembered of each between deliveries, in memory only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::domain::time::Timestamp;
use crate::notifier::WebhookEndpoint;

/// The configured webhooks; may be replaced while some are under way.
#[derive(Debug, Default)]
pub struct LiveWebhooks {
    endpoints: RwLock<Arc<Vec<Arc<WebhookEndpoint>>>>,
    memory: Mutex<HashMap<String, LaneMemory>>,
}

/// How the last deliveries to one webhook went. A restart may lose it: nothing owed depends on it.
#[derive(Debug, Clone, Default)]
pub(super) struct LaneMemory {
    /// Failures in a row that were the receiver's, and not one message's.
    pub(super) failures: u32,
    /// Messages in a row that it refused.
    pub(super) refused: u32,
    /// Until when nothing is sent to it.
    pub(super) closed_until: Option<Timestamp>,
    /// Why.
    pub(super) why: String,
}

impl LiveWebhooks {
    /// The webhooks of this moment, in the order of the configuration.
    #[must_use]
    pub fn current(&self) -> Arc<Vec<Arc<WebhookEndpoint>>> {
        Arc::clone(&self.endpoints.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// These are sent to from now on; what is owed to another stays owed.
    pub fn replace(&self, endpoints: Vec<WebhookEndpoint>) {
        let endpoints = Arc::new(endpoints.into_iter().map(Arc::new).collect());
        *self.endpoints.write().unwrap_or_else(PoisonError::into_inner) = endpoints;
        // Whoever has mended something wants to see it work.
        self.lock().clear();
    }

    /// The same webhooks, for a run that begins anew: one of them is sent to again.
    pub(super) fn renew(&self) {
        let mut endpoints = self.endpoints.write().unwrap_or_else(PoisonError::into_inner);
        *endpoints = Arc::new(endpoints.to_vec());
    }

    /// The webhook of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<WebhookEndpoint>> {
        self.current().iter().find(|endpoint| endpoint.settings().name == name).cloned()
    }

    /// Until when nothing is sent to this one, and why, where `now` is before that.
    #[must_use]
    pub fn closed(&self, name: &str, now: Timestamp) -> Option<(Timestamp, String)> {
        let memory = self.lock();
        let lane = memory.get(name)?;
        lane.closed_until.filter(|until| now < *until).map(|until| (until, lane.why.clone()))
    }

    /// The next message may try again at once; to all of them where none is named.
    pub(super) fn reopen(&self, name: Option<&str>) {
        for (_, lane) in self.lock().iter_mut().filter(|(lane, _)| name.is_none_or(|name| name == *lane)) {
            lane.closed_until = None;
        }
    }

    pub(super) fn memory(&self, name: &str) -> LaneMemory {
        self.lock().get(name).cloned().unwrap_or_default()
    }

    /// Changes what is remembered of one.
    pub(super) fn remember<T>(&self, name: &str, change: impl FnOnce(&mut LaneMemory) -> T) -> T {
        change(self.lock().entry(name.to_owned()).or_default())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, LaneMemory>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
