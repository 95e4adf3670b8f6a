//! One deposit: what its payer needs, what happened to it and why, what was booked, and who was told.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::{Value, context};

use super::forms::Form;
use super::refusal::PageRefusal;
use super::shown::shown;
use super::state::{PageState, SharedPage};
use super::visitor::Visitor;
use crate::api::{Name, ProblemKind, RawBody, clip};
use crate::domain::deposit::{Deposit, State as DepositState};
use crate::domain::method::Method;
use crate::domain::report::Invoice;
use crate::flow::{self, ReviewError};
use crate::notifier::{self, DepositObject, qr};

/// The latest events, answers, postings, mails and webhooks are shown, so many of each; the API has them all.
const SHOWN: usize = 20;

/// `GET /deposits/{id}`
pub(super) async fn show(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    Name(name): Name,
    uri: Uri,
) -> Result<Response, PageRefusal> {
    let ledger = &page.api.flow.ledger;
    let unknown = || PageRefusal::not_found(format!("there is no deposit {:?}", clip(&name)));
    let deposit = ledger.find(&name).await?.ok_or_else(unknown)?;
    let webhooks = ledger.webhooks_of(deposit.id).await?;
    let probable = probable_rows(&page, &deposit).await?;
    let story = ledger.story(deposit).await?;
    let object = DepositObject::from(&story.deposit);
    let picture =
        object.pay_with.as_ref().and_then(|pay| qr::to_png(&pay.qr).ok()).map(|png| STANDARD.encode(png));
    let now = page.api.flow.clock.now();
    let left = object.expire_at.filter(|_| object.pay_with.is_some());
    let values = context! {
        deposit => shown(&object),
        paid_by => story.deposit.request.paid_by.to_string(),
        link => object.url.as_deref().and_then(notifier::safe_link),
        picture,
        probable,
        matched => story.deposit.facts.matched,
        left => left.filter(|at| *at > now).map(|at| notifier::span(at.since(now))),
        is_final => story.deposit.facts.state.is_final() && story.deposit.facts.state != DepositState::Requested,
        events => latest(&story.events),
        calls => latest(&story.calls),
        postings => latest(&story.postings),
        mails => latest(&story.mails),
        webhooks => latest(&webhooks),
        cases => shown(&story.cases),
        shown => SHOWN,
    };
    page.page("deposit", &visitor, &uri, values)
}

/// The rows of the invoice list that may be this link's; none where a row is certain, or a person has said which.
async fn probable_rows(page: &PageState, deposit: &Deposit) -> Result<Vec<Value>, PageRefusal> {
    if deposit.request.method() == Method::Wallet || deposit.facts.matched {
        return Ok(Vec::new());
    }
    let rows = page.api.flow.ledger.probable_rows(deposit.id).await?;
    let shown = |(number, row): (i64, Invoice)| {
        context! {
            number,
            created => row.created.map(|at| at.to_string()),
            amount_cents => row.amount_cents,
            status => row.status,
            method => row.method,
            called => row.pay_id.or(row.sesid),
        }
    };
    Ok(rows.into_iter().map(shown).collect())
}

/// The last of them, newest first, and how many there are in all.
fn latest<T: serde::Serialize>(rows: &[T]) -> Value {
    let last: Vec<&T> = rows.iter().rev().take(SHOWN).collect();
    context! { all => rows.len(), rows => shown(last) }
}

/// `POST /deposits/{id}/review`
pub(super) async fn review(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    Name(name): Name,
    body: RawBody,
) -> Result<Response, PageRefusal> {
    let form = Form::read(&body)?;
    let (note, own, who) =
        (form.needed("note")?.to_owned(), Arc::clone(&page.api), visitor.principal.clone());
    let act = async move {
        match flow::review(&own.flow, &name, &who.words().await, &note).await {
            Ok(deposit) => Ok(format!("/deposits/{}?done=reviewed", deposit.id)),
            Err(ReviewError::Unknown(name)) => {
                Err(PageRefusal::not_found(format!("there is no deposit {:?}", clip(&name))))
            }
            Err(ReviewError::Refused(why)) => Err(PageRefusal::of(ProblemKind::NothingToReview, why)),
            Err(ReviewError::Ledger(error)) => Err(error.into()),
        }
    };
    page.act(&visitor, &form, act).await
}

/// `POST /deposits/{id}/match`
pub(super) async fn match_row(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    Name(name): Name,
    body: RawBody,
) -> Result<Response, PageRefusal> {
    let form = Form::read(&body)?;
    let unfit = |_| PageRefusal::invalid("row", "expected the number of a row of the invoice list");
    let row = form.needed("row")?.trim().parse().map_err(unfit)?;
    let (note, own, who) =
        (form.needed("note")?.to_owned(), Arc::clone(&page.api), visitor.principal.clone());
    let act = async move {
        let done = flow::match_row(&own.flow, row, &name, &who.words().await, &note).await?;
        Ok(format!("/deposits/{}?done=matched", done.deposit_id))
    };
    page.act(&visitor, &form, act).await
}

/// `POST /deposits/{id}/unmatch`
pub(super) async fn unmatch_row(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    Name(name): Name,
    body: RawBody,
) -> Result<Response, PageRefusal> {
    let form = Form::read(&body)?;
    let (note, own, who) =
        (form.needed("note")?.to_owned(), Arc::clone(&page.api), visitor.principal.clone());
    let act = async move {
        let done = flow::unmatch_row(&own.flow, &name, &who.words().await, &note).await?;
        Ok(format!("/deposits/{}?done=unmatched", done.deposit_id))
    };
    page.act(&visitor, &form, act).await
}
