//! `backup`: a proven copy of the ledger, made by whoever may read it.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};

/// Copies the ledger to `file`.
pub(super) async fn backup(context: &mut Context, file: &Path) -> CommandResult {
    let ledger = context.ledger().await?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let report = tokio::select! {
        report = ledger.backup(file) => report?,
        // What there is of it goes with this.
        _ = interrupt.recv() => return Err(broken_off()),
        _ = terminate.recv() => return Err(broken_off()),
    };
    context.out.answer(&report, |out| {
        let proven = &report.verification;
        out.line(format_args!("{}: {} bytes, verified", report.path.display(), report.bytes));
        out.line(format_args!("head: event {} {}", proven.head_seq, proven.head_hash));
    })
}

fn broken_off() -> CommandFailure {
    CommandFailure::new(ExitStatus::Failed, "broken off by a signal; nothing is left of the copy")
}
