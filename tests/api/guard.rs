//! The door: the token over TCP, web pages turned away, permissions of the unix socket, and no TCP without a token.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use depositd::api::{Api, ApiSettings, Error, Listen};
use depositd::scheduler::ServiceStatus;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::json;

use crate::bench::{Bench, TOKEN, answer};

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
    let status = Arc::<ServiceStatus>::default();
    let same = ApiSettings { listen: vec![Listen::Unix(bench.socket())], token: None };
    let taken = Api::bind(same, bench.flow.clone(), status).await;
    assert!(matches!(taken, Err(Error::InUse { .. })), "{taken:?}");
    let socket = bench.socket();
    bench.stop.cancel();
    bench.serving.await.unwrap();
    assert!(!socket.exists());
}

#[tokio::test]
async fn there_is_no_tcp_without_a_token() {
    let bench = Bench::start().await;
    for token in [None, Some(SecretString::from(String::new()))] {
        let listen = vec![
            Listen::Unix(bench.folder.path().join("other.sock")),
            Listen::Tcp("127.0.0.1:0".parse().unwrap()),
        ];
        let refused = Api::bind(ApiSettings { listen, token }, bench.flow.clone(), Arc::default()).await;
        assert!(matches!(refused, Err(Error::NoToken { .. })));
        assert!(!bench.folder.path().join("other.sock").exists(), "what was taken is given back");
    }
    let listen = vec![Listen::Tcp(bench.tcp.parse().unwrap())];
    let token = Some(SecretString::from(TOKEN.to_owned()));
    let refused = Api::bind(ApiSettings { listen, token }, bench.flow.clone(), Arc::default()).await;
    assert!(matches!(refused, Err(Error::Bind { .. })));
}
