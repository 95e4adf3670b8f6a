//! How request bodies and queries become fields: bounded, digits as they are written; each refusal names the field.

use std::fmt;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::Uri;
use axum::http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::problem::{Problem, ProblemKind};
use crate::clock::{Clock as _, SystemClock};

/// The largest body.
const MOST_BYTES: usize = 64 * 1024;
/// How long a body may take to arrive, in the time of the wire.
const BODY_TIME: Duration = Duration::from_secs(10);
/// The most characters of a caller's value that a refusal repeats.
const ECHO: usize = 80;

/// A body, read whole within its limits.
pub(crate) struct RawBody(Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let read = read(request.into_body());
        tokio::select! {
            read = read => read.map(Self),
            () = SystemClock::new().sleep(BODY_TIME) => {
                Err(Problem::new(ProblemKind::RequestTimeout, format!("{} seconds are all there is", BODY_TIME.as_secs())))
            }
        }
    }
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(ProblemKind::PayloadTooLarge, format!("at most {MOST_BYTES} bytes"));
    if body.size_hint().lower() > u64::try_from(MOST_BYTES).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    match Limited::new(body, MOST_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::new(ProblemKind::BadRequest, "the body broke off")),
    }
}

impl RawBody {
    /// The fields of a form, as browsers send it.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        let fields = url::form_urlencoded::parse(&self.0);
        fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }

    /// The body's fields, of which only `allowed` may be there. No body at all is an empty object.
    pub(super) fn fields(&self, allowed: &'static [&'static str]) -> Result<BodyFields<'_>, Problem> {
        let body: &[u8] = if self.0.is_empty() { b"{}" } else { &self.0 };
        let fields: BodyFields<'_> = serde_json::from_slice(body).map_err(|error| {
            if error.is_data() {
                let clipped = clip(&error.to_string());
                return Problem::new(
                    ProblemKind::InvalidRequest,
                    format!("the body must be a JSON object: {clipped}"),
                );
            }
            Problem::new(ProblemKind::MalformedJson, error.to_string())
        })?;
        for (at, (name, _)) in fields.0.iter().enumerate() {
            if !allowed.contains(&name.as_str()) {
                let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
                return Err(Problem::invalid(
                    &clip(name),
                    format!("unknown field; the fields are: {allowed}"),
                ));
            }
            if fields.0.iter().skip(at.saturating_add(1)).any(|(other, _)| other == name) {
                return Err(Problem::invalid(name, "given twice"));
            }
        }
        Ok(fields)
    }
}

/// The members of a JSON object, each value as it was written.
pub(super) struct BodyFields<'b>(Vec<(String, &'b RawValue)>);

impl<'de> Deserialize<'de> for BodyFields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = BodyFields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object such as {\"currency\": \"USDT\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BodyFields<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(member);
                }
                Ok(BodyFields(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

impl<'b> BodyFields<'b> {
    /// The value's text; `null` counts as absent.
    fn raw(&self, name: &str) -> Option<&'b str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value.get()).filter(|text| *text != "null")
    }

    /// A text, if there is one.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Problem> {
        self.raw(name)
            .map(|text| {
                serde_json::from_str(text)
                    .map_err(|_| Problem::invalid(name, format!("expected a text, found {}", clip(text))))
            })
            .transpose()
    }

    /// A text that must be there.
    pub(super) fn needed_text(&self, name: &str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// A JSON number or a text, digit for digit: no float ever sees it.
    pub(super) fn digits(&self, name: &str) -> Result<String, Problem> {
        let text = self.raw(name).ok_or_else(|| missing(name))?;
        if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return Ok(text.to_owned());
        }
        serde_json::from_str(text).map_err(|_| {
            Problem::invalid(name, format!("expected a number or a text of digits, found {}", clip(text)))
        })
    }

    /// A list of texts; empty where there is none.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, Problem> {
        let Some(text) = self.raw(name) else { return Ok(Vec::new()) };
        serde_json::from_str(text)
            .map_err(|_| Problem::invalid(name, format!("expected a list of texts, found {}", clip(text))))
    }

    /// True where the field is there and not `null`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// `true` or `false`; absent is false.
    pub(super) fn boolean(&self, name: &str) -> Result<bool, Problem> {
        match self.raw(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => {
                Err(Problem::invalid(name, format!("expected true or false, found {}", clip(other))))
            }
        }
    }

    /// A whole number, if there is one.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Problem> {
        self.raw(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    Problem::invalid(name, format!("expected a whole number, found {}", clip(text)))
                })
            })
            .transpose()
    }
}

fn missing(name: &str) -> Problem {
    Problem::invalid(name, "missing")
}

/// The parameters of the address, of which only `allowed` may be there.
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn read(uri: &Uri, allowed: &'static [&'static str]) -> Result<Self, Problem> {
        let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Problem::new(ProblemKind::BadRequest, error.to_string()))?;
        match given.iter().find(|(name, _)| !allowed.contains(&name.as_str())) {
            Some((name, _)) => Err(Problem::invalid(
                &clip(name),
                format!("unknown parameter; the parameters are: {}", allowed.join(", ")),
            )),
            None => Ok(Self(given)),
        }
    }

    /// Every value of a parameter that may be repeated, or hold several values between commas. Empty values are left
    /// out.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let given = self.0.iter().filter(|(known, _)| known == name);
        given
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// The last value of a parameter; an empty one counts as absent.
    pub(crate) fn last(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rfind(|(known, _)| known == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The last value of a parameter, to the letter; an empty one counts as absent.
    pub(crate) fn exact(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rfind(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// `true` or `false`; absent is false.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.last(name) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(other) => Err(Problem::invalid(name, format!("{:?} is not true or false", clip(other)))),
        }
    }

    /// A page's size.
    pub(crate) fn limit(&self, usual: u32, most: u32) -> Result<u32, Problem> {
        let Some(text) = self.last("limit") else { return Ok(usual) };
        text.parse().ok().filter(|limit| (1..=most).contains(limit)).ok_or_else(|| {
            Problem::invalid("limit", format!("{:?} is not a number from 1 to {most}", clip(text)))
        })
    }
}

/// The one variable part of a path.
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(_) => Err(Problem::not_found("the address cannot be read")),
        }
    }
}

/// A caller's value, cut to the length that a refusal repeats.
pub(crate) fn clip(text: &str) -> String {
    let mut clipped: String = text.chars().take(ECHO).collect();
    if clipped.len() < text.len() {
        clipped.push_str("..");
    }
    clipped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(text: &str) -> RawBody {
        RawBody(Bytes::copy_from_slice(text.as_bytes()))
    }

    const ALLOWED: &[&str] = &["amount", "note", "notify", "id"];

    fn refused(text: &str) -> (ProblemKind, String) {
        let problem = raw(text).fields(ALLOWED).err().unwrap();
        (problem.kind(), problem.detail().to_owned())
    }

    #[test]
    fn amounts_are_taken_digit_for_digit() {
        for (json, digits) in [
            (r#"{"amount": 5.10}"#, "5.10"),
            (r#"{"amount":"5.10"}"#, "5.10"),
            (r#"{"amount": 123456789012.123456}"#, "123456789012.123456"),
            (r#"{"amount": 1e3}"#, "1e3"),
            (r#"{"amount": -5}"#, "-5"),
        ] {
            assert_eq!(raw(json).fields(ALLOWED).unwrap().digits("amount").unwrap(), digits);
        }
        for json in [r#"{"amount": true}"#, r#"{"amount": [5]}"#, r#"{"amount": null}"#, "{}", ""] {
            let problem = raw(json).fields(ALLOWED).unwrap().digits("amount").unwrap_err();
            assert!(problem.detail().starts_with("amount: "), "{json}");
        }
    }

    #[test]
    fn refusals_name_the_field() {
        for (json, kind, part) in [
            ("{", ProblemKind::MalformedJson, "EOF"),
            (r#"{"amount": 05}"#, ProblemKind::MalformedJson, "number"),
            ("\u{feff}{}", ProblemKind::MalformedJson, "expected value"),
            ("[]", ProblemKind::InvalidRequest, "must be a JSON object"),
            ("\"x\"", ProblemKind::InvalidRequest, "must be a JSON object"),
            (
                r#"{"amont": 5}"#,
                ProblemKind::InvalidRequest,
                "amont: unknown field; the fields are: amount, note",
            ),
            (r#"{"note": "a", "note": "b"}"#, ProblemKind::InvalidRequest, "note: given twice"),
        ] {
            let (found, detail) = refused(json);
            assert_eq!(found, kind, "{json}: {detail}");
            assert!(detail.contains(part), "{json}: {detail}");
        }
        let body = raw(r#"{"note": 5, "notify": "a@b", "id": 1.5}"#);
        let fields = body.fields(ALLOWED).unwrap();
        assert_eq!(fields.text("note").unwrap_err().detail(), "note: expected a text, found 5");
        assert!(fields.texts("notify").unwrap_err().detail().starts_with("notify: expected a list"));
        assert!(fields.integer("id").unwrap_err().detail().contains("whole number"));
    }

    #[test]
    fn parameters_may_repeat_and_unknown_ones_are_refused() {
        let read = |text: &str| Params::read(&text.parse().unwrap(), &["state", "limit"]);
        let params = read("/x?state=a,b&state=c&state=&limit=7").unwrap();
        assert_eq!(params.all("state"), ["a", "b", "c"]);
        assert_eq!(params.limit(50, 500).unwrap(), 7);
        assert_eq!(read("/x").unwrap().limit(50, 500).unwrap(), 50);
        for limit in ["0", "501", "x", "-1", "99999999999"] {
            assert!(read(&format!("/x?limit={limit}")).unwrap().limit(50, 500).is_err(), "{limit}");
        }
        assert!(read("/x?stat=a").err().unwrap().detail().starts_with("stat: unknown parameter"));
    }

    proptest! {
        #[test]
        fn no_body_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(fields) = RawBody(bytes.into()).fields(ALLOWED) {
                let _ = (fields.digits("amount"), fields.text("note"), fields.texts("notify"), fields.integer("id"));
            }
        }
    }
}
