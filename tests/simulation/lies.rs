//! What the upstream says that is not true, and what a person does about what is left of it. Of each payment at least one
//! source tells the truth: either the total, or the list and the polls.

use std::collections::BTreeMap;
use std::time::Duration;

use depositd::domain::money::{Amount, UsdMicros};
use depositd::flow;
use depositd::ledger::Case;
use depositd::sandbox::upstream::{
    AccountLie, AmountStyle, Lag, ListLie, SimulatedUpstream, Source, TotalLie,
};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::support::house::House;

/// Who lies in a life of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Liar {
    Nobody,
    ListAndPolls,
    Total,
    /// Nobody, but status, list and total are each behind.
    Lags,
}

impl Liar {
    pub(crate) fn choose(dice: &mut StdRng) -> Self {
        *[Self::Nobody, Self::ListAndPolls, Self::ListAndPolls, Self::Total, Self::Lags].choose(dice).unwrap()
    }
}

/// Tells one more lie; gives the order whose polls lie.
pub(crate) fn tell(house: &House, liar: Liar, dice: &mut StdRng) -> Option<String> {
    let simulator = &house.simulator;
    match (liar, dice.random_range(0..5)) {
        (_, 0) => account(simulator, dice),
        (Liar::ListAndPolls, 1) => return poll(simulator, dice),
        (Liar::ListAndPolls, _) => list(simulator, dice),
        (Liar::Total, _) => total(simulator, dice),
        (Liar::Lags, _) => {
            let source = *[Source::Status, Source::List, Source::Total].choose(dice).unwrap();
            let span = Duration::from_secs(dice.random_range(1..3300));
            let lag = *[Lag::None, Lag::Fixed(span), Lag::UpTo(span)].choose(dice).unwrap();
            simulator.set_lag(source, lag);
        }
        (Liar::Nobody, _) => {}
    }
    None
}

/// The whole account: refused, told to slow down, its clock apart.
fn account(simulator: &SimulatedUpstream, dice: &mut StdRng) {
    let mut account = AccountLie::default();
    match dice.random_range(0..7) {
        0 => account.key_revoked = true,
        1 => account.throttled = true,
        2 => account.looks_refused = true,
        3 => account.date_offset = dice.random_range(-90_000..90_000),
        4 => account.without_date = true,
        5 => account.age = Some(dice.random_range(0..90_000)),
        _ => {}
    }
    simulator.edit_account(|standing| *standing = account);
}

fn list(simulator: &SimulatedUpstream, dice: &mut StdRng) {
    let Some(order) = simulator.orders().choose(dice).cloned() else { return };
    let order_id = order.order_id;
    let cents = dice.random_range(0..90_000);
    let words = ["paid", "cancel", "refund_paid", "settling", "wrong_amount", "check"];
    let word = (*words.choose(dice).unwrap()).to_owned();
    let styles = [AmountStyle::Null, AmountStyle::Fraction, AmountStyle::Text, AmountStyle::Words];
    let lie = match dice.random_range(0..22) {
        0 => ListLie::RowsTwice,
        1 => ListLie::RepeatRow { order_id, times: 25 },
        2 => ListLie::SwapFields,
        3 => ListLie::SwapIds,
        4 => ListLie::TwoNames,
        5 => ListLie::Capitals,
        6 => ListLie::ConstantPayId,
        7 => ListLie::Factor { num: 1, den: 100 },
        8 => ListLie::Factor { num: 100, den: 1 },
        9 | 10 => ListLie::AmountOf { order_id, cents },
        11 => ListLie::KeepNewest(dice.random_range(1..9)),
        12 => ListLie::KeepOldest(dice.random_range(1..9)),
        13 => ListLie::DropEvery(dice.random_range(2..5)),
        14 => ListLie::PurgeOlderThan(Duration::from_secs(dice.random_range(600..20_000))),
        15 => ListLie::HideRow { order_id },
        16 => ListLie::Empty,
        17 => ListLie::Shift(dice.random_range(-50_000..50_000)),
        18 => ListLie::SplitRow { order_id, cents },
        19 => ListLie::AmountAs(*styles.choose(dice).unwrap()),
        _ => ListLie::StatusOf { order_id, word },
    };
    if dice.random_bool(0.5) {
        simulator.lie_for(lie, dice.random_range(1..3))
    } else {
        simulator.set_list_lie(lie)
    }
}

fn total(simulator: &SimulatedUpstream, dice: &mut StdRng) {
    let (num, den) = *[(1, 1), (1, 1), (1, 1), (100, 1), (1, 100), (0, 1)].choose(dice).unwrap();
    let shift_cents = if num == den { dice.random_range(-10_000..10_000) } else { 0 };
    if dice.random_bool(0.5) {
        simulator.total_lie_for(TotalLie { num, den, shift_cents }, dice.random_range(1..4));
    } else {
        simulator.set_total_factor(num, den);
        simulator.set_total_shift(shift_cents);
    }
}

fn poll(simulator: &SimulatedUpstream, dice: &mut StdRng) -> Option<String> {
    let orders = simulator.orders();
    let ours: Vec<_> = orders.iter().filter(|order| !order.elsewhere).collect();
    let order = ours.choose(dice)?;
    let fields = [
        r#"{"status": "paid"}"#,
        r#"{"status": "cancel"}"#,
        r#"{"status": "check"}"#,
        r#"{"status": "paid_over", "payment_amount_usd": "77.00"}"#,
        r#"{"status": "wrong_amount", "payment_amount_usd": "3.00"}"#,
        r#"{"status": "refund_paid"}"#,
        r#"{"payment_amount_usd": "0.00"}"#,
        r#"{"payment_amount_usd": "1,000.00"}"#,
        r#"{"amountInUSD": "many", "expire_at": "soon"}"#,
        r#"{"status": 7}"#,
        r#"{"order_id": "somebody-elses"}"#,
    ];
    simulator.overlay(&order.order_id, fields.choose(dice).unwrap()).unwrap();
    Some(order.order_id.clone())
}

/// A stranger makes an order of their own, or pays to an address that a lost answer named to nobody.
pub(crate) fn stranger(house: &House, dice: &mut StdRng, shown: &[String]) {
    use depositd::domain::asset::Asset;
    use depositd::sandbox::upstream::{Action, Fate};
    let simulator = &house.simulator;
    let lost = simulator.orders();
    let mut lost = lost.iter().filter(|order| !order.elsewhere && !shown.contains(&order.order_id));
    if let Some(order) = lost.next_back().filter(|_| dice.random_bool(0.5)) {
        // One that is paid already is not paid twice.
        let _ = simulator.act(&order.order_id, Action::Pay { amount_usd: None });
    } else {
        let fate = *[Fate::Exact, Fate::Over, Fate::Refunded, Fate::Expired].choose(dice).unwrap();
        let asset = Asset::parse("USDT", "TRON").unwrap();
        simulator.order_elsewhere(asset, &dice.random_range(5..200).to_string(), fate).unwrap();
    }
}

/// What was said about what, by a person.
pub(crate) type Said = BTreeMap<String, Vec<String>>;

/// A person goes through the open cases, knowing what really happened: what voids the runs first, then what is about
/// deposits; the drift is what is left.
pub(crate) async fn settle(house: &House, said: &mut Said) {
    let cases = house.flow.ledger.cases(false).await.unwrap();
    let void = house.flow.ledger.incomplete_runs().await.unwrap().is_some();
    let of_deposits = cases.iter().any(|case| case.deposit_id.is_some());
    for case in &cases {
        let voids = ["total_fell", "rows_changed"].contains(&case.kind.as_str());
        if voids == void && (void || case.deposit_id.is_some() == of_deposits) {
            decide(house, case, said).await;
        }
    }
}

async fn decide(house: &House, case: &Case, said: &mut Said) {
    if std::env::var_os("SIMULATION_TRACE").is_some() {
        let rows = house.sql("SELECT row_id, substr(pay_id, 1, 6), amount_cents, status, weight, counted_cents, clean_cents, flaw, deposit_row, listed, changed_run FROM invoice");
        let books = house.simulator.books();
        eprintln!("{case:#?}\n{rows}\n{books:#?}");
    }
    let deposits = match &case.deposit_id {
        Some(deposit) => vec![deposit.clone()],
        // A drift may be money that neither a poll nor a row states: what was really credited is booked.
        None if case.kind == "total_charges_drift" => house
            .sql("SELECT id FROM accounting_deposits WHERE order_id IS NOT NULL")
            .lines()
            .map(str::to_owned)
            .collect(),
        None => Vec::new(),
    };
    let books = house.simulator.books();
    let mut corrected = false;
    for deposit in deposits {
        let known = house.flow.ledger.find(&deposit).await.unwrap().unwrap();
        let credited = books.credited.get(&house.order(&known)).map_or(0, |credit| credit.cents);
        if known.facts.booked.as_ref().map_or(0, |booked| booked.total().cents_floor()) != credited {
            let truth: Amount = UsdMicros::from_cents(credited).unwrap().to_string().parse().unwrap();
            let wish = flow::CorrectionRequest {
                who: "root",
                note: "asked support",
                amount: Some(&truth),
                dry_run: false,
            };
            flow::correct_deposit(&house.flow, &deposit, wish).await.unwrap();
            said.entry(deposit).or_default().push(format!("correct {} {credited}", case.kind));
            corrected = true;
        }
    }
    if !corrected {
        // The journal is right: what they list, or what their total holds, is theirs to explain.
        flow::accept_case(&house.flow, case.id, "root", "seen", None).await.unwrap();
        let subject = case.deposit_id.clone().unwrap_or_else(|| case.kind.clone());
        said.entry(subject).or_default().push(format!("accept {}", case.kind));
    }
}
