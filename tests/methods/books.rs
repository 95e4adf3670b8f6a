//! All three methods and strangers in one month: the statement and the reconciliation to the cent.

use depositd::domain::deposit::State;
use depositd::domain::method::Method;
use depositd::flow;
use depositd::sandbox::upstream::{Action, Fate, LinkShape, RowsAt};

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
