//! What stands in a ledger's file, beside what the database has of it: whether the one continues the other.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::clock::SharedClock;
use crate::domain::time::Timestamp;
use crate::fleet::error::FleetResult;
use crate::fleet::store::{BooksStore, StoredLedger};
use crate::fleet::{FleetSettings, FollowedLedger};
use crate::ledger::{self, Access, ChainPlace, ChainView, Ledger, LedgerSettings};

/// How a ledger stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LedgerReport {
    /// What the configuration calls it.
    pub name: String,
    /// Its own id, where the file or the database says it.
    pub ledger_id: Option<String>,
    /// The last event in the file.
    pub file: Option<ChainPlace>,
    /// The last event in the database.
    pub database: Option<ChainPlace>,
    /// How many events the database is behind the file; none where they do not fit.
    pub behind: Option<i64>,
    /// When something of it was last written.
    pub followed_at: Option<Timestamp>,
    /// How many events were written now.
    pub written: i64,
    /// Why it is not followed.
    pub refused: Option<String>,
}

impl LedgerReport {
    pub(super) fn of(ledger: &FollowedLedger) -> Self {
        Self {
            name: ledger.name.clone(),
            ledger_id: None,
            file: None,
            database: None,
            behind: None,
            followed_at: None,
            written: 0,
            refused: None,
        }
    }

    /// With what the database has.
    pub(super) fn stored(&mut self, stored: Option<&StoredLedger>) {
        let Some(stored) = stored else { return };
        self.ledger_id.get_or_insert_with(|| stored.ledger_id.clone());
        self.database = Some(stored.place.clone());
        self.followed_at = Timestamp::parse(&stored.followed_at).ok();
    }

    /// Says how far the database is behind, where both heads are known and fit.
    pub(super) fn compare(&mut self) {
        let stored = self.database.as_ref().map_or(0, |place| place.seq);
        self.behind = match &self.file {
            Some(file) if self.refused.is_none() => Some(file.seq.saturating_sub(stored)),
            _ => None,
        };
    }
}

/// Opens the file of a ledger for reading, at this moment and for as long as the answer is kept.
pub(super) async fn open(path: &Path) -> ledger::Result<Ledger> {
    // Readers write no mail: the domain of Message-IDs does not matter to them.
    let settings = LedgerSettings {
        path: path.to_owned(),
        create_if_missing: false,
        mail_domain: "localhost".to_owned(),
    };
    Ledger::open(settings, Access::Read).await
}

/// What tells whether a file may have changed: which one it is, how long, and when it was last written or given to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileStamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileStamp {
    fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            length: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

/// The same of a ledger's file, and of the log beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct FileMark([Option<FileStamp>; 2]);

impl FileMark {
    /// As it is now.
    pub(super) fn of(path: &Path) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        Self([FileStamp::of(path), FileStamp::of(Path::new(&log))])
    }
}

/// Why the file does not continue what the database has, in words; `None` where it does.
pub(super) async fn fork(
    view: &mut ChainView,
    store: &mut BooksStore,
    stored: &StoredLedger,
) -> std::result::Result<Option<String>, LedgerTrouble> {
    let head = view.head().await?;
    let known = &stored.place;
    let in_file = view.place_at(known.seq).await?;
    if in_file.as_ref() == Some(known) {
        return Ok(None);
    }
    let todo = "nothing of it is written. Was the file put back from an older copy, or replaced? docs/fleet.md, \"When a chain \
                does not continue\", says what to do";
    let parted = first_other(view, store, &stored.ledger_id, known.seq.min(head.seq)).await?;
    Ok(Some(match parted {
        None => format!(
            "the file ends at event {} and the database already has event {} with the hash {}: the file is older than what \
             was copied of it; {todo}",
            head.seq, known.seq, known.hash
        ),
        Some((seq, in_file, in_database)) => format!(
            "the chains part at event {seq}: in the file its hash is {in_file}, in the database {in_database} (which has \
             {} events, the file {}); {todo}",
            known.seq, head.seq
        ),
    }))
}

/// The first event up to `last` whose hashes differ: once they do, all that follow do.
async fn first_other(
    view: &mut ChainView,
    store: &mut BooksStore,
    ledger_id: &str,
    last: i64,
) -> std::result::Result<Option<(i64, String, String)>, LedgerTrouble> {
    let (mut same, mut other) = (0_i64, None);
    let mut end = last;
    while same < end {
        // Rounded up, so that the last one is asked about as well.
        let middle =
            same.saturating_add(end.saturating_sub(same).saturating_add(1).checked_div(2).unwrap_or(1));
        let in_file = view.place_at(middle).await?.map(|place| place.hash).unwrap_or_default();
        let in_database = store.hash_at(ledger_id, middle).await?.unwrap_or_default();
        if in_file == in_database {
            same = middle;
        } else {
            end = middle.saturating_sub(1);
            other = Some((middle, in_file, in_database));
        }
    }
    Ok(other)
}

/// Why a ledger could not be followed to its end.
#[derive(Debug)]
pub(super) enum LedgerTrouble {
    /// Something is wrong with it, in words; the others go on.
    Ledger(String),
    /// The same, and a moment later it may be right: the file was perhaps just being written.
    Passing(String),
    /// The database.
    Store(crate::fleet::error::Error),
}

impl From<ledger::Error> for LedgerTrouble {
    fn from(error: ledger::Error) -> Self {
        let words = error.chain();
        match error {
            ledger::Error::Untrusted(_) | ledger::Error::Unreadable(_) | ledger::Error::Database { .. } => {
                Self::Passing(words)
            }
            _ => Self::Ledger(words),
        }
    }
}

impl From<crate::fleet::error::Error> for LedgerTrouble {
    fn from(error: crate::fleet::error::Error) -> Self {
        Self::Store(error)
    }
}

/// How every configured ledger stands, and who follows; writes nothing.
///
/// # Errors
/// Where the database cannot be used.
pub async fn status(
    settings: &FleetSettings,
    clock: &SharedClock,
) -> FleetResult<(Vec<LedgerReport>, Option<String>)> {
    let mut store = BooksStore::connect(settings, clock).await?;
    let (stored, refusals) = if store.is_ours().await? {
        (store.ledgers().await?, store.refusals().await?)
    } else {
        Default::default()
    };
    let follower = store.follower().await?;
    let mut reports = Vec::new();
    for ledger in &settings.ledgers {
        let mut report = LedgerReport::of(ledger);
        match look(&mut report, ledger, &mut store, &stored).await {
            Ok(()) => {}
            Err(LedgerTrouble::Store(error)) => return Err(error),
            Err(LedgerTrouble::Ledger(why) | LedgerTrouble::Passing(why)) => report.refused = Some(why),
        }
        // What the follower has found in the midst of a file is not looked for again here.
        let told = refusals.iter().find(|(name, ..)| *name == ledger.name);
        if let (None, Some((_, since, why))) = (&report.refused, told) {
            report.refused = Some(format!("{why} (since {since})"));
        }
        report.compare();
        reports.push(report);
    }
    refuse_twins(&mut reports);
    store.close().await;
    Ok((reports, follower))
}

async fn look(
    report: &mut LedgerReport,
    ledger: &FollowedLedger,
    store: &mut BooksStore,
    stored: &[StoredLedger],
) -> std::result::Result<(), LedgerTrouble> {
    report.stored(stored.iter().find(|stored| stored.name == ledger.name));
    let file = open(&ledger.path).await?;
    report.ledger_id = Some(file.id().to_owned());
    let stored = stored.iter().find(|stored| stored.ledger_id == file.id());
    let mut view = file.chain_view().await?;
    report.file = Some(view.head().await?);
    report.database = None;
    report.stored(stored);
    if let Some(stored) = stored {
        report.refused = fork(&mut view, store, stored).await?;
    }
    Ok(())
}

/// Refuses files that say they are the same ledger: which of them is it, nobody here can tell.
pub(super) fn refuse_twins(reports: &mut [LedgerReport]) {
    for at in 0..reports.len() {
        let Some((name, id)) =
            reports.get(at).and_then(|one| Some((one.name.clone(), one.ledger_id.clone()?)))
        else {
            continue;
        };
        let twin = reports.iter().find(|other| {
            other.name != name && other.file.is_some() && other.ledger_id.as_ref() == Some(&id)
        });
        let Some(words) = twin.map(|twin| twin_of(&twin.name, &id)) else { continue };
        if let Some(report) = reports.get_mut(at).filter(|report| report.file.is_some()) {
            report.refused = Some(words);
            report.behind = None;
        }
    }
}

/// What is said of a ledger that another file of the configuration says it is, too.
pub(super) fn twin_of(other: &str, id: &str) -> String {
    format!(
        "its file and that of {other:?} are the same ledger ({id}): name one of them, the one that is written"
    )
}
