//! The letters about reconciliations that could not be, and that can be again.

use super::notice::{Notice, counted};
use crate::notifier::content::{Content, Tone};
use crate::notifier::text::{instant, minute, span};

const VOID: &[(&str, &str)] = &[
    ("since", "Since"),
    ("back_at", "Whole again"),
    ("runs", "Void runs"),
    ("last_good_at", "Last good run"),
    ("error", "Last error"),
];

impl Notice<'_> {
    pub(super) fn reconciliation_void(&self) -> Content {
        let since = self.time(&["since"]).unwrap_or(self.input.at);
        let runs = self.count(&["runs"]).unwrap_or(1);
        let lead = match self.time(&["last_good_at"]) {
            Some(last) => format!(
                "The books have not been compared with the upstream since {}: {} could not be, one after the other.",
                instant(last),
                counted(runs, "reconciliation")
            ),
            None => "The books could not be compared with the upstream yet.".to_owned(),
        };
        let next = [
            "A reconciliation is void when something could not be fetched, or cannot be what it says. It changes nothing: \
             no booking, no case. depositd goes on trying; another letter follows when a reconciliation is whole again.",
            "To see what was answered, and to try now:",
        ];
        let subject = format!("Reconciliation void since {}", minute(since));
        let mut content = self.content(Tone::Bad, &subject, lead, &next, VOID);
        content.commands = vec!["depositd reconcile".to_owned(), "depositd check".to_owned()];
        content
    }

    pub(super) fn reconciliation_back(&self) -> Content {
        let until = self.time(&["back_at"]).unwrap_or(self.input.at);
        let lead = match self.time(&["since"]) {
            Some(since) => format!(
                "The books have been compared with the upstream again, {} after the letter that said they could not be.",
                span(until.since(since))
            ),
            None => "The books have been compared with the upstream again.".to_owned(),
        };
        let next = ["What does not agree, if anything, is told by letters of its own. Nothing to do."];
        let subject = format!("Reconciliation whole again at {}", minute(until));
        self.content(Tone::Good, &subject, lead, &next, VOID)
    }
}
