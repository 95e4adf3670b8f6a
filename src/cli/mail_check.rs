//! The way out for letters, tried as far as each recipient, without sending anything; and letters that were given up.

use super::context;
use crate::config::Config;
use crate::domain::time::Timestamp;
use crate::notifier::SendError;
use crate::{daemon, flow};

/// So many recipients are asked about at most.
const MOST: usize = 100;

/// How the way out was found.
pub(super) struct WayOut {
    /// What answers there; or what is wrong.
    pub(super) found: Result<String, String>,
    /// What does not keep letters from leaving, and should be looked at.
    pub(super) warnings: Vec<String>,
}

/// Tries the mail server or the folder, and whether it would take a letter to each recipient of the configuration.
pub(super) async fn way_out(config: &Config) -> WayOut {
    let mut warnings = given_up(config).await;
    let mailer = match daemon::mailer(config) {
        Ok(mailer) => mailer,
        Err(error) => return WayOut { found: Err(error.to_string()), warnings },
    };
    let recipients = recipients(config);
    let (found, answers) = match mailer.check_recipients(&recipients).await {
        Ok(found) => found,
        Err(error) => return WayOut { found: Err(error.to_string()), warnings },
    };
    mailer.close_idle().await;
    let mut refused = Vec::new();
    for (recipient, answer) in recipients.iter().zip(answers) {
        match answer {
            Ok(()) => {}
            Err(SendError::Temporary { why }) => {
                warnings.push(format!("{recipient} would not be taken now, and is tried again: {why}"));
            }
            Err(error) => refused.push(format!("{recipient} is refused: {}", error.why())),
        }
    }
    let taken = recipients.len().saturating_sub(refused.len());
    if refused.is_empty() {
        let plural = if recipients.len() == 1 { "" } else { "s" };
        let found = format!("{found}, takes letters to {} recipient{plural}", recipients.len());
        return WayOut { found: Ok(found), warnings };
    }
    refused.insert(0, format!("{found}, takes letters to {taken} of {} recipients", recipients.len()));
    WayOut { found: Err(refused.join("; ")), warnings }
}

/// Whoever is named to get letters, each once.
fn recipients(config: &Config) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for to in config.mail.to.iter().chain(config.mail.rules.iter().flat_map(|rule| &rule.to)) {
        if !all.iter().any(|known| known.eq_ignore_ascii_case(to)) {
            all.push(to.clone());
        }
    }
    all.truncate(MOST);
    all
}

/// Dead letters are told wherever the mail is looked at. A ledger that cannot be read is told of elsewhere.
async fn given_up(config: &Config) -> Vec<String> {
    if !config.ledger.path.exists() {
        return Vec::new();
    }
    let Ok(ledger) = context::open(config).await else { return Vec::new() };
    // What is late is late for a running daemon.
    let troubles = ledger.mail_troubles(Timestamp::from_millis(0)).await.unwrap_or_default();
    flow::mail_warnings(&troubles)
}
