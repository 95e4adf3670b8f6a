//! Following the events: live, resumed, bounded, and ended in time when the daemon stops.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, TOKEN, answer};

const BODY: &str = r#"{"currency": "USDT", "network": "BSC", "amount": 5}"#;

/// Reads events until `count` have come: (id, event, data).
async fn read(mut response: reqwest::Response, count: usize) -> Vec<(i64, String, Value)> {
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    loop {
        let blocks: Vec<&str> =
            text.split_inclusive("\n\n").filter(|block| block.ends_with("\n\n")).collect();
        let field = |block: &str, name: &str| {
            block.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
        };
        let events: Vec<_> = blocks
            .iter()
            .filter_map(|block| {
                let data = serde_json::from_str(&field(block, "data:")?).unwrap();
                Some((field(block, "id:")?.parse().unwrap(), field(block, "event:")?, data))
            })
            .collect();
        if events.len() >= count {
            return events;
        }
        text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
}

#[tokio::test]
async fn events_come_live_and_are_resumed_where_they_were_left() {
    let bench = Bench::start().await;
    bench.ask(BODY, &[]).await;
    let live = bench.call(Method::GET, "/v1/events").send().await.unwrap();
    let (_, second) = bench.ask(BODY, &[]).await;
    let seen = read(live, 2).await;
    assert_eq!(
        seen.iter().map(|(_, name, _)| name.as_str()).collect::<Vec<_>>(),
        ["requested", "wallet_created"]
    );
    assert!(seen.iter().all(|(seq, name, data)| {
        data["seq"] == *seq && data["event"] == name.as_str() && data["deposit_id"] == second["id"]
    }));
    let (first_id, last_id) = (seen[0].0, seen[1].0);
    let resumed = bench.call(Method::GET, "/v1/events").header("Last-Event-ID", first_id.to_string());
    let again = read(resumed.send().await.unwrap(), 1).await;
    assert_eq!(again[0], seen[1]);
    let all = bench.call(Method::GET, "/v1/events?after=0").header("Accept", "text/event-stream");
    let all = read(all.send().await.unwrap(), 4).await;
    assert_eq!(all.iter().map(|(seq, ..)| *seq).collect::<Vec<_>>(), (1..=last_id).collect::<Vec<_>>());
    for (query, field) in
        [("after=-1", "after"), ("after=x", "after"), ("after=99999", "after"), ("x=1", "x")]
    {
        let (status, problem) = bench.get(&format!("/v1/events?{query}")).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{query}");
    }
}

#[tokio::test]
async fn streams_are_counted_and_end_with_the_daemon() {
    let bench = Bench::start().await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        let stream = bench.call(Method::GET, "/v1/events").send().await.unwrap();
        assert_eq!(stream.status(), 200);
        streams.push(stream);
    }
    let one_more = bench.call(Method::GET, "/v1/events").send().await.unwrap();
    assert!(one_more.headers().contains_key("retry-after"));
    let (status, problem) = answer(one_more).await;
    assert_eq!((status, &problem["type"]), (503, &json!("busy")));
    // Somebody else has a share: the oldest of the many ends, and may come back once there is room.
    let other = bench.tcp_call(Method::GET, "/v1/events").bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(other.status(), 200);
    streams.remove(0).bytes().await.unwrap();
    assert_eq!(answer(bench.call(Method::GET, "/v1/events").send().await.unwrap()).await.0, 503);
    streams.push(other);
    let asked = bench.call(Method::POST, "/v1/deposits").body(BODY);
    bench.upstream.set_outage(true);
    let waiting = tokio::spawn(asked.send());
    let mut head = bench.flow.ledger.head();
    head.wait_for(|seq| *seq > 0).await.unwrap();
    bench.stop.cancel();
    tokio::time::timeout(Duration::from_secs(4), bench.serving).await.unwrap().unwrap();
    let (status, deposit) = answer(waiting.await.unwrap().unwrap()).await;
    assert_eq!(
        (status, &deposit["state"]),
        (202, &json!("requested")),
        "whoever waits is told how it stands"
    );
    for stream in streams {
        stream.bytes().await.unwrap();
    }
}
