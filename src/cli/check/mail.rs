//! The letters' templates and the way out for letters, tried without sending anything.

use super::finding::Check;
use crate::cli::mail_check;
use crate::config::Config;
use crate::daemon;
use crate::domain::causes::chain;

/// Each letter is written from samples.
pub(super) fn templates(config: &Config) -> Check {
    let found = daemon::templates(config).map_err(|error| chain(&error));
    let found = found.map(|found| match &config.mail.templates {
        None => "the built-in letters".to_owned(),
        Some(folder) => format!("{}: {} files, every letter tried", folder.display(), found.own()),
    });
    Check::of("templates", found)
}

/// The mail server or the folder, as far as it can be tried; not at all where only systemd can read the password.
pub(super) async fn way_out(config: &Config, is_sealed: bool) -> Check {
    if is_sealed {
        return Check::open("mail", "not tried: only systemd can read the password");
    }
    let tried = mail_check::way_out(config).await;
    Check::of("mail", tried.found).with_warnings(tried.warnings)
}
