//! The invariants, each checked against what the other sides know.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use depositd::clock::Clock as _;

use depositd::domain::deposit::{Booked, Deposit, State, Wallet};
use depositd::domain::time::Timestamp;
use depositd::flow::NewDeposit;
use depositd::ledger::DepositFilter;
use depositd::sandbox::upstream::{Call, OrderView};

use super::lies::Said;
use super::support::house::{House, KEY};

type Asked = BTreeMap<String, (NewDeposit, Deposit)>;

pub(crate) struct Checks {
    pub(crate) seed: u64,
    /// The wallet that was once shown for a deposit.
    shown: HashMap<String, (String, String)>,
    /// How many letters may have arrived twice.
    may_double: u64,
    crashes: u64,
    steps: u64,
    ended: BTreeMap<State, u64>,
    /// Orders whose polls were answered with lies.
    lied: BTreeSet<String>,
    /// For so long sources may be behind.
    lag: Duration,
    /// What was truly credited, in cents by order, at moments of the last time.
    past: VecDeque<(Timestamp, BTreeMap<String, i64>)>,
    clean: u64,
    said: usize,
}

impl Checks {
    pub(crate) fn new(seed: u64, lag: Duration) -> Self {
        let (shown, ended, lied, past) = (HashMap::new(), BTreeMap::new(), BTreeSet::new(), VecDeque::new());
        Self { seed, shown, may_double: 0, crashes: 0, steps: 0, ended, lied, lag, past, clean: 0, said: 0 }
    }

    pub(crate) fn lied_about(&mut self, order: String) {
        self.lied.insert(order);
    }

    pub(crate) fn person(&mut self, said: &Said) {
        self.said = said.values().map(Vec::len).sum();
    }

    /// The orders that deposits have.
    pub(crate) async fn shown(&self, house: &House) -> Vec<String> {
        let deposits = all(house).await;
        deposits
            .iter()
            .filter_map(|deposit| Some(order_of(house, deposit.facts.wallet.as_ref()?).order_id))
            .collect()
    }

    /// Remembers what is true now.
    pub(crate) fn note(&mut self, house: &House) {
        let credited = house.simulator.books().credited;
        let cents = credited.into_iter().map(|(order, credit)| (order, credit.cents)).collect();
        let now = house.clock.now();
        self.past.push_back((now, cents));
        // The last one before the lag stays.
        while self.past.get(1).is_some_and(|(at, _)| now.since(*at) > self.lag) {
            self.past.pop_front();
        }
    }

    /// A run was clean: what the journal holds is what was credited, deposit by deposit, as of now or as of a moment that
    /// status, list and total may not show yet.
    pub(crate) async fn clean_means_right(&mut self, house: &House) {
        self.note(house);
        self.clean += 1;
        for deposit in all(house).await {
            let Some(wallet) = &deposit.facts.wallet else { continue };
            let order = order_of(house, wallet).order_id;
            let booked = deposit.facts.booked.as_ref().map_or(0, |booked| booked.total().cents_floor());
            let was =
                |(_, cents): &(Timestamp, BTreeMap<String, i64>)| cents.get(&order).copied().unwrap_or(0);
            assert!(
                self.past.iter().any(|then| was(then) == booked),
                "clean, and {} is {} and booked at {booked} cents, credited {:?}, seed {}",
                deposit.id,
                deposit.facts.state,
                self.past.iter().map(was).collect::<Vec<_>>(),
                self.seed
            );
        }
    }

    pub(crate) fn may_double(&mut self, times: u32) {
        self.may_double += u64::from(times);
    }

    pub(crate) fn crashed(&mut self) {
        self.crashes += 1;
    }

    pub(crate) fn summary(&self) -> String {
        let ended: Vec<String> = self.ended.iter().map(|(state, count)| format!("{count} {state}")).collect();
        format!(
            "{} checked steps, {} crashes, {} clean runs, {} words of a person; {}",
            self.steps,
            self.crashes,
            self.clean,
            self.said,
            ended.join(", ")
        )
    }

    /// After every step.
    pub(crate) async fn run(&mut self, house: &House, asked: &Asked) {
        self.steps += 1;
        self.note(house);
        let seed = self.seed;
        let calls = house.simulator.calls();
        let deposits = all(house).await;
        let held: BTreeMap<String, &Deposit> = deposits.iter().map(|one| (one.id.to_string(), one)).collect();
        // 1. Nothing accepted is lost, and nothing is there that nobody asked for.
        for (_, opened) in asked.values() {
            assert!(held.contains_key(&opened.id.to_string()), "{} is lost, seed {seed}", opened.id);
        }
        assert_eq!(held.len(), asked.len(), "seed {seed}");
        let books = house.simulator.books();
        let made = calls
            .log
            .iter()
            .filter(|call| matches!(call.call, Call::Create | Call::CreatePage | Call::CreateCard));
        let made: BTreeSet<&String> = made.filter_map(|call| call.order_id.as_ref()).collect();
        for deposit in &deposits {
            let (id, facts) = (deposit.id.to_string(), &deposit.facts);
            let Some(wallet) = &facts.wallet else {
                assert!(facts.booked.is_none(), "{id} is booked without a wallet, seed {seed}");
                continue;
            };
            // 7. One address for ever.
            let order = order_of(house, wallet);
            let now = (order.order_id.clone(), wallet.url.clone().unwrap());
            let first = self.shown.entry(id.clone()).or_insert_with(|| now.clone());
            assert_eq!(*first, now, "{id} shows another wallet, seed {seed}");
            assert_eq!(order.url, *wallet.url.as_ref().unwrap(), "{id}, seed {seed}");
            assert!(
                wallet.address.as_ref().is_none_or(|address| order.address == *address),
                "{id}, seed {seed}"
            );
            // 7. Nothing is adopted: what is shown was answered to a request of ours.
            assert!(!order.elsewhere && made.contains(&order.order_id), "{id} was adopted, seed {seed}");
            if self.lied.contains(&order.order_id) {
                continue;
            }
            // 2. and 4. Booked is what was credited, once; never what was not.
            let credit = books.credited.get(&order.order_id);
            if let Some(booked) = &facts.booked {
                let theirs = credit.map(|credit| credit.micros);
                assert_eq!(Some(booked.total()), theirs, "{id} {}, seed {seed}", facts.state);
            }
            if facts.state == State::Settled {
                assert!(credit.is_some(), "{id} settled out of nothing, seed {seed}");
            }
            if facts.state == State::Refunded {
                assert!(credit.is_none_or(|credit| credit.refunded_cents > 0), "{id}, seed {seed}");
            }
            // 2. Silence expires nothing.
            if facts.expired_at.is_some() {
                let said = order.status != "check" && order.status != "process";
                assert!(said || order.expire_at < house.flow.clock.now(), "{id} expired early, seed {seed}");
            }
        }
        let orders: BTreeSet<&(String, String)> = self.shown.values().collect();
        assert_eq!(orders.len(), self.shown.len(), "two deposits share a wallet, seed {seed}");
        // 3., 5., 6.: one change, one transaction; the books balance; what is owed is in the outbox.
        let proof = house.flow.ledger.verify(|_, _| {}).await.unwrap();
        assert_eq!(proof.findings, Vec::new(), "seed {seed}");
        self.letters(house).await;
    }

    /// 6. Each letter once, unless the link was cut before the answer; and none that nobody owes.
    async fn letters(&self, house: &House) {
        let seed = self.seed;
        let mut arrived: HashMap<String, u64> = HashMap::new();
        for letter in house.smtp.messages() {
            let id = letter.header("Message-ID").unwrap();
            *arrived.entry(id.trim_matches(['<', '>']).to_owned()).or_default() += 1;
        }
        let rows = house.sql("SELECT message_id || ' ' || state FROM outbox");
        let owed: HashMap<&str, &str> = rows.lines().filter_map(|row| row.split_once(' ')).collect();
        for id in arrived.keys() {
            assert!(owed.contains_key(id.as_str()), "{id} was never owed, seed {seed}");
        }
        for (id, state) in &owed {
            assert!(*state != "sent" || arrived.contains_key(*id), "{id} never arrived, seed {seed}");
            assert!(*state != "dead", "{id} was given up, seed {seed}");
        }
        let doubled: u64 = arrived.values().map(|times| times - 1).sum();
        assert!(doubled <= self.may_double, "{doubled} letters doubled, seed {seed}");
    }

    /// When every life has ended.
    pub(crate) async fn at_rest(&mut self, house: &House, asked: &Asked) {
        let seed = self.seed;
        let deposits = all(house).await;
        let mut owners: HashMap<String, u32> = HashMap::new();
        for deposit in &deposits {
            *self.ended.entry(deposit.facts.state).or_default() += 1;
            let Some(wallet) = &deposit.facts.wallet else {
                let ended = matches!(deposit.facts.state, State::Rejected | State::Unresolved);
                assert!(ended, "{} is {}, seed {seed}", deposit.id, deposit.facts.state);
                continue;
            };
            let order = order_of(house, wallet);
            *owners.entry(order.order_id.clone()).or_default() += 1;
            // 8. Final is not the end: every last word has been heard.
            let expected = match order.status.as_str() {
                "paid" | "paid_over" | "refund_fail" => State::Settled,
                "wrong_amount" => State::Short,
                "cancel" | "check" | "process" => State::Expired,
                "fail" | "system_fail" => State::Failed,
                "refund_paid" => State::Refunded,
                other => panic!("order {} ended as {other}, seed {seed}", order.order_id),
            };
            if self.lied.contains(&order.order_id) {
                continue;
            }
            // What was paid and went on to a refund before any poll could be read: the list shows it, and a person decides.
            let said = deposit.facts.booked.as_ref().is_some_and(Booked::is_said);
            if order.status.starts_with("refund_") && (said || deposit.facts.settled_at.is_none()) {
                continue;
            }
            let what = (order.fate, deposit.id.to_string());
            assert_eq!(deposit.facts.state, expected, "{what:?}, seed {seed}");
            let credited = house.simulator.books().credited.contains_key(&order.order_id);
            assert_eq!(deposit.facts.booked.is_some(), credited, "{what:?}, seed {seed}");
        }
        // 7. Every wallet that was ever made is shown at most once; what a lost answer made is shown to nobody.
        for order in house.simulator.orders() {
            let owned = owners.get(&order.order_id).copied().unwrap_or(0);
            assert!(owned <= 1, "order {} {:?}, seed {seed}", order.order_id, order.fate);
        }
        assert_eq!(house.sql("SELECT * FROM outbox WHERE state <> 'sent'"), "", "seed {seed}");
        let figures = house.sql(
            "SELECT difference_cents, total_charges_cents, balance_cents FROM accounting_balance_history ORDER BY at DESC LIMIT 1",
        );
        let books = house.simulator.books();
        let (total, balance) = (books.total_charges_cents, books.balance_cents);
        assert_eq!(figures, format!("0|{total}|{balance}"), "seed {seed}");
        assert_eq!(deposits.len(), asked.len());
        // 10. The key is nowhere on disk, nor in any letter.
        for file in std::fs::read_dir(house.folder.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(KEY.len()).any(|some| some == KEY.as_bytes()), "seed {seed}");
        }
        assert!(!house.smtp.messages().iter().any(|letter| letter.text().contains(KEY)), "seed {seed}");
    }
}

/// The simulator's order of a wallet, or of a link.
fn order_of(house: &House, wallet: &Wallet) -> OrderView {
    match &wallet.order_id {
        Some(order) if wallet.address.is_some() => house.simulator.order(order).unwrap(),
        _ => house
            .simulator
            .orders()
            .into_iter()
            .find(|order| Some(&order.url) == wallet.url.as_ref())
            .unwrap(),
    }
}

async fn all(house: &House) -> Vec<Deposit> {
    let mut listing = DepositFilter { limit: 500, ..DepositFilter::default() };
    let mut deposits = Vec::new();
    loop {
        let (page, next) = house.flow.ledger.list(&listing).await.unwrap();
        deposits.extend(page);
        if next.is_none() {
            return deposits;
        }
        listing.cursor = next;
    }
}
