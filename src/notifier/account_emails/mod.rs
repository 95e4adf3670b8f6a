//! What is told that is no deposit's own event: differences in the books, outages, the daily digest, a test.

mod void;

use serde_json::{Map, Value};

use super::LetterInput;
use super::fields::{self, Field};
use super::render::{Content, Section, Tone};
use super::text::{instant, label, minute, one_line, scalar, span, untrusted, untrusted_within};
use crate::domain::event::EventName;
use crate::domain::time::Timestamp;

/// At most so many facts, and so many lines of a list, in one letter.
const MAX_FIELDS: usize = 24;
const MAX_ITEMS: usize = 50;

/// The facts of a notice, whatever is missing from them.
struct Notice<'a> {
    input: &'a LetterInput,
    members: Map<String, Value>,
}

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
    fn get(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.members.get(*name).and_then(scalar))
    }

    fn time(&self, names: &[&str]) -> Option<Timestamp> {
        names.iter().find_map(|name| {
            self.members.get(*name).and_then(Value::as_str).and_then(|text| Timestamp::parse(text).ok())
        })
    }

    /// How many a member counts: a number, or the length of a list.
    fn count(&self, names: &[&str]) -> Option<u64> {
        names.iter().find_map(|name| match self.members.get(*name)? {
            Value::Array(items) => u64::try_from(items.len()).ok(),
            Value::Number(number) => number.as_u64(),
            _ => None,
        })
    }

    /// The scalar members as a table, the `known` ones first and under their names.
    fn fields(&self, known: &[(&str, &str)]) -> Vec<Field> {
        let mut found = Vec::new();
        for (key, name) in known {
            if let Some(value) = self.members.get(*key).and_then(scalar) {
                found.push(if key.ends_with("id") || key.ends_with("hash") {
                    Field::mono(name, value)
                } else {
                    Field::new(name, value)
                });
            }
        }
        let rest = self.members.iter().filter(|(key, _)| !known.iter().any(|(name, _)| name == key));
        for (key, value) in rest {
            if let Some(value) = scalar(value) {
                found.push(Field::new(&label(key), value));
            }
        }
        if let Some(reason) = self.input.reason.as_deref().map(untrusted).filter(|text| !text.is_empty()) {
            found.push(Field::new("Reason", reason));
        }
        if let Some(view) = &self.input.deposit {
            let of_deposit = fields::of_deposit(self.input.event, view, false);
            let known: Vec<String> = found.iter().map(|field| field.label.clone()).collect();
            found.extend(of_deposit.into_iter().filter(|field| !known.contains(&field.label)));
        }
        found.truncate(MAX_FIELDS);
        found
    }

    fn content(
        &self,
        tone: Tone,
        subject: &str,
        lead: String,
        next: &[&str],
        known: &[(&str, &str)],
    ) -> Content {
        Content {
            next: next.iter().map(|text| (*text).to_owned()).collect(),
            fields: self.fields(known),
            ..Content::new(tone, one_line(subject, 160), lead)
        }
    }

    fn kind(&self) -> String {
        self.get(&["kind"]).unwrap_or_else(|| "a difference".to_owned())
    }

    fn discrepancy_opened(&self) -> Content {
        let kind = self.kind();
        let figures = match (self.get(&["expected"]), self.get(&["found"])) {
            (Some(expected), Some(found)) => format!(", expected {expected}, found {found}"),
            _ => String::new(),
        };
        let (meaning, todo) = explain(&kind);
        let subject = format!("Books differ: {kind}{figures}");
        let next = [todo, "Record what you find, or close the case:"];
        let mut content = self.content(Tone::Bad, &subject, meaning.to_owned(), &next, CASE);
        content.commands = match self.get(&["id", "case_id", "case"]) {
            Some(id) if id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => vec![
                format!("depositd cases explain {id} --note \"what you found\""),
                format!("depositd cases accept {id} --note \"why it is right as it is\""),
                format!("depositd cases close {id} --note \"why\""),
            ],
            _ => vec!["depositd cases list".to_owned()],
        };
        content
    }

    fn discrepancy_closed(&self) -> Content {
        let kind = self.kind();
        let lead = match self.get(&["resolution", "note"]) {
            Some(resolution) => format!("The case {kind} was closed: {resolution}"),
            None => format!("The case {kind} was closed: the figures agree again."),
        };
        let next = ["Nothing to do. The case is opened again only if its figures change."];
        self.content(Tone::Good, &format!("Books agree again: {kind} closed"), lead, &next, CASE)
    }

    fn upstream_down(&self) -> Content {
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

    fn upstream_back(&self) -> Content {
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

    fn digest(&self) -> Content {
        let date = self.get(&["date"]).unwrap_or_else(|| self.input.at.to_date_text());
        let settled = self.count(&["settled_count"]).unwrap_or(0);
        let dollars = self.get(&["settled_usd"]).unwrap_or_else(|| "0.00".to_owned());
        let open = self.count(&["open_count", "open"]).unwrap_or(0);
        let cases = self.count(&["cases_count", "cases"]).unwrap_or(0);
        let unsent = self.count(&["unsent_mail"]).unwrap_or(0);
        let flagged = self.count(&["needs_review"]).unwrap_or(0);
        let trouble = if cases > 0 { format!(", {}", counted(cases, "open case")) } else { String::new() };
        let subject = format!("Digest {date}: {settled} settled, {dollars} USD, {open} open{trouble}");
        let lead = format!(
            "{} settled for {dollars} USD; {open} open; {}; {} unsent.",
            counted(settled, "deposit"),
            if cases > 0 { counted(cases, "open case") } else { "no open cases".to_owned() },
            counted(unsent, "letter"),
        );
        let mut next = vec![
            "This letter comes on schedule. If one is missing, the daemon, its mail server or its ledger needs a look. \
             Keep the head hash: with it `depositd verify` can prove later that nothing before it was changed.",
        ];
        let mut commands = Vec::new();
        for (wanted, command) in [
            (flagged > 0, "depositd list --needs-review"),
            (cases > 0, "depositd cases list"),
            (unsent > 0, "depositd mail list"),
        ] {
            if wanted {
                commands.push(command.to_owned());
            }
        }
        if !commands.is_empty() {
            next.push("To look closer:");
        }
        let tone = if cases > 0 || unsent > 0 || flagged > 0 { Tone::Warn } else { Tone::Calm };
        let mut content = self.content(tone, &subject, lead, &next, DIGEST);
        content.commands = commands;
        content.sections = [
            ("Settled", "settled"),
            ("Ended otherwise", "ended"),
            ("Open deposits", "open"),
            ("Open cases, the oldest first", "cases"),
        ]
        .into_iter()
        .filter_map(|(title, key)| section(title, self.members.get(key)?))
        .collect();
        if let Some(Value::Object(ages)) = self.members.get("cases_by_age").filter(|_| cases > 0) {
            let count = |key: &str| ages.get(key).and_then(Value::as_u64).unwrap_or(0);
            let ages = format!(
                "{} since less than a day, {} up to a week, {} longer",
                count("today"),
                count("this_week"),
                count("older")
            );
            let place = content.fields.iter().position(|field| field.label == "Open cases");
            let place = place.map_or(content.fields.len(), |place| place.saturating_add(1));
            content.fields.insert(place, Field::new("of them, by age", ages));
        }
        content
    }

    /// Many letters in one: how many of which, the first of them by name, and where the others are.
    fn summary(&self) -> Content {
        let count = self.count(&["count"]).unwrap_or(0);
        let kinds: Vec<(u64, String)> = match self.members.get("events") {
            Some(Value::Array(kinds)) => kinds
                .iter()
                .filter_map(|kind| {
                    let name = label(kind.get("event")?.as_str()?).to_lowercase();
                    Some((kind.get("count")?.as_u64()?, name))
                })
                .collect(),
            _ => Vec::new(),
        };
        let words: Vec<String> = kinds.iter().take(3).map(|(n, name)| format!("{n} {name}")).collect();
        let more = if kinds.len() > 3 { " and others" } else { "" };
        let which = if words.is_empty() { String::new() } else { format!(": {}{more}", words.join(", ")) };
        let subject = format!("{} in one letter{which}", counted(count, "event"));
        let lead = format!(
            "{} happened within a short time{which}. You are told of all of them in this one letter.",
            counted(count, "event")
        );
        let next = [
            "So many letters at once are a flood, most often after an outage. None of them is sent by itself; each is \
             kept with the number of this letter. To see them, or to have one sent after all:",
        ];
        let known = &[("count", "Events"), ("since", "First"), ("until", "Last")];
        let mut content = self.content(Tone::Warn, &subject, lead, &next, known);
        content.commands =
            ["depositd mail list --state told", "depositd mail retry NUMBER"].map(str::to_owned).into();
        let kinds: Vec<Value> = kinds.iter().map(|(n, name)| Value::String(format!("{name}: {n}"))).collect();
        let named = self.count(&["items"]).unwrap_or(0);
        let title = if named < count { format!("The first {named}") } else { "All of them".to_owned() };
        content.sections = [
            section("By event", &Value::Array(kinds)),
            self.members.get("items").and_then(|items| section(&title, items)),
        ]
        .into_iter()
        .flatten()
        .collect();
        content
    }

    /// What a person has decided of the books: one letter, however much it is.
    fn decided(&self) -> Content {
        let what = self.input.reason.as_deref().map(untrusted).unwrap_or_default();
        let subject = match self.get(&["act"]).as_deref() {
            Some("accept") => "Books: a difference was accepted",
            Some("unaccept") => "Books: an acceptance was taken back",
            Some("correct") => "Books: a credit was corrected",
            Some("uncorrect") => "Books: a correction was taken back",
            Some("claim") => "Books: an order was claimed",
            _ => "Books: a person has decided",
        };
        let next = ["Nothing to do. If this is wrong, it can be taken back: see `depositd cases --help`."];
        let mut content = self.content(Tone::Warn, subject, what, &next, DECIDED);
        content.sections =
            self.members.get("corrections").and_then(|list| section("Deposits", list)).into_iter().collect();
        content
    }

    fn baseline_set(&self) -> Content {
        let taken = self.members.get("taken").and_then(Value::as_bool).unwrap_or(true);
        let what = self.input.reason.as_deref().map(untrusted).unwrap_or_default();
        let subject = if taken { "Books: the baseline was set" } else { "Books: no baseline can be taken" };
        let next = [
            "What the total held before the first run is history, and no difference. Only a person moves it.",
        ];
        let tone = if taken { Tone::Calm } else { Tone::Bad };
        self.content(tone, subject, what, &next, DECIDED)
    }

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

const CASE: &[(&str, &str)] = &[
    ("id", "Case"),
    ("case_id", "Case"),
    ("kind", "Kind"),
    ("expected", "Expected"),
    ("found", "Found"),
    ("detail", "Rows and figures"),
    ("resolution", "Resolution"),
    ("opened_at", "Opened"),
    ("closed_at", "Closed"),
    ("order_id", "Order id"),
    ("deposit_id", "Deposit id"),
];
const DECIDED: &[(&str, &str)] = &[
    ("case_id", "Case"),
    ("kind", "Kind"),
    ("drift_cents", "Drift, in cents"),
    ("listed_cents", "Rows credit, in cents"),
    ("counted_cents", "Counts, in cents"),
    ("baseline_cents", "Baseline, in cents"),
    ("before_cents", "Before, in cents"),
    ("who", "By"),
    ("by", "By"),
    ("note", "Note"),
    ("order_id", "Order id"),
    ("deposit_id", "Deposit id"),
];

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

const OUTAGE: &[(&str, &str)] =
    &[("since", "Since"), ("back_at", "Back"), ("error", "Last error"), ("failures", "Failures")];
const DIGEST: &[(&str, &str)] = &[
    ("date", "Day"),
    ("since", "From"),
    ("until", "To"),
    ("requested", "Requested"),
    ("settled_count", "Settled"),
    ("settled_usd", "Settled, USD"),
    ("refunded_count", "Refunded"),
    ("refunded_usd", "Refunded, USD"),
    ("credited_in_all_usd", "Credited in all, USD"),
    ("open_count", "Open deposits"),
    ("needs_review", "To be reviewed"),
    ("cases_count", "Open cases"),
    ("unsent_mail", "Unsent mail"),
    ("unsent_dead", "of it given up"),
    ("unsent_since", "Unsent since"),
    ("head_seq", "Events in the ledger"),
    ("head_hash", "Ledger's head hash"),
];

/// What a kind of difference means, and what to do about it.
fn explain(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "amount_mismatch" => (
            "The upstream's invoice and our books hold different amounts for one deposit.",
            "Compare the row in the SMSOnline account with the deposit. Nothing is corrected by itself: book what is right \
             with `depositd cases correct`, or accept it as it is; the case closes when the figures agree.",
        ),
        "invoice_missing" => (
            "A deposit that we booked as credited is not among the upstream's invoices.",
            "Look for it in the SMSOnline account. If it is not there, write to SMSOnline's support with the order id.",
        ),
        "status_mismatch" => (
            "The upstream's invoice list says otherwise of a deposit than its own status call.",
            "Compare the deposit's history with the invoice; ask SMSOnline's support which of the two is right.",
        ),
        "total_charges_drift" => (
            "The account's total of top-ups is not the sum of the invoices that were credited.",
            "Look for top-ups or corrections in the SMSOnline account that the invoice list does not show.",
        ),
        "total_fell" => (
            "The account's total of top-ups is less than it was, and a total never falls. Nothing is compared until it is \
             right again, or accepted.",
            "Ask SMSOnline's support. If the lower total is right, accept it: what differs then is compared as usual.",
        ),
        "rows_changed" => (
            "Many credited rows of the invoice list have other amounts than they had, or the list is empty. Nothing is \
             compared until they are right again, or accepted.",
            "Ask SMSOnline's support, whether amounts are in another unit for one. If the rows are right, accept them.",
        ),
        "row_unread" => (
            "A row of the invoice list that may be credited cannot be read, so the books cannot be called clean.",
            "Look the top-up up in the SMSOnline account, and say its amount: depositd cases accept NUMBER --amount CENTS.",
        ),
        "restored" => (
            "The ledger was restored from a copy: orders that were made after the copy are not in it.",
            "Claim each order of yours that is named with `depositd claim ORDER --note TEXT`, then close the case.",
        ),
        _ => (
            "What the upstream says and what the books hold do not agree.",
            "Compare the figures below with the SMSOnline account.",
        ),
    }
}

fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A list of the digest, a line an item; `None` when there is nothing to list.
fn section(title: &str, value: &Value) -> Option<Section> {
    let list = value.as_array().filter(|list| !list.is_empty())?;
    let mut items: Vec<String> = list.iter().take(MAX_ITEMS).map(item).collect();
    let more = list.len().saturating_sub(items.len());
    if more > 0 {
        items.push(format!("and {more} more"));
    }
    Some(Section { title: title.to_owned(), items })
}

/// What a line of the digest says first, as far as it is known.
const ITEM: &[&str] = &[
    "event",
    "reference",
    "kind",
    "amount",
    "currency",
    "network",
    "state",
    "count",
    "usd",
    "expected",
    "found",
    "booked",
    "corrected",
    "days",
    "id",
];

fn item(value: &Value) -> String {
    let words: Vec<String> = match value {
        Value::Object(members) => {
            let known = ITEM.iter().filter_map(|key| Some((*key, members.get(*key)?)));
            let rest = members
                .iter()
                .filter(|(key, _)| !ITEM.contains(&key.as_str()))
                .map(|(key, value)| (key.as_str(), value));
            known.chain(rest).filter_map(|(key, value)| Some(figure(key, &scalar(value)?))).take(10).collect()
        }
        other => scalar(other).into_iter().collect(),
    };
    untrusted_within(&words.join(" · "), 200)
}

/// A figure with what it is of, where it does not say so by itself.
fn figure(key: &str, value: &str) -> String {
    match key {
        "usd" | "amount" => format!("{value} USD"),
        "event" | "state" | "kind" => value.replace('_', " "),
        "count" => format!("{value} ×"),
        "days" => format!("{value} d old"),
        "id" => format!("no. {value}"),
        "expected" | "found" | "oldest" => format!("{key} {value}"),
        "booked" => format!("was {value} USD"),
        "corrected" => format!("now {value} USD"),
        _ => value.to_owned(),
    }
}
