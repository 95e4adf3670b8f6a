//! `reconcile`: a run by the daemon, and its report as a page that a finance person can sign.

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
    matched: Vec<Matched>,
    identifier: Option<String>,
    unreadable: u64,
    flaws: Vec<Flaw>,
    adopted: Vec<String>,
    opened: Vec<i64>,
    closed: Vec<i64>,
    cases: Vec<CaseObject>,
    evidence: Option<Evidence>,
}

/// What one rule has matched.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Matched {
    rule: String,
    invoices: i64,
    credited: i64,
    credited_cents: i64,
}

/// An invoice with something that cannot be read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Flaw {
    entry: u64,
    invoice: String,
    what: String,
}

/// What the run was made of.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Evidence {
    invoices: List,
}

/// The list that was fetched.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct List {
    bytes: u64,
    sha256: String,
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
    if report.cases.is_empty() && agrees && report.unreadable == 0 {
        return Ok(Exit::Done);
    }
    if !report.cases.is_empty() || !agrees {
        say("the books and the upstream do not agree: depositd cases list");
    }
    if report.unreadable > 0 {
        say(format_args!("invoices of which something cannot be read: {}", report.unreadable));
    }
    Ok(Exit::Wrong)
}

fn dollars(cents: i64) -> String {
    UsdMicros::from_cents(cents).map_or_else(|| format!("{cents} cents"), |micros| micros.to_string())
}

fn print(out: &mut Out, report: &Report) {
    out.line(out.paint(Paint::Head, &format!("Reconciliation as of {} UTC", short_time(&report.at))));
    out.line("");
    identity(out, report);
    out.line("");
    matches(out, report);
    out.line("");
    let list = |ids: &[i64]| {
        (!ids.is_empty()).then(|| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    };
    let adopted = (!report.adopted.is_empty()).then(|| report.adopted.join(", "));
    let digest = report.evidence.as_ref().map(|evidence| &evidence.invoices);
    facts(
        out,
        [
            ("invoices are recognised by", report.identifier.as_deref().map(|rule| by(rule).to_owned())),
            (
                "the list that was read",
                digest.map(|list| format!("{} bytes, SHA-256 {}", list.bytes, list.sha256)),
            ),
            ("wallets of lost answers, found and adopted", adopted),
            ("cases opened by this run", list(&report.opened)),
            ("cases closed by this run", list(&report.closed)),
            ("open cases", Some(report.cases.len().to_string())),
        ],
    );
    if report.unreadable > 0 {
        out.line("");
        let mut flaws = Table::new(&[">entry", "invoice", "what cannot be read"]);
        for flaw in &report.flaws {
            flaws.row([
                Cell::from(flaw.entry.to_string()),
                Cell::from(&flaw.invoice),
                Cell::from(&flaw.what),
            ]);
        }
        flaws.print(out, "  ");
    }
    if !report.cases.is_empty() {
        out.line("");
        cases::table(out, &report.cases, "  ");
    }
    out.line("");
    out.line("  checked by ______________________   date ______________");
}

/// credited here + credited elsewhere + difference = total charges.
fn identity(out: &mut Out, report: &Report) {
    let baseline = format!("of which {} from before the first run", dollars(report.baseline_cents));
    let mut identity = Table::new(&["", "", ">USD", ""]);
    let unexplained = if report.difference_cents == 0 { "" } else { "not explained" };
    for (sign, name, cents, note) in [
        ("", "credited here (our journal)", report.credited_here_cents, ""),
        ("+", "credited elsewhere", report.credited_elsewhere_cents, baseline.as_str()),
        ("+", "difference", report.difference_cents, unexplained),
        ("=", "total charges (upstream)", report.total_charges_cents, ""),
        ("", "balance (upstream)", report.balance_cents, "what is left of it after services were bought"),
    ] {
        let amount = dollars(cents);
        let figure = if name == "difference" && cents != 0 {
            Cell::painted(&amount, Paint::Bad)
        } else {
            Cell::from(&amount)
        };
        identity.row([Cell::from(sign), Cell::from(name), figure, Cell::from(note)]);
    }
    identity.print(out, "  ");
}

fn matches(out: &mut Out, report: &Report) {
    let mut table = Table::new(&["invoices matched by", "that is", ">count", ">credited", ">USD credited"]);
    let mut sum = Matched::default();
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
        "abandoned" => "ours, shown to nobody",
        other => other,
    }
}
