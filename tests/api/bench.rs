//! A daemon without its process: ledger, simulated upstream, mail to files, the loops, and the API on both sockets.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use depositd::api::{Api, ApiSettings, Listen, LiveAccess};
use depositd::clock::{SharedClock, SystemClock};
use depositd::config::{NamedToken, Role};
use depositd::domain::poll::Policy;
use depositd::flow::{self, Flow};
use depositd::ledger::{self, Access, Ledger};
use depositd::notifier::{self, MailBackend, Mailer, Rules};
use depositd::page::{PageServer, PageSettings, PageTemplates};
use depositd::sandbox::upstream::{self as simulator, SimulatedUpstream};
use depositd::scheduler::{self, Loops, Schedule, ServiceStatus};
use depositd::upstream::{self, Upstream};
use reqwest::{Method, RequestBuilder, Response};
use secrecy::SecretString;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const TOKEN: &str = "a-token-of-the-test";

/// A token of this name.
pub(crate) fn token(name: &str, role: Role, secret: &str) -> NamedToken {
    NamedToken { name: name.to_owned(), role, secret: SecretString::from(secret.to_owned()) }
}

/// The token with which everything may be done.
pub(crate) fn operate(secret: &str) -> NamedToken {
    token("api", Role::Operate, secret)
}

pub(crate) struct Bench {
    pub(crate) upstream: SimulatedUpstream,
    pub(crate) flow: Flow,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) tcp: String,
    /// Where the pages for browsers are.
    #[allow(dead_code, reason = "tests/page uses it, and shares this bench")]
    pub(crate) page: String,
    pub(crate) access: LiveAccess,
    pub(crate) stop: CancellationToken,
    pub(crate) serving: JoinHandle<()>,
    _loops: Loops,
    unix_client: reqwest::Client,
    tcp_client: reqwest::Client,
}

fn flow_settings(interval: Duration) -> flow::FlowSettings {
    flow::FlowSettings {
        policy: Policy { interval, ..Policy::default() },
        create_attempts: 3,
        request_limit: Duration::from_secs(3600),
        page_amount: Some(depositd::domain::method::AmountUnit::Dollars),
        call_timeout: Duration::from_secs(5),
        max_in_flight: 16,
        poll_batch: 64,
        down_after: Duration::from_secs(30),
        tolerance_cents: 0,
        tell_after_runs: 1,
        lag: Duration::ZERO,
        low_balance_cents: None,
        mail_retry_initial: Duration::from_secs(5),
        mail_retry_max: Duration::from_secs(60),
        mail_give_up_after: Duration::from_secs(3600),
    }
}

async fn build(
    folder: &tempfile::TempDir,
    upstream: &SimulatedUpstream,
    clock: SharedClock,
    interval: Duration,
) -> Flow {
    let settings = ledger::LedgerSettings {
        path: folder.path().join("ledger.db"),
        create_if_missing: true,
        mail_domain: "example.com".to_owned(),
    };
    let ledger = Ledger::open(settings, Access::Write).await.unwrap();
    let settings = upstream::UpstreamSettings {
        base_url: upstream.base_url(),
        user_id: "12345".to_owned(),
        requests_per_second: None,
        max_in_flight: 16,
        timeout: Duration::from_secs(5),
        zone: depositd::domain::time::Zone::UTC,
        page_amount: Some(depositd::domain::method::AmountUnit::Dollars),
    };
    let client = Upstream::new(settings, SecretString::from("k&y".to_owned()), clock.clone()).unwrap();
    let settings = notifier::MailerSettings {
        transport: MailBackend::File { directory: folder.path().join("mail") },
        from: "depositd@example.com".to_owned(),
        account: "12345".to_owned(),
        send_timeout: Duration::from_secs(5),
    };
    let mailer = Mailer::new(settings, None).unwrap();
    let rules = Rules::new(vec!["finance@example.com".to_owned()], Vec::new());
    Flow::new(ledger, client, mailer, rules, flow_settings(interval), clock)
}

impl Bench {
    /// A daemon that polls nothing again while a test lasts.
    pub(crate) async fn start() -> Self {
        Self::start_polling(Duration::from_secs(3600)).await
    }

    /// A daemon that polls again after `interval`.
    pub(crate) async fn start_polling(interval: Duration) -> Self {
        Self::start_with(interval, None).await
    }

    /// The same, whose pages are known by another address, as behind a proxy.
    pub(crate) async fn start_with(interval: Duration, public_url: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(SystemClock::new());
        let upstream = SimulatedUpstream::start(simulator::SimulatorSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            user_id: "12345".to_owned(),
            api_key: "k&y".to_owned(),
            clock: clock.clone(),
            seed: 1,
            store: None,
        })
        .await
        .unwrap();
        let flow = build(&folder, &upstream, clock, interval).await;
        let never = Schedule::new("0 0 0 1 1 *", |_| None);
        let timetable = scheduler::TaskSettings {
            reconcile: never,
            digest: None,
            backup: None,
            has_replica: false,
            drill: None,
        };
        let status = Arc::<ServiceStatus>::default();
        let loops = Loops::start(flow.clone(), Arc::clone(&status), timetable).await.unwrap();
        let socket = folder.path().join("d.sock");
        let settings = ApiSettings {
            listen: vec![Listen::Unix(socket.clone()), Listen::Tcp("127.0.0.1:0".parse().unwrap())],
            tokens: vec![operate(TOKEN)],
            groups: Vec::new(),
            backup_dir: Some(folder.path().join("backups")),
        };
        let bound = Api::bind(settings).await.unwrap();
        let (addresses, access) = (bound.addresses(), bound.access());
        assert_eq!(addresses[0], format!("unix:{}", socket.display()));
        let listen = "127.0.0.1:0".parse().unwrap();
        let settings = PageSettings { listen, public_url: public_url.map(str::to_owned) };
        let page =
            PageServer::bind(settings, PageTemplates::builtin().unwrap(), access.clone()).await.unwrap();
        let (page_address, bound) = (page.listens_on().to_owned(), bound.with(page.site()));
        let stop = CancellationToken::new();
        let serving = tokio::spawn(bound.serve(flow.clone(), status, stop.clone()));
        Self {
            upstream,
            flow,
            tcp: addresses[1].clone(),
            page: page_address,
            access,
            stop,
            serving,
            _loops: loops,
            unix_client: reqwest::Client::builder().unix_socket(socket).build().unwrap(),
            tcp_client: reqwest::Client::new(),
            folder,
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("d.sock")
    }

    /// A call over the unix socket.
    pub(crate) fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.unix_client.request(method, format!("http://localhost{path}"))
    }

    /// A call over TCP, without a token.
    pub(crate) fn tcp_call(&self, method: Method, path: &str) -> RequestBuilder {
        self.tcp_client.request(method, format!("http://{}{path}", self.tcp))
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.call(Method::GET, path).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> (u16, Value) {
        answer(self.call(Method::POST, path).body(body.to_owned()).send().await.unwrap()).await
    }

    /// Asks for a deposit with these headers.
    pub(crate) async fn ask(&self, body: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let mut call = self.call(Method::POST, "/v1/deposits").body(body.to_owned());
        for (name, value) in headers {
            call = call.header(*name, *value);
        }
        answer(call.send().await.unwrap()).await
    }
}

/// The status and the body; an error must be a problem document, everything else JSON.
pub(crate) async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let body: Value = response.json().await.unwrap();
    if status >= 400 && body.get("ready").is_none() {
        assert_eq!(kind, "application/problem+json", "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert!(
            body["type"].is_string() && body["title"].is_string() && body["detail"].is_string(),
            "{body}"
        );
    } else {
        assert_eq!(kind, "application/json", "{body}");
    }
    (status, body)
}
