//! `check`: everything that the daemon needs, each tried, each named; nothing is changed and nothing is sent.

use std::sync::Arc;

use serde::Serialize;

use super::client::{Client, ClientError};
use super::context::{self, Context};
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::output::{Output, Paint};
use super::table::{plain, width};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::domain::causes::chain;
use crate::domain::money::dollars;
use crate::upstream::{self, Priority};
use crate::{daemon, ledger};

/// How one thing was found.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    /// `None` where it is neither right nor wrong.
    ok: Option<bool>,
    detail: String,
}

impl Check {
    fn of(name: &'static str, found: Result<String, String>) -> Self {
        let ok = Some(found.is_ok());
        Self { name, ok, detail: found.unwrap_or_else(|why| why) }
    }
}

/// Tries everything and prints how it was found.
pub(super) async fn check(context: &mut Context) -> CommandResult {
    let config = context.config()?;
    let complete = config.validate_for_daemon();
    let file = config.source.as_ref().map_or_else(
        || "no file; the environment and the defaults".to_owned(),
        |path| path.display().to_string(),
    );
    let clock = Arc::clone(&context.clock);
    let mut checks =
        vec![Check::of("configuration", complete.as_ref().map(|()| file).map_err(ToString::to_string))];
    let out = &mut context.out;
    report(out, &checks);
    checks.push(Check::of("database", database(&config).await));
    report(out, &checks);
    checks.push(Check::of("upstream", ask_upstream(&config, &clock).await));
    report(out, &checks);
    checks.push(Check::of("templates", templates(&config)));
    report(out, &checks);
    checks.push(Check::of("mail", mail(&config).await));
    report(out, &checks);
    let (ok, detail) = knock(&config, &clock).await;
    checks.push(Check { name: "daemon", ok, detail });
    report(out, &checks);
    let failed = checks.iter().any(|check| check.ok == Some(false));
    if out.json {
        out.document(&serde_json::json!({ "ok": !failed, "checks": checks }))?;
    }
    Ok(match (complete, failed) {
        (Err(_), _) => ExitStatus::Usage,
        (Ok(()), true) => ExitStatus::Failed,
        (Ok(()), false) => ExitStatus::Done,
    })
}

/// Prints the last of the checks at once: the next may take its time.
fn report(out: &mut Output, checks: &[Check]) {
    let (false, Some(check)) = (out.json, checks.last()) else { return };
    let (word, paint) = match check.ok {
        Some(true) => ("ok", Paint::Good),
        Some(false) => ("FAILED", Paint::Bad),
        None => ("-", Paint::Faint),
    };
    let gap = |text: &str, columns: usize| " ".repeat(columns.saturating_sub(width(text)));
    let shown = out.paint(paint, word);
    out.line(format_args!(
        "{}{}  {shown}{}  {}",
        check.name,
        gap(check.name, 13),
        gap(word, 6),
        plain(&check.detail)
    ));
    out.flush();
}

async fn database(config: &Config) -> Result<String, String> {
    let path = config.ledger.path.display();
    if !config.ledger.path.exists() && config.ledger.create_if_missing {
        let folder = config.ledger.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        return match folder.map(std::fs::metadata) {
            Some(Err(error)) => Err(format!("{path}: its folder cannot be used: {error}")),
            _ => Ok(format!("{path}: not there yet; the daemon will make it")),
        };
    }
    let ledger = context::open(config).await.map_err(|failure| format!("{:#}", failure.error))?;
    let head = ledger.head_hash().await.map_err(|error: ledger::Error| error.chain())?;
    Ok(match head {
        Some((seq, _)) => format!("{path}: {}", counted(seq, "event")),
        None => format!("{path}: empty"),
    })
}

async fn ask_upstream(config: &Config, clock: &SharedClock) -> Result<String, String> {
    let place = &config.upstream.base_url;
    let words = |error: upstream::Error| format!("{place}: {error}");
    let upstream = daemon::upstream_client(config, Arc::clone(clock)).map_err(|error| chain(&error))?;
    let permit = upstream.admit(Priority::Reconcile).await;
    let balance = upstream.balance(permit).await.map_err(words)?.value;
    let permit = upstream.admit(Priority::Reconcile).await;
    let coupons = upstream.coupons(permit).await.map_err(words)?.value;
    Ok(format!(
        "{place}: balance {} USD, total charges {} USD, {}",
        dollars(balance.balance_cents),
        dollars(balance.total_charges_cents),
        counted(coupons.len(), "coupon")
    ))
}

fn counted(count: impl std::fmt::Display, what: &str) -> String {
    let count = count.to_string();
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Each letter is written from samples.
fn templates(config: &Config) -> Result<String, String> {
    let found = daemon::templates(config).map_err(|error| chain(&error))?;
    Ok(match &config.mail.templates {
        None => "the built-in letters".to_owned(),
        Some(folder) => format!("{}: {} files, every letter tried", folder.display(), found.own()),
    })
}

async fn mail(config: &Config) -> Result<String, String> {
    let mailer = daemon::mailer(config).map_err(|error| chain(&error))?;
    let found = mailer.check().await.map_err(|error| chain(&error));
    mailer.close_idle().await;
    found
}

/// A stopped daemon is no fault: `check` is for before it starts, too.
async fn knock(config: &Config, clock: &SharedClock) -> (Option<bool>, String) {
    let client = Client::new(config.api.clone(), Arc::clone(clock));
    match client.knock().await {
        Ok(place) => (Some(true), format!("answers at {place}")),
        Err(ClientError::Unreachable(words)) => (None, words),
        Err(trouble) => (Some(false), format!("{:#}", CommandFailure::from(trouble).error)),
    }
}
