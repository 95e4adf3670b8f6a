//! The upstream's status words (docs/contract.md, sections 2 and 3): one row a word. What a poll with it does to a deposit
//! is in `observe/transition.rs`.

/// What a row's status word makes of its amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Nothing was credited, by the word; also for unknown words.
    Nothing = 0,
    /// Its amount was credited.
    Amount = 1,
    /// Money came, and the word does not say what of it was credited. A row of ours counts what the journal credited
    /// for its deposit, before refunds; another's counts its last amount under [`Weight::Amount`].
    Follows = 2,
}

macro_rules! statuses {
    ($($(#[$doc:meta])* $status:ident => $word:literal, $weight:ident;)+) => {
        /// A status word that the contract knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Status { $($(#[$doc])* $status),+ }

        impl Status {
            /// Every word with its meaning.
            pub const WORDS: &[(&str, Self)] = &[$(($word, Self::$status)),+];

            /// What it makes of a row's amount.
            #[must_use]
            pub const fn weight(self) -> Weight {
                match self { $(Self::$status => Weight::$weight),+ }
            }
        }
    };
}

statuses! {
    /// Waiting for the transaction to appear; also what a missing word means.
    Check => "check", Nothing;
    /// Payment in processing.
    Process => "process", Nothing;
    /// Seen on the chain, waiting for confirmations.
    ConfirmCheck => "confirm_check", Nothing;
    /// Less than required arrived, more may come.
    WrongAmountWaiting => "wrong_amount_waiting", Nothing;
    /// Paid exactly.
    Paid => "paid", Amount;
    /// Paid, more than required.
    PaidOver => "paid_over", Amount;
    /// Paid less than required, closed.
    WrongAmount => "wrong_amount", Follows;
    /// Not paid in time.
    Cancel => "cancel", Nothing;
    /// Error in payment.
    Fail => "fail", Nothing;
    /// Error at the processor.
    SystemFail => "system_fail", Nothing;
    /// Refund under way.
    RefundProcess => "refund_process", Follows;
    /// Refund failed.
    RefundFail => "refund_fail", Follows;
    /// Refunded.
    RefundPaid => "refund_paid", Follows;
    /// Held by the anti-money-laundering programme.
    Locked => "locked", Nothing;
}

impl Status {
    /// Reads a word in any letter case; `None` for a word that the contract does not know.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.trim();
        Self::WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, status)| *status)
    }

    /// True where the upstream has credited the account for certain.
    #[must_use]
    pub fn is_credited(self) -> bool {
        self.weight() == Weight::Amount
    }
}

impl Weight {
    /// By the status word as it was written.
    #[must_use]
    pub fn of(word: Option<&str>) -> Self {
        word.and_then(Status::parse).map_or(Self::Nothing, Status::weight)
    }
}
