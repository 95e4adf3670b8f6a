//! Seals the cases that a run opened or closed without a letter: one event a run, however many they are.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::SqliteConnection;

use crate::domain::event::EventName;
use crate::domain::time::Timestamp;
use crate::ledger::batch::AccountEvent;
use crate::ledger::cases::Case;
use crate::ledger::error::Result;

/// The cases that one run opened, or closed, without a letter: their first and last number, and a digest of their
/// columns that never change again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sealed {
    count: usize,
    ids: Vec<(i64, i64)>,
    sha256: String,
}

/// Collects them, in any order.
#[derive(Debug, Default)]
struct Side(Vec<(i64, [u8; 32])>);

/// Both sides.
#[derive(Debug, Default)]
pub(in crate::ledger) struct CaseSeal {
    opened: Side,
    closed: Side,
}

impl CaseSeal {
    /// A case was opened without a letter.
    pub(in crate::ledger) fn open(&mut self, case: &Case) {
        self.opened.0.push((case.id, beginning(case.id, &case.key, &case.opened_at)));
    }

    /// A run closed a case that had never been mailed.
    pub(in crate::ledger) fn close(&mut self, case: &Case) {
        let end = end(case.id, case.closed_at.as_deref(), case.resolution.as_deref());
        self.closed.0.push((case.id, end));
    }

    /// The event, where there is anything to seal.
    pub(in crate::ledger) fn into_notice(self, at: Timestamp) -> Option<AccountEvent> {
        if self.opened.0.is_empty() && self.closed.0.is_empty() {
            return None;
        }
        let facts = json!({ "opened": self.opened.seal(), "closed": self.closed.seal() });
        Some(AccountEvent { name: EventName::CasesNoted, at, reason: None, facts, mail_to: Vec::new() })
    }
}

impl Side {
    fn seal(mut self) -> Sealed {
        self.0.sort_unstable();
        let (mut ids, mut digest): (Vec<(i64, i64)>, _) = (Vec::new(), Sha256::new());
        for (id, line) in &self.0 {
            digest.update(line);
            match ids.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(*id) => *last = *id,
                _ => ids.push((*id, *id)),
            }
        }
        let sha256 = hex::encode(digest.finalize());
        Sealed { count: self.0.len(), ids, sha256 }
    }
}

fn beginning(id: i64, key: &str, opened_at: &str) -> [u8; 32] {
    Sha256::digest(json!([id, key, opened_at]).to_string()).into()
}

fn end(id: i64, closed_at: Option<&str>, resolution: Option<&str>) -> [u8; 32] {
    Sha256::digest(json!([id, closed_at, resolution]).to_string()).into()
}

/// The events whose cases are no longer those that they sealed.
pub(in crate::ledger) async fn broken(view: &mut SqliteConnection) -> Result<Vec<i64>> {
    let events =
        sqlx::query!(r#"SELECT seq AS "seq!", facts FROM event WHERE name = 'cases_noted' ORDER BY seq"#)
            .fetch_all(&mut *view)
            .await?;
    let mut broken = Vec::new();
    for event in events {
        let whole = match serde_json::from_str::<Sides>(&event.facts) {
            Ok(Sides { opened, closed }) => {
                again(view, &opened).await?.0.seal() == opened
                    && again(view, &closed).await?.1.seal() == closed
            }
            Err(_) => false,
        };
        if !whole {
            broken.push(event.seq);
        }
    }
    Ok(broken)
}

/// The facts of the event.
#[derive(Deserialize)]
struct Sides {
    opened: Sealed,
    closed: Sealed,
}

/// The beginnings and the ends of these cases, as they stand now.
async fn again(view: &mut SqliteConnection, sealed: &Sealed) -> Result<(Side, Side)> {
    let (mut opened, mut closed) = (Side::default(), Side::default());
    for (first, last) in &sealed.ids {
        let cases = sqlx::query!(
            r#"SELECT id AS "id!", key, opened_at, closed_at, resolution FROM discrepancy WHERE id BETWEEN ? AND ?"#,
            first,
            last
        )
        .fetch_all(&mut *view)
        .await?;
        for case in cases {
            opened.0.push((case.id, beginning(case.id, &case.key, &case.opened_at)));
            closed.0.push((case.id, end(case.id, case.closed_at.as_deref(), case.resolution.as_deref())));
        }
    }
    Ok((opened, closed))
}
