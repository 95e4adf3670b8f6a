//! Clocks that lie: the wall clock jumps by hours, the machine sleeps, the upstream's clock is another one.
mod support;

use std::time::Duration;

use depositd::clock::Clock as _;
use depositd::domain::deposit::State;
use depositd::domain::period::Month;
use depositd::domain::time::Timestamp;
use depositd::flow;
use depositd::sandbox::upstream::Action;
use support::house::House;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn nothing_expires_because_our_clock_alone_has_jumped_ahead() {
    let house = House::with_clocks_apart().await;
    let (paid, never) = (house.wallet("25.00").await, house.wallet("30.00").await);
    house.clock.jump_to(house.clock.now().plus(5 * HOUR));
    house.pass(10 * MINUTE, MINUTE).await;
    for deposit in [&paid, &never] {
        assert_eq!(house.read(deposit).await.facts.state, State::AwaitingPayment);
    }
    house.simulator.act(&house.order(&paid), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    let settled = house.read(&paid).await.facts;
    assert_eq!((settled.state, settled.late), (State::Settled, false), "called late though it was not");
    // By the upstream's clock the hour and the grace pass as well: now it is over.
    house.pass(70 * MINUTE, MINUTE).await;
    assert_eq!(house.read(&never).await.facts.state, State::Expired);
    assert_eq!(house.letters(&never), ["expired"]);
    house.prove().await;
}

#[tokio::test]
async fn nothing_expires_because_the_upstreams_clock_alone_is_ahead() {
    let house = House::with_clocks_apart().await;
    let deposit = house.wallet("25.00").await;
    house.world.jump_to(house.world.now().plus(5 * HOUR));
    house.pass(10 * MINUTE, MINUTE).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::AwaitingPayment);
    house.pass(70 * MINUTE, MINUTE).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Expired);
}

#[tokio::test]
async fn polls_go_on_when_the_clock_is_set_back_by_hours() {
    let house = House::with_clocks_apart().await;
    let deposit = house.wallet("25.00").await;
    house.poll().await;
    house.clock.jump_to(house.clock.now().minus(5 * HOUR));
    house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
    // Its turn stands five hours ahead by the clock that was wrong. It does not wait for that.
    house.pass(MINUTE, 20 * Duration::from_secs(1)).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Settled);
    let late = house.request("USDT", "TRON", "7.00").await;
    house.pass(MINUTE, 20 * Duration::from_secs(1)).await;
    assert_eq!(house.read(&late).await.facts.state, State::AwaitingPayment, "requests get their wallets too");
    // History runs forward all the same.
    let times =
        house.sql(&format!("SELECT group_concat(at, ' ') FROM event WHERE deposit_id = '{}'", deposit.id));
    let times: Vec<&str> = times.split(' ').collect();
    assert!(times.is_sorted(), "{times:?}");
    house.prove().await;
}

#[tokio::test]
async fn what_a_wrong_clock_dates_into_a_closed_month_is_booked_at_its_end() {
    for restarted in [false, true] {
        let mut house = House::with_clocks_apart().await;
        let deposit = house.wallet("25.00").await;
        let first = house.wallet("30.00").await;
        house.simulator.act(&house.order(&first), Action::Pay { amount_usd: None }).unwrap();
        house.poll().await;
        house.baseline().await;
        for clock in [&house.clock, &house.world] {
            clock.jump_to(Timestamp::parse("2026-04-01T00:30:00Z").unwrap());
        }
        house.reconcile().await;
        let march = Month::parse("2026-03").unwrap();
        flow::close_month(&house.flow, &march, "an accountant").await.unwrap();
        if restarted {
            house = house.restart().await;
        }
        // Both clocks fall back into the month that is closed, and it is paid.
        for clock in [&house.clock, &house.world] {
            clock.jump_to(Timestamp::parse("2026-03-15T12:00:00Z").unwrap());
        }
        house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
        house.poll().await;
        let settled = house.read(&deposit).await.facts;
        assert_eq!(
            (settled.state, settled.settled_at),
            (State::Settled, Some(house.flow.ledger.book_zone().end_of(&march)))
        );
        let months = "SELECT group_concat(substr(posted_at, 1, 7)) FROM
                      (SELECT DISTINCT transaction_id, posted_at FROM accounting_entries ORDER BY 1)";
        assert_eq!(house.sql(months), "2026-03,2026-04");
        house.prove().await;
    }
}

/// One wrong clock, whichever it is, closes no month that runs, and `/readyz` tells of it.
#[tokio::test]
async fn no_month_is_closed_by_one_clock_alone() {
    const DAY: Duration = Duration::from_secs(86_400);
    let house = House::with_clocks_apart().await;
    house.baseline().await;
    let february = Month::parse("2026-02").unwrap();
    let march = Month::parse("2026-03").unwrap();
    assert_eq!(house.flow.time_warnings().await.unwrap(), Vec::<String>::new());
    for (wrong, which) in [(&house.clock, "behind"), (&house.world, "ahead of")] {
        let right = wrong.now();
        wrong.jump_to(right.plus(45 * DAY));
        house.reconcile().await;
        let refused = flow::close_month(&house.flow, &march, "an accountant").await.unwrap_err();
        assert!(matches!(refused, flow::CloseError::Early(_)), "{refused}");
        let told = house.flow.time_warnings().await.unwrap();
        let expected = format!("clocks: the upstream's is 64800 min {which} this machine's");
        assert!(told.iter().any(|words| words.starts_with(&expected)), "{told:?}");
        wrong.jump_to(right);
    }
    house.reconcile().await;
    assert_eq!(house.flow.time_warnings().await.unwrap(), Vec::<String>::new());
    flow::close_month(&house.flow, &february, "an accountant").await.unwrap();
    assert!(flow::close_month(&house.flow, &march, "an accountant").await.is_err(), "March runs");
    // What is paid now is booked in March.
    let deposit = house.wallet("25.00").await;
    house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Settled);
    house.prove().await;
}

#[tokio::test]
async fn after_a_long_sleep_what_came_meanwhile_is_taken_for_what_it_is() {
    let house = House::with_clocks_apart().await;
    let (paid, never) = (house.wallet("25.00").await, house.wallet("30.00").await);
    house.simulator.act(&house.order(&paid), Action::Pay { amount_usd: None }).unwrap();
    // The machine sleeps: both wall clocks go on, and no time passes for the program.
    for clock in [&house.clock, &house.world] {
        clock.jump_to(clock.now().plus(8 * HOUR));
    }
    house.rounds().await;
    let settled = house.read(&paid).await.facts;
    assert_eq!((settled.state, settled.late), (State::Settled, false));
    assert_eq!(house.read(&never).await.facts.state, State::Expired);
    house.simulator.act(&house.order(&never), Action::Pay { amount_usd: None }).unwrap();
    house.pass(2 * HOUR, 10 * MINUTE).await;
    let late = house.read(&never).await.facts;
    assert_eq!((late.state, late.late), (State::Settled, true));
    house.prove().await;
}

#[tokio::test]
async fn a_deadline_in_the_past_expires_on_a_poll_that_found_nothing_and_not_before() {
    let house = House::new().await;
    let (paid, never) = (house.wallet("25.00").await, house.wallet("30.00").await);
    for deposit in [&paid, &never] {
        let to = house.clock.now().minus(24 * HOUR);
        house.simulator.act(&house.order(deposit), Action::MoveDeadline { to }).unwrap();
    }
    house.simulator.act(&house.order(&paid), Action::Pay { amount_usd: None }).unwrap();
    house.simulator.set_outage(true);
    house.pass(20 * Duration::from_secs(1), 20 * Duration::from_secs(1)).await;
    assert_eq!(house.read(&never).await.facts.state, State::AwaitingPayment, "silence is no poll");
    house.simulator.set_outage(false);
    house.pass(5 * MINUTE, MINUTE).await;
    let settled = house.read(&paid).await.facts;
    assert_eq!((settled.state, settled.late), (State::Settled, false));
    assert_eq!(house.read(&never).await.facts.state, State::Expired);
    house.prove().await;
}

/// What is booked takes the upstream's time; the letter about it goes by ours.
#[tokio::test]
async fn letters_do_not_wait_for_the_upstreams_clock() {
    let house = House::with_clocks_apart().await;
    let deposit = house.wallet("25.00").await;
    house.world.jump_to(house.world.now().plus(5 * HOUR));
    house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Settled);
    assert_eq!(house.letters(&deposit), ["settled"]);
    house.prove().await;
}
