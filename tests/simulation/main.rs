//! The whole system under a clock moved by hand: many lives of deposits, random faults on every side, crashes, and
//! after every step the invariants of ARCHITECTURE.md, held against the simulated upstream's own books.
//!
//! In CI a few seeds. More: `SIMULATION_SEEDS=50 SIMULATION_LIVES=200 cargo test --release --test simulation --
//! --nocapture`; the same again: `SIMULATION_SEED=..`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

#[path = "../support/mod.rs"]
mod support;

mod checks;
mod cut;
mod lies;

use std::collections::BTreeMap;
use std::time::Duration;

use checks::Checks;
use depositd::clock::{Clock as _, SystemClock};
use depositd::domain::asset::Currency;
use depositd::domain::deposit::Deposit;
use depositd::domain::method::Method;
use depositd::flow::{self, NewDeposit, Opened};
use depositd::sandbox::upstream::{Call, CardRowId, Fate, Fault, LinkShape, OutageStyle, PageRowId};
use lies::{Liar, Said};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use support::house::{FINANCE, House, settings};
use support::smtp::SmtpFault;
use tokio_util::sync::CancellationToken;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// After the lies, with what a person says after each.
const RUNS_UNTIL_CLEAN: usize = 8;
const PAYER: &str = "payer@example.net";

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_invariants_hold_after_every_step_whatever_goes_wrong() {
    simulate(false).await;
}

/// The same with payment pages and cards among the wallets. Nobody lies: what a list says of a link has no other witness.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_invariants_hold_for_payment_pages_and_cards_as_well() {
    simulate(true).await;
}

async fn simulate(links: bool) {
    let lives = number("SIMULATION_LIVES").unwrap_or(60);
    let seeds: Vec<u64> = match (number("SIMULATION_SEED"), number("SIMULATION_SEEDS").unwrap_or(2)) {
        (Some(seed), _) => vec![seed],
        // CI goes the same way each time; other ways are gone by hand, and those that fail are named.
        (None, 2) => vec![1, 2],
        (None, count) => (0..count).map(|_| rand::random()).collect(),
    };
    let clock = SystemClock::new();
    for seed in seeds {
        eprintln!("simulation: seed {seed}, {lives} lives, links {links}");
        let began = clock.monotonic();
        let mut world = World::new(seed, links).await;
        while world.asked.len() < usize::try_from(lives).unwrap() {
            world.step().await;
        }
        world.come_to_rest().await;
        let took = clock.monotonic().saturating_sub(began);
        eprintln!("simulation: {} in {took:.1?}; seed {seed}", world.checks.summary());
    }
}

struct World {
    /// Always there but for the moment between two lives.
    house: Option<House>,
    dice: StdRng,
    /// Each request as it was made, and the deposit that it became.
    asked: BTreeMap<String, (NewDeposit, Deposit)>,
    checks: Checks,
    liar: Liar,
    /// Whether some are paid by a link.
    links: bool,
}

impl World {
    async fn new(seed: u64, links: bool) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut settings = settings();
        // One call at a time: the same seed throws the same faults at the same calls.
        settings.max_in_flight = 1;
        settings.tell_after_runs = dice.random_range(1..3);
        let liar = if links { Liar::Nobody } else { Liar::choose(&mut dice) };
        settings.lag = if liar == Liar::Lags || dice.random_bool(0.5) { HOUR } else { Duration::ZERO };
        eprintln!("simulation: lies {liar:?}, lag {:?}", settings.lag);
        let house = House::with(settings, Vec::new()).await;
        // Whatever a lost answer was about, nobody was shown it.
        house.simulator.set_payers_wait(true);
        house.simulator.add_coupon("WELCOME", 10, 30).unwrap();
        house.simulator.adjust(12_345, 67_890).unwrap();
        if links {
            let shape = LinkShape {
                page_row_id: if dice.random_bool(0.5) { PageRowId::PayId } else { PageRowId::Sesid },
                page_known: dice.random_bool(0.3),
                card_row_id: CardRowId::Sign,
                ..LinkShape::default()
            };
            eprintln!("simulation: {shape:?}");
            house.simulator.set_links(shape);
        }
        let checks = Checks::new(seed, house.flow.settings.lag);
        let mut world = Self { house: Some(house), dice, asked: BTreeMap::new(), checks, liar, links };
        if liar != Liar::Nobody {
            // What the account held before is known before anybody lies.
            world.house().simulator.top_up_elsewhere(12_345, "card").unwrap();
            for _ in 0..3 {
                world.reconcile().await;
                world.pass(HOUR).await;
            }
            let baseline = world.house().sql("SELECT count(*) FROM event WHERE name = 'baseline_set'");
            assert_eq!(baseline, "1", "seed {seed}");
        }
        world
    }

    fn house(&self) -> &House {
        self.house.as_ref().unwrap()
    }

    async fn step(&mut self) {
        match self.dice.random_range(0..18) {
            0..4 => self.ask().await,
            4 => self.ask_again().await,
            5 | 6 => self.break_calls(),
            7 => self.break_mail(),
            8 => self.happen_elsewhere(),
            9 => self.outage().await,
            10 => self.crash().await,
            11..14 => self.lie(),
            14 => self.stranger().await,
            // For a while it may be believed again.
            15 => self.house().simulator.tell_the_truth(),
            _ => {
                self.reconcile().await;
            }
        }
        let span = Duration::from_secs(self.dice.random_range(5..900));
        self.pass(span).await;
        self.check().await;
    }

    fn lie(&mut self) {
        let house = self.house.as_ref().unwrap();
        if let Some(order) = lies::tell(house, self.liar, &mut self.dice) {
            self.checks.lied_about(order);
        }
    }

    async fn stranger(&mut self) {
        let shown = self.checks.shown(self.house.as_ref().unwrap()).await;
        let house = self.house.as_ref().unwrap();
        lies::stranger(house, &mut self.dice, &shown);
    }

    async fn check(&mut self) {
        let house = self.house.as_ref().unwrap();
        self.checks.run(house, &self.asked).await;
    }

    /// Somebody wants a deposit, of whatever fate.
    async fn ask(&mut self) {
        let currency = *Currency::ALL.choose(&mut self.dice).unwrap();
        let network = *currency.networks().choose(&mut self.dice).unwrap();
        let amount = format!("{}.{:02}", self.dice.random_range(5..900), self.dice.random_range(0..100));
        let fate = loop {
            let fate = *Fate::ALL.choose(&mut self.dice).unwrap();
            if !matches!(fate, Fate::Manual | Fate::RefusedCoupon) {
                break fate;
            }
        };
        let number = self.asked.len();
        if self.links && !number.is_multiple_of(3) {
            return self.ask_for_link(fate).await;
        }
        self.house().simulator.plan_next(&amount, fate);
        let new = NewDeposit {
            coupon: self.dice.random_bool(0.1).then(|| "WELCOME".to_owned()),
            reference: Some(format!("life {number}")),
            notify: if self.dice.random_bool(0.3) { vec![PAYER.to_owned()] } else { Vec::new() },
            idempotency_key: Some(format!("key-{number}")),
            ..NewDeposit::new(currency.to_string(), network.to_string(), amount)
        };
        let deposit = self.house().open(new.clone()).await;
        self.asked.insert(format!("key-{number:06}"), (new, deposit));
    }

    async fn ask_for_link(&mut self, fate: Fate) {
        let number = self.asked.len();
        let method = if number % 3 == 1 { Method::Page } else { Method::Card };
        // What a row of a payment that was closed short credits, only a person can say.
        let fate = if fate == Fate::Short { Fate::Exact } else { fate };
        let amount = self.dice.random_range(5..900).to_string();
        self.house().simulator.plan_next(&amount, fate);
        let new = NewDeposit {
            idempotency_key: Some(format!("key-{number}")),
            ..NewDeposit::by_link(method, amount)
        };
        let deposit = self.house().open(new.clone()).await;
        self.asked.insert(format!("key-{number:06}"), (new, deposit));
    }

    /// The same key, the same deposit.
    async fn ask_again(&mut self) {
        let place = self.dice.random_range(0..self.asked.len().max(1));
        let Some((new, deposit)) = self.asked.values().nth(place) else { return };
        match flow::open(&self.house().flow, new.clone()).await.unwrap() {
            Opened::Same(same) => assert_eq!(same.id, deposit.id),
            Opened::New(other) => panic!("{} was asked for again and became {}", deposit.id, other.id),
        }
    }

    fn break_calls(&mut self) {
        let mut call = *[Call::Create, Call::Look, Call::Look, Call::Invoices, Call::Balance, Call::Any]
            .choose(&mut self.dice)
            .unwrap();
        if self.links && call == Call::Create {
            call = *[Call::CreatePage, Call::CreateCard].choose(&mut self.dice).unwrap();
        }
        let page = || "<html>no</html>".to_owned();
        let fault = match self.dice.random_range(0..13) {
            0 => Fault::DropBeforeActing,
            1 => Fault::DropAfterActing,
            2 => Fault::Html200,
            3 => Fault::EmptyBody,
            4 => Fault::TruncatedJson,
            5 => Fault::CutBody,
            6 => Fault::Status(500, page(), Vec::new()),
            7 => Fault::Status(429, page(), vec![("Retry-After".to_owned(), "20".to_owned())]),
            8 => Fault::Status(503, page(), Vec::new()),
            9 => Fault::Redirect("http://127.0.0.1:9/elsewhere".to_owned()),
            10 => Fault::Garbage(b"\x00\xffnothing".to_vec()),
            11 => Fault::After(Box::new(Fault::Status(502, page(), Vec::new()))),
            _ => Fault::WrongOrderId,
        };
        // What was ordered and answered with another name is a case for a person; polls recover from it.
        let call = if matches!(fault, Fault::WrongOrderId) { Call::Look } else { call };
        let times = self.dice.random_range(1..4);
        self.house().simulator.inject(call, fault, times);
    }

    fn break_mail(&mut self) {
        let whom = if self.dice.random_bool(0.7) { FINANCE } else { PAYER };
        let fault = match self.dice.random_range(0..6) {
            0 => SmtpFault::Rcpt(451),
            1 => SmtpFault::Data(452),
            2 => SmtpFault::AfterData(451),
            3 => SmtpFault::CutMidData,
            _ => SmtpFault::AcceptThenCut,
        };
        let times = self.dice.random_range(1..3);
        if fault == SmtpFault::AcceptThenCut {
            self.checks.may_double(times);
        }
        self.house().smtp.fail(whom, fault, times);
    }

    fn happen_elsewhere(&mut self) {
        let cents = self.dice.random_range(100..50_000);
        if self.dice.random_bool(0.5) {
            self.house().simulator.top_up_elsewhere(cents, "card").unwrap();
        } else {
            self.house().simulator.spend(cents).unwrap();
        }
    }

    async fn outage(&mut self) {
        let style = *[OutageStyle::BadGateway, OutageStyle::Unavailable, OutageStyle::Close]
            .choose(&mut self.dice)
            .unwrap();
        self.house().simulator.set_outage_style(style);
        self.house().simulator.set_outage(true);
        let span = Duration::from_secs(self.dice.random_range(10..1800));
        self.pass(span).await;
        self.check().await;
        self.house().simulator.set_outage(false);
    }

    /// The program dies while a call is under way, before or after the upstream has acted on it.
    async fn crash(&mut self) {
        let hang = if self.dice.random_bool(0.5) { Fault::Hang } else { Fault::After(Box::new(Fault::Hang)) };
        let call = if self.dice.random_bool(0.6) { Call::Create } else { Call::Any };
        if self.dice.random_bool(0.7) {
            self.ask().await;
        }
        self.house().simulator.inject(call, hang, 1);
        let before = self.house().simulator.calls().count(Call::Any);
        let flow = self.house().flow.clone();
        let clock = SystemClock::new();
        let rounds = tokio::spawn(async move { House::rounds_of(&flow, &CancellationToken::new()).await });
        // Until it hangs, or has nothing more to ask.
        let mut seen = before;
        let mut quiet = 0;
        while quiet < 10 && !rounds.is_finished() {
            clock.sleep(Duration::from_millis(10)).await;
            let now = self.house().simulator.calls().count(Call::Any);
            quiet = if now == seen { quiet + 1 } else { 0 };
            seen = now;
        }
        rounds.abort();
        let _ = rounds.await;
        self.house().simulator.clear_faults();
        let dead = self.house.take().unwrap();
        self.house = Some(dead.die_and_rise().await);
        // A letter that was under way may have arrived.
        self.checks.may_double(2);
        self.checks.crashed();
    }

    /// A run; whether it was clean.
    async fn reconcile(&mut self) -> bool {
        let house = self.house.as_ref().unwrap();
        self.checks.note(house);
        let flow = self.house().flow.clone();
        let run = tokio::spawn(async move { flow::reconcile(&flow).await });
        // A void run is a failure, told and made good by the next one; only the ledger's failures are ours.
        let run = self.house().until(run, &CancellationToken::new()).await;
        assert!(!matches!(run, Err(flow::ReconcileFailed::Ledger(_))), "{run:?}, seed {}", self.checks.seed);
        let clean = run.is_ok_and(|report| report.clean);
        if clean {
            self.checks.clean_means_right(self.house.as_ref().unwrap()).await;
        }
        clean
    }

    async fn pass(&mut self, span: Duration) {
        self.house().clock.advance(span);
        let flow = self.house().flow.clone();
        let stop = CancellationToken::new();
        let token = stop.clone();
        let rounds = tokio::spawn(async move { House::rounds_of(&flow, &token).await });
        self.house().until(rounds, &stop).await;
    }

    /// Nothing goes wrong any more: every life comes to its end, and every book agrees.
    async fn come_to_rest(&mut self) {
        self.house().simulator.clear_faults();
        self.house().simulator.tell_the_truth();
        for whom in [FINANCE, PAYER] {
            self.house().smtp.fail(whom, SmtpFault::Rcpt(451), 0);
        }
        for _ in 0..24 {
            self.pass(15 * MINUTE).await;
        }
        let mut said = Said::new();
        let mut clean = false;
        for _ in 0..RUNS_UNTIL_CLEAN {
            self.reconcile().await;
            self.pass(6 * HOUR).await;
            clean = self.reconcile().await;
            self.check().await;
            if clean {
                break;
            }
            lies::settle(self.house(), &mut said).await;
        }
        let seed = self.checks.seed;
        if !clean {
            let cases = self.house().flow.ledger.cases(false).await.unwrap();
            panic!("never clean again, seed {seed}: {said:#?}\n{cases:#?}");
        }
        let twice: Vec<_> = said.iter().filter(|(_, done)| done.len() > 1).collect();
        assert!(twice.is_empty(), "more than one command for one thing, seed {seed}: {twice:#?}");
        self.checks.person(&said);
        self.pass(6 * HOUR).await;
        self.check().await;
        let house = self.house.as_ref().unwrap();
        self.checks.at_rest(house, &self.asked).await;
    }
}
