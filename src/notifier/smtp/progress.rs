//! How far a conversation with a mail server has come, and what a deadline that passes then means.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::notifier::report::SendError;

/// The connection is being made; nothing was said of the letter yet.
pub(super) const CONNECTING: u8 = 0;
/// The server is being told the recipient.
pub(super) const ADDRESSING: u8 = 1;
/// The message is being written, and may have been taken.
pub(super) const WRITING: u8 = 2;

/// How far a conversation has come: what a deadline that passes then means.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU8);

impl Progress {
    pub(super) fn reach(&self, stage: u8) {
        self.0.store(stage, Ordering::Relaxed);
    }

    /// A server that is slow with one recipient or one letter must not hold up the others.
    pub(super) fn timed_out(&self, deadline: Duration) -> SendError {
        let limit = deadline.as_secs_f32();
        match self.0.load(Ordering::Relaxed) {
            CONNECTING => SendError::unreachable(&format!("no answer within {limit} s")),
            ADDRESSING => {
                SendError::temporary(&format!("the server did not take the recipient within {limit} s"))
            }
            _ => SendError::temporary(&format!(
                "the server did not confirm the message within {limit} s; it may have taken it"
            )),
        }
    }
}
