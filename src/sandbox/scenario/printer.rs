//! Prints the scenario while it runs: one line for each event, in words or as JSON.

use std::collections::HashMap;
use std::io::{self, Write};

use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::context::ScenarioContext;
use super::error::Error;
use super::options::Options;
use super::script::name_in;
use super::shell::quoted;
use super::summary_view::Summary;
use crate::domain::deposit::Deposit;
use crate::domain::money::UsdMicros;
use crate::domain::time::Timestamp;
use crate::ledger::{EventRow, Ledger};

/// The most events that are read at once.
const BATCH: u32 = 256;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShowFormat {
    Text {
        colour: bool,
    },
    Json,
    /// Only the final page.
    Quiet,
}

impl ShowFormat {
    pub(super) fn of(options: &Options) -> Self {
        match (options.json, options.quiet) {
            (true, _) => Self::Json,
            (false, true) => Self::Quiet,
            (false, false) => Self::Text { colour: options.colour },
        }
    }
}

/// What the runner prints besides the ledger's events.
#[derive(Debug)]
pub(super) enum Line {
    Outage {
        begins: bool,
    },
    TopUp {
        cents: i64,
        method: &'static str,
    },
    Spent {
        cents: i64,
    },
    /// It is up: what a person reads, and a program.
    Serving {
        text: String,
        places: serde_json::Value,
    },
    Page(Box<Summary>),
}

/// Prints.
pub(super) struct Printer<'a> {
    out: &'a mut (dyn Write + Send),
    format: ShowFormat,
    origin: Timestamp,
    speed: u32,
    /// Name, asset and amount of each deposit that was shown.
    known: HashMap<String, String>,
}

impl<'a> Printer<'a> {
    pub(super) fn new(
        out: &'a mut (dyn Write + Send),
        format: ShowFormat,
        origin: Timestamp,
        speed: u32,
    ) -> Self {
        Self { out, format, origin, speed, known: HashMap::new() }
    }

    /// Prints what is about to run, and how to run it again.
    pub(super) fn opening(&mut self, context: &ScenarioContext) -> Result<(), Error> {
        let (plan, folder) = (&context.folder.plan, &context.folder.path);
        let verb = if context.folder.resumed { "goes on" } else { "begins" };
        if self.format == ShowFormat::Json {
            let line = json!({
                "sandbox": verb, "seed": plan.seed, "speed": plan.speed, "deposits": plan.deposits,
                "folder": folder, "upstream": context.upstream.base_url(),
            });
            writeln!(self.out, "{line}")?;
        } else {
            let (seed, speed, deposits) = (plan.seed, plan.speed, plan.deposits);
            writeln!(self.out, "The story of {deposits} deposits {verb} in {}", folder.display())?;
            writeln!(
                self.out,
                "(--seed {seed} --speed {speed}; the upstream is simulated at {})",
                context.upstream.base_url()
            )?;
            if matches!(self.format, ShowFormat::Text { .. }) {
                writeln!(self.out)?;
            }
        }
        self.out.flush()?;
        Ok(())
    }

    /// Prints the events after number `seen`, until the runner has ended.
    pub(super) async fn follow(
        &mut self,
        ledger: &Ledger,
        mut lines: mpsc::UnboundedReceiver<(Timestamp, Line)>,
        mut seen: i64,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let mut head = ledger.head();
        loop {
            let line = tokio::select! {
                biased;
                line = lines.recv() => line,
                changed = head.changed() => {
                    let shown = self.events(ledger, &mut seen).await;
                    if let (Ok(()), Ok(())) = (&shown, changed) {
                        continue;
                    }
                    // Nothing can be printed any more: the runner has to end.
                    stop.cancel();
                    return shown;
                }
            };
            let shown = match line {
                Some((at, line)) => self.line(at, &line).map_err(Error::from),
                None => return self.events(ledger, &mut seen).await,
            };
            if shown.is_err() {
                stop.cancel();
                return shown;
            }
        }
    }

    async fn events(&mut self, ledger: &Ledger, seen: &mut i64) -> Result<(), Error> {
        loop {
            let events = ledger.events_after(*seen, BATCH).await?;
            let Some(last) = events.last() else {
                self.out.flush()?;
                return Ok(());
            };
            *seen = last.seq;
            if self.format == ShowFormat::Quiet {
                continue;
            }
            for event in events {
                self.event(ledger, &event).await?;
            }
        }
    }

    async fn event(&mut self, ledger: &Ledger, event: &EventRow) -> Result<(), Error> {
        if self.format == ShowFormat::Json {
            writeln!(self.out, "{}", serde_json::to_string(event).map_err(io::Error::from)?)?;
            return Ok(());
        }
        if event.event == "status_changed" && event.upstream_status.as_deref() == Some("check") {
            return Ok(());
        }
        let Some(id) = &event.deposit_id else {
            let what = event.event.replace('_', " ");
            let why = event.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            return Ok(self.stage_line(&event.at, &format!("{what}{why}"), colour_of(&event.event))?);
        };
        let credited = matches!(event.event.as_str(), "settled" | "short" | "refunded" | "corrected");
        let deposit = if credited || !self.known.contains_key(id) { ledger.find(id).await? } else { None };
        let label = match self.known.get(id) {
            Some(label) => label.clone(),
            None => {
                let label = deposit.as_ref().map_or_else(|| id.clone(), label);
                self.known.insert(id.clone(), label.clone());
                label
            }
        };
        let booked = match deposit.filter(|_| credited) {
            Some(deposit) => booked(&deposit, &event.event),
            None if event.event == "wallet_created" => attempts_of(ledger, id).await?,
            None => None,
        };
        let (before, after) = words(event);
        let after = self.painted(&after, colour_of(&event.event));
        let more = booked.map(|booked| format!("  {booked}")).unwrap_or_default();
        let time = self.time(&event.at);
        writeln!(self.out, "{time}  {label}  {before:>16} -> {after}{more}")?;
        Ok(())
    }

    fn line(&mut self, at: Timestamp, line: &Line) -> io::Result<()> {
        if let Line::Page(summary) = line {
            return self.page(summary);
        }
        if self.format == ShowFormat::Json {
            let line = match line {
                Line::Outage { begins } => {
                    json!({"at": at, "upstream_outage": if *begins { "begins" } else { "ends" }})
                }
                Line::TopUp { cents, method } => {
                    json!({"at": at, "topped_up_elsewhere_cents": cents, "method": method})
                }
                Line::Spent { cents } => json!({"at": at, "spent_cents": cents}),
                Line::Serving { places, .. } => places.clone(),
                Line::Page(_) => return Ok(()),
            };
            writeln!(self.out, "{line}")?;
            return self.out.flush();
        }
        let usd = |cents: &i64| UsdMicros::from_cents(*cents).unwrap_or_default().to_string();
        let text = match line {
            Line::Serving { text, .. } => {
                writeln!(self.out, "{text}")?;
                return self.out.flush();
            }
            Line::Page(_) => return Ok(()),
            _ if self.format == ShowFormat::Quiet => return Ok(()),
            Line::Outage { begins: true } => "the upstream stops answering".to_owned(),
            Line::Outage { begins: false } => "the upstream answers again".to_owned(),
            Line::TopUp { cents, method } => {
                format!("somebody else tops up {} USD by {method}", usd(cents))
            }
            Line::Spent { cents } => format!("the customer spends {} USD of the balance", usd(cents)),
        };
        self.stage_line(&at.to_string(), &text, Colour::Dim)?;
        self.out.flush()
    }

    fn stage_line(&mut self, at: &str, text: &str, colour: Colour) -> io::Result<()> {
        let text = self.painted(text, colour);
        let time = self.time(at);
        writeln!(self.out, "{time}  -- {text}")
    }

    /// Since the beginning; without a beginning to speak of, the time of day in UTC.
    fn time(&self, at: &str) -> String {
        let Ok(at) = Timestamp::parse(at) else { return " ".repeat(9) };
        if self.speed == 1 {
            let text = at.to_seconds_text();
            return format!("{:>9}", text.get(11..19).unwrap_or_default());
        }
        let seconds = at.since(self.origin).as_secs();
        let (hours, rest) = (seconds.div_euclid(3600), seconds.rem_euclid(3600));
        format!("{hours:>3}:{:02}:{:02}", rest.div_euclid(60), rest.rem_euclid(60))
    }

    fn painted(&self, text: &str, colour: Colour) -> String {
        match (self.format, colour.code()) {
            (ShowFormat::Text { colour: true }, Some(code)) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            _ => text.to_owned(),
        }
    }

    /// The final page.
    pub(super) fn page(&mut self, summary: &Summary) -> io::Result<()> {
        if self.format == ShowFormat::Json {
            writeln!(self.out, "{}", serde_json::to_string(summary)?)?;
        } else {
            self.out.write_all(summary.page().as_bytes())?;
        }
        self.out.flush()
    }

    /// It was asked to stop.
    pub(super) fn interrupted(&mut self, context: &ScenarioContext) -> Result<(), Error> {
        let folder = &context.folder.path;
        if self.format == ShowFormat::Json {
            writeln!(self.out, "{}", json!({"sandbox": "interrupted", "folder": folder}))?;
        } else {
            let serve = if context.options.serve { " --serve" } else { "" };
            let path = quoted(&folder.display().to_string());
            writeln!(self.out, "\nStopped in order; nothing is lost. It goes on with")?;
            writeln!(self.out, "  {} sandbox --dir {path}{serve}", context.program)?;
        }
        self.out.flush()?;
        Ok(())
    }
}

/// The label of a deposit in every line.
fn label(deposit: &Deposit) -> String {
    let request = &deposit.request;
    let id = deposit.id.to_string();
    let tail = id.get(id.len().saturating_sub(6)..).unwrap_or_default();
    let name = request.reference.as_deref().and_then(name_in).unwrap_or(tail);
    let (currency, network) = (request.asset.currency.as_str(), request.asset.network.as_str());
    let asset = if currency == network { currency.to_owned() } else { format!("{currency}/{network}") };
    format!("{name:<6} {asset:<14} {:>8} USD", request.amount.to_string())
}

/// How many attempts a wallet took.
async fn attempts_of(ledger: &Ledger, id: &str) -> Result<Option<String>, Error> {
    let Ok(id) = id.parse() else { return Ok(None) };
    let attempts = ledger.attempts_of(id).await?;
    let lost = attempts.iter().any(|attempt| attempt.outcome.as_deref() == Some("unknown"));
    Ok(match attempts.len() {
        0 | 1 => None,
        count if lost => Some(format!("at attempt {count}; what a lost answer made was shown to nobody")),
        count => Some(format!("at attempt {count}")),
    })
}

/// What an event did to the books.
fn booked(deposit: &Deposit, event: &str) -> Option<String> {
    let total = deposit.facts.booked.as_ref()?.total();
    Some(match event {
        "refunded" => format!("{total} USD go back"),
        _ => {
            let late = if deposit.facts.late { ", late" } else { "" };
            let outcome = deposit.facts.outcome.map_or("in part", |outcome| outcome.as_str());
            format!("{total} USD credited ({outcome}{late})")
        }
    })
}

/// From where, and to where, in words.
fn words(event: &EventRow) -> (String, String) {
    let plain = |state: &Option<String>| state.as_deref().map(|state| state.replace('_', " "));
    let before = plain(&event.from_state).unwrap_or_default();
    let reason = event.reason.as_deref();
    let says = event.upstream_status.as_deref().unwrap_or("nothing");
    let after = match event.event.as_str() {
        "status_changed" => format!("the upstream says {says:?}"),
        "figures_changed" => "the figures change".to_owned(),
        "needs_review" => format!("a person should look: {}", reason.unwrap_or("no reason given")),
        "review_cleared" => "ordinary again".to_owned(),
        "rejected" => format!("rejected: {}", reason.unwrap_or("no words")),
        _ => plain(&event.to_state).unwrap_or_else(|| event.event.replace('_', " ")),
    };
    (before, after)
}

/// The colour of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    Plain,
    Dim,
    Good,
    Waiting,
    Bad,
}

impl Colour {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Dim => Some("2"),
            Self::Good => Some("32"),
            Self::Waiting => Some("33"),
            Self::Bad => Some("31"),
        }
    }
}

fn colour_of(event: &str) -> Colour {
    match event {
        "settled" | "upstream_back" | "reconciliation_back" | "discrepancy_closed" => Colour::Good,
        "underpaid" | "held" | "short" | "refunding" | "refunded" | "needs_review" => Colour::Waiting,
        "expired"
        | "failed"
        | "rejected"
        | "unresolved"
        | "upstream_down"
        | "reconciliation_void"
        | "discrepancy_opened" => Colour::Bad,
        "requested" | "status_changed" | "figures_changed" | "review_cleared" => Colour::Dim,
        _ => Colour::Plain,
    }
}
