//! Which deposit a row is of: by an id for certain, by amount and time for showing only.

use super::*;
use crate::domain::method::Method;

pub(super) fn claim(row: i64, deposit: i64, rule: MatchRule) -> IdMatch {
    IdMatch { row, deposit, rule }
}

#[test]
fn a_row_is_the_deposits_whose_id_it_bears() {
    let (order, sesid) = (MatchRule::PayIdIsOrder, MatchRule::SesidIsOrder);
    let both = decide(vec![claim(1, 7, sesid), claim(1, 7, order), claim(2, 7, sesid), claim(3, 8, order)]);
    assert_eq!(
        both,
        [Match::Of(claim(1, 7, order)), Match::Of(claim(2, 7, sesid)), Match::Of(claim(3, 8, order))]
    );
    assert_eq!(
        decide(vec![claim(1, 7, order), claim(1, 8, sesid)]),
        [Match::Unread { row: 1, why: TWO_NAMES }]
    );
    // A field that holds one id of ours in all rows says nothing; the other one does.
    let constant: Vec<IdMatch> =
        (1..=21).flat_map(|row| [claim(row, 99, order), claim(row, row, sesid)]).collect();
    assert_eq!(decide(constant), (1..=21).map(|row| Match::Of(claim(row, row, sesid))).collect::<Vec<_>>());
    let few: Vec<IdMatch> = (1..=20).map(|row| claim(row, 99, order)).collect();
    assert_eq!(decide(few.clone()), few.into_iter().map(Match::Of).collect::<Vec<_>>(), "twenty are summed");
    let many = decide((1..=21).map(|row| claim(row, 99, order)).collect());
    assert!(many.iter().all(|one| matches!(one, Match::Unread { why: TOO_MANY, .. })) && many.len() == 21);
    assert_eq!(decide(Vec::new()), []);
}

#[test]
fn what_is_probable_is_one_to_one_and_the_nearest_first() {
    let row = |row, cents, minutes| UnmatchedInvoice { row, cents, created: at(minutes), processor: None };
    let near = |deposit, minutes, cents: &[i64]| ProbableDeposit {
        deposit,
        method: Method::Wallet,
        created_at: at(minutes),
        cents: cents.to_vec(),
    };
    let guess = |row, deposit| claim(row, deposit, MatchRule::AmountAndTime);
    let deposits = [near(1, 0, &[500]), near(2, 3, &[500, 515])];
    assert_eq!(probable(&[row(10, 500, 1)], &deposits), [guess(10, 1)]);
    assert_eq!(probable(&[row(10, 500, 2)], &deposits), [guess(10, 2)]);
    assert_eq!(probable(&[row(10, 500, 2), row(11, 500, 3)], &deposits), [guess(11, 2), guess(10, 1)]);
    assert_eq!(probable(&[row(10, 515, 8)], &deposits), [guess(10, 2)], "five minutes");
    assert_eq!(probable(&[row(10, 515, 9)], &deposits), []);
    assert_eq!(probable(&[row(10, 501, 0)], &deposits), []);
    let by = |processor: &str| UnmatchedInvoice { processor: Some(processor.to_owned()), ..row(10, 500, 1) };
    assert_eq!(probable(&[by("Cryptomus v2")], &deposits), [guess(10, 1)]);
    assert_eq!(probable(&[by("card")], &deposits), []);
    // The row of a card may be made when it is paid, a day after its link; never long before it.
    let card = ProbableDeposit { method: Method::Card, ..near(3, 0, &[500]) };
    let deposits = [near(1, 0, &[500]), card];
    let paid = |minutes| UnmatchedInvoice { created: at(minutes), ..by("Pay4bit") };
    assert_eq!(probable(&[paid(24 * 60)], &deposits), [guess(10, 3)]);
    assert_eq!(probable(&[paid(49 * 60)], &deposits), []);
    assert_eq!(probable(&[paid(-6)], &deposits), []);
    assert_eq!(probable(&[row(10, 500, 60)], &deposits), [guess(10, 3)], "a row that names nobody");
}
