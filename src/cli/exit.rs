//! Which outcome has which exit status, and how a failure carries its own.

use std::fmt::Display;
use std::process::ExitCode;

use crate::domain::causes;
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
    /// `verify`, `reconcile` or `close` found something wrong.
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
}

impl CommandFailure {
    /// A failure in words.
    pub(super) fn new(exit: ExitStatus, words: impl Display) -> Self {
        Self { exit, error: anyhow::anyhow!("{words}") }
    }

    /// The reason and its causes on one line: no words twice, and nothing that is a secret or could be one.
    pub(super) fn words(&self) -> String {
        without_known(&causes::chain(self.error.as_ref()))
    }

    /// Wrong usage or configuration.
    pub(super) fn usage(words: impl Display) -> Self {
        Self::new(ExitStatus::Usage, words)
    }
}

/// Whatever is not said to be something else has simply failed.
impl<E: Into<anyhow::Error>> From<E> for CommandFailure {
    fn from(error: E) -> Self {
        Self { exit: ExitStatus::Failed, error: error.into() }
    }
}

/// What commands return.
pub(super) type CommandResult = Result<ExitStatus, CommandFailure>;
