//! Whether every letter that was owed went out once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::differences::Differences;
use crate::clock::Clock as _;
use crate::flow::Flow;
use crate::sandbox::scenario::context::ScenarioContext;
use crate::sandbox::scenario::error::Error;

/// The longest wait for the last letters, in real time.
const LETTERS: Duration = Duration::from_secs(30);
/// The limit of the list: far more letters than the largest scenario owes.
const MOST_MAILS: u32 = 1_000_000;

/// Waits until no letter is owed any more.
pub(super) async fn letters_out(context: &ScenarioContext, flow: &Flow) -> Result<(), Error> {
    let until = context.taken().saturating_add(LETTERS);
    while context.taken() < until && !context.stop.is_cancelled() {
        if flow.ledger.mail_counts().await?.iter().all(|(state, _)| state != "owed") {
            break;
        }
        context.real.sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Letters by event: each owed one is out, and lies in the folder exactly once.
pub(super) async fn letters(
    context: &ScenarioContext,
    flow: &Flow,
    found: &mut Differences,
) -> Result<BTreeMap<String, u64>, Error> {
    let mails = flow.ledger.mails(&["owed", "dead", "sent"], MOST_MAILS).await?;
    let folder = context.folder.file("mail");
    let mut files = message_ids(&folder).map_err(Error::io("cannot read", &folder))?;
    let mut letters: BTreeMap<String, u64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for mail in &mails {
        let count = letters.entry(mail.event.clone()).or_default();
        *count = count.saturating_add(1);
        found.unless(mail.state == "sent", || format!("mail {} ({}) is {}", mail.id, mail.event, mail.state));
        found.unless(seen.insert(&mail.message_id), || format!("two mails are called {}", mail.message_id));
        let copies = files.remove(&mail.message_id).unwrap_or(0);
        found.unless(copies == 1, || format!("mail {} lies in the folder {copies} times", mail.id));
    }
    for (id, _) in files {
        found.add(format!("a letter that nobody owed lies in the folder: {id}"));
    }
    Ok(letters)
}

/// The Message-IDs of all letters in the folder, and how often each is there.
fn message_ids(folder: &Path) -> std::io::Result<BTreeMap<String, u32>> {
    let mut ids: BTreeMap<String, u32> = BTreeMap::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(ids),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "eml") {
            let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
            let unfolded = text.replace("\r\n ", " ");
            let id = unfolded
                .lines()
                .take_while(|line| !line.is_empty())
                .find_map(|line| line.strip_prefix("Message-ID:"))
                .map_or_else(
                    || path.display().to_string(),
                    |id| id.trim().trim_matches(['<', '>']).to_owned(),
                );
            let count = ids.entry(id).or_default();
            *count = count.saturating_add(1);
        }
    }
    Ok(ids)
}
