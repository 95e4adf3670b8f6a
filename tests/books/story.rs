//! Three months of a business: every fate that money can meet, against the simulated upstream and its own books.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use depositd::domain::deposit::Deposit;
use depositd::flow::{self, NewDeposit};
use depositd::sandbox::upstream::{Action, Figures};

use crate::support::house::House;

const DAY: Duration = Duration::from_hours(24);

/// The simulator's figures, in the words of a program's output: what the prepaid account must hold.
pub(crate) fn upstream_total(house: &House) -> String {
    let cents: i64 =
        house.simulator.books().credited.values().map(|credit| credit.cents - credit.refunded_cents).sum();
    format!("{}.{:02}", cents / 100, cents % 100)
}

pub(crate) struct Lived {
    pub(crate) house: House,
    /// Settled in March.
    pub(crate) corrected: Deposit,
}

fn usd(text: &str) -> Option<depositd::domain::money::Amount> {
    Some(text.parse().unwrap())
}

/// March 2026: every fate. Nothing is open at the end of it, and both sides agree.
pub(crate) async fn march() -> Lived {
    let house = House::new().await;
    house.simulator.top_up_elsewhere(12_345, "card").unwrap();
    house.baseline().await;
    let act = |deposit: &Deposit, act: Action| house.simulator.act(&house.order(deposit), act).unwrap();
    let full = house.wallet("25").await;
    let over = house.open_wallet("BTC", "BTC", "30", None).await;
    let short = house.open_wallet("LTC", "LTC", "40", None).await;
    let late = house.open_wallet("USDC", "POLYGON", "12.34", None).await;
    let held = house.open_wallet("ETH", "ETH", "60", None).await;
    let refunded = house.open_wallet("USDT", "BSC", "35.5", None).await;
    let corrected = house.wallet("50").await;
    let unpaid = house.wallet("7").await;
    house.simulator.set_fee_percent(3);
    let fee = house.wallet("5.15").await;
    house.simulator.set_fee_percent(0);
    house.simulator.add_coupon("MARCH", 10, 90).unwrap();
    let coupon = house.open_wallet("DOGE", "DOGE", "20", Some("MARCH")).await;
    for deposit in [&full, &refunded, &corrected, &fee, &coupon] {
        act(deposit, Action::See);
        act(deposit, Action::Pay { amount_usd: None });
    }
    act(&over, Action::Pay { amount_usd: usd("31.25") });
    act(&short, Action::PayPart { amount_usd: usd("24") });
    act(&held, Action::PayPart { amount_usd: usd("45") });
    act(&held, Action::Lock);
    act(&corrected, Action::SetFigures(figures()));
    house.poll().await;
    act(&short, Action::CloseShort);
    act(&late, Action::Cancel);
    act(&unpaid, Action::Cancel);
    act(&refunded, Action::StartRefund);
    house.pass(Duration::from_mins(30), Duration::from_mins(1)).await;
    act(&refunded, Action::FinishRefund);
    act(&held, Action::Release);
    act(&late, Action::Pay { amount_usd: None });
    house.pass(Duration::from_hours(6), Duration::from_mins(10)).await;
    let late = house.read(&late).await;
    assert!(late.facts.late, "{late:?}");
    house.simulator.spend(777).unwrap();
    // What they credited of one order is less than its status says: a person books what the list says.
    let report = house.reconcile().await;
    assert_eq!(report.cases.len(), 1, "{:?}", report.cases);
    let wish =
        flow::CorrectionRequest { who: "an accountant", note: "as credited", amount: None, dry_run: false };
    flow::correct_case(&house.flow, report.cases[0].id, wish).await.unwrap();
    let report = house.reconcile().await;
    assert!(report.clean && report.cases.is_empty(), "{:?}", report.cases);
    house.rounds().await;
    house.prove().await;
    Lived { corrected, house }
}

/// The invoice and the account say a dollar less than the order.
fn figures() -> Figures {
    Figures { invoice_cents: Some(4_900), credited_cents: Some(4_900), ..Figures::default() }
}

/// And April: an ordinary one; a refund of what March credited.
pub(crate) async fn april(lived: &Lived) {
    let house = &lived.house;
    while !house.sql_now().starts_with("2026-04") {
        house.clock.advance(DAY);
    }
    house.rounds().await;
    let paid = house.wallet("11").await;
    house.simulator.act(&house.order(&paid), Action::Pay { amount_usd: None }).unwrap();
    house.simulator.act(&house.order(&lived.corrected), Action::StartRefund).unwrap();
    house.simulator.act(&house.order(&lived.corrected), Action::FinishRefund).unwrap();
    house.pass(Duration::from_hours(30), Duration::from_mins(30)).await;
    house.reconcile().await;
    let report = house.reconcile().await;
    assert!(report.clean && report.cases.is_empty(), "{:?}", report.cases);
    assert_eq!(house.read(&lived.corrected).await.facts.state.as_str(), "refunded");
    house.rounds().await;
    house.prove().await;
}

impl House {
    pub(crate) async fn open_wallet(
        &self,
        currency: &str,
        network: &str,
        amount: &str,
        coupon: Option<&str>,
    ) -> Deposit {
        let deposit = self
            .open(NewDeposit {
                currency: Some(currency.to_owned()),
                network: Some(network.to_owned()),
                amount: amount.to_owned(),
                coupon: coupon.map(str::to_owned),
                reference: Some(format!("invoice, \"{amount}\"; =1+1")),
                ..NewDeposit::default()
            })
            .await;
        self.rounds().await;
        self.read(&deposit).await
    }

    pub(crate) fn sql_now(&self) -> String {
        use depositd::clock::Clock as _;
        self.clock.now().to_string()
    }

    /// A file in the house's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program itself, beside the running daemon.
    pub(crate) fn depositd(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        std::fs::write(self.file("daemon.toml"), "[ledger]\npath = \"ledger.db\"\n").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_depositd"));
        command.args(args).current_dir(self.folder.path()).env_clear();
        command
    }

    /// What it prints, if it is content.
    pub(crate) fn says(&self, args: &[&str]) -> String {
        said(&self.depositd(args))
    }

    /// Another program in the house's folder: what it prints, if it is content.
    pub(crate) fn program(&self, name: &str, args: &[&str]) -> String {
        let output = Command::new(name).args(args).current_dir(self.folder.path()).output();
        let output = output.unwrap_or_else(|error| panic!("{name}: {error}; `.ci/test` installs it"));
        said(&output)
    }
}

/// A program of the Python environment that `.ci/test` makes.
pub(crate) fn python(name: &str) -> String {
    format!("{}/target/python/bin/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}: {out}\n{err}", output.status);
    out
}
