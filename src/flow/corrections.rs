//! A person says what a deposit was credited with, and takes it back.

use serde_json::json;

use super::Flow;
use super::decisions::{
    Decided, booked_of, cases_about, decide, deposit_of, described, find_case, named, open_case, pair_of,
};
use super::said::{CORRECTED, CaseError, checked};
use crate::domain::deposit::Deposit;
use crate::domain::ids::DepositId;
use crate::domain::money::{Amount, UsdMicros};
use crate::domain::observe::{InvalidTransition, Observation};
use crate::domain::reconcile::CaseKind;
use crate::ledger::{Closing, DepositWrite, Recorded};

/// What a correction books; shown before it is booked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Correction {
    /// The deposit.
    pub deposit_id: DepositId,
    /// Its order.
    pub order_id: Option<String>,
    /// What the journal credits now, in dollars; `None` where nothing is booked.
    pub booked: Option<String>,
    /// What it will credit, in dollars; `None` where what was said is taken back and nothing else was stated.
    pub corrected: Option<String>,
    /// False where it was only asked what would be booked.
    pub done: bool,
}

/// What a person wants to be corrected.
#[derive(Debug, Clone, Copy)]
pub struct CorrectionRequest<'a> {
    /// Who: the way they came in.
    pub who: &'a str,
    /// What they say of it.
    pub note: &'a str,
    /// The amount in dollars; what the rows credit unless given.
    pub amount: Option<&'a Amount>,
    /// Only say what would be booked.
    pub dry_run: bool,
}

/// Books, of the deposit that a case is about, what its rows credit, or the amount that is given. Closes the case.
pub async fn correct_case(
    flow: &Flow,
    id: i64,
    wish: CorrectionRequest<'_>,
) -> Result<Correction, CaseError> {
    let case = open_case(flow, id).await?;
    let deposit = deposit_of(flow, &case).await?;
    correct(flow, vec![(deposit, vec![id])], wish)
        .await?
        .pop()
        .ok_or_else(|| CaseError::Unknown(format!("case {id}")))
}

/// The same of the deposit named `name` (ours, the order, or the address), whether there is a case about it or not.
pub async fn correct_deposit(
    flow: &Flow,
    name: &str,
    wish: CorrectionRequest<'_>,
) -> Result<Correction, CaseError> {
    let deposit = named(flow, name).await?;
    let cases = cases_about(flow, deposit.id).await?;
    correct(flow, vec![(deposit, cases)], wish)
        .await?
        .pop()
        .ok_or_else(|| CaseError::Unknown(format!("deposit {name:?}")))
}

/// The same for every open case of one kind whose deposit has credited rows; one letter covers all.
pub async fn correct_all(
    flow: &Flow,
    kind: CaseKind,
    wish: CorrectionRequest<'_>,
) -> Result<Vec<Correction>, CaseError> {
    if !kind.is_of_deposit() {
        return Err(CaseError::Refused(format!(
            "{kind} is not about a deposit's amount: there is no figure to book"
        )));
    }
    if wish.amount.is_some() {
        return Err(CaseError::Refused("many cases have many amounts: leave the amount out".to_owned()));
    }
    let mut wanted = Vec::new();
    for case in flow.ledger.cases(false).await?.into_iter().filter(|case| case.kind == kind.as_str()) {
        let pair = pair_of(flow, &case).await?;
        if pair.paid_cents != 0 {
            wanted.push((deposit_of(flow, &case).await?, vec![case.id]));
        }
    }
    if wanted.is_empty() {
        return Err(CaseError::Refused(format!(
            "no open {kind} has a credited row whose figure could be booked"
        )));
    }
    correct(flow, wanted, wish).await
}

/// Takes back what a person said of the credit of the deposit named `name`: the upstream's own figure counts again.
pub async fn uncorrect_deposit(
    flow: &Flow,
    name: &str,
    who: &str,
    note: &str,
) -> Result<Correction, CaseError> {
    let note = checked(note).map_err(CaseError::Note)?;
    let deposit = named(flow, name).await?;
    if !deposit.facts.booked.as_ref().is_some_and(crate::domain::deposit::Booked::is_said) {
        return Err(CaseError::Refused(format!("nobody has corrected deposit {}", deposit.id)));
    }
    let (id, order_id, before) = described(&deposit);
    let reason = format!("a correction is taken back, by {who}: {note}");
    let after = book(flow, deposit, who, Observation::Uncorrected { reason: reason.clone() }).await?;
    let done =
        Correction { deposit_id: id, order_id, booked: before, corrected: booked_of(&after), done: true };
    let facts = json!({ "act": "uncorrect", "corrections": [done], "who": who, "note": note });
    let (accept, take_back, close, memory) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    decide(flow, Decided { reason, facts, who, note: &note, accept, take_back, close, memory }).await?;
    Ok(done)
}

/// The same of the deposit that a case, open or closed, is about.
pub async fn uncorrect_case(flow: &Flow, id: i64, who: &str, note: &str) -> Result<Correction, CaseError> {
    let case = find_case(flow, id).await?;
    let deposit = deposit_of(flow, &case).await?;
    uncorrect_deposit(flow, &deposit.id.to_string(), who, note).await
}

/// Works out all of `wanted`, and books it unless it is only asked.
async fn correct(
    flow: &Flow,
    wanted: Vec<(Deposit, Vec<i64>)>,
    wish: CorrectionRequest<'_>,
) -> Result<Vec<Correction>, CaseError> {
    let note = checked(wish.note).map_err(CaseError::Note)?;
    let mut planned = Vec::with_capacity(wanted.len());
    for (deposit, cases) in wanted {
        let credited = wanted_amount(flow, &deposit, wish.amount).await?;
        let (deposit_id, order_id, booked) = described(&deposit);
        if deposit.facts.booked.as_ref().is_some_and(|booked| booked.total() == credited) {
            return Err(CaseError::Refused(format!(
                "deposit {deposit_id} is booked at {credited} USD already"
            )));
        }
        let corrected = Some(credited.to_string());
        planned.push((
            deposit,
            cases,
            credited,
            Correction { deposit_id, order_id, booked, corrected, done: false },
        ));
    }
    if wish.dry_run {
        return Ok(planned.into_iter().map(|(.., correction)| correction).collect());
    }
    let (who, mut done, mut close) = (wish.who, Vec::new(), Vec::new());
    for (deposit, cases, credited, mut correction) in planned {
        let reason = format!("a person ({who}) says so: {note}");
        book(flow, deposit, who, Observation::Corrected { credited, reason }).await?;
        correction.done = true;
        done.push(correction);
        close.extend(
            cases.into_iter().map(|case_id| Closing { case_id, resolution: format!("{CORRECTED}{note}") }),
        );
    }
    let reason = match done.as_slice() {
        [one] => {
            format!("corrected to {} USD, by {who}: {note}", one.corrected.as_deref().unwrap_or("nothing"))
        }
        many => format!("{} deposits corrected to what their rows credit, by {who}: {note}", many.len()),
    };
    let facts = json!({ "act": "correct", "corrections": done, "who": who, "note": note });
    let (accept, take_back, memory) = (Vec::new(), Vec::new(), Vec::new());
    decide(flow, Decided { reason, facts, who, note: &note, accept, take_back, close, memory }).await?;
    Ok(done)
}

/// What is to be booked: the amount that is given, in whole cents, or what the deposit's rows credit.
async fn wanted_amount(
    flow: &Flow,
    deposit: &Deposit,
    given: Option<&Amount>,
) -> Result<UsdMicros, CaseError> {
    let refused = |why: String| CaseError::Refused(why);
    if deposit.facts.wallet.is_none() {
        return Err(refused(format!(
            "deposit {} never had a wallet: nothing can have been credited",
            deposit.id
        )));
    }
    if let Some(given) = given {
        let exact = given.to_usd_micros().filter(|micros| micros.to_cents_exact().is_some());
        return exact
            .ok_or_else(|| refused(format!("the amount {given} is not in whole cents: write 49 or 49.00")));
    }
    let pair = flow.ledger.pair(deposit.id).await?;
    let listed = pair.filter(|pair| pair.paid_cents != 0 && !pair.unread).map(|pair| pair.paid_cents);
    let listed = listed.and_then(UsdMicros::from_cents);
    listed.ok_or_else(|| {
        refused(format!("no row of the list credits deposit {}: say --amount USD", deposit.id))
    })
}

/// Books one observation of a person, and tries again where the deposit has just changed.
pub(super) async fn book(
    flow: &Flow,
    mut deposit: Deposit,
    who: &str,
    observation: Observation,
) -> Result<Deposit, CaseError> {
    loop {
        let id = deposit.id;
        let step = deposit
            .observe_by(observation.clone(), flow.clock.now(), flow.upstream.upstream_now(), &flow.policy())
            .map_err(|error: InvalidTransition| CaseError::Refused(error.to_string()))?;
        let after = step.deposit.clone();
        let write = DepositWrite { acted_by: Some(who.to_owned()), ..DepositWrite::from(step) };
        match flow.record(vec![write]).await?.first() {
            Some(Recorded::Written) => return Ok(after),
            Some(Recorded::Conflict) => deposit = named(flow, &id.to_string()).await?,
            Some(Recorded::Forbidden(why)) => return Err(CaseError::Refused(why.clone())),
            None => return Err(CaseError::Refused("nothing was written".to_owned())),
        }
    }
}
