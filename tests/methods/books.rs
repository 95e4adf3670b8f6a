//! All three methods and strangers in one month: the statement and the reconciliation to the cent.

use depositd::domain::deposit::State;
use depositd::domain::method::Method;
use depositd::flow::{self, NewDeposit};
use depositd::sandbox::upstream::{Action, CardRowId, Fate, LinkShape, RowsAt};

use super::support::house::House;
use super::{HOUR, MINUTE, act, pay};

#[tokio::test]
async fn three_methods_and_strangers_add_up_to_the_cent() {
    let house = House::new().await;
    house.simulator.top_up_elsewhere(1234, "stripe").unwrap();
    house.baseline().await;
    let wallet = house.wallet("25").await;
    house.simulator.act(&house.order(&wallet), Action::Pay { amount_usd: None }).unwrap();
    let pages: Vec<_> = [house.link(Method::Page, "10").await, house.link(Method::Page, "20").await].into();
    house.simulator.set_links(LinkShape { rows_at: RowsAt::Paid, ..LinkShape::default() });
    let card = house.link(Method::Card, "40").await;
    house.pass(10 * MINUTE, MINUTE).await;
    pages.iter().for_each(|page| pay(&house, page));
    pay(&house, &card);
    house.simulator.top_up_elsewhere(777, "pay4bit").unwrap();
    house.pass(30 * MINUTE, 5 * MINUTE).await;
    house.reconcile().await;
    let row = house.flow.ledger.probable_rows(card.id).await.unwrap()[0].0;
    flow::match_row(&house.flow, row, &card.id.to_string(), "tester", "receipt").await.unwrap();
    act(&house, &pages[1], Action::StartRefund);
    act(&house, &pages[1], Action::FinishRefund);
    house.pass(2 * HOUR, 20 * MINUTE).await;
    let report = house.reconcile().await;
    assert!(report.clean, "{:?}", report.cases);
    assert_eq!(house.read(&pages[1]).await.facts.state, State::Refunded);
    let statement = house.sql(
        "SELECT ours_usd, elsewhere_usd, refunds_usd, unexplained_usd, in_transit_usd, \
                since_usd_micros + ours_usd_micros + elsewhere_usd_micros - refunds_usd_micros - spent_usd_micros \
                + rises_usd_micros + in_transit_usd_micros + unexplained_usd_micros = closing_usd_micros \
         FROM accounting_statement",
    );
    assert_eq!(statement, "95.00|7.77|20.00|0.00|0.00|1");
    let monthly = house.sql(
        "SELECT group_concat(method || ' ' || coalesce(currency, '-') || ' ' || deposits || ' ' || amount_usd || ' ' || refunds, ', ') \
         FROM (SELECT * FROM accounting_monthly ORDER BY method)",
    );
    assert_eq!(monthly, "card - 1 40.00 0, page - 2 30.00 1, wallet USDT 1 25.00 0");
    let accounts = house.sql(
        "SELECT group_concat(account || ' ' || balance, ', ') FROM (SELECT * FROM accounting_trial_balance ORDER BY account)",
    );
    assert!(accounts.contains("equity:card -40") && accounts.contains("equity:unstated -10"), "{accounts}");
    house.prove().await;
}

/// A month of all methods with strangers in between. `METHODS_MONTH=10000` makes it a large one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_of_all_methods_is_the_upstreams_own_to_the_cent() {
    let many: usize = std::env::var("METHODS_MONTH").map_or(240, |text| text.parse().unwrap());
    let house = House::new().await;
    house.simulator.set_links(LinkShape { card_row_id: CardRowId::Sign, ..LinkShape::default() });
    house.simulator.set_default_fate(Fate::Exact);
    house.baseline().await;
    let before = house.simulator.books().total_charges_cents;
    for number in 0..many {
        let amount = (number % 90 + 10).to_string();
        let new = match number % 3 {
            0 => NewDeposit::new("USDT", "TRON", amount),
            1 => NewDeposit::by_link(Method::Page, amount),
            _ => NewDeposit::by_link(Method::Card, amount),
        };
        house.open(new).await;
        if number % 10 == 0 {
            house.simulator.top_up_elsewhere(777, "stripe").unwrap();
        }
        // A day has so many that a month has them all.
        if number % (many / 24).max(1) == 0 {
            house.pass(HOUR, 10 * MINUTE).await;
            house.pass(23 * HOUR, 23 * HOUR).await;
        }
    }
    for _ in 0..many.div_ceil(1000) {
        house.rounds().await;
    }
    house.pass(2 * HOUR, 10 * MINUTE).await;
    house.reconcile().await;
    house.pass(2 * HOUR, 20 * MINUTE).await;
    let report = house.reconcile().await;
    assert!(report.clean, "{:?}", report.cases);
    let books = house.simulator.books();
    let ours: i64 = books.credited.values().map(|credit| credit.cents).sum();
    let elsewhere = i64::try_from(many.div_ceil(10)).unwrap() * 777;
    assert_eq!(books.total_charges_cents - before, ours + elsewhere);
    let booked = house.sql(
        "SELECT sum(amount_booked_micros) / 10000, count(*) FROM accounting_deposits WHERE state = 'settled'",
    );
    assert_eq!(booked, format!("{ours}|{many}"));
    let statement = house.sql("SELECT sum(ours_usd_micros) / 10000, sum(elsewhere_usd_micros) / 10000, sum(unexplained_usd_micros) FROM accounting_statement");
    assert_eq!(statement, format!("{ours}|{elsewhere}|0"));
    let monthly = house.sql("SELECT sum(deposits), sum(amount_usd_micros) / 10000 FROM accounting_monthly");
    assert_eq!(monthly, format!("{many}|{ours}"));
    house.prove().await;
}

#[tokio::test]
async fn many_of_all_methods_and_fates_end_clean() {
    let house = House::new().await;
    house.baseline().await;
    let fates =
        [Fate::Exact, Fate::Expired, Fate::Over, Fate::Late, Fate::UnderpaidThenCompleted, Fate::Failed];
    let mut pages = Vec::new();
    for number in 0..60 {
        house.simulator.set_default_fate(fates[number % fates.len()]);
        if number % 3 == 0 {
            house.wallet(&format!("{}", number + 10)).await;
        } else {
            pages.push(house.link(Method::Page, &format!("{}", number + 10)).await);
        }
        house.simulator.top_up_elsewhere(100 + number as i64, "stripe").unwrap();
    }
    house.pass(6 * HOUR, 5 * MINUTE).await;
    house.reconcile().await;
    house.pass(2 * HOUR, 20 * MINUTE).await;
    let report = house.reconcile().await;
    assert!(report.clean, "{:?}", report.cases);
    for page in pages {
        let ended = house.read(&page).await;
        assert!(ended.facts.state.is_final(), "{}", ended.facts.state);
        let credited = house.linked(&page).credited_cents;
        assert_eq!(ended.facts.booked.map(|booked| booked.total().cents_floor()), credited, "{}", page.id);
    }
    house.prove().await;
}
