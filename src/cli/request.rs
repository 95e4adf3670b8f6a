//! `request`: asks the daemon for a deposit, and shows what a payer needs, a warning first where one is due.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use serde_json::Value;
use uuid::Uuid;

use super::args::{RequestArgs, Wait};
use super::client::{ApiCall, ApiReply, Client, ClientError};
use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::objects::paint_of;
use super::output::{Output, Paint, say};
use super::table::{facts, plain, short_time, span};
use crate::api_types::{DepositObject, NewDeposit};
use crate::clock::SharedClock;
use crate::domain::address::{self, AddressVerdict};
use crate::domain::asset::Asset;
use crate::domain::deposit::State;
use crate::domain::method::Method;
use crate::domain::time::Timestamp;
use crate::notifier::qr;

/// How long the daemon waits for the wallet before it answers 202.
const PREFER: &str = "wait=10";
/// How much longer than that an answer may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Between two questions.
const PAUSE: Duration = Duration::from_secs(1);
/// After this many unanswered calls in a row the daemon counts as gone.
const TRIES: u32 = 30;

/// Asks for a deposit and waits as long as was asked.
pub(super) async fn request(context: &mut Context, args: RequestArgs) -> CommandResult {
    let client = context.client()?;
    let began = context.clock.monotonic();
    // With an idempotency key the request can be repeated after a broken connection without a second deposit.
    let key = args.key.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
    let asking = create(&client, &context.clock, &key, serde_json::to_value(asked(&args))?);
    let created = match within(&context.clock, args.timeout, asking).await {
        None => {
            return Err(too_late(
                args.timeout,
                &format!("`depositd list --key {key}` says what became of it"),
            ));
        }
        Some(Ok(created)) => created,
        Some(Err(ClientError::Refused(problem))) => {
            if let (true, Some(deposit)) = (context.out.json, problem.members.get("deposit")) {
                context.out.document(deposit)?;
            }
            return Err(ClientError::Refused(problem).into());
        }
        Some(Err(trouble)) => return Err(trouble.into()),
    };
    let deposit: DepositObject = created.read()?;
    let json = context.out.json;
    if json {
        if let Some(why) = warning(&deposit) {
            say(format_args!("DO NOT PAY THIS ADDRESS until a person has looked at it: {}", plain(&why)));
        }
    } else {
        let show_qr = args.qr || context.out.terminal;
        print(&mut context.out, &deposit, context.clock.now(), show_qr);
        context.out.flush();
    }
    if args.wait == Wait::Created || ended(&deposit).is_some() {
        if json {
            context.out.document(&created.value)?;
        }
        return match args.wait {
            Wait::Created => created_exit(&deposit),
            Wait::Final => ended(&deposit).unwrap_or(Ok(ExitStatus::Done)),
        };
    }
    let (clock, id, begun) = (SharedClock::clone(&context.clock), deposit.id, began);
    let left = args.timeout.map(|most| most.saturating_sub(clock.monotonic().saturating_sub(begun)));
    match within(&clock, left, follow(context, &client, deposit)).await {
        Some(ended) => ended,
        None => Err(too_late(args.timeout, &format!("it goes on: depositd show {id}"))),
    }
}

/// What `work` comes to, unless it takes longer than `most`.
async fn within<T>(clock: &SharedClock, most: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    let Some(most) = most else { return Some(work.await) };
    match select(pin!(work), clock.sleep(most)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

fn too_late(timeout: Option<Duration>, what_now: &str) -> CommandFailure {
    let waited = span(timeout.unwrap_or_default());
    CommandFailure::new(ExitStatus::Failed, format_args!("--timeout: not after {waited}; {what_now}"))
}

/// Polls the daemon until there is a wallet, or there will be none.
async fn create(
    client: &Client,
    clock: &SharedClock,
    key: &str,
    body: Value,
) -> Result<ApiReply, ClientError> {
    let call = ApiCall::post("/v1/deposits", body)
        .header("idempotency-key", key)
        .header("prefer", PREFER)
        .within(LIMIT);
    let mut broken: u32 = 0;
    let mut warned = false;
    loop {
        match client.call(call.clone()).await {
            Ok(reply) => {
                let deposit: DepositObject = reply.read()?;
                if !is_waiting(&deposit) {
                    return Ok(reply);
                }
                broken = 0;
                if !std::mem::replace(&mut warned, true) {
                    let id = deposit.id;
                    say(format_args!("accepted as {id}; the upstream has made no wallet yet, waiting"));
                }
            }
            // The first request reached nobody: there is nothing to repeat.
            Err(ClientError::Unreachable(words)) if broken == 0 && !warned => {
                return Err(ClientError::Unreachable(words));
            }
            Err(ClientError::Unreachable(_) | ClientError::Broken(_)) if broken < TRIES => {
                if broken == 0 {
                    say("the connection to the daemon broke; asking again with the same key");
                }
                broken = broken.saturating_add(1);
            }
            Err(trouble) => return Err(trouble),
        }
        clock.sleep(PAUSE).await;
    }
}

/// What is asked for.
fn asked(args: &RequestArgs) -> NewDeposit {
    let (method, amount) = match (&args.page, &args.card, &args.amount) {
        (Some(page), ..) => (Method::Page, page.clone()),
        (None, Some(card), _) => (Method::Card, card.clone()),
        (None, None, amount) => (Method::Wallet, amount.clone().unwrap_or_default()),
    };
    NewDeposit {
        method,
        currency: args.currency.clone(),
        network: args.network.clone(),
        amount,
        coupon: args.coupon.clone(),
        reference: args.reference.clone(),
        notify: args.notify.clone(),
        ..NewDeposit::default()
    }
}

/// True while it is not known whether there will be a wallet.
fn is_waiting(deposit: &DepositObject) -> bool {
    deposit.state == State::Requested && deposit.needs_review.is_none()
}

/// The exit status of a final state, where it is one.
fn ended(deposit: &DepositObject) -> Option<CommandResult> {
    if !deposit.state.is_final() {
        return None;
    }
    Some(Ok(match deposit.state {
        State::Settled => ExitStatus::Done,
        State::Rejected => ExitStatus::Refused,
        _ => ExitStatus::Otherwise,
    }))
}

fn created_exit(deposit: &DepositObject) -> CommandResult {
    match deposit.state {
        State::Rejected => Ok(ExitStatus::Refused),
        State::Unresolved => Ok(ExitStatus::Otherwise),
        _ if deposit.address.is_none() && (deposit.method == Method::Wallet || deposit.url.is_none()) => {
            let why = deposit.needs_review.as_deref().unwrap_or("there is no wallet");
            Err(CommandFailure::new(
                ExitStatus::Failed,
                format_args!("a person must look first: {}", plain(why)),
            ))
        }
        _ => Ok(ExitStatus::Done),
    }
}

/// Polls the daemon until the deposit's state is final.
async fn follow(context: &mut Context, client: &Client, mut deposit: DepositObject) -> CommandResult {
    let path = format!("/v1/deposits/{}", deposit.id);
    let mut broken: u32 = 0;
    loop {
        context.clock.sleep(PAUSE).await;
        let reply = match client.call(ApiCall::get(&path)).await {
            Ok(reply) => reply,
            Err(ClientError::Unreachable(_) | ClientError::Broken(_)) if broken < TRIES => {
                broken = broken.saturating_add(1);
                continue;
            }
            Err(trouble) => return Err(trouble.into()),
        };
        broken = 0;
        let now: DepositObject = reply.read()?;
        if now.state != deposit.state {
            say(format_args!(
                "{}  {} -> {}{}",
                short_time(&now.updated_at.to_string()),
                deposit.state,
                now.state,
                now.upstream_status.as_deref().map(|word| format!(" ({})", plain(word))).unwrap_or_default()
            ));
        }
        if let Some(reason) = now.needs_review.as_ref().filter(|_| now.needs_review != deposit.needs_review) {
            say(format_args!("a person should look: {}", plain(reason)));
        }
        deposit = now;
        if let Some(exit) = ended(&deposit) {
            if context.out.json {
                context.out.document(&reply.value)?;
            } else {
                let state = context.out.paint(paint_of(deposit.state.as_str()), deposit.state.as_str());
                let booked = deposit.amount_booked.as_deref().map(|usd| format!(", {} USD", plain(usd)));
                context.out.line(format_args!("{state}{}", booked.unwrap_or_default()));
            }
            return exit;
        }
    }
}

/// What the payer needs, the warning first.
fn print(out: &mut Output, deposit: &DepositObject, now: Timestamp, show_qr: bool) {
    let warning = warning(deposit);
    if let Some(why) = &warning {
        let what = if deposit.method == Method::Wallet { "THIS ADDRESS" } else { "AT THIS LINK" };
        out.line(out.paint(Paint::Bad, &format!("DO NOT PAY {what} until a person has looked at it:")));
        out.line(out.paint(Paint::Bad, &format!("  {}", plain(why))));
        out.line("");
    }
    let exact = deposit.amount_crypto.as_deref().zip(deposit.currency);
    let exact = exact.map(|(amount, currency)| format!("{amount} {currency}"));
    let deadline = deposit.expire_at.map(|at| deadline(at, now));
    let is_link = deposit.method != Method::Wallet;
    facts(
        out,
        [
            ("pay at", deposit.url.clone().filter(|_| is_link)),
            ("pay", is_link.then(|| format!("{} USD by {}", deposit.amount_requested, paid_by(deposit)))),
            ("address", deposit.address.clone()),
            (
                "memo",
                deposit.memo.as_deref().map(|memo| format!("{} (give it with the payment)", plain(memo))),
            ),
            ("pay exactly", exact.filter(|_| deposit.address.is_some())),
            ("network", deposit.network.map(|network| network.to_string())),
            ("deadline", deadline),
            ("counts for", deposit.amount_usd.as_deref().map(|usd| format!("{usd} USD"))),
            ("link", deposit.url.clone().filter(|_| !is_link)),
            ("reference", deposit.reference.clone()),
            ("state", Some(deposit.state.to_string())),
            ("id", Some(deposit.id.to_string())),
            ("order", deposit.order_id.clone()),
        ],
    );
    if let (true, None, Some(code)) = (show_qr, &warning, qr_code(deposit)) {
        out.line("");
        out.text(&code);
        if let Some(memo) = &deposit.memo {
            out.line(format_args!("memo: {}", plain(memo)));
        }
    }
}

/// Why the address must not be paid yet, if there is a reason: the daemon's, or an address that is none.
fn warning(deposit: &DepositObject) -> Option<String> {
    if deposit.needs_review.is_some() {
        return deposit.needs_review.clone();
    }
    match address::check(deposit.network?, deposit.address.as_deref()?) {
        AddressVerdict::Malformed(why) => Some(why),
        _ => None,
    }
}

fn qr_code(deposit: &DepositObject) -> Option<String> {
    if deposit.method != Method::Wallet {
        return qr::to_terminal(deposit.url.as_deref()?).ok();
    }
    let asset = Asset { currency: deposit.currency?, network: deposit.network? };
    let amount = deposit.amount_crypto.as_deref()?;
    qr::to_terminal(&qr::payment_uri(asset, deposit.address.as_deref()?, amount)).ok()
}

/// How a deposit is paid, in words: `USDT on TRON`, `payment page`, `card`.
pub(super) fn paid_by(deposit: &DepositObject) -> String {
    match (deposit.currency, deposit.network) {
        (Some(currency), Some(network)) => format!("{currency} on {network}"),
        _ if deposit.method == Method::Card => "card".to_owned(),
        _ => "payment page".to_owned(),
    }
}

/// A deadline with the time that is left.
pub(super) fn deadline(end: Timestamp, now: Timestamp) -> String {
    let shown = short_time(&end.to_seconds_text());
    if end > now {
        format!("{shown} UTC, {} left", span(end.since(now)))
    } else {
        format!("{shown} UTC, passed {} ago", span(now.since(end)))
    }
}
