//! The configuration as people write it: every key, every way to get it wrong, and no secret in any answer.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rust_decimal::Decimal;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;
use crate::config::keys::{KEYS, SECRETS, variable};
use crate::domain::event::EventName;
use crate::domain::poll::Policy;
use crate::domain::time::Zone;

const SECRET: &str = "hunter2-s3cr3t";

mod refusals;
mod tokens;

struct Bench {
    folder: TempDir,
    around: Surroundings,
}

impl Bench {
    fn new(file: Option<&str>, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some(text) = file {
            std::fs::write(folder.path().join("daemon.toml"), text).unwrap();
        }
        let variables = variables.iter().map(|(n, v)| (OsString::from(n), OsString::from(v))).collect();
        let fallback = folder.path().join("etc/daemon.toml");
        let around = Surroundings { variables, folder: folder.path().to_path_buf(), fallback };
        Self { folder, around }
    }

    fn load(&self) -> Result<Config, Error> {
        load_in(&self.around, None)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn from_text(text: &str) -> Result<Config, Error> {
    Bench::new(Some(text), &[]).load()
}

fn error_of(text: &str) -> String {
    match from_text(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error.to_string(),
    }
}

fn from_variables(variables: &[(&str, &str)]) -> Result<Config, Error> {
    Bench::new(None, variables).load()
}

#[test]
fn nothing_written_is_all_defaults() {
    let bench = Bench::new(None, &[]);
    let config = bench.load().unwrap();
    assert_eq!(config.source, None);
    assert_eq!(config.upstream.base_url, "https://api-x.smsonline.cloud");
    assert_eq!(config.upstream.requests_per_second, Decimal::from(5));
    assert_eq!((config.upstream.max_in_flight, config.upstream.create_attempts), (16, 3));
    assert_eq!(config.upstream.timeout, Duration::from_secs(30));
    assert_eq!(config.upstream.down_after, Duration::from_secs(30));
    assert_eq!(config.ledger.path, bench.path("ledger.db"));
    assert!(config.ledger.create_if_missing && config.ledger.backup_schedule.is_none());
    assert_eq!(config.polling, Policy::default());
    assert_eq!(config.reconcile.schedule.as_str(), "0 */15 * * * *");
    assert_eq!(config.reconcile.upstream_zone, Zone::UTC);
    assert_eq!(config.reconcile.tolerance_cents, 0);
    assert_eq!(config.reconcile.lag, Duration::from_hours(1));
    assert_eq!(config.upstream.request_limit, Duration::from_hours(1));
    assert_eq!(config.reconcile.tell_after_runs, 2);
    assert_eq!(config.mail.transport, MailTransport::Smtp);
    assert_eq!(config.mail.directory, bench.path("mail"));
    assert_eq!(config.mail.retry_initial, Duration::from_secs(5));
    assert_eq!(config.mail.give_up_after, Duration::from_hours(120));
    assert!(config.mail.smtp.is_none() && config.mail.rules.is_empty());
    assert!(config.mail.templates.is_none() && config.mail.quiet_hours.is_none());
    assert_eq!((config.mail.flood_above, config.mail.flood_wait), (2000, Duration::from_mins(15)));
    assert_eq!(config.mail.messages_per_second, 500);
    assert_eq!(config.api.listen, [Listen::Unix(bench.path("depositd.sock"))]);
}

#[test]
fn the_example_is_complete_and_loads() {
    let text = include_str!("../../../daemon.toml.example");
    let config = from_text(text).unwrap();
    assert_eq!(config.validate_with(None), Ok(()));
    let rule = MailRule {
        events: vec![EventName::Settled, EventName::Expired, EventName::Failed],
        currency: Vec::new(),
        network: Vec::new(),
        reference: Vec::new(),
        to: vec!["treasury@example.com".to_owned()],
    };
    assert_eq!(config.mail.urgent, Bench::new(None, &[]).load().unwrap().mail.urgent);
    assert_eq!(config.mail.rules, [], "nobody gets letters by an example");
    // With every commented key switched on, each key of the table stands in it, and it still is one configuration.
    let is_key = |line: &str| {
        line.strip_prefix('#').is_some_and(|rest| {
            let is_table = rest.starts_with("[[") && rest.ends_with("]]");
            let is_value = rest
                .split_once(" = ")
                .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            is_table || is_value
        })
    };
    let switched_on: Vec<&str> =
        text.lines().map(|line| if is_key(line) { line.strip_prefix('#').unwrap() } else { line }).collect();
    let mut section = "";
    let mut named = Vec::new();
    for line in &switched_on {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = name.trim_start_matches('[');
            named.push(section.to_owned());
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            named.push(format!("{section}.{key}"));
        }
    }
    for key in KEYS.iter().chain(SECRETS) {
        assert!(named.iter().any(|name| name == key), "{key} is not in daemon.toml.example");
    }
    let one_way: Vec<&str> = switched_on
        .into_iter()
        .filter(|line| {
            !["api_key =", "password =", "token =", "database_url ="].iter().any(|key| line.starts_with(key))
        })
        .collect();
    let whole = from_text(&one_way.join("\n")).unwrap();
    assert_eq!(whole.mail.rules, [rule]);
}

#[test]
fn every_key_is_read_and_refuses_a_wrong_type() {
    for key in KEYS {
        let (section, leaf) = key.rsplit_once('.').unwrap_or(("", key));
        let head = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
        let is_boolean = ["ledger.create_if_missing", "ledger.replica.require"].contains(key);
        let wrong = if is_boolean { "7" } else { "true" };
        let error = error_of(&format!("{head}{leaf} = {wrong}\n"));
        assert!(error.contains(&format!("daemon.toml: {key}: expected ")), "{key}: {error}");
        let name = variable(key);
        let error = from_variables(&[(&name, "")]).map(|_| ()).map_err(|e| e.to_string());
        if !["mail.to", "mail.urgent", "api.listen"].contains(key) {
            assert!(error.is_err_and(|e| e.starts_with(&format!("{name}: {key}: expected "))), "{key}");
        }
    }
    for key in SECRETS {
        let (section, leaf) = key.rsplit_once('.').unwrap();
        for wrong in ["12345678", "true", "[\"hunter2-s3cr3t\"]", "{ x = \"hunter2-s3cr3t\" }", "1.5"] {
            let error = error_of(&format!("[{section}]\n{leaf} = {wrong}\n"));
            assert!(error.ends_with(&format!(": {key}: expected a text in quotes, found something else")));
            assert!(!error.contains("12345678") && !error.contains(SECRET), "{error}");
        }
    }
}

#[test]
fn numbers_are_taken_as_they_are_written() {
    for (written, value) in
        [("5", "5"), ("0.5", "0.5"), ("0.1", "0.1"), ("0", "0"), ("2.50", "2.5"), ("0.001", "0.001")]
    {
        let config = from_text(&format!("[upstream]\nrequests_per_second = {written}")).unwrap();
        assert_eq!(config.upstream.requests_per_second.to_string(), value);
        let config = from_variables(&[("DEPOSITD_UPSTREAM__REQUESTS_PER_SECOND", written)]).unwrap();
        assert_eq!(config.upstream.requests_per_second.to_string(), value);
    }
    assert_eq!(from_text("[upstream]\nuser_id = 12345").unwrap().upstream.user_id.as_deref(), Some("12345"));
    let padded = from_variables(&[("DEPOSITD_UPSTREAM__USER_ID", "007")]).unwrap();
    assert_eq!(padded.upstream.user_id.as_deref(), Some("007"), "a name, not a number");
}

#[test]
fn the_environment_overrides_every_kind_of_key() {
    let file = "[upstream]\nuser_id = \"file\"\ntimeout = \"1s\"\n[mail]\nto = [\"file@b\"]\n[mail.smtp]\nhost = \"file\"\nport = 1";
    let bench = Bench::new(
        Some(file),
        &[
            ("DEPOSITD_UPSTREAM__USER_ID", "12345"),
            ("DEPOSITD_UPSTREAM__MAX_IN_FLIGHT", "3"),
            ("DEPOSITD_LEDGER__CREATE_IF_MISSING", "false"),
            ("DEPOSITD_LEDGER__PATH", "books/l.db"),
            ("DEPOSITD_RECONCILE__SCHEDULE", "0 0 * * * *"),
            ("DEPOSITD_MAIL__TO", "a@b, c@d"),
            ("DEPOSITD_MAIL__SMTP__HOST", "mail.example.com"),
            ("DEPOSITD_MAIL__RULES", "[{ events = [\"digest\"], to = [\"x@y\"] }]"),
            ("DEPOSITD_API__LISTEN", "[\"unix:s\", \"127.0.0.1:0\"]"),
            ("DEPOSITD_API__TOKEN", "12345678"),
            ("DEPOSITD_LOG", "debug"),
            ("OTHER__KEY", "x"),
        ],
    );
    let config = bench.load().unwrap();
    assert_eq!(config.source, Some(bench.path("daemon.toml")));
    assert_eq!(config.upstream.user_id.as_deref(), Some("12345"));
    assert_eq!((config.upstream.max_in_flight, config.upstream.timeout), (3, Duration::from_secs(1)));
    assert!(!config.ledger.create_if_missing);
    assert_eq!(config.ledger.path, bench.path("books/l.db"));
    assert_eq!(config.reconcile.schedule.as_str(), "0 0 * * * *");
    assert_eq!(config.mail.to, ["a@b", "c@d"]);
    let rule = &config.mail.rules[0];
    assert_eq!((&rule.events[..], &rule.to[..]), (&[EventName::Digest][..], &["x@y".to_owned()][..]));
    let smtp = config.mail.smtp.unwrap();
    assert_eq!((smtp.host.as_deref(), smtp.port), (Some("mail.example.com"), 1));
    assert_eq!(config.api.listen.len(), 2);
    let token = config.api.token.read_with(None).unwrap().unwrap();
    assert_eq!(token.expose_secret(), "12345678", "a secret of digits stays the text it is");
}

#[test]
fn the_file_is_looked_for_in_order() {
    let bench = Bench::new(Some(""), &[]);
    std::fs::create_dir(bench.path("etc")).unwrap();
    for name in ["etc/daemon.toml", "asked.toml", "named.toml"] {
        std::fs::write(bench.path(name), "").unwrap();
    }
    let with = |name: &str| {
        let variables = vec![(OsString::from("DEPOSITD_CONFIG"), OsString::from(name))];
        Surroundings { variables, ..bench.around.clone() }
    };
    let find = |around: &Surroundings, explicit: Option<&str>| {
        locate::locate_in(around, explicit.map(Path::new)).map_err(|error| error.to_string())
    };
    assert_eq!(find(&with("named.toml"), Some("asked.toml")), Ok(Some(bench.path("asked.toml"))));
    assert_eq!(find(&with("named.toml"), None), Ok(Some(bench.path("named.toml"))));
    assert_eq!(find(&bench.around, None), Ok(Some(bench.path("daemon.toml"))));
    std::fs::remove_file(bench.path("daemon.toml")).unwrap();
    assert_eq!(find(&with(""), None), Ok(Some(bench.path("etc/daemon.toml"))));
    std::fs::remove_file(bench.path("etc/daemon.toml")).unwrap();
    assert_eq!(find(&bench.around, None), Ok(None));
    let error = find(&bench.around, Some("no.toml")).unwrap_err();
    assert!(error.contains("no.toml: cannot read the configuration (--config): No such file"), "{error}");
    let error = find(&with("no.toml"), None).unwrap_err();
    assert!(error.contains("no.toml") && error.contains("DEPOSITD_CONFIG"), "{error}");
    assert!(find(&bench.around, Some("etc")).unwrap_err().contains("found a folder"));
    let loaded = load_in(&with("named.toml"), None).unwrap();
    assert_eq!(loaded.source, Some(bench.path("named.toml")), "DEPOSITD_CONFIG is no key");
}

#[test]
fn paths_start_from_the_folder_of_the_file() {
    let bench = Bench::new(None, &[]);
    std::fs::create_dir(bench.path("etc")).unwrap();
    let text =
        "[ledger]\npath = \"../l.db\"\n[upstream]\napi_key_file = \"key\"\n[mail]\ndirectory = \"/abs\"";
    std::fs::write(bench.path("etc/daemon.toml"), text).unwrap();
    let config = load_in(&bench.around, Some(Path::new("etc/daemon.toml"))).unwrap();
    assert_eq!(config.ledger.path, bench.path("etc/../l.db"));
    assert_eq!(config.upstream.api_key.file, Some(bench.path("etc/key")));
    assert_eq!(config.mail.directory, PathBuf::from("/abs"));
    assert_eq!(config.api.listen, [Listen::Unix(bench.path("etc/depositd.sock"))]);
}

#[test]
fn the_daemon_is_told_what_to_write() {
    let complete = "[upstream]\nuser_id = \"1\"\napi_key = \"k\"\n[mail]\nfrom = \"a@b\"\nto = [\"a@b\"]\n[mail.smtp]\nhost = \"h\"\n";
    assert_eq!(from_text(complete).unwrap().validate_with(None), Ok(()));
    for (drop, add, parts) in [
        (
            "user_id = \"1\"\n",
            "",
            &[
                "upstream.user_id: missing; write user_id = \"12345\" under [upstream], or set DEPOSITD_UPSTREAM__USER_ID",
            ][..],
        ),
        (
            "api_key = \"k\"\n",
            "",
            &["upstream.api_key: missing", "api_key_file", "systemd credential \"upstream-api-key\""],
        ),
        ("from = \"a@b\"\n", "", &["mail.from: missing; write from ="]),
        ("to = [\"a@b\"]\n", "", &["mail.to: missing; write to ="]),
        (
            "[mail.smtp]\nhost = \"h\"\n",
            "",
            &["mail.smtp.host: missing; write host = \"smtp.example.com\" under [mail.smtp]"],
        ),
        ("host = \"h\"\n", "", &["mail.smtp.host: missing"]),
        ("", "username = \"u\"", &["mail.smtp.password: missing", "\"smtp-password\""]),
        ("", "password = \"p\"", &["mail.smtp.username: missing"]),
        (
            "",
            "[api]\nlisten = [\"127.0.0.1:8787\"]",
            &[
                "api.token: 127.0.0.1:8787 is TCP, which needs a token: missing; write token_file",
                "\"api-token\"",
            ],
        ),
        ("", "[api]\nlisten = []", &["api.listen: missing"]),
    ] {
        let text = complete.replace(drop, "") + add;
        let config = from_text(&text).unwrap();
        let error = config.validate_with(None).unwrap_err().to_string();
        for part in parts {
            assert!(
                error.contains(part) && error.contains("daemon.toml: "),
                "{text}\ngave: {error}\nwithout: {part}"
            );
        }
    }
    let nowhere = from_variables(&[]).unwrap().validate_with(None).unwrap_err().to_string();
    assert!(nowhere.contains("./daemon.toml, /etc/depositd/daemon.toml"), "{nowhere}");
    let filed = complete.replace("[mail.smtp]\nhost = \"h\"\n", "transport = \"file\"\n");
    assert_eq!(from_text(&filed).unwrap().validate_with(None), Ok(()));
    let credentials = tempfile::tempdir().unwrap();
    std::fs::write(credentials.path().join("upstream-api-key"), "k").unwrap();
    let config = from_text(&complete.replace("api_key = \"k\"\n", "")).unwrap();
    assert_eq!(config.validate_with(Some(credentials.path())), Ok(()));
    let long = format!("{complete}[api]\nlisten = [\"unix:/{}\"]", "x".repeat(107));
    let error = from_text(&long).unwrap().validate_with(None).unwrap_err().to_string();
    assert!(error.contains("at most 107 bytes"), "{error}");
}

#[test]
fn a_reader_without_secrets_loads_it_all() {
    let text = "[upstream]\napi_key_file = \"/nowhere/key\"\n[mail.smtp]\npassword_file = \"/nowhere/pw\"\n[api]\ntoken_file = \"/nowhere/t\"";
    let config = from_text(text).unwrap();
    assert!(config.upstream.api_key.read_with(None).unwrap_err().to_string().contains("/nowhere/key"));
}

#[test]
fn letters_have_hours_floods_and_rules_by_what_a_deposit_is() {
    let text = r#"[mail]
quiet_hours = "22:00-07:30"
quiet_utc_offset = "+02:00"
urgent = ["upstream_*", "held"]
flood_above = 0
[[mail.rules]]
events = ["*"]
currency = "usd*"
network = ["TRON", "BSC"]
reference = "shop-*"
to = ["a@example.com"]
"#;
    let mail = from_text(text).unwrap().mail;
    let hours = mail.quiet_hours.unwrap();
    assert_eq!((hours.from, hours.to, mail.quiet_utc_offset_seconds), (1320, 450, 7200));
    assert_eq!(mail.urgent, [EventName::Held, EventName::UpstreamDown, EventName::UpstreamBack]);
    assert_eq!(mail.flood_above, 0);
    let rule = &mail.rules[0];
    assert_eq!(
        (&rule.currency[..], rule.network.len(), rule.reference.len()),
        (&["usd*".to_owned()][..], 2, 1)
    );
    for (line, part) in [
        ("quiet_hours = \"22-7\"", "such as \"22:00-07:00\""),
        ("quiet_hours = \"24:00-07:00\"", "such as"),
        ("quiet_hours = \"07:00-07:00\"", "different times"),
        ("urgent = [\"heldd\"]", "did you mean \"held\""),
        ("quiet_hours = \"22:00-07:00\"\ngive_up_after = \"5h\"", "at least \"1d\""),
        ("[[mail.rules]]\nevents = [\"*\"]\nto = []\ncurrency = \"USX\"", "fits none of USDT"),
        ("[[mail.rules]]\nevents = [\"*\"]\nto = []\ncoin = \"USX\"", "unknown key \"coin\""),
    ] {
        let error = from_text(&format!("[mail]\n{line}\n")).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn zones_and_the_lag_are_read() {
    let text = "[reconcile]\nupstream_utc_offset = \"Europe/Berlin\"\nlag = \"0s\"\n[upstream]\nrequest_limit = \"90m\"";
    let config = from_text(text).unwrap();
    assert_eq!(config.reconcile.upstream_zone.to_string(), "Europe/Berlin");
    assert_eq!(config.reconcile.lag, Duration::ZERO, "off");
    assert_eq!(config.upstream.request_limit, Duration::from_mins(90));
    let text = "[reconcile]\nupstream_utc_offset = \"+03:00\"\nlag = \"45m\"";
    let config = from_text(text).unwrap();
    assert_eq!(config.reconcile.upstream_zone.to_string(), "+03:00");
    assert_eq!(config.reconcile.lag, Duration::from_mins(45));
    let config = from_variables(&[("DEPOSITD_RECONCILE__LAG", "0s")]).unwrap();
    assert_eq!(config.reconcile.lag, Duration::ZERO);
}
