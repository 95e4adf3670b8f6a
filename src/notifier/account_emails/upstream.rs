//! The letters about the upstream: that it cannot be used, and that it can again.

use super::notice::Notice;
use crate::domain::time::Timestamp;
use crate::notifier::content::{Content, Tone};
use crate::notifier::text::{instant, minute, span};

const OUTAGE: &[(&str, &str)] =
    &[("since", "Since"), ("back_at", "Back"), ("error", "Last error"), ("failures", "Failures")];

impl Notice<'_> {
    pub(super) fn upstream_down(&self) -> Content {
        let since = self.time(&["since", "down_since"]).unwrap_or(self.input.at);
        let trouble = self.get(&["trouble"]).unwrap_or_default();
        let (subject, lead, todo) = trouble_words(&trouble, since);
        let next = [
            "No deposit changes its state meanwhile, and none is called expired for that reason. depositd goes on \
             trying; another letter follows when the upstream answers again.",
            todo,
        ];
        self.content(Tone::Bad, &format!("{subject} since {}", minute(since)), lead, &next, OUTAGE)
    }

    pub(super) fn upstream_back(&self) -> Content {
        let since = self.time(&["since", "down_since"]);
        let until = self.time(&["back_at", "until"]).unwrap_or(self.input.at);
        let (subject, lead) = match since {
            Some(since) => {
                let lasted = span(until.since(since));
                (
                    format!("Upstream back after {lasted}"),
                    format!(
                        "The upstream answers again, {lasted} after it was called down ({}).",
                        instant(since)
                    ),
                )
            }
            None => (format!("Upstream back at {}", minute(until)), "The upstream answers again.".to_owned()),
        };
        let next = ["Open deposits are being looked at again, the most urgent first. Nothing to do."];
        self.content(Tone::Good, &subject, lead, &next, OUTAGE)
    }
}

/// What is the matter with the upstream since `since`: a subject, a sentence, and what to do. Facts of an older version
/// name no trouble: then it was silence.
fn trouble_words(trouble: &str, since: Timestamp) -> (&'static str, String, &'static str) {
    let at = instant(since);
    match trouble {
        "unreadable" => (
            "Upstream unreadable",
            format!("The upstream answers, and since {at} none of its answers could be read."),
            "If it lasts, look at the upstream's own status. An answer that has changed its shape for good needs a newer \
             depositd: `depositd check` shows what cannot be read.",
        ),
        "throttled" => (
            "Upstream asks to slow down",
            format!("Since {at} the upstream has turned every call away and asked us to slow down."),
            "If it lasts, lower upstream.requests_per_second, or find out who else makes calls for this account.",
        ),
        "denied" => (
            "Upstream denies access",
            format!("The upstream has denied access to the account since {at}."),
            "Check upstream.user_id and the API key with `depositd check`. Requests keep waiting until it is accepted.",
        ),
        "unknown_orders" => (
            "Upstream knows no order",
            format!(
                "The upstream answers, and since {at} it has said of every order that it does not know it."
            ),
            "If it lasts, check upstream.user_id and the upstream's own status before paying anything new.",
        ),
        _ => (
            "Upstream down",
            format!("The upstream has not answered since {at}."),
            "If it lasts, check this machine's network and the upstream's own status before paying anything new.",
        ),
    }
}
