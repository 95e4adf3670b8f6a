//! The names of all keys, what each is called in the environment, and what a misspelt one was meant to be.

use super::error::nearest;

/// The tables of the file.
pub(crate) const SECTIONS: &[&str] = &[
    "upstream",
    "ledger",
    "ledger.replica",
    "polling",
    "reconcile",
    "books",
    "balance",
    "mail",
    "mail.smtp",
    "api",
    "page",
    "fleet",
    "log",
];

/// Every key that is not a secret.
pub(crate) const KEYS: &[&str] = &[
    "upstream.base_url",
    "upstream.user_id",
    "upstream.api_key_file",
    "upstream.requests_per_second",
    "upstream.max_in_flight",
    "upstream.timeout",
    "upstream.create_attempts",
    "upstream.down_after",
    "upstream.request_limit",
    "upstream.page_amount",
    "ledger.path",
    "ledger.create_if_missing",
    "ledger.backup_dir",
    "ledger.backup_schedule",
    "ledger.backup_keep",
    "ledger.replica.socket",
    "ledger.replica.require",
    "ledger.replica.timeout",
    "ledger.replica.program",
    "ledger.replica.config",
    "ledger.replica.drill_schedule",
    "polling.interval",
    "polling.confirming_interval",
    "polling.expiry_grace",
    "polling.confirming_limit",
    "polling.late_watch",
    "polling.list_interval",
    "polling.link_limit",
    "reconcile.schedule",
    "reconcile.upstream_utc_offset",
    "reconcile.tolerance_cents",
    "reconcile.tell_after_runs",
    "reconcile.lag",
    "books.time_zone",
    "books.accounts",
    "balance.low_cents",
    "mail.transport",
    "mail.from",
    "mail.to",
    "mail.directory",
    "mail.retry_initial",
    "mail.retry_max",
    "mail.give_up_after",
    "mail.digest_schedule",
    "mail.templates",
    "mail.quiet_hours",
    "mail.quiet_utc_offset",
    "mail.urgent",
    "mail.flood_above",
    "mail.flood_wait",
    "mail.messages_per_second",
    "mail.rules",
    "mail.smtp.host",
    "mail.smtp.port",
    "mail.smtp.security",
    "mail.smtp.username",
    "mail.smtp.password_file",
    "mail.smtp.ca_file",
    "mail.smtp.hello",
    "webhooks",
    "api.listen",
    "api.token_file",
    "api.tokens",
    "api.groups",
    "page.listen",
    "page.public_url",
    "page.templates",
    "fleet.database_url_file",
    "fleet.interval",
    "fleet.ledgers",
    "log.level",
];

/// The keys whose values are secrets: they never come near anything that may print them.
pub(crate) const SECRETS: &[&str] =
    &["upstream.api_key", "mail.smtp.password", "api.token", "fleet.database_url"];

/// What every environment variable of ours begins with.
pub(crate) const PREFIX: &str = "DEPOSITD_";

/// The environment variable that overrides a key.
pub(crate) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// The known spelling of `key`, from the table, when it is one.
pub(crate) fn known<'a>(table: &[&'a str], key: &str) -> Option<&'a str> {
    table.iter().copied().find(|name| *name == key)
}

fn all() -> impl Iterator<Item = &'static str> + Clone {
    KEYS.iter().chain(SECRETS).copied()
}

/// The key that was probably meant: a near miss in the same section, else the same name in another one.
pub(crate) fn meant(key: &str) -> Option<&'static str> {
    let (section, leaf) = key.rsplit_once('.').unwrap_or(("", key));
    let siblings = all()
        .chain(SECTIONS.iter().copied())
        .filter(|known| known.rsplit_once('.').map_or("", |(other, _)| other) == section);
    let named = |known: &&'static str| known.rsplit_once('.').map_or(*known, |(_, leaf)| leaf);
    let near = nearest(leaf, siblings.clone().map(|known| named(&known)));
    near.and_then(|near| siblings.clone().find(|known| named(known) == near))
        .or_else(|| all().find(|known| named(known) == leaf))
        .or_else(|| nearest(key, all()))
}

/// The key that a variable with single underscores was probably meant to name: `UPSTREAM_USER_ID`.
pub(crate) fn meant_by_single_underscores(rest: &str) -> Option<&'static str> {
    let bare = |text: &str| text.to_lowercase().replace(['_', '.'], "");
    all().find(|key| bare(key) == bare(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_keys_find_home() {
        for (written, expected) in [
            ("upstream.userid", Some("upstream.user_id")),
            ("upstream.time_out", Some("upstream.timeout")),
            ("upstrem", Some("upstream")),
            ("api_key", Some("upstream.api_key")),
            ("mail.password", Some("mail.smtp.password")),
            ("mail.smpt", Some("mail.smtp")),
            ("api.tokn", Some("api.token")),
            ("ledger.colour", None),
        ] {
            assert_eq!(meant(written), expected, "{written}");
        }
        assert_eq!(variable("mail.smtp.host"), "DEPOSITD_MAIL__SMTP__HOST");
        assert_eq!(meant_by_single_underscores("UPSTREAM_USER_ID"), Some("upstream.user_id"));
        assert_eq!(meant_by_single_underscores("LOG"), None);
    }
}
