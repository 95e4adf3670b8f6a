//! Which address answers what, and to whom: one table, and the description of it that callers can read.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};

use super::cases::CaseAction;
use super::input::clip;
use super::output_gate::through;
use super::principal::Principal;
use super::problem::{Problem, ProblemKind};
use super::state::SharedState;
use super::{
    admin, assets, cases, deposits, drills, events, health, listing, matches, metrics, periods, statement,
    webhooks,
};
use crate::config::Role;
use crate::flow::SharedGate;

/// The description (OpenAPI 3.1); a test holds it against [`table`].
const DESCRIPTION: &str = include_str!("openapi.json");

/// Who may make a call: anybody, or whoever has this role.
type Needs = Option<Role>;

const ANYBODY: Needs = None;
const READ: Needs = Some(Role::Read);
const REQUEST: Needs = Some(Role::Request);
const OPERATE: Needs = Some(Role::Operate);

type Route = (&'static str, &'static str, Needs, MethodRouter<SharedState>);

/// Every call there is.
fn table() -> Vec<Route> {
    vec![
        ("POST", "/v1/deposits", REQUEST, post(deposits::open)),
        ("GET", "/v1/deposits", READ, get(listing::list)),
        ("GET", "/v1/deposits/{id}", READ, get(deposits::show)),
        ("GET", "/v1/deposits/{id}/events", READ, get(deposits::events)),
        ("GET", "/v1/deposits/{id}/story", READ, get(deposits::story)),
        ("POST", "/v1/deposits/{id}/review", OPERATE, post(deposits::review)),
        ("POST", "/v1/reconciliations", OPERATE, post(cases::run)),
        ("GET", "/v1/reconciliations/latest", READ, get(cases::latest)),
        ("GET", "/v1/cases", READ, get(cases::list)),
        ("GET", "/v1/cases/{id}", READ, get(cases::show)),
        ("POST", "/v1/cases/{id}/explain", OPERATE, on_case(CaseAction::Explain)),
        ("POST", "/v1/cases/{id}/close", OPERATE, on_case(CaseAction::Close)),
        ("POST", "/v1/cases/{id}/accept", OPERATE, on_case(CaseAction::Accept)),
        ("POST", "/v1/cases/{id}/unaccept", OPERATE, on_case(CaseAction::Unaccept)),
        ("POST", "/v1/cases/{id}/correct", OPERATE, on_case(CaseAction::Correct)),
        ("POST", "/v1/cases/{id}/uncorrect", OPERATE, on_case(CaseAction::Uncorrect)),
        ("POST", "/v1/corrections", OPERATE, post(cases::correct_all)),
        ("POST", "/v1/deposits/{id}/correct", OPERATE, on_deposit(CaseAction::Correct)),
        ("POST", "/v1/deposits/{id}/uncorrect", OPERATE, on_deposit(CaseAction::Uncorrect)),
        ("POST", "/v1/deposits/{id}/match", OPERATE, post(matches::match_row)),
        ("POST", "/v1/deposits/{id}/unmatch", OPERATE, post(matches::unmatch_row)),
        ("POST", "/v1/claims", OPERATE, post(cases::claim)),
        ("POST", "/v1/restored", OPERATE, post(cases::restored)),
        ("GET", "/v1/baseline", READ, get(cases::baseline)),
        ("POST", "/v1/baseline", OPERATE, post(cases::set_baseline)),
        ("GET", "/v1/periods", READ, get(periods::list)),
        ("POST", "/v1/periods/{month}/close", OPERATE, post(periods::close)),
        ("GET", "/v1/statement", READ, get(statement::show)),
        ("GET", "/v1/mails", READ, get(admin::mails)),
        ("POST", "/v1/mails/retry", OPERATE, post(admin::retry)),
        ("POST", "/v1/mails/test", OPERATE, post(admin::test)),
        ("GET", "/v1/webhooks", READ, get(webhooks::list)),
        ("GET", "/v1/webhooks/deliveries", READ, get(webhooks::deliveries)),
        ("GET", "/v1/webhooks/deliveries/{id}", READ, get(webhooks::show)),
        ("POST", "/v1/webhooks/retry", OPERATE, post(webhooks::retry)),
        ("POST", "/v1/webhooks/{id}/test", OPERATE, post(webhooks::test)),
        ("POST", "/v1/webhooks/{id}/enable", OPERATE, post(webhooks::enable)),
        ("POST", "/v1/backups", OPERATE, post(admin::backup)),
        ("POST", "/v1/drills", OPERATE, post(drills::run)),
        ("GET", "/v1/assets", READ, get(assets::list)),
        ("GET", "/v1/events", READ, get(events::events)),
        ("GET", "/healthz", ANYBODY, get(health::live)),
        ("GET", "/readyz", READ, get(health::ready)),
        ("GET", "/metrics", READ, get(metrics::metrics)),
        ("GET", "/openapi.json", READ, get(description)),
    ]
}

fn on_case(action: CaseAction) -> MethodRouter<SharedState> {
    post(move |a, b, c, d| cases::act(action, a, b, c, d))
}

fn on_deposit(action: CaseAction) -> MethodRouter<SharedState> {
    post(move |a, b, c, d| cases::of_deposit(action, a, b, c, d))
}

/// Everything that can be asked, once the caller has been let in.
pub(super) fn router(api: SharedState) -> Router {
    let routes = table().into_iter().fold(
        Router::new(),
        |router: Router<SharedState>, (method, path, needs, answer)| {
            router.route(path, guarded(&api, needs, method, path, answer))
        },
    );
    routes.fallback(nothing).method_not_allowed_fallback(no_method).with_state(Arc::clone(&api))
}

/// The one place where it is decided whether a caller may make a call, and when the answer may leave.
fn guarded(
    api: &SharedState,
    needs: Needs,
    method: &'static str,
    path: &'static str,
    answer: MethodRouter<SharedState>,
) -> MethodRouter<SharedState> {
    let Some(role) = needs else { return answer };
    let gate = SharedGate::clone(&api.flow.replica);
    let guard = move |caller: Option<Extension<Principal>>, request: Request, next: Next| {
        let gate = SharedGate::clone(&gate);
        async move {
            let what = format!("{method} {path}");
            let refused = match caller {
                Some(Extension(caller)) => caller.require(role, &what).await.err(),
                None => Some(Problem::new(ProblemKind::Internal, "nobody said who asks")),
            };
            let asked = request.method().clone();
            match refused {
                Some(problem) => problem.into_response(),
                None => through(&gate, (&asked, path), next.run(request)).await,
            }
        }
    };
    answer.route_layer(from_fn(guard))
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
            table().iter().map(|(method, path, ..)| format!("{method} {path}")).collect();
        let mut described = BTreeSet::new();
        for (path, calls) in description()["paths"].as_object().unwrap() {
            for method in calls.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        assert_eq!(offered, described);
    }

    #[test]
    fn looking_needs_to_read_and_what_changes_anything_more() {
        for (method, path, needs, _) in table() {
            let expected = match (method, path) {
                (_, "/healthz") => ANYBODY,
                ("GET", _) => READ,
                (_, "/v1/deposits") => REQUEST,
                _ => OPERATE,
            };
            assert_eq!(needs, expected, "{method} {path}");
        }
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
