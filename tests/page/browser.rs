//! A browser without a window: it keeps a cookie, follows nothing by itself, and sends what browsers send.

use reqwest::header::{HeaderMap, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response};

/// What a page answered.
pub(crate) struct Shown {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Shown {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where it leads.
    pub(crate) fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    /// The key of the first form on the page.
    pub(crate) fn form_key(&self) -> String {
        let (_, rest) = self
            .text
            .split_once("name=\"form_key\" value=\"")
            .unwrap_or_else(|| panic!("no form: {}", self.text));
        rest.split('"').next().unwrap().to_owned()
    }
}

/// One browser.
#[derive(Clone)]
pub(crate) struct Browser {
    client: Client,
    pub(crate) base: String,
    pub(crate) cookie: Option<String>,
}

impl Browser {
    /// At this `ADDRESS:PORT`, not logged in.
    pub(crate) fn at(address: &str) -> Self {
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { client, base: format!("http://{address}"), cookie: None }
    }

    /// Logged in with this token.
    pub(crate) async fn logged_in(address: &str, token: &str) -> Self {
        let mut browser = Self::at(address);
        let shown = browser.post("/login", &[("token", token)]).await;
        assert_eq!(shown.status, 303, "{}", shown.text);
        browser.cookie = cookie_of(&shown);
        assert!(browser.cookie.is_some());
        browser
    }

    /// A request with the cookie.
    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.cookie {
            Some(cookie) => request.header("cookie", format!("__Host-depositd={cookie}")),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Shown {
        Shown::of(self.ask(Method::GET, path).send().await.unwrap()).await
    }

    /// A page that must be there.
    pub(crate) async fn page(&self, path: &str) -> String {
        let shown = self.get(path).await;
        assert_eq!(shown.status, 200, "{path}: {}", shown.text);
        shown.text
    }

    /// A form, as this browser's own pages send it.
    pub(crate) fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let body = url_encoded(fields);
        self.ask(Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .header("origin", &self.base)
            .body(body)
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Shown {
        Shown::of(self.form(path, fields).send().await.unwrap()).await
    }

    /// Sends a form with the key that stands on the page `from`.
    pub(crate) async fn send(&self, from: &str, path: &str, fields: &[(&str, &str)]) -> Shown {
        let key = self.get(from).await.form_key();
        self.post(path, &[&[("form_key", key.as_str())], fields].concat()).await
    }
}

fn url_encoded(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        let mut out = String::new();
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
                _ => out.push_str(&format!("%{byte:02X}")),
            }
        }
        out
    };
    fields
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect::<Vec<_>>()
        .join("&")
}

/// The session that an answer has the browser keep.
pub(crate) fn cookie_of(shown: &Shown) -> Option<String> {
    let cookie = shown.headers.get(SET_COOKIE)?.to_str().unwrap();
    let value = cookie.strip_prefix("__Host-depositd=")?.split(';').next()?;
    Some(value.to_owned()).filter(|value| !value.is_empty())
}
