//! The door: the token over TCP, web pages turned away, permissions of the unix socket, and no TCP without a token.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use depositd::api::{Api, ApiSettings, Error, Listen};
use depositd::clock::{Clock as _, SystemClock};
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::bench::{Bench, TOKEN, answer, operate};

#[tokio::test]
async fn over_tcp_everything_but_healthz_needs_the_token() {
    let bench = Bench::start().await;
    let health = answer(bench.tcp_call(Method::GET, "/healthz").send().await.unwrap()).await;
    assert_eq!(health, (200, json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})));
    for (method, path) in [
        (Method::GET, "/v1/deposits"),
        (Method::POST, "/v1/deposits"),
        (Method::GET, "/nowhere"),
        (Method::POST, "/healthz"),
        (Method::DELETE, "/v1/deposits"),
        (Method::GET, "/readyz"),
        (Method::GET, "/metrics"),
        (Method::GET, "/openapi.json"),
        (Method::GET, "/v1/events"),
    ] {
        for token in [None, Some("wrong"), Some("")] {
            let mut call = bench.tcp_call(method.clone(), path);
            if let Some(token) = token {
                call = call.bearer_auth(token);
            }
            let response = call.send().await.unwrap();
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            let (status, problem) = answer(response).await;
            assert_eq!((status, &problem["type"]), (401, &json!("unauthorized")), "{method} {path}");
            assert!(!problem.to_string().contains(TOKEN));
        }
    }
    let with_token = |path: &str| bench.tcp_call(Method::GET, path).bearer_auth(TOKEN);
    assert_eq!(answer(with_token("/v1/deposits").send().await.unwrap()).await.0, 200);
    assert_eq!(answer(with_token("/nowhere").send().await.unwrap()).await.0, 404);
    for (name, value) in
        [("Origin", "http://localhost"), ("Host", "evil.example"), ("Sec-Fetch-Site", "cross-site")]
    {
        let response = with_token("/v1/deposits").header(name, value).send().await.unwrap();
        assert!(response.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
        let (status, problem) = answer(response).await;
        assert_eq!((status, &problem["type"]), (403, &json!("forbidden")), "{name}");
    }
}

#[tokio::test]
async fn wrong_tokens_are_slowed_and_a_right_one_never_waits() {
    let bench = Bench::start().await;
    let clock = SystemClock::new();
    let started = clock.monotonic();
    let guess = async || {
        for _ in 0..20 {
            let call = bench.tcp_call(Method::GET, "/v1/deposits").bearer_auth("a-token-of-somebody");
            let (status, problem) = answer(call.send().await.unwrap()).await;
            assert_eq!((status, &problem["type"]), (401, &json!("unauthorized")));
        }
    };
    // Four at a time, each as fast as it is answered: 20 at once, and the other 60 at 10 a second.
    let guesses = async { tokio::join!(guess(), guess(), guess(), guess()) };
    let guesses = async {
        guesses.await;
        clock.monotonic() - started
    };
    let owner = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            clock.sleep(Duration::from_millis(200)).await;
            let asked = clock.monotonic();
            let call = bench.tcp_call(Method::GET, "/v1/deposits").bearer_auth(TOKEN);
            assert_eq!(answer(call.send().await.unwrap()).await.0, 200);
            slowest = slowest.max(clock.monotonic() - asked);
        }
        slowest
    };
    let (took, slowest) = tokio::join!(guesses, owner);
    let span = Duration::from_millis(5500)..Duration::from_secs(30);
    assert!(span.contains(&took), "80 wrong tokens were answered in {took:?}");
    assert!(slowest < Duration::from_secs(3), "the owner of the token waited {slowest:?}");
    let metrics = bench.tcp_call(Method::GET, "/metrics").bearer_auth(TOKEN).send().await.unwrap();
    let text = metrics.text().await.unwrap();
    assert!(text.contains("depositd_api_wrong_tokens_total 80\n"), "{text}");
    // Who shows no token guesses nothing, and does not wait.
    let asked = clock.monotonic();
    for _ in 0..30 {
        let call = bench.tcp_call(Method::GET, "/v1/deposits").send().await.unwrap();
        assert_eq!(answer(call).await.0, 401);
    }
    // As many of them with a wrong token would take three seconds.
    assert!(clock.monotonic() - asked < Duration::from_millis(2500));
}

/// Those who are made to wait hold no place that somebody else needs.
#[tokio::test]
async fn a_crowd_with_wrong_tokens_keeps_nobody_out() {
    let bench = Bench::start().await;
    let mut crowd = Vec::new();
    for _ in 0..1100 {
        let mut stream = tokio::net::TcpStream::connect(&bench.tcp).await.unwrap();
        let head =
            "GET /readyz HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a-token-of-somebody\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        crowd.push(stream);
    }
    let call = bench.tcp_call(Method::GET, "/v1/deposits").bearer_auth(TOKEN).send();
    let response = tokio::time::timeout(Duration::from_secs(5), call).await.unwrap().unwrap();
    assert_eq!(answer(response).await.0, 200);
}

#[tokio::test]
async fn what_is_not_there_says_so_as_a_problem() {
    let bench = Bench::start().await;
    let (status, problem) = bench.get("/v1/nothing").await;
    assert_eq!((status, &problem["type"]), (404, &json!("not-found")));
    let response = bench.call(Method::DELETE, "/v1/deposits").send().await.unwrap();
    let allow = response.headers().get("allow").map(|allow| allow.to_str().unwrap().to_owned());
    let (status, problem) = answer(response).await;
    assert_eq!((status, &problem["type"]), (405, &json!("method-not-allowed")));
    assert!(allow.is_some_and(|allow| allow.contains("GET") && allow.contains("POST")));
    assert_eq!(bench.get("/openapi.json").await.1["openapi"], "3.1.0");
}

#[tokio::test]
async fn the_unix_socket_is_the_groups_and_leaves_with_the_daemon() {
    let bench = Bench::start().await;
    let mode = std::fs::metadata(bench.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    assert_eq!(bench.get("/v1/deposits").await.0, 200);
    let same = ApiSettings { listen: vec![Listen::Unix(bench.socket())], ..ApiSettings::default() };
    let taken = Api::bind(same).await;
    assert!(matches!(taken, Err(Error::InUse { .. })), "{taken:?}");
    let socket = bench.socket();
    bench.stop.cancel();
    bench.serving.await.unwrap();
    assert!(!socket.exists());
}

#[tokio::test]
async fn there_is_no_tcp_without_a_token() {
    let bench = Bench::start().await;
    for tokens in [Vec::new(), vec![operate("")]] {
        let listen = vec![
            Listen::Unix(bench.folder.path().join("other.sock")),
            Listen::Tcp("127.0.0.1:0".parse().unwrap()),
        ];
        let refused = Api::bind(ApiSettings { listen, tokens, ..ApiSettings::default() }).await;
        assert!(matches!(refused, Err(Error::NoToken { .. })));
        assert!(!bench.folder.path().join("other.sock").exists(), "what was taken is given back");
    }
    let listen = vec![Listen::Tcp(bench.tcp.parse().unwrap())];
    let tokens = vec![operate(TOKEN)];
    let refused = Api::bind(ApiSettings { listen, tokens, ..ApiSettings::default() }).await;
    assert!(matches!(refused, Err(Error::Bind { .. })));
}
