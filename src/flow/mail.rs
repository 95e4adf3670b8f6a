//! What a person asks of the mails: one more attempt, or a test.

use super::Flow;
use crate::domain::event::{EventName, Recipient};
use crate::ledger::{self, AccountEvent};

impl Flow {
    /// Sends again at once what waits or was given up: one mail, or all; gives how many.
    pub async fn retry_mails(&self, id: Option<i64>) -> ledger::Result<u64> {
        if let Some(id) = id {
            self.delivery_state.ask_for(id);
        }
        let retried = self.ledger.retry_mails(id, self.clock.now()).await?;
        self.delivery_state.reopen();
        self.wakers.deliver.notify_one();
        Ok(retried)
    }

    /// The way out may be another one now: where it was closed, what waits for it is tried at once.
    ///
    /// # Errors
    /// Whatever the ledger says; what waits is then tried when it would have been.
    pub async fn mail_way_changed(&self) -> ledger::Result<()> {
        let now = self.clock.now();
        if self.delivery_state.is_closed(now) {
            self.ledger.hasten_mails(now).await?;
            self.delivery_state.reopen();
        }
        self.wakers.deliver.notify_one();
        Ok(())
    }

    /// Owes a test message to `to`, or to everybody that an ordinary alert would go to.
    pub async fn mail_test(&self, to: Option<String>) -> ledger::Result<Vec<String>> {
        let mail_to = match to {
            Some(to) => vec![to],
            None => self.rules.current().mailed(EventName::UpstreamDown),
        };
        let notice = AccountEvent {
            name: EventName::MailTest,
            at: self.clock.now(),
            reason: None,
            facts: serde_json::json!({}),
            mail_to: mail_to.iter().cloned().map(Recipient::Operator).collect(),
        };
        self.ledger.announce(vec![notice]).await?;
        self.delivery_state.reopen();
        self.wakers.deliver.notify_one();
        Ok(mail_to)
    }
}
