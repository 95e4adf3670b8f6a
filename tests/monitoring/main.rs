//! What a monitoring system makes of us: `promtool` reads the figures and tries each alarm, and a real Prometheus
//! collects from the real program and answers every question of the dashboard.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test code: a broken expectation is a failed test"
)]

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use depositd::clock::{Stopwatch, SystemClock};
use depositd::sandbox::upstream::{Fate, SimulatedUpstream, SimulatorSettings};
use serde_json::Value;

const KEY: &str = "k3y&marked=secret/+%";
const TOKEN: &str = "a-token-that-is-long-enough";
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

fn promtool(args: &[&str]) {
    let output = Command::new("promtool").args(args).output().expect("promtool, of Debian's prometheus");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {args:?}\n{said}");
}

#[test]
fn each_alarm_fires_when_it_should_and_only_then() {
    let rules = deploy("prometheus/depositd.rules.yml");
    promtool(&["check", "rules", rules.to_str().unwrap()]);
    promtool(&["test", "rules", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/monitoring/rules.test.yml")]);
    // Every alarm is tried, and has its line in the book of what to do.
    let tried = include_str!("rules.test.yml");
    let book = fs::read_to_string(deploy("../docs/alarms.md")).unwrap();
    let rules = fs::read_to_string(rules).unwrap();
    let alarms: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alarms.len() >= 12, "{alarms:?}");
    for alarm in alarms {
        assert!(tried.contains(&format!("alertname: {alarm}\n")), "{alarm} is not tried");
        assert!(book.contains(&format!("### {alarm}\n")), "{alarm} is not in docs/alarms.md");
        assert!(rules.contains(&format!("runbook: docs/alarms.md#{}\n", alarm.to_lowercase())), "{alarm}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_of_the_dashboard_has_an_answer() {
    let scene = Scene::start().await;
    let figures = scene.get("/metrics").await;
    let mut check =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn().unwrap();
    check.stdin.take().unwrap().write_all(figures.as_bytes()).unwrap();
    assert!(check.wait().unwrap().success(), "{figures}");
    for name in INTERFACE {
        assert!(figures.contains(&format!("\n# TYPE {name} ")), "{name} is missing\n{figures}");
    }
    let prometheus = Prometheus::start(&scene);
    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(deploy("grafana/depositd.json")).unwrap()).unwrap();
    let mut asked = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let question = target["expr"].as_str().unwrap().replace("$instance", ".*");
            let answer = prometheus.answer(&question).await;
            println!("{}: {question} = {}", panel["title"], answer[0]["value"][1]);
            asked += 1;
        }
    }
    assert!(asked >= 15, "{asked} questions");
    let rules = prometheus.get("/api/v1/rules").await;
    for rule in rules["data"]["groups"][0]["rules"].as_array().unwrap() {
        assert_eq!((&rule["health"], &rule["lastError"]), (&"ok".into(), &Value::Null), "{rule}");
    }
}

/// The names that docs/interface.md promises.
const INTERFACE: &[&str] = &[
    "depositd_ready",
    "depositd_deposits",
    "depositd_needs_review",
    "depositd_open_cases",
    "depositd_balance_cents",
    "depositd_total_charges_cents",
    "depositd_drift_cents",
    "depositd_credited_cents_total",
    "depositd_upstream_failing",
    "depositd_upstream_calls_total",
    "depositd_upstream_seconds",
    "depositd_commit_seconds",
    "depositd_last_poll_age_seconds",
    "depositd_reconciliation_age_seconds",
    "depositd_mails",
    "depositd_oldest_owed_mail_age_seconds",
    "depositd_mail_failing",
    "depositd_backup_age_seconds",
    "depositd_ledger_log_bytes",
    "process_resident_memory_bytes",
];

/// The real program with a settled deposit, an open one, and a good reconciliation.
struct Scene {
    folder: tempfile::TempDir,
    daemon: Child,
    address: String,
    client: reqwest::Client,
    simulator: SimulatedUpstream,
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// A port that is free now.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

impl Scene {
    async fn start() -> Self {
        let simulator = SimulatedUpstream::start(SimulatorSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            user_id: "12345".to_owned(),
            api_key: KEY.to_owned(),
            clock: Arc::new(SystemClock::new()),
            seed: 5,
            store: None,
        })
        .await
        .unwrap();
        simulator.set_default_fate(Fate::Manual);
        let folder = tempfile::tempdir().unwrap();
        let (address, path) = (free_address(), folder.path().join("daemon.toml"));
        for (name, secret) in [("key", KEY), ("token", TOKEN)] {
            fs::write(folder.path().join(name), secret).unwrap();
        }
        let config = format!(
            "[upstream]\nbase_url = \"{}\"\nuser_id = \"12345\"\napi_key_file = \"key\"\nrequests_per_second = 0\n\
             [ledger]\npath = \"ledger.db\"\nbackup_dir = \"copies\"\n\
             backup_schedule = \"* * * * * *\"\nbackup_keep = 1\n[polling]\ninterval = \"200ms\"\nconfirming_interval = \"200ms\"\n\
             [reconcile]\nschedule = \"* * * * * *\"\nlag = \"0s\"\n[api]\nlisten = [\"{address}\"]\ntoken_file = \"token\"\n\
             [mail]\ntransport = \"file\"\nfrom = \"deposits@example.com\"\nto = [\"finance@example.com\"]\n\
             directory = \"mail\"\n",
            simulator.base_url()
        );
        fs::write(&path, config).unwrap();
        let daemon = Command::new(env!("CARGO_BIN_EXE_depositd"))
            .args(["--config", path.to_str().unwrap(), "run"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let scene = Self { folder, daemon, address, client, simulator };
        scene.play().await;
        scene
    }

    /// One deposit is paid and booked, one stays open, and a reconciliation agrees.
    async fn play(&self) {
        let begun = Stopwatch::start();
        let url = format!("http://{}/healthz", self.address);
        while self.client.get(&url).send().await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "the daemon does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        for amount in ["25", "30"] {
            let body = format!(r#"{{"currency": "USDT", "network": "BSC", "amount": "{amount}"}}"#);
            let request = self.client.post(format!("http://{}/v1/deposits", self.address));
            let request = request.bearer_auth(TOKEN).header("content-type", "application/json").body(body);
            assert_eq!(request.send().await.unwrap().status(), 201);
        }
        let order = self.simulator.orders().remove(0).order_id;
        self.simulator.act(&order, depositd::sandbox::upstream::Action::Pay { amount_usd: None }).unwrap();
        for line in [
            "depositd_deposits{state=\"settled\"} 1",
            "depositd_drift_cents 0",
            "depositd_backup_age_seconds ",
        ] {
            while !self.get("/metrics").await.lines().any(|found| found.starts_with(line)) {
                assert!(begun.elapsed() < PATIENCE, "{line} never comes");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    async fn get(&self, path: &str) -> String {
        let request = self.client.get(format!("http://{}{path}", self.address)).bearer_auth(TOKEN);
        request.send().await.unwrap().text().await.unwrap()
    }
}

/// A real Prometheus, with the example of `deploy/prometheus` but for addresses, places and pace.
struct Prometheus {
    child: Child,
    address: String,
    client: reqwest::Client,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    fn start(scene: &Scene) -> Self {
        let (address, folder) = (free_address(), scene.folder.path());
        let example = fs::read_to_string(deploy("prometheus/prometheus.yml")).unwrap();
        let mut config = example.clone();
        for (there, here) in [
            ("127.0.0.1:8787", scene.address.as_str()),
            ("/etc/prometheus/depositd-token", folder.join("token").to_str().unwrap()),
            ("scrape_interval: 30s", "scrape_interval: 1s"),
            ("depositd.rules.yml", deploy("prometheus/depositd.rules.yml").to_str().unwrap()),
        ] {
            assert!(config.contains(there), "{there}\n{example}");
            config = config.replace(there, here);
        }
        let file = folder.join("prometheus.yml");
        fs::write(&file, format!("global: {{ evaluation_interval: 1s }}\n{config}")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus, of Debian's package");
        Self { child, address, client: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(format!("http://{}{path}", self.address)).send().await;
        match answer {
            Ok(answer) => serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null),
            Err(_) => Value::Null,
        }
    }

    /// What it answers once it has collected often enough: a list of samples, each of them a number.
    async fn answer(&self, question: &str) -> Value {
        let url = reqwest::Url::parse_with_params("http://host/api/v1/query", [("query", question)]).unwrap();
        let path = format!("{}?{}", url.path(), url.query().unwrap());
        let begun = Stopwatch::start();
        loop {
            let answer = self.get(&path).await;
            assert_ne!(answer["status"], "error", "{question}: {answer}");
            let samples = answer["data"]["result"].as_array().cloned().unwrap_or_default();
            let is_number = |sample: &Value| sample["value"][1].as_str().is_some_and(|text| text != "NaN");
            if !samples.is_empty() && samples.iter().all(is_number) {
                return Value::Array(samples);
            }
            assert!(begun.elapsed() < PATIENCE, "{question}: {answer}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
