//! The books: a month's statement, what the months before credited, what every account holds.

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use minijinja::{Value, context};

use super::chart::{Figure, bars};
use super::refusal::PageRefusal;
use super::shown::shown;
use super::state::{PageState, SharedPage};
use super::visitor::Visitor;
use crate::domain::money::UsdMicros;
use crate::domain::period::Month;

/// How many months the chart shows, and how many rows of others' top-ups.
const MONTHS: u32 = 12;
const ROWS: usize = 50;

/// `GET /books`
pub(super) async fn show(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Result<Response, PageRefusal> {
    let month = asked_month(&page, uri.query())?;
    let (ledger, now) = (&page.api.flow.ledger, page.api.flow.clock.now());
    let mut statement = ledger.statement(&month, now).await?;
    statement.elsewhere.truncate(ROWS);
    statement.balance_rises.truncate(ROWS);
    let sums = ledger.month_sums(&month, MONTHS).await?;
    let figure = |sum: &crate::ledger::MonthSum| Figure {
        label: sum.month.clone(),
        text: UsdMicros::new(sum.credited_usd_micros).to_string(),
        value: sum.credited_usd_micros,
    };
    let figures: Vec<Figure> = sums.iter().map(figure).collect();
    let running = running_month(&page);
    let closed = ledger.closed_months().await?;
    let closed: Vec<Value> = closed
        .iter()
        .rev()
        .take(usize::try_from(MONTHS).unwrap_or(0))
        .map(|one| context! { month => &one.month, closed_at => &one.closed_at, closed_by => &one.closed_by, hash => &one.hash, event_seq => one.event_seq })
        .collect();
    let values = context! {
        month => month.as_str(),
        before => neighbour(&month.first_day(), -1),
        after => Some(neighbour(&month.day_after(), 0)).filter(|after| *after <= running),
        running => running,
        statement => shown(&statement),
        lines => shown(ledger.month_lines(&month).await?),
        sums => shown(&sums),
        chart => shown(bars(&figures)),
        balances => shown(ledger.trial_balance().await?),
        closed,
    };
    page.page("book", &visitor, &uri, values)
}

/// The month that an address asks for; the running one unless it says.
pub(super) fn asked_month(page: &PageState, query: Option<&str>) -> Result<Month, PageRefusal> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let asked = pairs.filter(|(name, value)| name == "month" && !value.is_empty()).last();
    let running = running_month(page);
    let text = asked.map_or_else(|| running.clone(), |(_, month)| month.trim().to_owned());
    let month = Month::parse(&text).map_err(|error| PageRefusal::invalid("month", error))?;
    if month.as_str() > running.as_str() {
        return Err(PageRefusal::invalid("month", format!("{month} has not begun; it is {running} now")));
    }
    Ok(month)
}

/// The month of now, in the zone of the books.
fn running_month(page: &PageState) -> String {
    let today = page.api.flow.ledger.book_zone().date_of(page.api.flow.clock.now());
    today.chars().take(7).collect()
}

/// The month of a day, or the one before it.
fn neighbour(first_day: &str, step: i32) -> String {
    let mut parts = first_day.split('-').map(|part| part.parse::<i32>().unwrap_or(1));
    let (year, month) = (parts.next().unwrap_or(1970), parts.next().unwrap_or(1));
    match month.saturating_add(step) {
        0 => format!("{:04}-12", year.saturating_sub(1)),
        month => format!("{year:04}-{month:02}"),
    }
}
