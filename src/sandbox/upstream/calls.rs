//! Which calls were made: counted for ever, the latest of them listed.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::faults::Call;
use crate::domain::time::Timestamp;

/// How many calls are listed; older ones are only counted.
const LISTED: usize = 100_000;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedCall {
    /// Its kind; [`Call::Any`] for a path that the contract does not have.
    pub call: Call,
    /// The order that it named or made.
    pub order_id: Option<String>,
    /// When, by the simulator's clock.
    pub at: Timestamp,
}

/// The calls so far, those that failed too.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Calls {
    counts: BTreeMap<String, u64>,
    /// The latest hundred thousand, oldest first.
    pub log: VecDeque<LoggedCall>,
}

impl Calls {
    /// How many of this kind; of all kinds for [`Call::Any`].
    #[must_use]
    pub fn count(&self, call: Call) -> u64 {
        if call == Call::Any {
            return self.counts.values().copied().fold(0, u64::saturating_add);
        }
        self.counts.get(word(call)).copied().unwrap_or(0)
    }

    /// The listed calls that named or made this order.
    pub fn of(&self, order_id: &str) -> impl Iterator<Item = &LoggedCall> {
        self.log.iter().filter(move |logged| logged.order_id.as_deref() == Some(order_id))
    }

    pub(super) fn push(&mut self, call: Call, order_id: Option<String>, at: Timestamp) {
        match self.counts.get_mut(word(call)) {
            Some(count) => *count = count.saturating_add(1),
            None => {
                self.counts.insert(word(call).to_owned(), 1);
            }
        }
        if self.log.len() >= LISTED {
            self.log.pop_front();
        }
        self.log.push_back(LoggedCall { call, order_id, at });
    }
}

const fn word(call: Call) -> &'static str {
    match call {
        Call::Create => "create",
        Call::CreatePage => "create_page",
        Call::CreateCard => "create_card",
        Call::Look => "look",
        Call::Invoices => "invoices",
        Call::Balance => "balance",
        Call::Coupons => "coupons",
        Call::Any => "other",
    }
}
