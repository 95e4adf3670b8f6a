//! `check`: everything that the daemon needs, each tried, each named; nothing is changed and nothing is sent.

mod account;
mod credentials;
mod finding;
mod folders;
mod letters;
mod listeners;
mod mail;
mod replica;
mod unit;
mod unit_file;
mod upstream;
mod webhooks;

use std::sync::Arc;

use serde_json::{Value, json};

pub(super) use self::account::{Account, Want};
use self::finding::{Check, counted};
use self::folders::folders;
use self::listeners::listeners;
pub(super) use self::unit::{Passed, Unit};
use super::client::{Client, ClientError};
use super::context::{self, Context};
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::log;
use super::output::Output;
use crate::clock::SharedClock;
use crate::config::Config;
use crate::domain::book_zone::BookZone;
use crate::domain::causes;
use crate::{daemon, flow, ledger};

/// Tries everything and prints how it was found.
pub(super) async fn check(context: &mut Context) -> CommandResult {
    let (exit, document) = everything(context).await?;
    if context.out.json {
        context.out.document(&document)?;
    }
    Ok(exit)
}

/// Tries everything, prints it for a person as it goes, and gives it for a program.
pub(super) async fn everything(context: &mut Context) -> Result<(ExitStatus, Value), CommandFailure> {
    let mut config = context.config()?;
    let unit = config.source.as_deref().and_then(Unit::find);
    let unit = unit.as_ref();
    let sealed = credentials::adopt(&mut config, unit);
    let config = config;
    let complete = complete(&config);
    let daemon = unit.map_or_else(|| Some(Account::own()), |unit| Account::named(&unit.user()));
    let clock = Arc::clone(&context.clock);
    let mut found = Found { out: &mut context.out, checks: Vec::new() };
    found.add(configuration(&config, &complete));
    let (database, ledger) = database(&config).await;
    found.add(database);
    let (account, clocks) = upstream::ask(&config, &clock, sealed.contains(&"upstream.api_key")).await;
    found.add(account);
    found.add(mail::templates(&config));
    if config.page.templates.is_some() {
        let found_pages = daemon::pages(&config).map(|_| "every page tried".to_owned());
        found.add(Check::of("pages", found_pages.map_err(|error| causes::chain(&error))));
    }
    found.add(mail::way_out(&config, sealed.contains(&"mail.smtp.password")).await);
    found.add(knock(&config, &clock).await);
    found.add(clocks);
    match &daemon {
        Some(daemon) => {
            found.add(listeners(&config, &clock, ledger.as_deref(), unit, daemon).await);
            found.add(folders(&config, unit, daemon));
            found.add(credentials::secrets(&config, unit, &sealed, daemon));
        }
        None => found.add(Check::of("user", Err(no_user(unit)))),
    }
    if !config.webhooks.is_empty() {
        found.add(webhooks::webhooks(&config, daemon.as_ref()).await);
    }
    if let Some(socket) = config.ledger.replica.socket.clone() {
        found.add(replica::replica(&config, socket).await);
    }
    let recipients = letters::recipients(&config);
    found.add(letters::letters(&config, &recipients));
    let failed = found.checks.iter().any(|check| check.ok == Some(false));
    let document = json!({ "ok": !failed, "checks": found.checks, "recipients": recipients });
    let exit = match (complete, failed) {
        (Err(_), _) => ExitStatus::Usage,
        (Ok(()), true) => ExitStatus::Failed,
        (Ok(()), false) => ExitStatus::Done,
    };
    Ok((exit, document))
}

/// What `run` would refuse before it touches anything.
fn complete(config: &Config) -> Result<(), String> {
    log::wanted(config.log.level.as_deref()).map_err(|failure| failure.words())?;
    config.validate_for_daemon().map_err(|error| error.to_string())?;
    // A token that cannot be read is said of the secrets.
    match config.api.own_token() {
        Ok(_) => config.api.read_tokens().map(|_| ()).map_err(|error| error.to_string()),
        Err(_) => Ok(()),
    }
}

fn no_user(unit: Option<&Unit>) -> String {
    let (name, user) = unit.map_or((String::new(), String::new()), |unit| (unit.name.clone(), unit.user()));
    format!(
        "{name} runs the daemon as {user}, and there is no such user: systemd-sysusers makes it (deploy/README.md)"
    )
}

/// What was found so far.
struct Found<'a> {
    out: &'a mut Output,
    checks: Vec<Check>,
}

impl Found<'_> {
    /// Keeps one more, and prints it at once: the next may take its time.
    fn add(&mut self, check: Check) {
        let check = check.without_secrets();
        if !self.out.json {
            check.print(self.out);
        }
        self.checks.push(check);
    }
}

fn configuration(config: &Config, complete: &Result<(), String>) -> Check {
    let file = config.source.as_ref().map_or_else(
        || "no file; the environment and the defaults".to_owned(),
        |path| path.display().to_string(),
    );
    Check::of("configuration", complete.clone().map(|()| file))
}

/// The ledger, and its name where it can be read.
async fn database(config: &Config) -> (Check, Option<String>) {
    let path = config.ledger.path.display();
    if !config.ledger.path.exists() && config.ledger.create_if_missing {
        let folder = config.ledger.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let found = match folder.map(std::fs::metadata) {
            Some(Err(error)) => Err(format!("{path}: its folder cannot be used: {error}")),
            _ => Ok(format!("{path}: not there yet; the daemon will make it")),
        };
        return (Check::of("database", found), None);
    }
    let missing_log = context::missing_log(config);
    let ledger = match context::open(config).await {
        Ok(ledger) => ledger,
        Err(failure) => {
            // What only the daemon's start can finish is no fault.
            let passing = matches!(
                failure.error.downcast_ref::<ledger::Error>(),
                Some(ledger::Error::Older { .. } | ledger::Error::Unfinished { .. })
            );
            let words = failure.words();
            let check = if passing {
                Check::open("database", format!("{path}: not read"))
                    .with_warnings([words])
                    .with_warnings(missing_log)
            } else {
                Check::of("database", Err(words))
            };
            return (check, None);
        }
    };
    let owner = match &config.upstream.user_id {
        Some(account) => {
            flow::is_owner(&ledger, account).await.map(|_| ()).map_err(|error| causes::chain(&error))
        }
        None => Ok(()),
    };
    let zone = BookZone::of(&config.books.time_zone);
    let zone = ledger.refuse_other_zone(zone.name()).await.map_err(|error| error.chain());
    let found = match (owner.and(zone), ledger.head_hash().await) {
        (Err(foreign), _) => Err(foreign),
        (Ok(()), Ok(Some((seq, _)))) => Ok(format!("{path}: {}", counted(seq, "event"))),
        (Ok(()), Ok(None)) => Ok(format!("{path}: empty")),
        (Ok(()), Err(error)) => Err(error.chain()),
    };
    (Check::of("database", found).with_warnings(missing_log), Some(ledger.id().to_owned()))
}

/// A stopped daemon is no fault: `check` is for before it starts, too.
async fn knock(config: &Config, clock: &SharedClock) -> Check {
    let client = Client::new(config.api.clone(), Arc::clone(clock));
    match client.knock().await {
        Ok(place) => Check::of("daemon", Ok(format!("answers at {place}"))),
        Err(ClientError::Unreachable(words)) => Check::open("daemon", words),
        Err(trouble) => Check::of("daemon", Err(CommandFailure::from(trouble).words())),
    }
}
