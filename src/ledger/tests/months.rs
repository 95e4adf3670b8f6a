//! The months' totals, the digest's figures, and months that are closed for good.

use super::*;
use crate::domain::money::UsdMicros;
use crate::domain::period::Month;

impl Bench {
    async fn totals(&self) -> Vec<String> {
        self.rows(
            "SELECT concat_ws(' ', month, deposits, credited_micros / 10000, refunds, refunded_micros / 10000,
                              adjustments, adjusted_micros / 10000) FROM month_total ORDER BY month",
        )
        .await
    }

    async fn close(&self, month: &str) {
        let proof = serde_json::json!({ "proven": month });
        self.ledger.close_month(&Month::parse(month).unwrap(), self.now, proof).await.unwrap();
    }
}

#[tokio::test]
async fn money_counts_in_the_month_of_its_deposit_as_long_as_that_is_open() {
    let mut bench = Bench::at("2026-01-31T23:00:00Z").await;
    let one = bench.paid(1, "5").await;
    let two = bench.paid(2, "6").await;
    let part = bench.paid(3, "8").await;
    let part = bench.poll(part, "refund_paid", "back=2.00").await;
    assert_eq!(bench.totals().await, ["2026-01 3 1900 1 200 0 0"]);
    bench.now = at("2026-02-01T00:00:00Z");
    // More for a deposit of January, while January is open.
    let one = bench.poll(one, "paid_over", "usd=5.50").await;
    assert_eq!(bench.totals().await, ["2026-01 3 1950 1 200 0 0"]);
    assert_eq!(bench.ledger.closed_months().await.unwrap(), []);
    bench.close("2026-01").await;
    // From now on January stands: more of its money, and what goes back of it, is February's.
    let one = bench.poll(one, "paid_over", "usd=6.00").await;
    bench.poll(two, "refund_paid", "").await;
    bench.poll(part, "refund_paid", "back=3.00").await;
    bench.paid(4, "7").await;
    let totals = ["2026-01 3 1950 1 200 0 0", "2026-02 1 700 1 600 2 -50"];
    assert_eq!(bench.totals().await, totals);
    bench.now = at("2026-03-02T00:00:00Z");
    bench.poll(one, "refund_paid", "").await;
    let totals = ["2026-01 3 1950 1 200 0 0", "2026-02 1 700 1 600 2 -50", "2026-03 0 0 1 600 0 0"];
    assert_eq!(bench.totals().await, totals);
    bench.close("2026-02").await;
    // Closed in the same order, and once.
    bench.close("2026-02").await;
    bench.close("2026-01").await;
    let closed = bench.ledger.closed_months().await.unwrap();
    let months: Vec<_> = closed.iter().map(|month| (month.month.as_str(), month.ends_at.as_str())).collect();
    assert_eq!(months, [("2026-01", "2026-02-01T00:00:00.000Z"), ("2026-02", "2026-03-01T00:00:00.000Z")]);
    assert_eq!((closed[0].closed_at.as_str(), closed[0].hash.len()), ("2026-02-01T00:05:00.000Z", 64));
    let prepaid = &closed[0].figures["balances"][0];
    assert_eq!(
        (&prepaid["account"], &prepaid["usd_micros"]),
        (&"assets:prepaid:smsonline".into(), &17_000_000.into())
    );
    assert_eq!(closed[0].figures["proven"], "2026-01");
    assert_eq!(*bench.ledger.head().borrow(), 20);
    assert_eq!(closed[1].event_seq, 20);
    assert_eq!(bench.findings().await, []);
    // Debits and credits apart, by the month of the entry.
    assert_eq!(
        bench
            .row(
                "SELECT concat_ws(' ', debit_micros, credit_micros) FROM account_month
                  WHERE account = 'assets:prepaid:smsonline' AND month = '2026-02'"
            )
            .await,
        "8000000 -7000000"
    );
    // Nothing is booked in a closed month, whatever the clock says.
    bench.now = at("2026-02-10T00:00:00Z");
    let five = bench.wallet(5, "5").await;
    let recorded = bench.ledger.record(vec![bench.step(&five, polled("paid", "")).into()]).await.unwrap();
    assert!(
        matches!(recorded.as_slice(), [Recorded::Forbidden(why)] if why.contains("closed")),
        "{recorded:?}"
    );
}

#[tokio::test]
async fn a_digest_counts_what_happened_and_what_stands_open() {
    let mut bench = Bench::new().await;
    bench.paid(1, "5").await;
    let (from, after) =
        (bench.now.plus(Duration::from_mins(1)), bench.ledger.head_hash().await.unwrap().unwrap().0);
    bench.wait(10);
    let two = bench.paid(2, "6").await;
    bench.paid(3, "8").await;
    let open = bench.wallet(4, "9").await;
    let flagged = bench.poll(open, "confirm_check", "").await;
    bench.poll(flagged, "check", "").await;
    let gone = bench.wallet(5, "9").await;
    bench.poll(gone, "cancel", "").await;
    bench.poll(two, "refund_paid", "").await;
    bench.ask(6, "4").await;
    let to = bench.now.plus(Duration::from_mins(1));
    let totals = bench.ledger.period_totals(from, to, after).await.unwrap();
    assert_eq!((totals.requested, totals.refunded, totals.refunded_usd.get()), (5, 1, 6_000_000));
    let settled = Settled {
        method: "wallet".to_owned(),
        currency: Some("USDT".to_owned()),
        network: Some("BSC".to_owned()),
        count: 2,
        usd: UsdMicros::new(14_000_000),
    };
    assert_eq!(totals.settled, [settled]);
    assert_eq!(totals.ended, [Ended { event: "expired".to_owned(), count: 1 }]);
    let (states, flagged) = bench.ledger.open_states().await.unwrap();
    let of: Vec<_> =
        states.iter().map(|s| (s.state.as_str(), s.count, s.usd.get(), s.oldest.as_str())).collect();
    assert_eq!(
        of,
        [
            ("confirming", 1, 9_000_000, "2026-01-10T09:25:00.000Z"),
            ("requested", 1, 0, "2026-01-10T09:45:00.000Z"),
        ]
    );
    assert_eq!(flagged, 1);
    assert_eq!(bench.ledger.credited_in_all().await.unwrap().get(), 13_000_000);
}
