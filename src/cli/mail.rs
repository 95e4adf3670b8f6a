//! `mail`: what the outbox holds, and how it is set going again.

use serde_json::json;

use super::args::MailCommand;
use super::client::Call;
use super::context::Context;
use super::exit::{Exit, Outcome};
use super::out::{Paint, say};
use super::table::{Cell, Table, cut, short_time};

/// Lists, sends again, or tries.
pub(super) async fn mail(context: &mut Context, command: MailCommand) -> Outcome {
    match command {
        MailCommand::List { state, limit } => list(context, &state, limit).await,
        MailCommand::Retry { id, .. } => retry(context, id).await,
        MailCommand::Test { to } => test(context, to).await,
    }
}

async fn list(context: &mut Context, states: &[String], limit: u32) -> Outcome {
    let ledger = context.ledger().await?;
    let states: Vec<&str> = states.iter().map(String::as_str).collect();
    let mails = ledger.mails(&states, limit).await?;
    if context.out.json {
        context.out.document(&json!({ "mails": mails }))?;
        return Ok(Exit::Done);
    }
    if mails.is_empty() {
        say(if states.is_empty() { "no mail waits, and none was given up" } else { "no such mail" });
        return Ok(Exit::Done);
    }
    let heads =
        [">mail", "owed since (UTC)", "state", ">tries", "event", "to", "deposit", "sent (UTC)", "why not"];
    let mut table = Table::new(&heads);
    for mail in mails {
        let paint = match mail.state.as_str() {
            "sent" => Paint::Good,
            "dead" => Paint::Bad,
            _ => Paint::Open,
        };
        table.row([
            Cell::from(mail.id.to_string()),
            Cell::from(short_time(&mail.created_at)),
            Cell::painted(&mail.state, paint),
            Cell::from(mail.attempts.to_string()),
            Cell::from(&mail.event),
            Cell::from(&mail.recipient),
            Cell::from(mail.deposit_id.as_deref().unwrap_or("-")),
            Cell::from(mail.sent_at.as_deref().map(short_time).unwrap_or_default()),
            Cell::from(cut(mail.last_error.as_deref().unwrap_or(""), 80)),
        ]);
    }
    table.print(&mut context.out, "");
    Ok(Exit::Done)
}

async fn retry(context: &mut Context, id: Option<i64>) -> Outcome {
    let body = id.map_or_else(|| json!({}), |id| json!({ "id": id }));
    let reply = context.client()?.call(Call::post("/v1/mails/retry", body)).await?;
    if context.out.json {
        context.out.document(&reply.value)?;
        return Ok(Exit::Done);
    }
    let count = reply.value.get("retried").and_then(serde_json::Value::as_u64);
    context.out.line(match count {
        Some(1) => "1 mail is sent again".to_owned(),
        Some(count) => format!("{count} mails are sent again"),
        None => "sent again".to_owned(),
    });
    Ok(Exit::Done)
}

async fn test(context: &mut Context, to: Option<String>) -> Outcome {
    let body = to.map_or_else(|| json!({}), |to| json!({ "to": to }));
    let reply = context.client()?.call(Call::post("/v1/mails/test", body)).await?;
    if context.out.json {
        context.out.document(&reply.value)?;
        return Ok(Exit::Done);
    }
    let to = reply.value.get("recipients").and_then(serde_json::Value::as_array).map(|to| {
        to.iter()
            .filter_map(serde_json::Value::as_str)
            .map(super::table::plain)
            .collect::<Vec<_>>()
            .join(", ")
    });
    let to = to.filter(|to| !to.is_empty()).unwrap_or_else(|| "those who get the alerts".to_owned());
    context
        .out
        .line(format_args!("a test message is owed to {to}; `depositd mail list` shows what became of it"));
    Ok(Exit::Done)
}
