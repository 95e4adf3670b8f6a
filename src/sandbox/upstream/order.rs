//! What an order is, and where it stands at any instant: a pure function of the order, its acts and the time.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::fate::{Action, Fate, Figures, Stage, Timed, script};
use super::figures::{crypto_share, portion};
use super::lag::Moment;
use super::link::CardLink;
use super::link_shape::OrderMethod;
use super::rng::Rng;
use crate::domain::asset::Asset;
use crate::domain::money::{Amount, UsdMicros, dollars};
use crate::domain::time::Timestamp;

/// An order as it was made; never changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) order_id: String,
    #[serde(default, skip_serializing_if = "is_wallet")]
    pub(super) method: OrderMethod,
    /// What the link of a card says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) card: Option<CardLink>,
    pub(super) url_uuid: String,
    pub(super) sesid: String,
    pub(super) address: String,
    pub(super) txid: String,
    /// None for a card, which is paid in dollars.
    #[serde(flatten)]
    pub(super) asset: Option<Asset>,
    pub(super) asked: Amount,
    pub(super) required: UsdMicros,
    pub(super) crypto: Decimal,
    pub(super) created_at: Timestamp,
    pub(super) expire_at: Timestamp,
    pub(super) coupon: Option<String>,
    pub(super) fate: Fate,
    pub(super) dice: u64,
    /// Made by somebody else on the account, not through the API.
    #[serde(default)]
    pub(super) elsewhere: bool,
    /// What the account is credited with in place of all that has arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) credits_cents: Option<i64>,
    /// Nobody pays it before the first look at it.
    #[serde(default)]
    pub(super) waits: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_wallet(method: &OrderMethod) -> bool {
    *method == OrderMethod::Wallet
}

impl Order {
    /// The link that it is paid by.
    pub(super) fn url(&self) -> String {
        match &self.card {
            Some(card) => {
                let cents = self.asked.to_usd_micros().unwrap_or_default().cents_floor();
                card.url(&dollars(cents))
            }
            None => format!("https://pay.cryptomus.com/pay/{}", self.url_uuid),
        }
    }

    /// The id in the link of a payment page.
    pub(super) fn page_id(&self) -> Option<&str> {
        (self.method == OrderMethod::Page).then_some(self.url_uuid.as_str())
    }
}

/// An order with its history: the steps of its fate, and what was done by hand.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) order: Order,
    /// The number of the record that made it.
    number: u64,
    script: Vec<Timed>,
    /// With the numbers of their records.
    acts: Vec<(u64, Timed)>,
}

/// Where an order stands at one instant.
#[derive(Debug, Clone)]
pub(super) struct OrderState {
    pub(super) status: String,
    /// Seen on the chain at least.
    pub(super) seen: bool,
    /// What has arrived.
    pub(super) arrived: UsdMicros,
    /// What the account was credited with, in whole cents.
    pub(super) credited_cents: Option<i64>,
    /// What went back of it.
    pub(super) refunded_cents: i64,
    pub(super) address: String,
    pub(super) expire_at: Timestamp,
    pub(super) shown: Figures,
    pub(super) hidden: bool,
    pub(super) invoice_status: Option<String>,
    /// When money first arrived after `cancel`.
    pub(super) late_at: Option<Timestamp>,
    /// The status from before a lock.
    before_lock: Option<String>,
}

impl OrderState {
    /// What the upstream calls final (docs/contract.md, section 2).
    pub(super) fn is_final(&self) -> bool {
        matches!(
            self.status.as_str(),
            "paid"
                | "paid_over"
                | "wrong_amount"
                | "cancel"
                | "fail"
                | "system_fail"
                | "refund_fail"
                | "refund_paid"
        )
    }

    fn say(&mut self, status: &str) {
        status.clone_into(&mut self.status);
    }
}

impl Entry {
    pub(super) fn new(order: Order, number: u64) -> Self {
        let mut entry = Self { order, number, script: Vec::new(), acts: Vec::new() };
        let fate = if entry.order.waits { Fate::LostAnswer } else { entry.order.fate };
        entry.script = entry.write_script(fate, entry.order.created_at);
        entry
    }

    /// Adds what was done by hand. It has been tried before: see [`Entry::try_act`].
    pub(super) fn push(&mut self, at: Timestamp, act: Action, number: u64) {
        if act == Action::Found {
            self.script = match self.order.fate {
                Fate::LostAnswer => self.write_script(Fate::Exact, at),
                fate => self.write_script(fate, self.order.created_at),
            };
            // What it has missed happens now.
            for turn in &mut self.script {
                turn.at = turn.at.max(at);
            }
        }
        self.acts.push((number, Timed { at, act }));
    }

    /// True for an order whose story waits for the first look at it: one whose answer was lost waits until its deadline.
    pub(super) fn is_unfound(&self, at: Timestamp) -> bool {
        let waits = match self.order.fate {
            Fate::LostAnswer => at < self.order.expire_at,
            _ => self.order.waits,
        };
        waits && !self.acts.iter().any(|(_, timed)| timed.act == Action::Found)
    }

    fn write_script(&self, fate: Fate, start: Timestamp) -> Vec<Timed> {
        let order = &self.order;
        let lifetime = order.expire_at.since(order.created_at);
        let mut stage =
            Stage { start, deadline: order.expire_at, lifetime, dice: Rng::new(order.dice ^ 0x5c71_9700) };
        let part = amount(portion(order.required, 6, 10));
        let over = amount(portion(order.required, 11, 10));
        script(fate, &mut stage, part.as_ref(), over.as_ref())
    }

    /// What `act` would make of the order at `at`, or why it cannot be done.
    pub(super) fn try_act(&self, at: Timestamp, act: &Action) -> Result<OrderState, &'static str> {
        let mut standing = self.standing(at);
        apply(&mut standing, &self.order, act)?;
        Ok(standing)
    }

    /// The moment after it was made, before anything else happened.
    pub(super) fn creation(&self) -> Moment {
        Moment { at: self.order.created_at, records: self.number.saturating_add(1) }
    }

    /// Where the order stands at a moment.
    pub(super) fn standing(&self, moment: impl Into<Moment>) -> OrderState {
        let moment = moment.into();
        let order = &self.order;
        let mut standing = OrderState {
            status: "check".to_owned(),
            seen: false,
            arrived: UsdMicros::ZERO,
            credited_cents: None,
            refunded_cents: 0,
            address: order.address.clone(),
            expire_at: order.expire_at,
            shown: Figures::default(),
            hidden: false,
            invoice_status: None,
            late_at: None,
            before_lock: None,
        };
        let taken = self.acts.iter().find(|(_, timed)| timed.act.takes_over()).map(|(_, timed)| timed.at);
        let scripted = self.script.iter().filter(|turn| taken.is_none_or(|taken| turn.at <= taken));
        let scripted = scripted.filter(|turn| turn.at <= moment.at);
        let acts = self.acts.iter().filter(|(number, act)| moment.has(act.at, *number)).map(|(_, act)| act);
        let mut turns: Vec<&Timed> = scripted.chain(acts).collect();
        turns.sort_by_key(|turn| turn.at);
        for turn in turns {
            let (cancelled, arrived) = (standing.status == "cancel", standing.arrived);
            // A turn that can no longer be taken is one that did not happen.
            let _ = apply(&mut standing, order, &turn.act);
            if cancelled && standing.arrived > arrived {
                standing.late_at = standing.late_at.or(Some(turn.at));
            }
        }
        standing
    }

    /// What arrived, in the currency.
    pub(super) fn arrived_crypto(&self, standing: &OrderState) -> Decimal {
        crypto_share(self.order.crypto, standing.arrived, self.order.required)
    }
}

fn apply(now: &mut OrderState, order: &Order, act: &Action) -> Result<(), &'static str> {
    let open = || if now.credited_cents.is_none() { Ok(()) } else { Err("the order is already credited") };
    match act {
        Action::Process => open().map(|()| now.say("process")),
        Action::See => {
            open()?;
            now.seen = true;
            now.say("confirm_check");
            Ok(())
        }
        Action::PayPart { amount_usd } => {
            open()?;
            let part = amount_usd.as_ref().map_or(Some(portion(order.required, 1, 2)), Amount::to_usd_micros);
            arrive(now, part)?;
            now.say("wrong_amount_waiting");
            Ok(())
        }
        Action::Pay { amount_usd } => pay(now, order, amount_usd.as_ref()),
        Action::CloseShort => {
            open()?;
            settle(now, order)
        }
        Action::Cancel => open().map(|()| now.say("cancel")),
        Action::Fail => open().map(|()| now.say("fail")),
        Action::SystemFail => open().map(|()| now.say("system_fail")),
        Action::Lock | Action::Release => lock(now, order, *act == Action::Lock),
        Action::StartRefund if now.arrived == UsdMicros::ZERO => {
            Err("nothing has arrived that could go back")
        }
        Action::StartRefund => {
            now.say("refund_process");
            Ok(())
        }
        Action::FinishRefund | Action::FailRefund if now.status != "refund_process" => {
            Err("no refund is under way")
        }
        Action::FinishRefund => {
            now.refunded_cents = now.credited_cents.unwrap_or(0);
            now.say("refund_paid");
            Ok(())
        }
        Action::FailRefund => {
            now.say("refund_fail");
            Ok(())
        }
        Action::SetStatus { status } => {
            now.say(status);
            Ok(())
        }
        about_answers => {
            dress(now, order, about_answers);
            Ok(())
        }
    }
}

/// Acts that change what answers say and not what happened.
fn dress(now: &mut OrderState, order: &Order, act: &Action) {
    match act {
        Action::MoveDeadline { to } => now.expire_at = *to,
        Action::ChangeAddress { to } => {
            let other = |asset: Asset| super::address::make(asset.network, &mut Rng::new(!order.dice));
            let other = || order.asset.map(other).unwrap_or_default();
            now.address = to.clone().unwrap_or_else(other);
        }
        Action::SetFigures(figures) => {
            let shown = &mut now.shown;
            replace(&mut shown.amount_usd, figures.amount_usd.as_ref());
            replace(&mut shown.amount_crypto, figures.amount_crypto.as_ref());
            replace(&mut shown.payment_amount, figures.payment_amount.as_ref());
            replace(&mut shown.payment_amount_usd, figures.payment_amount_usd.as_ref());
            replace(&mut shown.invoice_cents, figures.invoice_cents.as_ref());
            replace(&mut shown.credited_cents, figures.credited_cents.as_ref());
            if now.credited_cents.is_some() {
                now.credited_cents = shown.credited_cents.or(now.credited_cents);
            }
        }
        Action::HideInvoice { hidden } => now.hidden = *hidden,
        Action::SetInvoiceStatus { status } => now.invoice_status = Some(status.clone()),
        _ => {}
    }
}

fn replace<T: Clone>(old: &mut Option<T>, new: Option<&T>) {
    if let Some(new) = new {
        *old = Some(new.clone());
    }
}

fn pay(now: &mut OrderState, order: &Order, more: Option<&Amount>) -> Result<(), &'static str> {
    if now.refunded_cents > 0 {
        return Err("the order was refunded");
    }
    let more = match more {
        Some(more) => more.to_usd_micros(),
        None => order.required.checked_sub(now.arrived).filter(|missing| missing.get() > 0),
    };
    arrive(now, more)?;
    settle(now, order)
}

fn arrive(now: &mut OrderState, more: Option<UsdMicros>) -> Result<(), &'static str> {
    let more =
        more.filter(|more| more.get() > 0).ok_or("nothing is missing, or the amount cannot be read")?;
    now.arrived = now.arrived.checked_add(more).ok_or("more than there is")?;
    now.seen = true;
    Ok(())
}

/// Credits all that has arrived.
fn settle(now: &mut OrderState, order: &Order) -> Result<(), &'static str> {
    if now.arrived == UsdMicros::ZERO {
        return Err("nothing has arrived");
    }
    let said = now.shown.credited_cents.or(order.credits_cents);
    now.credited_cents = Some(said.unwrap_or_else(|| now.arrived.cents_floor()));
    now.say(match now.arrived.cmp(&order.required) {
        std::cmp::Ordering::Less => "wrong_amount",
        std::cmp::Ordering::Equal => "paid",
        std::cmp::Ordering::Greater => "paid_over",
    });
    Ok(())
}

fn lock(now: &mut OrderState, order: &Order, shut: bool) -> Result<(), &'static str> {
    if shut {
        now.before_lock = Some(std::mem::replace(&mut now.status, "locked".to_owned()));
        return Ok(());
    }
    let before = now.before_lock.take().ok_or("the order is not locked")?;
    if now.credited_cents.is_some() {
        now.say(&before);
        return Ok(());
    }
    if now.arrived == UsdMicros::ZERO {
        arrive(now, Some(order.required))?;
    }
    settle(now, order)
}

/// Dollars as an amount; their text always reads.
pub(super) fn amount(usd: UsdMicros) -> Option<Amount> {
    Amount::parse(&usd.to_string()).ok()
}
