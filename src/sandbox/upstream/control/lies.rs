//! The calls at `/sandbox/` that make answers lag or lie: see the module's documentation.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::reply::{body, not_found, problem};
use crate::domain::asset::Asset;
use crate::sandbox::upstream::fate::Fate;
use crate::sandbox::upstream::http::{SimulatorRequest, SimulatorResponse};
use crate::sandbox::upstream::lag::{Lag, Source};
use crate::sandbox::upstream::lies::{AccountLie, ListLie, TotalLie};
use crate::sandbox::upstream::overlay;
use crate::sandbox::upstream::state::SimulatorState;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LagBody {
    source: Source,
    lag: Lag,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LieBody {
    lie: ListLie,
    times: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TotalBody {
    #[serde(default = "one")]
    num: i64,
    #[serde(default = "one")]
    den: i64,
    #[serde(default)]
    shift_cents: i64,
    times: Option<u32>,
}

const fn one() -> i64 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ElsewhereBody {
    currency: String,
    network: String,
    amount: String,
    fate: Option<Fate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NextWalletBody {
    overlay: Option<Box<RawValue>>,
    address: Option<String>,
    order_id: Option<String>,
    share_address: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NextLinkBody {
    url: String,
}

pub(super) fn command(
    shared: &SimulatorState,
    request: &SimulatorRequest,
    parts: &[&str],
) -> Result<Value, SimulatorResponse> {
    match parts {
        ["lag"] => {
            let LagBody { source, lag } = body(request)?;
            shared.set_lag(source, lag);
        }
        ["lies"] => {
            let LieBody { lie, times } = body(request)?;
            shared.world().lies.tell(lie, times);
        }
        ["lies", "clear"] => shared.world().lies.clear_list(),
        ["total"] => {
            let TotalBody { num, den, shift_cents, times } = body(request)?;
            let lie = TotalLie { num, den, shift_cents };
            match times {
                Some(times) => shared.world().lies.tell_total(lie, times),
                None => shared.world().lies.total = lie,
            }
        }
        ["elsewhere"] => return elsewhere(shared, request),
        ["orders", order_id, rest @ ..] => return about_order(shared, request, order_id, rest),
        ["next-wallet"] => next_wallet(shared, request)?,
        ["next-link"] => shared.world().lies.links.push_back(body::<NextLinkBody>(request)?.url),
        ["account"] => shared.world().lies.account = body::<AccountLie>(request)?,
        ["truth"] => shared.tell_the_truth(),
        _ => return Err(not_found("no such call")),
    }
    Ok(json!({"ok": true}))
}

fn elsewhere(shared: &SimulatorState, request: &SimulatorRequest) -> Result<Value, SimulatorResponse> {
    let ElsewhereBody { currency, network, amount, fate } = body(request)?;
    let asset = Asset::parse(&currency, &network).map_err(|error| problem(400, &error.to_string()))?;
    let made = shared.order_elsewhere(asset, &amount, fate.unwrap_or(Fate::Exact));
    made.map(|order_id| json!({"ok": true, "order_id": order_id})).map_err(|error| {
        let status = if error.kind() == std::io::ErrorKind::InvalidInput { 400 } else { 500 };
        problem(status, &error.to_string())
    })
}

fn about_order(
    shared: &SimulatorState,
    request: &SimulatorRequest,
    order_id: &str,
    rest: &[&str],
) -> Result<Value, SimulatorResponse> {
    let text = String::from_utf8_lossy(&request.body);
    match rest {
        ["overlay"] => {
            let fields = overlay::parse(&text).map_err(|error| problem(400, &error.to_string()))?;
            shared.world().lies.lay_over(order_id, fields);
        }
        ["overlay", "clear"] => shared.world().lies.uncover(order_id),
        ["body"] => {
            shared.world().lies.bodies.insert(order_id.to_owned(), text.into_owned());
        }
        _ => return Err(not_found("no such call")),
    }
    Ok(json!({"ok": true}))
}

fn next_wallet(shared: &SimulatorState, request: &SimulatorRequest) -> Result<(), SimulatorResponse> {
    let NextWalletBody { overlay, address, order_id, share_address } = body(request)?;
    let fields = overlay.map(|raw| overlay::parse(raw.get())).transpose();
    let fields = fields.map_err(|error| problem(400, &error.to_string()))?;
    let lies = &mut shared.world().lies;
    lies.wallets.extend(fields);
    lies.next_address = address.or_else(|| lies.next_address.take());
    lies.next_order_id = order_id.or_else(|| lies.next_order_id.take());
    lies.share_address = share_address.unwrap_or(lies.share_address);
    Ok(())
}
