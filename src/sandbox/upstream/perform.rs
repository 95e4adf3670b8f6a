//! What a call does: the key, the refusals, and what is made or looked at.

use serde_json::Value;

use super::answers::{self, contradict, error};
use super::fate::Fate;
use super::faults::Call;
use super::http::{SimulatorRequest, SimulatorResponse};
use super::lag::Source;
use super::link_shape::OrderMethod;
use super::making::{MadeOrder, OrderPath, OrderToMake, Refusal};
use super::order::Order;
use super::state::SimulatorState;
use super::world::World;
use super::{link, list, overlay};
use crate::domain::asset::{Asset, AssetError};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

/// A call that was carried out.
pub(super) struct Done {
    pub(super) response: SimulatorResponse,
    pub(super) order_id: Option<String>,
    /// The order's fate is that nobody hears of it.
    pub(super) lost: bool,
    /// The card whose link the answer tells.
    pub(super) card: Option<String>,
}

impl Done {
    fn plain(response: SimulatorResponse) -> Self {
        Self { response, order_id: None, lost: false, card: None }
    }
}

/// Carries a call out as the contract says.
pub(super) fn perform(shared: &SimulatorState, call: Call, request: &SimulatorRequest) -> Done {
    let plain = Done::plain;
    let shape = shared.shape();
    let account = shared.account();
    if account.throttled {
        return plain(error(&shape, 429, "Too Many Requests"));
    }
    if account.key_revoked {
        return plain(error(&shape, 401, "User-verification Failed"));
    }
    let user_id = request.path.get(2).map(String::as_str).unwrap_or_default();
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let creates = matches!(call, Call::Create | Call::CreatePage | Call::CreateCard);
    let key = if creates { body.get("apiKey").and_then(Value::as_str) } else { request.query("apiKey") };
    if call == Call::Any {
        return plain(error(&shape, 404, "Not Found"));
    }
    if user_id != shared.user_id || key != Some(shared.api_key.as_str()) {
        return plain(error(&shape, 401, "User-verification Failed"));
    }
    let now = shared.now();
    match call {
        Call::Create | Call::CreatePage | Call::CreateCard => create(shared, call, request, &body),
        Call::Look if account.looks_refused => plain(error(&shape, 200, "Temporarily unavailable")),
        Call::Look => plain(look(shared, request.path.get(5).map(String::as_str).unwrap_or_default())),
        Call::Invoices => plain(list::invoices(&mut shared.world(), user_id, now)),
        Call::Balance => plain(answers::balance(&mut shared.world(), user_id, now)),
        Call::Coupons | Call::Any => plain(answers::coupons(&shared.world(), user_id, now)),
    }
}

fn look(shared: &SimulatorState, id: &str) -> SimulatorResponse {
    let now = shared.now();
    let mut world = shared.world();
    // There is no status call for cards.
    let is_card = world.entry(id).is_some_and(|entry| entry.order.method == OrderMethod::Card);
    if !is_card && world.find_lost(id, now).is_err() {
        return error(&world.shape, 500, "The simulator's store cannot be written");
    }
    if let Some(text) = world.lies.bodies.get(id) {
        return SimulatorResponse::text(200, text.clone(), Vec::new());
    }
    world.answer(Source::Status, now);
    let known =
        world.entry(id).filter(|entry| !is_card && (entry.order.order_id == id || world.links.page_known));
    let Some(entry) = known else { return error(&world.shape, 404, "Order not found") };
    let order_id = &entry.order.order_id;
    let seen = world.moment(Source::Status, order_id, now).max(entry.creation());
    let mut response = answers::look(&world.shape, entry, seen);
    let by_link = Some(id).filter(|id| id != order_id);
    for fields in
        [Some(order_id.as_str()), by_link].into_iter().flatten().filter_map(|id| world.lies.overlays.get(id))
    {
        response = overlay::lay(response, fields);
    }
    response
}

/// Sections 1, 6 and 7: an order is made, or refused.
fn create(shared: &SimulatorState, call: Call, request: &SimulatorRequest, body: &Value) -> Done {
    let shape = shared.shape();
    let refuse = |status, text| Done::plain(error(&shape, status, text));
    let (path, asked) = match wanted(shared, call, request) {
        Ok(wanted) => wanted,
        Err(text) => return refuse(400, text),
    };
    let coupon = body.get("couponCode").and_then(Value::as_str);
    let coupon = coupon.filter(|code| call != Call::CreateCard && !code.is_empty()).map(str::to_owned);
    let now = shared.now();
    let mut world = shared.world();
    match world.create(OrderToMake { path, asked, coupon, elsewhere: None }, now) {
        Ok(made) if call == Call::Create => wallet(&mut world, made, now),
        Ok(made) => link(&mut world, made),
        Err(Refusal::Coupon) => refuse(500, "Invalid, or expired Coupon"),
        Err(Refusal::Store) => refuse(500, "The simulator's store cannot be written"),
    }
}

/// What a request asks for, or why it is refused.
fn wanted(
    shared: &SimulatorState,
    call: Call,
    request: &SimulatorRequest,
) -> Result<(OrderPath, Amount), &'static str> {
    let part = |place: usize| request.path.get(place).map(String::as_str).unwrap_or_default();
    if call == Call::Create {
        let asset = Asset::parse(part(5), part(6)).map_err(|error| match error {
            AssetError::Currency(_) => "Non-acceptable Currency",
            AssetError::Network { .. } => "Non-acceptable Network",
        })?;
        let asked = Amount::parse_request(part(7)).map_err(|_| "Non-acceptable Amount")?;
        return Ok((OrderPath::Wallet(asset), asked));
    }
    let unit = shared.world().links.unit;
    let asked = link::asked(unit, part(5)).ok_or("Non-acceptable Amount")?;
    let path = match call {
        Call::CreateCard => OrderPath::Card(shared.user_id.clone()),
        _ => OrderPath::Page,
    };
    Ok((path, asked))
}

fn wallet(world: &mut World, made: MadeOrder, now: Timestamp) -> Done {
    let MadeOrder { order_id, fate, answered_as } = made;
    let response = world.entry(&order_id).map(|entry| answers::wallet(&world.shape, entry, now));
    let mut response = response.unwrap_or_else(|| error(&world.shape, 500, "No wallet"));
    if let Some(other) = answered_as {
        response = contradict(response, "order_id", &other);
    }
    if let Some(fields) = world.lies.wallets.pop_front() {
        response = overlay::lay(response, &fields);
    }
    Done { response, order_id: Some(order_id), lost: fate == Fate::LostAnswer, card: None }
}

fn link(world: &mut World, made: MadeOrder) -> Done {
    let MadeOrder { order_id, fate, .. } = made;
    let other = world.lies.links.pop_front();
    let order = world.entry(&order_id).map(|entry| &entry.order);
    let card = order.filter(|order| order.method == OrderMethod::Card && other.is_none());
    let card = card.map(|order| order.order_id.clone());
    let url = other.or_else(|| order.map(Order::url)).unwrap_or_default();
    Done { response: answers::link(&url), order_id: Some(order_id), lost: fate == Fate::LostAnswer, card }
}
