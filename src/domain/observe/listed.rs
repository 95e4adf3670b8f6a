//! Links to pay by, and what the invoice list says of them.

use super::draft::Draft;
use super::observation::InvalidTransition;
use crate::domain::deposit::{Facts, ReviewKind, State, Wallet};
use crate::domain::event::EventName;
use crate::domain::link;
use crate::domain::listing::Listing;
use crate::domain::method::Method;
use crate::domain::poll::Policy;
use crate::domain::report::{OrderReport, agree_that_past};

impl Draft {
    /// The upstream gave a link: whatever it says, no other one is asked for.
    pub(super) fn receive_link(&mut self, mut wallet: Wallet) {
        let request = &self.deposit.request;
        let read = link::read(wallet.url.as_deref().unwrap_or_default(), request.method(), &request.amount);
        wallet.withheld.clone_from(&read.withheld);
        self.facts.wallet = Some(wallet);
        self.enter(State::AwaitingPayment, None);
        if let Some(reason) = read.withheld.or(read.doubt) {
            let kind = if read.other_amount { ReviewKind::Stopping } else { ReviewKind::Standing };
            self.flag_always(kind, reason);
        }
    }

    /// True for a payment page of which the status call has never said anything.
    pub(super) fn leaves_status_call(&self) -> bool {
        let wallet = self.facts.wallet.as_ref();
        self.deposit.request.method() == Method::Page
            && !self.facts.named
            && wallet.is_some_and(|wallet| wallet.order_id.is_none() && !wallet.listed_only)
    }

    /// The status call does not know the payment page: the list tells what becomes of it.
    pub(super) fn follow_list(&mut self) {
        if let Some(wallet) = self.facts.wallet.as_mut() {
            wallet.listed_only = true;
        }
        let reason =
            "the status call does not know this payment page: the invoice list is followed".to_owned();
        self.same_state(EventName::StatusChanged, Some(reason));
    }

    /// The order that the status call names when it is asked about a payment page is the page's.
    pub(super) fn take_order_of_page(&mut self, report: &OrderReport) {
        let page = self.deposit.request.method() == Method::Page;
        if let Some(wallet) = self.facts.wallet.as_mut().filter(|wallet| page && wallet.order_id.is_none()) {
            wallet.order_id.clone_from(&report.order_id);
        }
    }

    /// What the rows of the list say, as an answer about the order would. Where there is no row, the list says that nothing
    /// was paid yet, and time passes.
    pub(super) fn apply_listing(&mut self, listing: &Listing, policy: &Policy) {
        self.tell_left_out();
        if listing.rows == 0 && self.facts.state != State::AwaitingPayment {
            return;
        }
        self.judge(&listing.report(), policy);
        // A person who says whose row it is has seen its amount.
        let other = listing.other_amount(&self.deposit.request).filter(|_| !self.facts.matched);
        if let Some(reason) = other {
            self.flag_always(ReviewKind::Stopping, reason);
        }
    }

    /// A person says which row is this deposit's.
    ///
    /// # Errors
    /// Where it has no link, or has an order already.
    pub(super) fn match_row(&mut self, order_id: String, reason: String) -> Result<(), InvalidTransition> {
        let wallet = self.facts.wallet.as_mut().filter(|wallet| wallet.is_link());
        let wallet = wallet.ok_or(InvalidTransition::NotToBeMatched(
            "only a payment page or a card payment is matched with a row by a person: a wallet's rows bear its order",
        ))?;
        if wallet.order_id.is_some() {
            return Err(InvalidTransition::NotToBeMatched(
                "it has a row already; take that back first: depositd cases unmatch",
            ));
        }
        wallet.order_id = Some(order_id);
        self.facts.matched = true;
        self.same_state(EventName::Matched, Some(reason));
        Ok(())
    }

    /// A person takes back which row is this deposit's: it stands where it would stand without one. When it first settled
    /// and first expired stays known.
    ///
    /// # Errors
    /// Where no person has said so, or money went back.
    pub(super) fn unmatch_row(&mut self, reason: String, policy: &Policy) -> Result<(), InvalidTransition> {
        if !self.facts.matched {
            return Err(InvalidTransition::NotToBeMatched("no person has matched this deposit with a row"));
        }
        if self.facts.refunded_at.is_some() {
            return Err(InvalidTransition::NotToBeMatched(
                "money of it went back: see depositd cases correct",
            ));
        }
        let over_at = self.facts.over_at(policy.expiry_grace, policy.link_limit);
        let over = over_at.is_some_and(|over_at| agree_that_past(over_at, self.ours, self.theirs));
        let state = if over { State::Expired } else { State::AwaitingPayment };
        let before = self.facts.clone();
        let wallet = before.wallet.map(|wallet| Wallet { order_id: None, expire_at: None, ..wallet });
        self.facts = Facts {
            state,
            since: self.now,
            wallet,
            expired_at: before.expired_at.or(over.then_some(self.now)),
            settled_at: before.settled_at,
            review: before.review,
            acknowledged: before.acknowledged,
            chatter: before.chatter,
            ..Facts::new(self.now)
        };
        self.push(EventName::Matched, Some(before.state), Some(reason));
        Ok(())
    }
}
