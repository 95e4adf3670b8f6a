//! Where a webhook may go.

use url::{Position, Url};

use crate::domain::host::is_loopback;

/// Why a URL is none for a webhook. It does not repeat the URL, which may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebhookUrl {
    /// It cannot be read.
    #[error("expected a URL such as \"https://shop.example.com/hooks/deposits\"")]
    Malformed,
    /// It would be sent in clear, or by something else than HTTP.
    #[error(
        "expected a URL that begins with https://; http:// is for this machine only (127.0.0.1, [::1], localhost)"
    )]
    Scheme,
    /// It has a user or a password.
    #[error("expected a URL without a user and a password: the signature says who sends it")]
    Credentials,
    /// It has a part behind `#`, which is never sent.
    #[error("expected a URL without a part behind #")]
    Fragment,
}

/// Reads where a webhook goes: `https` anywhere, `http` on this machine only, without a user or a password.
///
/// # Errors
/// What is wrong with it.
pub fn parse_webhook_url(text: &str) -> Result<Url, InvalidWebhookUrl> {
    let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let url = Url::parse(text).ok().filter(|_| is_plain).ok_or(InvalidWebhookUrl::Malformed)?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(InvalidWebhookUrl::Malformed)?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(host) => {}
        _ => return Err(InvalidWebhookUrl::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidWebhookUrl::Credentials);
    }
    if url.fragment().is_some() {
        return Err(InvalidWebhookUrl::Fragment);
    }
    Ok(url)
}

/// What is shown of it: the path and the query may hold a secret.
pub(super) fn origin_of(url: &Url) -> String {
    url.as_str().get(..url[..Position::BeforePath].len()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_goes_by_https_or_stays_on_this_machine() {
        for good in [
            "https://shop.example.com/hooks/deposits",
            "https://shop.example.com:8443/?token=x",
            "http://127.0.0.1:8080/hook",
            "http://[::1]:8080/hook",
            "http://localhost/hook",
            "https://münchen.example/",
        ] {
            assert!(parse_webhook_url(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", InvalidWebhookUrl::Malformed),
            ("shop.example.com/hook", InvalidWebhookUrl::Malformed),
            ("https://", InvalidWebhookUrl::Malformed),
            ("https://shop.example.com/a b", InvalidWebhookUrl::Malformed),
            ("https://shop.example.com/\n", InvalidWebhookUrl::Malformed),
            ("http://shop.example.com/hook", InvalidWebhookUrl::Scheme),
            ("http://localhost.example.com/", InvalidWebhookUrl::Scheme),
            ("http://10.0.0.1/", InvalidWebhookUrl::Scheme),
            ("ftp://127.0.0.1/", InvalidWebhookUrl::Scheme),
            ("https://user@shop.example.com/", InvalidWebhookUrl::Credentials),
            ("https://:secret@shop.example.com/", InvalidWebhookUrl::Credentials),
            ("https://shop.example.com/#part", InvalidWebhookUrl::Fragment),
        ] {
            assert_eq!(parse_webhook_url(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn only_the_origin_is_shown() {
        for (url, origin) in [
            ("https://shop.example.com:8443/hooks/s3cret?token=s3cret", "https://shop.example.com:8443"),
            ("http://[::1]:1/x", "http://[::1]:1"),
            ("https://shop.example.com", "https://shop.example.com"),
        ] {
            assert_eq!(origin_of(&parse_webhook_url(url).unwrap()), origin);
        }
    }
}
