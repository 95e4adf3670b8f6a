//! `GET /v1/deposits`: what deposits can be looked for by, and what is wrong with a filter.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;

use super::input::{Params, clip};
use super::problem::Problem;
use super::state::SharedState;
use crate::api_types::{DepositObject, DepositPage};
use crate::domain::asset::{Currency, Network};
use crate::domain::deposit::State as DepositState;
use crate::domain::method::Method;
use crate::domain::time::Timestamp;
use crate::ledger::DepositFilter;

/// The usual and the largest page.
const PAGE: u32 = 50;
const MOST_PAGE: u32 = 500;
const FILTERS: &[&str] = &[
    "state",
    "reference",
    "key",
    "name",
    "currency",
    "network",
    "method",
    "since",
    "until",
    "updated_since",
    "needs_review",
    "limit",
    "cursor",
];

/// `GET /v1/deposits`
pub(super) async fn list(State(api): State<SharedState>, uri: Uri) -> Result<Json<DepositPage>, Problem> {
    let (deposits, next) = api.flow.ledger.list(&filter(&uri)?).await?;
    let deposits = deposits.iter().map(DepositObject::from).collect();
    Ok(Json(DepositPage { deposits, next_cursor: next.map(|next| next.to_string()) }))
}

/// What an address asks for.
pub(crate) fn filter(uri: &Uri) -> Result<DepositFilter, Problem> {
    let params = Params::read(uri, FILTERS)?;
    let time = |field| params.last(field).map(|text| time(field, text)).transpose();
    Ok(DepositFilter {
        key: params.exact("key").map(str::to_owned),
        name: params.last("name").map(str::to_owned),
        reference: params.exact("reference").map(str::to_owned),
        method: params.last("method").map(method).transpose()?,
        currency: params.last("currency").map(currency).transpose()?,
        network: params.last("network").map(network).transpose()?,
        states: params.all("state").into_iter().map(state).collect::<Result<_, _>>()?,
        since: time("since")?,
        until: time("until")?,
        updated_since: time("updated_since")?,
        needs_review: params.flag("needs_review")?,
        cursor: params.last("cursor").map(cursor).transpose()?,
        limit: params.limit(PAGE, MOST_PAGE)?,
    })
}

fn unknown(field: &str, word: &str, known: impl Iterator<Item = &'static str>) -> Problem {
    let known = known.collect::<Vec<_>>().join(", ");
    Problem::invalid(field, format!("{:?} is none of {known}", clip(word)))
}

fn state(word: &str) -> Result<DepositState, Problem> {
    let known = DepositState::ALL.iter().map(|state| state.as_str());
    DepositState::parse(word).ok_or_else(|| unknown("state", word, known))
}

fn method(word: &str) -> Result<Method, Problem> {
    let known = Method::ALL.iter().map(|method| method.as_str());
    Method::parse(word).ok_or_else(|| unknown("method", word, known))
}

fn currency(word: &str) -> Result<Currency, Problem> {
    let known = Currency::ALL.iter().map(|currency| currency.as_str());
    Currency::parse(word).ok_or_else(|| unknown("currency", word, known))
}

fn network(word: &str) -> Result<Network, Problem> {
    let known = Network::ALL.iter().map(|network| network.as_str());
    Network::parse(word).ok_or_else(|| unknown("network", word, known))
}

fn time(field: &str, text: &str) -> Result<Timestamp, Problem> {
    // A plus that was not percent-encoded has become a space on its way.
    Timestamp::parse(text)
        .or_else(|error| Timestamp::parse(&text.replace(' ', "+")).map_err(|_| error))
        .map_err(|_| {
            let right = "a time such as 2026-05-30T15:32:57Z, or a date such as 2026-05-30";
            Problem::invalid(field, format!("{:?} is not {right}", clip(text)))
        })
}

fn cursor(text: &str) -> Result<i64, Problem> {
    let known = text.parse().ok().filter(|row| *row > 0 && text.bytes().all(|b| b.is_ascii_digit()));
    known.ok_or_else(|| {
        Problem::invalid("cursor", format!("{:?} is no `next_cursor` of an earlier page", clip(text)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_ours_or_refused() {
        assert_eq!(cursor("42").unwrap(), 42);
        for text in ["0", "-1", "+1", "x", "1.0", "99999999999999999999"] {
            assert!(cursor(text).is_err(), "{text}");
        }
        let right = Timestamp::from_seconds(1_748_615_577);
        assert_eq!(time("since", "2025-05-30T16:32:57 02:00").unwrap(), right);
        assert!(time("until", "yesterday").unwrap_err().detail().starts_with("until: "));
        assert!(state("paid").unwrap_err().detail().contains("awaiting_payment"));
        assert!(network("trc30").unwrap_err().detail().contains("TRON"));
    }

    #[test]
    fn words_are_taken_as_a_request_takes_them_and_texts_to_the_letter() {
        let uri = "/x?currency=usdt&network=trc-20&method=wallet&reference=%20a,b&key=k%2B1".parse().unwrap();
        let filter = filter(&uri).unwrap();
        assert_eq!((filter.currency, filter.network), (Some(Currency::Usdt), Some(Network::Tron)));
        assert_eq!((filter.reference.as_deref(), filter.key.as_deref()), (Some(" a,b"), Some("k+1")));
    }
}
