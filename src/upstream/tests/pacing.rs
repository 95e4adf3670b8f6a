//! Who goes when: the budget, the places, the order, and the breaker, on a clock moved by hand.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::poll;

use super::super::{Permit, Priority, Settings, Upstream};
use super::answers::look;
use super::server::{Reaction, Server, http, nobody};
use super::{settings, upstream_with};
use crate::clock::ManualClock;

fn paced(rate: Option<&str>, max_in_flight: usize) -> (Upstream, Arc<ManualClock>) {
    let rate = rate.map(|text| text.parse().unwrap());
    upstream_with(Settings { requests_per_second: rate, max_in_flight, ..settings("http://127.0.0.1:1") })
}

fn waiting(upstream: &Upstream, priority: Priority) -> Pin<Box<dyn Future<Output = Permit> + '_>> {
    Box::pin(upstream.admit(priority))
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[tokio::test]
async fn the_budget_is_one_for_all_and_refills_steadily() {
    let (upstream, clock) = paced(Some("2"), 16);
    drop(upstream.admit(Priority::Look).await);
    drop(upstream.clone().admit(Priority::Create).await);
    let mut third = waiting(&upstream, Priority::Look);
    assert!(poll!(third.as_mut()).is_pending(), "a burst is one second's worth");
    clock.advance(millis(499));
    assert!(poll!(third.as_mut()).is_pending());
    clock.advance(millis(1));
    assert!(poll!(third.as_mut()).is_ready());
}

#[tokio::test]
async fn no_more_calls_at_a_time_than_places() {
    let (upstream, _clock) = paced(None, 2);
    let first = upstream.admit(Priority::Look).await;
    let _second = upstream.admit(Priority::Look).await;
    let mut third = waiting(&upstream, Priority::Create);
    assert!(poll!(third.as_mut()).is_pending());
    assert_eq!((upstream.health().in_flight, upstream.health().waiting), (2, 1));
    drop(first);
    assert!(poll!(third.as_mut()).is_ready());
}

#[tokio::test]
async fn creations_go_first_and_nobody_starves() {
    let (upstream, _clock) = paced(None, 1);
    let mut held = Some(upstream.admit(Priority::Look).await);
    let line = [Priority::Look; 3].into_iter().chain([Priority::Reconcile; 2]).chain([Priority::Create; 12]);
    let mut queue: Vec<_> = line.map(|priority| (priority, waiting(&upstream, priority))).collect();
    for (_, place) in &mut queue {
        assert!(poll!(place.as_mut()).is_pending());
    }
    let mut order = String::new();
    while !queue.is_empty() {
        held.take();
        for at in 0..queue.len() {
            if let Poll::Ready(permit) = poll!(queue[at].1.as_mut()) {
                order.push_str(&format!("{:?}", queue[at].0)[..1]);
                held = Some(permit);
                drop(queue.remove(at));
                break;
            }
        }
        assert!(held.is_some(), "somebody must go: {order}");
    }
    assert!(order.starts_with("CCCC"), "{order}");
    let gap = |who: char| order.split(who).map(str::len).take(3).max().unwrap();
    assert!(gap('L') <= 6 && gap('R') <= 6, "{order}");
    assert!(order.find("RR").is_none() || order.rfind('C') < order.find("RR"), "{order}");
}

#[tokio::test]
async fn a_place_that_is_given_up_is_passed_on() {
    let (upstream, clock) = paced(Some("1"), 16);
    drop(upstream.admit(Priority::Look).await);
    let mut first = waiting(&upstream, Priority::Create);
    let mut second = waiting(&upstream, Priority::Look);
    assert!(poll!(first.as_mut()).is_pending());
    assert!(poll!(second.as_mut()).is_pending());
    drop(first);
    clock.advance(millis(1000));
    assert!(poll!(second.as_mut()).is_ready(), "the place that was given up cost nothing of the budget");
    assert_eq!(upstream.health().waiting, 0);
}

#[tokio::test]
async fn a_call_that_is_dropped_half_way_frees_its_place() {
    let server = Server::reacting(vec![Reaction::SendAndHang(Vec::new())]).await;
    let (upstream, _clock) = upstream_with(Settings { max_in_flight: 1, ..settings(&server.url) });
    let permit = upstream.admit(Priority::Look).await;
    let mut call = Box::pin(upstream.look(permit, "order"));
    assert!(poll!(call.as_mut()).is_pending());
    assert_eq!(upstream.health().in_flight, 1);
    drop(call);
    assert_eq!((upstream.health().in_flight, upstream.health().failures), (0, 0), "it proves nothing");
}

#[tokio::test]
async fn an_outage_is_knocked_at_gently_and_seen_in_the_health() {
    let (upstream, clock) = upstream_with(settings(&nobody().await));
    for _ in 0..5 {
        look(&upstream).await.unwrap_err();
    }
    let health = upstream.health();
    assert_eq!((health.failures, health.breaker_open, health.failing_since), (5, true, Some(super::noon())));
    assert!(health.last_error.unwrap().starts_with("no connection: "));

    for wait in [1000, 2000, 4000] {
        let mut probe = waiting(&upstream, Priority::Create);
        assert!(poll!(probe.as_mut()).is_pending(), "creations wait too");
        clock.advance(millis(wait - 1));
        assert!(poll!(probe.as_mut()).is_pending(), "{wait}");
        clock.advance(millis(1));
        let permit = probe.await;
        let mut other = waiting(&upstream, Priority::Create);
        assert!(poll!(other.as_mut()).is_pending(), "one probe at a time");
        upstream.look(permit, "order").await.unwrap_err();
    }
    assert_eq!(upstream.health().failing_for(), Duration::from_secs(7));
}

#[tokio::test]
async fn the_first_answer_ends_the_outage_even_when_it_is_a_no() {
    let mut reactions = vec![Reaction::CloseUnread; 5];
    reactions.push(Reaction::Send(http(404, "", "")));
    let server = Server::reacting(reactions).await;
    let (upstream, clock) = upstream_with(settings(&server.url));
    for _ in 0..5 {
        look(&upstream).await.unwrap_err();
    }
    let mut crowd: Vec<_> = (0..3).map(|_| waiting(&upstream, Priority::Look)).collect();
    for place in &mut crowd {
        assert!(poll!(place.as_mut()).is_pending());
    }
    clock.advance(millis(1000));
    let permit = crowd.remove(0).await;
    upstream.look(permit, "order").await.unwrap_err();
    let health = upstream.health();
    assert_eq!((health.failures, health.failing_since, health.breaker_open), (0, None, false));
    assert_eq!(health.last_success, health.last_call);
    for mut place in crowd {
        assert!(poll!(place.as_mut()).is_ready(), "all may go again");
    }
}
