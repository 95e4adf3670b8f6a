//! The invariants, each checked against what the other sides know.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use depositd::domain::deposit::{Deposit, State};
use depositd::flow::NewDeposit;
use depositd::ledger::Listing;

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
}

impl Checks {
    pub(crate) fn new(seed: u64) -> Self {
        let (shown, ended) = (HashMap::new(), BTreeMap::new());
        Self { seed, shown, may_double: 0, crashes: 0, steps: 0, ended }
    }

    pub(crate) fn may_double(&mut self, times: u32) {
        self.may_double += u64::from(times);
    }

    pub(crate) fn crashed(&mut self) {
        self.crashes += 1;
    }

    pub(crate) fn summary(&self) -> String {
        let ended: Vec<String> = self.ended.iter().map(|(state, count)| format!("{count} {state}")).collect();
        format!("{} checked steps, {} crashes; {}", self.steps, self.crashes, ended.join(", "))
    }

    /// After every step.
    pub(crate) async fn run(&mut self, house: &House, asked: &Asked) {
        self.steps += 1;
        let seed = self.seed;
        let deposits = all(house).await;
        let held: BTreeMap<String, &Deposit> = deposits.iter().map(|one| (one.id.to_string(), one)).collect();
        // 1. Nothing accepted is lost, and nothing is there that nobody asked for.
        for (_, opened) in asked.values() {
            assert!(held.contains_key(&opened.id.to_string()), "{} is lost, seed {seed}", opened.id);
        }
        assert_eq!(held.len(), asked.len(), "seed {seed}");
        let books = house.simulator.books();
        for deposit in &deposits {
            let (id, facts) = (deposit.id.to_string(), &deposit.facts);
            let Some(wallet) = &facts.wallet else {
                assert!(facts.booked.is_none(), "{id} is booked without a wallet, seed {seed}");
                continue;
            };
            // 7. One address for ever.
            let now = (wallet.order_id.clone(), wallet.address.clone());
            let first = self.shown.entry(id.clone()).or_insert_with(|| now.clone());
            assert_eq!(*first, now, "{id} shows another wallet, seed {seed}");
            let order = house.simulator.order(&wallet.order_id).unwrap();
            assert_eq!(order.address, wallet.address, "{id}, seed {seed}");
            // 2. and 4. Booked is what was credited, once; never what was not.
            let credit = books.credited.get(&wallet.order_id);
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
            *owners.entry(wallet.order_id.clone()).or_default() += 1;
            let order = house.simulator.order(&wallet.order_id).unwrap();
            // 8. Final is not the end: every last word has been heard.
            let expected = match order.status.as_str() {
                "paid" | "paid_over" | "refund_fail" => State::Settled,
                "wrong_amount" => State::Short,
                "cancel" | "check" | "process" => State::Expired,
                "fail" | "system_fail" => State::Failed,
                "refund_paid" => State::Refunded,
                other => panic!("order {} ended as {other}, seed {seed}", order.order_id),
            };
            let what = (order.fate, deposit.id.to_string());
            assert_eq!(deposit.facts.state, expected, "{what:?}, seed {seed}");
            let credited = house.simulator.books().credited.contains_key(&wallet.order_id);
            assert_eq!(deposit.facts.booked.is_some(), credited, "{what:?}, seed {seed}");
        }
        // 7. Every wallet that was ever made is shown once, or named abandoned.
        let abandoned: BTreeSet<String> =
            house.flow.ledger.abandoned().await.unwrap().into_iter().map(|(_, order)| order).collect();
        for order in house.simulator.orders() {
            let owned = owners.get(&order.order_id).copied().unwrap_or(0);
            let named = u32::from(abandoned.contains(&order.order_id));
            assert_eq!(owned + named, 1, "order {} {:?}, seed {seed}", order.order_id, order.fate);
        }
        assert_eq!(house.sql("SELECT count(*) FROM outbox WHERE state <> 'sent'"), "0", "seed {seed}");
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

async fn all(house: &House) -> Vec<Deposit> {
    let mut listing = Listing { limit: 500, ..Listing::default() };
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
