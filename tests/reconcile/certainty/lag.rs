//! An honest upstream whose status, list and total lag behind each other: no letter, and clean once it is at rest.

use depositd::domain::asset::Asset;
use depositd::sandbox::upstream::{Fate, Lag, ListLie, Source};

use super::super::month::{Dice, setting};
use super::super::support;
use super::*;

const RUN: Duration = Duration::from_mins(15);
const MOST: Duration = Duration::from_mins(40);
/// What happens to orders of ours.
const FATES: &[Fate] = &[
    Fate::Exact,
    Fate::Exact,
    Fate::Over,
    Fate::Short,
    Fate::UnderpaidThenCompleted,
    Fate::Expired,
    Fate::NeverPaid,
    Fate::Late,
    Fate::LatePaidAfterCheck,
    Fate::HeldThenReleased,
    Fate::Refunded,
    Fate::RefundFailed,
    Fate::Failed,
    Fate::UnknownWord,
];

/// Where lags may be as they like within 40 minutes, the lag that is allowed for being an hour.
async fn lagging() -> House {
    let settings =
        flow::FlowSettings { lag: Duration::from_hours(1), tell_after_runs: 2, ..support::house::settings() };
    let house = House::with(settings, Vec::new()).await;
    house.simulator.adjust(9_000, 70_000).unwrap();
    house.simulator.top_up_elsewhere(1_234, "card").unwrap();
    for source in [Source::Status, Source::List, Source::Total] {
        house.simulator.set_lag(source, Lag::UpTo(MOST));
    }
    house
}

/// A quarter of an hour in which something may happen, and the run at its end.
async fn quarter(house: &House, dice: &mut Dice, busy: usize) -> Report {
    if dice.below(100) < busy {
        let amount = format!("{}.{:02}", 5 + dice.below(300), dice.below(100));
        house.simulator.plan_next(&amount, dice.one(FATES));
        house.request("USDT", "TRON", &amount).await;
    }
    if dice.below(100) < busy / 2 {
        let cents = i64::try_from(dice.below(20_000) + 1).unwrap();
        house.simulator.top_up_elsewhere(cents, dice.one(&["stripe", "card", "cryptomus"])).unwrap();
    }
    if dice.below(100) < busy / 4 {
        let asset = Asset::parse("USDT", "BSC").unwrap();
        let fate = dice.one(&[Fate::Exact, Fate::Over, Fate::Expired, Fate::Refunded]);
        house.simulator.order_elsewhere(asset, "20", fate).unwrap();
    }
    house.simulator.spend(i64::try_from(dice.below(50) + 1).unwrap()).unwrap();
    house.pass(RUN, RUN / 3).await;
    house.reconcile().await
}

async fn told_of_nothing(house: &House, say: &str) {
    for event in ["discrepancy_opened", "discrepancy_closed", "reconciliation_void", "baseline_set"] {
        assert_eq!(letters(house, event).await, Vec::<String>::new(), "{say}");
    }
}

#[tokio::test]
async fn an_honest_account_that_lags_has_no_letters_and_ends_clean() {
    let days: usize = setting("DEPOSITD_LAG_DAYS", 2);
    let seeds: String = setting("DEPOSITD_LAG_SEEDS", "1".to_owned());
    for seed in seeds.split(',') {
        for (rest, busy) in [(8, 60), (8, 8), (0, 60)] {
            let say = format!("seed {seed}, at rest for {rest} quarters, then {busy} in 100");
            let house = lagging().await;
            let mut dice = Dice(seed.parse::<u64>().unwrap().wrapping_mul(0x9E37_79B9_7F4A_7C15));
            for _ in 0..rest {
                house.pass(RUN, RUN).await;
                house.reconcile().await;
            }
            let (mut since, mut with_case, mut exact) = (None, 0, 0);
            for run in 0..days * 96 {
                let report = quarter(&house, &mut dice, busy).await;
                let figures = report.figures.as_ref().unwrap();
                if let Some(baseline) = figures.baseline_cents {
                    assert_eq!(baseline, 70_000, "{say}, run {run}");
                    since.get_or_insert(run);
                }
                with_case += usize::from(!report.cases.is_empty());
                exact += usize::from(report.clean);
                told_of_nothing(&house, &format!("{say}, run {run}: {:?}", report.cases)).await;
            }
            // At rest: the last order ends within hours, and what lags comes in.
            let mut report = house.reconcile().await;
            for _ in 0..13 {
                house.pass(Duration::from_hours(1), Duration::from_mins(20)).await;
                report = house.reconcile().await;
            }
            assert_eq!((kinds(&report), report.clean), (Vec::new(), true), "{say}: {:?}", report.figures);
            assert_eq!(report.figures.unwrap().baseline_cents, Some(70_000), "{say}");
            told_of_nothing(&house, &say).await;
            println!("{say}: baseline at run {since:?}, {exact} clean runs, {with_case} with a case");
            closes(&house).await;
        }
    }
}

/// "Two runs" and "as many runs" are runs that lie the lag apart: a quarter of an hour later is the same moment.
#[tokio::test]
async fn runs_count_only_when_the_lag_lies_between_them() {
    let settings =
        flow::FlowSettings { lag: Duration::from_hours(1), tell_after_runs: 2, ..support::house::settings() };
    let house = House::with(settings, Vec::new()).await;
    house.simulator.top_up_elsewhere(1_234, "card").unwrap();
    let deposit = paid(&house, "50").await;
    for run in 0..9 {
        let known = house.reconcile().await.figures.unwrap().baseline_cents;
        assert_eq!(known.is_some(), run >= 4, "run {run}");
        house.pass(RUN, RUN).await;
    }
    assert!(house.reconcile().await.clean);
    // A row that changes is on its way for an hour, then a case, and told an hour later.
    let order_id = house.order(&deposit);
    house.simulator.set_list_lie(ListLie::StatusOf { order_id, word: "cancel".to_owned() });
    for run in 0..10 {
        let report = house.reconcile().await;
        let case = report.cases.iter().find(|case| case.kind == "status_mismatch");
        assert_eq!((case.is_some(), report.clean), (run >= 4, false), "run {run}");
        assert_eq!(report.on_their_way, usize::from(run < 4), "run {run}");
        let told = letters(&house, "discrepancy_opened").await;
        let told = told.iter().filter(|subject| subject.contains("status_mismatch")).count();
        assert_eq!(told, usize::from(run >= 8), "run {run}");
        house.pass(RUN, RUN).await;
    }
    house.simulator.tell_the_truth();
    house.pass(Duration::from_hours(2), RUN).await;
    assert!(house.reconcile().await.clean);
    // A void that stands is a case after an hour.
    house.simulator.set_total_shift(-1);
    for run in 0..6 {
        void(&house).await;
        let open = house.flow.ledger.cases(false).await.unwrap().len();
        assert_eq!(open, usize::from(run >= 4), "run {run}");
        house.pass(RUN, RUN).await;
    }
    house.simulator.tell_the_truth();
    closes(&house).await;
}

/// Other money arrives every hour, so that lag alone could be the cause of a drift at any one moment. Not for ever.
#[tokio::test]
async fn a_drift_that_lag_could_explain_is_told_once_no_run_was_exact_for_a_day() {
    let settings =
        flow::FlowSettings { lag: Duration::from_hours(1), tell_after_runs: 2, ..support::house::settings() };
    let house = House::with(settings, Vec::new()).await;
    let hourly = || async {
        house.simulator.top_up_elsewhere(500, "card").unwrap();
        house.pass(Duration::from_hours(1), Duration::from_mins(20)).await;
        house.reconcile().await
    };
    while !hourly().await.clean {}
    house.simulator.set_total_shift(3);
    for hour in 1..24 {
        let report = hourly().await;
        assert!(!report.clean, "hour {hour}");
        told_of_nothing(&house, &format!("hour {hour}")).await;
    }
    for _ in 0..3 {
        hourly().await;
    }
    let told = letters(&house, "discrepancy_opened").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("total_charges_drift"), "{told:?}");
    house.simulator.set_total_shift(0);
    hourly().await;
    hourly().await;
    closes(&house).await;
}

/// A short payment is listed by a word that follows the journal, and the total holds it later.
#[tokio::test]
async fn a_short_payment_whose_place_in_the_total_lags_is_on_its_way() {
    for after in [MOST, Duration::from_hours(3)] {
        let settings = flow::FlowSettings {
            lag: Duration::from_hours(1),
            tell_after_runs: 2,
            ..support::house::settings()
        };
        let house = House::with(settings, Vec::new()).await;
        house.simulator.top_up_elsewhere(1_234, "card").unwrap();
        while !house.reconcile().await.clean {
            house.pass(RUN, RUN).await;
        }
        let deposit = house.wallet("50").await;
        let order = house.order(&deposit);
        house.simulator.act(&order, Action::Pay { amount_usd: Some("20".parse().unwrap()) }).unwrap();
        house.poll().await;
        assert_eq!(house.read(&deposit).await.facts.booked.unwrap().total().to_string(), "20.00");
        house.simulator.set_total_shift(-2_000);
        let report = house.reconcile().await;
        assert_eq!((kinds(&report), report.clean), (Vec::new(), false), "{:?}", report.figures);
        house.pass(after, RUN).await;
        // A row that is older than the lag must have its place.
        let report = house.reconcile().await;
        let late = if after > MOST { vec!["total_charges_drift"] } else { Vec::new() };
        assert_eq!((kinds(&report), report.clean), (late, false), "{:?}", report.figures);
        house.simulator.set_total_shift(0);
        closes(&house).await;
    }
}

/// A run at the same moment is the same run; a case that was seen under a clock that was ahead counts again all the same.
#[tokio::test]
async fn a_case_counts_once_a_moment_and_does_not_wait_for_a_clock_that_was_ahead() {
    let mut house = House::with_clocks_apart().await;
    house.flow.settings.lag = Duration::from_hours(1);
    house.flow.settings.tell_after_runs = 2;
    house.simulator.top_up_elsewhere(1_234, "card").unwrap();
    let deposit = paid(&house, "50").await;
    while !house.reconcile().await.clean {
        house.pass(RUN, RUN).await;
    }
    house
        .simulator
        .set_list_lie(ListLie::StatusOf { order_id: house.order(&deposit), word: "cancel".to_owned() });
    house.reconcile().await;
    house.pass(Duration::from_hours(1), RUN).await;
    for _ in 0..3 {
        assert!(kinds(&house.reconcile().await).contains(&"status_mismatch"));
    }
    let told = || async {
        let told = letters(&house, "discrepancy_opened").await;
        told.iter().filter(|subject| subject.contains("status_mismatch")).count()
    };
    assert_eq!(told().await, 0, "three runs of one moment are one");
    house.clock.jump_to(house.clock.now().minus(Duration::from_hours(5)));
    house.reconcile().await;
    assert_eq!(told().await, 1);
}
