//! The endpoints for reconciliations, cases, corrections, the baseline, claims and restores.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::{Extension, Json};
use serde_json::Value;

use super::input::{Name, Params, RawBody, clip};
use super::principal::Principal;
use super::problem::{Problem, ProblemKind};
use super::state::{ApiState, SharedState, whole};
use crate::api_types::{
    Baseline, Case, CaseAfter, CaseList, Correction, CorrectionList, DepositObject, Report, RestoredSpan,
};
use crate::domain::money::Amount;
use crate::domain::reconcile;
use crate::domain::time::Timestamp;
use crate::flow::{self, CaseError, CorrectionRequest, ReconcileFailed};

/// `POST /v1/reconciliations`
pub(super) async fn run(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    body: RawBody,
) -> Result<Json<Report>, Problem> {
    body.fields(&[])?;
    let _place = api
        .reconciliations
        .try_acquire()
        .map_err(|_| Problem::busy("several reconciliations are waiting already", 10))?;
    let own = Arc::clone(&api);
    match whole(&api, caller.origin(), async move { flow::reconcile(&own.flow).await }).await? {
        Ok(report) => Ok(Json(report)),
        Err(error @ ReconcileFailed::Incomplete(_)) => {
            Err(Problem::new(ProblemKind::ReconciliationVoid, error.to_string()))
        }
        Err(ReconcileFailed::Ledger(error)) => Err(error.into()),
    }
}

/// `GET /v1/reconciliations/latest`
pub(super) async fn latest(State(api): State<SharedState>) -> Result<Json<Value>, Problem> {
    let report = api.flow.ledger.last_report().await?;
    report.map(Json).ok_or_else(|| Problem::not_found("there has been no reconciliation yet"))
}

/// `GET /v1/cases`
pub(super) async fn list(State(api): State<SharedState>, uri: Uri) -> Result<Json<CaseList>, Problem> {
    let closed = Params::read(&uri, &["closed"])?.flag("closed")?;
    Ok(Json(CaseList { cases: api.flow.ledger.cases(closed).await? }))
}

/// `GET /v1/cases/{id}`
pub(super) async fn show(State(api): State<SharedState>, Name(name): Name) -> Result<Json<Case>, Problem> {
    find(&api, number(&name)?).await.map(Json)
}

async fn find(api: &ApiState, id: i64) -> Result<Case, Problem> {
    api.flow.ledger.case(id).await?.ok_or_else(|| Problem::not_found(format!("there is no case {id}")))
}

fn number(name: &str) -> Result<i64, Problem> {
    name.parse().map_err(|_| Problem::not_found(format!("there is no case {:?}", clip(name))))
}

/// What a person does to a case.
#[derive(Debug, Clone, Copy)]
pub(super) enum CaseAction {
    Explain,
    Close,
    Accept,
    Unaccept,
    Correct,
    Uncorrect,
}

impl CaseAction {
    /// The fields that its body may have. Any other field is refused, because it would be ignored.
    const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Correct => &["note", "amount", "dry_run"],
            Self::Accept => &["note", "amount_cents"],
            Self::Explain | Self::Close | Self::Unaccept | Self::Uncorrect => &["note"],
        }
    }
}

/// What a person says with an act.
struct Said {
    note: String,
    amount: Option<Amount>,
    amount_cents: Option<i64>,
    dry_run: bool,
}

impl Said {
    fn read(body: &RawBody, act: CaseAction) -> Result<Self, Problem> {
        let fields = body.fields(act.fields())?;
        let amount = match fields.has("amount") {
            true => Some(amount(&fields.digits("amount")?)?),
            false => None,
        };
        let (note, amount_cents) = (fields.needed_text("note")?, fields.integer("amount_cents")?);
        Ok(Self { note, amount, amount_cents, dry_run: fields.boolean("dry_run")? })
    }

    fn wish<'a>(&'a self, who: &'a str) -> CorrectionRequest<'a> {
        CorrectionRequest { who, note: &self.note, amount: self.amount.as_ref(), dry_run: self.dry_run }
    }
}

/// Dollars, zero included: a credit that never took place is corrected to 0.
fn amount(text: &str) -> Result<Amount, Problem> {
    Amount::parse(text).map_err(|error| Problem::invalid("amount", error))
}

/// `POST /v1/cases/{id}/explain`, `../close`, `../accept`, `../unaccept`, `../correct` and `../uncorrect`
pub(super) async fn act(
    act: CaseAction,
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    Name(name): Name,
    body: RawBody,
) -> Result<Json<CaseAfter>, Problem> {
    let (id, said) = (number(&name)?, Said::read(&body, act)?);
    let own = Arc::clone(&api);
    let done = whole(&api, caller.origin(), async move {
        let (flow, who) = (&own.flow, &*caller.words().await);
        let mut correction = None;
        match act {
            CaseAction::Explain => drop(flow::explain_case(flow, id, who, &said.note).await?),
            CaseAction::Close => drop(flow::close_case(flow, id, who, &said.note).await?),
            CaseAction::Accept => {
                drop(flow::accept_case(flow, id, who, &said.note, said.amount_cents).await?)
            }
            CaseAction::Unaccept => drop(flow::unaccept_case(flow, id, who, &said.note).await?),
            CaseAction::Correct => correction = Some(flow::correct_case(flow, id, said.wish(who)).await?),
            CaseAction::Uncorrect => {
                correction = Some(flow::uncorrect_case(flow, id, who, &said.note).await?)
            }
        }
        Ok(correction)
    });
    match done.await? {
        Ok(correction) => Ok(Json(CaseAfter { case: find(&api, id).await?, correction })),
        Err(CaseError::Refused(why)) if is_closed(&api, id).await => {
            Err(Problem::new(ProblemKind::CaseClosed, why))
        }
        Err(error) => Err(problem(error)),
    }
}

async fn is_closed(api: &ApiState, id: i64) -> bool {
    matches!(api.flow.ledger.case(id).await, Ok(Some(case)) if case.closed_at.is_some())
}

pub(super) fn problem(error: CaseError) -> Problem {
    match error {
        CaseError::Unknown(_) => Problem::not_found(error.to_string()),
        CaseError::Ledger(error) => error.into(),
        CaseError::Note(why) => Problem::invalid("note", why),
        CaseError::Refused(why) => Problem::new(ProblemKind::InvalidRequest, why),
    }
}

/// `POST /v1/deposits/{id}/correct` and `../uncorrect`
pub(super) async fn of_deposit(
    act: CaseAction,
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    Name(name): Name,
    body: RawBody,
) -> Result<Json<Correction>, Problem> {
    let said = Said::read(&body, act)?;
    let own = Arc::clone(&api);
    let done = whole(&api, caller.origin(), async move {
        let (flow, who) = (&own.flow, &*caller.words().await);
        match act {
            CaseAction::Uncorrect => flow::uncorrect_deposit(flow, &name, who, &said.note).await,
            _ => flow::correct_deposit(flow, &name, said.wish(who)).await,
        }
    });
    done.await?.map(Json).map_err(problem)
}

/// `POST /v1/corrections`: every open case of one kind whose deposit has credited rows.
pub(super) async fn correct_all(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    body: RawBody,
) -> Result<Json<CorrectionList>, Problem> {
    let fields = body.fields(&["kind", "note", "dry_run"])?;
    let word = fields.needed_text("kind")?;
    let kind = reconcile::CaseKind::parse(&word)
        .ok_or_else(|| Problem::invalid("kind", format!("{:?} is no kind of case", clip(&word))))?;
    let (note, dry_run) = (fields.needed_text("note")?, fields.boolean("dry_run")?);
    let own = Arc::clone(&api);
    let done = whole(&api, caller.origin(), async move {
        let wish = CorrectionRequest { who: &caller.words().await, note: &note, amount: None, dry_run };
        flow::correct_all(&own.flow, kind, wish).await
    });
    done.await?.map(|corrections| Json(CorrectionList { corrections })).map_err(problem)
}

/// `GET /v1/baseline`
pub(super) async fn baseline(State(api): State<SharedState>) -> Result<Json<Baseline>, Problem> {
    let kept = api.flow.ledger.recall("baseline_cents").await?;
    Ok(Json(Baseline { baseline_cents: kept.and_then(|kept| kept.parse().ok()) }))
}

/// `POST /v1/baseline`
pub(super) async fn set_baseline(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    body: RawBody,
) -> Result<Json<Baseline>, Problem> {
    let fields = body.fields(&["cents", "note"])?;
    let cents = fields.integer("cents")?.ok_or_else(|| Problem::invalid("cents", "missing"))?;
    let note = fields.needed_text("note")?;
    let own = Arc::clone(&api);
    let done = whole(&api, caller.origin(), async move {
        flow::set_baseline(&own.flow, cents, &caller.words().await, &note).await
    });
    done.await?.map_err(problem)?;
    Ok(Json(Baseline { baseline_cents: Some(cents) }))
}

/// `POST /v1/claims`
pub(super) async fn claim(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    body: RawBody,
) -> Result<Json<DepositObject>, Problem> {
    let fields = body.fields(&["order", "reference", "note"])?;
    let (order, note) = (fields.needed_text("order")?, fields.needed_text("note")?);
    let reference = fields.text("reference")?;
    let own = Arc::clone(&api);
    let done = whole(&api, caller.origin(), async move {
        flow::claim(&own.flow, &order, reference, &caller.words().await, &note).await
    });
    done.await?.map(|deposit| Json(DepositObject::from(&deposit))).map_err(problem)
}

/// `POST /v1/restored`
pub(super) async fn restored(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    body: RawBody,
) -> Result<Json<RestoredSpan>, Problem> {
    let fields = body.fields(&["note", "since"])?;
    let note = fields.needed_text("note")?;
    let since = fields.text("since")?;
    let since = since.map(|since| Timestamp::parse(&since).map_err(|error| Problem::invalid("since", error)));
    let since = since.transpose()?;
    let own = Arc::clone(&api);
    let done = whole(&api, caller.origin(), async move {
        flow::restored(&own.flow, &caller.words().await, &note, since).await
    });
    let restore = done.await?.map_err(problem)?;
    Ok(Json(RestoredSpan { since: restore.since, until: restore.until }))
}
