//! Standard output, which may be closed early: text with or without colours, or one JSON document.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write};

use serde::Serialize;

use super::exit::{CommandResult, ExitStatus};

/// The styles of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    /// As it should be.
    Good,
    /// Not finished.
    Open,
    /// Wrong, or lost.
    Bad,
    /// A heading.
    Head,
    /// Beside the point.
    Faint,
}

/// Standard output. A reader that goes away early (`| head`) is no error: what is written then is dropped.
#[derive(Debug)]
pub(super) struct Output {
    stdout: BufWriter<Stdout>,
    /// One JSON document, or one a line, instead of text.
    pub(super) json: bool,
    /// A person is reading.
    pub(super) terminal: bool,
    /// How wide its terminal is; `None` where nobody looks at one.
    pub(super) columns: Option<usize>,
    colour: bool,
    open: bool,
    written: bool,
    error: Option<io::Error>,
}

impl Output {
    /// The output of this process.
    pub(super) fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let colour = terminal
            && !json
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let columns = if terminal && !json { Some(columns_of_terminal()) } else { None };
        Self {
            stdout: BufWriter::new(io::stdout()),
            json,
            terminal,
            columns,
            colour,
            open: true,
            written: false,
            error: None,
        }
    }

    /// True once anything was written.
    pub(super) fn has_written(&self) -> bool {
        self.written
    }

    /// False once nobody reads any more.
    pub(super) fn is_open(&self) -> bool {
        self.open && self.error.is_none()
    }

    /// Writes one line.
    pub(super) fn line(&mut self, text: impl Display) {
        let outcome = writeln!(self.stdout, "{text}");
        self.note(outcome);
    }

    /// Writes text as it is.
    pub(super) fn text(&mut self, text: &str) {
        let outcome = self.stdout.write_all(text.as_bytes());
        self.note(outcome);
    }

    /// Writes one JSON document: spread out for a person, on one line for a program.
    pub(super) fn document(&mut self, value: &impl Serialize) -> Result<(), serde_json::Error> {
        let text =
            if self.terminal { serde_json::to_string_pretty(value)? } else { serde_json::to_string(value)? };
        self.line(text);
        Ok(())
    }

    /// Ends a command with one JSON document, or with what `text` writes for a person.
    pub(super) fn answer(&mut self, value: &impl Serialize, text: impl FnOnce(&mut Self)) -> CommandResult {
        if self.json {
            self.document(value)?;
        } else {
            text(self);
        }
        Ok(ExitStatus::Done)
    }

    /// Makes what was written visible now, for output that grows while somebody watches.
    pub(super) fn flush(&mut self) {
        let outcome = self.stdout.flush();
        self.note(outcome);
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// Whatever went wrong since the start, such as a full disk; a reader that went away is none.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush();
        self.error.map_or(Ok(()), Err)
    }

    /// Sets `text` off, where colours are wanted.
    pub(super) fn paint(&self, paint: Paint, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Good => "32",
            Paint::Open => "33",
            Paint::Bad => "1;31",
            Paint::Head => "1",
            Paint::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    fn note(&mut self, outcome: io::Result<()>) {
        self.written = true;
        match outcome {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.open = false,
            Err(error) => self.error = self.error.take().or(Some(error)),
        }
    }
}

/// How wide the terminal of standard output is; 80 where it does not say.
fn columns_of_terminal() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_col);
    if size == 0 { 80 } else { usize::from(size) }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.open {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.written = true;
        self.stdout.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}

/// Says something on standard error; nobody may be listening.
pub(super) fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Shows progress on standard error, without ending the line.
pub(super) fn hint(text: impl Display) {
    let _ = write!(io::stderr(), "{text}");
}
