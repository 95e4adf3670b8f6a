//! Which outcome has which exit status, and how a failure carries its own.

use std::fmt::Display;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::api_types::ProblemBody;
use crate::domain::causes;
use crate::ledger;
use crate::secret::without_known;

/// How a command ends (docs/interface.md, "Command line").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExitStatus {
    /// Done.
    Done,
    /// It failed.
    Failed,
    /// Wrong usage or configuration.
    Usage,
    /// No such deposit, or case, or mail.
    Unknown,
    /// Refused by the upstream.
    Refused,
    /// The daemon cannot be reached.
    Unreachable,
    /// `verify`, `reconcile` or `close` found something wrong; a ledger of the fleet is refused.
    Wrong,
    /// The awaited deposit ended otherwise than settled.
    Otherwise,
}

impl ExitStatus {
    /// All of them.
    #[cfg(test)]
    pub(super) const ALL: [Self; 8] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Unknown,
        Self::Refused,
        Self::Unreachable,
        Self::Wrong,
        Self::Otherwise,
    ];

    /// The number.
    pub(super) const fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unknown => 3,
            Self::Refused => 4,
            Self::Unreachable => 5,
            Self::Wrong => 6,
            Self::Otherwise => 7,
        }
    }
}

impl ExitStatus {
    /// The stable word for programs.
    const fn problem_type(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Unknown => "not-found",
            Self::Refused => "upstream-refused",
            Self::Unreachable => "daemon-unreachable",
            Self::Wrong => "not-clean",
            Self::Otherwise => "ended-otherwise",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Done => "Done",
            Self::Failed => "It failed",
            Self::Usage => "Wrong usage or configuration",
            Self::Unknown => "There is no such thing",
            Self::Refused => "Refused by the upstream",
            Self::Unreachable => "The daemon cannot be reached",
            Self::Wrong => "Something is wrong in the books",
            Self::Otherwise => "It ended otherwise than settled",
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(exit: ExitStatus) -> Self {
        Self::from(exit.status())
    }
}

/// Why a command did not come to its end, and the exit status that says so.
#[derive(Debug)]
pub(super) struct CommandFailure {
    /// The exit status.
    pub(super) exit: ExitStatus,
    /// The reason, with its causes.
    pub(super) error: anyhow::Error,
    /// The daemon's own refusal, where it is one.
    pub(super) refusal: Option<Box<ProblemBody>>,
}

impl CommandFailure {
    /// A failure in words.
    pub(super) fn new(exit: ExitStatus, words: impl Display) -> Self {
        Self { exit, error: anyhow::anyhow!("{words}"), refusal: None }
    }

    /// The daemon's refusal, in `words`.
    pub(super) fn refused(exit: ExitStatus, words: impl Display, refusal: Box<ProblemBody>) -> Self {
        Self { refusal: Some(refusal), ..Self::new(exit, words) }
    }

    /// The same for a program: a problem (RFC 9457), the daemon's where it refused, with the exit status.
    pub(super) fn problem(&self) -> Value {
        let refusal = self.refusal.as_deref().and_then(|refusal| serde_json::to_value(refusal).ok());
        let mut problem = match refusal {
            Some(Value::Object(members)) if members.get("type").is_some_and(|kind| kind != "") => members,
            _ => Map::from_iter([
                ("type".to_owned(), json!(self.exit.problem_type())),
                ("title".to_owned(), json!(self.exit.title())),
            ]),
        };
        problem.insert("detail".to_owned(), json!(self.words()));
        problem.insert("exit_status".to_owned(), json!(self.exit.status()));
        let text = without_known(&Value::Object(problem).to_string());
        serde_json::from_str(&text).unwrap_or_else(
            |_| json!({ "type": self.exit.problem_type(), "exit_status": self.exit.status() }),
        )
    }

    /// The reason and its causes on one line: no words twice, and nothing that is a secret or could be one.
    pub(super) fn words(&self) -> String {
        without_known(&causes::chain(self.error.as_ref()))
    }

    /// True where the ledger could not be read only because a daemon was just starting or stopping.
    pub(super) fn is_passing(&self) -> bool {
        self.error.downcast_ref::<ledger::Error>().is_some_and(ledger::Error::needs_a_writer)
    }

    /// Wrong usage or configuration.
    pub(super) fn usage(words: impl Display) -> Self {
        Self::new(ExitStatus::Usage, words)
    }
}

/// Whatever is not said to be something else has simply failed.
impl<E: Into<anyhow::Error>> From<E> for CommandFailure {
    fn from(error: E) -> Self {
        Self { exit: ExitStatus::Failed, error: error.into(), refusal: None }
    }
}

/// What commands return.
pub(super) type CommandResult = Result<ExitStatus, CommandFailure>;
