//! The words and colours of the scenario's lines.

use super::closely;
use super::error::Error;
use super::script::name_in;
use crate::domain::asset::Asset;
use crate::domain::deposit::Deposit;
use crate::ledger::{EventRow, Ledger};

/// How long a story takes by its own time: the last fate, and until the books are compared.
const STORY_SECONDS: u32 = 4 * 3600;

/// The label of a deposit in every line.
pub(super) fn label(deposit: &Deposit) -> String {
    let request = &deposit.request;
    let id = deposit.id.to_string();
    let tail = id.get(id.len().saturating_sub(6)..).unwrap_or_default();
    let name = request.reference.as_deref().and_then(name_in).unwrap_or(tail);
    let asset = match request.asset() {
        Some(Asset { currency, network }) if currency.as_str() == network.as_str() => currency.to_string(),
        Some(Asset { currency, network }) => format!("{currency}/{network}"),
        None => request.method().to_string(),
    };
    format!("{name:<4} {asset:<14} {:>7}", request.amount.to_string())
}

/// How many attempts a wallet took.
pub(super) async fn attempts_of(ledger: &Ledger, id: &str) -> Result<Option<String>, Error> {
    let Ok(id) = id.parse() else { return Ok(None) };
    let attempts = ledger.attempts_of(id).await?;
    let lost = attempts.iter().any(|attempt| attempt.outcome.as_deref() == Some("unknown"));
    Ok(match attempts.len() {
        0 | 1 => None,
        count if lost => Some(format!("at attempt {count}; what a lost answer made was shown to nobody")),
        count => Some(format!("at attempt {count}")),
    })
}

/// What an event did to the books.
pub(super) fn booked(deposit: &Deposit, event: &str) -> Option<String> {
    let total = deposit.facts.booked.as_ref()?.total();
    Some(match event {
        "refunded" => format!("{total} USD go back"),
        _ => {
            let late = if deposit.facts.late { ", late" } else { "" };
            let outcome = deposit.facts.outcome.map_or("in part", |outcome| outcome.as_str());
            format!("{total} USD ({outcome}{late})")
        }
    })
}

/// What has happened, in words.
pub(super) fn words(event: &EventRow) -> String {
    let plain = |state: &Option<String>| state.as_deref().map(|state| state.replace('_', " "));
    let reason = event.reason.as_deref();
    let says = event.upstream_status.as_deref().unwrap_or("nothing");
    match event.event.as_str() {
        "status_changed" => format!("the upstream says {says:?}"),
        "figures_changed" => "the figures change".to_owned(),
        "needs_review" => format!("a person should look: {}", reason.unwrap_or("no reason given")),
        "review_cleared" => "ordinary again".to_owned(),
        "rejected" => format!("rejected: {}", reason.unwrap_or("no words")),
        _ => plain(&event.to_state).unwrap_or_else(|| event.event.replace('_', " ")),
    }
}

/// What the deposit that is followed closely is called in every line.
pub(super) fn followed_name() -> String {
    format!("#{:02} ", closely::FOLLOWED)
}

/// What a person will see, in three lines.
pub(super) fn introduction(deposits: u32, speed: u32, resumed: bool) -> String {
    let first = "All of depositd on this machine, against a simulated upstream. No money is real.";
    let quick = format!("Time runs {speed} times as fast as life, and stands while this program is stopped.");
    let (second, third) = match (deposits, resumed) {
        (0, _) => (
            "It waits for you: ask for deposits, and pay them by hand, as is said below.".to_owned(),
            String::new(),
        ),
        (_, true) => {
            ("The story goes on where it was stopped, and ends with the accounts.".to_owned(), quick)
        }
        (1, _) => ("One deposit, closely: what its payer gets, the letters, the books.".to_owned(), quick),
        (count, _) => {
            let others = count.saturating_sub(1);
            (
                "First one deposit, closely: what its payer gets, the letters, the books. Then".to_owned(),
                format!(
                    "{others} more of every fate, an outage, the accounts: about {} s at {speed} times life.",
                    seconds(speed)
                ),
            )
        }
    };
    [first, &second, &third].into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// How long a story takes.
fn seconds(speed: u32) -> u32 {
    STORY_SECONDS.checked_div(speed).unwrap_or(STORY_SECONDS).saturating_add(2)
}

/// The colour of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Plain,
    Dim,
    Good,
    Waiting,
    Bad,
}

impl Colour {
    pub(super) const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Dim => Some("2"),
            Self::Good => Some("32"),
            Self::Waiting => Some("33"),
            Self::Bad => Some("31"),
        }
    }
}

pub(super) fn colour_of(event: &str) -> Colour {
    match event {
        "settled" | "upstream_back" | "reconciliation_back" | "discrepancy_closed" => Colour::Good,
        "underpaid" | "held" | "short" | "refunding" | "refunded" | "needs_review" => Colour::Waiting,
        "expired"
        | "failed"
        | "rejected"
        | "unresolved"
        | "upstream_down"
        | "reconciliation_void"
        | "discrepancy_opened" => Colour::Bad,
        "requested" | "status_changed" | "figures_changed" | "review_cleared" => Colour::Dim,
        _ => Colour::Plain,
    }
}
