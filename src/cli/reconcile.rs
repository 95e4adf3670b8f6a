//! `reconcile`: a run by the daemon, and its report as a page that a finance person can sign.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::cases;
use super::client::Call;
use super::context::Context;
use super::exit::{Exit, Failure, Outcome};
use super::objects::CaseObject;
use super::out::{Out, Paint, say};
use super::table::{Cell, Table, facts, plain, short_time};
use crate::domain::money::UsdMicros;

/// A run may have to look at hundreds of deposits within the request budget.
const LIMIT: Duration = Duration::from_mins(15);

/// The report as the daemon gives it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Report {
    at: String,
    ok: bool,
    error: Option<String>,
    balance_cents: i64,
    total_charges_cents: i64,
    credited_here_cents: i64,
    credited_elsewhere_cents: i64,
    baseline_cents: i64,
    difference_cents: i64,
    invoices: u64,
    matches: BTreeMap<String, i64>,
    adopted: Vec<String>,
    opened: Vec<i64>,
    closed: Vec<i64>,
    cases: Vec<CaseObject>,
}

/// Has the daemon reconcile, and prints what it found.
pub(super) async fn reconcile(context: &mut Context) -> Outcome {
    let tolerance = context.config()?.reconcile.tolerance_cents;
    let call = Call::post("/v1/reconciliations", json!({})).within(LIMIT);
    let reply = context.client()?.call(call).await?;
    let report = Report::deserialize(&reply.value)?;
    if context.out.json {
        context.out.document(&reply.value)?;
    } else if report.ok {
        print(&mut context.out, &report);
    }
    if !report.ok {
        let why = report.error.as_deref().unwrap_or("the daemon does not say why");
        return Err(Failure::new(Exit::Failed, format_args!("the run is void: {}", plain(why))));
    }
    let agrees = report.difference_cents.unsigned_abs() <= tolerance.unsigned_abs();
    if report.cases.is_empty() && agrees {
        return Ok(Exit::Done);
    }
    say("the books and the upstream do not agree: depositd cases list");
    Ok(Exit::Wrong)
}

fn dollars(cents: i64) -> String {
    UsdMicros::from_cents(cents).map_or_else(|| format!("{cents} cents"), |micros| micros.to_string())
}

fn print(out: &mut Out, report: &Report) {
    out.line(out.paint(Paint::Head, &format!("Reconciliation as of {} UTC", short_time(&report.at))));
    out.line("");
    let baseline = format!("of which {} from before the first run", dollars(report.baseline_cents));
    let mut identity = Table::new(&["", ">USD", ""]);
    for (name, cents, note) in [
        ("credited here (our journal)", report.credited_here_cents, ""),
        ("credited elsewhere", report.credited_elsewhere_cents, baseline.as_str()),
        (
            "difference",
            report.difference_cents,
            if report.difference_cents == 0 { "" } else { "not explained" },
        ),
        ("total charges (upstream)", report.total_charges_cents, "the sum of the three"),
        ("balance (upstream)", report.balance_cents, "what is left of it"),
    ] {
        let amount = dollars(cents);
        let figure = if name == "difference" && cents != 0 {
            Cell::painted(&amount, Paint::Bad)
        } else {
            Cell::from(&amount)
        };
        identity.row([Cell::from(name), figure, Cell::from(note)]);
    }
    identity.print(out, "  ");
    out.line("");
    let mut matches = Table::new(&["invoices matched by", ">count"]);
    for (rule, count) in &report.matches {
        matches.row([Cell::from(rule), Cell::from(count.to_string())]);
    }
    matches.row([Cell::from("listed by the upstream"), Cell::from(report.invoices.to_string())]);
    matches.print(out, "  ");
    out.line("");
    let list = |ids: &[i64]| {
        (!ids.is_empty()).then(|| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    };
    let adopted = (!report.adopted.is_empty()).then(|| report.adopted.join(", "));
    facts(
        out,
        [
            ("wallets of lost answers, found and adopted", adopted),
            ("cases opened by this run", list(&report.opened)),
            ("cases closed by this run", list(&report.closed)),
            ("open cases", Some(report.cases.len().to_string())),
        ],
    );
    if !report.cases.is_empty() {
        out.line("");
        cases::table(out, &report.cases, "  ");
    }
    out.line("");
    out.line("  checked by ______________________   date ______________");
}
