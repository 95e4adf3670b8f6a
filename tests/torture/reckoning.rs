//! The day of reckoning: when all is quiet, the daemon's ledger, the upstream's books and the mail receiver's box agree.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use depositd::clock::SharedClock;
use depositd::domain::deposit::{Deposit, State, Wallet};
use depositd::ledger::{Access, DepositFilter, Error, Ledger, LedgerSettings};
use depositd::sandbox::upstream::{OrderView, SimulatedUpstream};

use super::daemon::Daemon;
use super::support::smtp::SmtpReceiver;

/// Until the last story is over: a wallet's life and the late ones, the waits after failures, and room for a slow machine.
const PATIENCE: Duration = Duration::from_secs(150);

/// Lets a last daemon finish, and compares everything; says what was seen.
pub(crate) async fn reckon(
    daemon: &mut Daemon,
    upstream: &SimulatedUpstream,
    smtp: &SmtpReceiver,
    asked: &BTreeMap<String, String>,
    clock: &SharedClock,
    kills: u64,
) -> String {
    let running = daemon.start(None);
    let began = clock.monotonic();
    let patience = |what: &str| {
        let waited = clock.monotonic().saturating_sub(began);
        assert!(waited < PATIENCE, "{what} after {waited:?}\n{}", tail(&daemon.log()));
    };
    let mut ids = BTreeMap::new();
    for (key, amount) in asked {
        let answer = loop {
            if let Some(answer) = daemon.ask(key, amount) {
                break answer;
            }
            patience("no answer");
            clock.sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(answer["reference"], key.as_str(), "another deposit under the same key");
        ids.insert(key.clone(), answer["id"].as_str().unwrap().to_owned());
    }
    let ledger = open(daemon).await;
    let deposits = loop {
        clock.sleep(Duration::from_millis(250)).await;
        let deposits = all(&ledger).await;
        let (_, reconciled) = daemon.get("/v1/reconciliations/latest").unwrap_or_default();
        let unsettled = unsettled(&deposits, upstream);
        let owed = ledger
            .mail_counts()
            .await
            .unwrap()
            .into_iter()
            .any(|(state, count)| state == "owed" && count > 0);
        if unsettled.is_empty() && !owed && reconciled["difference_cents"] == 0 {
            break deposits;
        }
        patience(&format!("unsettled {unsettled:?}, owed {owed}, {}", reconciled["difference_cents"]));
    };
    daemon.shows_nothing(&running);
    drop(running);
    let unique: BTreeSet<&String> = ids.values().collect();
    assert_eq!((deposits.len(), unique.len()), (asked.len(), asked.len()), "a request was lost or doubled");
    compare_orders(&deposits, upstream);
    let credited = compare_credits(&deposits, upstream);
    let doubled = compare_letters(daemon, smtp, kills);
    let (whole, said) = daemon.verify();
    assert!(whole, "{said}");
    let log = daemon.log();
    assert!(log.contains("DEBUG") && log.contains("[secret]"), "everything is logged, and masked");
    assert!(!log.contains("panicked"), "{}", tail(&log));
    for letter in smtp.messages() {
        daemon.note(&letter.data);
    }
    let searched = daemon.search() / 1024;
    let (deposits, letters) = (deposits.len(), smtp.messages().len());
    format!(
        "{deposits} deposits, {credited} credited, {letters} letters, {doubled} of them sent twice; all accounted for, no secret in {searched} KiB"
    )
}

/// What holds after every single death, whatever was under way: nothing that was answered is gone, nothing is there that
/// the upstream or the mail receiver knows otherwise.
pub(crate) async fn holds(daemon: &Daemon, upstream: &SimulatedUpstream, smtp: &SmtpReceiver) {
    let ledger = match try_open(daemon).await {
        Ok(ledger) => ledger,
        Err(Error::Missing { .. } | Error::Unfinished { .. } | Error::Older { .. }) => {
            assert!(daemon.accepted().is_empty(), "it has accepted requests, and there is no ledger");
            return;
        }
        Err(error) => panic!("{}", error.chain()),
    };
    let deposits = all(&ledger).await;
    let ids: BTreeSet<String> = deposits.iter().map(|deposit| deposit.id.to_string()).collect();
    assert_eq!(ids.len(), deposits.len());
    for (key, id) in daemon.accepted() {
        assert!(ids.contains(&id), "{key} was accepted as {id}, and is lost");
    }
    let (orders, books) = (upstream.orders(), upstream.books());
    let mut owners = BTreeSet::new();
    for deposit in &deposits {
        let Some(wallet) = &deposit.facts.wallet else {
            assert!(deposit.facts.booked.is_none(), "booked without a wallet: {}", deposit.id);
            continue;
        };
        let order = order_of(&orders, wallet);
        assert!(owners.insert(&order.order_id), "{} belongs to two deposits", order.order_id);
        assert!(wallet.address.as_ref().is_none_or(|address| *address == order.address), "{}", deposit.id);
        if let Some(booked) = &deposit.facts.booked {
            let credited = books.credited.get(&order.order_id).map(|credit| credit.micros);
            assert_eq!(Some(booked.total()), credited, "deposit {}", deposit.id);
        }
    }
    let (arrived, owed) = (arrived(smtp), outbox(daemon));
    for (id, state) in &owed {
        assert!(state != "sent" || arrived.contains_key(id), "{id} is called sent and never arrived");
    }
    for id in arrived.keys() {
        assert!(owed.contains_key(id), "{id} arrived, and nobody owed it");
    }
}

async fn try_open(daemon: &Daemon) -> Result<Ledger, Error> {
    let settings = LedgerSettings {
        path: daemon.ledger(),
        create_if_missing: false,
        mail_domain: "example.com".to_owned(),
    };
    Ledger::open(settings, Access::Read).await
}

async fn open(daemon: &Daemon) -> Ledger {
    try_open(daemon).await.unwrap()
}

async fn all(ledger: &Ledger) -> Vec<Deposit> {
    let mut listing = DepositFilter { limit: 500, ..DepositFilter::default() };
    let mut deposits = Vec::new();
    loop {
        let (page, next) = ledger.list(&listing).await.unwrap();
        deposits.extend(page);
        if next.is_none() {
            return deposits;
        }
        listing.cursor = next;
    }
}

/// The deposits that do not stand where the upstream's last word leaves them.
fn unsettled(deposits: &[Deposit], upstream: &SimulatedUpstream) -> Vec<String> {
    let stands = |deposit: &Deposit| {
        let Some(wallet) = &deposit.facts.wallet else {
            // Never made, as far as anybody can know.
            return deposit.facts.state == State::Unresolved;
        };
        let word = order_of(&upstream.orders(), wallet).status.clone();
        let state = match word.as_str() {
            "paid" | "paid_over" => State::Settled,
            "wrong_amount" => State::Short,
            "cancel" => State::Expired,
            "fail" | "system_fail" => State::Failed,
            _ => return false,
        };
        deposit.facts.state == state
    };
    let odd = deposits.iter().filter(|deposit| !stands(deposit));
    odd.map(|deposit| format!("{} {}", deposit.id, deposit.facts.state)).collect()
}

/// Every order that our attempts made belongs to one deposit, or was shown to nobody.
fn compare_orders(deposits: &[Deposit], upstream: &SimulatedUpstream) {
    let orders = upstream.orders();
    let mut owners: HashMap<&str, u32> = HashMap::new();
    for wallet in deposits.iter().filter_map(|deposit| deposit.facts.wallet.as_ref()) {
        let order = order_of(&orders, wallet);
        *owners.entry(&order.order_id).or_default() += 1;
        assert!(wallet.address.as_ref().is_none_or(|address| *address == order.address));
    }
    for order in &orders {
        let owned = owners.get(order.order_id.as_str()).copied().unwrap_or(0);
        assert!(owned <= 1, "order {} of {}", order.order_id, order.asked);
    }
}

/// What was credited is booked once, to the micro; gives how many were.
fn compare_credits(deposits: &[Deposit], upstream: &SimulatedUpstream) -> usize {
    let (books, orders) = (upstream.books(), upstream.orders());
    let mut credited = 0;
    for deposit in deposits {
        let order = deposit.facts.wallet.as_ref().map(|wallet| &order_of(&orders, wallet).order_id);
        let theirs = order.and_then(|order| books.credited.get(order)).map(|credit| credit.micros);
        let ours = deposit.facts.booked.as_ref().map(|booked| booked.total());
        assert_eq!(ours, theirs, "deposit {}", deposit.id);
        credited += usize::from(ours.is_some());
    }
    credited
}

/// The simulator's order of a wallet, or of a link.
fn order_of<'a>(orders: &'a [OrderView], wallet: &Wallet) -> &'a OrderView {
    let own = |order: &&OrderView| match &wallet.order_id {
        Some(name) if wallet.address.is_some() => order.order_id == *name,
        _ => Some(&order.url) == wallet.url.as_ref(),
    };
    orders.iter().find(own).unwrap()
}

/// How often each letter arrived.
fn arrived(smtp: &SmtpReceiver) -> HashMap<String, u64> {
    let mut arrived = HashMap::new();
    for letter in smtp.messages() {
        let id = letter.header("Message-ID").unwrap();
        *arrived.entry(id.trim_matches(['<', '>']).to_owned()).or_default() += 1;
    }
    arrived
}

/// What has become of each letter, as the ledger says.
fn outbox(daemon: &Daemon) -> HashMap<String, String> {
    let rows = std::process::Command::new("sqlite3")
        .args(["-readonly", &daemon.ledger().display().to_string(), "SELECT message_id, state FROM outbox"])
        .output()
        .unwrap();
    let rows = String::from_utf8(rows.stdout).unwrap();
    let pair = |row: &str| row.split_once('|').map(|(id, state)| (id.to_owned(), state.to_owned()));
    rows.lines().filter_map(pair).collect()
}

/// Every owed letter arrived; twice only where the link, or the daemon, was cut before the answer.
fn compare_letters(daemon: &Daemon, smtp: &SmtpReceiver, kills: u64) -> u64 {
    let (arrived, owed) = (arrived(smtp), outbox(daemon));
    for (id, state) in &owed {
        assert_eq!(state, "sent", "{id}");
        assert!(arrived.contains_key(id), "{id} is called sent and never arrived");
    }
    assert_eq!(arrived.len(), owed.len(), "a letter that nobody owed");
    let doubled: u64 = arrived.values().map(|times| times - 1).sum();
    // A cut link costs one letter at most, a kill those under way: one for each recipient.
    assert!(doubled <= 2 * kills, "{doubled} doubled letters in {kills} kills");
    doubled
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}
