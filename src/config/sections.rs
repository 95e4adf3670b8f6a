//! Which values each section takes, what their bounds are, and what holds where nothing is written.

use std::path::Path;
use std::time::Duration;

use super::cron::CronExpression;
use super::error::{Error, quoted};
use super::fleet::fleet;
use super::layers::Layers;
use super::ledger::ledger;
use super::page::page;
use super::reader::constant;
use super::secret::SecretFile;
use super::settings::{
    ApiConfig, BalanceConfig, BooksConfig, Config, GroupConfig, LogConfig, MailConfig, MailRule,
    MailTransport, PLAIN_TOKEN, ReconcileConfig, Role, SmtpConfig, SmtpEncryption, TokenConfig,
    UpstreamConfig,
};
use super::suspects::{suspect_argument, suspect_host, suspect_path};
use super::tables::{ConfigTable, TableKind, tables};
use super::values::{self, Listen};
use super::webhooks::{RetryDefaults, webhooks};
use crate::domain::chart;
use crate::domain::event::EventName;
use crate::domain::host::is_loopback;
use crate::domain::poll;
use crate::domain::time::Zone;

const DEFAULT_BASE_URL: &str = "https://api-x.smsonline.cloud";
const DEFAULT_RECONCILE: &str = "0 */15 * * * *";
/// A longer one that is neither a number nor an address could be the key.
const LONGEST_USER_ID: usize = 12;
/// No call is worth waiting longer for.
const LONGEST_CALL: Duration = Duration::from_hours(1);
/// Ten billion dollars.
const MOST_CENTS: i128 = 1_000_000_000_000;

impl Config {
    pub(crate) fn from_layers(layers: &Layers, source: Option<&Path>) -> Result<Self, Error> {
        let mail = mail(layers)?;
        let usual = RetryDefaults {
            initial: mail.retry_initial,
            max: mail.retry_max,
            give_up_after: mail.give_up_after,
        };
        Ok(Self {
            source: source.map(Path::to_path_buf),
            is_of_fleet_alone: layers.has_section("fleet")
                && !layers.has_section("upstream")
                && !layers.has_section("ledger"),
            upstream: upstream(layers)?,
            ledger: ledger(layers)?,
            polling: polling(layers)?,
            reconcile: reconcile(layers)?,
            books: books(layers)?,
            balance: BalanceConfig { low_cents: layers.number("balance.low_cents", 1..=MOST_CENTS)? },
            webhooks: webhooks(layers, usual)?,
            mail,
            api: api(layers)?,
            page: page(layers)?,
            fleet: fleet(layers)?,
            log: LogConfig { level: layers.parsed("log.level", "a level in quotes", values::log_levels)? },
        })
    }
}

fn upstream(layers: &Layers) -> Result<UpstreamConfig, Error> {
    let base_url = layers.parsed("upstream.base_url", "a URL in quotes", values::base_url)?;
    base_url.as_deref().inspect(|url| suspect_host(values::host_of(url)));
    let user_id = layers.name("upstream.user_id")?;
    user_id.as_deref().filter(|id| id.len() > LONGEST_USER_ID).inspect(|id| suspect_argument(id));
    let fits = |c: char| c.is_alphanumeric() || "-_.@+:".contains(c);
    if user_id.as_ref().is_some_and(|id| id.len() > 128 || !id.chars().all(fits) || id.starts_with('.')) {
        let problem = "expected the account's user id such as \"12345\": letters, digits, - _ . @ + : only";
        return Err(layers.fault("upstream.user_id", problem));
    }
    let (least, most) = (constant("0.001"), constant("10000"));
    let rate = layers.decimal(
        "upstream.requests_per_second",
        "a number from 0.001 to 10000, or 0 for no limit",
        |rate| rate.is_zero() || (least..=most).contains(&rate),
    )?;
    let timeout = layers.duration_within("upstream.timeout", LONGEST_CALL)?;
    Ok(UpstreamConfig {
        base_url: base_url.unwrap_or_else(|| DEFAULT_BASE_URL.to_owned()),
        user_id,
        api_key: layers.secret_source("upstream.api_key", "upstream.api_key_file", "upstream-api-key")?,
        requests_per_second: rate.unwrap_or(constant("5")),
        max_in_flight: layers.number("upstream.max_in_flight", 1..=1024)?.unwrap_or(16),
        timeout: timeout.unwrap_or(Duration::from_secs(30)),
        create_attempts: layers.number("upstream.create_attempts", 1..=10)?.unwrap_or(3),
        down_after: layers.duration("upstream.down_after")?.unwrap_or(Duration::from_secs(30)),
        request_limit: layers.duration("upstream.request_limit")?.unwrap_or(Duration::from_hours(1)),
        page_amount: layers.word("upstream.page_amount", crate::domain::method::AmountUnit::WORDS)?,
    })
}

fn polling(layers: &Layers) -> Result<poll::Policy, Error> {
    let usual = poll::Policy::default();
    Ok(poll::Policy {
        interval: layers.duration("polling.interval")?.unwrap_or(usual.interval),
        confirming_interval: layers
            .duration("polling.confirming_interval")?
            .unwrap_or(usual.confirming_interval),
        expiry_grace: layers.duration("polling.expiry_grace")?.unwrap_or(usual.expiry_grace),
        confirming_limit: layers.duration("polling.confirming_limit")?.unwrap_or(usual.confirming_limit),
        late_watch: layers.duration("polling.late_watch")?.unwrap_or(usual.late_watch),
        list_interval: layers.duration("polling.list_interval")?.unwrap_or(usual.list_interval),
        link_limit: layers.duration("polling.link_limit")?.unwrap_or(usual.link_limit),
        books_open_from: usual.books_open_from,
    })
}

fn reconcile(layers: &Layers) -> Result<ReconcileConfig, Error> {
    let schedule = match layers.cron("reconcile.schedule")? {
        Some(schedule) => schedule,
        None => CronExpression::parse(DEFAULT_RECONCILE)
            .map_err(|error| layers.fault("reconcile.schedule", error))?,
    };
    let zone = layers.parsed(
        "reconcile.upstream_utc_offset",
        "an offset or a zone in quotes such as \"+00:00\" or \"Europe/Berlin\"",
        values::zone,
    )?;
    let lag = layers.parsed(
        "reconcile.lag",
        "a duration in quotes such as \"1h\", or \"0s\"",
        values::duration_or_none,
    )?;
    Ok(ReconcileConfig {
        schedule,
        upstream_zone: zone.unwrap_or(Zone::UTC),
        tolerance_cents: layers.number("reconcile.tolerance_cents", 0..=1_000_000_000)?.unwrap_or(0),
        tell_after_runs: layers.number("reconcile.tell_after_runs", 1..=1000)?.unwrap_or(2),
        lag: lag.unwrap_or(Duration::from_hours(1)),
    })
}

fn books(layers: &Layers) -> Result<BooksConfig, Error> {
    let zone = layers.parsed(
        "books.time_zone",
        "a zone or an offset in quotes such as \"Europe/Berlin\" or \"+00:00\"",
        values::zone,
    )?;
    let wishes = layers.text_table("books.accounts")?;
    let accounts = chart::renamed(&wishes).map_err(|problem| layers.fault("books.accounts", problem))?;
    Ok(BooksConfig { time_zone: zone.unwrap_or(Zone::UTC), accounts })
}

fn mail(layers: &Layers) -> Result<MailConfig, Error> {
    let transport =
        layers.word("mail.transport", &[("smtp", MailTransport::Smtp), ("file", MailTransport::File)])?;
    let from = layers.parsed("mail.from", "a mail address in quotes", |text| {
        values::mail_address(text).map(|()| text.to_owned())
    })?;
    let to = layers.list("mail.to")?.unwrap_or_default();
    let mail = MailConfig {
        transport: transport.unwrap_or(MailTransport::Smtp),
        from,
        to: recipients(to).map_err(|problem| layers.fault("mail.to", problem))?,
        directory: layers.path("mail.directory")?.unwrap_or_else(|| layers.default_path("mail")),
        retry_initial: layers.duration("mail.retry_initial")?.unwrap_or(Duration::from_secs(5)),
        retry_max: layers.duration("mail.retry_max")?.unwrap_or(Duration::from_hours(1)),
        give_up_after: layers.duration("mail.give_up_after")?.unwrap_or(Duration::from_hours(5 * 24)),
        digest_schedule: layers.cron("mail.digest_schedule")?,
        templates: layers.path("mail.templates")?,
        quiet_hours: layers.parsed(
            "mail.quiet_hours",
            "hours of the day in quotes such as \"22:00-07:00\"",
            values::day_hours,
        )?,
        quiet_utc_offset_seconds: layers
            .parsed("mail.quiet_utc_offset", "an offset in quotes such as \"+01:00\"", values::utc_offset)?
            .unwrap_or(0),
        urgent: urgent(layers)?,
        flood_above: layers.number("mail.flood_above", 0..=1_000_000)?.unwrap_or(2000),
        flood_wait: layers.duration("mail.flood_wait")?.unwrap_or(Duration::from_mins(15)),
        messages_per_second: layers.number("mail.messages_per_second", 0..=10_000)?.unwrap_or(500),
        smtp: smtp(layers)?,
        rules: rules(layers)?,
    };
    // A letter that waits for the morning must not be given up at its first try.
    let a_day = Duration::from_hours(24);
    if mail.quiet_hours.is_some() && mail.give_up_after < a_day {
        let problem = "expected mail.give_up_after to be at least \"1d\" where there are quiet hours";
        return Err(layers.fault("mail.give_up_after", problem));
    }
    for (key, limit, span) in [
        ("mail.retry_max", mail.retry_max, "retry_max"),
        ("mail.give_up_after", mail.give_up_after, "give_up_after"),
    ] {
        if limit < mail.retry_initial {
            let least = values::shown(mail.retry_initial);
            let problem = format!("expected {span} to be at least mail.retry_initial, which is {least}");
            return Err(layers.fault(key, problem));
        }
    }
    Ok(mail)
}

/// What goes in quiet hours beside what is never held back.
fn urgent(layers: &Layers) -> Result<Vec<EventName>, Error> {
    let Some(patterns) = layers.list("mail.urgent")? else {
        return Ok(EventName::ALL.iter().copied().filter(|event| event.is_urgent_by_default()).collect());
    };
    let mut events = Vec::new();
    for pattern in patterns {
        events.extend(values::events(&pattern).map_err(|problem| layers.fault("mail.urgent", problem))?);
    }
    events.sort_unstable();
    events.dedup();
    Ok(events)
}

/// Reads addresses, without the names before them, and drops repeated ones.
fn recipients(addresses: Vec<String>) -> Result<Vec<String>, String> {
    let mut kept: Vec<String> = Vec::new();
    for (number, address) in (1_usize..).zip(addresses) {
        let address =
            values::recipient(&address).map_err(|problem| format!("{problem}, as address {number}"))?;
        if !kept.iter().any(|known| known.eq_ignore_ascii_case(&address)) {
            kept.push(address);
        }
    }
    Ok(kept)
}

const RULES: TableKind = TableKind {
    section: "mail.rules",
    noun: "rule",
    needed: &["events", "to"],
    optional: &["currency", "network", "reference"],
    most: 1000,
};

fn rules(layers: &Layers) -> Result<Vec<MailRule>, Error> {
    let read = |rule: ConfigTable<'_>| {
        let (patterns, to) = (rule.list("events")?, rule.list("to")?);
        Ok(MailRule {
            currency: rule.currencies()?,
            network: rule.networks()?,
            reference: rule.globs("reference")?,
            events: rule.events(&patterns, values::events)?,
            to: recipients(to).map_err(|problem| rule.fault(problem))?,
        })
    };
    tables(layers, RULES)?.into_iter().map(read).collect()
}

fn smtp(layers: &Layers) -> Result<Option<SmtpConfig>, Error> {
    if !layers.has_section("mail.smtp") {
        return Ok(None);
    }
    let words = [
        ("starttls", SmtpEncryption::StartTls),
        ("tls", SmtpEncryption::Tls),
        ("none", SmtpEncryption::None),
    ];
    let security = layers.word("mail.smtp.security", &words)?.unwrap_or(SmtpEncryption::StartTls);
    let usual_port = match security {
        SmtpEncryption::StartTls => 587,
        SmtpEncryption::Tls => 465,
        SmtpEncryption::None => 25,
    };
    let host = layers.parsed("mail.smtp.host", "a host name in quotes", |text| {
        let fits = |c: char| c.is_alphanumeric() || "-._:[]".contains(c);
        let good =
            !text.is_empty() && text.len() <= 255 && text.chars().all(fits) && values::has_no_port(text);
        good.then(|| text.to_owned())
            .ok_or_else(|| "expected a host name such as \"smtp.example.com\", without a port".to_owned())
    })?;
    host.as_deref().inspect(|host| suspect_host(host));
    if security == SmtpEncryption::None && host.as_ref().is_some_and(|host| !is_loopback(host)) {
        let problem = "expected \"starttls\" or \"tls\"; \"none\" is for a server on this machine only (127.0.0.1, localhost)";
        return Err(layers.fault("mail.smtp.security", problem));
    }
    Ok(Some(SmtpConfig {
        host,
        port: layers.number("mail.smtp.port", 1..=65_535)?.unwrap_or(usual_port),
        security,
        username: layers.text("mail.smtp.username")?,
        password: layers.secret_source("mail.smtp.password", "mail.smtp.password_file", "smtp-password")?,
        ca_file: layers.path("mail.smtp.ca_file")?,
        hello: layers.parsed("mail.smtp.hello", "a host name in quotes", |text| {
            crate::notifier::parse_hello(text)
                .map_err(|expected| format!("{expected}, found {}", quoted(text)))
        })?,
    }))
}

fn api(layers: &Layers) -> Result<ApiConfig, Error> {
    let in_environment = layers.find("api.listen").is_some_and(|found| found.in_environment);
    let mut listen = Vec::new();
    for text in layers.list("api.listen")?.unwrap_or_else(|| vec!["unix:depositd.sock".to_owned()]) {
        let place = match values::listen(&text).map_err(|problem| layers.fault("api.listen", problem))? {
            Listen::Unix(path) => {
                let path = layers.resolve(&path, in_environment);
                suspect_path(&path);
                Listen::Unix(path)
            }
            tcp @ Listen::Tcp(_) => tcp,
        };
        if listen.contains(&place) && !matches!(place, Listen::Tcp(address) if address.port() == 0) {
            return Err(
                layers.fault("api.listen", format!("expected each address once, found {place} twice"))
            );
        }
        listen.push(place);
    }
    Ok(ApiConfig {
        listen,
        token: layers.secret_source("api.token", "api.token_file", "api-token")?,
        tokens: tokens(layers)?,
        groups: groups(layers)?,
    })
}

const TOKENS: TableKind = TableKind {
    section: "api.tokens",
    noun: "token",
    needed: &["name", "role", "file"],
    optional: &[],
    most: 64,
};

fn tokens(layers: &Layers) -> Result<Vec<TokenConfig>, Error> {
    let mut tokens: Vec<TokenConfig> = Vec::new();
    let has_plain = layers.secret("api.token").is_some() || layers.find("api.token_file").is_some();
    for table in tables(layers, TOKENS)? {
        let name = table.name()?;
        let is_taken = tokens.iter().any(|known| known.name.eq_ignore_ascii_case(&name));
        if is_taken || (has_plain && name.eq_ignore_ascii_case(PLAIN_TOKEN)) {
            let also = if is_taken { "" } else { "; api.token has the name \"api\"" };
            return Err(table.fault(format!("expected each name once, found {name:?} twice{also}")));
        }
        let role = role(&table)?;
        table.needed("file", "/path/to/token")?;
        let path = table.path("file")?.unwrap_or_default();
        let key = format!("api.tokens {name:?} file");
        tokens.push(TokenConfig { name, role, file: SecretFile { path, key } });
    }
    Ok(tokens)
}

const GROUPS: TableKind =
    TableKind { section: "api.groups", noun: "group", needed: &["name", "role"], optional: &[], most: 64 };

fn groups(layers: &Layers) -> Result<Vec<GroupConfig>, Error> {
    let mut groups: Vec<GroupConfig> = Vec::new();
    for table in tables(layers, GROUPS)? {
        let name = table.name()?;
        if groups.iter().any(|known| known.name == name) {
            return Err(table.fault(format!("expected each name once, found {name:?} twice")));
        }
        groups.push(GroupConfig { name, role: role(&table)? });
    }
    Ok(groups)
}

fn role(table: &ConfigTable<'_>) -> Result<Role, Error> {
    let word = table.needed("role", "request")?;
    Role::parse(word).ok_or_else(|| {
        let all: Vec<_> = Role::ALL.iter().map(|role| format!("{:?}", role.as_str())).collect();
        table.fault(format!("expected role = {}, found {}", all.join(" or "), quoted(word)))
    })
}
