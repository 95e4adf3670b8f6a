//! A month is closed for good: only when it is over and clean; what comes later is booked in the open month and refers back.

use depositd::domain::money::UsdMicros;
use depositd::domain::observe::Observation;
use depositd::domain::period::Month;
use depositd::domain::time::Timestamp;
use depositd::flow::{self, CloseError};
use depositd::ledger::{DepositWrite, Recorded};
use depositd::sandbox::upstream::Action;

use super::story;

fn month(text: &str) -> Month {
    Month::parse(text).unwrap()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, or one table of what must be refused")]
async fn a_closed_month_stands_and_later_corrections_refer_back() {
    let lived = story::march().await;
    let house = &lived.house;
    let early = flow::close_month(&house.flow, &month("2026-03"), "an accountant").await.unwrap_err();
    assert!(
        matches!(early, CloseError::Early(_)) && early.to_string().contains("2026-04-01T00:00:00.000Z"),
        "{early}"
    );
    while !house.sql_now().starts_with("2026-04") {
        house.clock.advance(std::time::Duration::from_hours(24));
    }
    // Something is wrong: it stays open, and says why.
    house.simulator.top_up_elsewhere(1_00, "card").unwrap();
    house.simulator.adjust(0, 5_00).unwrap();
    let unclean = flow::close_month(&house.flow, &month("2026-03"), "an accountant").await.unwrap_err();
    assert!(matches!(unclean, CloseError::NotClean(_)), "{unclean}");
    assert_eq!(house.sql("SELECT count(*) FROM accounting_periods"), "0");
    house.simulator.adjust(0, -5_00).unwrap();
    let closed = flow::close_month(&house.flow, &month("2026-03"), "an accountant").await.unwrap();
    assert_eq!((closed.month.as_str(), closed.ends_at.as_str()), ("2026-03", "2026-04-01T00:00:00.000Z"));
    assert_eq!(
        flow::close_month(&house.flow, &month("2026-03"), "an accountant").await.unwrap(),
        closed,
        "again is the same"
    );
    assert_eq!(
        flow::close_month(&house.flow, &month("2026-02"), "an accountant").await.unwrap(),
        closed,
        "it covers what lies before"
    );
    let march = "SELECT * FROM accounting_monthly WHERE month = '2026-03' ORDER BY currency, network";
    let entries = "SELECT * FROM accounting_entries WHERE posted_at < '2026-04-01' ORDER BY entry_id";
    let (lines, booked) = (house.sql(march), house.sql(entries));

    // In April the figure of March turns out wrong by another dollar, and all of another deposit goes back.
    let policy = house.flow.settings.policy;
    let deposit = house.read(&lived.corrected).await;
    let credited = UsdMicros::new(48_000_000);
    let correction = Observation::Corrected { credited, reason: "support says 48.00".to_owned() };
    let step = deposit.clone().observe(correction, house.flow.clock.now(), &policy).unwrap();
    let written = house.flow.ledger.record(vec![DepositWrite::from(step)]).await.unwrap();
    assert_eq!(written, [Recorded::Written]);
    assert_eq!(house.sql(march), lines, "the closed month's totals stand");
    assert_eq!(house.sql(entries), booked, "and its entries");
    assert_eq!(
        house.sql(
            "SELECT month, deposits, amount_usd, adjustments, adjusted_usd FROM accounting_monthly \
                   WHERE month = '2026-04'"
        ),
        "2026-04|0|0.00|1|-1.00"
    );
    let refers = format!(
        "SELECT DISTINCT e.refers_to = (SELECT min(transaction_id) FROM accounting_entries WHERE deposit_id = '{0}') \
         FROM accounting_entries e WHERE e.deposit_id = '{0}' AND e.posted_at >= '2026-04-01'",
        deposit.id
    );
    assert_eq!(house.sql(&refers), "1");
    house.prove().await;

    // Nobody books in a closed month: a step with a date in it is forbidden, by this program and by any other.
    let paid = house.wallet("13").await;
    let report = depositd::domain::report::OrderReport {
        status: Some("paid".to_owned()),
        ..depositd::domain::report::OrderReport::default()
    };
    let mut step =
        paid.observe(Observation::Polled(Box::new(report)), house.flow.clock.now(), &policy).unwrap();
    for event in &mut step.events {
        event.at = Timestamp::parse("2026-03-31T23:59:59.999Z").unwrap();
    }
    let recorded = house.flow.ledger.record(vec![DepositWrite::from(step)]).await.unwrap();
    assert!(
        matches!(&recorded[0], Recorded::Forbidden(why) if why.contains("month is closed")),
        "{recorded:?}"
    );
    for statement in ["DELETE FROM period", "UPDATE period SET ends_at = '2026-03-15T00:00:00.000Z'"] {
        let output =
            std::process::Command::new("sqlite3").arg(house.ledger_path()).arg(statement).output().unwrap();
        assert!(!output.status.success(), "{statement}");
    }
    house.prove().await;

    // And the next month follows.
    let house = &lived.house;
    house
        .simulator
        .act(
            &house.order(&lived.corrected),
            Action::SetFigures(depositd::sandbox::upstream::Figures {
                invoice_cents: Some(4_800),
                credited_cents: Some(4_800),
                ..Default::default()
            }),
        )
        .unwrap();
    while !house.sql_now().starts_with("2026-05") {
        house.clock.advance(std::time::Duration::from_hours(24));
    }
    house.rounds().await;
    // A total that falls is void, and a case: a person says that it is so.
    let unclean = flow::close_month(&house.flow, &month("2026-04"), "an accountant").await.unwrap_err();
    assert!(matches!(unclean, CloseError::Reconcile(_)), "{unclean}");
    let fell = house.flow.ledger.cases(false).await.unwrap();
    assert_eq!((fell.len(), fell[0].kind.as_str()), (1, "total_fell"));
    flow::accept_case(&house.flow, fell[0].id, "an accountant", "support says 48.00", None).await.unwrap();
    let closed = flow::close_month(&house.flow, &month("2026-04"), "an accountant").await.unwrap();
    assert_eq!(closed.month, "2026-04");
    house.prove().await;
}
