//! A daemon with something to look at: deposits in several states, a letter, a case, two tokens.

use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::config::Role;
use depositd::flow;
use depositd::sandbox::upstream::{Action, Fate, LinkShape, RowsAt};
use serde_json::Value;

use crate::bench::{Bench, operate, token};
use crate::browser::Browser;

pub(crate) const OPERATE: &str = "the-token-of-the-office";
pub(crate) const READ: &str = "the-token-of-the-audit";
pub(crate) const REQUEST: &str = "the-token-of-the-shop";

/// A customer's words that would be a script and read backwards.
pub(crate) const FOREIGN: &str = "<script>alert(1)</script>\u{202e}gnp.eciovni\u{2066}\u{200b}\"'&";

/// What can be looked at.
pub(crate) struct Scene {
    pub(crate) bench: Bench,
    /// The deposit that waits, with foreign words.
    pub(crate) waiting: Value,
    /// The case, where there is one.
    pub(crate) case: i64,
    /// A payment page that waits, a card whose row is only probable, and one that a person has matched; where there are.
    pub(crate) links: Vec<String>,
}

impl Scene {
    /// A daemon without anything, and with the three tokens.
    pub(crate) async fn empty() -> Bench {
        let bench = Bench::start().await;
        grant(&bench);
        bench
    }

    /// A deposit that waits, and a difference with the upstream.
    pub(crate) async fn set() -> Self {
        let bench = Self::empty().await;
        bench.upstream.set_default_fate(Fate::Manual);
        bench.upstream.top_up_elsewhere(100_000, "stripe").unwrap();
        for _ in 0..2 {
            flow::reconcile(&bench.flow).await.unwrap();
        }
        let body = serde_json::json!({
            "currency": "USDT", "network": "BSC", "amount": "25", "reference": FOREIGN, "notify": ["payer@example.com"],
        });
        let (status, waiting) = bench.ask(&body.to_string(), &[("prefer", "wait=10")]).await;
        assert_eq!(status, 201, "{waiting}");
        let (status, other) = bench
            .ask(r#"{"currency": "BTC", "network": "BTC", "amount": "10.5"}"#, &[("prefer", "wait=10")])
            .await;
        assert_eq!(status, 201, "{other}");
        // The total grows by what no row explains.
        bench.upstream.adjust(0, 4_200).unwrap();
        flow::reconcile(&bench.flow).await.unwrap();
        let cases = bench.flow.ledger.cases(false).await.unwrap();
        let case = cases.first().map_or(0, |case| case.id);
        Self { bench, waiting, case, links: Vec::new() }
    }

    /// The same with a payment page and two cards.
    pub(crate) async fn with_links() -> Self {
        let mut scene = Self::set().await;
        scene.links.push(scene.ask_link("page", "25").await);
        scene.bench.upstream.set_links(LinkShape { rows_at: RowsAt::Paid, ..LinkShape::default() });
        for amount in ["50", "60"] {
            scene.links.push(scene.ask_link("card", amount).await);
            let order = scene.bench.upstream.orders().pop().unwrap().order_id;
            scene.bench.upstream.act(&order, Action::Pay { amount_usd: None }).unwrap();
        }
        flow::reconcile(&scene.bench.flow).await.unwrap();
        let matched = &scene.links[2];
        let row = scene.bench.flow.ledger.probable_rows(matched.parse().unwrap()).await.unwrap()[0].0;
        flow::match_row(&scene.bench.flow, row, matched, "API token office", "the receipt").await.unwrap();
        scene
    }

    async fn ask_link(&self, method: &str, amount: &str) -> String {
        let body = serde_json::json!({ "method": method, "amount": amount, "reference": FOREIGN });
        let (status, made) = self.bench.ask(&body.to_string(), &[("prefer", "wait=10")]).await;
        assert_eq!(status, 201, "{made}");
        made["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn id(&self) -> String {
        self.waiting["id"].as_str().unwrap().to_owned()
    }

    /// Somebody with the role for everything.
    pub(crate) async fn operator(&self) -> Browser {
        Browser::logged_in(&self.bench.page, OPERATE).await
    }

    /// Every page that can be looked at by its address.
    pub(crate) async fn addresses(&self) -> Vec<String> {
        let mails = self.bench.flow.ledger.mails(&["owed", "sent", "dead"], 1).await.unwrap();
        let mut all: Vec<String> = [
            "/",
            "/deposits",
            "/deposits?q=zzzz",
            "/deposits/new",
            "/books",
            "/books?month=2020-02",
            "/cases",
            "/cases?closed=1",
            "/reconciliation",
            "/outbox",
            "/outbox?state=sent",
            "/login",
            "/nowhere",
        ]
        .map(str::to_owned)
        .to_vec();
        all.push(format!("/deposits/{}", self.id()));
        all.push(format!("/cases/{}", self.case));
        all.extend(self.links.iter().map(|id| format!("/deposits/{id}")));
        all.push("/books/close?month=2020-02".to_owned());
        all.extend(mails.iter().map(|mail| format!("/letters/{}", mail.id)));
        all
    }
}

pub(crate) fn grant(bench: &Bench) {
    let mut office = operate(OPERATE);
    office.name = "office".to_owned();
    let api = operate(crate::bench::TOKEN);
    bench.access.replace(
        &[api, office, token("audit", Role::Read, READ), token("shop", Role::Request, REQUEST)],
        &[],
    );
}

/// Asks until it is so.
pub(crate) async fn until<F: AsyncFn() -> bool>(what: &str, is_so: F) {
    for _ in 0..200 {
        if is_so().await {
            return;
        }
        SystemClock::new().sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}: not within ten seconds");
}
