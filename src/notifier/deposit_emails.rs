//! What the letter about each event of a deposit says: the fact, what it means, and what to do next.

use super::content::{Content, Field, Link, Tone};
use super::fields::{self, crypto};
use super::letter::{DepositView, LetterInput};
use super::qr;
use super::text::{instant, minute, safe_link, span, untrusted, untrusted_within, usd};
use crate::domain::deposit::{Outcome, State};
use crate::domain::event::EventName;

/// The longest reference in a subject.
const SUBJECT_REFERENCE: usize = 60;
const LOOKED_AT: &str = "depositd goes on watching this order for some days: should money still come, or the upstream \
     say something else, another letter follows.";

/// One letter in the making: the deposit and the words that recur.
struct DepositEmail<'a> {
    input: &'a LetterInput,
    view: &'a DepositView,
    /// `5.00 USD`
    asked: String,
    /// The event's own reason, or the review flag's.
    reason: Option<String>,
    /// The address must not be paid to.
    doubtful: bool,
}

/// The letter about `view`.
pub(super) fn of_deposit(input: &LetterInput, view: &DepositView) -> Content {
    let review = view.facts.review.as_ref().map(|review| review.reason.as_str());
    let email = DepositEmail {
        input,
        view,
        asked: usd(&view.request.amount),
        reason: input.reason.as_deref().or(review).map(untrusted).filter(|reason| !reason.is_empty()),
        doubtful: doubts_the_address(input, review),
    };
    let mut content = match input.event {
        EventName::WalletCreated => email.wallet_created(),
        EventName::Confirming => email.confirming(),
        EventName::Underpaid => email.underpaid(),
        EventName::Settled => email.settled(),
        EventName::Short => email.short(),
        EventName::Expired => email.expired(),
        EventName::Failed => email.failed(),
        EventName::Held => email.held(),
        EventName::Refunded => email.refunded(),
        EventName::Rejected => email.rejected(),
        EventName::Unresolved => email.unresolved(),
        EventName::NeedsReview => email.needs_review(),
        _ => email.other(),
    };
    content.fields = fields::of_deposit(input.event, view, email.doubtful);
    if let (Some(reason), false) = (&email.reason, input.event == EventName::NeedsReview) {
        let label = if input.reason.is_some() { "Reason" } else { "Needs review" };
        content.fields.push(Field::new(label, reason.clone()));
    }
    if email.doubtful {
        content.link = None;
        content.qr = None;
        content.warning = Some(
            "Do not pay. What the upstream answered about the address, the currency or the network of this deposit \
             is wrong or contradicts itself: money sent there may be lost. Wait until a person has cleared the flag."
                .to_owned(),
        );
    }
    content
}

/// True when a flag says something of where the money should go: then nobody should send any.
fn doubts_the_address(input: &LetterInput, review: Option<&str>) -> bool {
    let flagged = input.reason.as_deref().filter(|_| input.event == EventName::NeedsReview);
    let open = input.deposit.as_ref().is_none_or(|view| {
        matches!(
            view.facts.state,
            State::Requested | State::AwaitingPayment | State::Underpaid | State::Unresolved
        )
    });
    let words = ["address", "currency", "network", "contradict", "order_id", "another order"];
    let doubts = |text: &str| {
        let text = text.to_lowercase();
        words.iter().any(|word| text.contains(word))
    };
    let withheld = input.deposit.as_ref().and_then(|view| view.facts.wallet.as_ref());
    let withheld = withheld.is_some_and(|wallet| wallet.withheld.is_some());
    withheld || open && (flagged.is_some_and(doubts) || review.is_some_and(doubts))
}

impl DepositEmail<'_> {
    /// `State in words: amount (currency on network) – reference`.
    fn subject(&self, state: &str, amount: &str) -> String {
        self.titled(&format!("{state}: {amount} ({})", self.view.request.asset))
    }

    fn titled(&self, words: &str) -> String {
        match &self.view.request.reference {
            Some(reference) => format!("{words} – {}", untrusted_within(reference, SUBJECT_REFERENCE)),
            None => words.to_owned(),
        }
    }

    fn content(&self, tone: Tone, subject: String, lead: String, next: &[&str]) -> Content {
        Content {
            next: next.iter().map(|text| (*text).to_owned()).collect(),
            ..Content::new(tone, subject, lead)
        }
    }

    fn link(&self, label: &str) -> Option<Link> {
        let url = self.view.facts.wallet.as_ref()?.url.as_deref()?;
        safe_link(url).map(|url| Link { label: label.to_owned(), url })
    }

    fn because(&self) -> String {
        self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
    }

    fn wallet_created(&self) -> Content {
        let network = self.view.request.asset.network;
        let Some(wallet) = &self.view.facts.wallet else {
            let lead = format!("A wallet for the deposit of {} exists.", self.asked);
            return self.content(Tone::Act, self.subject("Wallet ready", &self.asked), lead, &[]);
        };
        if self.doubtful || wallet.shown_amount().is_none() {
            let subject = self.subject("Wallet in doubt, do not pay", &self.asked);
            let lead = format!(
                "The upstream made a wallet for {}, but it needs a person's review first.",
                self.asked
            );
            return self.content(Tone::Bad, subject, lead, &[]);
        }
        let due = wallet.shown_amount().map(|due| crypto(due, self.view)).unwrap_or_default();
        let subject = self.titled(&format!("Wallet ready: {}, pay {due} on {network}", self.asked));
        let by = wallet.expire_at.map(|at| format!(" by {}", instant(at))).unwrap_or_default();
        let lead = format!("Pay exactly {due} on {network}{by}.");
        let only = format!(
            "Send the exact amount, in one payment, on {}. What is sent in another currency or on another network is \
             lost. Fees of your exchange or wallet come on top: the full amount must arrive.",
            fields::network_name(network)
        );
        let mut content = self.content(Tone::Act, subject, lead, &[&only]);
        content.next.push(
            "After the deadline do not pay to this address any more: ask for a new deposit instead."
                .to_owned(),
        );
        if let Some(memo) = &wallet.memo {
            content.next.insert(
                0,
                format!(
                    "Give this memo (tag, comment, payment id) with the payment, or it does not arrive: {}",
                    untrusted(memo)
                ),
            );
        }
        content.link = self.link("Open the payment page");
        content.qr = wallet
            .shown_address()
            .zip(wallet.shown_amount())
            .map(|(address, amount)| qr::payment_uri(self.view.request.asset, address, amount.as_str()));
        content
    }

    fn confirming(&self) -> Content {
        let what = fields::arrived(&self.view.facts).map_or_else(
            || format!("The payment for the deposit of {}", self.asked),
            |amount| format!("A payment of {} for the deposit of {}", crypto(amount, self.view), self.asked),
        );
        let lead = format!("{what} was seen on the chain and waits for confirmations.");
        let next = ["Nothing to do: another letter follows when it is credited."];
        self.content(Tone::Calm, self.subject("Payment seen", &self.asked), lead, &next)
    }

    fn underpaid(&self) -> Content {
        let network = self.view.request.asset.network;
        let facts = &self.view.facts;
        let due = facts.wallet.as_ref().and_then(|wallet| wallet.shown_amount());
        let due = due.map(|due| crypto(due, self.view));
        let lead = match (fields::arrived(facts), due, fields::missing(facts)) {
            (Some(arrived), Some(due), Some(missing)) => format!(
                "Only {} of {due} arrived: {missing} {} on {network} are missing.",
                crypto(arrived, self.view),
                self.view.request.asset.currency
            ),
            _ => {
                format!("Less than required arrived for the deposit of {}; more may still come.", self.asked)
            }
        };
        let until = facts.wallet.as_ref().and_then(|wallet| wallet.expire_at).map_or_else(
            || "before the deadline".to_owned(),
            |deadline| format!("before {}", instant(deadline)),
        );
        let next = format!(
            "Send what is missing to the same address, on the same network, {until}; fees come on top. Otherwise the \
             deposit closes short, and what arrived is credited only as far as the upstream decides."
        );
        let mut content =
            self.content(Tone::Act, self.subject("Deposit underpaid", &self.asked), lead, &[&next]);
        content.link = self.link("Open the payment page");
        content
    }

    fn settled(&self) -> Content {
        let facts = &self.view.facts;
        let credited = facts.booked.as_ref().map(|booked| format!("{} USD", booked.total()));
        let figure = credited.clone().unwrap_or_else(|| self.asked.clone());
        let over = facts.outcome == Some(Outcome::Over);
        let state = match (facts.late, over) {
            (true, true) => "Deposit settled late, overpaid",
            (true, false) => "Deposit settled late",
            (false, true) => "Deposit settled, overpaid",
            (false, false) => "Deposit settled",
        };
        let took = facts
            .settled_at
            .map(|at| format!(", {} after the request", span(at.since(self.view.request.requested_at))));
        let lead = match credited {
            Some(credited) => {
                format!("{credited} were credited to the prepaid account{}.", took.unwrap_or_default())
            }
            None => format!("The deposit of {} was credited to the prepaid account.", self.asked),
        };
        let mut next = Vec::new();
        if facts.late {
            next.push(
                "The money came after this deposit had been called expired, and was credited all the same. If a \
                 second deposit was asked for and paid in its place, both are now credited.",
            );
        }
        if over {
            next.push(
                "More was paid than was asked for. The credited amount above is the upstream's figure; if the surplus \
                 was a mistake, write to SMSOnline's support and name the order id.",
            );
        }
        if self.view.facts.booked.as_ref().map(|booked| Some(booked.total()))
            != Some(self.view.request.amount.to_usd_micros())
            && !over
        {
            next.push(
                "The credited amount is not the amount asked: a fee, a rounding or a coupon upstream. The books hold \
                 what was credited.",
            );
        }
        let tone = if facts.late || over { Tone::Warn } else { Tone::Good };
        self.content(tone, self.subject(state, &figure), lead, &next)
    }

    fn short(&self) -> Content {
        let credited = match &self.view.facts.booked {
            Some(booked) => format!("{} USD of it were credited", booked.total()),
            None => "nothing of it was credited so far".to_owned(),
        };
        let lead = format!("The deposit of {} closed with less than required; {credited}.", self.asked);
        let next = [
            "The address takes no more money: do not send the rest there. Ask for a new deposit for what is missing.",
            "If what arrived was not credited, write to SMSOnline's support and name the order id and the \
             transaction.",
            LOOKED_AT,
        ];
        self.content(Tone::Bad, self.subject("Deposit short", &self.asked), lead, &next)
    }

    fn expired(&self) -> Content {
        let deadline = self.view.facts.wallet.as_ref().and_then(|wallet| wallet.expire_at);
        let deadline = deadline.map(|at| format!(" by {}", instant(at)));
        let lead = if fields::arrived(&self.view.facts).is_some() {
            format!("The deposit of {} expired after only a part of it had arrived.", self.asked)
        } else {
            format!("The deposit of {} was not paid{}.", self.asked, deadline.unwrap_or_default())
        };
        let next = [
            "Do not pay to its address any more. If the money is still wanted, ask for a new deposit.",
            "If it was paid already, there is nothing to do now: depositd goes on watching this order for some days, \
             and another letter follows when the payment is credited. Should none come, write to SMSOnline's support \
             and name the order id and the transaction.",
        ];
        self.content(Tone::Warn, self.subject("Deposit expired", &self.asked), lead, &next)
    }

    fn failed(&self) -> Content {
        let lead =
            format!("The deposit of {} failed at the payment processor{}.", self.asked, self.because());
        let next = [
            "If nothing was sent, ask for a new deposit. If money was sent, do not send it again: write to \
             SMSOnline's support and name the order id and the transaction.",
            LOOKED_AT,
        ];
        self.content(Tone::Bad, self.subject("Deposit failed", &self.asked), lead, &next)
    }

    fn held(&self) -> Content {
        let lead = format!(
            "The payment for the deposit of {} is locked by the processor's anti-money-laundering checks.",
            self.asked
        );
        let next = [
            "The money is neither credited nor lost. The processor may ask where it comes from: write to SMSOnline's \
             support, name the order id, and have the payer's details at hand.",
            "Do not pay a second time. depositd keeps looking; another letter follows when the state changes.",
        ];
        self.content(Tone::Bad, self.subject("Deposit held", &self.asked), lead, &next)
    }

    fn refunded(&self) -> Content {
        let lead = match &self.view.facts.booked {
            Some(booked) => format!("{} USD that had been credited went back to the payer.", booked.total()),
            None => format!("The payment for the deposit of {} went back to the payer.", self.asked),
        };
        let next = [
            "What had been booked is taken back by an entry of today's date. Ask the payer whether the money arrived.",
        ];
        self.content(Tone::Warn, self.subject("Deposit refunded", &self.asked), lead, &next)
    }

    fn rejected(&self) -> Content {
        let lead = format!("The upstream refused to make a wallet for {}{}.", self.asked, self.because());
        let mut next =
            vec!["There is nothing to pay. Correct what the reason names and ask for a new deposit."];
        if self.view.request.coupon.is_some() {
            next.push("The request named a coupon: an invalid or expired one is refused this way.");
        }
        self.content(Tone::Bad, self.subject("Deposit rejected", &self.asked), lead, &next)
    }

    fn unresolved(&self) -> Content {
        let lead =
            format!("There is no wallet for {} that anybody could be shown{}.", self.asked, self.because());
        let next = [
            "Nobody was shown an address, so nothing was paid. Ask for a new deposit if the money is still wanted.",
        ];
        self.content(Tone::Warn, self.subject("Deposit unresolved", &self.asked), lead, &next)
    }

    fn needs_review(&self) -> Content {
        let state = if self.doubtful { "Needs review, do not pay" } else { "Needs review" };
        let lead = match &self.reason {
            Some(reason) => format!("A person should look at the deposit of {}: {reason}", self.asked),
            None => format!("A person should look at the deposit of {}.", self.asked),
        };
        let id = self.view.id;
        let next = [
            "See its history with the first command; when it is understood, clear the flag with the second.",
        ];
        let mut content = self.content(Tone::Bad, self.subject(state, &self.asked), lead, &next);
        content.commands =
            vec![format!("depositd show {id}"), format!("depositd review {id} --note \"what you found\"")];
        content
    }

    /// For events that no rule can name; `mail test` and previews still show something sensible.
    fn other(&self) -> Content {
        let words = self.input.event.as_str().replace('_', " ");
        let lead =
            format!("Deposit of {}: {words} at {}{}.", self.asked, minute(self.input.at), self.because());
        self.content(Tone::Calm, self.subject(&format!("Deposit {words}"), &self.asked), lead, &[])
    }
}
