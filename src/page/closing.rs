//! How a month is closed from a page: tried first, shown, and confirmed by writing the month.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use minijinja::context;

use super::books::asked_month;
use super::forms::Form;
use super::refusal::PageRefusal;
use super::shown::shown;
use super::state::SharedPage;
use super::visitor::Visitor;
use crate::api::{Problem, ProblemKind, RawBody, whole};
use crate::domain::period::Month;
use crate::flow::{self, CloseError};

/// `GET /books/close`
pub(super) async fn ask(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Result<Response, PageRefusal> {
    let month = asked_month(&page, uri.query())?;
    let flow = &page.api.flow;
    let statement = flow.ledger.statement(&month, flow.clock.now()).await?;
    let open = flow.ledger.open_months(&month).await?;
    let values = context! { month => month.as_str(), open, statement => shown(statement) };
    page.page("close", &visitor, &uri, values)
}

/// `POST /books/close/try`: everything that a close needs is tried, and nothing is closed.
pub(super) async fn try_out(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    body: RawBody,
) -> Result<Response, PageRefusal> {
    let month = month_of(&Form::read(&body)?)?;
    let _place = page.api.reconciliations.try_acquire().map_err(|_| busy())?;
    let own = Arc::clone(&page.api);
    let plan = async move { flow::plan_close(&own.flow, &month).await };
    let plan = whole(&page.api, visitor.principal.origin(), plan).await?.map_err(refused)?;
    page.page("plan", &visitor, &uri, context! { plan => shown(plan) })
}

/// `POST /books/close`
pub(super) async fn close(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    body: RawBody,
) -> Result<Response, PageRefusal> {
    let form = Form::read(&body)?;
    let month = month_of(&form)?;
    if form.text("confirm").map(str::trim) != Some(month.as_str()) {
        return Err(PageRefusal::invalid("confirm", format!("write {month} to close it; nothing was done")));
    }
    let (own, who) = (Arc::clone(&page.api), visitor.principal.clone());
    let act = async move {
        let _place = own.reconciliations.try_acquire().map_err(|_| busy())?;
        flow::close_month(&own.flow, &month, &who.words().await).await.map_err(refused)?;
        Ok(format!("/books?month={month}&done=month-closed"))
    };
    page.act(&visitor, &form, act).await
}

fn month_of(form: &Form) -> Result<Month, PageRefusal> {
    Month::parse(form.needed("month")?.trim()).map_err(|error| PageRefusal::invalid("month", error))
}

fn busy() -> Problem {
    Problem::busy("several reconciliations are waiting already", 10)
}

fn refused(error: CloseError) -> PageRefusal {
    match error {
        CloseError::Early(why) => PageRefusal::invalid("month", why),
        CloseError::NotClean(why) => PageRefusal::of(ProblemKind::BooksNotClean, why),
        CloseError::Reconcile(error) => error.into(),
        CloseError::Ledger(error) => error.into(),
    }
}
