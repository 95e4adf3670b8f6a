//! The programs that are told: whether each secret and certificate can be used, and whether anybody answers there.

use std::path::Path;

use super::account::{Account, Want};
use super::credentials::reach_file;
use super::finding::{Check, Findings};
use crate::config::Config;
use crate::daemon;
use crate::domain::causes::chain;

/// Asks each for its head; nothing is sent. Any answer will do: a receiver need not know that question.
pub(super) async fn webhooks(config: &Config, account: Option<&Account>) -> Check {
    let mut found = Findings::default();
    for webhook in &config.webhooks {
        let (name, key) = (&webhook.name, &webhook.secret_file.key);
        reach_file(&mut found, &webhook.secret_file.path, key, account);
        if let (Some(file), Some(account)) = (&webhook.ca_file, account)
            && let Err(why) = account.may(Path::new(file), Want::Read)
        {
            found.wrong(format!("{name}: ca_file: {why}"));
        }
        match daemon::webhook(webhook) {
            Err(error) => found.wrong(chain(&error)),
            Ok(endpoint) => {
                let origin = endpoint.origin();
                match endpoint.knock().await {
                    Ok(status) => found.good(format!("{name}: {origin} answers ({status})")),
                    Err(why) => found.wrong(format!("{name}: {origin}: {why}")),
                }
            }
        }
    }
    found.check("webhooks")
}
