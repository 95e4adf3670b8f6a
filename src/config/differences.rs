//! Which keys of two configurations differ, for a daemon that is told to read its configuration again.

use super::fleet::FleetConfig;
use super::ledger::{LedgerConfig, ReplicaConfig};
use super::page::PageConfig;
use super::settings::{
    ApiConfig, BalanceConfig, BooksConfig, Config, LogConfig, MailConfig, ReconcileConfig, SmtpConfig,
    UpstreamConfig,
};
use super::webhooks::WebhookConfig;
use crate::domain::poll::Policy;

/// Adds the keys of one section whose values differ. Each field is named, so that a new one cannot be forgotten here; one
/// that is called otherwise than its key is followed by the key.
macro_rules! differing {
    ($found:ident, $section:literal, $one:expr, $other:expr, $type:ident { $($field:ident $(as $key:literal)?),* $(,)? }) => {
        let $type { $($field),* } = $one;
        $(
            if *$field != $other.$field {
                $found.push(concat!($section, ".", differing!(@key $field $($key)?)));
            }
        )*
    };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
}

/// The keys whose values differ, defaults filled in, in the order of the sections. Of a secret it is the place that is
/// compared, not what a file holds there.
#[must_use]
pub fn differences(one: &Config, other: &Config) -> Vec<&'static str> {
    let Config {
        source: _,
        is_of_fleet_alone: _,
        upstream,
        ledger,
        polling,
        reconcile,
        books,
        balance,
        mail,
        webhooks,
        api,
        page,
        fleet,
        log,
    } = one;
    let mut found = Vec::new();
    of_upstream(&mut found, upstream, &other.upstream);
    of_ledger(&mut found, ledger, &other.ledger);
    differing!(
        found,
        "polling",
        polling,
        other.polling,
        Policy {
            interval,
            confirming_interval,
            expiry_grace,
            confirming_limit,
            late_watch,
            list_interval,
            link_limit,
            books_open_from,
        }
    );
    differing!(found, "reconcile", reconcile, other.reconcile, ReconcileConfig {
        schedule, upstream_zone as "upstream_utc_offset", tolerance_cents, tell_after_runs, lag,
    });
    differing!(found, "books", books, other.books, BooksConfig { time_zone, accounts });
    differing!(found, "balance", balance, other.balance, BalanceConfig { low_cents });
    differing!(found, "mail", mail, other.mail, MailConfig {
        transport, from, to, directory, retry_initial, retry_max, give_up_after, digest_schedule, templates,
        quiet_hours, quiet_utc_offset_seconds as "quiet_utc_offset", urgent, flood_above, flood_wait,
        messages_per_second, smtp, rules,
    });
    if let (Some(smtp), Some(other)) = (&mail.smtp, &other.mail.smtp) {
        found.retain(|key| *key != "mail.smtp");
        differing!(
            found,
            "mail.smtp",
            smtp,
            other,
            SmtpConfig { host, port, security, hello, username, password, ca_file }
        );
    }
    around(&mut found, (webhooks, api, page, log), other);
    differing!(found, "fleet", fleet, other.fleet, FleetConfig { database_url, interval, ledgers });
    found
}

/// Those of the books and of their second copy.
fn of_ledger(found: &mut Vec<&'static str>, one: &LedgerConfig, other: &LedgerConfig) {
    differing!(
        found,
        "ledger",
        one,
        other,
        LedgerConfig { path, create_if_missing, backup_dir, backup_schedule, backup_keep, replica }
    );
    found.retain(|key| *key != "ledger.replica");
    differing!(
        found,
        "ledger.replica",
        &one.replica,
        other.replica,
        ReplicaConfig { socket, require, timeout, program, config, drill_schedule }
    );
}

/// Those of the account and of how hard it may be asked.
fn of_upstream(found: &mut Vec<&'static str>, one: &UpstreamConfig, other: &UpstreamConfig) {
    differing!(
        found,
        "upstream",
        one,
        other,
        UpstreamConfig {
            base_url,
            user_id,
            api_key,
            requests_per_second,
            max_in_flight,
            timeout,
            create_attempts,
            down_after,
            request_limit,
            page_amount,
        }
    );
}

/// Those of the sections about who is told, who asks, and what is logged.
fn around(
    found: &mut Vec<&'static str>,
    (webhooks, api, page, log): (&[WebhookConfig], &ApiConfig, &PageConfig, &LogConfig),
    other: &Config,
) {
    if webhooks != other.webhooks {
        found.push("webhooks");
    }
    differing!(found, "api", api, other.api, ApiConfig { listen, token, tokens, groups });
    differing!(found, "page", page, other.page, PageConfig { listen, public_url, templates });
    differing!(found, "log", log, other.log, LogConfig { level });
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::config::keys::{KEYS, SECRETS};

    /// Another value than the default for each key.
    const OTHERS: &[(&str, &str)] = &[
        ("upstream.base_url", "\"https://other.example.com\""),
        ("upstream.user_id", "\"777\""),
        ("upstream.api_key_file", "\"key\""),
        ("upstream.requests_per_second", "9"),
        ("upstream.max_in_flight", "9"),
        ("upstream.timeout", "\"9s\""),
        ("upstream.create_attempts", "9"),
        ("upstream.down_after", "\"9s\""),
        ("upstream.request_limit", "\"9s\""),
        ("upstream.page_amount", "\"cents\""),
        ("ledger.path", "\"other.db\""),
        ("ledger.create_if_missing", "false"),
        ("ledger.backup_dir", "\"copies\""),
        ("ledger.backup_schedule", "\"0 0 1 * * *\""),
        ("ledger.backup_keep", "9"),
        ("ledger.replica.socket", "\"litestream.sock\""),
        ("ledger.replica.require", "false"),
        ("ledger.replica.timeout", "\"9s\""),
        ("ledger.replica.program", "\"/opt/litestream\""),
        ("ledger.replica.config", "\"litestream.yml\""),
        ("ledger.replica.drill_schedule", "\"0 0 1 * * *\""),
        ("polling.interval", "\"9s\""),
        ("polling.confirming_interval", "\"9s\""),
        ("polling.expiry_grace", "\"9s\""),
        ("polling.confirming_limit", "\"9s\""),
        ("polling.late_watch", "\"9s\""),
        ("polling.list_interval", "\"9s\""),
        ("polling.link_limit", "\"9s\""),
        ("reconcile.schedule", "\"0 0 1 * * *\""),
        ("reconcile.upstream_utc_offset", "\"+03:00\""),
        ("reconcile.tolerance_cents", "9"),
        ("reconcile.tell_after_runs", "9"),
        ("reconcile.lag", "\"9s\""),
        ("books.time_zone", "\"Europe/Berlin\""),
        ("books.accounts", "{ \"equity:asked\" = \"Equity:Wanted\" }"),
        ("balance.low_cents", "9"),
        ("mail.transport", "\"file\""),
        ("mail.from", "\"other@example.com\""),
        ("mail.to", "[\"other@example.com\"]"),
        ("mail.directory", "\"other\""),
        ("mail.retry_initial", "\"9s\""),
        ("mail.retry_max", "\"9s\""),
        ("mail.give_up_after", "\"9d\""),
        ("mail.digest_schedule", "\"0 0 1 * * *\""),
        ("mail.templates", "\"other\""),
        ("mail.quiet_hours", "\"01:00-02:00\""),
        ("mail.quiet_utc_offset", "\"+03:00\""),
        ("mail.urgent", "[\"settled\"]"),
        ("mail.flood_above", "9"),
        ("mail.flood_wait", "\"9s\""),
        ("mail.messages_per_second", "9"),
        ("mail.rules", "[{ events = [\"settled\"], to = [] }]"),
        ("mail.smtp.host", "\"other.example.com\""),
        ("mail.smtp.port", "9"),
        ("mail.smtp.security", "\"tls\""),
        ("mail.smtp.hello", "\"other.example.com\""),
        ("mail.smtp.username", "\"other\""),
        ("mail.smtp.password_file", "\"other\""),
        ("mail.smtp.ca_file", "\"other\""),
        ("webhooks", "[{ name = \"shop\", url = \"https://shop.example.com/\", secret_file = \"other\" }]"),
        ("api.listen", "[\"unix:other.sock\"]"),
        ("api.token_file", "\"other\""),
        ("api.tokens", "[{ name = \"shop\", role = \"read\", file = \"other\" }]"),
        ("api.groups", "[{ name = \"shop\", role = \"read\" }]"),
        ("page.listen", "\"127.0.0.1:8788\""),
        ("page.public_url", "\"https://other.example.com\""),
        ("page.templates", "\"other\""),
        ("fleet.database_url_file", "\"other\""),
        ("fleet.interval", "\"9s\""),
        ("fleet.ledgers", "[{ name = \"shop\", path = \"other.db\" }]"),
        ("log.level", "\"debug\""),
        ("upstream.api_key", "\"other\""),
        ("mail.smtp.password", "\"other\""),
        ("api.token", "\"another token of the test\""),
        ("fleet.database_url", "\"postgres://localhost/other\""),
    ];

    fn config(lines: &[(&str, &str)]) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("daemon.toml");
        let mut text = String::from("mail.smtp.host = \"smtp.example.com\"\n");
        for (key, value) in lines {
            if *key == "mail.smtp.host" {
                text.clear();
            }
            writeln!(text, "{key} = {value}").unwrap();
        }
        std::fs::write(&file, text).unwrap();
        crate::config::load(Some(&file)).unwrap()
    }

    #[test]
    fn each_key_that_is_changed_is_named_and_no_other() {
        for key in KEYS.iter().chain(SECRETS) {
            let (_, value) = OTHERS.iter().find(|(known, _)| known == key).unwrap_or_else(|| panic!("{key}"));
            let mut lines = vec![(*key, *value)];
            if *key == "ledger.backup_schedule" {
                lines.push(("ledger.backup_dir", "\"copies\""));
            }
            let mut found = differences(&relative(config(&[])), &relative(config(&lines)));
            found.retain(|found| *key != "ledger.backup_schedule" || *found != "ledger.backup_dir");
            // A secret is named by its key, wherever it stands; the usual port goes with the security.
            let named = key.strip_suffix("_file").filter(|name| SECRETS.contains(name)).unwrap_or(key);
            let expected =
                if named == "mail.smtp.security" { vec!["mail.smtp.port", named] } else { vec![named] };
            assert_eq!(found, expected, "{key}");
        }
        assert_eq!(differences(&relative(config(&[])), &relative(config(&[]))), Vec::<&str>::new());
    }

    /// Paths start from a folder that each of these configurations has for itself.
    fn relative(mut config: Config) -> Config {
        let name = |path: &mut std::path::PathBuf| *path = path.file_name().unwrap().into();
        name(&mut config.ledger.path);
        name(&mut config.mail.directory);
        for listen in &mut config.api.listen {
            if let crate::config::Listen::Unix(path) = listen {
                name(path);
            }
        }
        config
    }
}
