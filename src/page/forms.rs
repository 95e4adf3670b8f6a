//! What a form says, and that it is carried out once, however often it is sent.

use std::future::Future;
use std::sync::Arc;

use axum::response::Response;

use super::guard::to;
use super::refusal::PageRefusal;
use super::sessions::remember;
use super::state::PageState;
use super::visitor::Visitor;
use crate::api::{ProblemKind, RawBody, whole};

/// The most fields of a form.
const FIELDS: usize = 32;

/// The fields of a form.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn read(body: &RawBody) -> Result<Self, PageRefusal> {
        let fields = body.form();
        if fields.len() > FIELDS {
            return Err(PageRefusal::of(
                ProblemKind::BadRequest,
                format!("a form has at most {FIELDS} fields"),
            ));
        }
        Ok(Self(fields))
    }

    /// A field as it was sent; `None` where it is empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rfind(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.trim().is_empty())
    }

    /// A field that must say something.
    pub(super) fn needed(&self, name: &str) -> Result<&str, PageRefusal> {
        self.text(name).ok_or_else(|| PageRefusal::invalid(name, "missing"))
    }

    /// What the form is known by.
    pub(super) fn key(&self) -> Result<String, PageRefusal> {
        let key =
            self.text("form_key").filter(|key| key.len() == 32 && key.bytes().all(|b| b.is_ascii_hexdigit()));
        let missing = || PageRefusal::invalid("form_key", "missing; load the page again and send its form");
        key.map(str::to_owned).ok_or_else(missing)
    }
}

impl PageState {
    /// Carries `act` out to its end, whether the browser stays or goes, and leads to the address that it gives. The same
    /// form sent again, even at the same time, only leads there.
    pub(super) async fn act(
        self: &Arc<Self>,
        visitor: &Visitor,
        form: &Form,
        act: impl Future<Output = Result<String, PageRefusal>> + Send + 'static,
    ) -> Result<Response, PageRefusal> {
        let (key, sent) = (form.key()?, Arc::clone(&visitor.sent));
        let once = async move {
            let mut sent = sent.lock_owned().await;
            if let Some((_, location)) = sent.iter().find(|(known, _)| *known == key) {
                return Ok(location.clone());
            }
            let location = act.await?;
            remember(&mut sent, key, location.clone());
            Ok::<_, PageRefusal>(location)
        };
        let location = whole(&self.api, visitor.principal.origin(), once).await??;
        Ok(to(&location))
    }
}
