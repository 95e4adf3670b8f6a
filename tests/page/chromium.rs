//! The pages in Debian's chromium: how they look, whether everybody can use them, and what happens without a reload.
//!
//! The pictures are kept in `target/page`, to be looked at.

use std::path::{Path, PathBuf};
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::sandbox::upstream::{Action, Fate};
use serde_json::json;

use crate::bench::Bench;
use crate::scene::{FOREIGN, OPERATE, Scene, grant};
use crate::webdriver::Chromium;

/// The rules of axe-core that are tried: those of the standards, and good practice.
const AXE: &str = "axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations.map((one) => \
                   one.id + ': ' + one.nodes.map((node) => node.target.join(' ') + ' ' + node.failureSummary).join(' | ')))";

/// axe-core, which `.ci/test` installs.
fn axe() -> String {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe/pytest_playwright_axe/resources/axe.min.js");
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; `.ci/test` installs it", path.display()))
}

fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/page");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

async fn log_in(chromium: &Chromium, base: &str) {
    chromium.open(&format!("{base}/login")).await;
    chromium.write("#token", OPERATE).await;
    chromium.click("button").await;
    chromium.wait("document.querySelector('.who') !== null").await;
}

/// What a page is called in its picture.
fn name_of(path: &str) -> String {
    let plain = path.split('?').next().unwrap().trim_matches('/').replace('/', "-");
    if plain.is_empty() { "now".to_owned() } else { plain.chars().take(24).collect() }
}

#[tokio::test]
async fn every_page_fits_can_be_used_by_everybody_and_keeps_to_its_policy() {
    let scene = Scene::with_links().await;
    let (chromium, axe) = (Chromium::start().await, axe());
    let base = format!("http://{}", scene.bench.page);
    chromium.look(1280, "light").await;
    log_in(&chromium, &base).await;
    let mut faults = Vec::new();
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")] {
        chromium.look(width, scheme).await;
        for path in scene.addresses().await {
            chromium.open(&format!("{base}{path}")).await;
            let at = format!("{path} {width} {scheme}");
            chromium
                .eval("document.querySelectorAll('details').forEach((one) => { one.open = true; }); true")
                .await;
            if chromium.eval(&format!("document.documentElement.scrollWidth > {width}")).await == json!(true)
            {
                faults.push(format!("{at}: wider than the window"));
            }
            // The rules are the same at both widths, but for what is drawn otherwise.
            if !(width == 360 && scheme == "dark") {
                chromium.eval(&axe).await;
                for found in chromium.eval(AXE).await.as_array().unwrap() {
                    faults.push(format!("{at}: {found}"));
                }
            }
            let file = pictures().join(format!("{}-{width}-{scheme}.png", name_of(&path)));
            std::fs::write(file, chromium.picture().await).unwrap();
        }
    }
    // What is not there says so; everything else is a complaint.
    let complaints = chromium.complaints().await;
    faults.extend(complaints.into_iter().filter(|text| !text.contains("404 (Not Found)")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn a_deposit_is_seen_to_settle_a_case_is_explained_and_a_month_closed() {
    let bench = Bench::start_with(Duration::from_millis(500), None).await;
    grant(&bench);
    bench.upstream.set_default_fate(Fate::Manual);
    bench.upstream.top_up_elsewhere(100_000, "stripe").unwrap();
    for _ in 0..2 {
        depositd::flow::reconcile(&bench.flow).await.unwrap();
    }
    let (chromium, base) = (Chromium::start().await, format!("http://{}", bench.page));
    chromium.look(1280, "light").await;
    log_in(&chromium, &base).await;
    // A month, while nothing differs.
    chromium.open(&format!("{base}/books/close?month=2026-01")).await;
    chromium.click("main form button").await;
    chromium.write("#confirm", "2026-01").await;
    chromium.click("button.danger").await;
    chromium.wait("document.body.innerText.includes('The month is closed for good.')").await;
    assert_eq!(bench.flow.ledger.closed_months().await.unwrap()[0].month, "2026-01");
    // A deposit, asked for and paid.
    chromium.open(&format!("{base}/deposits/new")).await;
    chromium.write("#pair", "USDT BSC").await;
    chromium.write("#amount", "25").await;
    chromium.eval(&format!("document.getElementById('reference').value = {}; true", json!(FOREIGN))).await;
    chromium.click("main form button").await;
    chromium.wait("document.querySelector('.pay') !== null").await;
    chromium.eval("window.stays = 1; document.querySelector('.left').textContent").await;
    let order = bench.upstream.orders()[0].order_id.clone();
    bench.upstream.act(&order, Action::Pay { amount_usd: None }).unwrap();
    chromium.wait("document.querySelector('.head .tag').textContent === 'settled'").await;
    assert_eq!(chromium.eval("window.stays").await, json!(1), "without a reload");
    std::fs::write(pictures().join("settled.png"), chromium.picture().await).unwrap();
    // What somebody writes is not taken away by what happens meanwhile.
    bench.upstream.adjust(0, 4_200).unwrap();
    depositd::flow::reconcile(&bench.flow).await.unwrap();
    let case = bench.flow.ledger.cases(false).await.unwrap()[0].id;
    chromium.open(&format!("{base}/cases/{case}")).await;
    chromium.click("#act-explain summary").await;
    chromium.write("#note-explain", "a gift of theirs").await;
    bench.ask(r#"{"currency": "BTC", "network": "BTC", "amount": "10"}"#, &[("prefer", "wait=10")]).await;
    SystemClock::new().sleep(Duration::from_millis(2500)).await;
    assert_eq!(
        chromium.eval("document.getElementById('note-explain').value").await,
        json!("a gift of theirs")
    );
    chromium.click("#act-explain button").await;
    chromium.wait("document.body.innerText.includes('The explanation is kept')").await;
    let explained = bench.flow.ledger.case(case).await.unwrap().unwrap();
    assert_eq!(explained.explained_by.as_deref(), Some("API token office"));
    // By keyboard: the first stop leads past the menu.
    chromium.open(&base).await;
    chromium.wait("document.querySelector('.skip') !== null").await;
    let tab = json!({ "type": "keyDown", "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9 });
    chromium.devtools("Input.dispatchKeyEvent", tab).await;
    chromium.wait("document.activeElement.className === 'skip'").await;
    // Without JavaScript it is the same page.
    chromium.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    chromium.open(&format!("{base}/deposits")).await;
    std::fs::write(pictures().join("without-javascript.png"), chromium.picture().await).unwrap();
    chromium.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": false })).await;
    assert_eq!(chromium.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_card_is_chosen_by_keyboard_and_without_javascript() {
    let bench = Bench::start().await;
    grant(&bench);
    let (chromium, base) = (Chromium::start().await, format!("http://{}", bench.page));
    chromium.look(360, "light").await;
    log_in(&chromium, &base).await;
    chromium.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    chromium.open(&format!("{base}/deposits/new")).await;
    // The arrow keys go from one to the next, the tabulator past what a card does not need.
    chromium.write("#method-wallet", "\u{e015}\u{e015}\u{e004}25").await;
    std::fs::write(pictures().join("card.png"), chromium.picture().await).unwrap();
    chromium.write("#amount", "\u{e007}").await;
    chromium.wait("document.querySelector('.pay') !== null").await;
    chromium.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": false })).await;
    let text = chromium.eval("document.querySelector('.pay').innerText").await;
    assert!(text.as_str().unwrap().contains("25 USD by card"), "{text}");
    std::fs::write(pictures().join("card-asked-for.png"), chromium.picture().await).unwrap();
    assert_eq!(chromium.complaints().await, Vec::<String>::new());
}
