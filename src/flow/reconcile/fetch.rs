//! The upstream's side as of one instant, and what is kept to show what it said.

use serde_json::{Value, json};

use super::intake::{Changes, Intake, Rejected};
use super::{Failed, Flow};
use crate::domain::report::Balance;
use crate::flow::adopt::Window;
use crate::upstream::{self, Evidence, Listed, Priority};

/// How often the figures are fetched when money arrives in between; and before the baseline has been taken, which
/// would be wrong for ever.
const FETCHES: usize = 3;
const FIRST_FETCHES: usize = 10;
/// So much of the list's beginning is kept, in characters.
const HEAD: usize = 1000;

/// What one run fetched.
pub(super) struct Fetched {
    pub(super) balance: Balance,
    pub(super) changes: Changes,
    /// The last event that what was fetched can have known of.
    pub(super) head_seq: i64,
}

/// Everything, as of one instant: the total should not move while the invoices are read, and must not in the `first`
/// good run. `evidence` is filled in as the answers come, also where they are void.
pub(super) async fn fetch(
    flow: &Flow,
    first: bool,
    window: Window,
    evidence: &mut Option<Value>,
) -> Result<Fetched, Failed> {
    let mut head_seq = *flow.ledger.head().borrow();
    let mut intake = Intake::new(flow.ledger.known_invoices().await?, flow.ledger.spool(), window);
    let (mut before, _) = balance(flow, evidence).await?;
    let mut tries: usize = 0;
    loop {
        tries = tries.saturating_add(1);
        let next_head = *flow.ledger.head().borrow();
        let permit = flow.upstream.admit(Priority::Reconcile).await;
        let listed = flow.upstream.invoices(permit, intake).await;
        let answer = listed.map_err(|error| void(&error, evidence))?;
        let Listed { sink, rows, bytes, sha256 } = answer.value;
        let list = json!({ "rows": rows, "bytes": bytes, "sha256": sha256, "head": head(&answer.evidence) });
        *evidence = Some(json!({ "at": flow.clock.now(), "tries": tries, "invoices": list }));
        let (after, shown) = balance(flow, evidence).await?;
        if let Some(Value::Object(evidence)) = evidence {
            evidence.insert("balance".to_owned(), Value::String(shown));
        }
        let still = before.total_charges_cents == after.total_charges_cents;
        if first && !still && tries >= FIRST_FETCHES {
            return Err(Failed::Void(format!(
                "money arrived each of the {tries} times that the invoices were read, and the first run needs a moment of rest"
            )));
        }
        if still || (!first && tries >= FETCHES) {
            let changes = sink.finish().map_err(|rejected| match rejected {
                Rejected::Implausible(why) => Failed::Void(why),
                Rejected::Ledger(error) => Failed::Ledger(error),
            })?;
            return Ok(Fetched { balance: after, changes, head_seq });
        }
        before = after;
        head_seq = next_head;
        intake = sink.again();
    }
}

/// The account's figures, and the answer that they stand in.
async fn balance(flow: &Flow, evidence: &mut Option<Value>) -> Result<(Balance, String), Failed> {
    let permit = flow.upstream.admit(Priority::Reconcile).await;
    let answer = flow.upstream.balance(permit).await.map_err(|error| void(&error, evidence))?;
    Ok((answer.value, head(&answer.evidence)))
}

/// A call that gave nothing voids the run; what came of its answer is kept.
fn void(error: &upstream::Error, evidence: &mut Option<Value>) -> Failed {
    if let Some(shown) = error.evidence() {
        *evidence = Some(json!({
            "call": shown.call, "http_status": shown.http_status, "head": head(shown), "error": error.to_string(),
        }));
    }
    Failed::Void(error.to_string())
}

fn head(evidence: &Evidence) -> String {
    evidence.text().chars().take(HEAD).collect()
}
