//! The baseline: what two runs that agree, and read everything, prove; else none, and the report says so.

use depositd::sandbox::upstream::{AmountStyle, Call, Fault, Lag, ListLie, Source};

use super::*;

#[tokio::test]
async fn an_empty_first_list_under_a_total_is_no_baseline() {
    let house = super::super::house().await;
    house.simulator.top_up_elsewhere(9_700, "card").unwrap();
    house.simulator.set_list_lie(ListLie::Empty);
    for _ in 0..5 {
        let report = house.reconcile().await;
        let figures = report.figures.as_ref().unwrap();
        assert_eq!((figures.baseline_cents, figures.difference_cents, report.clean), (None, None, false));
    }
    house.simulator.clear_list_lies();
    let figures = house.baseline().await.figures.unwrap();
    assert_eq!((figures.baseline_cents, figures.difference_cents), (Some(0), Some(0)));
    closes(&house).await;
}

/// No list ever: a person sets it.
#[tokio::test]
async fn where_no_list_ever_comes_a_person_sets_the_baseline() {
    let house = super::super::house().await;
    house.simulator.adjust(0, 9_700).unwrap();
    for _ in 0..3 {
        assert_eq!(house.reconcile().await.figures.unwrap().baseline_cents, None);
    }
    assert!(flow::set_baseline(&house.flow, 9_700, "root", " ").await.is_err());
    flow::set_baseline(&house.flow, 9_700, "root", "from before us").await.unwrap();
    assert!(flow::set_baseline(&house.flow, 9_700, "root", "again").await.is_err());
    closes(&house).await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_holds_the_baseline_up() {
    for style in [AmountStyle::Fraction, AmountStyle::Null, AmountStyle::Words, AmountStyle::Missing] {
        let house = super::super::house().await;
        house.simulator.adjust(0, 300).unwrap();
        house.simulator.top_up_elsewhere(485, "card").unwrap();
        house.simulator.set_list_lie(ListLie::AmountAs(style));
        for _ in 0..3 {
            let report = house.reconcile().await;
            assert_eq!((report.figures.unwrap().baseline_cents, report.unreadable), (None, 1), "{style:?}");
        }
        house.simulator.clear_list_lies();
        let figures = house.baseline().await.figures.unwrap();
        assert_eq!((figures.baseline_cents, figures.difference_cents), (Some(300), Some(0)), "{style:?}");
        closes(&house).await;
    }
}

/// The order is paid by its status, and list and total say so up to 40 minutes later, in whatever order.
#[tokio::test]
async fn money_on_its_way_is_not_taken_for_history() {
    let lags = [0, 10, 40].map(Duration::from_mins);
    for list in lags {
        for total in lags {
            let settings = flow::FlowSettings {
                lag: Duration::from_hours(1),
                tell_after_runs: 2,
                ..super::super::support::house::settings()
            };
            let house = House::with(settings, Vec::new()).await;
            house.simulator.adjust(0, 300).unwrap();
            house.simulator.top_up_elsewhere(9_700, "card").unwrap();
            house.simulator.set_lag(Source::List, Lag::Fixed(list));
            house.simulator.set_lag(Source::Total, Lag::Fixed(total));
            house.clock.advance(Duration::from_mins(45));
            paid(&house, "50").await;
            let mut last = None;
            for _ in 0..16 {
                house.pass(Duration::from_mins(15), Duration::from_mins(5)).await;
                let report = house.reconcile().await;
                assert_eq!(kinds(&report), Vec::<&str>::new(), "list {list:?}, total {total:?}");
                let figures = report.figures.clone().unwrap();
                assert!(
                    figures.baseline_cents.is_none_or(|cents| cents == 300),
                    "{figures:?}, list {list:?}, total {total:?}"
                );
                last = Some(report);
            }
            let report = last.unwrap();
            assert_eq!(
                (report.figures.unwrap().baseline_cents, report.clean),
                (Some(300), true),
                "list {list:?}, total {total:?}"
            );
            assert!(letters(&house, "discrepancy_opened").await.is_empty());
        }
    }
}

/// Rows that exceed the total: told once, and a person may set it.
#[tokio::test]
async fn a_baseline_below_nothing_is_told_once_and_not_taken() {
    let house = super::super::house().await;
    house.simulator.top_up_elsewhere(9_700, "card").unwrap();
    house.simulator.adjust(0, -9_600).unwrap();
    for _ in 0..4 {
        let report = house.reconcile().await;
        assert_eq!((report.figures.unwrap().baseline_cents, report.clean), (None, false));
    }
    assert_eq!(letters(&house, "baseline_set").await.len(), 1);
    flow::set_baseline(&house.flow, -9_600, "root", "taken back long ago").await.unwrap();
    closes(&house).await;
}

/// Void runs prove nothing.
#[tokio::test]
async fn void_runs_do_not_count_towards_the_baseline() {
    let house = super::super::house().await;
    house.simulator.top_up_elsewhere(9_700, "card").unwrap();
    house.reconcile().await;
    for _ in 0..2 {
        house.simulator.inject(Call::Invoices, Fault::Html200, 1);
        void(&house).await;
        house.clock.advance(Duration::from_secs(60));
        assert_eq!(house.sql("SELECT count(*) FROM meta WHERE key = 'baseline_cents'"), "0");
    }
    assert_eq!(house.reconcile().await.figures.unwrap().baseline_cents, Some(0));
    closes(&house).await;
}
