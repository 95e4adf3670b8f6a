//! The words of the upstream: where each leads from each state, and what is no word.

use super::*;
use crate::domain::status::Status;

#[test]
fn a_word_that_is_missing_or_unknown_moves_nothing() {
    let silent = || {
        Observation::Polled(Box::new(OrderReport {
            order_id: Some("order-1".to_owned()),
            ..OrderReport::default()
        }))
    };
    let checked = observed(awaiting(), polled("check", ""), 1);
    let step = at(checked, silent(), 2).unwrap();
    assert_eq!(
        (names(&step), step.deposit.facts.upstream_status.as_deref()),
        (vec!["status_changed"], Some("check")),
        "it names the order for the first time"
    );
    assert_eq!(names(&at(step.deposit, silent(), 3).unwrap()), [] as [&str; 0]);
    let unknown = at(awaiting(), polled("teleported", ""), 1).unwrap();
    assert_eq!(names(&unknown), ["status_changed", "needs_review"]);
    assert_eq!(names(&at(unknown.deposit, polled("teleported", ""), 2).unwrap()), [] as [&str; 0]);
    let settled = walk(&[("paid", "")]).deposit;
    let step = at(settled, silent(), 2).unwrap();
    assert!(step.deposit.facts.review.unwrap().reason.contains("no status"));
    assert_eq!(step.deposit.facts.upstream_status.as_deref(), Some("paid"));
    // A refund that failed is told once, not at every poll.
    let failed = walk(&[("confirm_check", ""), ("refund_fail", "")]).deposit;
    let seen = observed(failed, Observation::Reviewed("seen".to_owned()), 3);
    assert_eq!(names(&at(seen, polled("refund_fail", ""), 4).unwrap()), [] as [&str; 0]);
}

/// Each state's row: where each word leads, in the order of [`Status::WORDS`]. `.` stays, `-` is a step back, `?` a flag
/// alone; a letter is the state it leads to, a small one with a flag: confirming, underpaid, settled, shorT, expired,
/// failed, heLd, refunding, refundeZ.
#[test]
fn every_word_leads_from_every_state_where_the_table_says() {
    use super::transition::{Move, transition};
    let table = [
        (State::AwaitingPayment, false, false, "..CUSSTEFFR?ZL"),
        (State::Confirming, false, false, "--.USSTeFFR?ZL"),
        (State::Underpaid, false, false, "--C.SSTeFFR?ZL"),
        (State::Settled, true, false, "----..----R?Z-"),
        (State::Short, false, false, "----SS.---R?ZL"),
        (State::Short, true, false, "----SS.---R?ZL"),
        // Expired by our clocks, and by the upstream's own word.
        (State::Expired, false, false, "..CUSST.FFR?ZL"),
        (State::Expired, false, true, "--CUSST.FFR?ZL"),
        (State::Failed, false, false, "----SS--..R?ZL"),
        (State::Held, false, false, "--CUSSTeFFR?Z."),
        (State::Refunding, false, false, "----SS----.?Z-"),
        (State::Refunding, true, false, "----------.sZ-"),
        (State::Refunded, true, false, "------------.-"),
        (State::Refunded, false, false, "------------.-"),
        (State::Requested, false, false, ".............."),
        (State::Rejected, false, false, ".............."),
        (State::Unresolved, false, false, ".............."),
    ];
    let letter = |state| match state {
        State::Confirming => 'C',
        State::Underpaid => 'U',
        State::Settled => 'S',
        State::Short => 'T',
        State::Expired => 'E',
        State::Failed => 'F',
        State::Held => 'L',
        State::Refunding => 'R',
        State::Refunded => 'Z',
        other => panic!("no word leads to {other}"),
    };
    for (state, booked, expired_upstream, row) in table {
        let led = Status::WORDS.iter().map(|(_, status)| {
            match transition(state, *status, booked, expired_upstream) {
                Move::Stay => '.',
                Move::Backward => '-',
                Move::Flag(_) => '?',
                Move::To(to) => letter(to),
                Move::ToFlagged(to, _) => letter(to).to_ascii_lowercase(),
            }
        });
        assert_eq!(
            led.collect::<String>(),
            row,
            "{state} booked {booked}, by the upstream {expired_upstream}"
        );
    }
}

#[test]
fn a_new_word_and_a_new_figure_are_two_events() {
    assert_eq!(names(&walk(&[("check", ""), ("process", "")])), ["status_changed"]);
    assert_eq!(names(&walk(&[("check", ""), ("check", "crypto=1")])), ["figures_changed"]);
    assert_eq!(names(&walk(&[("check", ""), ("process", "crypto=1")])), ["figures_changed"]);
    // A flag that passes is cleared by an ordinary poll, in a short deposit as in any.
    for words in [("wrong_amount", "usd=3.00"), ("paid", ""), ("confirm_check", "")] {
        let flagged = observed(walk(&[words]).deposit, Observation::UnknownOrder("x".to_owned()), 5);
        assert_eq!(
            names(&at(flagged, polled(words.0, words.1), 6).unwrap()),
            ["review_cleared"],
            "{}",
            words.0
        );
    }
}
