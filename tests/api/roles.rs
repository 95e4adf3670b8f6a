//! Named tokens: what each role may do, tried call by call, and by which name it is remembered.

use depositd::config::{GroupConfig, Role};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, TOKEN, answer, operate, token};

const AUDIT: &str = "the-token-of-the-audit";
const SHOP: &str = "the-token-of-the-shop";

/// Every call of the description, as `METHOD path`.
async fn calls(bench: &Bench) -> Vec<(Method, String)> {
    let description: Value = bench.get("/openapi.json").await.1;
    let mut calls = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let path = path.replace("{month}", "2020-01").replace("{id}", "1");
            calls.push((method.to_uppercase().parse().unwrap(), path));
        }
    }
    calls
}

async fn try_call(bench: &Bench, method: &Method, path: &str, token: &str) -> (u16, Value) {
    let call = bench.tcp_call(method.clone(), path).bearer_auth(token).body("{}");
    let response = call.send().await.unwrap();
    if response.status() == 403 {
        return answer(response).await;
    }
    // What else it answers is another test's; a stream never ends.
    (response.status().as_u16(), Value::Null)
}

#[tokio::test]
async fn each_role_may_make_its_calls_and_is_told_of_the_others_what_they_need() {
    let bench = Bench::start().await;
    let tokens = [operate(TOKEN), token("audit", Role::Read, AUDIT), token("shop", Role::Request, SHOP)];
    bench.access.replace(&tokens, &[]);
    let calls = calls(&bench).await;
    assert!(calls.len() > 25, "{calls:?}");
    for (method, path) in &calls {
        let needed = match (method, path.as_str()) {
            (&Method::GET, _) => Role::Read,
            (_, "/v1/deposits") => Role::Request,
            _ => Role::Operate,
        };
        for (name, role, secret) in
            [("audit", Role::Read, AUDIT), ("shop", Role::Request, SHOP), ("api", Role::Operate, TOKEN)]
        {
            let (status, problem) = try_call(&bench, method, path, secret).await;
            assert_eq!(status != 403, role >= needed, "{name}: {method} {path}: {status} {problem}");
            if status == 403 {
                let detail = problem["detail"].as_str().unwrap();
                let (role, needed) = (role.as_str(), needed.as_str());
                let words = format!("API token {name} has the role {role}; {method} ");
                assert!(
                    detail.starts_with(&words) && detail.ends_with(&format!("needs the role {needed}")),
                    "{detail}"
                );
                assert_eq!(
                    (&problem["type"], &problem["title"]),
                    (&json!("forbidden"), &json!("This caller may not do that"))
                );
                assert!(!problem.to_string().contains(secret));
            }
        }
        assert_eq!(try_call(&bench, method, path, "no-token-of-anybody").await.0 == 401, path != "/healthz");
    }
    // Where there is nothing, every token is told so.
    assert_eq!(try_call(&bench, &Method::DELETE, "/v1/deposits", AUDIT).await.0, 405);
    assert_eq!(try_call(&bench, &Method::POST, "/nowhere", AUDIT).await.0, 404);
    let head = bench.tcp_call(Method::HEAD, "/v1/deposits").bearer_auth(AUDIT).send().await.unwrap();
    assert_eq!(head.status(), 200);
}

#[tokio::test]
async fn who_asked_and_who_decided_stands_in_the_chain() {
    let bench = Bench::start().await;
    bench.access.replace(&[operate(TOKEN), token("shop", Role::Request, SHOP)], &[]);
    let body = json!({"currency": "USDT", "network": "TRC20", "amount": "5"}).to_string();
    let call = bench.tcp_call(Method::POST, "/v1/deposits").bearer_auth(SHOP).body(body.clone());
    let (status, by_token) = answer(call.send().await.unwrap()).await;
    assert_eq!(status, 201, "{by_token}");
    let (status, by_user) = bench.post("/v1/deposits", &body).await;
    assert_eq!(status, 201, "{by_user}");
    let user = String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout);
    let user = format!("unix user {}", user.unwrap().trim());
    for (deposit, who) in [(by_token, "API token shop"), (by_user, &user)] {
        let (_, events) =
            bench.get(&format!("/v1/deposits/{}/events", deposit["id"].as_str().unwrap())).await;
        let events = events["events"].as_array().unwrap();
        assert_eq!((&events[0]["event"], &events[0]["acted_by"]), (&json!("requested"), &json!(who)));
        assert_eq!((&events[1]["event"], &events[1]["acted_by"]), (&json!("wallet_created"), &Value::Null));
    }
    let proof = bench.flow.ledger.verify(|_, _| {}).await.unwrap();
    assert_eq!(proof.findings, vec![]);
}

#[tokio::test]
async fn a_token_is_changed_while_both_are_in_use() {
    let bench = Bench::start().await;
    let status = async |secret: &str| {
        let call = bench.tcp_call(Method::GET, "/v1/deposits").bearer_auth(secret);
        answer(call.send().await.unwrap()).await.0
    };
    bench.access.replace(&[token("shop", Role::Read, SHOP)], &[]);
    assert_eq!((status(SHOP).await, status(AUDIT).await, status(TOKEN).await), (200, 401, 401));
    bench.access.replace(&[token("shop", Role::Read, SHOP), token("shop-new", Role::Read, AUDIT)], &[]);
    assert_eq!((status(SHOP).await, status(AUDIT).await), (200, 200));
    bench.access.replace(&[token("shop-new", Role::Read, AUDIT)], &[]);
    assert_eq!((status(SHOP).await, status(AUDIT).await), (401, 200));
}

#[tokio::test]
async fn groups_bind_others_and_never_the_owner() {
    let bench = Bench::start().await;
    let nobody = GroupConfig { name: "a-group-of-nobody".to_owned(), role: Role::Read };
    bench.access.replace(&[], &[nobody]);
    // The test runs as root or as the daemon's own user, who may do everything, whatever is configured.
    assert_eq!(bench.post("/v1/mails/retry", "{}").await.0, 200);
}
