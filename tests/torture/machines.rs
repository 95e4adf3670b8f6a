//! Machines that die with their disks: daemon, Litestream and store are killed at random moments, and another machine goes
//! on with what is in the store: what was told to anybody must be there. In CI 10 machines; `TORTURE_MACHINES=500`,
//! `TORTURE_SEED=..`, `TORTURE_KEEP=1` (the folders stay); `TORTURE_CONTROL=1` requires no replica, and the test must fail.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use depositd::clock::{Clock as _, SharedClock, SystemClock};
use depositd::sandbox::upstream::{
    CardRowId, Fate, LinkShape, OrderView, SimulatedUpstream, SimulatorSettings,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::daemon::{self, Daemon, Moment, Running};
use super::heard::Heard;
use super::support::line::Line;
use super::support::replica::{Litestream, Store, python};
use super::support::smtp::{SmtpFault, SmtpReceiver};
use super::{FATES, LIFETIME, marks, number, receiver, reckoning, trouble};

/// So many machines die before everything begins anew: a promotion looks at each generation that there was.
const ERA: u64 = 40;
/// Until the first request is taken, and until a promoted machine takes one.
const PATIENCE: Duration = Duration::from_secs(60);

/// What dies first. Then, a moment later, all of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum First {
    /// The machine itself, at once.
    Machine,
    Daemon,
    Litestream,
    Store,
    /// The way to the store.
    Line,
    /// The same, and nobody is told: it only hangs.
    Hang,
}

const FIRST: &[First] = &[
    First::Machine,
    First::Machine,
    First::Daemon,
    First::Litestream,
    First::Store,
    First::Line,
    First::Hang,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_told_is_lost_with_the_machines_that_die() {
    let machines = number("TORTURE_MACHINES").unwrap_or(10);
    let seed = number("TORTURE_SEED").unwrap_or_else(rand::random);
    eprintln!("torture: {machines} machines, seed {seed}");
    let mut left = machines;
    for era in 0.. {
        let deaths = left.min(ERA);
        let said = Scene::start(seed.wrapping_add(era)).await.play(deaths).await;
        eprintln!("torture: {said}; seed {seed}, era {era}");
        left -= deaths;
        if left == 0 {
            return;
        }
    }
}

/// Everything that outlives a machine, and the machine of the day.
struct Scene {
    seed: u64,
    dice: StdRng,
    clock: SharedClock,
    upstream: SimulatedUpstream,
    smtp: SmtpReceiver,
    shop: receiver::Receiver,
    heard: Heard,
    store: Store,
    line: Line,
    /// What the machine's disk holds: the ledger, and what Litestream remembers.
    disk: tempfile::TempDir,
    litestream: Litestream,
    generation: u64,
    daemon: Daemon,
    asked: BTreeMap<String, String>,
}

impl Scene {
    async fn start(seed: u64) -> Self {
        let clock: SharedClock = Arc::new(SystemClock::new());
        let upstream = SimulatedUpstream::start(SimulatorSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            user_id: "12345".to_owned(),
            api_key: marks::KEY.to_owned(),
            clock: clock.clone(),
            seed,
            store: None,
        })
        .await
        .unwrap();
        upstream.set_lifetime(LIFETIME);
        upstream.set_payers_wait(true);
        upstream.set_links(LinkShape { card_row_id: CardRowId::Sign, ..LinkShape::default() });
        let (smtp, shop) = (SmtpReceiver::start().await, receiver::Receiver::start().await);
        let mut answers = StdRng::seed_from_u64(seed ^ 1);
        shop.answer(move |_| match answers.random_range(0..20) {
            0 => receiver::Answer::Status(500),
            1 => receiver::Answer::Raw(b""),
            _ => receiver::Answer::Status(200),
        });
        let store = Store::start();
        let line = Line::to(store.port());
        let disk = daemon::folder();
        let mut daemon = Daemon::on_disk(&upstream.base_url(), smtp.port(), Some(disk.path().to_owned()));
        let litestream = Litestream::prepare(&daemon.beside(), &daemon.ledger(), line.port(), "torture");
        let (socket, config) = (litestream.socket(), litestream.config());
        // The control: without the promise it must be seen to be broken.
        let required = std::env::var_os("TORTURE_CONTROL").is_none();
        daemon.add(
            &format!(
                "\n[ledger.replica]\nsocket = \"{}\"\nrequire = {required}\ntimeout = \"1s\"\nprogram = \"{}\"\nconfig = \"{}\"\n\
                 \n[[webhooks]]\nname = \"shop\"\nurl = \"{}\"\nsecret_file = \"hook\"\nretry_initial = \"50ms\"\nretry_max = \"300ms\"\n",
                socket.display(),
                python("litestream"),
                config.display(),
                shop.url()
            ),
            ("hook", receiver::SECRET),
        );
        let (dice, generation) = (StdRng::seed_from_u64(seed), 1);
        let (heard, asked) = (Heard::default(), BTreeMap::new());
        Self {
            seed,
            dice,
            clock,
            upstream,
            smtp,
            shop,
            heard,
            store,
            line,
            disk,
            litestream,
            generation,
            daemon,
            asked,
        }
    }

    /// So many machines die; then all that was begun comes to its end.
    async fn play(mut self, deaths: u64) -> String {
        let mut first = BTreeMap::<First, u64>::new();
        for death in 0..deaths {
            self.plan();
            let what = *FIRST.choose(&mut self.dice).unwrap();
            *first.entry(what).or_default() += 1;
            self.live(what).await;
            self.all_gone();
            self.promote(&format!("death {death} ({what:?}), seed {}", self.seed));
            self.nothing_told_is_missing().await;
        }
        self.litestream.start(self.generation);
        self.upstream.clear_faults();
        self.upstream.inject(
            depositd::sandbox::upstream::Call::Balance,
            depositd::sandbox::upstream::Fault::Status(503, format!("busy with {}", marks::KEY), Vec::new()),
            1,
        );
        self.smtp.fail(daemon::FINANCE, SmtpFault::Rcpt(451), 0);
        let Self { mut daemon, upstream, smtp, asked, clock, shop, heard, .. } = self;
        let said = reckoning::reckon(&mut daemon, &upstream, &smtp, &asked, &clock, deaths).await;
        let (events, hooks) = (heard.events.lock().unwrap().len(), shop.hooks().len());
        format!("machines died after {first:?}; {events} events heard, {hooks} webhooks; {said}")
    }

    /// What is asked for in the next life.
    fn plan(&mut self) {
        for _ in 0..self.dice.random_range(1..=3) {
            let count = self.asked.len();
            // The simulated payer pays at the first look at an order, and knows nothing of an address that was withheld until
            // the store had it. What such an order credits is a stranger's, which the list says; but of one that was
            // paid short only its deposit could say it, and that died with the machine.
            let fate = *FATES.choose(&mut self.dice).unwrap();
            let fate = if fate == Fate::Short { Fate::Exact } else { fate };
            // Each amount is asked for once, so that whoever sees an order upstream knows whose it is.
            let amount = if count % 2 == 1 {
                format!("{}", 5 + count / 2)
            } else {
                format!("{}.{:02}", 5 + count / 99, 1 + count % 99)
            };
            self.upstream.plan_next(&amount, fate);
            self.asked.insert(format!("key-{}-{count}", self.seed), amount);
        }
        trouble(&self.upstream, &self.smtp, &mut self.dice);
    }

    /// A machine's life, and its death.
    async fn live(&mut self, what: First) {
        self.litestream.start(self.generation);
        let moment = match what {
            First::Daemon => Moment::choose(&mut self.dice),
            _ => Moment::After(Duration::from_millis(self.dice.random_range(100..1500))),
        };
        let mut running = self.daemon.start(Some(moment));
        let ears = self.listen(&mut running).await;
        // Before there is anything in the store nothing can be restored, and nothing was told.
        let mut first_words = self.generation == 1;
        let (began, span) = (
            self.clock.monotonic(),
            match moment {
                Moment::After(span) | Moment::PowerCut(span) => span,
                Moment::At(..) => Duration::from_secs(3),
            },
        );
        let linger = Duration::from_millis(self.dice.random_range(0..1200));
        let mut struck = false;
        let mut waiting: Vec<(String, String)> = self.asked.clone().into_iter().rev().collect();
        loop {
            let lived = self.clock.monotonic().saturating_sub(began);
            if first_words && lived < PATIENCE {
                first_words = self.first_words();
                continue;
            }
            if running.has_ended() && what == First::Daemon && !struck {
                struck = true;
            }
            if lived >= span && !struck {
                struck = true;
                self.strike(what, &mut running);
            }
            if (struck && lived >= span + linger) || lived >= span + linger + Duration::from_secs(5) {
                break;
            }
            if let Some((key, amount)) = waiting.pop() {
                let _ = self.daemon.ask(&key, &amount);
            } else if let Some((200, shown)) = self.daemon.get("/v1/deposits?limit=500") {
                self.heard.show(&shown);
            }
            self.clock.sleep(Duration::from_millis(5)).await;
        }
        running.kill();
        self.litestream.kill();
        if let Some(ears) = ears {
            ears.join().unwrap();
        }
    }

    /// Waits until it listens, and listens to it; `None` where it dies before.
    async fn listen(&self, running: &mut Running) -> Option<std::thread::JoinHandle<()>> {
        while !running.has_ended() && !self.daemon.listens() {
            self.clock.sleep(Duration::from_millis(5)).await;
        }
        self.daemon.listens().then(|| self.heard.listen(self.daemon.socket()))
    }

    /// Whether a first request has still to be taken.
    fn first_words(&self) -> bool {
        let (key, amount) = self.asked.first_key_value().unwrap();
        self.daemon.ask(key, amount).is_none()
    }

    fn strike(&mut self, what: First, running: &mut Running) {
        match what {
            First::Machine | First::Daemon => running.kill(),
            First::Litestream => self.litestream.kill(),
            First::Store => self.store.kill(),
            First::Line => self.line.cut(),
            First::Hang => self.line.hang(),
        }
    }

    /// The machine's disk is no more. The store, and the way to it, come back.
    fn all_gone(&mut self) {
        let home = self.disk.path().join("disk/home");
        std::fs::remove_dir_all(&home).unwrap();
        std::fs::create_dir(&home).unwrap();
        if !self.store.is_running() {
            self.store.restart();
        }
        self.line.mend();
    }

    /// Another machine takes over.
    fn promote(&mut self, when: &str) {
        let clock = SystemClock::new();
        let began = clock.monotonic();
        let environment = self.disk.path().join("disk/home/replica.env");
        loop {
            let (status, said) = self.daemon.says(&["--json", "promote", "--note", "the old one is off"]);
            if status == Some(0) {
                break;
            }
            // A store that has just come back may need a moment, as it would need one by hand.
            let waited = clock.monotonic().saturating_sub(began);
            assert!(
                waited < PATIENCE && status == Some(1),
                "{when}: {status:?} {said}\n{}",
                self.store.log()
            );
        }
        let named = std::fs::read_to_string(environment).unwrap();
        let number = named.lines().find_map(|line| line.strip_prefix("DEPOSITD_GENERATION=")).unwrap();
        self.generation = number.parse().unwrap();
        let (whole, said) = self.daemon.verify();
        assert!(whole, "{when}: {said}");
    }

    /// Holds the promoted ledger against everything that anybody was told.
    async fn nothing_told_is_missing(&self) {
        // Accepted requests, wallets, bookings, letters.
        reckoning::holds(&self.daemon, &self.upstream, &self.smtp).await;
        let ledger = self.daemon.ledger();
        let hashes: BTreeMap<i64, String> = rows(&ledger, "SELECT seq, hash FROM event")
            .into_iter()
            .map(|row| (row[0].parse().unwrap(), row[1].clone()))
            .collect();
        for (seq, event) in self.heard.events.lock().unwrap().iter() {
            assert_eq!(
                hashes.get(seq).map(String::as_str),
                event["hash"].as_str(),
                "event {seq} was heard: {event}"
            );
        }
        let addresses: BTreeMap<String, String> = pairs(&ledger, "SELECT id, address FROM deposit");
        for (id, shown) in self.heard.addresses.lock().unwrap().iter() {
            assert_eq!(addresses.get(id).map(String::as_str), shown.as_str(), "{id} was shown with it");
        }
        self.webhooks_are_known(&ledger);
        letters_are_one_thing_each(&self.smtp);
        wallets_were_meant(&ledger, &self.upstream.orders());
    }

    /// Each webhook that came is of an event that is there, and the same each time.
    fn webhooks_are_known(&self, ledger: &Path) {
        let known: BTreeSet<String> = rows(ledger, "SELECT webhook_id FROM accounting_webhooks")
            .into_iter()
            .map(|row| row[0].clone())
            .collect();
        let mut bodies = HashMap::new();
        for hook in self.shop.hooks() {
            assert!(known.contains(&hook.id), "webhook {} came, and is of nothing", hook.id);
            let before = bodies.entry(hook.id.clone()).or_insert_with(|| hook.body.clone());
            assert_eq!(*before, hook.body, "{} was two different things", hook.id);
        }
    }
}

/// No Message-ID stands on two different letters.
fn letters_are_one_thing_each(smtp: &SmtpReceiver) {
    let mut letters = HashMap::new();
    for letter in smtp.messages() {
        let id = letter.header("Message-ID").unwrap();
        // When it was sent, and what keeps its parts apart, is each time another.
        let mut text = letter.text();
        let boundaries: Vec<String> = text
            .split("boundary=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next().map(str::to_owned))
            .collect();
        for boundary in boundaries {
            text = text.replace(&boundary, "");
        }
        let thing: Vec<String> =
            text.lines().filter(|line| !line.starts_with("Date: ")).map(str::to_owned).collect();
        let before = letters.entry(id.clone()).or_insert_with(|| thing.clone());
        assert_eq!(*before, thing, "{id} was two different letters");
    }
}

/// Each order upstream was asked for by an attempt that is in the ledger: the intent was in the store before the upstream
/// heard of it.
fn wallets_were_meant(ledger: &Path, orders: &[OrderView]) {
    let sql = "SELECT d.amount_requested, count(a.id) FROM deposit d JOIN attempt a ON a.deposit_id = d.id GROUP BY d.id";
    let meant = pairs(ledger, sql);
    let mut made = BTreeMap::<String, u64>::new();
    for order in orders {
        *made.entry(order.asked.to_string()).or_default() += 1;
    }
    for (amount, orders) in made {
        let attempts: u64 = meant.get(&amount).map_or(0, |count| count.parse().unwrap());
        assert!(
            attempts >= orders,
            "{orders} orders of {amount} upstream, and {attempts} attempts in the ledger"
        );
    }
}

fn rows(ledger: &Path, sql: &str) -> Vec<Vec<String>> {
    let output =
        std::process::Command::new("sqlite3").arg("-readonly").arg(ledger).arg(sql).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
}

fn pairs(ledger: &Path, sql: &str) -> BTreeMap<String, String> {
    rows(ledger, sql).into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
}
