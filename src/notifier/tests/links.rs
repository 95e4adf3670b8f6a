//! What the letters say of payment pages and cards: never of an address, a coin or a network.

use super::super::{Letter, PayerView, compose};
use super::*;
use crate::domain::event::Topic;
use crate::domain::method::{Method, PaidBy};

const PAGE: &str = "https://pay.cryptomus.com/pay/991d9a35-1c2e-4b5c-8f1a-0123456789ab";
const CARD: &str = "https://api.pay4bit.net/pay?sum=5.00&currency=USD&sign=0a1b2c3d";

fn composed(input: &LetterInput) -> Letter {
    compose(&super::super::Templates::builtin().unwrap(), input, "12345").unwrap()
}

/// Paid by its link, with everything that can be known of such a deposit.
fn linked(paid_by: PaidBy, state: State) -> DepositView {
    let mut view = view(state);
    view.request.paid_by = paid_by;
    view.request.amount = amount("5");
    view.facts.txid = None;
    let wallet = view.facts.wallet.as_mut().unwrap();
    (wallet.order_id, wallet.address, wallet.amount_crypto, wallet.amount_usd) = (None, None, None, None);
    wallet.url = Some(if paid_by == PaidBy::Page { PAGE } else { CARD }.to_owned());
    view
}

#[test]
fn no_letter_about_a_link_speaks_of_addresses_coins_or_networks() {
    for paid_by in [PaidBy::Page, PaidBy::Card] {
        let deposits = |event: &&EventName| event.has_letter() && event.topic() == Topic::Deposit;
        for event in EventName::ALL.iter().filter(deposits) {
            for state in State::ALL {
                let view = linked(paid_by, *state);
                let payer = PayerView { latest: view.facts.clone(), now: at(730) };
                let payers = LetterInput { payer: Some(payer), ..letter(*event, Some(view.clone())) };
                let told = event.is_told_to_payers().then_some(payers);
                for input in told.into_iter().chain([letter(*event, Some(view))]) {
                    let letter = composed(&input);
                    let text = letter.text.to_lowercase();
                    assert!(!letter.html.to_lowercase().contains("payment address"), "{}", letter.html);
                    let what =
                        format!("{event} of {paid_by} in {state}: {}\n{}", letter.subject, letter.text);
                    for word in ["address", "undefined", "order id", "exchange", "3.00"] {
                        let of_the_mail = word == "address" && text.contains("mail address");
                        assert!(of_the_mail || !text.contains(word), "{word} in {what}");
                    }
                    assert!(paid_by == PaidBy::Page || !text.contains("network"), "{what}");
                    assert!(!text.contains("\n\n\n") && !letter.subject.contains("  "), "{what}");
                }
            }
        }
    }
}

#[test]
fn who_pays_is_given_the_link_and_how_much_while_it_may_be_paid() {
    for (paid_by, link, words) in [(PaidBy::Page, PAGE, "by payment page"), (PaidBy::Card, CARD, "by card")] {
        assert_eq!(paid_by.method() == Method::Card, link == CARD);
        let view = linked(paid_by, State::AwaitingPayment);
        let payer = |view: &DepositView| Some(PayerView { latest: view.facts.clone(), now: at(730) });
        let operators = letter(EventName::WalletCreated, Some(view.clone()));
        let payers = LetterInput { payer: payer(&view), ..operators.clone() };
        for input in [operators, payers] {
            let letter = composed(&input);
            assert!(
                letter.text.contains(&format!("Pay 5.00 USD {words} at the link below")),
                "{}",
                letter.text
            );
            assert!(letter.text.contains(link) && letter.inline.is_some(), "{}", letter.text);
            assert!(
                letter.subject.contains("5.00 USD") && letter.subject.contains(words),
                "{}",
                letter.subject
            );
        }
        // In doubt, or withheld, it is given to nobody.
        let mut withheld = view.clone();
        withheld.facts.wallet.as_mut().unwrap().withheld =
            Some("the link is not shown, do not pay".to_owned());
        for view in
            [withheld, flagged(view, "do not pay before a person has looked: the link asks for 500 USD")]
        {
            let input = letter(EventName::WalletCreated, Some(view.clone()));
            let payers = LetterInput { payer: payer(&view), ..input.clone() };
            for (input, payers) in [(input, false), (payers, true)] {
                let letter = composed(&input);
                assert!(letter.subject.to_lowercase().contains("do not pay"), "{}", letter.subject);
                assert!(letter.inline.is_none(), "{}", letter.text);
                assert!(!payers || !letter.text.contains(link), "{}", letter.text);
            }
        }
    }
}

#[test]
fn a_card_is_not_charged_again_for_what_is_missing_and_a_page_asks_for_the_rest() {
    for paid_by in [PaidBy::Page, PaidBy::Card] {
        let view = linked(paid_by, State::Underpaid);
        let payer = Some(PayerView { latest: view.facts.clone(), now: at(730) });
        let operators = letter(EventName::Underpaid, Some(view));
        let payers = LetterInput { payer, ..operators.clone() };
        for (input, code) in [(operators, false), (payers, true)] {
            let letter = composed(&input);
            let asks = letter.text.contains("Open the payment page: https");
            assert_eq!(asks, paid_by == PaidBy::Page, "{}", letter.text);
            assert_eq!(
                letter.text.contains("The payment page says what is missing"),
                asks,
                "{}",
                letter.text
            );
            assert_eq!(letter.inline.is_some(), asks && code, "{}", letter.text);
            let again = "Do not pay at the link a second time: it asks for the whole 5.00 USD again.";
            let text = letter.text.replace('\n', " ");
            assert_eq!(text.contains(again), paid_by == PaidBy::Card, "{}", letter.text);
            assert!(asks || !code || !text.contains(CARD), "{}", letter.text);
        }
    }
}

#[test]
fn after_the_deadline_of_a_link_a_person_is_told_how_to_look_for_its_row() {
    for (paid_by, told) in [(Some(PaidBy::Page), true), (Some(PaidBy::Card), true), (None, false)] {
        let view = match paid_by {
            Some(paid_by) => linked(paid_by, State::Expired),
            None => view(State::Expired),
        };
        let commands =
            ["depositd show ", "depositd cases match ROW "].map(|start| format!("{start}{}", view.id));
        let operators = letter(EventName::Expired, Some(view.clone()));
        let letter = composed(&operators);
        for command in &commands {
            assert_eq!(letter.text.contains(command), told, "{}", letter.text);
            assert_eq!(letter.html.contains(command), told, "{}", letter.html);
        }
        // A payer has no commands to type.
        let payer = Some(PayerView { latest: view.facts, now: at(730) });
        let letter = composed(&LetterInput { payer, ..operators });
        assert!(!letter.text.contains("depositd "), "{}", letter.text);
    }
}

#[test]
fn templates_are_tried_with_all_ways_to_pay() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wallet_created.txt");
    std::fs::write(
        &file,
        "{{ deposit.asked }}{% if deposit.method == 'card' %}{{ nobody.knows }}{% endif %}",
    )
    .unwrap();
    let error = super::super::Templates::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("wallet_created.txt, line 1"), "{error}");
    std::fs::write(&file, "{{ deposit.asked }} {{ deposit.url }} {{ deposit.by_link }}").unwrap();
    super::super::Templates::load(folder.path()).unwrap();
}

#[test]
fn a_link_that_no_letter_may_show_asks_nobody_to_pay() {
    for odd in ["https://api.pay4bit.net/pay?desc=Bob's&sum=5.00", "https://api.pay4bit.net/pay?desc=a|b"] {
        let mut view = linked(PaidBy::Card, State::AwaitingPayment);
        view.facts.wallet.as_mut().unwrap().url = Some(odd.to_owned());
        let payer = Some(PayerView { latest: view.facts.clone(), now: at(730) });
        let operators = letter(EventName::WalletCreated, Some(view));
        let payers = composed(&LetterInput { payer, ..operators.clone() });
        assert!(payers.subject.starts_with("Do not pay yet: 5.00 USD (card)"), "{}", payers.subject);
        let operators = composed(&operators);
        assert!(operators.text.contains("needs a person's review first"), "{}", operators.text);
        for letter in [payers, operators] {
            assert!(!letter.text.contains("below") && letter.inline.is_none(), "{}", letter.text);
            assert!(!letter.html.contains("href="), "{}", letter.html);
        }
    }
}
