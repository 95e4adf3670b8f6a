//! Reading the ledger: any number of readers, without holding up the writer.

mod account;
mod book_sources;
mod chain_view;
pub(in crate::ledger) mod deposits;
mod digest;
pub(in crate::ledger) mod events;
mod export;
mod links;
mod list;
pub(in crate::ledger) mod mails;
mod names;
mod overview;
pub(in crate::ledger) mod statement;
mod webhooks;

pub use self::account::{AccountDay, AccountOpening};
pub use self::book_sources::{BOOK_SOURCES, BookSource, DEPOSIT_COLUMNS, ENTRY_COLUMNS, SourceChanges};
pub use self::chain_view::{BookMark, BookRow, BookValue, ChainPlace, ChainView, ChainedEvent};
pub use self::deposits::{DepositHistory, HistoryCall, HistoryMail, HistoryPosting};
pub use self::digest::{CaseAge, Ended, OpenState, PeriodTotals, Settled, Unsent};
pub use self::events::{EventPage, EventRow};
pub use self::export::{DepositLine, Earlier, Entries, EntryLine, ExportValue, Period};
pub use self::links::{NamedRow, OpenLink};
pub use self::list::DepositFilter;
pub use self::mails::{DueMails, MailRow, MailTroubles, OwedMail, WaitingMail};
pub use self::overview::{COUNTED, DayBalance, MonthLine, MonthSum, StateCount, TrialBalanceLine};
pub use self::statement::{BalanceRise, ElsewhereLine, Statement};
pub use self::webhooks::{DueWebhooks, OwedWebhook, WebhookRow, WebhookSummary};
