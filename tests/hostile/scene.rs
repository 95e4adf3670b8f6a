//! One deposit, one hostile answer: the books before and after, the log in between, and time that goes on by itself.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::domain::deposit::{Deposit, State};
use depositd::sandbox::upstream::{Action, Fault};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::support::house::{House, KEY};

/// Everything that is logged on this thread while it lives.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

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

impl Log {
    pub(crate) fn listen() -> (Self, DefaultGuard) {
        let log = Self::default();
        let wanted: Targets = "off,depositd=trace".parse().unwrap();
        let layer = fmt::layer().with_ansi(false).with_writer(log.clone()).with_filter(wanted);
        (log, tracing::subscriber::set_default(tracing_subscriber::registry().with(layer)))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Does `work` while the clock goes on wherever the daemon waits for it: for a pause that the upstream asked for, or
/// for the breaker.
pub(crate) async fn patiently<T>(house: &House, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = SystemClock::new().sleep(Duration::from_millis(2)) => {
                let health = house.flow.upstream.health();
                if health.waiting > 0 && health.in_flight == 0 {
                    house.clock.advance(Duration::from_millis(500));
                }
            }
        }
    }
}

/// Lets half a minute pass and every deposit be polled.
pub(crate) async fn poll(house: &House) {
    house.clock.advance(Duration::from_secs(30));
    patiently(house, house.rounds()).await;
}

/// What the accountant sees of the money, and what is history.
pub(crate) fn books(house: &House) -> String {
    house.sql(
        "SELECT group_concat(entry_id || account || amount_usd_micros) FROM accounting_entries;
         SELECT group_concat(account || balance) FROM accounting_trial_balance;
         SELECT group_concat(state || coalesce(outcome, '-') || late || address || amount_usd || amount_crypto
             || expire_at || order_id) FROM accounting_deposits",
    )
}

/// What a hostile answer leaves behind.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effect {
    /// Nothing at all: it was no answer.
    Nothing,
    /// A flag that says this, and goes when a later poll is ordinary.
    Passing(&'static str),
    /// A flag that says this, and that a person must clear.
    Standing(&'static str),
}

/// Brings one deposit to `state` (waiting or settled), has every poll of it answered so, and then the truth.
pub(crate) async fn lie(name: &str, settled: bool, fault: Fault, effect: Effect, log_line: &str) {
    let house = House::new().await;
    let deposit = house.wallet("25.00").await;
    let order = house.order(&deposit);
    // Another that can be read all the while: what is odd is this deposit's own trouble.
    house.wallet("7.00").await;
    if settled {
        house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
        poll(&house).await;
        assert_eq!(house.read(&deposit).await.facts.state, State::Settled, "{name}");
        // Past the wait of the late watch, so that it is polled again.
        house.clock.advance(Duration::from_secs(600));
    }
    let before = (books(&house), house.read(&deposit).await.facts.state);
    let fault = match fault {
        Fault::Status(code, body, headers) => Fault::Status(code, body.replace("@order", &order), headers),
        other => other,
    };
    house.simulator.inject_for(&order, fault, u32::MAX);
    let (log, guard) = Log::listen();
    // Whose trouble an unreadable answer is shows only after others could be read.
    for _ in 0..if settled { 1 } else { 3 } {
        poll(&house).await;
    }
    drop(guard);
    let log = log.text();
    let lied_to = house.read(&deposit).await;
    assert_eq!((books(&house), lied_to.facts.state), before, "{name}: the books moved\n{log}");
    check(name, &lied_to, effect, &log);
    assert!(log.contains(log_line), "{name}: no line {log_line:?} in\n{log}");
    no_secret(name, &log);
    house.prove().await;
    truth(name, &house, &deposit, effect).await;
}

fn check(name: &str, deposit: &Deposit, effect: Effect, log: &str) {
    let review = deposit.facts.review.as_ref().map(|review| review.reason.as_str());
    match effect {
        Effect::Nothing => assert_eq!(review, None, "{name}\n{log}"),
        Effect::Passing(words) | Effect::Standing(words) => {
            assert!(review.is_some_and(|why| why.contains(words)), "{name}: {review:?}\n{log}");
            assert!(!review.unwrap().chars().any(char::is_control), "{name}: {review:?}");
            assert!(log.contains("needs_review"), "{name}: the flag is logged\n{log}");
        }
    }
}

/// The upstream comes to its senses: the money is credited once, to the cent, and reconciliation finds nothing.
async fn truth(name: &str, house: &House, deposit: &Deposit, effect: Effect) {
    house.simulator.clear_faults();
    let order = house.order(deposit);
    if house.simulator.books().credited.is_empty() {
        house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
    }
    for _ in 0..4 {
        house.clock.advance(Duration::from_secs(3600));
        poll(house).await;
    }
    let now = house.read(deposit).await;
    assert_eq!(now.facts.state, State::Settled, "{name}");
    assert!(!now.facts.late, "{name}: it was never called expired");
    let flagged = now.facts.review.is_some();
    assert_eq!(flagged, matches!(effect, Effect::Standing(_)), "{name}: {:?}", now.facts.review);
    assert_eq!(house.sql("SELECT sum(amount_usd_micros) FROM accounting_monthly"), "25000000", "{name}");
    assert_eq!(house.prove().await.transactions, 1, "{name}: credited once");
    let report = patiently(house, house.reconcile()).await;
    assert!(report.cases.is_empty(), "{name}: {report:?}");
    assert_eq!(house.letters(deposit).iter().filter(|event| *event == "settled").count(), 1, "{name}");
}

pub(crate) fn no_secret(name: &str, text: &str) {
    for spelled in [KEY, "k3y&amp;marked", "k3y%26marked", "marked"] {
        assert!(!text.contains(spelled), "{name}: the key in\n{text}");
    }
}

/// Status 200 and this body.
pub(crate) fn says(body: impl Into<String>) -> Fault {
    Fault::Status(200, body.into(), Vec::new())
}

/// An answer about an order, in the envelope.
pub(crate) fn about(fields: &str) -> Fault {
    says(format!(r#"{{"ok":true,"body":{{{fields}}}}}"#))
}

/// These bytes, whatever they are.
pub(crate) fn raw(head: &str, body: &[u8]) -> Fault {
    let mut bytes = head.as_bytes().to_vec();
    bytes.extend_from_slice(body);
    Fault::Garbage(bytes)
}

/// A place that redirects lead to: it must never hear anything.
pub(crate) struct Trap {
    pub(crate) url: String,
    pub(crate) heard: Arc<Mutex<Vec<u8>>>,
}

impl Trap {
    pub(crate) async fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/elsewhere", listener.local_addr().unwrap());
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let own = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut scrap = vec![0; 4096];
                let read = stream.read(&mut scrap).await.unwrap_or(0);
                own.lock().unwrap().extend_from_slice(&scrap[..read]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            }
        });
        Self { url, heard }
    }
}
