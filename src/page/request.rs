//! A new deposit: how it is paid, the pairs that there are, the amount, and the wait for a wallet or a link.

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
use crate::api::{Problem, ProblemKind, RawBody, clip, decided};
use crate::domain::asset::{Asset, Currency};
use crate::domain::method::Method;
use crate::flow::{self, NewDeposit, OpenError, Opened};

/// How long the page waits for the wallet or the link.
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
    let method = refused.and_then(|(form, _)| method(form).ok()).unwrap_or_default();
    let written = |name: &'static str| match name {
        "method" => (name, method.to_string()),
        _ => (name, written(name)),
    };
    let names = ["method", "pair", "amount", "reference", "notify"];
    let values = context! {
        groups => Currency::ALL.iter().map(of).collect::<Vec<_>>(),
        written => Value::from_pairs(names.into_iter().map(written)),
        links => page.api.flow.settings.page_amount.is_some(),
        wrong => refused.map(|(_, refusal)| refusal.detail.clone()),
        wrong_field => refused.and_then(|(_, refusal)| refusal.field.as_deref()).and_then(shown_at),
    };
    let mut response = page.page("request", visitor, uri, values)?;
    if let Some((_, refusal)) = refused {
        *response.status_mut() = refusal.status;
    }
    Ok(response)
}

/// The field of the form beside which it is said that `field` of a request is wrong.
fn shown_at(field: &str) -> Option<&'static str> {
    match field {
        "currency" | "network" => Some("pair"),
        _ => ["method", "pair", "amount", "reference", "notify"].into_iter().find(|known| *known == field),
    }
}

/// How the form says that it is to be paid; a form without the choice asks for a wallet.
fn method(form: &Form) -> Result<Method, PageRefusal> {
    let Some(word) = form.text("method") else { return Ok(Method::Wallet) };
    let unknown = || {
        let found = clip(word);
        PageRefusal::invalid("method", format!("expected wallet, page or card, found {found:?}"))
    };
    Method::parse(word).ok_or_else(unknown)
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

/// How much it is, and in what: a pair that was picked before a link was is not asked for.
fn wish(form: &Form) -> Result<NewDeposit, PageRefusal> {
    let amount = |form: &Form| form.needed("amount").map(|amount| amount.trim().to_owned());
    let method = method(form)?;
    if method != Method::Wallet {
        return Ok(NewDeposit::by_link(method, amount(form)?));
    }
    let pair = form.needed("pair")?;
    let (currency, network) = pair.split_once(' ').ok_or_else(|| {
        PageRefusal::invalid("pair", "expected a currency and a network such as \"USDT TRON\"")
    })?;
    Ok(NewDeposit::new(currency, network, amount(form)?))
}

async fn new_deposit(visitor: &Visitor, form: &Form) -> Result<NewDeposit, PageRefusal> {
    let notify = form.text("notify").unwrap_or_default();
    let notify =
        notify.split([',', ';', ' ']).map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned);
    Ok(NewDeposit {
        reference: form.text("reference").map(|text| text.trim().to_owned()),
        notify: notify.collect(),
        idempotency_key: Some(format!("page-{}", form.key()?)),
        asked_by: Some(visitor.principal.words().await),
        ..wish(form)?
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
    // It is on disk. Most have their wallet or link in a moment, and its page is what the person waits for.
    let deposit = decided(&page.api, deposit, WAIT).await;
    Ok(format!("/deposits/{}?done=requested", deposit.id))
}

#[cfg(test)]
mod tests {
    use crate::page::pages::PageTemplates;
    use crate::page::samples::samples;

    #[test]
    fn without_a_unit_only_wallets_are_offered_and_a_sentence_says_why() {
        let pages = PageTemplates::builtin().unwrap();
        let mut seen = [false; 2];
        for (name, values) in samples().into_iter().filter(|(name, _)| name == "request.html") {
            let text = pages.write(&name, &values).unwrap();
            let links = values.get_attr("links").unwrap().is_true();
            assert_eq!(text.contains("type=\"radio\""), links, "{text}");
            assert_eq!(text.contains("<code>upstream.page_amount</code> is not set"), !links, "{text}");
            seen[usize::from(links)] = true;
        }
        assert_eq!(seen, [true; 2], "a sample of each");
    }
}
