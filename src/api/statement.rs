//! The endpoint for the statement of the prepaid account.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;

use super::input::Params;
use super::problem::Problem;
use super::state::SharedState;
use crate::api_types::Statement;
use crate::domain::period::Month;

/// `GET /v1/statement`
pub(super) async fn show(State(api): State<SharedState>, uri: Uri) -> Result<Json<Statement>, Problem> {
    let params = Params::read(&uri, &["month"])?;
    let (ledger, now) = (&api.flow.ledger, api.flow.clock.now());
    let running: String = ledger.book_zone().date_of(now).chars().take(7).collect();
    let asked = params.last("month").unwrap_or(&running);
    let month = Month::parse(asked).map_err(|error| Problem::invalid("month", error))?;
    if month.as_str() > running.as_str() {
        return Err(Problem::invalid("month", format!("{month} has not begun; it is {running} now")));
    }
    Ok(Json(ledger.statement(&month, now).await?))
}
