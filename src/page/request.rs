//! A new deposit: the pairs that there are, the amount, and the wait for a wallet.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use minijinja::{Value, context};

use super::forms::Form;
use super::refusal::PageRefusal;
use super::state::{PageState, SharedPage};
use super::visitor::Visitor;
use crate::api::{Problem, ProblemKind, RawBody, decided};
use crate::domain::asset::{Asset, Currency};
use crate::flow::{self, NewDeposit, OpenError, Opened};

/// How long the page waits for the wallet.
const WAIT: Duration = Duration::from_secs(5);

/// `GET /deposits/new`
pub(super) async fn form(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Result<Response, PageRefusal> {
    show(&page, &visitor, &uri, None)
}

/// The form, with what was written into it and what is wrong with that.
fn show(
    page: &PageState,
    visitor: &Visitor,
    uri: &Uri,
    refused: Option<(&Form, &PageRefusal)>,
) -> Result<Response, PageRefusal> {
    let pair = |asset: Asset| format!("{} {}", asset.currency, asset.network);
    let of = |currency: &Currency| {
        let pairs: Vec<String> = Asset::all().filter(|asset| asset.currency == *currency).map(pair).collect();
        context! { currency => currency.as_str(), pairs }
    };
    let written = |name: &str| refused.and_then(|(form, _)| form.text(name)).unwrap_or_default().to_owned();
    let names = ["pair", "amount", "reference", "notify"];
    let values = context! {
        groups => Currency::ALL.iter().map(of).collect::<Vec<_>>(),
        written => Value::from_pairs(names.iter().map(|name| (*name, written(name)))),
        wrong => refused.map(|(_, refusal)| refusal.detail.clone()),
    };
    let mut response = page.page("request", visitor, uri, values)?;
    if let Some((_, refusal)) = refused {
        *response.status_mut() = refusal.status;
    }
    Ok(response)
}

/// `POST /deposits`. The form's key is the request's: however often the form is sent, there is one deposit.
pub(super) async fn open(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    body: RawBody,
) -> Result<Response, PageRefusal> {
    let form = Form::read(&body)?;
    let done = match new_deposit(&visitor, &form).await {
        Ok(new) => {
            let own = Arc::clone(&page);
            page.act(&visitor, &form, async move { accept(&own, new).await }).await
        }
        Err(refusal) => Err(refusal),
    };
    match done {
        Err(refusal) if refusal.status == StatusCode::UNPROCESSABLE_ENTITY => {
            show(&page, &visitor, &uri, Some((&form, &refusal)))
        }
        done => done,
    }
}

async fn new_deposit(visitor: &Visitor, form: &Form) -> Result<NewDeposit, PageRefusal> {
    let pair = form.needed("pair")?;
    let (currency, network) = pair.split_once(' ').ok_or_else(|| {
        PageRefusal::invalid("pair", "expected a currency and a network such as \"USDT TRON\"")
    })?;
    let notify = form.text("notify").unwrap_or_default();
    let notify =
        notify.split([',', ';', ' ']).map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned);
    Ok(NewDeposit {
        reference: form.text("reference").map(|text| text.trim().to_owned()),
        notify: notify.collect(),
        idempotency_key: Some(format!("page-{}", form.key()?)),
        asked_by: Some(visitor.principal.words().await),
        ..NewDeposit::new(currency, network, form.needed("amount")?.trim())
    })
}

async fn accept(page: &PageState, new: NewDeposit) -> Result<String, PageRefusal> {
    let deposit = match flow::open(&page.api.flow, new).await {
        Ok(Opened::New(deposit) | Opened::Same(deposit)) => deposit,
        Err(OpenError::Invalid { field, why }) => return Err(PageRefusal::invalid(field, why)),
        Err(error @ OpenError::KeyReused(_)) => {
            return Err(PageRefusal::of(ProblemKind::IdempotencyConflict, error.to_string()));
        }
        Err(error @ OpenError::Stopped(_)) => {
            return Err(PageRefusal::of(ProblemKind::ReviewNeeded, error.to_string()));
        }
        Err(OpenError::Ledger(error)) => {
            return Err(Problem::of_ledger(&error, ": nothing was accepted, try again").into());
        }
    };
    // It is on disk. Most have their wallet in a moment, and its page is what the person waits for.
    let deposit = decided(&page.api, deposit, WAIT).await;
    Ok(format!("/deposits/{}?done=requested", deposit.id))
}
