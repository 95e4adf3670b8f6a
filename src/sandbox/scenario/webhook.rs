//! The program that a sandbox tells of every event, where one was named.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The file that holds what signs the messages.
pub(super) const SECRET: &str = "webhook-secret";

/// What signs them; it opens nothing real.
pub(super) fn secret(seed: u64) -> String {
    format!("whsec_{}\n", STANDARD.encode(Sha256::digest(format!("sandbox webhook {seed}"))))
}

/// What the configuration says of it.
pub(super) fn table(url: &str) -> String {
    let (url, file) = (json!(url), json!(SECRET));
    format!("\n[[webhooks]]\nname = \"receiver\"\nurl = {url}\nsecret_file = {file}\n")
}
