//! Whether a letter may say where to pay.

use super::letter::LetterInput;
use crate::domain::deposit::State;
use crate::domain::event::EventName;

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
    let words = ["address", "currency", "network", "contradict", "order_id", "another order"];
    let doubts = |text: &str| {
        let text = text.to_lowercase();
        words.iter().any(|word| text.contains(word))
    };
    let withheld = view.facts.wallet.as_ref().is_some_and(|wallet| wallet.withheld.is_some());
    withheld || open && (flagged.is_some_and(doubts) || review.is_some_and(doubts))
}
