//! A real browser by the WebDriver protocol: Debian's chromium, without a window. Just as much of the protocol as is needed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use depositd::clock::{Clock as _, SystemClock};
use reqwest::Client;
use serde_json::{Value, json};

/// A window of chromium, and the driver that moves it.
pub(crate) struct Chromium {
    driver: Child,
    client: Client,
    session: String,
}

/// A driver and its port; `None` where it has none.
fn driver() -> Option<(Child, String)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("chromedriver, which `.ci/test` installs (Debian's chromium-driver): {error}")
        });
    let mut said = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = said.find_map(|line| {
        let line = line.ok()?;
        let (_, port) = line.split_once("successfully on port ")?;
        Some(port.trim_end_matches('.').to_owned())
    });
    std::thread::spawn(move || said.for_each(drop));
    if port.is_none() {
        driver.kill().unwrap();
        driver.wait().unwrap();
    }
    Some((driver, port?))
}

impl Chromium {
    /// Starts both; `.ci/test` installs them.
    pub(crate) async fn start() -> Self {
        // Two drivers that begin at one moment may choose the same port: then one of them ends.
        let (driver, port) = (0..5).find_map(|_| driver()).unwrap();
        let base = format!("http://127.0.0.1:{port}/session");
        let client = Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        ];
        // A click may be answered before its page is there: what is looked for is waited for.
        let wishes = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments }, "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "implicit": 15_000 },
        } } });
        let answer: Value = client.post(&base).json(&wishes).send().await.unwrap().json().await.unwrap();
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}"));
        Self { driver, session: format!("{base}/{id}"), client }
    }

    async fn command(&self, path: &str, body: Value) -> Value {
        let call = self.client.post(format!("{}/{path}", self.session)).json(&body);
        let answer: Value = call.send().await.unwrap().json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{path}: {answer}");
        answer["value"].clone()
    }

    /// A command of the browser's own protocol.
    pub(crate) async fn devtools(&self, cmd: &str, params: Value) -> Value {
        self.command("goog/cdp/execute", json!({ "cmd": cmd, "params": params })).await
    }

    pub(crate) async fn open(&self, url: &str) {
        self.command("url", json!({ "url": url })).await;
    }

    async fn evaluate(&self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        self.devtools("Runtime.evaluate", params).await
    }

    /// What an expression is on this page, once it is known.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        let answer = self.evaluate(expression).await;
        assert!(answer["exceptionDetails"].is_null(), "{answer}");
        answer["result"]["value"].clone()
    }

    async fn element(&self, css: &str) -> String {
        let found = self.command("element", json!({ "using": "css selector", "value": css })).await;
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("{css}: {found}")).to_owned()
    }

    pub(crate) async fn click(&self, css: &str) {
        let element = self.element(css).await;
        self.command(&format!("element/{element}/click"), json!({})).await;
    }

    pub(crate) async fn write(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.command(&format!("element/{element}/value"), json!({ "text": text })).await;
    }

    /// Waits until an expression is true on this page.
    pub(crate) async fn wait(&self, expression: &str) {
        for _ in 0..150 {
            // Between two pages there is nothing to ask.
            if self.evaluate(expression).await["result"]["value"] == json!(true) {
                return;
            }
            SystemClock::new().sleep(Duration::from_millis(100)).await;
        }
        panic!("{expression}: not within fifteen seconds: {}", self.eval("document.body.innerText").await);
    }

    /// A window so wide, light or dark.
    pub(crate) async fn look(&self, width: u32, scheme: &str) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// The whole page as a picture.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        // Between two pages there is nothing to take a picture of.
        for _ in 0..100 {
            let size = self.devtools("Page.getLayoutMetrics", json!({})).await;
            if size["cssContentSize"]["width"].as_f64() > Some(0.0) {
                break;
            }
            SystemClock::new().sleep(Duration::from_millis(50)).await;
        }
        let params = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.devtools("Page.captureScreenshot", params).await;
        STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
    }

    /// What the browser has complained about since it was asked last.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.command("se/log", json!({ "type": "browser" })).await;
        log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The driver takes its browser with it.
        let _ = Command::new("kill").arg(self.driver.id().to_string()).status();
        let _ = self.driver.wait();
    }
}
