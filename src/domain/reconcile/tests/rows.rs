//! A row of the list: what its word weighs, what must be readable, what it is called by.

use super::*;
use crate::domain::report::Invoice;
use crate::domain::status::Status;

#[test]
fn every_word_has_its_weight() {
    let of = |word: &str| Weight::of(Some(word));
    for (word, status) in Status::WORDS {
        let expected = match status {
            Status::Paid | Status::PaidOver => Weight::Amount,
            Status::WrongAmount | Status::RefundProcess | Status::RefundFail | Status::RefundPaid => {
                Weight::Follows
            }
            _ => Weight::Nothing,
        };
        assert_eq!(
            (of(word), of(&word.to_uppercase()), of(&format!(" {word} "))),
            (expected, expected, expected),
            "{word}"
        );
    }
    assert_eq!((Weight::of(None), of(""), of("paidd")), (Weight::Nothing, Weight::Nothing, Weight::Nothing));
    assert_eq!(
        (Weight::Nothing as u8, Weight::Amount as u8, Weight::Follows as u8),
        (0, 1, 2),
        "as the ledger keeps them"
    );
}

fn invoice() -> Invoice {
    Invoice {
        sesid: Some("Ses".to_owned()),
        pay_id: Some("Pay".to_owned()),
        method: Some("card".to_owned()),
        amount_cents: Some(485),
        created: Some(at(0)),
        expires_at: None,
        status: Some("paid".to_owned()),
        flaw: None,
    }
}

type Change = fn(&mut Invoice);

#[test]
fn only_a_row_that_may_be_credited_must_be_readable() {
    let flaw = |what: &str| Some(what.to_owned());
    assert!(could_count(&invoice()));
    assert!(!could_count(&Invoice { status: flaw("check"), ..invoice() }));
    assert!(!could_count(&Invoice { status: flaw("refund_paid"), ..invoice() }), "it follows the journal");
    assert!(!could_count(&Invoice { status: None, ..invoice() }));
    assert!(could_count(&Invoice { status: None, flaw: flaw("status is not text"), ..invoice() }));
    assert!(!could_count(&Invoice { status: None, flaw: flaw("amount is null"), ..invoice() }));
}

#[test]
fn a_rows_name_is_its_ids_and_what_it_says_is_all_of_it() {
    let name = identity_hash(&invoice());
    let (sesid, pay_id) = (Some("pay".to_owned()), Some("SES".to_owned()));
    assert_eq!(identity_hash(&Invoice { sesid, pay_id, ..invoice() }), name, "swapped, and in another case");
    let changes: [(&str, Change, bool); 6] = [
        ("sesid", |row| row.sesid = Some("other".to_owned()), true),
        ("pay_id", |row| row.pay_id = None, true),
        ("method", |row| row.method = None, false),
        ("amount", |row| row.amount_cents = Some(486), false),
        ("created", |row| row.created = None, false),
        ("status", |row| row.status = Some("Paid".to_owned()), false),
    ];
    for (field, change, renames) in changes {
        let mut row = invoice();
        change(&mut row);
        assert_ne!(content_hash(&row), content_hash(&invoice()), "{field}");
        assert_eq!(identity_hash(&row) != name, renames, "{field}");
    }
    let flawed = Invoice { flaw: Some("amount is null".to_owned()), ..invoice() };
    assert_ne!(content_hash(&flawed), content_hash(&invoice()));
    let nameless = Invoice { sesid: None, pay_id: None, ..invoice() };
    for change in changes.iter().filter(|(field, ..)| ["method", "amount", "created"].contains(field)) {
        let mut row = nameless.clone();
        change.1(&mut row);
        assert_ne!(identity_hash(&row), identity_hash(&nameless), "{}", change.0);
    }
    let split = |sesid: &str, pay_id: &str| Invoice {
        sesid: Some(sesid.to_owned()),
        pay_id: Some(pay_id.to_owned()),
        ..invoice()
    };
    assert_ne!(identity_hash(&split("ab", "c")), identity_hash(&split("a", "bc")));
}

#[test]
fn a_row_is_called_by_its_ids_in_any_order_and_case_or_else_by_what_it_is() {
    let row = |pay_id: Option<&str>, sesid: Option<&str>| Invoice {
        pay_id: pay_id.map(str::to_owned),
        sesid: sesid.map(str::to_owned),
        amount_cents: Some(500),
        created: Some(at(0)),
        expires_at: None,
        method: Some("USDT_BSC".to_owned()),
        status: Some("paid".to_owned()),
        flaw: None,
    };
    let named = identity_hash(&row(Some("a1"), Some("b2")));
    assert_eq!(identity_hash(&row(Some("B2"), Some("A1"))), named);
    assert_eq!(identity_hash(&Invoice { amount_cents: None, ..row(Some("a1"), Some("b2")) }), named);
    let names = [
        row(Some("a1"), Some("b2")),
        row(Some("a1"), Some("b3")),
        row(Some("a1"), Some("a1")),
        row(Some("a1"), None),
        row(None, None),
        Invoice { amount_cents: Some(501), ..row(None, None) },
        Invoice { created: Some(at(1)), ..row(None, None) },
        Invoice { method: None, ..row(None, None) },
    ];
    let different: std::collections::BTreeSet<i64> = names.iter().map(identity_hash).collect();
    assert_eq!(different.len(), names.len());
    assert_eq!(
        identity_hash(&row(None, Some("A1"))),
        identity_hash(&row(Some("a1"), None)),
        "in either field"
    );
    let refunded = Invoice { status: Some("refund_paid".to_owned()), ..row(None, None) };
    assert_eq!(identity_hash(&refunded), identity_hash(&row(None, None)), "its word may change");
}

#[test]
fn a_word_is_marked_while_nobody_knows_it_and_only_then() {
    let plain = |word: Option<&str>| {
        let cents = invoice().amount_cents.map(|cents| cents.to_string());
        let created = invoice().created.map(|at| at.as_millis().to_string());
        super::super::rows::hash_of([
            invoice().sesid.as_deref(),
            invoice().pay_id.as_deref(),
            invoice().method.as_deref(),
            cents.as_deref(),
            created.as_deref(),
            word,
            None,
        ])
    };
    // What is on disk under a word that was known stays as it is.
    for word in Status::WORDS.iter().map(|(word, _)| Some(*word)).chain([None]) {
        let row = Invoice { status: word.map(str::to_owned), ..invoice() };
        assert_eq!(content_hash(&row), plain(word), "{word:?}");
    }
    // A program that learns this word finds a row that says something else.
    let row = Invoice { status: Some("paid_late".to_owned()), ..invoice() };
    assert_ne!(content_hash(&row), plain(Some("paid_late")));
}
