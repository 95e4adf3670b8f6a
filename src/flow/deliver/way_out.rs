//! The way out is closed: until when, and what becomes of the letters.

use std::time::Duration;

use super::Run;
use crate::domain::time::{Timestamp, with_jitter};
use crate::flow::context::backoff;
use crate::ledger;

/// A server that has had enough letters for now is not asked again before this: quotas are by the minute or longer.
const SATED: Duration = Duration::from_secs(10);

impl Run<'_> {
    /// Nothing leaves for a while, which grows from one time to the next.
    pub(super) async fn close(&mut self, why: String) -> ledger::Result<()> {
        let (state, settings, now) = (&self.flow.delivery_state, self.flow.settings, self.flow.clock.now());
        // What went meanwhile went by the way that is closed now: the waits begin anew.
        let failures = if self.done.sent > 0 { 0 } else { self.failures };
        let mut wait = backoff(settings.mail_retry_initial, failures, settings.mail_retry_max);
        if self.busy && state.sate(self.done.sent > 0) {
            wait = wait.max(SATED);
        }
        let until = now.plus(with_jitter(wait, 0, now));
        state.close(until, &why);
        self.put_back(until, &why).await?;
        self.postpone(until, why).await
    }

    /// Letters that were given up with everybody else's are owed again.
    async fn put_back(&mut self, until: Timestamp, why: &str) -> ledger::Result<()> {
        let refused = std::mem::take(&mut self.refused);
        if refused.is_empty() {
            return Ok(());
        }
        let back = self.flow.ledger.put_back_mails(refused, until, why.to_owned()).await?;
        if back > 0 {
            tracing::warn!("{back} mails that were given up are owed again: {why}");
        }
        self.done.dead = self.done.dead.saturating_sub(back);
        self.done.waiting = self.done.waiting.saturating_add(back);
        Ok(())
    }

    /// The way out is closed for all: what is due now waits with the letter that found it.
    pub(super) async fn postpone(&mut self, until: Timestamp, why: String) -> ledger::Result<()> {
        let (flow, now) = (self.flow, self.flow.clock.now());
        let give_up = now.minus(flow.settings.mail_give_up_after);
        let dead = flow.ledger.postpone_mails(now, until, give_up, why).await?;
        if dead > 0 {
            tracing::error!("{dead} mails were given up: the mail server was out of reach for too long");
        }
        self.done.dead = self.done.dead.saturating_add(dead);
        Ok(())
    }
}
