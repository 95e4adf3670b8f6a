//! `webhooks`: how each stands, what is owed, sends again, tries one.

use std::time::Duration;

use serde_json::json;

use super::args::WebhooksCommand;
use super::client::{ApiCall, Client};
use super::context::{Context, open};
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::output::{Output, Paint, say};
use super::table::{Cell, Table, cut, plain, short_time};
use crate::api_types::{WebhookDelivery, WebhookDeliveryList, WebhookRow, WebhookState, WebhooksRetried};
use crate::config::Config;
use crate::flow::message_of;
use crate::ledger::Ledger;

/// How often a test's delivery is looked at, and for how long.
const PAUSE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(90);

/// Lists, shows, sends again, or tries.
pub(super) async fn webhooks(context: &mut Context, command: WebhooksCommand) -> CommandResult {
    match command {
        WebhooksCommand::List { state, webhook, limit } => {
            list(context, &state, webhook.as_deref(), limit).await
        }
        WebhooksCommand::Show { id } => show(context, id).await,
        WebhooksCommand::Retry { id, webhook, .. } => retry(context, id, webhook).await,
        WebhooksCommand::Test { name } => test(context, &name).await,
        WebhooksCommand::Enable { name } => {
            context.client()?.call(ApiCall::post(path_of(&name, "enable")?, json!({}))).await?;
            if context.out.json {
                context.out.document(&json!({ "enabled": name }))?;
            } else {
                context.out.line(format_args!("{name} is sent to again"));
            }
            Ok(ExitStatus::Done)
        }
    }
}

/// The call's path. A name that no webhook can have is not sent.
fn path_of(name: &str, what: &str) -> Result<String, CommandFailure> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(fits) {
        let known = "see `depositd webhooks list`";
        return Err(CommandFailure::new(
            ExitStatus::Unknown,
            format_args!("no webhook has this name; {known}"),
        ));
    }
    Ok(format!("/v1/webhooks/{name}/{what}"))
}

async fn list(context: &mut Context, states: &[String], webhook: Option<&str>, limit: u32) -> CommandResult {
    let config = context.config()?;
    let ledger = open(&config).await?;
    let mut webhooks = standing(&ledger, &config).await?;
    if let Some(name) = webhook {
        webhooks.retain(|known| known.name == name);
        if webhooks.is_empty() {
            let words = format_args!("no webhook has the name {name:?}; [[webhooks]] makes one");
            return Err(CommandFailure::new(ExitStatus::Unknown, words));
        }
    }
    let states: Vec<&str> = states.iter().map(String::as_str).collect();
    let deliveries = ledger.webhooks(&states, webhook, limit).await?;
    if context.out.json {
        let document = json!({ "webhooks": webhooks, "deliveries": deliveries });
        context.out.document(&document)?;
        return Ok(ExitStatus::Done);
    }
    if webhooks.is_empty() {
        say("no webhook is configured; [[webhooks]] in the configuration makes one");
        return Ok(ExitStatus::Done);
    }
    print_webhooks(&mut context.out, &webhooks);
    context.out.line("");
    if deliveries.is_empty() {
        say(if states.is_empty() { "nothing waits, and nothing was given up" } else { "no such delivery" });
        return Ok(ExitStatus::Done);
    }
    print_deliveries(&mut context.out, &deliveries);
    if deliveries.iter().any(|one| one.state == "dead") {
        say(
            "what was given up is sent again by hand, once it is mended why: depositd webhooks retry ID, --webhook NAME or --all",
        );
    }
    Ok(ExitStatus::Done)
}

/// How each webhook stands, by the configuration and the ledger.
async fn standing(ledger: &Ledger, config: &Config) -> Result<Vec<WebhookState>, CommandFailure> {
    let (summaries, ended) = (ledger.webhook_summaries().await?, ledger.ended_webhooks().await?);
    let configured = config.webhooks.iter().map(|webhook| {
        let origin = webhook.url.origin().ascii_serialization();
        (webhook.name.clone(), Some(origin))
    });
    let configured: Vec<_> = configured.collect();
    let others = summaries
        .iter()
        .filter(|summary| !configured.iter().any(|(name, _)| *name == summary.webhook))
        .map(|summary| (summary.webhook.clone(), None));
    let others: Vec<_> = others.collect();
    let state = |(name, origin): (String, Option<String>)| {
        let summary = summaries.iter().find(|summary| summary.webhook == name).cloned().unwrap_or_default();
        let gone = ended.iter().find(|ended| ended.webhook == name).map(|ended| ended.why.clone());
        let state = match (&origin, &gone) {
            (None, _) => "unknown",
            (_, Some(_)) => "ended",
            _ if summary.owed > 0 && summary.last_error.is_some() => "waiting",
            _ => "open",
        };
        WebhookState {
            name,
            origin,
            state: state.to_owned(),
            owed: summary.owed,
            dead: summary.dead,
            oldest_owed_at: summary.oldest,
            waits_until: None,
            last_error: gone.or(summary.last_error),
        }
    };
    Ok(configured.into_iter().chain(others).map(state).collect())
}

fn print_webhooks(out: &mut Output, webhooks: &[WebhookState]) {
    let mut table = Table::new(&["webhook", "to", "state", ">owed", ">dead", "oldest owed (UTC)", "why not"]);
    for webhook in webhooks {
        let paint = match webhook.state.as_str() {
            "open" => Paint::Good,
            "waiting" => Paint::Open,
            _ => Paint::Bad,
        };
        table.row([
            Cell::from(&webhook.name),
            Cell::from(webhook.origin.as_deref().unwrap_or("(not configured)")),
            Cell::painted(&webhook.state, paint),
            Cell::from(webhook.owed.to_string()),
            Cell::from(webhook.dead.to_string()),
            Cell::from(webhook.oldest_owed_at.as_deref().map(short_time).unwrap_or_default()),
            Cell::from(cut(webhook.last_error.as_deref().unwrap_or_default(), 80)),
        ]);
    }
    table.print(out, "");
}

fn print_deliveries(out: &mut Output, deliveries: &[WebhookRow]) {
    let mut table = Table::new(&[
        ">delivery",
        "owed since (UTC)",
        "state",
        ">tries",
        "event",
        "webhook",
        "deposit",
        "sent (UTC)",
        "why not",
    ]);
    for one in deliveries {
        let paint = match one.state.as_str() {
            "sent" => Paint::Good,
            "dead" => Paint::Bad,
            _ => Paint::Open,
        };
        table.row([
            Cell::from(one.id.to_string()),
            Cell::from(short_time(&one.created_at)),
            Cell::painted(&one.state, paint),
            Cell::from(one.attempts.to_string()),
            Cell::from(&one.event),
            Cell::from(&one.webhook),
            Cell::from(one.deposit_id.as_deref().unwrap_or("-")),
            Cell::from(one.sent_at.as_deref().map(short_time).unwrap_or_default()),
            Cell::from(cut(one.last_error.as_deref().unwrap_or_default(), 80)),
        ]);
    }
    table.print(out, "");
}

async fn show(context: &mut Context, id: i64) -> CommandResult {
    let ledger = context.ledger().await?;
    let Some((delivery, owed)) = ledger.webhook(id).await? else {
        let words = format_args!("there is no webhook delivery {id}; see `depositd webhooks list`");
        return Err(CommandFailure::new(ExitStatus::Unknown, words));
    };
    let body = serde_json::from_slice(&message_of(&owed).body)?;
    if context.out.json {
        context.out.document(&WebhookDelivery { delivery, body })?;
        return Ok(ExitStatus::Done);
    }
    let due = delivery.due_ms.map(|due| crate::domain::time::Timestamp::from_millis(due).to_seconds_text());
    for (name, value) in [
        ("delivery", Some(delivery.id.to_string())),
        ("webhook", Some(delivery.webhook.clone())),
        ("webhook-id", Some(delivery.webhook_id.clone())),
        ("event", Some(delivery.event.clone())),
        ("deposit", delivery.deposit_id.clone()),
        ("state", Some(delivery.state.clone())),
        ("tries", Some(delivery.attempts.to_string())),
        ("owed since", Some(delivery.created_at.clone())),
        ("next try", due.filter(|_| delivery.state == "owed")),
        ("sent", delivery.sent_at.clone()),
        ("why not", delivery.last_error.clone()),
    ] {
        if let Some(value) = value {
            context.out.line(format_args!("{name:<11} {}", plain(&value)));
        }
    }
    context.out.line("");
    for line in serde_json::to_string_pretty(&body)?.lines() {
        context.out.line(plain_line(line));
    }
    Ok(ExitStatus::Done)
}

/// A line of JSON with its indent; control characters are escaped within it already.
fn plain_line(line: &str) -> String {
    let text = line.trim_start();
    let indent = line.len().saturating_sub(text.len());
    format!("{:indent$}{}", "", plain(text))
}

async fn retry(context: &mut Context, id: Option<i64>, webhook: Option<String>) -> CommandResult {
    let body = match (id, webhook) {
        (Some(id), _) => json!({ "id": id }),
        (None, Some(webhook)) => json!({ "webhook": webhook }),
        (None, None) => json!({}),
    };
    let reply = context.client()?.call(ApiCall::post("/v1/webhooks/retry", body)).await?;
    reply.answer(&mut context.out, |out, WebhooksRetried { retried }| {
        out.line(match retried {
            1 => "1 webhook is sent again".to_owned(),
            count => format!("{count} webhooks are sent again"),
        });
    })
}

/// Asks the daemon for a test, and waits until it is known what became of it.
async fn test(context: &mut Context, name: &str) -> CommandResult {
    let client = context.client()?;
    let latest = async |client: &Client| {
        let path = format!("/v1/webhooks/deliveries?webhook={name}&state=owed,sent,dead&limit=500");
        let list: WebhookDeliveryList = client.call(ApiCall::get(path)).await?.read()?;
        Ok::<_, CommandFailure>(list.deliveries.into_iter().find(|one| one.event == "webhook_test"))
    };
    let path = path_of(name, "test")?;
    let before = latest(&client).await?.map_or(0, |one| one.id);
    client.call(ApiCall::post(path, json!({}))).await?;
    let begun = context.clock.monotonic();
    let delivery = loop {
        let found = latest(&client).await?.filter(|one| one.id > before);
        let known = |one: &WebhookRow| one.state != "owed" || one.last_error.is_some();
        let waited = context.clock.monotonic().saturating_sub(begun);
        if found.as_ref().is_some_and(known) || waited >= PATIENCE {
            break found;
        }
        context.clock.sleep(PAUSE).await;
    };
    if context.out.json {
        context.out.document(&json!({ "delivery": delivery }))?;
        let sent = delivery.is_some_and(|one| one.state == "sent");
        return Ok(if sent { ExitStatus::Done } else { ExitStatus::Failed });
    }
    let why = |one: &WebhookRow| plain(one.last_error.as_deref().unwrap_or_default());
    let failed = |words: String| Err(CommandFailure::new(ExitStatus::Failed, words));
    match delivery {
        Some(one) if one.state == "sent" => {
            context.out.line(format_args!("{name} has taken it ({})", one.webhook_id));
            Ok(ExitStatus::Done)
        }
        Some(one) if one.last_error.is_some() => {
            failed(format!("not taken by {name}: {}; it is kept and tried again", why(&one)))
        }
        _ => failed(format!(
            "not sent to {name} within {} s; see `depositd webhooks list`",
            PATIENCE.as_secs()
        )),
    }
}
