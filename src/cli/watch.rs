//! `watch`: the daemon's events as they happen; a broken connection is resumed where it broke.

use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;

use super::client::ClientError;
use super::context::Context;
use super::exit::{CommandResult, ExitStatus};
use super::names::short_of;
use super::objects::paint_of;
use super::output::{Output, say};
use super::table::{plain, short_time};
use crate::api_types::EventRow;

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
    let Ok(event) = EventRow::deserialize(event) else { return };
    let mut line = short_time(&plain(&event.at));
    let about = plain(event.deposit_id.as_deref().unwrap_or("account"));
    let places = if out.columns.is_some() { 13 } else { 36 };
    line.push_str(&format!("  {:places$}", short_of(out, &about)));
    match &event.to_state {
        Some(to) if event.from_state.as_ref() != Some(to) => {
            let from = event.from_state.map(|from| format!("{} -> ", plain(&from))).unwrap_or_default();
            let to = plain(to);
            line.push_str(&format!("  {from}{}", out.paint(paint_of(&to), &to)));
        }
        _ => line.push_str(&format!("  {}", plain(&event.event))),
    }
    let booked = event.amount_booked.filter(|_| event.to_state.as_deref() == Some("settled"));
    let booked = booked.map(|usd| format!("{usd} USD"));
    for (text, before, after) in [
        (event.upstream_status, " (", ")"),
        (event.reason, ": ", ""),
        (booked, ", ", ""),
        (event.reference, "  ", ""),
    ] {
        if let Some(text) = text {
            line.push_str(&format!("{before}{}{after}", plain(&text)));
        }
    }
    out.line(line);
    out.flush();
}
