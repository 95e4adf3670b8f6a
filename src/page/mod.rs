//! The pages for browsers (docs/page.md): what needs a person, the deposits, the books and the cases, to look at and to
//! act on.
//!
//! They show what the API shows, by the same reading functions, and act by the same verbs of the flow, each act under the
//! name of the token with which somebody logged in. They keep nothing but sessions, and those in memory.

mod assets;
mod books;
mod cases;
mod chart;
mod closing;
mod deposit;
mod deposits;
mod exports;
mod forms;
mod guard;
mod live;
mod login;
mod now;
mod outbox;
mod pages;
mod reconciliation;
mod refusal;
mod render;
mod request;
mod routes;
mod samples;
mod sessions;
mod settings;
mod shown;
mod state;
mod visitor;
mod watchers;

use std::sync::Arc;

pub use self::pages::PageTemplates;
pub use self::settings::{Error, PageSettings};
use self::state::PageState;
use crate::api::{Listener, LiveAccess, Site};

/// The pages of one daemon, whose address is taken; nobody is answered before the API serves them.
#[derive(Debug)]
pub struct PageServer {
    address: String,
    listens_on: String,
    site: Site,
}

impl PageServer {
    /// Takes the address.
    ///
    /// # Errors
    /// [`Error`]; nothing is taken then.
    pub async fn bind(
        settings: PageSettings,
        pages: PageTemplates,
        access: LiveAccess,
    ) -> Result<Self, Error> {
        let address = settings.listen;
        let listener = Listener::tcp(address).await.map_err(|source| Error { address, source })?;
        let listens_on = listener.address();
        let address = settings.public_url.clone().unwrap_or_else(|| format!("http://{listens_on}"));
        tracing::info!("the pages for browsers listen on {listens_on}, and are found at {address}");
        let public = settings.public_url;
        let site = Site::new(listener, move |api| {
            routes::router(Arc::new(PageState::new(api, access, pages, public)))
        });
        Ok(Self { address, listens_on, site })
    }

    /// What a person types into a browser.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it really listens: `ADDRESS:PORT`.
    #[must_use]
    pub fn listens_on(&self) -> &str {
        &self.listens_on
    }

    /// What the API is to serve.
    #[must_use]
    pub fn site(self) -> Site {
        self.site
    }
}
