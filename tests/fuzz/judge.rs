//! What must hold for bytes from outside, whoever made them up: the dice of `tests/fuzz.rs`, or the coverage-guided
//! fuzzer of `fuzz/`. `whence` says in a complaint where the bytes came from.

use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use depositd::clock::{ManualClock, SharedClock};
use depositd::domain::address;
use depositd::domain::asset::{Asset, Network};
use depositd::domain::deposit::{Deposit, Request, State};
use depositd::domain::ids::DepositId;
use depositd::domain::money::Amount;
use depositd::domain::observe::Observation;
use depositd::domain::poll::Policy;
use depositd::domain::report::OrderReport;
use depositd::domain::time::Timestamp;
use depositd::upstream::{NewOrder, Priority, Upstream, UpstreamSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};

/// An amount is kept as it is written up to 28 plain digits, rounded or refused beyond, never negative; what is kept
/// reads back as the same, and what may be asked for fits the books.
pub fn amount(bytes: &[u8], whence: &dyn Display) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (any, asked) = (Amount::parse(text), Amount::parse_request(text));
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    for amount in [&any, &Amount::parse_number(text)].into_iter().flatten() {
        assert!(plain(amount.as_str()), "{text:?} {whence}");
        let kept = Amount::parse(amount.as_str()).unwrap();
        assert_eq!((kept.as_str(), kept.value()), (amount.as_str(), amount.value()), "{text:?} {whence}");
    }
    if let Ok(amount) = &any {
        if plain(text) && text.len() <= 28 {
            assert_eq!(amount.as_str(), text, "digit for digit; {whence}");
        }
        let again = Amount::parse(&amount.canonical()).unwrap();
        assert_eq!(again.value(), amount.value(), "{text:?} {whence}");
        if let Some(exact) = amount.to_usd_micros() {
            assert_eq!(amount.to_usd_micros_floor(), Some(exact), "{text:?} {whence}");
        }
        let floor = amount.to_usd_micros_floor();
        assert!(floor.is_none_or(|micros| !micros.is_negative()), "{text:?} {whence}");
    }
    if let Ok(asked) = asked {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        assert!(whole.len() <= 12 && part.len() <= 6, "{text:?} {whence}");
        assert!(asked.to_usd_micros().is_some() && any.is_ok(), "{text:?} {whence}");
    }
}

/// A time is read again as it is written, an address is judged, a schedule goes forward.
pub fn text(bytes: &[u8], whence: &dyn Display) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(instant) = Timestamp::parse(&text) {
        let again = Timestamp::parse(&instant.to_string()).unwrap();
        assert_eq!(again, instant, "{text:?} {whence}");
    }
    for network in Network::ALL {
        let _ = address::check(*network, &text);
    }
    if text.len() < 200
        && let Ok(cron) = depositd::config::CronExpression::parse(&text)
    {
        let now = Timestamp::from_seconds(1_772_355_600);
        assert!(cron.next_after(now).is_none_or(|next| next > now), "{text:?} {whence}");
    }
    let _ = Asset::parse(&text, "BSC").is_ok();
    let _ = depositd::notifier::parse_address(&text).is_ok();
    if let Ok(id) = text.parse::<DepositId>() {
        assert_eq!(id.to_string().parse::<DepositId>().unwrap(), id, "{text:?} {whence}");
    }
}

/// A configuration is read, or refused in one line that names the file. `kept` inputs hold their secrets where secrets
/// belong: those are never shown.
pub fn configuration(file: &Path, bytes: &[u8], kept: bool, whence: &dyn Display) {
    std::fs::write(file, bytes).unwrap();
    match depositd::config::load(Some(file)) {
        Ok(config) => {
            let _ = config.validate_for_daemon();
            assert!(!kept || !format!("{config:?}").contains("hunter2"), "{whence}");
        }
        Err(error) => {
            let said = error.to_string();
            assert!(!kept || !said.contains("hunter2"), "{said} {whence}");
            assert!(said.contains("daemon.toml") && !said.contains('\n'), "{said:?} {whence}");
        }
    }
}

/// An upstream that answers with the bytes at hand, and a deposit that waits for its word.
pub struct Answers {
    bytes: Arc<Mutex<Vec<u8>>>,
    upstream: Upstream,
    deposit: Deposit,
}

impl Answers {
    pub async fn start() -> Self {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let upstream = upstream(&answering(Arc::clone(&bytes)).await);
        Self { bytes, upstream, deposit: waiting_deposit() }
    }

    /// Has each of the five calls answered so. What begins with a head is sent as it is; a body gets a good head.
    pub async fn judge(&self, bent: &[u8], whence: &dyn Display) {
        let answer = if bent.starts_with(b"HTTP/") {
            bent.to_vec()
        } else {
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", bent.len());
            [head.as_bytes(), bent].concat()
        };
        *self.bytes.lock().unwrap() = answer;
        let upstream = &self.upstream;
        let amount = Amount::parse("5.15").unwrap();
        let order = NewOrder { paid_by: self.deposit.request.paid_by, amount: &amount, coupon: Some("C") };
        let polled = upstream.poll(upstream.admit(Priority::Poll).await, "af161c5a").await;
        match polled {
            Ok(answer) => report(&self.deposit, *answer.value, bent, whence),
            Err(error) => assert!(!format!("{error:?}").contains("hunter2"), "{whence}"),
        }
        let created = upstream.create(upstream.admit(Priority::Create).await, &order).await;
        assert!(!format!("{created:?}").contains("hunter2"), "{whence}");
        let invoices = upstream.invoices(upstream.admit(Priority::Reconcile).await, Vec::new()).await;
        let balance = upstream.balance(upstream.admit(Priority::Reconcile).await).await;
        let coupons = upstream.coupons(upstream.admit(Priority::Reconcile).await).await;
        let errors = [invoices.err(), balance.err(), coupons.err(), created.err()];
        for error in errors.iter().flatten() {
            assert!(error.retry_after().is_none_or(|wait| wait <= Duration::from_secs(3600)), "{whence}");
            assert!(!error.words().chars().any(char::is_control), "{:?} {whence}", error.words());
        }
    }
}

/// A server that answers every request with the bytes at hand.
async fn answering(bytes: Arc<Mutex<Vec<u8>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let bytes = bytes.lock().unwrap().clone();
            tokio::spawn(async move {
                let mut scrap = vec![0; 4096];
                let _ = stream.read(&mut scrap).await;
                let _ = stream.write_all(&bytes).await;
            });
        }
    });
    url
}

fn upstream(url: &str) -> Upstream {
    let settings = UpstreamSettings {
        base_url: url.to_owned(),
        user_id: "12345".to_owned(),
        requests_per_second: None,
        max_in_flight: 4,
        timeout: Duration::from_secs(20),
        zone: depositd::domain::time::Zone::parse("Europe/Berlin").unwrap(),
        page_amount: None,
    };
    // Time goes on a thousand times as fast, so that no pause and no breaker holds the run up.
    let clock: SharedClock =
        Arc::new(depositd::clock::SystemClock::quickened(Timestamp::from_seconds(1_772_355_600), 100_000));
    Upstream::new(settings, "hunter2-of-the-fuzz".to_owned().into(), clock).unwrap()
}

/// A deposit whose wallet waits for its money.
pub fn waiting_deposit() -> Deposit {
    let clock = ManualClock::new(Timestamp::from_seconds(1_772_355_600));
    let now = depositd::clock::Clock::now(&clock);
    let request = Request::new(Asset::parse("USDT", "BSC").unwrap(), Amount::parse("5.15").unwrap(), now);
    let opened = Deposit::open("019ca8a0-3e80-7980-932f-f091474d2c4f".parse().unwrap(), request).deposit;
    let report = depositd::domain::report::OrderReport {
        order_id: Some("af161c5a-936c-4294-b656-6da12b77e232".to_owned()),
        address: Some("0x66b928a82377d75ced043e95738372e9e9607f1f".to_owned()),
        currency: Some("USDT".to_owned()),
        network: Some("bsc".to_owned()),
        amount_usd: Some(Amount::parse("5.00").unwrap()),
        amount_crypto: Some(Amount::parse("4.99").unwrap()),
        expire_at: Some(now.plus(Duration::from_secs(3600))),
        ..Default::default()
    };
    let wallet = opened.observe(Observation::Wallet(Box::new(report)), now, &Policy::default());
    wallet.unwrap().deposit
}

/// What was read from an answer to a poll: what it does to a deposit that waits.
pub fn report(deposit: &Deposit, report: OrderReport, bytes: &[u8], whence: &dyn Display) {
    let said = String::from_utf8_lossy(bytes);
    for figure in [&report.amount_usd, &report.payment_amount_usd].into_iter().flatten() {
        let plain = said.contains(figure.as_str()) || said.contains(['e', 'E', '\\']);
        assert!(plain, "{figure:?} was never said; {whence}");
    }
    let now = deposit.updated_at.plus(Duration::from_secs(60));
    let step =
        deposit.clone().observe(Observation::Polled(Box::new(report)), now, &Policy::default()).unwrap();
    if step.deposit.facts.state == State::Settled {
        let paid = said.to_ascii_lowercase().contains("paid") || said.contains("\\u");
        assert!(paid, "money of nothing; {whence}");
    }
    for event in &step.events {
        let sum: i64 = event.postings.iter().map(|posting| posting.amount_usd_micros.get()).sum();
        assert_eq!(sum, 0, "{whence}");
    }
}

/// Sends a request as it stands, with a good one behind it, and gives the status of the first answer; `None` where more
/// is waited for.
pub async fn send(socket: &Path, bytes: &[u8], patience: Duration) -> Option<u16> {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    let mut answer = vec![0; 64];
    let read = tokio::time::timeout(patience, stream.read(&mut answer)).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&answer[..read]).into_owned();
    text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// No request breaks anything.
pub fn status(status: Option<u16>, request: &[u8], whence: &dyn Display) {
    let text = request.escape_ascii();
    assert!(status.is_none_or(|status| status < 500 || status == 501), "{status:?} {text} {whence}");
}

/// What begins as JSON gets a head.
pub fn whole_request(bent: Vec<u8>) -> Vec<u8> {
    if !bent.starts_with(b"{") {
        return bent;
    }
    let length = bent.len();
    let head = format!(
        "POST /v1/deposits HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=0\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), &bent].concat()
}
