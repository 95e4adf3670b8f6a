//! How a person, or a program that pipes answers, is asked: a line for each question, secrets without an echo.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::cli::output::hint;

/// No answer is longer.
const LONGEST: u64 = 16 * 1024;

/// Asks on standard error, and reads on standard input.
#[derive(Debug)]
pub(super) struct Asker {
    /// Nobody is asked: by wish, or since the input has ended.
    silent: bool,
    terminal: bool,
}

impl Asker {
    /// One that asks, or with `silent` one that does not.
    pub(super) fn new(silent: bool) -> Self {
        Self { silent, terminal: io::stdin().is_terminal() }
    }

    /// True where somebody sits at a terminal and answers.
    pub(super) fn is_talking(&self) -> bool {
        !self.silent && self.terminal
    }

    /// The answer, without space around it; `None` where nobody answers.
    pub(super) async fn ask(&mut self, words: &str) -> io::Result<Option<String>> {
        if self.silent {
            return Ok(None);
        }
        hint(format_args!("{words}: "));
        let answer = line().await?;
        if !self.terminal || answer.is_none() {
            // Nobody's return key ends this line.
            hint("\n");
        }
        self.silent = answer.is_none();
        Ok(answer.map(|answer| answer.trim().to_owned()))
    }

    /// The same for a secret: what is typed is not shown.
    pub(super) async fn ask_hidden(&mut self, words: &str) -> io::Result<Option<String>> {
        let _hidden = if self.is_talking() { Some(NoEcho::begin()?) } else { None };
        self.ask(words).await
    }
}

/// A line of standard input; `None` at its end. It is read on another thread: whoever waits for it can be interrupted.
pub(super) async fn line() -> io::Result<Option<String>> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        let count = io::stdin().lock().take(LONGEST).read_line(&mut line)?;
        if u64::try_from(count).is_ok_and(|count| count == LONGEST) {
            let text = format!("expected a line of less than {LONGEST} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok((count > 0).then_some(line))
    });
    read.await.map_err(io::Error::other)?
}

/// A terminal that does not show what is typed, until this is dropped.
struct NoEcho(Termios);

impl NoEcho {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // The end of the line is shown still.
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(io::stdin(), OptionalActions::Now, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        // Nothing can be done where the terminal is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
