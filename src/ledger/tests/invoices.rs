//! The upstream's list in the ledger: written once, changed in place, gone with clean figures, matched by ids, summed.

use super::*;
use crate::domain::deposit::State;
use crate::domain::reconcile::{
    Accepted, DepositRows, IdMatch, LIKENESS_LIMIT, Match, MatchRule, ProbableDeposit, TOO_MANY, TWO_NAMES,
    UnmatchedInvoice, content_hash, decide, identity_hash,
};
use crate::domain::report::Invoice;
use crate::domain::status::Weight;
use crate::ledger::RowChange;

/// A row of the list, as a run hands it over.
fn row(number: i64, cents: Option<i64>, status: &str) -> StagedRow {
    named(&format!("ses-{number}"), &format!("pay-{number}"), cents, status)
}

fn named(sesid: &str, pay_id: &str, cents: Option<i64>, status: &str) -> StagedRow {
    let invoice = Invoice {
        sesid: Some(sesid.to_owned()),
        pay_id: Some(pay_id.to_owned()),
        method: Some("Cryptomus".to_owned()),
        amount_cents: cents,
        created: Some(at("2026-01-10T09:00:00Z")),
        status: Some(status.to_owned()),
        flaw: None,
    };
    let weight = Weight::of(invoice.status.as_deref());
    StagedRow {
        identity: identity_hash(&invoice),
        content: content_hash(&invoice),
        sesid: invoice.sesid,
        pay_id: invoice.pay_id,
        method: invoice.method,
        amount_cents: invoice.amount_cents,
        created: invoice.created,
        status: invoice.status,
        weight,
        flaw: (cents.is_none() && weight == Weight::Amount).then(|| "amount is null".to_owned()),
    }
}

const ROWS: &str = "SELECT concat_ws(' ', row_id, coalesce(amount_cents, '-'), status, counted_cents, coalesce(clean_cents, '-'), listed, \
    changed_run, coalesce(flaw, '-')) FROM invoice ORDER BY row_id";

impl Bench {
    /// A list's changes in run `run`, after the clean run `clean`: new rows, changed ones with their numbers, gone ones.
    async fn import(&self, rows: &[StagedRow], changed: &[(usize, i64)], gone: &[i64], runs: (i64, i64)) {
        let mut staging = self.ledger.row_staging();
        rows.iter().cloned().for_each(|row| staging.push(row));
        let changes: Vec<RowChange> =
            changed.iter().map(|(place, row)| RowChange { place: *place, row: *row, counted: 0 }).collect();
        self.ledger.import_rows(staging.into_pages().unwrap(), &changes, gone, runs, self.now).await.unwrap();
    }

    /// Matches all rows as run `run` would; gives what was decided of how many.
    async fn match_all(&self, run: i64) -> usize {
        self.match_times(run, 2).await
    }

    async fn match_times(&self, run: i64, times: usize) -> usize {
        let rows = self.ledger.unclaimed_rows(0).await.unwrap();
        let mut claims = Vec::new();
        for rule in MatchRule::CERTAIN {
            claims.extend(self.ledger.claims(*rule, &rows).await.unwrap());
        }
        let matches = decide(claims);
        // Once more changes nothing.
        for _ in 0..times {
            self.ledger.store_matches(&matches, run).await.unwrap();
        }
        matches.len()
    }

    async fn owners(&self) -> Vec<String> {
        self.rows("SELECT concat_ws(' ', row_id, coalesce(deposit_row, '-'), coalesce(rule, '-'), coalesce(flaw, '-')) FROM invoice ORDER BY row_id")
            .await
    }

    async fn pair_of(&self, number: u128) -> DepositRows {
        self.ledger.pair(id(number)).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn a_row_is_kept_once_changed_in_place_and_a_figure_that_was_read_stands() {
    let mut bench = Bench::new().await;
    bench.import(&[row(1, Some(500), "check"), row(2, Some(600), "paid")], &[], &[], (1, 0)).await;
    assert_eq!(bench.rows(ROWS).await, ["1 500 check 0 - 1 1 -", "2 600 paid 600 - 1 1 -"]);
    let seen = bench.now.as_millis().to_string();
    let known = bench.ledger.known_rows().await.unwrap();
    assert!(known.windows(2).all(|two| two[0] < two[1]), "in order");
    let counted =
        |row| known.iter().find(|known| known.row == row).map(|known| (known.counted, known.listed));
    assert_eq!((known.len(), counted(1), counted(2)), (2, Some((0, true)), Some((600, true))));
    bench.wait(10);
    // The same changes again change nothing.
    let changes = [row(1, Some(500), "paid"), row(2, None, "paid")];
    let mut first = None;
    for _ in 0..2 {
        bench.import(&changes, &[(0, 1), (1, 2)], &[], (2, 1)).await;
        let rows = bench.rows(ROWS).await;
        assert_eq!(rows[0], "1 500 paid 500 0 1 2 -");
        assert_eq!(rows[1], "2 600 paid 600 600 1 2 amount is null", "its figure stands, and it is named");
        assert_eq!(*first.get_or_insert_with(|| rows.clone()), rows);
    }
    assert_eq!(bench.row("SELECT max(first_seen_ms) || '' FROM invoice").await, seen);
    let unread = bench.ledger.unread_rows().await.unwrap();
    assert_eq!((unread.len(), unread[0].row, unread[0].called.as_str()), (1, 2, "pay-2"));
    // A word that follows the journal keeps what was counted last; one that credits nothing does not.
    bench
        .import(
            &[row(1, Some(500), "refund_paid"), row(2, Some(600), "cancel")],
            &[(0, 1), (1, 2)],
            &[],
            (3, 2),
        )
        .await;
    assert_eq!(bench.rows(ROWS).await, ["1 500 refund_paid 500 500 1 3 -", "2 600 cancel 0 600 1 3 -"]);
    assert_eq!(bench.ledger.unread_rows().await.unwrap(), []);
}

#[tokio::test]
async fn a_row_that_is_gone_stands_with_what_it_counted_in_the_last_clean_run() {
    let bench = Bench::new().await;
    let rows = [
        row(1, Some(100), "paid"),
        row(2, Some(200), "paid"),
        row(3, Some(300), "check"),
        row(4, Some(400), "paid"),
    ];
    bench.import(&rows, &[], &[], (1, 0)).await;
    // Run 1 was clean. In run 2 one of them changes and one comes.
    bench
        .import(
            &[row(2, Some(250), "paid"), row(3, Some(300), "paid"), row(5, Some(500), "paid")],
            &[(0, 2), (1, 3)],
            &[],
            (2, 1),
        )
        .await;
    // In run 3 all are gone, and run 2 was none that was clean.
    for _ in 0..2 {
        bench.import(&[], &[], &[1, 2, 3, 4, 5], (3, 1)).await;
        assert_eq!(
            bench
                .rows("SELECT concat_ws(' ', row_id, counted_cents, listed) FROM invoice ORDER BY row_id")
                .await,
            ["1 100 0", "2 200 0", "4 400 0"],
            "with what they counted then; what counted nothing then is forgotten"
        );
    }
    let sums = bench.ledger.sums(bench.now, bench.now, 1).await.unwrap();
    assert_eq!((sums.elsewhere, sums.standing_rows, sums.standing_cents), (700, 3, 700));
    // One is listed again as it is: in place, and no second time.
    bench.import(&[row(1, Some(100), "paid")], &[(0, 1)], &[], (4, 3)).await;
    assert_eq!(
        bench.rows("SELECT concat_ws(' ', row_id, counted_cents, listed) FROM invoice ORDER BY row_id").await,
        ["1 100 1", "2 200 0", "4 400 0"]
    );
}

#[tokio::test]
async fn a_row_that_the_same_list_tells_of_in_another_way_does_not_stand() {
    let bench = Bench::new().await;
    let halves = [named("s", "p", Some(600), "paid"), named("s", "p", Some(370), "paid")];
    bench.import(&halves, &[], &[], (1, 0)).await;
    bench.import(&[named("s2", "p2", Some(50), "paid"), row(7, Some(50), "paid")], &[], &[], (1, 0)).await;
    // Two have become one; one has another second id; one is only gone.
    let list = [named("s", "p", Some(970), "paid"), named("P2", "another", Some(50), "paid")];
    for _ in 0..2 {
        bench.import(&list[..1], &[(0, 1)], &[2, 3, 4], (2, 1)).await;
    }
    let left = "SELECT concat_ws(' ', row_id, counted_cents, listed) FROM invoice ORDER BY row_id";
    assert_eq!(bench.rows(left).await, ["1 970 1", "3 50 0", "4 50 0"]);
    bench.import(&list[1..], &[], &[3], (2, 1)).await;
    assert_eq!(bench.rows(left).await, ["1 970 1", "4 50 0", "5 50 1"]);
}

#[tokio::test]
async fn a_list_that_is_begun_again_keeps_nothing_of_the_first_try() {
    let bench = Bench::new().await;
    // What is in memory only, what is on the disk, and what is on both.
    for rows in [3, 2000, 2001] {
        let mut staging = bench.ledger.row_staging();
        (1..=rows).for_each(|number| staging.push(row(number, Some(1), "check")));
        let mut staging = staging.cleared();
        staging.push(row(7, Some(1), "check"));
        let mut pages = staging.into_pages().unwrap();
        let page = pages.next().unwrap().unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&page).unwrap()[0][4], "pay-7", "after {rows}");
        assert_eq!((page.lines().count(), pages.next().unwrap()), (1, None), "after {rows}");
    }
    std::fs::create_dir(bench.file("ledger.db-list")).unwrap();
    let mut staging = bench.ledger.row_staging();
    (1..=2000).for_each(|number| staging.push(row(number, Some(1), "check")));
    let failed = staging.into_pages().unwrap_err();
    assert!(failed.to_string().contains("ledger.db-list"), "{failed}");
}

#[tokio::test]
async fn thousands_of_rows_come_in_pages_and_none_is_lost() {
    let bench = Bench::new().await;
    bench
        .import(&(1..=6000).map(|number| row(number, Some(1), "check")).collect::<Vec<_>>(), &[], &[], (1, 0))
        .await;
    assert_eq!(bench.ledger.known_rows().await.unwrap().len(), 6000);
    assert_eq!(bench.ledger.unclaimed_rows(1).await.unwrap(), (1..=6000).collect::<Vec<_>>());
    // Of the second and the last page, some change what is known.
    let mut more: Vec<_> = (7001..=9100).map(|number| row(number, Some(1), "check")).collect();
    more[2000] = row(19, Some(4), "paid");
    more[2001] = row(17, Some(2), "paid");
    more[3] = row(6000, Some(3), "paid");
    bench.import(&more, &[(3, 6000), (2000, 19), (2001, 17)], &(1..=16).collect::<Vec<_>>(), (2, 1)).await;
    let changed =
        "SELECT concat_ws(' ', row_id, counted_cents) FROM invoice WHERE counted_cents > 0 ORDER BY row_id";
    assert_eq!(bench.rows(changed).await, ["17 2", "19 4", "6000 3"]);
    assert_eq!(bench.ledger.known_rows().await.unwrap().len(), 6000 - 16 + 2097);
    assert_eq!(bench.ledger.unclaimed_rows(2).await.unwrap().len(), 2100);
}

#[tokio::test]
async fn the_rows_of_an_older_ledger_get_their_digests_once() {
    let bench = Bench::new().await;
    let rows: Vec<_> = (1..=40).map(|number| row(number, Some(number), "paid")).collect();
    bench.import(&rows, &[], &[], (1, 0)).await;
    let digests = "SELECT concat_ws(' ', row_id, identity_hash, content_hash) FROM invoice ORDER BY row_id";
    let right = bench.rows(digests).await;
    assert!(right.iter().any(|digest| digest.contains('-')), "half of them are below nothing");
    let mut aside = bench.aside().await;
    sqlx::query("UPDATE invoice SET identity_hash = 0, content_hash = 0").execute(&mut aside).await.unwrap();
    for _ in 0..2 {
        bench.ledger.hash_old_rows().await.unwrap();
        assert_eq!(bench.rows(digests).await, right, "as a list would make them");
    }
}

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
    let unclaimed = UnmatchedInvoice { row: 1, cents: 515, created };
    assert_eq!(bench.ledger.guessable_rows(&[1, 2, 3]).await.unwrap(), [unclaimed]);
    let nearby = |deposit: &Deposit, number, cents: &[i64]| ProbableDeposit {
        deposit: number,
        created_at: deposit.facts.wallet.as_ref().unwrap().created_at,
        cents: cents.to_vec(),
    };
    let (one, two) = (nearby(&one, 1, &[515, 515]), nearby(&over, 2, &[600, 600, 700]));
    let without = |since, limit| bench.ledger.deposits_without_rows(since, limit);
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
    bench.ledger.store_probable_matches(&[]).await.unwrap();
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
