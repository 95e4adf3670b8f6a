//! Who goes when: the budget, the places, the order, and the breaker, on a clock moved by hand.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::poll;

use super::super::{CallTrouble, Permit, Priority, Upstream, UpstreamSettings};
use super::answers::{create, kind, poll_order};
use super::server::{Reaction, Server, http, nobody};
use super::{settings, upstream_with};
use crate::clock::ManualClock;

fn paced(rate: Option<&str>, max_in_flight: usize) -> (Upstream, Arc<ManualClock>) {
    let rate = rate.map(|text| text.parse().unwrap());
    upstream_with(UpstreamSettings {
        requests_per_second: rate,
        max_in_flight,
        ..settings("http://127.0.0.1:1")
    })
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
    drop(upstream.admit(Priority::Poll).await);
    drop(upstream.clone().admit(Priority::Create).await);
    let mut third = waiting(&upstream, Priority::Poll);
    assert!(poll!(third.as_mut()).is_pending(), "a burst is one second's worth");
    clock.advance(millis(499));
    assert!(poll!(third.as_mut()).is_pending());
    clock.advance(millis(1));
    assert!(poll!(third.as_mut()).is_ready());
}

#[tokio::test]
async fn no_more_calls_at_a_time_than_places() {
    let (upstream, _clock) = paced(None, 2);
    let first = upstream.admit(Priority::Poll).await;
    let _second = upstream.admit(Priority::Poll).await;
    let mut third = waiting(&upstream, Priority::Create);
    assert!(poll!(third.as_mut()).is_pending());
    assert_eq!((upstream.health().in_flight, upstream.health().waiting), (2, 1));
    drop(first);
    assert!(poll!(third.as_mut()).is_ready());
}

#[tokio::test]
async fn creations_go_first_and_nobody_starves() {
    let (upstream, _clock) = paced(None, 1);
    let mut held = Some(upstream.admit(Priority::Poll).await);
    let line = [Priority::Poll; 3].into_iter().chain([Priority::Reconcile; 2]).chain([Priority::Create; 12]);
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
    assert!(gap('P') <= 6 && gap('R') <= 6, "{order}");
    assert!(order.find("RR").is_none() || order.rfind('C') < order.find("RR"), "{order}");
}

#[tokio::test]
async fn a_place_that_is_given_up_is_passed_on() {
    let (upstream, clock) = paced(Some("1"), 16);
    drop(upstream.admit(Priority::Poll).await);
    let mut first = waiting(&upstream, Priority::Create);
    let mut second = waiting(&upstream, Priority::Poll);
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
    let (upstream, _clock) = upstream_with(UpstreamSettings { max_in_flight: 1, ..settings(&server.url) });
    let permit = upstream.admit(Priority::Poll).await;
    let mut call = Box::pin(upstream.poll(permit, "order"));
    assert!(poll!(call.as_mut()).is_pending());
    assert_eq!(upstream.health().in_flight, 1);
    drop(call);
    assert_eq!((upstream.health().in_flight, upstream.health().failures), (0, 0), "it proves nothing");
}

#[tokio::test]
async fn an_outage_is_knocked_at_gently_and_seen_in_the_health() {
    let (upstream, clock) = upstream_with(settings(&nobody().await));
    for _ in 0..5 {
        poll_order(&upstream).await.unwrap_err();
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
        upstream.poll(permit, "order").await.unwrap_err();
    }
    assert_eq!(upstream.health().failing_for(), Duration::from_secs(7));
}

#[tokio::test]
async fn the_first_answer_lets_all_go_again_even_when_it_is_a_no() {
    let mut reactions = vec![Reaction::CloseUnread; 5];
    reactions.push(Reaction::Send(http(404, "", "")));
    reactions.push(Reaction::Send(http(200, "", r#"{"ok":true,"body":{}}"#)));
    let server = Server::reacting(reactions).await;
    let (upstream, clock) = upstream_with(settings(&server.url));
    for _ in 0..5 {
        poll_order(&upstream).await.unwrap_err();
    }
    let mut crowd: Vec<_> = (0..3).map(|_| waiting(&upstream, Priority::Poll)).collect();
    for place in &mut crowd {
        assert!(poll!(place.as_mut()).is_pending());
    }
    clock.advance(millis(1000));
    let permit = crowd.remove(0).await;
    upstream.poll(permit, "order").await.unwrap_err();
    let health = upstream.health();
    assert_eq!(
        (health.breaker_open, health.failing_since),
        (false, Some(super::noon())),
        "no order was read"
    );
    assert_eq!((health.trouble, health.last_success), (Some(CallTrouble::UnknownOrders), None));
    for mut place in crowd {
        assert!(poll!(place.as_mut()).is_ready(), "all may go again");
    }
    poll_order(&upstream).await.unwrap();
    let health = upstream.health();
    assert_eq!((health.failures, health.failing_since), (0, None));
    assert_eq!((health.last_success, health.last_read), (health.last_call, Some(millis(1000))));
}

#[tokio::test]
async fn what_each_answer_says_of_the_health() {
    let page = "<html>";
    for (status, body, expected) in [
        (200, r#"{"ok":true,"body":{}}"#, None),
        (
            200,
            page,
            Some((CallTrouble::Unreadable, "answers, and cannot be read: the answer is an HTML page")),
        ),
        (200, "", Some((CallTrouble::Unreadable, "answers, and cannot be read: the answer is empty"))),
        (429, "", Some((CallTrouble::Throttled, "asks us to slow down: too many requests"))),
        (
            401,
            r#"{"message":"User-verification Failed"}"#,
            Some((CallTrouble::Denied, "denies access: User-verification Failed")),
        ),
        (
            200,
            r#"{"ok":false,"message":"User-verification Failed"}"#,
            Some((CallTrouble::Denied, "denies access: User-verification Failed")),
        ),
        (
            200,
            r#"{"ok":false,"message":"Temporarily unavailable"}"#,
            Some((
                CallTrouble::UnknownOrders,
                "answers, and does not know the order: Temporarily unavailable",
            )),
        ),
        (502, page, Some((CallTrouble::NoAnswer, "502 Bad Gateway"))),
        (503, "busy", Some((CallTrouble::NoAnswer, "busy"))),
    ] {
        let server = Server::answering(status, body).await;
        let (upstream, _clock) = upstream_with(settings(&server.url));
        let _ = poll_order(&upstream).await;
        let health = upstream.health();
        let since = expected.map(|_| super::noon());
        assert_eq!(health.failing_since, since, "{status} {body}");
        assert_eq!(health.trouble, expected.map(|(trouble, _)| trouble), "{status} {body}");
        assert_eq!(health.last_error.as_deref(), expected.map(|(_, words)| words), "{status} {body}");
    }
    for (status, body, expected) in [
        (400, r#"{"ok":false,"body":"Non-acceptable Network"}"#, None),
        (401, r#"{"ok":false,"body":"User-verification Failed"}"#, Some(CallTrouble::Denied)),
        (400, r#"{"ok":false,"body":"User-verification Failed"}"#, Some(CallTrouble::Denied)),
    ] {
        let server = Server::answering(status, body).await;
        let (upstream, _clock) = upstream_with(settings(&server.url));
        assert_eq!(kind(&create(&upstream, None).await), "refused");
        assert_eq!(upstream.health().trouble, expected, "{body}");
    }
}

#[tokio::test]
async fn who_waits_for_so_long_only_is_told_why_and_leaves_the_queue() {
    let limit = Duration::from_secs(30);
    // A place is free: no wait at all.
    let (upstream, clock) = paced(None, 1);
    let held = upstream.admit_within(Priority::Create, Duration::ZERO).await.unwrap();
    // None is free, and nobody gives one back.
    let mut late = Box::pin(upstream.admit_within(Priority::Create, limit));
    let mut behind = Box::pin(upstream.admit_within(Priority::Poll, limit));
    assert!(poll!(late.as_mut()).is_pending() && poll!(behind.as_mut()).is_pending());
    assert_eq!(upstream.health().waiting, 2);
    clock.advance(millis(29_999));
    assert!(poll!(late.as_mut()).is_pending());
    clock.advance(millis(1));
    assert_eq!(behind.await.unwrap_err(), "1 call to the upstream waits before this one");
    assert_eq!(late.await.unwrap_err(), "calls to the upstream under way: 1");
    assert_eq!(upstream.health().waiting, 0, "their places are given back");
    // One comes free in time.
    let mut soon = Box::pin(upstream.admit_within(Priority::Poll, limit));
    assert!(poll!(soon.as_mut()).is_pending());
    drop(held);
    drop(soon.await.unwrap());

    let (upstream, clock) = paced(Some("0.001"), 4);
    drop(upstream.admit(Priority::Poll).await);
    let mut late = Box::pin(upstream.admit_within(Priority::Reconcile, limit));
    assert!(poll!(late.as_mut()).is_pending());
    clock.advance(limit);
    assert_eq!(late.await.unwrap_err(), "the budget of calls to the upstream is used up");

    let (upstream, clock) = upstream_with(settings(&nobody().await));
    for _ in 0..5 {
        poll_order(&upstream).await.unwrap_err();
    }
    let permit = {
        clock.advance(millis(1000));
        upstream.admit_within(Priority::Poll, limit).await.unwrap()
    };
    let mut late = Box::pin(upstream.admit_within(Priority::Reconcile, limit));
    assert!(poll!(late.as_mut()).is_pending(), "a probe is under way");
    clock.advance(limit);
    let words = late.await.unwrap_err();
    let expected = "the upstream has not answered since 2025-05-30T12:00:00.000Z: no connection: ";
    assert!(words.starts_with(expected), "{words}");
    drop(permit);

    let server = Server::reacting(vec![Reaction::Send(http(429, "retry-after: 90\r\n", ""))]).await;
    let (upstream, clock) = upstream_with(settings(&server.url));
    poll_order(&upstream).await.unwrap_err();
    let mut late = Box::pin(upstream.admit_within(Priority::Create, limit));
    assert!(poll!(late.as_mut()).is_pending());
    clock.advance(limit);
    let words = late.await.unwrap_err();
    assert_eq!(words, "the upstream asks us to slow down until 2025-05-30T12:01:30.000Z");
}

#[tokio::test]
async fn the_upstreams_clock_is_that_of_its_own_latest_answer() {
    let dated = |headers: &str| Reaction::Send(http(200, headers, r#"{"ok":true,"body":{}}"#));
    let server = Server::reacting(vec![
        dated(""),
        dated("date: Fri, 30 May 2025 13:00:00 GMT\r\n"),
        dated("date: Fri, 30 May 2025 09:00:00 GMT\r\nage: 10800\r\n"),
        Reaction::Send(http(502, "date: Fri, 30 May 2025 11:59:00 GMT\r\n", "")),
        dated("date: yesterday\r\n"),
    ])
    .await;
    let (upstream, clock) = upstream_with(settings(&server.url));
    let at = |text: &str| Some(crate::domain::time::Timestamp::parse(text).unwrap());
    let mut seen = Vec::new();
    for _ in 0..5 {
        let _ = poll_order(&upstream).await;
        seen.push((upstream.skew(), upstream.upstream_now()));
    }
    let (ahead, behind) = (Some(3_600_000), Some(-60_000));
    let (one, before) = (at("2025-05-30T13:00:00Z"), at("2025-05-30T11:59:00Z"));
    assert_eq!(seen, [(None, None), (ahead, one), (ahead, one), (behind, before), (behind, before)]);
    assert_eq!(upstream.health().skew_ms, behind);
    // Time passes for both; what becomes of our wall clock is nothing to theirs.
    clock.advance(Duration::from_secs(90));
    clock.jump_to(super::noon().plus(Duration::from_hours(40 * 24)));
    assert_eq!(upstream.upstream_now(), at("2025-05-30T12:00:30Z"));
}
