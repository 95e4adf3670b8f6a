//! Deposits that were polled lately, as they stand on disk: most polls change nothing, so that the next one need not
//! read them again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::deposit::Deposit;
use crate::ledger::batch::{QueueEntry, Requeue, ResponseFingerprint};

/// How many deposits it holds, of about two KiB each. Others are read from the disk each time.
const MOST: usize = 20 * 1024;

/// It returns only deposits that are exactly as they are on disk. A deposit is stored here after an unchanged poll,
/// unless it was changed between being leased and being put back; every change removes it once it is committed. All of
/// that happens in this process: it holds the ledger's lock.
#[derive(Debug, Default)]
pub(super) struct PollCache {
    /// By row.
    slots: Mutex<HashMap<i64, Slot>>,
}

#[derive(Debug)]
enum Slot {
    /// Taken at this version, and not returned yet.
    Taken(i64),
    /// As the disk has it.
    AtRest(Box<Deposit>, Option<ResponseFingerprint>),
}

impl PollCache {
    fn slots(&self) -> MutexGuard<'_, HashMap<i64, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cached deposits of `entries`, in their order, `None` for those that have to be read. Call it *before*
    /// reading the disk: a later change is then not stored under its old version.
    pub(super) fn take(
        &self,
        entries: &[QueueEntry],
    ) -> Vec<Option<(Box<Deposit>, Option<ResponseFingerprint>)>> {
        let mut slots = self.slots();
        let take = |entry: &QueueEntry| match slots.insert(entry.deposit, Slot::Taken(entry.version)) {
            Some(Slot::AtRest(deposit, fingerprint)) if deposit.version == entry.version => {
                Some((deposit, fingerprint))
            }
            Some(_) => None,
            None => {
                if slots.len() > MOST {
                    slots.remove(&entry.deposit);
                }
                None
            }
        };
        entries.iter().map(take).collect()
    }

    /// Removes what has changed, or may have, and stores those that went back and were not changed since they were leased.
    /// Call it after the commit: with the changes whatever its result, with what went back once that is on disk.
    pub(super) fn finish(
        &self,
        changed: impl IntoIterator<Item = i64>,
        unchanged: impl IntoIterator<Item = Requeue>,
    ) {
        let mut slots = self.slots();
        for row in changed {
            slots.remove(&row);
        }
        for Requeue { entry, deposit, fingerprint, .. } in unchanged {
            if let Some(slot) = slots.get_mut(&entry.deposit)
                && matches!(slot, Slot::Taken(version) if *version == entry.version)
            {
                *slot = Slot::AtRest(deposit, fingerprint);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::asset::Asset;
    use crate::domain::deposit::Request;
    use crate::domain::ids::DepositId;
    use crate::domain::money::Amount;
    use crate::domain::time::Timestamp;

    const ROW: i64 = 7;

    fn entry(row: i64, version: i64) -> QueueEntry {
        serde_json::from_value(serde_json::json!([2, 1000, row, version])).unwrap()
    }

    fn at_version(version: i64) -> Box<Deposit> {
        let request = Request::new(
            Asset::parse("USDT", "BSC").unwrap(),
            Amount::parse("5").unwrap(),
            Timestamp::from_seconds(1_700_000_000),
        );
        let deposit = Deposit::open(DepositId::new(uuid::Uuid::from_u128(7)), request).deposit;
        Box::new(Deposit { version, ..deposit })
    }

    fn again(row: i64, version: i64) -> Requeue {
        let fingerprint = Some(ResponseFingerprint::new(Arc::new(b"nothing new".to_vec())));
        Requeue { entry: entry(row, version), due: None, deposit: at_version(version), fingerprint }
    }

    fn has(kept: &PollCache, version: i64) -> bool {
        matches!(kept.take(&[entry(ROW, version)]).as_slice(), [Some((deposit, Some(_)))] if deposit.version == version)
    }

    #[test]
    fn what_was_put_back_is_there_the_next_time_and_only_once() {
        let kept = PollCache::default();
        assert!(!has(&kept, 3), "the first time it has to be read");
        kept.finish([], [again(ROW, 3)]);
        assert!(has(&kept, 3));
        assert!(!has(&kept, 3), "somebody else has it");
    }

    #[test]
    fn what_has_changed_meanwhile_is_never_kept_as_it_was() {
        let kept = PollCache::default();
        // Changed while it was polled.
        has(&kept, 3);
        kept.finish([ROW], []);
        kept.finish([], [again(ROW, 3)]);
        assert!(!has(&kept, 3));
        // And taken again as it is now, before the first poll ends.
        kept.finish([ROW], []);
        has(&kept, 4);
        kept.finish([], [again(ROW, 3)]);
        assert!(!has(&kept, 3));
        // Changed while it was at rest.
        kept.finish([], [again(ROW, 3)]);
        kept.finish([ROW], []);
        assert!(!has(&kept, 3));
        // A stale place of one that has changed.
        kept.finish([ROW], []);
        has(&kept, 4);
        kept.finish([], [again(ROW, 4)]);
        assert_eq!(kept.take(&[entry(ROW, 3)]), [None], "not even as it is now: the entry is another one's");
    }

    #[test]
    fn there_is_an_end_to_how_many_are_kept() {
        let kept = PollCache::default();
        let rows = || 1..=i64::try_from(MOST).unwrap() + 100;
        rows().for_each(|row| drop(kept.take(&[entry(row, 1)])));
        kept.finish([], rows().map(|row| again(row, 1)));
        assert_eq!(rows().filter_map(|row| kept.take(&[entry(row, 1)]).pop().flatten()).count(), MOST);
    }
}
