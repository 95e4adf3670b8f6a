//! A simulator on a clock moved by hand, and a client for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use depositd::clock::ManualClock;
use depositd::domain::time::Timestamp;
use depositd::sandbox::upstream::{Books, OrderView, SimulatedUpstream, SimulatorSettings};
use reqwest::StatusCode;
use serde_json::{Value, json};

pub(crate) const START: i64 = 1_748_611_977;

pub(crate) struct Bench {
    pub(crate) upstream: SimulatedUpstream,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) client: reqwest::Client,
}

pub(crate) fn settings(clock: &Arc<ManualClock>, seed: u64, store: Option<PathBuf>) -> SimulatorSettings {
    SimulatorSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        user_id: "12345".to_owned(),
        api_key: "k&y".to_owned(),
        clock: Arc::clone(clock) as _,
        seed,
        store,
    }
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

impl Bench {
    pub(crate) async fn start(seed: u64, store: Option<PathBuf>) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(START)));
        let upstream = SimulatedUpstream::start(settings(&clock, seed, store)).await.unwrap();
        Self { upstream, clock, client: client() }
    }

    pub(crate) fn url(&self, rest: &str) -> String {
        format!("{}/v3/customers/12345/{rest}", self.upstream.base_url())
    }

    pub(crate) async fn put(&self, path: &str, coupon: Option<&str>) -> reqwest::Result<(StatusCode, Value)> {
        let mut body = json!({"apiKey": "k&y"});
        if let Some(coupon) = coupon {
            body["couponCode"] = json!(coupon);
        }
        let url = self.url(&format!("cryptomus/direct/{path}"));
        let answer = self.client.put(url).json(&body).send().await?;
        Ok((answer.status(), answer.json().await?))
    }

    pub(crate) async fn create(&self, path: &str) -> Value {
        let (status, answer) = self.put(path, None).await.unwrap();
        assert_eq!((status.as_u16(), &answer["ok"]), (200, &json!(true)), "{answer}");
        answer["body"].clone()
    }

    pub(crate) async fn try_get(&self, path: &str) -> reqwest::Result<(StatusCode, Value)> {
        let answer = self.client.get(self.url(path)).query(&[("apiKey", "k&y")]).send().await?;
        Ok((answer.status(), answer.json().await?))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.try_get(path).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        answer["body"].clone()
    }

    pub(crate) async fn look(&self, order_id: &str) -> Value {
        self.get(&format!("cryptomus/transaction/{order_id}")).await
    }

    /// What nothing that is said may change.
    pub(crate) fn truth(&self) -> (Books, Vec<OrderView>) {
        (self.upstream.books(), self.upstream.orders())
    }

    pub(crate) async fn rows(&self) -> Vec<Value> {
        self.get("payments").await.as_array().unwrap().clone()
    }

    /// An answer's text, digit for digit.
    pub(crate) async fn text(&self, path: &str) -> String {
        let answer = self.client.get(self.url(path)).query(&[("apiKey", "k&y")]).send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// A call by hand that is carried out.
    pub(crate) async fn by_hand(&self, path: &str, body: &str) -> Value {
        let url = json_post(&self.upstream.base_url(), path);
        let answer = self.client.post(url).body(body.to_owned()).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The status words that looks every half minute show, each once.
    pub(crate) async fn walk(&self, order_id: &str, minutes: u32) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        for _ in 0..minutes * 2 {
            let word = self.look(order_id).await["status"].as_str().unwrap().to_owned();
            if words.last() != Some(&word) {
                words.push(word);
            }
            self.clock.advance(Duration::from_secs(30));
        }
        words
    }
}

pub(crate) fn order_id(wallet: &Value) -> String {
    wallet["order_id"].as_str().unwrap().to_owned()
}

pub(crate) fn json_post(base: &str, path: &str) -> String {
    format!("{base}/sandbox/{path}")
}
