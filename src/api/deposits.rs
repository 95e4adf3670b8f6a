//! The endpoints for deposits: requests, the wait for a wallet, lists, and single deposits.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde_json::json;

use super::input::{Name, RawBody, clip};
use super::principal::Principal;
use super::problem::{Problem, ProblemKind};
use super::state::{ApiState, SharedState, whole};
use crate::api_types::{DepositObject, EventList, Story};
use crate::domain::deposit::{Deposit, State as DepositState};
use crate::domain::event::EventName;
use crate::domain::method::Method;
use crate::flow::{self, NewDeposit, OpenError, Opened, ReviewError};

const KEY: &str = "Idempotency-Key";
const PREFER: HeaderName = HeaderName::from_static("prefer");
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// How long a caller waits for the wallet: by default, and at most.
const WAIT_SECONDS: u64 = 10;
const MOST_WAIT_SECONDS: u64 = 60;

/// `POST /v1/deposits`
pub(super) async fn open(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    headers: HeaderMap,
    body: RawBody,
) -> Result<Response, Problem> {
    let fields =
        body.fields(&["method", "currency", "network", "amount", "coupon", "reference", "notify"])?;
    let new = NewDeposit {
        method: method(fields.text("method")?.as_deref())?,
        currency: fields.text("currency")?,
        network: fields.text("network")?,
        amount: fields.digits("amount")?,
        coupon: fields.text("coupon")?,
        reference: fields.text("reference")?,
        notify: fields.texts("notify")?,
        idempotency_key: key(&headers)?,
        asked_by: Some(caller.words().await),
    };
    let wait = wait_seconds(&headers);
    let own = Arc::clone(&api);
    let (deposit, first) =
        match whole(&api, caller.origin(), async move { flow::open(&own.flow, new).await }).await? {
            Ok(Opened::New(deposit)) => (deposit, true),
            Ok(Opened::Same(deposit)) => (deposit, false),
            Err(OpenError::Invalid { field, why }) => return Err(Problem::invalid(field, why)),
            Err(ref error @ OpenError::KeyReused(id)) => {
                let problem = Problem::new(ProblemKind::IdempotencyConflict, error.to_string());
                return Err(problem.with("deposit_id", json!(id)));
            }
            Err(ref error @ OpenError::Stopped(id)) => {
                let problem = Problem::new(ProblemKind::ReviewNeeded, error.to_string());
                return Err(problem.with("deposit_id", json!(id)));
            }
            Err(OpenError::Ledger(error)) => {
                return Err(Problem::of_ledger(&error, ": nothing was accepted, try again"));
            }
        };
    let span = Duration::from_secs(wait.unwrap_or(WAIT_SECONDS));
    let deposit = decided(&api, deposit, span).await;
    if deposit.facts.state == DepositState::Rejected {
        return Err(refused(&api, &deposit).await);
    }
    let status = match (first, deposit.facts.wallet.is_some()) {
        (false, _) => StatusCode::OK,
        (true, true) => StatusCode::CREATED,
        (true, false) => StatusCode::ACCEPTED,
    };
    let mut response = (status, Json(DepositObject::from(&deposit))).into_response();
    if let Ok(location) = HeaderValue::try_from(format!("/v1/deposits/{}", deposit.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    if let Some(seconds) = wait
        && let Ok(applied) = HeaderValue::try_from(format!("wait={seconds}"))
    {
        response.headers_mut().insert(APPLIED, applied);
    }
    Ok(response)
}

/// How it is to be paid: a wallet unless another word is given.
fn method(word: Option<&str>) -> Result<Method, Problem> {
    let Some(word) = word else { return Ok(Method::Wallet) };
    Method::parse(word).ok_or_else(|| {
        let known: Vec<_> = Method::ALL.iter().map(|method| method.as_str()).collect();
        Problem::invalid("method", format!("{:?} is none of {}", clip(word), known.join(", ")))
    })
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(KEY).iter();
    let Some(value) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(Problem::invalid(KEY, "given twice"));
    }
    match value.to_str() {
        Ok(key) if !key.trim().is_empty() => Ok(Some(key.to_owned())),
        Ok(_) => Err(Problem::invalid(KEY, "empty; leave the header out, or send a key of your own")),
        Err(_) => Err(Problem::invalid(KEY, "only visible ASCII characters are allowed")),
    }
}

/// The wait that `Prefer` asks for (RFC 7240); `None` where it asks for none that can be read.
fn wait_seconds(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split([',', ';'])).map(str::trim);
    let mut asynchronous = false;
    let wait = preferences.find_map(|preference| {
        asynchronous |= preference.eq_ignore_ascii_case("respond-async");
        let (name, value) = preference.split_once('=')?;
        let seconds = value.trim().trim_matches('"');
        let is_wait = name.trim().eq_ignore_ascii_case("wait");
        (is_wait && !seconds.is_empty() && seconds.bytes().all(|b| b.is_ascii_digit()))
            .then(|| seconds.parse().unwrap_or(u64::MAX).min(MOST_WAIT_SECONDS))
    });
    wait.or(asynchronous.then_some(0))
}

/// The deposit once it is known whether it has a wallet, or as it stands when the wait is over. It has been accepted:
/// nothing that goes wrong here may say otherwise.
pub(crate) async fn decided(api: &ApiState, deposit: Deposit, wait: Duration) -> Deposit {
    let mut latest = deposit;
    if wait.is_zero() || latest.facts.state != DepositState::Requested {
        return latest;
    }
    let Some(mut place) = api.waiters.place(latest.id) else { return latest };
    let mut timeout = api.flow.clock.sleep(wait);
    loop {
        match api.flow.ledger.find(&latest.id.to_string()).await {
            Ok(Some(now)) => latest = now,
            Ok(None) => {}
            Err(error) => tracing::warn!("a deposit could not be read again: {}", error.chain()),
        }
        if latest.facts.state != DepositState::Requested {
            return latest;
        }
        tokio::select! {
            () = place.changed() => {}
            () = &mut timeout => return latest,
            () = api.stop.cancelled() => return latest,
        }
    }
}

/// The upstream's refusal, in its words.
async fn refused(api: &ApiState, deposit: &Deposit) -> Problem {
    let events = api.flow.ledger.events_of(deposit.id).await.unwrap_or_default();
    let rejected = events.into_iter().rfind(|event| event.event == EventName::Rejected.as_str());
    let words = rejected.and_then(|event| event.reason);
    let detail = words.unwrap_or_else(|| "the upstream refused to make a wallet".to_owned());
    Problem::new(ProblemKind::UpstreamRefused, detail).with("deposit", json!(DepositObject::from(deposit)))
}

/// `GET /v1/deposits/{id}`
pub(super) async fn show(
    State(api): State<SharedState>,
    Name(name): Name,
) -> Result<Json<DepositObject>, Problem> {
    find(&api, &name).await.map(|deposit| Json(DepositObject::from(&deposit)))
}

async fn find(api: &ApiState, name: &str) -> Result<Deposit, Problem> {
    api.flow.ledger.find(name).await?.ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Problem {
    Problem::not_found(format!("there is no deposit {:?}", clip(name)))
}

/// `GET /v1/deposits/{id}/events`
pub(super) async fn events(
    State(api): State<SharedState>,
    Name(name): Name,
) -> Result<Json<EventList>, Problem> {
    let deposit = find(&api, &name).await?;
    Ok(Json(EventList { events: api.flow.ledger.events_of(deposit.id).await? }))
}

/// `GET /v1/deposits/{id}/story`
pub(super) async fn story(State(api): State<SharedState>, Name(name): Name) -> Result<Json<Story>, Problem> {
    let deposit = find(&api, &name).await?;
    Ok(Json(Story::from(api.flow.ledger.story(deposit).await?)))
}

/// `POST /v1/deposits/{id}/review`
pub(super) async fn review(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    Name(name): Name,
    body: RawBody,
) -> Result<Json<DepositObject>, Problem> {
    let note = body.fields(&["note"])?.needed_text("note")?;
    let empty = note.trim().is_empty();
    let (own, asked) = (Arc::clone(&api), name.clone());
    let who = caller.words().await;
    let act = async move { flow::review(&own.flow, &asked, &who, &note).await };
    match whole(&api, caller.origin(), act).await? {
        Ok(deposit) => Ok(Json(DepositObject::from(&deposit))),
        Err(ReviewError::Unknown(name)) => Err(unknown(&name)),
        Err(ReviewError::Ledger(error)) => Err(error.into()),
        Err(ReviewError::Refused(why)) => {
            let deposit = find(&api, &name).await?;
            if deposit.facts.review.is_none() && !empty {
                return Err(Problem::new(ProblemKind::NothingToReview, why));
            }
            Err(Problem::invalid("note", why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(values: &[&str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PREFER, HeaderValue::from_str(value).unwrap());
        }
        wait_seconds(&headers)
    }

    #[test]
    fn preferences_that_are_not_understood_are_ignored() {
        for (values, expected) in [
            (&[][..], None),
            (&["wait=0"], Some(0)),
            (&["wait=7"], Some(7)),
            (&["Wait = \"7\""], Some(7)),
            (&["wait=99999999999999999999999"], Some(60)),
            (&["respond-async, wait=3"], Some(3)),
            (&["respond-async"], Some(0)),
            (&["return=minimal", "wait=5"], Some(5)),
            (&["wait=-1"], None),
            (&["wait=soon"], None),
            (&["wait"], None),
        ] {
            assert_eq!(wait(values), expected, "{values:?}");
        }
    }

    #[test]
    fn a_key_is_one_visible_text() {
        let read = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(KEY, HeaderValue::from_bytes(value).unwrap());
            }
            key(&headers)
        };
        assert_eq!(read(&[b"a b"]).unwrap(), Some("a b".to_owned()));
        assert_eq!(read(&[]).unwrap(), None);
        for values in [&[&b""[..]][..], &[b"  "], &[b"a", b"a"], &[b"\xff"]] {
            assert_eq!(read(values).unwrap_err().kind(), ProblemKind::InvalidRequest);
        }
    }
}
