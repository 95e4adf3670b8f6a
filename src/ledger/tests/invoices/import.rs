//! Rows come in: written once, changed in place, gone with clean figures.

use super::*;

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
