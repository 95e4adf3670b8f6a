//! `verify`: the proof of the ledger, as a page and as an exit status.

use std::io::IsTerminal as _;

use serde_json::json;

use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::output::{Output, Paint, hint};
use super::table::{Cell, Table, facts};
use crate::ledger::{Error, Verification};

/// Proves the ledger and prints what was found.
pub(super) async fn verify(context: &mut Context) -> CommandResult {
    let ledger = match super::context::open(&context.config()?).await {
        Ok(ledger) => ledger,
        Err(failure) => return Err(not_whole(failure)),
    };
    let progress = std::io::stderr().is_terminal();
    let verification = ledger
        .verify(|done, total| {
            if progress {
                hint(format_args!("\r{done} of {total} events"));
            }
        })
        .await?;
    if progress && verification.events >= 10_000 {
        hint("\r\u{1b}[K");
    }
    let whole = verification.findings.is_empty();
    if context.out.json {
        let mut document = serde_json::to_value(&verification)?;
        if let Some(members) = document.as_object_mut() {
            members.insert("ok".to_owned(), json!(whole));
        }
        context.out.document(&document)?;
    } else {
        print(&mut context.out, &verification, &ledger.path().display().to_string());
    }
    Ok(if whole { ExitStatus::Done } else { ExitStatus::Wrong })
}

/// A file that is there and cannot even be opened as a ledger is not whole.
fn not_whole(failure: CommandFailure) -> CommandFailure {
    let broken = |error: &Error| matches!(error, Error::Untrusted(_) | Error::Unreadable(_));
    let is_broken = failure.error.downcast_ref::<Error>().is_some_and(broken);
    if is_broken { CommandFailure { exit: ExitStatus::Wrong, ..failure } } else { failure }
}

fn print(out: &mut Output, found: &Verification, path: &str) {
    let head = match found.findings.len() {
        0 => out.paint(Paint::Good, "the ledger is whole"),
        1 => out.paint(Paint::Bad, "the ledger is NOT whole: 1 finding"),
        count => out
            .paint(Paint::Bad, &format!("the ledger is NOT whole: {count} findings, the first matters most")),
    };
    out.line(head);
    facts(
        out,
        [
            ("file", Some(path.to_owned())),
            ("events", Some(found.events.to_string())),
            ("deposits", Some(found.deposits.to_string())),
            ("transactions", Some(found.transactions.to_string())),
            ("mails", Some(found.mails.to_string())),
            ("webhooks", Some(found.webhooks.to_string())),
            ("head", Some(format!("event {}", found.head_seq))),
            ("hash", Some(found.head_hash.clone())),
        ],
    );
    if found.findings.is_empty() {
        return;
    }
    out.line("");
    let mut table = Table::new(&["table", "row", "what does not fit"]);
    for finding in &found.findings {
        table.row([Cell::from(finding.table), Cell::from(&finding.row), Cell::from(&finding.what)]);
    }
    table.print(out, "  ");
}
