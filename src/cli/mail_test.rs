//! `mail test`: a message to whoever gets the alerts, and what becomes of it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{ApiCall, Client};
use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::output::say;
use super::table::plain;
use crate::api_types::MailRecipients;

/// How often the outbox is looked at.
const PAUSE: Duration = Duration::from_millis(200);
/// A letter may take a minute, and wait for others before it.
const PATIENCE: Duration = Duration::from_secs(90);
/// What is looked at of the outbox.
const OUTBOX: &str = "/v1/mails?state=owed,sent,dead&limit=500";

/// What the outbox says of one letter.
#[derive(Debug, Clone, Deserialize)]
struct Row {
    id: i64,
    event: String,
    recipient: String,
    state: String,
    last_error: Option<String>,
}

impl Row {
    /// It has gone, or has not at the first try.
    fn is_known(&self) -> bool {
        self.state != "owed" || self.last_error.is_some()
    }

    fn is_sent(&self) -> bool {
        self.state == "sent"
    }

    fn in_words(&self) -> String {
        let (to, why) = (plain(&self.recipient), plain(self.last_error.as_deref().unwrap_or_default()));
        match self.state.as_str() {
            "sent" => format!("sent to {to}: the mail server has taken it"),
            "dead" => format!("refused, to {to}: {why}"),
            _ if why.is_empty() => {
                format!(
                    "not sent to {to} within {} s; `depositd mail list` shows what becomes of it",
                    PATIENCE.as_secs()
                )
            }
            _ => format!("not taken, to {to}: {why}; it is kept and tried again"),
        }
    }
}

/// Asks the daemon for a test message, and waits until it is known what became of it.
pub(super) async fn mail_test(context: &mut Context, to: Option<String>) -> CommandResult {
    let client = context.client()?;
    let body = to.map_or_else(|| json!({}), |to| json!({ "to": to }));
    let reply = client.call(ApiCall::post("/v1/mails/test", body)).await?;
    let MailRecipients { recipients } = reply.read()?;
    let mut reply = reply.value;
    let (own, rows) = outcome(context, &client, &recipients).await?;
    let sent = own.len() == recipients.len() && own.iter().all(Row::is_sent);
    if context.out.json {
        if let Some(members) = reply.as_object_mut() {
            members.insert("mails".to_owned(), Value::from(rows));
        }
        context.out.document(&reply)?;
        return Ok(if sent { ExitStatus::Done } else { ExitStatus::Failed });
    }
    let mut failures = Vec::new();
    for row in &own {
        if row.is_sent() {
            context.out.line(row.in_words());
        } else {
            failures.push(row.in_words());
        }
    }
    if sent {
        return Ok(ExitStatus::Done);
    }
    if own.len() < recipients.len() {
        failures.push("the message is not among the 500 latest of the outbox".to_owned());
    }
    let last = failures.pop().unwrap_or_default();
    for failure in failures {
        say(&failure);
    }
    Err(CommandFailure::new(ExitStatus::Failed, last))
}

/// The message's row for each recipient, as it stands in the end: read, and as it was told.
async fn outcome(
    context: &Context,
    client: &Client,
    recipients: &[String],
) -> Result<(Vec<Row>, Vec<Value>), CommandFailure> {
    let begun = context.clock.monotonic();
    let mut numbers: Option<Vec<i64>> = None;
    loop {
        let listed = client.call(ApiCall::get(OUTBOX)).await?.value;
        let listed: Vec<Value> =
            listed.get("mails").cloned().map(serde_json::from_value).transpose()?.unwrap_or_default();
        let rows: Vec<Row> =
            listed.iter().map(|row| serde_json::from_value(row.clone())).collect::<Result<_, _>>()?;
        // The newest of each recipient: the message is owed before the daemon has answered.
        let numbers = numbers.get_or_insert_with(|| {
            let newest =
                |to: &String| rows.iter().find(|row| row.event == "mail_test" && row.recipient == *to);
            recipients.iter().filter_map(newest).map(|row| row.id).collect()
        });
        let (own, told): (Vec<Row>, Vec<Value>) =
            rows.into_iter().zip(listed).filter(|(row, _)| numbers.contains(&row.id)).unzip();
        let waited = context.clock.monotonic().saturating_sub(begun);
        if own.iter().all(Row::is_known) || waited >= PATIENCE {
            return Ok((own, told));
        }
        context.clock.sleep(PAUSE).await;
    }
}
