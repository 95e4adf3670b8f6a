//! The differences with the upstream: both sides, what stands behind them, and what a person says of each.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use minijinja::context;

use super::forms::Form;
use super::refusal::PageRefusal;
use super::shown::shown;
use super::state::{PageState, SharedPage};
use super::visitor::Visitor;
use crate::api::{Name, RawBody, clip};
use crate::domain::money::Amount;
use crate::domain::reconcile::CaseKind;
use crate::flow::{self, CorrectionRequest, Flow};
use crate::ledger::Case;
use crate::notifier::DepositObject;

/// How many cases are shown.
const SHOWN: usize = 100;

/// `GET /cases`
pub(super) async fn list(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Result<Response, PageRefusal> {
    let closed = uri.query().is_some_and(|query| query.split('&').any(|part| part == "closed=1"));
    let cases = page.api.flow.ledger.cases(closed).await?;
    let first: Vec<&Case> = cases.iter().take(SHOWN).collect();
    let values = context! { cases => shown(&first), all => cases.len(), closed };
    page.page("cases", &visitor, &uri, values)
}

/// `GET /cases/{id}`
pub(super) async fn show(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    Name(name): Name,
    uri: Uri,
) -> Result<Response, PageRefusal> {
    let ledger = &page.api.flow.ledger;
    let case = find(&page, number(&name)?).await?;
    let deposit = match &case.deposit_id {
        Some(id) => ledger.find(id).await?,
        None => None,
    };
    let pair = match &deposit {
        Some(deposit) => ledger.pair(deposit.id).await?,
        None => None,
    };
    let kind = CaseKind::parse(&case.kind);
    let accepted = ledger.acceptances().await?.iter().any(|one| one.case_id == case.id);
    let booked = deposit.as_ref().and_then(|deposit| deposit.facts.booked.as_ref());
    let values = context! {
        case => shown(&case),
        difference_cents => case.found_cents.zip(case.expected_cents).map(|(found, expected)| found.saturating_sub(expected)),
        deposit => deposit.as_ref().map(|deposit| shown(DepositObject::from(deposit))),
        listed_cents => pair.map(|pair| pair.paid_cents),
        of_deposit => kind.is_some_and(CaseKind::is_of_deposit),
        of_row => kind == Some(CaseKind::RowUnread),
        can_close => kind.is_none_or(|kind| !kind.is_of_incomplete_run() && kind != CaseKind::RowUnread),
        accepted,
        said => booked.is_some_and(crate::domain::deposit::Booked::is_said),
    };
    page.page("case", &visitor, &uri, values)
}

async fn find(page: &PageState, id: i64) -> Result<Case, PageRefusal> {
    let case = page.api.flow.ledger.case(id).await?;
    case.ok_or_else(|| PageRefusal::not_found(format!("there is no case {id}")))
}

fn number(name: &str) -> Result<i64, PageRefusal> {
    name.parse().map_err(|_| PageRefusal::not_found(format!("there is no case {:?}", clip(name))))
}

/// `POST /cases/{id}/act`
pub(super) async fn act(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    Name(name): Name,
    body: RawBody,
) -> Result<Response, PageRefusal> {
    let (id, form) = (number(&name)?, Form::read(&body)?);
    let said = Said {
        word: form.needed("act")?.to_owned(),
        note: form.needed("note")?.to_owned(),
        amount: form.text("amount").map(amount).transpose()?,
    };
    let (own, who) = (Arc::clone(&page.api), visitor.principal.clone());
    let act = async move {
        let done = said.carry_out(&own.flow, id, &who.words().await).await?;
        Ok(format!("/cases/{id}?done={done}"))
    };
    page.act(&visitor, &form, act).await
}

/// Dollars, zero included: a credit that never took place is corrected to 0.
fn amount(text: &str) -> Result<Amount, PageRefusal> {
    Amount::parse(text.trim()).map_err(|error| PageRefusal::invalid("amount", error))
}

/// What a person says of a case.
struct Said {
    word: String,
    note: String,
    amount: Option<Amount>,
}

impl Said {
    /// Does it, and gives the word for what was done.
    async fn carry_out(&self, flow: &Flow, id: i64, who: &str) -> Result<&'static str, PageRefusal> {
        let (note, amount) = (self.note.as_str(), self.amount.as_ref());
        let takes_amount = matches!(self.word.as_str(), "accept" | "correct");
        if amount.is_some() && !takes_amount {
            return Err(PageRefusal::invalid("amount", "only what is accepted or corrected has one"));
        }
        Ok(match self.word.as_str() {
            "explain" => flow::explain_case(flow, id, who, note).await.map(|_| "explained")?,
            "close" => flow::close_case(flow, id, who, note).await.map(|_| "closed")?,
            "accept" => {
                let cents = amount.map(whole_cents).transpose()?;
                flow::accept_case(flow, id, who, note, cents).await.map(|_| "accepted")?
            }
            "unaccept" => flow::unaccept_case(flow, id, who, note).await.map(|_| "unaccepted")?,
            "correct" => {
                let wish = CorrectionRequest { who, note, amount, dry_run: false };
                flow::correct_case(flow, id, wish).await.map(|_| "corrected")?
            }
            "uncorrect" => flow::uncorrect_case(flow, id, who, note).await.map(|_| "uncorrected")?,
            other => {
                let known = "explain, close, accept, unaccept, correct or uncorrect";
                return Err(PageRefusal::invalid(
                    "act",
                    format!("expected {known}, found {:?}", clip(other)),
                ));
            }
        })
    }
}

fn whole_cents(amount: &Amount) -> Result<i64, PageRefusal> {
    let cents = amount.to_usd_micros().and_then(|micros| micros.to_cents_exact());
    cents
        .ok_or_else(|| PageRefusal::invalid("amount", "expected dollars in whole cents, such as 49 or 49.00"))
}
