//! The deposits as a list: what they can be looked for by, page by page.

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use minijinja::{Value, context};

use super::now::objects;
use super::refusal::PageRefusal;
use super::state::SharedPage;
use super::visitor::Visitor;
use crate::api::filter;
use crate::domain::asset::{Currency, Network};
use crate::domain::deposit::State as DepositState;
use crate::domain::method::Method;
use crate::ledger::DepositFilter;

/// How many are on one page.
const SHOWN: u32 = 25;
/// The filters of the form, and what the API calls each.
const FILTERS: [(&str, &str); 8] = [
    ("q", "name"),
    ("state", "state"),
    ("method", "method"),
    ("currency", "currency"),
    ("network", "network"),
    ("since", "since"),
    ("until", "until"),
    ("review", "needs_review"),
];

/// `GET /deposits`
pub(super) async fn list(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Result<Response, PageRefusal> {
    let asked: Vec<(String, String)> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .map(|(name, value)| (name.into_owned(), value.trim().to_owned()))
            .filter(|(_, value)| !value.is_empty())
            .collect();
    let value = |name: &str| asked.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let (found, wrong) = match filter_of(&asked) {
        Ok(filter) => (page.api.flow.ledger.list(&filter).await?, None),
        Err(refusal) => ((Vec::new(), None), Some(refusal.detail)),
    };
    let (deposits, cursor) = found;
    let next = cursor.map(|cursor| {
        let kept = asked.iter().filter(|(name, _)| FILTERS.iter().any(|(known, _)| known == name));
        let mut next = url::form_urlencoded::Serializer::new(String::new());
        next.extend_pairs(kept).append_pair("cursor", &cursor.to_string());
        next.finish()
    });
    let asks = FILTERS.iter().map(|(name, _)| (*name, value(name).unwrap_or_default()));
    let values = context! {
        deposits => objects(&deposits),
        next,
        wrong,
        first => value("cursor").is_none(),
        asked => Value::from_pairs(asks.clone()),
        filtered => asks.clone().any(|(_, value)| !value.is_empty()),
        states => DepositState::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>(),
        methods => Method::ALL.iter().map(|method| method.as_str()).collect::<Vec<_>>(),
        currencies => Currency::ALL.iter().map(|currency| currency.as_str()).collect::<Vec<_>>(),
        networks => Network::ALL.iter().map(|network| network.as_str()).collect::<Vec<_>>(),
    };
    page.page("deposits", &visitor, &uri, values)
}

/// What the form asks for, judged as the API judges it.
fn filter_of(asked: &[(String, String)]) -> Result<DepositFilter, PageRefusal> {
    let mut query = url::form_urlencoded::Serializer::for_suffix("/?".to_owned(), 2);
    for (name, value) in asked {
        match FILTERS.iter().find(|(known, _)| known == name) {
            Some((_, called)) => query.append_pair(called, value),
            None if name == "cursor" => query.append_pair(name, value),
            None => continue,
        };
    }
    let uri: Uri = query.finish().parse().map_err(|_| PageRefusal::invalid("q", "too long to look for"))?;
    Ok(DepositFilter { limit: SHOWN, ..filter(&uri)? })
}
