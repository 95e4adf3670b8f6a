//! What an upstream of no use is called, when it is told, and when it is over: silence, pages, denials, too many
//! requests, and orders that nobody knows.
#![allow(clippy::unwrap_used, reason = "test code: a broken expectation is a failed test")]

mod support;

use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::domain::deposit::{Deposit, State};
use depositd::flow;
use depositd::sandbox::upstream::{Call, Fault};
use depositd::upstream::Priority;
use support::house::House;
use tokio_util::sync::CancellationToken;

const HOUR: Duration = Duration::from_secs(3600);

fn said(status: u16, body: &str) -> Fault {
    Fault::Status(status, body.to_owned(), Vec::new())
}

/// What was told of the upstream, in order.
fn told(house: &House) -> String {
    house.sql(
        "SELECT coalesce(group_concat(name, ' '), '') FROM
             (SELECT name FROM event WHERE name LIKE 'upstream_%' ORDER BY seq)",
    )
}

async fn watch(house: &House) -> bool {
    flow::watch_upstream(&house.flow).await.unwrap()
}

/// Does `work` while the clock goes on wherever it waits for it: for a pause, or for the breaker.
async fn patiently<T>(house: &House, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = SystemClock::new().sleep(Duration::from_millis(2)) => {
                let health = house.flow.upstream.health();
                if health.waiting > 0 && health.in_flight == 0 {
                    house.clock.advance(Duration::from_secs(1));
                }
            }
        }
    }
}

/// Looks at the orders of these once each.
async fn ask(house: &House, wallets: &[Deposit]) {
    for wallet in wallets {
        let permit = patiently(house, house.flow.upstream.admit(Priority::Poll)).await;
        let _ = house.flow.upstream.poll(permit, &house.order(wallet)).await;
    }
}

async fn read_the_balance(house: &House) {
    let permit = patiently(house, house.flow.upstream.admit(Priority::Reconcile)).await;
    house.flow.upstream.balance(permit).await.unwrap();
}

async fn two_wallets() -> (House, [Deposit; 2]) {
    let house = House::new().await;
    let wallets = [house.wallet("15").await, house.wallet("25").await];
    house.poll().await;
    (house, wallets)
}

#[tokio::test]
async fn each_trouble_is_one_outage_with_words_that_are_true_and_ends_with_the_first_answer() {
    for (fault, trouble, subject, reason) in [
        (Fault::DropBeforeActing, "no_answer", "Upstream down since", "the connection broke"),
        (
            Fault::Html200,
            "unreadable",
            "Upstream unreadable since",
            "answers, and cannot be read: the answer is an HTML page",
        ),
        (
            said(429, ""),
            "throttled",
            "Upstream asks to slow down since",
            "asks us to slow down: too many requests",
        ),
        (
            said(403, r#"{"ok":false,"body":"User-verification Failed"}"#),
            "denied",
            "Upstream denies access since",
            "denies access: User-verification Failed",
        ),
        (
            said(200, r#"{"ok":false,"message":"Temporarily unavailable"}"#),
            "unknown_orders",
            "Upstream knows no order since",
            "answers, and does not know the order: Temporarily unavailable",
        ),
    ] {
        let (house, wallets) = two_wallets().await;
        house.simulator.inject(Call::Look, fault, u32::MAX);
        for _ in 0..8 {
            ask(&house, &wallets).await;
            house.clock.advance(Duration::from_secs(10));
            watch(&house).await;
        }
        assert_eq!(told(&house), "upstream_down", "{trouble}");
        let said = house.sql("SELECT reason FROM accounting_history WHERE name = 'upstream_down'");
        assert!(said.starts_with(reason), "{trouble}: {said}");
        let facts = house.sql("SELECT facts FROM event WHERE name = 'upstream_down'");
        assert!(facts.contains(&format!(r#""trouble":"{trouble}""#)), "{facts}");
        let words = house.flow.upstream.health().words().unwrap();
        assert!(words.contains(reason), "{words}");
        for wallet in &wallets {
            assert_eq!(house.read(wallet).await.facts.state, State::AwaitingPayment, "{trouble}");
        }
        // It ends with the first poll that is read.
        house.simulator.clear_faults();
        ask(&house, &wallets).await;
        assert!(!watch(&house).await && !watch(&house).await, "{trouble}");
        assert_eq!(told(&house), "upstream_down upstream_back", "{trouble}");
        flow::deliver(&house.flow, 0, &CancellationToken::new()).await.unwrap();
        let letters = house.smtp.messages();
        let subjects: Vec<String> = letters.iter().map(|mail| mail.header("Subject").unwrap()).collect();
        assert!(subjects.iter().any(|line| line.starts_with(subject)), "{trouble}: {subjects:?}");
        house.prove().await;
    }
}

#[tokio::test]
async fn a_denial_is_told_once_a_second_call_confirms_it_and_not_after_down_after() {
    let (house, wallets) = two_wallets().await;
    house.simulator.inject(Call::Look, said(401, ""), 1);
    ask(&house, &wallets[..1]).await;
    assert!(!watch(&house).await, "one call alone");
    ask(&house, &wallets).await;
    assert!(!watch(&house).await, "the next one is answered");
    house.simulator.inject(Call::Look, said(401, ""), u32::MAX);
    ask(&house, &wallets).await;
    assert_eq!(house.flow.upstream.health().failing_for(), Duration::ZERO);
    assert!(watch(&house).await && watch(&house).await);
    assert_eq!(told(&house), "upstream_down");
}

#[tokio::test]
async fn a_list_that_can_be_read_ends_no_outage_of_unreadable_polls() {
    for fault in [said(200, r#"{"ok":false,"message":"Temporarily unavailable"}"#), Fault::Html200] {
        let (house, wallets) = two_wallets().await;
        house.simulator.inject(Call::Look, fault, u32::MAX);
        for _ in 0..5 {
            for _ in 0..4 {
                ask(&house, &wallets).await;
                house.clock.advance(Duration::from_secs(15));
                watch(&house).await;
            }
            read_the_balance(&house).await;
            assert_eq!(house.flow.upstream.health().failing_since, None);
            assert!(watch(&house).await);
        }
        assert_eq!(told(&house), "upstream_down");
        // Nothing is polled any more: then the list decides.
        house.clock.advance(2 * HOUR);
        read_the_balance(&house).await;
        assert!(!watch(&house).await);
        assert_eq!(told(&house), "upstream_down upstream_back");
    }
}

#[tokio::test]
async fn one_deposits_own_trouble_is_no_outage_while_others_can_be_read() {
    for fault in [said(200, r#"{"ok":false,"message":"gone"}"#), said(200, r#"{"ok":true,"body":["paid"]}"#)]
    {
        let (house, wallets) = two_wallets().await;
        house.simulator.inject_for(&house.order(&wallets[0]), fault, u32::MAX);
        for _ in 0..12 {
            ask(&house, &wallets).await;
            house.clock.advance(Duration::from_secs(10));
            assert!(!watch(&house).await);
        }
        assert_eq!(told(&house), "");
    }
}
