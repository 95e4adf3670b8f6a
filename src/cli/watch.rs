//! `watch`: the daemon's events as they happen; a broken connection is resumed where it broke.

use std::time::Duration;

use serde_json::Value;

use super::client::ClientError;
use super::context::Context;
use super::exit::{CommandResult, ExitStatus};
use super::objects::paint_of;
use super::output::{Output, say};
use super::table::{plain, short_time};

/// The wait between two attempts to reconnect.
const PAUSE: Duration = Duration::from_secs(1);
/// After this many failed attempts the daemon counts as gone.
const TRIES: u32 = 60;

/// Prints events until nobody reads them or the daemon is gone.
pub(super) async fn watch(context: &mut Context) -> CommandResult {
    let client = context.client()?;
    let mut last: Option<String> = None;
    let mut events = client.events(None).await?;
    loop {
        while let Some(event) = events.next().await {
            print(&mut context.out, &event.data);
            if !context.out.is_open() {
                return Ok(ExitStatus::Done);
            }
            last = event.id.or(last);
        }
        say("the connection to the daemon ended; trying again");
        let mut tries: u32 = 0;
        events = loop {
            context.clock.sleep(PAUSE).await;
            tries = tries.saturating_add(1);
            match client.events(last.as_deref()).await {
                Ok(events) => break events,
                Err(ClientError::Unreachable(_) | ClientError::Broken(_)) if tries < TRIES => {}
                Err(trouble) => return Err(trouble.into()),
            }
        };
    }
}

fn print(out: &mut Output, data: &str) {
    let Ok(event) = serde_json::from_str::<Value>(data) else { return };
    if out.json {
        out.line(&event);
        out.flush();
        return;
    }
    let word = |key: &str| event.get(key).and_then(Value::as_str).map(plain);
    let mut line = short_time(&word("at").unwrap_or_default());
    let subject = word("deposit_id").unwrap_or_else(|| "account".to_owned());
    line.push_str(&format!("  {subject:36}"));
    let name = word("event").or_else(|| word("name")).unwrap_or_default();
    match (word("from_state"), word("to_state")) {
        (from, Some(to)) if from.as_ref() != Some(&to) => {
            let from = from.map(|from| format!("{from} -> ")).unwrap_or_default();
            line.push_str(&format!("  {from}{}", out.paint(paint_of(&to), &to)));
        }
        _ => line.push_str(&format!("  {name}")),
    }
    for (key, before, after) in [("upstream_status", " (", ")"), ("reason", ": ", "")] {
        if let Some(text) = word(key) {
            line.push_str(&format!("{before}{text}{after}"));
        }
    }
    out.line(line);
    out.flush();
}
