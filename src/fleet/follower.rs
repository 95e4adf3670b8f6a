//! Goes along the chains of many ledgers, and writes what is new into the database.

use std::collections::BTreeMap;
use std::time::Duration;

use super::batch::Batch;
use super::error::FleetResult;
use super::looking::{FileMark, LedgerReport, LedgerTrouble, fork, open, twin_of};
use super::store::{BooksStore, NotWritten, StoredLedger, Whose};
use super::{FleetSettings, FollowedLedger};
use crate::clock::SharedClock;
use crate::ledger::{self, Ledger};

/// How often, and how far apart, a file is read again that does not fit: a copy that is being written may be between two
/// states.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);
/// A ledger that is not followed is tried again after this, though nothing about its file has changed.
const TRY_AGAIN: Duration = Duration::from_mins(1);
/// How often it is written down that ledgers without news were looked at.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// What a follower remembers of one ledger between two rounds.
#[derive(Debug, Default)]
struct Remembered {
    /// The file as it was when it was last followed to its end, or refused.
    file: FileMark,
    /// When that was.
    at: Duration,
    /// The ledger in it.
    ledger_id: Option<String>,
    /// Why it is refused.
    refused: Option<String>,
}

/// The one follower of a database.
#[derive(Debug)]
pub struct Follower {
    store: BooksStore,
    clock: SharedClock,
    ledgers: Vec<FollowedLedger>,
    /// What the database has, by the ledger's id.
    stored: BTreeMap<String, StoredLedger>,
    /// By name.
    remembered: BTreeMap<String, Remembered>,
    said_at: Option<Duration>,
}

impl Follower {
    /// Reaches the database, becomes its one follower, and brings its schema up to date.
    ///
    /// # Errors
    /// [`super::Error::Unusable`] where a person has to see to the database: it is another program's, too old, another follower is at
    /// work, or the user may not write.
    pub async fn start(settings: &FleetSettings, clock: &SharedClock) -> FleetResult<Self> {
        let mut store = BooksStore::connect(settings, clock).await?;
        store.take(concat!("depositd ", env!("CARGO_PKG_VERSION"))).await?;
        let stored = store.ledgers().await?;
        Ok(Self {
            store,
            clock: clock.clone(),
            ledgers: settings.ledgers.clone(),
            stored: stored.into_iter().map(|ledger| (ledger.ledger_id.clone(), ledger)).collect(),
            remembered: BTreeMap::new(),
            said_at: None,
        })
    }

    /// Follows each ledger whose file may have changed to its end; gives how those stand. `progress` gets a ledger's name,
    /// the event that was reached, and the last one of its file.
    ///
    /// # Errors
    /// Where the database cannot be used any more. What is wrong with a ledger is in its report.
    pub async fn round(
        &mut self,
        progress: &mut (impl FnMut(&str, i64, i64) + Send),
    ) -> FleetResult<Vec<LedgerReport>> {
        let mut due = Vec::new();
        for ledger in self.ledgers.clone() {
            let file = FileMark::of(&ledger.path);
            if self.is_due(&ledger, &file) {
                due.push((ledger, file));
            }
        }
        // All ids first: two files of one ledger must be known before either is followed.
        for (ledger, _) in &due {
            let remembered = self.remembered.entry(ledger.name.clone()).or_default();
            if remembered.ledger_id.is_none() {
                remembered.ledger_id = open(&ledger.path).await.ok().map(|opened| opened.id().to_owned());
            }
        }
        let mut reports = Vec::new();
        for (ledger, file) in due {
            let report = self.follow(&ledger, progress).await?;
            self.remember(&ledger, file, &report).await?;
            reports.push(report);
        }
        self.say_looked_at().await?;
        Ok(reports)
    }

    /// Ends in order: the next follower need not wait.
    pub async fn close(self) {
        self.store.close().await;
    }

    fn is_due(&self, ledger: &FollowedLedger, file: &FileMark) -> bool {
        self.remembered.get(&ledger.name).is_none_or(|known| {
            let waited = self.clock.monotonic().saturating_sub(known.at);
            known.file != *file || (known.refused.is_some() && waited >= TRY_AGAIN)
        })
    }

    /// Follows one ledger, and again where it does not fit and may be right a moment later.
    async fn follow(
        &mut self,
        ledger: &FollowedLedger,
        progress: &mut (impl FnMut(&str, i64, i64) + Send),
    ) -> FleetResult<LedgerReport> {
        let mut report = LedgerReport::of(ledger);
        let mut tries = 0_u32;
        loop {
            tries = tries.saturating_add(1);
            report.refused = match self.try_follow(ledger, &mut report, progress).await {
                Ok(()) => None,
                Err(LedgerTrouble::Store(error)) => return Err(error),
                Err(LedgerTrouble::Passing(_)) if tries < TRIES => {
                    self.clock.sleep(PAUSE).await;
                    continue;
                }
                Err(LedgerTrouble::Ledger(why) | LedgerTrouble::Passing(why)) => Some(why),
            };
            let stored = report.ledger_id.as_ref().and_then(|id| self.stored.get(id));
            let named = || self.stored.values().find(|stored| stored.name == ledger.name);
            report.stored(stored.or_else(named));
            report.compare();
            return Ok(report);
        }
    }

    async fn try_follow(
        &mut self,
        ledger: &FollowedLedger,
        report: &mut LedgerReport,
        progress: &mut (impl FnMut(&str, i64, i64) + Send),
    ) -> std::result::Result<(), LedgerTrouble> {
        let file = open(&ledger.path).await?;
        report.ledger_id = Some(file.id().to_owned());
        self.remembered.entry(ledger.name.clone()).or_default().ledger_id = report.ledger_id.clone();
        if let Some(why) = self.refusal(&ledger.name, file.id()) {
            return Err(LedgerTrouble::Ledger(why));
        }
        let head = {
            let mut view = file.chain_view().await?;
            report.file = Some(view.head().await?);
            if let Some(stored) = self.stored.get(file.id())
                && let Some(why) = fork(&mut view, &mut self.store, stored).await?
            {
                return Err(LedgerTrouble::Passing(why));
            }
            report.file.as_ref().map_or(0, |head| head.seq)
        };
        let followed = self.copy(ledger, &file, report, &mut |seq| progress(&ledger.name, seq, head)).await;
        let _ = file.close().await;
        followed
    }

    /// Why a ledger with this id cannot be followed under this name.
    fn refusal(&self, name: &str, id: &str) -> Option<String> {
        let is_twin = |(other, known): &(&String, &Remembered)| {
            *other != name
                && known.ledger_id.as_deref() == Some(id)
                && self.ledgers.iter().any(|ledger| ledger.name == **other)
        };
        if let Some((other, _)) = self.remembered.iter().find(is_twin) {
            return Some(twin_of(other, id));
        }
        let other = self.stored.values().find(|stored| stored.name == name && stored.ledger_id != id)?;
        Some(format!(
            "the database knows another ledger by this name: there it is {}, and the file is {id}; give the new ledger a \
             name of its own, or the right file its place",
            other.ledger_id
        ))
    }

    /// Copies batch after batch, each read while the one before it is being written.
    async fn copy(
        &mut self,
        ledger: &FollowedLedger,
        file: &Ledger,
        report: &mut LedgerReport,
        reached: &mut (impl FnMut(i64) + Send),
    ) -> std::result::Result<(), LedgerTrouble> {
        let known = self.stored.get(file.id()).cloned();
        let mut place =
            known.as_ref().map_or_else(ledger::ChainPlace::beginning, |known| known.place.clone());
        let mut with_runs = known.as_ref().is_none_or(|known| known.mark.is_empty());
        let mut batch = Batch::read(file, place.clone()).await?;
        loop {
            with_runs |= batch.is_decision;
            let (to, is_end) = (batch.to.clone(), batch.end.is_some());
            if let Some(end) = &batch.end {
                let known = known.as_ref().filter(|known| known.name == ledger.name);
                if known.is_some_and(|known| known.place == to && known.mark == end.mark.mark) {
                    return Ok(());
                }
                with_runs |= known.is_none_or(|known| known.mark != end.mark.mark);
            }
            let whose = Whose { ledger_id: file.id(), name: &ledger.name, with_runs };
            let next =
                async { if is_end { None } else { Some(Batch::read_aside(file.clone(), to.clone()).await) } };
            let (written, next) = futures_util::join!(self.store.write(whose, batch), next);
            let mark = written.map_err(|trouble| match trouble {
                NotWritten::Store(error) => LedgerTrouble::Store(error),
                NotWritten::Ledger(error) => error.into(),
            })?;
            report.written = report.written.saturating_add(to.seq.saturating_sub(place.seq));
            self.keep(ledger, file.id(), &to, mark);
            reached(to.seq);
            place = to;
            batch = match next {
                Some(next) => next?,
                None => return Ok(()),
            };
        }
    }

    fn keep(&mut self, ledger: &FollowedLedger, id: &str, place: &ledger::ChainPlace, mark: String) {
        let stored = StoredLedger {
            ledger_id: id.to_owned(),
            name: ledger.name.clone(),
            place: place.clone(),
            mark,
            followed_at: self.clock.now().to_string(),
        };
        self.stored.insert(id.to_owned(), stored);
    }

    /// Remembers how it ended, and tells what is new of it.
    async fn remember(
        &mut self,
        ledger: &FollowedLedger,
        file: FileMark,
        report: &LedgerReport,
    ) -> FleetResult<()> {
        let known = self.remembered.entry(ledger.name.clone()).or_default();
        let is_first = known.at == Duration::ZERO && known.file == FileMark::default();
        let before = std::mem::replace(&mut known.refused, report.refused.clone());
        known.file = file;
        known.at = self.clock.monotonic();
        let name = ledger.name.as_str();
        match &report.refused {
            Some(why) if before.as_ref() != Some(why) => {
                tracing::error!(ledger = name, "not followed: {why}");
                self.store.refuse(report.ledger_id.as_deref(), name, why).await?;
            }
            None if before.is_some() || is_first => {
                if before.is_some() {
                    tracing::info!(ledger = name, "followed again");
                }
                self.store.admit(name).await?;
            }
            _ => {}
        }
        if report.written > 0 {
            let head = report.database.as_ref().map_or(0, |place| place.seq);
            tracing::debug!(ledger = name, events = report.written, head, "followed");
        }
        Ok(())
    }

    async fn say_looked_at(&mut self) -> FleetResult<()> {
        let now = self.clock.monotonic();
        if self.said_at.is_some_and(|said| now.saturating_sub(said) < SAID_EVERY) {
            return Ok(());
        }
        self.said_at = Some(now);
        let agreed = self.remembered.values().filter(|known| known.refused.is_none());
        let ids: Vec<String> = agreed.filter_map(|known| known.ledger_id.clone()).collect();
        self.store.looked_at(&ids).await
    }
}
