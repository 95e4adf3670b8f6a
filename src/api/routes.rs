//! Which address answers what: one table, and the description of it that callers can read.

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Uri};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get, post};

use super::input::clip;
use super::problem::{Problem, ProblemKind};
use super::state::SharedState;
use super::{admin, assets, cases, deposits, events, health, metrics, periods};

/// The description (OpenAPI 3.1); a test holds it against [`table`].
const DESCRIPTION: &str = include_str!("openapi.json");

type Route = (&'static str, &'static str, MethodRouter<SharedState>);

/// Every call there is.
fn table() -> Vec<Route> {
    vec![
        ("POST", "/v1/deposits", post(deposits::open)),
        ("GET", "/v1/deposits", get(deposits::list)),
        ("GET", "/v1/deposits/{id}", get(deposits::show)),
        ("GET", "/v1/deposits/{id}/events", get(deposits::events)),
        ("GET", "/v1/deposits/{id}/story", get(deposits::story)),
        ("POST", "/v1/deposits/{id}/review", post(deposits::review)),
        ("POST", "/v1/reconciliations", post(cases::run)),
        ("GET", "/v1/reconciliations/latest", get(cases::latest)),
        ("GET", "/v1/cases", get(cases::list)),
        ("GET", "/v1/cases/{id}", get(cases::show)),
        (
            "POST",
            "/v1/cases/{id}/explain",
            post(|a, b, c, d| cases::act(cases::CaseAction::Explain, a, b, c, d)),
        ),
        ("POST", "/v1/cases/{id}/close", post(|a, b, c, d| cases::act(cases::CaseAction::Close, a, b, c, d))),
        (
            "POST",
            "/v1/cases/{id}/accept",
            post(|a, b, c, d| cases::act(cases::CaseAction::Accept, a, b, c, d)),
        ),
        (
            "POST",
            "/v1/cases/{id}/unaccept",
            post(|a, b, c, d| cases::act(cases::CaseAction::Unaccept, a, b, c, d)),
        ),
        (
            "POST",
            "/v1/cases/{id}/correct",
            post(|a, b, c, d| cases::act(cases::CaseAction::Correct, a, b, c, d)),
        ),
        (
            "POST",
            "/v1/cases/{id}/uncorrect",
            post(|a, b, c, d| cases::act(cases::CaseAction::Uncorrect, a, b, c, d)),
        ),
        ("POST", "/v1/corrections", post(cases::correct_all)),
        (
            "POST",
            "/v1/deposits/{id}/correct",
            post(|a, b, c, d| cases::of_deposit(cases::CaseAction::Correct, a, b, c, d)),
        ),
        (
            "POST",
            "/v1/deposits/{id}/uncorrect",
            post(|a, b, c, d| cases::of_deposit(cases::CaseAction::Uncorrect, a, b, c, d)),
        ),
        ("POST", "/v1/claims", post(cases::claim)),
        ("POST", "/v1/restored", post(cases::restored)),
        ("GET", "/v1/baseline", get(cases::baseline)),
        ("POST", "/v1/baseline", post(cases::set_baseline)),
        ("GET", "/v1/periods", get(periods::list)),
        ("POST", "/v1/periods/{month}/close", post(periods::close)),
        ("GET", "/v1/mails", get(admin::mails)),
        ("POST", "/v1/mails/retry", post(admin::retry)),
        ("POST", "/v1/mails/test", post(admin::test)),
        ("POST", "/v1/backups", post(admin::backup)),
        ("GET", "/v1/assets", get(assets::list)),
        ("GET", "/v1/events", get(events::follow)),
        ("GET", "/healthz", get(health::live)),
        ("GET", "/readyz", get(health::ready)),
        ("GET", "/metrics", get(metrics::metrics)),
        ("GET", "/openapi.json", get(description)),
    ]
}

/// Everything that can be asked, once the caller has been let in.
pub(super) fn router(api: SharedState) -> Router {
    let routes = table()
        .into_iter()
        .fold(Router::new(), |router: Router<SharedState>, (_, path, answer)| router.route(path, answer));
    routes.fallback(nothing).method_not_allowed_fallback(no_method).with_state(Arc::clone(&api))
}

async fn description() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DESCRIPTION)
}

async fn nothing(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {}; see /openapi.json", clip(uri.path())))
}

async fn no_method(method: Method, uri: Uri) -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed, format!("{method} {}: see /openapi.json", clip(uri.path())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn description() -> Value {
        serde_json::from_str(DESCRIPTION).unwrap()
    }

    #[test]
    fn every_call_is_described_and_nothing_else_is() {
        let offered: BTreeSet<String> =
            table().iter().map(|(method, path, _)| format!("{method} {path}")).collect();
        let mut described = BTreeSet::new();
        for (path, calls) in description()["paths"].as_object().unwrap() {
            for method in calls.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        assert_eq!(offered, described);
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_problem_is_named() {
        let description = description();
        let text = description.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(description.pointer(pointer).is_some(), "{pointer}");
        }
        let types = &description["components"]["schemas"]["Problem"]["properties"]["type"]["enum"];
        let described: BTreeSet<_> =
            types.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        assert_eq!(described, ProblemKind::ALL.iter().map(|kind| kind.word()).collect());
    }

    #[test]
    fn the_deposit_is_described_key_by_key() {
        use crate::domain::deposit::State;
        let description = description();
        let deposit = &description["components"]["schemas"]["Deposit"];
        let states: Vec<_> = deposit["properties"]["state"]["enum"].as_array().unwrap().iter().collect();
        assert_eq!(states, State::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>());
        let keys: BTreeSet<_> = deposit["properties"].as_object().unwrap().keys().cloned().collect();
        let required: BTreeSet<_> = deposit["required"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(keys, required);
        let shown: BTreeSet<_> = crate::api_types::keys().into_iter().collect();
        assert_eq!(keys, shown);
    }
}
