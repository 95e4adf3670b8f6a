//! What does not agree now, and what of it can be corrected because the upstream's total bears it out.

use std::collections::HashSet;

use super::Sides;
use crate::domain::deposit::Deposit;
use crate::domain::ids::DepositId;
use crate::domain::money::UsdMicros;
use crate::domain::observe::Observation;
use crate::domain::reconcile::{self as rules, Difference, Kind};
use crate::flow::Flow;
use crate::ledger::{self, RunFigures, Write};

/// Everything that does not agree now; but for the deposits that were `moving` while the run was reading. Where
/// `pairs_agree`, deposits and their invoices have just been held against each other.
pub(super) async fn differences(
    flow: &Flow,
    sides: &Sides<'_>,
    figures: &RunFigures,
    moving: &HashSet<DepositId>,
    pairs_agree: bool,
) -> ledger::Result<Vec<Difference>> {
    let tolerance = flow.settings.tolerance_cents;
    let suspects = if pairs_agree { Vec::new() } else { flow.ledger.suspects(&sides.scope).await? };
    let mut found: Vec<Difference> = suspects
        .iter()
        .filter(|pair| !moving.contains(&pair.deposit_id))
        .filter_map(|pair| rules::compare(pair, tolerance))
        .collect();
    for credited in flow.ledger.booked_without_invoice(&sides.scope).await? {
        if moving.contains(&credited.id) {
            continue;
        }
        found.push(Difference {
            kind: Kind::InvoiceMissing,
            deposit_id: Some(credited.id),
            order_id: Some(credited.order_id),
            expected: credited.booked.to_string(),
            found: "no invoice".to_owned(),
        });
    }
    for abandoned in flow.ledger.abandoned_standing().await? {
        found.push(Difference {
            kind: Kind::AbandonedWallet,
            deposit_id: Some(abandoned.deposit_id),
            order_id: Some(abandoned.order_id.clone()),
            expected: "no wallet that nobody was shown".to_owned(),
            found: abandoned.order_id,
        });
    }
    if figures.difference_cents.unsigned_abs() > tolerance.unsigned_abs() {
        let explained = figures.total_charges_cents.saturating_sub(figures.difference_cents);
        found.push(account(
            Kind::TotalChargesDrift,
            dollars(explained),
            dollars(figures.total_charges_cents),
        ));
    }
    found.extend(balance_rise(flow, sides, figures).await?);
    Ok(found)
}

fn account(kind: Kind, expected: String, found: String) -> Difference {
    Difference { kind, deposit_id: None, order_id: None, expected, found }
}

pub(super) fn dollars(cents: i64) -> String {
    UsdMicros::from_cents(cents).unwrap_or_default().to_string()
}

/// A balance that rose by more than was topped up. It stands until the total has caught up with it.
async fn balance_rise(
    flow: &Flow,
    sides: &Sides<'_>,
    figures: &RunFigures,
) -> ledger::Result<Option<Difference>> {
    let standing =
        flow.ledger.last_case("balance_rise:account").await?.filter(|case| case.closed_at.is_none());
    let needed = standing.as_ref().and_then(|case| cents(&case.expected)).unwrap_or(i64::MIN);
    let new = match sides.last.map(|last| &last.figures) {
        None => i64::MIN,
        Some(last) => {
            let rise = figures.balance_cents.saturating_sub(last.balance_cents);
            let charged = figures.total_charges_cents.saturating_sub(last.total_charges_cents);
            if rise > charged.max(0) && rise > flow.settings.tolerance_cents {
                needed.max(last.total_charges_cents).saturating_add(rise)
            } else {
                i64::MIN
            }
        }
    };
    let needed = needed.max(new);
    Ok((needed > figures.total_charges_cents)
        .then(|| account(Kind::BalanceRise, dollars(needed), dollars(figures.total_charges_cents))))
}

fn cents(text: &str) -> Option<i64> {
    crate::domain::money::Amount::parse(text).ok()?.to_usd_micros()?.to_cents_exact()
}

/// Books what the invoices say where the upstream's total bears exactly that out. True where something was booked.
pub(super) async fn correct(flow: &Flow, figures: &RunFigures, found: &[Difference]) -> ledger::Result<bool> {
    let mismatches: Vec<&Difference> =
        found.iter().filter(|difference| difference.kind == Kind::AmountMismatch).collect();
    let mut wanted = Vec::new();
    let mut sum: i64 = 0;
    for difference in &mismatches {
        let Some(deposit) = find(flow, difference).await? else { continue };
        let (Some(ours), Some(theirs)) = (booked(&deposit), micros(&difference.found)) else { continue };
        sum = sum.saturating_add(theirs.get().saturating_sub(ours.get()));
        wanted.push((deposit, theirs));
    }
    let borne_out = figures.difference_cents != 0 && sum == figures.difference_cents.saturating_mul(10_000);
    if !borne_out {
        return Ok(false);
    }
    let mut writes = Vec::with_capacity(wanted.len());
    for (deposit, credited) in wanted {
        let reason = "the invoice says so, and totalCharges bears it out".to_owned();
        let observation = Observation::Corrected { credited, reason };
        match deposit.observe(observation, flow.clock.now(), &flow.settings.policy) {
            Ok(step) => writes.push(Write::from(step)),
            Err(error) => tracing::error!("a correction does not fit: {error}"),
        }
    }
    flow.record(writes).await?;
    Ok(true)
}

async fn find(flow: &Flow, difference: &Difference) -> ledger::Result<Option<Deposit>> {
    match difference.deposit_id {
        Some(id) => flow.ledger.find(&id.to_string()).await,
        None => Ok(None),
    }
}

fn booked(deposit: &Deposit) -> Option<UsdMicros> {
    deposit.facts.booked.as_ref().map(crate::domain::deposit::Booked::total)
}

fn micros(text: &str) -> Option<UsdMicros> {
    crate::domain::money::Amount::parse(text).ok()?.to_usd_micros()
}
