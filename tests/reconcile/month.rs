//! A simulated month: every fate, lost answers, foreign top-ups, spending, outages; the identity to the cent.
//!
//! CI runs a short one. The long one: `DEPOSITD_MONTH_DEPOSITS=10000 DEPOSITD_MONTH_DAYS=30 DEPOSITD_MONTH_SEEDS=1,2,3
//! cargo test --release --test reconcile month -- --nocapture`.

use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::flow::{self, ReconcileFailed, Report};
use depositd::sandbox::upstream::{Call, Fate, Fault, IdField, OutageStyle, Shape};

use super::house;
use super::support::house::House;

const STEP: Duration = Duration::from_secs(20 * 60);

pub(super) fn setting<T: std::str::FromStr>(name: &str, usual: T) -> T {
    let Ok(text) = std::env::var(name) else { return usual };
    text.parse().unwrap_or_else(|_| panic!("{name}={text} is not understood"))
}

pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    pub(super) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

#[tokio::test]
async fn a_simulated_month_agrees_to_the_cent() {
    let deposits: usize = setting("DEPOSITD_MONTH_DEPOSITS", 80);
    let days: usize = setting("DEPOSITD_MONTH_DAYS", 2);
    let seeds: String = setting("DEPOSITD_MONTH_SEEDS", "1,2".to_owned());
    for seed in seeds.split(',') {
        println!("seed {seed}: {deposits} deposits in {days} days");
        month(seed.parse().unwrap(), deposits, days).await;
    }
}

async fn month(seed: u64, deposits: usize, days: usize) {
    let house = house().await;
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let id_field = dice.one(&[IdField::PayId, IdField::Sesid]);
    house.simulator.set_shape(Shape { id_field, ..Shape::default() });
    house.simulator.set_default_fate(Fate::Exact);
    house.simulator.adjust(5_000, 70_000).unwrap();
    house.simulator.top_up_elsewhere(1_00, "card").unwrap();
    house.baseline().await;
    let mut tally = Tally::default();
    let steps = days * 24 * 3;
    let mut made = 0;
    for step in 0..steps {
        if step == steps / 2 || dice.below(steps) < days {
            outage(&house, &mut dice);
            tally.hear(ticking(&house, flow::reconcile(&house.flow)).await);
        }
        while made * steps < deposits * (step + 1) {
            made += 1;
            ask(&house, &mut dice).await;
        }
        if dice.below(10) == 0 {
            let cents = i64::try_from(dice.below(20_000) + 1).unwrap();
            house.simulator.top_up_elsewhere(cents, dice.one(&["stripe", "card", "cryptomus"])).unwrap();
        }
        if dice.below(5) == 0 {
            house.simulator.spend(i64::try_from(dice.below(3_000) + 1).unwrap()).unwrap();
        }
        ticking(&house, house.pass(STEP, STEP / 4)).await;
        if dice.below(6) == 0 {
            tally.hear(ticking(&house, flow::reconcile(&house.flow)).await);
        }
    }
    // Everything ends, the late watch too.
    house.simulator.clear_faults();
    house.pass(Duration::from_secs(86_400), STEP).await;
    tally.hear(flow::reconcile(&house.flow).await);
    house.pass(Duration::from_secs(9 * 86_400), Duration::from_secs(12 * 3600)).await;
    let report = house.reconcile().await;
    tally.hear(Ok(report.clone()));
    let report = report_agrees(&house, report).await;
    assert!(tally.void > 0 && tally.good > 1, "seed {seed}: {} good runs, {} void", tally.good, tally.void);
    println!(
        "seed {seed}: {} good runs, {} void; {} cases in all, {} open; {:?}",
        tally.good,
        tally.void,
        house.sql("SELECT count(*) FROM discrepancy"),
        report.cases.len(),
        report.matches
    );
    println!("seed {seed}: {:?}", report.figures.unwrap());
}

/// Does `work`, and lets time pass while it waits for nothing but time: for the probes of an outage.
pub(super) async fn ticking<T>(house: &House, work: impl Future<Output = T>) -> T {
    let (mut work, real) = (std::pin::pin!(work), SystemClock::new());
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = real.sleep(Duration::from_millis(1)) => {
                let health = house.flow.upstream.health();
                if health.in_flight == 0 && health.waiting > 0 {
                    house.clock.advance(Duration::from_secs(5));
                }
            }
        }
    }
}

/// What the runs of a month came to.
#[derive(Default)]
struct Tally {
    good: u32,
    void: u32,
}

impl Tally {
    /// A run in the middle of everything agrees, too, or is void.
    fn hear(&mut self, run: Result<Report, ReconcileFailed>) {
        match run {
            Ok(report) => {
                self.good += 1;
                let figures = report.figures.as_ref().unwrap();
                assert_eq!(figures.difference_cents.unwrap_or(0), 0, "{report:?}");
                assert_eq!(report.cases, Vec::new());
            }
            Err(ReconcileFailed::Incomplete(_)) => self.void += 1,
            Err(error) => panic!("{error}"),
        }
    }
}

/// One more deposit, some with a lost answer.
async fn ask(house: &House, dice: &mut Dice) {
    let fates: Vec<Fate> = Fate::ALL.iter().copied().filter(|fate| *fate != Fate::Manual).collect();
    let amount = format!("{}.{:02}", 5 + dice.below(300), dice.below(100));
    house.simulator.plan_next(&amount, dice.one(&fates));
    if dice.below(25) == 0 {
        let fault = dice.one(&[0, 1, 2]);
        let fault = [Fault::DropAfterActing, Fault::DropBeforeActing, Fault::TruncatedJson][fault].clone();
        house.simulator.inject(Call::Create, fault, 1);
    }
    let (currency, network) = dice.one(&[("USDT", "TRON"), ("USDC", "BSC"), ("BTC", "BTC"), ("ETH", "ETH")]);
    house.request(currency, network, &amount).await;
}

fn outage(house: &House, dice: &mut Dice) {
    let from = house.clock.now();
    let minutes = 10 + u64::try_from(dice.below(90)).unwrap();
    house.simulator.set_outage_style(dice.one(&[
        OutageStyle::BadGateway,
        OutageStyle::Unavailable,
        OutageStyle::Close,
    ]));
    house.simulator.plan_outage(from, from.plus(Duration::from_secs(60 * minutes)));
}

/// The identity, every order by itself, and the books.
async fn report_agrees(house: &House, report: Report) -> Report {
    let figures = report.figures.clone().unwrap();
    let books = house.simulator.books();
    assert_eq!(figures.total_charges_cents, books.total_charges_cents);
    assert_eq!(figures.balance_cents, books.balance_cents);
    assert_eq!(
        figures.credited_here_cents + figures.credited_elsewhere_cents + figures.difference_cents.unwrap(),
        figures.total_charges_cents
    );
    let mut here = 0;
    let ours = house.sql(
        "SELECT order_id, coalesce(amount_booked_micros, 0) FROM accounting_deposits WHERE order_id <> ''",
    );
    for line in ours.lines() {
        let (order, micros) = line.split_once('|').unwrap();
        let micros: i64 = micros.parse().unwrap();
        let credited = books.credited.get(order).map_or(0, |credit| credit.cents);
        // The upstream credits whole cents of what arrived.
        assert_eq!((micros + 5_000) / 10_000, credited, "{order}");
        here += credited;
    }
    assert_eq!(figures.credited_here_cents, here);
    house.prove().await;
    report
}
