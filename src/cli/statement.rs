//! `statement`: a month of the prepaid account on one page.

use super::context::Context;
use super::exit::{CommandFailure, CommandResult};
use super::output::{Output, Paint};
use super::table::{Cell, Table, plain, short_time, width};
use crate::domain::money::{UsdMicros, dollars};
use crate::domain::period::Month;
use crate::ledger::Statement;

/// How many rows of others' top-ups are shown one by one.
const SHOWN: usize = 40;
const NOT_KNOWN: &str = "not known";

/// Shows the statement of `month`; of the running one where none is said.
pub(super) async fn statement(context: &mut Context, month: Option<String>) -> CommandResult {
    let ledger = context.ledger().await?;
    let now = context.clock.now();
    let running: String = ledger.book_zone().date_of(now).chars().take(7).collect();
    let month = Month::parse(month.as_deref().unwrap_or(&running)).map_err(CommandFailure::usage)?;
    if month.as_str() > running.as_str() {
        return Err(CommandFailure::usage(format_args!(
            "--month {month} has not begun; it is {running} now"
        )));
    }
    let statement = ledger.statement(&month, now).await?;
    context.out.answer(&statement, |out| page(out, &statement))
}

/// The page that is kept.
pub(super) fn page(out: &mut Output, statement: &Statement) {
    let zone = plain(&statement.time_zone);
    let head = format!("Statement of the prepaid account, {} ({zone})", plain(&statement.month));
    out.line(out.paint(Paint::Head, &head));
    out.line(out.paint(Paint::Faint, &plain(&statement.account)));
    out.line("");
    lines(out, statement);
    out.line("");
    for remark in remarks(statement) {
        out.line(format_args!("  {remark}"));
    }
    if !statement.balance_rises.is_empty() {
        out.line("");
        out.line("  The balance rose by more than all top-ups:");
        for rise in &statement.balance_rises {
            out.line(format_args!("    {} UTC  {} USD", short_time(&rise.at), dollars(rise.cents)));
        }
    }
    if !statement.elsewhere.is_empty() {
        out.line("");
        out.line("  Top-ups by others:");
        elsewhere(out, statement);
    }
}

/// The figures, one below the other, with the sign that each counts with.
fn lines(out: &mut Output, statement: &Statement) {
    let run = |at: &Option<String>| at.as_ref().map(|at| format!("run of {} UTC", short_time(at)));
    let since = match (&statement.opening_at, &statement.since_at) {
        (None, Some(_)) => Some(("  first known balance", &statement.since_usd, run(&statement.since_at))),
        _ => None,
    };
    let ours = Some(statement.ours_usd.clone());
    let refunds = Some(statement.refunds_usd.clone());
    let opening =
        run(&statement.opening_at).or_else(|| Some("no good run at or before its beginning".to_owned()));
    let closing = run(&statement.closing_at).or_else(|| Some("no good run at or before its end".to_owned()));
    let mut rows = vec![("  opening balance", &statement.opening_usd, opening)];
    rows.extend(since);
    rows.push(("+ deposits of ours", &ours, None));
    rows.push(("+ top-ups by others", &statement.elsewhere_usd, None));
    rows.push(("- refunds", &refunds, None));
    rows.push(("- spent", &statement.spent_usd, None));
    for (name, usd, micros) in [
        ("+ rises of the balance", &statement.rises_usd, statement.rises_usd_micros),
        ("+ in transit", &statement.in_transit_usd, statement.in_transit_usd_micros),
        ("+ not explained", &statement.unexplained_usd, statement.unexplained_usd_micros),
    ] {
        if micros.is_some_and(|micros| micros != 0) || name.ends_with("explained") {
            rows.push((name, usd, None));
        }
    }
    rows.push(("= closing balance", &statement.closing_usd, closing));
    let named = rows.iter().map(|(name, ..)| width(name)).max().unwrap_or(0);
    let text = |usd: &Option<String>| usd.clone().unwrap_or_else(|| NOT_KNOWN.to_owned());
    let figures = rows.iter().map(|(_, usd, _)| width(&text(usd))).max().unwrap_or(0);
    for (name, usd, from) in &rows {
        let usd = plain(&text(usd));
        let from = from.as_deref().map(|from| format!("   {from}")).unwrap_or_default();
        out.line(format_args!("  {name:<named$}  {usd:>figures$}{}", out.paint(Paint::Faint, &from)));
    }
}

/// What a reader has to know of the figures.
fn remarks(statement: &Statement) -> Vec<String> {
    let mut remarks = Vec::new();
    let zero = |micros: Option<i64>| micros.unwrap_or(0) == 0;
    if !statement.ended {
        remarks.push("The month has not ended: figures up to the last run.".to_owned());
    }
    match (&statement.opening_at, &statement.since_at) {
        (None, Some(since)) => remarks.push(format!(
            "Nothing is known of the balance before {} UTC: figures but ours and refunds count from there.",
            short_time(since)
        )),
        (None, None) => {
            remarks.push("No good reconciliation yet: only what was booked here is known.".to_owned())
        }
        _ => {}
    }
    if !zero(statement.in_transit_usd_micros) {
        remarks.push(
            "In transit: booked here and not in the closing run's list, or the other way round, less the same of the \
             opening run; on its way, or an open case."
                .to_owned(),
        );
    }
    if !zero(statement.unexplained_usd_micros) {
        remarks
            .push("Not explained: the upstream's total grew by this beyond all rows of its list.".to_owned());
    }
    match &statement.closed_at {
        Some(at) => remarks.push(format!("Closed {} UTC.", short_time(at))),
        None => remarks.push("Not closed.".to_owned()),
    }
    remarks
}

fn elsewhere(out: &mut Output, statement: &Statement) {
    let mut table = Table::new(&["date", "method", "called", ">USD"]);
    for row in statement.elsewhere.iter().take(SHOWN) {
        let called = row.pay_id.as_deref().or(row.sesid.as_deref()).unwrap_or("-");
        let method = row.method.as_deref().unwrap_or("-");
        table.row([
            Cell::from(&row.date),
            Cell::from(method),
            Cell::from(called),
            Cell::from(UsdMicros::new(row.amount_usd_micros).to_string()),
        ]);
    }
    table.print(out, "    ");
    let rows = usize::try_from(statement.elsewhere_rows).unwrap_or(0);
    let more = rows.saturating_sub(SHOWN);
    if more > 0 {
        out.line(format_args!("    and {more} more: SELECT * FROM accounting_elsewhere"));
    }
}
