//! Rows are matched by ids, compared with their deposits, and summed.

use super::*;
use crate::domain::method::Method;

#[tokio::test]
async fn an_id_of_ours_in_either_field_and_any_case_is_ours() {
    let bench = Bench::new().await;
    for number in 1..=5 {
        bench.wallet(number, "5").await;
    }
    let link = |number: u128| Uuid::from_u128(number + 1000).to_string();
    let rows = [
        named("x1", "order-1", Some(1), "paid"),
        named("ORDER-2", "x2", Some(2), "paid"),
        named("x3", &link(3).to_uppercase(), Some(3), "check"),
        named(&link(4), "x4", Some(4), "paid"),
        named("order-5", "ORDER-5", Some(5), "paid"),
        named("order-1", "order-2", Some(6), "paid"),
        named("order-", "order-11", Some(7), "paid"),
        named("order-1", &link(2), Some(8), "cancel"),
    ];
    bench.import(&rows, &[], &[], (1, 0)).await;
    assert!(bench.ledger.no_row_bears_an_id().await.unwrap());
    assert_eq!(bench.match_all(1).await, 7);
    assert!(!bench.ledger.no_row_bears_an_id().await.unwrap());
    assert_eq!(
        bench.owners().await,
        [
            "1 1 pay_id_is_order -".to_owned(),
            "2 2 sesid_is_order -".to_owned(),
            "3 3 pay_id_is_link -".to_owned(),
            "4 4 sesid_is_link -".to_owned(),
            "5 5 pay_id_is_order -".to_owned(),
            format!("6 - - {TWO_NAMES}"),
            "7 - - -".to_owned(),
            "8 - - -".to_owned(),
        ]
    );
    assert_eq!(bench.ledger.claims(MatchRule::PayIdIsOrder, &[]).await.unwrap(), []);
    assert_eq!(bench.ledger.claims(MatchRule::AmountAndTime, &[1, 2]).await.unwrap(), []);
    let claim = IdMatch { row: 1, deposit: 1, rule: MatchRule::PayIdIsOrder };
    assert_eq!(bench.ledger.claims(MatchRule::PayIdIsOrder, &[1, 2]).await.unwrap(), [claim]);
    // What could not be told is asked about again, however long ago it changed.
    assert_eq!(bench.ledger.unclaimed_rows(9).await.unwrap(), [6]);
    bench
        .ledger
        .store_matches(&[Match::Of(IdMatch { row: 6, deposit: 1, rule: MatchRule::SesidIsOrder })], 9)
        .await
        .unwrap();
    assert_eq!(bench.owners().await[5], "6 1 sesid_is_order -", "and is read then");
    assert_eq!(bench.row("SELECT group_concat(deposit_row) FROM comparison_due").await, "1", "and compared");
}

#[tokio::test]
async fn more_rows_of_one_id_than_can_be_are_nobodys_until_they_are_fewer() {
    let bench = Bench::new().await;
    bench.wallet(1, "5").await;
    let most = i64::try_from(LIKENESS_LIMIT).unwrap();
    let like = |number: i64| named(&format!("s{number}"), "order-1", Some(1), "paid");
    bench.import(&(1..=most).map(like).collect::<Vec<_>>(), &[], &[], (1, 0)).await;
    bench.match_all(1).await;
    assert_eq!((bench.pair_of(1).await.rows, bench.pair_of(1).await.paid_cents), (20, 20));
    bench.import(&[like(21)], &[], &[], (2, 1)).await;
    bench.match_times(2, 1).await;
    assert_eq!(bench.pair_of(1).await.rows, 0);
    assert!(bench.owners().await.iter().all(|owner| owner.ends_with(TOO_MANY)));
    assert_eq!(bench.ledger.unread_rows().await.unwrap().len(), 21);
    assert_eq!(bench.row("SELECT group_concat(deposit_row) FROM comparison_due").await, "1");
    bench.match_all(2).await;
    assert_eq!(
        (bench.pair_of(1).await.rows, bench.ledger.unread_rows().await.unwrap().len()),
        (0, 21),
        "as long as they are"
    );
    bench.import(&[], &[], &[21], (3, 1)).await;
    bench.match_all(3).await;
    assert_eq!((bench.pair_of(1).await.rows, bench.ledger.unread_rows().await.unwrap().len()), (20, 0));
}

#[tokio::test]
async fn what_may_be_whose_by_amount_and_time_is_given_and_kept_for_showing_only() {
    let mut bench = Bench::new().await;
    let one = bench.wallet(1, "5.15").await;
    bench.wait(10);
    let two = bench.wallet(2, "6").await;
    let over = bench.poll(two, "paid_over", "usd=7.00").await;
    let other = StagedRow { method: Some("Stripe".to_owned()), ..row(2, Some(2), "check") };
    bench.import(&[row(1, Some(515), "check"), other, row(3, None, "check")], &[], &[], (1, 0)).await;
    let created = at("2026-01-10T09:00:00Z");
    let unclaimed = |row, cents, processor: &str| UnmatchedInvoice {
        row,
        cents,
        created,
        processor: Some(processor.to_owned()),
    };
    let (ours, theirs) = (unclaimed(1, 515, "Cryptomus"), unclaimed(2, 2, "Stripe"));
    assert_eq!(bench.ledger.guessable_rows(&[1, 2, 3]).await.unwrap(), [ours, theirs]);
    let nearby = |deposit: &Deposit, number, cents: &[i64]| ProbableDeposit {
        deposit: number,
        method: Method::Wallet,
        created_at: deposit.facts.wallet.as_ref().unwrap().created_at,
        cents: cents.to_vec(),
    };
    let (one, two) = (nearby(&one, 1, &[515, 515]), nearby(&over, 2, &[600, 600, 700]));
    let without = |since, limit| bench.ledger.wallets_without_rows(since, limit);
    assert_eq!(without(created, 9).await.unwrap(), [two.clone(), one.clone()], "the newest first");
    assert_eq!(without(created, 1).await.unwrap(), std::slice::from_ref(&two));
    assert_eq!(without(at("2026-01-10T09:00:01Z"), 9).await.unwrap(), std::slice::from_ref(&two));
    let guess = IdMatch { row: 1, deposit: 1, rule: MatchRule::AmountAndTime };
    for _ in 0..2 {
        bench.ledger.store_probable_matches(&[guess]).await.unwrap();
    }
    assert_eq!(bench.row("SELECT group_concat(concat_ws(' ', row_id, coalesce(deposit_row, '-'), probable_row)) FROM invoice WHERE probable_row > 0").await, "1 - 1");
    assert_eq!(without(created, 9).await.unwrap(), [two]);
    assert_eq!(bench.ledger.guessable_rows(&[1]).await.unwrap(), [], "not guessed at again");
    assert_eq!(bench.ledger.unclaimed_rows(0).await.unwrap(), [1, 2, 3], "and no claim");
    assert_eq!(bench.pair_of(1).await.rows, 0, "it counts nothing");
    bench.ledger.forget_probable_matches(false).await.unwrap();
    assert_eq!(
        bench.row("SELECT count(probable_row) || '' FROM invoice").await,
        "1",
        "the list bears no id yet"
    );
    bench.ledger.forget_probable_matches(true).await.unwrap();
    assert_eq!(bench.row("SELECT count(probable_row) || '' FROM invoice").await, "0");
}

#[tokio::test]
async fn deposits_and_their_rows_stand_side_by_side() {
    let mut bench = Bench::new().await;
    for number in 1..=5 {
        bench.paid(number, "5").await;
    }
    bench.wallet(6, "5").await;
    let list = [
        named("s1", "order-1", Some(500), "paid"),
        named("s2", "order-2", Some(501), "paid"),
        named("s3", "order-3", Some(500), "Cancel"),
        named("s4", "order-4", Some(300), "paid"),
        named("t4", "order-4", Some(200), "paid_over"),
        named("s6", "order-6", Some(500), "paid"),
    ];
    bench.import(&list, &[], &[], (1, 0)).await;
    bench.match_all(1).await;
    let numbers = |pairs: Vec<DepositRows>| {
        let mut numbers: Vec<_> = pairs.iter().map(|pair| pair.deposit_id.uuid().as_u128()).collect();
        numbers.sort_unstable();
        numbers
    };
    let whole = bench.ledger.pairs(&Scope::Whole).await.unwrap();
    assert_eq!(numbers(whole), [2, 3, 5, 6], "what is plainly the same is left out");
    assert_eq!(numbers(bench.ledger.pairs(&Scope::These(vec![4, 1, 99])).await.unwrap()), [1, 4]);
    let two = bench.pair_of(4).await;
    assert_eq!((two.rows, two.paid_cents, two.follows, two.unread), (2, 500, false, false));
    assert_eq!(
        (two.booked_cents(), two.state, two.words.as_slice()),
        (500, State::Settled, &["paid".to_owned(), "paid_over".to_owned()][..])
    );
    assert_eq!(two.described.as_deref(), Some("3.00 paid (listed), 2.00 paid_over (listed)"));
    let none = bench.pair_of(5).await;
    assert_eq!((none.rows, none.booked_cents(), none.described), (0, 500, None));
    assert!(bench.ledger.pair(id(9)).await.unwrap().is_none());
    let sums = bench.ledger.sums(bench.now, bench.now, 0).await.unwrap();
    assert_eq!((sums.here, sums.elsewhere, sums.before), (2001, 0, 2001));

    // What has reason to be compared: events, changed rows, what is left over, cases, acceptances.
    let head = bench.ledger.head_hash().await.unwrap().unwrap().0;
    let touched = |seq, run| {
        let ledger = bench.ledger.clone();
        async move {
            match ledger.touched_since(seq, run).await.unwrap() {
                Scope::These(mut rows) => {
                    rows.sort_unstable();
                    rows
                }
                Scope::Whole => panic!("all of them"),
            }
        }
    };
    assert_eq!(touched(head, 1).await, [] as [i64; 0]);
    assert_eq!(touched(head - 1, 1).await, [6]);
    bench.import(&[named("s1", "order-1", Some(500), "refund_paid")], &[(0, 1)], &[4], (2, 1)).await;
    assert_eq!(touched(head, 1).await, [1, 4]);
    let refund = bench.pair_of(1).await;
    assert!(refund.follows);
    assert_eq!(
        (refund.paid_cents, refund.listed_cents(), refund.counted_cents()),
        (0, 500, 500),
        "what the journal credits"
    );
    let sums = bench.ledger.sums(bench.now, bench.now, 1).await.unwrap();
    assert_eq!((sums.here, sums.standing_rows, sums.standing_cents), (2001, 1, 300));
}

#[tokio::test]
async fn the_sums_know_what_is_older_than_the_lag_or_took_part_in_a_clean_run() {
    let mut bench = Bench::new().await;
    bench.import(&[row(1, Some(100), "paid"), row(2, Some(20), "paid")], &[], &[], (1, 0)).await;
    let first = bench.now;
    bench.wait(90);
    bench.import(&[row(3, Some(3), "paid"), row(1, Some(150), "paid")], &[(1, 1)], &[], (2, 1)).await;
    let before = |before, clean| {
        let (ledger, now) = (bench.ledger.clone(), bench.now);
        async move { ledger.sums(now, before, clean).await.unwrap().before }
    };
    assert_eq!(before(first, 0).await, 20 + 100, "of what has changed since, what it was then");
    assert_eq!(before(first, 2).await, 173, "a clean run has proven all of it");
    assert_eq!(before(bench.now, 1).await, 173, "nothing is younger");
    assert_eq!(before(first.minus(Duration::from_millis(1)), 0).await, 100);
    assert_eq!(before(first.minus(Duration::from_millis(1)), 1).await, 120);
    let future = bench.ledger.sums(first, first, 1).await.unwrap();
    assert_eq!(future.before, 173, "what stands in the future was written under a wrong clock");
}

#[tokio::test]
async fn words_that_nobody_knows_are_counted_and_accepted_figures_are_given() {
    let mut bench = Bench::new().await;
    let deposit = bench.paid(1, "5").await;
    let list = [
        named("s1", "order-1", Some(490), "paid"),
        row(2, Some(70), "Settling"),
        row(3, Some(30), "Settling"),
        row(4, Some(0), "other"),
        row(5, Some(9), "CANCEL "),
    ];
    bench.import(&list, &[], &[], (1, 0)).await;
    bench.match_all(1).await;
    let words = bench.ledger.unknown_words(&["paid", "cancel"]).await.unwrap();
    let words: Vec<_> = words.iter().map(|word| (word.word.as_str(), word.rows, word.cents)).collect();
    assert_eq!(words, [("Settling", 2, 100)]);
    let tally = bench.ledger.tally().await.unwrap();
    let tally: Vec<_> =
        tally.iter().map(|one| (one.rule.as_str(), one.invoices, one.credited, one.credited_cents)).collect();
    assert_eq!(tally, [("elsewhere", 4, 0, 0), ("pay_id_is_order", 1, 1, 490)]);
    assert_eq!(bench.pair_of(1).await.accepted, None);
    let mut aside = bench.aside().await;
    let accept = "INSERT INTO acceptance (case_id, event_seq, kind, deposit_row, listed_cents, counted_cents, drift_cents, accepted_at, accepted_by, note)
                  VALUES (1, 1, 'amount_mismatch', 1, 490, 500, 0, 'x', 'x', 'x')";
    sqlx::query(accept).execute(&mut aside).await.unwrap();
    let pair = bench.pair_of(1).await;
    assert_eq!(pair.accepted, Some(Accepted { listed_cents: 490, counted_cents: 500 }));
    assert_eq!((pair.listed_cents(), pair.counted_cents()), (490, 500));
    assert_eq!(pair.deposit_id, deposit.id);
}
