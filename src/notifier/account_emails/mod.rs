//! The letters about what is no deposit's own event: differences in the books, outages, the daily digest, a test.

mod books;
mod digest;
mod notice;
mod reconciliation;
mod upstream;

use serde_json::{Map, Value};

use self::notice::Notice;
use super::content::{Content, Tone};
use super::letter::LetterInput;
use super::text::{instant, label};
use crate::domain::event::EventName;

/// The letter about an event that is no deposit's.
pub(super) fn of_notice(input: &LetterInput) -> Content {
    let members = match &input.notice {
        Some(Value::Object(members)) => members.clone(),
        _ => Map::new(),
    };
    let notice = Notice { input, members };
    match input.event {
        EventName::DiscrepancyOpened => notice.discrepancy_opened(),
        EventName::DiscrepancyClosed => notice.discrepancy_closed(),
        EventName::Digest => notice.digest(),
        EventName::UpstreamDown => notice.upstream_down(),
        EventName::UpstreamBack => notice.upstream_back(),
        EventName::ReconciliationVoid => notice.reconciliation_void(),
        EventName::ReconciliationBack => notice.reconciliation_back(),
        EventName::Decided => notice.decided(),
        EventName::BaselineSet => notice.baseline_set(),
        EventName::MailTest => notice.test(),
        EventName::Summary => notice.summary(),
        _ => notice.other(),
    }
}

impl Notice<'_> {
    fn test(&self) -> Content {
        let lead = "This is a test: mail from depositd reaches you.".to_owned();
        self.content(Tone::Good, "Test message from depositd", lead, &["Nothing to do."], &[])
    }

    fn other(&self) -> Content {
        let words = label(self.input.event.as_str());
        let lead = format!("{words} at {}.", instant(self.input.at));
        self.content(Tone::Calm, &words, lead, &[], &[])
    }
}
