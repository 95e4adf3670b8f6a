//! What a payer is told of a deposit: where and how much to pay while that is safe, and what became of it. Nothing of the
//! operator's is here: no account, no ids of ours, no books, no reasons in the upstream's words.

use minijinja::{Value, context};

use super::content::Field;
use super::doubt;
use super::fields::{crypto, network_name, paid_by};
use super::letter::{DepositView, LetterInput, PayerView};
use super::text::{instant, safe_link, token, untrusted, usd};
use crate::domain::deposit::{Facts, State, Wallet};
use crate::domain::event::EventName;
use crate::domain::method::Method;
use crate::domain::money::Amount;

/// The facts that a letter to a payer is made of.
pub(super) struct PayerFacts<'a> {
    view: &'a DepositView,
    /// As they were right after the event; those of now where the letter asks for money that is still awaited.
    facts: &'a Facts,
    /// The letter asks for money, and that is still awaited, and something about the address is not certain.
    pub(super) doubtful: bool,
    /// The letter asks for money, and it may be paid.
    pub(super) payable: bool,
}

impl<'a> PayerFacts<'a> {
    pub(super) fn of(input: &LetterInput, view: &'a DepositView, payer: &'a PayerView) -> Self {
        let asks = matches!(input.event, EventName::WalletCreated | EventName::Underpaid);
        let awaited = asks && payer.latest.state == view.facts.state;
        let facts = if awaited { &payer.latest } else { &view.facts };
        // Whoever is asked to pay at a link is given it.
        let link = facts.wallet.as_ref().and_then(|wallet| wallet.shown_url()).and_then(safe_link);
        let linkless = view.request.asset().is_none() && link.is_none();
        let doubtful = awaited && (linkless || doubt::is_unsafe_to_pay(view.request.paid_by, facts));
        let deadline = facts.wallet.as_ref().and_then(|wallet| wallet.expire_at);
        let in_time = deadline.is_none_or(|deadline| payer.now < deadline);
        Self { view, facts, doubtful: doubtful && in_time, payable: awaited && !doubtful && in_time }
    }

    /// The wallet, where the letter may ask to pay to it.
    fn wallet(&self) -> Option<&'a Wallet> {
        self.facts.wallet.as_ref().filter(|_| self.payable && !self.is_charged_again())
    }

    /// Whoever follows the link pays the whole amount a second time: a card's does not know of a part that arrived.
    fn is_charged_again(&self) -> bool {
        self.facts.state == State::Underpaid && self.view.request.method() == Method::Card
    }

    /// Exactly what is to be paid, or was.
    fn due(&self) -> Option<&'a Amount> {
        self.facts.wallet.as_ref().and_then(|wallet| wallet.shown_amount())
    }

    /// The deadline, also of a letter that says it has passed.
    fn deadline(&self) -> Option<String> {
        self.facts.wallet.as_ref().and_then(|wallet| wallet.expire_at).map(instant)
    }

    fn refunded(&self) -> Option<&'a Amount> {
        self.facts.payment.refund_amount.as_ref().filter(|amount| !amount.is_zero())
    }

    /// By name, for templates.
    pub(super) fn values(&self) -> Value {
        let (request, facts) = (&self.view.request, self.facts);
        context! {
            asked => usd(&request.amount),
            asset => request.paid_by.to_string(),
            method => request.method().as_str(),
            by_link => request.asset().is_none(),
            currency => request.asset().map(|asset| asset.currency.as_str()),
            network => request.asset().map(|asset| asset.network.as_str()),
            network_name => request.asset().map(|asset| network_name(asset.network)),
            amount_crypto => self.due().map(ToString::to_string),
            address => self.wallet().and_then(|wallet| wallet.address.as_deref()).map(token),
            memo => self.wallet().and_then(|wallet| wallet.memo.as_deref()).map(untrusted),
            url => self.wallet().and_then(|wallet| wallet.url.as_deref()).and_then(safe_link),
            expire_at => self.deadline(),
            arrived => request.asset().and_then(|_| facts.arrived_crypto()).map(ToString::to_string),
            missing => request.asset().and_then(|_| facts.missing_crypto()),
            outcome => facts.outcome.map(crate::domain::deposit::Outcome::as_str),
            late => facts.late,
            refunded => request.asset().and_then(|_| self.refunded()).map(ToString::to_string),
            txid => facts.txid.as_deref().map(token),
            reference => request.reference.as_deref().map(untrusted),
        }
    }

    /// As a table.
    pub(super) fn fields(&self) -> Vec<Field> {
        let (view, request, facts) = (self.view, &self.view.request, self.facts);
        let mut fields = vec![Field::new("Payment", usd(&request.amount))];
        let missing = facts.missing_crypto().filter(|_| self.payable);
        match self.due() {
            // Of two amounts to be paid somebody pays the wrong one.
            Some(due) if self.payable && missing.is_none() => {
                fields.push(Field::mono("Exact amount", crypto(due, view)))
            }
            Some(due) => fields.push(Field::new("Amount asked for", crypto(due, view))),
            None => {
                fields.extend(request.asset().map(|asset| Field::new("Currency", asset.currency.as_str())))
            }
        }
        if let Some(amount) = facts.arrived_crypto().filter(|_| request.asset().is_some()) {
            fields.push(Field::new("Arrived", crypto(amount, view)));
        }
        if let Some((missing, asset)) = missing.zip(request.asset()) {
            fields.push(Field::mono("Still missing", format!("{missing} {}", asset.currency)));
        }
        fields.push(paid_by(request));
        if let Some(wallet) = self.wallet() {
            fields.extend(wallet.address.as_deref().map(|address| Field::mono("Address", token(address))));
            let link = wallet.shown_url().filter(|_| wallet.is_link()).and_then(safe_link);
            fields.extend(link.map(|link| Field::mono("Link", link)));
            if let Some(memo) = &wallet.memo {
                fields.push(Field::mono("Memo (give it with the payment)", untrusted(memo)));
            }
        }
        if let Some(deadline) = self.deadline() {
            fields.push(Field::new("Deadline", deadline));
        }
        if let Some(amount) = self.refunded().filter(|_| request.asset().is_some()) {
            fields.push(Field::new("Sent back", crypto(amount, view)));
        }
        if let Some(txid) = &facts.txid {
            fields.push(Field::mono("Transaction", token(txid)));
        }
        if let Some(reference) = &request.reference {
            fields.push(Field::new("Reference", untrusted(reference)));
        }
        fields
    }
}
