//! What a poll brings into the books, to the millionth: never more than was said, never taken back by itself.

use super::*;
use crate::domain::deposit::{FigureSource, Outcome};
use crate::domain::money::UsdMicros;

#[test]
fn a_short_payment_is_booked_as_far_as_it_was_credited_and_never_taken_back() {
    let short = walk(&[("wrong_amount", "usd=3.00")]).deposit;
    let booked = short.facts.booked.clone().unwrap();
    assert_eq!(
        (booked.usd.get(), booked.source, booked.crypto),
        (3_000_000, FigureSource::PaymentAmountUsd, None)
    );
    assert_eq!(short.facts.settled_at, Some(minute(1)));
    let same = at(short.clone(), polled("wrong_amount", "usd=3.00"), 2).unwrap();
    assert_eq!(names(&same), [] as [&str; 0]);
    let more = at(short.clone(), polled("wrong_amount", "usd=4.00 payer=3.99"), 2).unwrap();
    assert_eq!(names(&more), ["figures_changed", "figures_changed"]);
    let booked = more.deposit.facts.booked.clone().unwrap();
    assert_eq!(
        (booked.usd.get(), booked.crypto.map(|it| it.to_string()).as_deref()),
        (4_000_000, Some("3.99"))
    );
    assert_eq!(more.deposit.facts.settled_at, Some(minute(1)), "the first credit's moment stays");
    let less = at(more.deposit, polled("wrong_amount", "usd=3.50"), 3).unwrap().deposit;
    assert_eq!(less.facts.booked.as_ref().unwrap().usd.get(), 4_000_000);
    assert!(less.facts.review.as_ref().unwrap().reason.contains("counts 3.50 USD, 4.00 are booked"));
    // Without a figure, or with none to speak of, nothing is booked; with the first figure it is.
    for figures in ["", "usd=0"] {
        let unbooked = walk(&[("wrong_amount", figures)]).deposit;
        assert_eq!((unbooked.facts.booked.clone(), unbooked.facts.settled_at), (None, None));
        let step = at(unbooked, polled("wrong_amount", "usd=2.00"), 2).unwrap();
        assert_eq!(names(&step), ["figures_changed", "short"]);
        assert_eq!(step.deposit.facts.settled_at, Some(minute(2)));
    }
    // A correction outlives a better figure.
    let corrected =
        Observation::Corrected { credited: UsdMicros::new(3_500_000), reason: "invoice".to_owned() };
    let corrected = observed(walk(&[("wrong_amount", "usd=3.00")]).deposit, corrected, 2);
    let more = observed(corrected.clone(), polled("wrong_amount", "usd=4.00"), 3).facts.booked.unwrap();
    assert_eq!(
        (more.usd.get(), more.correction.get(), more.total().get()),
        (4_000_000, -500_000, 3_500_000),
        "what a person said stands"
    );
    let paid = observed(corrected, polled("paid", "usd=5.00"), 3);
    let booked = paid.facts.booked.unwrap();
    assert_eq!(
        (booked.usd.get(), booked.correction.get(), booked.total().get()),
        (5_000_000, -1_500_000, 3_500_000)
    );
    assert_eq!((paid.facts.outcome, paid.facts.settled_at), (Some(Outcome::Exact), Some(minute(1))));
}

#[test]
fn a_correction_is_written_once_and_says_what_was_credited_in_all() {
    let settled = walk(&[("paid", "")]).deposit;
    let corrected =
        |micros| Observation::Corrected { credited: UsdMicros::new(micros), reason: "invoice".to_owned() };
    let step = at(settled.clone(), corrected(4_000_000), 2).unwrap();
    assert_eq!(names(&step), ["corrected"]);
    assert_eq!(step.deposit.facts.booked.as_ref().unwrap().total().get(), 4_000_000);
    let again = at(step.deposit.clone(), corrected(4_000_000), 3).unwrap_err();
    assert_eq!(again.to_string(), "it is right already: 4.00 USD are booked");
    assert_eq!(at(step.deposit.clone(), corrected(-1), 3).unwrap_err(), InvalidTransition::NegativeCredit);
    // It outlives a better figure.
    let over = observed(step.deposit, polled("paid_over", "usd=6.00"), 3).facts.booked.unwrap();
    assert_eq!(
        (over.usd.get(), over.correction.get(), over.total().get()),
        (6_000_000, -2_000_000, 4_000_000)
    );
    assert!(at(settled, corrected(5_000_000), 3).is_err(), "it is booked so already");
}

#[test]
fn a_settled_deposit_takes_a_better_figure_and_flags_a_smaller_one() {
    let settled = walk(&[("paid", "")]).deposit;
    let booked = settled.facts.booked.as_ref().unwrap();
    assert_eq!((booked.usd.get(), booked.source), (5_000_000, FigureSource::AmountInUsd));
    assert_eq!(booked.crypto.as_ref().unwrap().to_string(), "4.99");
    // From amountInUSD to what was paid, even where that is less: it is the better source.
    let better = at(settled.clone(), polled("paid", "usd=4.90"), 2).unwrap();
    assert_eq!(names(&better), ["figures_changed"]);
    let booked = better.deposit.facts.booked.clone().unwrap();
    assert_eq!((booked.usd.get(), booked.source), (4_900_000, FigureSource::PaymentAmountUsd));
    // The same figure from there is the better source all the same; a missing one takes nothing back.
    let same = at(settled.clone(), polled("paid", "usd=5.00"), 2).unwrap();
    assert_eq!(same.deposit.facts.booked.as_ref().unwrap().source, FigureSource::PaymentAmountUsd);
    assert_eq!(names(&at(same.deposit.clone(), polled("paid", ""), 3).unwrap()), [] as [&str; 0]);
    assert_eq!(names(&at(same.deposit.clone(), polled("paid", "for=6.00"), 3).unwrap()), ["figures_changed"]);
    let less = at(same.deposit, polled("paid", "usd=4.99"), 3).unwrap();
    assert_eq!(names(&less), ["needs_review"]);
    assert_eq!(less.deposit.facts.booked.as_ref().unwrap().usd.get(), 5_000_000);
    assert_eq!(
        less.deposit.facts.payment.amount_usd.as_ref().unwrap().to_string(),
        "5.00",
        "nor is the figure taken"
    );
    // Over is a forward step, whatever the figure; back to paid is none.
    let over = at(less.deposit, polled("paid_over", "usd=4.99"), 4).unwrap();
    assert_eq!(over.deposit.facts.outcome, Some(Outcome::Over));
    assert_eq!(over.events[0].name, EventName::Settled);
    let back = at(over.deposit.clone(), polled("paid", "usd=9.00"), 5).unwrap();
    assert_eq!(names(&back), ["needs_review"]);
    assert!(back.deposit.facts.review.as_ref().unwrap().reason.contains("paid over"));
    assert_eq!(back.deposit.facts.booked, over.deposit.facts.booked);
    let more = at(over.deposit, polled("paid_over", "usd=7.00"), 5).unwrap();
    assert_eq!(names(&more)[0], "figures_changed");
    assert_eq!(more.deposit.facts.booked.as_ref().unwrap().usd.get(), 7_000_000);
}

#[test]
fn a_refund_gives_back_what_is_stated_and_never_more_than_was_credited() {
    let refunded = |figures: &str| walk(&[("paid", "usd=5.00"), ("refund_paid", figures)]).deposit;
    assert_eq!(refunded("").facts.refund, None);
    assert_eq!(refunded("back=5.00").facts.refund, None, "the whole");
    let part = refunded("back=2.00 back_crypto=0");
    let refund = part.facts.refund.clone().unwrap();
    assert_eq!((refund.usd.get(), refund.crypto), (2_000_000, None), "no crypto is no statement");
    assert_eq!(part.facts.refunded_at, Some(minute(2)));
    let beyond = refunded("back=5.01");
    assert!(
        beyond
            .facts
            .review
            .as_ref()
            .unwrap()
            .reason
            .contains("counts 5.01 USD as refunded, 5.00 were credited")
    );
    assert_eq!((beyond.facts.refund.clone(), refunded("back=5.00").facts.review), (None, None));
    // The same dollars in other coins are another figure, and nothing to flag.
    let coins = at(part.clone(), polled("refund_paid", "back=2.00 back_crypto=1.99"), 3).unwrap();
    assert_eq!(names(&coins), ["figures_changed"]);
    // More goes back later; the same again is no news; less is flagged.
    assert_eq!(names(&at(part.clone(), polled("refund_paid", "back=2.00"), 3).unwrap()), [] as [&str; 0]);
    let more = at(part.clone(), polled("refund_paid", "back=3.00"), 3).unwrap();
    assert_eq!(names(&more)[0], "figures_changed");
    assert_eq!(more.deposit.facts.refund.as_ref().unwrap().usd.get(), 3_000_000);
    assert_eq!(more.deposit.facts.refunded_at, Some(minute(2)));
    let less = at(more.deposit, polled("refund_paid", "back=2.99"), 4).unwrap();
    assert_eq!(names(&less), ["needs_review"]);
    assert_eq!(less.deposit.facts.refund.as_ref().unwrap().usd.get(), 3_000_000);
    // A figure where there was none is taken, though it is less than the whole that was supposed.
    let stated = at(refunded(""), polled("refund_paid", "back=2.00"), 3).unwrap();
    assert_eq!(stated.deposit.facts.refund.as_ref().unwrap().usd.get(), 2_000_000);
    // An answer that states no refund says nothing of it, even where a correction has changed what it was part of.
    let corrected =
        Observation::Corrected { credited: UsdMicros::new(1_500_000), reason: "invoice".to_owned() };
    let flagged = observed(observed(part, corrected, 3), Observation::UnknownOrder("x".to_owned()), 4);
    assert_eq!(names(&at(flagged, polled("refund_paid", ""), 5).unwrap()), ["review_cleared"]);
    // What was never credited cannot go back out of the books.
    let unbooked = walk(&[("refund_paid", "back=2.00")]).deposit;
    assert_eq!(
        (unbooked.facts.state, unbooked.facts.refunded_at, unbooked.facts.refund.clone()),
        (State::Refunded, None, None)
    );
    assert_eq!(observed(unbooked, polled("refund_paid", "back=3.00"), 3).facts.refunded_at, None);
}

#[test]
fn locked_money_is_held_as_far_as_it_is_stated() {
    let held = |figures: &str| walk(&[("locked", figures)]).deposit.facts.held;
    assert_eq!((held(""), held("usd=0")), (None, None));
    let full = held("usd=5.00 payer=4.99").unwrap();
    assert_eq!((full.usd.get(), full.crypto.unwrap().to_string().as_str()), (5_000_000, "4.99"));
    assert_eq!(held("usd=5.00 crypto=0").unwrap().crypto, None);
    let released = walk(&[("locked", "usd=5.00"), ("confirm_check", "")]).deposit;
    assert_eq!(released.facts.held, None);
}

#[test]
fn what_was_paid_stays_booked_as_it_was_when_a_refund_fails() {
    let over = walk(&[("paid_over", "usd=6.00 crypto=5.99")]).deposit;
    let failed =
        walk(&[("paid_over", "usd=6.00 crypto=5.99"), ("refund_process", ""), ("refund_fail", "")]).deposit;
    assert_eq!((failed.facts.state, failed.facts.outcome), (State::Settled, Some(Outcome::Over)));
    assert_eq!((failed.facts.booked, failed.facts.settled_at), (over.facts.booked, over.facts.settled_at));
    // Where nothing was booked before, a payment after all is booked; a failed refund alone is not.
    let paid = walk(&[("refund_process", ""), ("paid", "")]).deposit;
    assert_eq!((paid.facts.state, paid.facts.booked.is_some()), (State::Settled, true));
    let failed = walk(&[("refund_process", ""), ("refund_fail", "")]).deposit;
    assert_eq!((failed.facts.state, failed.facts.booked), (State::Refunding, None));
}

#[test]
fn a_figure_beside_what_a_person_alone_had_said_is_flagged_where_it_differs() {
    let said =
        |micros| Observation::Corrected { credited: UsdMicros::new(micros), reason: "invoice".to_owned() };
    let short = || walk(&[("wrong_amount", "")]).deposit;
    let alone = observed(short(), said(3_000_000), 2);
    assert_eq!(alone.facts.booked.as_ref().unwrap().source, FigureSource::Person);
    let same = at(alone.clone(), polled("wrong_amount", "usd=3.00"), 3).unwrap();
    assert_eq!(same.deposit.facts.review, None, "they agree");
    let other = at(alone, polled("wrong_amount", "usd=4.00"), 3).unwrap().deposit;
    assert_eq!(
        other.facts.review.unwrap().reason,
        "the upstream now counts 4.00 USD, a person said 3.00 USD"
    );
    assert_eq!(other.facts.booked.unwrap().total().get(), 3_000_000);
    // Beside a figure of the upstream's a person has seen one already: another is no news of that kind.
    let beside = observed(walk(&[("wrong_amount", "usd=3.00")]).deposit, said(3_500_000), 2);
    assert_eq!(observed(beside, polled("wrong_amount", "usd=4.00"), 3).facts.review, None);
    // What was taken back is no longer said.
    let mut unpriced = awaiting();
    unpriced.facts.wallet.as_mut().unwrap().amount_usd = None;
    let settled = observed(observed(unpriced, said(3_000_000), 1), polled("paid", ""), 2);
    let back = observed(settled, Observation::Uncorrected { reason: "a mistake".to_owned() }, 3);
    let booked = back.facts.booked.clone().unwrap();
    assert_eq!((booked.is_said(), booked.source, booked.total().get()), (false, FigureSource::Person, 0));
    let stated = observed(back, polled("paid", "usd=4.00"), 4).facts;
    assert_eq!((stated.review, stated.booked.unwrap().total().get()), (None, 4_000_000));
}

#[test]
fn what_went_back_follows_what_was_credited() {
    let said =
        |micros| Observation::Corrected { credited: UsdMicros::new(micros), reason: "invoice".to_owned() };
    let part = walk(&[("paid", "usd=5.00"), ("refund_paid", "back=2.00")]).deposit;
    let refund = |deposit: &Deposit| deposit.facts.refund.as_ref().map(|refund| refund.usd.get());
    assert_eq!(refund(&part), Some(2_000_000));
    let less = observed(part.clone(), said(1_500_000), 3);
    assert_eq!(refund(&less), None, "the whole of what was credited");
    let back = observed(less, Observation::Uncorrected { reason: "a mistake".to_owned() }, 4);
    assert_eq!(refund(&back), Some(2_000_000));
    assert_eq!(refund(&observed(part.clone(), said(4_000_000), 3)), Some(2_000_000));
    // Earlier versions left the part as it was: an answer without a figure says nothing of it.
    let mut earlier = part;
    earlier.facts.booked.as_mut().unwrap().correction = UsdMicros::new(-3_500_000);
    let flagged = observed(earlier, Observation::UnknownOrder("x".to_owned()), 3);
    assert_eq!(names(&at(flagged, polled("refund_paid", ""), 4).unwrap()), ["review_cleared"]);
}

#[test]
fn a_row_settles_which_of_two_cents_a_fine_figure_is_and_no_more() {
    let stated = |micros| Observation::FigureStated { credited: UsdMicros::new(micros) };
    let fine = walk(&[("paid", "usd=5.005")]).deposit;
    for (micros, allowed) in
        [(5_000_000, true), (5_010_000, true), (4_990_000, false), (5_020_000, false), (5_015_000, false)]
    {
        assert_eq!(at(fine.clone(), stated(micros), 2).is_ok(), allowed, "{micros}");
    }
    let whole = walk(&[("paid", "usd=5.00")]).deposit;
    assert!(at(whole.clone(), stated(4_990_000), 2).is_err() && at(whole, stated(5_010_000), 2).is_err());
}
