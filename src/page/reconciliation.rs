//! The last reconciliation as a page to sign, and a new one.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use minijinja::context;
use serde::Deserialize as _;

use super::forms::Form;
use super::refusal::PageRefusal;
use super::shown::shown;
use super::state::SharedPage;
use super::visitor::Visitor;
use crate::api::{Problem, ProblemKind, RawBody};
use crate::api_types::RunEvidence;
use crate::flow::{self, Report};

/// `GET /reconciliation`
pub(super) async fn show(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Result<Response, PageRefusal> {
    let report = match page.api.flow.ledger.last_report().await? {
        Some(report) => Some(Report::deserialize(report).map_err(|error| {
            PageRefusal::of(ProblemKind::Internal, format!("the last report cannot be read: {error}"))
        })?),
        None => None,
    };
    let evidence =
        report.as_ref().and_then(|report| RunEvidence::deserialize(report.evidence.as_ref()?).ok());
    let values = context! {
        report => report.as_ref().map(shown),
        figures => report.as_ref().and_then(|report| report.figures.as_ref()).map(shown),
        list => evidence.map(|evidence| context! {
            bytes => evidence.invoices.bytes,
            sha256 => evidence.invoices.sha256,
        }),
        account => page.api.flow.ledger.id(),
    };
    page.page("reconciliation", &visitor, &uri, values)
}

/// `POST /reconciliation`
pub(super) async fn run(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    body: RawBody,
) -> Result<Response, PageRefusal> {
    let (form, own) = (Form::read(&body)?, Arc::clone(&page.api));
    let act = async move {
        let place = own.reconciliations.try_acquire();
        let _place = place.map_err(|_| Problem::busy("several reconciliations are waiting already", 10))?;
        flow::reconcile(&own.flow).await?;
        Ok("/reconciliation?done=reconciled".to_owned())
    };
    page.act(&visitor, &form, act).await
}
