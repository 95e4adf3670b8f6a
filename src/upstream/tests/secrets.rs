//! The key goes out to the upstream and comes back nowhere, whatever the upstream does with it.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::Layer as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use super::super::{NewOrder, Priority, Upstream};
use super::server::{Reaction, Server, http, nobody};
use super::{KEY, upstream};
use crate::domain::asset::Asset;
use crate::domain::money::Amount;

/// What every spelling of the key begins with.
const MARK: &str = "MARKED";

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Makes every call once and gives all that can be seen of what came of it.
async fn everything_seen(upstream: &Upstream) -> String {
    let amount = Amount::parse("5").unwrap();
    let asset = Asset::parse("BTC", "BTC").unwrap();
    let order = NewOrder { paid_by: asset.into(), amount: &amount, coupon: Some("C") };
    let mut seen = format!("{upstream:?}");
    let mut add = |shown: String, error: Option<&super::super::Error>| {
        seen.push_str(&shown);
        if let Some(error) = error {
            let source = std::error::Error::source(error).map(ToString::to_string);
            let text = error.evidence().map(super::super::Evidence::text);
            seen.push_str(&format!("{error} {error:?} {} {source:?} {text:?}", error.words()));
        }
    };
    let result = upstream.create(upstream.admit(Priority::Create).await, &order).await;
    add(format!("{result:?}"), result.as_ref().err());
    let result = upstream.poll(upstream.admit(Priority::Poll).await, "order").await;
    add(format!("{:?}", result.as_ref().map(|a| a.evidence.text())), result.as_ref().err());
    let result = upstream.invoices(upstream.admit(Priority::Reconcile).await, Vec::new()).await;
    add(format!("{result:?}"), result.as_ref().err());
    let result = upstream.balance(upstream.admit(Priority::Reconcile).await).await;
    add(format!("{result:?}"), result.as_ref().err());
    seen.push_str(&format!("{:?}", upstream.health()));
    seen
}

#[tokio::test]
async fn the_key_comes_out_on_no_path() {
    let log = Log::default();
    let filter = "off,depositd=trace".parse::<tracing_subscriber::filter::Targets>().unwrap();
    let layer = tracing_subscriber::fmt::layer().with_writer(log.clone()).with_filter(filter);
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

    let encoded = super::super::secret::percent_encoded(KEY);
    let html = KEY.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let json = serde_json::to_string(KEY).unwrap();
    let php = json.replace('/', "\\/");
    let bodies = [
        format!("<html>/v3/customers?apiKey={encoded} and {html} and {KEY}"),
        format!(r#"{{"ok":false,"body":{json},"url":"?apiKey={encoded}"}}"#),
        format!(r#"{{"ok":false,"error":{{"message":{php}}}}}"#),
        format!(r#"{{"ok":true,"body":{{"order_id":{json},"order_id":1,"status":{php},"balance":{json}}}}}"#),
        format!(r#"{{"ok":true,"body":{json}}}"#),
        format!("{}{KEY}{}", " ".repeat(4090), "x".repeat(9000)),
        encoded.repeat(400),
        KEY.to_owned(),
    ];
    let mut reactions = vec![Reaction::CloseUnread, Reaction::SendAndHang(Vec::new())];
    for body in &bodies {
        for status in [200, 302, 400, 401, 404, 429, 500, 502] {
            reactions.push(Reaction::Send(http(status, "", body)));
        }
    }
    reactions.push(Reaction::Send(http(302, &format!("location: /?apiKey={encoded}\r\n"), &encoded)));
    let half = format!("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{}", &encoded[..20]);
    reactions.push(Reaction::Send(half.into_bytes()));

    let mut seen = everything_seen(&upstream(&nobody().await)).await;
    for reaction in reactions {
        let server = Server::reacting(vec![reaction]).await;
        let clock = Arc::new(crate::clock::SystemClock::quickened(super::noon(), 100_000));
        let key = super::SecretString::from(KEY.to_owned());
        let upstream = Upstream::new(super::settings(&server.url), key, clock).unwrap();
        seen.push_str(&everything_seen(&upstream).await);
        assert!(server.requests().iter().all(|request| request.contains(MARK)), "it did go out");
    }
    assert!(seen.contains("[secret]"));
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("a call to the upstream ended"), "the log was listened to");
    for (place, text) in [("results", &seen), ("log", &logged)] {
        let around =
            text.find(MARK).map(|at| &text[at.saturating_sub(200)..text.len().min(at.saturating_add(100))]);
        assert_eq!(around, None, "in the {place}");
    }
}
