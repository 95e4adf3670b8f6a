//! How a person or another program plays the world at `/sandbox/`: see the module's documentation for the calls.

mod lies;
mod reply;

use serde::Deserialize;
use serde_json::{Value, json};

use self::reply::{body, not_found, problem, stored, to_json};
use super::fate::{Action, Fate};
use super::faults::{Call, Fault, OutageStyle};
use super::http::{SimulatorRequest, SimulatorResponse};
use super::link_shape::LinkShape;
use super::order_view::OrderView;
use super::shape::Shape;
use super::state::SimulatorState;
use super::world::ActError;
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopUpBody {
    cents: i64,
    method: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpendBody {
    cents: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PayBody {
    amount_usd: Option<Amount>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutageBody {
    on: bool,
    style: Option<OutageStyle>,
    /// A planned window, in the simulator's time; both or neither.
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultBody {
    call: Call,
    fault: Fault,
    #[serde(default = "once")]
    times: u32,
    order_id: Option<String>,
}

const fn once() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanBody {
    /// Every order of this amount; every order at all without it.
    amount: Option<String>,
    fate: Fate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CouponBody {
    code: String,
    percentage: u8,
    days: u32,
}

/// Answers one call below `/sandbox/`.
pub(super) fn answer(shared: &SimulatorState, request: &SimulatorRequest) -> SimulatorResponse {
    let parts: Vec<&str> = request.path.iter().skip(1).map(String::as_str).collect();
    let answered = match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["orders"]) => to_json(shared.orders()),
        ("GET", ["orders", order_id]) => {
            let found = shared.world().entry(order_id).map(|entry| OrderView::of(entry, shared.now()));
            found.ok_or_else(|| not_found(&format!("there is no order {order_id:?}"))).and_then(to_json)
        }
        ("GET", ["books"]) => to_json(shared.world().books(shared.now())),
        ("GET", ["calls"]) => to_json(shared.calls()),
        ("POST", ["orders", order_id, "pay"]) => body::<PayBody>(request)
            .and_then(|PayBody { amount_usd }| act(shared, order_id, Action::Pay { amount_usd })),
        ("POST", ["orders", order_id, "act"]) => {
            body(request).and_then(|chosen| act(shared, order_id, chosen))
        }
        ("POST", _) => command(shared, request, &parts),
        _ => Err(not_found("no such call; see /sandbox/orders, /sandbox/books, /sandbox/calls")),
    };
    answered.map_or_else(|problem| problem, |value| SimulatorResponse::json(200, &value))
}

fn command(
    shared: &SimulatorState,
    request: &SimulatorRequest,
    parts: &[&str],
) -> Result<Value, SimulatorResponse> {
    match parts {
        ["top-ups"] => {
            let TopUpBody { cents, method } = body(request)?;
            stored(shared.top_up_elsewhere(cents, method.as_deref().unwrap_or("stripe")))
        }
        ["spend"] => stored(shared.spend(body::<SpendBody>(request)?.cents)),
        ["coupons"] => {
            let CouponBody { code, percentage, days } = body(request)?;
            stored(shared.add_coupon(&code, percentage, days))
        }
        ["outage"] => {
            let chosen: OutageBody = body(request)?;
            let mut faults = shared.faults();
            faults.style = chosen.style.unwrap_or(faults.style);
            match (chosen.from, chosen.to) {
                (Some(from), Some(to)) => faults.plan_outage(from, to),
                _ => faults.set_outage(chosen.on),
            }
            Ok(json!({"ok": true}))
        }
        ["faults"] => {
            let chosen: FaultBody = body(request)?;
            let order_id = chosen.order_id.as_deref();
            shared.faults().inject(chosen.call, order_id, chosen.fault, chosen.times);
            Ok(json!({"ok": true}))
        }
        ["faults", "clear"] => {
            shared.faults().clear();
            Ok(json!({"ok": true}))
        }
        ["plans"] => {
            let PlanBody { amount, fate } = body(request)?;
            match amount {
                Some(amount) => shared.plan(&amount, fate),
                None => shared.world().default_fate = fate,
            }
            Ok(json!({"ok": true}))
        }
        ["links"] => {
            shared.world().links = body::<LinkShape>(request)?;
            Ok(json!({"ok": true}))
        }
        ["shape"] => {
            shared.world().shape = body::<Shape>(request)?;
            Ok(json!({"ok": true}))
        }
        _ => lies::command(shared, request, parts),
    }
}

fn act(shared: &SimulatorState, order_id: &str, act: Action) -> Result<Value, SimulatorResponse> {
    let at = shared.now();
    let mut world = shared.world();
    world.act(order_id, at, act).map_err(|error| {
        let status = match error {
            ActError::Unknown(_) => 404,
            ActError::Impossible(_) => 409,
            ActError::Store(_) => 500,
        };
        problem(status, &error.to_string())
    })?;
    world.entry(order_id).map_or(Ok(Value::Null), |entry| to_json(OrderView::of(entry, at)))
}
