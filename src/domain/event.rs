//! The names of what can happen, and the step that one observation makes of a deposit.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::deposit::{Deposit, Facts, State};
use super::journal::{Posting, Turnover};
use super::poll::Due;
use super::time::Timestamp;

/// What an event is about. Letters about one thing are one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// One deposit, whose event it is.
    Deposit,
    /// A case; of a deposit, where it names one.
    Case,
    /// Whether the upstream can be used.
    Upstream,
    /// Whether the books can be compared with the upstream.
    Reconciliation,
    /// The whole account, and nothing but the event itself.
    Account,
}

/// When an event is mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mailed {
    /// Never.
    Never,
    /// Where a rule names it.
    ByRule,
    /// Unless a rule says otherwise.
    ByDefault,
    /// To whom it says itself; no rule may name it.
    ByItself,
}

/// Whether its letter may be held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timing {
    /// By quiet hours, and by a flood.
    Waits,
    /// The same; quiet hours let it pass unless `mail.urgent` says otherwise.
    Urgent,
    /// Never: it is about the whole account, and mailed at any hour, however many letters there are.
    AnyHour,
}

/// Whose letters tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    /// Those whom the rules name.
    Operators,
    /// They, and in letters of their own the addresses that the deposit was asked for with.
    PayersToo,
}

/// The table of all events, handed to the macro `$make`. A row is `Name => "word", topic, mailed, timing, audience;`. An
/// event that is mailed has a folder of its word in `notifier/emails/`, and one in `notifier/emails/payer/` where payers
/// are told, too.
macro_rules! event_table {
    ($make:ident) => {
        $make! {
            /// A deposit was asked for.
            Requested => "requested", Deposit, Never, Waits, Operators;
            /// The upstream made a wallet.
            WalletCreated => "wallet_created", Deposit, ByRule, Urgent, PayersToo;
            /// The payment was seen on the chain.
            Confirming => "confirming", Deposit, ByRule, Waits, Operators;
            /// A part arrived.
            Underpaid => "underpaid", Deposit, ByDefault, Urgent, PayersToo;
            /// Credited, or credited with more than before.
            Settled => "settled", Deposit, ByDefault, Waits, PayersToo;
            /// Closed with less than required.
            Short => "short", Deposit, ByDefault, Waits, PayersToo;
            /// Not paid in time.
            Expired => "expired", Deposit, ByDefault, Waits, PayersToo;
            /// An error at the processor.
            Failed => "failed", Deposit, ByDefault, Waits, PayersToo;
            /// Locked by compliance.
            Held => "held", Deposit, ByDefault, Urgent, PayersToo;
            /// Money goes back.
            Refunding => "refunding", Deposit, Never, Waits, Operators;
            /// Money went back.
            Refunded => "refunded", Deposit, ByDefault, Waits, PayersToo;
            /// No wallet: refused.
            Rejected => "rejected", Deposit, ByDefault, Waits, Operators;
            /// No wallet that we know of: the outcome cannot be known.
            Unresolved => "unresolved", Deposit, ByDefault, Waits, Operators;
            /// The upstream's word changed and the state did not.
            StatusChanged => "status_changed", Deposit, Never, Waits, Operators;
            /// The upstream's figures changed and the state did not.
            FiguresChanged => "figures_changed", Deposit, Never, Waits, Operators;
            /// The books were corrected, because a person said so.
            Corrected => "corrected", Deposit, Never, Waits, Operators;
            /// The first credited row stated what had been booked provisionally.
            FigureStated => "figure_stated", Deposit, Never, Waits, Operators;
            /// A person said which row of the invoice list is the deposit's, or took that back.
            Matched => "matched", Deposit, Never, Waits, Operators;
            /// A person should review the deposit.
            NeedsReview => "needs_review", Deposit, ByDefault, Urgent, Operators;
            /// A later poll was ordinary again.
            ReviewCleared => "review_cleared", Deposit, Never, Waits, Operators;
            /// So many changes of flags, words and figures of one deposit were left out within an hour.
            ChangesLeftOut => "changes_left_out", Deposit, Never, Waits, Operators;
            /// A person has reviewed the deposit.
            Reviewed => "reviewed", Deposit, Never, Waits, Operators;
            /// Books and upstream do not agree.
            DiscrepancyOpened => "discrepancy_opened", Case, ByDefault, Waits, Operators;
            /// A person explained a difference.
            DiscrepancyExplained => "discrepancy_explained", Case, Never, Waits, Operators;
            /// They agree again, or a person closed the case.
            DiscrepancyClosed => "discrepancy_closed", Case, ByDefault, Waits, Operators;
            /// A run opened or closed cases without a letter.
            CasesNoted => "cases_noted", Account, Never, Waits, Operators;
            /// The daily summary.
            Digest => "digest", Account, ByDefault, AnyHour, Operators;
            /// The upstream does not answer.
            UpstreamDown => "upstream_down", Upstream, ByDefault, AnyHour, Operators;
            /// It answers again.
            UpstreamBack => "upstream_back", Upstream, ByDefault, AnyHour, Operators;
            /// The prepaid balance has fallen below what is set.
            BalanceLow => "balance_low", Account, ByDefault, AnyHour, Operators;
            /// It is no longer below that.
            BalanceBack => "balance_back", Account, ByDefault, AnyHour, Operators;
            /// Reconciliations are void: something could not be fetched, or cannot be what it says.
            ReconciliationVoid => "reconciliation_void", Reconciliation, ByDefault, AnyHour, Operators;
            /// One was whole again.
            ReconciliationBack => "reconciliation_back", Reconciliation, ByDefault, AnyHour, Operators;
            /// The replica could not be restored, is not whole, or is not this ledger.
            DrillFailed => "drill_failed", Account, ByDefault, AnyHour, Operators;
            /// A month was closed: what is booked in it stands.
            PeriodClosed => "period_closed", Account, Never, Waits, Operators;
            /// A person said what only a person can know: a correction, an acceptance, or that one is taken back.
            Decided => "decided", Account, ByDefault, Waits, Operators;
            /// What the account's total held before the first run was established, or set by a person.
            BaselineSet => "baseline_set", Account, ByDefault, Waits, Operators;
            /// The ledger was restored from a copy: what happened between that copy and its loss is not in it.
            Restored => "restored", Account, Never, Waits, Operators;
            /// The ledger was given to another account of the upstream's.
            Rebound => "rebound", Account, Never, Waits, Operators;
            /// A message that a person asked for, to try the mail.
            MailTest => "mail_test", Account, ByItself, AnyHour, Operators;
            /// The same for a webhook.
            WebhookTest => "webhook_test", Account, Never, Waits, Operators;
            /// Many letters to one recipient in one.
            Summary => "summary", Account, ByItself, AnyHour, Operators;
        }
    };
}
pub(crate) use event_table;

macro_rules! event_names {
    ($($(#[$doc:meta])* $event:ident => $word:literal, $topic:ident, $mailed:ident, $timing:ident,
       $audience:ident;)+) => {
        /// The name of an event, in the ledger, the API and the mails.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum EventName { $($(#[$doc])* $event),+ }

        impl EventName {
            /// Every name.
            pub const ALL: &[Self] = &[$(Self::$event),+];

            /// The word used outside.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$event => $word),+ }
            }

            /// What it is about.
            #[must_use]
            pub const fn topic(self) -> Topic {
                match self { $(Self::$event => Topic::$topic),+ }
            }

            const fn mailed(self) -> Mailed {
                match self { $(Self::$event => Mailed::$mailed),+ }
            }

            const fn timing(self) -> Timing {
                match self { $(Self::$event => Timing::$timing),+ }
            }

            const fn audience(self) -> Audience {
                match self { $(Self::$event => Audience::$audience),+ }
            }
        }
    };
}

event_table!(event_names);

impl EventName {
    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|name| name.as_str() == text)
    }

    /// True for the events that can be mailed: each has a folder in `notifier/emails/`.
    #[must_use]
    pub const fn has_letter(self) -> bool {
        !matches!(self.mailed(), Mailed::Never)
    }

    /// True for the events of docs/interface.md's "Mail": those that a rule may name.
    #[must_use]
    pub const fn is_mailable(self) -> bool {
        matches!(self.mailed(), Mailed::ByRule | Mailed::ByDefault)
    }

    /// True for the events that a webhook may be told of: all of a deposit, and of the account those that a mail rule may
    /// name.
    #[must_use]
    pub const fn is_hookable(self) -> bool {
        matches!(self.topic(), Topic::Deposit) || self.is_mailable()
    }

    /// What a webhook calls it (docs/interface.md, "Webhooks"): what it is about, a point, and what happened.
    #[must_use]
    pub fn webhook_type(self) -> String {
        let word = self.as_str();
        match (self.topic(), word.strip_prefix("discrepancy_"), word.split_once('_')) {
            (Topic::Deposit, ..) => format!("deposit.{word}"),
            (_, Some(what), _) => format!("case.{what}"),
            (_, None, Some((about, what))) => format!("{about}.{what}"),
            (_, None, None) => format!("account.{word}"),
        }
    }

    /// True for the events that are mailed where no rule says anything.
    #[must_use]
    pub const fn is_mailed_by_default(self) -> bool {
        matches!(self.mailed(), Mailed::ByDefault)
    }

    /// True for the letters of the whole account that go by themselves, whatever the hour and however many there are.
    #[must_use]
    pub const fn is_never_held_back(self) -> bool {
        matches!(self.timing(), Timing::AnyHour)
    }

    /// True for what quiet hours let pass unless `mail.urgent` says otherwise: what is of no use in the morning, and what
    /// a person should know at once.
    #[must_use]
    pub const fn is_urgent_by_default(self) -> bool {
        matches!(self.timing(), Timing::Urgent)
    }

    /// True for the events of a deposit that its payers are told of, whatever the rules say.
    #[must_use]
    pub const fn is_told_to_payers(self) -> bool {
        matches!(self.audience(), Audience::PayersToo)
    }

    /// The event that the arrival in a state is.
    #[must_use]
    pub const fn of_state(state: State) -> Self {
        match state {
            State::Requested => Self::Requested,
            State::AwaitingPayment => Self::WalletCreated,
            State::Confirming => Self::Confirming,
            State::Underpaid => Self::Underpaid,
            State::Settled => Self::Settled,
            State::Short => Self::Short,
            State::Expired => Self::Expired,
            State::Failed => Self::Failed,
            State::Held => Self::Held,
            State::Refunding => Self::Refunding,
            State::Refunded => Self::Refunded,
            State::Rejected => Self::Rejected,
            State::Unresolved => Self::Unresolved,
        }
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who is owed word of an event, and in which words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Recipient {
    /// In the operators' words.
    Operator(String),
    /// In a payer's: an address that the deposit was asked for with.
    Payer {
        /// The address.
        payer: String,
    },
    /// Not by mail: a program, which is told by HTTP.
    Webhook {
        /// Its name in the configuration.
        webhook: String,
    },
}

impl Recipient {
    /// The mail address; `None` for a webhook.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::Operator(address) | Self::Payer { payer: address } => Some(address),
            Self::Webhook { .. } => None,
        }
    }

    /// True where it is a payer.
    #[must_use]
    pub const fn is_payer(&self) -> bool {
        matches!(self, Self::Payer { .. })
    }

    /// `operator` or `payer`, as the ledger writes it.
    #[must_use]
    pub const fn audience(&self) -> &'static str {
        if self.is_payer() { "payer" } else { "operator" }
    }
}

/// One thing that happened to a deposit: it commits with its postings and the mails that it owes, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub name: EventName,
    /// When.
    pub at: Timestamp,
    /// The state before; `None` for the first event.
    pub from: Option<State>,
    /// The upstream's raw word that brought it.
    pub upstream_status: Option<String>,
    /// Why, in words, where the name does not say it all.
    pub reason: Option<String>,
    /// The deposit's facts after it.
    pub facts: Facts,
    /// What it books; empty or balanced.
    pub postings: Vec<Posting>,
    /// What it moves in a month's totals.
    pub turnover: Turnover,
    /// Who is owed a mail about it.
    pub mail_to: Vec<Recipient>,
}

/// What one observation makes of a deposit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The version that the observation was made against.
    pub expected_version: i64,
    /// The deposit afterwards.
    pub deposit: Deposit,
    /// What happened, oldest first; empty for a poll that changed nothing.
    pub events: Vec<Event>,
    /// When to act on it again; `None` when it is left to reconciliation.
    pub due: Option<Due>,
}
