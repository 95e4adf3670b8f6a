//! Letters and webhooks: what waits and why, sending it again, and each as it goes out.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::context;

use super::forms::Form;
use super::refusal::PageRefusal;
use super::shown::shown;
use super::state::{PageState, SharedPage};
use super::visitor::Visitor;
use crate::api::{Name, ProblemKind, RawBody, clip};
use crate::domain::time::Timestamp;
use crate::flow::{self, WebhookRequestError};
use crate::ledger::MailRow;
use crate::notifier::Letter;

/// How many letters and webhooks are shown.
const SHOWN: u32 = 50;
const STATES: [&str; 3] = ["owed", "dead", "sent"];
/// A letter is a page of its own that runs nothing, sends nothing and fetches nothing.
const LETTER_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; base-uri 'none'; \
                             form-action 'none'; frame-ancestors 'none'";

/// `GET /outbox`
pub(super) async fn list(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Result<Response, PageRefusal> {
    let asked = uri.query().unwrap_or_default().split('&').find_map(|part| part.strip_prefix("state="));
    let state = asked.filter(|state| !state.is_empty());
    if let Some(unknown) = state.filter(|state| !STATES.contains(state)) {
        let why = format!("{:?} is none of {}", clip(unknown), STATES.join(", "));
        return Err(PageRefusal::invalid("state", why));
    }
    let states: Vec<&str> = state.into_iter().collect();
    let flow = &page.api.flow;
    let standings = flow.webhook_states().await?;
    let standing = |one: &flow::WebhookStanding| {
        context! {
            name => &one.name,
            origin => &one.origin,
            state => one.state,
            owed => one.owed,
            dead => one.dead,
            waits_until => one.waits_until.map(|at| at.to_string()),
            last_error => &one.last_error,
        }
    };
    let values = context! {
        state,
        states => STATES,
        mails => shown(flow.ledger.mails(&states, SHOWN).await?),
        unsent => shown(flow.ledger.unsent_mails().await?),
        webhooks => standings.iter().map(standing).collect::<Vec<_>>(),
        deliveries => shown(flow.ledger.webhooks(&states, None, SHOWN).await?),
        shown => SHOWN,
    };
    page.page("outbox", &visitor, &uri, values)
}

/// A row's number: one, or all where it says `all`.
fn which(form: &Form) -> Result<Option<i64>, PageRefusal> {
    match form.needed("id")? {
        "all" => Ok(None),
        id => id.parse().map(Some).map_err(|_| PageRefusal::invalid("id", "expected a number, or all")),
    }
}

/// `POST /outbox/letters`
pub(super) async fn retry_letters(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    body: RawBody,
) -> Result<Response, PageRefusal> {
    let form = Form::read(&body)?;
    let (id, own) = (which(&form)?, Arc::clone(&page.api));
    let act = async move {
        let retried = own.flow.retry_mails(id).await?;
        sent_again(id, retried)
    };
    page.act(&visitor, &form, act).await
}

/// `POST /outbox/webhooks`
pub(super) async fn retry_webhooks(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    body: RawBody,
) -> Result<Response, PageRefusal> {
    let form = Form::read(&body)?;
    let (id, own) = (which(&form)?, Arc::clone(&page.api));
    let act = async move {
        let retried = own.flow.retry_webhooks(id, None).await?;
        sent_again(id, retried)
    };
    page.act(&visitor, &form, act).await
}

fn sent_again(id: Option<i64>, retried: u64) -> Result<String, PageRefusal> {
    match id {
        Some(id) if retried == 0 => Err(PageRefusal::not_found(format!("nothing of number {id} is unsent"))),
        _ => Ok("/outbox?done=retried".to_owned()),
    }
}

/// `POST /outbox/webhooks/enable`
pub(super) async fn enable_webhook(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    body: RawBody,
) -> Result<Response, PageRefusal> {
    let form = Form::read(&body)?;
    let (name, own) = (form.needed("name")?.to_owned(), Arc::clone(&page.api));
    let act = async move {
        match own.flow.enable_webhook(&name).await {
            Ok(()) => Ok("/outbox?done=enabled".to_owned()),
            Err(WebhookRequestError::Ledger(error)) => Err(error.into()),
            Err(error @ WebhookRequestError::Unknown(..)) => Err(PageRefusal::not_found(error.to_string())),
            Err(error) => Err(PageRefusal::of(ProblemKind::InvalidRequest, error.to_string())),
        }
    };
    page.act(&visitor, &form, act).await
}

/// The letter of this number as it goes, or went.
async fn compose(page: &PageState, name: &str) -> Result<(MailRow, Letter), PageRefusal> {
    let unknown = || PageRefusal::not_found(format!("there is no letter {:?}", clip(name)));
    let id: i64 = name.parse().map_err(|_| unknown())?;
    let flow = &page.api.flow;
    let (row, mut tells) = flow.ledger.mail(id).await?.ok_or_else(unknown)?;
    let sent = row.sent_at.as_deref().and_then(|at| Timestamp::parse(at).ok());
    if sent.is_some() {
        tells.latest = None;
    }
    let input = flow::letter_of(&flow.ledger, &tells, sent.unwrap_or_else(|| flow.clock.now()));
    let letter = flow.mailer.letter(&input);
    let letter = letter.map_err(|error| PageRefusal::of(ProblemKind::Internal, error.to_string()))?;
    Ok((row, letter))
}

/// `GET /letters/{id}`
pub(super) async fn letter(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    Name(name): Name,
    uri: Uri,
) -> Result<Response, PageRefusal> {
    let (row, letter) = compose(&page, &name).await?;
    let due_at = row.due_at().map(|at| at.to_string());
    let values = context! {
        mail => shown(&row),
        due_at,
        subject => letter.subject,
        text => letter.text,
    };
    page.page("letter", &visitor, &uri, values)
}

/// `GET /letters/{id}/html`: the letter's own page, alone in a window.
pub(super) async fn letter_html(
    State(page): State<SharedPage>,
    Name(name): Name,
) -> Result<Response, PageRefusal> {
    let (_, letter) = compose(&page, &name).await?;
    let html = match letter.inline {
        Some(image) => {
            let picture = format!("data:image/png;base64,{}", STANDARD.encode(&image.png));
            letter.html.replace(&format!("cid:{}", image.content_id), &picture)
        }
        None => letter.html,
    };
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let policy = HeaderValue::from_static(LETTER_POLICY);
    Ok(([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, policy)], html).into_response())
}

/// `GET /webhooks/{id}`
pub(super) async fn delivery(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    Name(name): Name,
    uri: Uri,
) -> Result<Response, PageRefusal> {
    let unknown = || PageRefusal::not_found(format!("there is no webhook delivery {:?}", clip(&name)));
    let id: i64 = name.parse().map_err(|_| unknown())?;
    let (row, owed) = page.api.flow.ledger.webhook(id).await?.ok_or_else(unknown)?;
    let body: serde_json::Value = serde_json::from_slice(&flow::message_of(&owed).body).unwrap_or_default();
    let body = serde_json::to_string_pretty(&body).unwrap_or_default();
    page.page("delivery", &visitor, &uri, context! { delivery => shown(&row), body })
}
