//! How far the scenario is: a running clock and a bar on a terminal, a line now and then elsewhere.

use std::io::{self, Write};
use std::time::Duration;

/// How often the bar is drawn anew.
pub(super) const REDRAW: Duration = Duration::from_millis(250);
/// Without a terminal, after so long without a line there is one.
const SILENCE: Duration = Duration::from_millis(1500);
const WIDTH: usize = 24;

/// What is drawn, or told.
#[derive(Debug, Default)]
pub(super) struct ProgressBar {
    /// A terminal: the line is drawn over itself.
    pub(super) live: bool,
    drawn: bool,
    /// When something was last written, by the real clock.
    written: Duration,
}

impl ProgressBar {
    /// Takes the bar away, before a line is written.
    pub(super) fn clear(&mut self, out: &mut (dyn Write + Send), now: Duration) -> io::Result<()> {
        self.written = now;
        if std::mem::take(&mut self.drawn) { write!(out, "\r\u{1b}[K") } else { Ok(()) }
    }

    /// Draws the bar, or writes a line where nothing was written for long.
    pub(super) fn tick(
        &mut self,
        out: &mut (dyn Write + Send),
        now: Duration,
        (time, ended, all): (&str, usize, usize),
    ) -> io::Result<()> {
        let text = Self::text(time, ended, all);
        if self.live {
            self.drawn = true;
            write!(out, "\r\u{1b}[K{text}")?;
            return out.flush();
        }
        if now.saturating_sub(self.written) >= SILENCE {
            self.written = now;
            writeln!(out, "{text}")?;
            return out.flush();
        }
        Ok(())
    }

    fn text(time: &str, ended: usize, all: usize) -> String {
        let full = WIDTH.saturating_mul(ended).checked_div(all).unwrap_or(WIDTH).min(WIDTH);
        let bar = format!("{}{}", "#".repeat(full), "-".repeat(WIDTH.saturating_sub(full)));
        let what = if ended < all { "deposits have ended" } else { "ended; the books are compared" };
        format!("{time}  [{bar}] {ended} of {all} {what}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_drawn_over_itself_or_told_when_it_was_long_silent() {
        let mut out: Vec<u8> = Vec::new();
        let mut told = ProgressBar::default();
        let second = Duration::from_secs;
        told.tick(&mut out, second(1), ("0:00:01", 3, 24)).unwrap();
        assert_eq!(out, b"");
        told.tick(&mut out, second(2), ("0:12:52", 3, 24)).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "0:12:52  [###---------------------] 3 of 24 deposits have ended\n"
        );
        let mut out: Vec<u8> = Vec::new();
        let mut drawn = ProgressBar { live: true, ..ProgressBar::default() };
        drawn.tick(&mut out, second(1), ("0:00:01", 0, 2)).unwrap();
        drawn.clear(&mut out, second(1)).unwrap();
        drawn.clear(&mut out, second(1)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("\r\u{1b}[K").count(), 2, "{text:?}");
        for (ended, all) in [(0, 0), (24, 24), (5000, 5000)] {
            assert!(ProgressBar::text(" 99:59:59", ended, all).len() <= 80);
        }
    }
}
