//! What is too much: bodies, heads, patience, a ledger that is gone.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::bench::Bench;

const BODY: &str = r#"{"currency": "USDT", "network": "BSC", "amount": 5}"#;

/// Sends bytes as they are, and reads until the other side closes.
async fn talk(bench: &Bench, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(bench.socket()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut text = Vec::new();
    let read = stream.read_to_end(&mut text);
    // A reset, where the other side has not read all, ends it too.
    let _ = tokio::time::timeout(Duration::from_secs(15), read).await.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn large_bodies_are_refused_whether_announced_or_not() {
    let bench = Bench::start().await;
    let large = format!("{{\"currency\": \"{}\"}}", "x".repeat(70_000));
    let (status, problem) = bench.post("/v1/deposits", &large).await;
    assert_eq!((status, &problem["type"]), (413, &json!("payload-too-large")));
    let announced = "POST /v1/deposits HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\n";
    assert!(talk(&bench, announced.as_bytes()).await.starts_with("HTTP/1.1 413"));
    let mut chunked =
        b"POST /v1/deposits HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..70 {
        chunked.extend(b"400\r\n");
        chunked.extend([b'x'; 1024]);
        chunked.extend(b"\r\n");
    }
    let answer = talk(&bench, &chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn who_dawdles_is_let_go() {
    let bench = Bench::start().await;
    let (head, body, silent) = tokio::join!(
        talk(&bench, b"GET /healthz HTTP/1.1\r\nHost: local"),
        talk(&bench, b"POST /v1/deposits HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{"),
        talk(&bench, b""),
    );
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
    assert!(body.starts_with("HTTP/1.1 408"), "{body}");
    assert!(body.contains("request-timeout"), "{body}");
    assert!(silent.is_empty() || silent.starts_with("HTTP/1.1 408"), "{silent}");
    let heavy = format!("GET /healthz HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let answer = talk(&bench, heavy.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(bench.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn who_is_idle_makes_room_and_where_all_are_busy_that_is_said() {
    let bench = Bench::start().await;
    let mut held = Vec::new();
    // Each has asked once and stays: more than there are places, and nobody is turned away.
    for _ in 0..1100 {
        let mut stream = UnixStream::connect(bench.socket()).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut first = vec![0; 1024];
        let read = stream.read(&mut first).await.unwrap();
        let text = String::from_utf8_lossy(&first[..read]).into_owned();
        assert!(text.starts_with("HTTP/1.1 200"), "{} were there: {text}", held.len());
        held.push(stream);
    }
    // The first one was idle for longest, and had to go.
    assert_eq!(held[0].read(&mut [0; 16]).await.unwrap(), 0);
    // Now each is busy: its question is not whole yet.
    let mut busy = Vec::new();
    let refusal = loop {
        assert!(busy.len() < 1100, "nobody was turned away");
        let mut stream = UnixStream::connect(bench.socket()).await.unwrap();
        let expecting = "POST /v1/deposits HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 50\r\n\r\n";
        stream.write_all(expecting.as_bytes()).await.unwrap();
        let mut first = vec![0; 1024];
        let read = stream.read(&mut first).await.unwrap();
        let text = String::from_utf8_lossy(&first[..read]).into_owned();
        if !text.starts_with("HTTP/1.1 100") {
            break text;
        }
        busy.push(stream);
    };
    assert!(refusal.starts_with("HTTP/1.1 503"), "{refusal}");
    assert!(refusal.contains("Retry-After: 1\r\n"), "{refusal}");
    drop((held, busy));
    let (status, _) = bench.ask(BODY, &[]).await;
    assert_eq!(status, 201, "there is room again");
}

#[tokio::test]
async fn a_ledger_that_is_gone_accepts_nothing() {
    let bench = Bench::start().await;
    bench.ask(BODY, &[]).await;
    std::fs::remove_file(bench.folder.path().join("ledger.db")).unwrap();
    let call = bench.call(Method::POST, "/v1/deposits").body(BODY);
    let response = call.send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    let (status, problem) = crate::bench::answer(response).await;
    assert_eq!((status, &problem["type"]), (503, &json!("ledger-unavailable")));
    assert!(problem["detail"].as_str().unwrap().contains("nothing was accepted"), "{problem}");
    let (status, readiness) = bench.get("/readyz").await;
    assert_eq!((status, &readiness["ready"]), (503, &json!(false)), "{readiness}");
    assert!(readiness["reasons"].to_string().contains("ledger"), "{readiness}");
    assert_eq!(bench.get("/healthz").await.0, 200);
}
