//! `reconcile`: a run by the daemon, and its report as a page that a finance person can sign.

use std::time::Duration;

use serde::Deserialize as _;
use serde_json::json;

use super::cases;
use super::client::ApiCall;
use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::output::{Output, Paint, say};
use super::table::{Cell, Table, facts, plain, short_time};
use crate::api_types::{Report, RunEvidence, ServiceReadiness, UpstreamReadiness};
use crate::domain::money::dollars;
use crate::ledger::{RunFigures, Tally};

/// A run may have to poll hundreds of deposits within the request budget.
const LIMIT: Duration = Duration::from_mins(15);

/// After this time without an answer the command says what the daemon waits for.
const SILENT_FOR: Duration = Duration::from_secs(1);

/// Has the daemon reconcile, and prints what it found.
pub(super) async fn reconcile(context: &mut Context) -> CommandResult {
    let tolerance = context.config()?.reconcile.tolerance_cents;
    let call = ApiCall::post("/v1/reconciliations", json!({})).within(LIMIT);
    let client = context.client()?;
    let mut run = std::pin::pin!(client.call(call));
    let reply = tokio::select! {
        reply = &mut run => reply,
        () = context.clock.sleep(SILENT_FOR) => {
            warn_of_outage(context).await?;
            run.await
        }
    }?;
    let report: Report = reply.read()?;
    let figures = report.figures.clone().unwrap_or_default();
    if context.out.json {
        context.out.document(&reply.value)?;
    } else if report.ok {
        print(&mut context.out, &report, &figures)?;
    }
    if !report.ok {
        let why = report.error.as_deref().unwrap_or("the daemon does not say why");
        return Err(CommandFailure::new(ExitStatus::Failed, format_args!("the run is void: {}", plain(why))));
    }
    let on_its_way = report.on_its_way_cents.is_some();
    let drift = figures.difference_cents.unwrap_or(0);
    let agrees = on_its_way || drift.unsigned_abs() <= tolerance.unsigned_abs();
    if report.cases.is_empty() && agrees && report.unreadable == 0 {
        say_what_is_open(&report, &figures);
        return Ok(ExitStatus::Done);
    }
    if !report.cases.is_empty() || !agrees {
        say("the books and the upstream do not agree: depositd cases list");
    }
    if report.unreadable > 0 {
        say(format_args!("rows that could count and cannot be read: {}", report.unreadable));
    }
    Ok(ExitStatus::Wrong)
}

/// What is neither clean nor a case, in a line.
fn say_what_is_open(report: &Report, figures: &RunFigures) {
    if figures.baseline_cents.is_none() {
        say("no baseline yet: it is taken once two runs, `reconcile.lag` apart, agree on it");
    } else if let Some(cents) = report.on_its_way_cents {
        say(format_args!("{} USD are on their way between status, list and total", dollars(cents)));
    } else if report.on_their_way > 0 {
        say(format_args!("{} deposits are on their way between status and list", report.on_their_way));
    }
}

/// Warns that the run will be void where the upstream is down.
async fn warn_of_outage(context: &mut Context) -> Result<(), CommandFailure> {
    let Ok(reply) = context.client()?.call(ApiCall::get("/readyz")).await else { return Ok(()) };
    let Ok(ServiceReadiness { upstream, .. }) = reply.read() else { return Ok(()) };
    let UpstreamReadiness { failing_since, last_error, .. } = upstream;
    if let Some(since) = failing_since {
        let why = last_error.as_deref().unwrap_or("it gives no answer");
        say(format_args!(
            "the upstream has given no good answer since {} UTC ({}); the run is void unless it does now",
            short_time(&since.to_string()),
            plain(why)
        ));
    }
    Ok(())
}

fn print(out: &mut Output, report: &Report, figures: &RunFigures) -> Result<(), CommandFailure> {
    let at = short_time(&report.at.to_string());
    out.line(out.paint(Paint::Head, &format!("Reconciliation as of {at} UTC")));
    out.line("");
    identity(out, report, figures);
    out.line("");
    matches(out, report);
    out.line("");
    details(out, report, figures)?;
    if report.unreadable > 0 {
        unreadable_rows(out, report);
    }
    if !report.cases.is_empty() {
        out.line("");
        cases::table(out, &report.cases, "  ");
    }
    out.line("");
    out.line("  checked by ______________________   date ______________");
    Ok(())
}

/// What else the run has found, a line each.
fn details(out: &mut Output, report: &Report, figures: &RunFigures) -> Result<(), CommandFailure> {
    let list = |ids: &[i64]| {
        (!ids.is_empty()).then(|| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    };
    let some = |count: i64, words: String| (count != 0).then_some(words);
    let theirs = if report.perhaps_theirs.is_empty() {
        String::new()
    } else {
        format!("; orders that may be theirs, shown to nobody: {}", report.perhaps_theirs.join(", "))
    };
    let words = report
        .unknown_words
        .iter()
        .map(|one| format!("{:?} on {} rows of {} USD", one.word, one.rows, dollars(one.cents)));
    let words: Vec<String> = words.collect();
    let evidence = report.evidence.as_ref().map(RunEvidence::deserialize).transpose()?;
    let digest = evidence.map(|evidence| evidence.invoices);
    facts(
        out,
        [
            ("invoices are recognised by", report.identifier.as_deref().map(|rule| by(rule).to_owned())),
            (
                "the list that was read",
                digest.map(|list| format!("{} bytes, SHA-256 {}", list.bytes, list.sha256)),
            ),
            (
                "the list reaches back to",
                report.list_reaches.map(|at| format!("{} UTC", short_time(&at.to_string()))),
            ),
            (
                "rows that stand and are no longer listed",
                some(
                    report.standing.rows,
                    format!("{}, of {} USD", report.standing.rows, dollars(report.standing.cents)),
                ),
            ),
            (
                "booked here and not listed yet",
                some(figures.not_listed_cents, format!("{} USD", dollars(figures.not_listed_cents))),
            ),
            (
                "the balance rose beyond the total by",
                some(report.balance_rise_cents, format!("{} USD", dollars(report.balance_rise_cents))),
            ),
            ("words that nobody knows", (!words.is_empty()).then(|| words.join(", "))),
            (
                "attempts whose answer was lost",
                some(report.lost_attempts, format!("{}{theirs}", report.lost_attempts)),
            ),
            ("zone", report.zone_hint.clone()),
            ("clean", Some(if report.clean { "yes".to_owned() } else { "no".to_owned() })),
            ("cases opened by this run", list(&report.opened)),
            ("cases closed by this run", list(&report.closed)),
            ("open cases", Some(report.cases.len().to_string())),
        ],
    );
    Ok(())
}

/// The rows that cannot be read, and why.
fn unreadable_rows(out: &mut Output, report: &Report) {
    out.line("");
    let mut flaws = Table::new(&[">entry", "invoice", "what cannot be read"]);
    for flaw in &report.flaws {
        flaws.row([Cell::from(flaw.entry.to_string()), Cell::from(&flaw.invoice), Cell::from(&flaw.what)]);
    }
    flaws.print(out, "  ");
}

/// credited here + credited elsewhere + difference = total charges.
fn identity(out: &mut Output, report: &Report, figures: &RunFigures) {
    let mut parts = vec![match figures.baseline_cents {
        Some(baseline) => format!("of which {} from before the first run", dollars(baseline)),
        None => "without what is from before the first run: not known yet".to_owned(),
    }];
    if figures.accepted_cents != 0 {
        parts.push(format!("{} accepted by people", dollars(figures.accepted_cents)));
    }
    let elsewhere = parts.join(", ");
    let mut identity = Table::new(&["", "", ">USD", ""]);
    let unexplained = match (figures.difference_cents, report.on_its_way_cents) {
        (None, _) => "not known yet",
        (Some(0), _) => "",
        (Some(_), Some(_)) => "on its way",
        (Some(_), None) => "not explained",
    };
    for (sign, name, cents, note) in [
        ("", "credited here (rows of our deposits)", Some(figures.credited_here_cents), ""),
        ("+", "credited elsewhere", Some(figures.credited_elsewhere_cents), elsewhere.as_str()),
        ("+", "difference", figures.difference_cents, unexplained),
        ("=", "total charges (upstream)", Some(figures.total_charges_cents), ""),
        (
            "",
            "balance (upstream)",
            Some(figures.balance_cents),
            "what is left of it after services were bought",
        ),
    ] {
        let amount = cents.map_or_else(|| "-".to_owned(), dollars);
        let wrong = name == "difference" && cents.unwrap_or(0) != 0 && report.on_its_way_cents.is_none();
        let figure = if wrong { Cell::painted(&amount, Paint::Bad) } else { Cell::from(&amount) };
        identity.row([Cell::from(sign), Cell::from(name), figure, Cell::from(note)]);
    }
    identity.print(out, "  ");
}

fn matches(out: &mut Output, report: &Report) {
    let mut table = Table::new(&["rows matched by", "that is", ">count", ">credited", ">USD credited"]);
    let mut sum = Tally::default();
    for one in &report.matched {
        table.row([
            Cell::from(&one.rule),
            Cell::from(by(&one.rule)),
            Cell::from(one.invoices.to_string()),
            Cell::from(one.credited.to_string()),
            Cell::from(dollars(one.credited_cents)),
        ]);
        sum.invoices = sum.invoices.saturating_add(one.invoices);
        sum.credited = sum.credited.saturating_add(one.credited);
        sum.credited_cents = sum.credited_cents.saturating_add(one.credited_cents);
    }
    table.row([
        Cell::from("ever seen"),
        Cell::from(""),
        Cell::from(sum.invoices.to_string()),
        Cell::from(sum.credited.to_string()),
        Cell::from(dollars(sum.credited_cents)),
    ]);
    table.row([
        Cell::from("listed now"),
        Cell::from(""),
        Cell::from(report.invoices.to_string()),
        Cell::from(""),
        Cell::from(""),
    ]);
    table.print(out, "  ");
}

/// A rule in words.
fn by(rule: &str) -> &str {
    match rule {
        "pay_id_is_order" => "ours: payId is the order",
        "sesid_is_order" => "ours: sesid is the order",
        "pay_id_is_link" => "ours: payId is the payment link",
        "sesid_is_link" => "ours: sesid is the payment link",
        "amount_and_time" => "probably ours: same amount and time",
        "elsewhere" => "others' (cards, the dashboard)",
        other => other,
    }
}
