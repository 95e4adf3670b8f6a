//! `init`: sets up a machine by asking. Everything is known and judged before the first file is written.

mod answers;
mod asking;
mod files;
mod interview;
mod place;
mod spread;

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use self::answers::Answers;
use self::asking::Asker;
use self::interview::{Interview, KnownSecret, NO_SERVER, Question, SecretQuestion, given_secret};
use self::place::{Place, SecretPlace};
use self::spread::Spread;
use super::args::InitArgs;
use super::check;
use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::output::say;
use super::table::plain;

const USER_ID: Question =
    Question { key: "upstream.user_id", option: "--user-id", words: "User id of the SMSOnline account" };
const BASE_URL: Question = Question { key: "upstream.base_url", option: "--base-url", words: "Its address" };
static API_KEY: SecretQuestion = SecretQuestion {
    credential: "upstream-api-key",
    key: "upstream.api_key_file",
    table: "upstream",
    option: "--api-key-file",
    words: "Its API key (not shown)",
};
const HOST: Question = Question {
    key: "mail.smtp.host",
    option: "--smtp-host",
    words: "Mail server (- for none: letters become files)",
};
const SECURITY: Question = Question {
    key: "mail.smtp.security",
    option: "--smtp-security",
    words: "Its encryption: starttls, tls, or none on this machine",
};
const PORT: Question = Question {
    key: "mail.smtp.port",
    option: "--smtp-port",
    words: "Its port, where it is another than usual",
};
const USERNAME: Question = Question {
    key: "mail.smtp.username",
    option: "--smtp-username",
    words: "Login there, where it wants one",
};
static PASSWORD: SecretQuestion = SecretQuestion {
    credential: "smtp-password",
    key: "mail.smtp.password_file",
    table: "mail.smtp",
    option: "--smtp-password-file",
    words: "Its password (not shown)",
};
const FROM: Question =
    Question { key: "mail.from", option: "--from", words: "Sender of letters, such as deposits@example.com" };
const TO: Question = Question { key: "mail.to", option: "--to", words: "Who gets them; commas between" };
const LEDGER: Question = Question { key: "ledger.path", option: "--ledger", words: "File of the ledger" };
const ZONE: Question = Question {
    key: "books.time_zone",
    option: "--time-zone",
    words: "Zone of days and months in the books, such as Europe/Berlin",
};

/// Asks, writes, tries, and says what is next.
pub(super) async fn init(context: &mut Context, args: InitArgs) -> CommandResult {
    let place = Place::find(args.dir.as_deref(), context.named())?;
    tokio::select! {
        done = set_up(context, &place, args) => done,
        stopped = stopped() => {
            stopped?;
            let words = "broken off by a signal; no file is half written, and init can be started again";
            Err(CommandFailure::new(ExitStatus::Failed, words))
        }
    }
}

/// Ends when somebody ends the program: what is hidden on the terminal has to be shown again first.
async fn stopped() -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

async fn set_up(context: &mut Context, place: &Place, args: InitArgs) -> CommandResult {
    let mut interview = Interview::new(Asker::new(args.yes), beginning(place), place);
    take_options(&mut interview, &args)?;
    // Both before the first question: they may come by the same way as the answers.
    let key = given_secret(API_KEY.option, args.api_key_file.as_deref()).await?;
    let password = given_secret(PASSWORD.option, args.smtp_password_file.as_deref()).await?;
    if interview.asker.is_talking() {
        greet(place);
    }
    let mut secrets = Vec::new();
    interview.ask(&USER_ID, None).await?;
    secrets.extend(interview.secret(&API_KEY, key).await?);
    secrets.extend(ask_for_mail(&mut interview, password).await?);
    interview.ask(&LEDGER, Some(&place.state("ledger.db"))).await?;
    interview.ask(&ZONE, Some("UTC")).await?;
    let mut answers = interview.finish()?;
    name_secrets(&mut answers, &secrets);
    validate(&answers, place, &secrets)?;
    let written = write(&answers, place, &secrets)?;
    let next = next(place, &written);
    if !context.out.json {
        for file in &written {
            context.out.line(format_args!("written  {}", plain(&file.display().to_string())));
        }
        context.out.line("");
        context.out.flush();
    }
    context.go_by(&place.file);
    let (exit, found) = check::everything(context).await?;
    if context.out.json {
        context.out.document(&json!({ "written": written, "check": found, "next": next }))?;
        return Ok(exit);
    }
    context.out.line("");
    if exit != ExitStatus::Done {
        let command = place.command();
        context.out.line(format_args!("What failed is mended in the files above; then: {command} check\n"));
    }
    context.out.line("Next:");
    for command in &next {
        context.out.line(format_args!("  {}", plain(command)));
    }
    Ok(exit)
}

/// What is written without a question.
fn beginning(place: &Place) -> Answers {
    let mut answers = Answers::default();
    answers.raw("ledger.create_if_missing", "true");
    answers.text("ledger.backup_dir", &place.state("backups"));
    match place.instance().map(Spread::of) {
        None => answers.text("ledger.backup_schedule", "0 30 2 * * *"),
        Some(spread) => {
            answers.text("ledger.backup_schedule", &spread.backup);
            answers.text("reconcile.schedule", &spread.reconcile);
        }
    }
    answers.raw("ledger.backup_keep", "14");
    answers.list("api.listen", [place.socket().as_str()]);
    answers
}

fn take_options(interview: &mut Interview<'_>, args: &InitArgs) -> Result<(), CommandFailure> {
    let host = if args.mail_to_files { Some(NO_SERVER) } else { args.smtp_host.as_deref() };
    let to = (!args.to.is_empty()).then(|| args.to.join(","));
    for (question, given) in [
        (&USER_ID, args.user_id.as_deref()),
        (&BASE_URL, args.base_url.as_deref()),
        (&HOST, host),
        (&SECURITY, args.smtp_security.as_deref()),
        (&PORT, args.smtp_port.as_deref()),
        (&USERNAME, args.smtp_username.as_deref()),
        (&FROM, args.from.as_deref()),
        (&TO, to.as_deref()),
        (&LEDGER, args.ledger.as_deref()),
        (&ZONE, args.time_zone.as_deref()),
    ] {
        interview.take(question, given)?;
    }
    Ok(())
}

/// The way out for letters, and who gets them.
async fn ask_for_mail(
    interview: &mut Interview<'_>,
    password: Option<SecretString>,
) -> Result<Option<KnownSecret>, CommandFailure> {
    if !interview.answers.has("mail.transport") {
        interview.ask(&HOST, None).await?;
    }
    let mut known = None;
    if interview.answers.has(HOST.key) {
        interview.ask(&SECURITY, Some("starttls")).await?;
        interview.ask_whether(&PORT).await?;
        interview.ask_whether(&USERNAME).await?;
        if interview.answers.has(USERNAME.key) {
            known = interview.secret(&PASSWORD, password).await?;
        } else if password.is_some() {
            interview.lacks(USERNAME.option);
        }
    }
    interview.ask(&FROM, None).await?;
    interview.ask(&TO, None).await?;
    Ok(known)
}

fn greet(place: &Place) {
    let whose = place.unit_name().map(|unit| format!(" ({unit} reads it)")).unwrap_or_default();
    say(format_args!(
        "This writes {file}{whose} and the secrets' files,\n\
         but nothing before everything is answered. Return takes what stands in brackets,\n\
         or leaves out what may be left out. Ctrl-C ends it.\n",
        file = place.file.display(),
    ));
}

/// How the daemon finds the secrets.
fn name_secrets(answers: &mut Answers, secrets: &[KnownSecret]) {
    for KnownSecret { question, place, .. } in secrets {
        match place {
            SecretPlace::Sealed => {}
            SecretPlace::Beside(_) => answers.text(question.key, question.credential),
            SecretPlace::Passed(file) | SecretPlace::DropIn { secret: file, .. } => {
                let words =
                    format!("systemd passes the credential {}: {}", question.credential, file.display());
                answers.note(question.table, words);
            }
        }
    }
}

/// What the daemon itself would say of it before it starts.
fn validate(answers: &Answers, place: &Place, secrets: &[KnownSecret]) -> Result<(), CommandFailure> {
    let mut config = answers.read(&place.file).map_err(CommandFailure::usage)?;
    // Where systemd passes them, they are found when the unit starts.
    let passed = |question: &SecretQuestion| {
        let is_known = secrets.iter().any(|known| known.question.credential == question.credential);
        is_known.then(|| PathBuf::from(question.credential))
    };
    config.upstream.api_key.loaded_from = passed(&API_KEY);
    if let Some(smtp) = &mut config.mail.smtp {
        smtp.password.loaded_from = passed(&PASSWORD);
    }
    config.validate_for_daemon().map_err(CommandFailure::usage)
}

/// The secrets first, the configuration last: it names nothing that is not there.
fn write(answers: &Answers, place: &Place, secrets: &[KnownSecret]) -> Result<Vec<PathBuf>, CommandFailure> {
    let mut written = Vec::new();
    let mut create = |file: &Path, text: &str, mode: u32| {
        files::create(file, text.as_bytes(), mode)?;
        written.push(file.to_owned());
        Ok::<(), CommandFailure>(())
    };
    // Who may use the reading commands reads the configuration that a unit reads.
    files::folder(place.folder(), if place.unit_name().is_some() { 0o755 } else { 0o700 })?;
    for KnownSecret { place, new, .. } in secrets {
        let Some(file) = place.file() else { continue };
        if let Some(new) = new {
            files::folder(file.parent().unwrap_or(Path::new("/")), 0o700)?;
            create(file, &format!("{}\n", new.expose_secret()), 0o600)?;
        }
        if let SecretPlace::DropIn { secret, file } = place {
            let name = secret.file_name().unwrap_or_default().to_string_lossy();
            files::folder(file.parent().unwrap_or(Path::new("/")), 0o755)?;
            create(file, &format!("[Service]\nLoadCredential={name}:{}\n", secret.display()), 0o644)?;
        }
    }
    create(&place.file, &answers.toml(), 0o644)?;
    Ok(written)
}

/// What a person types next.
fn next(place: &Place, written: &[PathBuf]) -> Vec<String> {
    let command = place.command();
    let request = format!("{command} request USDT BSC 25");
    match place.unit_name() {
        None => vec![format!("{command} run"), request],
        Some(unit) => {
            let has_drop_in = written.iter().any(|file| file.extension().is_some_and(|end| end == "conf"));
            let reload = has_drop_in.then(|| "systemctl daemon-reload".to_owned());
            let unit = unit.strip_suffix(".service").unwrap_or(unit);
            let let_in = place.read_by_daemon().map(|folder| {
                let folder = folder.display();
                format!(
                    "chgrp -R depositd {folder} && chmod 0750 {folder} && chmod 0440 {folder}/*    (the daemon reads them)"
                )
            });
            reload
                .into_iter()
                .chain(let_in)
                .chain([format!("systemctl enable --now {unit}"), request])
                .collect()
        }
    }
}
