//! Follows payment pages and card payments by the invoice list: of a card it alone tells what becomes of it, of a page
//! perhaps (docs/contract.md, sections 6 and 7).

use std::collections::HashMap;

use serde_json::json;

use super::Flow;
use crate::domain::deposit::Deposit;
use crate::domain::listing::Listing;
use crate::domain::observe::Observation;
use crate::domain::reconcile::{IdMatch, Match, MatchRule, decide};
use crate::domain::report::Invoice;
use crate::domain::time::Timestamp;
use crate::ledger::{self, DepositWrite, EvidenceNote, OpenLink};
use crate::upstream::{InvoiceSink, Listed, Priority};

/// The most rows of one deposit that are kept as evidence.
const SHOWN: usize = 20;
/// So many changes are written in one transaction.
const TOGETHER: usize = 256;

/// What one round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct FollowRound {
    /// How many deposits are followed.
    pub open: usize,
    /// How many of them have changed.
    pub moved: usize,
    /// Whether the list could be read.
    pub answered: bool,
}

/// Reads the list where somebody is followed by it, and observes what it says of each. No answer moves nothing.
///
/// # Errors
/// Whatever the ledger says.
pub async fn follow_list(flow: &Flow) -> ledger::Result<FollowRound> {
    let open = flow.ledger.open_links().await?;
    if open.is_empty() {
        return Ok(FollowRound { answered: true, ..FollowRound::default() });
    }
    let sink = OwnRows::of(&open);
    let permit = flow.upstream.admit(Priority::Reconcile).await;
    let answer = match flow.upstream.invoices(permit, sink).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::debug!("the invoice list cannot be followed now: {error}");
            return Ok(FollowRound { open: open.len(), ..FollowRound::default() });
        }
    };
    let Listed { sink, .. } = answer.value;
    let rows = sink.decided();
    let (none, mut moved, followed) = (Vec::new(), 0_usize, open.len());
    let mut changed = open.into_iter().filter_map(|OpenLink { row, deposit, .. }| {
        work_out(flow, deposit, rows.get(&row).unwrap_or(&none), answer.date)
    });
    loop {
        // One that has changed meanwhile is observed by the next round.
        let writes: Vec<DepositWrite> = changed.by_ref().take(TOGETHER).collect();
        if writes.is_empty() {
            break;
        }
        moved = moved.saturating_add(writes.len());
        flow.record(writes).await?;
    }
    Ok(FollowRound { open: followed, moved, answered: true })
}

/// Observes the rows that the ledger has of one deposit, as the last run left them. True where that changed it.
///
/// # Errors
/// Whatever the ledger says.
pub(super) async fn look_at_rows(flow: &Flow, deposit: Deposit) -> ledger::Result<bool> {
    let rows = flow.ledger.rows_of_deposit(deposit.id).await?;
    match work_out(flow, deposit, &rows, flow.upstream.upstream_now()) {
        Some(write) => flow.record(vec![write]).await.map(|_| true),
        None => Ok(false),
    }
}

/// What its rows make of a deposit; `None` where they change nothing, or one of them cannot be read.
fn work_out(
    flow: &Flow,
    deposit: Deposit,
    rows: &[Invoice],
    answered_at: Option<Timestamp>,
) -> Option<DepositWrite> {
    let id = deposit.id;
    let listing = Box::new(Listing::of(rows, answered_at)?);
    match deposit.observe(Observation::Listed(listing), flow.clock.now(), &flow.policy()) {
        Ok(step) if step.events.is_empty() => None,
        Ok(step) => Some(DepositWrite { evidence: Some(evidence(flow, rows)), ..DepositWrite::from(step) }),
        Err(error) => {
            tracing::error!(deposit.id = %id, "its rows do not fit: {error}");
            None
        }
    }
}

/// The rows, as they were read.
fn evidence(flow: &Flow, rows: &[Invoice]) -> EvidenceNote {
    let shown: Vec<_> = rows
        .iter()
        .take(SHOWN)
        .map(|row| {
            json!({ "sesid": row.sesid, "payId": row.pay_id, "method": row.method, "amount": row.amount_cents,
                    "created": row.created, "expires_at": row.expires_at, "status": row.status })
        })
        .collect();
    let body = json!({ "rows": shown }).to_string();
    EvidenceNote { at: flow.clock.now(), call: "invoices", http_status: Some(200), body }
}

/// Of the whole list, the rows that bear an id of one of the deposits.
struct OwnRows {
    /// By identifier in lower case, whose it is, and whether it is an order or of a link.
    ids: HashMap<String, (i64, bool)>,
    rows: Vec<Invoice>,
    claims: Vec<IdMatch>,
}

impl OwnRows {
    fn of(open: &[OpenLink]) -> Self {
        let mut ids = HashMap::new();
        for OpenLink { row, deposit, names } in open {
            let wallet = deposit.facts.wallet.as_ref();
            let orders = wallet.and_then(|wallet| wallet.order_id.as_deref());
            let links = wallet.and_then(|wallet| wallet.link_id());
            ids.extend(orders.map(|order| (order.to_ascii_lowercase(), (*row, true))));
            let links = links.into_iter().chain(names.iter().map(String::as_str));
            ids.extend(links.map(|link| (link.to_ascii_lowercase(), (*row, false))));
        }
        Self { ids, rows: Vec::new(), claims: Vec::new() }
    }

    fn claim(&self, id: Option<&String>, [order, link]: [MatchRule; 2]) -> Option<(i64, MatchRule)> {
        let (deposit, is_order) = *self.ids.get(&id?.to_ascii_lowercase())?;
        Some((deposit, if is_order { order } else { link }))
    }

    /// The rows of each deposit, by the rules of a reconciliation. Rows that are unread belong to none.
    fn decided(self) -> HashMap<i64, Vec<Invoice>> {
        let mut rows: HashMap<i64, Vec<Invoice>> = HashMap::new();
        for decided in decide(self.claims) {
            let Match::Of(claim) = decided else { continue };
            let row = usize::try_from(claim.row).ok().and_then(|at| self.rows.get(at));
            rows.entry(claim.deposit).or_default().extend(row.cloned());
        }
        rows
    }
}

impl InvoiceSink for OwnRows {
    fn take(&mut self, invoice: Invoice) {
        let by_pay_id =
            self.claim(invoice.pay_id.as_ref(), [MatchRule::PayIdIsOrder, MatchRule::PayIdIsLink]);
        let by_sesid = self.claim(invoice.sesid.as_ref(), [MatchRule::SesidIsOrder, MatchRule::SesidIsLink]);
        if by_pay_id.is_none() && by_sesid.is_none() {
            return;
        }
        let row = i64::try_from(self.rows.len()).unwrap_or(i64::MAX);
        let found = by_pay_id.into_iter().chain(by_sesid);
        self.claims.extend(found.map(|(deposit, rule)| IdMatch { row, deposit, rule }));
        self.rows.push(invoice);
    }
}
