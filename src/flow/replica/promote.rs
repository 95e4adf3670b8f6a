//! Promotion: the newest state in the store becomes this machine's ledger, as the next generation. A person decides it,
//! where the machine that had the ledger is gone.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::generation::{GENERATION, generation_of};
use crate::domain::event::{EventName, Recipient};
use crate::domain::time::Timestamp;
use crate::flow::said::checked;
use crate::ledger::{self, Access, AccountEvent, Decision, Ledger, LedgerSettings};
use crate::replica::{Litestream, Program, ProgramError};

/// The most generations that are looked for.
const MOST: u64 = 10_000;
/// So many in a row that are not there are the end: early ones may have been removed.
const GAP: u64 = 8;

/// What a promotion is made of.
#[derive(Debug)]
pub struct Promotion<'a> {
    /// How the ledger is opened; where it is to be.
    pub settings: LedgerSettings,
    /// Litestream's program.
    pub program: &'a Program,
    /// The Litestream of this machine, which must not run yet.
    pub litestream: Option<&'a Litestream>,
    /// A copy of the ledger that is taken instead of the store's newest state: a backup.
    pub from: Option<&'a Path>,
    /// Who is told.
    pub mail_to: Vec<Recipient>,
    /// Who decides it, and why.
    pub who: &'a str,
    /// In words.
    pub note: &'a str,
    /// When.
    pub now: Timestamp,
}

/// What was promoted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Promoted {
    /// The ledger's place.
    pub path: PathBuf,
    /// The generation that was restored.
    pub restored_generation: u64,
    /// The one that it is now.
    pub generation: u64,
    /// Its last event before the promotion's own.
    pub head_seq: i64,
    /// The hash of that.
    pub head_hash: String,
    /// What Litestream's unit reads.
    pub environment: PathBuf,
}

/// Why nothing was promoted. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    /// The note is empty or too long.
    #[error("{0}")]
    Note(String),
    /// Something stands in the way.
    #[error("{0}")]
    Refused(String),
    /// The store could not be read.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// What was restored is not whole.
    #[error("what was restored is not whole, and is not used: {0}")]
    NotWhole(String),
    /// The ledger could not be read or written.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// A file could not be written or moved.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
}

/// Restores the newest generation, proves it, and makes it the next one, at the ledger's place.
///
/// # Errors
/// [`PromoteError`]; the place is as it was then.
pub async fn promote(promotion: Promotion<'_>) -> Result<Promoted, PromoteError> {
    let note = checked(promotion.note).map_err(PromoteError::Note)?;
    let path = promotion.settings.path.clone();
    refuse_unless_free(&path, promotion.litestream).await?;
    let newest = newest_generation(promotion.program).await?;
    let next = newest.saturating_add(1);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let staging = tempfile::Builder::new().prefix(".depositd-promote-").tempdir_in(folder);
    let staging = staging.map_err(io("no folder can be made beside the ledger"))?;
    let copy = staging.path().join("ledger.db");
    match promotion.from {
        Some(from) => copy_backup(from, &copy)?,
        None => promotion.program.restore(newest, &copy).await.map(|_| ())?,
    }
    // A backup may be of an earlier generation.
    let expected = promotion.from.is_none().then_some(newest);
    let settings = LedgerSettings { path: copy.clone(), create_if_missing: false, ..promotion.settings };
    let ledger = Ledger::open(settings, Access::Write).await?;
    let made =
        raise(&ledger, (expected, next), &promotion.mail_to, (promotion.who, note, promotion.now)).await;
    ledger.close().await?;
    let (head_seq, head_hash) = made?;
    hand_over(&copy, folder).map_err(io("the restored ledger cannot be given to the daemon's user"))?;
    let file = std::fs::File::open(&copy).and_then(|file| file.sync_all());
    file.map_err(io("the restored ledger cannot be written to disk"))?;
    // Atomic, and it replaces nothing: there is no such file.
    std::fs::hard_link(&copy, &path).map_err(io("the restored ledger cannot be put in place"))?;
    std::fs::remove_file(&copy).map_err(io("the ledger is in place, and has a second name"))?;
    drop(staging);
    let environment = folder.join("replica.env");
    let names =
        format!("the ledger is in place; write DEPOSITD_GENERATION={next} into {}", environment.display());
    name_generation(&environment, folder, next).map_err(io(&names))?;
    Ok(Promoted { path, restored_generation: newest, generation: next, head_seq, head_hash, environment })
}

/// Copies a backup, which is one whole file.
fn copy_backup(from: &Path, copy: &Path) -> Result<(), PromoteError> {
    if ledger::is_without_log(from) {
        let shown = from.display();
        return Err(PromoteError::Refused(format!(
            "{shown} was copied from a running daemon without its log: take a copy that `depositd backup` made"
        )));
    }
    std::fs::copy(from, copy).map(|_| ()).map_err(io(&format!("{} cannot be copied", from.display())))
}

/// Writes what Litestream's unit reads: whole or not at all.
fn name_generation(environment: &Path, folder: &Path, generation: u64) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "# Written by `depositd promote`; read by Litestream's unit.")?;
    writeln!(file, "DEPOSITD_GENERATION={generation}")?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(environment).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}

/// The ledger belongs to whom its folder belongs, whoever promotes it.
fn hand_over(copy: &Path, folder: &Path) -> std::io::Result<()> {
    let (file, folder) = (std::fs::metadata(copy)?, std::fs::metadata(folder)?);
    if (file.uid(), file.gid()) != (folder.uid(), folder.gid()) {
        chown(copy, Some(folder.uid()), Some(folder.gid()))?;
    }
    std::fs::set_permissions(copy, std::fs::Permissions::from_mode(0o640))
}

fn io(what: &str) -> impl FnOnce(std::io::Error) -> PromoteError {
    let what = what.to_owned();
    move |error| PromoteError::Io(what, error)
}

/// A ledger is never replaced, nor what Litestream remembers of one.
async fn refuse_unless_free(path: &Path, litestream: Option<&Litestream>) -> Result<(), PromoteError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let state = path.with_file_name(format!(".{name}-litestream"));
    let beside =
        ["-wal", "-shm", "-journal", ".lock"].map(|suffix| path.with_file_name(format!("{name}{suffix}")));
    for taken in [path.to_owned(), state].into_iter().chain(beside) {
        if taken.symlink_metadata().is_ok() {
            return Err(PromoteError::Refused(format!(
                "{} is there: a promotion replaces nothing; move it away first, and keep it",
                taken.display()
            )));
        }
    }
    if let Some(litestream) = litestream
        && litestream.pid().await.is_ok()
    {
        return Err(PromoteError::Refused(
            "Litestream runs here already: stop it first, it must begin with the promoted ledger".to_owned(),
        ));
    }
    Ok(())
}

/// The newest generation that the store holds.
async fn newest_generation(program: &Program) -> Result<u64, PromoteError> {
    if !program.tells_generations_apart()? {
        return Err(PromoteError::Refused(
            "Litestream's configuration has no ${DEPOSITD_GENERATION} in the replica's path: two machines would write to \
             one place, which destroys the replica (docs/replica.md)"
                .to_owned(),
        ));
    }
    let (mut newest, mut missing) = (None, 0_u64);
    for generation in 1..=MOST {
        if missing >= GAP {
            break;
        }
        if program.holds(generation).await? == Some(true) {
            (newest, missing) = (Some(generation), 0);
        } else {
            missing = missing.saturating_add(1);
        }
    }
    newest.ok_or_else(|| {
        PromoteError::Refused(
            "the store holds nothing at the configured place: nothing can be restored".to_owned(),
        )
    })
}

/// Proves the restored ledger, and writes the event that makes it the next generation; gives the head before that.
async fn raise(
    ledger: &Ledger,
    (expected, next): (Option<u64>, u64),
    mail_to: &[Recipient],
    (who, note, now): (&str, String, Timestamp),
) -> Result<(i64, String), PromoteError> {
    let proof = ledger.verify(|_, _| {}).await?;
    if let Some(finding) = proof.findings.first() {
        let words = format!("{} {}: {}", finding.table, finding.row, finding.what);
        return Err(PromoteError::NotWhole(words));
    }
    let held = generation_of(ledger).await?;
    if let Some(expected) = expected.filter(|expected| *expected != held) {
        return Err(PromoteError::Refused(format!(
            "the ledger at the place of generation {expected} is of generation {held}: Litestream ran with another \
             DEPOSITD_GENERATION there"
        )));
    }
    let facts =
        json!({ "act": "promote", "generation": next, "head_seq": proof.head_seq, "who": who, "note": note });
    let notice = AccountEvent {
        name: EventName::Decided,
        at: now,
        reason: Some(format!("the stand-by is promoted to generation {next}, by {who}: {note}")),
        facts,
        mail_to: mail_to.to_vec(),
    };
    let (accept, take_back, close) = (Vec::new(), Vec::new(), Vec::new());
    let memory = vec![(GENERATION, next.to_string())];
    ledger.decide(Decision { notice, who: who.to_owned(), note, accept, take_back, close, memory }).await?;
    Ok((proof.head_seq, proof.head_hash))
}
