//! Prints the scenario while it runs: one line for each event, in words or as JSON.

use std::collections::HashMap;
use std::io::{self, Write};

use serde_json::json;
use tokio::sync::mpsc;

use super::closely;
use super::context::ScenarioContext;
use super::error::Error;
use super::options::Options;
use super::progress::{ProgressBar, REDRAW};
use super::shell::quoted;
use super::summary_view::Summary;
use super::wording::{Colour, attempts_of, booked, colour_of, followed_name, introduction, label, words};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::deposit::State;
use crate::domain::money::UsdMicros;
use crate::domain::time::Timestamp;
use crate::flow::Flow;
use crate::ledger::EventRow;

/// The most events that are read at once.
const BATCH: u32 = 256;
/// How wide a line is.
const COLUMNS: usize = 80;

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
    real: SystemClock,
    progress: ProgressBar,
    /// The whole story has been told, and nobody waits for its end.
    is_told: bool,
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
        let real = SystemClock::new();
        Self {
            out,
            format,
            origin,
            speed,
            real,
            progress: ProgressBar::default(),
            is_told: false,
            known: HashMap::new(),
        }
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
            let (seed, speed, url) = (plan.seed, plan.speed, context.upstream.base_url());
            writeln!(self.out, "{}", introduction(plan.deposits, plan.speed, context.folder.resumed))?;
            writeln!(self.out, "\nIt {verb} in {} (--seed {seed} --speed {speed});", folder.display())?;
            writeln!(self.out, "the simulated upstream is at {url}")?;
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
        flow: &Flow,
        mut lines: mpsc::UnboundedReceiver<(Timestamp, Line)>,
        mut seen: i64,
        context: &ScenarioContext,
    ) -> Result<(), Error> {
        let (stop, mut head) = (&context.stop, flow.ledger.head());
        self.progress.live = context.options.live;
        loop {
            let line = tokio::select! {
                biased;
                line = lines.recv() => line,
                changed = head.changed() => {
                    let shown = self.events(flow, &mut seen).await;
                    if let (Ok(()), Ok(())) = (&shown, changed) {
                        continue;
                    }
                    // Nothing can be printed any more: the runner has to end.
                    stop.cancel();
                    return shown;
                }
                () = self.real.sleep(REDRAW) => {
                    self.tick(flow, context).await?;
                    continue;
                }
            };
            let shown = match line {
                Some((at, line)) => self.line(at, &line).map_err(Error::from),
                None => return self.events(flow, &mut seen).await,
            };
            if shown.is_err() {
                stop.cancel();
                return shown;
            }
        }
    }

    /// Shows how far it is.
    async fn tick(&mut self, flow: &Flow, context: &ScenarioContext) -> Result<(), Error> {
        let now = context.clock.now();
        let all = context.script.members.len();
        if all == 0 || self.is_told || !matches!(self.format, ShowFormat::Text { .. }) {
            return Ok(());
        }
        let final_state = |(state, count): (String, i64)| {
            State::parse(&state).filter(|state| state.is_final()).and_then(|_| usize::try_from(count).ok())
        };
        let ended = flow.ledger.counts().await?.into_iter().filter_map(final_state).sum();
        let time = self.time(&now.to_string());
        Ok(self.progress.tick(self.out, self.real.monotonic(), (&time, ended, all))?)
    }

    async fn events(&mut self, flow: &Flow, seen: &mut i64) -> Result<(), Error> {
        let ledger = &flow.ledger;
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
                self.event(flow, &event).await?;
            }
        }
    }

    async fn event(&mut self, flow: &Flow, event: &EventRow) -> Result<(), Error> {
        let ledger = &flow.ledger;
        if self.format == ShowFormat::Json {
            writeln!(self.out, "{}", serde_json::to_string(event).map_err(io::Error::from)?)?;
            return Ok(());
        }
        if event.event == "status_changed" && event.upstream_status.as_deref() == Some("check") {
            return Ok(());
        }
        self.progress.clear(self.out, self.real.monotonic())?;
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
        if label.starts_with(&followed_name()) && self.closely(flow, event, id).await? {
            return Ok(());
        }
        let booked = match deposit.filter(|_| credited) {
            Some(deposit) => booked(&deposit, &event.event),
            None if event.event == "wallet_created" => attempts_of(ledger, id).await?,
            None => None,
        };
        let more = booked.map(|booked| format!(", {booked}")).unwrap_or_default();
        let time = self.time(&event.at);
        let text = format!("{}{more}", words(event));
        self.wrapped(&format!("{time}  {label}  "), &text, colour_of(&event.event))?;
        Ok(())
    }

    /// Shows an event of the deposit that is followed closely; false where the usual line says it all.
    async fn closely(&mut self, flow: &Flow, event: &EventRow, id: &str) -> Result<bool, Error> {
        let Some(deposit) = flow.ledger.find(id).await? else { return Ok(false) };
        let Some(text) = closely::told(flow, event, &deposit).await? else { return Ok(false) };
        self.out.write_all(text.as_bytes())?;
        if event.event == "settled" {
            writeln!(self.out, "\nSo it goes when all goes well. Now the others, each event a line:\n")?;
        }
        Ok(true)
    }

    /// A line that goes on under itself where it is long.
    fn wrapped(&mut self, before: &str, text: &str, colour: Colour) -> io::Result<()> {
        let indent = before.chars().count();
        let room = COLUMNS.saturating_sub(indent).max(20);
        let (mut line, mut first) = (String::new(), true);
        let mut lines = Vec::new();
        for word in text.split(' ') {
            if !line.is_empty() && line.chars().count().saturating_add(word.chars().count()) >= room {
                lines.push(std::mem::take(&mut line));
            }
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
        lines.push(line);
        for line in lines {
            let line = self.painted(&line, colour);
            let start = if std::mem::take(&mut first) { before.to_owned() } else { " ".repeat(indent) };
            writeln!(self.out, "{start}{line}")?;
        }
        Ok(())
    }

    fn line(&mut self, at: Timestamp, line: &Line) -> io::Result<()> {
        self.progress.clear(self.out, self.real.monotonic())?;
        if let Line::Page(summary) = line {
            self.is_told = true;
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
                self.is_told = true;
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
        self.progress.clear(self.out, self.real.monotonic())?;
        let time = self.time(at);
        self.wrapped(&format!("{time}  -- "), text, colour)
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
        format!("{hours:>2}:{:02}:{:02}", rest.div_euclid(60), rest.rem_euclid(60))
    }

    fn painted(&self, text: &str, colour: Colour) -> String {
        match (self.format, colour.code()) {
            (ShowFormat::Text { colour: true }, Some(code)) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            _ => text.to_owned(),
        }
    }

    /// The final page.
    pub(super) fn page(&mut self, summary: &Summary) -> io::Result<()> {
        self.progress.clear(self.out, self.real.monotonic())?;
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
        self.progress.clear(self.out, self.real.monotonic())?;
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
