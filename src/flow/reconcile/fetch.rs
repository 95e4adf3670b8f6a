//! Fetches the upstream's side as of one instant, with the evidence of its answers.

use serde_json::{Value, json};

use super::context::RunContext;
use super::import::Reader;
use super::report::{Incomplete, Stopped};
use crate::domain::report::Balance;
use crate::flow::Flow;
use crate::upstream::{self, Evidence, Listed, Permit, Priority};

/// How often the figures are fetched when the total moves while the list is being read.
const FETCHES: usize = 3;
/// How much of the list's beginning is stored, in characters.
const HEAD: usize = 1000;

/// What one run fetched.
pub(super) struct Fetched {
    pub(super) balance: Balance,
    pub(super) list: Reader,
    /// The last event that what was fetched can have known of.
    pub(super) head_seq: i64,
    /// The total did not move while the list was read: the figures are of one instant.
    pub(super) at_rest: bool,
}

/// Everything, as of one instant as far as can be: the total should not move while the list is read. `evidence` is
/// filled in as the answers come, also where they are void.
pub(super) async fn fetch(
    context: &RunContext<'_>,
    evidence: &mut Option<Value>,
) -> Result<Fetched, Stopped> {
    let flow = context.flow;
    let mut head_seq = *flow.ledger.head().borrow();
    let mut reader = Reader::new(flow.ledger.known_rows().await?, flow.ledger.row_staging());
    let (mut before, _) = first_balance(flow, evidence).await?;
    let mut tries: usize = 0;
    loop {
        tries = tries.saturating_add(1);
        let next_head = *flow.ledger.head().borrow();
        let permit = admitted(flow).await?;
        let listed = flow.upstream.invoices(permit, reader).await;
        let answer = listed.map_err(|error| no_answer(&error, evidence))?;
        let Listed { sink, rows, bytes, sha256 } = answer.value;
        let list = json!({ "rows": rows, "bytes": bytes, "sha256": sha256, "head": head(&answer.evidence) });
        *evidence = Some(json!({ "at": flow.clock.now(), "tries": tries, "invoices": list }));
        let (after, shown) = balance(flow, admitted(flow).await?, evidence).await?;
        if let Some(Value::Object(evidence)) = evidence {
            evidence.insert("balance".to_owned(), Value::String(shown));
        }
        let at_rest = before.total_charges_cents == after.total_charges_cents;
        if at_rest || tries >= FETCHES {
            return Ok(Fetched { balance: after, list: sink, head_seq, at_rest });
        }
        before = after;
        head_seq = next_head;
        reader = sink.again();
    }
}

/// The first call of a run may take the time of one call, its wait for a permit included, so that a run in an outage
/// ends soon.
async fn first_balance(flow: &Flow, evidence: &mut Option<Value>) -> Result<(Balance, String), Stopped> {
    let limit = flow.settings.call_timeout;
    let work = async { balance(flow, admitted(flow).await?, evidence).await };
    tokio::select! {
        biased;
        answered = work => answered,
        () = flow.clock.sleep(limit) => {
            let why = flow.upstream.health().last_error;
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            Err(Incomplete::Unanswered(format!("the upstream gave no answer within {} s{why}", limit.as_secs())).into())
        }
    }
}

/// The right to make a call, or why there is none.
async fn admitted(flow: &Flow) -> Result<Permit, Stopped> {
    let admitted = flow.upstream.admit_within(Priority::Reconcile, flow.settings.call_timeout).await;
    admitted.map_err(|why| Incomplete::Unanswered(why).into())
}

/// The account's figures, and the answer that they stand in.
async fn balance(
    flow: &Flow,
    permit: Permit,
    evidence: &mut Option<Value>,
) -> Result<(Balance, String), Stopped> {
    let answer = flow.upstream.balance(permit).await.map_err(|error| no_answer(&error, evidence))?;
    Ok((answer.value, head(&answer.evidence)))
}

/// A call without a value makes the run incomplete; what came of its answer is stored.
fn no_answer(error: &upstream::Error, evidence: &mut Option<Value>) -> Stopped {
    if let Some(shown) = error.evidence() {
        *evidence = Some(json!({
            "call": shown.call, "http_status": shown.http_status, "head": head(shown), "error": error.to_string(),
        }));
    }
    Incomplete::Unanswered(error.to_string()).into()
}

fn head(evidence: &Evidence) -> String {
    evidence.text().chars().take(HEAD).collect()
}
