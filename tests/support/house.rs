//! A whole house for a story: simulated upstream, real SMTP receiver, real ledger file, and a clock moved by hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use depositd::clock::{Clock as _, ManualClock, SharedClock, SystemClock};
use depositd::domain::deposit::Deposit;
use depositd::domain::method::Method;
use depositd::domain::poll::Policy;
use depositd::domain::time::Timestamp;
use depositd::flow::{self, Flow, NewDeposit, Opened, Report};
use depositd::ledger::{Access, Error as LedgerError, Ledger, LedgerSettings, Verification};
use depositd::notifier::{
    MailBackend, Mailer, MailerSettings as MailSettings, RecipientRule, Rules, Security,
};
use depositd::sandbox::upstream::{Fate, OrderView, SimulatedUpstream, SimulatorSettings};
use depositd::upstream::{Upstream, UpstreamSettings};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::smtp::{Received, SmtpReceiver};

pub const KEY: &str = "k3y&marked=secret/+%";
pub const FINANCE: &str = "finance@example.com";

pub struct House {
    /// Our clock.
    pub clock: Arc<ManualClock>,
    /// The upstream's: the same one, unless the house was built with clocks apart.
    pub world: Arc<ManualClock>,
    pub simulator: SimulatedUpstream,
    pub smtp: SmtpReceiver,
    pub flow: Flow,
    pub folder: TempDir,
}

pub fn settings() -> flow::FlowSettings {
    flow::FlowSettings {
        policy: Policy::default(),
        create_attempts: 3,
        request_limit: Duration::from_secs(3600),
        page_amount: Some(depositd::domain::method::AmountUnit::Dollars),
        call_timeout: Duration::from_secs(5),
        max_in_flight: 16,
        poll_batch: 256,
        down_after: Duration::from_secs(30),
        tolerance_cents: 0,
        tell_after_runs: 1,
        lag: Duration::ZERO,
        low_balance_cents: None,
        mail_retry_initial: Duration::from_secs(5),
        mail_retry_max: Duration::from_secs(3600),
        mail_give_up_after: Duration::from_secs(5 * 86_400),
    }
}

impl House {
    pub async fn new() -> Self {
        Self::with(settings(), Vec::new()).await
    }

    pub async fn with(settings: flow::FlowSettings, rules: Vec<RecipientRule>) -> Self {
        Self::with_rules(settings, Rules::new(vec![FINANCE.to_owned()], rules)).await
    }

    /// With rules that also say when letters go.
    pub async fn with_rules(settings: flow::FlowSettings, rules: Rules) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::parse("2026-03-01T09:00:00Z").unwrap()));
        Self::built(settings, rules, clock.clone(), clock).await
    }

    /// Our clock and the upstream's agree at first, and can be set apart.
    pub async fn with_clocks_apart() -> Self {
        let clock = || Arc::new(ManualClock::new(Timestamp::parse("2026-03-01T09:00:00Z").unwrap()));
        Self::built(settings(), Rules::new(vec![FINANCE.to_owned()], Vec::new()), clock(), clock()).await
    }

    async fn built(
        settings: flow::FlowSettings,
        rules: Rules,
        clock: Arc<ManualClock>,
        world: Arc<ManualClock>,
    ) -> Self {
        let shared: SharedClock = clock.clone();
        let simulator = SimulatedUpstream::start(SimulatorSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            user_id: "12345".to_owned(),
            api_key: KEY.to_owned(),
            clock: world.clone(),
            seed: 7,
            store: None,
        })
        .await
        .unwrap();
        simulator.set_default_fate(Fate::Manual);
        let smtp = SmtpReceiver::start().await;
        let folder = tempfile::tempdir().unwrap();
        let flow = build(&folder, &simulator, &smtp, shared, settings, rules).await;
        Self { clock, world, simulator, smtp, flow, folder }
    }

    /// As after an upgrade: the ledger's file is the one that this SQL makes, and it is now `at` the least.
    pub async fn upgraded(self, sql: &std::path::Path, at: Timestamp) -> Self {
        let Self { clock, world, simulator, smtp, flow, folder } = self;
        let (settings, rules) = (flow.settings, Rules::clone(&flow.rules.current()));
        flow.ledger.close().await.unwrap();
        let path = folder.path().join("ledger.db");
        for file in std::fs::read_dir(folder.path()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        let read = format!(".read {}", sql.display());
        let made = std::process::Command::new("sqlite3").arg("-bail").arg(&path).arg(read).status();
        assert!(made.unwrap().success());
        clock.advance(at.since(clock.now()));
        let flow = build(&folder, &simulator, &smtp, clock.clone(), settings, rules).await;
        Self { clock, world, simulator, smtp, flow, folder }
    }

    /// As on a new machine, with a ledger that was restored: the old process never came to its end.
    pub async fn restart_restored(self) -> Self {
        let Self { clock, world, simulator, smtp, flow, folder } = self;
        let (settings, rules) = (flow.settings, Rules::clone(&flow.rules.current()));
        // Its lock goes with it; what it still holds open is a file that nobody can see any more.
        let _ = flow.ledger.close().await;
        let flow = build(&folder, &simulator, &smtp, clock.clone(), settings, rules).await;
        Self { clock, world, simulator, smtp, flow, folder }
    }

    pub fn ledger_path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    /// As after a crash: memory is gone, the disk is not.
    pub async fn restart(self) -> Self {
        let Self { clock, world, simulator, smtp, flow, folder } = self;
        let (settings, rules) = (flow.settings, Rules::clone(&flow.rules.current()));
        flow.ledger.close().await.unwrap();
        let flow = build(&folder, &simulator, &smtp, clock.clone(), settings, rules).await;
        Self { clock, world, simulator, smtp, flow, folder }
    }

    pub async fn request(&self, currency: &str, network: &str, amount: &str) -> Deposit {
        self.open(NewDeposit {
            currency: Some(currency.to_owned()),
            network: Some(network.to_owned()),
            amount: amount.to_owned(),
            ..NewDeposit::default()
        })
        .await
    }

    pub async fn open(&self, new: NewDeposit) -> Deposit {
        match flow::open(&self.flow, new).await.unwrap() {
            Opened::New(deposit) | Opened::Same(deposit) => deposit,
        }
    }

    /// A request whose wallet is made at once.
    pub async fn wallet(&self, amount: &str) -> Deposit {
        let deposit = self.request("USDT", "TRON", amount).await;
        self.rounds().await;
        self.read(&deposit).await
    }

    /// A payment page or a card payment whose link is made at once.
    pub async fn link(&self, method: Method, amount: &str) -> Deposit {
        let deposit = self.open(NewDeposit::by_link(method, amount)).await;
        self.rounds().await;
        self.read(&deposit).await
    }

    /// The simulator's order of a deposit that is paid by its link.
    pub fn linked(&self, deposit: &Deposit) -> OrderView {
        let url = deposit.facts.wallet.as_ref().unwrap().url.clone().unwrap();
        self.simulator.orders().into_iter().find(|order| order.url == url).unwrap()
    }

    /// Everything that is due now, as the loops would do it.
    pub async fn rounds(&self) {
        Self::rounds_of(&self.flow, &CancellationToken::new()).await;
    }

    /// Makes the wallets that wait to be made.
    pub async fn make_wallets(&self) {
        Self::make_wallets_of(&self.flow).await;
    }

    async fn make_wallets_of(flow: &Flow) {
        let turns =
            flow.ledger.entries_to_create(flow.clock.now(), &flow.settings.policy, 1000).await.unwrap();
        for depositd::ledger::LeasedDeposit { entry, deposit, .. } in flow.ledger.lease(&turns).await.unwrap()
        {
            flow::create(flow, entry, *deposit).await.unwrap();
        }
    }

    /// All rounds, for a task of their own, until it is stopped.
    pub async fn rounds_of(flow: &Flow, stop: &CancellationToken) {
        Self::make_wallets_of(flow).await;
        flow::poll_due(flow, stop).await.unwrap();
        flow::follow_list(flow).await.unwrap();
        flow::deliver(flow, 0, stop).await.unwrap();
    }

    /// Awaits a task that may wait for the clock: where nothing happens for a moment, a second passes. A task that
    /// has work for ever, as polls have while the upstream is down, is stopped after a minute of that.
    pub async fn until<T>(&self, mut task: JoinHandle<T>, stop: &CancellationToken) -> T {
        let real = SystemClock::new();
        let mut seconds = 0;
        loop {
            tokio::select! {
                done = &mut task => return done.unwrap(),
                () = real.sleep(Duration::from_millis(25)) => {
                    self.clock.advance(Duration::from_secs(1));
                    seconds += 1;
                    if seconds == 60 {
                        stop.cancel();
                    }
                }
            }
        }
    }

    /// Dies without closing anything, and comes back.
    pub async fn die_and_rise(self) -> Self {
        let Self { clock, world, simulator, smtp, flow, folder } = self;
        let (settings, rules) = (flow.settings, Rules::clone(&flow.rules.current()));
        let lock = flow.ledger.path().with_extension("db.lock");
        drop(flow);
        // The last of the tasks that were cut off lets go of the ledger.
        let real = SystemClock::new();
        while std::fs::File::open(&lock).unwrap().try_lock().is_err() {
            real.sleep(Duration::from_millis(5)).await;
        }
        let flow = build(&folder, &simulator, &smtp, clock.clone(), settings, rules).await;
        Self { clock, world, simulator, smtp, flow, folder }
    }

    /// Lets time pass in steps of at most `step`, with all rounds after each.
    pub async fn pass(&self, span: Duration, step: Duration) {
        let end = self.clock.now().plus(span);
        while self.clock.now() < end {
            let step = step.min(end.since(self.clock.now()));
            self.clock.advance(step);
            if !Arc::ptr_eq(&self.clock, &self.world) {
                self.world.advance(step);
            }
            self.rounds().await;
        }
    }

    /// Half a minute: every deposit that is awaited is polled.
    pub async fn poll(&self) {
        self.pass(Duration::from_secs(90), Duration::from_secs(30)).await;
    }

    pub async fn read(&self, deposit: &Deposit) -> Deposit {
        self.flow.ledger.find(&deposit.id.to_string()).await.unwrap().unwrap()
    }

    pub fn order(&self, deposit: &Deposit) -> String {
        deposit.facts.wallet.as_ref().unwrap().order_id.clone().unwrap()
    }

    /// The names of a deposit's events, oldest first.
    pub async fn history(&self, deposit: &Deposit) -> Vec<String> {
        let events = self.flow.ledger.events_of(deposit.id).await.unwrap();
        events.into_iter().map(|event| event.event).collect()
    }

    /// The events that were mailed about a deposit, in the order of their arrival.
    pub fn letters(&self, deposit: &Deposit) -> Vec<String> {
        let id = deposit.id.to_string();
        let of = |letter: &&Received| letter.header("X-Depositd-Deposit").as_deref() == Some(id.as_str());
        self.smtp
            .messages()
            .iter()
            .filter(of)
            .map(|letter| letter.header("X-Depositd-Event").unwrap())
            .collect()
    }

    pub async fn reconcile(&self) -> Report {
        flow::reconcile(&self.flow).await.unwrap()
    }

    /// Two runs that agree: the baseline is taken.
    pub async fn baseline(&self) -> Report {
        self.reconcile().await;
        let report = self.reconcile().await;
        assert!(
            report.figures.as_ref().is_some_and(|figures| figures.baseline_cents.is_some()),
            "{report:?}"
        );
        report
    }

    /// Proves the ledger, and its total against the upstream's own books.
    pub async fn prove(&self) -> Verification {
        let verification = self.flow.ledger.verify(|_, _| {}).await.unwrap();
        assert_eq!(verification.findings, Vec::new());
        verification
    }

    /// One value of one row, as an accountant would ask for it with another program.
    pub fn sql(&self, query: &str) -> String {
        let output = std::process::Command::new("sqlite3")
            .arg("-readonly")
            .arg(self.ledger_path())
            .arg(query)
            .output()
            .unwrap();
        assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

async fn build(
    folder: &TempDir,
    simulator: &SimulatedUpstream,
    smtp: &SmtpReceiver,
    clock: SharedClock,
    settings: flow::FlowSettings,
    rules: Rules,
) -> Flow {
    let ledger = LedgerSettings {
        path: folder.path().join("ledger.db"),
        create_if_missing: true,
        mail_domain: "example.com".to_owned(),
    };
    // A child that another test starts just now holds the lock of before until it has become another program.
    let real = SystemClock::new();
    let ledger = loop {
        match Ledger::open(ledger.clone(), Access::Write).await {
            Err(LedgerError::InUse { .. }) if real.monotonic() < Duration::from_secs(10) => {
                real.sleep(Duration::from_millis(1)).await;
            }
            opened => break opened.unwrap(),
        }
    };
    let upstream = UpstreamSettings {
        base_url: simulator.base_url(),
        user_id: "12345".to_owned(),
        requests_per_second: None,
        max_in_flight: 16,
        timeout: Duration::from_secs(5),
        zone: depositd::domain::time::Zone::UTC,
        page_amount: settings.page_amount,
    };
    let upstream = Upstream::new(upstream, KEY.to_owned().into(), clock.clone()).unwrap();
    let mail = MailSettings {
        transport: MailBackend::Smtp {
            host: "127.0.0.1".to_owned(),
            port: smtp.port(),
            security: Security::None,
            username: None,
            ca_file: None,
            hello: None,
        },
        from: "Deposits <deposits@example.com>".to_owned(),
        account: "12345".to_owned(),
        send_timeout: Duration::from_secs(5),
    };
    let mailer = Mailer::new(mail, None).unwrap();
    Flow::new(ledger, upstream, mailer, rules, settings, clock)
}
