//! The questions: each answer is judged by the daemon's own rules, and asked again with what was wrong.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::answers::Answers;
use super::asking::{Asker, line};
use super::files::is_there;
use super::place::{Place, SecretPlace};
use crate::cli::exit::CommandFailure;
use crate::cli::output::say;
use crate::config::{LONGEST_SECRET, SecretFile, checked_secret};
use crate::secret::without_known;

/// The answer to the question for a mail server where there is none.
pub(super) const NO_SERVER: &str = "-";

/// One thing to be known, and the option that says it.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) key: &'static str,
    pub(super) option: &'static str,
    pub(super) words: &'static str,
}

/// A secret to be known.
#[derive(Debug)]
pub(super) struct SecretQuestion {
    /// What systemd calls it, and its file.
    pub(super) credential: &'static str,
    /// The key that names a file, and its table.
    pub(super) key: &'static str,
    pub(super) table: &'static str,
    pub(super) option: &'static str,
    pub(super) words: &'static str,
}

/// A secret that is known, and where it goes.
#[derive(Debug)]
pub(super) struct KnownSecret {
    pub(super) question: &'static SecretQuestion,
    pub(super) place: SecretPlace,
    /// `None` where it is there already.
    pub(super) new: Option<SecretString>,
}

/// What is known so far, and who is asked for the rest.
#[derive(Debug)]
pub(super) struct Interview<'a> {
    pub(super) asker: Asker,
    pub(super) answers: Answers,
    place: &'a Place,
    missing: Vec<&'static str>,
}

impl<'a> Interview<'a> {
    /// One that starts from `answers`.
    pub(super) fn new(asker: Asker, answers: Answers, place: &'a Place) -> Self {
        Self { asker, answers, place, missing: Vec::new() }
    }

    /// Takes what an option says, where it was given.
    pub(super) fn take(&mut self, question: &Question, given: Option<&str>) -> Result<(), CommandFailure> {
        let Some(given) = given else { return Ok(()) };
        self.answer(question, given)
            .map_err(|problem| CommandFailure::usage(format_args!("{}: {problem}", question.option)))
    }

    /// Asks, where it is not known yet. Nobody's answer is `usual`, where there is such.
    pub(super) async fn ask(
        &mut self,
        question: &Question,
        usual: Option<&str>,
    ) -> Result<(), CommandFailure> {
        if self.answers.has(question.key) {
            return Ok(());
        }
        let shown = match usual {
            Some(usual) => format!("{} [{usual}]", question.words),
            None => question.words.to_owned(),
        };
        loop {
            let Some(answer) = self.asker.ask(&shown).await? else {
                match usual {
                    Some(usual) => return self.take(question, Some(usual)),
                    None => self.missing.push(question.option),
                }
                return Ok(());
            };
            let chosen = if answer.is_empty() { usual } else { Some(answer.as_str()) };
            match chosen.map(|chosen| self.answer(question, chosen)) {
                Some(Ok(())) => return Ok(()),
                Some(Err(problem)) => say(format_args!("  {}", without_known(&problem))),
                None => say("  an answer is needed"),
            }
        }
    }

    /// Asks for what may be left out: an empty answer is none.
    pub(super) async fn ask_whether(&mut self, question: &Question) -> Result<(), CommandFailure> {
        while !self.answers.has(question.key) {
            let Some(answer) = self.asker.ask(question.words).await?.filter(|answer| !answer.is_empty())
            else {
                break;
            };
            if let Err(problem) = self.answer(question, &answer) {
                say(format_args!("  {}", without_known(&problem)));
            }
        }
        Ok(())
    }

    /// Finds a secret: in its file, where it is already; where the option says; else it is asked for.
    pub(super) async fn secret(
        &mut self,
        question: &'static SecretQuestion,
        given: Option<SecretString>,
    ) -> Result<Option<KnownSecret>, CommandFailure> {
        let place = self.place.secret(question.credential);
        let Some(file) = place.file() else { return Ok(Some(KnownSecret { question, place, new: None })) };
        if is_there(file) {
            let there = SecretFile { path: file.to_owned(), key: question.option.to_owned() };
            let kept = there.read().map_err(CommandFailure::usage)?;
            if given.is_some_and(|given| given.expose_secret() != kept.expose_secret()) {
                let (option, file) = (question.option, file.display());
                return Err(CommandFailure::usage(format_args!(
                    "{file} is there already, and holds another secret than {option} says: leave {option} out to keep it, \
                     or remove the file first"
                )));
            }
            return Ok(Some(KnownSecret { question, place, new: None }));
        }
        let new = match given {
            Some(given) => Some(given),
            None => self.ask_secret(question).await?,
        };
        Ok(new.map(|new| KnownSecret { question, place, new: Some(new) }))
    }

    async fn ask_secret(
        &mut self,
        question: &SecretQuestion,
    ) -> Result<Option<SecretString>, CommandFailure> {
        loop {
            let Some(answer) = self.asker.ask_hidden(question.words).await? else {
                self.missing.push(question.option);
                return Ok(None);
            };
            match checked_secret(&answer) {
                Ok(secret) => return Ok(Some(secret)),
                Err(problem) => say(format_args!("  {problem}")),
            }
        }
    }

    /// Says that this would be needed.
    pub(super) fn lacks(&mut self, option: &'static str) {
        self.missing.push(option);
    }

    /// The answers, where none is missing.
    pub(super) fn finish(self) -> Result<Answers, CommandFailure> {
        if self.missing.is_empty() {
            return Ok(self.answers);
        }
        // A mail server may be missing for good.
        let named = |option: &&str| match *option {
            "--smtp-host" => "--smtp-host (or --mail-to-files)".to_owned(),
            option => option.to_owned(),
        };
        let missing = self.missing.iter().map(named).collect::<Vec<_>>().join(", ");
        Err(CommandFailure::usage(format_args!("nothing was written: there is no answer for {missing}")))
    }

    /// Takes an answer, where the daemon would.
    fn answer(&mut self, question: &Question, answer: &str) -> Result<(), String> {
        if answer.chars().any(char::is_control) {
            return Err("expected a text without control characters".to_owned());
        }
        let mut answers = self.answers.clone();
        match (question.key, answer.parse::<u32>()) {
            ("mail.smtp.port", Ok(port)) => answers.raw(question.key, port.to_string()),
            ("mail.smtp.host", _) if answer == NO_SERVER => {
                answers.text("mail.transport", "file");
                answers.text("mail.directory", &self.place.state("mail"));
            }
            ("mail.to", _) => {
                answers.list(question.key, answer.split(',').map(str::trim).filter(|to| !to.is_empty()));
            }
            _ => answers.text(question.key, answer),
        }
        let config = answers.read(&self.place.file)?;
        if question.key == "mail.to" && config.mail.to.is_empty() {
            return Err("expected a mail address at least".to_owned());
        }
        if question.key == "ledger.path" {
            self.place.refuse_ledger(&config.ledger.path)?;
        }
        self.answers = answers;
        Ok(())
    }
}

/// The secret that an option names: a file's, or with `-` the next line of standard input.
pub(super) async fn given_secret(
    option: &str,
    file: Option<&Path>,
) -> Result<Option<SecretString>, CommandFailure> {
    let Some(file) = file else { return Ok(None) };
    let fault = |why: String| CommandFailure::usage(format_args!("{option}: {}: {why}", file.display()));
    let text = if file == Path::new("-") {
        line().await?.unwrap_or_default()
    } else {
        // A pipe will do as well: <(pass show smsonline).
        let limit = u64::try_from(LONGEST_SECRET).unwrap_or(u64::MAX).saturating_add(3);
        let opened = File::open(file).map_err(|error| fault(error.to_string()))?;
        let mut bytes = Vec::new();
        opened.take(limit).read_to_end(&mut bytes).map_err(|error| fault(error.to_string()))?;
        String::from_utf8(bytes).map_err(|_| fault("expected text in UTF-8".to_owned()))?
    };
    checked_secret(&text).map(Some).map_err(fault)
}
