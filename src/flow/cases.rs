//! What a person says of a difference: explained, closed, accepted as it is, or corrected; and taken back.

use serde_json::{Value, json};

use super::Flow;
use super::said::{ACCEPTED, CORRECTED, CaseError, checked};
use crate::domain::deposit::Deposit;
use crate::domain::event::EventName;
use crate::domain::ids::DepositId;
use crate::domain::money::{Amount, UsdMicros, dollars};
use crate::domain::observe::{InvalidTransition, Observation};
use crate::domain::reconcile::{CaseKind, DepositRows};
use crate::ledger::{
    self, AccountEvent, Case, CaseChange, Closing, Decision, DepositWrite, NewAcceptance, RESTORED, Recorded,
};

/// What a correction books, said before it does.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
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

async fn find_case(flow: &Flow, id: i64) -> Result<Case, CaseError> {
    flow.ledger.case(id).await?.ok_or_else(|| CaseError::Unknown(format!("case {id}")))
}

async fn open_case(flow: &Flow, id: i64) -> Result<Case, CaseError> {
    let case = find_case(flow, id).await?;
    match &case.closed_at {
        Some(closed_at) => Err(CaseError::Refused(format!("case {id} has been closed since {closed_at}"))),
        None => Ok(case),
    }
}

/// Keeps a person's explanation; the case stays open, and is mailed about again only where a drift has changed. `who`
/// names the person by the way they came in.
///
/// # Errors
/// [`CaseError`]; nothing has happened then.
pub async fn explain_case(flow: &Flow, id: i64, who: &str, note: &str) -> Result<Case, CaseError> {
    let note = checked(note).map_err(CaseError::Note)?;
    open_case(flow, id).await?;
    change_cases(flow, vec![CaseChange::Explain { id, who: who.to_owned(), note }]).await?;
    find_case(flow, id).await
}

/// Closes a case; it is opened again only when its figures change. A difference that is closed is accepted as it is: no run
/// is clean while a deposit and its rows, or the rows and the total, disagree and nobody has answered for it.
///
/// # Errors
/// [`CaseError`]; nothing has happened then.
pub async fn close_case(flow: &Flow, id: i64, who: &str, note: &str) -> Result<Case, CaseError> {
    let note = checked(note).map_err(CaseError::Note)?;
    let case = open_case(flow, id).await?;
    match CaseKind::parse(&case.kind) {
        Some(
            CaseKind::TotalChargesDrift
            | CaseKind::AmountMismatch
            | CaseKind::InvoiceMissing
            | CaseKind::StatusMismatch,
        ) => {
            let said = Said { who, note: &note, resolution: note.clone() };
            return accept(flow, id, said, None).await;
        }
        Some(kind) if kind.is_of_incomplete_run() => {
            let why = format!("case {id} ends when it is accepted: depositd cases accept {id} --note TEXT");
            return Err(CaseError::Refused(why));
        }
        Some(CaseKind::RowUnread) => {
            let why = format!(
                "case {id} ends when the row can be read, or its amount is said: depositd cases accept {id} --amount CENTS --note TEXT"
            );
            return Err(CaseError::Refused(why));
        }
        Some(CaseKind::Restored) => flow.ledger.remember(RESTORED, "null".to_owned()).await?,
        _ => {}
    }
    change_cases(flow, vec![CaseChange::Close { id, who: Some(who.to_owned()), resolution: note }]).await?;
    find_case(flow, id).await
}

/// Accepts a difference as it is: the drift joins what is explained, a deposit's rows count what the journal holds, a row
/// that cannot be read has the amount that is said, history that changed is history. Can be taken back.
///
/// # Errors
/// [`CaseError`]; nothing has happened then.
pub async fn accept_case(
    flow: &Flow,
    id: i64,
    who: &str,
    note: &str,
    amount_cents: Option<i64>,
) -> Result<Case, CaseError> {
    let note = checked(note).map_err(CaseError::Note)?;
    let said = Said { who, note: &note, resolution: format!("{ACCEPTED}{note}") };
    accept(flow, id, said, amount_cents).await
}

/// Who accepts, in which words, and what the case's end is called.
struct Said<'a> {
    who: &'a str,
    note: &'a str,
    resolution: String,
}

async fn accept(flow: &Flow, id: i64, said: Said<'_>, amount_cents: Option<i64>) -> Result<Case, CaseError> {
    let Said { who, note, resolution } = said;
    let case = open_case(flow, id).await?;
    let refused = |why: &str| CaseError::Refused(format!("case {id} {why}"));
    let kind = CaseKind::parse(&case.kind)
        .ok_or_else(|| refused("is of a kind that is no longer kept: close it"))?;
    if amount_cents.is_some() && kind != CaseKind::RowUnread {
        return Err(refused("takes no amount: only a row that cannot be read has one said"));
    }
    let mut acceptance = NewAcceptance {
        case_id: id,
        kind: case.kind.clone(),
        deposit: None,
        invoice_row: None,
        listed_cents: None,
        counted_cents: None,
        drift_cents: 0,
    };
    let mut memory = Vec::new();
    let what = match kind {
        CaseKind::AmountMismatch | CaseKind::InvoiceMissing | CaseKind::StatusMismatch => {
            let pair = pair_of(flow, &case).await?;
            acceptance.deposit = Some(pair.deposit_id);
            acceptance.listed_cents = Some(pair.listed_cents());
            acceptance.counted_cents = Some(pair.booked_cents());
            format!(
                "the journal's {} USD, against rows that credit {}",
                dollars(pair.booked_cents()),
                dollars(pair.listed_cents())
            )
        }
        CaseKind::TotalChargesDrift => {
            if flow.ledger.incomplete_runs().await?.is_some() {
                return Err(refused(
                    "has figures of before: the last run was void, and a drift is accepted as a run finds it",
                ));
            }
            let drift = case
                .found_cents
                .zip(case.expected_cents)
                .map(|(found, expected)| found.saturating_sub(expected));
            acceptance.drift_cents =
                drift.ok_or_else(|| refused("names no figure; wait for the next run"))?;
            format!("a drift of {} USD", dollars(acceptance.drift_cents))
        }
        CaseKind::RowUnread => {
            let cents = amount_cents.ok_or_else(|| refused("needs --amount CENTS: what the row credits"))?;
            if cents < 0 {
                return Err(refused("is a top-up: its amount is 0 or more"));
            }
            acceptance.invoice_row = case.invoice_row;
            acceptance.counted_cents = Some(cents);
            format!("a row of {} USD that cannot be read", dollars(cents))
        }
        CaseKind::TotalFell => {
            let total = case.found_cents.ok_or_else(|| refused("names no figure; wait for the next run"))?;
            memory.push(("total_floor", total.to_string()));
            format!("a total of {} USD as history", dollars(total))
        }
        CaseKind::RowsChanged => {
            let digest =
                case.detail.clone().ok_or_else(|| refused("names no rows; wait for the next run"))?;
            memory.push(("rows_accepted", digest));
            "changed rows as history".to_owned()
        }
        CaseKind::Restored => return Err(refused("is closed, once each order was claimed or is another's")),
    };
    memory.extend(kind.is_of_incomplete_run().then(|| ("incomplete_standing", "null".to_owned())));
    let reason = format!("accepted {what}, by {who}: {note}");
    let facts = json!({
        "act": "accept", "case_id": id, "kind": case.kind, "deposit_id": case.deposit_id, "order_id": case.order_id,
        "drift_cents": acceptance.drift_cents, "listed_cents": acceptance.listed_cents,
        "counted_cents": acceptance.counted_cents, "who": who, "note": note,
    });
    let close = vec![Closing { case_id: id, resolution }];
    decide(
        flow,
        Decided { reason, facts, who, note, accept: vec![acceptance], take_back: Vec::new(), close, memory },
    )
    .await?;
    find_case(flow, id).await
}

/// Takes back what was accepted of a case: its figures count again as they are, and the next run finds what differs.
///
/// # Errors
/// [`CaseError`]; nothing has happened then.
pub async fn unaccept_case(flow: &Flow, id: i64, who: &str, note: &str) -> Result<Case, CaseError> {
    let note = checked(note).map_err(CaseError::Note)?;
    let case = find_case(flow, id).await?;
    if !flow.ledger.acceptances().await?.iter().any(|one| one.case_id == id) {
        return Err(CaseError::Refused(format!("nothing that was accepted of case {id} stands")));
    }
    let reason = format!("what was accepted of case {id} is taken back, by {who}: {note}");
    let facts = json!({ "act": "unaccept", "case_id": id, "kind": case.kind, "deposit_id": case.deposit_id, "who": who, "note": note });
    let (accept, close, memory) = (Vec::new(), Vec::new(), Vec::new());
    decide(flow, Decided { reason, facts, who, note: &note, accept, take_back: vec![id], close, memory })
        .await?;
    find_case(flow, id).await
}

/// Books, of the deposit that a case is about, what its rows credit, or the amount that is given. Closes the case.
///
/// # Errors
/// [`CaseError`]; nothing has happened then.
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
///
/// # Errors
/// [`CaseError`]; nothing has happened then.
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

/// The same of every open case of one kind whose deposit has credited rows; one letter tells of all.
///
/// # Errors
/// [`CaseError`]; nothing has happened then.
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
///
/// # Errors
/// [`CaseError`]; nothing has happened then.
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
    let after = book(flow, deposit, Observation::Uncorrected { reason: reason.clone() }).await?;
    let done =
        Correction { deposit_id: id, order_id, booked: before, corrected: booked_of(&after), done: true };
    let facts = json!({ "act": "uncorrect", "corrections": [done], "who": who, "note": note });
    let (accept, take_back, close, memory) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    decide(flow, Decided { reason, facts, who, note: &note, accept, take_back, close, memory }).await?;
    Ok(done)
}

/// The same of the deposit that a case, open or closed, is about.
///
/// # Errors
/// [`CaseError`]; nothing has happened then.
pub async fn uncorrect_case(flow: &Flow, id: i64, who: &str, note: &str) -> Result<Correction, CaseError> {
    let case = find_case(flow, id).await?;
    let deposit = deposit_of(flow, &case).await?;
    uncorrect_deposit(flow, &deposit.id.to_string(), who, note).await
}

/// Sets the baseline to `cents`, because a person says so; the only way in which it moves once it is taken.
///
/// # Errors
/// [`CaseError`]; nothing has happened then.
pub async fn set_baseline(flow: &Flow, cents: i64, who: &str, note: &str) -> Result<(), CaseError> {
    let note = checked(note).map_err(CaseError::Note)?;
    let before = flow.ledger.recall("baseline_cents").await?;
    if before.as_deref() == Some(cents.to_string().as_str()) {
        return Err(CaseError::Refused(format!("the baseline is {} USD already", dollars(cents))));
    }
    let was = before.and_then(|kept| kept.parse::<i64>().ok());
    let reason = format!("the baseline is set to {} USD, by {who}: {note}", dollars(cents));
    let facts =
        json!({ "baseline_cents": cents, "taken": true, "before_cents": was, "by": who, "note": note });
    let notice = AccountEvent {
        name: EventName::BaselineSet,
        at: flow.clock.now(),
        reason: Some(reason),
        facts,
        mail_to: flow.rules.recipients(EventName::BaselineSet),
    };
    let (who, memory) = (who.to_owned(), vec![("baseline_cents", cents.to_string())]);
    let (accept, take_back, close) = (Vec::new(), Vec::new(), Vec::new());
    flow.ledger.decide(Decision { notice, who, note, accept, take_back, close, memory }).await?;
    flow.wakers.deliver.notify_one();
    Ok(())
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
        book(flow, deposit, Observation::Corrected { credited, reason }).await?;
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
async fn book(flow: &Flow, mut deposit: Deposit, observation: Observation) -> Result<Deposit, CaseError> {
    loop {
        let id = deposit.id;
        let step = deposit
            .observe_by(observation.clone(), flow.clock.now(), flow.upstream.upstream_now(), &flow.policy())
            .map_err(|error: InvalidTransition| CaseError::Refused(error.to_string()))?;
        let after = step.deposit.clone();
        match flow.record(vec![DepositWrite::from(step)]).await?.first() {
            Some(Recorded::Written) => return Ok(after),
            Some(Recorded::Conflict) => deposit = named(flow, &id.to_string()).await?,
            Some(Recorded::Forbidden(why)) => return Err(CaseError::Refused(why.clone())),
            None => return Err(CaseError::Refused("nothing was written".to_owned())),
        }
    }
}

async fn named(flow: &Flow, name: &str) -> Result<Deposit, CaseError> {
    flow.ledger.find(name).await?.ok_or_else(|| CaseError::Unknown(format!("deposit {name:?}")))
}

async fn deposit_of(flow: &Flow, case: &Case) -> Result<Deposit, CaseError> {
    match &case.deposit_id {
        Some(id) => named(flow, id).await,
        None => Err(CaseError::Refused(format!(
            "case {} is not about a deposit: there is no figure to book",
            case.id
        ))),
    }
}

async fn pair_of(flow: &Flow, case: &Case) -> Result<DepositRows, CaseError> {
    let deposit = deposit_of(flow, case).await?;
    let pair = flow.ledger.pair(deposit.id).await?;
    pair.ok_or_else(|| {
        CaseError::Refused(format!("deposit {} has no order that could be listed", deposit.id))
    })
}

async fn cases_about(flow: &Flow, deposit: DepositId) -> Result<Vec<i64>, CaseError> {
    let cases = flow.ledger.cases_of(deposit).await?;
    Ok(cases.into_iter().filter(|case| case.closed_at.is_none()).map(|case| case.id).collect())
}

fn described(deposit: &Deposit) -> (DepositId, Option<String>, Option<String>) {
    let order = deposit.facts.wallet.as_ref().map(|wallet| wallet.order_id.clone());
    (deposit.id, order, booked_of(deposit))
}

fn booked_of(deposit: &Deposit) -> Option<String> {
    deposit.facts.booked.as_ref().map(|booked| booked.total().to_string())
}

/// A decision before its event is made.
struct Decided<'a> {
    reason: String,
    facts: Value,
    who: &'a str,
    note: &'a str,
    accept: Vec<NewAcceptance>,
    take_back: Vec<i64>,
    close: Vec<Closing>,
    memory: Vec<(&'static str, String)>,
}

/// Writes a decision with its event, which is mailed: one letter, however much it decides.
async fn decide(flow: &Flow, decided: Decided<'_>) -> ledger::Result<()> {
    let Decided { reason, facts, who, note, accept, take_back, close, memory } = decided;
    let notice = AccountEvent {
        name: EventName::Decided,
        at: flow.clock.now(),
        reason: Some(reason),
        facts,
        mail_to: flow.rules.recipients(EventName::Decided),
    };
    let (who, note) = (who.to_owned(), note.to_owned());
    flow.ledger.decide(Decision { notice, who, note, accept, take_back, close, memory }).await?;
    flow.wakers.deliver.notify_one();
    Ok(())
}

/// Writes changes of cases with the events and mails that they owe: one letter when a difference is told, one when it
/// is closed.
pub(super) async fn change_cases(flow: &Flow, changes: Vec<CaseChange>) -> ledger::Result<Vec<i64>> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let rules = std::sync::Arc::clone(&flow.rules);
    let ids = flow
        .ledger
        .change_cases(changes, flow.clock.now(), move |case, change| {
            let mailed = |name: EventName| Some((name, rules.recipients(name)));
            match change {
                CaseChange::Open(case) if case.notified => mailed(EventName::DiscrepancyOpened),
                CaseChange::Notified { .. } => mailed(EventName::DiscrepancyOpened),
                CaseChange::Open(_) | CaseChange::Seen { .. } => None,
                CaseChange::Explain { .. } => Some((EventName::DiscrepancyExplained, Vec::new())),
                // Who never heard of it need not hear that it is gone.
                CaseChange::Close { who: None, .. } if case.told_at.is_none() => None,
                CaseChange::Close { .. } if case.told_at.is_none() => {
                    Some((EventName::DiscrepancyClosed, Vec::new()))
                }
                CaseChange::Close { .. } => mailed(EventName::DiscrepancyClosed),
            }
        })
        .await?;
    flow.wakers.deliver.notify_one();
    Ok(ids)
}
