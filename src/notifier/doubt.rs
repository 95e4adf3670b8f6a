//! Whether a letter may say where to pay.

use super::letter::LetterInput;
use crate::domain::address::{self, AddressVerdict};
use crate::domain::deposit::{Facts, State};
use crate::domain::event::EventName;
use crate::domain::method::PaidBy;

/// True when a review flag says something of where the money should go.
fn doubts_the_address(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    let words = ["address", "currency", "network", "contradict", "order_id", "another order", "do not pay"];
    words.iter().any(|word| reason.contains(word))
}

/// True when a payer must not be given the address, or the link: it is withheld, malformed or another deposit's, too, or a
/// flag says something of where the money should go.
#[must_use]
pub fn is_unsafe_to_pay(paid_by: PaidBy, facts: &Facts) -> bool {
    let Some(wallet) = &facts.wallet else { return true };
    let flagged = facts.review.as_ref().is_some_and(|review| doubts_the_address(&review.reason));
    let Some((asset, address)) = paid_by.asset().zip(wallet.address.as_deref()) else {
        return wallet.shown_url().is_none() || flagged;
    };
    let malformed = matches!(address::check(asset.network, address), AddressVerdict::Malformed(_));
    wallet.shown_amount().is_none() || wallet.shared || malformed || flagged
}

/// True when the address is withheld, or a flag says something of where the money should go: then nobody should send
/// any.
pub(super) fn is_doubtful(input: &LetterInput) -> bool {
    let Some(view) = &input.deposit else { return false };
    let flagged = input.reason.as_deref().filter(|_| input.event == EventName::NeedsReview);
    let review = view.facts.review.as_ref().map(|review| review.reason.as_str());
    let open = matches!(
        view.facts.state,
        State::Requested | State::AwaitingPayment | State::Underpaid | State::Unresolved
    );
    let withheld = view.facts.wallet.as_ref().is_some_and(|wallet| wallet.withheld.is_some());
    withheld || open && (flagged.is_some_and(doubts_the_address) || review.is_some_and(doubts_the_address))
}
