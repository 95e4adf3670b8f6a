//! What a run does to the cases: opens, sees again, tells, closes.

use std::collections::{HashMap, HashSet};

use super::differences::dollars;
use super::{Flow, cases};
use crate::domain::reconcile::Difference;
use crate::domain::time::Timestamp;
use crate::ledger::{self, Case, CaseAct, NewCase, RunFigures};

/// What this run does to the cases, given all that it `found`.
pub(super) async fn acts(
    flow: &Flow,
    found: &[Difference],
    figures: &RunFigures,
    at: Timestamp,
) -> ledger::Result<Vec<CaseAct>> {
    let open: HashMap<String, Case> =
        flow.ledger.cases(false).await?.into_iter().map(|case| (case.key.clone(), case)).collect();
    let mut acts = Vec::new();
    let mut present = HashSet::new();
    for difference in found {
        let key = difference.key();
        present.insert(key.clone());
        match open.get(&key) {
            Some(case) => {
                acts.push(CaseAct::Seen {
                    id: case.id,
                    expected: difference.expected.clone(),
                    found: difference.found.clone(),
                });
                let runs = case.seen_runs.saturating_add(1);
                let stood = runs >= i64::from(flow.settings.tell_after_runs);
                if stood && case.told_at.is_none() && case.explained.is_none() {
                    acts.push(CaseAct::Told(case.id));
                }
            }
            None => {
                let last = flow.ledger.last_case(&key).await?;
                let settled_by_person = last.is_some_and(|last| {
                    last.closed_by.as_deref() == Some("person")
                        && last.expected == difference.expected
                        && last.found == difference.found
                });
                if !settled_by_person {
                    let told = flow.settings.tell_after_runs <= 1;
                    acts.push(CaseAct::Open(NewCase { difference: difference.clone(), told }));
                }
            }
        }
    }
    for (key, case) in open {
        if !present.contains(&key) {
            let resolution = match case.kind.as_str() {
                "balance_rise" => {
                    format!("totalCharges has caught up: {} USD", dollars(figures.total_charges_cents))
                }
                "abandoned_wallet" => "its invoice has ended, and nobody has paid it".to_owned(),
                _ => format!("the figures agree again in the run of {at}"),
            };
            acts.push(CaseAct::Close { id: case.id, who: None, resolution });
        }
    }
    Ok(acts)
}

/// Writes the acts; gives the cases that were opened, and those that were closed.
pub(super) async fn keep_acts(flow: &Flow, acts: Vec<CaseAct>) -> ledger::Result<(Vec<i64>, Vec<i64>)> {
    let opens: Vec<bool> = acts.iter().map(|act| matches!(act, CaseAct::Open(_))).collect();
    let closes: Vec<bool> = acts.iter().map(|act| matches!(act, CaseAct::Close { .. })).collect();
    let ids = cases::keep(flow, acts).await?;
    let chosen = |flags: &[bool]| ids.iter().zip(flags).filter(|(_, yes)| **yes).map(|(id, _)| *id).collect();
    Ok((chosen(&opens), chosen(&closes)))
}
