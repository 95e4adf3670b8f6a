//! The drill: the replica is restored to a temporary folder, proven whole, and held against the ledger.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{ReplicaSettings, generation_of};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::event::EventName;
use crate::domain::time::Timestamp;
use crate::flow::Flow;
use crate::ledger::{self, Access, Ledger, LedgerSettings};
use crate::replica::{Litestream, Program};

/// Under which key the ledger remembers how the last drill ended.
const LAST_DRILL: &str = "last_drill";
/// So many findings of the proof are named.
const NAMED: usize = 5;

/// How a drill ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DrillReport {
    /// When it began.
    pub at: Timestamp,
    /// Nothing is wrong.
    pub ok: bool,
    /// What is wrong, in words.
    pub findings: Vec<String>,
    /// How long the restore took, in milliseconds; `None` where there was none.
    pub restore_ms: Option<u64>,
    /// How large the restored file is.
    pub bytes: Option<u64>,
    /// Events in the ledger when the drill began.
    pub ledger_head_seq: i64,
    /// Events in the replica.
    pub replica_head_seq: Option<i64>,
    /// The hash of the replica's last event.
    pub replica_head_hash: Option<String>,
    /// The generation that was restored.
    pub generation: u64,
}

/// How the last drill ended, as the ledger remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drilled {
    /// What it found.
    pub report: DrillReport,
    /// How long ago it began.
    pub age: Duration,
}

/// Restores the replica of `ledger` into a folder of its own below `place`, proves it, and compares.
///
/// # Errors
/// Whatever `ledger` itself says; everything else is a finding.
pub async fn drill(
    ledger: &Ledger,
    program: &Program,
    litestream: Option<&Litestream>,
    place: &Path,
) -> ledger::Result<DrillReport> {
    let at = SystemClock::new().now();
    let (head_seq, generation) =
        (ledger.head_hash().await?.map_or(0, |(seq, _)| seq), generation_of(ledger).await?);
    let mut report = DrillReport { at, ledger_head_seq: head_seq, generation, ..DrillReport::default() };
    // From here on the store has what the ledger had above.
    if let Some(litestream) = litestream
        && let Err(error) = litestream.sync().await
    {
        report.findings.push(format!("the replica does not confirm: {error}"));
    }
    match tempfile::Builder::new().prefix("depositd-drill-").tempdir_in(place) {
        Ok(folder) => {
            let copy = folder.path().join("ledger.db");
            match program.restore(generation, &copy).await {
                Ok(restored) => {
                    report.restore_ms = u64::try_from(restored.took.as_millis()).ok();
                    report.bytes = Some(restored.bytes);
                    compare(ledger, copy, &mut report).await?;
                }
                Err(error) => report.findings.push(format!("the replica cannot be restored: {error}")),
            }
        }
        Err(error) => {
            report.findings.push(format!("no folder can be made in {}: {error}", place.display()));
        }
    }
    report.ok = report.findings.is_empty();
    Ok(report)
}

/// Proves the copy and holds it against the ledger; what is wrong goes into `report`.
async fn compare(ledger: &Ledger, path: PathBuf, report: &mut DrillReport) -> ledger::Result<()> {
    let settings = LedgerSettings { path, create_if_missing: false, mail_domain: "localhost".to_owned() };
    let copy = match Ledger::open(settings, Access::Read).await {
        Ok(copy) => copy,
        Err(error) => {
            report.findings.push(format!("what was restored is no ledger: {}", error.chain()));
            return Ok(());
        }
    };
    let findings = &mut report.findings;
    if copy.id() != ledger.id() {
        findings.push(format!(
            "the replica holds another ledger: {} instead of {}; each ledger needs a place of its own in the store",
            copy.id(),
            ledger.id()
        ));
    }
    match copy.verify(|_, _| {}).await {
        Ok(proof) => {
            findings.extend(proof.findings.iter().take(NAMED).map(|finding| {
                format!("the replica is not whole: {} {}: {}", finding.table, finding.row, finding.what)
            }));
            (report.replica_head_seq, report.replica_head_hash) =
                (Some(proof.head_seq), Some(proof.head_hash.clone()));
            if proof.head_seq < report.ledger_head_seq {
                let missing = report.ledger_head_seq.saturating_sub(proof.head_seq);
                findings.push(format!(
                    "the replica is behind: it ends with event {}, the ledger had {} ({missing} missing)",
                    proof.head_seq, report.ledger_head_seq
                ));
            }
            let own = ledger.hash_of(proof.head_seq).await?;
            if proof.head_seq > 0 && copy.id() == ledger.id() && own.as_ref() != Some(&proof.head_hash) {
                findings.push(format!(
                    "the replica does not continue this ledger: its event {} has the hash {}, here it is {}",
                    proof.head_seq,
                    proof.head_hash,
                    own.as_deref().unwrap_or("missing")
                ));
            }
        }
        Err(error) => findings.push(format!("the replica cannot be proven: {}", error.chain())),
    }
    match generation_of(&copy).await {
        Ok(found) if found != report.generation => findings.push(format!(
            "the replica is of generation {found}, the ledger of {}: Litestream runs with another DEPOSITD_GENERATION",
            report.generation
        )),
        Ok(_) => {}
        Err(error) => findings.push(format!("the replica's generation: {}", error.chain())),
    }
    // It was only read, and goes with its folder.
    let _ = copy.close().await;
    Ok(())
}

/// The drill of a running daemon: remembered, and told where something is wrong. `None` without a replica.
///
/// # Errors
/// Whatever the ledger says.
pub async fn run_drill(flow: &Flow) -> ledger::Result<Option<DrillReport>> {
    let Some(replica) = &flow.replica.0 else { return Ok(None) };
    let ReplicaSettings { litestream, program, config, .. } = &replica.settings;
    let pid = litestream.pid().await.ok().flatten();
    let program = Program::find(program.clone(), config.clone(), litestream.ledger(), pid);
    let mut report = drill(&flow.ledger, &program, Some(litestream), &temporary_place()).await?;
    report.at = flow.clock.now();
    let kept =
        serde_json::to_string(&report).map_err(|error| ledger::Error::Unreadable(error.to_string()))?;
    let was_ok = drilled(flow).await?.is_none_or(|last| last.report.ok);
    if report.ok {
        tracing::info!(seq = report.replica_head_seq, "the replica was restored and proven whole");
    } else {
        let why = report.findings.join("; ");
        tracing::error!("the drill failed: {why}");
        if was_ok {
            flow.announce(EventName::DrillFailed, Some(why), json!(report)).await?;
        }
    }
    // Last: a drill that was cut off before this is told again, and not forgotten.
    flow.ledger.remember(LAST_DRILL, kept).await?;
    Ok(Some(report))
}

/// Where a restored ledger finds room: what `TMPDIR` says, else the folder for large temporary files.
#[must_use]
pub fn temporary_place() -> PathBuf {
    let named = std::env::var_os("TMPDIR").map(PathBuf::from);
    let large = PathBuf::from("/var/tmp");
    named.or_else(|| large.is_dir().then_some(large)).unwrap_or_else(std::env::temp_dir)
}

/// How the last drill ended; `None` where there was none.
///
/// # Errors
/// Whatever the ledger says.
pub async fn drilled(flow: &Flow) -> ledger::Result<Option<Drilled>> {
    let Some(kept) = flow.ledger.recall(LAST_DRILL).await? else { return Ok(None) };
    let report: DrillReport =
        serde_json::from_str(&kept).map_err(|error| ledger::Error::Unreadable(error.to_string()))?;
    let age = flow.clock.now().since(report.at);
    Ok(Some(Drilled { report, age }))
}
