//! `backup`: a proven copy of the ledger, made by whoever may read it.

use std::path::Path;

use super::context::Context;
use super::exit::CommandResult;

/// Copies the ledger to `file`.
pub(super) async fn backup(context: &mut Context, file: &Path) -> CommandResult {
    let ledger = context.ledger().await?;
    let report = ledger.backup(file).await?;
    context.out.answer(&report, |out| {
        let proven = &report.verification;
        out.line(format_args!("{}: {} bytes, verified", report.path.display(), report.bytes));
        out.line(format_args!("head: event {} {}", proven.head_seq, proven.head_hash));
    })
}
