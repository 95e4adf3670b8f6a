//! SIGHUP: the configuration is read again. All that it asks for is made ready first, and then takes the place of what was;
//! where any of it is wrong nothing is changed.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

use super::{Error, mailer, rules, webhooks};
use crate::api::LiveAccess;
use crate::config::{self, ApiConfig, Config, MailConfig, NamedToken, PLAIN_TOKEN};
use crate::flow::Flow;
use crate::notifier::{Mailer, Rules, WebhookEndpoint};

/// Sets from which level on is logged, by `log.level`; says why not where something else decides that.
pub type SetLogLevel = Box<dyn Fn(Option<&str>) -> Result<(), String> + Send>;

/// What is read again, and what was in effect before.
pub(super) struct Reloader {
    /// As the daemon was started: what cannot be changed is this.
    started: Config,
    /// As it is now.
    applied: Config,
    secrets: Secrets,
    set_log_level: SetLogLevel,
}

/// What the secrets' files hold.
#[derive(Clone)]
struct Secrets {
    api_key: Option<SecretString>,
    password: Option<SecretString>,
    tokens: Vec<NamedToken>,
    webhooks: Vec<SecretString>,
}

impl Secrets {
    fn read(config: &Config) -> Result<Self, config::Error> {
        let password = config.mail.smtp.as_ref().map(|smtp| smtp.password.read()).transpose()?.flatten();
        let mut webhooks = Vec::new();
        for webhook in &config.webhooks {
            webhooks.extend(webhook.read_secrets()?);
        }
        let api_key = config.upstream.api_key.read()?;
        Ok(Self { api_key, password, tokens: config.api.read_tokens()?, webhooks })
    }
}

/// A configuration of which everything is ready to take effect.
struct Fresh {
    /// As it was read.
    read: Config,
    /// The running one, with all of `read` that can be changed.
    applied: Config,
    secrets: Secrets,
    mailer: Mailer,
    rules: Rules,
    webhooks: Vec<WebhookEndpoint>,
}

impl Fresh {
    /// Reads and tries everything. Reads files, so not for a thread that others wait for.
    fn read(source: Option<PathBuf>, started: &Config) -> Result<Self, Error> {
        let read = config::load(source.as_deref())?;
        read.validate_for_daemon()?;
        let secrets = Secrets::read(&read)?;
        let kept = &started.mail;
        let mail = MailConfig {
            retry_initial: kept.retry_initial,
            retry_max: kept.retry_max,
            give_up_after: kept.give_up_after,
            digest_schedule: kept.digest_schedule.clone(),
            ..read.mail.clone()
        };
        let api = ApiConfig { listen: started.api.listen.clone(), ..read.api.clone() };
        let applied =
            Config { mail, api, webhooks: read.webhooks.clone(), log: read.log.clone(), ..started.clone() };
        let (mailer, rules, webhooks) = (mailer(&applied)?, rules(&applied), webhooks(&applied)?);
        Ok(Self { read, applied, secrets, mailer, rules, webhooks })
    }
}

impl Reloader {
    /// After a start by `config`.
    pub(super) fn new(config: &Config, set_log_level: SetLogLevel) -> Result<Self, Error> {
        let secrets = Secrets::read(config)?;
        Ok(Self { started: config.clone(), applied: config.clone(), secrets, set_log_level })
    }

    /// Reads everything again and has it take effect, or says why not; what can only be changed by a restart is named.
    pub(super) async fn reload(&mut self, flow: &Flow, access: &LiveAccess) {
        let (source, started) = (self.started.source.clone(), self.started.clone());
        let fresh = match tokio::task::spawn_blocking(move || Fresh::read(source, &started)).await {
            Ok(Ok(fresh)) => fresh,
            Ok(Err(error)) => {
                tracing::error!("nothing is reloaded, all goes on as before: {error}");
                return;
            }
            Err(error) => {
                tracing::error!("nothing is reloaded, all goes on as before: {error}");
                return;
            }
        };
        let (changed, waiting) = self.changes(&fresh);
        let Fresh { applied, secrets, mailer, rules, webhooks, .. } = fresh;
        flow.mailer.replace(mailer).await;
        flow.rules.replace(rules);
        flow.webhooks.replace(webhooks);
        flow.wakers.webhooks.notify_one();
        access.replace(&secrets.tokens, &applied.api.groups);
        if let Err(error) = flow.mail_way_changed().await {
            tracing::warn!("letters that wait are tried no sooner: {}", error.chain());
        }
        match changed.as_slice() {
            [] => tracing::info!("reloaded: templates and secrets were read again, no key has changed"),
            keys => tracing::info!("reloaded: {}; templates and secrets were read again", keys.join(", ")),
        }
        if !waiting.is_empty() {
            tracing::warn!(
                "only a restart changes {}; until then they stay as they were",
                waiting.join(", ")
            );
        }
        if changed.contains(&"log.level") {
            match (self.set_log_level)(applied.log.level.as_deref()) {
                Ok(()) => {
                    tracing::info!("log.level is {}", applied.log.level.as_deref().unwrap_or("as usual"))
                }
                Err(why) => tracing::warn!("log.level: {why}"),
            }
        }
        self.applied = applied;
        // The upstream's key stays as it was, and is named again next time.
        self.secrets = Secrets { api_key: self.secrets.api_key.take(), ..secrets };
    }

    /// What takes effect now, and what waits for a restart. A secret whose file holds another one has changed too.
    fn changes(&self, fresh: &Fresh) -> (Vec<&'static str>, Vec<&'static str>) {
        let differs = |one: &Option<SecretString>, other: &Option<SecretString>| {
            let text = |secret: &Option<SecretString>| {
                secret.as_ref().map(|secret| secret.expose_secret().to_owned())
            };
            text(one) != text(other)
        };
        let (was, is) = (&self.secrets.tokens, &fresh.secrets.tokens);
        let changed_token = |name: &str| differs(&secret_of(was, name), &secret_of(is, name));
        let mut changed = config::differences(&self.applied, &fresh.applied);
        let others = &fresh.applied.api.tokens;
        for (key, has_changed) in [
            ("mail.smtp.password", differs(&self.secrets.password, &fresh.secrets.password)),
            ("api.token", changed_token(PLAIN_TOKEN)),
            ("api.tokens", others.iter().any(|token| changed_token(&token.name))),
            ("webhooks", text_of(&self.secrets.webhooks) != text_of(&fresh.secrets.webhooks)),
        ] {
            if has_changed && !changed.contains(&key) {
                changed.push(key);
            }
        }
        let mut waiting = config::differences(&fresh.applied, &fresh.read);
        if differs(&self.secrets.api_key, &fresh.secrets.api_key) && !waiting.contains(&"upstream.api_key") {
            waiting.push("upstream.api_key");
        }
        (changed, waiting)
    }
}

/// What the token of this name is.
fn secret_of(tokens: &[NamedToken], name: &str) -> Option<SecretString> {
    tokens.iter().find(|token| token.name == name).map(|token| token.secret.clone())
}

fn text_of(secrets: &[SecretString]) -> Vec<&str> {
    secrets.iter().map(|secret| secret.expose_secret()).collect()
}
