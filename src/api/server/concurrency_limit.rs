//! How many changes may be on their way to the ledger at a time: all in all, and for one caller.
//!
//! A change is carried out whole even if its caller goes away, so the number of connections does not bound them: where
//! the disk hangs, a caller that gives up and asks again would pile them up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::api::principal::Origin;
use crate::api::problem::{Problem, ProblemKind};

/// As many as the ledger's writer lets wait.
const MOST: usize = 1024;
/// One caller's share, so that there is always room for somebody else.
const SHARE: usize = 768;

/// What is under way.
#[derive(Debug, Default)]
pub(in crate::api) struct ConcurrencyLimit(Mutex<HashMap<Origin, usize>>);

/// One change under way; its place is free again when this is dropped.
#[derive(Debug)]
pub(in crate::api) struct ChangeSlot {
    limit: Arc<ConcurrencyLimit>,
    origin: Origin,
}

impl ConcurrencyLimit {
    /// A place, or why there is none: 429 for a caller that has its share already, 503 where all are taken.
    pub(in crate::api) fn acquire(self: &Arc<Self>, origin: Origin) -> Result<ChangeSlot, Problem> {
        let mut shares = self.lock();
        let all = shares.values().fold(0usize, |sum, share| sum.saturating_add(*share));
        let own = shares.get(&origin).copied().unwrap_or_default();
        if own >= SHARE {
            let detail =
                format!("{SHARE} of your requests are waiting already: nothing was accepted, try again");
            return Err(Problem::new(ProblemKind::TooManyRequests, detail));
        }
        if all >= MOST {
            let detail = format!("{MOST} requests are waiting already: nothing was accepted, try again");
            return Err(Problem::new(ProblemKind::Busy, detail));
        }
        shares.insert(origin, own.saturating_add(1));
        drop(shares);
        Ok(ChangeSlot { limit: Arc::clone(self), origin })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ChangeSlot {
    fn drop(&mut self) {
        if let Entry::Occupied(mut share) = self.limit.lock().entry(self.origin) {
            *share.get_mut() = share.get().saturating_sub(1);
            if *share.get() == 0 {
                share.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_has_its_share_and_all_together_have_what_there_is() {
        let limit = Arc::<ConcurrencyLimit>::default();
        let (one, two) = (Origin::User(Some(1)), Origin::Address([127, 0, 0, 1].into()));
        let mut turns: Vec<_> = (0..SHARE).map(|_| limit.acquire(one).unwrap()).collect();
        assert_eq!(limit.acquire(one).unwrap_err().kind(), ProblemKind::TooManyRequests);
        turns.extend((SHARE..MOST).map(|_| limit.acquire(two).unwrap()));
        assert_eq!(limit.acquire(two).unwrap_err().kind(), ProblemKind::Busy);
        assert_eq!(limit.acquire(Origin::User(None)).unwrap_err().kind(), ProblemKind::Busy);
        turns.pop();
        assert!(limit.acquire(two).is_ok());
        drop(turns);
        assert!(limit.lock().is_empty(), "nothing is kept of who has nothing under way");
    }
}
