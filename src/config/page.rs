//! `[page]`: where the pages for browsers are, and why they may not be there.

use std::net::SocketAddr;
use std::path::PathBuf;

use url::{Host, Url};

use super::error::{Error, quoted};
use super::layers::Layers;
use crate::domain::host::is_loopback;

/// `[page]`: the pages for browsers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageConfig {
    /// Where they listen; nowhere where it is not set.
    pub listen: Option<SocketAddr>,
    /// What people type: scheme, host and port, without a slash at its end.
    pub public_url: Option<String>,
    /// A folder of templates that replace the built-in ones.
    pub templates: Option<PathBuf>,
}

pub(super) fn page(layers: &Layers) -> Result<PageConfig, Error> {
    let listen = layers.parsed("page.listen", "an address in quotes such as \"127.0.0.1:8788\"", |text| {
        text.parse::<SocketAddr>()
            .map_err(|_| format!("expected \"IP:PORT\" such as \"127.0.0.1:8788\", found {}", quoted(text)))
    })?;
    let public_url = layers.parsed("page.public_url", "a URL in quotes", public_url)?;
    let page = PageConfig { listen, public_url, templates: layers.path("page.templates")? };
    if let Some(address) = page.listen.filter(|address| !address.ip().to_canonical().is_loopback()) {
        let is_https = page.public_url.as_ref().is_some_and(|url| url.starts_with("https://"));
        if !is_https {
            let problem = format!(
                "expected an address of this machine alone such as \"127.0.0.1:8788\", or page.public_url = \"https://..\" \
                 beside it: at {address} tokens and sessions would travel in clear; TLS is the proxy's before it"
            );
            return Err(layers.fault("page.listen", problem));
        }
    }
    Ok(page)
}

/// Reads where people find the pages: `https`, or `http` on this machine; no path, since a cookie could not be kept to it.
fn public_url(text: &str) -> Result<String, String> {
    const EXPECTED: &str = "expected a URL such as \"https://deposits.example.com\"";
    let url = Url::parse(text).map_err(|_| EXPECTED.to_owned())?;
    let host = url.host().map(|host| match host {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => format!("[{address}]"),
    });
    let Some(host) = host else { return Err(EXPECTED.to_owned()) };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{EXPECTED}, without a name and a password in it"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{EXPECTED}, without a path: the pages need a host name of their own"));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&host) => {}
        _ => return Err(format!("{EXPECTED}: http is for this machine only")),
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{}://{host}{port}", url.scheme()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_an_origin_and_nothing_more() {
        for (text, expected) in [
            ("https://deposits.example.com", "https://deposits.example.com"),
            ("https://Deposits.Example.com/", "https://deposits.example.com"),
            ("https://deposits.example.com:443", "https://deposits.example.com"),
            ("https://deposits.example.com:8443/", "https://deposits.example.com:8443"),
            ("http://127.0.0.1:8788", "http://127.0.0.1:8788"),
            ("http://localhost:8788", "http://localhost:8788"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]"),
        ] {
            assert_eq!(public_url(text).as_deref(), Ok(expected), "{text}");
        }
        for (text, part) in [
            ("deposits.example.com", "such as"),
            ("http://deposits.example.com", "http is for this machine"),
            ("ftp://127.0.0.1", "http is for this machine"),
            ("https://deposits.example.com/pages", "without a path"),
            ("https://deposits.example.com/?a", "without a path"),
            ("https://me:secret-of-mine@example.com", "without a name and a password"),
            ("", "such as"),
        ] {
            let error = public_url(text).unwrap_err();
            assert!(error.contains(part) && !error.contains("secret-of-mine"), "{text}: {error}");
        }
    }

    #[test]
    fn beyond_this_machine_there_are_pages_only_behind_https() {
        let read = |text: &str| {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("daemon.toml");
            std::fs::write(&file, format!("[page]\n{text}\n")).unwrap();
            crate::config::load(Some(&file)).map(|config| config.page).map_err(|error| error.to_string())
        };
        assert_eq!(read("").unwrap(), PageConfig::default());
        for good in [
            "listen = \"127.0.0.1:8788\"",
            "listen = \"[::1]:8788\"",
            "listen = \"[::ffff:127.0.0.1]:8788\"",
            "listen = \"0.0.0.0:8788\"\npublic_url = \"https://deposits.example.com\"",
        ] {
            assert!(read(good).unwrap().listen.is_some(), "{good}");
        }
        for (wrong, part) in [
            ("listen = \"0.0.0.0:8788\"", "page.listen: expected an address of this machine alone"),
            ("listen = \"[::]:8788\"", "would travel in clear"),
            (
                "listen = \"192.0.2.1:8788\"\npublic_url = \"http://127.0.0.1\"",
                "page.public_url = \"https://..\"",
            ),
            ("listen = \"unix:page.sock\"", "page.listen: expected \"IP:PORT\""),
            ("listen = 8788", "page.listen: expected an address in quotes"),
            ("public_url = \"http://deposits.example.com\"", "page.public_url: expected a URL such as"),
            ("templates = \"\"", "page.templates: expected a text that is not empty"),
            ("port = 1", "page.port: unknown key"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(part), "{wrong}: {error}");
        }
    }
}
