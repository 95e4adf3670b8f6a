//! The secrets that systemd passes to the daemon, found where systemd takes them from, and what can be said of each.

use std::fs;
use std::path::Path;

use super::account::{Account, Want};
use super::finding::Findings;
use super::unit::{Passed, Unit, usual_place};
use crate::config::{Config, MailTransport, SecretSource, is_open_to_others};

/// Has every secret that is neither written nor in a file read from where systemd would take it, and gives the keys of
/// those that only systemd can read.
pub(super) fn adopt(config: &mut Config, unit: Option<&Unit>) -> Vec<&'static str> {
    let source = config.source.clone();
    let mut sealed = Vec::new();
    for secret in secrets_mut(config) {
        if secret.inline.is_some() || secret.place().is_some() {
            continue;
        }
        secret.loaded_from = match unit.map(|unit| unit.credential(secret.credential)) {
            None => usual_place(source.as_deref(), secret.credential),
            Some(Passed::From(file)) => Some(file),
            Some(Passed::Read(file)) => Some(file).filter(|file| file.exists()),
            Some(Passed::Not) => None,
            Some(Passed::Sealed) => {
                sealed.push(secret.key);
                // There to be configured, and not to be read.
                Some("/dev/null".into())
            }
        };
    }
    sealed
}

/// Each secret: where it comes from, whether it can be read, and by whom besides.
pub(super) fn secrets(
    config: &Config,
    unit: Option<&Unit>,
    sealed: &[&str],
    daemon: &Account,
) -> super::finding::Check {
    let mut found = Findings::default();
    let by_unit = unit.map(|unit| format!(" ({})", unit.name)).unwrap_or_default();
    for secret in secrets_of(config) {
        let key = secret.key;
        if sealed.contains(&key) {
            found.good(format!("{key}: passed by systemd{by_unit}, not read here"));
            continue;
        }
        let read = if key == "api.token" { config.api.read_token() } else { secret.read() };
        match read {
            Ok(None) => not_passed(&mut found, config, secret, unit),
            Ok(Some(_)) => found.good(format!("{key}: {}", place(secret, &by_unit))),
            Err(error) => found.wrong(error.to_string()),
        }
        reach(&mut found, secret, daemon);
    }
    for token in &config.api.tokens {
        let (key, role) = (&token.file.key, token.role.as_str());
        match token.read() {
            Ok(_) => found.good(format!("{key}: {} (role {role})", token.file.path.display())),
            Err(error) => found.wrong(error.to_string()),
        }
        reach_file(&mut found, &token.file.path, key, Some(daemon));
    }
    if found.is_empty() {
        found.good("none is configured");
    }
    found.check("secrets")
}

fn place(secret: &SecretSource, by_unit: &str) -> String {
    match secret.place() {
        None => "written in the configuration".to_owned(),
        Some(file) if secret.file.is_some() => file.display().to_string(),
        Some(file) => format!("systemd credential {}{by_unit}", file.display()),
    }
}

/// A credential whose file is there and that the unit does not pass: `run` by hand would do without, and so would systemd.
fn not_passed(found: &mut Findings, config: &Config, secret: &SecretSource, unit: Option<&Unit>) {
    if let Some(unit) = unit
        && let Some(file) = usual_place(config.source.as_deref(), secret.credential)
    {
        let (name, key, file) = (secret.credential, secret.key, file.display());
        found.warn(format!(
            "{key}: {file} is there, and {} does not pass it: add LoadCredential={name}:{file} in a drop-in",
            unit.name
        ));
    }
}

/// Who can reach the file that holds it: too many, or not the daemon.
fn reach(found: &mut Findings, secret: &SecretSource, daemon: &Account) {
    let written = secret.written_in.clone().filter(|_| secret.inline.is_some());
    let Some(file) = secret.place().or(written) else { return };
    // What systemd passes, systemd reads.
    let own = secret.file.is_some().then_some(daemon);
    let key = if secret.file.is_some() { format!("{}_file", secret.key) } else { secret.key.to_owned() };
    reach_file(found, &file, &key, own);
}

pub(super) fn reach_file(found: &mut Findings, file: &Path, key: &str, daemon: Option<&Account>) {
    let Ok(met) = fs::metadata(file) else { return };
    if is_open_to_others(&met) {
        found.warn(format!(
            "{}: every user of this machine can reach this secret ({key}): chmod 0640 or 0600 it",
            file.display()
        ));
    }
    if let Some(Err(why)) = daemon.map(|daemon| daemon.may(file, Want::Read)) {
        found.wrong(format!("{key}: {why}"));
    }
}

/// The configuration's own file, and the certificates and templates that it names.
pub(super) fn readable(found: &mut Findings, config: &Config, daemon: &Account) {
    let certificate = config.mail.smtp.as_ref().and_then(|smtp| smtp.ca_file.as_deref());
    let files: [(&str, Option<&Path>); 3] = [
        ("the configuration", config.source.as_deref()),
        ("mail.smtp.ca_file", certificate.filter(|_| config.mail.transport == MailTransport::Smtp)),
        ("mail.templates", config.mail.templates.as_deref()),
    ];
    for (what, file) in files.into_iter().filter_map(|(what, file)| Some((what, file?))) {
        if let Err(why) = daemon.may(file, Want::Read) {
            found.wrong(format!("{what}: {why}"));
        }
    }
}

fn secrets_of(config: &Config) -> impl Iterator<Item = &SecretSource> {
    let password = config.mail.smtp.as_ref().map(|smtp| &smtp.password);
    [&config.upstream.api_key, &config.api.token].into_iter().chain(password)
}

fn secrets_mut(config: &mut Config) -> impl Iterator<Item = &mut SecretSource> {
    let password = config.mail.smtp.as_mut().map(|smtp| &mut smtp.password);
    [&mut config.upstream.api_key, &mut config.api.token].into_iter().chain(password)
}
