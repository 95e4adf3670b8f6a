//! Each deposit with its order: what is compared.

use std::collections::HashMap;

use crate::domain::deposit::Deposit;
use crate::flow::Flow;
use crate::ledger::{DepositFilter, HistoryPosting};
use crate::sandbox::scenario::context::{Opens, ScenarioContext};
use crate::sandbox::scenario::error::Error;
use crate::sandbox::upstream::{Fate, OrderView};

/// So many deposits are read at once.
const PAGE: u32 = 500;

/// A deposit as both sides have it.
pub(super) struct Pair {
    pub(super) deposit: Deposit,
    pub(super) postings: Vec<HistoryPosting>,
    pub(super) order: Option<OrderView>,
    pub(super) fate: Option<Fate>,
}

/// Every deposit of the ledger with its order.
pub(super) async fn pairs(context: &ScenarioContext, flow: &Flow, opens: &Opens) -> Result<Vec<Pair>, Error> {
    let fates: HashMap<_, _> = context
        .script
        .members
        .iter()
        .filter_map(|member| opens.get(&member.number).map(|id| (*id, member.fate)))
        .collect();
    let mut pairs = Vec::new();
    let mut listing = DepositFilter { limit: PAGE, ..DepositFilter::default() };
    loop {
        let (deposits, next) = flow.ledger.list(&listing).await?;
        for deposit in deposits {
            let order = context.order_of(&deposit);
            let fate = fates.get(&deposit.id).copied();
            let story = flow.ledger.story(deposit).await?;
            pairs.push(Pair { deposit: story.deposit, postings: story.postings, order, fate });
        }
        if next.is_none() {
            return Ok(pairs);
        }
        listing.cursor = next;
    }
}
