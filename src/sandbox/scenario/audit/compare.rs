//! Whether the deposits, the credits and the totals of both sides are the same.

use std::collections::HashMap;

use super::differences::Differences;
use super::pairs::Pair;
use crate::domain::deposit::{Booked, State};
use crate::domain::ids::DepositId;
use crate::domain::journal::PREPAID;
use crate::domain::money::UsdMicros;
use crate::domain::reconcile::CaseKind;
use crate::flow::Report;
use crate::sandbox::scenario::context::{Opens, ScenarioContext};
use crate::sandbox::scenario::endings::state_of;
use crate::sandbox::scenario::script;
use crate::sandbox::scenario::summary_view::WaitingDeposit;
use crate::sandbox::upstream::Books;

/// The one case that the scenario leaves to a person: the list credits another figure than the polls said. `None` where
/// somebody has corrected it.
pub(super) fn waiting(
    context: &ScenarioContext,
    opens: &Opens,
    pairs: &[Pair],
    report: &Report,
    found: &mut Differences,
) -> Option<(DepositId, WaitingDeposit)> {
    let members = context.script.members.iter();
    let (member, cents) = members.filter_map(|member| Some((member, member.credits_cents?))).next()?;
    let id = *opens.get(&member.number)?;
    let pair = pairs.iter().find(|pair| pair.deposit.id == id)?;
    let (booked, listed) = (pair.deposit.facts.booked.as_ref()?.total(), UsdMicros::from_cents(cents)?);
    if booked == listed {
        return None;
    }
    let said = pair.order.as_ref().map(|order| order.arrived);
    found.unless(said == Some(booked), || format!("deposit {id} is booked at {booked} USD"));
    let (kind, name) = (CaseKind::AmountMismatch.as_str(), id.to_string());
    let mut about = report.cases.iter().filter(|case| case.deposit_id.as_ref() == Some(&name));
    match (about.next(), about.next()) {
        (Some(case), None)
            if case.kind == kind
                && case.expected == booked.to_string()
                && case.found == listed.to_string() =>
        {
            let (looks_say, list_credits) = (case.expected.clone(), case.found.clone());
            let called = format!("#{:02}", member.number);
            Some((id, WaitingDeposit { case: case.id, deposit: name, called, looks_say, list_credits }))
        }
        _ => {
            found.add(format!("deposit {id} is booked at {booked} USD, listed at {listed}, and has no case"));
            None
        }
    }
}

/// One deposit a request, one order a deposit, and where each ended.
pub(super) fn compare_orders(context: &ScenarioContext, pairs: &[Pair], found: &mut Differences) {
    let asked = pairs.iter().filter(|pair| pair.fate.is_some()).count();
    let cast = context.script.members.len();
    found.unless(asked == cast, || format!("{cast} deposits were asked for, the ledger has {asked} of them"));
    let mut owners: HashMap<String, u32> = HashMap::new();
    for pair in pairs {
        let (id, facts) = (pair.deposit.id, &pair.deposit.facts);
        match (&facts.wallet, &pair.order) {
            (Some(wallet), None) => {
                found.add(format!("deposit {id}: nobody made its order {:?}", wallet.asked_by()))
            }
            (Some(wallet), Some(order)) => {
                let owned = owners.entry(order.order_id.clone()).or_default();
                *owned = owned.saturating_add(1);
                let state = state_of(&order.status).filter(|_| pair.fate.is_some());
                found.unless(state.is_none_or(|state| state == facts.state), || {
                    format!("deposit {id} is {}, its order {}", facts.state, order.status)
                });
                found.unless(wallet.address.as_ref().is_none_or(|address| order.address == *address), || {
                    format!("deposit {id} shows another address")
                });
            }
            (None, _) => {
                let refused = pair.fate.is_none() || facts.state == State::Rejected;
                found.unless(refused, || format!("deposit {id} is {} without a wallet", facts.state));
            }
        }
    }
    for order in context.upstream.orders() {
        match owners.get(order.order_id.as_str()).copied().unwrap_or(0) {
            1 => {}
            // An order of an attempt whose answer was lost: it was shown to nobody, so nobody has paid it.
            0 if order.credited_cents.is_none() => {}
            owners => found.add(format!("order {} belongs to {owners} deposits", order.order_id)),
        }
    }
}

/// Every credit is journaled exactly once, and nothing else is.
pub(super) fn compare_credits(
    pairs: &[Pair],
    books: &Books,
    waiting: Option<&(DepositId, WaitingDeposit)>,
    found: &mut Differences,
) {
    for pair in pairs {
        let id = pair.deposit.id;
        if waiting.is_some_and(|(waiting, _)| *waiting == id) {
            continue;
        }
        let credit = pair.order.as_ref().and_then(|order| books.credited.get(&order.order_id));
        let prepaid = || pair.postings.iter().filter(|posting| posting.account == PREPAID);
        let sum = |wanted: fn(i64) -> bool| {
            let micros = prepaid().map(|posting| posting.amount_usd_micros);
            micros.filter(|micros| wanted(*micros)).fold(0_i64, i64::saturating_add)
        };
        let (into, out) = (sum(i64::is_positive), sum(i64::is_negative));
        let credited = credit.map_or(0, |credit| credit.micros.get());
        let refunded = credit.map_or(0, |credit| credit.refunded_cents.saturating_mul(10_000));
        if pair.fate.is_some() {
            let entries = prepaid().filter(|posting| posting.amount_usd_micros > 0).count();
            let said = pair.deposit.facts.booked.as_ref().is_some_and(Booked::is_said);
            found.unless(said || entries == usize::from(credit.is_some()), || {
                format!(
                    "deposit {id} was credited by {entries} entries, and upstream {}",
                    times(credit.is_some())
                )
            });
            found.unless(said || into == credited, || differ(&format!("credits of {id}"), credited, into));
        }
        let net = credited.saturating_sub(refunded);
        let ours = into.saturating_add(out);
        found.unless(ours == net, || differ(&format!("the net of {id}"), net, ours));
    }
}

fn times(once: bool) -> &'static str {
    if once { "once" } else { "never" }
}

fn differ(what: &str, theirs: i64, ours: i64) -> String {
    format!("{what}: {theirs} millionths of a dollar upstream, {ours} in the journal")
}

/// The account's figures, the identity, and the cases that are left.
pub(super) fn compare_totals(
    context: &ScenarioContext,
    pairs: &[Pair],
    books: &Books,
    report: &Report,
    waiting: Option<&WaitingDeposit>,
    found: &mut Differences,
) {
    let owned = pairs.iter().filter_map(|pair| pair.order.as_ref());
    let credited = owned.filter_map(|order| books.credited.get(&order.order_id));
    let here = credited.fold(0_i64, |sum, credit| sum.saturating_add(credit.cents));
    let Some(figures) = &report.figures else { return found.add("the reconciliation has no figures") };
    let mut same = |what: &str, theirs: i64, ours: i64| {
        found.unless(theirs == ours, || format!("{what}: {theirs} cents upstream, {ours} in the report"));
    };
    same("total charges", books.total_charges_cents, figures.total_charges_cents);
    same("balance", books.balance_cents, figures.balance_cents);
    same("credited here", here, figures.credited_here_cents);
    let elsewhere = books.total_charges_cents.saturating_sub(here);
    match (figures.baseline_cents, figures.difference_cents) {
        (Some(baseline), Some(difference)) => {
            same("credited elsewhere", elsewhere, figures.credited_elsewhere_cents);
            same("the difference", 0, difference);
            if !context.script.members.is_empty() {
                same("the baseline", script::BEFORE.0, baseline);
            }
        }
        // A sandbox without a scenario does not wait for two runs that agree.
        _ if context.script.members.is_empty() => {}
        _ => found.add("there is no baseline"),
    }
    for case in report.cases.iter().filter(|case| waiting.is_none_or(|waiting| waiting.case != case.id)) {
        found.add(format!(
            "case {} stands: {}, expected {}, found {}",
            case.id, case.kind, case.expected, case.found
        ));
    }
}
