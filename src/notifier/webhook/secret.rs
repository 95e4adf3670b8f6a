//! The secrets by which a receiver knows us, and the signature that they make (Standard Webhooks 1.0, "Signature
//! scheme").

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// How many bytes a secret has: 192 to 512 bits, as the standard says.
const FEWEST_BYTES: usize = 24;
const MOST_BYTES: usize = 64;
/// How many secrets there may be at a time.
const MOST: usize = 4;

/// Why a text is no secret for a webhook. It does not repeat it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// One of them, by its line.
    #[error(
        "expected whsec_ and 24 to 64 bytes in base64 on line {0}; make one with `echo whsec_$(openssl rand -base64 32)`"
    )]
    Malformed(usize),
    /// None, or more than may be at a time.
    #[error("expected 1 to {MOST} secrets, one a line, found {0}")]
    Count(usize),
}

/// The secrets of one webhook: one, or several while it is being changed.
#[derive(Clone)]
pub struct Secrets(Vec<hmac::Key>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Secrets").field(&self.0.len()).finish()
    }
}

impl Secrets {
    /// Reads `whsec_...`, one each.
    ///
    /// # Errors
    /// The first that is none, or their number.
    pub fn parse(texts: &[SecretString]) -> Result<Self, InvalidSecret> {
        if texts.is_empty() || texts.len() > MOST {
            return Err(InvalidSecret::Count(texts.len()));
        }
        let read = |(line, text): (usize, &SecretString)| {
            let bytes = text
                .expose_secret()
                .strip_prefix(PREFIX)
                .and_then(|rest| STANDARD.decode(rest).ok())
                .filter(|bytes| (FEWEST_BYTES..=MOST_BYTES).contains(&bytes.len()))
                .ok_or(InvalidSecret::Malformed(line))?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
        };
        (1..).zip(texts).map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The value of `webhook-signature`: a signature by each, over `id.timestamp.body`.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let signatures = self.0.iter().map(|key| {
            let mut context = hmac::Context::with_key(key);
            context.update(id.as_bytes());
            context.update(format!(".{timestamp}.").as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign().as_ref()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(texts: &[&str]) -> Result<Secrets, InvalidSecret> {
        Secrets::parse(&texts.iter().map(|text| SecretString::from((*text).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn the_standards_own_example_is_signed_as_it_says() {
        // From the tests of the standard's reference libraries.
        let secrets = secrets(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]).unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signature = secrets.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_secret_signs_while_one_takes_the_place_of_another() {
        let (old, new) = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        let by = |texts: &[&str]| secrets(texts).unwrap().sign("evt_1", 1, b"{}");
        assert_eq!(by(&[old, new]), format!("{} {}", by(&[old]), by(&[new])));
        assert_ne!(by(&[old]), by(&[new]));
    }

    #[test]
    fn what_is_no_secret_is_named_by_its_line_and_not_shown() {
        let good = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_not base64"] {
            let error = secrets(&[good, bad]).unwrap_err();
            assert_eq!(error, InvalidSecret::Malformed(2));
            assert!(bad.len() < 3 || !error.to_string().contains(&bad[3..]) || bad == "whsec_", "{error}");
        }
        assert_eq!(secrets(&[]).unwrap_err(), InvalidSecret::Count(0));
        assert_eq!(secrets(&[good; 5]).unwrap_err(), InvalidSecret::Count(5));
        assert_eq!(format!("{:?}", secrets(&[good]).unwrap()), "Secrets(1)");
    }
}
