//! The upstream's status words (docs/contract.md, sections 2 and 3): one row a word, which says what it means. Where a
//! meaning leads a deposit is in `observe/transition.rs`; what it makes of a row of the invoice list is [`Weight`].

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

/// What a status word means: words of one meaning do the same to a deposit and to the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusMeaning {
    /// No payment was seen.
    Unseen,
    /// A payment was seen on the chain, and is not certain yet.
    Confirming,
    /// Less than required arrived, and more may come.
    Part,
    /// Credited, as required.
    Paid,
    /// Credited, more than required.
    PaidOver,
    /// Closed with less than required.
    Short,
    /// Not paid in time.
    Cancelled,
    /// Ended by an error, without money.
    Failed,
    /// Locked by the processor's compliance.
    Held,
    /// Money goes back.
    Refunding,
    /// It was to go back, and stayed.
    RefundFailed,
    /// Money went back.
    Refunded,
}

impl StatusMeaning {
    /// What it makes of a row's amount.
    #[must_use]
    pub const fn weight(self) -> Weight {
        match self {
            Self::Unseen | Self::Confirming | Self::Part | Self::Cancelled | Self::Failed | Self::Held => {
                Weight::Nothing
            }
            Self::Paid | Self::PaidOver => Weight::Amount,
            Self::Short | Self::Refunding | Self::RefundFailed | Self::Refunded => Weight::Follows,
        }
    }

    /// True where an order ended without money.
    #[must_use]
    pub const fn ends_unpaid(self) -> bool {
        matches!(self, Self::Cancelled | Self::Failed)
    }

    /// True where a payment is spoken of that is no more than was required.
    #[must_use]
    pub const fn is_within_required(self) -> bool {
        matches!(self, Self::Paid | Self::Part | Self::Short)
    }
}

macro_rules! statuses {
    ($($(#[$doc:meta])* $status:ident => $word:literal, $meaning:ident;)+) => {
        /// A status word that the contract knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Status { $($(#[$doc])* $status),+ }

        impl Status {
            /// Every word with its status.
            pub const WORDS: &[(&str, Self)] = &[$(($word, Self::$status)),+];

            /// What it means.
            #[must_use]
            pub const fn meaning(self) -> StatusMeaning {
                match self { $(Self::$status => StatusMeaning::$meaning),+ }
            }
        }
    };
}

statuses! {
    /// Waiting for the transaction to appear; also what a missing word means.
    Check => "check", Unseen;
    /// Payment in processing.
    Process => "process", Unseen;
    /// Seen on the chain, waiting for confirmations.
    ConfirmCheck => "confirm_check", Confirming;
    /// Less than required arrived, more may come.
    WrongAmountWaiting => "wrong_amount_waiting", Part;
    /// Paid exactly.
    Paid => "paid", Paid;
    /// Paid, more than required.
    PaidOver => "paid_over", PaidOver;
    /// Paid less than required, closed.
    WrongAmount => "wrong_amount", Short;
    /// Not paid in time.
    Cancel => "cancel", Cancelled;
    /// Error in payment.
    Fail => "fail", Failed;
    /// Error at the processor.
    SystemFail => "system_fail", Failed;
    /// Refund under way.
    RefundProcess => "refund_process", Refunding;
    /// Refund failed.
    RefundFail => "refund_fail", RefundFailed;
    /// Refunded.
    RefundPaid => "refund_paid", Refunded;
    /// Held by the anti-money-laundering programme.
    Locked => "locked", Held;
}

impl Status {
    /// Reads a word in any letter case; `None` for a word that the contract does not know.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.trim();
        Self::WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, status)| *status)
    }

    /// What it makes of a row's amount.
    #[must_use]
    pub const fn weight(self) -> Weight {
        self.meaning().weight()
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
